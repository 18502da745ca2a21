"""``dataworth study agreement``: same name, other estimator.

Every group of ``groups.GROUPS`` is asked about the same pools, and its members' values are compared in pairs.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from itertools import combinations
from typing import cast

import numpy as np
from rich.console import Console

from harness.cli.studies import Request
from harness.cli.studies.dealt import Dealing, dealing
from harness.cli.studies.groups import GROUPS, Group, Member
from harness.cli.studies.pages import Section, Table, csv_text, report_progress, write_study
from harness.errors import UserError, unknown
from harness.records.results import mean_values
from harness.registry import method, methods
from harness.report.numbers import NONE, correlation
from harness.running.pool_run import PoolRun
from harness.statistics.means import finite_mean
from harness.statistics.scores import spearman
from harness.types import Floats, Method, Plain, Pool

NAME = "agreement"
NO_SUCH = "no such method in this version"
SLOW_TO_IMPORT = ("pydvl.valuation", "pydvl.influence.torch", "sklearn.ensemble", "sklearn.neighbors")
"""Brought in first, so that nobody's seconds hold it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one member said of one pool.

    Args:
        values_C: None where it did not answer.
        reason: why not.
    """

    task: str
    pool: int
    group: Group
    member: Member
    values_C: Floats | None
    seconds: float
    retrainings: float
    reason: str


def study(request: Request, console: Console) -> int:
    """Ask, compare, and say where it was written; the exit status."""
    request.refuse("seeds")
    groups = _chosen(request.methods)
    with dealing(request) as table:
        answers = list(_asked(table, groups))
        tasks = list(table.tasks)
    found = _by_place(answers)
    sections = [_overview(tasks, groups, found)]
    sections += [_section(task, group, found[task, group.name]) for task in tasks for group in groups]
    files = {"agreement.csv": _pairs_csv(found), "members.csv": _members_csv(answers)}
    write_study(request.out, f"Study: {NAME}", _foreword(answers), sections, (), console, files)
    return 0


def _chosen(names: Sequence[str] | None) -> tuple[Group, ...]:
    """All groups, or those that a named method is in.

    Raises:
        UserError: a method is in none.
    """
    if names is None:
        return GROUPS
    known = {member.method for group in GROUPS for member in group.members} - {""}
    for name in names:
        if name not in known:
            raise unknown("method of this study", name, known)
    return tuple(group for group in GROUPS if any(member.method in names for member in group.members))


# --- asking ---------------------------------------------------------------------------------------------


def _asked(table: Dealing, groups: Sequence[Group]) -> Iterator[Answer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyDVL's own deprecations
        for name in SLOW_TO_IMPORT:
            import_module(name)
    for task in table.tasks.values():
        for index in table.pools:
            whole = table.run(task, index)
            for group in groups:
                run = whole
                if group.contributors is not None and group.contributors < len(whole.pool.contributors):
                    run = table.run(task, index, first(whole.pool, group.contributors))
                answers = [_answer(run, group, member) for member in group.members]
                seconds = sum(answer.seconds for answer in answers)
                report_progress(f"{task.name}, pool {index + 1}: {group.name}, {seconds:.1f} s")
                yield from answers
            whole.release()


def first(pool: Pool, contributors: int) -> Pool:
    """The pool's first contributors with their examples."""
    train = pool.train.take(pool.train.owners_N < contributors)
    return replace(pool, contributors=pool.contributors[:contributors], train=train)


def _answer(run: PoolRun, group: Group, member: Member) -> Answer:
    nothing = Answer(run.task.name, run.index, group, member, None, math.nan, 0, "")
    made = made_of(member, group.common)
    if isinstance(made, str):
        return replace(nothing, seconds=0.0, reason=made)
    name = member.name if member.where or member.knobs else member.method
    found = run.valuation(name, made, group.question)
    if found.status != "ok":
        return replace(nothing, seconds=0.0, reason=found.reason)
    cost = found.cost
    return replace(nothing, values_C=mean_values(found.values), seconds=cost.seconds, retrainings=cost.retrainings)


def made_of(member: Member, common: Mapping[str, Plain]) -> Method | str:
    """The member with its knobs turned, and of the common ones those that it has; or why it is not there.

    Raises:
        UserError: it lacks a knob that is its own.
    """
    if member.where:
        module, _, attribute = member.where.partition(":")
        made = cast(Method, getattr(import_module(module), attribute)())
    elif member.method not in methods():
        return NO_SUCH
    else:
        made = method(member.method)
    known: set[str] = {found.name for found in fields(made)} if is_dataclass(made) else set()
    if strange := set(member.knobs) - known:
        raise UserError(f"{member.name} has no knob {', '.join(sorted(strange))}.")
    turned = {name: value for name, value in {**common, **member.knobs}.items() if name in known}
    return replace(made, **turned) if turned else made  # type: ignore[type-var]


