"""What every method of the table must keep to, whoever wrote it."""

from __future__ import annotations

import ast
import dataclasses
import functools
import gc
import re
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch
from rich.console import Console

import methods
from harness import registry
from harness.config import Suite
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
    Examples,
    Floats,
    Method,
    Pool,
    Precedent,
    Problem,
    Question,
    Retraining,
    SetFunction,
    Task,
    Valuation,
)
from methods import METHODS
from methods.ntk_mmd.weights import TERMS
from tests.tiny import evaluator_of, tiny_cnn, tiny_pool, tiny_task

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp
EVERY_METHOD = pytest.mark.parametrize("name", METHODS)
EVERY_QUESTION = pytest.mark.parametrize("question", QUESTIONS)
ADDITIVE = [name for name in METHODS if isinstance(registry.method(name), Additive)]
SET_FUNCTIONS = [name for name in METHODS if isinstance(registry.method(name), SetFunction)]
CONTRIBUTORS = 4
Answers: TypeAlias = Callable[[str, Question], Valuation]


def precedents() -> list[Precedent]:
    rng = np.random.default_rng(0)
    values = {f"ntk-mmd:single:{term}": rng.standard_normal(12) for term in TERMS}
    return [Precedent("another", values, sum(values.values()) + rng.standard_normal(12))]


def ask(evaluator: Evaluator, name: str, question: Question) -> Valuation | str:
    method = registry.method(name)
    return evaluator.evaluate(name, method, question, precedents() if method.calibrates else ())


def valuation(evaluator: Evaluator, name: str, question: Question) -> Valuation:
    found = ask(evaluator, name, question)
    assert isinstance(found, Valuation), found
    return found


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    """Where all methods are asked, one after another, as in a run."""
    return evaluator_of(tmp_path_factory.mktemp("evaluator"), tiny_pool(CONTRIBUTORS))


@pytest.fixture(scope="module")
def answers(evaluator: Evaluator) -> Answers:
    """What each method said there, asked once."""

    @functools.cache
    def answer(name: str, question: Question) -> Valuation:
        return valuation(evaluator, name, question)

    return answer


# --- the table --------------------------------------------------------------------------------------


@EVERY_METHOD
def test_a_method_is_a_frozen_dataclass_of_one_family(name: str) -> None:
    method = registry.method(name)
    assert dataclasses.is_dataclass(method)
    assert method.__dataclass_params__.frozen
    assert registry.method(name) == method  # nothing drawn when it is made
    assert sum(isinstance(method, family) for family in (SetFunction, Additive, Retraining)) == 1
    assert method.family in ("set function", "additive", "retraining")
    assert not {"source", "passes", "choices"} & {
        field.name for field in dataclasses.fields(method)
    }  # words, which enter no key


@EVERY_METHOD
def test_a_method_says_where_it_comes_from_and_what_it_costs(name: str) -> None:
    method = registry.method(name)
    for text in (method.source, method.passes, method.summary, method.choices or "none"):
        assert text.strip()
        assert "\n" not in text


def test_methods_that_differ_are_told_apart_by_their_settings() -> None:
    """A kept answer is found by the method's repr: two names with one repr would share answers."""
    assert len({repr(registry.method(name)) for name in METHODS}) == len(METHODS)


# --- the answers ------------------------------------------------------------------------------------


@EVERY_METHOD
@EVERY_QUESTION
def test_every_question_gets_one_finite_number_a_contributor(name: str, question: Question, answers: Answers) -> None:
    found = answers(name, question)
    assert found.values_SC.shape[0] >= 1
    assert found.values_SC.shape[1:] == (CONTRIBUTORS,)
    assert np.isfinite(found.values_SC).all()


@EVERY_METHOD
def test_a_fresh_start_gives_the_same_values(name: str, answers: Answers, tmp_path: Path) -> None:
    """Whatever other methods were asked before, and with a ledger that knows nothing."""
    fresh = evaluator_of(tmp_path, tiny_pool(CONTRIBUTORS))
    for question in QUESTIONS if registry.method(name).by_question else QUESTIONS[-1:]:
        one, again = answers(name, question), valuation(fresh, name, question)
        np.testing.assert_allclose(again.values_SC, one.values_SC, rtol=1e-5, atol=1e-8)


