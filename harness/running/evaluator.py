"""Evaluate a method on a pool: build the problem it may see, run it on the meter, check what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.coalitions import to_text
from harness.errors import UserError, plain
from harness.knobs import base_of
from harness.metering.meter import (
    Meter,
    MeteredLearner,
    MeteredShared,
    ProfilingOverhead,
    SharedWork,
    profiling_overhead,
)
from harness.retraining.engine import Engine
from harness.retraining.training import on_device
from harness.running.contents import Contents, contents, difference
from harness.running.isolation import Given, GivenShared, Isolation
from harness.running.reference import prices_of
from harness.running.retraining import Account, MeteredRetrain, Narrowed, Proxies, ProxyDoor
from harness.seeds import seed_of, stream
from harness.threads import one_thread
from harness.truth import questions
from harness.types import (
    Additive,
    Advance,
    Bools,
    Cost,
    Examples,
    Fit,
    Floats,
    Method,
    Params,
    Precedent,
    Problem,
    Question,
    Retraining,
    Scorer,
    SetFunction,
    Valuation,
)

PAIRS = 16
"""Antithetic pairs from which the Shapley values of a set function's scores are estimated."""


@dataclass(slots=True, eq=False)
class Evaluator:
    """Evaluates methods on one pool. Neither the test split nor the truth can be reached from here.

    Args:
        root: the suite's seed; methods draw from streams below it that the truth never uses.
        task, pool: what is asked about.
        contributors: C names.
        train, validation: the pool's examples.
        engine: retrains and scores on the validation split.
        overhead: what counting costs here; measured when first needed.
        counts: whether operations are counted, which takes methods of many small calls up to twice their time.
        narrowed: the learner's narrower selves, where they have been made before.
    """

    root: int
    task: str
    pool: int
    contributors: tuple[str, ...]
    train: Examples
    validation: Examples
    engine: Engine
    overhead: ProfilingOverhead | None = None
    counts: bool = True
    narrowed: Narrowed = field(default_factory=Narrowed)
    shared: SharedWork = field(default_factory=SharedWork)
    _fits: SharedWork = field(init=False, default_factory=SharedWork)
    _built: dict[str, Contents] = field(init=False, default_factory=dict)
    _fitted: dict[str, Contents] = field(init=False, default_factory=dict)
    _isolation: Isolation | None = field(init=False, default=None)
    _proxies: Proxies = field(init=False)

    def __post_init__(self) -> None:
        self._proxies = Proxies(self.engine, self.train, self.validation, self.narrowed)

    def evaluate(
        self,
        name: str,
        method: Method,
        question: Question,
        precedents: Sequence[Precedent] = (),
        advance: Advance = lambda done: None,
    ) -> Valuation | str:
        """The method's valuation, or why it is unsuitable.

        Raises:
            Interference: it changed what others use; this evaluator may hold what it changed, so make another.
        """
        if self._isolation is None:
            self._isolation = Isolation(self.train, self.validation, self.engine)
        with one_thread():
            meter = Meter(self.engine.device, self.measured_overhead())
        with one_thread(), self._isolation.evaluation() as given:
            problem = self._problem(name, question, meter, precedents, advance, given, method.seed_scope)
            with meter.measuring():
                reason = method.unsuitable(problem)
            if reason is not None and not isinstance(reason, str):
                raise UserError(
                    f"its unsuitable() gave {type(reason).__name__}; a text that says why, or None, was expected."
                )
            if reason:
                return plain(" ".join(reason.split())) or "it gives no reason"
            with meter.measuring():
                values_SC = self._values(method, problem)
        if method.calibrates:
            meter.charge(sum(prices_of(precedents).values(), Cost()))
        where = f"{name} on {self.task}, pool {self.pool}"
        if values_SC.ndim != 2 or values_SC.shape[1] != len(self.contributors):
            raise UserError(
                f"{where}: expected values of shape repeats x {len(self.contributors)} contributors, "
                f"got {values_SC.shape}."
            )
        return Valuation(name, self.task, self.pool, question, values_SC, meter.cost)

    def on(self, validation: Examples, engine: Engine) -> Evaluator:
        """The same pool judged by other held-out rows: training runs, which see none, are this one's too.

        Operations are not counted again.

        Args:
            engine: scores on these rows.
        """
        place = (self.root, self.task, self.pool, self.contributors, self.train)
        other = Evaluator(*place, validation, engine, counts=False, narrowed=self.narrowed)
        other._fits, other._fitted = self._fits, self._fitted
        return other

    def measured_overhead(self) -> ProfilingOverhead | None:
        """Measured once, when first needed; None where nothing is counted."""
        if not self.counts:
            return None
        if self.overhead is None:
            learner, device = self.engine.learner, self.engine.device
            rows = on_device(self.train.take(np.arange(min(8, len(self.train)))), device)
            self.overhead = profiling_overhead(learner, learner.initialise(0, device), rows, device)
        return self.overhead

    def _values(self, method: Method, problem: Problem) -> Floats:
        """Values S x C, by family."""
        contributors = len(self.contributors)
        if isinstance(method, SetFunction):

            def answer(score: Scorer) -> Floats:
                rng = stream(self.root, "answers", self.task, self.pool, problem.question)
                return questions.answer(problem.question, score, contributors, rng, PAIRS)

            return np.array([answer(_checked(score)) for score in method.scorers(problem)])
        if isinstance(method, Additive):
            values_SN = _numbers(method.example_values(problem))
            if values_SN.ndim != 2 or values_SN.shape[1] != len(self.train):
                raise UserError(
                    f"expected values of shape repeats x {len(self.train)} examples, got {values_SN.shape}."
                )
            owners_N = self.train.owners_N
            return np.array([np.bincount(owners_N, weights=row, minlength=contributors) for row in values_SN])
        if isinstance(method, Retraining):
            return _numbers(method.contributor_values(problem))
        raise TypeError(f"{method} is none of SetFunction, Additive, Retraining.")

    def _coalition(self, coalition_C: Bools) -> str:
        """A coalition as the ledger writes it.

        Raises:
            UserError: it is of another number of contributors.
        """
        member_C = np.asarray(coalition_C, dtype=np.bool_)
        if member_C.shape != (len(self.contributors),):
            raise UserError(
                f"A coalition of {self.task}, pool {self.pool}, has a mark for each of {len(self.contributors)} "
                f"contributors, got shape {member_C.shape}."
            )
        return to_text(member_C)

    def _problem(
        self,
        name: str,
        question: Question,
        meter: Meter,
        precedents: Sequence[Precedent],
        advance: Advance,
        given: Given | None = None,
        scope: str = "",
    ) -> Problem:
        given = given or Given(self.train, self.validation)
        learner = MeteredLearner(self.engine.learner, meter, len(self.train))
        place = (self.task, self.pool)
        shared = GivenShared(MeteredShared(self.shared, meter), self.shared, self._built, given, meter)
        fits = MeteredShared(self._fits, meter)

        own = base_of(name)  # so that with other knobs it draws the same, and shares what it retrains with itself
        scope = scope or own

        def seeded(seed: int) -> int:
            return seed_of(self.root, "methods", scope, *place, seed)

        def initial(k: int) -> Params:
            return learner.initialise(seed_of(self.root, "initial", *place, k), self.engine.device)

        def fit(k: int, coalition_C: Bools | None = None) -> Fit:
            coalition = "1" * len(self.contributors) if coalition_C is None else self._coalition(coalition_C)

            def train() -> Fit:
                with meter.paused():
                    given.check()
                    found, outcome = self.engine.fit(seed_of(self.root, "initial", *place, k), coalition)
                meter.charge(outcome.cost)
                return found

            key = f"fit/{k}/{coalition}"
            with meter.paused():
                if key in self._fits.done and difference(self._fitted[key], contents(self._fits.done[key][0])):
                    del self._fits.done[key]  # somebody got at it and has changed it since; it is trained anew
            original = fits(key, train)
            with meter.paused():
                self._fitted.setdefault(key, contents(original))
                return given.fit(f"problem.fit({k}{'' if coalition_C is None else f', {coalition}'})", original)

        account = Account(meter, given.check, seeded, advance)
        retrain = MeteredRetrain(lambda seed: self.engine, len(self.contributors), account)

        def own_stream(*path: str | int) -> np.random.Generator:
            return stream(self.root, "methods", own, *place, *path)

        def scope_stream(*path: str | int) -> np.random.Generator:
            return stream(self.root, "methods", scope, *place, *path)

        return Problem(
            task=self.task,
            pool=self.pool,
            question=question,
            contributors=self.contributors,
            train=given.train,
            validation=given.validation,
            learner=learner,
            retrain=retrain,
            proxy=ProxyDoor(self._proxies, retrain, given),
            initial=initial,
            fit=fit,
            shared=shared,
            stream=own_stream,
            scope_stream=scope_stream,
            device=self.engine.device,
            precedents=tuple(precedents),
        )


def _numbers(values: object) -> Floats:
    """What a method gives as numbers; what would lose a part on the way, such as an imaginary one, is refused.

    Raises:
        UserError: it holds other things than real numbers.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():  # type: ignore[no-untyped-call]
        raise UserError("expected real numbers, got an array of which some are masked.")
    found = np.asarray(values)
    if found.dtype.kind not in "biufO":
        raise UserError(f"expected real numbers, got {found.dtype}.")
    return np.asarray(found, dtype=np.float64)


def _checked(score: Scorer) -> Scorer:
    """The scorer on a copy of the coalitions, held to one number for each.

    Whole numbers of few bits become floats, for differences of them overflow without a word.
    """

    def one_each(coalitions_KC: Bools) -> Floats:
        scores_K = _numbers(score(coalitions_KC.copy()))
        if scores_K.shape != (len(coalitions_KC),):
            raise UserError(f"expected one score for each of {len(coalitions_KC)} coalitions, got {scores_K.shape}.")
        return scores_K

    return one_each
