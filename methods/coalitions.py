"""Which coalitions a method retrains: how many, from which initialisations, and how they are drawn.

Methods of the scope ``coalitions`` draw from streams that they share, so that in one run those of one design train the
same models. A smaller budget is the beginning of a larger one wherever draws are independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from harness.types import MOST, Bools, Budget, Count, Floats, Ints, Method, Problem, between

SCOPE = "coalitions"

PER_CONTRIBUTOR = 4
"""Retrainings a contributor, the rule of every method that samples: what two seeds of the standalone and leave-one-out
truths take."""

LEAST = 4
"""Coalitions a seed, at least: nobody, everyone and a pair, or what a regression can be cross-validated on."""


def whole_seeds(retrainings: int | None, contributors: int) -> int:
    """How many seeds of C + 1 retrainings fit in."""
    return retrainings_of(retrainings, contributors) // (contributors + 1)


def no_whole_seed(retrainings: int | None, contributors: int) -> str | None:
    """Why so many retrainings are none of such a method's, None where a seed fits in."""
    least = contributors + 1
    if retrainings is None or retrainings >= least:
        return None
    return f"a seed of {contributors} contributors takes {least} retrainings; give retrainings={least} or more"


def retrainings_of(retrainings: int | None, contributors: int) -> int:
    """All that a method retrains together, by its knob or by the rule."""
    return PER_CONTRIBUTOR * contributors if retrainings is None else retrainings


@dataclass(frozen=True)
class Sampling(Method):
    """The knobs of a method that retrains on drawn coalitions, split evenly over its seeds.

    Args:
        retrainings: coalitions retrained, all seeds together; None: 4 x contributors.
        seeds: initialisations, each with coalitions of its own.
    """

    retrainings: Annotated[int, between(LEAST, MOST)] | None = None
    seeds: Count = 2
    seed_scope: ClassVar[str] = SCOPE
    design: ClassVar[str] = ""
    """Of ``DESIGNS``; empty where it draws coalitions that no other method draws."""
    has_ends: ClassVar[bool] = False
    """Whether nobody and everyone are two of the coalitions of each repeat."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.retrainings is not None and self.retrainings < LEAST * self.seeds:
            raise ValueError(
                f"retrainings must be at least {LEAST * self.seeds}, {LEAST} for each of seeds={self.seeds}, "
                f"got {self.retrainings}."
            )

    def each(self, contributors: int) -> int:
        """Coalitions a seed; where the rule leaves each of many seeds fewer than ``LEAST``, it does not suit."""
        return retrainings_of(self.retrainings, contributors) // self.seeds

    def unsuitable(self, problem: Problem) -> str | None:
        each, whole = self.each(len(problem.contributors)), retrainings_of(None, len(problem.contributors))
        if each >= LEAST:
            return None
        return (
            f"by rule it takes {whole} retrainings, {PER_CONTRIBUTOR} a contributor, and seeds={self.seeds} take "
            f"{LEAST} each; give retrainings={LEAST * self.seeds} or more, or seeds={whole // LEAST} or fewer"
        )

    def budget(self, contributors: int, examples: int) -> Budget:
        each, shared = self.each(contributors), dict[str, float]()
        if each < LEAST:
            return Budget()
        for seed in range(self.seeds):
            shared |= named(seed, nobody=1, everyone=1) if self.has_ends else {}
            if self.design:
                name = self.design if self.design in GROWING else f"{self.design} of {each}"
                shared |= named(seed, **{name: each - 2 * self.has_ends})
        return Budget(retrainings=self.seeds * each, shared=shared)

    def drawn(self, problem: Problem) -> list[Bools]:
        """The coalitions of each repeat, K x C, the same for every method of this scope and design."""
        contributors = len(problem.contributors)
        draw, count = DESIGNS[self.design], self.each(contributors)
        return [draw(problem.scope_stream(self.design, seed), count, contributors) for seed in range(self.seeds)]


def pooled(parts: Sequence[Floats]) -> tuple[Floats, Ints]:
    """All seeds' utilities, K, and the seed of each, K: for one fit that has a level for every seed."""
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def named(seed: int, **counts: float) -> dict[str, float]:
    """So many coalitions of each kind on a seed, by names that are the same for all methods of this scope."""
    return {f"{SCOPE}, {kind}, seed {seed}": count for kind, count in counts.items()}


