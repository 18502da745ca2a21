"""``dataworth show SUITE``: how wide its intervals will be, and how a given time is best split into pools and seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tomli_w
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.places import RUNS, Place
from harness.config import Suite
from harness.errors import UserError
from harness.records.results import Results, TruthRecord, ValuationRecord, load, mean_values
from harness.registry import method
from harness.report import numbers
from harness.running.estimate import CONTRIBUTORS, Pace, of_repeat, trained
from harness.seeds import stream
from harness.statistics.jackknife import PoolScores, pool_scores
from harness.statistics.overdispersion import Moderation, Ratios, by_cell
from harness.statistics.planning import FEWEST_SEEDS, TYPICAL, Split, Spread, best_split, noise_of_repeat, spread
from harness.types import Budget, Floats, Question

DEFAULTS: Mapping[Question, Spread] = {
    "standalone": Spread(0.050, 0.001),
    "leave-one-out": Spread(0.067, 0.054),
    "shapley": Spread(0.062, 0.029),
}
"""Where a suite has no results, for pools of 24 contributors: means over tasks of the published suite ``embedded``, as
``dataworth show embedded`` prints them."""

CellKey = tuple[str, Question]


@dataclass(frozen=True, slots=True)
class Known:
    """What stored results tell about a suite.

    Args:
        spreads: of each task and question with truths of two seeds or more, and a method's score.
        methods: task -> method -> seconds that a pool took, all questions together.
        retraining: task -> seconds of one retraining then: what makes them comparable with those timed now.
        where: the folder of the results; empty where there are none.
    """

    spreads: Mapping[CellKey, Spread]
    methods: Mapping[str, Mapping[str, float]]
    retraining: Mapping[str, float]
    where: str = ""


def known(suite: Suite) -> Known:
    """From the results of the suite's run, or else the published ones; nothing where there are none."""
    for place in (Place(suite, Path(RUNS) / suite.name), Place.published(suite.name)):
        if place is not None and place.has_results:
            return _of_results(suite, load(place.results), str(place.folder))
    return Known({}, {}, {})


def _of_results(suite: Suite, results: Results, where: str) -> Known:
    cells = {}
    for task in set(suite.tasks) & set(results.tasks()):
        records = results.of_task(task)
        for question in suite.questions:
            if found := _cell(suite, question, [r for r in records if isinstance(r, TruthRecord | ValuationRecord)]):
                cells[task, question] = found
    priors = by_cell([Ratios.of_scores(cell.scores) for cell in cells.values()])
    told = {key: cell.spread(prior) for (key, cell), prior in zip(cells.items(), priors, strict=True)}
    spreads = {key: one for key, one in told.items() if one is not None}
    return Known(spreads, _seconds_of_methods(suite, results), _seconds_of_retraining(results), where)


@dataclass(frozen=True, slots=True)
class _Cell:
    scores: Sequence[PoolScores]
    noise: Sequence[Floats]
    seeds: Sequence[int]

    def spread(self, prior: Moderation) -> Spread | None:
        return spread(self.scores, self.noise, self.seeds, prior)


def _cell(suite: Suite, question: Question, records: Sequence[TruthRecord | ValuationRecord]) -> _Cell | None:
    """The scores of all methods that answered every pool of one task and question; None where there are none."""
    answers = [r for r in records if r.question == question and r.status == "ok"]
    truths = {r.pool: np.array(r.values) for r in answers if isinstance(r, TruthRecord) and len(r.values) > 1}
    values = {(r.method, r.pool): mean_values(r.values) for r in answers if isinstance(r, ValuationRecord)}
    names = [m for m in suite.methods if all((m, pool) in values for pool in truths)]
    if not truths or not names:
        return None
    scores, noise = [], []
    for pool, truth_SC in sorted(truths.items()):
        values_MC = [values[name, pool] for name in names]
        scores.append(pool_scores(values_MC, [truth_SC.mean(axis=0)] * len(names)))
        noise.append(noise_of_repeat(np.array(values_MC), truth_SC, stream(suite.seed, "halves", question, pool)))
    return _Cell(scores, noise, [len(truth_SC) for _, truth_SC in sorted(truths.items())])


