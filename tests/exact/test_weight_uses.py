"""What a learner tells of its layers, added up, is each example's gradient of every parameter, as vmap finds it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.func import grad, vmap

from harness.metering.meter import Meter, MeteredLearner
from harness.types import Batch, Learner, Params
from methods.gradients.kronecker import gradients_of_use
from tasks.learners.classifier import Classifier
from tests.exact.test_layers import CASES, ROWS, pixels
from tests.tiny import CLASSES, tiny_cnn, tiny_mlp, tiny_recipe


class Mixed(nn.Module):
    """Layers that the embedded learners do not have, one that nothing is known of, and a bare parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 3, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(3)
        self.channels = nn.GroupNorm(1, 3)
        self.table = nn.Embedding(5, 3, padding_idx=0)
        self.grouped = nn.Conv1d(3, 3, 1, groups=3)
        self.shift = nn.Parameter(torch.randn(3))
        self.head = nn.Linear(3, CLASSES)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.channels(torch.tanh(self.convolution(pixels))).flatten(2).transpose(1, 2)
        words = self.table((pixels.flatten(1) * 2).long().clamp(0, 4)).mean(1)
        hidden = torch.tanh(self.norm(hidden) + self.shift).transpose(1, 2)
        features = self.grouped(hidden).mean(2) + words
        return self.head(features), features


def mixed() -> Learner:
    return Classifier("mixed", Mixed, CLASSES, tiny_recipe())


def randomised(learner: Learner, seed: int = 3) -> Params:
    """No scale is 1 and no bias 0."""
    generator = torch.Generator().manual_seed(seed)
    return {name: p + 0.2 * torch.randn(p.shape, generator=generator) for name, p in learner.initialise(seed).items()}


@pytest.mark.parametrize("case", [*CASES, "mixed"])
def test_uses_added_up_are_the_gradients_of_each_example(case: str) -> None:
    make, rows = (mixed, pixels) if case == "mixed" else CASES[case]
    learner, batch = make(), rows()
    params = randomised(learner)
    vectors = [torch.randn(learner.predict(params, batch)[0].shape) for _ in range(2)]
    unknown = (
        {"shift", "grouped.weight", "grouped.bias", "channels.weight", "channels.bias"} if case == "mixed" else set()
    )

    def along(p: Params, row: Batch, vector: torch.Tensor) -> torch.Tensor:
        return (learner.predict(p, {name: value[None] for name, value in row.items()})[0][0] * vector).sum()

    for vector, uses in zip(vectors, learner.weight_uses(params, batch, lambda _: vectors), strict=True):
        expected = vmap(grad(along), in_dims=(None, 0, 0))(params, batch, vector)
        total: Params = {}
        for use in uses:
            for name, found in gradients_of_use(use, params).items():
                total[name] = total[name] + found if name in total else found
        assert set(total) == set(params) - unknown
        for name, found in total.items():
            torch.testing.assert_close(found, expected[name], atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
def test_each_vector_is_a_pass_and_nothing_is_left_behind(make: Callable[[], Learner]) -> None:
    inner, batch = make(), pixels()
    params = inner.initialise(3)
    before = {name: p.clone() for name, p in params.items()}
    meter = Meter("cpu")
    with meter.measuring():
        MeteredLearner(inner, meter, 2 * ROWS).weight_uses(params, batch, lambda logits: [logits, logits, logits])
    assert meter.cost.gradient_passes == pytest.approx(1.5)
    assert all(torch.equal(params[name], before[name]) for name in params)
    assert not any(layer._forward_hooks for layer in inner._skeleton(torch.device("cpu")).modules())  # type: ignore[attr-defined]


def test_directions_that_pass_together_are_counted_each() -> None:
    inner, batch = tiny_cnn(), pixels()
    params, meter = inner.initialise(0), Meter("cpu")
    learner = MeteredLearner(inner, meter, ROWS)
    moves = {name: torch.randn(7, *p.shape) for name, p in params.items()}
    with meter.measuring():
        vmap(lambda move: torch.func.jvp(lambda p: learner.losses(p, batch), (params,), (move,)))(moves)
    assert meter.cost.gradient_passes == pytest.approx(7)
