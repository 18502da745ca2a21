"""The three questions, asked of any set function: utility by retraining, or a method's score.

A set function takes coalitions K x C and gives K numbers. Truth and methods are answered by the same code, but for
Shapley values of many contributors: a truth samples coalitions (``shapley``), a method's score is asked along walks.
"""

from __future__ import annotations

import numpy as np

from harness import coalitions
from harness.truth import exact, walks
from harness.types import Bools, Floats, Question, Scorer


def standalone_coalitions(contributors: int) -> Bools:
    """Nobody, then each contributor alone, (1 + C) x C."""
    return np.vstack([coalitions.nobody(contributors), coalitions.singletons(contributors)])


def standalone(scores_K: Floats) -> Floats:
    """score({i}) - score(nobody), C."""
    return np.asarray(scores_K[1:] - scores_K[0])


def leave_one_out_coalitions(contributors: int) -> Bools:
    """Everyone, then everyone but one, (1 + C) x C."""
    return np.vstack([coalitions.everyone(contributors), coalitions.all_but_one(contributors)])


def leave_one_out(scores_K: Floats) -> Floats:
    """score(everyone) - score(everyone but i), C (Cook 1977, Technometrics 19(1))."""
    return np.asarray(scores_K[0] - scores_K[1:])


def answer(question: Question, score: Scorer, contributors: int, rng: np.random.Generator, pairs: int) -> Floats:
    """One set function's values for one question, C; Shapley exact if affordable, else from ``pairs`` walks."""
    if question == "standalone":
        return standalone(score(standalone_coalitions(contributors)))
    if question == "leave-one-out":
        return leave_one_out(score(leave_one_out_coalitions(contributors)))
    if contributors <= exact.EXACT_UP_TO:
        return exact.shapley(score, contributors)
    return np.asarray(walks.adjusted(walks.walk(score, contributors, pairs, rng)).mean(axis=0))
