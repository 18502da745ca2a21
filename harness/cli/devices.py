"""``--device``: what a person asks for as torch knows it."""

from __future__ import annotations

import torch

from harness.errors import UserError


def device_of(asked: str) -> str:
    """The device that is asked for; the first GPU, or the CPU where there is none, for ``auto``.

    Raises:
        UserError: it is no device, or this machine has none such.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise UserError(f"--device {asked!r} is no device; use cpu, cuda, cuda:1, ... or auto.") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {asked!r} is not supported; use cpu, cuda, cuda:1, ... or auto.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {asked!r}: this machine has {torch.cuda.device_count()} CUDA devices; use cpu or auto."
        )
    return asked
