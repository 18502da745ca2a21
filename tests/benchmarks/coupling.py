"""How many retrainings coupling saves: leave-one-out of the image task with coupled against independent seeds.

Coupled: one seed trains everyone and everyone but i, all from one initialisation and one order of examples: C + 1
retrainings give all C differences. Independent: each retraining has a seed of its own; everyone's utility is still
shared by all C differences, with as many repeats as serve it best. Two precisions: of the values (variance of
U(N) - U(N without i)) and of their order (the same less its mean over contributors, since an error that all share
changes no rank; it leaves the independent design only the noise of U(N without i)).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from harness.coalitions import to_text
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.statistics.ceilings import split_half_reliability
from harness.statistics.scores import spearman
from harness.truth.questions import leave_one_out_coalitions
from harness.types import Floats
from tasks.embedded import image_classification
from tests.benchmarks.bench import figure, start, table, verdict

FEW = 4
"""Seeds of a cheap truth, at which the two designs differ most."""


def utilities(engine: Engine, seeds: int) -> tuple[Floats, Floats]:
    """Utilities S x (1 + C), coupled and independent; the independent seeds are all different."""
    rows = [to_text(row) for row in leave_one_out_coalitions(engine.contributors)]
    coupled = [Job(row, s) for s in range(seeds) for row in rows]
    independent = [Job(row, 1_000 + k) for k, row in enumerate(rows * seeds)]
    outcomes = engine.outcomes([*coupled, *independent])
    both = np.array([outcome.utility for outcome in outcomes]).reshape(2, seeds, len(rows))
    return both[0], both[1]


def noise(differences_SC: Floats) -> tuple[float, float]:
    """Variance over seeds of one contributor's difference, and of its place among the others'."""
    placed_SC = differences_SC - differences_SC.mean(axis=1, keepdims=True)
    return float(differences_SC.var(axis=0, ddof=1).mean()), float(placed_SC.var(axis=0, ddof=1).mean())


def halves(values_SC: Floats, size: int, rng: np.random.Generator, splits: int = 400) -> float:
    """Mean Spearman correlation of two disjoint random sets of ``size`` seeds."""
    found = []
    for _ in range(splits):
        order = rng.permutation(len(values_SC))
        found.append(spearman(values_SC[order[:size]].mean(0), values_SC[order[size : 2 * size]].mean(0)))
    return float(np.mean(found))


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=24)
        parser.add_argument("--pools", type=int, nargs="+", default=[0, 1])

    options = start(__doc__ or "", more=more)
    seeds = 2 * FEW if options.quick else options.seeds
    rows, of_values, of_order = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for index in options.pools:
            pool, rng = image_classification.deal_pool(index), np.random.default_rng(index)
            ledger = Ledger(Path(folder) / f"{index}.sqlite")
            engine = Engine(image_classification.small_cnn(), pool.train, pool.test, ledger)
            found = utilities(engine, seeds)
            coupled, independent = (u_SK[:, :1] - u_SK[:, 1:] for u_SK in found)
            contributors = coupled.shape[1]
            everyone = float(found[1][:, 0].var(ddof=1))
            without = float(found[1][:, 1:].var(axis=0, ddof=1).mean())
            value, order = noise(coupled)
            # Of T retrainings, the best share goes to U(N): least variance (a + b)^2 / T, with a^2, b^2 the two noises.
            best = (np.sqrt(everyone) + np.sqrt(contributors * without)) ** 2 / (contributors + 1)
            of_values.append(best / value)
            of_order.append(noise(independent)[1] / order)
            for name, differences, noises in (
                ("coupled", coupled, (value, order)),
                ("independent", independent, noise(independent)),
            ):
                mean_of = lambda chosen, d=differences: d[chosen].mean(axis=0)  # noqa: E731
                rows.append(
                    [f"pool {index}", name, *(figure(np.sqrt(n)) for n in noises)]
                    + [figure(halves(differences, size, rng)) for size in (1, FEW, seeds // 2)]
                    + [figure(split_half_reliability(mean_of, seeds, rng))]
                )
            rows.append([f"pool {index}", "retrainings saved", f"{of_values[-1]:.1f}x", f"{of_order[-1]:.1f}x"])
            ledger.close()
    table(
        f"Leave-one-out on digits, {contributors} contributors, {seeds} seeds of {contributors + 1} retrainings each",
        ["", "", "noise of one seed's value", "of its place"]
        + [f"repeats at {size} seeds" for size in (1, FEW, seeds // 2)]
        + [f"ceiling at {seeds}"],
        rows,
    )
    print("Noise: standard deviation. Repeats: Spearman between two disjoint sets of so many seeds.")
    print("Saved: how many times fewer retrainings for the same variance, the independent design at its best split.\n")
    verdict("retrainings saved, values, mean over pools", float(np.mean(of_values)), 5)
    verdict("retrainings saved, order, mean over pools", float(np.mean(of_order)), 5)


if __name__ == "__main__":
    main()
