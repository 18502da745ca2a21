"""Bases: small models trained once on a task's generator split, and kept for every run after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional as F

from harness.files import CACHE, bases_folder, write_atomically
from harness.threads import one_thread
from harness.types import Ints, Params
from tasks.learners import transformer
from tasks.learners.encoding import IGNORED
from tasks.learners.sizes import Size

VERSION = 1
"""Raised whenever the same rows would give another base."""


def trained_language_model(
    name: str,
    size: Size,
    vocabulary: int,
    length: int,
    inputs_NT: Ints,
    targets_NT: Ints,
    *,
    steps: int,
    rate: float = 3e-3,
    batch_size: int = 64,
    seed: int = 0,
    keep: bool = True,
) -> Params:
    """Parameters of a small language model trained on the rows, from the cache if they have been trained before.

    Args:
        name: what it is for; another name is another base.
        size, vocabulary, length: as ``transformer.small`` takes them.
        inputs_NT, targets_NT: as LanguageModel takes them.
        steps, rate, batch_size: AdamW, the rate falling along a half cosine.
        keep: False: train it whatever the cache holds, and keep nothing, so that its price can be told.

    Raises:
        UserError: the cache folder cannot be written.
    """

    def build() -> nn.Module:
        return transformer.small("language model", vocabulary, length, size=size)

    rows = torch.from_numpy(inputs_NT), torch.from_numpy(targets_NT)
    if not keep:
        return _train(build, *rows, steps, rate, batch_size, seed)
    identity = {"name": name, "vocabulary": vocabulary, "size": str(size)}
    settings = {"steps": steps, "rate": rate, "batch_size": batch_size, "seed": seed, "version": VERSION}
    key = json.dumps({**identity, **settings, "torch": torch.__version__.split("+")[0]}, sort_keys=True)
    content = hashlib.sha256(key.encode())
    for ids_NT in (inputs_NT, targets_NT):
        content.update(np.ascontiguousarray(ids_NT, dtype=np.int64).tobytes())
    file = bases_folder() / f"base-{content.hexdigest()[:16]}.safetensors"
    for kept in (file, file.parent.parent / file.name):  # the latter: before bases had a folder of their own
        if kept.is_file():
            return load_file(kept)

    params = _train(build, *rows, steps, rate, batch_size, seed)
    weights = save({parameter: p.contiguous() for parameter, p in params.items()})
    write_atomically(file, weights, f"The trained base is kept there; name another folder in {CACHE}.")
    return params


def digest(params: Params) -> str:
    """Hash of parameters, for a learner's identity."""
    content = hashlib.sha256()
    for name in sorted(params):
        content.update(name.encode() + params[name].numpy().tobytes())
    return content.hexdigest()[:16]


def _train(
    build: Callable[[], nn.Module],
    inputs: torch.Tensor,
    targets: torch.Tensor,
    steps: int,
    rate: float,
    batch_size: int,
    seed: int,
) -> Params:
    """Plain training, in one thread so that it gives the same everywhere on a machine."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build()
        optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            rows = torch.randint(len(inputs), (batch_size,))
            width = int((targets[rows] != IGNORED).any(0).nonzero().max()) + 1
            logits = module(inputs[rows, :width])[0]
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[rows, 1:width].flatten(), ignore_index=IGNORED)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return {name: p.detach().clone() for name, p in module.named_parameters()}