@EVERY_METHOD
def test_a_convolutional_learner_gets_an_answer_or_a_reason(name: str, cnn_desk: Evaluator) -> None:
    found = ask(cnn_desk, name, "leave-one-out")
    if isinstance(found, str):
        assert found.strip()
    else:
        assert np.isfinite(found.values_SC).all()


@pytest.fixture(scope="module")
def cnn_desk(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    return evaluator_of(tmp_path_factory.mktemp("cnn"), tiny_pool(CONTRIBUTORS), tiny_cnn())


@pytest.mark.parametrize("name", ADDITIVE)
def test_an_additive_value_is_the_sum_over_a_contributor_s_examples(
    name: str, evaluator: Evaluator, answers: Answers
) -> None:
    problem = problem_at(evaluator, name)
    examples_SN = registry.method(name).example_values(problem)
    expected = [
        [row[problem.train.owners_N == contributor].sum() for contributor in range(CONTRIBUTORS)] for row in examples_SN
    ]
    for question in QUESTIONS:  # to every one the same
        np.testing.assert_allclose(answers(name, question).values_SC, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in ADDITIVE if name != "random"])
def test_two_contributors_in_one_are_worth_their_sum(name: str, answers: Answers, tmp_path: Path) -> None:
    """Who owns an example does not change its value, so nothing is gained by splitting up."""
    pool = tiny_pool(CONTRIBUTORS)
    merged = dataclasses.replace(
        pool,
        contributors=pool.contributors[:3],
        train=Examples(pool.train.columns, np.minimum(pool.train.owners_N, 2), pool.train.real_N),
    )
    apart, together = answers(name, "shapley"), valuation(evaluator_of(tmp_path, merged), name, "shapley")
    expected = np.column_stack([apart.values_SC[:, :2], apart.values_SC[:, 2:].sum(axis=1)])
    np.testing.assert_allclose(together.values_SC, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", SET_FUNCTIONS)
def test_a_set_function_answers_as_utility_would(name: str, evaluator: Evaluator, answers: Answers) -> None:
    one, everyone = np.eye(CONTRIBUTORS, dtype=bool), np.ones((1, CONTRIBUTORS), dtype=bool)
    scorers = registry.method(name).scorers(problem_at(evaluator, name))
    expected = {
        "standalone": [score(one) - score(~everyone) for score in scorers],
        "leave-one-out": [score(everyone) - score(~one) for score in scorers],
    }
    for question, values in expected.items():
        np.testing.assert_allclose(answers(name, question).values_SC, values, rtol=1e-9, atol=1e-12)
    whole = [float(score(everyone)[0] - score(~everyone)[0]) for score in scorers]
    np.testing.assert_allclose(answers(name, "shapley").values_SC.sum(axis=1), whole, rtol=1e-9, atol=1e-12)


def problem_at(evaluator: Evaluator, name: str) -> Problem:
    """The problem as the method sees it."""
    seen: list[Problem] = []

    class Looking(Additive):
        """Keeps what it is given."""

        source = passes = "a test"
        seed_scope = registry.method(name).seed_scope

        def example_values(self, problem: Problem) -> Floats:
            seen.append(problem)
            return np.ones((1, len(problem.train)))

    evaluator.evaluate(name, Looking(), "standalone", precedents() if registry.method(name).calibrates else ())
    return seen[0]


# --- what a method file may know --------------------------------------------------------------------

METHOD_FILES = sorted(Path(methods.__file__).parent.rglob("*.py"))


def imports_of(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in ("import_module", "__import__", "sys"):
                yield f"harness by {name}"  # a way around this check


def forbidden(names: Iterator[str]) -> list[str]:
    ours = re.compile(r"(harness|tasks|tests|runall)\b(?!\.types\.)")
    return [name for name in names if ours.match(name)]


@pytest.mark.parametrize("file", METHOD_FILES, ids=lambda file: "/".join(file.parts[-2:]))
def test_a_method_knows_the_harness_by_its_types_alone(file: Path) -> None:
    assert forbidden(imports_of(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "from harness.retraining.engine import Engine",
        "import harness.truth.truth",
        "from harness import ledger",
        "def f():\n    from tasks import games",
        "import importlib\nimportlib.import_module('harness.truth.truth')",
        "import sys\nengine = sys.modules['harness.retraining.engine']",
    ],
)
def test_the_check_of_imports_finds_what_is_forbidden(line: str) -> None:
    assert forbidden(imports_of(line))
    assert not forbidden(imports_of("from harness.types import Problem\nfrom methods.kernels import CoalitionMmd"))


# --- what a method can reach ------------------------------------------------------------------------

OURS = ("harness", "methods", "tasks", "tests")


def reachable(*roots: object) -> list[object]:
    """Everything that can be reached by references: attributes, slots, items, closures, defaults, bound methods.

    Not through modules and their globals: what a program holds there belongs to no pool.
    """
    globals_of_modules = {id(vars(module)) for module in list(sys.modules.values()) if hasattr(module, "__dict__")}
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, types.ModuleType) or id(found) in globals_of_modules:
            continue
        seen[id(found)] = found
        waiting += referents(found)
    return list(seen.values())


def referents(found: object) -> list[object]:
    if isinstance(found, type):
        return list(vars(found).values()) if found.__module__.split(".")[0] in OURS else []
    if isinstance(found, types.FunctionType):
        return [found.__closure__, found.__defaults__, found.__kwdefaults__, vars(found)]
    if isinstance(found, np.ndarray):
        return [found.base, *(found.ravel().tolist() if found.dtype == object else [])]
    if isinstance(found, weakref.ref):
        return [found(), *gc.get_referents(found)]
    return [*gc.get_referents(found), getattr(found, "__self__", None), getattr(found, "__func__", None)]


def holds(found: list[object], column: np.ndarray) -> bool:
    """Whether an array or a tensor among the objects has the column's content."""
    arrays = [item for item in found if isinstance(item, np.ndarray)]
    arrays += [item.numpy() for item in found if isinstance(item, torch.Tensor) and not item.requires_grad]
    return any(array.shape == column.shape and np.array_equal(array, column) for array in arrays)


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
    found = reachable(problem)
    for column in pool_run.pool.test.columns.values():
        assert not holds(found, column)
    secrets = (Pool, Contributor, Task, PoolRun, Ledgers, Truth, TruthRecord, ValuationRecord)
    assert [item for item in found if isinstance(item, secrets)] == []
    assert [ledger.path.name for ledger in found if isinstance(ledger, Ledger)] == ["methods.sqlite"]
    assert sum(isinstance(item, Engine) for item in found) == 1
    assert pool_run._truth.context not in [item for item in found if isinstance(item, str)]


def test_the_search_does_find_what_a_problem_holds(problem: Problem, pool_run: PoolRun) -> None:
    found = reachable(problem)
    for examples in (pool_run.pool.validation, pool_run.pool.train):
        for column in examples.columns.values():
            assert holds([item for item in found if isinstance(item, np.ndarray)], column)
            assert holds([item for item in found if isinstance(item, torch.Tensor)], column)  # the engine's
    assert any(isinstance(item, Evaluator) for item in found)  # behind the closure of ``retrain``


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
    leaky = dataclasses.replace(problem, shared=hide(pool_run._truth))
    found = reachable(leaky)
    assert any(item is pool_run._truth for item in found)
    assert holds(found, pool_run.pool.test.columns["inputs"])
    assert any(isinstance(item, Ledger) and item.path.name == "truth.sqlite" for item in found)


def test_a_view_leads_to_the_array_that_it_is_of() -> None:
    whole = np.arange(10.0)
    assert holds(reachable([whole[2:4]]), whole)


def test_every_method_of_the_table_is_a_method() -> None:
    assert all(isinstance(registry.method(name), Method) for name in METHODS)
