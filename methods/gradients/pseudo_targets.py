"""Vectors in the logits whose outer products make the loss's Hessian there: what comes back from them is curvature.

The Gauss-Newton matrix is a sum over examples of J'HJ, H the Hessian of the loss in the logits. Where H = sum of s s',
it is a sum of (J's)(J's)'. A loss here is a weighted sum over positions of cross-entropies, of which H is
w (diag(p) - pp'), the covariance of w^1/2 (p - a label drawn from p): the true Fisher matrix, not the empirical one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import grad

from harness.types import Batch, Learner
from methods.algebra import EXACT_CLASSES

SURE = 1e-12
"""p (1 - p) below which a position has no curvature to speak of, and its weight cannot be told."""


def roots_of_curvature(learner: Learner, logits: Tensor, batch: Batch, generator: torch.Generator) -> list[Tensor]:
    """Vectors of the logits' shape whose outer products, example by example, add up to the loss's Hessian.

    Exactly so where an example has one position and few classes: w^1/2 p_k^1/2 (p - e_k) for each class k. Else one
    vector, of which it is the expectation: the label of each position is drawn from p.
    """
    p = torch.softmax(logits.detach().float(), -1)
    root = _weights(learner, p, logits, batch).sqrt()[..., None]
    classes = p.shape[-1]
    if p.numel() == len(p) * classes and classes <= EXACT_CLASSES:
        one_hot = torch.eye(classes, device=p.device)
        return [root * p[..., k : k + 1].sqrt() * (p - one_hot[k]) for k in range(classes)]
    drawn = torch.multinomial(p.flatten(0, -2).cpu(), 1, generator=generator).to(p.device)
    return [root * (p - torch.zeros_like(p).scatter_(-1, drawn.reshape(*p.shape[:-1], 1), 1.0))]


def _weights(learner: Learner, p: Tensor, logits: Tensor, batch: Batch) -> Tensor:
    """w of each position, 0 where nothing is to be learnt: read off one entry of H a position, where p (1 - p) is most.

    H is asked for by the loss itself, so that no learner has to say how it averages over positions.
    """
    point = logits.detach().float().requires_grad_()
    (slope,) = grad(learner.losses_of(point, batch).sum(), point, create_graph=True)
    spread, place = (p * (1 - p)).max(-1, keepdim=True)
    (curved,) = grad(slope, point, torch.zeros_like(p).scatter_(-1, place, 1.0))
    return torch.where(spread > SURE, curved.gather(-1, place) / spread.clamp(min=SURE), 0.0).clamp(min=0.0)[..., 0]
