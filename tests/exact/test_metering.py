"""The bill: passes, operations, memory and prices, against counts made by hand."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info
from torch.func import grad, jacrev, jvp, vmap

from harness.metering import load
from harness.metering.load import LoadGauge, Reading, busy_seconds, share_of_others
from harness.metering.meter import (
    Meter,
    MeteredLearner,
    MeteredShared,
    ProfilingOverhead,
    SharedWork,
    profiling_overhead,
)
from harness.registry import method
from harness.retraining.chunks import Job
from harness.retraining.stacking import Stacking
from harness.retraining.training import on_device
from harness.types import Additive, Cost, Floats, Learner, Precedent, Problem, Retraining
from methods.algebra import LOOKED_AT
from methods.gradients.curvature import GaussNewton, conjugate_gradients
from methods.gradients.directional import directional_losses, mean_gradient
from methods.gradients.per_example import output_gradients
from tests.tiny import engine_of, evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp
POOL = tiny_pool(4)
DATA, VALIDATION = on_device(POOL.train, "cpu"), on_device(POOL.validation, "cpu")
N, V = len(POOL.train), len(POOL.validation)


def passes(work, inner: Learner | None = None) -> float:
    """Gradient passes billed for ``work(learner, params)``."""
    meter = Meter("cpu")
    learner = MeteredLearner(inner or tiny_mlp(), meter, N)
    params = learner.initialise(0)
    with meter.measuring():
        work(learner, params)
    return meter.cost.gradient_passes


# --- passes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [tiny_mlp(), tiny_cnn(), tiny_mlp(tiny_recipe(batch_size=1))])
def test_a_validation_gradient_is_its_rows_over_the_training_rows(inner: Learner) -> None:
    assert passes(lambda learner, p: mean_gradient(learner, p, VALIDATION), inner) == pytest.approx(V / N)


@pytest.mark.parametrize("inner", [tiny_mlp(), tiny_cnn(), tiny_mlp(tiny_recipe(batch_size=1))])
def test_forward_mode_over_the_training_rows_is_one_pass(inner: Learner) -> None:
    assert passes(lambda learner, p: directional_losses(learner, p, DATA, p), inner) == pytest.approx(1)


@pytest.mark.parametrize("inner", [tiny_mlp(), tiny_cnn()])
def test_gradients_per_example_count_every_row(inner: Learner) -> None:
    """Inside vmap a batch looks like one row; the bill sees through it."""
    work = passes(lambda learner, p: output_gradients(learner, p, DATA, None, torch.Generator()), inner)
    assert work == pytest.approx(1)


def test_a_vectorised_jacobian_counts_its_rows_once() -> None:
    assert passes(lambda learner, p: jacrev(lambda q: learner.losses(q, DATA))(p)) == pytest.approx(1)


@pytest.mark.parametrize("inner", [tiny_mlp(), tiny_cnn()])
def test_a_gauss_newton_product_is_two_passes_and_a_third_where_its_graphs_are_made_anew(inner: Learner) -> None:
    def work(products: int) -> Callable[[Learner, dict[str, torch.Tensor]], None]:
        def products_of(learner: Learner, params: dict[str, torch.Tensor]) -> None:
            curvature = GaussNewton(learner, params, DATA)
            for _ in range(products):
                curvature @ params

        return products_of

    assert passes(work(0), inner) == pytest.approx(1)  # the graph of J'u
    assert passes(work(3), inner) == pytest.approx(7)
    cut = tiny_mlp(tiny_recipe(micro_batch=5))
    assert passes(work(3), cut) == pytest.approx(9)


def test_conjugate_gradients_count_two_passes_a_step() -> None:
    def work(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        assert len(list(islice(conjugate_gradients(GaussNewton(learner, params, DATA), 0.01, params), 7))) == 7

    assert passes(work) == pytest.approx(15)


def test_walking_a_graph_again_counts_again() -> None:
    def twice(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
        loss = learner.losses(leaves, DATA).sum()
        loss.backward(retain_graph=True)
        loss.backward()

    def hessian_product(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        leaves = [p.clone().requires_grad_() for p in params.values()]
        loss = learner.losses(dict(zip(params, leaves, strict=True)), DATA).sum()
        slope = torch.autograd.grad(loss, leaves, create_graph=True)
        torch.autograd.grad(slope, leaves, list(params.values()))

    assert passes(twice) == pytest.approx(2)
    # Back once, then back through that walk and through the model again.
    assert passes(hessian_product) == pytest.approx(3)


def test_prediction_is_a_forward_pass_and_what_is_differentiated_is_not() -> None:
    def work(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        learner.losses(params, DATA)
        learner.features(params, VALIDATION)
        with torch.no_grad():
            learner.module(params)(learner.module_inputs(DATA))
        grad(lambda p: learner.losses(p, DATA).sum())(params)

    meter = Meter("cpu")
    learner = MeteredLearner(tiny_mlp(), meter, N)
    with meter.measuring():
        work(learner, learner.initialise(0))
    assert meter.cost.forward_passes == pytest.approx(2 + V / N)
    assert meter.cost.gradient_passes == pytest.approx(1)


def test_plain_autograd_counts_and_prediction_does_not() -> None:
    def backward(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
        learner.losses(leaves, DATA).sum().backward()

    def forward(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
        learner.losses(params, DATA)
        learner.features(params, DATA)
        with torch.no_grad():
            learner.outputs(leaves, DATA)

    assert passes(backward) == pytest.approx(1)
    assert passes(forward) == 0


def test_second_derivatives_count_once_a_call_of_the_model() -> None:
    def work(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        jvp(grad(lambda q: learner.losses(q, DATA).mean()), (params,), (params,))

    assert passes(work) == pytest.approx(1)


def test_a_module_given_to_a_library_counts_too() -> None:
    def work(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        module = learner.module(params)
        module(learner.module_inputs(DATA)).sum().backward()
        with torch.no_grad():
            module(learner.module_inputs(DATA))

    assert passes(work) == pytest.approx(1)


def test_a_library_s_per_example_gradients_of_a_module_count_every_row() -> None:
    def work(learner: Learner, params: dict[str, torch.Tensor]) -> None:
        module = learner.module(params)
        weights = dict(module.named_parameters())

        def output(weights: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
            return torch.func.functional_call(module, weights, (row[None],)).sum()

        vmap(grad(output), in_dims=(None, 0))(weights, learner.module_inputs(DATA))

    assert passes(work) == pytest.approx(1)


def test_the_metered_learner_is_the_learner() -> None:
    inner = tiny_mlp()
    learner = MeteredLearner(inner, Meter("cpu"), N)
    params = learner.initialise(3)
    torch.testing.assert_close(learner.losses(params, DATA), inner.losses(params, DATA), rtol=0, atol=0)
    torch.testing.assert_close(learner.features(params, DATA), inner.features(params, DATA), rtol=0, atol=0)
    torch.testing.assert_close(learner.outputs(params, DATA), torch.exp(-inner.losses(params, DATA)))
    assert (learner.identity, learner.recipe, learner.name) == (inner.identity, inner.recipe, inner.name)


# --- the meter --------------------------------------------------------------------------------------


def test_work_is_billed_outside_pauses_only() -> None:
    a, meter = torch.ones(8, 8), Meter("cpu")
    with meter.measuring():
        a @ a
        time.sleep(0.05)
        with meter.paused():
            a @ a @ a
            time.sleep(0.5)
        a @ a
        meter.count_pass(0.5)
    assert meter.cost.flops == 2 * (2 * 8**3)
    assert 0.05 <= meter.cost.seconds < 0.5
    assert meter.cost.core_seconds < meter.cost.seconds + 0.05
    assert meter.cost.gradient_passes == 0.5
    assert meter.cost.gpu_seconds == 0


def test_separate_work_has_a_bill_of_its_own() -> None:
    a, meter = torch.ones(8, 8), Meter("cpu")
    with meter.measuring():
        a @ a
        meter.count_pass(1)
        with meter.separately() as price:
            a @ a @ a
            meter.count_pass(2)
            meter.charge(Cost(retrainings=3))
            with meter.separately() as inner:
                a @ a @ a @ a
        a @ a
    one = 2 * 8**3
    assert (price().flops, price().gradient_passes, price().retrainings) == (2 * one, 2, 3)
    assert (inner().flops, inner().gradient_passes) == (3 * one, 0)
    assert (meter.cost.flops, meter.cost.gradient_passes, meter.cost.retrainings) == (2 * one, 1, 0)


def test_a_failing_method_s_work_is_still_billed() -> None:
    a, meter = torch.ones(8, 8), Meter("cpu")

    def fail() -> None:
        with meter.measuring():
            a @ a
            raise RuntimeError("gives up")

    with pytest.raises(RuntimeError, match="gives up"):
        fail()
    a @ a
    assert meter.cost.flops == 2 * 8**3


def test_shared_work_is_done_once_and_billed_in_full_to_each() -> None:
    a, work, built = torch.ones(8, 8), SharedWork(), []

    def build() -> int:
        built.append(1)
        time.sleep(0.05)
        a @ a
        return 7

    bills = []
    for _ in range(2):
        meter = Meter("cpu")
        shared = MeteredShared(work, meter)
        with meter.measuring():
            assert [shared("same", build) for _ in range(3)] == [7] * 3  # charged once, however often it is asked
        bills.append(meter.cost)
    assert built == [1]
    assert [bill.flops for bill in bills] == [2 * 8**3] * 2
    assert min(bill.seconds for bill in bills) >= 0.05


def test_what_counting_adds_is_taken_off_but_never_more_than_half() -> None:
    a = torch.ones(8, 8)
    plain, relieved, exaggerated = (
        Meter("cpu"),
        Meter("cpu", ProfilingOverhead(4e-3, 4e-3)),
        Meter("cpu", ProfilingOverhead(9.0, 9.0)),
    )
    for meter in (plain, relieved, exaggerated):
        with meter.measuring():
            time.sleep(0.1)
            for _ in range(20):
                a @ a
    assert relieved.cost.seconds < 0.1 <= plain.cost.seconds
    assert 0.05 <= exaggerated.cost.seconds < 0.1
    assert plain.cost.flops == relieved.cost.flops


def test_what_is_not_counted_is_undefined_and_its_passes_and_time_are_known() -> None:
    meter, a = Meter("cpu", None), torch.ones(8, 8)
    with meter.measuring():
        time.sleep(0.05)
        a @ a
        meter.count_pass(0.5)
    assert meter.cost.seconds >= 0.05
    assert meter.cost.gradient_passes == 0.5
    assert all(math.isnan(n) for n in (meter.cost.flops, meter.cost.bytes_moved, meter.cost.launches))


def test_the_price_of_counting_is_measured_and_small() -> None:
    learner = tiny_mlp()
    found = profiling_overhead(learner, learner.initialise(0), DATA, "cpu")
    assert 0 <= found.seconds < 1e-2
    assert profiling_overhead(learner, learner.initialise(0), DATA, "cuda") == ProfilingOverhead(0.0, 0.0)


def test_peak_memory_sees_an_allocation_that_is_gone_again() -> None:
    quiet, loud = Meter("cpu"), Meter("cpu")
    with quiet.measuring():
        torch.ones(1_000)
    with loud.measuring():
        torch.ones(25_000_000)  # 100 MB
    assert 90 < loud.cost.peak_memory_mb < 200
    assert quiet.cost.peak_memory_mb < 50


# --- costs ------------------------------------------------------------------------------------------

ONE = Cost(1.0, 2.0, 3.0, 4.0, 5.0, 6, 7.0, 8.0, 9.0, 10.0, 0.1)
OTHER = Cost(10.0, 20.0, 30.0, 40.0, 3.0, 60, 70.0, 80.0, 90.0, 100.0, 0.3)


def test_costs_add_up_and_only_the_peak_and_the_load_are_maxima() -> None:
    assert ONE + OTHER == OTHER + ONE == Cost(11.0, 22.0, 33.0, 44.0, 5.0, 66, 77.0, 88.0, 99.0, 110.0, 0.3)
    assert ONE + Cost() == ONE
    assert len(fields(Cost)) == 11


def test_what_came_since_is_what_must_be_added() -> None:
    total = ONE + OTHER
    assert total.since(ONE) == Cost(10.0, 20.0, 30.0, 40.0, 5.0, 60, 70.0, 80.0, 90.0, 100.0, 0.3)
    assert ONE + total.since(ONE) == total


# --- children, load, threads -------------------------------------------------------------------------

SPIN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
"""A program that works for 0.3 core-seconds."""


def test_a_child_process_s_time_is_billed_once_it_has_ended() -> None:
    meter = Meter("cpu")
    with meter.measuring():
        subprocess.run([sys.executable, "-S", "-c", SPIN], check=True)
    assert 0.3 <= meter.cost.core_seconds < 0.3 + 1.0


STAT_BEFORE = """cpu  1000 100 500 9000 50 7 3 40 600 0
cpu0 500 50 250 4500 25 3 1 20 300 0
cpu1 500 50 250 4500 25 4 2 20 300 0
intr 12345
"""
"""Two cores: 1,650 hundredths of a second busy (user, nice, system, irq, softirq, steal), 9,050 idle or waiting."""


def test_busy_time_is_all_but_idle_and_waiting_with_no_guest_twice() -> None:
    assert busy_seconds(STAT_BEFORE, ticks=100) == (16.5, 2)


@pytest.mark.parametrize(
    ("machine", "own", "load"),
    [
        (4.0, 4.0, 0.0),  # both cores this process's own
        (4.0, 2.0, 0.5),  # one of two is somebody else's
        (3.0, 0.0, 0.75),
        (2.0, 2.1, 0.0),  # clocks that differ by a little
        (5.0, 0.0, 1.0),
    ],
)
def test_the_load_is_what_others_took_of_all_cores(machine: float, own: float, load: float) -> None:
    before, after = Reading(10.0, 100.0, 50.0, 2), Reading(12.0, 100.0 + machine, 50.0 + own, 2)
    assert share_of_others(before, after) == pytest.approx(load)


def test_a_short_stretch_has_the_load_of_about_the_last_second() -> None:
    """In 20 ms the kernel's hundredths would say 0 %, 50 % or 100 %."""
    told = [
        Reading(0.0, 0.0, 0.0, 2),
        Reading(5.0, 4.0, 2.0, 2),  # a short stretch's start
        Reading(5.02, 4.04, 2.0, 2),  # and its end: one core for 5 s, shared evenly
        Reading(6.5, 7.0, 3.5, 2),  # a long one, from 5.0: 3 core-seconds of which 1.5 are its own
    ]
    gauge = LoadGauge(iter(told).__next__)
    start = gauge.start()
    assert gauge.since(start) == pytest.approx((4.04 - 2.0) / (5.02 * 2))
    assert gauge.since(start) == pytest.approx(1.5 / (1.5 * 2))


