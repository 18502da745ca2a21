"""Gradient methods on images, on texts with a label and on texts with a response, against formulas written out anew.

Nothing here goes through a learner or the gradient engine: models, losses, training and its optimisers are written once
more, in double precision, and every matrix is dense. So an error that all methods share would show, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import hessian, jacrev

from harness import registry
from harness.config import TaskSettings
from harness.types import Examples, Floats, Method, Params, Problem, Recipe
from methods.astra import Astra
from methods.datainf import DataInf
from methods.dvemb import DvEmb
from methods.ekfac import Ekfac
from methods.gradient_cosine import GradientCosine
from methods.gradient_norm import GradientNorm
from methods.group_influence import GroupInfluence
from methods.in_run_shapley import InRunShapley
from methods.influence import Influence
from methods.influence_hessian import InfluenceHessian
from methods.less import Less
from methods.logra import LoGra
from methods.metagradient import Metagradient
from methods.source import Source
from methods.tracin import TracIn
from methods.trackstar import TrackStar
from methods.trak import Trak
from tests.tiny import problem_of

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp
FORMS = ("tiny-image-label", "tiny-text-label", "tiny-text-response")
KEPT, SQUARES, TINY = 0.9, 0.999, 1e-8
WEIGHTS = ("hidden.weight", "head.weight")
Rows = list[tuple[Tensor, Tensor]]
"""Inputs and targets, an example at a time."""


# --- models, losses and training, once more ------------------------------------------------------------


def logits_of(form: str, p: Params, x: Tensor) -> Tensor:
    """Of one example."""
    if form == "tiny-image-label":
        hidden = (p["hidden.weight"] @ x.flatten() + p["hidden.bias"]).clamp(min=0)
    elif form == "tiny-text-label":
        hidden = torch.tanh(p["hidden.weight"] @ p["words.weight"][x].mean(0) + p["hidden.bias"])
    else:
        before = torch.stack([p["words.weight"][x[: t + 1]].mean(0) for t in range(len(x))])
        hidden = torch.tanh(before @ p["hidden.weight"].T + p["hidden.bias"])
    return hidden @ p["head.weight"].T + p["head.bias"]


def loss_of(form: str, logits: Tensor, y: Tensor) -> Tensor:
    """Minus the log-likelihood of a label; of a response, the mean over its tokens, each told by those before."""
    chances = logits - logits.logsumexp(-1, keepdim=True)
    if form != "tiny-text-response":
        return -chances[y]
    learnt = [t for t in range(1, len(y)) if int(y[t]) >= 0]
    return -torch.stack([chances[t - 1, y[t]] for t in learnt]).mean()


def kept(of: Callable[[Dense, Tensor, Rows], Tensor]) -> Callable[[Dense, Tensor, Rows], Tensor]:
    """Of the same parameters and rows, once."""
    found: dict[object, Tensor] = {}

    def once(self: Dense, vector_P: Tensor, rows: Rows) -> Tensor:
        key = self, vector_P.detach().numpy().tobytes(), tuple(id(x) for x, _ in rows)
        if key not in found:
            found[key] = of(self, vector_P, rows)
        return found[key]

    return once


class Dense:
    """One problem's first run and all that is differentiated of it, in double precision, one example at a time."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.form, self.recipe = problem, problem.task, problem.learner.recipe
        self.fit = problem.fit(0)
        self.shapes = {name: tensor.shape for name, tensor in self.fit.initial.items()}
        self.sizes = [shape.numel() for shape in self.shapes.values()]
        self.train, self.validation = rows_of(problem.train), rows_of(problem.validation)
        self.owners_N, self.count = problem.train.owners_N, len(problem.train)

    def named(self, vector_P: Tensor) -> Params:
        parts = vector_P.split(self.sizes)
        return {name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    @cached_property
    def start_P(self) -> Tensor:
        return torch.cat([tensor.flatten() for tensor in self.fit.initial.values()]).double()

    @cached_property
    def end_P(self) -> Tensor:
        return self.states[-1][0]

    def loss(self, vector_P: Tensor, row: tuple[Tensor, Tensor]) -> Tensor:
        return loss_of(self.form, logits_of(self.form, self.named(vector_P), row[0]), row[1])

    @kept
    def gradients(self, vector_P: Tensor, rows: Rows) -> Tensor:
        each = torch.func.grad(self.loss)
        return torch.stack([each(vector_P, row) for row in rows])

    def target(self, vector_P: Tensor) -> Tensor:
        return self.gradients(vector_P, self.validation).mean(0)

    @kept
    def gauss_newton(self, vector_P: Tensor, rows: Rows) -> Tensor:
        total = torch.zeros(len(vector_P), len(vector_P)).double()
        for row in rows:
            logits = logits_of(self.form, self.named(vector_P), row[0])
            jacobian = jacrev(lambda v, row=row: logits_of(self.form, self.named(v), row[0]).flatten())(vector_P)
            curved = hessian(lambda z, row=row, like=logits: loss_of(self.form, z.reshape(like.shape), row[1]))
            total += jacobian.T @ curved(logits.flatten()) @ jacobian
        return total / len(rows)

    @kept
    def hessian(self, vector_P: Tensor, rows: Rows) -> Tensor:
        return hessian(lambda v: torch.stack([self.loss(v, row) for row in rows]).mean())(vector_P)

    def steps(self, weights_N: Tensor | None = None) -> list[tuple[Tensor, Tensor, Tensor, Tensor, float]]:
        """After each step: parameters; each drawn example's gradient before it, B x P; the second moment; the bias-
        corrected root of it, plus epsilon, 1 for SGD; what clipping left of the gradient.
        """
        point, first = self.start_P, torch.zeros_like(self.start_P)
        second, found = torch.zeros_like(point), []
        for t, rows in enumerate(self.fit.batches_TB):
            each_BP = self.gradients(point, [self.train[n] for n in rows])
            share_B = torch.ones(len(rows)).double() if weights_N is None else weights_N[torch.tensor(rows)]
            gradient = share_B @ each_BP / len(rows)
            left = 1.0 if self.recipe.clip is None else min(1.0, self.recipe.clip / (float(gradient.norm()) + 1e-6))
            root, rate = torch.ones_like(point), float(self.recipe.rates()[t])
            if self.recipe.optimiser == "sgd":
                first = self.recipe.momentum * first + left * gradient
                point = point - rate * first
            else:
                first = KEPT * first + (1 - KEPT) * left * gradient
                second = SQUARES * second + (1 - SQUARES) * (left * gradient) ** 2
                root = torch.where(second > 0, (second / (1 - SQUARES ** (t + 1))).sqrt() + TINY, torch.inf)
                point = point - rate / (1 - KEPT ** (t + 1)) * first / root
            found.append((point, each_BP, first, root, left))
        return found

    @cached_property
    def states(self) -> list[tuple[Tensor, Tensor, Tensor, Tensor, float]]:
        return self.steps()

    @property
    def marks(self) -> list[int]:
        """Checkpoints, as steps done."""
        return [checkpoint.step for checkpoint in self.fit.checkpoints]

    @cached_property
    def rate_P(self) -> Tensor:
        """What training moves each parameter by a unit of gradient; AdamW by whole batches' squares, each from the
        checkpoint before on.
        """
        rates_T = self.recipe.rates()
        if self.recipe.optimiser == "sgd":
            each = [rate * sum(self.recipe.momentum**k for k in range(t + 1)) for t, rate in enumerate(rates_T)]
            return torch.full_like(self.start_P, sum(each))
        assert self.recipe.batch_size >= self.count
        total, second, done = torch.zeros_like(self.start_P), torch.zeros_like(self.start_P), 0
        for mark in self.marks:
            before = self.states[done - 1][0] if done else self.start_P
            square = self.gradients(before, self.train).mean(0) ** 2
            for t in range(done, mark):
                second = SQUARES * second + (1 - SQUARES) * square
                total += torch.where(second > 0, rates_T[t] / ((second / (1 - SQUARES ** (t + 1))).sqrt() + TINY), 0.0)
            done = mark
        return total

    def damped(self, curvature_PP: Tensor, factor: float = 1.0) -> Tensor:
        """(curvature + factor x D)^-1, where nothing is that training never moves."""
        root_P = (self.rate_P / factor).sqrt()
        inner = torch.linalg.inv(root_P[:, None] * curvature_PP * root_P + torch.eye(len(root_P)).double())
        return root_P[:, None] * inner * root_P

    @property
    def carried_T(self) -> Floats:
        """How far a step's gradient moves parameters in all, now and through momentum, in AdamW's metric."""
        rates_T, steps = self.recipe.rates(), len(self.fit.batches_TB)
        kept = self.recipe.momentum if self.recipe.optimiser == "sgd" else KEPT
        weight_T = np.ones(steps)
        if self.recipe.optimiser == "adamw":
            weight_T = (1 - KEPT) / (1 - KEPT ** np.arange(1, steps + 1))
        return np.array(
            [sum(rates_T[s] * weight_T[s] * kept ** (s - t) for s in range(t, steps)) for t in range(steps)]
        )


def rows_of(examples: Examples) -> Rows:
    inputs = torch.tensor(examples.columns["inputs"])
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    return [*zip(inputs, torch.tensor(examples.targets), strict=True)]


# --- the formulas --------------------------------------------------------------------------------------


def influence(d: Dense) -> Tensor:
    solved = d.damped(d.gauss_newton(d.end_P, d.train)) @ d.target(d.end_P)
    return d.gradients(d.end_P, d.train) @ solved / d.count


def influence_hessian(d: Dense) -> Tensor:
    root_P = d.rate_P.sqrt()
    values, vectors = torch.linalg.eigh(root_P[:, None] * d.hessian(d.end_P, d.train) * root_P)
    solved = root_P * (vectors @ ((vectors.T @ (root_P * d.target(d.end_P))) / (1 + values.clamp(min=0))))
    return d.gradients(d.end_P, d.train) @ solved / d.count


def datainf(d: Dense) -> Tensor:
    """Each tensor's mean of inverses, written out."""
    gradients, target, total = d.gradients(d.end_P, d.train), d.target(d.end_P), torch.zeros(d.count).double()
    parts = zip(gradients.split(d.sizes, 1), target.split(d.sizes), d.rate_P.split(d.sizes), strict=True)
    for own_NP, aim_P, rate_P in parts:
        root_P = rate_P.sqrt()
        identity = torch.eye(len(aim_P)).double()
        inverses = [torch.linalg.inv(torch.outer(root_P * g, root_P * g) + identity) for g in own_NP]
        total += own_NP @ (root_P * (torch.stack(inverses).mean(0) @ (root_P * aim_P)))
    return total / d.count


def logra(d: Dense) -> Tensor:
    """Weights of linear layers alone, and all the rest together; nothing is projected."""
    gradients, target, total = d.gradients(d.end_P, d.train), d.target(d.end_P), torch.zeros(d.count).double()
    where = dict(zip(d.shapes, torch.arange(len(target)).split(d.sizes), strict=True))
    rest = torch.cat([place for name, place in where.items() if name not in WEIGHTS])
    for place in [*(where[name] for name in WEIGHTS), rest]:
        own, root_P = gradients[:, place], d.rate_P[place].sqrt()
        scaled = own * root_P
        fisher = scaled.T @ scaled / d.count + torch.eye(len(place)).double()
        total += scaled @ torch.linalg.solve(fisher, root_P * target[place])
    return total / d.count


def margin_gradients(d: Dense, rows: Rows) -> tuple[Tensor, Tensor]:
    """Of log p / (1 - p), p the geometric mean over what is to be learnt, and p."""

    def margin(vector_P: Tensor, row: tuple[Tensor, Tensor]) -> Tensor:
        loss = d.loss(vector_P, row)
        return -loss - torch.log1p(-torch.exp(-loss))

    each = torch.func.grad(margin)
    chances = torch.stack([torch.exp(-d.loss(d.end_P, row)) for row in rows])
    return torch.stack([each(d.end_P, row) for row in rows]), chances


def trak(d: Dense) -> Tensor:
    """Park et al.: phi (Z'Z)^-1 z_n (1 - p_n); D as a ridge beside Z'Z times the mean of p (1 - p) / N."""
    (z_NP, p_N), (phi_VP, _) = margin_gradients(d, d.train), margin_gradients(d, d.validation)
    inverse = d.damped(z_NP.T @ z_NP, d.count / float((p_N * (1 - p_N)).mean()))
    return (phi_VP.mean(0) @ inverse @ z_NP.T) * (1 - p_N)


def trackstar(d: Dense) -> Tensor:
    """Cosines in the metric of (a mixed second moment of loss gradients + D)^-1, half of it validation's."""
    own, asked = d.gradients(d.end_P, d.train), d.gradients(d.end_P, d.validation)
    inverse = d.damped((own.T @ own / len(own) + asked.T @ asked / len(asked)) / 2)
    lengths = [((rows @ inverse) * rows).sum(1).sqrt() for rows in (own, asked)]
    return (own @ inverse @ asked.T / torch.outer(*lengths)).mean(1)


def gradient_cosine(d: Dense) -> Tensor:
    gradients, target = d.gradients(d.end_P, d.train), d.target(d.end_P)
    return gradients @ target / gradients.norm(dim=1) / target.norm()


def gradient_norm(d: Dense) -> Tensor:
    return d.gradients(d.start_P, d.train).norm(dim=1)


def kronecker(d: Dense, corrected: bool) -> Tensor:
    """Martens & Grosse; George et al.: matrices with their bias as a column, an embedding's rows as they are.

    A label's Hessian is the sum over classes k of r r', r = root of p_k times (p - e_k).
    """
    signals, inputs, whole = layer_by_layer(d)
    where = dict(zip(d.shapes, torch.arange(len(d.start_P)).split(d.sizes), strict=True))
    target, solved = d.target(d.end_P), torch.zeros_like(d.end_P)
    for layer, height in (("words", None), ("hidden", len(signals["hidden"][0])), ("head", len(signals["head"][0]))):
        if layer not in signals:
            continue
        weight = where[f"{layer}.weight"].reshape(d.shapes[f"{layer}.weight"])
        place = weight if height is None else torch.cat([weight, where[f"{layer}.bias"][:, None]], 1)
        root = d.rate_P[place].sqrt()
        own, given = torch.stack(signals[layer]), torch.stack(inputs[layer])
        reached = own.abs().amax(1) > 0
        own, given = own[reached], given[reached]
        tall, wide = (given, own) if height is None else (own, given)
        tall = tall * root.square().mean(1).sqrt()
        wide = wide * (root.square().mean(0) / root.square().mean()).sqrt()
        (of_tall, left), (of_wide, right) = (torch.linalg.eigh(side.T @ side) for side in (tall, wide))
        if height is None:  # of one-hot rows
            of_tall, left = (tall.T @ tall).diagonal(), torch.eye(tall.shape[1]).double()
        values = torch.outer(of_tall, of_wide) / (d.count * len(own))
        if corrected:
            values = (left.T @ (whole[:, place] * root) @ right).square().sum(0) / d.count
        turned = left.T @ (target[place] * root) @ right / (values + 1)
        solved[place] = root * (left @ turned @ right.T)
    return d.gradients(d.end_P, d.train) @ solved / d.count


def layer_by_layer(d: Dense) -> tuple[dict[str, list[Tensor]], dict[str, list[Tensor]], Tensor]:
    """Of each example and class: what comes back to every layer (an embedding: to each of its words), what went in, and
    the whole gradient of logits . r.
    """
    p, words = d.named(d.end_P), d.form == "tiny-text-label"
    signals: dict[str, list[Tensor]] = {}
    inputs: dict[str, list[Tensor]] = {}
    whole = []
    for x, _ in d.train:
        below = p["words.weight"][x].mean(0) if words else x.flatten()
        before = p["hidden.weight"] @ below + p["hidden.bias"]
        hidden = torch.tanh(before) if words else before.clamp(min=0)
        logits = p["head.weight"] @ hidden + p["head.bias"]
        chances = logits.softmax(0)
        for k in range(len(logits)):
            r = chances[k].sqrt() * (chances - torch.eye(len(logits)).double()[k])
            slope = 1 - hidden**2 if words else (before > 0).double()
            to_hidden = slope * (p["head.weight"].T @ r)
            one = torch.ones(1).double()
            pairs = [("head", r, torch.cat([hidden, one])), ("hidden", to_hidden, torch.cat([below, one]))]
            if words:
                to_words = p["hidden.weight"].T @ to_hidden / len(x)
                pairs += [("words", to_words, torch.eye(len(p["words.weight"])).double()[word]) for word in x]
            for layer, signal, given in pairs:
                signals.setdefault(layer, []).append(signal)
                inputs.setdefault(layer, []).append(given)
            along = torch.func.grad(lambda v, x=x, r=r: logits_of(d.form, d.named(v), x) @ r)
            whole.append(along(d.end_P))
    return signals, inputs, torch.stack(whole)


AT_THE_END: dict[str, tuple[Method, Callable[[Dense], Tensor], float]] = {
    "influence": (Influence(runs=1, tolerance=1e-5, iterations=300), influence, 1e-3),
    "astra": (Astra(runs=1, tolerance=1e-5, iterations=300), influence, 1e-3),
    "influence:hessian": (InfluenceHessian(runs=1, tolerance=1e-6, iterations=300), influence_hessian, 2e-3),
    "datainf": (DataInf(runs=1), datainf, 1e-3),
    "logra": (LoGra(runs=1), logra, 1e-3),
    "trak": (Trak(runs=1), trak, 1e-3),
    "trackstar": (TrackStar(runs=1, validation_share=0.5), trackstar, 1e-3),
    "gradient-cosine": (GradientCosine(runs=1), gradient_cosine, 1e-3),
    "gradient-norm": (GradientNorm(seeds=1), gradient_norm, 1e-4),
}


# --- along training ------------------------------------------------------------------------------------


def tracin(d: Dense, in_metric: bool = False) -> Tensor:
    """Sum over checkpoints of the rates since the last one, gradients as training has them after clipping."""
    total, since, rates_T = torch.zeros(d.count).double(), 0, d.recipe.rates()
    for mark in d.marks:
        point, _, _, root_P, _ = d.states[mark - 1]
        lefts_T = [d.states[t][4] if in_metric else 1.0 for t in range(since, mark)]
        metric_P = 1 / root_P if in_metric else 1.0
        products = d.gradients(point, d.train) @ (d.target(point) * metric_P)
        total += products * sum(rates_T[t] * left for t, left in zip(range(since, mark), lefts_T, strict=True))
        since = mark
    return total


def tracin_adam(d: Dense) -> Tensor:
    return tracin(d, in_metric=d.recipe.optimiser == "adamw")


def less(d: Dense) -> Tensor:
    """Xia et al., sec. 3.1: the moments of training, moved on by the example alone."""
    total, since, rates_T = torch.zeros(d.count).double(), 0, d.recipe.rates()
    second, step = torch.zeros_like(d.start_P), 0
    for mark in d.marks:
        for t in range(step, mark):
            _, each_BP, _, _, left = d.states[t]
            second = SQUARES * second + (1 - SQUARES) * (left * each_BP.mean(0)) ** 2
        step = mark
        point, _, first, _, _ = d.states[mark - 1]
        moves = d.gradients(point, d.train)
        if d.recipe.optimiser == "adamw":
            corrected = (KEPT * first + (1 - KEPT) * moves) / (1 - KEPT ** (mark + 1))
            squares = (SQUARES * second + (1 - SQUARES) * moves**2) / (1 - SQUARES ** (mark + 1))
            moves = torch.where(squares > 0, corrected / (squares.sqrt() + TINY), 0.0)
        target = d.target(point)
        share = rates_T[since:mark].sum() / rates_T.sum()
        total += share * (moves @ target) / (moves.norm(dim=1) * target.norm())
        since = mark
    return total


def source(d: Dense) -> Tensor:
    """Bae et al., a checkpoint a segment: exp and its integral in the eigenvectors of a symmetric matrix."""
    carried_T, target, total = d.carried_T, d.target(d.end_P), torch.zeros(d.count).double()
    for number, mark in reversed([*enumerate(d.marks)]):
        since = d.marks[number - 1] if number else 0
        point, _, _, root_P, _ = d.states[mark - 1]
        adamw = d.recipe.optimiser == "adamw"
        lefts_T = [d.states[t][4] if adamw else 1.0 for t in range(since, mark)]
        rate = sum(carried_T[t] * left for t, left in zip(range(since, mark), lefts_T, strict=True))
        half_P = (rate / root_P).sqrt()
        values, vectors = torch.linalg.eigh(half_P[:, None] * d.gauss_newton(point, d.train) * half_P)
        times = values.clamp(min=1e-12)
        flowed = vectors @ (-torch.expm1(-times) / times * (vectors.T @ (half_P * target)))
        total += d.gradients(point, d.train) @ (half_P * flowed) / d.count
        target = target - d.gauss_newton(point, d.train) @ (half_P * flowed)
    return total


def in_run(d: Dense, order: int) -> Tensor:
    """Each step moves by a sum over all examples drawn so far; each has its share of the quadratic in that move."""
    total, kept = torch.zeros(d.count).double(), d.recipe.momentum if d.recipe.optimiser == "sgd" else KEPT
    firsts_NP = torch.zeros(d.count, len(d.start_P)).double()
    before = d.start_P
    for t, (rows, (after, each_BP, _, root_P, left)) in enumerate(zip(d.fit.batches_TB, d.states, strict=True)):
        share = 1.0 if d.recipe.optimiser == "sgd" else 1 - KEPT
        firsts_NP = kept * firsts_NP
        firsts_NP[torch.tensor(rows)] += share * left * each_BP / len(rows)
        scale = d.recipe.rates()[t] / (1.0 if d.recipe.optimiser == "sgd" else 1 - KEPT ** (t + 1))
        moves_NP = -scale * firsts_NP / root_P
        torch.testing.assert_close(moves_NP.sum(0), after - before)
        pull_P = d.target(before)
        if order == 2:
            pull_P = pull_P + d.hessian(before, d.validation) @ (after - before) / 2
        total -= moves_NP @ pull_P
        before = after
    return total


def dvemb(d: Dense) -> Tensor:
    """Each draw's push, carried through every later step, which shrinks it by its batch's mean outer product."""
    steps, target, total = len(d.states), d.target(d.end_P), torch.zeros(d.count).double()
    sgd = d.recipe.optimiser == "sgd"
    for s in range(steps):
        rows = torch.tensor(d.fit.batches_TB[s])
        moved_BP, first_BP = torch.zeros(len(rows), len(target)).double(), torch.zeros(len(rows), len(target)).double()
        for t in range(s, steps):
            _, each_BP, _, root_P, left = d.states[t]
            assert left == 1.0
            push_BP = each_BP / len(rows) if t == s else moved_BP @ each_BP.T @ each_BP / len(each_BP)
            first_BP = (d.recipe.momentum if sgd else KEPT) * first_BP + (1.0 if sgd else 1 - KEPT) * push_BP
            moved_BP = moved_BP - d.recipe.rates()[t] / (1.0 if sgd else 1 - KEPT ** (t + 1)) * first_BP / root_P
        total.index_add_(0, rows, -(moved_BP @ target))
    return total


def metagradient(d: Dense) -> Tensor:
    """Minus the slope of the validation loss in each example's weight: central differences of whole trainings."""
    found, move = [], 1e-4
    for n in range(0, d.count, 4):
        ends = []
        for way in (move, -move):
            weights_N = torch.ones(d.count).double()
            weights_N[n] += way
            end_P = d.steps(weights_N)[-1][0]
            ends.append(float(torch.stack([d.loss(end_P, row) for row in d.validation]).mean()))
        found.append((ends[1] - ends[0]) / (2 * move))
    return torch.tensor(found).double()


ALONG: dict[str, tuple[Method, Callable[[Dense], Tensor], float]] = {
    "tracin": (TracIn(runs=1), tracin, 1e-3),
    "tracin:adam": (TracIn(runs=1, metric="adamw"), tracin_adam, 3e-3),
    "less": (Less(runs=1), less, 3e-3),
    "source": (Source(runs=1, tolerance=1e-6, iterations=200), source, 3e-3),
    "in-run-shapley": (InRunShapley(runs=1), lambda d: in_run(d, 1), 3e-3),
    "in-run-shapley:second": (InRunShapley(runs=1, order=2), lambda d: in_run(d, 2), 3e-3),
    "dvemb": (DvEmb(runs=1), dvemb, 3e-3),
}


# --- held against the methods ---------------------------------------------------------------------------


def made(folder: Path, form: str, recipe: Recipe) -> Dense:
    task = registry.task(form, "embedded", TaskSettings(), None)
    learner = task.learner()
    learner.recipe = recipe
    return Dense(problem_of(folder, task.deal(0), learner))


def recipe_of(optimiser: str, batch_size: int, **changes: object) -> Recipe:
    rate = 0.1 if optimiser == "sgd" else 0.02
    settings = {"steps": 6, "batch_size": batch_size, "rate": rate, "optimiser": optimiser, "checkpoints": 3}
    return Recipe(**settings | changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[(form, optimiser) for form in FORMS for optimiser in ("sgd", "adamw")])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dense:
    """Trained on all rows at every step, so that no draw of batches is in AdamW's summed rates."""
    form, optimiser = request.param
    return made(tmp_path_factory.mktemp("whole"), form, recipe_of(optimiser, 10_000))


RUNS = [(form, kind) for form in FORMS for kind in ("sgd", "adamw", "adamw, clipped")]


@pytest.fixture(scope="module", params=RUNS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dense:
    """Trained on a few rows at a time; of which clipping leaves less at some steps than at others."""
    form, kind = request.param
    clip = {"clip": 0.2} if "clipped" in kind else {}
    return made(tmp_path_factory.mktemp("drawn"), form, recipe_of(kind.partition(",")[0], 8, **clip))


def agree(found_N: Floats, expected_N: Tensor, tolerance: float) -> None:
    assert np.linalg.norm(found_N - expected_N.numpy()) < tolerance * np.linalg.norm(expected_N.numpy())


def test_training_ends_where_the_loop_does(drawn: Dense) -> None:
    end = torch.cat([tensor.flatten() for tensor in drawn.fit.params.values()]).double()
    torch.testing.assert_close(end, drawn.end_P, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", AT_THE_END)
def test_at_the_end_of_training(name: str, whole: Dense) -> None:
    method, formula, tolerance = AT_THE_END[name]
    agree(method.example_values(whole.problem)[0], formula(whole), tolerance)  # type: ignore[attr-defined]


@pytest.mark.parametrize("corrected", [True, False])
def test_kronecker_factors_of_labels(corrected: bool, whole: Dense) -> None:
    if whole.form == "tiny-text-response":
        pytest.skip("its labels are drawn, for its classes are too many to weigh each")
    agree(Ekfac(runs=1, corrected=corrected).example_values(whole.problem)[0], kronecker(whole, corrected), 2e-3)


def test_pairs_of_contributors(whole: Dense) -> None:
    """What leaving one out costs to first order is the sum of its examples' influence; all of it is by closed form."""
    score = GroupInfluence(runs=1, tolerance=1e-4, iterations=300).scorers(whole.problem)[0]
    of_contributors = np.bincount(whole.owners_N, weights=influence(whole).numpy())
    everyone = np.ones((1, 4), dtype=bool)
    out, pairs = ~np.eye(4, dtype=bool), ~(np.eye(4, dtype=bool)[:1] | np.eye(4, dtype=bool)[1:])
    single_C, both = -score(out), -score(pairs)
    assert score(everyone)[0] == 0
    solve = whole.damped(whole.gauss_newton(whole.end_P, whole.train))
    sums = [whole.gradients(whole.end_P, whole.train)[torch.tensor(whole.owners_N == c)].sum(0) for c in range(4)]
    moves = torch.stack(sums) @ solve / whole.count
    dense_CC = (moves @ whole.gauss_newton(whole.end_P, whole.validation) @ moves.T).numpy()
    exact_C = of_contributors + dense_CC.diagonal() / 2
    assert np.linalg.norm(single_C - exact_C) < 0.05 * np.linalg.norm(exact_C)
    exact_pairs = exact_C[0] + exact_C[1:] + dense_CC[0, 1:]
    assert np.linalg.norm(both - exact_pairs) < 0.1 * np.linalg.norm(exact_pairs)


@pytest.mark.parametrize("name", ALONG)
def test_along_training(name: str, drawn: Dense) -> None:
    if name == "dvemb" and drawn.recipe.clip is not None:
        pytest.skip("its paper clips nothing: here it carries what clipping does, as the metagradient does")
    method, formula, tolerance = ALONG[name]
    agree(method.example_values(drawn.problem)[0], formula(drawn), tolerance)  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("clip", [None, 0.2])
def test_metagradients_of_every_form(form: str, clip: float | None, tmp_path: Path) -> None:
    d = made(tmp_path, form, recipe_of("sgd", 8, clip=clip))
    agree(Metagradient(runs=1).example_values(d.problem)[0][::4], metagradient(d), 5e-3)
