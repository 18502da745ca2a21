"""What each contributor looks like: sizes, copies, leakage, labels, distance to the target, and what is unusual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from harness import registry
from harness.brought import Brought
from harness.coalitions import to_text
from harness.retraining import training
from harness.seeds import stream
from harness.types import Array, Bools, Examples, Floats, Ints, Params
from harness.valuing.session import Session

DISTANCE = "data-distribution-valuation:seeds=1"
"""The method whose values are minus the distance of a contributor's examples to the target."""

FAR = 0.99
"""Examples farther from the target than this share of target rows are from each other count as off target."""

NEAREST = 5
"""The neighbour whose distance tells how far an example is: nearer ones are chance."""

TARGET_ROWS = 2_000
"""Most target rows that distances are taken to."""

SURE = 1 / 3
"""Share of examples, those that models are surest of, whose contradictions tell of labels before others do: there few
answers are wrong but for their labels (Northcutt et al. 2021, JAIR 70, sec. 3)."""

UNUSUAL = 10
"""Examples of each contributor that are named."""

BLOCK = 2_048


@dataclass(frozen=True, slots=True)
class Look:
    """One contributor.

    Args:
        name, side: as brought.
        read, examples: rows of its files, and those that are valued.
        left_out: why rows are not here -> how many.
        within, elsewhere: examples that nearly stand earlier in its own, or in another contributor's.
        shared_with: who shares most with it, and how many of its examples; empty where nobody does.
        leaked: examples whose question nearly is one of the target.
        leaked_first: the first of these, and where it stands in the target; empty where there is none.
        distance: MMD between its examples and the target, on features of the model before training.
        off_target: share of its examples that lie farther from the target than nearly all of the target from itself.
        labels: share of each label; label_distance: total variation between these and the target's.
        loss: mean over its examples of the loss of a model trained on other contributors.
        own: examples that stand nowhere else, from which alone a model that was trained on others tells anything of
            labels; all where there are none.
        disagree: share of its own that a model trained on other contributors answers otherwise.
        sure, sure_disagree: how many of its own such models are surest of, and the share of these; nan for responses.
        unusual: rows that such a model finds least likely, the least likely first, each with its loss.
    """

    name: str
    side: str
    read: int
    examples: int
    left_out: tuple[tuple[str, int], ...]
    within: int
    elsewhere: int
    shared_with: tuple[tuple[str, int], ...]
    leaked: int
    leaked_first: str
    distance: float
    off_target: float
    labels: tuple[float, ...]
    label_distance: float
    loss: float
    own: int
    disagree: float
    sure: int
    sure_disagree: float
    unusual: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Crossed:
    """What models that were trained on others say.

    Args:
        losses_N, right_N: of every contributor's examples, by a model trained on half of the contributors, not theirs.
        certainty_N: the largest probability that it gives to a label; nan for responses.
        target_right: share of the target that these models answer right; nobody: that of the most frequent label.
    """

    losses_N: Floats
    right_N: Bools
    certainty_N: Floats
    target_right: float
    nobody: float


def look(session: Session) -> tuple[tuple[Look, ...], Crossed]:
    """Every contributor's look."""
    brought = session.brought
    with session.progress.stage("looking at the examples"):
        crossed = cross(session)
        far_N = far_from_target(session)
        distance_C = -_distances(session)
        shares_CL = label_shares(brought)
    copies, owners_N = brought.copies, brought.train.owners_N
    own_N, sure_N = _own(brought), _sure(brought, crossed)
    wanted_L = _shares(brought.target.targets, len(brought.labels)) if brought.labels else np.empty(0)
    found = []
    for c, name in enumerate(brought.names):
        rows = np.flatnonzero(owners_N == c)
        twins = [
            (brought.names[o], int(copies.shared_CC[c, o])) for o in np.argsort(-copies.shared_CC[c], kind="stable")[:3]
        ]
        own = rows[own_N[rows]]
        own = own if len(own) else rows
        sure = own[sure_N[own]]
        odd = rows[np.argsort(-crossed.losses_N[rows], kind="stable")[:UNUSUAL]]
        found.append(
            Look(
                name=name,
                side=brought.sides[c],
                read=int(brought.read_C[c]),
                examples=len(rows),
                left_out=tuple(sorted(brought.left_out.get(name, {}).items())),
                within=int(copies.within_N[rows].sum()),
                elsewhere=int(copies.elsewhere_N[rows].sum()),
                shared_with=tuple((other, count) for other, count in twins if count),
                leaked=int((copies.target_N[rows] >= 0).sum()),
                leaked_first=_first_leak(brought, rows),
                distance=float(distance_C[c]),
                off_target=float(far_N[rows].mean()),
                labels=tuple(shares_CL[c].tolist()) if brought.labels else (),
                label_distance=float(np.abs(shares_CL[c] - wanted_L).sum() / 2) if brought.labels else float("nan"),
                loss=float(crossed.losses_N[rows].mean()),
                own=len(own),
                disagree=float(1 - crossed.right_N[own].mean()),
                sure=len(sure),
                sure_disagree=float(1 - crossed.right_N[sure].mean()) if len(sure) else float("nan"),
                unusual=tuple((int(row), float(crossed.losses_N[row])) for row in odd),
            )
        )
    return tuple(found), crossed


