"""Retrainings per second: the engine against one model after another, plain torch or pyDVL with skorch.

Digits, 100 training rows of 20 contributors, 5 epochs at batch 32 = 20 steps; utility is the mean log-likelihood on
360 other rows. First all rows, from another seed each time; then random coalitions from one seed. skorch trains its
5 epochs of whatever rows a coalition has, so on random coalitions it takes fewer steps (its advantage). The engine runs
one worker a core; "one worker" is what one core gives, as the others are one process too.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.retraining.stacking import Stacking
from harness.retraining.training import draw_batches, on_device
from harness.types import Bools, Cost, Floats, Outcome, Recipe
from tasks.learners.classifier import Classifier
from tests.benchmarks.bench import Rival, figure, missing, race, spread, start, table, verdict
from tests.benchmarks.digits import cnn, mean_log_likelihood, mlp, plain, splits

ROWS, CONTRIBUTORS, BATCH, EPOCHS = 100, 20, 32, 5
RECIPE = Recipe(steps=EPOCHS * math.ceil(ROWS / BATCH), batch_size=BATCH, rate=0.1)
TRAIN, HELD_OUT = splits(ROWS, 360, CONTRIBUTORS)
ROWS_OF, ASKED_OF = on_device(TRAIN, "cpu"), on_device(HELD_OUT, "cpu")
LOADED = 100_000


class TimedLedger(Ledger):
    """A ledger that knows how long its writing took."""

    seconds = 0.0

    def record(self, context: str, found: Iterable[tuple[str, int, Outcome]]) -> None:
        begun = time.perf_counter()
        super().record(context, found)
        self.seconds += time.perf_counter() - begun


def random_batches(member_N: Bools) -> Iterator[torch.Tensor]:
    members = torch.from_numpy(np.flatnonzero(member_N))
    for _ in range(RECIPE.steps):
        yield members[torch.randperm(len(members))[:BATCH]]


def in_turn(learner: Classifier, seed: int, batches: Iterator[torch.Tensor]) -> float:
    """One retraining as anyone would write it."""
    module = plain(learner, learner.initialise(seed))
    optimiser = torch.optim.SGD(module.parameters(), lr=RECIPE.rate, momentum=RECIPE.momentum)
    for rate, rows in zip(RECIPE.rates(), batches, strict=True):
        optimiser.param_groups[0]["lr"] = float(rate)
        optimiser.zero_grad()
        F.cross_entropy(module(ROWS_OF["inputs"][rows]), ROWS_OF["targets"][rows]).backward()
        optimiser.step()
    return mean_log_likelihood(module, ASKED_OF["inputs"], ASKED_OF["targets"])


def with_pydvl(learner: Classifier, members_KN: Bools) -> Floats:
    """Utilities by pyDVL's ModelUtility over a skorch classifier, its callbacks off."""
    from pydvl.valuation.dataset import Dataset
    from pydvl.valuation.scorers import SupervisedScorer
    from pydvl.valuation.types import Sample
    from pydvl.valuation.utility import ModelUtility
    from skorch import NeuralNetClassifier

    model = NeuralNetClassifier(
        type(plain(learner, learner.initialise(0))),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__momentum=RECIPE.momentum,
        lr=RECIPE.rate,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks="disable",
        verbose=0,
        classes=list(range(10)),
    )
    data, asked = (Dataset(part.columns["inputs"].reshape(len(part), -1), part.targets) for part in (TRAIN, HELD_OUT))
    utility = ModelUtility(
        model, SupervisedScorer("neg_log_loss", asked, default=0.0), catch_errors=False
    ).with_dataset(data)
    return np.array([utility(Sample(None, np.flatnonzero(member_N))) for member_N in members_KN])


