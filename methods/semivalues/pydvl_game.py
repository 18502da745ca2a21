"""pyDVL's semivalues over any set function that likes to be asked for many coalitions at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from harness.types import Bools, Floats, Scorer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own deprecations, raised on import
    from joblib import parallel_config
    from pydvl.valuation.dataset import Dataset
    from pydvl.valuation.methods.shapley import ShapleyValuation
    from pydvl.valuation.samplers import AntitheticPermutationSampler
    from pydvl.valuation.stopping import MinUpdates
    from pydvl.valuation.types import Sample
    from pydvl.valuation.utility.base import UtilityBase


class CoalitionUtility(UtilityBase[Sample]):  # type: ignore[misc]
    """A set function of contributors as pyDVL asks for it: one sample of indices at a time."""

    def __init__(self, of_coalition: Callable[[Bools], float], contributors: int) -> None:
        self._of_coalition, self._contributors = of_coalition, contributors

    def __call__(self, sample: Sample | None) -> float:
        coalition_C = np.zeros(self._contributors, dtype=np.bool_)
        if sample is not None:
            coalition_C[np.asarray(sample.subset, dtype=np.int64)] = True
        return self._of_coalition(coalition_C)


def shapley_values(score: Scorer, contributors: int, pairs: int, seed: int) -> Floats:
    """pyDVL's Shapley values from antithetic pairs of permutations, C.

    pyDVL runs twice: first on a function that only listens, to learn the coalitions; these are scored in one
    call, so that many models train at once; then on the scores. Its permutations do not depend on the scores.
    """
    asked: dict[bytes, Bools] = {}

    def listen(coalition_C: Bools) -> float:
        asked[coalition_C.tobytes()] = coalition_C
        return 0.0

    _fit(listen, contributors, pairs, seed)
    scores = dict(zip(asked, score(np.array(list(asked.values()))), strict=True))
    return _fit(lambda coalition_C: float(scores[coalition_C.tobytes()]), contributors, pairs, seed)


def _fit(of_coalition: Callable[[Bools], float], contributors: int, pairs: int, seed: int) -> Floats:
    valuation = ShapleyValuation(
        CoalitionUtility(of_coalition, contributors),
        AntitheticPermutationSampler(seed=seed),
        is_done=MinUpdates(2 * pairs),
        show_warnings=False,
    )
    nothing = Dataset(np.zeros((contributors, 1)), np.zeros(contributors))
    with parallel_config(n_jobs=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        valuation.fit(nothing)
    result = valuation.result
    values_C = np.empty(contributors)
    values_C[result.indices] = result.values
    return values_C
