"""Which estimators bear one name, for ``dataworth study agreement``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.types import Plain, Question

DENSE = "methods.references.dense:DenseInfluence"
UTILITY = "methods.references.retrained:Utility"
WHOLE = 1_000_000
"""A projection wider than the gradients of the tasks' models."""


@dataclass(frozen=True, slots=True)
class Member:
    """One estimator.

    Args:
        name: as its row says it; the method's own where ``where`` is empty and nothing is turned.
        method: its name in the table of methods; empty for one that is none.
        where: module and class of an estimator that no table of methods names.
        knobs: what is turned.
    """

    name: str
    method: str = ""
    where: str = ""
    knobs: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Estimators of one name.

    Args:
        name: theirs.
        about: what they have in common here, and what tells them apart.
        question: which the set functions among them are asked; all others answer every question alike.
        members: in the order of their rows.
        common: knobs turned in whatever member has them.
        contributors: the first so many of a pool alone; None for all.
    """

    name: str
    about: str
    question: Question
    members: tuple[Member, ...]
    common: Mapping[str, Plain] = field(default_factory=dict)
    contributors: int | None = None


def methods(*names: str) -> tuple[Member, ...]:
    """Members as the table of methods has them."""
    return tuple(Member(name, name) for name in names)


SHAPLEY = methods("data-shapley", "regression-shapley", "kernel-shap", "coalition-gp")

GROUPS = (
    Group(
        "influence",
        "All after the same one training run. The dense solve has the curvature and the damping of influence, and no "
        "error; the others have another curvature, another damping, or a cheaper solve.",
        "leave-one-out",
        (
            Member("dense Gauss-Newton", where=DENSE),
            *methods(
                *("influence", "influence-pydvl", "influence-pydvl:ekfac", "ekfac", "kfac", "influence:hessian"),
                *("astra", "datainf", "group-influence"),
            ),
        ),
        {"runs": 1},
    ),
    Group(
        "TracIn",
        "All over the checkpoints of the same one training run; TracInCPFast sees the last layer's weight alone.",
        "leave-one-out",
        (
            *methods("tracin", "tracin:adam"),
            Member("captum TracInCP", where="methods.references.libraries:TracInCaptum"),
            Member(
                "captum TracInCPFast", where="methods.references.libraries:TracInCaptum", knobs={"last_layer": True}
            ),
            Member("dattri, 512 numbers", where="methods.references.libraries:TracInDattri"),
            Member("dattri, whole", where="methods.references.libraries:TracInDattri", knobs={"projection": 0}),
        ),
        {"runs": 1},
    ),
    Group(
        "Data Shapley",
        "At equal retrainings, 4 a contributor; kernel-shap, regression-shapley and coalition-gp retrain the same "
        "coalitions.",
        "shapley",
        SHAPLEY,
    ),
    Group(
        "Data Shapley, few contributors",
        "The pool's first 8 contributors alone, so that all 256 coalitions can be retrained, from the seeds that "
        "all but data-shapley retrain from: what they differ by is what sampling costs them.",
        "shapley",
        (Member("every coalition", where=UTILITY), *SHAPLEY),
        contributors=8,
    ),
    Group(
        "Banzhaf and Beta Shapley",
        "At equal retrainings; both Banzhaf values are of the same coalitions. Beta(4, 1).",
        "shapley",
        (
            Member("data-banzhaf", "data-banzhaf"),
            Member("pyDVL's Banzhaf", where="methods.references.retrained:BanzhafPydvl"),
            Member("beta-shapley", "beta-shapley"),
            Member("pyDVL's Beta Shapley", where="methods.references.retrained:BetaPydvl"),
        ),
    ),
    Group(
        "KNN-Shapley",
        "On the same features.",
        "leave-one-out",
        (
            Member("knn-shapley", "knn-shapley"),
            Member("pyDVL's KNN-Shapley", where="methods.references.pydvl_features:KnnShapleyPydvl"),
        ),
    ),
    Group(
        "TRAK",
        "After the same three training runs. Ours have a ridge, dattri's has none.",
        "leave-one-out",
        (
            Member("trak, k = 256", "trak", knobs={"projection": 256}),
            Member("trak, k = 1024", "trak", knobs={"projection": 1024}),
            Member("trak, whole gradients", "trak", knobs={"projection": WHOLE}),
            Member("dattri, 512 numbers", where="methods.references.libraries:TrakDattri"),
        ),
    ),
    Group(
        "Data-OOB",
        "On the same features; pyDVL's is of the same bags as data-oob, and 200 trees are other, larger bags.",
        "leave-one-out",
        (
            Member("data-oob", "data-oob"),
            Member("pyDVL's Data-OOB", where="methods.references.pydvl_features:DataOobPydvl"),
            Member("data-oob, 200 trees", "data-oob", knobs={"trees": 200}),
        ),
    ),
    Group(
        "leave-one-out",
        "Retraining without a contributor, against what stands in for it.",
        "leave-one-out",
        methods("leave-one-out", "metagradient", "metagradient:swaps", "influence"),
    ),
)
