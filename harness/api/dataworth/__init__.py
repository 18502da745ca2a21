"""The public words: what a method or a task is written in, and results as frames.

    from dataworth import Additive, Problem, load_leaderboard

Importing this brings no torch. ``harness`` is how it is done and may change; these names stay.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.report.frames import load_leaderboard, load_overall, load_values
from harness.statistics.scores import kendall, spearman, top_recall
from harness.types import (
    FORMS,
    HELD_OUT,
    QUESTIONS,
    Additive,
    Batch,
    Bools,
    Budget,
    Checkpoint,
    Contributor,
    Cost,
    Count,
    Examples,
    Fit,
    Floats,
    Form,
    Ints,
    JobSize,
    LayerSignals,
    Learner,
    Method,
    NotNegative,
    OpenProxy,
    Params,
    Plain,
    Pool,
    Positive,
    Precedent,
    Problem,
    Question,
    Recipe,
    Retrain,
    Retraining,
    Scorer,
    SetFunction,
    Shared,
    Task,
    TaskReference,
    TracedFit,
    Vectors,
    WeightUse,
    above,
    at_least,
    between,
)

if TYPE_CHECKING:
    from harness.valuing.valued import Valued
    from harness.valuing.values import value

__version__ = version("dataworth")


def failed_checks(method: Method) -> list[str]:
    """What of all that every method owes this one does not keep to, a sentence each: ``dataworth check`` for tests."""
    from harness.conformance.checks import failures  # and with it torch

    return failures(method)


def __getattr__(name: str) -> object:
    """What brings torch is loaded when it is first named."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(LATER[name]), name)


LATER = {"Valued": "harness.valuing.valued", "value": "harness.valuing.values"}
"""Names -> the modules that have them."""

__all__ = [
    "FORMS",
    "HELD_OUT",
    "QUESTIONS",
    "Additive",
    "Batch",
    "Bools",
    "Budget",
    "Checkpoint",
    "Contributor",
    "Cost",
    "Count",
    "Examples",
    "Fit",
    "Floats",
    "Form",
    "Ints",
    "JobSize",
    "LayerSignals",
    "Learner",
    "Method",
    "NotNegative",
    "OpenProxy",
    "Params",
    "Plain",
    "Pool",
    "Positive",
    "Precedent",
    "Problem",
    "Question",
    "Recipe",
    "Retrain",
    "Retraining",
    "Scorer",
    "SetFunction",
    "Shared",
    "Task",
    "TaskReference",
    "TracedFit",
    "UserError",
    "Valued",
    "Vectors",
    "WeightUse",
    "__version__",
    "above",
    "at_least",
    "between",
    "failed_checks",
    "kendall",
    "load_leaderboard",
    "load_overall",
    "load_values",
    "spearman",
    "top_recall",
    "value",
]
