"""What the page holds of a view, as plain lists: names once, then numbers that refer to them by place.

``scripts/content.js`` reads it. A row's fields stand in the order of ``ROW``; places count from 0, and -1 is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import plain
from harness.knobs import base_of
from harness.report import sentences
from harness.report.page import numbers
from harness.report.page.codes import ALPHABET, FEWEST, coded
from harness.report.view import (
    COST_NAMES,
    RULE,
    TRUTH,
    Cell,
    Dealt,
    Discrimination,
    Doubt,
    Front,
    MeanCost,
    TasksMean,
    Verdict,
    View,
)
from harness.types import Plain, Question

ROW = ("method", "score", "low", "high", "first", "last", "marks", "costs", "state")
"""Of a table's row: rank range, then marks (a sum of ``MARKS``), costs (``COST_NAMES``), and why there is no score."""
MARKS = {"above": 1, "behind": 2, "doubt": 4, "loaded": 8}

Row = list[Any]
Place = tuple[str | None, Question | None]
"""Task and question, None of a mean over all of them."""


def content(view: View) -> dict[str, Any]:
    """Everything that the page shows."""
    methods = [line.method for line in view.overall if line.method != TRUTH]
    families = list(dict.fromkeys(line.family for line in view.overall if line.method != TRUTH))
    names = {method: m for m, method in enumerate(methods)}
    return {
        "name": plain(view.suite.name),
        "summary": plain(" ".join(filter(None, [view.suite.summary, sentences.hidden(view.suite)]))),
        "tasks": [plain(task) for task in view.tasks],
        "questions": [{"name": question, "asks": sentences.ASKED[question]} for question in view.questions],
        "families": families,
        "methods": [
            {
                "name": plain(line.method),
                "family": families.index(line.family),
                "base": plain(base_of(line.method)),
            }
            for line in view.overall
            if line.method != TRUTH
        ],
        "costs": list(COST_NAMES),
        "row": list(ROW),
        "marks": dict(MARKS),
        "alphabet": ALPHABET,
        "digits": FEWEST,
        "rule": RULE,
        "words": {
            "hours": sentences.gpu_hours(view.cells, view.suite.projection),
            "load": sentences.load(view.cells),
            "claim": sentences.claim(view),
        },
        "tables": [_table(view, verdict, names) for verdict in view.verdicts],
        "pools": [_pool(view, dealt) for dealt in view.dealt],
        **_points(view, names),
        "features": [_feature(view, found) for found in view.discrimination],
        "notes": [[plain(part) for part in note] for note in (*sentences.notes(view.cells), *_measured(view))],
        "runs": [_run(origin.run, origin.provenance) for origin in view.origins],
    }


# --- tables -----------------------------------------------------------------------------------------


def _table(view: View, verdict: Verdict, names: Mapping[str, int]) -> dict[str, Any]:
    place = verdict.task, verdict.question
    rows, truth = _of_task(view, place, names) if verdict.task is not None else _of_all(view, verdict.question, names)
    return {
        "task": -1 if verdict.task is None else view.tasks.index(verdict.task),
        "question": -1 if verdict.question is None else view.questions.index(verdict.question),
        "verdict": plain(sentences.verdict(verdict)),
        "doubt": plain(sentences.warning(_doubt(view, place))),
        "pools": verdict.pools,
        **truth,
        "rows": rows,
        "fronts": [_front(front, names) for front in verdict.fronts],
    }


def _of_all(view: View, question: Question | None, names: Mapping[str, int]) -> tuple[list[Row], dict[str, Any]]:
    """Rows of a mean over tasks, and what there is of the truth."""
    place = view.questions.index(question) if question is not None else None
    found = {line.method: line.mean if place is None else line.by_question[place] for line in view.overall}
    count = len(view.tasks)
    rows = [
        _row(names[method], mean, "" if mean.rank_high or math.isfinite(mean.spearman) else _on(mean, count))
        for method, mean in found.items()
        if method != TRUTH
    ]
    return rows, _truth([found[TRUTH].ceiling], found[TRUTH].cost) if TRUTH in found else _truth([], MeanCost())


def _on(mean: TasksMean, count: int) -> str:
    return sentences.on_tasks(mean, count) if mean.tasks else f"none of {sentences.tasks(count)}"


def _of_task(view: View, place: Place, names: Mapping[str, int]) -> tuple[list[Row], dict[str, Any]]:
    """Rows of a task and question, and what there is of the truth."""
    cells = [cell for cell in view.cells if (cell.task, cell.question) == place]
    rows = [_row(names[cell.method], cell, plain(_state(cell))) for cell in cells if not cell.is_truth]
    truth = next(cell for cell in cells if cell.is_truth)
    ceiling = [truth.ceiling, truth.ceiling_low, truth.ceiling_high]
    more = {"reliability": numbers.score(truth.reliability), "validation": numbers.score(truth.validation)}
    return rows, {**_truth(ceiling, truth.cost), **more}


def _state(cell: Cell) -> str:
    state = sentences.state(cell)
    return f"{state}: {sentences.reason(cell)}" if state and sentences.reason(cell) else state


