"""The public words: what a method or a task is written in, and results as frames.

    from dataworth import Additive, Problem, load_leaderboard

Importing this brings no torch. ``harness`` is how it is done and may change; these names stay.
"""

from importlib.metadata import version

from harness.errors import UserError
from harness.report.frames import load_leaderboard, load_values
from harness.statistics.scores import kendall, spearman, top_recall
from harness.types import (
    HELD_OUT,
    QUESTIONS,
    Additive,
    Batch,
    Bools,
    Budget,
    Checkpoint,
    Contributor,
    Cost,
    Examples,
    Fit,
    Floats,
    Ints,
    Learner,
    Method,
    Params,
    Pool,
    Precedent,
    Problem,
    Question,
    Recipe,
    Retraining,
    Scorer,
    SetFunction,
    Task,
)

__version__ = version("dataworth")

__all__ = [
    "HELD_OUT",
    "QUESTIONS",
    "Additive",
    "Batch",
    "Bools",
    "Budget",
    "Checkpoint",
    "Contributor",
    "Cost",
    "Examples",
    "Fit",
    "Floats",
    "Ints",
    "Learner",
    "Method",
    "Params",
    "Pool",
    "Precedent",
    "Problem",
    "Question",
    "Recipe",
    "Retraining",
    "Scorer",
    "SetFunction",
    "Task",
    "UserError",
    "__version__",
    "kendall",
    "load_leaderboard",
    "load_values",
    "spearman",
    "top_recall",
]
