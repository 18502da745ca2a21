"""Influence functions: agreement with the exact damped Gauss-Newton influence, and seconds.

Digits, a small MLP after a short training run, few enough parameters for a dense solve in double precision. Every
estimator gets the same damping, a tenth of the Gauss-Newton matrix's mean eigenvalue, and the same trained model; its
training is not timed. Spearman correlation over training examples and over contributors (sums).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.func import functional_call, jacrev, vmap

from harness.metering.meter import Meter
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.retraining.training import on_device
from harness.running.evaluator import Evaluator
from harness.statistics.scores import spearman
from harness.types import Floats, Params, Problem, Recipe
from methods import influence_pydvl
from methods.influence import Influence
from tasks.learners.classifier import Classifier
from tests.benchmarks.bench import Rival, figure, missing, race, spread, start, table, verdict
from tests.benchmarks.digits import mlp, plain, splits

DAMPING, CONTRIBUTORS = 0.1, 24
RECIPE = Recipe(steps=300, batch_size=64, rate=0.1)


def exact(learner: Classifier, params: Params, train: dict, asked: dict) -> Floats:
    """Example's gradient . (G + damping)^-1 mean validation gradient, all of it dense, N."""
    module = plain(learner, params).double()
    wide = {name: p.double() for name, p in params.items()}

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

    flat_NKP, chances_NK = rows_of(train)
    weighted = flat_NKP * chances_NK[..., None]
    mean_NP = weighted.sum(1)
    curvature = torch.einsum("nkp,nkq->pq", weighted, flat_NKP) - mean_NP.T @ mean_NP
    curvature /= len(flat_NKP)
    damping = DAMPING * curvature.diagonal().mean()
    target = gradients(*rows_of(asked), asked["targets"]).mean(0)
    solved = torch.linalg.solve(curvature + damping * torch.eye(len(curvature)), target)
    return (gradients(flat_NKP, chances_NK, train["targets"]) @ solved).numpy()


def problem_of(folder: Path, learner: Classifier, rows: int) -> Problem:
    """A problem of digits whose shared training run is done already."""
    train, validation = splits(rows, 360, CONTRIBUTORS)
    engine = Engine(learner, train, validation, Ledger(folder / "ledger.sqlite"))
    names = tuple(f"c{i}" for i in range(CONTRIBUTORS))
    evaluator = Evaluator(0, "digits", 0, names, train, validation, engine)
    problem = evaluator._problem("benchmark", "leave-one-out", Meter("cpu"), (), lambda done: None)
    fit = problem.fit(0)
    return replace(problem, fit=lambda k: fit)


def ours(tolerance: float) -> Influence:
    """At a damping made for converged models, which asks for more steps than the default's."""
    return Influence(runs=1, damping=DAMPING, tolerance=tolerance, iterations=300)


def main() -> None:
    options = start(__doc__ or "", ["pydvl"])
    width, rows = (8, 240) if options.quick else (16, 1_437)
    learner = mlp(RECIPE, width)
    with tempfile.TemporaryDirectory() as folder:
        problem = problem_of(Path(folder), learner, rows)
    params = problem.fit(0).params
    train, validation = (on_device(part, "cpu") for part in (problem.train, problem.validation))
    answers: dict[str, Floats] = {}

    def rival(name: str, values: Callable[[], Floats]) -> Rival:
        def call(turn: int) -> None:
            answers[name] = values()[0]

        return Rival(call)

    rivals = {
        name: rival(name, lambda tolerance=tolerance: ours(tolerance).example_values(problem))
        for name, tolerance in (("ours", 1e-1), ("ours, tolerance 1e-3", 1e-3))
    }
    if not missing("pydvl"):
        cg = influence_pydvl.InfluencePydvl(runs=1, damping=DAMPING)
        ekfac = influence_pydvl.InfluenceEkfac(runs=1, damping=DAMPING)
        rivals |= {
            "pyDVL CG, GAUSS_NEWTON": rival("pyDVL CG, GAUSS_NEWTON", lambda: cg.example_values(problem)),
            "pyDVL EK-FAC": rival("pyDVL EK-FAC", lambda: ekfac.example_values(problem)),
        }
    truth_N = exact(learner, params, train, validation)
    found = race(rivals, 1 if options.quick else 3)
    owners = problem.train.owners_N
    agreement = {name: spearman(values, truth_N) for name, values in answers.items()}
    size = sum(p.numel() for p in params.values())
    table(
        f"MLP of {size:,} parameters, {rows:,} x {len(problem.validation)}, {RECIPE.steps} steps, "
        f"{CONTRIBUTORS} contributors",
        ["", "Spearman, examples", "Spearman, contributors", "seconds, median (min to max)", "threads"],
        [
            [
                name,
                f"{agreement[name]:.4f}",
                f"{spearman(np.bincount(owners, answers[name]), np.bincount(owners, truth_N)):.4f}",
                spread(t.seconds),
                t.threads,
            ]
            for name, t in found.items()
        ],
    )
    verdict("ours, agreement over examples", agreement["ours"], 0.99, "")
    rest = {name: t.median for name, t in found.items() if "EK-FAC" in name}
    if rest:
        best = min(rest, key=rest.__getitem__)
        print(f"ours takes {figure(found['ours'].median)} s, {best} {figure(rest[best])} s")
        verdict(f"ours, faster than {best}", found[best].over(found["ours"]), 1)


if __name__ == "__main__":
    main()
