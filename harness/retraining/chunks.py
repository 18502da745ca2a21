"""One chunk of retraining: a pure function of picklable arguments, so that it can run in any process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from harness.errors import UserError
from harness.metering.clock import Clock
from harness.metering.flops import FlopCounter
from harness.metering.load import HERE
from harness.metering.memory import PeakMemory
from harness.retraining import training
from harness.retraining.evaluation import Scores, evaluate
from harness.retraining.training import never
from harness.retraining.workspace import PoolReference, Workspace, workspace
from harness.types import Array, Bools, Cost, Fit, Floats, Ints, Outcome


class Job(NamedTuple):
    """One retraining: who trains together ('0110...'), from which initialisation."""

    coalition: str
    seed: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Jobs that train together, and where.

    Args:
        context: digest of the pool, learner and split (``workspace``).
        device: torch device.
        jobs: at least one.
        stacked: one vectorised pass for all jobs, or one pass a job.
        outputs: logits of one row; where they are many, a stack is scored on fewer rows at a time.
        by_example: answer each held-out example's log-likelihood too.
        pool: how a process that does not hold the pool deals it again; None: only the one that holds it can train.
    """

    context: str
    device: str
    jobs: tuple[Job, ...]
    stacked: bool = False
    outputs: int = 1
    by_example: bool = False
    pool: PoolReference | None = None


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What a chunk gave.

    Args:
        outcomes: of the jobs that trained; their costs are even shares of the chunk's.
        broken: of the jobs that diverged, why.
        log_likelihoods: of each held-out example, float32, N a job; empty unless the chunk asks for them.
    """

    outcomes: Mapping[Job, Outcome]
    broken: Mapping[Job, str]
    log_likelihoods: Mapping[Job, Array] = field(default_factory=dict)


class Diverged(UserError):
    """A retraining's loss was not finite."""


def retrain_chunk(chunk: Chunk, stopped: Callable[[], bool] = never, memory: PeakMemory | None = None) -> ChunkResult:
    """Train a chunk's coalitions from their initialisations and score them on the held-out split.

    Args:
        stopped: asked between steps and blocks of held-out rows, by workers in the coordinator's own process.
        memory: measures this process's peak, where several chunks share the process.

    Raises:
        OtherPool: this process comes to another pool than the chunk is of.
        training.Stopped: when ``stopped`` says so.
    """
    here = workspace(chunk.context, chunk.device, chunk.pool)
    memory = memory or PeakMemory(chunk.device)
    starts = [here.initial(job.seed) for job in chunk.jobs]
    members_JC = np.array([members(job.coalition) for job in chunk.jobs])
    trains_J = members_JC.any(axis=1)  # nobody's model is the initialisation
    flops, beginning = FlopCounter(), HERE.start()
    with Clock(chunk.device) as clock:
        params = {name: torch.stack([start[name] for start in starts]) for name in starts[0]}
        broke_J = np.full(len(chunk.jobs), -1)
        if trains_J.any():
            chosen = np.flatnonzero(trains_J)
            trained = training.train(
                here.learner,
                here.train,
                [starts[j] for j in chosen],
                members_JC[chosen][:, here.owners_N],
                [chunk.jobs[j].seed for j in chosen],
                stacked=chunk.stacked,
                flops=flops,
                stopped=stopped,
            )
            for name, stack in trained.params.items():
                params[name][torch.from_numpy(chosen).to(stack.device)] = stack
            broke_J[chosen] = trained.broke_J
        scored = partial(
            evaluate,
            here.learner,
            params,
            stacked=chunk.stacked,
            flops=flops,
            outputs=chunk.outputs,
            stopped=stopped,
        )
        scores = scored(here.held_out)
        beside = None if here.validation is None else scored(here.validation).utility_J
    share = Cost(
        seconds=clock.seconds / len(chunk.jobs),
        core_seconds=clock.core_seconds / len(chunk.jobs),
        gpu_seconds=clock.gpu_seconds / len(chunk.jobs),
        flops=flops.flops / len(chunk.jobs),
        peak_memory_mb=memory.so_far_mb(),
        retrainings=1,
        bytes_moved=flops.bytes_moved / len(chunk.jobs),
        launches=flops.launches / len(chunk.jobs),
        load=HERE.since(beginning),
    )
    return _result(chunk, here, scores, broke_J, share, beside)


def fit_traced(here: Workspace, job: Job) -> tuple[Fit, ChunkResult]:
    """One training run in this process, with its checkpoints.

    Raises:
        Diverged: its loss was not finite.
    """
    member_N = members(job.coalition)[here.owners_N]
    if not member_N.any():
        raise UserError(
            f"A traced fit needs at least one contributor, got the coalition {job.coalition!r}; the model of nobody is "
            "its initialisation."
        )
    flops, memory, beginning = FlopCounter(), PeakMemory(here.device), HERE.start()
    with Clock(here.device) as clock:
        run = here.initial(job.seed), member_N, here.owners_N, job.seed
        fit, trained = training.traced(here.learner, here.train, *run, flops)
        scores = evaluate(here.learner, trained.params, here.held_out, stacked=False, flops=flops)
    cost = Cost(
        seconds=clock.seconds,
        core_seconds=clock.core_seconds,
        gpu_seconds=clock.gpu_seconds,
        flops=flops.flops,
        peak_memory_mb=memory.so_far_mb(),
        retrainings=1,
        bytes_moved=flops.bytes_moved,
        launches=flops.launches,
        load=HERE.since(beginning),
    )
    found = _result(Chunk(here.context, here.device, (job,)), here, scores, trained.broke_J, cost)
    if found.broken:
        raise Diverged(found.broken[job])
    return fit, found


def members(coalition: str) -> Bools:
    """Who belongs to a coalition as the ledger writes it, C."""
    return np.array([mark == "1" for mark in coalition])


def _result(
    chunk: Chunk, here: Workspace, scores: Scores, broke_J: Ints, share: Cost, validation_J: Floats | None = None
) -> ChunkResult:
    outcomes, broken, by_example = dict[Job, Outcome](), dict[Job, str](), dict[Job, Array]()
    utility_J, accuracy_J, folds_J2F = scores.utility_J, scores.accuracy_J, scores.by_fold_J2F
    for j, job in enumerate(chunk.jobs):
        if broke_J[j] >= 0 or not np.isfinite(utility_J[j]):
            broken[job] = _divergence(here, job, int(broke_J[j]))
            continue
        beside = math.nan if validation_J is None else float(validation_J[j])
        outcomes[job] = Outcome(float(utility_J[j]), float(accuracy_J[j]), share, folds_J2F[j].tobytes(), beside)
        if chunk.by_example:
            by_example[job] = scores.log_likelihood_JN[j].astype(np.float32)
    return ChunkResult(outcomes, broken, by_example)


def _divergence(here: Workspace, job: Job, step: int) -> str:
    when = f"the loss was not finite at step {step + 1}" if step >= 0 else "the held-out loss is not finite"
    recipe = here.learner.recipe
    return (
        f"training diverged: {when} of {recipe.steps} for coalition {job.coalition}, seed {job.seed}. "
        f"Lower the learning rate ({recipe.rate}) of {here.learner.name}, or clip its gradients."
    )
