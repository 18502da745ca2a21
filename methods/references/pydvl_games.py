"""pyDVL's Banzhaf and Beta Shapley values of any set function; imported where they are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.types import Bools, Floats
from methods.semivalues.pydvl_game import CoalitionUtility

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own deprecations, raised on import
    from joblib import parallel_config
    from pydvl.valuation.dataset import Dataset
    from pydvl.valuation.methods.banzhaf import BanzhafValuation
    from pydvl.valuation.methods.beta_shapley import BetaShapleyValuation
    from pydvl.valuation.samplers import MSRSampler, PermutationSampler
    from pydvl.valuation.stopping import MinUpdates
    from pydvl.valuation.types import Sample

NEVER = 1_000_000_000
"""Updates after which a sampler that ends by itself would be stopped."""


class Given(MSRSampler):  # type: ignore[misc]
    """Hands out coalitions that were drawn elsewhere, once each."""

    def __init__(self, rows_KC: Bools) -> None:
        super().__init__()
        self._rows_KC = rows_KC

    def generate(self, indices: Any) -> Any:
        for row_C in self._rows_KC:
            yield Sample(None, indices[row_C])


def banzhaf_values(rows_KC: Bools, utilities_K: Floats) -> Floats:
    """By maximum sample reuse, C; 0 for whom no coalition has, or every one."""
    contributors = rows_KC.shape[1]
    known = {row_C.tobytes(): float(u) for row_C, u in zip(rows_KC, utilities_K, strict=True)}
    utility = CoalitionUtility(lambda row_C: known[row_C.tobytes()], contributors)
    values_C = _fitted(BanzhafValuation(utility, Given(rows_KC), MinUpdates(NEVER), show_warnings=False), contributors)
    return np.nan_to_num(values_C)


def beta_values(
    contributors: int, permutations: int, seed: int, alpha: float, beta: float, of_coalition: Callable[[Bools], float]
) -> Floats:
    """From so many permutations, C."""
    utility, sampler = CoalitionUtility(of_coalition, contributors), PermutationSampler(seed=seed)
    return _fitted(
        BetaShapleyValuation(utility, sampler, MinUpdates(permutations), alpha, beta, show_warnings=False), contributors
    )


def _fitted(valuation: Any, contributors: int) -> Floats:
    with parallel_config(n_jobs=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        valuation.fit(Dataset(np.zeros((contributors, 1)), np.zeros(contributors)))
    values_C = np.empty(contributors)
    values_C[valuation.result.indices] = valuation.result.values
    return values_C
