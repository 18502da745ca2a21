"""What leave-one-out costs at equal standard error with its derivative as a control variate: the four embedded tasks.

Truth of i = mean of b d over N seeds + mean of (LOO - b d) over S of these: unbiased for any fixed b, since the seeds
are alike. LOO is coupled retraining (C + 1 retrainings a seed), d the derivative of everyone's utility backward
through training (``metagradient:swaps``), for all contributors at once. With a correlation rho between
their noises the variance is that of LOO times (1 - rho^2) / S + rho^2 / N (Cochran 1977, Sampling Techniques, chapter
12: double sampling with regression). Noise is of a contributor's place: less the mean over contributors, which changes
no rank. The held-out sample's noise is the same with and without, and in neither figure. The slope and rho are
fitted to the same seeds that they are judged on, which flatters the control variate a little. The training on everyone
that both need could be shared, which takes at most one in C + 1 off the cost.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from harness import registry
from harness.coalitions import to_text
from harness.config import TaskSettings
from harness.metering.flops import FlopCounter
from harness.retraining.chunks import Chunk, Job, retrain_chunk
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.retraining.stacking import stacks_of
from harness.retraining.training import traced, warm_up
from harness.retraining.workspace import Workspace
from harness.statistics.scores import spearman
from harness.truth.questions import leave_one_out_coalitions
from harness.types import Floats, Outcome
from methods.metagradient import of_rows, swaps
from tests.benchmarks.bench import figure, start, table, verdict

TASKS = ("image-classification", "sentiment", "instruction-following", "reasoning")

SMOOTHING = 1.0
"""The method's own rule."""

PLAIN = (12, 4)
"""Seeds of plain leave-one-out whose standard error is to be reached."""


def limit(rho: float, price: float, retrainings: int) -> float:
    """Least share of plain leave-one-out's cost at equal variance, were seeds divisible.

    Args:
        price: of one seed's derivative, in retrainings.
        retrainings: of one seed of leave-one-out, C + 1.
    """
    return min(1.0, (math.sqrt(1 - rho**2) + abs(rho) * math.sqrt(price / retrainings)) ** 2)


def least_cost(rho: float, price: float, retrainings: int, plain: int) -> float:
    """The same for whole seeds, at least two of retraining: fewer tell no standard error. 1 where nothing is saved."""
    costs = [1.0]
    for seeds in range(2, plain):
        room = 1 / plain - (1 - rho**2) / seeds
        if room > 0:
            of_derivative = max(seeds, math.ceil(rho**2 / room - 1e-9))
            costs.append((seeds * retrainings + of_derivative * price) / (plain * retrainings))
    return min(costs)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One pool: leave-one-out and its derivatives by seed, S x C, and core-seconds of one retraining and derivative."""

    retrained_SC: Floats
    derived_SC: dict[float, Floats]
    retraining: float
    derivative: float


def measure(name: str, index: int, seeds: int) -> Measured:
    """Retrain and differentiate on the same seeds, in stacks as the engine has them, on one thread."""
    task = registry.task(name, "embedded", TaskSettings(), None)
    pool, learner = task.deal(index), task.learner()
    warm_up(learner, pool.train, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        engine = Engine(learner, pool.train, pool.test, ledger)
        ledger.close()
    here, rows = engine.workspace, [to_text(row) for row in leave_one_out_coalitions(engine.contributors)]
    jobs = [Job(row, seed) for seed in range(seeds) for row in rows]
    most, outcomes = engine.side_by_side(jobs), dict[Job, Outcome]()
    begun = time.process_time()
    for part in stacks_of(len(jobs), most, 2):
        stack = tuple(jobs[part.start : part.stop])
        outcomes.update(retrain_chunk(Chunk(engine.context, "cpu", stack, most > 1, engine.stacking.outputs)).outcomes)
    retraining = (time.process_time() - begun) / len(jobs)
    utilities_SK = np.array([outcomes[job].utility for job in jobs]).reshape(seeds, -1)
    derived, begun = dict[float, Floats](), time.process_time()
    smoothings = (0.0, SMOOTHING) if learner.recipe.optimiser == "adamw" else (0.0,)
    for smoothing in smoothings:
        found = [derivatives(here, seed, smoothing) for seed in range(seeds)]
        derived[smoothing] = np.array([values_C for values_C, _ in found])
        if not np.allclose([utility for _, utility in found], utilities_SK[:, 0], atol=1e-4):
            raise RuntimeError(f"{name}: the derivative's own training is another than the engine's.")
    derivative = (time.process_time() - begun) / (seeds * len(smoothings))
    return Measured(utilities_SK[:, :1] - utilities_SK[:, 1:], derived, retraining, derivative)


def derivatives(here: Workspace, seed: int, smoothing: float) -> tuple[Floats, float]:
    """What everyone's utility owes to each contributor's rows, to first order, C, and that utility."""
    learner, everyone = here.learner, np.ones(len(here.owners_N), dtype=bool)
    fit, _ = traced(learner, here.train, here.initial(seed), everyone, here.owners_N, seed, FlopCounter())
    share = smoothing**2 * 2 / here.contributors
    owed_TK = of_rows(learner, fit, here.train, here.held_out, fit.order_TK.shape[1], share)
    swaps_CTK = swaps(here.owners_N[fit.order_TK], fit.batch_size, here.contributors)
    with torch.no_grad():
        utility = float(-learner.losses(fit.params, here.held_out).mean())
    return np.einsum("ctk,tk->c", swaps_CTK, owed_TK), utility


def placed(values_SC: Floats) -> Floats:
    """Each contributor's place among the others."""
    return np.asarray(values_SC - values_SC.mean(axis=1, keepdims=True))


