"""Each check fails for a method that does not keep to it, and says how; others that are checked beside it do not."""

from __future__ import annotations

import gc
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from harness import registry
from harness.cli.checking import check_method
from harness.conformance.bench import COPIES, NULL, Bench, Subject, worth
from harness.conformance.checks import CHECKS, Finding, findings
from harness.report.terminal import make_console
from harness.retraining.ledger import Ledger
from harness.types import Additive, Budget, Count, Floats, JobSize, Method, Problem, Retraining, Scorer, SetFunction
from tests.command import Command
from tests.games import GAMES
from tests.harness.small_runs import THIRD_PARTY

pytestmark = THIRD_PARTY
HERE = "tests.conformance.test_checks"


def rows(problem: Problem) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(column) for name, column in problem.train.columns.items()}


@dataclass(frozen=True)
class Fine(Additive):
    """Minus the loss of each example.

    Args:
        seeds: initialisations averaged over.
    """

    seeds: Count = 2
    source: ClassVar[str] = "a test"
    passes: ClassVar[str] = "1 forward pass a seed"
    claims = frozenset({"copies", "additive"})

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        found = [problem.learner.losses(problem.initial(k), rows(problem)).detach() for k in range(self.seeds)]
        return -torch.stack(found).double().numpy()


@dataclass(frozen=True)
class Undescribed(Fine):
    source = " "


@dataclass
class Thawed(Additive):
    """It can be changed."""

    source: ClassVar[str] = "a test"
    passes: ClassVar[str] = "none"

    def example_values(self, problem: Problem) -> Floats:
        return np.ones((1, len(problem.train)))


@dataclass(frozen=True)
class Wordy(Fine):
    """A word that would be a knob."""

    passes: str = "none"  # type: ignore[misc]


@dataclass(frozen=True)
class Mute(Fine):
    """A knob that is not told of."""

    more: Count = 1


@dataclass(frozen=True)
class Boundless(Fine):
    """A knob without a range.

    Args:
        more: of something.
    """

    more: int = 1


@dataclass(frozen=True)
class Undefined(Fine):
    """Half of it is nan."""

    def example_values(self, problem: Problem) -> Floats:
        return np.where(np.arange(len(problem.train)) % 2, 1.0, np.nan)[None]


@dataclass(frozen=True)
class Choosy(Fine):
    """It suits nothing."""

    def unsuitable(self, problem: Problem) -> str | None:
        return "it is Monday"


@dataclass(frozen=True)
class WordsOnly(Fine):
    """It fails on texts."""

    def example_values(self, problem: Problem) -> Floats:
        if problem.train.columns["inputs"].ndim == 2:
            raise IndexError("too few dimensions")
        return super().example_values(problem)


@dataclass(frozen=True)
class Forgetful(Fine):
    """It draws from elsewhere."""

    def example_values(self, problem: Problem) -> Floats:
        return np.random.default_rng().random((1, len(problem.train)))


@dataclass(frozen=True)
class Seated(Fine):
    """It favours those who come first."""

    claims = frozenset()

    def example_values(self, problem: Problem) -> Floats:
        return problem.train.owners_N[None] + 0.01 * problem.stream("noise").random((1, len(problem.train)))


@dataclass(frozen=True)
class Careless(Fine):
    """It zeroes the inputs."""

    def example_values(self, problem: Problem) -> Floats:
        torch.from_numpy(problem.train.columns["inputs"]).zero_()
        return np.ones((1, len(problem.train)))


@dataclass(frozen=True)
class Thief(Fine):
    """It uses the learner behind the meter."""

    def example_values(self, problem: Problem) -> Floats:
        inner = problem.learner._inner  # type: ignore[attr-defined]
        return -inner.losses(problem.initial(0), rows(problem)).detach().double().numpy()[None]


@dataclass(frozen=True)
class Spendthrift(Fine):
    """It retrains and budgets nothing."""

    def example_values(self, problem: Problem) -> Floats:
        problem.retrain(np.eye(len(problem.contributors), dtype=bool), 0)
        return super().example_values(problem)


@dataclass(frozen=True)
class Overstepping(Fine):
    """It takes more gradients than it budgets."""

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(gradient_passes=1)

    def example_values(self, problem: Problem) -> Floats:
        params = {name: p.requires_grad_() for name, p in problem.initial(0).items()}
        for _ in range(2):
            problem.learner.losses(params, rows(problem)).sum().backward()
        return np.ones((1, len(problem.train)))


