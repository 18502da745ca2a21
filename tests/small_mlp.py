"""A network of linear layers alone: quick to train, and one that libraries which know no other layers can follow."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class SmallMlp(nn.Module):
    """One hidden layer; for tests and speed comparisons with libraries that know only linear layers."""

    def __init__(self, inputs: int, classes: int, width: int = 128) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, width)
        self.head = nn.Linear(width, classes)

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = F.relu(self.hidden(rows.flatten(1)))
        return self.head(features), features
