"""What a learner tells of its linear layers gives each example's gradient of their weights, as vmap finds it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.func import grad, vmap

from harness.metering.meter import Meter, MeteredLearner
from harness.types import Batch, Learner, Params
from tasks.learners import transformer
from tasks.learners.classifier import Classifier
from tasks.learners.encoding import IGNORED
from tasks.learners.language_model import LanguageModel
from tasks.learners.sizes import Size
from tests.tiny import tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

ROWS, LENGTH, VOCABULARY = 3, 6, 11
SIZE = Size(hidden=8, inner=12)


def pixels() -> dict[str, torch.Tensor]:
    return {name: torch.tensor(column[:ROWS]) for name, column in tiny_pool().train.columns.items()}


def texts() -> dict[str, torch.Tensor]:
    ids = torch.randint(3, VOCABULARY, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))
    targets = ids.clone()
    targets[:, :3] = IGNORED
    return {"inputs": ids, "targets": targets}


def labelled() -> dict[str, torch.Tensor]:
    return {"inputs": texts()["inputs"], "targets": torch.tensor([0, 1, 1])}


def language_model(answer: int | None) -> Learner:
    def build() -> torch.nn.Module:
        return transformer.small("language model", VOCABULARY, LENGTH, size=SIZE)

    return LanguageModel("tiny-llama", build, VOCABULARY, tiny_recipe(), answer)


def text_classifier() -> Learner:
    def build() -> torch.nn.Module:
        return transformer.small("text classifier", VOCABULARY, LENGTH, 2, SIZE)

    return Classifier("tiny-classifier", build, 2, tiny_recipe())


CASES = {
    "mlp": (tiny_mlp, pixels),
    "cnn": (tiny_cnn, pixels),
    "language model": (lambda: language_model(None), texts),
    "language model, answers alone": (lambda: language_model(3), texts),
    "text classifier": (text_classifier, labelled),
}


@pytest.mark.parametrize("case", CASES)
def test_signals_times_inputs_are_the_gradients_of_each_example(case: str) -> None:
    make, rows = CASES[case]
    learner, batch = make(), rows()
    params = learner.initialise(3)

    def loss(params: Params, row: Batch) -> torch.Tensor:
        return learner.losses(params, {name: value[None] for name, value in row.items()})[0]

    expected = vmap(grad(loss), in_dims=(None, 0))(params, batch)
    found = learner.layer_signals(params, batch)
    tied = {name for name in found if name.endswith("lm_head")}  # its weight is the embedding's too
    assert set(found) - tied == {
        name.removesuffix(".weight") for name, p in params.items() if p.ndim == 2 and "embed" not in name
    }
    for name in set(found) - tied:
        inputs, signals = (
            side.flatten(1, -2) if side.ndim > 2 else side[:, None]
            for side in (found[name].inputs_NI, found[name].signals_NO)
        )
        gradients = torch.einsum("nto,nti->noi", signals, inputs)
        torch.testing.assert_close(gradients, expected[f"{name}.weight"], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
def test_asking_for_layers_is_one_pass_and_leaves_the_parameters(make: Callable[[], Learner]) -> None:
    inner, batch = make(), pixels()
    params = inner.initialise(3)
    before = {name: p.clone() for name, p in params.items()}
    meter = Meter("cpu")
    with meter.measuring():
        MeteredLearner(inner, meter, 2 * ROWS).layer_signals(params, batch)
    assert meter.cost.gradient_passes == pytest.approx(0.5)
    assert meter.cost.flops > 0
    assert all(torch.equal(params[name], before[name]) for name in params)