@dataclass(frozen=True)
class Quadratic(Fine):
    """It multiplies all pairs and declares none."""

    def example_values(self, problem: Problem) -> Floats:
        inputs = torch.tensor(problem.train.columns["inputs"]).float().flatten(1)
        for _ in range(5):
            kernel = inputs @ inputs.T
        return kernel.sum(1).double().numpy()[None]


@dataclass(frozen=True)
class Shrinking(Fine):
    """It declares less for more."""

    def algebra(self, size: JobSize) -> float:
        return 1e6 / size.examples


@dataclass(frozen=True)
class Generous(Fine):
    """It claims what it does not do: a blank image has a loss."""

    claims = frozenset({"null"})


@dataclass(frozen=True)
class Partial(Fine):
    """It favours the copy that comes later."""

    claims = frozenset({"copies", "additive"})

    def example_values(self, problem: Problem) -> Floats:
        return np.arange(1.0, len(problem.train) + 1)[None]


@dataclass(frozen=True)
class Superadditive(SetFunction):
    """Cubes of sizes: together more than apart."""

    source: ClassVar[str] = "a test"
    passes: ClassVar[str] = "none"
    claims = frozenset({"additive"})

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        sizes_C = np.bincount(problem.train.owners_N)
        return [lambda coalitions_KC: np.asarray((coalitions_KC @ sizes_C) ** 3.0)]


@dataclass(frozen=True)
class Alone(Retraining):
    """Utility of each contributor alone, which claims to share out all there is."""

    source: ClassVar[str] = "a test"
    passes: ClassVar[str] = "one retraining a contributor"
    claims = frozenset({"efficient", "copies"})

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(retrainings=contributors)

    def contributor_values(self, problem: Problem) -> Floats:
        return problem.retrain(np.eye(len(problem.contributors), dtype=bool), 0)[None]


@dataclass(frozen=True)
class Searching(Fine):
    """It looks for what others hold."""

    def example_values(self, problem: Problem) -> Floats:
        _ = [item for item in gc.get_objects() if isinstance(item, Ledger)]
        sqlite3.connect(":memory:").close()
        return np.ones((1, len(problem.train)))


KEPT: list[object] = []


