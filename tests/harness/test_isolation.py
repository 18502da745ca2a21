"""What one method does to the process, the data or shared work fails its own row, and nothing else."""

from __future__ import annotations

import gc
import hashlib
import math
import os
import signal
import sys
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.config import Suite
from harness.records.results import Results, load
from harness.registry import method
from harness.retraining import stacking
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.running import isolation
from harness.running.pool_run import Ledgers, PoolRun
from harness.types import Additive, Examples, Fit, Floats, Learner, Problem, Task
from methods.tracin import TracIn
from tests.harness.small_runs import finished, runner
from tests.tiny import tiny_mlp, tiny_pool, tiny_task

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


def through_numpy(problem: Problem) -> None:
    torch.from_numpy(problem.train.columns["inputs"]).zero_()


def through_numpy_of_validation(problem: Problem) -> None:
    torch.from_numpy(problem.validation.columns["targets"]).fill_(0)


def owners(problem: Problem) -> None:
    problem.train.owners_N.setflags(write=True)
    problem.train.owners_N[:] = 0


def into_a_fit(problem: Problem) -> None:
    next(iter(problem.fit(0).params.values())).zero_()


def into_an_initialisation(problem: Problem) -> None:
    next(iter(problem.fit(0).initial.values())).zero_()


def trains_further(problem: Problem) -> None:
    params = problem.fit(0).params
    batch = {name: torch.tensor(column) for name, column in problem.train.columns.items()}
    leaves = {name: tensor.requires_grad_() for name, tensor in params.items()}
    optimiser = torch.optim.SGD(leaves.values(), lr=0.1)
    problem.learner.losses(leaves, batch).mean().backward()
    optimiser.step()


def _as_ntk_mmd() -> Any:
    pytest.fail("it is there")


_as_ntk_mmd.__module__ = "methods.ntk_mmd.method"


def into_a_shared_value(problem: Problem) -> None:
    """The terms of ntk-mmd, which it builds by asking as ntk-mmd does."""
    method("ntk-mmd").scorers(problem)  # type: ignore[attr-defined]
    terms = problem.shared("ntk-mmd/0", _as_ntk_mmd)
    terms._mmds[0]._within_CC[0] += 1.0


def the_recipe(problem: Problem) -> None:
    object.__setattr__(problem.learner.recipe, "rate", 0.5)


def the_base(problem: Problem) -> None:
    problem.learner._inner._templates["cpu"].head.weight.data.zero_()  # type: ignore[attr-defined]


def default_dtype(problem: Problem) -> None:
    torch.set_default_dtype(torch.float64)


def default_device(problem: Problem) -> None:
    torch.set_default_device("meta")


def no_grad(problem: Problem) -> None:
    torch.set_grad_enabled(False)


_kept_open: list[object] = []


def inference_mode(problem: Problem) -> None:
    mode = torch.inference_mode()
    mode.__enter__()
    _kept_open.append(mode)


def threads(problem: Problem) -> None:
    torch.set_num_threads(7)


def deterministic(problem: Problem) -> None:
    torch.use_deterministic_algorithms(True)


def matrix_precision(problem: Problem) -> None:
    torch.set_float32_matmul_precision("medium")


def numpy_errors(problem: Problem) -> None:
    np.seterr(over="ignore")


def other_folder(problem: Problem) -> None:
    os.chdir(tempfile.gettempdir())


def environment(problem: Problem) -> None:
    os.environ["OMP_NUM_THREADS"] = "3"


def environment_removed(problem: Problem) -> None:
    del os.environ["PATH"]


def search_path(problem: Problem) -> None:
    sys.path.insert(0, "/nowhere")


def signals(problem: Problem) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def hooks(problem: Problem) -> None:
    torch.nn.modules.module.register_module_forward_hook(lambda module, rows, out: None)