def test_no_load_is_told_where_the_system_tells_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load, "STAT", tmp_path / "absent")
    gauge = LoadGauge()
    assert gauge.since(gauge.start()) == 0.0


@dataclass(frozen=True)
class CountsThreads(Additive):
    """Says how many threads it may use."""

    def example_values(self, problem: Problem) -> Floats:
        pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        return np.full((1, len(problem.train)), float(max([torch.get_num_threads(), *pools])))


def test_methods_run_on_one_thread_and_the_others_come_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = evaluator_of(tmp_path, POOL).evaluate("threads", CountsThreads(), "standalone")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found.values_C, np.bincount(POOL.train.owners_N))


# --- methods' bills ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class TwoCoalitions(Retraining):
    """Retrains everyone and the first, and asks for everyone twice."""

    source: str = "a test"
    passes: str = "2 retrainings"

    def contributor_values(self, problem: Problem) -> Floats:
        rows = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
        utilities = problem.retrain(rows, 0)
        assert utilities[0] == utilities[2]
        return utilities[:1].repeat(4)[None]


def test_a_retraining_from_the_ledger_costs_what_it_cost_at_first(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, POOL)
    first, second = (evaluator.evaluate("twice", TwoCoalitions(), "shapley").cost for _ in range(2))
    kept = evaluator.engine.ledger.outcomes(evaluator.engine.context)
    assert len(kept) == 2
    for bill in (first, second):
        assert bill.retrainings == 2
        assert bill.flops == sum(outcome.cost.flops for outcome in kept.values())
        assert bill.seconds >= sum(outcome.cost.seconds for outcome in kept.values())


