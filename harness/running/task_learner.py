"""A task's learner, made once a run; and anew where a method has changed it."""

from __future__ import annotations

from dataclasses import asdict

from harness.errors import UserError
from harness.metering.meter import ProfilingOverhead
from harness.running.contents import behaviour_of, contents_of_learner, difference
from harness.running.fingerprint import OURS
from harness.running.retraining import Narrowed
from harness.types import Learner, Task


class TaskLearner:
    """The learner, what is told of it, and what is worked out with it for all pools."""

    def __init__(self, task: Task) -> None:
        self._task, self._learner = task, task.learner()
        self._behaviour, self._contents = behaviour_of(self._learner), contents_of_learner(self._learner)
        self.recipe = self._learner.recipe
        self.described = {**self._learner.identity, **asdict(self.recipe)}
        self.code = type(self._learner).__module__
        """The module of its class."""
        self.libraries = {*self._learner.packages} - {*OURS}
        """Packages whose layers its model is made of."""
        self.overhead: ProfilingOverhead | None = None
        """What counting operations costs with it, once that has been measured."""
        self.narrowed = Narrowed()

    def get(self) -> Learner:
        """The learner as the task made it.

        Raises:
            UserError: a method changed it, and what the task makes anew is changed too.
        """
        if difference(self._contents, contents_of_learner(self._learner)) is None:
            return self._learner
        learner = self._task.learner()
        if learner is self._learner or (path := difference(self._behaviour, behaviour_of(learner))) is not None:
            differs = "is the same object" if learner is self._learner else f"differs at {path}"
            raise UserError(
                f"the learner of {self._task.name} was changed by a method, and the one made anew {differs}. Let the "
                "task make each learner from parts of its own."
            )
        self._learner, self._contents, self.narrowed = learner, contents_of_learner(learner), Narrowed()
        return learner
