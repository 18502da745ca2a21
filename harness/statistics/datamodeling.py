"""The linear datamodeling score: how well sums of values foretell what coalitions are worth.

Park et al. (2023), ICML, sec. 2 (TRAK). Only numpy, and every pair of rows at once.
"""

from __future__ import annotations

import numpy as np

from harness.statistics.scores import correlation, ranks
from harness.types import Bools, Floats


def linear_datamodeling_scores(values_C: Floats, members_KC: Bools, outcomes_K: Floats) -> Floats:
    """Spearman, over coalitions, of their members' summed values with what retraining on them gave.

    Leading axes broadcast: values M x 1 x C and outcomes N x K give M x N, every method against every outcome; values
    N x C give N, each held-out example by values of its own, as the paper has it. nan where a side is constant.

    Args:
        values_C: ... x C.
        members_KC: the coalitions that were retrained; of one size, or size itself is foretold.
        outcomes_K: ... x K.
    """
    return correlation(ranks(sums(values_C, members_KC)), ranks(outcomes_K))


def sums(values_C: Floats, members_KC: Bools) -> Floats:
    """What each coalition's members are worth together, ... x K."""
    return np.asarray(values_C @ members_KC.T.astype(np.float64))
