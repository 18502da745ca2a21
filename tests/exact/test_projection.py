"""GPU-hours against jobs worked out by hand, and methods' algebra against what they were measured to take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.config import checked
from harness.errors import UserError
from harness.metering.flops import FlopCounter
from harness.projection import IMAGES, TEXT, Projection, ReferenceJob
from harness.records.results import ValuationRecord
from harness.registry import method
from harness.report.costs import mean_cost
from harness.running.evaluator import PAIRS
from harness.running.reference import at_reference
from harness.types import Budget, Cost, Examples, JobSize, Pool, Question
from methods import algebra
from methods.gradients.projected import MarginGradients, margin_gradients
from methods.gradients.summed_rates import summed_rates
from methods.influence_pydvl import InfluenceEkfac
from methods.logra import LoGra
from methods.ntk_mmd import terms
from methods.trackstar import TrackStar
from methods.trak import Trak
from tasks.learners.classifier import Classifier
from tests.harness.small_runs import tiny_suite
from tests.small_mlp import SmallMlp
from tests.tiny import CLASSES, SIDE, evaluator_of, held_out, images, problem_of, tiny_mlp, tiny_pool, tiny_recipe

GPU = Projection(
    gpu="one", peak_tflops=100, utilisation=0.5, float32_tflops=10, bandwidth_gb_s=1_000, launch_us=10, reference={}
)
"""50e12 useful operations a second in bf16 and 5e12 in float32, 1e12 bytes, 1e5 launches."""


# --- this very run ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flops", "moved", "launches", "precision", "seconds"),
    [
        (50e12, 0, 0, "bf16", 1.0),
        (50e12, 0, 0, "float32", 10.0),
        (50e12, 3e12, 0, "bf16", 3.0),
        (50e12, 3e12, 7e5, "bf16", 7.0),
        (50e12, 3e12, 7e5, "float32", 10.0),
        (0, 0, 0, "float32", 0.0),
    ],
)
def test_a_run_takes_as_long_as_the_slowest_of_operations_memory_and_launches(
    flops: float, moved: float, launches: float, precision: str, seconds: float
) -> None:
    assert GPU.hours(flops, moved, launches, precision) * 3600 == pytest.approx(seconds)


def test_the_default_gpu_is_nvidia_s_data_sheet() -> None:
    """A100 80GB SXM: 312 TFLOP/s bf16, 19.5 float32, 2,039 GB/s."""
    gpu = Projection()
    assert (gpu.peak_tflops, gpu.float32_tflops, gpu.bandwidth_gb_s) == (312, 19.5, 2039)


# --- the reference job ------------------------------------------------------------------------------

SMALL = ReferenceJob(
    parameters=1_000, tokens=10, features=8, contributors=4, examples_each=25, validation=50, steps=20, batch_size=5
)
"""100 examples of 1e4 parameter-tokens. A retraining: 100 examples differentiated, 50 evaluated."""

RETRAINING = 1e4 * (6 * 100 + 2 * 50)


@pytest.mark.parametrize(
    ("cost", "algebra", "operations"),
    [
        (Cost(retrainings=7), 0, 7 * RETRAINING),  # a retraining method
        (Cost(retrainings=3, gradient_passes=2.5), 0, 3 * RETRAINING + 2.5 * 100 * 6e4),  # gradients along a training
        (Cost(gradient_passes=3, forward_passes=6), 12_345, (3 * 6 + 6 * 2) * 100 * 1e4 + 12_345),  # kernels
        (Cost(), 777, 777),  # a set function without passes
        (Cost(flops=1e30, seconds=1e9), 0, 0),  # what the small run took plays no part
    ],
)
def test_a_valuation_at_reference_scale_by_hand(cost: Cost, algebra: float, operations: float) -> None:
    assert SMALL.operations(cost, algebra) == pytest.approx(operations)
    hours = replaced(GPU, "anything", SMALL).reference_hours("anything", cost, algebra)
    assert hours == pytest.approx(operations / 50e12 / 3600)


def test_passes_over_other_rows_than_the_training_examples_are_their_share_of_them_by_hand() -> None:
    budget = Budget(gradient_passes=2, validation_passes=3, replays=1, validation_replays=0.5)
    assert budget.passes(examples=100, validation=50, steps=20, batch_size=5) == 2 + 3 * 0.5 + 1 + 0.5 * 20 * 0.5
    assert budget.passes(examples=4, validation=1, steps=2, batch_size=5) == 2 + 3 / 4 + 2 + 0.5 * 2 / 4  # batches of 4


@pytest.mark.parametrize("name", ["tracin", "metagradient", "in-run-shapley", "gradient-cosine", "gradient-norm"])
def test_passes_grow_from_one_pool_to_another_as_is_told(name: str, tmp_path: Path) -> None:
    """The one stands for the suite's pool and the other for the reference job: other shares of validation examples."""
    small, large, recipe = pool_of(3, 40), pool_of(8, 30), tiny_mlp().recipe
    job = ReferenceJob(
        contributors=12, examples_each=8, validation=30, steps=recipe.steps, batch_size=recipe.batch_size
    )
    one = method(name)
    told = at_reference(one, "shapley", job, small, recipe, [])["pass_scale"]
    asked = [evaluator_of(tmp_path, pool).evaluate(name, one, "shapley").cost for pool in (small, large)]  # type: ignore[union-attr]
    assert asked[1].gradient_passes / asked[0].gradient_passes == pytest.approx(
        told, rel=0.04
    )  # budgets are what it takes at most
    assert name == "gradient-norm" or told < 0.95  # which sees the training examples alone


