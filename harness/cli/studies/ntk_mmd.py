"""``dataworth study ntk-mmd``: what NTK-MMD's terms are worth, alone and read in other ways.

Every row is the method with some of its knobs turned, on pools whose truths are stored. A term that is read in another
way is looked at alone, and as a part of the whole.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from rich.console import Console

from harness.cli.studies import Request
from harness.cli.studies.pages import Bars, Section, Table, write_study
from harness.cli.studies.stored import StoredPool, halved, stored_pools
from harness.errors import UserError
from harness.registry import Broken, method
from harness.report.numbers import NONE
from harness.statistics.means import finite_mean
from harness.statistics.scores import spearman
from harness.types import Floats, Method, Plain, Question

NAME = "ntk-mmd"
ASKED: tuple[Question, ...] = ("standalone", "leave-one-out")
"""Shapley values of a set function take a walk of factorisations a variant, and say little that these do not."""

TERMS = ("loss", "discrepancy", "ntk", "sample")
HALVES = 2
"""Random halves of each pool."""

Knobs = Mapping[str, Plain]

READINGS: Mapping[str, Mapping[str, Knobs]] = {
    "discrepancy": {
        "as it is: Gaussian, 1/4 to 4 medians, joint, biased": {},
        **{f"Gaussian, {width:g} of the median": {"bandwidth": width} for width in (0.25, 0.5, 1.0, 2.0, 4.0)},
        "Laplacian, 1/4 to 4 medians": {"kernel": "laplacian"},
        "initial features without targets": {"features": "initial"},
        "unbiased": {"unbiased": True},
    },
    "ntk": {
        "as it is: ridge 0.1, probability": {},
        **{f"ridge {ridge:g}": {"ridge": ridge} for ridge in (0.001, 0.01, 1.0, 10.0)},
        "log-probability": {"output": "log-probability"},
    },
}
"""Ways to read a term, by term."""

WHOLES: Mapping[str, Knobs] = {
    "all four, by 1 / mean": {},
    "all four, by the paper's least squares": {"scheme": "paper"},
    **{f"{term} alone": {"scheme": f"single:{term}"} for term in TERMS},
}


@dataclass(frozen=True, slots=True)
class Found:
    """What one pool told: numbers by what they are of."""

    agreement: Mapping[tuple[str, Question], float]
    seeds: Mapping[str, float]
    halves: Mapping[str, float]
    rewards: Mapping[tuple[str, str], float]
    readings: Mapping[tuple[str, str, str, Question], float]


def study(request: Request, console: Console) -> int:
    """Ask, draw, and say where it was written; the exit status."""
    request.refuse("methods", "seeds")
    found: dict[str, list[Found]] = defaultdict(list)
    with stored_pools(request, ASKED, lambda text: console.print(text, style="yellow", markup=False)) as pools:
        for pool in pools:
            found[pool.record.task].append(_of_pool(pool))
            console.print(f"{pool.record.task}: pool {pool.record.pool + 1}", style="dim")
    if not found:
        raise UserError(f"No pool of {request.suite} is the one here whose truth is stored; run the suite again.")
    sections = [section for task, of_task in found.items() for section in _sections(task, of_task)]
    write_study(request.out, f"Study: {NAME}", _foreword(found), sections, _figure(found), console)
    return 0


def turned(knobs: Knobs) -> Method:
    """The method with some knobs turned.

    Raises:
        UserError: it does not load.
    """
    made = method(NAME)
    if isinstance(made, Broken):
        raise UserError(made.reason)
    return replace(made, **knobs)  # type: ignore[type-var]


# --- asking ---------------------------------------------------------------------------------------------


def _of_pool(pool: StoredPool) -> Found:
    wholes = {name: {q: pool.values(turned(knobs), q) for q in ASKED} for name, knobs in WHOLES.items()}
    smaller = [halved(pool, draw) for draw in range(HALVES)]
    return Found(
        agreement={(name, q): _agreement(of[q], pool.truths[q]) for name, of in wholes.items() for q in ASKED},
        seeds={name: _among(of["standalone"]) for name, of in wholes.items()},
        halves={
            name: finite_mean(
                _agreement(half.values(turned(knobs), "standalone"), wholes[name]["standalone"].mean(0))
                for half in smaller
            )
            for name, knobs in WHOLES.items()
        },
        rewards=dict(_rewards(pool, {name: of["standalone"].mean(0) for name, of in wholes.items()})),
        readings=dict(_readings(pool)),
    )


def _agreement(values_SC: Floats, truth_C: Floats) -> float:
    return spearman(values_SC.mean(axis=0), truth_C)


def _among(values_SC: Floats) -> float:
    """How alike the orders are that two initialisations give: the mean over pairs."""
    return finite_mean(spearman(a, b) for a, b in combinations(values_SC, 2))


def _rewards(pool: StoredPool, values: Mapping[str, Floats]) -> Iterator[tuple[tuple[str, str], float]]:
    """Each term's standalone values against what was planted and the truth."""
    columns = {name: np.array(column) for name, column in pool.record.features.items()}
    for term in TERMS:
        for feature, column_C in {**columns, "truth": pool.truths["standalone"]}.items():
            yield (term, feature), spearman(values[f"{term} alone"], column_C)