def _seconds_of_methods(suite: Suite, results: Results) -> dict[str, dict[str, float]]:
    """Mean over pools; what does not work anew for each question answers all of them at once."""
    by_question = {name for name in suite.methods if method(name).by_question}
    taken: dict[tuple[str, str], dict[int, list[float]]] = {}
    for (task, pool, question, name), record in results.valuations.items():
        if record.status == "ok" and name in suite.methods and question in suite.questions:
            times = taken.setdefault((task, name), {}).setdefault(pool, [])
            anew = name in by_question or record.family == "set function"
            times.append(record.cost.seconds if anew else 0.0)
            if not anew:
                times[0] = max(times[0], record.cost.seconds)
    found: dict[str, dict[str, float]] = {}
    for (task, name), pools in taken.items():
        found.setdefault(task, {})[name] = float(np.mean([sum(times) for times in pools.values()]))
    return found


def _seconds_of_retraining(results: Results) -> dict[str, float]:
    sums: dict[str, tuple[float, float]] = {}
    for (task, _, _), record in results.truths.items():
        seconds, trained = sums.get(task, (0.0, 0))
        sums[task] = seconds + record.cost.seconds, trained + record.cost.retrainings
    return {task: seconds / trained for task, (seconds, trained) in sums.items() if seconds > 0 and trained}


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to be told: of every task and question its spread, and splits with the hours that they take.

    Args:
        now, best: the suite as it is, and the best split of the hours that were given, if any were.
    """

    suite: Suite
    found: Known
    spreads: Mapping[CellKey, Spread]
    now: Split
    best: Split | None = None
    hours_now: float = math.nan
    hours_best: float = math.nan


def expect(
    suite: Suite,
    contributors: Mapping[str, int],
    budgets: Mapping[str, Mapping[str, Budget]],
    paces: Mapping[str, Pace],
    hours: float | None,
) -> Expected:
    """The widths of a suite, and where ``hours`` are given the best split of them at the measured paces.

    Raises:
        UserError: the hours do not pay for one pool.
    """
    found = known(suite)
    keys: list[CellKey] = [(task, question) for task in suite.tasks for question in suite.questions]
    spreads = {key: found.spreads.get(key) or _default(key[1], contributors[key[0]]) for key in keys}
    now = Split(suite.pools, tuple(suite.seeds_of(*key) for key in keys))
    if hours is None:
        return Expected(suite, found, spreads, now)
    costs = _costs(suite, contributors, budgets, paces, found)
    best = _best(suite, spreads, costs, hours)
    return Expected(suite, found, spreads, now, best, costs.hours(now), costs.hours(best))


def print_expected(console: Console, expected: Expected) -> None:
    best = expected.best
    console.print(_table(expected.spreads, [expected.now] if best is None else [expected.now, best]))
    console.print(Text(f"{_caption(expected)}\n", style="dim italic"))
    if best is not None:
        console.print(Text(f"{_caption_of_best(expected)}\n", style="dim italic"))
        console.print(to_settings(expected.suite, best), markup=False, highlight=False)


def _default(question: Question, contributors: int) -> Spread:
    """The variance of a rank correlation goes as 1 / (C - 3) (Fieller, Hartley & Pearson 1957, Biometrika 44(3/4))."""
    scale = (CONTRIBUTORS - 3) / max(contributors - 3, 1)
    return Spread(DEFAULTS[question].pool * scale, DEFAULTS[question].seed * scale)


@dataclass(frozen=True, slots=True)
class _Costs:
    """Seconds on this machine: of one repeat of each truth, and of a pool of every task whatever its seeds."""

    repeats: Mapping[CellKey, float]
    fixed: float

    def hours(self, split: Split) -> float:
        truths = sum(cost * seeds for cost, seeds in zip(self.repeats.values(), split.seeds, strict=True))
        return split.pools * (self.fixed + truths) / 3600


def _costs(
    suite: Suite,
    contributors: Mapping[str, int],
    budgets: Mapping[str, Mapping[str, Budget]],
    paces: Mapping[str, Pace],
    found: Known,
) -> _Costs:
    repeats, fixed = {}, 0.0
    for task in suite.tasks:
        seconds = sum(paces[task].seconds(1)) / 2
        for question in suite.questions:
            repeats[task, question] = of_repeat(question, contributors[task]) * seconds
        own = found.methods.get(task, {}) if task in found.retraining else {}
        fixed += sum(own.values()) * seconds / found.retraining.get(task, seconds)
        unknown = [budget for name, budget in budgets[task].items() if name not in own]
        fixed += trained(unknown) * seconds
    return _Costs(repeats, fixed)


def _best(suite: Suite, spreads: Mapping[CellKey, Spread], costs: _Costs, hours: float) -> Split:
    found = best_split([*spreads.values()], [*costs.repeats.values()], costs.fixed, hours * 3600)
    if found is None:
        least = costs.hours(Split(1, (FEWEST_SEEDS,) * len(spreads)))
        raise UserError(
            f"--hours {hours:g} does not pay for one pool of every task of {suite.name} at {FEWEST_SEEDS} seeds, which "
            f"takes about {least:.2g} hours on this machine. Give more hours, or a suite of fewer tasks or methods."
        )
    return found


def _table(spreads: Mapping[CellKey, Spread], splits: Sequence[Split]) -> Table:
    """Every cell's pools, seeds and width: as the suite says, and of the best split where there is one."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("task", "question", "A", "B"):
        table.add_column(name, no_wrap=name in ("task", "question"), overflow="fold")
    for split, best in zip(splits, ("", "best of "), strict=False):
        pools = f"{numbers.count(split.pools)} pool{'s' if split.pools > 1 else ''}"
        table.add_column(f"{best}{pools}\nseeds")
        table.add_column("width")
    for k, ((task, question), one) in enumerate(spreads.items()):
        cells: list[str] = []
        for split in splits:
            cells += [numbers.count(split.seeds[k]), f"{one.width(split.pools, split.seeds[k]):.2f}"]
        table.add_row(Text(task), question, f"{one.pool:.3f}", f"{one.seed:.3f}", *cells)
    means = [cell for split in splits for cell in ("", f"{_mean_width(spreads, split):.2f}")]
    table.add_row("mean", "", "", "", *means, style="bold")
    return table


