"""Texts as bags of tokens: a classifier of a thousandth of a second, which starts from what words stand together.

fastText's classifier (Joulin et al. 2017, EACL) on byte pairs: the mean of a text's token vectors, then a linear head.
Vectors begin as those of latent semantic analysis (Deerwester et al. 1990), which asks for texts and for no label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import torch
from torch import nn

from harness.types import Ints, Plain, Recipe
from tasks.learners.base import digest
from tasks.learners.classifier import Classifier
from tasks.learners.functional import widest

WIDTH = 24

SCALE = 0.1
"""Deviation of the token vectors that training starts from."""


class TokenBag(nn.Module):
    """Token ids N x T, padded -> logits, and the sum of a text's token vectors over the root of their number, N x F.

    The head starts at nothing, so that an initialisation favours no label.
    """

    def __init__(self, vocabulary: int, labels: int, width: int, pad: int) -> None:
        super().__init__()
        self.vectors, self.head, self._pad = nn.Embedding(vocabulary, width), nn.Linear(width, labels), pad
        nn.init.normal_(self.vectors.weight, std=SCALE)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(cast(torch.Tensor, self.head.bias))

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        there = (ids != self._pad)[..., None].to(self.vectors.weight.dtype)
        features = (self.vectors(ids) * there).sum(1) / there.sum(1).clamp(min=1).sqrt()
        return self.head(features), features


def bag_classifier(
    inputs_NT: Ints,
    vocabulary: int,
    labels: int,
    recipe: Recipe,
    *,
    pad: int = 0,
    width: int = WIDTH,
    settings: Mapping[str, Plain] | None = None,
) -> Classifier:
    """A ``TokenBag`` as a learner; its narrower selves have shorter vectors.

    Args:
        inputs_NT: texts whose tokens' company the vectors begin with.
    """
    base = {"vectors.weight": latent_vectors(inputs_NT, vocabulary, width, pad)}

    def build(of: int) -> TokenBag:
        return TokenBag(vocabulary, labels, of, pad)

    def narrower(share: float) -> Callable[[], Classifier] | None:
        found = widest(share, build, width, range(width - 1, 0, -1))
        if found is None:
            return None
        return lambda: bag_classifier(inputs_NT, vocabulary, labels, recipe, pad=pad, width=found, settings=settings)

    distinct = {**(settings or {}), "width": width, "base": digest(base)}
    return Classifier("token-bag", lambda: build(width), labels, recipe, distinct, base, narrower)


def latent_vectors(inputs_NT: Ints, vocabulary: int, width: int, pad: int) -> torch.Tensor:
    """Of each token, vocabulary x width: the leading right singular vectors of texts x tokens, rare tokens weighed up.

    Weights are the inverse document frequencies; what no text holds is nothing.
    """
    from scipy import sparse
    from sklearn.decomposition import TruncatedSVD
    from threadpoolctl import threadpool_limits

    rows, places = np.nonzero(inputs_NT != pad)
    shape = (len(inputs_NT), vocabulary)
    holds = sparse.csr_matrix((np.ones(len(rows)), (rows, inputs_NT[rows, places])), shape=shape).sign()
    counts_V = np.asarray(holds.sum(axis=0)).ravel()
    weight_V = np.where(counts_V > 0, np.log(1 + len(inputs_NT) / np.maximum(counts_V, 1)), 0.0)
    with threadpool_limits(1):  # sums in one order, so that the same texts always give the same vectors
        axes = TruncatedSVD(min(width, vocabulary - 1), random_state=0).fit(holds.multiply(weight_V).tocsr())
    found_VW = axes.components_.T * weight_V[:, None]
    found_VW = np.pad(found_VW, ((0, 0), (0, width - found_VW.shape[1])))
    return torch.tensor(SCALE * found_VW / max(found_VW.std(), 1e-12), dtype=torch.float32)
