"""The quick suite as a whole process: wall time, peak memory, retrainings; and what `report` and `--help` take.

Run from the repository's root. ``--quick`` asks three methods on one pool with two seeds.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.bench import figure, spread, start, table, verdict

PROGRAM = [sys.executable, "runall.py"]


def seconds_of(arguments: list[str], accept: tuple[int, ...] = (0,)) -> float:
    """Wall seconds of one call of the program.

    Raises:
        RuntimeError: it ended with another exit status than is accepted; the end of its output is told.
    """
    begun = time.perf_counter()
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)
    taken = time.perf_counter() - begun
    if done.returncode not in accept:
        raise RuntimeError(f"exit status {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    if done.returncode:
        print(f"exit status {done.returncode}; some rows failed")
    return taken


def outcomes_in(ledger: Path) -> tuple[int, float]:
    """Trained models in a ledger, and the core-seconds that they took."""
    db = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    count, seconds = db.execute(
        "select count(*), coalesce(sum(core_seconds), 0) from outcomes where coalition like '%1%'"
    ).fetchone()
    db.close()
    return count, seconds


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--suite", default="embedded-quick")

    options = start(__doc__ or "", more=more)
    small = ["--pools", "1", "--seeds", "2", "--methods", "random,size,tracin"] if options.quick else []
    with tempfile.TemporaryDirectory() as name:
        place = ["--suite", options.suite, "--out", name]
        wall = seconds_of(["run", *place, "--fresh", *small], accept=(0, 1))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN)
        memory = peak.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        again = seconds_of(["run", *place, *small], accept=(0, 1))
        truth, methods = (outcomes_in(Path(name) / "ledger" / f"{kind}.sqlite") for kind in ("truth", "methods"))
        report = [seconds_of(["report", *place]) for _ in range(5)]
    help_ = [seconds_of(["--help"]) for _ in range(5)]
    retrained, trained_for = truth[0] + methods[0], truth[1] + methods[1]
    table(
        f"suite {options.suite}{' (cut short)' if options.quick else ''}",
        ["", ""],
        [
            ["run, from nothing to the leaderboard", f"{figure(wall)} s wall, {figure(peak.ru_utime)} s of processor"],
            ["peak memory", f"{figure(memory)} MB"],
            ["retrainings", f"{retrained:,} ({truth[0]:,} for the truth, {methods[0]:,} by methods)"],
            ["retrainings/s over the whole run", figure(retrained / wall)],
            ["core-seconds in retraining", f"{figure(trained_for)} s"],
            ["run again, all of it kept", f"{figure(again)} s"],
            ["report, median (min to max) of 5", f"{spread(report)} s"],
            ["--help, median (min to max) of 5", f"{spread(help_)} s"],
        ],
    )
    print()
    verdict("the suite's wall time", wall / 60, 10, " minutes", at_least=False)
    verdict("the suite's wall time, stretch", wall / 60, 5, " minutes", at_least=False)
    verdict("report, median", float(np.median(report)), 2, " s", at_least=False)
    verdict("--help, median", float(np.median(help_)), 1, " s", at_least=False)


if __name__ == "__main__":
    main()
