"""Coupled training of many models at once.

*Coupled*: for one seed every coalition shares its initialisation and the order in which examples are drawn.
At each step every example of the pool gets a random priority from the seed's stream, and the batch is
the members of highest priority. So U(N) and U(N without i) differ only where i's examples stood, and most of
the noise cancels in their difference (common random numbers).

*At once*: the parameters of J jobs are stacked and every step is one vectorised pass (``torch.func.vmap``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import grad_and_value, jvp, vjp, vmap

from harness.metering.flops import FlopCounter
from harness.types import (
    ADAM_EPSILON,
    CLIP_EPSILON,
    MEAN_KEPT,
    SQUARES_KEPT,
    Batch,
    Bools,
    Checkpoint,
    Examples,
    Fit,
    Floats,
    Ints,
    Learner,
    Params,
    Recipe,
)

VERSION = 1
"""Raised whenever the same job would give another model; it enters the ledger's key."""

PLAN_BLOCK = 4_000_000
"""Priorities drawn ahead at a time: bounds the plan's memory to some tens of MB whatever the pool's size."""


class Stopped(Exception):
    """The run was told to stop between two steps."""


def never() -> bool:
    """Nobody stops this."""
    return False


# --- which examples each step draws ----------------------------------------------------------------


def draw_batches(members_JN: Bools, seeds_J: Sequence[int], recipe: Recipe) -> Iterator[tuple[Ints, Floats]]:
    """The batch of every step: rows J x B and their weights J x B (0 pads a coalition smaller than a batch)."""
    examples = members_JN.shape[1]
    width = min(recipe.batch_size, int(members_JN.sum(axis=1).max()))
    block = max(1, PLAN_BLOCK // max(1, examples * len(set(seeds_J))))
    streams = {seed: np.random.default_rng(seed) for seed in dict.fromkeys(seeds_J)}
    for start in range(0, recipe.steps, block):
        steps = range(start, min(start + block, recipe.steps))
        order = {seed: _order(rng, len(steps), examples) for seed, rng in streams.items()}
        drawn = [_first_members(order[seed], members_JN[j], width) for j, seed in enumerate(seeds_J)]
        rows_JTB = np.stack([rows for rows, _ in drawn])
        weights_JTB = np.stack([weights for _, weights in drawn])
        for t in range(len(steps)):
            yield rows_JTB[:, t], weights_JTB[:, t]


def _order(rng: np.random.Generator, steps: int, examples: int) -> Ints:
    """Examples by falling priority at the next steps, T x N: the whole pool's order, before any coalition is chosen."""
    return np.argsort(-rng.random((steps, examples)), axis=1)


def _first_members(order_TN: Ints, member_N: Bools, width: int) -> tuple[Ints, Floats]:
    """The first ``width`` members in each step's order, T x B, padded with weight 0 where there are fewer."""
    size = int(member_N.sum())
    found = min(width, size)
    # A coalition of most of the pool fills its batch from the head of the order; look there first.
    head = min(len(member_N), int(2 * width * len(member_N) / size) + 16)
    for depth in (head, len(member_N)):
        inside = member_N[order_TN[:, :depth]]
        if (inside.sum(axis=1) >= found).all():
            break
    first = inside & (np.cumsum(inside, axis=1) <= found)
    # Weight 0 times a loss that is not finite is nan, so what pads a batch is a member too.
    rows = np.full((len(order_TN), width), member_N.argmax())
    weights = np.zeros((len(order_TN), width))
    rows[:, :found] = order_TN[:, :depth][first].reshape(len(order_TN), found)
    weights[:, :found] = 1.0
    return rows, weights


def draw_order(member_N: Bools, owners_N: Ints, seed: int, recipe: Recipe) -> tuple[Ints, int]:
    """What one job draws, and who would come in after it: ``Fit.order_TK`` and ``Fit.batch_size``."""
    examples, size = len(member_N), int(member_N.sum())
    width, block = min(recipe.batch_size, size), max(1, PLAN_BLOCK // max(1, examples))

    def members_by_priority() -> Iterator[Ints]:
        rng = np.random.default_rng(seed)
        for start in range(0, recipe.steps, block):
            order_TN = _order(rng, min(block, recipe.steps - start), examples)
            yield order_TN[member_N[order_TN]].reshape(len(order_TN), size)

    depth = max(_deep_enough(owners_N[order_TK], width) for order_TK in members_by_priority())
    return np.concatenate([order_TK[:, :depth] for order_TK in members_by_priority()]), width


def _deep_enough(owners_TK: Ints, width: int) -> int:
    """How far down the order ``width`` rows without any one owner's are found, or all that there are; at least that."""
    deepest = width
    for owner, owned in zip(*np.unique(owners_TK[0], return_counts=True), strict=True):
        wanted = min(width, owners_TK.shape[1] - int(owned))
        if wanted:
            found_TK = np.cumsum(owners_TK != owner, axis=1)
            deepest = max(deepest, int(np.argmax(found_TK >= wanted, axis=1).max()) + 1)
    return deepest


# --- optimisers on stacks of parameters ------------------------------------------------------------


class Optimiser:
    """SGD with momentum or AdamW, in place, on parameters with a leading job axis.

    The formulas are torch's own, and tests compare them; torch's classes know no job axis to clip along.
    """

    def __init__(self, recipe: Recipe, params: Params) -> None:
        self.recipe, self.params = recipe, params
        self.rates = recipe.rates()
        self.first = {name: torch.zeros_like(p) for name, p in params.items()}
        self.second = {name: torch.zeros_like(p) for name, p in params.items()} if recipe.optimiser == "adamw" else {}

    def step(self, t: int, gradients: Params) -> None:
        if self.recipe.clip is not None:
            gradients = _clipped(gradients, self.recipe.clip)
        update = self._adamw if self.recipe.optimiser == "adamw" else self._sgd
        for name, gradient in gradients.items():
            update(t, name, self.params[name], gradient)

    def _sgd(self, t: int, name: str, param: torch.Tensor, gradient: torch.Tensor) -> None:
        if self.recipe.weight_decay:
            gradient = gradient.add(param, alpha=self.recipe.weight_decay)
        velocity = self.first[name].mul_(self.recipe.momentum).add_(gradient)
        param.sub_(velocity, alpha=float(self.rates[t]))

    def _adamw(self, t: int, name: str, param: torch.Tensor, gradient: torch.Tensor) -> None:
        """Loshchilov & Hutter 2019, algorithm 2."""
        rate, mean, square = float(self.rates[t]), self.first[name], self.second[name]
        param.mul_(1 - rate * self.recipe.weight_decay)
        mean.lerp_(gradient, 1 - MEAN_KEPT)
        square.mul_(SQUARES_KEPT).addcmul_(gradient, gradient, value=1 - SQUARES_KEPT)
        scale = (square / (1 - SQUARES_KEPT ** (t + 1))).sqrt_().add_(ADAM_EPSILON)
        param.addcdiv_(mean, scale, value=-rate / (1 - MEAN_KEPT ** (t + 1)))


def _clipped(gradients: Params, bound: float) -> Params:
    """Each job's gradient, shrunk to the norm ``bound`` where it is longer."""
    squares = [g.flatten(1).square().sum(1) for g in gradients.values()]
    shrink_J = (bound / (torch.stack(squares).sum(0).sqrt() + CLIP_EPSILON)).clamp(max=1.0)
    return {name: g * shrink_J.reshape(-1, *[1] * (g.ndim - 1)) for name, g in gradients.items()}


# --- training ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trained:
    """J models, and the first step at which each one's loss was not finite (-1: never)."""

    params: Params
    broke_J: Ints


def train(
    learner: Learner,
    data: Batch,
    initial: Sequence[Params],
    members_JN: Bools,
    seeds_J: Sequence[int],
    *,
    stacked: bool,
    flops: FlopCounter,
    stopped: Callable[[], bool] = never,
    keep: Callable[[int, Params], None] = lambda finished, params: None,
) -> Trained:
    """Train J coalitions side by side, each from its own initialisation on its own members.

    Args:
        data: the pool's training rows on the device.
        initial: J initialisations.
        members_JN: which rows each job may draw; at least one each.
        seeds_J: each job's stream of priorities.
        stacked: one vectorised pass for all jobs, or one pass a job (for models that gain nothing from it).
        flops: counts the first step; the others are alike and are added unmeasured.
        stopped: asked before each step.
        keep: called after each step with the number of finished steps and the stacked parameters.

    Raises:
        Stopped: when ``stopped`` says so.
    """
    recipe = learner.recipe
    params = {name: torch.stack([start[name] for start in initial]) for name in initial[0]}
    optimiser = Optimiser(recipe, params)
    device = data["targets"].device
    gradients_of = _gradients_in_parts(learner, stacked)
    broke_J = torch.full((len(initial),), -1, device=device)
    for t, (rows_JB, weights_JB) in enumerate(draw_batches(members_JN, seeds_J, recipe)):
        if stopped():
            raise Stopped
        rows = torch.from_numpy(rows_JB).to(device)
        weights = torch.from_numpy(weights_JB / weights_JB.sum(axis=1, keepdims=True)).to(device, torch.float32)
        with flops.counting(times=recipe.steps) if t == 0 else nullcontext():
            gradients, losses_J = gradients_of(params, data, rows, weights)
            optimiser.step(t, gradients)
        broke_J = torch.where((broke_J < 0) & ~losses_J.isfinite(), t, broke_J)
        keep(t + 1, params)
    return Trained(params, broke_J.cpu().numpy())


def _losses(learner: Learner, params: Params, batch: Batch) -> torch.Tensor:
    """Loss of each example, from a forward pass in the recipe's precision."""
    logits, _ = predict(learner, params, batch)
    return learner.losses_of(logits, batch)


def predict(learner: Learner, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and features in single precision, whatever they were computed in."""
    if learner.recipe.precision == "float32":
        return learner.predict(params, batch)
    # Cast weights are not kept for the next pass: it may be of other models, or inside another transform.
    with torch.autocast(batch["targets"].device.type, dtype=torch.bfloat16, cache_enabled=False):
        logits, features = learner.predict(params, batch)
    return logits.float(), features.float()


def _weighted_loss(learner: Learner) -> Callable[[Params, Batch, torch.Tensor], torch.Tensor]:
    def loss(params: Params, batch: Batch, weights_B: torch.Tensor) -> torch.Tensor:
        return (_losses(learner, params, batch) * weights_B).sum()

    return loss


Gradients = Callable[[Params, Batch, torch.Tensor], tuple[Params, torch.Tensor]]
"""Parameters, batches J x B, weights J x B -> gradients of the weighted sums of losses, and these sums, J."""

GradientsOfRows = Callable[[Params, Batch, torch.Tensor, torch.Tensor], tuple[Params, torch.Tensor]]
"""The same for rows J x B of the data."""


def _gradients_stacked(learner: Learner) -> Gradients:
    gradients_of: Gradients = vmap(grad_and_value(_weighted_loss(learner)))
    return gradients_of


def _gradients_in_turn(learner: Learner) -> Gradients:
    one = grad_and_value(_weighted_loss(learner))

    def gradients_of(params: Params, batch: Batch, weights_JB: torch.Tensor) -> tuple[Params, torch.Tensor]:
        found = [one(job(params, j), job(batch, j), weights_JB[j]) for j in range(len(weights_JB))]
        stacked = {name: torch.stack([gradients[name] for gradients, _ in found]) for name in params}
        return stacked, torch.stack([loss for _, loss in found])

    return gradients_of


def _gradients_in_parts(learner: Learner, stacked: bool) -> GradientsOfRows:
    """Added up over parts of at most ``micro_batch`` rows a job."""
    gradients_of = _gradients_stacked(learner) if stacked else _gradients_in_turn(learner)

    def summed(
        params: Params, data: Batch, rows_JB: torch.Tensor, weights_JB: torch.Tensor
    ) -> tuple[Params, torch.Tensor]:
        jobs, width = rows_JB.shape
        total: Params = {}
        losses_J = torch.zeros(jobs, device=rows_JB.device)
        for start in range(0, width, learner.recipe.micro_batch or width):
            chosen = slice(start, start + (learner.recipe.micro_batch or width))
            batch = {name: column[rows_JB[:, chosen]] for name, column in data.items()}
            part, losses = gradients_of(params, batch, weights_JB[:, chosen])
            losses_J = losses_J + losses
            for name in params:  # one at a time, so that no third set of gradients is held
                total[name] = total[name] + part.pop(name) if name in total else part.pop(name)
        return total, losses_J

    return summed


def job(stacked: Mapping[str, torch.Tensor], j: int) -> dict[str, torch.Tensor]:
    """Job j's slice of a stack, as views."""
    return {name: tensor[j] for name, tensor in stacked.items()}


def traced(
    learner: Learner,
    data: Batch,
    initial: Params,
    member_N: Bools,
    owners_N: Ints,
    seed: int,
    flops: FlopCounter,
) -> tuple[Fit, Trained]:
    """One training run on the chosen rows, with its checkpoints and what it drew."""
    rates, marks = learner.recipe.rates(), learner.recipe.checkpoint_steps()
    kept: list[Checkpoint] = []

    def keep(finished: int, params: Params) -> None:
        if finished in marks:
            since = kept[-1].step if kept else 0
            copies = {name: p[0].clone() for name, p in params.items()}
            kept.append(Checkpoint(finished, float(rates[since:finished].sum()), copies))

    trained = train(learner, data, [initial], member_N[None], [seed], stacked=False, flops=flops, keep=keep)
    return Fit(initial, tuple(kept), *draw_order(member_N, owners_N, seed, learner.recipe)), trained


# --- rows on a device, and first calls ---------------------------------------------------------------


def on_device(examples: Examples, device: str) -> dict[str, torch.Tensor]:
    """An example set's columns as tensors (copies: the arrays stay read-only)."""
    return {name: torch.tensor(column, device=device) for name, column in examples.columns.items()}


def warm_up(learner: Learner, train: Examples, device: str) -> None:
    """Run each transform once on two rows: torch's first calls cost seconds that are nobody's to pay."""
    batch = on_device(train.take(np.arange(min(2, len(train)))), device)
    params = learner.initialise(0, device)

    def losses(p: Params) -> torch.Tensor:
        return learner.losses(p, batch)

    grad_and_value(lambda p: _losses(learner, p, batch).sum())(params)
    vjp(losses, params)[1](torch.ones_like(losses(params)))
    jvp(losses, (params,), (params,))
    if learner.stacks:
        stack = {name: p[None] for name, p in params.items()}
        vmap(grad_and_value(lambda p: _losses(learner, p, batch).sum()))(stack)
