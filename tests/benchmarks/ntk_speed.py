"""The NTK term of NTK-MMD: against DAVINZ's published computation, against what it was, and at 100,000 examples.

1. One coalition, n = 1,000 digits, an MLP and a CNN. DAVINZ as it was published (Wu et al. 2022, ICML, and its code):
   one backward pass an example, the n x n kernel, its inverse. The same outputs and ridge on both sides, so that values
   can be compared.
2. Leave-one-out of 24 contributors, n = 690: one inverse and a block of it for each, against a Cholesky
   factorisation of each.
3. n = 100,000 examples of a small MLP by projected gradients: seconds and resident memory of a process of its own.
4. n = 20,000, everyone's NTK term alone, exactly: products with a kernel that is never made (it would take 3.2 GB).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from harness.retraining.training import on_device
from harness.types import Params, Problem, Recipe
from methods.gradients.per_example import output_gradients
from methods.ntk_mmd import terms
from methods.ntk_mmd.kernel import gram, of_linear_layers
from methods.ntk_mmd.terms import KernelComplexity
from tasks.learners.classifier import Classifier
from tests.benchmarks.bench import Rival, figure, race, start, table, verdict
from tests.benchmarks.digits import CLASSES, SIDE, cnn, mlp, plain, splits

RECIPE = Recipe(steps=60, batch_size=64, rate=0.1)
MEMORY_MB = 4_000


def davinz(learner: Classifier, params: Params, train: dict[str, torch.Tensor]) -> Callable[[], float]:
    """y' (kernel + ridge)^-1 y, an example and a backward pass at a time."""
    module = plain(learner, params)
    weights = list(module.parameters())

    def value() -> float:
        gradients, outputs = [], []
        for row, target in zip(train["inputs"], train["targets"], strict=True):
            output = torch.softmax(module(row[None]), 1)[0, target]
            found = torch.autograd.grad(output, weights)
            gradients.append(torch.cat([gradient.reshape(-1) for gradient in found]))
            outputs.append(output.detach())
        stacked, residual = torch.stack(gradients), 1 - torch.stack(outputs)
        kernel = stacked @ stacked.T
        kernel += terms.DEFAULT.ridge * kernel.diagonal().mean() * torch.eye(len(kernel))
        return float(residual @ (torch.linalg.inv(kernel) @ residual))

    return value


def ours(learner: Classifier, params: Params, train: dict[str, torch.Tensor]) -> Callable[[], float]:
    """The same of a pool of one contributor."""

    def value() -> float:
        with torch.no_grad():
            losses = learner.losses(params, train).double()
        slope, owners = (-losses).exp(), np.zeros(len(losses), dtype=np.int64)
        kernel = of_linear_layers(learner, params, train)
        if kernel is None:
            kernel = gram(output_gradients(learner, params, train, None, torch.Generator()))
        else:
            kernel *= slope * slope[:, None]
        ridge = terms.DEFAULT.ridge * float(kernel.diagonal().mean())
        return float(KernelComplexity(kernel, 1 - slope, owners, ridge).squared(np.ones((1, 1), bool))[0])

    return value


def against_davinz(n: int, rounds: int) -> None:
    rows, speeds = [], []
    for learner in (mlp(RECIPE), cnn(RECIPE)):
        train = on_device(splits(n, 0, 1)[0], "cpu")
        params = learner.initialise(0)
        rivals = {"ours": ours(learner, params, train), "as published": davinz(learner, params, train)}
        values = {name: value() for name, value in rivals.items()}
        found = race({name: Rival(lambda _, value=value: value()) for name, value in rivals.items()}, rounds)
        speeds.append(found["as published"].over(found["ours"]))
        apart = abs(values["ours"] / values["as published"] - 1)
        rows += [
            [learner.name, name, figure(timing.median), f"{values[name]:.6f}", f"{timing.over(found['ours']):.1f}x"]
            for name, timing in found.items()
        ]
        verdict(f"{learner.name}: values apart by", apart, 1e-3, "", at_least=False)
    table(f"NTK complexity of {n:,} examples", ["model", "route", "seconds", "value", "times ours"], rows)
    verdict("the slower model's speed over the published computation", min(speeds), 3)


