"""How states are told, the same on every page: the words for a view's fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.config import Suite
from harness.projection import Projection
from harness.report import numbers
from harness.report.phrases import counted
from harness.report.view import (
    FEWEST_POOLS,
    TRUTH,
    WEAK,
    Cell,
    CostName,
    Discrimination,
    Doubt,
    Front,
    MeanCost,
    Overall,
    TasksMean,
    Verdict,
    View,
    Weakness,
)
from harness.statistics.scores import DECIMALS
from harness.types import LOADED, Question

ASKED: Mapping[Question, str] = {
    "standalone": "What is each contributor's data worth alone? U({i}) - U(nobody)",
    "leave-one-out": "What would be lost without it? U(everyone) - U(everyone but i)",
    "shapley": "What does it add on average over all coalitions? The Shapley value of U",
}
MARKS = (
    "Bold: better than random orders (one-sided, 5 %). #: rank range, all pairs compared at once. †: told apart from "
    "the best of its column, and worse. ‡: agreement tells little here; the notes on rows say why."
)
BEHIND, DOUBTED, LOADED_MARK, PLANTED = " †", " ‡", " §", "*"
FEATURES = (
    "Features are numbers that a contributor has by itself, whatever is asked: what was planted when the pool was "
    f"dealt (marked {PLANTED}, such as its label noise, which no method sees), and class balance, initial loss and MMD "
    "to validation of its own data alone. The methods of these names answer each question by what coalitions score, "
    "and so have other scores in the tables above."
)
"""What a best single feature is a feature of: else a method that scores more than it reads as a mistake."""
NATS = (
    "in nats, the mean log-likelihood of a held-out example (of a response: of its tokens), with the standard error "
    "that seeds and the held-out sample give it"
)
PRACTICAL = "retraining (validation)"
"""The row that says what retraining itself scores from the validation split."""
NAMED = 6
"""Methods that a sentence names; more are counted."""
SHORT = 10
"""Lines of the overall table where there is no room for all."""

Note = tuple[str, str, str, str]
"""Task, method, status, reason."""


def weakness(weak: Weakness) -> str:
    """Why a truth is weak and what would mend it, where that can be told."""
    had = f"{weak.repeats} {weak.unit if weak.repeats != 1 else weak.unit.removesuffix('s')}"
    if math.isfinite(weak.ceiling):
        found = f"weak truth: ceiling {weak.ceiling:.2f} from {had}"
    elif math.isfinite(weak.reliability):
        found = f"weak truth: reliability {weak.reliability:.2f} from {had}, so a ceiling under {WEAK}"
    else:
        return f"weak truth: no ceiling from {had}"
    if weak.held_out:
        return f"{found}; more {weak.unit} alone would not bring it to {WEAK}, a larger test set would"
    return found if weak.needed is None else f"{found}; {WEAK} would take about {weak.needed}"


def doubt(found: Doubt) -> str:
    """Why agreement tells little."""
    parts = []
    if found.feature:
        parts.append(f"{found.feature} alone agrees {found.spearman:.2f} with the truth")
    if found.unlearned:
        which = ", ".join(str(pool + 1) for pool in found.unlearned)
        parts.append(f"nothing is learned in {len(found.unlearned)} of {counted(found.pools, 'pool')} ({which})")
    return "; ".join(parts)


def warning(found: Doubt | None) -> str:
    """The same as a sentence beside a table; empty where there is no doubt."""
    return f"Agreement tells little here: {doubt(found)}." if found else ""


def reason(cell: Cell) -> str:
    """Why a cell has no score, or what its score rests on; empty where there is nothing to tell."""
    parts = [cell.reason]
    if cell.constant or cell.flat:
        parts.append(_flat(cell))
    if cell.weakness:
        parts.append(weakness(cell.weakness))
    if cell.doubt:
        parts.append(doubt(cell.doubt))
    return "; ".join(part for part in parts if part)


def _flat(cell: Cell) -> str:
    where = f" in pool {', '.join(str(pool + 1) for pool in cell.flat)}" if cell.flat else ""
    if cell.is_truth:
        return f"the truth is the same for all contributors{where}, so nothing is scored there"
    if not cell.flat:
        return "the truth is constant, so no order can be compared"
    return f"its values are constant{where}, so no order can be compared"


def notes(cells: Sequence[Cell]) -> list[Note]:
    """Everything that is to be told about cells, once each; what is so of a truth is told by its own cell alone."""
    found = [
        (cell.task, f"{cell.method}, {cell.question}" if cell.is_truth else cell.method, _status(cell), reason(cell))
        for cell in cells
        if reason(cell) and (cell.is_truth or not (cell.weakness or cell.doubt))
    ]
    return list(dict.fromkeys(found))


def _status(cell: Cell) -> str:
    if cell.status != "ok":
        return cell.status
    return "weak" if cell.weakness else "doubtful" if cell.doubt else cell.status


def state(cell: Cell) -> str:
    """One word for a cell without a score, empty for one that has it."""
    if cell.status != "ok":
        return cell.status
    return "constant" if cell.constant else ""


def ceiling(cell: Cell) -> str:
    """The truth's, with its interval."""
    interval = numbers.interval(cell.ceiling, cell.ceiling_low, cell.ceiling_high)
    found = f"ceiling {numbers.correlation(cell.ceiling)}{interval}"
    return f"{found}{' (weak)' if cell.weakness else ''}{DOUBTED if cell.doubt else ''}"


