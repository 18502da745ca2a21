"""How the four terms are weighed: every scheme is a documented choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from harness.types import Floats, Precedent

TERMS = ("loss", "discrepancy", "ntk", "sample")
Scheme = Literal["scale", "paper", "calibrated", "single:loss", "single:discrepancy", "single:ntk", "single:sample"]


def scale(terms_C4: Floats) -> Floats:
    """1 / mean size of each term over the contributors alone, in the manner of DAVINZ's factor (Wu et al. 2022, ICML).

    Only an unbiased discrepancy can be negative, and its mean near zero.
    """
    means = np.abs(terms_C4).mean(axis=0)
    return np.where(means > 0, 1 / np.where(means > 0, means, 1), 0.0)


def paper(terms_C4: Floats) -> Floats:
    """Least squares of (loss + discrepancy) / 2 on the four terms: a reading of arXiv 2511.13640, at second hand.

    Circular: the target is made of two of the regressors, so the answer is 1/2, 1/2, 0, 0 wherever the terms
    are linearly independent. Kept for comparison.
    """
    target = terms_C4[:, :2].mean(axis=1)
    return np.asarray(np.linalg.lstsq(terms_C4, target, rcond=None)[0])


def single(terms_C4: Floats, term: str) -> Floats:
    """One term alone."""
    return np.where(np.array(TERMS) == term, scale(terms_C4), 0.0)


def calibrated(terms_C4: Floats, precedents: Sequence[Precedent]) -> Floats:
    """Non-negative least squares of other tasks' truths on their single-term values, put back on this pool's scale.

    Truths and values are standardised pool by pool. Labelled so wherever it appears: it has seen truths, though never
    this task's.
    """
    from scipy.optimize import nnls  # takes a second to import

    columns = [[_standard(p.values[f"ntk-mmd:single:{term}"]) for term in TERMS] for p in precedents]
    design = np.concatenate([np.stack(column, axis=1) for column in columns])
    target = np.concatenate([_standard(p.truth_C) for p in precedents])
    return np.asarray(scale(terms_C4) * nnls(design, target)[0])


def _standard(values_C: Floats) -> Floats:
    spread = values_C.std()
    return (values_C - values_C.mean()) / spread if spread > 0 else np.zeros_like(values_C)
