"""Causal language models: likelihood of the response, given the prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional as F

from harness.types import Batch, Params, Plain, Recipe
from tasks.learners.functional import ModuleLearner

IGNORED = -100
"""Target of a token that is not to be learnt: prompt and padding (the convention of torch's cross-entropy)."""

TARGET_BUCKETS = 1_024
"""Most entries of the vector that stands for a response in joint distributions; larger vocabularies are folded."""


class LanguageModel(ModuleLearner):
    """Negative log-likelihood a token of the response alone; right where every token of it would be chosen.

    ``inputs`` are token ids N x T, padded on the right; ``targets`` are the same ids where they are to be
    learnt, IGNORED elsewhere. The module gives logits N x T x V and hidden states N x T x F.

    Args:
        vocabulary: V.
        stacks: whether many of the module's copies can train side by side.
    """

    one_label = False

    def __init__(
        self,
        name: str,
        build: Callable[[], nn.Module],
        vocabulary: int,
        recipe: Recipe,
        settings: Mapping[str, Plain] | None = None,
        base: Params | None = None,
        stacks: bool = True,
    ) -> None:
        super().__init__(name, build, recipe, settings={"vocabulary": vocabulary, **(settings or {})}, base=base)
        self._vocabulary, self.stacks = vocabulary, stacks

    def predict(self, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        logits, hidden = super().predict(params, batch)
        weights = _learnt(batch["targets"])[..., None].to(hidden.dtype)
        features = (hidden[:, :-1] * weights).sum(1) / weights.sum(1).clamp(min=1)
        return logits, features

    def losses_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        following, learnt = batch["targets"][:, 1:], _learnt(batch["targets"])
        losses = F.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), following.flatten(), reduction="none", ignore_index=IGNORED
        )
        return torch.as_tensor(losses.reshape(following.shape).sum(1) / learnt.sum(1).clamp(min=1))

    def correct(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        following, learnt = batch["targets"][:, 1:], _learnt(batch["targets"])
        return ((logits[:, :-1].argmax(-1) == following) | ~learnt).all(1)

    def target_features(self, batch: Batch) -> torch.Tensor:
        """How often each token occurs in the response, N x V (folded to 1,024 entries)."""
        width = min(self._vocabulary, TARGET_BUCKETS)
        learnt = _learnt(batch["targets"])
        tokens = torch.where(learnt, batch["targets"][:, 1:], 0) % width
        counts = torch.zeros(len(tokens), width, device=tokens.device)
        counts.scatter_add_(1, tokens, learnt.float())
        return counts / learnt.sum(1, keepdim=True).clamp(min=1)


def _learnt(targets: torch.Tensor) -> torch.Tensor:
    """Which predictions count, N x (T - 1): that of the token after each position."""
    return targets[:, 1:] != IGNORED
