"""Sizes of small transformers, apart from what builds them: what is said of a task is said without torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Size:
    """Of a small transformer. Weights are drawn at ``scale``: at the 0.02 of large models small ones hardly start."""

    hidden: int = 24
    layers: int = 1
    heads: int = 2
    inner: int = 48
    scale: float = 0.1

    def narrower(self) -> Iterator[Size]:
        """Ever narrower ones in the same proportions, of as many layers.

        As many heads as leave each an even width, which rotary positions need.
        """
        for hidden in range((self.hidden - 1) // 2 * 2, 0, -2):
            heads = next(count for count in range(self.heads, 0, -1) if hidden % (2 * count) == 0)
            yield replace(self, hidden=hidden, heads=heads, inner=max(1, self.inner * hidden // self.hidden))

    def about(self) -> str:
        """In a few words."""
        layers = "1 layer" if self.layers == 1 else f"{self.layers} layers"
        return f"small Llama ({layers}, width {self.hidden})"


SMALLEST = Size(hidden=16, inner=32)
"""Of the embedded tasks, a thousand retrainings a minute on two cores; and of language models on files."""