def test_another_method_pays_for_retrainings_on_seeds_of_its_own(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, POOL)
    for name in ("one", "other"):
        evaluator.evaluate(name, TwoCoalitions(), "shapley")
    assert len(evaluator.engine.ledger.outcomes(evaluator.engine.context)) == 4


@dataclass(frozen=True)
class FitAndGradient(Additive):
    """Uses the shared fit and one validation gradient."""

    source: str = "a test"
    passes: str = "1 retraining, 1 gradient"

    def example_values(self, problem: Problem) -> Floats:
        mean_gradient(problem.learner, problem.fit(0).params, VALIDATION)
        return np.ones((1, len(problem.train)))


def test_a_shared_fit_is_billed_in_full_to_each_asker(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, POOL)
    one, other = (evaluator.evaluate(name, FitAndGradient(), "standalone").cost for name in ("one", "other"))
    (outcome,) = evaluator.engine.ledger.outcomes(evaluator.engine.context).values()
    gradient = 3 * 2 * V * (16 * 5 + 5 * 3) - 2 * V * 16 * 5  # no gradient of the pixels
    for bill in (one, other):
        assert bill.retrainings == 1
        assert bill.gradient_passes == pytest.approx(V / N)
        assert bill.flops == outcome.cost.flops + gradient
        assert bill.seconds >= outcome.cost.seconds


