"""An audit: coalitions of the user's own contributors are retrained, and what values foretell is held against it."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

import numpy as np

from harness import coalitions
from harness.errors import UserError, plain
from harness.retraining.chunks import Job
from harness.seeds import stream
from harness.statistics.ceilings import spearman_brown
from harness.statistics.scores import spearman
from harness.statistics.values import spearman_interval
from harness.types import Bools, Cost, Floats, Ints
from harness.valuing.session import Session

FEWEST = 8
"""Coalitions of an audit, at least: an interval of fewer says nothing."""

FEWEST_HALVES = 4
"""Halves whose order has an interval."""

LEFT_OUT = 1 / 3
"""Share of the coalitions that leave one contributor out, where there are contributors enough."""

REPEATS = 2
"""Trainings of each coalition, from initialisations that no method has seen: how they agree is the ceiling."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What retraining without one contributor says.

    Args:
        drop: utility of everyone less that without it, mean over repeats; error: its standard error over repeats and
            target rows.
        value: what the method says of it.
    """

    name: str
    drop: float
    error: float
    value: float


@dataclass(frozen=True, slots=True, repr=False)
class Audit:
    """How well values foretell retrainings of the user's own data.

    Args:
        asked: coalitions that were asked for; fewer where there are not so many different ones.
        halves: random coalitions of half the contributors that were trained.
        points: of each half the members' summed values, and its utility, mean over repeats.
        agreement, low, high: Spearman of these two; nan for fewer than 4 halves.
        size_agreement: the same of the number of examples alone.
        ceiling: what knowing the noiseless utilities would score, from two trainings of the same halves.
        left_out: of the contributors about whom there is most doubt.
        order_agreement: Spearman of value and drop over these; nan for fewer than 4.
        retrainings: that the audit asked for; cost: their price when first trained.
    """

    asked: int
    halves: int
    points: tuple[tuple[float, float], ...]
    agreement: float
    low: float
    high: float
    size_agreement: float
    ceiling: float
    left_out: tuple[LeftOut, ...]
    order_agreement: float
    retrainings: int
    cost: Cost

    def __repr__(self) -> str:
        return "\n".join(self.sentences())

    def _repr_html_(self) -> str:
        """For notebooks."""
        return "".join(f"<p>{html.escape(plain(line))}</p>" for line in self.sentences())

    def sentences(self) -> list[str]:
        """In words."""
        lines = [self._of_halves()]
        if self.halves + len(self.left_out) < self.asked:
            lines.append(
                f"{self.asked} coalitions were asked for, and with so few contributors there are not so many different "
                "ones."
            )
        for one in self.left_out:
            clear = "" if abs(one.drop) > 2 * one.error else ", less than twice its standard error"
            lines.append(
                f"Without {one.name} the model {'loses' if one.drop > 0 else 'gains'} {abs(one.drop):.4f} ± "
                f"{one.error:.4f} nats an example{clear}; its value is {one.value:.3g}."
            )
        if math.isfinite(self.order_agreement):
            lines.append(
                f"The order of these {len(self.left_out)} by value and by what is lost without them agrees "
                f"{self.order_agreement:.2f}."
            )
        return lines

    def _of_halves(self) -> str:
        if self.halves < FEWEST_HALVES:
            return (
                f"So few contributors have {self.halves} different halves, too few for an order: only leaving out "
                "tells anything here."
            )
        if math.isnan(self.agreement):
            return f"The {self.halves} random halves all came out alike, or the values are: no order can be compared."
        verdicts = [
            "the values foretell which data make a better model"
            if self.low > 0
            else "these coalitions do not tell that from nothing"
        ]
        if math.isfinite(self.ceiling):
            verdicts.append(f"knowing the utilities without their noise would reach {self.ceiling:.2f}")
        if math.isfinite(self.size_agreement):
            verdicts.append(f"the number of examples alone reaches {self.size_agreement:.2f}")
        return (
            f"Of {self.halves} random halves of the contributors, trained anew from {REPEATS} initialisations each, "
            f"the sum of the members' values puts the utilities in order with a Spearman of {self.agreement:.2f} "
            f"[{self.low:.2f}, {self.high:.2f}]: {'; '.join(verdicts)}."
        )


def refuse_few(count: int) -> None:
    """That an audit of so many coalitions can say something.

    Raises:
        UserError: it cannot.
    """
    if count < FEWEST:
        raise UserError(
            f"--audit {count} is too small to say anything: {FEWEST} coalitions are the fewest, 30 a good number."
        )


def trainings(contributors: int, count: int) -> int:
    """How many an audit of so many coalitions asks for, at most."""
    alone = _left_out(contributors, count)
    return REPEATS * (1 + alone + min(count - alone, math.comb(contributors, contributors // 2)))


def _left_out(contributors: int, count: int) -> int:
    """Coalitions that leave one out."""
    return min(contributors, round(count * LEFT_OUT))


def run_audit(session: Session, values_C: Floats, doubt_C: Floats, count: int) -> Audit:
    """Retrain so many coalitions.

    Args:
        values_C: to be held against them.
        doubt_C: how doubtful each contributor is; the most doubtful are left out.

    Raises:
        UserError: so few tell nothing.
    """
    refuse_few(count)
    contributors = len(values_C)
    alone = _left_out(contributors, count)
    doubtful = np.argsort(-doubt_C, kind="stable")[:alone]
    halves_KC = random_halves(contributors, count - alone, stream(session.root, "value", "halves"))
    without_KC = coalitions.all_but_one(contributors)[doubtful]
    rows_KC = np.vstack([coalitions.everyone(contributors), without_KC, halves_KC])
    jobs = [session.audit_job(coalitions.to_text(row), repeat) for repeat in range(REPEATS) for row in rows_KC]
    with session.progress.stage("audit", session.engine.missing(jobs)) as advance:
        outcomes, found_JN = session.engine.log_likelihoods(jobs, advance)
    cost = sum({job: o.cost for job, o in zip(jobs, outcomes, strict=True)}.values(), Cost())
    scores_RKN = found_JN.astype(np.float64).reshape(REPEATS, len(rows_KC), -1)
    halves_RK = scores_RKN[:, 1 + alone :].mean(axis=2)
    return _told(session, count, values_C, doubtful, halves_KC, halves_RK, scores_RKN[:, : 1 + alone], jobs, cost)


def _ceiling(halves_RK: Floats) -> float:
    """What knowing the noiseless utilities would score: the root of the reliability of the mean over repeats."""
    reliability = spearman_brown(spearman(halves_RK[0], halves_RK[1]), REPEATS)
    return math.sqrt(max(0.0, reliability)) if math.isfinite(reliability) else math.nan


def random_halves(contributors: int, count: int, rng: np.random.Generator) -> Bools:
    """Different coalitions of half the contributors, count x C; fewer where there are not so many."""
    count = min(count, math.comb(contributors, max(1, contributors // 2)))
    found: dict[bytes, Bools] = {}
    for _ in range(50 * count):
        row_C = np.zeros(contributors, dtype=np.bool_)
        row_C[rng.choice(contributors, size=max(1, contributors // 2), replace=False)] = True
        found.setdefault(row_C.tobytes(), row_C)
        if len(found) == count:
            break
    return np.array(list(found.values()))


def _told(
    session: Session,
    asked: int,
    values_C: Floats,
    doubtful: Ints,
    halves_KC: Bools,
    halves_RK: Floats,
    without_RKN: Floats,
    jobs: list[Job],
    cost: Cost,
) -> Audit:
    utility_K, told_K = halves_RK.mean(axis=0), halves_KC @ values_C
    agreement = spearman(told_K, utility_K) if len(halves_KC) >= FEWEST_HALVES else math.nan
    low, high = spearman_interval(agreement, len(halves_KC))
    drops_RKN = without_RKN[:, :1] - without_RKN[:, 1:]
    drops_K = drops_RKN.mean(axis=(0, 2))
    names = session.brought.names
    rows, repeats = drops_RKN.shape[2], drops_RKN.shape[0]
    of_rows_K = drops_RKN.mean(axis=0).var(axis=1, ddof=1) / rows
    of_repeats_K = drops_RKN.mean(axis=2).var(axis=0, ddof=1) / repeats
    errors_K = np.sqrt(of_rows_K + of_repeats_K)
    left_out = tuple(
        LeftOut(names[c], float(drop), float(error), float(values_C[c]))
        for c, drop, error in zip(doubtful, drops_K, errors_K, strict=True)
    )
    return Audit(
        asked=asked,
        halves=len(halves_KC),
        points=tuple(zip(told_K.tolist(), utility_K.tolist(), strict=True)),
        agreement=agreement,
        low=low,
        high=high,
        size_agreement=spearman((halves_KC @ session.brought.sizes_C).astype(np.float64), utility_K),
        ceiling=_ceiling(halves_RK),
        left_out=left_out,
        order_agreement=spearman(values_C[doubtful], drops_K) if len(doubtful) >= 4 else math.nan,
        retrainings=len(jobs),
        cost=cost,
    )
