"""Run a suite: deal pools and find every truth, and only then let methods run, which may harm what comes after them."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rich.markup import escape

from harness import registry
from harness.config import LEDGERS, RESULTS, Suite
from harness.knobs import base_of
from harness.metering.load import HERE
from harness.records.checked import kept_runs
from harness.records.keys import Key, key_of, place
from harness.records.provenance import provenance
from harness.records.results import Answer, Results, RunRecord, TruthRecord, load, save
from harness.records.seal import seal
from harness.retraining import training
from harness.retraining.ledger import Ledger, LedgerError
from harness.retraining.stacking import cores
from harness.running import interrupts
from harness.running.answer_keys import truth_keys
from harness.running.forecast import TRUTHS, Kind, Spending, counts
from harness.running.own_process import Limits, import_first
from harness.running.pool_run import Ledgers, PoolRun
from harness.running.precedents import precedents
from harness.running.progress import ProgressDisplay
from harness.running.task_learner import TaskLearner
from harness.types import LOADED, Method, Precedent, Question, SetFunction, Task


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a suite is run now.

    Args:
        tasks, methods: by name; the suite's, or some of them.
        features: one-feature baselines computed for every pool, by name.
        questions: some of the suite's.
    """

    tasks: Mapping[str, Task]
    methods: Mapping[str, Method]
    features: Mapping[str, SetFunction]
    questions: Sequence[Question]


Noted = Callable[[PoolRun, Answer, bool], None]
"""Told of each answer, with its pool and whether it was kept from before."""