def test_the_same_fit_asked_for_twice_is_the_same_fit(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, POOL)
    assert problem.fit(1) is problem.fit(1)
    assert problem.fit(0) is not problem.fit(1)


# --- what each method pays for ----------------------------------------------------------------------


def bills_of(folder: Path, *names: str) -> list[Cost]:
    """One evaluator's bills, one method after another."""
    folder.mkdir(exist_ok=True)
    evaluator = evaluator_of(folder, POOL)
    return [evaluator.evaluate(name, method(name), "standalone").cost for name in names]  # type: ignore[union-attr]


def test_an_ablation_pays_for_its_own_term_alone_whoever_made_it_first(tmp_path: Path) -> None:
    terms = [f"ntk-mmd:single:{term}" for term in ("loss", "discrepancy", "ntk", "sample")]
    whole, *after = bills_of(tmp_path / "after", "ntk-mmd", *terms)
    alone = [bill for k, name in enumerate(terms) for bill in bills_of(tmp_path / f"alone{k}", name)]
    for first, later in zip(alone, after, strict=True):
        for count in ("flops", "gradient_passes", "forward_passes"):
            assert getattr(later, count) == pytest.approx(getattr(first, count), abs=1e-9)
    _, discrepancy, ntk, sample = alone
    looked = 2 * LOOKED_AT / N  # rows on which the NTK finds that the model is of linear layers alone
    assert [bill.gradient_passes for bill in alone] == pytest.approx([0, 0, 3 * (1 + looked), 0])
    assert [bill.forward_passes for bill in alone] == pytest.approx([3, 3 * (1 + V / N), 3, 0])
    assert sample.flops == 0
    # Whoever asks for all pays for the losses once.
    assert whole.flops == pytest.approx(discrepancy.flops + ntk.flops)
    assert whole.forward_passes == pytest.approx(discrepancy.forward_passes + ntk.forward_passes)


