"""Small files of contributors, as tests bring them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

GOOD, BAD = ("fine", "great", "lovely", "warm", "clever"), ("dull", "poor", "ugly", "cold", "stupid")
FILLING = tuple(f"word{k}" for k in range(40))

Row = tuple[str, str]


def reviews(count: int, seed: int, wrong: float = 0.0) -> list[Row]:
    """Texts of twelve words whose label two of them tell; a share of the labels is wrong."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        positive = bool(rng.integers(2))
        told = rng.choice(GOOD if positive else BAD, size=3)
        words = [*told, *rng.choice(FILLING, size=9)]
        rng.shuffle(words)
        label = positive != (rng.random() < wrong)
        rows.append((" ".join(words), "positive" if label else "negative"))
    return rows


def write(
    file: Path, rows: Sequence[Row], columns: tuple[str, str] = ("text", "label"), encoding: str = "utf-8"
) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding=encoding, newline="") as opened:
        if file.suffix == ".jsonl":
            opened.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
        else:
            csv.writer(opened).writerows([columns, *rows])
    return file


def vendors(folder: Path, contributors: int = 3, each: int = 24, target: int = 40) -> tuple[Path, Path]:
    """A folder of contributors' files and a target's file; the last contributor's labels are chance."""
    for c in range(contributors):
        wrong = 0.5 if c == contributors - 1 else 0.0
        write(folder / "vendors" / f"v{c}.csv", reviews(each, c, wrong))
    return folder / "vendors", write(folder / "target.csv", reviews(target, 1_000))
