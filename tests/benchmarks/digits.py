"""Scikit-learn's digits as benchmarks share them: a training set, held-out rows, models and their plain doubles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from harness.metering.meter import Meter
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.running.evaluator import Evaluator
from harness.types import HELD_OUT, Examples, Params, Problem, Recipe
from tasks.learners.classifier import Classifier, SmallCnn
from tests.small_mlp import SmallMlp

SIDE, CLASSES = 8, 10
CONTRIBUTORS = 24


def splits(train: int, held_out: int, contributors: int) -> tuple[Examples, Examples]:
    """``train`` rows dealt evenly to the contributors, and as many other rows as asked."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    pixels = ((digits.images - digits.images.mean()) / digits.images.std()).astype(np.float32)[order][:, None]
    labels = digits.target.astype(np.int64)[order]
    owners = np.arange(train) * contributors // train
    inside, outside = slice(0, train), slice(train, train + held_out)
    return (
        Examples({"inputs": pixels[inside], "targets": labels[inside]}, owners, np.ones(train, dtype=bool)),
        Examples(
            {"inputs": pixels[outside], "targets": labels[outside]},
            np.full(held_out, HELD_OUT),
            np.ones(held_out, dtype=bool),
        ),
    )


def mlp(recipe: Recipe, width: int = 128) -> Classifier:
    return Classifier("mlp", lambda: SmallMlp(SIDE * SIDE, CLASSES, width), CLASSES, recipe, settings={"width": width})


def cnn(recipe: Recipe, width: int = 8) -> Classifier:
    return Classifier("cnn", lambda: SmallCnn(SIDE, CLASSES, width), CLASSES, recipe, settings={"width": width})


class PlainMlp(nn.Module):
    """SmallMlp as other libraries expect it: logits alone, every layer a module of its own."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.hidden, self.act, self.head = nn.Linear(SIDE * SIDE, width), nn.ReLU(), nn.Linear(width, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.hidden(images.flatten(1))))


class PlainCnn(nn.Module):
    """SmallCnn with torch's own convolutions: the same parameters and the same logits."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.second = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.head = nn.Linear(2 * width * (SIDE // 4) ** 2, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = torch.tanh(self.second(torch.tanh(self.first(images.reshape(-1, 1, SIDE, SIDE)))))
        return self.head(features.movedim(1, -1).flatten(1))


def plain(learner: Classifier, params: Params) -> nn.Module:
    """The learner's plain double with these parameters."""
    width = params["hidden.bias"].numel() if learner.name == "mlp" else params["first.bias"].numel()
    module = PlainMlp(width) if learner.name == "mlp" else PlainCnn(width)
    module.load_state_dict({name: p.clone() for name, p in params.items()})
    return module


def mean_log_likelihood(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    with torch.no_grad():
        return -float(F.cross_entropy(module(inputs), targets))


def problem_of(folder: Path, learner: Classifier, rows: int) -> Problem:
    """A problem of digits, of ``CONTRIBUTORS``, whose training run is done already, and where nothing else is kept."""
    train, validation = splits(rows, 360, CONTRIBUTORS)
    engine = Engine(learner, train, validation, Ledger(folder / "ledger.sqlite"))
    names = tuple(f"c{i}" for i in range(CONTRIBUTORS))
    evaluator = Evaluator(0, "digits", 0, names, train, validation, engine)
    problem = evaluator._problem("benchmark", "leave-one-out", Meter("cpu"), (), lambda done: None)
    fit = problem.fit(0)
    return replace(problem, fit=lambda k: fit, shared=lambda key, build: build())