# --- telling --------------------------------------------------------------------------------------------


def _by_place(answers: Sequence[Answer]) -> dict[tuple[str, str], list[Answer]]:
    found = defaultdict(list)
    for answer in answers:
        found[answer.task, answer.group.name].append(answer)
    return found


def _foreword(answers: Sequence[Answer]) -> str:
    pools = sorted({answer.pool + 1 for answer in answers})
    return (
        f"Spearman between the contributor values of estimators that bear one name, mean over pools "
        f"{', '.join(map(str, pools))} of each task, and each one's seconds, training runs and retrainings at their "
        "first price included. Nothing here says which is nearer to the truth."
    )


def _pairs(answers: Sequence[Answer]) -> dict[tuple[str, str], list[float]]:
    """Spearman of every two members by their names, one a pool in which both answered."""
    found = defaultdict(list)
    for pool in dict.fromkeys(answer.pool for answer in answers):
        own = [answer for answer in answers if answer.pool == pool and answer.values_C is not None]
        for a, b in combinations(own, 2):
            found[a.member.name, b.member.name].append(spearman(_values(a), _values(b)))
    return found


def _values(answer: Answer) -> Floats:
    assert answer.values_C is not None
    return answer.values_C


def _overview(
    tasks: Sequence[str], groups: Sequence[Group], found: Mapping[tuple[str, str], Sequence[Answer]]
) -> Section:
    """How alike the least alike two of every group are, and the most alike."""

    def cell(task: str, group: Group) -> str:
        known = [value for own in _pairs(found[task, group.name]).values() if math.isfinite(value := finite_mean(own))]
        return f"{min(known):.2f} to {max(known):.2f}" if known else NONE

    rows = [[group.name, *(cell(task, group) for task in tasks)] for group in groups]
    return Section("From the least alike two of a name to the most alike", "", Table(["", *tasks], rows))


def _section(task: str, group: Group, answers: Sequence[Answer]) -> Section:
    pairs = {pair: finite_mean(found) for pair, found in _pairs(answers).items()}
    there = [m for m in group.members if any(a.member == m and a.values_C is not None for a in answers)]
    title, caption = f"{task}: {group.name}", " ".join([group.about, *_extremes(pairs), *_absent(answers)])
    if len(there) < 2:
        nobody = f"Only {there[0].name} answers, so there is nothing to compare." if there else "Nobody answers."
        return Section(title, f"{nobody} {caption}", None)
    rows = []
    for number, member in enumerate(there, start=1):
        seconds = np.mean([a.seconds for a in answers if a.member == member and a.values_C is not None])
        cells = [_cell(pairs, member.name, other.name) for other in there]
        rows.append([f"{number} {member.name}", f"{seconds:.1f}", *cells])
    return Section(title, caption, Table(["", "seconds", *(str(k + 1) for k in range(len(there)))], rows))


def _cell(pairs: Mapping[tuple[str, str], float], a: str, b: str) -> str:
    if a == b:
        return "·"
    return correlation(pairs.get((a, b), pairs.get((b, a), math.nan)))


def _extremes(pairs: Mapping[tuple[str, str], float]) -> list[str]:
    known = {pair: value for pair, value in pairs.items() if math.isfinite(value)}
    if not known or max(known.values()) - min(known.values()) < 0.01:
        return []
    (a, b), (c, d) = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    return [f"Least alike: {a} and {b}, {known[a, b]:.2f}; most: {c} and {d}, {known[c, d]:.2f}."]


def _absent(answers: Sequence[Answer]) -> list[str]:
    """Who did not answer and why, each reason once."""
    reasons = defaultdict(list)
    for answer in answers:
        if answer.values_C is None:
            reasons[answer.reason].append(answer.member.name)
    return [f"{', '.join(dict.fromkeys(names))}: {reason.rstrip('.')}." for reason, names in reasons.items()]


def _pairs_csv(found: Mapping[tuple[str, str], Sequence[Answer]]) -> str:
    rows = []
    for (task, group), answers in found.items():
        for pool in dict.fromkeys(answer.pool for answer in answers):
            own = [answer for answer in answers if answer.pool == pool]
            rows += [[task, pool, group, a, b, *values] for (a, b), values in _pairs(own).items()]
    return csv_text(["task", "pool", "group", "a", "b", "spearman"], rows)


def _members_csv(answers: Sequence[Answer]) -> str:
    columns = ["task", "pool", "group", "member", "seconds", "retrainings", "reason", "values"]
    rows = [
        [
            *(a.task, a.pool, a.group.name, a.member.name),
            *(("", "") if a.values_C is None else (f"{a.seconds:.4g}", a.retrainings)),
            *(a.reason, "" if a.values_C is None else " ".join(f"{value:.6g}" for value in a.values_C)),
        ]
        for a in answers
    ]
    return csv_text(columns, rows)
