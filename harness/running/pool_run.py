"""One pool of a run: its key, its truths, what methods say about it; each answer is kept the moment it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from harness.config import Suite
from harness.errors import UserError, reason_of
from harness.records.checked import KeptAnswer, kept_answer
from harness.records.results import PoolRecord, TruthRecord, ValuationRecord, mean_values, without_nan
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger, LedgerError
from harness.retraining.workspace import PoolReference, Split
from harness.running import interrupts
from harness.running.answer_keys import answer_key, pool_key, question_of, truth_keys, truth_plan
from harness.running.child import Retrained, Rows, Setup
from harness.running.evaluator import Evaluator
from harness.running.evidence import check_outcomes, keep_digest
from harness.running.isolation import Interference
from harness.running.leftover_threads import still_running
from harness.running.own_process import Limits, OwnProcess, pickled
from harness.running.reference import at_reference
from harness.running.task_learner import TaskLearner
from harness.seeds import stream
from harness.threads import one_thread
from harness.truth.truth import Plan, read_off
from harness.types import (
    Advance,
    Cost,
    Floats,
    Method,
    Pool,
    Precedent,
    Question,
    SetFunction,
    Task,
    Valuation,
)

COUNTED_EVERY = 8
"""Operations are counted on a task's first pool and on every so many-th after it; times are those of the others, where
nothing is counted. A method that did less on a counted pool would be scored there like on any other."""


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Retrainings scored on the test split, closed before any method runs, and everything of the methods' own."""

    truth: Ledger
    methods: Ledger


