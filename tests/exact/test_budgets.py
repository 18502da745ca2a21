"""What methods say that they may take is what the meter counts, or a little more."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from harness.registry import method
from harness.types import Budget, Cost, Method, Recipe
from methods import METHODS
from methods.ame import Ame
from methods.astra import Astra
from methods.baselines import ClassBalance, InitialLoss, Mmd, Random, RealShare, Size
from methods.coalition_gp import CoalitionGp
from methods.constant import Constant
from methods.data_oob import DataOob
from methods.datainf import DataInf
from methods.datamodels import Datamodels
from methods.dataset_weights import ConvexDatasetValuation
from methods.daunce import Daunce
from methods.davinz import Davinz
from methods.deviation import Deviation
from methods.distribution_value import DistributionValue
from methods.dvemb import DvEmb
from methods.ekfac import Ekfac
from methods.for_value import ForValue
from methods.freeshap import FreeShap
from methods.gradient_cosine import GradientCosine
from methods.gradient_norm import GradientNorm
from methods.group_influence import GroupInfluence, NewtonStep, RelativeInfluence
from methods.in_run_shapley import InRunShapley
from methods.influence import Influence
from methods.influence_hessian import InfluenceHessian
from methods.influence_pydvl import InfluenceEkfac, InfluencePydvl
from methods.kairos import Kairos
from methods.knn_shapley import KnnShapley
from methods.lava import Lava
from methods.least_core import LeastCore
from methods.leave_one_out import LeaveOneOut
from methods.less import Less
from methods.local_bayes import LocalBayes
from methods.logra import LoGra
from methods.metagradient import Metagradient, MetagradientSwaps
from methods.mixmin import MixMin
from methods.ntk_mmd import NtkMmd
from methods.perplexity import Perplexity
from methods.proxy import Proxy
from methods.regmix import RegMix
from methods.semivalues.beta_shapley import BetaShapley
from methods.semivalues.class_wise_shapley import ClassWiseShapley
from methods.semivalues.data_banzhaf import DataBanzhaf
from methods.semivalues.data_shapley import DataShapley
from methods.semivalues.kernel_shap import KernelShap
from methods.semivalues.regression_shapley import RegressionShapley
from methods.similarity import EmbeddingSimilarity, RepSim
from methods.source import Source
from methods.tracin import TracIn
from methods.trackstar import TrackStar
from methods.trak import Trak
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import evaluator_of, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = THIRD_PARTY
POOL = tiny_pool(8, each=2)
N, V = len(POOL.train), len(POOL.validation)
WHOLE = tiny_recipe(checkpoints=6)  # as many as a recipe keeps where it does not say
PARTS = tiny_recipe(checkpoints=6, micro_batch=4)  # rows in more blocks than whose graphs are kept
ADAMW = tiny_recipe(checkpoints=6, optimiser="adamw")

EXACT = [
    (Random(), WHOLE),
    (Size(), WHOLE),
    (RealShare(), WHOLE),
    (ClassBalance(), WHOLE),
    (InitialLoss(), WHOLE),
    (Mmd(), WHOLE),
    (KnnShapley(), WHOLE),
    (KnnShapley(features="trained", seeds=2), WHOLE),
    (ConvexDatasetValuation(seeds=2), WHOLE),
    (DistributionValue(), WHOLE),
    (Kairos(), WHOLE),
    (Kairos(features="trained"), PARTS),
    (Constant(), WHOLE),
    (DataOob(trees=3), WHOLE),
    (DataOob(trees=3, features="trained"), WHOLE),
    (EmbeddingSimilarity(), WHOLE),
    (ForValue(seeds=2), PARTS),
    (GradientNorm(seeds=2), WHOLE),
    (Perplexity(runs=2), WHOLE),
    (RepSim(runs=2), WHOLE),
    (Lava(), WHOLE),
    (Lava(features="trained", seeds=2), WHOLE),
    (Davinz(output="probability", seeds=2), WHOLE),
    (Deviation(seeds=2), WHOLE),
    (FreeShap(seeds=2), PARTS),
    (NtkMmd(seeds=2), WHOLE),
    (TracIn(runs=2), WHOLE),
    (TracIn(runs=2, metric="adamw"), ADAMW),
    (GradientCosine(runs=2), WHOLE),
    (Less(runs=2), ADAMW),
    (Influence(runs=2, damping=0.1, iterations=6, tolerance=0.0), PARTS),
    (InfluenceEkfac(runs=2, damping=0.1), PARTS),
    (Trak(runs=2, damping=0.1), WHOLE),
    (Trak(damping=0.1), PARTS),
    (LoGra(runs=2, damping=0.1), WHOLE),
    (LoGra(damping=0.1), PARTS),
    (LeaveOneOut(), WHOLE),
    (LeaveOneOut(retrainings=13), WHOLE),
    (MixMin(), WHOLE),
    (DataInf(runs=2, damping=0.1), PARTS),
    (Proxy("steps", share=0.5, retrainings=9), WHOLE),
    (Proxy("examples", share=0.25, retrainings=9), PARTS),
]
AT_MOST = [
    (Davinz(seeds=2), WHOLE),
    (TracIn(runs=1), tiny_recipe(checkpoints=3)),
    (Influence(runs=1, iterations=6), WHOLE),
    (Influence(runs=2, iterations=2), ADAMW),
    (InfluencePydvl(runs=2, iterations=2), ADAMW),
    (InfluenceEkfac(), WHOLE),
    (InfluencePydvl(), WHOLE),
    (InfluencePydvl(iterations=3), PARTS),
    (TrackStar(), WHOLE),
    (TrackStar(runs=2), ADAMW),
    (Trak(runs=2), ADAMW),
    (LoGra(runs=2), ADAMW),
    (DataInf(runs=2), PARTS),
    (DataInf(runs=2), ADAMW),
    (DataShapley(seeds=2, pairs=1), WHOLE),
    (Metagradient(runs=2), PARTS),
    (Metagradient(runs=2), ADAMW),
    (MetagradientSwaps(runs=2), WHOLE),
    (Less(runs=2), WHOLE),
    (DvEmb(runs=2), ADAMW),
    (Source(runs=2), ADAMW),
    (Source(runs=1, iterations=3), PARTS),
    (DvEmb(runs=2, curvature="gauss-newton"), WHOLE),
    (InRunShapley(runs=2), WHOLE),
    (InRunShapley(runs=2, order=2), ADAMW),
    (DataBanzhaf(), WHOLE),
    (BetaShapley(retrainings=50), WHOLE),
    (RegressionShapley(retrainings=24), WHOLE),
    (KernelShap(seeds=1), WHOLE),
    (KernelShap(variant="unbiased"), WHOLE),
    (ClassWiseShapley(), WHOLE),
    (Datamodels(), WHOLE),
    (Ame(retrainings=40, seeds=3), WHOLE),
    (LeastCore(), WHOLE),
    (CoalitionGp(), WHOLE),
    (RegMix(regressor="trees"), WHOLE),
    (Ekfac(runs=2), WHOLE),
    (Ekfac(runs=1), PARTS),
    (Ekfac(runs=1, corrected=False), ADAMW),
    (Astra(runs=1), PARTS),
    (Astra(runs=2), ADAMW),
    (InfluenceHessian(runs=1, iterations=6), WHOLE),
    (InfluenceHessian(runs=1, iterations=6), PARTS),
    (GroupInfluence(runs=1), PARTS),
    (RelativeInfluence(runs=1), WHOLE),
    (NewtonStep(runs=2), ADAMW),
    (LocalBayes(runs=1), WHOLE),
    (LocalBayes(runs=1), PARTS),
    (Daunce(runs=2), ADAMW),
    (Proxy("model", share=0.23, retrainings=9), ADAMW),
]


def told(case: Method | Recipe | int) -> str:
    if not isinstance(case, Recipe):
        return repr(case)
    return f"{case.checkpoints} checkpoints, {'in parts' if case.micro_batch else 'whole'}"


def cost_of(folder: Path, method: Method, recipe: Recipe) -> Cost:
    found = evaluator_of(folder, POOL, tiny_mlp(recipe)).evaluate("one", method, "standalone")
    assert not isinstance(found, str), found
    return found.cost


def passes(budget: Budget, recipe: Recipe) -> float:
    """As the meter counts: in training examples."""
    drawn = recipe.steps * min(N, recipe.batch_size) / N
    of_steps = budget.replays * drawn + budget.validation_replays * recipe.steps * V / N
    return budget.gradient_passes + budget.validation_passes * V / N + of_steps


def test_every_method_s_budget_is_held_against_the_meter() -> None:
    assert {type(one) for one, _ in [*EXACT, *AT_MOST]} == {type(method(name)) for name in METHODS}


@pytest.mark.parametrize(("method", "recipe"), EXACT, ids=told)
def test_a_budget_is_what_a_method_takes(tmp_path: Path, method: Method, recipe: Recipe) -> None:
    budget, cost = method.budget(8, N), cost_of(tmp_path, method, recipe)
    assert cost.retrainings == budget.fits + budget.retrainings
    assert cost.gradient_passes == pytest.approx(passes(budget, recipe))


@pytest.mark.parametrize(("method", "recipe"), AT_MOST, ids=told)
def test_a_budget_is_the_most_that_a_method_takes(tmp_path: Path, method: Method, recipe: Recipe) -> None:
    budget, cost = method.budget(8, N), cost_of(tmp_path, method, recipe)
    assert 0.9 * (budget.fits + budget.retrainings) <= cost.retrainings <= budget.fits + budget.retrainings
    assert cost.gradient_passes <= passes(budget, recipe)


FORWARD = [
    (InitialLoss(), 1, 0),
    (Mmd(), 1, 1),
    (DistributionValue(), 1, 1),
    (EmbeddingSimilarity(), 1, 1),
    (KnnShapley(), 1, 1),
    (Kairos(), 1, 1),
    (Lava(), 1, 1),
    (DataOob(trees=3), 1, 1),
    (NtkMmd(seeds=2), 2, 1),
    (Davinz(seeds=2), 2, 1),
    (Davinz(output="probability", seeds=2), 2, 1),
    (FreeShap(seeds=2), 0, 0),
    (FreeShap(start="logits", seeds=2), 1, 1),
    (FreeShap(start="probabilities", seeds=2), 1, 1),
    (Deviation(seeds=2), 1, 1),
]


@pytest.mark.parametrize(("method", "train", "held_out"), FORWARD, ids=told)
def test_the_forward_passes_that_a_method_s_words_name_are_those_counted(
    tmp_path: Path, method: Method, train: int, held_out: int
) -> None:
    """A seed's over the training examples come first in its words, a variant's in brackets behind."""
    found = cost_of(tmp_path, method, WHOLE).forward_passes
    assert found == pytest.approx(method.seeds * (train + held_out * V / N))  # type: ignore[attr-defined]
    assert re.match(rf"{train} forward pass|\d+ forward passes \({train} ", method.passes)


def test_budgets_follow_the_settings_and_the_pool() -> None:
    assert DataShapley(seeds=3, pairs=1).budget(10, 99) == Budget(retrainings=3 * (18 + 2))
    assert DataShapley(seeds=3, pairs=1).budget(24, 99) == Budget(retrainings=3 * (46 + 2))
    assert InfluencePydvl(runs=1, iterations=8).budget(10, 5).gradient_passes == 12 + 10 * 1.2
    assert InfluencePydvl(damping=0.1, iterations=8).budget(10, 5).gradient_passes == 3 * (24 + 10 * 1.2)
    assert method("ntk-mmd:paper").budget(10, 99) == Budget(gradient_passes=3 * (1 + 2 * 2 / 99))


def test_what_is_not_said_is_nothing() -> None:
    found = Method.budget(Size(), 24, 600)
    assert [getattr(found, field.name) or 0 for field in fields(Budget)] == [0] * 7
