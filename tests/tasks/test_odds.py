"""Log-odds of targets against sixty-digit arithmetic, where probabilities round to 0 and to 1, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch

from harness.types import Batch
from tasks.learners.encoding import IGNORED
from tasks.learners.language_model import LanguageModel
from tests.tiny import tiny_mlp, tiny_recipe

GAPS = (0.0, 1e-3, 5.0, 16.0, 17.5, 40.0, 60.0)
ROWS = [[gap, 0.25, -1.5] for gap in GAPS] + [[0.5, gap, 0.25] for gap in GAPS]
"""Logits whose first is the target's: right, and wrong, by up to 60."""


def chance(logits: Sequence[float]) -> tuple[Decimal, list[Decimal]]:
    """exp(logit) over their sum: of the target, which comes first, and of the others."""
    powers = [Decimal(float(np.float32(value))).exp() for value in logits]
    return powers[0] / sum(powers), [power / sum(powers) for power in powers[1:]]


@pytest.mark.parametrize("logits", ROWS, ids=str)
def test_a_label_s_log_odds_and_their_gradient_keep_their_digits(logits: list[float]) -> None:
    rows = torch.tensor([logits], requires_grad=True)
    found = tiny_mlp().margins_of(rows, {"targets": torch.tensor([0])})
    found.sum().backward()  # type: ignore[no-untyped-call]
    with localcontext() as context:
        context.prec = 60
        p, others = chance(logits)
        assert float(found[0].detach()) == pytest.approx(float(p.ln() - sum(others).ln()), rel=1e-6, abs=1e-6)
        slopes = [1.0, *(-float(other / sum(others)) for other in others)]
    assert rows.grad is not None
    np.testing.assert_allclose(rows.grad[0], slopes, rtol=1e-5)


def language_model() -> LanguageModel:
    return LanguageModel("words", torch.nn.Identity, 3, tiny_recipe())


def response(logits: list[list[float]]) -> tuple[torch.Tensor, Batch]:
    """Tokens that are all the first of the vocabulary, after a prompt of one; the last place says nothing."""
    rows = torch.tensor([[*logits, [0.0, 0.0, 0.0]]], requires_grad=True)
    targets = torch.tensor([[IGNORED, *(0 for _ in logits)]])
    return rows, {"inputs": targets.clamp(min=0), "targets": targets}


@pytest.mark.parametrize("gaps", [(5.0, 16.0), (17.5, 40.0), (40.0, 60.0), (60.0, 60.0), (-60.0, 40.0)], ids=str)
def test_a_response_s_log_odds_are_those_of_its_tokens_geometric_mean(gaps: tuple[float, float]) -> None:
    logits = [[gap, 0.25, -1.5] for gap in gaps]
    rows, batch = response(logits)
    found = language_model().margins_of(rows, batch)
    found.sum().backward()  # type: ignore[no-untyped-call]
    with localcontext() as context:
        context.prec = 60
        tokens = [chance(row) for row in logits]
        mean = sum(p.ln() for p, _ in tokens) / len(tokens)
        missed = 1 - mean.exp()
        assert float(found[0].detach()) == pytest.approx(float(mean - missed.ln()), rel=1e-6)
        slopes = [[float(part / len(tokens) / missed) for part in (1 - p, *(-q for q in q_))] for p, q_ in tokens]
    assert rows.grad is not None
    np.testing.assert_allclose(rows.grad[0, :2], slopes, rtol=2e-5)
    assert not rows.grad[0, 2].any()


@pytest.mark.parametrize("gap", [90.0, 200.0])
def test_a_response_surer_than_single_precision_tells_stays_finite(gap: float) -> None:
    rows, batch = response([[gap, 0.0, 0.0]])
    found = language_model().margins_of(rows, batch)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert found.isfinite().all()
    assert rows.grad is not None
    assert rows.grad.isfinite().all()


def test_a_learner_that_says_nothing_has_log_odds_from_its_losses() -> None:
    """As far as a loss in single precision tells them, and finite beyond."""
    learner, rows = tiny_mlp(), torch.tensor([[gap, 0.25, -1.5] for gap in (-60.0, 0.0, 5.0, 8.0, 60.0)])
    batch = {"targets": torch.zeros(5, dtype=torch.int64)}
    exact, plain = learner.margins_of(rows, batch), super(type(learner), learner).margins_of(rows, batch)
    np.testing.assert_allclose(plain[:4], exact[:4], rtol=2e-4)
    assert plain[4] == pytest.approx(24 * np.log(2), rel=1e-3)