@dataclass(frozen=True)
class Calibrating(Additive):
    """Reads the truths of other tasks."""

    calibrates: bool = True

    def example_values(self, problem: Problem) -> Floats:
        return np.ones((1, len(problem.train)))


def test_who_calibrates_pays_for_the_truths_that_it_reads(tmp_path: Path) -> None:
    others = ("one", "two", "three")
    truths = [Precedent(task, {}, np.ones(4), Cost(seconds=100, retrainings=30)) for task in others]
    evaluator = evaluator_of(tmp_path, POOL)
    reads = evaluator.evaluate("reads", Calibrating(), "shapley", truths).cost  # type: ignore[union-attr]
    ignores = evaluator.evaluate("ignores", Calibrating(False), "shapley", truths).cost  # type: ignore[union-attr]
    assert (reads.retrainings, ignores.retrainings) == (90, 0)
    assert reads.seconds == pytest.approx(300, abs=1)


@dataclass(frozen=True)
class ThinksFirst(Additive):
    """Does all its work where it says whether it suits."""

    def unsuitable(self, problem: Problem) -> str | None:
        a = torch.ones(8, 8)
        a @ a
        return None

    def example_values(self, problem: Problem) -> Floats:
        return np.ones((1, len(problem.train)))


def test_saying_whether_it_suits_is_billed(tmp_path: Path) -> None:
    assert evaluator_of(tmp_path, POOL).evaluate("first", ThinksFirst(), "shapley").cost.flops == 2 * 8**3


