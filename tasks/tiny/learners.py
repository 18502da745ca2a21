"""Learners of the tiny tasks: a few hundred parameters, linear layers and an embedding."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from harness.types import Learner, Recipe
from tasks.learners.classifier import Classifier
from tasks.learners.language_model import LanguageModel
from tasks.tiny.pools import CLASSES, SIDE, WORDS

WIDTH = 5
RECIPE = Recipe(steps=6, batch_size=8, rate=0.1, checkpoints=3)


class Pixels(nn.Module):
    """One hidden layer on flattened images."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.hidden = nn.Linear(SIDE * SIDE, WIDTH, bias=bias)
        self.head = nn.Linear(WIDTH, CLASSES, bias=bias)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = F.relu(self.hidden(images.flatten(1)))
        return self.head(features), features


class Bag(nn.Module):
    """The mean of a text's embeddings, one hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.hidden = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.tanh(self.hidden(self.words(ids).mean(1)))
        return self.head(features), features


class Writer(nn.Module):
    """Each position's mean of what came before it, one hidden layer, logits over the vocabulary."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.hidden = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, ids: torch.Tensor, places: None = None) -> tuple[torch.Tensor, torch.Tensor]:
        before = 1 / torch.arange(1, ids.shape[1] + 1, device=ids.device)[:, None]
        hidden = torch.tanh(self.hidden(self.words(ids).cumsum(1) * before))
        return self.head(hidden), hidden


def of_images() -> Learner:
    return Classifier("tiny-pixels", Pixels, CLASSES, RECIPE)


def without_bias() -> Learner:
    return Classifier("tiny-pixels, no bias", lambda: Pixels(bias=False), CLASSES, RECIPE)


def of_bags() -> Learner:
    return Classifier("tiny-bag", Bag, 2, RECIPE)


def of_sums() -> Learner:
    return LanguageModel("tiny-writer", Writer, WORDS, RECIPE)
