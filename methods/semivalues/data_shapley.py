"""Data Shapley: the mean gain of a contributor over the orders in which it can join."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from harness.types import Bools, Budget, Count, Floats, JobSize, Problem, Retraining


@dataclass(frozen=True)
class DataShapley(Retraining):
    """Shapley values of utility on the validation split, by pyDVL's antithetic permutations over our retraining.

    Args:
        seeds: independent repeats, each with its own initialisation and its own permutations.
        pairs: antithetic pairs of permutations a repeat.
    """

    seeds: Count = 2
    pairs: Count = 1
    seed_scope = "data-shapley"
    source = "Ghorbani & Zou (2019), ICML, eq. 1; antithetic pairs: Mitchell et al. (2022), JMLR 23(43)"
    passes = "about 2 x pairs x contributors retrainings a seed"
    choices = (
        "about as many retrainings as the truths of leave-one-out and standalone value take with two seeds, 4 a "
        "contributor; every pair on an initialisation of its own, for at equal retrainings this averages both the "
        "orders' noise and the initialisations', where several pairs on one average the orders' alone; walks are not "
        "cut short, for all of their coalitions train side by side"
    )
    claims = frozenset({"null", "efficient"})

    def budget(self, contributors: int, examples: int) -> Budget:
        """Nobody and everyone once a seed, and 2C - 2 others a pair: two walks may meet in a coalition."""
        return Budget(retrainings=self.seeds * (self.pairs * (2 * contributors - 2) + 2))

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def unsuitable(self, problem: Problem) -> str | None:
        if find_spec("pydvl") is None:
            return "pyDVL is not installed; pip install 'pydvl[influence]'"
        return None

    def contributor_values(self, problem: Problem) -> Floats:
        from methods.semivalues.pydvl_game import shapley_values  # pyDVL takes seconds to import

        found = []
        for seed in range(self.seeds):
            order_seed = int(problem.scope_stream("permutations", seed).integers(2**31))

            def retrain(coalitions_KC: Bools, seed: int = seed) -> Floats:
                return problem.retrain(coalitions_KC, seed)

            found.append(shapley_values(retrain, len(problem.contributors), self.pairs, order_seed))
        return np.array(found)
