"""How large the held-out sample's noise is beside the seeds' in a leaderboard's truths, by task and question.

Both are variances of a contributor's mean value, told by the validation split as a second held-out sample
(``harness/statistics/ceilings.py``), each pool's as shares of its values' variance, averaged over pools. The noise of a
held-out sample falls as one over its rows, which tells how many would make it half of the seeds'.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from harness.config import load_suite
from harness.records.results import TruthRecord, load
from harness.report.matters import Matter, matters
from harness.statistics.ceilings import products
from harness.types import Floats
from tests.benchmarks.bench import figure, start, table

HALF = 0.5
"""Of the seeds' noise, that the held-out sample's should be at most."""

NONE = 1e-4
"""Share of the variance under which seeds have no noise to compare with."""


def shares(truth: TruthRecord) -> Floats:
    """Shares of the values' variance: noise of seeds, and of the held-out sample; nan if untold."""
    found = products(np.array(truth.values), np.array(truth.validation))
    if found is None:
        return np.full(2, np.nan)
    parts = found.components()
    return np.array([float(parts.seeds), float(parts.held_out)]) / float(parts.total)


def ratio(shares_P2: Floats) -> tuple[float, float]:
    """Held-out noise over seeds', and its standard error (jackknife over pools)."""
    total_2 = shares_P2.sum(axis=0)
    left_P2 = total_2 - shares_P2
    without_P = left_P2[:, 1] / left_P2[:, 0]
    spread = (without_P - without_P.mean()) ** 2
    return float(total_2[1] / total_2[0]), float(np.sqrt((1 - 1 / len(shares_P2)) * spread.sum()))


def row_of(matter: Matter) -> list[object]:
    """One row of the table."""
    truths = [matter.truths[pool] for pool in matter.pools]
    shares_P2 = np.array([shares(one) for one in truths])
    rows = float(np.mean([matter.dealt[pool].test_rows for pool in matter.pools]))
    told = [matter.task, matter.question, len(truths[0].values), f"{rows:.0f}"]
    parts = [f"{100 * share:.2f} %" for share in shares_P2.mean(axis=0)]
    if shares_P2[:, 0].mean() < NONE:
        return [*told, *parts, "seeds agree", ""]
    found, error = ratio(shares_P2)
    needed = f"{rows * found / HALF:.0f}" if found > HALF else ""
    return [*told, *parts, f"{figure(found, 2)} ± {figure(error, 2)}", needed]


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--board", type=Path, default=Path("leaderboards/embedded"), help="its folder")

    board = start(__doc__ or "", more=more).board
    found = matters(load_suite(board / "suite.toml"), load(board / "results"))
    headers = ["task", "question", "repeats", "test rows", "seeds", "held-out sample"]
    table(
        f"{board}, {max(len(matter.pools) for matter in found)} pools a task; noise as shares of the values' variance",
        [*headers, "held-out over seeds", f"rows for {HALF:g}"],
        [row_of(matter) for matter in found],
    )


if __name__ == "__main__":
    main()
