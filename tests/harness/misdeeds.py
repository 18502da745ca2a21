"""What a method can do to the process, the data or shared work, and how its row must begin to tell of it."""

from __future__ import annotations

import gc
import hashlib
import math
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.registry import method
from harness.retraining import stacking
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.types import Additive, Examples, Floats, Learner, Problem
from methods.tracin import TracIn


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


def into_what_was_drawn(problem: Problem) -> None:
    order_TK = problem.fit(0).order_TK
    order_TK.setflags(write=True)
    order_TK[0] = 0


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
    """The discrepancies of ntk-mmd, which it builds by asking as ntk-mmd does."""
    method("ntk-mmd").scorers(problem)  # type: ignore[attr-defined]
    mmds = problem.shared("ntk-mmd/0/mmd/", _as_ntk_mmd)
    mmds[0]._within_CC[0] += 1.0


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


def an_engine_of_its_own(problem: Problem) -> None:
    """One object alone, which the next methods of the pool use too."""
    problem.retrain._engine_of(0).outcomes = lambda jobs, advance=None: []  # type: ignore[attr-defined]


def a_ledger_of_its_own(problem: Problem) -> None:
    problem.retrain._engine_of(0).ledger.record = lambda *_, **__: None  # type: ignore[attr-defined]


def the_truths_ledger(problem: Problem) -> None:
    for found in gc.get_objects():
        if type(found) is Ledger and found.path.name == "truth.sqlite":
            found._db.execute("update outcomes set utility = -utility")


def closed_output(problem: Problem) -> None:
    os.close(1)


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
    into_what_was_drawn: "changed problem.fit(0).order_TK; work on a copy",
    trains_further: "changed problem.fit(0).checkpoints[2].params['hidden.weight']; work on a copy",
    into_a_shared_value: "changed the shared value 'ntk-mmd/0/mmd/'[0]._within_CC; work on a copy",
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
    an_engine_of_its_own: "changed the engine's outcomes; restore",
    a_ledger_of_its_own: "changed the ledger's record; restore",
    the_truths_ledger: "ProgrammingError: Cannot operate on a closed database.",
    closed_output: "changed the files of standard input, output or error; restore",
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
    narrow_coalitions: "Coalitions to retrain have the shape K x 4 contributors, got (1, 5)",
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
