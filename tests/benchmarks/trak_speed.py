"""TRAK for contributors, one trained model: against its authors' package (traker) and dattri's, by the same definition.

Digits, 1,437 training and 360 validation rows, after a short training run which is not timed. Everybody takes the
gradients of margins, projects them or leaves them whole, and has the same ridge in its own units: a tenth of the mean
eigenvalue (``damping=0.1``), or none, as the paper has it, where there are more rows than numbers. Libraries are handed
the validation set as one item, the mean of its margins. Exact is the definition in double precision, without
projection: what a projected answer misses of it is the projection's own noise. traker's scale is lost (it divides by a
mean), so sizes are compared after the best factor.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.func import functional_call, grad_and_value, vmap

from harness.retraining.training import on_device
from harness.statistics.scores import spearman
from harness.types import Batch, Floats, Params, Recipe
from methods.trak import Trak
from tasks.learners.classifier import Classifier
from tests.benchmarks.bench import Rival, missing, race, spread, start, table, verdict
from tests.benchmarks.digits import CONTRIBUTORS, cnn, mlp, problem_of
from tests.benchmarks.peers import Route, Trained, dattri_trak, traker

RECIPE = Recipe(steps=300, batch_size=64, rate=0.1)
DAMPING = 0.1
PROJECTION = 512
WHOLE = 1_000_000
INVERTED = 2_000
"""Most parameters whose whole gradients traker is asked for: it solves with a matrix of as many rows; dattri too."""


def margins(trained: Trained, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's margin gradient, N x P, and one minus its probability, N; in double precision."""
    module = trained.module().double()
    wide = {name: p.double() for name, p in trained.params.items()}

    def margin(params: Params, row: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = functional_call(module, params, (row[None],))[0]
        others = logits.scatter(0, target[None], -torch.inf)
        return logits.gather(0, target[None])[0] - others.logsumexp(0)

    found, values = vmap(grad_and_value(margin), (None, 0, 0))(wide, batch["inputs"].double(), batch["targets"])
    return torch.cat([each.flatten(1) for each in found.values()], 1).detach(), torch.sigmoid(-values).detach()


def exact(trained: Trained, ridge: float) -> Floats:
    """(1 - p) x row's gradient . (Z'Z + ridge)^-1 mean validation gradient, N, whichever side is smaller solved."""
    rows_NP, miss_N = margins(trained, trained.train)
    target_P = margins(trained, trained.asked)[0].mean(0)
    if len(rows_NP) <= rows_NP.shape[1]:
        kernel_NN = rows_NP @ rows_NP.T + ridge * torch.eye(len(rows_NP))
        found_N = torch.linalg.solve(kernel_NN, rows_NP @ target_P)
    else:
        moment_PP = rows_NP.T @ rows_NP + ridge * torch.eye(rows_NP.shape[1])
        found_N = rows_NP @ torch.linalg.solve(moment_PP, target_P)
    return (found_N * miss_N).numpy()


def compare(learner: Classifier, damping: float, rows: int, rounds: int) -> None:
    """One table of one model.

    Args:
        damping: the ridge, over the mean eigenvalue of whole gradients' second moment; 0 for none.
    """
    with tempfile.TemporaryDirectory() as folder:
        problem = problem_of(Path(folder), learner, rows)
    train, validation = (on_device(part, "cpu") for part in (problem.train, problem.validation))
    trained = Trained(learner, problem.fit(0).params, train, validation)
    size = sum(p.numel() for p in trained.params.values())
    gradients_NP = margins(trained, train)[0]
    ridge = damping * float(gradients_NP.square().sum()) / min(gradients_NP.shape)
    width = min(PROJECTION, rows // 2)  # of more than 100: traker 0.3.2 loses the matrix of one block

    def ours(projection: int) -> Route:
        return lambda: Trak(runs=1, projection=projection, damping=damping or 1e-6).example_values(problem)[0]

    routes: dict[str, Route] = {f"ours, k = {width}": ours(width)}
    whole = damping > 0 or size < rows
    if whole:
        routes["ours, whole gradients"] = ours(WHOLE)
    if not missing("traker"):
        routes[f"traker, k = {width}"] = traker(trained, width, ridge * width / size)
        if whole and size <= INVERTED:
            routes["traker, whole gradients"] = traker(trained, None, ridge / size)
    if not missing("dattri"):
        routes[f"dattri, k = {width}"] = dattri_trak(trained, width, ridge / size)  # it also divides by the root of k
        if whole and size <= INVERTED:
            routes["dattri, whole gradients"] = dattri_trak(trained, None, ridge / size)
    answers: dict[str, Floats] = {}

    def rival(name: str, route: Route) -> Rival:
        def call(turn: int) -> None:
            answers[name] = route()

        return Rival(call)

    found = race({name: rival(name, route) for name, route in routes.items()}, rounds)
    owners = problem.train.owners_N
    truth_N = exact(trained, ridge) if whole else None
    lines = []
    for name, t in found.items():
        values_N, own = answers[name], found["ours, whole gradients" if "whole" in name else f"ours, k = {width}"]
        agreement = ["–"] * 3
        if truth_N is not None:
            values_C, truth_C = np.bincount(owners, values_N), np.bincount(owners, truth_N)
            values_C = values_C * (values_C @ truth_C) / (values_C @ values_C)
            apart = np.abs(values_C - truth_C).max() / np.abs(truth_C).max()
            agreement = [*(f"{spearman(values_N, truth_N):.4f}", f"{spearman(values_C, truth_C):.4f}", f"{apart:.2g}")]
            if name == "ours, whole gradients":
                verdict(f"{learner.name}: {name}, off the definition by", apart, 1e-3, "", at_least=False)
        lines.append([name, *agreement, spread(1e3 * t.seconds), t.threads, f"{t.over(own):.2f}x"])
    table(
        f"{learner.name} of {size:,} parameters, {rows:,} x {len(problem.validation)}, {CONTRIBUTORS} contributors; "
        + (f"ridge {damping:g} x mean eigenvalue" if damping else "no ridge"),
        ["", "Spearman, examples", "contributors", "off by at most", "ms, median (min to max)", "threads", "over ours"],
        lines,
    )
    for name, t in found.items():
        if not name.startswith("ours"):
            own = name.replace("traker", "ours").replace("dattri", "ours")
            verdict(f"{learner.name}: ours, faster than {name}", t.over(found[own]), 1)


def main() -> None:
    options = start(__doc__ or "", ["traker", "dattri"])
    rows, rounds = (240, 1) if options.quick else (1_437, 5)
    for learner, damping in ((mlp(RECIPE), DAMPING), (cnn(RECIPE), DAMPING), (cnn(RECIPE), 0.0)):
        compare(learner, damping, rows, rounds)


if __name__ == "__main__":
    main()