def _readings(pool: StoredPool) -> Iterator[tuple[tuple[str, str, str, Question], float]]:
    for term, readings in READINGS.items():
        for name, knobs in readings.items():
            for part, scheme in (("alone", f"single:{term}"), ("in the whole", "scale")):
                for q in ASKED:
                    values_SC = pool.values(turned({**knobs, "scheme": scheme}), q)
                    yield (term, name, part, q), _agreement(values_SC, pool.truths[q])


# --- telling --------------------------------------------------------------------------------------------


def _foreword(found: Mapping[str, Sequence[Found]]) -> str:
    pools = ", ".join(f"{task} {len(of_task)}" for task, of_task in found.items())
    return (
        f"Spearman of the method's values with stored truths by retraining, mean over pools ({pools}), and its "
        "standard error over them. Values are higher for what is worth more: minus the term. Nothing here was used to "
        "choose a default."
    )


def _sections(task: str, found: Sequence[Found]) -> list[Section]:
    def over(numbers: str, key: object) -> str:
        return _with_error([getattr(one, numbers)[key] for one in found])

    wholes = [
        [name, *(over("agreement", (name, q)) for q in ASKED), over("seeds", name), over("halves", name)]
        for name in WHOLES
    ]
    columns = ["", *ASKED, "between initialisations", "on half the examples"]
    sections = [Section(f"{task}: terms and weights", WHOLES_CAPTION, Table(columns, wholes))]
    for term, readings in READINGS.items():
        rows = [
            [name, *(over("readings", (term, name, part, q)) for part in ("alone", "in the whole") for q in ASKED)]
            for name in readings
        ]
        heads = [f"{part}, {q}" for part in ("alone", "in the whole") for q in ASKED]
        title = f"{task}: the {term} term, read in other ways"
        sections.append(Section(title, "", Table(["", *heads], rows)))
    features = list(dict.fromkeys(feature for one in found for _, feature in one.rewards))
    rewards = [[feature, *(over("rewards", (term, feature)) for term in TERMS)] for feature in features]
    title = f"{task}: what each term's standalone value goes with"
    return [*sections, Section(title, REWARDS_CAPTION, Table(["", *TERMS], rewards))]


WHOLES_CAPTION = (
    "Between initialisations: Spearman of the values that two seeds give alone. On half the examples: of the values "
    "with those of the same pool when every contributor keeps a random half. Both of standalone values. The weights "
    "'calibrated' need truths of other tasks, and are in the suite's leaderboard."
)

REWARDS_CAPTION = (
    "Spearman with what was planted in each contributor and, last, with its standalone truth. The NTK term is the "
    "root of y'(K + r)^-1 y / n. Where the residuals y are alike, it is small if gradients are alike, for then y lies "
    "along the kernel's one large eigenvalue, and large if they differ: so by its formula it prefers sameness, where "
    "training gains from variety."
)


def _with_error(numbers: Sequence[float]) -> str:
    known = [number for number in numbers if math.isfinite(number)]
    if not known:
        return NONE
    error = f" ± {np.std(known, ddof=1) / len(known) ** 0.5:.2f}" if len(known) > 1 else ""
    return f"{np.mean(known):.2f}{error}"


def _figure(found: Mapping[str, Sequence[Found]]) -> list[Bars]:
    """A panel for each task and question: the whole, and each term alone, pool by pool."""
    return [
        Bars(f"{task}, {q}", {name: [one.agreement[name, q] for one in of_task] for name in WHOLES})
        for task, of_task in found.items()
        for q in ASKED
    ]