def uniform(rng: np.random.Generator, count: int, contributors: int) -> Bools:
    """Everybody is in with chance 1/2, independently: all coalitions alike."""
    return np.asarray(rng.random((count, contributors)) < 0.5)


def halves(rng: np.random.Generator, count: int, contributors: int) -> Bools:
    """Half of all contributors (rounded down), all such coalitions alike."""
    rank_KC = rng.random((count, contributors)).argsort(axis=1).argsort(axis=1)
    return np.asarray(rank_KC < max(1, contributors // 2))


def paired(rng: np.random.Generator, count: int, contributors: int) -> Bools:
    """Nobody, everyone, and pairs of a coalition and its complement, of sizes by the Shapley kernel."""
    drawn_KC = balanced(rng, pairs_of(count), kernel_chances(contributors))
    return np.vstack([ends(contributors), drawn_KC, ~drawn_KC])


def pairs_of(count: int) -> int:
    """How many pairs there are among so many paired coalitions."""
    return (count - 2) // 2


def paired_sizes(count: int, contributors: int) -> Floats:
    """How many of so many paired coalitions to expect of 1 .. C-1 members."""
    return 2 * pairs_of(count) * kernel_chances(contributors)


def ends(contributors: int) -> Bools:
    """Nobody and everyone, 2 x C."""
    return np.vstack([np.zeros(contributors, dtype=np.bool_), np.ones(contributors, dtype=np.bool_)])


def with_ends(rows_KC: Bools) -> Bools:
    """The same coalitions, with nobody and everyone in place of the first two."""
    return np.vstack([ends(rows_KC.shape[1]), rows_KC[2:]])


def kernel_chances(contributors: int) -> Floats:
    """Chance of s = 1 .. C-1 members in proportion to 1 / (s (C - s)) (Lundberg & Lee 2017, theorem 2, by size)."""
    size = np.arange(1, contributors)
    chance = 1.0 / (size * (contributors - size))
    return np.asarray(chance / chance.sum())


def balanced(rng: np.random.Generator, count: int, chances: Floats) -> Bools:
    """Coalitions of 1 .. C-1 members with these chances of each size, count x C.

    Sizes are drawn systematically (their numbers are as expected, to one) and members in turn from permutations laid
    end to end, size by size, so that contributors come about equally often in each size. Taken by itself a coalition
    is still of each size with its chance, and uniform among those of that size.
    """
    contributors = len(chances) + 1
    places = (rng.random() + np.arange(count)) / max(1, count)
    sizes = 1 + np.searchsorted(np.cumsum(chances)[:-1], places, side="right")
    rows = np.zeros((count, contributors), dtype=np.bool_)
    waiting: list[int] = []
    for row, size in zip(rows, sizes, strict=True):
        chosen, waiting = waiting[:size], waiting[size:]
        if len(chosen) < size:
            fresh = [int(i) for i in rng.permutation(contributors)]
            fresh = [i for i in fresh if i not in chosen] + [i for i in fresh if i in chosen]
            missing = int(size) - len(chosen)
            chosen, waiting = chosen + fresh[:missing], fresh[missing:]
        row[chosen] = True
    return rows


DESIGNS: Mapping[str, Callable[[np.random.Generator, int, int], Bools]] = {
    "uniform": uniform,
    "halves": halves,
    "paired": paired,
}

GROWING = ("uniform", "halves")
"""Designs of which fewer coalitions are the beginning of more."""
