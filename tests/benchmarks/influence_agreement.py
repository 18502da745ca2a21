"""Influence functions and EK-FAC against other libraries': agreement with the exact damped solve, and seconds.

Digits, 1,437 training and 360 validation rows, models after a short training run which is not timed. Everybody has the
same model and the same damping: the rule of ``influence`` (1 / the learning rate summed over training), and for the
smaller MLP also the usual tenth of the Gauss-Newton matrix's mean eigenvalue. Where parameters are few, "exact" is a
dense solve in double precision with the Gauss-Newton matrix; of the larger MLP it is ours solved to 1e-6.

Estimators differ under one name, and each row says its own: G the Gauss-Newton matrix, F the empirical Fisher matrix, H
the Hessian (indefinite after a short run). Libraries are handed the validation set as one sum where they take it so.
EK-FAC with every label weighed by its probability is one estimator here and in kronfluence, which by itself draws one.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.func import functional_call, jacrev, vmap

from harness.retraining.training import on_device
from harness.statistics.scores import spearman
from harness.types import Floats, Params, Problem, Recipe
from methods.ekfac import Ekfac
from methods.gradients.curvature import GaussNewton, damped_solve
from methods.gradients.directional import directional_losses, mean_gradient
from methods.gradients.kronecker import kronecker
from methods.influence import Influence, inverse_damping
from methods.influence_pydvl import InfluencePydvl
from tasks.learners.classifier import Classifier
from tests.benchmarks.bench import Rival, missing, race, spread, start, table, verdict
from tests.benchmarks.digits import CONTRIBUTORS, cnn, mlp, problem_of
from tests.benchmarks.peers import Route, Trained, captum_arnoldi, dattri_cg, dattri_ekfac, kronfluence, pydvl_ekfac

MEAN_EIGENVALUE = 0.1
RECIPE = Recipe(steps=300, batch_size=64, rate=0.1)
DENSE = 2_000
"""Most parameters of a dense solve."""


def exact(trained: Trained) -> Floats:
    """Example's gradient . (G + damping)^-1 mean validation gradient / N, all of it dense, N."""
    module = trained.module().double()
    wide = {name: p.double() for name, p in trained.params.items()}

    def logits(p: Params, inputs: torch.Tensor) -> torch.Tensor:
        return functional_call(module, p, (inputs[None],))[0]

    def rows_of(part: dict) -> tuple[torch.Tensor, torch.Tensor]:
        """Jacobians of the logits N x K x P, probabilities N x K."""
        inputs = part["inputs"].double()
        jacobians = vmap(jacrev(logits), (None, 0))(wide, inputs)
        flat = torch.cat([j.flatten(2) for j in jacobians.values()], dim=2)
        return flat.detach(), module(inputs).softmax(-1).detach()

    def gradients(flat_NKP: torch.Tensor, chances_NK: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        errors = chances_NK - torch.nn.functional.one_hot(targets, chances_NK.shape[1])
        return torch.einsum("nkp,nk->np", flat_NKP, errors)

    flat_NKP, chances_NK = rows_of(trained.train)
    weighted = flat_NKP * chances_NK[..., None]
    mean_NP = weighted.sum(1)
    curvature = torch.einsum("nkp,nkq->pq", weighted, flat_NKP) - mean_NP.T @ mean_NP
    curvature /= len(flat_NKP)
    target = gradients(*rows_of(trained.asked), trained.asked["targets"]).mean(0)
    solved = torch.linalg.solve(curvature + trained.damping * torch.eye(len(curvature)), target)
    return (gradients(flat_NKP, chances_NK, trained.train["targets"]) @ solved).numpy() / len(flat_NKP)


@dataclass(frozen=True, slots=True)
class Way:
    """One library's way to the values.

    Args:
        estimator: of what, in a few words.
        route: makes them, N.
        solves: whether it solves with all of the curvature, rather than with Kronecker factors.
        threads: torch thread counts to try.
    """

    estimator: str
    route: Route
    solves: bool
    threads: tuple[int, ...] = (1, 2)


def solved(trained: Trained, tolerance: float = 0.01) -> Route:
    """``influence``, once its damping is known."""

    def route() -> Floats:
        learner, params, train = trained.learner, trained.params, trained.train
        curvature, target = GaussNewton(learner, params, train), mean_gradient(learner, params, trained.asked)
        found = damped_solve(curvature, inverse(trained), target, tolerance, 2_000)
        return directional_losses(learner, params, train, found).double().numpy() / len(train["targets"])

    return route


def factored(trained: Trained) -> Route:
    """``ekfac``, once its damping is known."""

    def route() -> Floats:
        learner, params, train = trained.learner, trained.params, trained.train
        factors = kronecker(learner, params, train, inverse(trained), seed=0, corrected=True)
        found = factors.solve(mean_gradient(learner, params, trained.asked))
        return directional_losses(learner, params, train, found).double().numpy() / len(train["targets"])

    return route


def inverse(trained: Trained) -> Params:
    return {name: torch.full_like(p, 1 / trained.damping) for name, p in trained.params.items()}


def ways_of(problem: Problem, trained: Trained, damping: float | None) -> dict[str, Way]:
    """Everybody who can follow the model, ours first."""
    linear = trained.learner.name == "mlp"
    found = {
        "ours": Way("G, to 1 %", solved(trained), True),
        "ours, ekfac": Way("EK-FAC, every label", factored(trained), False),
    }
    if not missing("pydvl"):
        fisher = InfluencePydvl(runs=1, damping=damping)  # by the method's own adapter, which finds the damping
        found["pyDVL CG"] = Way("F, to 1 %", lambda: fisher.example_values(problem)[0], True)
        if linear:
            found["pyDVL EK-FAC"] = Way("EK-FAC, labels drawn", pydvl_ekfac(trained), False)
    if not missing("kronfluence"):
        found["kronfluence EK-FAC"] = Way("EK-FAC, labels drawn", kronfluence(trained, "ekfac"), False)
        every = kronfluence(trained, "ekfac", every_label=True)
        found["kronfluence EK-FAC, every label"] = Way("EK-FAC, every label", every, False)
    if not missing("dattri"):
        if linear:
            found["dattri EK-FAC"] = Way("EK-FAC, labels drawn", dattri_ekfac(trained), False)
        found["dattri CG"] = Way("H, 10 steps, its default", dattri_cg(trained, 10), True)
        found["dattri CG, 100 steps"] = Way("H, 100 steps", dattri_cg(trained, 100), True)
    if not missing("captum"):
        arnoldi = captum_arnoldi(trained, 200, 50)  # it takes twenty times as long as the others: one thread
        found["captum Arnoldi"] = Way("H, 50 of its eigenvectors", arnoldi, True, threads=(1,))
    return found


def compare(learner: Classifier, damping: float | None, rows: int, rounds: int) -> None:
    """One table: everybody's values and seconds on one model.

    Args:
        damping: a multiple of the mean eigenvalue, or None for the rule.
    """
    with tempfile.TemporaryDirectory() as folder:
        problem = problem_of(Path(folder), learner, rows)
    params = problem.fit(0).params
    train, validation = (on_device(part, "cpu") for part in (problem.train, problem.validation))
    strength = 1 / float(next(iter(inverse_damping(problem, 0, damping).values())).flatten()[0])
    trained = Trained(learner, params, train, validation, strength)
    size = sum(p.numel() for p in params.values())
    truth_N = exact(trained) if size <= DENSE else solved(trained, 1e-6)()
    ways, answers = ways_of(problem, trained, damping), {}

    def rival(name: str, way: Way) -> Rival:
        def call(turn: int) -> None:
            answers[name] = way.route()

        return Rival(call, way.threads)

    found = race({name: rival(name, way) for name, way in ways.items()}, rounds)
    truth_C = by_contributor(problem, truth_N)
    values_C = {name: by_contributor(problem, values_N) for name, values_N in answers.items()}
    best = {solves: found["ours" if solves else "ours, ekfac"] for solves in (True, False)}
    rule = "by the rule" if damping is None else f"{damping:g} x mean eigenvalue"
    table(
        f"{learner.name} of {size:,} parameters, {rows:,} x {len(problem.validation)}, {RECIPE.steps} steps, "
        f"{CONTRIBUTORS} contributors; damping {strength:.2g}, {rule}",
        [
            "",
            "of",
            "Spearman, examples",
            "contributors",
            "off by at most",
            "ms, median (min to max)",
            "threads",
            "over ours",
        ],
        [
            [
                *(name, ways[name].estimator, f"{spearman(answers[name], truth_N):.4f}"),
                *(f"{spearman(values_C[name], truth_C):.4f}", f"{off(values_C[name], truth_C):.2g}"),
                *(spread(1e3 * t.seconds), t.threads, f"{t.over(best[ways[name].solves]):.2f}x"),
            ]
            for name, t in found.items()
        ],
    )
    for name, method in (
        ("ours", Influence(runs=1, damping=damping, iterations=2_000)),
        ("ours, ekfac", Ekfac(runs=1, damping=damping)),
    ):
        apart = off(answers[name], method.example_values(problem)[0])
        verdict(f"{name}, off what the method itself says by", apart, 1e-2, "", at_least=False)
    verdict("ours, agreement with the exact solve over examples", spearman(answers["ours"], truth_N), 0.99, "")
    for solves, own in ((True, "ours"), (False, "ours, ekfac")):
        for name, way in ways.items():
            if way.solves == solves and not name.startswith("ours"):
                verdict(f"{own}, faster than {name}", found[name].over(found[own]), 1)
    same = "kronfluence EK-FAC, every label"
    if same in answers:
        apart = off(values_C["ours, ekfac"], values_C[same])
        verdict("ours, ekfac, off kronfluence's of every label by", apart, 1e-4, "", at_least=False)


def by_contributor(problem: Problem, values_N: Floats) -> Floats:
    return np.bincount(problem.train.owners_N, values_N)


def off(values_C: Floats, truth_C: Floats) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(values_C - truth_C).max() / np.abs(truth_C).max())


CASES: dict[str, tuple[Callable[[], Classifier], float | None]] = {
    "small": (lambda: mlp(RECIPE, 16), None),
    "eigenvalue": (lambda: mlp(RECIPE, 16), MEAN_EIGENVALUE),
    "cnn": (lambda: cnn(RECIPE), None),
    "wide": (lambda: mlp(RECIPE), None),
}


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--cases", nargs="+", choices=CASES, default=[*CASES], help="minutes each")

    options = start(__doc__ or "", ["pydvl", "kronfluence", "dattri", "captum"], more)
    rows, rounds = (240, 1) if options.quick else (1_437, 3)
    for case in options.cases:
        make, damping = CASES[case]
        compare(make(), damping, rows, rounds)


if __name__ == "__main__":
    main()
