"""Images as a pretrained model takes them, inside the module: pools stay as small as their own images."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from tasks.learners.pretrained import ImageForm


class Prepared(nn.Module):
    """Pixels N x C x H x W in [0, 1], resized and standardised as the model inside takes them.

    Grey images are given to every channel. Resizing here keeps pools as small as their own images.
    """

    def __init__(self, inner: nn.Module, form: ImageForm) -> None:
        super().__init__()
        self.inner, self._side = inner, form.side
        self.register_buffer("mean", torch.tensor(form.mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(form.deviation)[:, None, None], persistent=False)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, deviation = cast(torch.Tensor, self.mean), cast(torch.Tensor, self.deviation)
        if tuple(pixels.shape[-2:]) != self._side:
            pixels = F.interpolate(pixels, self._side, mode="bilinear", antialias=True)
        if pixels.shape[1] != len(mean):
            pixels = pixels.mean(1, keepdim=True).expand(-1, len(mean), -1, -1)
        return cast(tuple[torch.Tensor, torch.Tensor], self.inner((pixels - mean) / deviation))
