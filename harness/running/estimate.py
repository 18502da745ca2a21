"""What a suite will take, before it runs: how many retrainings, and how long some of them took when timed here."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config import Suite
from harness.projection import Projection
from harness.truth.truth import plan
from harness.types import Budget, Cost, Question, Task

CONTRIBUTORS = 24
"""A pool's contributors where its settings say nothing; dealing alone tells for certain."""

EXAMPLES_EACH = 25
"""A contributor's examples where its settings say nothing."""

ROUNDS = 4
ENOUGH_SECONDS = 10.0
"""No round is begun after this long."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Retrainings of one task, all pools together.

    Args:
        questions: what each question's truth would take alone.
        truth: what they take together, for they share some; exact.
        methods: what methods train, proxies at their share and what several of one scope train once; at most: two walks
            may meet in a coalition.
        billed: the same with each method charged for all that it asks for.
    """

    questions: Mapping[Question, int]
    truth: int
    methods: float
    billed: float


@dataclass(frozen=True, slots=True)
class Pace:
    """What timed retrainings took.

    Args:
        rounds: mean wall seconds of a retraining in each round, all workers at work.
        retrainings: how many were timed.
        cost: of all that were timed, in the learner's ``precision``.
        contributors, examples: of the pool that was dealt.
        memory_mb: most that the process held (a GPU: the device) since the pool was begun to be dealt.
        side_by_side: models that trained at once, of all workers together.
        reads: what was read to deal the pool, a sentence each.
    """

    rounds: tuple[float, ...]
    retrainings: int
    cost: Cost
    precision: str
    contributors: int
    examples: int
    memory_mb: float = math.nan
    side_by_side: int = 0
    reads: tuple[str, ...] = ()

    def seconds(self, retrainings: float) -> tuple[float, float]:
        """What so many would take, at the pace of the fastest and of the slowest round."""
        return min(self.rounds) * retrainings, max(self.rounds) * retrainings

    def gpu_hours(self, retrainings: float, projection: Projection) -> float:
        """What so many would take on a GPU: operations, memory or launches, whichever is the most."""
        flops, moved, launches = (
            getattr(self.cost, name) / self.retrainings * retrainings for name in ("flops", "bytes_moved", "launches")
        )
        return projection.hours(flops, moved, launches, self.precision)


def count(suite: Suite, task: str, contributors: int, budgets: Sequence[Budget]) -> Counts:
    """Count one task's retrainings without dealing a pool; ``budgets`` are those of the suite's methods."""
    alone = dict.fromkeys(suite.questions, 0)
    together = 0
    for pool in suite.numbers:
        found = {question: _of_truth(suite, task, pool, contributors, [question]) for question in suite.questions}
        for question, jobs in found.items():
            alone[question] += len(jobs)
        together += len({job for jobs in found.values() for job in jobs})
    billed = sum(budget.fits + budget.retrainings for budget in budgets)
    return Counts(alone, together, suite.pools * trained(budgets), suite.pools * billed)


def trained(budgets: Iterable[Budget]) -> float:
    """Retrainings of one pool that methods of these budgets take together, at most."""
    fits, alone, shared = 0, 0.0, dict[str, float]()
    for budget in budgets:
        fits = max(fits, budget.fits)
        alone += max(0.0, budget.retrainings - sum(budget.shared.values()))
        for name, count in budget.shared.items():
            shared[name] = max(shared.get(name, 0.0), count)
    return fits + alone + sum(shared.values())


def of_repeat(question: Question, contributors: int) -> int:
    """Retrainings of one repeat of a question's truth."""
    return len(plan(question, contributors, 0, ("", 0), 1).retrainings)


def measure(suite: Suite, task: Task, device: str) -> Pace:
    """Deal the task's first pool and time a few of its truth's retrainings, spread over all that it takes.

    They are trained as a run would train them, and forgotten.
    """
    from harness.metering.memory import PeakMemory
    from harness.retraining import training
    from harness.retraining.chunks import Job
    from harness.retraining.engine import Engine
    from harness.retraining.ledger import Ledger

    memory = PeakMemory(device)
    pool, learner = task.deal(0), task.learner()
    jobs = _of_truth(suite, task.name, 0, len(pool.contributors), suite.questions)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "timed.sqlite")
        try:
            engine = Engine(learner, pool.train, pool.test, ledger, device, validation=pool.validation)
            training.warm_up(learner, pool.train, device)
            rounds, cost, timed = [], Cost(), 0
            width = engine.side_by_side([Job(*job) for job in jobs]) * engine.stacking.workers
            for chosen in _spread(jobs, width):
                started = time.perf_counter()
                outcomes = engine.outcomes([Job(*job) for job in chosen])
                rounds.append((time.perf_counter() - started) / len(chosen))
                cost = sum((outcome.cost for outcome in outcomes), cost)
                timed += len(chosen)
                if sum(rounds) * len(chosen) > ENOUGH_SECONDS:
                    break
        finally:
            ledger.close()
    return Pace(
        tuple(rounds),
        timed,
        cost,
        learner.recipe.precision,
        len(pool.contributors),
        len(pool.train),
        memory.most_mb(),
        min(width, len(jobs)),
        tuple(task.reads()),
    )


def _of_truth(
    suite: Suite, task: str, pool: int, contributors: int, questions: Iterable[Question]
) -> list[tuple[str, int]]:
    """Coalition and seed of every retraining of one pool's truths, each once, in the order of a run."""
    plans = [plan(q, contributors, suite.seed, (task, pool), suite.seeds_of(task, q)) for q in questions]
    return list(dict.fromkeys(job for found in plans for job in found.retrainings))


def _spread(jobs: Sequence[tuple[str, int]], width: int) -> list[Sequence[tuple[str, int]]]:
    """Stretches of ``width`` jobs from as many equal parts of them all; fewer where there are not enough."""
    rounds = max(1, min(ROUNDS, len(jobs) // width))
    part = len(jobs) / rounds
    return [jobs[start : start + width] for start in (int(part * k + max(0, part - width) / 2) for k in range(rounds))]
