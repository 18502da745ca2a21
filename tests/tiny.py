"""Small things that tests share: a pool that trains in milliseconds, its learner, its engine, its problem."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from harness.metering.meter import NO_OVERHEAD, Meter
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.retraining.stacking import Stacking
from harness.running.evaluator import Evaluator
from harness.truth.truth import Plan, Truth, read_off
from harness.types import HELD_OUT, Contributor, Examples, Learner, Pool, Problem, Question, Recipe, Task
from tasks.learners.classifier import Classifier, SmallCnn
from tests.small_mlp import SmallMlp

CLASSES = 3
SIDE = 4


def images(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Noisy images 1 x 4 x 4 of three classes that can be told apart."""
    labels = rng.integers(0, CLASSES, size=count)
    centres = np.random.default_rng(99).standard_normal((CLASSES, 1, SIDE, SIDE))
    pixels = centres[labels] + 0.7 * rng.standard_normal((count, 1, SIDE, SIDE))
    return {"inputs": pixels.astype(np.float32), "targets": labels}


def held_out(count: int, seed: int) -> Examples:
    rows = images(count, np.random.default_rng(seed))
    return Examples(rows, np.full(count, HELD_OUT), np.ones(count, dtype=bool))


def tiny_pool(contributors: int = 4, index: int = 0, each: int = 6, task: str = "tiny") -> Pool:
    """A pool of C contributors with ``each`` to ``each + 2`` images, about half of them called synthetic."""
    rng = np.random.default_rng(index)
    sizes = each + np.arange(contributors) % 3
    owners = np.repeat(np.arange(contributors), sizes)
    train = Examples(images(len(owners), rng), owners, rng.random(len(owners)) < 0.5)
    people = tuple(Contributor(f"c{i}", {"size": int(size), "copy_of": None}) for i, size in enumerate(sizes))
    return Pool(task, index, people, train, held_out(30, 1_000 + index), held_out(40, 2_000 + index), {"coverage": 1.0})


def tiny_recipe(**changes: object) -> Recipe:
    return Recipe(**{"steps": 6, "batch_size": 8, "rate": 0.1, "checkpoints": 3, **changes})  # type: ignore[arg-type]


def tiny_mlp(recipe: Recipe | None = None) -> Learner:
    """Of 103 parameters; its narrower self has 23."""
    wide, narrow = (partial(SmallMlp, SIDE * SIDE, CLASSES, width=width) for width in (5, 1))
    recipe = recipe or tiny_recipe()

    def narrower(share: float) -> Callable[[], Learner] | None:
        return (lambda: Classifier("tiny-mlp", narrow, CLASSES, recipe, {"width": 1})) if share >= 23 / 103 else None

    return Classifier("tiny-mlp", wide, CLASSES, recipe, narrower=narrower)


def tiny_cnn(recipe: Recipe | None = None) -> Learner:
    return Classifier("tiny-cnn", lambda: SmallCnn(SIDE, CLASSES, width=3), CLASSES, recipe or tiny_recipe())


def tiny_task(contributors: int = 4, recipe: Recipe | None = None, name: str = "tiny") -> Task:
    return Task(
        name=name,
        version=1,
        summary="Noisy patterns.",
        form="image-label",
        deal=lambda index: tiny_pool(contributors, index, task=name),
        learner=lambda: tiny_mlp(recipe),
    )


def truth_by(plan: Plan, engine: Engine, rng: np.random.Generator) -> Truth:
    """A truth by an engine, which trains what it takes."""
    return read_off(plan, engine.outcomes(plan.jobs), rng)


def engine_of(folder: Path, pool: Pool, learner: Learner | None = None, stacking: Stacking | None = None) -> Engine:
    """An engine that scores on the validation split, with a ledger of its own in ``folder``."""
    ledger, learner = Ledger(folder / f"{len(list(folder.glob('*.sqlite')))}.sqlite"), learner or tiny_mlp()
    stacking = stacking or Stacking(16 if learner.stacks else 1, 2)
    return Engine(learner, pool.train, pool.validation, ledger, stacking=stacking)


def evaluator_of(folder: Path, pool: Pool, learner: Learner | None = None) -> Evaluator:
    """Nothing is measured that could be taken off a method's cost: what that is, is tested with the meter."""
    engine = engine_of(folder, pool, learner)
    return Evaluator(0, pool.task, pool.index, pool.names, pool.train, pool.validation, engine, NO_OVERHEAD)


def problem_of(
    folder: Path, pool: Pool, learner: Learner | None = None, question: Question = "standalone", method: str = "test"
) -> Problem:
    """The problem as a method called ``method`` would see it."""
    return evaluator_of(folder, pool, learner)._problem(method, question, Meter("cpu"), (), lambda done: None)