def _mean_width(spreads: Mapping[CellKey, Spread], split: Split) -> float:
    widths = [one.width(split.pools, seeds) for one, seeds in zip(spreads.values(), split.seeds, strict=True)]
    return sum(widths) / len(widths)


def _caption(expected: Expected) -> str:
    found, cells = expected.found, len(expected.spreads)
    missing = [f"{question} of {task}" for task, question in expected.spreads if (task, question) not in found.spreads]
    sentences = [
        f"Expected width of the 95 % interval of a method that scores {TYPICAL}: on Fisher's scale the variance of a "
        "mean over pools is (A + B / seeds) / pools, A of a pool's draw and B of one seed of its truth."
    ]
    if len(missing) < cells:
        sentences.append(f"A and B are from the results in {found.where}.")
    if missing:
        which = "all cells" if len(missing) == cells else ", ".join(missing)
        sentences.append(f"For want of results those of {which} are the mean of the published suite embedded.")
    return " ".join(sentences)


def _caption_of_best(expected: Expected) -> str:
    methods = (
        "methods take what they took in those results, at this machine's pace, and dealing pools comes on top"
        if expected.found.methods
        else "of methods only retrainings are counted, and what else they do comes on top, as does dealing pools"
    )
    return (
        f"Best is what makes the mean variance least in the time given: about {expected.hours_best:.2g} h on this "
        f"machine, where the suite as it is takes {expected.hours_now:.2g} h. Every task has as many pools, and every "
        f"truth at least {FEWEST_SEEDS} seeds, without which no ceiling is told; {methods}. More seeds raise the "
        "ceiling too, and with it every score, which is not weighed here. In the suite's file:"
    )


def to_settings(suite: Suite, split: Split) -> str:
    """The lines of a suite's file that say such a split."""
    counts = iter(split.seeds)
    seeds = {task: {question: next(counts) for question in suite.questions} for task in suite.tasks}
    first = seeds[suite.tasks[0]]
    lines = [f"pools = {split.pools}", f"seeds = {_inline(first)}"]
    for task in suite.tasks[1:]:
        own = {question: count for question, count in seeds[task].items() if count != first[question]}
        if own:
            (header, *_) = tomli_w.dumps({"settings": {task: {"seeds": 1}}}).splitlines()
            lines += ["", header, f"seeds = {_inline(own)}"]
    return "\n".join(lines) + "\n"


def _inline(seeds: Mapping[Question, int]) -> str:
    return "{" + ", ".join(f"{question} = {count}" for question, count in seeds.items()) + "}"
