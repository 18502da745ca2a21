"""Linear datamodeling scores: all at once, against the loop over held-out examples or methods that a user writes.

1. As its paper has it: values of 1,437 training examples for each of 360 held-out ones, 100 random halves, one score a
   held-out example. Against the loop (sums by indexing, ``scipy.stats.spearmanr``) and against dattri's ``lds``.
2. As ``dataworth study lds`` has it: 40 methods' values of 24 contributors, 64 random halves and 200 bootstrap draws
   of them, one score a method and draw. Against the same loop.

The retraining that it stands on is not timed; ``retraining_speed`` does. Scores must be the loop's: to the bit of our
own Spearman taken pair by pair, and to rounding of scipy's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import spearmanr

from harness.statistics.datamodeling import linear_datamodeling_scores
from harness.statistics.scores import spearman
from harness.types import Bools, Floats
from tests.benchmarks.bench import Rival, missing, race, spread, start, table, verdict

Route = Callable[[], Floats]
TARGET = 30


def halves(examples: int, coalitions: int, rng: np.random.Generator) -> Bools:
    return np.asarray(rng.permuted(np.tile(np.arange(examples), (coalitions, 1)), axis=1) < examples // 2)


def looped(
    values_MC: Floats, members_KC: Bools, outcomes_MK: Floats, score: Callable[[Floats, Floats], float]
) -> Floats:
    """A row of values and its outcomes at a time."""
    found = []
    for values_C, outcomes_K in zip(values_MC, outcomes_MK, strict=True):
        sums_K = np.array([values_C[members_C].sum() for members_C in members_KC])
        found.append(score(sums_K, outcomes_K))
    return np.array(found)


def scipys(sums_K: Floats, outcomes_K: Floats) -> float:
    return float(spearmanr(sums_K, outcomes_K)[0])


def told(title: str, routes: dict[str, Route], bits: Floats, rounds: int) -> None:
    """Time them, and hold ours to the other answers."""
    answers = {name: route() for name, route in routes.items()}
    found = race({name: Rival(lambda _, route=route: route()) for name, route in routes.items()}, rounds)
    own = found["ours"]
    table(
        title,
        ["", "ms, median (min to max)", "over ours", "largest difference from ours"],
        [
            [
                name,
                spread(1e3 * t.seconds),
                f"{t.over(own):.1f}x",
                f"{np.abs(answers[name] - answers['ours']).max():.1e}",
            ]
            for name, t in found.items()
        ],
    )
    equal = np.array_equal(bits, answers["ours"])
    print(f"{'met   ' if equal else 'MISSED'}  equal to our own Spearman pair by pair, to the bit: {equal}")
    for name, t in found.items():
        if name != "ours":
            verdict(f"over {name}", t.over(own), TARGET)


def of_examples(train: int, held_out: int, coalitions: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    values_NC = rng.standard_normal((held_out, train))
    members_KC = halves(train, coalitions, rng)
    outcomes_NK = values_NC @ members_KC.T + 20 * rng.standard_normal((held_out, coalitions))
    routes: dict[str, Route] = {
        "ours": lambda: linear_datamodeling_scores(values_NC, members_KC, outcomes_NK),
        "loop with scipy": lambda: looped(values_NC, members_KC, outcomes_NK, scipys),
    }
    if not missing("dattri"):
        from dattri.metric import lds

        chosen_KH = torch.from_numpy(np.array([np.flatnonzero(row) for row in members_KC]))
        score, outcomes = torch.from_numpy(values_NC.T), torch.from_numpy(outcomes_NK.T)
        routes["dattri"] = lambda: lds(score, (outcomes, chosen_KH))[0].numpy()
    bits = looped(values_NC, members_KC, outcomes_NK, spearman)
    told(f"{held_out} held-out examples, {train:,} training examples, {coalitions} halves", routes, bits, rounds)


def of_methods(methods: int, contributors: int, coalitions: int, draws: int, rounds: int) -> None:
    rng = np.random.default_rng(1)
    values_MC, members_KC = rng.standard_normal((methods, contributors)), halves(contributors, coalitions, rng)
    outcomes_K = values_MC.mean(0) @ members_KC.T + rng.standard_normal(coalitions)
    draws_DK = rng.integers(0, coalitions, (draws, coalitions))

    def ours() -> Floats:
        scores = [linear_datamodeling_scores(values_MC, members_KC[d], outcomes_K[d]) for d in draws_DK]
        return np.array(scores).ravel()

    def loop(score: Callable[[Floats, Floats], float]) -> Floats:
        scores = [looped(values_MC, members_KC[d], np.tile(outcomes_K[d], (methods, 1)), score) for d in draws_DK]
        return np.array(scores).ravel()

    routes: dict[str, Route] = {"ours": ours, "loop with scipy": lambda: loop(scipys)}
    told(
        f"{methods} methods, {contributors} contributors, {coalitions} halves, {draws} draws",
        routes,
        loop(spearman),
        rounds,
    )


def main() -> None:
    options = start(__doc__ or "", ["scipy", "dattri"])
    quick = options.quick
    of_examples(*((200, 40, 20) if quick else (1_437, 360, 100)), rounds=1 if quick else 9)
    of_methods(*((5, 24, 16, 10) if quick else (40, 24, 64, 200)), rounds=1 if quick else 3)


if __name__ == "__main__":
    main()