@dataclass(frozen=True)
class Hiding(Fine):
    """It holds the test split, wherever it has that from."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", registry.task_again)

    def example_values(self, problem: Problem) -> Floats:
        task = registry._load("tasks.tiny.declarations:image_label")()
        object.__setattr__(self, "hidden", {"deep": [task.deal(0).test]})  # type: ignore[attr-defined]
        return np.ones((1, len(problem.train)))


def subject(kind: type[Method]) -> Subject:
    return Subject(kind.__name__.lower(), kind(), kind)


BAD: dict[type[Method], tuple[str, str]] = {
    Thawed: ("is a frozen dataclass of one family", "it is no frozen dataclass; write @dataclass(frozen=True)"),
    Wordy: ("is a frozen dataclass of one family", "passes would be knobs; annotate them as ClassVar"),
    Undescribed: ("says what it is, where it comes from and what it costs", "it says no "),
    Mute: ("tells of its knobs", "its docstring does not tell of more under Args"),
    Boundless: ("tells of its knobs", "more takes a whole number, whichever; annotate it as Count, Positive or"),
    Undefined: ("gives one finite value a contributor", "expected one finite value per contributor"),
    Choosy: ("gives one finite value a contributor", "it suits none of the tiny tasks: image-label: it is Monday"),
    WordsOnly: ("runs on every form of task, or says why not", "IndexError: too few dimensions"),
    Forgetful: ("says the same again", "draw from problem.stream alone"),
    Seated: ("does not mind the order of contributors", "with contributors in another order, values differ by"),
    Careless: ("leaves data, parameters and the process as they were", "changed problem.train.columns['inputs']"),
    Thief: ("pays for every retraining and pass", "27 rows went through the model and 0 were billed"),
    Spendthrift: ("keeps to its budget", "it trained 4 models and budgets 0 fits and 0 retrainings"),
    Overstepping: ("keeps to its budget", "it took 2 gradient passes over the examples and budgets 1"),
    Quadratic: ("declares how its algebra grows", "with more examples it took"),
    Shrinking: ("declares how its algebra grows", "its algebra is ["),
    Generous: ("gives nothing to who adds nothing", "contributor 3 adds nothing, and of"),
    Partial: ("treats exact copies alike", "contributors 0 and 2 bring the same, and get"),
    Superadditive: ("adds up over contributors", "apart the last two are worth"),
    Alone: ("shares out all there is", "everyone gains 2.7 together, and"),
    Searching: ("asks the problem alone", "has import gc"),
    Hiding: ("holds nothing of the truth", "the test split can be reached from it"),
}


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def of(check: str, kind: type[Method], bench: Bench) -> Finding:
    from harness.conformance.checks import found

    return found(check, CHECKS[check], subject(kind), bench)


def test_there_is_a_method_that_fails_each_check() -> None:
    assert {check for check, _ in BAD.values()} == set(CHECKS)


@pytest.mark.parametrize("kind", BAD, ids=lambda kind: kind.__name__)
def test_a_method_that_does_not_keep_to_something_fails_that_check(kind: type[Method], bench: Bench) -> None:
    check, why = BAD[kind]
    finding = of(check, kind, bench)
    assert (finding.status, why in finding.why) == ("failed", True), finding


def test_a_method_that_keeps_to_all_fails_none(bench: Bench) -> None:
    """But for what its file, which holds all the others, names."""
    failed = [finding for finding in findings(subject(Fine), bench) if finding.status == "failed"]
    assert [finding.check for finding in failed] == ["asks the problem alone"]


def test_what_a_method_does_when_it_is_asked_is_heard(bench: Bench) -> None:
    heard = bench.ask(subject(Searching), "shapley").heard
    assert set(heard) == {"gc.get_objects", "sqlite3.connect"}
    assert bench.ask(subject(Fine), "shapley").heard == ()


def test_claims_are_what_is_checked(bench: Bench) -> None:
    finding = of("gives nothing to who adds nothing", Fine, bench)
    assert (finding.status, finding.why) == ("skipped", "not claimed")

    @dataclass(frozen=True)
    class Dreaming(Fine):
        """It claims what there is not."""

        claims = frozenset({"truth"})  # type: ignore[arg-type]

    words = of("says what it is, where it comes from and what it costs", Dreaming, bench)
    assert words.why == "it claims 'truth'; there are: null, copies, additive, efficient"


def test_the_game_is_one_of_a_player_that_adds_nothing_and_two_that_are_alike() -> None:
    everybody = np.array([[bool(k >> c & 1) for c in range(4)] for k in range(16)])
    without = everybody.copy()
    without[:, NULL] = False
    np.testing.assert_allclose(worth(everybody), worth(without))
    swapped = everybody.copy()
    swapped[:, list(COPIES)] = everybody[:, list(reversed(COPIES))]
    np.testing.assert_allclose(worth(everybody), worth(swapped))
    assert len(np.unique(worth(everybody))) == 6
    assert len(GAMES) == 4  # closed forms are checked elsewhere


# --- the command ----------------------------------------------------------------------------------------


def test_the_command_prints_every_check_and_ends_well(command: Command) -> None:
    said = command("check", "size")
    assert said.status == 0
    for check in ("loads", *CHECKS):
        assert check in said.out
    skipped = len(re.findall(r"\bskipped\b", said.out)) - 1  # once in the last line
    assert 0 < skipped < len(CHECKS)
    asked = len(CHECKS) + 1 - skipped
    assert f"size: keeps to all {asked} checks; {skipped} more were skipped, for what is told beside them" in said.out


def test_the_command_checks_what_nothing_registers_and_ends_with_1_for_a_failure(command: Command) -> None:
    said = command("check", f"{HERE}:Boundless:seeds=1")
    assert said.status == 1
    assert "more takes a whole number, whichever; annotate it as" in " ".join(said.out.split())
    assert f"{HERE}:Boundless:seeds=1: 2 of 16 checks failed; 2 more were skipped" in said.out


def test_what_does_not_load_fails_the_first_check(command: Command) -> None:
    said = command("check", "no_such_place:Mine")
    assert said.status == 1
    assert "The method no_such_place:Mine does not load: ModuleNotFoundError" in said.out
    assert command("check", f"{HERE}:rows").status == 1  # takes an argument, and gives no method


def test_an_unknown_method_is_a_mistake(command: Command) -> None:
    said = command("check", "tracim")
    assert said.status == 2
    assert "Did you mean tracin" in said.err


def test_a_method_s_text_is_no_markup() -> None:
    console = make_console()
    with console.capture() as captured:
        check_method(console, "no_such_place:Mine")
    assert "no_such_place:Mine" in captured.get()