def marks(cell: Cell | TasksMean) -> str:
    """What stands after a score."""
    doubted = isinstance(cell, Cell) and cell.doubt is not None
    return (BEHIND if cell.behind else "") + (DOUBTED if doubted else "")


def verdict(found: Verdict) -> str:
    """A winner, a tie and its cheapest member, or not enough signal; and how much is told apart."""
    told = [winner(found)]
    if found.pools >= FEWEST_POOLS and len(found.ranked) >= 2:
        told.append(_resolution(found))
        if found.unsure:
            told.append(f"Without an interval, and compared with no other: {named(found.unsure)}.")
    return " ".join(told)


def winner(found: Verdict) -> str:
    """The first of these alone: one sentence."""
    if found.pools < FEWEST_POOLS:
        return (
            f"not enough signal: {counted(found.pools, 'pool')}{'' if found.task else ' a task'}, and methods are "
            f"compared from {FEWEST_POOLS} on."
        )
    if len(found.ranked) < 2:
        who = f"{found.ranked[0]} alone" if found.ranked else "no method"
        return f"nothing to compare: {who} has a score{' with an interval' if found.unsure else ''}."
    among = "of those that have an interval, " if found.unsure else ""
    if not found.signal:
        return f"{among}not enough signal: no method is told to be better than random orders."
    if len(found.top) == 1:
        return f"{among}{found.top[0]} is ahead of every other method."
    others = named(found.top[1:])
    return (
        f"{among}{found.top[0]} scores highest, and {others} cannot be told apart from it; the cheapest of these is "
        f"{found.cheapest}, {price(found.cost)} a valuation{_behind(found)}."
    )


def _behind(found: Verdict) -> str:
    """What not being told apart leaves open: without this, little power would read as advice."""
    if found.cheapest == found.top[0]:
        return ""
    return f", and may be as much as {found.at_most:.2f} behind"


def _resolution(found: Verdict) -> str:
    apart, neighbours = found.adjacent
    of_all = f"of all pairs {found.pairs:.0%}"
    return f"In order of score, {apart} of {neighbours} neighbours are told apart; {of_all}."


def price(cost: MeanCost) -> str:
    """Of one valuation, with its unit."""
    if math.isfinite(cost.reference_gpu_hours):
        return f"{numbers.hours(cost.reference_gpu_hours)} reference GPU-hours"
    return f"{numbers.seconds(cost.seconds)} s"