class Passing(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def mode(problem: Problem) -> None:
    Passing().__enter__()


def behind_the_scenes(problem: Problem) -> None:
    """Whatever examples there are in the process, the pool's own among them."""
    for found in gc.get_objects():
        if type(found) is Examples and found is not problem.train:
            found.columns["inputs"].setflags(write=True)
            found.columns["inputs"][0] = 7.0


def patched_matmul(problem: Problem) -> None:
    torch.matmul = lambda a, b: a @ b


def patched_loss(problem: Problem) -> None:
    torch.nn.functional.cross_entropy = lambda *_, **__: torch.zeros(())


def patched_tensor(problem: Problem) -> None:
    """Inherited, so that the patch is new in the class."""
    torch.Tensor.softmax = lambda self, dim: self


def patched_layer(problem: Problem) -> None:
    torch.nn.Linear.forward = lambda self, rows: rows


def patched_math(problem: Problem) -> None:
    math.sqrt = abs


def patched_engine(problem: Problem) -> None:
    Engine.outcomes = lambda self, jobs, advance=None: []  # type: ignore[method-assign, assignment, misc]


def patched_constant(problem: Problem) -> None:
    stacking.STACKED_OUTPUTS = 1


def patched_learner(problem: Problem) -> None:
    Learner.losses = lambda self, params, batch: torch.zeros(len(batch["targets"]))  # type: ignore[method-assign]


def patched_model(problem: Problem) -> None:
    """The module that the learner is made of; it stands in no package of ours."""
    model = type(problem.learner.module(problem.initial(0)).inner)  # type: ignore[arg-type]
    model.forward = lambda self, rows: (rows, rows)  # type: ignore[method-assign]


def patched_method(problem: Problem) -> None:
    TracIn.example_values = lambda self, problem: np.ones((1, len(problem.train)))  # type: ignore[method-assign]


def rewritten_code(problem: Problem) -> None:
    torch.nn.functional.cross_entropy.__code__ = (lambda *_, **__: torch.zeros(())).__code__


def rewritten_defaults(problem: Problem) -> None:
    function = torch.nn.functional.cross_entropy
    function.__defaults__ = (*function.__defaults__[:-1], 0.5)


def patched_hash(problem: Problem) -> None:
    hashlib.sha256 = hashlib.md5


def a_timer(problem: Problem) -> None:
    signal.setitimer(signal.ITIMER_REAL, 600)


def raising_warnings(problem: Problem) -> None:
    warnings.simplefilter("error", ImportWarning)


def saved_tensor_hooks(problem: Problem) -> None:
    torch._C._autograd._push_saved_tensors_default_hooks(lambda x: x, lambda x: x)


class Panic(BaseException):
    """Such as the panics of libraries written in Rust."""

    def __str__(self) -> str:
        raise RuntimeError("not even that")


def panics(problem: Problem) -> None:
    raise Panic


def narrow_coalitions(problem: Problem) -> None:
    problem.retrain(np.ones((1, len(problem.contributors) + 1), dtype=bool), 0)


def ends_the_process(problem: Problem) -> None:
    sys.exit(0)


def raises(problem: Problem) -> None:
    torch.set_default_dtype(torch.float64)
    raise RuntimeError("out of luck")


MISDEEDS: dict[Callable[[Problem], None], str] = {
    through_numpy: "changed problem.train.columns['inputs']; work on a copy",
    through_numpy_of_validation: "changed problem.validation.columns['targets']; work on a copy",
    owners: "changed problem.train.owners_N; work on a copy",
    into_a_fit: "changed problem.fit(0).checkpoints[2].params['hidden.weight']; work on a copy",
    into_an_initialisation: "changed problem.fit(0).initial['hidden.weight']; work on a copy",
    trains_further: "changed problem.fit(0).checkpoints[2].params['hidden.weight']; work on a copy",
    into_a_shared_value: "changed the shared value 'ntk-mmd/0'._mmds[0]._within_CC; work on a copy",
    the_recipe: "changed the learner's recipe; work on a copy",
    the_base: "changed the learner's tensors['_templates']",
    default_dtype: "changed torch's default dtype from torch.float32 to torch.float64; restore it before returning",
    default_device: "changed torch's default device from cpu to meta",
    no_grad: "changed torch's grad mode from True to False",
    inference_mode: "changed torch's inference mode from False to True",
    threads: "changed torch's number of threads from 1 to 7",
    deterministic: "changed torch's use of deterministic algorithms",
    matrix_precision: "changed torch's precision of matrix products",
    numpy_errors: "changed numpy's handling of floating-point errors",
    other_folder: "changed the working directory; restore",
    environment: "changed the environment variables OMP_NUM_THREADS; restore",
    environment_removed: "changed the environment variables PATH; restore",
    search_path: "changed sys.path; restore",
    signals: "changed the signal handlers SIGTERM; restore",
    hooks: "changed torch's hooks of all modules; restore",
    mode: "changed torch's active modes; restore",
    behind_the_scenes: "changed problem.validation.columns['inputs'] and the pool's data at ['train'].columns",
    patched_matmul: "changed torch.matmul; restore it before returning",
    patched_loss: "changed torch.nn.functional.cross_entropy; restore",
    patched_tensor: "changed torch.Tensor.softmax; restore",
    patched_layer: "changed torch.nn.modules.linear.Linear.forward; restore",
    patched_math: "changed math.sqrt; restore",
    patched_engine: "changed harness.retraining.engine.Engine.outcomes; restore",
    patched_constant: "changed harness.retraining.stacking.STACKED_OUTPUTS; restore",
    patched_learner: "changed harness.types.Learner.losses; restore",
    patched_model: "changed tests.small_mlp.SmallMlp.forward; restore",
    patched_method: "changed methods.tracin.TracIn.example_values; restore",
    rewritten_code: "changed the code of torch.nn.functional.cross_entropy; restore",
    rewritten_defaults: "changed the code of torch.nn.functional.cross_entropy; restore",
    patched_hash: "changed hashlib.sha256; restore",
    a_timer: "changed the timer that ends the process; restore",
    raising_warnings: "changed the warnings that are errors; restore",
    saved_tensor_hooks: "changed the hooks of saved tensors; restore",
    panics: "Panic: it cannot say what (RuntimeError)",
    narrow_coalitions: "problem.retrain takes coalitions K x 4 contributors, got shape (1, 5)",
    ends_the_process: "asked to end the whole process (SystemExit: 0)",
    raises: "changed torch's default dtype from torch.float32 to torch.float64; restore it before returning "
    "(it failed, too: RuntimeError: out of luck)",
}


@dataclass(frozen=True)
class Misbehaves(Additive):
    """Does something, then answers as if nothing were wrong."""

    does: Callable[[Problem], None]
    source: str = "a test"
    passes: str = "none"

    def __repr__(self) -> str:
        return f"Misbehaves({self.does.__name__})"

    def example_values(self, problem: Problem) -> Floats:
        self.does(problem)
        return np.ones((1, len(problem.train)))


def run_with(folder: Path, *misdeeds: Callable[[Problem], None]) -> Results:
    """A run of two pools in which each misdeed comes before every victim in every pool."""
    bad = {misdeed.__name__: Misbehaves(misdeed) for misdeed in misdeeds}
    methods = {**bad, **{name: method(name) for name in VICTIMS}}
    return runner(folder, methods=methods, questions=["standalone"], pools=2, tasks=[tiny_task()]).run()


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


# --- the order and the life of things ------------------------------------------------------------------


def test_every_truth_is_found_before_any_method_runs(tmp_path: Path) -> None:
    seen: list[int] = []

    def looks(problem: Problem) -> None:
        seen.append(len(run.results.truths))

    tasks = [tiny_task(), tiny_task(name="other")]
    run = runner(tmp_path, methods={"looks": Misbehaves(looks)}, tasks=tasks, pools=2, questions=["standalone"])
    run.run()
    assert seen == [4] * 4


def test_a_stop_while_truths_are_found_leaves_the_features_of_an_earlier_run(tmp_path: Path) -> None:
    first = run_with(tmp_path)
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


def test_a_learner_is_made_once_a_run_and_engines_go_with_their_pools_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    engines: list[weakref.ref[Engine]] = []
    most = 0

    def learner() -> Learner:
        made.append(1)
        return tiny_mlp()

    def counting(self: Engine, *args: object, **kwargs: object) -> None:
        nonlocal most
        engines.append(weakref.ref(self))
        create(self, *args, **kwargs)  # type: ignore[arg-type]
        if sum(engine() is not None for engine in engines) > 2:
            gc.collect()
        most = max(most, sum(engine() is not None for engine in engines))

    create = Engine.__init__
    monkeypatch.setattr(Engine, "__init__", counting)
    task = Task("tiny", 1, "", "image-label", deal=lambda index: tiny_pool(index=index), learner=learner)
    methods = ["tracin", "ntk-mmd:calibrated"]  # calibrated weights take a turn of their own
    run = runner(tmp_path, methods=methods, tasks=[task], pools=3, questions=["standalone"])
    run.run()
    gc.collect()
    assert len(made) == 1
    assert len(engines) >= 9
    assert most <= 2  # the truth's and the methods' while a pool is dealt
    assert [engine() for engine in engines if engine() is not None] == []  # though the run and its pools are alive


# --- keys and kept answers -----------------------------------------------------------------------------


def pool_run(folder: Path, notes: list[str] | None = None, task: Task | None = None, **changes: object) -> PoolRun:
    content = {"name": "tiny", "tasks": ("tiny",), "methods": ("size",), "pools": 1, "seeds": 2, "pairs": 2, **changes}
    ledgers = Ledgers(Ledger(folder / "truth.sqlite"), Ledger(folder / "methods.sqlite"))
    note = (lambda text: None) if notes is None else notes.append
    return PoolRun(Suite.model_validate(content), task or tiny_task(), 0, ledgers, "cpu", "run", note=note)


def test_the_tasks_version_is_in_the_pools_key_and_in_its_record(tmp_path: Path) -> None:
    one = pool_run(tmp_path / "1")
    two = pool_run(tmp_path / "2", task=replace(tiny_task(), version=2))
    assert one.key != two.key
    assert two.pool_record().task_version == 2


def test_a_truths_key_tells_its_question_and_seeds(tmp_path: Path) -> None:
    keys = [pool_run(tmp_path / str(k), **changes).truth_keys for k, changes in enumerate([{}, {"seeds": 3}, {}])]
    assert len(set(keys[0].values())) == 3
    assert keys[0] == keys[2]
    assert all(
        keys[0][question] != keys[1][question] for question in keys[0]
    )  # four contributors: exact Shapley values


def test_truths_of_an_earlier_suite_are_gone_from_results_that_a_new_one_writes(tmp_path: Path) -> None:
    """Two questions at 2 seeds, then one of them anew at 3."""
    runner(tmp_path, methods=["size"], questions=["standalone", "leave-one-out"]).run()
    runner(tmp_path, methods=["size"], questions=["standalone"], seeds=3).run()
    stored = load(tmp_path / "results")
    assert {key: len(record.values) for key, record in stored.truths.items()} == {("tiny", 0, "standalone"): 3}
    assert set(stored.valuations) == {("tiny", 0, "standalone", "size")}
    assert stored.truths["tiny", 0, "standalone"].truth_key == stored.pools["tiny", 0].truth_keys["standalone"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ('{"values": [[1.0, NaN, 1.0, 1.0]], "cost": COST, "run": "r"}', "finite number"),
        ('{"values": [[1.0, 1e308, 1.0, 1.0]], "cost": COST, "run": "r"}', "numbers up to"),
        ('{"values": [[1.0, 1.0]], "cost": COST, "run": "r"}', "each of 4 contributors, got 2"),
        ('{"values": [[1.0, 1.0, 1.0, 1.0]], "cost": {}, "run": "r"}', "cost: expected"),
        ('{"values": [[1.0, 1.0, 1.0, 1.0]]}', "expected values, cost and run"),
        ("[1, 2]", "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_a_kept_answer_that_is_none_is_noted_and_asked_for_again(tmp_path: Path, damage: str, told: str) -> None:
    notes: list[str] = []
    pool = pool_run(tmp_path, notes)
    first = pool.valuation("size", method("size"), "standalone")
    ledger = pool._ledgers.methods
    (cost,) = ledger._db.execute("select json_extract(record, '$.cost') from answers").fetchone()
    ledger._db.execute("update answers set record = ?", (damage.replace("COST", cost),))
    again = pool.valuation("size", method("size"), "standalone")
    assert (again.status, again.values) == ("ok", first.values)
    assert len(notes) == 1
    assert "the answer of size in methods.sqlite" in notes[0]
    assert told in notes[0]
    pool.valuation("size", method("size"), "standalone")
    assert len(notes) == 1  # it was kept anew


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
