"""Shapley estimators of the library shapiq, which asks for scores itself and knows nothing of seeds.

It gets one budget for all repeats. Each seed scores nobody and everyone, as for every other estimator, and the library
is told their means; what a seed's own ends differ by is taken off its other scores along the straight line between the
two, which adds to all values alike. Where the library draws complements, both are of one seed; else seeds
change as coalitions are asked for, so that neighbours mostly share theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from harness.types import Bools, Floats
from methods.coalitions import ends

RepeatScorer = Callable[[int, Bools], Floats]

PAIRED = ("KernelSHAP", "UnbiasedKernelSHAP", "SVARM")
"""Classes that can draw complements. Least squares with pairs of members (kADDSHAP) are KernelSHAP's then: what a pair
adds is alike for a coalition and its complement but for what members add."""

UNPAIRED = ("PermutationSamplingSV", "StratifiedSamplingSV")


@dataclass(slots=True)
class Scores:
    """What the library is told, and how many coalitions it has asked for.

    Args:
        score: of a repeat's number and coalitions.
        budget: coalitions between nobody and everyone that may be scored.
        paired: a complement is of its coalition's seed.
    """

    score: RepeatScorer
    repeats: int
    contributors: int
    budget: int
    paired: bool
    ends_R2: Floats = field(init=False)
    known: dict[bytes, float] = field(init=False, default_factory=dict)
    seeds: dict[bytes, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.ends_R2 = np.array([self.score(k, ends(self.contributors)) for k in range(self.repeats)])

    def __call__(self, rows: Bools) -> Floats:
        """Scores of coalitions, K x C or one alone; the same coalition is scored once.

        Raises:
            RuntimeError: more coalitions were asked for than the budget has.
        """
        rows_KC = np.atleast_2d(np.asarray(rows, dtype=np.bool_))
        fresh: dict[int, list[Bools]] = {}
        for row in rows_KC:
            if 0 < row.sum() < self.contributors and row.tobytes() not in self.known:
                self.known[row.tobytes()] = np.nan
                fresh.setdefault(self._seed(row), []).append(row)
        if len(self.known) > self.budget:
            raise RuntimeError(f"asked for {len(self.known)} coalitions, more than {self.budget}")
        mean_2 = self.ends_R2.mean(axis=0)
        for seed, asked in fresh.items():
            inside = np.array(asked)
            off_2 = mean_2 - self.ends_R2[seed]
            level_K = off_2[0] + (off_2[1] - off_2[0]) * inside.mean(axis=1)
            found = self.score(seed, inside) + level_K
            self.known.update((row.tobytes(), float(value)) for row, value in zip(asked, found, strict=True))
        return np.array([self.known.get(row.tobytes(), mean_2[int(row.all())]) for row in rows_KC])

    def _seed(self, row: Bools) -> int:
        if not self.paired:
            return (len(self.known) - 1) * self.repeats // self.budget
        pair = (row if row[0] else ~row).tobytes()
        return self.seeds.setdefault(pair, len(self.seeds) % self.repeats)


def estimate(name: str, score: RepeatScorer, repeats: int, contributors: int, rng: np.random.Generator) -> Floats:
    """Values by one of the library's classes, C."""
    import shapiq  # not a dependency: whoever calls has seen that it is there

    options = {"pairing_trick": True} if name in PAIRED else {}
    scores = Scores(score, repeats, contributors, 2 * repeats * (contributors - 1), name in PAIRED)
    asked = getattr(shapiq, name)(n=contributors, random_state=int(rng.integers(2**31)), **options)
    found = asked.approximate(scores.budget + 2, scores)
    return np.asarray(found.get_n_order_values(1), dtype=np.float64)


def samplers() -> dict[str, Callable[[RepeatScorer, int, int, np.random.Generator], Floats]]:
    """All of them by name."""
    return {f"shapiq {name}": partial(estimate, name) for name in (*PAIRED, *UNPAIRED)}