def test_a_price_at_reference_scale_is_of_its_own_job_and_of_those_whose_truths_it_read_by_hand() -> None:
    """10 retrainings, 4 of them of each of two other tasks; 6 gradient passes that are 3 there."""
    cost = Cost(retrainings=10, gradient_passes=6)
    record = ValuationRecord(
        *("one", 0, "key", "shapley", "m", "set function", "ok", "", ((0.1, 0.2),)),
        *(cost, "cpu", "run"),
        algebra=1e6,
        pass_scale=0.5,
        borrowed={"two": 4, "three": 4},
    )
    twice = SMALL.model_copy(update={"parameters": 2_000})
    suite = tiny_suite(("one", "two", "three")).model_copy(
        update={"projection": GPU.model_copy(update={"reference": {"one": SMALL, "two": twice, "three": SMALL}})}
    )
    operations = 2 * RETRAINING + 3 * 100 * 6e4 + 1e6 + 4 * 2 * RETRAINING + 4 * RETRAINING
    assert mean_cost(suite, "one", [record]).reference_gpu_hours == pytest.approx(operations / 50e12 / 3600)
    older = replace(record, pass_scale=1.0, borrowed={})
    operations = 10 * RETRAINING + 6 * 100 * 6e4 + 1e6
    assert mean_cost(suite, "one", [older]).reference_gpu_hours == pytest.approx(operations / 50e12 / 3600)


def replaced(projection: Projection, task: str, job: ReferenceJob) -> Projection:
    return projection.model_copy(update={"reference": {task: job}})


def test_one_retraining_of_the_text_job_takes_an_hour_and_a_third_on_an_a100() -> None:
    """6 x 1e9 x 2,250 x 128 x 256 operations, and 2 x 1e9 x 4,000 x 256 of evaluation, at 93.6 TFLOP/s."""
    by_hand = (6 * 1e9 * 2250 * 128 * 256 + 2 * 1e9 * 4000 * 256) / (0.3 * 312e12) / 3600
    assert Projection().reference_hours("sentiment", Cost(retrainings=1), 0) == pytest.approx(by_hand)
    assert 1.3 < by_hand < 1.35


def test_images_have_a_job_of_their_own_and_a_suite_says_what_is_different() -> None:
    assert Projection().job("image-classification") == IMAGES != TEXT == Projection().job("reasoning")
    asked = Projection.model_validate({"reference": {"image-classification": {"steps": 10}}})
    assert asked.job("image-classification") == IMAGES.model_copy(update={"steps": 10})
    assert asked.job("sentiment") == TEXT


SUITE = {"name": "s", "tasks": ["sentiment"], "methods": ["size"], "pools": 1, "seeds": 1}


def test_a_misspelt_reference_job_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"No key of the reference job of sentiment is called 'tokns'.*tokens"):
        checked({**SUITE, "projection": {"reference": {"sentiment": {"tokns": 5}}}}, "here")
    with pytest.raises(UserError, match="No task of this suite is called 'sentimant'"):
        checked({**SUITE, "projection": {"reference": {"sentimant": {"tokens": 5}}}}, "here")


