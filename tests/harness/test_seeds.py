"""Streams of random numbers depend on their names alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.seeds import seed_of, stream

ROOT = Path(__file__).resolve().parents[2]

roots = st.integers(0, 2**40)
names = st.text("abcdefghij-", min_size=1, max_size=8)
paths = st.lists(names | st.integers(0, 99), min_size=1, max_size=4)


@given(roots, paths)
def test_a_seed_is_the_head_of_a_hash_of_its_name(root: int, path: list[str | int]) -> None:
    text = "/".join(str(part) for part in [root, *path])
    head = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert seed_of(root, *path) == int(head, 16) // 2
    assert 0 <= seed_of(root, *path) < 2**63


@given(roots, st.lists(paths, min_size=2, max_size=5, unique_by=str), st.randoms())
def test_a_stream_is_the_same_whatever_was_drawn_before_it(root: int, asked: list, random: object) -> None:
    first = {str(path): stream(root, *path).random(4).tolist() for path in asked}
    random.shuffle(asked)  # type: ignore[attr-defined]
    assert {str(path): stream(root, *path).random(4).tolist() for path in asked} == first


@given(roots, paths, paths)
def test_other_names_and_other_roots_give_other_streams(root: int, one: list, other: list) -> None:
    if list(map(str, one)) != list(map(str, other)):
        assert seed_of(root, *one) != seed_of(root, *other)
    assert seed_of(root, *one) != seed_of(root + 1, *one)


def test_streams_of_neighbouring_names_are_uncorrelated() -> None:
    draws = np.stack([stream(0, "truth", k).standard_normal(4000) for k in range(8)])
    between = np.corrcoef(draws)[np.triu_indices(8, 1)]
    assert np.abs(between).max() < 5 / np.sqrt(4000)


def test_seeds_are_the_same_in_another_process() -> None:
    program = "from harness.seeds import seed_of, stream; print(seed_of(7, 'a', 3), stream(7, 'a', 3).random())"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [str(seed_of(7, "a", 3)), str(stream(7, "a", 3).random())]
