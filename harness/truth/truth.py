"""What retraining says each contributor is worth, on the test split that no method sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from harness.coalitions import powerset
from harness.errors import UserError
from harness.seeds import seed_of, stream
from harness.statistics.ceilings import residual_squares, split_half_reliability
from harness.truth import exact, questions, shapley
from harness.types import Bools, Cost, Floats, Outcome, Question

if TYPE_CHECKING:  # it brings torch, and a plan is counted without
    from harness.retraining.chunks import Job


def _no_rows() -> Floats:
    return np.empty((0, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A question's answer by retraining.

    Args:
        values_SC: one estimate a seed (for sampled Shapley values each from 2C coalitions of its own).
        reliability: what another run of the same truth with new seeds would score against it.
        cost: what all its retrainings cost when first run.
        accuracy: of the model trained on everyone, mean over seeds; nan where the question trains none.
        by_fold_FC: the values that each fold of the held-out split alone gives (their mean over seeds); weighed by
            rows they add up to the values. Folds without rows are left out; no folds where outcomes of an older ledger
            have none.
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


Read = Callable[[Floats], Floats]
"""Utilities of one kind or several, ... x J -> the values that each repeat gives, ... x S x C."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The retrainings that a question's truth takes, and how to read it off their outcomes.

    Args:
        rows: the coalitions of each repeat, K x C.
        seeds: the initialisation of each repeat.
        reader: utilities in the jobs' order -> how values are read off them, and off folds of them. What it learns from
            the utilities it is made with (a kernel's scales) it keeps for all.
    """

    question: Question
    rows: Sequence[Bools]
    seeds: Sequence[int]
    reader: Callable[[Floats], Read]

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

    if question == "shapley" and contributors > exact.EXACT_UP_TO:
        rng = stream(root, "truth", *pool, "coalitions")
        sample = np.array([shapley.repeat_coalitions(contributors, rng) for _ in range(repeats)])
        return Plan(question, list(sample), [seed(k) for k in range(repeats)], partial(_sampled_reader, sample))
    rows_KC, value = _of_one_seed(question, contributors)
    seeds = [seed(k) for k in range(repeats)]
    return Plan(question, [rows_KC] * repeats, seeds, lambda _: partial(_read_seeds, value, repeats))


def read_off(plan: Plan, outcomes: Sequence[Outcome], rng: np.random.Generator) -> Truth:
    """The truth that the outcomes of a plan's jobs give."""
    jobs = plan.jobs
    utilities_J = np.array([outcome.utility for outcome in outcomes])
    read = plan.reader(utilities_J)
    values_SC = read(utilities_J)
    cost = sum({job: o.cost for job, o in zip(jobs, outcomes, strict=True)}.values(), Cost())
    everyone = [o.accuracy for job, o in zip(jobs, outcomes, strict=True) if "0" not in job.coalition]
    return Truth(
        question=plan.question,
        values_SC=values_SC,
        reliability=split_half_reliability(lambda chosen: values_SC[chosen].mean(axis=0), len(values_SC), rng),
        cost=cost,
        accuracy=float(np.mean(everyone)) if everyone else float("nan"),
        validation_SC=_on_validation(read, outcomes),
        **_by_fold(read, jobs, outcomes),
    )


def _by_fold(
    values_of: Callable[[Floats], Floats], jobs: Sequence[Job], outcomes: Sequence[Outcome]
) -> dict[str, Floats]:
    """What each held-out fold alone gives; nothing where an older ledger kept no folds."""
    found = [outcome.by_fold for outcome in outcomes]
    if not all(fold is not None for fold in found):
        return {}
    utilities_FJ = np.array([fold[0] for fold in found if fold is not None], dtype=np.float64).T
    with_rows_FJ = utilities_FJ[np.isfinite(utilities_FJ).all(axis=1)]
    values_SFC = values_of(with_rows_FJ).swapaxes(0, 1)

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


def _on_validation(values_of: Callable[[Floats], Floats], outcomes: Sequence[Outcome]) -> Floats:
    """The values on the validation split, S x C; none where an older ledger did not score it."""
    utilities_J = np.array([outcome.validation for outcome in outcomes])
    return values_of(utilities_J) if np.isfinite(utilities_J).all() else _no_rows()


def _of_one_seed(question: Question, contributors: int) -> tuple[Bools, Callable[[Floats], Floats]]:
    """The coalitions that one seed trains, and the values that their utilities give."""
    if question == "standalone":
        return questions.standalone_coalitions(contributors), questions.standalone
    if question == "leave-one-out":
        return questions.leave_one_out_coalitions(contributors), questions.leave_one_out
    return powerset(contributors), lambda scores_K: exact.shapley(lambda _: scores_K, contributors)


def _texts(rows_KC: Bools) -> list[str]:
    """``coalitions.to_text`` of each row, all at once: plans of large suites hold hundreds of thousands."""
    marks, width = (rows_KC.astype(np.uint8) + ord("0")).tobytes().decode(), rows_KC.shape[1]
    return [marks[start : start + width] for start in range(0, len(marks), width)]


def _read_seeds(value: Callable[[Floats], Floats], seeds: int, utilities_J: Floats) -> Floats:
    """One seed after another, by what a question makes of a seed's utilities."""
    by_seed = utilities_J.reshape(*utilities_J.shape[:-1], seeds, -1)
    return np.asarray(np.apply_along_axis(value, -1, by_seed))


def _sampled_reader(rows_SKC: Bools, utilities_J: Floats) -> Read:
    """Shapley values from sampled coalitions; the kernel's scales are found once for all that is read."""
    by_repeat = utilities_J.reshape(len(rows_SKC), -1)
    estimate = shapley.estimator(rows_SKC, by_repeat)
    return lambda found: estimate(found.reshape(*found.shape[:-1], *by_repeat.shape))
