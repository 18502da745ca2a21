"""What a report shows, as typed fields: built once from a suite and its results (``leaderboard.leaderboard``).

Terminal, page and file draw from a view alone. State stands in fields; the sentences that tell it are made where it is
shown (``sentences``). Undefined is nan, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from harness.config import Suite
from harness.records.results import Status
from harness.types import LOADED, Plain, Question

TRUTH = "retraining (truth)"
RANDOM = "random"
"""The method whose values are random orders: it is compared at 0, which these score on average, and not by its draw."""
FEWEST_POOLS = 3
"""Fewer pools are not ranked: two hardly tell how much pools differ, and all comparisons rest on that."""
WEAK = 0.8
"""A truth whose ceiling is lower is weak."""
RULE = 0.7
"""A pool discriminates where every one-feature baseline stays under this mean Spearman."""

CostName = Literal["reference_gpu_hours", "seconds", "retrainings"]
"""What a method is weighed against: hours at reference scale, what this machine took, and how often it retrains."""
COST_NAMES: tuple[CostName, ...] = get_args(CostName)


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
    """A truth whose ceiling is low.

    Args:
        ceiling: nan where the noise of the held-out sample was not recorded, or where too few repeats give none.
        reliability: its mean over pools, nan where too few repeats give none.
        repeats: of the truth, in units of ``unit``.
        needed: repeats at which the ceiling would reach ``WEAK``, None where that is not told.
        held_out: no number of repeats would do, for the noise of the held-out sample alone keeps it lower.
    """

    ceiling: float
    reliability: float
    repeats: int
    unit: Literal["seeds", "repeats"]
    needed: int | None
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why agreement on a task and question tells little.

    Args:
        feature, spearman: a single feature that explains the truth, empty and nan where none does.
        unlearned: pools where everyone together learned nothing.
        pools: that it is asked of.
    """

    feature: str
    spearman: float
    unlearned: tuple[int, ...]
    pools: int


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
        spearman, low, high: mean over pools of the rank correlation with the truth, and its 95 % interval.
        reliability: mean over pools of what another run of the truth would score.
        ceiling, ceiling_low, ceiling_high: what knowing the noiseless truth would score, and its 95 % interval.
        validation: the truth's alone: what retraining itself scores from the validation split.
        rank_low, rank_high: the best and the worst rank that it may have; None without a score or with few pools.
        above_zero: better than random orders, one-sided at 5 %.
        behind: told apart from the best of its task and question, and worse.
        constant: answered, but with values that give no order in the pools ``flat``; of the truth, ``flat`` are the
            pools where it gives none, which are left out for all methods.
        weakness: of the truth that the score rests on, None where it is strong enough.
        doubt: why agreement tells little here, None where it does not.
        pools, contributors: how many the score rests on.
        points: by pool; empty where not every pool was answered.
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
    reliability: float
    ceiling: float
    ceiling_low: float
    ceiling_high: float
    validation: float
    rank_low: int | None
    rank_high: int | None
    above_zero: bool
    behind: bool
    constant: bool
    flat: tuple[int, ...]
    weakness: Weakness | None
    doubt: Doubt | None
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
    """A mean over all tasks: a method without a score on each has none, and the truth has only a ceiling.

    Args:
        spearman, low, high, rank_low, rank_high, above_zero, behind: as of a cell.
        ceiling: mean over tasks; nan where it is not known for each.
        tasks: that have a score; pools: of these, all together.
        cost: mean over tasks.
    """

    spearman: float
    low: float
    high: float
    rank_low: int | None
    rank_high: int | None
    above_zero: bool
    behind: bool
    ceiling: float
    tasks: int
    pools: int
    cost: MeanCost


@dataclass(frozen=True, slots=True)
class Overall:
    """A method over all tasks.

    Args:
        by_question: for each question of the view, in its order.
        mean: over questions; its ``tasks`` are those with a score for every question.
        complete: it has a score for every task and question.
        ablation: one term of another method, alone.
    """

    method: str
    family: str
    by_question: tuple[TasksMean, ...]
    mean: TasksMean
    complete: bool
    ablation: bool

    @property
    def cost(self) -> MeanCost:
        """Mean over tasks and questions."""
        return self.mean.cost


