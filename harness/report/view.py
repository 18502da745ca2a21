"""What a report shows, as typed fields: built once from a suite and its results (``leaderboard.leaderboard``).

Terminal, page and file draw from a view alone. State stands in fields; the sentences that tell it are made where it is
shown (``sentences``). Undefined is nan, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.config import Suite
from harness.records.results import Status
from harness.types import LOADED, Question

TRUTH = "retraining (truth)"
WEAK = 0.8
"""A truth whose ceiling is lower is weak."""
RULE = 0.7
"""A pool discriminates where every one-feature baseline stays under this mean Spearman."""


@dataclass(frozen=True, slots=True)
class MeanCost:
    """What one valuation cost, means over those answered (the truth's: of one pool's truth); nan where none was.

    Args:
        gpu_hours: measured.
        projected_gpu_hours: of this very run, for the GPU that the suite names.
        reference_gpu_hours: of the same valuation on the task's reference job (``harness.projection``).
        load: share of the machine that others kept busy meanwhile.
    """

    seconds: float = math.nan
    core_hours: float = math.nan
    gpu_hours: float = math.nan
    projected_gpu_hours: float = math.nan
    flops: float = math.nan
    peak_memory_mb: float = math.nan
    retrainings: float = math.nan
    gradient_passes: float = math.nan
    reference_gpu_hours: float = math.nan
    forward_passes: float = math.nan
    bytes_moved: float = math.nan
    launches: float = math.nan
    load: float = math.nan

    @property
    def loaded(self) -> bool:
        """Whether its times say more of the machine's other work than they should."""
        return self.load > LOADED


@dataclass(frozen=True, slots=True)
class Weakness:
    """A truth that repeats too little.

    Args:
        ceiling: its mean over pools, nan where too few repeats give none.
        repeats: of the truth, in units of ``unit``.
        needed: repeats at which the ceiling would reach ``WEAK``, None where that cannot be told.
    """

    ceiling: float
    repeats: int
    unit: Literal["seeds", "pairs"]
    needed: int | None


@dataclass(frozen=True, slots=True)
class PoolPoints:
    """One pool's agreement: Spearman, and the values and the truth of every contributor, means over repeats."""

    pool: int
    spearman: float
    contributors: tuple[str, ...]
    values: tuple[float, ...]
    truth: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Secondary:
    """Other measures of the same agreement, means over pools, and the spread of the method's own repeats.

    Args:
        kendall: tau-b; top_quarter: share of the truth's best quarter found in the method's best quarter.
        repeats: mean rank correlation between two of the method's repeats (initialisations, permutations).
    """

    kendall: float
    top_quarter: float
    repeats: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One method on one task and question, or the truth (``TRUTH``).

    Args:
        status, reason: why there is no score, where there is none for another reason than ``constant``.
        spearman, low, high: mean over pools of the rank correlation with the truth, 95 % bootstrap interval.
        ceiling: mean over pools of what another run of the truth would score.
        rank: shared by methods that cannot be told apart; None without a score.
        established: the interval lies above zero.
        behind: told apart from the best of its task and question.
        constant: answered, but with values that give no order.
        weakness: of the truth that the score rests on, None where it is strong enough.
        pools, contributors: how many the score rests on.
        points: by pool; empty without a score.
    """

    task: str
    question: Question
    method: str
    family: str
    status: Status
    reason: str
    spearman: float
    low: float
    high: float
    ceiling: float
    rank: int | None
    established: bool
    behind: bool
    constant: bool
    weakness: Weakness | None
    pools: int
    contributors: int
    cost: MeanCost
    points: tuple[PoolPoints, ...]
    secondary: Secondary | None

    @property
    def is_truth(self) -> bool:
        return self.method == TRUTH

    @property
    def fraction_of_ceiling(self) -> float:
        return self.spearman / self.ceiling if self.ceiling > 0 else math.nan


@dataclass(frozen=True, slots=True)
class TasksMean:
    """Means over the tasks where a method has a score, with how many these are; the truth has only a ceiling."""

    spearman: float
    low: float
    high: float
    ceiling: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Overall:
    """A method over all tasks.

    Args:
        by_question: for each question of the view, in its order.
        mean: over questions; its ``tasks`` are those with a score for every question.
        unsuitable: says of some task or question that it does not suit.
        ablation: one term of another method, alone.
        cost: mean over tasks and questions.
    """

    method: str
    by_question: tuple[TasksMean, ...]
    mean: TasksMean
    complete: bool
    unsuitable: bool
    ablation: bool
    cost: MeanCost


@dataclass(frozen=True, slots=True)
class Discrimination:
    """Whether one feature alone would explain a truth.

    Args:
        features: absolute mean Spearman of every single feature with the truth, where it is defined.
        feature, spearman: the best of them.
        discriminates: it stays under ``RULE``.
    """

    task: str
    question: Question
    ceiling: float
    features: Mapping[str, float]
    feature: str
    spearman: float
    discriminates: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where answers of one run came from."""

    run: str
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a report shows.

    Args:
        tasks, questions: those with any answer, in the suite's order.
        cells: for each task and question the truth's, then the methods' in the suite's order.
        overall: the truth, then methods from the best mean down; those that lack a score somewhere come last.
    """

    suite: Suite
    tasks: tuple[str, ...]
    questions: tuple[Question, ...]
    cells: tuple[Cell, ...]
    overall: tuple[Overall, ...]
    discrimination: tuple[Discrimination, ...]
    origins: tuple[Origin, ...]