# --- methods' own algebra ---------------------------------------------------------------------------


def pool_of(each: int, validation: int, contributors: int = 12) -> Pool:
    """Equal contributors, every other example real."""
    owners = np.repeat(np.arange(contributors), each)
    columns = images(len(owners), np.random.default_rng(each))
    people = tiny_pool(contributors).contributors
    train = Examples(columns, owners, np.arange(len(owners)) % 2 == 0)
    return Pool("tiny", 0, people, train, held_out(validation, 1), held_out(validation, 2), {})


def size_of(pool: Pool, question: Question) -> JobSize:
    learner = tiny_mlp()
    parameters = sum(p.numel() for p in learner.initialise(0).values())
    return JobSize(question, len(pool.contributors), len(pool.train), len(pool.validation), parameters, 5 + CLASSES)


def beside_passes(folder: Path, name: str, pool: Pool, question: Question) -> float:
    """Operations that a method was measured to take, but for its passes through the model."""
    cost = evaluator_of(folder, pool).evaluate(name, method(name), question).cost  # type: ignore[union-attr]
    forward = FlopCounter()
    learner, n = tiny_mlp(), len(pool.train)
    rows = {key: torch.tensor(column) for key, column in pool.train.columns.items()}
    with forward.counting():
        learner.losses(learner.initialise(0), rows)
    # A per-example gradient is a forward pass and, for the inputs are data, one of as much for the first layer's
    # weights and two for the others'.
    first, second = 2 * n * 16 * 5, 2 * n * 5 * CLASSES
    return cost.flops - cost.forward_passes * forward.flops - cost.gradient_passes * (2 * first + 3 * second)