def named(names: Sequence[str]) -> str:
    """All of them, or the first and how many more."""
    if len(names) > NAMED:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return _every(names)


def asked(found: Verdict) -> str:
    """The question of a verdict, or what it is of where there are several."""
    return str(found.question or "mean over questions")


def over_tasks(view: View) -> list[tuple[str, str]]:
    """What the table over all tasks says: of each question, then of their mean."""
    found = [(asked(one), verdict(one)) for one in view.verdicts if one.task is None]
    if len(found) > 1 and len({text for _, text in found}) == 1:
        return [("every question and their mean", found[0][1])]
    return found


def of_tasks(view: View, question: Question) -> list[tuple[str, str]]:
    """What a question's table says of each task, and whether agreement there tells anything."""
    doubts = {found.task: found.doubt for found in view.discrimination if found.question == question}
    told = []
    for one in view.verdicts:
        if one.task is not None and one.question == question:
            told.append((one.task, f"{verdict(one)} {warning(doubts.get(one.task))}".rstrip()))
    return told


def claim(view: View) -> str:
    """That means over tasks are about these tasks, with how much methods vary over them."""
    spread = next((one.spread for one in reversed(view.verdicts) if one.task is None), math.nan)
    if math.isnan(spread):
        return f"The claim is about {tasks(len(view.tasks)) if len(view.tasks) == 1 else 'these tasks'}."
    return (
        f"The claim is about these {tasks(len(view.tasks))}: from one to another a method's score varies by "
        f"{spread:.2f} (standard deviation of method x task) beyond its own mean and the task's."
    )


def feature(found: Discrimination) -> str:
    """The best single feature, marked where it was planted."""
    return found.feature + (PLANTED if found.planted else "")


def gain(found: Discrimination) -> str:
    """How much there was to learn."""
    if math.isnan(found.gain):
        return numbers.NONE
    return f"{found.gain:.3f}" + (f" ± {found.gain_error:.3f}" if math.isfinite(found.gain_error) else "")


def unlearned(found: Discrimination) -> str:
    """In how many pools nothing is learned."""
    return numbers.NONE if math.isnan(found.gain_error) else f"{len(found.unlearned)} of {found.pools}"


def no_intervals(cells: Sequence[Cell]) -> str:
    """What a dash for an interval means, with a space before it; empty where every score has one."""
    if all(math.isfinite(cell.low) for cell in cells if math.isfinite(cell.spearman)):
        return ""
    return (
        f" [{numbers.NONE}]: without any one contributor the score is the same, so nothing tells how sure it is; it is "
        "compared with no other. More contributors or pools would tell."
    )


def no_ceilings(cells: Sequence[Cell]) -> str:
    """Why ceilings are missing, with a space before it; empty where none is."""
    if all(math.isfinite(cell.ceiling) for cell in cells if cell.is_truth and cell.status == "ok"):
        return ""
    return (
        f" No ceiling ({numbers.NONE}): it takes two repeats, and values on the validation split, which older results "
        "lack."
    )


def gpu_hours(cells: Sequence[Cell], projection: Projection) -> str:
    """For which jobs and GPU hours are worked out."""
    tasks_of: dict[str, list[str]] = {}
    for task in dict.fromkeys(cell.task for cell in cells):
        tasks_of.setdefault(projection.job(task).words, []).append(task)
    jobs = "; ".join(
        words if len(tasks_of) == 1 else f"{words} ({', '.join(tasks)})" for words, tasks in tasks_of.items()
    )
    return (
        f"at reference scale: the passes and retrainings counted here, on {jobs}; bf16 on "
        f"{projection.gpu} at {projection.utilisation:.0%} use"
    )


def seconds(cost: MeanCost) -> str:
    """Wall seconds, marked where the machine was not the run's own."""
    return f"{numbers.seconds(cost.seconds)}{LOADED_MARK if cost.loaded else ''}"


