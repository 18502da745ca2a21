"""Learners of the tiny tasks: a few hundred parameters, linear layers and an embedding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from harness.types import Learner, Recipe
from tasks.learners.classifier import Classifier
from tasks.learners.functional import Narrower, widest
from tasks.learners.language_model import LanguageModel
from tasks.tiny.pools import CLASSES, SIDE, WORDS

WIDTH = 5
RECIPE = Recipe(steps=6, batch_size=8, rate=0.1, checkpoints=3)


class Pixels(nn.Module):
    """One hidden layer on flattened images."""

    def __init__(self, width: int, bias: bool = True) -> None:
        super().__init__()
        self.hidden = nn.Linear(SIDE * SIDE, width, bias=bias)
        self.head = nn.Linear(width, CLASSES, bias=bias)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = F.relu(self.hidden(images.flatten(1)))
        return self.head(features), features


class Bag(nn.Module):
    """The mean of a text's embeddings, one hidden layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, width)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.tanh(self.hidden(self.words(ids).mean(1)))
        return self.head(features), features


class Writer(nn.Module):
    """Each position's mean of what came before it, one hidden layer, logits over the vocabulary."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, width)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, WORDS)

    def forward(self, ids: torch.Tensor, places: None = None) -> tuple[torch.Tensor, torch.Tensor]:
        before = 1 / torch.arange(1, ids.shape[1] + 1, device=ids.device)[:, None]
        hidden = torch.tanh(self.hidden(self.words(ids).cumsum(1) * before))
        return self.head(hidden), hidden


def of_images(width: int = WIDTH) -> Learner:
    narrower = _narrower(Pixels, of_images, width)
    return Classifier("tiny-pixels", partial(Pixels, width), CLASSES, RECIPE, {"width": width}, narrower=narrower)


def without_bias(width: int = WIDTH) -> Learner:
    build = partial(Pixels, bias=False)
    narrower = _narrower(build, without_bias, width)
    settings = {"width": width, "bias": False}
    return Classifier("tiny-pixels", partial(build, width), CLASSES, RECIPE, settings, narrower=narrower)


def of_bags(width: int = WIDTH) -> Learner:
    narrower = _narrower(Bag, of_bags, width)
    return Classifier("tiny-bag", partial(Bag, width), 2, RECIPE, {"width": width}, narrower=narrower)


def of_sums(width: int = WIDTH) -> Learner:
    narrower = _narrower(Writer, of_sums, width)
    return LanguageModel(
        "tiny-writer", partial(Writer, width), WORDS, RECIPE, settings={"width": width}, narrower=narrower
    )


def _narrower(build: Callable[[int], nn.Module], make: Callable[[int], Learner], width: int) -> Narrower:
    """As the tasks' own learners have it: the widest of at most a share of the parameters."""

    def narrower(share: float) -> Callable[[], Learner] | None:
        found = widest(share, build, width, range(width - 1, 0, -1))
        return None if found is None else partial(make, found)

    return narrower
