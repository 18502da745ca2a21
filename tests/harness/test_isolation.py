"""What one method does to the process, the data or shared work fails its own row, and nothing else."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.records.results import Results, load
from harness.registry import method
from harness.running import isolation
from harness.running.pool_run import PoolRun
from harness.types import Additive, Fit, Floats, Problem
from tests.harness.misdeeds import (
    MISDEEDS,
    Misbehaves,
    default_dtype,
    into_a_fit,
    into_a_shared_value,
    patched_loss,
    the_base,
    through_numpy,
    trains_further,
)
from tests.harness.small_runs import finished, runner
from tests.tiny import tiny_mlp, tiny_task

VICTIMS = ("mmd", "tracin", "ntk-mmd")
"""They read the data, a fit, and shared values; each runs after the method that misbehaves."""

IGNORE_READ_ONLY = "ignore:The given NumPy array is not writable:UserWarning"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small models train fastest so; and what a failing test leaves is no other test's."""
    threads, dtype, folder = torch.get_num_threads(), torch.get_default_dtype(), Path.cwd()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
    os.chdir(folder)


def run_with(folder: Path, *misdeeds: Callable[[Problem], None], features: Sequence[str] = ()) -> Results:
    """A run of two pools in which each misdeed comes before every victim in every pool."""
    bad = {misdeed.__name__: Misbehaves(misdeed) for misdeed in misdeeds}
    methods = {**bad, **{name: method(name) for name in VICTIMS}}
    tiny = [tiny_task()]
    return runner(folder, methods=methods, questions=["standalone"], pools=2, tasks=tiny, features=features).run()


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The same run without anybody who misbehaves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    results = run_with(tmp_path_factory.mktemp("calm"))
    torch.set_num_threads(before)
    return results


def answers_of(results: Results) -> dict[tuple[object, ...], object]:
    """Truths and the victims' values, to the bit."""
    truths = {key: record.values for key, record in results.truths.items()}
    return truths | {key: record.values for key, record in results.valuations.items() if key[3] in VICTIMS}


@pytest.mark.filterwarnings(IGNORE_READ_ONLY)
def test_each_misdeed_fails_its_row_and_changes_no_other_answer(tmp_path: Path, calm: Results) -> None:
    """All of them in one run: each is put right before the next begins, or the next would fail for it too."""
    results = run_with(tmp_path, *MISDEEDS)
    for misdeed, reason in MISDEEDS.items():
        for pool in (0, 1):
            record = results.valuations["tiny", pool, "standalone", misdeed.__name__]
            assert record.status == "failed", misdeed.__name__
            assert record.reason.startswith(reason), record.reason
            assert record.values == ()
    assert {record.status for key, record in results.valuations.items() if key[3] in VICTIMS} == {"ok"}
    assert answers_of(results) == answers_of(calm)


@pytest.mark.filterwarnings(IGNORE_READ_ONLY)
@pytest.mark.parametrize("misdeed", [patched_loss, into_a_shared_value, trains_further])
def test_nothing_wrong_is_served_when_it_is_gone(
    tmp_path: Path, calm: Results, misdeed: Callable[[Problem], None]
) -> None:
    run_with(tmp_path, misdeed)
    for file in (tmp_path / "results").iterdir():
        file.unlink()
    assert answers_of(run_with(tmp_path)) == answers_of(calm)


@pytest.mark.filterwarnings(IGNORE_READ_ONLY)
def test_what_is_too_large_to_copy_is_made_anew_when_it_is_changed(
    tmp_path: Path, calm: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "COPIED_UP_TO", 0)
    results = run_with(tmp_path, through_numpy, into_a_fit, trains_further)
    assert {record.status for key, record in results.valuations.items() if key[3] not in VICTIMS} == {"failed"}
    assert answers_of(results) == answers_of(calm)


# --- what trains while a method is at work ------------------------------------------------------------