def load(cells: Sequence[Cell]) -> str:
    """What that mark means, and how many rows bear it; empty where none does."""
    marked = [cell.cost.load for cell in cells if cell.cost.loaded]
    if not marked:
        return ""
    return (
        f"{LOADED_MARK.strip()}: measured while others kept more than {LOADED:.0%} of the machine busy (up to "
        f"{max(marked):.0%}); seconds and core-hours are too high."
    )


def hidden(suite: Suite) -> str:
    """What is to be known of results on hidden pools; empty for others."""
    if suite.hidden is None:
        return ""
    return (
        f"On hidden pools, which the seed {suite.hidden} deals: nobody had seen them before it was chosen. Their "
        "scores are merged with none of the published pools; 'dataworth submit-check' holds the two side by side."
    )


def tasks(count: int) -> str:
    return counted(count, "task")


def on_tasks(mean: TasksMean, count: int) -> str:
    """What stands in place of a mean that some task lacks."""
    return f"{mean.tasks} of {tasks(count)}" if mean.tasks else numbers.NONE


def compared(view: View, shown: Sequence[Overall]) -> str:
    """How many methods the verdicts above a short table are about, and how many of them it shows."""
    ranked = next((one.ranked for one in reversed(view.verdicts) if one.task is None), ())
    hidden = [name for name in ranked if name not in {line.method for line in shown}]
    if not hidden:
        return f"Compared are the {len(ranked)} methods of the table."
    left = f"the other {len(hidden)}" if len(hidden) > NAMED else _every(hidden)
    stand = "stands" if len(hidden) == 1 else "stand"
    return (
        f"Compared are all {len(ranked)} methods with a score on every task; the table shows "
        f"{len(ranked) - len(hidden)} of them, and {left} {stand} in the suite's own."
    )


def _every(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def short(lines: Sequence[Overall], count: int) -> tuple[list[Overall], str]:
    """The truth and the best methods that suit every task, with a sentence about those left out."""
    kept: list[Overall] = []
    left: dict[str, list[str]] = {}
    for line in lines:
        if line.ablation:
            left.setdefault("ablations", []).append(line.method)
        elif not line.complete:
            left.setdefault(f"without a score on all {tasks(count)}", []).append(line.method)
        elif len(kept) == SHORT:
            left.setdefault("lower means", []).append(line.method)
        else:
            kept.append(line)
    reasons = "; ".join(
        f"{why}: {', '.join(names) if len(names) <= NAMED else f'{len(names)} methods'}" for why, names in left.items()
    )
    return kept, f"Left out: {reasons}." if reasons else ""


def by_score(cells: Sequence[Cell]) -> list[str]:
    """The truth, then methods from the best mean score down, then those without one."""

    def key(method: str) -> tuple[bool, float]:
        scores = [cell.spearman for cell in cells if cell.method == method and math.isfinite(cell.spearman)]
        # Rounded, so that means that only rounding separates stand in the suite's order on every machine.
        return method != TRUTH, -round(sum(scores) / len(scores), DECIMALS) if scores else math.inf

    return sorted(dict.fromkeys(cell.method for cell in cells), key=key)


UNITS: Mapping[CostName, str] = {
    "reference_gpu_hours": "reference GPU-hours",
    "seconds": "seconds",
    "retrainings": "retrainings",
}


def amount(cost: CostName, value: float) -> str:
    """A cost in its own digits, without its unit."""
    return numbers.count(value) if cost == "retrainings" else numbers.hours(value)


def steps(front: Front) -> str:
    """What each step up the front costs and brings."""
    parts = []
    for step, below in zip(front.steps, (None, *front.steps), strict=False):
        told = f"{step.method} scores {numbers.correlation(step.score)} for {amount(front.cost, step.cost)}"
        if below is None:
            parts.append(f"{told} {UNITS[front.cost]}")
        else:
            gain = "" if step.apart else ", not told apart from the step before"
            parts.append(f"{told} (+{numbers.correlation(step.score - below.score)}{gain})")
    return f"From the cheapest up, {'; '.join(parts)}." if parts else ""