def compare(learner: Classifier, what: str, random: bool, quick: bool, folder: Path) -> dict[str, float]:
    """Retrainings per second of each rival on one kind of coalition, and the ledger's share of ours."""
    ours_K, theirs_K, rounds = 256, 4 if quick else 16, 2 if quick else 5
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, CONTRIBUTORS + 1, size=ours_K) if random else np.full(ours_K, CONTRIBUTORS)
    coalitions_KC = rng.random((ours_K, CONTRIBUTORS)).argsort(1).argsort(1) < sizes[:, None]
    members_KN = coalitions_KC[:, TRAIN.owners_N]
    texts = ["".join("01"[int(x)] for x in row) for row in coalitions_KC]
    ledger = TimedLedger(folder / f"{learner.name}-{random}.sqlite")
    engine = Engine(learner, TRAIN, HELD_OUT, ledger)
    alone_ledger = Ledger(folder / f"{learner.name}-{random}-alone.sqlite")
    alone = Engine(learner, TRAIN, HELD_OUT, alone_ledger, stacking=Stacking(engine.stacking.jobs, 1))
    ledger_shares: list[float] = []

    def jobs(turn: int) -> list[Job]:
        first = (turn + 1) * ours_K
        return [Job(text, first if random else first + k) for k, text in enumerate(texts)]

    def ours(turn: int) -> None:
        ledger.seconds, begun = 0.0, time.perf_counter()
        engine.outcomes(jobs(turn))
        ledger_shares.append(ledger.seconds / (time.perf_counter() - begun))

    rivals = {
        "engine": Rival(ours, threads=(1,)),
        "engine, one worker": Rival(lambda turn: alone.outcomes(jobs(turn)), threads=(1,)),
        "plain torch loop": Rival(
            lambda turn: [in_turn(learner, turn + k, random_batches(members_KN[k])) for k in range(theirs_K)]
        ),
    }
    if not missing("pydvl", "skorch"):
        rivals["pyDVL + skorch"] = Rival(lambda turn: with_pydvl(learner, members_KN[:theirs_K]))
    found = race(rivals, rounds)
    done = {name: ours_K if name.startswith("engine") else theirs_K for name in found}
    rates = {name: done[name] / timing.seconds for name, timing in found.items()}
    faster = {name: t.over(found["engine"]) * ours_K / done[name] for name, t in found.items()}
    table(
        f"{what} (engine: {engine.stacking.jobs} models a stack, {engine.stacking.workers} workers of one thread)",
        ["", "retrainings/s, median (min to max)", "threads", "engine is faster by"],
        [[n, spread(r), found[n].threads, f"{figure(faster[n])}x"] for n, r in rates.items()],
    )
    batches = draw_batches(members_KN[:1], [7], RECIPE)
    same = in_turn(learner, 7, (torch.from_numpy(rows[0][weights[0] > 0]) for rows, weights in batches))
    difference = abs(same - engine.outcomes([Job(texts[0], 7)])[0].utility)
    print(f"same batches, same model: utilities of engine and plain loop differ by {difference:.1e}")
    assert difference < 1e-4
    ledger.close()
    alone_ledger.close()
    return {"ledger": float(np.median(ledger_shares)), **faster}


def loading(folder: Path, rows: int) -> list[float]:
    """Seconds from a closed ledger of so many outcomes to an engine that knows them."""
    path, rng = folder / "many.sqlite", np.random.default_rng(0)
    ledger = Ledger(path)
    context = Engine(mlp(RECIPE), TRAIN, HELD_OUT, ledger).context
    marks = rng.random((rows, CONTRIBUTORS)) < 0.5
    outcome = Outcome(-0.5, 0.9, Cost(0.01, 0.01, 0.0, 1e9, 10.0, 1))
    ledger.record(context, (("".join("01"[int(x)] for x in row), k, outcome) for k, row in enumerate(marks)))
    ledger.close()
    found = []
    for _ in range(5):
        begun = time.perf_counter()
        ledger = Ledger(path)
        engine = Engine(mlp(RECIPE), TRAIN, HELD_OUT, ledger)
        found.append(time.perf_counter() - begun)
        assert len(engine._known) == rows
        ledger.close()
    return found


def main() -> None:
    options = start(__doc__ or "", ["pydvl", "skorch"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = compare(mlp(RECIPE), "MLP 64-128-10, all 100 rows", False, options.quick, folder)
        some = compare(mlp(RECIPE), "MLP 64-128-10, random coalitions", True, options.quick, folder)
        compare(cnn(RECIPE), "Small CNN of the image task, all 100 rows", False, options.quick, folder)
        loaded = 2_000 if options.quick else LOADED
        seconds = loading(folder, loaded)
    print()
    for place, found in (("all rows", full), ("random coalitions", some)):
        if "pyDVL + skorch" in found:
            verdict(f"MLP, {place}, against pyDVL + skorch", found["pyDVL + skorch"], 10)
        verdict(f"MLP, {place}, against the plain loop", found["plain torch loop"], 5)
        verdict(f"ledger's share of retraining time, {place}", 100 * found["ledger"], 1, " %", at_least=False)
    verdict(f"{loaded:,} outcomes loaded, {spread(seconds)} s", float(np.median(seconds)), 2, " s", at_least=False)


if __name__ == "__main__":
    main()