class PoolRun:
    """Deals one pool and answers for it.

    Args:
        suite: how many seeds each truth takes, and the root of all streams.
        task, index: which pool.
        ledgers: what is known already, and where new answers go.
        device: torch device.
        run: name of the run whose provenance new answers bear.
        learner: the task's; None to make it here.
        note: takes a sentence for people.
        limits: of each answer of a method, which then works in a process of its own; None for this process.
        changed_truths: asked after every method, which truths it has changed.
    """

    def __init__(
        self,
        suite: Suite,
        task: Task,
        index: int,
        ledgers: Ledgers,
        device: str,
        run: str,
        learner: TaskLearner | None = None,
        note: Callable[[str], None] = lambda text: None,
        limits: Limits | None = None,
        changed_truths: Callable[[], list[str]] = list,
    ) -> None:
        self.suite, self.task, self.index, self.device, self.run = suite, task, index, device, run
        self.pool: Pool = task.deal(index)
        self._ledgers, self._learner, self._note = ledgers, learner or TaskLearner(task), note
        self._truth: Engine | None = None
        self._evaluator: Evaluator | None = None
        self._limits, self._changed_truths = limits, changed_truths
        self._process: tuple[str, OwnProcess] | None = None
        self._context = ""
        self._context = self._methods_engine().context
        self.key = pool_key(task, index, (self.truth_engine().context, self._context), suite.seed)
        self.truth_keys = truth_keys(suite, task.name, index, len(self.pool.contributors), self.key)

    @property
    def precision(self) -> str:
        """Of what is trained here."""
        return self._learner.recipe.precision

    def release(self) -> None:
        """Let go of engines, fits and shared work; they are made again when they are needed."""
        self._drop_evaluator()
        self._end_process()
        self._truth = None

    def _drop_evaluator(self) -> None:
        if self._evaluator is not None:
            self._learner.overhead = self._evaluator.overhead or self._learner.overhead
        self._evaluator = None

    def truth_engine(self) -> Engine:
        """Retrains, and scores on the test split: never for a method."""
        if self._truth is None:
            self._truth = self._engine("test", self._ledgers.truth)
        return self._truth

    def _methods_engine(self) -> Engine:
        """An engine on the data that were dealt; they are dealt again where a method has got at them.

        Raises:
            UserError: the task deals another pool now.
        """
        engine = self._engine("validation", self._ledgers.methods)
        if self._context not in ("", engine.context):
            self.pool = self.task.deal(self.index)
            engine = self._engine("validation", self._ledgers.methods)
            if engine.context != self._context:
                raise UserError(
                    f"{self.task.name}, pool {self.index}: a method changed its data, and the task deals others now. "
                    "Start the run again without that method."
                )
        return engine

    def _engine(self, split: Split, ledger: Ledger) -> Engine:
        """An engine that scores on one split, and can have its chunks trained by other processes."""
        task, held_out = self.task.reference, getattr(self.pool, split)
        pool = None if task is None else PoolReference(task, self.index, split)
        beside = self.pool.validation if split == "test" else None
        return Engine(self._learner.get(), self.pool.train, held_out, ledger, self.device, pool=pool, validation=beside)

    def _current_evaluator(self) -> Evaluator:
        """The pool's evaluator; its engine scores on the validation split."""
        if self._evaluator is None:
            engine, root, place = self._methods_engine(), self.suite.seed, (self.task.name, self.index)
            pool = self.pool  # which may have been dealt again for the engine
            split, overhead = (pool.train, pool.validation), self._learner.overhead
            narrowed = self._learner.narrowed
            self._evaluator = Evaluator(root, *place, pool.names, *split, engine, overhead, self._counts, narrowed)
        return self._evaluator

    def pool_record(self, features: Sequence[tuple[str, SetFunction]] = ()) -> PoolRecord:
        """What was dealt, with the one-feature baselines: what was planted, and the given set functions alone."""
        planted = [contributor.planted for contributor in self.pool.contributors]
        numbers = {
            name: tuple(float(found[name]) for found in planted)  # type: ignore[arg-type]
            for name in planted[0]
            if all(isinstance(found[name], int | float) for found in planted)
        }
        for name, method in features:
            record = self.valuation(name, method, "standalone")
            if record.status == "ok":
                numbers[name] = tuple(mean_values(record.values).tolist())
        return PoolRecord(
            task=self.task.name,
            pool=self.index,
            pool_key=self.key,
            contributors=self.pool.names,
            planted=tuple(dict(found) for found in planted),
            features=numbers,
            facts=dict(self.pool.facts),
            learner=self._learner.described,
            task_version=self.task.version,
            test_rows=len(self.pool.test),
            truth_keys=self.truth_keys,
        )

    def retrainings_missing(self, question: Question) -> int:
        """How many retrainings the truth still takes."""
        return self.truth_engine().missing(self._plan(question).jobs)

    def truth(self, question: Question, advance: Advance = lambda done: None) -> TruthRecord:
        """The question's truth; a failed one is a record with its reason."""
        answer, asked = self._no_truth(question), self._plan(question)
        try:
            key, engine = self.truth_keys[question], self.truth_engine()
            check_outcomes(self._ledgers.methods, key, engine, asked)
            outcomes = engine.outcomes(asked.jobs, advance)
            with one_thread():  # many small solves, which threads that wait for each other make ten times longer
                found = read_off(asked, outcomes, stream(self.suite.seed, "reliability"))
            keep_digest(self._ledgers.methods, key, engine, asked)
        except LedgerError:
            raise
        except Exception as error:  # one truth that fails is a row, not the end of the run
            return replace(answer, status="failed", reason=reason_of(error))
        return replace(
            answer,
            values=_rows(found.values_SC),
            reliability=found.reliability,
            accuracy=found.accuracy,
            cost=found.cost,
            by_fold=_rows(found.by_fold_FC),
            residual=tuple(map(float, found.residual_C)),
            validation=_rows(found.validation_SC),
            everyone=_rows(found.everyone_SF),
            nobody=_rows(found.nobody_SF),
        )

    def valuation(
        self,
        name: str,
        method: Method,
        question: Question,
        precedents: Sequence[Precedent] = (),
        advance: Advance = lambda done: None,
    ) -> ValuationRecord:
        """What a method says; a failed or unsuitable one is a record with its reason."""
        answer = ValuationRecord(
            task=self.task.name,
            pool=self.index,
            pool_key=self.key,
            question=question,
            method=name,
            family=method.family,
            status="ok",
            reason="",
            values=(),
            cost=Cost(),
            device=self.device,
            run=self.run,
            truth_key=self.truth_keys.get(question, ""),
        )
        try:
            job, recipe = self.suite.projection.job(self.task.name), self._learner.recipe
            answer = replace(answer, **at_reference(method, question, job, self.pool, recipe, precedents))
            key = answer_key(self.key, self._learner, name, method, question, precedents)
            if (kept := self._kept(key, name)) is not None:
                return replace(answer, values=kept.values, cost=kept.cost, run=kept.run)
            found = self._evaluated(name, method, question, precedents, advance)
        except LedgerError:
            raise
        except BaseException as error:  # one method that fails is a row, not the end of the run
            if interrupts.is_a_persons(error):
                raise
            if isinstance(error, Interference):
                self._drop_evaluator()  # and with it all that the method may have changed
            return replace(answer, status="failed", reason=reason_of(error))
        if isinstance(found, str):
            return replace(answer, status="unsuitable", reason=found)
        answer = replace(answer, values=_rows(found.values_SC), cost=found.cost)
        place = (name, self.task.name, self.index, question_of(method, question))
        kept_as = {"values": answer.values, "cost": without_nan(asdict(found.cost)), "run": self.run, "of": place}
        self._ledgers.methods.keep_answer(key, kept_as)
        return answer

    def _evaluated(
        self, name: str, method: Method, question: Question, precedents: Sequence[Precedent], advance: Advance
    ) -> Valuation | str:
        """The method's valuation, or why it is unsuitable, found here or in a process of its own."""
        limits = self._limits
        if limits is None and self.task.reference is not None and still_running():
            limits = Limits()  # here a thread that another method left could be at anything
        if limits is None:
            try:
                return self._current_evaluator().evaluate(name, method, question, precedents, advance)
            finally:
                if (changed := self._changed_truths()) and not interrupts.came():
                    raise Interference(f"changed {', '.join(changed)}; it was put back")
        try:
            found = self._process_of(name, method, limits).ask(question, tuple(precedents), advance)
        except BaseException:
            self._end_process()
            raise
        return found if isinstance(found, str) else Valuation(name, self.task.name, self.index, question, *found)

    def _process_of(self, name: str, method: Method, limits: Limits) -> OwnProcess:
        """The method's process, which answers one question after another.

        Raises:
            UserError: another process cannot make the task's learner, or the method.
        """
        if self._process is not None and self._process[0] == name:
            return self._process[1]
        self._end_process()
        if self.task.reference is None:
            raise UserError(
                f"{self.task.name} cannot be made in a process of its own; make it through harness.registry, or run "
                "without --isolated"
            )
        setup = Setup(
            root=self.suite.seed,
            task=self.task.name,
            pool=self.index,
            contributors=self.pool.names,
            train=Rows.of(self.pool.train),
            validation=Rows.of(self.pool.validation),
            reference=self.task.reference,
            context=self._context,
            device=self.device,
            name=name,
            method=pickled(method),
            known=self._ledgers.methods.outcomes(self._context),
            overhead=self._learner.overhead,
            counts=self._counts,
        )
        process = OwnProcess(setup, limits, self._keep_retrained)
        self._learner.overhead, self._process = process.overhead or self._learner.overhead, (name, process)
        return process

    def _end_process(self) -> None:
        if self._process is not None:
            self._process[1].close(gently=True)
        self._process = None

    @property
    def _counts(self) -> bool:
        return self.index % COUNTED_EVERY == 0

    def _keep_retrained(self, found: Retrained) -> None:
        """Write what a method's process has retrained; it is there when the method is asked again."""
        rows = [(*job, outcome) for job, outcome in found.outcomes.items()]
        self._ledgers.methods.record(self._context, rows, found.log_likelihoods)

    def _kept(self, key: str, name: str) -> KeptAnswer | None:
        """The answer that the ledger keeps under a key; one that is none is noted and asked for again."""
        try:
            record = self._ledgers.methods.answer(key)
            return None if record is None else kept_answer(record, len(self.pool.contributors))
        except LedgerError:
            raise
        except (ValueError, TypeError) as error:
            self._note(
                f"{self.task.name}, pool {self.index + 1}: the answer of {name} in {self._ledgers.methods.path.name} "
                f"cannot be read ({error}); {name} is evaluated again."
            )
            return None

    def _plan(self, question: Question) -> Plan:
        return truth_plan(self.suite, self.task.name, self.index, len(self.pool.contributors), question)

    def _no_truth(self, question: Question) -> TruthRecord:
        return TruthRecord(
            task=self.task.name,
            pool=self.index,
            pool_key=self.key,
            question=question,
            status="ok",
            reason="",
            values=(),
            reliability=float("nan"),
            accuracy=float("nan"),
            cost=Cost(),
            device=self.device,
            run=self.run,
            truth_key=self.truth_keys[question],
        )


def _rows(values: Floats | Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in values)