def leaving_each_out(n: int, rounds: int) -> None:
    contributors = 24
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(n, 2_000, generator=generator)
    residual = torch.rand(n, generator=generator, dtype=torch.float64)
    rows = np.vstack([np.ones((1, contributors), bool), ~np.eye(contributors, dtype=bool)])
    kernel = gram(gradients)
    ridge = terms.DEFAULT.ridge * float(kernel.diagonal().mean())
    complexity = KernelComplexity(kernel, residual, np.arange(n) * contributors // n, ridge)
    routes = {
        "one inverse": lambda: complexity.squared(rows),
        "a factorisation each": lambda: np.concatenate([complexity._grown(row[None]) for row in rows]),
    }
    found = race({name: Rival(lambda _, route=route: route()) for name, route in routes.items()}, rounds)
    apart = float(np.abs(routes["one inverse"]() / routes["a factorisation each"]() - 1).max())
    print(f"\nLeaving each of {contributors} out, {n} examples: apart by {apart:.1e}")
    for name, timing in found.items():
        print(f"  {name:22s} {figure(timing.median)} s")
    verdict("speed of one inverse", found["a factorisation each"].over(found["one inverse"]), 3)


def large(n: int, solve: str) -> None:
    """In this process: prints seconds and resident memory of all terms of a pool of that size, or of everyone's NTK
    term alone if that is matrix-free.
    """
    from harness.types import Examples

    learner, contributors = mlp(RECIPE, width=32), 24
    rng = np.random.default_rng(0)
    columns = {
        "inputs": rng.standard_normal((n, 1, SIDE, SIDE)).astype(np.float32),
        "targets": rng.integers(0, CLASSES, n),
    }
    train = Examples(columns, np.arange(n) * contributors // n, np.arange(n) % 2 == 0)
    _, validation = splits(1, 500, 1)
    begun = time.perf_counter()
    problem = Problem(
        task="large",
        pool=0,
        question="leave-one-out",
        contributors=tuple(f"c{i}" for i in range(contributors)),
        train=train,
        validation=validation,
        learner=learner,
        retrain=None,  # type: ignore[arg-type]
        proxy=None,  # type: ignore[arg-type]
        initial=learner.initialise,
        fit=None,  # type: ignore[arg-type]
        shared=lambda key, build: build(),
        stream=lambda *path: np.random.default_rng(0),
        scope_stream=lambda *path: np.random.default_rng(0),
    )
    rows = np.vstack([np.ones((1, contributors), bool), ~np.eye(contributors, dtype=bool)])
    if solve == "matrix-free":
        found = terms.Terms(problem, 0, problem.shared, terms.Reading(solve="matrix-free")).of(rows[:1], ["ntk"])[:, 2]
    else:
        found = terms.Terms(problem, 0, problem.shared).of(rows)
    assert (found > 0).all()
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parameters = sum(p.numel() for p in problem.initial(0).values())
    print(parameters, time.perf_counter() - begun, memory_mb)


def at_scale(n: int, solve: str, what: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.ntk_speed", "--large", solve, str(n)]
    parameters, seconds, memory_mb = map(float, subprocess.check_output(command, text=True).split()[-3:])
    print(f"\n{what} of {n:,} examples, {parameters:,.0f} parameters: {figure(seconds)} s")
    verdict("resident memory, torch itself included,", memory_mb, MEMORY_MB, " MB", at_least=False)


def main() -> None:
    if "--large" in sys.argv:
        large(int(sys.argv[-1]), sys.argv[-2])
        return
    options = start(__doc__ or "")
    quick = options.quick
    against_davinz(100 if quick else 1_000, 1 if quick else 5)
    leaving_each_out(120 if quick else 690, 1 if quick else 9)
    at_scale(6_000 if quick else 100_000, "auto", "All terms of 25 coalitions")
    at_scale(1_000 if quick else 20_000, "matrix-free", "Everyone's NTK term, matrix-free,")


if __name__ == "__main__":
    main()
