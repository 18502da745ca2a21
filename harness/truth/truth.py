"""What retraining says each contributor is worth, on the test split that no method sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.coalitions import powerset
from harness.errors import UserError
from harness.seeds import seed_of, stream
from harness.statistics.ceilings import residual_squares, split_half_reliability
from harness.truth import questions, shapley
from harness.types import Advance, Bools, Cost, Floats, Ints, Outcome, Question

if TYPE_CHECKING:  # it brings torch, and a plan is counted without
    from harness.retraining.chunks import Job
    from harness.retraining.engine import Engine


def _no_rows() -> Floats:
    return np.empty((0, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A question's answer by retraining.

    Args:
        values_SC: one estimate a seed (for sampled Shapley values: an antithetic pair, each on a seed of its own).
        reliability: what another run of the same truth with new seeds would score against it.
        cost: what all its retrainings cost when first run.
        accuracy: of the model trained on everyone, mean over seeds; nan where the question trains none.
        by_fold_FC: the values that each fold of the held-out split alone gives (their mean over seeds): how much they
            differ tells the noise of the held-out sample. Folds without rows are left out; no folds where outcomes of
            an older ledger have none.
        residual_C: what neither a seed nor a fold alone explains (``ceilings.residual_squares``); empty without folds.
        validation_SC: the same values on the validation split; empty where outcomes of an older ledger lack it.
        everyone_SF, nobody_SF: utility of everyone together, and of nobody, by seed and fold; empty where the question
            trains none.
    """

    question: Question
    values_SC: Floats
    reliability: float
    cost: Cost
    accuracy: float
    by_fold_FC: Floats = field(default_factory=_no_rows)
    residual_C: Floats = field(default_factory=lambda: np.empty(0))
    validation_SC: Floats = field(default_factory=_no_rows)
    everyone_SF: Floats = field(default_factory=_no_rows)
    nobody_SF: Floats = field(default_factory=_no_rows)

    @property
    def values_C(self) -> Floats:
        return np.asarray(self.values_SC.mean(axis=0))

    @property
    def standard_error_C(self) -> Floats:
        """Standard error of the mean over seeds, nan from a single one."""
        if len(self.values_SC) < 2:
            return np.full(self.values_SC.shape[1], np.nan)
        return np.asarray(self.values_SC.std(axis=0, ddof=1) / np.sqrt(len(self.values_SC)))


@dataclass(frozen=True, slots=True)
class Plan:
    """The retrainings that a question's truth takes, and how to read it off their outcomes.

    Args:
        rows: the coalitions of each repeat, K x C.
        seeds: the initialisation of each repeat.
        read: utilities in the jobs' order -> values S x C, and the mean over any choice of the S.
    """

    question: Question
    rows: Sequence[Bools]
    seeds: Sequence[int]
    read: Callable[[Floats], tuple[Floats, Callable[[Ints], Floats]]]

    @property
    def retrainings(self) -> list[tuple[str, int]]:
        """Coalition and seed of every retraining, as the ledger writes them."""
        repeats = zip(self.rows, self.seeds, strict=True)
        return [(text, seed) for rows_KC, seed in repeats for text in _texts(rows_KC)]

    @property
    def jobs(self) -> list[Job]:
        from harness.retraining.chunks import Job

        return [Job(coalition, seed) for coalition, seed in self.retrainings]


def plan(question: Question, contributors: int, root: int, pool: tuple[str, int], repeats: int) -> Plan:
    """Decide what to retrain.

    Args:
        root: the suite's seed; truth draws from streams of its own below it.
        pool: task and index.
        repeats: how often the truth is found, each time on a seed of its own; sampled Shapley values (of more than ten
            contributors) draw coalitions of their own each time.
    """
    if repeats < 1:
        raise UserError(f"A truth needs at least 1 seed, got {repeats}.")

    def seed(k: int) -> int:
        return seed_of(root, "truth", *pool, k)

    if question == "shapley" and contributors > shapley.EXACT_UP_TO:
        rng = stream(root, "truth", *pool, "permutations")
        orders = np.array([rng.permutation(contributors) for _ in range(repeats)])
        rows = [shapley.pair_coalitions(order) for order in orders]
        return Plan(
            question, rows, [seed(k) for k in range(repeats)], lambda utilities_J: _read_walks(orders, utilities_J)
        )
    rows_KC, value = _of_one_seed(question, contributors)
    return Plan(
        question,
        [rows_KC] * repeats,
        [seed(k) for k in range(repeats)],
        lambda utilities_J: _read_seeds(utilities_J.reshape(repeats, -1), value),
    )