def retrains_with(change: Callable[[Problem], None]) -> Callable[[Problem], None]:
    """A method that changes something, has models trained, and puts it back, so that nothing shows at its end."""

    def does(problem: Problem) -> None:
        loss, dtype = torch.nn.functional.cross_entropy, torch.get_default_dtype()
        try:
            change(problem)
            problem.fit(0)
            problem.retrain(np.ones((1, len(problem.contributors)), dtype=bool), 0)
        finally:
            torch.nn.functional.cross_entropy = loss
            torch.set_default_dtype(dtype)

    does.__name__ = f"retrains with {change.__name__}"
    return does


@pytest.mark.parametrize("change", [patched_loss, default_dtype])
def test_nothing_is_trained_in_a_changed_process(
    tmp_path: Path, calm: Results, change: Callable[[Problem], None]
) -> None:
    misdeed = retrains_with(change)
    results = run_with(tmp_path, misdeed)
    record = results.valuations["tiny", 0, "standalone", misdeed.__name__]
    assert record.status == "failed"
    assert "restore it before anything is trained" in record.reason
    assert answers_of(results) == answers_of(calm)


def test_a_context_around_a_call_is_nobodys_business(tmp_path: Path) -> None:
    """Grad mode is a thread's own, and models train in others."""

    def within(problem: Problem) -> None:
        with torch.no_grad(), np.errstate(all="ignore"):
            problem.fit(0)

    results = run_with(tmp_path, within)
    assert results.valuations["tiny", 0, "standalone", "within"].status == "ok"


def test_draws_from_global_generators_are_no_fault_and_move_nobody_elses(tmp_path: Path) -> None:
    drawn: dict[str, list[object]] = {"first": [], "second": []}

    def drawing(name: str) -> Callable[[Problem], None]:
        def does(problem: Problem) -> None:
            drawn[name].append((torch.rand(1).item(), np.random.rand()))  # noqa: NPY002

        does.__name__ = name
        return does

    results = run_with(tmp_path, drawing("first"), drawing("second"))
    assert {results.valuations["tiny", 0, "standalone", name].status for name in drawn} == {"ok"}
    assert drawn["first"] == drawn["second"]  # whoever drew before


def test_a_learner_that_cannot_be_made_anew_fails_rows_and_says_so(tmp_path: Path) -> None:
    kept = tiny_mlp()
    task = replace(tiny_task(), learner=lambda: kept)
    methods = {"bad": Misbehaves(the_base), "tracin": method("tracin")}
    results = runner(tmp_path, methods=methods, questions=["standalone"], tasks=[task]).run()
    record = results.valuations["tiny", 0, "standalone", "tracin"]
    assert record.status == "failed"
    assert "the learner of tiny was changed by a method, and the one made anew is the same" in record.reason


# --- the order of a run ------------------------------------------------------------------------------


def test_a_truth_that_a_method_has_got_at_is_put_back_and_fails_its_row(tmp_path: Path, calm: Results) -> None:
    """In the results that will be written: replaced by another record, and changed in place."""

    def replaced(problem: Problem) -> None:
        for key, truth in run.results.truths.items():
            run.results.truths[key] = replace(truth, values=tuple(tuple(-v for v in row) for row in truth.values))

    def in_place(problem: Problem) -> None:
        for truth in run.results.truths.values():
            object.__setattr__(truth, "values", truth.values[::-1])
        raise RuntimeError("out of luck")

    bad = {misdeed.__name__: Misbehaves(misdeed) for misdeed in (replaced, in_place)}
    methods = {**bad, **{name: method(name) for name in VICTIMS}}
    run = runner(tmp_path, methods=methods, questions=["standalone"], pools=2)
    run.run()
    for key, record in run.results.valuations.items():
        if key[3] in bad:
            told = f"changed the truth of standalone on tiny, pool {key[1] + 1}; it was put back"
            assert (record.status, record.reason) == ("failed", told)
    said = " ".join(run.progress._console.file.getvalue().split())  # type: ignore[attr-defined]
    assert "A method on tiny, pool 2/2 changed the truth of standalone on tiny, pool 1; it was put back." in said
    assert answers_of(load(tmp_path / "results")) == answers_of(calm)


