"""What every method of the table must keep to, whoever wrote it. The checks are those of ``dataworth check``."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import methods
from harness import registry
from harness.config import Suite, TaskSettings
from harness.conformance.asking import EXACT
from harness.conformance.bench import NULL, Bench, Subject
from harness.conformance.checks import CHECKS, found
from harness.conformance.reachability import holds, reachable
from harness.conformance.sources import offences_in
from harness.knobs import knobs_of
from harness.records.results import TruthRecord, ValuationRecord
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.running.evaluator import Evaluator
from harness.running.pool_run import Ledgers, PoolRun
from harness.running.progress import ProgressDisplay
from harness.truth.truth import Truth
from harness.types import (
    QUESTIONS,
    Additive,
    Contributor,
    Floats,
    Method,
    Pool,
    Problem,
    Question,
    Recipe,
    Retraining,
    SetFunction,
    Task,
    Valuation,
)
from methods import METHODS
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import evaluator_of, tiny_cnn, tiny_pool, tiny_task

pytestmark = THIRD_PARTY
EVERY_METHOD = pytest.mark.parametrize("name", METHODS)
CONTRIBUTORS = 4


@functools.cache
def subject(name: str) -> Subject:
    """A method at one training run or initialisation: it keeps to what it owes with one as with three."""
    ones = {"runs", "seeds"} & {knob.name for knob in knobs_of(registry.method(name))}
    typed = f"{name}:{','.join(f'{knob}=1' for knob in sorted(ones))}" if ones else name
    return Subject(name, registry.method(typed), lambda: registry.method(typed))


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Where all methods are asked, one after another, as in a run."""
    return Bench(thorough=False)


@EVERY_METHOD
@pytest.mark.parametrize("check", CHECKS)
def test_a_method(name: str, check: str, bench: Bench) -> None:
    finding = found(check, CHECKS[check], subject(name), bench)
    assert finding.status != "failed", finding.why


def test_methods_that_differ_are_told_apart_by_their_settings() -> None:
    """A kept answer is found by the method's repr: two names with one repr would share answers."""
    assert len({repr(registry.method(name)) for name in METHODS}) == len(METHODS)


def test_every_method_of_the_table_is_a_method() -> None:
    assert all(isinstance(registry.method(name), Method) for name in METHODS)


@EVERY_METHOD
def test_a_convolutional_learner_gets_an_answer_or_a_reason(name: str, convolutional: Evaluator) -> None:
    from harness.conformance.bench import precedents

    method = subject(name).method
    given = precedents(CONTRIBUTORS) if method.calibrates else ()
    answer = convolutional.evaluate(name, method, "leave-one-out", given)
    assert answer.strip() if isinstance(answer, str) else np.isfinite(answer.values_SC).all()


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    return evaluator_of(tmp_path_factory.mktemp("cnn"), tiny_pool(CONTRIBUTORS), tiny_cnn())


NOTHING_FOR_NOTHING = [
    name
    for name in METHODS
    if "null" in registry.method(name).claims and not isinstance(registry.method(name), Retraining)
]


@pytest.mark.parametrize("name", NOTHING_FOR_NOTHING)
def test_who_adds_nothing_is_worth_nothing_after_adamw_too(name: str, blank_by_adamw: Evaluator) -> None:
    """The checks train by SGD; AdamW moves on by its momentum where an example has no gradient at all."""
    answer = blank_by_adamw.evaluate(name, subject(name).method, "shapley")
    assert isinstance(answer, Valuation), answer
    assert abs(answer.values_C[NULL]) <= EXACT * np.abs(answer.values_C).max()


def test_less_takes_adamw_s_momentum_for_a_blank_example_s_update(blank_by_adamw: Evaluator) -> None:
    """Which its paper's update has: so it makes no such claim."""
    answer = blank_by_adamw.evaluate("less", subject("less").method, "shapley")
    assert isinstance(answer, Valuation)
    assert abs(answer.values_C[NULL]) > 0.1 * np.abs(answer.values_C).max()


