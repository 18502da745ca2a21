"""Time and memory of ``dataworth.value``: 12 x 500 and 12 x 5,000 texts, 200 contributors, a million rows.

python -m tests.benchmarks.valuing [CASE ...]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.valuing.files import BAD, GOOD, write

WORDS = 20_000
"""Of a Zipf-distributed vocabulary, as texts have it."""

CASES = {
    "12 x 500, auto": (12, 500, {"method": "auto"}),
    "12 x 500, auto, audit of 30": (12, 500, {"method": "auto", "audit": 30}),
    "12 x 5,000, mmd": (12, 5_000, {"method": "mmd"}),
    "12 x 5,000, knn-shapley:seeds=1": (12, 5_000, {"method": "knn-shapley:seeds=1"}),
    "200 x 100, auto": (200, 100, {"method": "auto"}),
    "2 x 500,000, mmd:seeds=1": (2, 500_000, {"method": "mmd:seeds=1", "parts": 0}),
}
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


def measure(name: str) -> None:
    """One case, in this process."""
    import dataworth

    contributors, each, options = CASES[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for c in range(contributors):
            write(folder / "vendors" / f"v{c:03}.csv", texts(each, c))
        target = write(folder / "target.csv", texts(TARGET, 10_000))
        started = time.perf_counter()
        found = dataworth.value(folder / "vendors", target, task="sentiment", progress=False, **options)
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    bill = found.outcome.bill
    print(
        f"{name}: {found.method}, {seconds:.0f} s (the method {bill.method.seconds:.1f}, parts "
        f"{bill.parts.seconds:.1f}), {peak:.2f} GB, others kept {bill.load:.0%} of the machine busy",
        flush=True,
    )


def main() -> None:
    for name in sys.argv[1:] or CASES:  # each in a process of its own, with a peak of its own
        program = f"from tests.benchmarks.valuing import measure; measure({name!r})"
        subprocess.run([sys.executable, "-c", program], check=True)


if __name__ == "__main__":
    main()