def _truth(ceiling: Sequence[float], cost: MeanCost) -> dict[str, Any]:
    return {"ceiling": [numbers.score(value) for value in ceiling], "truth": _costs(cost)}


def _row(method: int, found: Cell | TasksMean, state: str) -> Row:
    has = {
        "above": found.above_zero,
        "behind": found.behind,
        "doubt": isinstance(found, Cell) and found.doubt is not None,
        "loaded": found.cost.loaded,
    }
    scores = [numbers.score(value) for value in (found.spearman, found.low, found.high)]
    marks = sum(MARKS[name] for name, is_so in has.items() if is_so)
    return [method, *scores, found.rank_low, found.rank_high, marks, _costs(found.cost), state]


def _costs(cost: MeanCost) -> list[numbers.Number]:
    return [numbers.significant(getattr(cost, name), numbers.COST) for name in COST_NAMES]


def _front(front: Front, names: Mapping[str, int]) -> dict[str, Any]:
    return {
        "cost": COST_NAMES.index(front.cost),
        "methods": [names[step.method] for step in front.steps],
        "apart": [int(step.apart) for step in front.steps],
        "shares": [[names[method], numbers.shortest(round(share, 3))] for method, share in front.shares.items()],
    }


def _doubt(view: View, place: Place) -> Doubt | None:
    return next((one.doubt for one in view.discrimination if (one.task, one.question) == place), None)


# --- pools -------------------------------------------------------------------------------------------


def _pool(view: View, dealt: Dealt) -> dict[str, Any]:
    """Planted columns that somebody has; in the order of the alphabet, as results that were stored have them."""
    columns = sorted({name for one in dealt.planted for name, value in one.items() if value is not None})
    return {
        "task": view.tasks.index(dealt.task),
        "pool": dealt.pool,
        "contributors": [plain(name) for name in dealt.contributors],
        "planted": {plain(name): [_plain(one.get(name)) for one in dealt.planted] for name in columns},
        "facts": {plain(name): _plain(value) for name, value in sorted(dealt.facts.items())},
    }


def _plain(value: Plain) -> str | numbers.Number:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: None}[value]
    return plain(value) if isinstance(value, str) else numbers.significant(float(value))


def _points(view: View, names: Mapping[str, int]) -> dict[str, Any]:
    """Each task's and question's truths and values by pool; what several rows say alike is written once."""
    texts: dict[str, int] = {}
    points = []
    for task in view.tasks:
        for question in view.questions:
            cells = [c for c in view.cells if (c.task, c.question) == (task, question) and c.points]
            if cells:
                pools = [point.pool for point in cells[0].points]
                truths = [numbers.significants(point.truth) for point in cells[0].points]
                codes = _codes(cells)
                rows = [
                    _point_row(names[cell.method], cell, texts.setdefault(text, len(texts)))
                    for cell, text in zip(cells, codes, strict=True)
                ]
                place = {"task": view.tasks.index(task), "question": view.questions.index(question)}
                points.append({**place, "pools": pools, "truths": truths, "rows": rows})
    return {"points": points, "codes": list(texts)}


def _codes(cells: Sequence[Cell]) -> list[str]:
    """The values of each cell, pool after pool."""
    by_pool = [coded([point.values for point in at]) for at in zip(*(cell.points for cell in cells), strict=True)]
    return ["".join(own) for own in zip(*by_pool, strict=True)]


def _point_row(method: int, cell: Cell, codes: int) -> Row:
    """Method, by pool its score in thousandths, the place of its codes, and by pool its least and largest value."""
    scores = [round(point.spearman * 1000) if math.isfinite(point.spearman) else None for point in cell.points]
    ends = [numbers.significants((min(point.values), max(point.values)), numbers.DIGITS) for point in cell.points]
    return [method, scores, codes, [low for low, _ in ends], [high for _, high in ends]]


def _feature(view: View, found: Discrimination) -> dict[str, Any]:
    return {
        "task": view.tasks.index(found.task),
        "question": view.questions.index(found.question),
        "features": {plain(name): numbers.score(value) for name, value in found.features.items()},
        "reliability": numbers.score(found.reliability),
        "ceiling": numbers.score(found.ceiling),
        "discriminates": found.discriminates,
        "gain": sentences.gain(found),
        "unlearned": sentences.unlearned(found),
    }


def _measured(view: View) -> list[sentences.Note]:
    """Who measured what, as notes on the rows that are theirs."""
    return [
        ("all", ", ".join([*([TRUTH] if one.truths else []), *one.methods]), "measured", f"by {one.by}")
        for one in view.measured
    ]


def _run(name: str, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What the page tells of a run; an older record may lack some of it."""
    packages = provenance.get("packages", {})
    told = {
        key: plain(str(value)) for key, value in sorted(provenance.items()) if key != "packages" and value is not None
    }
    return {
        "run": plain(name),
        **told,
        "packages": plain(", ".join(f"{key} {version}" for key, version in sorted(packages.items()) if version)),
    }
