"""Proxies against trainings set up by hand: what they train, what they share, what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness import registry
from harness.coalitions import powerset, to_text
from harness.config import Suite, TaskSettings
from harness.errors import UserError
from harness.projection import TEXT
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.retraining.proxies import Cut, Shares, kept
from harness.retraining.stacking import Stacking
from harness.retraining.workspace import PoolReference, workspace
from harness.running.isolation import Interference
from harness.running.patches import Namespaces
from harness.running.pool_run import Ledgers, PoolRun
from harness.seeds import seed_of
from harness.types import (
    QUESTIONS,
    Bools,
    Cost,
    Examples,
    Floats,
    Learner,
    Params,
    Pool,
    Problem,
    Question,
    Recipe,
    Retraining,
    Valuation,
)
from methods.leave_one_out import LeaveOneOut
from methods.proxy import Cheaper, Proxy
from methods.semivalues.regression_shapley import RegressionShapley
from tasks.learners import transformer
from tasks.learners.classifier import Classifier, SmallCnn, small_cnn
from tasks.learners.fine_tuned import small_classifier
from tasks.learners.sizes import SMALLEST, Size
from tests.small_mlp import SmallMlp
from tests.tiny import CLASSES, SIDE, engine_of, evaluator_of, problem_of, tiny_mlp, tiny_pool, tiny_recipe, tiny_task

CHEAPER: list[Cheaper] = ["steps", "model", "examples"]
EVERYONE = powerset(4)
SEED = 5


def evaluated(folder: Path, method: Retraining, question: Question, pool: Pool | None = None) -> Valuation:
    found = evaluator_of(folder, pool or tiny_pool()).evaluate("one", method, question)
    assert isinstance(found, Valuation), found
    return found


def by_hand(folder: Path, pool: Pool, learner: Learner) -> Floats:
    """Utilities of all coalitions by an engine that knows nothing of proxies."""
    engine = engine_of(folder, pool, learner)
    seed = seed_of(0, "methods", "test", "tiny", 0, SEED)
    return np.array([outcome.utility for outcome in engine.outcomes([Job(to_text(row), seed) for row in EVERYONE])])


# --- what is trained --------------------------------------------------------------------------------


@pytest.mark.parametrize("cheaper", CHEAPER)
def test_the_whole_of_it_is_leave_one_out_and_regression_shapley_to_the_bit(tmp_path: Path, cheaper: Cheaper) -> None:
    for question, plain in (("leave-one-out", LeaveOneOut()), ("shapley", RegressionShapley())):
        whole = evaluated(tmp_path, Proxy(cheaper, share=1.0), question)  # type: ignore[arg-type]
        expected = evaluated(tmp_path, plain, question)  # type: ignore[arg-type]
        np.testing.assert_array_equal(whole.values_SC, expected.values_SC)
        assert whole.cost.retrainings == expected.cost.retrainings


@pytest.mark.parametrize("recipe", [tiny_recipe(), tiny_recipe(optimiser="adamw", warmup=2, micro_batch=5)])
def test_half_of_the_steps_is_a_recipe_of_half_the_steps(tmp_path: Path, recipe: Recipe) -> None:
    pool, half = tiny_pool(), replace(recipe, steps=3, warmup=recipe.warmup // 2)
    problem = problem_of(tmp_path, pool, tiny_mlp(recipe))
    found = problem.proxy(steps=0.5)(EVERYONE, SEED)
    np.testing.assert_array_equal(found, by_hand(tmp_path, pool, tiny_mlp(half)))
    assert not np.allclose(found, problem.retrain(EVERYONE, SEED))


def test_all_coalitions_of_a_seed_train_on_one_thinned_pool(tmp_path: Path) -> None:
    """One engine on a pool thinned once gives the utilities of all of them, and half of each batch is drawn."""
    pool, seed = tiny_pool(), seed_of(0, "methods", "test", "tiny", 0, SEED)
    rows = kept(pool.train.owners_N, 0.5, seed)
    thinned = replace(pool, train=pool.train.take(rows))
    found = problem_of(tmp_path, pool).proxy(examples=0.5)(EVERYONE, SEED)
    np.testing.assert_array_equal(found, by_hand(tmp_path, thinned, tiny_mlp(tiny_recipe(batch_size=4))))
    assert not np.array_equal(rows, kept(pool.train.owners_N, 0.5, seed + 1))  # another seed's are others


def test_a_narrower_model_is_trained_by_the_same_recipe(tmp_path: Path) -> None:
    pool = tiny_pool()
    narrow = Classifier("by hand", lambda: SmallMlp(SIDE * SIDE, CLASSES, width=1), CLASSES, tiny_recipe())
    found = problem_of(tmp_path, pool).proxy(parameters=0.25)(EVERYONE, SEED)
    np.testing.assert_allclose(found, by_hand(tmp_path, pool, narrow), rtol=1e-6)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 9))
def test_a_larger_share_keeps_what_a_smaller_one_does(owners: list[int], a: float, b: float, seed: int) -> None:
    owners_N = np.array(owners)
    few, many = kept(owners_N, min(a, b), seed), kept(owners_N, max(a, b), seed)
    assert set(few) <= set(many)
    assert (np.diff(few) > 0).all()
    for owner, count in zip(*np.unique(owners_N, return_counts=True), strict=True):
        most = max(1.0, min(a, b) * int(count))
        assert most - 1 < (owners_N[few] == owner).sum() <= most + 1e-6
    np.testing.assert_array_equal(kept(5 - owners_N, a, seed), kept(owners_N, a, seed))  # whatever they are called


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_gets_its_own_coalitions(tmp_path: Path, question: Question) -> None:
    """Against utility of every coalition, from the same door."""
    pool = tiny_pool()
    problem = problem_of(tmp_path, pool, question=question)
    found = Proxy("steps", share=0.5, retrainings=2000 if question == "shapley" else None).contributor_values(problem)
    for seed, values_C in enumerate(found):
        worth = {row.tobytes(): u for row, u in zip(EVERYONE, problem.proxy(steps=0.5)(EVERYONE, seed), strict=True)}

        def worth_of(row: Bools, worth: dict[bytes, float] = worth) -> float:
            return worth[row.tobytes()]

        one, everyone = np.eye(4, dtype=bool), np.ones(4, dtype=bool)
        if question == "standalone":
            expected = [worth_of(row) - worth_of(~everyone) for row in one]
        elif question == "leave-one-out":
            expected = [worth_of(everyone) - worth_of(everyone & ~row) for row in one]
        else:
            chance = {0: 1 / 4, 1: 1 / 12, 2: 1 / 12, 3: 1 / 4}
            without = [[row for row in EVERYONE if not row[i]] for i in range(4)]
            expected = [
                sum(chance[r.sum()] * (worth_of(r | one[i]) - worth_of(r)) for r in without[i]) for i in range(4)
            ]
        np.testing.assert_allclose(values_C, expected, atol=0.02 if question == "shapley" else 1e-12)


@pytest.mark.parametrize("cheaper", CHEAPER)
@pytest.mark.parametrize("question", ["standalone", "leave-one-out"])
def test_other_numbers_for_the_contributors_are_other_places_for_their_values(
    tmp_path: Path, cheaper: Cheaper, question: Question
) -> None:
    pool, order = tiny_pool(5), np.array([3, 0, 4, 1, 2])
    train = Examples(pool.train.columns, order[pool.train.owners_N], pool.train.real_N)
    people = tuple(pool.contributors[i] for i in np.argsort(order))
    found = evaluated(tmp_path, Proxy(cheaper, share=0.5), question, replace(pool, contributors=people, train=train))
    expected = evaluated(tmp_path, Proxy(cheaper, share=0.5), question, pool)
    np.testing.assert_allclose(found.values_SC[:, order], expected.values_SC, atol=1e-6)


def test_an_answer_to_one_question_is_not_kept_for_another(tmp_path: Path) -> None:
    suite = Suite(name="tiny", tasks=("tiny",), methods=("proxy:steps",), pools=1, seeds=dict.fromkeys(QUESTIONS, 1))
    ledgers = Ledgers(Ledger(tmp_path / "truth.sqlite"), Ledger(tmp_path / "methods.sqlite"))
    run = PoolRun(suite, tiny_task(), 0, ledgers, "cpu", "run")
    records = [run.valuation("proxy:steps", Proxy(), question) for question in QUESTIONS]
    assert [record.status for record in records] == ["ok"] * 3
    assert len({record.values for record in records}) == 3


# --- the ledger and the bill ------------------------------------------------------------------------


def test_every_proxy_has_a_context_of_its_own_and_a_seed_s_examples_have_one(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    doors = [problem.retrain, problem.proxy(steps=0.5), problem.proxy(parameters=0.3), problem.proxy(examples=0.5)]
    for door in doors:
        for seed in range(2):
            door(EVERYONE[:3], seed)
    ledger = problem.proxy._proxies.whole.ledger  # type: ignore[attr-defined]
    contexts = [row[0] for row in ledger._rows("select distinct context from outcomes", ())]
    assert len(contexts) == 3 + 2
    assert {outcome.cost.retrainings for name in contexts for outcome in ledger.outcomes(name).values()} == {1}


@pytest.mark.parametrize(
    ("cheaper", "share", "weight"),
    [("steps", 0.5, 3 / 6), ("steps", 0.25, 1 / 6), ("examples", 0.5, 4 / 8), ("model", 0.25, 23 / 103)],
)
@pytest.mark.parametrize(("question", "trained"), [("standalone", 15), ("leave-one-out", 15), ("shapley", 16)])
def test_a_proxy_counts_as_its_share_of_a_training(
    tmp_path: Path, cheaper: Cheaper, share: float, weight: float, question: Question, trained: int
) -> None:
    method = Proxy(cheaper, share=share)
    cost = evaluated(tmp_path, method, question).cost
    whole = evaluated(tmp_path, Proxy(cheaper, share=1.0), question).cost
    assert whole.retrainings <= trained
    assert cost.retrainings == pytest.approx(whole.retrainings * weight)
    assert cost.retrainings <= method.budget(4, 99).retrainings == pytest.approx(share * 16)
    hours = TEXT.operations(cost, 0)  # a quarter of a training is not charged as a whole one
    assert hours == pytest.approx(weight * TEXT.operations(whole, 0))


def test_the_operations_of_fewer_steps_are_those_of_their_recipe(tmp_path: Path) -> None:
    rows = np.eye(4, dtype=bool)

    @dataclass(frozen=True)
    class Asks(Retraining):
        share: float
        source = passes = "a test"
        seed_scope = "one"

        def contributor_values(self, problem: Problem) -> Floats:
            return problem.proxy(steps=self.share)(rows, 0)[None]

    half = evaluated(tmp_path, Asks(0.5), "standalone").cost
    found = evaluator_of(tmp_path, tiny_pool(), tiny_mlp(tiny_recipe(steps=3))).evaluate("one", Asks(1.0), "standalone")
    assert isinstance(found, Valuation)
    assert half.flops == found.cost.flops
    assert (half.retrainings, found.cost.retrainings) == (2.0, 4)


def test_what_a_narrower_model_starts_from_is_charged_to_each_that_trains_it(tmp_path: Path) -> None:
    made: list[Size] = []

    def rebase(size: Size) -> Params:
        made.append(size)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            found = dict(transformer.small("language model", 12, 6, size=size).named_parameters())
        torch.ones(100, 100) @ torch.ones(100, 100)  # two million operations
        return {name: p.detach().clone() for name, p in found.items()}

    learner = small_classifier(rebase(SMALLEST), [3, 4, 5], SMALLEST, 12, 6, tiny_recipe(), rebase=rebase)
    pool = tiny_pool(3)
    train, validation, test = (
        Examples({"inputs": np.full((len(e), 6), 3) + e.targets[:, None], "targets": e.targets}, e.owners_N, e.real_N)
        for e in (pool.train, pool.validation, pool.test)
    )
    evaluator = evaluator_of(tmp_path, replace(pool, train=train, validation=validation, test=test), learner)
    costs = []
    for share in (0.25, 0.25, 0.3):
        found = evaluator.evaluate("one", Proxy("model", share=share, retrainings=8), "standalone")
        assert isinstance(found, Valuation)
        costs.append(found.cost)
    assert costs[0].flops == costs[1].flops >= 2e6
    assert costs[0].seconds == pytest.approx(costs[1].seconds, abs=0.5)
    assert len(made) == 3  # the whole model's, and one of each share, made once
    assert made[1].hidden <= made[2].hidden < SMALLEST.hidden
    again = small_classifier(rebase(SMALLEST), [3, 4, 5], SMALLEST, 12, 6, tiny_recipe())
    assert again.identity == learner.identity
    assert again.narrower(0.5) is None


# --- narrower models --------------------------------------------------------------------------------


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_narrower_cnn_is_the_widest_of_its_share(share: float) -> None:
    whole = small_cnn(8, 10, tiny_recipe())
    make = whole.narrower(share)
    assert make is not None
    width = make().identity["width"]
    assert isinstance(width, int)
    assert count(SmallCnn(8, 10, width)) <= share * count(SmallCnn(8, 10, 8)) < count(SmallCnn(8, 10, width + 1))
    assert whole.narrower(0.01) is None


def test_narrower_transformers_run_and_shrink() -> None:
    ids = torch.tensor([[3, 4, 5, 0]])
    counts = []
    for size in (Size(), *Size().narrower()):
        model = transformer.small("text classifier", 9, 4, 2, size)
        assert model(ids)[0].shape == (1, 2)
        counts.append(count(model))
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == len(counts) == 12


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(tmp_path: Path, share: float) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    for name in ("steps", "examples", "parameters"):
        with pytest.raises(UserError, match="above 0 and up to 1"):
            problem.proxy(**{name: share})
    with pytest.raises((UserError, ValueError), match=r"from 0 to 1|above 0"):
        Proxy(share=share)


def test_what_is_misspelt_is_refused() -> None:
    with pytest.raises(UserError, match="steps, model or examples"):
        Proxy("epochs")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cheaper", "arguments", "words"),
    [
        ("steps", {"steps": 0.1}, "6 steps, of which 0.1 is none"),
        ("examples", {"examples": 0.1}, "batches of 8, of which 0.1 is none"),
        ("model", {"parameters": 0.1}, "tiny-mlp, has no narrower model with 0.1 of its parameters"),
    ],
)
def test_what_leaves_nothing_is_unsuitable_and_the_door_refuses_it(
    tmp_path: Path, cheaper: Cheaper, arguments: dict[str, float], words: str
) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    reason = Proxy(cheaper, share=0.1).unsuitable(problem)
    assert reason is not None
    assert words in reason
    with pytest.raises(UserError, match=r"no training|no narrower"):
        problem.proxy(**arguments)
    assert Proxy(cheaper).unsuitable(problem) is None


def test_a_narrower_model_that_is_none_is_refused(tmp_path: Path) -> None:
    def narrower(share: float) -> Callable[[], Learner]:
        return tiny_mlp

    learner = Classifier("same", lambda: SmallMlp(SIDE * SIDE, CLASSES, 5), CLASSES, tiny_recipe(), narrower=narrower)
    with pytest.raises(UserError, match=r"has 1\.00 of its parameters"):
        problem_of(tmp_path, tiny_pool(), learner).proxy(parameters=0.5)


# --- other processes, and meddling ------------------------------------------------------------------


def test_another_process_comes_to_the_same_context(tmp_path: Path) -> None:
    task = registry.task("image-classification", "embedded", TaskSettings(), None)
    pool, learner = task.deal(100), task.learner()
    assert task.reference is not None
    whole = PoolReference(task.reference, 100, "validation")
    engine = Engine(learner, pool.train, pool.validation, Ledger(tmp_path / "l"), stacking=Stacking(8, 1), pool=whole)
    make = learner.narrower(0.25)
    assert make is not None
    cut = Cut(Shares(0.5, 0.25, 0.25), 7)
    context = engine.cut(cut, make(), pool.train, pool.validation).context
    assert context != engine.context
    assert workspace(context, "cpu", replace(whole, cut=cut)).context == context


def test_a_method_that_changes_a_proxy_s_data_fails_alone(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, tiny_pool())

    class Meddles(Retraining):
        source = passes = "a test"
        by_question = True

        def contributor_values(self, problem: Problem) -> Floats:
            retrain = problem.proxy(steps=0.5)
            retrain(EVERYONE, 0)
            retrain._engine_of(0).tensors["train"]["inputs"].zero_()  # type: ignore[attr-defined]
            return np.zeros((1, 4))

    with pytest.raises(Interference, match=r"data of problem\.proxy"):
        evaluator.evaluate("meddles", Meddles(), "standalone")
    after = evaluator.evaluate("one", Proxy(share=0.5), "standalone")
    assert isinstance(after, Valuation)
    np.testing.assert_array_equal(after.values_SC, evaluated(tmp_path, Proxy(share=0.5), "standalone").values_SC)


def test_whole_retrainings_stay_whole_numbers(tmp_path: Path) -> None:
    assert type(evaluated(tmp_path, LeaveOneOut(), "standalone").cost.retrainings) is int
    assert type(Cost().retrainings) is int


def test_that_torch_wraps_an_inherited_step_at_its_first_use_is_no_patch() -> None:
    """As of AdamW, which takes Adam's: a base that a narrower model starts from may be the first to need it."""

    class Plain(torch.optim.Optimizer):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            """Nothing."""

    class Heir(Plain):
        """Has its step by inheritance."""

    before = Namespaces([Heir])
    Heir([torch.zeros(1, requires_grad=True)], {})
    assert "step" in vars(Heir)
    assert before.changes() == []
    Heir.step = lambda self, closure=None: None  # type: ignore[method-assign]
    assert [name.rpartition(".")[2] for name in before.changes()] == ["step"]
