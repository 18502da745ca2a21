"""Time and memory of ``dataworth.value``: 12 x 500 and 12 x 5,000 texts, 200 contributors, a million rows.

python -m tests.benchmarks.valuing [CASE ...]
"""

from __future__ import annotations

import csv
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.valuing.files import BAD, GOOD, write

WORDS = 20_000
"""Of a Zipf-distributed vocabulary, as texts have it."""

CASES: dict[str, tuple[int, int, dict[str, Any]]] = {
    "12 x 500, auto": (12, 500, {"method": "auto"}),
    "12 x 500, auto, audit of 30": (12, 500, {"method": "auto", "audit": 30}),
    "12 x 5,000, mmd": (12, 5_000, {"method": "mmd"}),
    "12 x 5,000, knn-shapley": (12, 5_000, {"method": "knn-shapley"}),
    "200 x 100, auto": (200, 100, {"method": "auto"}),
    "one table of 1,000,000 rows of 10, mmd:seeds=1": (10, 100_000, {"method": "mmd:seeds=1", "parts": 0}),
}
"""Contributors, texts of each, and how they are valued."""

TARGET = 600


def texts(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts of 18 words; three of them tell the label nine times in ten."""
    rng = np.random.default_rng(seed)
    words = np.minimum(rng.zipf(1.2, size=(count, 15)), WORDS)
    positive = rng.random(count) < 0.5
    told = np.where(rng.random(count) < 0.9, positive, ~positive)
    chosen = rng.integers(len(GOOD), size=(count, 3))
    return [
        (
            " ".join([*(GOOD[k] if good else BAD[k] for k in row), *(f"w{word}" for word in line)]),
            "positive" if label else "negative",
        )
        for line, row, good, label in zip(words, chosen, told, positive, strict=True)
    ]


def make(name: str, folder: Path) -> None:
    """The files of a case."""
    contributors, each, _ = CASES[name]
    write(folder / "target.csv", texts(TARGET, 10_000))
    if not name.startswith("one table"):
        for c in range(contributors):
            write(folder / "vendors" / f"v{c:03}.csv", texts(each, c))
        return
    rows = [(*row, f"v{c:03}") for c in range(contributors) for row in texts(each, c)]
    random.Random(0).shuffle(rows)
    with (folder / "vendors.csv").open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([("text", "label", "vendor"), *rows])


def measure(name: str, folder: str) -> None:
    """One case, in this process."""
    import dataworth

    given = next(path for path in Path(folder).iterdir() if path.stem == "vendors")
    started = time.perf_counter()
    found = dataworth.value(given, Path(folder) / "target.csv", task="sentiment", progress=False, **CASES[name][2])
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    bill = found.outcome.bill
    started = time.perf_counter()
    found.save(Path(folder) / "drawn")
    drawn = time.perf_counter() - started
    print(
        f"{name}: {found.method}, {seconds:.0f} s (the method {bill.method.seconds:.1f}, parts "
        f"{bill.parts.seconds:.1f}), {peak:.2f} GB, drawn in {drawn:.2f} s, others kept {bill.load:.0%} of the machine "
        "busy",
        flush=True,
    )


def main() -> None:
    for name in sys.argv[1:] or CASES:  # each in a process of its own, with a peak of its own
        with tempfile.TemporaryDirectory() as folder:
            make(name, Path(folder))
            program = f"from tests.benchmarks.valuing import measure; measure({name!r}, {folder!r})"
            subprocess.run([sys.executable, "-c", program], check=True)


if __name__ == "__main__":
    main()
