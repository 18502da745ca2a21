"""The public words: what a method or a task is written in, and results as frames.

    from dataworth import Additive, Problem, load_leaderboard

Importing this brings no torch. ``harness`` is how it is done and may change; these names stay.
"""

from importlib.metadata import version

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
    Examples,
    Fit,
    Floats,
    Form,
    Ints,
    JobSize,
    LayerSignals,
    Learner,
    Method,
    OpenProxy,
    Params,
    Plain,
    Pool,
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
)

__version__ = version("dataworth")

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
    "Examples",
    "Fit",
    "Floats",
    "Form",
    "Ints",
    "JobSize",
    "LayerSignals",
    "Learner",
    "Method",
    "OpenProxy",
    "Params",
    "Plain",
    "Pool",
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
    "__version__",
    "kendall",
    "load_leaderboard",
    "load_overall",
    "load_values",
    "spearman",
    "top_recall",
]