def test_every_truth_is_found_before_any_method_runs(tmp_path: Path) -> None:
    seen: list[int] = []

    def looks(problem: Problem) -> None:
        seen.append(len(run.results.truths))

    tasks = [tiny_task(), tiny_task(name="other")]
    run = runner(tmp_path, methods={"looks": Misbehaves(looks)}, tasks=tasks, pools=2, questions=["standalone"])
    run.run()
    assert seen == [4] * 4


def test_a_stop_while_truths_are_found_leaves_the_features_of_an_earlier_run(tmp_path: Path) -> None:
    first = run_with(tmp_path, features=["initial-loss", "mmd"])
    run = runner(tmp_path, methods=["size"], questions=["standalone"], pools=2)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PoolRun, "truth", stop)
        with pytest.raises(KeyboardInterrupt):
            run.run()
    stored = load(tmp_path / "results")
    assert {"initial-loss", "mmd"} <= set(stored.pools["tiny", 0].features)
    assert answers_of(stored) == answers_of(first)


# --- answers that are none -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers(Additive):
    """Gives what it is told to."""

    reason: object = None
    values: Callable[[Problem], object] = lambda problem: np.ones((1, len(problem.train)))
    broken: bool = False

    def __repr__(self) -> str:
        if self.broken:
            raise RuntimeError("no name")
        return "Answers"

    def unsuitable(self, problem: Problem) -> str | None:
        return self.reason  # type: ignore[return-value]

    def example_values(self, problem: Problem) -> Floats:
        return self.values(problem)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("bad", "status", "reason"),
    [
        (Answers(reason=True), "failed", "its unsuitable() gave bool"),
        (Answers(reason="no \x1b[2J\n[/red] \ud800"), "unsuitable", "no \\x1b[2J [/red] \\ud800"),
        (Answers(broken=True), "failed", "RuntimeError: no name"),
        (Answers(values=lambda p: np.full((1, len(p.train)), 1j)), "failed", "expected real numbers, got complex128"),
        (Answers(values=lambda p: [["1"] * len(p.train)]), "failed", "expected real numbers, got <U1"),
        (
            Answers(values=lambda p: np.ma.masked_all((1, len(p.train)))),
            "failed",
            "expected real numbers, got an array of which",
        ),
    ],
)
def test_an_answer_that_is_none_is_a_row(tmp_path: Path, bad: Answers, status: str, reason: str) -> None:
    run = finished(tmp_path, methods={"bad[/b]": bad, "size": method("size")}, questions=["standalone"])
    record = run.results.valuations["tiny", 0, "standalone", "bad[/b]"]
    assert (record.status, record.reason[: len(reason)]) == (status, reason)
    assert load(tmp_path / "results").valuations["tiny", 0, "standalone", "size"].status == "ok"


def test_another_packages_shared_value_of_the_same_name_is_another(tmp_path: Path, calm: Results) -> None:
    def occupies(problem: Problem) -> None:
        problem.shared("ntk-mmd/0", lambda: "mine")

    results = run_with(tmp_path, occupies)
    assert results.valuations["tiny", 0, "standalone", "occupies"].status == "ok"
    assert answers_of(results) == answers_of(calm)


def test_a_fit_that_was_changed_behind_the_scenes_is_trained_anew(tmp_path: Path, calm: Results) -> None:
    def originals(problem: Problem) -> None:
        own = problem.fit(0)
        for found in gc.get_objects():
            if type(found) is Fit and found is not own:
                for tensor in found.params.values():
                    tensor.zero_()

    results = run_with(tmp_path, originals)
    assert answers_of(results) == answers_of(calm)


def test_a_copy_of_the_process_does_not_go_on_with_the_run(tmp_path: Path, calm: Results) -> None:
    here, children = os.getpid(), list[int]()

    def forks(problem: Problem) -> None:
        child = os.fork()
        if child == 0:
            raise RuntimeError("the copy")
        children.append(child)
        os.waitpid(child, 0)

    results = run_with(tmp_path, forks)
    assert os.getpid() == here
    assert children
    assert answers_of(results) == answers_of(calm)