def find(plan: Plan, engine: Engine, rng: np.random.Generator, advance: Advance = lambda done: None) -> Truth:
    """Retrain what the ledger does not know and read the truth off the outcomes."""
    jobs = plan.jobs
    outcomes = engine.outcomes(jobs, advance)
    values_SC, mean_of = plan.read(np.array([outcome.utility for outcome in outcomes]))
    cost = sum({job: o.cost for job, o in zip(jobs, outcomes, strict=True)}.values(), Cost())
    everyone = [o.accuracy for job, o in zip(jobs, outcomes, strict=True) if "0" not in job.coalition]
    return Truth(
        question=plan.question,
        values_SC=values_SC,
        reliability=split_half_reliability(mean_of, len(values_SC), rng),
        cost=cost,
        accuracy=float(np.mean(everyone)) if everyone else float("nan"),
        validation_SC=_on_validation(plan, outcomes),
        **_by_fold(plan, jobs, outcomes),
    )


def _by_fold(plan: Plan, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> dict[str, Floats]:
    """What each held-out fold alone gives; nothing where an older ledger kept no folds."""
    found = [outcome.by_fold for outcome in outcomes]
    if not all(fold is not None for fold in found):
        return {}
    utilities_FJ = np.array([fold[0] for fold in found if fold is not None], dtype=np.float64).T
    with_rows_FJ = utilities_FJ[np.isfinite(utilities_FJ).all(axis=1)]
    values_SFC = np.stack([plan.read(utilities_J)[0] for utilities_J in with_rows_FJ], axis=1)

    def of(coalition: str) -> Floats:
        """By seed, each once."""
        places = {job.seed: j for j, job in enumerate(jobs) if job.coalition == coalition}
        return np.asarray(with_rows_FJ[:, list(places.values())].T)

    contributors = values_SFC.shape[2]
    return {
        "by_fold_FC": values_SFC.mean(axis=0),
        "residual_C": residual_squares(values_SFC),
        "everyone_SF": of("1" * contributors),
        "nobody_SF": of("0" * contributors),
    }


def _on_validation(plan: Plan, outcomes: Sequence[Outcome]) -> Floats:
    """The values on the validation split, S x C; none where an older ledger did not score it."""
    utilities_J = np.array([outcome.validation for outcome in outcomes])
    return plan.read(utilities_J)[0] if np.isfinite(utilities_J).all() else _no_rows()


def _of_one_seed(question: Question, contributors: int) -> tuple[Bools, Callable[[Floats], Floats]]:
    """The coalitions that one seed trains, and the values that their utilities give."""
    if question == "standalone":
        return questions.standalone_coalitions(contributors), questions.standalone
    if question == "leave-one-out":
        return questions.leave_one_out_coalitions(contributors), questions.leave_one_out
    return powerset(contributors), lambda scores_K: shapley.exact(lambda _: scores_K, contributors)


def _texts(rows_KC: Bools) -> list[str]:
    """``coalitions.to_text`` of each row, all at once: plans of large suites hold hundreds of thousands."""
    marks, width = (rows_KC.astype(np.uint8) + ord("0")).tobytes().decode(), rows_KC.shape[1]
    return [marks[start : start + width] for start in range(0, len(marks), width)]


def _read_seeds(utilities_SK: Floats, value: Callable[[Floats], Floats]) -> tuple[Floats, Callable[[Ints], Floats]]:
    values_SC = np.array([value(scores_K) for scores_K in utilities_SK])
    return values_SC, lambda chosen: np.asarray(values_SC[chosen].mean(axis=0))


def _read_walks(orders: Ints, utilities_J: Floats) -> tuple[Floats, Callable[[Ints], Floats]]:
    """Each half of a split fits its own surrogate, so that the halves share nothing."""
    rows_of = shapley.adjuster(shapley.Walks(orders, utilities_J.reshape(len(orders), -1)))
    return rows_of(np.arange(len(orders))), lambda chosen: np.asarray(rows_of(chosen).mean(axis=0))