def _first_leak(brought: Brought, rows: Ints) -> str:
    """Where the first of these rows that stands in the target is, here and there."""
    hits = rows[brought.copies.target_N[rows] >= 0]
    if not len(hits):
        return ""
    row = int(hits[0])
    return f"{brought.shown.places[row]} is {brought.shown_target.places[brought.copies.target_N[row]]}"


def _own(brought: Brought) -> Bools:
    """Whether an example stands nowhere else: of a copy another's model has seen the label."""
    return np.asarray(~(brought.copies.within_N | brought.copies.elsewhere_N))


def _sure(brought: Brought, crossed: Crossed) -> Bools:
    """Whether an example is of those that models are surest of, N; none where answers are texts."""
    own_N = _own(brought)
    if not brought.labels or not own_N.any():
        return np.zeros(len(own_N), dtype=np.bool_)
    return np.asarray(own_N & (crossed.certainty_N >= np.quantile(crossed.certainty_N[own_N], 1 - SURE)))


def cross(session: Session) -> Crossed:
    """Two trainings, on one half of the contributors and on the other; each judges whom it has not seen."""
    brought = session.brought
    contributors = len(brought.names)
    first_C = np.zeros(contributors, dtype=np.bool_)
    order = stream(session.root, "value", "cross").permutation(contributors)
    first_C[order[: contributors // 2]] = True
    losses_N, right_N = np.zeros(len(brought.train)), np.zeros(len(brought.train), dtype=np.bool_)
    certainty_N = np.full(len(brought.train), np.nan)
    on_target = []
    for half_C in (first_C, ~first_C):
        params = session.engine.fit(session.seed("cross"), to_text(half_C))[0].params
        judged = np.flatnonzero(~half_C[brought.train.owners_N])
        losses_N[judged], right_N[judged], certainty_N[judged] = _judged(session, params, brought.train.take(judged))
        on_target.append(_judged(session, params, brought.target)[1].mean())
    nobody = float(np.bincount(brought.target.targets).max() / len(brought.target)) if brought.labels else 0.0
    return Crossed(losses_N, right_N, certainty_N, float(np.mean(on_target)), nobody)


@torch.no_grad()
def _judged(session: Session, params: Params, examples: Examples) -> tuple[Floats, Bools, Floats]:
    """Loss of each example, whether it is answered right, and how sure the model is; nan for responses."""
    losses, right, certainty = [], [], []
    for block in _blocks(examples):
        batch = training.on_device(block, session.device)
        logits, _ = session.learner.predict(params, batch)
        losses.append(session.learner.losses_of(logits, batch).double().cpu().numpy())
        right.append(session.learner.correct(logits, batch).cpu().numpy())
        if session.brought.labels:
            certainty.append(torch.softmax(logits.double(), dim=-1).amax(dim=-1).cpu().numpy())
    found = np.concatenate(losses), np.concatenate(right)
    return *found, np.concatenate(certainty) if certainty else np.full(len(examples), np.nan)


@torch.no_grad()
def _features(session: Session, examples: Examples) -> Array:
    """Before training, N x F."""
    params = session.learner.initialise(session.seed("features"), session.device)
    found = [session.learner.features(params, training.on_device(block, session.device)) for block in _blocks(examples)]
    return np.concatenate([one.double().cpu().numpy() for one in found])


def _blocks(examples: Examples) -> list[Examples]:
    return [
        examples.take(np.arange(start, min(start + BLOCK, len(examples)))) for start in range(0, len(examples), BLOCK)
    ]


def far_from_target(session: Session) -> Bools:
    """Whether an example lies farther from the target than nearly all target rows do, N.

    By the distance to the fifth nearest target row, on features before training, which know no label.
    """
    target_VF = _features(session, session.brought.target)
    target_VF = target_VF[
        np.arange(min(len(target_VF), TARGET_ROWS)) * len(target_VF) // min(len(target_VF), TARGET_ROWS)
    ]
    nearest = min(NEAREST, len(target_VF) - 1)
    own_V = _nearest(target_VF, target_VF, nearest + 1)  # itself is the first
    return np.asarray(_nearest(_features(session, session.brought.train), target_VF, nearest) > np.quantile(own_V, FAR))


def _nearest(rows_NF: Array, target_VF: Array, place: int) -> Floats:
    """Distance of each row to its ``place``-th nearest target row, N."""
    target = torch.from_numpy(target_VF)
    parts = [
        torch.cdist(torch.from_numpy(rows_NF[start : start + BLOCK]), target).kthvalue(place, dim=1).values
        for start in range(0, len(rows_NF), BLOCK)
    ]
    return np.asarray(torch.cat(parts).numpy())


def _distances(session: Session) -> Floats:
    """Minus each contributor's distance to the target, C."""
    name, method = registry.named(DISTANCE)
    found = session.evaluator.evaluate(name, method, "standalone")
    return np.full(len(session.brought.names), np.nan) if isinstance(found, str) else found.values_C


def label_shares(brought: Brought) -> Floats:
    """Of each contributor's examples, C x L; no columns where answers are texts."""
    labels = len(brought.labels)
    if not labels:
        return np.empty((len(brought.names), 0))
    owners_N, targets_N = brought.train.owners_N, brought.train.targets
    return np.array([_shares(targets_N[owners_N == c], labels) for c in range(len(brought.names))])


def _shares(targets: Ints | Array, labels: int) -> Floats:
    return np.asarray(np.bincount(targets, minlength=labels) / max(1, len(targets)))