@pytest.mark.parametrize("question", ["standalone", "leave-one-out", "shapley"])
@pytest.mark.parametrize(
    "name", ["mmd", "ntk-mmd", "ntk-mmd:single:ntk", "ntk-mmd:single:discrepancy", "ntk-mmd:single:sample"]
)
def test_declared_algebra_is_what_was_measured_at_two_sizes(
    name: str, question: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At three times the examples too: the declared growth is the measured one. Models of linear layers alone take
    less, for their kernel needs no gradients; here it is made of them, as for others.
    """
    monkeypatch.setattr(terms, "of_linear_layers", lambda *model: None)
    found = []
    for each in (20, 60):
        pool = pool_of(each, 3 * each)
        measured = beside_passes(tmp_path, name, pool, question)
        declared = method(name).algebra(size_of(pool, question))
        assert declared == pytest.approx(measured, rel=0.1, abs=1)
        found.append((measured, declared))
    (small, declared_small), (large, declared_large) = found
    if small:
        assert declared_large / declared_small == pytest.approx(large / small, rel=0.05)


@pytest.mark.parametrize("width", [40, 4096])
@pytest.mark.parametrize("make", [Trak, TrackStar])
def test_declared_algebra_of_projected_gradients_is_what_was_measured_at_two_sizes(
    make: type[Trak] | type[TrackStar], width: int, tmp_path: Path
) -> None:
    """Where gradients are whole (103 numbers, of more rows), and where they are projected to fewer."""
    for each in (20, 60):
        pool = pool_of(each, 3 * each)
        found = make(runs=1, projection=width, **({} if make is Trak else {"validation_share": 0.9}))
        asked = found.algebra(size_of(pool, "shapley"))
        problem = problem_of(tmp_path, pool)
        counter, gradients = FlopCounter(), margin_gradients(problem, 0, width)
        with counter.counting():
            found._one_run(gradients, *([torch.ones(len(pool.train))] if make is Trak else []))
        assert asked == pytest.approx(counter.flops, rel=0.1)


def test_declared_algebra_of_fewer_rows_than_numbers_is_what_was_measured(tmp_path: Path) -> None:
    """Rows are turned into their span first."""
    found = [
        MarginGradients(torch.randn(n, 300), torch.randn(n // 3, 300), torch.rand(n), torch.rand(n // 3), n)
        for n in (60, 150)
    ]
    for gradients in found:
        size = JobSize("shapley", 4, len(gradients.train_NK), len(gradients.validation_VK), 300, 10)
        for method_, more in (
            (Trak(runs=1), [torch.ones(len(gradients.train_NK))]),
            (TrackStar(runs=1, validation_share=0.9), []),
        ):
            counter = FlopCounter()
            with counter.counting():
                method_._one_run(gradients, *more)
            assert method_.algebra(size) == pytest.approx(counter.flops, rel=0.1)


def test_logra_makes_layers_whole_at_adamw_s_damping_alone_and_declares_so(tmp_path: Path) -> None:
    """Beside what its damping takes, which is not of its own algebra."""
    pool, taken, declared = pool_of(20, 60), {}, {}
    for optimiser, damping in (("sgd", None), ("sgd", 0.1), ("adamw", None), ("adamw", 0.1)):
        recipe = tiny_recipe(optimiser=optimiser)
        problem, counter = problem_of(tmp_path, pool, tiny_mlp(recipe)), FlopCounter()
        summed_rates(problem, 0)
        method_ = LoGra(runs=1, projection=16, damping=damping)
        with counter.counting():
            method_.example_values(problem)
        taken[optimiser, damping] = counter.flops
        declared[optimiser, damping] = method_.algebra(replace(size_of(pool, "shapley"), optimiser=optimiser))
    for found in (taken, declared):
        assert found["sgd", None] == found["sgd", 0.1] == found["adamw", 0.1] < found["adamw", None]


def test_declared_algebra_of_pydvl_s_ekfac_grows_as_was_measured(tmp_path: Path) -> None:
    """With examples, squared: its gradients of examples are a backward pass each through all of them."""
    pytest.importorskip("pydvl.influence")
    found, width = [], 64
    for each in (40, 160):
        pool = pool_of(each, 100, contributors=4)
        learner = Classifier("wide", lambda: SmallMlp(SIDE * SIDE, CLASSES, width=width), CLASSES, tiny_recipe())
        problem, counter = problem_of(tmp_path, pool, learner), FlopCounter()
        parameters = sum(p.numel() for p in problem.fit(0).params.values())
        with counter.counting():
            InfluenceEkfac(runs=1).example_values(problem)
        size = JobSize("shapley", 4, len(pool.train), len(pool.validation), parameters, width)
        passes = 3 * 6 * len(pool.train) * parameters
        found.append((counter.flops - passes, InfluenceEkfac(runs=1).algebra(size)))
    for measured, declared in found:
        assert declared == pytest.approx(measured, rel=0.35)
    (small, declared_small), (large, declared_large) = found
    assert declared_large / declared_small == pytest.approx(large / small, rel=0.2)


def test_declared_algebra_of_large_pools_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fourier features and projected gradients, at bounds that small pools reach."""
    from methods import kernels
    from methods.ntk_mmd import terms

    for module, name, value in (
        (kernels, "EXACT_UP_TO", 50),
        (kernels, "FOURIER_FEATURES", 64),
        (terms, "EXACT_UP_TO", 50),
        (terms, "PROJECTED_WIDTH", 40),
    ):
        monkeypatch.setattr(module, name, value)
    for name, value in (
        ("EXACT_UP_TO", 50),
        ("FOURIER_FEATURES", 64),
        ("NTK_EXACT_UP_TO", 50),
        ("PROJECTED_WIDTH", 40),
    ):
        monkeypatch.setattr(algebra, name, value)
    for each in (20, 60):
        pool = pool_of(each, 3 * each)
        measured = beside_passes(tmp_path, "ntk-mmd", pool, "leave-one-out")
        assert method("ntk-mmd").algebra(size_of(pool, "leave-one-out")) == pytest.approx(measured, rel=0.1)


def test_the_walks_that_algebra_counts_are_those_that_the_harness_takes() -> None:
    assert algebra.WALKS == 2 * PAIRS


@pytest.mark.parametrize("name", ["random", "size", "real-share", "initial-loss", "tracin", "data-shapley"])
def test_methods_of_passes_and_retrainings_have_no_algebra(name: str) -> None:
    assert method(name).algebra(TEXT.size("shapley")) == 0


def test_ntk_mmd_at_scale_is_the_price_of_its_passes(tmp_path: Path) -> None:
    """Its algebra is linear in examples there and knows nothing of the billion parameters."""
    size = TEXT.size("standalone")
    passes = 3 * 6 * 1e9 * 256 * size.examples
    assert method("ntk-mmd").algebra(size) < 0.01 * passes
    more = method("ntk-mmd").algebra(replace(size, examples=2 * size.examples))
    assert 1.9 < more / method("ntk-mmd").algebra(size) < 2.0