def noise_of(values_SC: Floats) -> Floats:
    """What seeds do to each contributor's place, S x C."""
    return np.asarray(placed(values_SC) - placed(values_SC).mean(axis=0))


def seed_to_seed(values_SC: Floats) -> float:
    """Mean Spearman of one seed's values with another's."""
    pairs = [(a, b) for a in range(len(values_SC)) for b in range(a)]
    return float(np.mean([spearman(values_SC[a], values_SC[b]) for a, b in pairs]))


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=12)
        parser.add_argument("--pool", type=int, default=100)
        parser.add_argument("--tasks", nargs="+", default=TASKS)

    options = start(__doc__ or "", more=more)
    torch.set_num_threads(1)
    seeds, agreement, cost, shares = 3 if options.quick else options.seeds, [], [], []
    for name in options.tasks[:1] if options.quick else options.tasks:
        found = measure(name, options.pool, seeds)
        noise_SC, best = noise_of(found.retrained_SC), []
        for smoothing, derived_SC in found.derived_SC.items():
            retrainings, price = found.retrained_SC.shape[1] + 1, found.derivative / found.retraining
            other_SC = noise_of(derived_SC)
            slope = float((noise_SC * other_SC).sum() / (other_SC**2).sum())
            rho = float(np.corrcoef(noise_SC.ravel(), other_SC.ravel())[0, 1])
            left = float(((noise_SC - slope * other_SC) ** 2).sum() / (noise_SC**2).sum())
            which = [name, f"{smoothing:g}"]
            within = np.mean([spearman(a, b) for a, b in zip(found.retrained_SC, derived_SC, strict=True)])
            means = spearman(found.retrained_SC.mean(axis=0), derived_SC.mean(axis=0))
            of_seeds = [seed_to_seed(found.retrained_SC), seed_to_seed(derived_SC)]
            agreement.append([*which, *(f"{x:.2f}" for x in (within, means, *of_seeds))])
            best.append([limit(rho, price, retrainings)] + [least_cost(rho, price, retrainings, s) for s in PLAIN])
            money = [figure(1e3 * found.retraining), figure(1e3 * found.derivative), figure(price)]
            cost.append([*which, f"{rho:.3f}", figure(slope), figure(left), *money, *(f"{x:.2f}" for x in best[-1])])
        shares.append((name, min(best)[0]))
    table(
        f"Does the derivative know leave-one-out? Spearman over contributors, pool {options.pool}, {seeds} seeds",
        ["", "smoothing", "on one seed", "of means", "retrained, seed to seed", "derivative, seed to seed"],
        agreement,
    )
    table(
        "Cost at equal standard error, share of plain leave-one-out's",
        [
            *("", "smoothing", "rho of noise", "slope b", "variance left", "ms a retraining", "ms a derivative"),
            *("price", "cost at best", *(f"cost for {s} seeds" for s in PLAIN)),
        ],
        cost,
    )
    print(
        "Milliseconds of one core. Price: retrainings that a derivative costs. At best: as if seeds were divisible.\n"
    )
    for name, share in shares:
        verdict(f"cost at best, {name}", share, 1 / 3, unit="", at_least=False)


if __name__ == "__main__":
    main()
