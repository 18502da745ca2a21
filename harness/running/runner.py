"""Run a suite: deal pools, find truths, ask methods."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.markup import escape

from harness.config import Suite
from harness.records.provenance import provenance
from harness.records.results import Results, RunRecord, load, save
from harness.retraining import training
from harness.retraining.ledger import Ledger
from harness.retraining.stacking import cores
from harness.running.pool_run import Ledgers, PoolRun, mean
from harness.running.progress import ProgressDisplay
from harness.types import Method, Precedent, Question, SetFunction, Task

LEDGERS, RESULTS = "ledger", "results"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a suite is run now.

    Args:
        tasks, methods: by name; the suite's, or some of them.
        features: one-feature baselines told for every pool, by name.
        questions: some of the suite's.
    """

    tasks: Mapping[str, Task]
    methods: Mapping[str, Method]
    features: Mapping[str, SetFunction]
    questions: Sequence[Question]


@dataclass(slots=True)
class Runner:
    """One run of a suite into a folder.

    Args:
        suite: as asked.
        chosen: what of it is run now.
        out: the suite's folder: what is kept goes to ``ledger``, what is published to ``results``.
        device: torch device.
        progress: shows progress.
    """

    suite: Suite
    chosen: Chosen
    out: Path
    device: str
    progress: ProgressDisplay
    failures: list[str] = field(default_factory=list)
    results: Results = field(default_factory=Results)
    run_name: str = field(default_factory=lambda: secrets.token_hex(4))
    _pools: dict[tuple[str, int], PoolRun] = field(default_factory=dict)

    def run(self) -> Results:
        """Find every answer that is not kept yet. Each is kept at once; results are written pool by pool."""
        ledgers = Ledgers(Ledger(self.out / LEDGERS / "truth.sqlite"), Ledger(self.out / LEDGERS / "methods.sqlite"))
        self.results = load(self.out / RESULTS)
        runs = ledgers.methods.answer("runs") or {}  # kept beside the answers that name them, should a run be killed
        runs[self.run_name] = provenance(self.device, cores())
        ledgers.methods.keep_answer("runs", runs)
        for name, origin in runs.items():
            self.results.add(RunRecord(name, origin))
        plain = {name: method for name, method in self.chosen.methods.items() if not method.calibrates}
        calibrating = {name: method for name, method in self.chosen.methods.items() if method.calibrates}
        pools = len(self.chosen.tasks) * self.suite.pools
        answers = pools * len(self.chosen.questions) * (1 + len(self.chosen.methods))
        try:
            with self.progress.run(f"{self.suite.name} on {self.device}", answers) as answered:
                self._each_pool(ledgers, lambda pool: self._answer(pool, plain, answered, with_truth=True))
                if calibrating:  # these read the truths of the other tasks, so all truths come first
                    self._each_pool(ledgers, lambda pool: self._answer(pool, calibrating, answered))
        finally:
            save(self.out / RESULTS, self.results)
            ledgers.truth.close()
            ledgers.methods.close()
        return self.results

    def _each_pool(self, ledgers: Ledgers, work: Callable[[PoolRun], None]) -> None:
        for task in self.chosen.tasks.values():
            for index in range(self.suite.pools):
                pool = self._pools.get((task.name, index)) or self._dealt(task, index, ledgers)
                work(pool)
                save(self.out / RESULTS, self.results)

    def _dealt(self, task: Task, index: int, ledgers: Ledgers) -> PoolRun:
        with self.progress.stage(f"{task.name}, pool {index + 1}/{self.suite.pools}: dealing"):
            pool = PoolRun(self.suite, task, index, ledgers, self.device, self.run_name)
            training.warm_up(task.learner(), pool.pool.train, self.device)
        self._pools[task.name, index] = pool
        return pool

    def _answer(
        self,
        pool: PoolRun,
        methods: Mapping[str, Method],
        answered: Callable[[], None],
        with_truth: bool = False,
    ) -> None:
        place = f"{pool.task.name}, pool {pool.index + 1}/{self.suite.pools}"
        if with_truth:
            self.results.add(pool.pool_record(list(self.chosen.features.items())))
            for question in self.chosen.questions:
                missing = pool.retrainings_missing(question)
                with self.progress.stage(f"{place}: truth of {question}", missing) as advance:
                    truth = pool.truth(question, advance)
                self._note(f"{place}, truth of {question}", truth.status, truth.reason)
                self.results.add(truth)
                answered()
        for name, method in methods.items():
            with self.progress.stage(f"{place}: {name}") as advance:
                for question in self.chosen.questions:
                    precedents = self._precedents(pool.task.name, question) if method.calibrates else ()
                    valuation = pool.valuation(name, method, question, precedents, advance)
                    self._note(f"{place}, {name}, {question}", valuation.status, valuation.reason)
                    self.results.add(valuation)
                    answered()

    def _note(self, where: str, status: str, reason: str) -> None:
        if status == "failed":
            self.failures.append(f"{where}: {reason}")
            self.progress.note(f"[red]failed[/red] {escape(f'{where}: {reason}')}")

    def _precedents(self, task: str, question: Question) -> list[Precedent]:
        """Every other task's pools of this run, with truth and finished values for this question.

        Values that were themselves fitted on truths are left out: some of those truths are this task's.
        """
        fitted = {name for name, method in self.chosen.methods.items() if method.calibrates}
        found = []
        for (other, pool, asked), truth in sorted(self.results.truths.items()):
            if other == task or asked != question or truth.status != "ok" or other not in self.chosen.tasks:
                continue
            values = {
                method: mean(record.values)
                for (name, index, of, method), record in self.results.valuations.items()
                if (name, index, of) == (other, pool, question) and record.status == "ok" and method not in fitted
            }
            found.append(Precedent(other, values, mean(truth.values)))
        return found