@dataclass(slots=True)
class Runner:
    """One run of a suite into a folder.

    Args:
        suite: as asked.
        chosen: what of it is run now.
        out: the run's folder: what it goes on from is kept in ``ledger``, answers are written to ``results``.
        device: torch device.
        progress: shows progress.
        limits: of each answer of a method, which then works in a process of its own; None for this process.
        by: who measures; empty where nobody is named.
    """

    suite: Suite
    chosen: Chosen
    out: Path
    device: str
    progress: ProgressDisplay
    limits: Limits | None = None
    by: str = ""
    failures: list[str] = field(default_factory=list)
    results: Results = field(default_factory=Results)
    run_name: str = field(default_factory=lambda: secrets.token_hex(4))
    _pools: dict[tuple[str, int], PoolRun] = field(default_factory=dict)
    _learners: dict[str, TaskLearner] = field(default_factory=dict)
    _truths: dict[tuple[str, int, str], tuple[str, bytes]] = field(default_factory=dict)
    _unsaved: set[str] = field(default_factory=set)
    _answered: set[Key] = field(default_factory=set)
    _kept: int = 0
    _found: int = 0

    def run(self) -> Results:
        """Find every answer that is not kept yet. Each is kept at once; results are written pool by pool."""
        with interrupts.noted():
            return self._run()

    def _run(self) -> Results:
        folder = self.out / LEDGERS
        ledgers = Ledgers(Ledger(folder / "truth.sqlite", self._say), Ledger(folder / "methods.sqlite", self._say))
        try:
            self.results = load(self.out / RESULTS)
            self._name_run(ledgers.methods)
            self._warn_of_load()
            self._mark_other_truths()
            plain = {name: method for name, method in self.chosen.methods.items() if not method.calibrates}
            calibrating = {name: method for name, method in self.chosen.methods.items() if method.calibrates}
            asked = counts(self.chosen.tasks, self.chosen.methods, self.suite.pools * len(self.chosen.questions))
            title, spent = escape(f"{self.suite.name} on {self.device}"), Spending(self.suite.projection, self.device)
            with self.progress.run(title, asked, self._stored(), lambda: spent.words) as noted:
                answered = self._noted(spent, noted)
                self._each_pool(ledgers, lambda pool: self._find_truths(pool, answered))
                ledgers.truth.close()  # no method has any business with it
                if self.limits is not None:
                    import_first(self.chosen.methods.values())
                self._each_pool(ledgers, lambda pool: self._evaluate(pool, plain, answered, with_features=True))
                if calibrating:  # these read what the others said about the other tasks
                    self._each_pool(ledgers, lambda pool: self._evaluate(pool, calibrating, answered))
            money = f" {spent.words} at {self.suite.projection.price} an hour." if spent.words else ""
            self._say(f"{self._kept} answers were kept, {self._found} found.{money}")
        finally:
            if self.results.pools:
                save(self.out / RESULTS, self.results)
                seal(self.out, self.results, self._answered)
            ledgers.truth.close()
            ledgers.methods.close()
        return self.results

    def _name_run(self, ledger: Ledger) -> None:
        """Keep where this run's answers come from beside the answers that name it, should it be killed."""
        try:
            runs = kept_runs(ledger.answer("runs") or {})
        except LedgerError:
            raise
        except (ValueError, TypeError) as error:
            self._say(f"The runs in {ledger.path.name} cannot be read ({error}); they are set aside.")
            runs = {}
        runs[self.run_name] = {**provenance(self.device, cores()), **self._isolated(), **self._foreign()}
        if self.by:  # whoever goes on with a run has its ledger, and speaks for what it kept when nobody was named
            runs = {name: {"by": self.by, **origin} for name, origin in runs.items()}
        ledger.keep_answer("runs", runs)
        for name, origin in runs.items():
            self.results.add(RunRecord(name, origin))

    def _isolated(self) -> dict[str, object]:
        """Limits that methods ran under, for a run's provenance."""
        limits = self.limits
        return {} if limits is None else {"isolated": {"seconds": limits.seconds, "memory_mb": limits.memory_mb}}

    def _foreign(self) -> dict[str, object]:
        """Which package each method of others comes from, for a run's provenance: no commit of this project tells."""
        known = registry.methods()
        bases = {name: base_of(name) for name in self.chosen.methods}
        found = {name: known[base].package for name, base in bases.items() if base in known and known[base].package}
        return {"methods": found} if found else {}

    def _warn_of_load(self) -> None:
        load = HERE.since(HERE.start())
        if load > LOADED:
            self._say(
                f"Other processes keep {load:.0%} of this machine busy: seconds and core-hours will be too high, and "
                "rows measured so are marked."
            )

    def _mark_other_truths(self) -> None:
        """Say in every stored pool which truths the suite asks for, so that those of another suite drop out."""
        for (task, index), record in list(self.results.pools.items()):
            if record.truth_keys:  # format 1 had none
                keys = truth_keys(self.suite, task, index, len(record.contributors), record.pool_key)
                self.results.add(replace(record, truth_keys=keys))
        if self.results.pools:
            save(self.out / RESULTS, self.results)

    def _stored(self) -> int:
        """Of what is asked now, what the results hold; whether that is still the answer is seen pool by pool."""
        asked, methods = set(self.chosen.questions), set(self.chosen.methods)
        answers = [r for task in self.chosen.tasks for r in self.results.of_task(task) if isinstance(r, Answer)]
        return sum(
            r.status == "ok"
            and r.pool in self.suite.numbers
            and r.question in asked
            and (isinstance(r, TruthRecord) or r.method in methods)
            for r in answers
        )

    def _noted(self, spent: Spending, noted: Callable[[Kind, bool], None]) -> Noted:
        """Tells that an answer is there, and what it adds to the time and the money."""

        def answered(pool: PoolRun, answer: Answer, kept: bool) -> None:
            kind = answer.task, TRUTHS if isinstance(answer, TruthRecord) else answer.method
            spent.add(kind, answer.question, answer.cost, pool.precision)
            noted(kind, kept)

        return answered

    def _each_pool(self, ledgers: Ledgers, work: Callable[[PoolRun], None]) -> None:
        for task in self.chosen.tasks.values():
            for index in self.suite.numbers:
                pool = self._pools.get((task.name, index)) or self._dealt(task, index, ledgers)
                try:
                    work(pool)
                finally:
                    pool.release()
                if changed := self._changed_truths():  # other pools', or it would be the row of who did it
                    self._say(f"A method on {self._place(pool)} changed {', '.join(changed)}; it was put back.")
                save(self.out / RESULTS, self.results, self._unsaved)
                self._unsaved.clear()

    def _dealt(self, task: Task, index: int, ledgers: Ledgers) -> PoolRun:
        with self.progress.stage(f"{self._numbered(task.name, index)}: dealing"):
            if is_first := task.name not in self._learners:
                self._learners[task.name] = TaskLearner(task)
            learner = self._learners[task.name]
            place = (self.suite, task, index, ledgers, self.device, self.run_name)
            pool = PoolRun(*place, learner, self._say, self.limits, partial(self._changed_truths, task.name, index))
            if is_first:
                training.warm_up(learner.get(), pool.pool.train, self.device)
        if is_first:
            for line in task.reads():
                self._say(line)
        self._pools[task.name, index] = pool
        return pool

    def _find_truths(self, pool: PoolRun, answered: Noted) -> None:
        record = pool.pool_record()
        before = self.results.pools.get((record.task, record.pool))
        known = before.features if before is not None and before.pool_key == record.pool_key else {}
        self._answered.add(key_of(record))
        self.results.add(replace(record, features={**known, **record.features}))
        for question in self.chosen.questions:
            missing = pool.retrainings_missing(question)
            told = f"{self._place(pool)}: truth of {question}"
            with self.progress.stage(told, missing, (pool.task.name, TRUTHS)) as advance:
                truth = pool.truth(question, advance)
            self._add(truth, f"{self._place(pool)}, truth of {question}")
            held = self.results.truths[truth.task, truth.pool, truth.question]
            self._truths[truth.task, truth.pool, truth.question] = repr(held), pickle.dumps(held)
            answered(pool, truth, not missing)

    def _changed_truths(self, task: str = "", index: int = 0) -> list[str]:
        """Truths, of one pool or of all, that are not what was found; they are put back."""
        found = []
        for key, (told, kept) in self._truths.items():
            if (not task or key[:2] == (task, index)) and repr(self.results.truths.get(key)) != told:
                self.results.truths[key] = pickle.loads(kept)
                self._unsaved.add(key[0])
                found.append(f"the truth of {key[2]} on {place(*key[:2])}")
        return found

    def _evaluate(
        self,
        pool: PoolRun,
        methods: Mapping[str, Method],
        answered: Noted,
        with_features: bool = False,
    ) -> None:
        if with_features:
            self.results.add(pool.pool_record(list(self.chosen.features.items())))
        for name, method in methods.items():
            with self.progress.stage(f"{self._place(pool)}: {name}", kind=(pool.task.name, name)) as advance:
                for question in self.chosen.questions:
                    precedents = self._precedents(pool.task.name, question) if method.calibrates else ()
                    valuation = pool.valuation(name, method, question, precedents, advance)
                    self._add(valuation, f"{self._place(pool)}, {name}, {question}")
                    answered(pool, valuation, valuation.run != self.run_name)

    def _place(self, pool: PoolRun) -> str:
        return self._numbered(pool.task.name, pool.index)

    def _numbered(self, task: str, index: int) -> str:
        """Which pool of how many."""
        return f"{task}, pool {self.suite.numbers.index(index) + 1}/{self.suite.pools}"

    def _say(self, text: str) -> None:
        """A line for people; it may hold a path, whose brackets are no markup."""
        self.progress.note(escape(text))

    def _add(self, answer: Answer, where: str) -> None:
        """Take an answer into the results. One that they hold already, to the letter, stays that of the run that found
        it, and its task need not be written again.
        """
        self._answered.add(key_of(answer))
        before = self.results.held(answer)
        is_held = before is not None and repr(replace(answer, run=before.run)) == repr(before)  # nan as nan
        if not is_held:
            self.results.add(answer)
            self._unsaved.add(answer.task)
        is_kept = is_held and answer.status == "ok"
        self._kept, self._found = self._kept + is_kept, self._found + (not is_kept)
        if answer.status == "failed":
            self.failures.append(f"{where}: {answer.reason}")
            self.progress.note(f"[red]failed[/red] {escape(f'{where}: {answer.reason}')}")

    def _precedents(self, task: str, question: Question) -> list[Precedent]:
        fitted = {name for name, method in self.chosen.methods.items() if method.calibrates}
        return precedents(self.results, set(self.chosen.tasks) - {task}, question, fitted)
