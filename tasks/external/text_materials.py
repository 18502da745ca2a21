"""What pools of prepared texts are dealt from: real rows, and synthetic rows of the most frequent topics alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.errors import UserError
from harness.types import Bools, Plain
from tasks.pools.dealing import Rows, row_count
from tasks.pools.drawing import UndrawnRows
from tasks.pools.text_materials import TextMaterials, text_column

HABITS = ("well", "honestly", "so", "overall", "look", "hm", "yes", "anyway", "now", "listen", "right", "okay")
"""Opening words that change nothing; each contributor has one of its own (its style)."""

FEWEST_TOPICS = 4
"""The fewest topics that a truncated contributor's synthetic rows come from."""


class PreparedTextMaterials(TextMaterials):
    """One pool's materials; no row of either side is dealt twice.

    Args:
        task: for errors.
        real, synthetic: rows of each side, topics numbered from the most frequent one; there may be no synthetic ones.
        topics: how many there are.
        labels: what answers there are, for a classifier; None where an answer is a text of its own.
    """

    def __init__(self, task: str, real: Rows, synthetic: Rows, topics: int, labels: Sequence[str] | None) -> None:
        super().__init__(task, real, topics, [f"{habit}, " for habit in HABITS])
        self.labels = labels
        self._synthetic = UndrawnRows(task, "synthetic rows", synthetic)

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        if not row_count(self._synthetic.rows):
            return {}
        return {"keep_ranks": int(rng.integers(min(FEWEST_TOPICS, self.topics), self.topics + 1))}

    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        keep_ranks = int(truncation.get("keep_ranks") or 0)
        weights_N = (self._synthetic.rows["topics"] < keep_ranks).astype(np.float64)
        subset = f"of the {keep_ranks} most frequent topics"
        return self._synthetic.sample_without_replacement(count, weights_N, rng, subset)

    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """A word of the prompt dropped or said twice."""
        return {**rows, "prompts": text_column(_nearly(prompt, rng) for prompt in rows["prompts"])}

    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        """Another label; where answers are texts, the answer of another row of the same contributor."""
        answers = rows["answers"].copy()
        for row in np.flatnonzero(wrong_N):
            others = [label for label in self.labels if label != answers[row]] if self.labels else []
            others = others or [answer for answer in rows["answers"] if answer != rows["answers"][row]]
            if not others:
                raise UserError(
                    f"{self.task}: all answers of a contributor are alike, {answers[row]!r}; none is wrong."
                )
            answers[row] = str(others[int(rng.integers(len(others)))])
        return {**rows, "answers": answers}


def _nearly(text: str, rng: np.random.Generator) -> str:
    words = text.split(" ")
    place = int(rng.integers(len(words)))
    if len(words) > 1 and rng.random() < 0.5:
        return " ".join(words[:place] + words[place + 1 :])
    return " ".join([*words[: place + 1], *words[place:]])
