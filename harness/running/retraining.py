"""Retraining on a method's account: of the task's recipe, and of something cheaper that stands for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.coalitions import to_text
from harness.errors import UserError
from harness.metering.meter import Meter
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.proxies import Cut, Shares, narrowed, parameters_of
from harness.running.contents import Contents, contents, contents_of_learner, difference
from harness.running.isolation import Given, Parts
from harness.types import Advance, Bools, Cost, Examples, Floats, Learner, Outcome


@dataclass(frozen=True, slots=True)
class Account:
    """Whose retrainings they are: what each is charged to, checked by and seeded with.

    Args:
        check: looks whether the method changed what others train with, before anything is trained.
        seed_of: a method's seed -> the seed that is trained with.
    """

    meter: Meter
    check: Callable[[], None]
    seed_of: Callable[[int], int]
    advance: Advance


class MeteredRetrain:
    """Retraining on a method's account: what the ledger knows is charged at what it cost when first trained.

    Args:
        engine_of: by the seed that is trained with.
        share: of a whole training, that a retraining counts as.
    """

    def __init__(
        self, engine_of: Callable[[int], Engine], contributors: int, account: Account, share: float = 1
    ) -> None:
        self._engine_of, self._contributors, self.account, self._share = engine_of, contributors, account, share

    def __call__(self, coalitions_KC: Bools, seed: int) -> Floats:
        jobs = self._jobs(coalitions_KC, seed)
        with self.account.meter.paused():
            self.account.check()
            outcomes = self._engine_of(self.account.seed_of(seed)).outcomes(jobs, self.account.advance)
        self._charge(jobs, outcomes)
        return np.array([outcome.utility for outcome in outcomes])

    def by_example(self, coalitions_KC: Bools, seed: int) -> Floats:
        jobs = self._jobs(coalitions_KC, seed)
        with self.account.meter.paused():
            self.account.check()
            engine = self._engine_of(self.account.seed_of(seed))
            outcomes, found_KN = engine.log_likelihoods(jobs, self.account.advance)
        self._charge(jobs, outcomes)
        return found_KN.astype(np.float64)

    def _jobs(self, coalitions_KC: Bools, seed: int) -> list[Job]:
        rows_KC, actual = np.asarray(coalitions_KC, dtype=np.bool_), self.account.seed_of(seed)
        if rows_KC.ndim != 2 or rows_KC.shape[1] != self._contributors:  # a longer row would train in silence
            raise UserError(
                f"Coalitions to retrain have the shape K x {self._contributors} contributors, got {rows_KC.shape}."
            )
        return [Job(to_text(row), actual) for row in rows_KC]

    def _charge(self, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        """Each job once, however often it stands in the list.

        The ledger counts a model as one by its own recipe; what it is of the task's is said here, for another task may
        have the one's proxy as its whole recipe.
        """
        costs = {job: outcome.cost for job, outcome in zip(jobs, outcomes, strict=True)}
        total = sum(costs.values(), Cost())
        self.account.meter.charge(replace(total, retrainings=total.retrainings * self._share))


class Narrowed:
    """A learner's narrower selves, made once a run; each is charged in full to whoever trains it."""

    def __init__(self) -> None:
        self._made: dict[float, tuple[Learner, Cost, Contents]] = {}

    def get(self, learner: Learner, share: float, meter: Meter) -> tuple[Learner, Cost]:
        """The narrower self and what making it took; made anew where somebody has got at it."""
        with meter.paused():
            if share in self._made and difference(self._made[share][2], contents_of_learner(self._made[share][0])):
                del self._made[share]
        if share not in self._made:
            with meter.separately() as price:
                made = narrowed(learner, share)
            with meter.paused():
                self._made[share] = made, price(), contents_of_learner(made)
        return self._made[share][:2]


class Proxies:
    """A pool's engines of what stands for whole trainings, made when they are first asked for.

    Args:
        engine: of whole trainings.
        train, validation: its examples.
        narrowed: the learner's narrower selves.
    """

    def __init__(self, engine: Engine, train: Examples, validation: Examples, narrowed: Narrowed) -> None:
        self.whole, self.narrowed = engine, narrowed
        self._train, self._validation = train, validation
        self._engines: dict[Cut, tuple[Engine, Contents, Contents, Parts]] = {}

    def engine(self, cut: Cut, model: Learner, given: Given) -> Engine:
        """The engine of a cut; made anew where somebody has got at its data or learner. A change that comes later is
        the method's that has been given it.
        """
        if cut in self._engines:
            engine, data, learner, parts = self._engines[cut]
            other_data = difference(data, contents(engine.tensors))
            if other_data or difference(learner, contents_of_learner(engine.learner)) or parts.changes():
                del self._engines[cut]
        if cut not in self._engines:
            engine = self.whole.cut(cut, model, self._train, self._validation)
            parts = Parts(engine=engine, workspace=engine.workspace)
            self._engines[cut] = engine, contents(engine.tensors), contents_of_learner(engine.learner), parts
        engine, data, *_ = self._engines[cut]
        given.note(f"the data of problem.proxy at {cut.shares}", engine.tensors, data)
        return engine


class ProxyDoor:
    """``problem.proxy`` of one evaluation."""

    def __init__(self, proxies: Proxies, whole: MeteredRetrain, given: Given) -> None:
        self._proxies, self._whole, self._given = proxies, whole, given
        self._charged: set[float] = set()

    def __call__(self, *, steps: float = 1.0, examples: float = 1.0, parameters: float = 1.0) -> MeteredRetrain:
        shares = Shares(steps, examples, parameters)
        if shares == Shares():
            return self._whole
        whole, account = self._proxies.whole, self._whole.account
        learner, recipe = whole.learner, whole.learner.recipe
        less = shares.recipe(recipe)
        share = less.steps / recipe.steps * less.batch_size / recipe.batch_size
        model = learner if parameters == 1 else self._narrower(parameters)
        if model is not learner:
            with account.meter.paused():
                share *= parameters_of(model) / parameters_of(learner)

        def engine_of(seed: int) -> Engine:
            return self._proxies.engine(Cut(shares, seed if examples < 1 else 0), model, self._given)

        return MeteredRetrain(engine_of, whole.contributors, account, share)

    def _narrower(self, share: float) -> Learner:
        """Made from what the method cannot have changed, and charged once an evaluation."""
        meter = self._whole.account.meter
        with meter.paused():
            self._whole.account.check()
        made, price = self._proxies.narrowed.get(self._proxies.whole.learner, share, meter)
        if share not in self._charged:
            self._charged.add(share)
            meter.charge(price)
        return made
