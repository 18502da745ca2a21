"""Log-odds of targets, to all their digits however sure a model is.

A probability near 1 keeps none of what it lacks, in single precision from 6e-8 on: so nothing here takes it from 1.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

LEAST_LOSS = 1e-30
"""Of a sequence; a model that is surer of it, by 69 in every token's log-odds, is taken to be no surer."""


def log_odds(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """log p - log(1 - p) of targets (any shape) by softmax over the last axis of logits: against all others' sum."""
    own = torch.arange(logits.shape[-1], device=logits.device) == targets[..., None]
    others = logits.masked_fill(own, -torch.inf).logsumexp(-1)
    return torch.where(own, logits, 0.0).sum(-1) - others


def sequence_log_odds(token_odds_NT: torch.Tensor, learnt_NT: torch.Tensor) -> torch.Tensor:
    """The same of the geometric mean of tokens' probabilities, N, over those to be learnt."""
    losses_NT = torch.where(learnt_NT, F.softplus(-token_odds_NT), 0.0)
    losses = (losses_NT.sum(1) / learnt_NT.sum(1).clamp(min=1)).clamp(min=LEAST_LOSS)
    return -losses - (-(-losses).expm1()).log()