def test_a_retraining_s_bytes_and_launches_are_its_share_of_the_stack_s(tmp_path: Path) -> None:
    """Models in one stack are launched together: in stacks of six each pays half of what it does in stacks of three."""
    found = {}
    for jobs in (6, 12):  # in two stacks
        (tmp_path / f"{jobs}").mkdir()
        engine = engine_of(tmp_path / f"{jobs}", POOL, stacking=Stacking(16, 1))
        found[jobs] = engine.outcomes([Job("1111", seed) for seed in range(jobs)])[0].cost
    assert found[12].flops == pytest.approx(found[6].flops)
    assert found[12].bytes_moved == pytest.approx(found[6].bytes_moved, rel=0.05)
    assert found[12].launches == pytest.approx(found[6].launches / 2, rel=0.05)


def test_reading_truths_of_other_tasks_is_billed_as_one_pool_of_each(tmp_path: Path) -> None:
    """Two pools of one task at 10 and 20 retrainings, one of another at 5: 15 and 5, whatever the suite's pools."""
    costs = [("a", 10), ("a", 20), ("b", 5)]
    seen = [Precedent(task, {}, np.zeros(4), Cost(seconds=1.0, retrainings=n, load=n / 100)) for task, n in costs]

    @dataclass(frozen=True)
    class Reader(Additive):
        calibrates = True

        def example_values(self, problem: Problem) -> Floats:
            return np.ones((1, len(problem.train)))

    found = evaluator_of(tmp_path, tiny_pool()).evaluate("reader", Reader(), "standalone", seen)
    assert not isinstance(found, str)
    assert found.cost.retrainings == 20
    assert found.cost.seconds == pytest.approx(2.0, abs=0.5)
    assert found.cost.load >= 0.2
