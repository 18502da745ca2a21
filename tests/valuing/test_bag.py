"""The bag of tokens: its start against numpy's singular vectors, its forward pass by hand, its narrower selves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.types import Learner, Recipe
from tasks.learners.bag import SCALE, bag_classifier, latent_vectors

RECIPE = Recipe(steps=5, batch_size=8, rate=0.05, optimiser="adamw", checkpoints=2)


def texts(rows: int = 60, vocabulary: int = 30, length: int = 9) -> np.ndarray:
    rng = np.random.default_rng(0)
    inputs = rng.integers(1, vocabulary, size=(rows, length))
    inputs[np.arange(length) >= rng.integers(2, length + 1, size=(rows, 1))] = 0
    return inputs


def learner(labels: int = 3, width: int = 6) -> Learner:
    return bag_classifier(texts(), 30, labels, RECIPE, width=width)


def test_vectors_start_in_the_leading_directions_of_texts_by_weighted_tokens() -> None:
    inputs, width = texts(), 4
    holds = np.array([[float(token in row) for token in range(30)] for row in inputs])
    holds[:, 0] = 0  # padding
    counts = holds.sum(axis=0)
    weight = np.where(counts > 0, np.log(1 + len(inputs) / np.maximum(counts, 1)), 0.0)
    axes = np.linalg.svd(holds * weight)[2][:width]
    found = latent_vectors(inputs, 30, width, pad=0).numpy()
    assert found.std() == pytest.approx(SCALE, rel=1e-5)
    expected = axes.T * weight[:, None]
    basis = np.linalg.qr(expected)[0]
    np.testing.assert_allclose(basis @ (basis.T @ found), found, atol=0.05 * SCALE)  # a randomised decomposition
    assert np.abs(found[0]).max() < 1e-12  # padding


def test_features_are_sums_over_the_root_of_their_number_and_the_start_favours_no_label() -> None:
    bag = learner()
    params = bag.initialise(3)
    ids = torch.tensor([[4, 9, 4, 0, 0], [7, 0, 0, 0, 0]])
    logits, features = bag.predict(params, {"inputs": ids, "targets": torch.zeros(2, dtype=torch.long)})
    vectors = params["vectors.weight"]
    torch.testing.assert_close(features[0], (2 * vectors[4] + vectors[9]) / 3**0.5)
    torch.testing.assert_close(features[1], vectors[7])
    assert (logits == 0).all()


def test_narrower_selves_have_at_most_their_share_of_parameters_and_start_anew() -> None:
    whole = learner()
    counted = sum(p.numel() for p in whole.initialise(0).values())
    make = whole.narrower(0.5)
    assert make is not None
    narrow = make()
    assert sum(p.numel() for p in narrow.initialise(0).values()) <= counted / 2
    assert narrow.identity["width"] == 2  # of 33 x width + 3 parameters
    assert whole.narrower(0.01) is None


def test_texts_of_other_company_are_another_learner() -> None:
    other = bag_classifier(texts()[::-1][:40], 30, 3, RECIPE, width=6)
    assert other.identity != learner().identity
    assert bag_classifier(texts(), 30, 3, RECIPE, width=6).identity == learner().identity