@pytest.fixture(scope="module")
def blank_by_adamw(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    task = registry.task("tiny-blank", "embedded", TaskSettings(), None)
    learner = task.learner()
    learner.recipe = Recipe(steps=6, batch_size=8, rate=0.02, optimiser="adamw", checkpoints=3)
    return evaluator_of(tmp_path_factory.mktemp("blank"), task.deal(0), learner)


# --- what the harness makes of an answer ---------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    return evaluator_of(tmp_path_factory.mktemp("evaluator"), tiny_pool(CONTRIBUTORS))


def values(evaluator: Evaluator, name: str, question: str) -> Floats:
    answer = evaluator.evaluate(name, subject(name).method, question)  # type: ignore[arg-type]
    assert isinstance(answer, Valuation)
    return answer.values_SC


@pytest.mark.parametrize("name", ["size", "tracin"])
def test_an_additive_value_is_the_sum_over_a_contributor_s_examples(name: str, evaluator: Evaluator) -> None:
    problem, method = problem_at(evaluator, name), subject(name).method
    assert isinstance(method, Additive)
    owners_N = problem.train.owners_N
    expected = [[row[owners_N == c].sum() for c in range(CONTRIBUTORS)] for row in method.example_values(problem)]
    for question in QUESTIONS:  # to every one the same
        np.testing.assert_allclose(values(evaluator, name, question), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["mmd", "ntk-mmd"])
def test_a_set_function_answers_as_utility_would(name: str, evaluator: Evaluator) -> None:
    one, everyone = np.eye(CONTRIBUTORS, dtype=bool), np.ones((1, CONTRIBUTORS), dtype=bool)
    method = subject(name).method
    assert isinstance(method, SetFunction)
    scorers = method.scorers(problem_at(evaluator, name))
    expected = {
        "standalone": [score(one) - score(~everyone) for score in scorers],
        "leave-one-out": [score(everyone) - score(~one) for score in scorers],
    }
    for question, answers in expected.items():
        np.testing.assert_allclose(values(evaluator, name, question), answers, rtol=1e-9, atol=1e-12)
    whole = [float(score(everyone)[0] - score(~everyone)[0]) for score in scorers]
    np.testing.assert_allclose(values(evaluator, name, "shapley").sum(axis=1), whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", [name for name in METHODS if isinstance(registry.method(name), SetFunction)])
def test_a_coalition_s_score_does_not_depend_on_what_else_is_asked(
    name: str, question: Question, evaluator: Evaluator
) -> None:
    method, problem = subject(name).method, problem_at(evaluator, name, question)
    assert isinstance(method, SetFunction)
    if method.unsuitable(problem):
        pytest.skip("it does not suit")
    everything = np.array([[bool(k >> c & 1) for c in range(CONTRIBUTORS)] for k in range(2**CONTRIBUTORS)])
    for score in method.scorers(problem):
        together, alone = score(everything), np.array([score(row[None])[0] for row in everything])
        np.testing.assert_allclose(alone, together, rtol=1e-6, atol=1e-9)


def problem_at(evaluator: Evaluator, name: str, question: Question = "standalone") -> Problem:
    """The problem as the method sees it."""
    seen: list[Problem] = []

    class Looking(Additive):
        """Keeps what it is given."""

        source = passes = "a test"

        def example_values(self, problem: Problem) -> Floats:
            seen.append(problem)
            return np.ones((1, len(problem.train)))

    evaluator.evaluate(name, Looking(), question)
    return seen[0]


# --- what a method file may know ------------------------------------------------------------------------

METHOD_FILES = sorted(Path(methods.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("file", METHOD_FILES, ids=lambda file: "/".join(file.parts[-2:]))
def test_a_method_knows_the_harness_by_its_types_alone(file: Path) -> None:
    assert offences_in(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "from harness.retraining.engine import Engine",
        "import harness.truth.truth",
        "from harness import ledger",
        "def f():\n    from tasks import games",
        "import importlib\nimportlib.import_module('harness.truth.truth')",
        "from importlib import import_module as load",
        "import sys\nengine = sys.modules['harness.retraining.engine']",
        "import sqlite3",
        "def f():\n    import gc\n    return gc.get_objects()",
        "from inspect import currentframe",
        "def f(problem):\n    return problem.learner._inner",
        "def f(problem):\n    return problem.retrain.__closure__[0].cell_contents",
        "eval('1')",
    ],
)
def test_the_check_of_a_method_s_code_finds_what_is_forbidden(line: str) -> None:
    assert offences_in(line)


@pytest.mark.parametrize(
    "line",
    [
        "from harness.types import Problem\nfrom methods.kernels import CoalitionMmd",
        "import dataworth\nfrom dataworth import Additive",
        "from importlib.util import find_spec",
        "import sys\ntiny = sys.float_info.epsilon",
        "from scipy import sparse, linalg",
        "model.eval()",
    ],
)
def test_it_leaves_alone_what_is_not(line: str) -> None:
    assert offences_in(line) == []


# --- what a method can reach ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool_run(tmp_path_factory: pytest.TempPathFactory) -> PoolRun:
    """A pool with its truth found, as when methods are asked in a run."""
    out = tmp_path_factory.mktemp("run")
    suite = Suite(
        name="tiny", tasks=("tiny",), methods=("probe",), pools=1, seeds={**dict.fromkeys(QUESTIONS, 2), "shapley": 1}
    )
    ledgers = Ledgers(Ledger(out / "truth.sqlite"), Ledger(out / "methods.sqlite"))
    run = PoolRun(suite, tiny_task(), 0, ledgers, "cpu", "run")
    assert all(run.truth(question).status == "ok" for question in QUESTIONS)
    return run


@dataclasses.dataclass(frozen=True)
class Probe(Retraining):
    """Uses all that it is offered, then keeps the problem."""

    seen: list[Problem]
    source: str = "a test"
    passes: str = "a few"

    def contributor_values(self, problem: Problem) -> Floats:
        problem.fit(0)
        problem.shared("something", lambda: problem.initial(0))
        problem.stream("draws").random()
        self.seen.append(problem)
        return problem.retrain(np.eye(len(problem.contributors), dtype=bool), 0)[None]


@pytest.fixture(scope="module")
def problem(pool_run: PoolRun) -> Problem:
    seen: list[Problem] = []
    with ProgressDisplay(Console(quiet=True)).stage("probe") as advance:
        answer = pool_run.valuation("probe", Probe(seen), "standalone", advance=advance)
    assert answer.status == "ok", answer.reason
    return seen[0]


def test_neither_the_test_split_nor_the_truth_can_be_reached_from_a_problem(
    problem: Problem, pool_run: PoolRun
) -> None:
    reached = reachable(problem)
    for column in pool_run.pool.test.columns.values():
        assert not holds(reached, column)
    secrets = (Pool, Contributor, Task, PoolRun, Ledgers, Truth, TruthRecord, ValuationRecord)
    assert [item for item in reached if isinstance(item, secrets)] == []
    assert [ledger.path.name for ledger in reached if isinstance(ledger, Ledger)] == ["methods.sqlite"]
    assert sum(isinstance(item, Engine) for item in reached) == 1
    assert pool_run._truth is not None
    assert pool_run._truth.context not in [item for item in reached if isinstance(item, str)]


def test_the_search_does_find_what_a_problem_holds(problem: Problem, pool_run: PoolRun) -> None:
    import torch

    reached = reachable(problem)
    for examples in (pool_run.pool.validation, pool_run.pool.train):
        for column in examples.columns.values():
            assert holds([item for item in reached if isinstance(item, np.ndarray)], column)
            assert holds([item for item in reached if isinstance(item, torch.Tensor)], column)  # the engine's
    assert any(isinstance(item, Evaluator) for item in reached)  # behind the closure of ``retrain``


class Slotted:
    __slots__ = ("kept",)

    def __init__(self, kept: object) -> None:
        self.kept = kept

    def look(self) -> object:
        return self.kept


def generated(secret: object) -> Iterator[object]:
    yield 0
    yield secret


def started(secret: object) -> Iterator[object]:
    steps = generated(secret)
    next(steps)
    return steps


@pytest.mark.parametrize(
    "hide",
    [
        lambda secret: lambda: secret,
        lambda secret: lambda kept=secret: kept,
        lambda secret: lambda *, kept=secret: kept,
        lambda secret: Slotted(secret).look,
        lambda secret: functools.partial(print, secret),
        lambda secret: {"a": [({"b": secret},)]},
        lambda secret: types.MappingProxyType({"a": secret}),
        lambda secret: dataclasses.make_dataclass("Holder", ["kept"], frozen=True, slots=True)(secret),
        lambda secret: functools.lru_cache(lambda: secret),
        lambda secret: np.array([None, secret], dtype=object),
        lambda secret: started(secret),
        lambda secret: type("Own", (), {"__module__": "tests.own", "kept": secret})(),
        lambda secret: [secret].append,
    ],
)
def test_the_search_finds_a_ledger_wherever_it_is_hidden(
    hide: Callable[[object], object], problem: Problem, pool_run: PoolRun
) -> None:
    leaky = dataclasses.replace(problem, shared=hide(pool_run._truth))  # type: ignore[arg-type]
    reached = reachable(leaky)
    assert any(item is pool_run._truth for item in reached)
    assert holds(reached, pool_run.pool.test.columns["inputs"])
    assert any(isinstance(item, Ledger) and item.path.name == "truth.sqlite" for item in reached)


def test_a_view_leads_to_the_array_that_it_is_of() -> None:
    whole = np.arange(10.0)
    assert holds(reachable([whole[2:4]]), whole)
