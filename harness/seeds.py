"""Randomness is an argument, and streams have names: adding a method never shifts another's draws."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(root: int, *path: str | int) -> int:
    """A 63-bit seed for one purpose, e.g. ``seed_of(0, "truth", "image-classification", 3)``."""
    digest = hashlib.sha256("/".join([str(root), *map(str, path)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(root: int, *path: str | int) -> np.random.Generator:
    """An independent generator for one purpose, named like its seed."""
    return np.random.default_rng(seed_of(root, *path))