@dataclass(frozen=True, slots=True)
class Step:
    """A method on a front.

    Args:
        apart: told apart from the step below; of the lowest, from random orders, and False without these.
    """

    method: str
    cost: float
    score: float
    apart: bool


@dataclass(frozen=True, slots=True)
class Front:
    """The methods that are worth their cost: each that is cheaper scores less, and each that scores more costs more.

    Args:
        cost: which of a method's costs; steps: from the cheapest up.
        shares: of draws of the scores in which each method with that cost is on the front.
    """

    cost: CostName
    steps: tuple[Step, ...]
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a table says.

    Args:
        task, question: None of a mean over all of them.
        pools: of the task with the fewest.
        ranked: the methods that are compared, from the best score down; empty with too few pools.
        unsure: those with a score whose error nothing tells, which are compared with none.
        top: the best of them and those that are not told apart from it.
        signal: some method is told to be better than random orders.
        cheapest: of the top, with its cost; at_most: how far it may yet be behind the best, nan where none is ranked.
        adjacent: how many neighbours in order of score are told apart, and of how many.
        pairs: the share of all pairs that is told apart.
        spread: standard deviation of method x task, nan where that is not asked or not known.
        fronts: of scores and each cost that a method of the table has.
    """

    task: str | None
    question: Question | None
    pools: int
    ranked: tuple[str, ...]
    unsure: tuple[str, ...]
    top: tuple[str, ...]
    signal: bool
    cheapest: str
    cost: MeanCost
    at_most: float
    adjacent: tuple[int, int]
    pairs: float
    spread: float
    fronts: tuple[Front, ...]


@dataclass(frozen=True, slots=True)
class Discrimination:
    """Whether a task and question tell methods apart: one feature alone would not explain it, and something is learned.

    Args:
        features: absolute mean Spearman of every single feature with the truth, where it is defined.
        feature, spearman: the best of them; empty and nan where none is defined.
        planted: that one was planted when the pools were dealt, and no method sees it.
        discriminates: it stays under ``RULE``.
        gain, gain_error: mean over pools of U(everyone) - U(nobody), and its standard error; nan where not recorded.
        unlearned: pools where the gain is not above twice its error.
        pools: that have a truth.
    """

    task: str
    question: Question
    reliability: float
    ceiling: float
    features: Mapping[str, float]
    feature: str
    spearman: float
    planted: bool
    discriminates: bool
    gain: float
    gain_error: float
    unlearned: tuple[int, ...]
    pools: int

    @property
    def doubt(self) -> Doubt | None:
        """Why agreement tells little here, None where it does not."""
        if self.discriminates and not self.unlearned:
            return None
        feature, spearman = ("", math.nan) if self.discriminates else (self.feature, self.spearman)
        return Doubt(feature, spearman, self.unlearned, self.pools)


@dataclass(frozen=True, slots=True)
class Dealt:
    """A pool as it was dealt.

    Args:
        planted: what was drawn for each contributor; facts: what was measured of the pool.
    """

    task: str
    pool: int
    contributors: tuple[str, ...]
    planted: tuple[Mapping[str, Plain], ...]
    facts: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where answers of one run came from."""

    run: str
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows that one person measured on one machine.

    Args:
        mark: a letter that stands beside the names of their methods; empty where all rows are of one.
        by: who and where, in words; runs: names.
        methods: whose values they are; truths: whether they measured truths too.
    """

    mark: str
    by: str
    runs: tuple[str, ...]
    methods: tuple[str, ...]
    truths: bool


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a report shows.

    Args:
        tasks, questions: those with any answer, in the suite's order.
        cells: for each task and question the truth's, then the methods' in the suite's order.
        overall: the truth, then methods from the best mean down; those that lack a score somewhere come last.
        verdicts: of each question over all tasks, of the mean over questions, then of each task and question.
        dealt: the pools of these tasks.
        measured: by whom; empty where one machine measured all, and nobody is named.
    """

    suite: Suite
    tasks: tuple[str, ...]
    questions: tuple[Question, ...]
    cells: tuple[Cell, ...]
    overall: tuple[Overall, ...]
    verdicts: tuple[Verdict, ...]
    discrimination: tuple[Discrimination, ...]
    dealt: tuple[Dealt, ...]
    origins: tuple[Origin, ...]
    measured: tuple[Measured, ...] = ()
