"""The nouns. Checked at birth, read-only after; everything else in the project speaks in them.

Capital letters at the end of an array's name give its axes: N examples, C contributors,
K coalitions, S seeds (or independent repeats), J training jobs, D bootstrap draws, P parameters.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from harness import settings
from harness.errors import UserError, unknown
from harness.settings import above as above
from harness.settings import at_least as at_least
from harness.settings import between as between

if TYPE_CHECKING:  # torch is imported where it is used, so that reports and --help start without it
    import torch

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]

Question = Literal["standalone", "leave-one-out", "shapley"]
QUESTIONS: tuple[Question, ...] = get_args(Question)

Family = Literal["set function", "additive", "retraining", "unknown"]
"""What a method returns; unknown where it does not load."""

Form = Literal["image-label", "text-label", "text-response"]
"""What a task's examples are, and what is to be said of them: a label, or a response in words."""

FORMS: tuple[Form, ...] = get_args(Form)

Optimiser = Literal["sgd", "adamw"]

Claim = Literal["null", "copies", "additive", "efficient"]
"""What a method may say of its values, and is then held to: nothing for who adds nothing; the same for exact copies;
contributors that become one are worth their sum; together they are what everyone gains."""

CLAIMS: tuple[Claim, ...] = get_args(Claim)

Params: TypeAlias = "dict[str, torch.Tensor]"
Batch: TypeAlias = "Mapping[str, torch.Tensor]"
Plain: TypeAlias = "str | int | float | bool | None"
MOST = 1_000_000
"""Of whatever is counted: pools, seeds, steps, repeats. More is a slip of the hand, and no machine would end."""

Count: TypeAlias = Annotated[int, between(1, MOST)]
Positive: TypeAlias = Annotated[float, above(0)]
NotNegative: TypeAlias = Annotated[float, at_least(0)]
T = TypeVar("T")
Advance: TypeAlias = Callable[[int], None]
"""Told how many more retrainings are done."""

HELD_OUT = -1
"""The owner of a validation or test example: nobody's."""

FEWEST_CONTRIBUTORS = 3
"""Two are in the same order or in the other: their rank correlation is 1 or -1, and nothing tells how sure it is."""

FOLDS = 16
"""Fixed folds of every held-out split (row n is of fold n mod 16), which a truth can be checked against."""

CHECKPOINTS = 6
"""Parameter snapshots that a traced fit keeps, where its recipe does not say."""


# --- data -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Training or held-out rows: named columns with one row an example.

    Args:
        columns: name -> array whose first axis is N; one column is called ``targets``.
        owners_N: index of the contributor that brings each example, HELD_OUT for nobody.
        real_N: whether each example is real (True) or came out of a generator (False).
    """

    columns: Mapping[str, Array]
    owners_N: Ints
    real_N: Bools

    def __post_init__(self) -> None:
        if "targets" not in self.columns:
            raise UserError(f"Examples need a column 'targets', got {sorted(self.columns)}.")
        lengths = {name: len(column) for name, column in self.columns.items()}
        lengths |= {"owners_N": len(self.owners_N), "real_N": len(self.real_N)}
        if len(set(lengths.values())) != 1:
            raise UserError(f"Examples need columns of one length, got {lengths}.")
        for name, column in self.columns.items():
            if np.issubdtype(column.dtype, np.floating) and not np.isfinite(column).all():
                row = int(np.argwhere(~np.isfinite(column).reshape(len(column), -1).all(axis=1))[0, 0])
                raise UserError(f"Examples need finite numbers; column {name!r} is not at row {row}.")
        frozen = {name: _frozen(column) for name, column in self.columns.items()}
        object.__setattr__(self, "columns", MappingProxyType(frozen))
        object.__setattr__(self, "owners_N", _frozen(self.owners_N, np.int64))
        object.__setattr__(self, "real_N", _frozen(self.real_N, np.bool_))

    def __len__(self) -> int:
        return len(self.owners_N)

    @property
    def targets(self) -> Array:
        return self.columns["targets"]

    def take(self, rows: Ints | Bools) -> Examples:
        """The chosen rows, by index or by mask, in the order given."""
        chosen = {name: column[rows] for name, column in self.columns.items()}
        return Examples(chosen, self.owners_N[rows], self.real_N[rows])

    def digest(self) -> str:
        """Hash of everything in the examples: the same data always, other data never."""
        parts: dict[str, Array] = {**self.columns, "owners": self.owners_N, "real": self.real_N}
        digest = hashlib.sha256()
        for name in sorted(parts):
            array = np.ascontiguousarray(parts[name])
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Contributor:
    """An owner of examples, with everything that was drawn for it when the pool was dealt.

    ``planted`` is what a result is read against; no method sees it.
    """

    name: str
    planted: Mapping[str, Plain]

    def __post_init__(self) -> None:
        object.__setattr__(self, "planted", MappingProxyType(dict(self.planted)))


def too_few_contributors(got: int) -> str:
    """Why a pool of so many is none, and what to do."""
    return (
        f"a pool needs at least {FEWEST_CONTRIBUTORS} contributors, got {got}: Spearman's rank correlation of two is 1 "
        "or -1 whatever a method says; deal more"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """One draw of contributors for a task: an independent replicate of the comparison.

    Args:
        task: name of the task that dealt it.
        index: which draw; the same index always gives the same pool.
        contributors: C owners; ``train.owners_N`` indexes them.
        train, validation, test: disjoint examples. Methods see the first two only.
        facts: what was measured when it was dealt, such as the truncation that a generator caused.
    """

    task: str
    index: int
    contributors: tuple[Contributor, ...]
    train: Examples
    validation: Examples
    test: Examples
    facts: Mapping[str, Plain] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"{self.task}, pool {self.index}"
        if len(self.contributors) < FEWEST_CONTRIBUTORS:
            raise UserError(f"{where}: {too_few_contributors(len(self.contributors))}.")
        names = [contributor.name for contributor in self.contributors]
        if len(set(names)) != len(names):
            raise UserError(f"{where}: contributors need distinct names, got {names}.")
        owned = np.unique(self.train.owners_N)
        if not np.array_equal(owned, np.arange(len(names))):
            raise UserError(
                f"{where}: every training example needs an owner and every owner an example; "
                f"{len(names)} contributors, owners found {owned.tolist()}."
            )
        for split, examples in (("validation", self.validation), ("test", self.test)):
            if not len(examples):
                raise UserError(f"{where}: the {split} split is empty; give the task more held-out rows.")
            if (examples.owners_N != HELD_OUT).any():
                raise UserError(f"{where}: the {split} split belongs to nobody; its owners must be {HELD_OUT}.")
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(contributor.name for contributor in self.contributors)


# --- learning -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a coalition is trained: a fixed number of optimiser steps, whatever the coalition's size.

    Args:
        steps: optimiser steps.
        batch_size: examples a step (fewer where the coalition has fewer).
        rate: peak learning rate; it falls to zero along a half cosine.
        optimiser: ``sgd`` (with momentum) or ``adamw``.
        momentum: of sgd.
        weight_decay: decoupled for adamw, added to the gradient for sgd, as torch does it.
        warmup: steps over which the rate first rises linearly.
        clip: bound on the norm of a job's gradient, None for no bound.
        checkpoints: how many parameter snapshots a traced fit keeps, evenly spaced, the last included.
        micro_batch: examples that a pass takes at once, None for the whole batch. A step adds up the gradients of its
            parts, so the result is the same up to rounding, and the peak of memory falls.
        precision: of the forward pass in training and evaluation, by torch's autocast; parameters, losses and the
            optimiser stay in single precision. Methods differentiate in single precision whatever is said here.
    """

    steps: int
    batch_size: int
    rate: float
    optimiser: Optimiser = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup: int = 0
    clip: float | None = None
    checkpoints: int = CHECKPOINTS
    micro_batch: int | None = None
    precision: Literal["float32", "bf16"] = "float32"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "checkpoints", "micro_batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"A recipe needs {name} of at least 1, got {getattr(self, name)}.")
        if self.micro_batch is not None and self.micro_batch > self.batch_size:
            raise UserError(
                f"A recipe's micro_batch is a part of its batch of {self.batch_size}, got {self.micro_batch}; make it "
                "smaller, or the batch larger."
            )
        if self.precision not in ("float32", "bf16"):
            raise UserError(f"A recipe's precision is float32 or bf16, got {self.precision!r}.")
        if self.checkpoints > self.steps:
            raise UserError(f"A recipe of {self.steps} steps cannot keep {self.checkpoints} checkpoints.")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise UserError(f"A recipe needs a positive learning rate, got {self.rate}.")

    def rates(self) -> Floats:
        """Learning rate of each step: linear warm-up, then a half cosine to zero (Loshchilov & Hutter 2017, eq. 5)."""
        step = np.arange(self.steps)
        rising = np.minimum(1.0, (step + 1) / (self.warmup + 1))
        falling = 0.5 * (1 + np.cos(np.pi * np.maximum(0, step - self.warmup) / max(1, self.steps - self.warmup)))
        return np.asarray(self.rate * rising * falling, dtype=np.float64)

    def cut(self, steps: float = 1.0, batch: float = 1.0) -> Recipe | None:
        """The recipe with these shares of its steps and its batch, rounded down; None where that leaves none."""
        fewer, smaller = part_of(self.steps, steps), part_of(self.batch_size, batch)
        if not (fewer and smaller):
            return None
        return replace(
            self,
            steps=fewer,
            batch_size=smaller,
            warmup=part_of(self.warmup, steps),
            checkpoints=min(self.checkpoints, fewer),
            micro_batch=None if self.micro_batch is None else min(self.micro_batch, smaller),
        )

    def about(self) -> str:
        """The recipe as ``dataworth show`` tells it."""
        optimiser = "AdamW" if self.optimiser == "adamw" else f"SGD with momentum {self.momentum:g}"
        parts = f" in parts of {self.micro_batch}" if self.micro_batch else ""
        forward = ", forward passes in bf16" if self.precision == "bf16" else ""
        return (
            f"{self.steps} steps of {self.batch_size} examples{parts}, {optimiser}, rate {self.rate:g} falling along a "
            f"half cosine{forward}"
        )

    def checkpoint_steps(self) -> list[int]:
        """Number of finished steps at which a traced fit keeps the parameters."""
        return [round(self.steps * (k + 1) / self.checkpoints) for k in range(self.checkpoints)]


MEAN_KEPT, SQUARES_KEPT, ADAM_EPSILON = 0.9, 0.999, 1e-8
"""What AdamW keeps of its two moments a step, and adds to the second's root (Loshchilov & Hutter 2019, algorithm 2)."""

CLIP_EPSILON = 1e-6
"""Added to the norm of a gradient that is clipped, as torch does it."""


def part_of(whole: int, share: float) -> int:
    """A share of a whole number, rounded down (but not for want of a last digit: a tenth of 30 is 3)."""
    return math.floor(whole * share + 1e-9)


class Learner(ABC):
    """A model family as pure functions of its parameters, so that many train at once and methods differentiate.

    Shapes: a batch holds N rows of each column; ``predict`` gives logits N x ... and features N x F.
    Every loss is a negative log-likelihood, so that utility = minus the mean loss.
    """

    name: str
    recipe: Recipe
    one_label: bool = True
    """Whether the loss is cross-entropy on one label an example, as many libraries take for granted."""

    stacks: bool = True
    """Whether many of its models can train side by side under ``torch.func.vmap``."""

    @property
    def packages(self) -> frozenset[str]:
        """Top-level packages whose code its models' layers are: another version of one may give other numbers."""
        return frozenset({"torch"})

    @property
    @abstractmethod
    def identity(self) -> Mapping[str, Plain]:
        """What distinguishes this learner's results from another's; it enters the ledger's key."""

    @abstractmethod
    def initialise(self, seed: int, device: str = "cpu") -> Params:
        """Fresh parameters; the same seed always gives the same."""

    @abstractmethod
    def predict(self, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and penultimate features of a batch."""

    @abstractmethod
    def losses_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Negative log-likelihood of each example's target, N."""

    def margins_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Log-odds of each example's true target, N: log p - log(1 - p), p as in ``outputs``.

        By itself from the loss, which in single precision does not tell surer targets apart than 1 - p = 6e-8, where a
        margin stops growing; a learner that knows its logits says more.
        """
        losses = self.losses_of(logits, batch).clamp(min=2.0**-24)
        return -losses - (-(-losses).expm1()).log()

    @abstractmethod
    def correct(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Whether each example is answered right (accuracy, exact match), N."""

    @abstractmethod
    def target_features(self, batch: Batch) -> torch.Tensor:
        """The targets as vectors, N x M, for methods that compare joint distributions."""

    @abstractmethod
    def module(self, params: Params) -> torch.nn.Module:
        """A module of one tensor in, logits out, that holds these parameters: what libraries expect."""

    @abstractmethod
    def module_inputs(self, batch: Batch) -> torch.Tensor:
        """The tensor that ``module`` takes."""

    def losses(self, params: Params, batch: Batch) -> torch.Tensor:
        """Negative log-likelihood of each example, N."""
        logits, _ = self.predict(params, batch)
        return self.losses_of(logits, batch)

    def margins(self, params: Params, batch: Batch) -> torch.Tensor:
        """Log-odds of each example's true target, N."""
        logits, _ = self.predict(params, batch)
        return self.margins_of(logits, batch)

    def outputs(self, params: Params, batch: Batch) -> torch.Tensor:
        """Probability that the model gives to each true target, N.

        For a sequence it is the geometric mean over its target tokens. It is the scalar output whose
        Jacobian makes the NTK here, with 1 as the label to be reached.
        """
        return (-self.losses(params, batch)).exp()

    def features(self, params: Params, batch: Batch) -> torch.Tensor:
        """Penultimate features, N x F."""
        return self.predict(params, batch)[1]

    def narrower(self, share: float) -> Callable[[], Learner] | None:
        """What makes the widest smaller model of this family, with at most this share of the parameters; None: it has
        none. The same recipe, examples and loss.

        Making it may train what it starts from, and is billed to whoever asks for it.
        """
        return None

    @abstractmethod
    def layer_signals(self, params: Params, batch: Batch) -> dict[str, LayerSignals]:
        """What every linear layer took in, and what came back to it from each example's loss, by the layer's name.

        For methods that work layer by layer (K-FAC, EK-FAC, LoGra): an example's gradient of a layer's weight is the
        sum over its positions of signal x input. One forward and one backward pass.
        """

    def weight_uses(self, params: Params, batch: Batch, vectors: Vectors) -> list[list[WeightUse]]:
        """How each example's gradients come about, for parameters of layers whose gradients are sums of products.

        One forward pass gives the logits, of which ``vectors`` makes vectors in them; of each, one backward pass gives
        what comes back to linear layers, convolutions, embeddings and scales: a list of uses a vector. A parameter may
        have several uses, as where an embedding is the head too. None here: what a learner does not tell, is not known.
        """
        return [[] for _ in vectors(self.predict(params, batch)[0])]


@dataclass(frozen=True, slots=True, eq=False)
class LayerSignals:
    """A linear layer's inputs N x ... x I, and the gradients of each example's loss in its outputs N x ... x O."""

    inputs_NI: torch.Tensor
    signals_NO: torch.Tensor


Vectors: TypeAlias = "Callable[[torch.Tensor], Sequence[torch.Tensor]]"
"""Logits of a batch -> vectors of their shape, to be carried back through the model."""


@dataclass(frozen=True, slots=True, eq=False)
class WeightUse:
    """One use of a parameter: each example's gradient of it is a sum over positions T of signal x input.

    Args:
        kind: ``matrix``: the weight is O x I when what follows its first axis is laid flat (a convolution's inputs are
            its patches). ``rows``: an embedding's; the signals O are added to the rows that the inputs name.
            ``scale``: the product is entry by entry, O = I.
        weight: the parameter's name.
        bias: that of the same matrix, whose input is 1; None where it has none.
        inputs: N x T x I, or N x T whole numbers where they name rows.
        signals_NTO: what came back to each position.
    """

    kind: Literal["matrix", "rows", "scale"]
    weight: str
    bias: str | None
    inputs: torch.Tensor
    signals_NTO: torch.Tensor


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Parameters on the way through a training run.

    ``rate_sum`` is the learning rate summed over the steps since the previous checkpoint.
    """

    step: int
    rate_sum: float
    params: Params


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """One traced training run, from its initialisation through its checkpoints, with what every step drew.

    Args:
        initial: parameters before the first step.
        checkpoints: on the way; the last is the end.
        order_TK: rows of the pool's training examples that may be drawn, by falling priority at each of T steps: the
            first ``batch_size`` are the batch, each with the weight 1 / ``batch_size``, and those after them are who
            would come in if others left. K is as deep as it takes to fill every batch without any one contributor, or
            all rows there are.
        batch_size: rows that every step drew, fewer than the recipe's where there are fewer.
    """

    initial: Params
    checkpoints: tuple[Checkpoint, ...]
    order_TK: Ints
    batch_size: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "order_TK", _frozen(self.order_TK, np.int64))

    @property
    def params(self) -> Params:
        return self.checkpoints[-1].params

    @property
    def batches_TB(self) -> Ints:
        """Rows that each step trained on."""
        return self.order_TK[:, : self.batch_size]


# --- cost -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What work cost. Costs add up; the peak of memory and the load are maxima.

    Args:
        seconds: wall clock (device work included: clocks are read after synchronising).
        core_seconds: processor time over all cores.
        gpu_seconds: seconds during which a GPU was held, 0 on a CPU.
        flops: floating-point operations in matrix products, convolutions and attention.
        peak_memory_mb: most memory held above the start, in MB (device memory on a GPU).
        retrainings: models trained, ledger hits included at their first price, in whole trainings by the task's recipe:
            a proxy counts as its share of the operations of one (``OpenProxy``).
        gradient_passes: examples differentiated, forward or backward mode, over training examples.
        forward_passes: examples that went through the model without being differentiated, over training examples.
        bytes_moved: bytes that torch's operations read and wrote.
        launches: torch's operations, each of which would be a kernel on a GPU. As flops and bytes_moved, nan where
            nothing was counted.
        load: most cores that others kept busy meanwhile, as a share of all.
    """

    seconds: float = 0.0
    core_seconds: float = 0.0
    gpu_seconds: float = 0.0
    flops: float = 0.0
    peak_memory_mb: float = 0.0
    retrainings: float = 0
    gradient_passes: float = 0.0
    forward_passes: float = 0.0
    bytes_moved: float = 0.0
    launches: float = 0.0
    load: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        added = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Cost(**added | {name: max(getattr(self, name), getattr(other, name)) for name in MAXIMA})

    def since(self, earlier: Cost) -> Cost:
        """What came on top of an earlier state of the same account; maxima stay this one's."""
        less = {f.name: getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)}
        return Cost(**less | {name: getattr(self, name) for name in MAXIMA})


MAXIMA = ("peak_memory_mb", "load")
"""What of a cost does not add up."""

LOADED = 0.25
"""A load beyond which times are marked: about half a core of two, or one of four. Retraining wants every core, so what
is less delays it by no more than repeated runs differ; at a full machine core-seconds were seen to swell twelvefold."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one retraining gave.

    Args:
        utility: mean log-likelihood on the held-out split.
        accuracy: share answered right there.
        cost: its share of the batch of retrainings that it was trained in.
        folds: ``by_fold`` as the bytes of its float32 numbers; empty where an older ledger kept none.
        validation: mean log-likelihood on the validation split too, for truths alone; nan where it was not asked for.
    """

    utility: float
    accuracy: float
    cost: Cost
    folds: bytes = b""
    validation: float = math.nan

    def __post_init__(self) -> None:
        if not math.isfinite(self.utility):
            raise UserError(f"An outcome needs a finite utility, got {self.utility}.")

    @property
    def by_fold(self) -> Array | None:
        """Mean log-likelihood and accuracy on each held-out fold, 2 x FOLDS in float32 (nan: a fold without rows).

        None where an older ledger kept none.
        """
        return np.frombuffer(self.folds, dtype=np.float32).reshape(2, FOLDS) if self.folds else None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a method may take on one pool, at most: what ``dataworth show`` counts before anything runs.

    Args:
        fits: training runs on the whole pool, from initialisations that methods share: trained once, billed to each.
        retrainings: coalitions that it trains on seeds of its own, proxies at their share of a whole training.
        gradient_passes: times that it differentiates every training example, forward or backward mode.
        validation_passes: the same, of every validation example.
        replays: times that it differentiates the examples that a training run draws, steps x batch of them.
        validation_replays: times that it differentiates every validation example at every step of a training run.
        shared: what of the retrainings methods of its scope may train too, by the name of these coalitions and their
            seed: of methods that name the same, the most is trained and each is billed its own. What is in no name is
            nobody else's.
    """

    fits: int = 0
    retrainings: float = 0
    gradient_passes: float = 0.0
    validation_passes: float = 0.0
    replays: float = 0.0
    validation_replays: float = 0.0
    shared: Mapping[str, float] = field(default_factory=dict)

    def passes(self, examples: int, validation: int, steps: int, batch_size: int) -> float:
        """Gradient passes that it comes to where a training takes so many steps of so many examples.

        As they are billed: an example counts as one over the training examples, a validation example too.
        """
        drawn = steps * min(examples, batch_size)
        held_out = validation * (self.validation_passes + steps * self.validation_replays)
        return self.gradient_passes + (self.replays * drawn + held_out) / examples


@dataclass(frozen=True, slots=True)
class JobSize:
    """What a valuation's own algebra grows with.

    Args:
        question: what is asked.
        contributors, examples: whose data are valued; examples are those of all of them together.
        validation: held-out examples.
        parameters: of the model.
        features: width of its penultimate features, the targets' own included.
        optimiser: of its training.
    """

    question: Question
    contributors: int
    examples: int
    validation: int
    parameters: int
    features: int
    optimiser: Optimiser = "adamw"


# --- valuing --------------------------------------------------------------------------------------


class Retrain(Protocol):
    """Metered retraining, scored on the validation split."""

    def __call__(self, coalitions_KC: Bools, seed: int) -> Floats:
        """Utility of each coalition trained from initialisation ``seed``, K.

        Methods of one ``seed_scope`` that retrain the same coalitions from the same seeds share the outcomes; each is
        charged for them in full.

        Raises:
            UserError: the coalitions are of another number of contributors.
        """
        ...

    def by_example(self, coalitions_KC: Bools, seed: int) -> Floats:
        """The same retrainings, each answered by the log-likelihood of every validation example, K x N."""
        ...


class OpenProxy(Protocol):
    """A door to retraining something cheaper, which is scored on the validation split as what it stands for."""

    def __call__(self, *, steps: float = 1.0, examples: float = 1.0, parameters: float = 1.0) -> Retrain:
        """Retraining at these shares of the task's own (1 for all of it), all of them rounded down.

        Billed at the seconds and operations that it takes; as retrainings at its share of a whole training's
        operations, for those are in proportion to steps x batch x parameters (Kaplan et al. 2020, sec. 2.1).

        Args:
            steps: of the optimiser's steps; the learning rate falls over as many as there are.
            examples: of each contributor's examples (at least one), and of a step's batch with them, so that an example
                is drawn as often as before. A seed's are the same for all of its coalitions, another seed's are others.
            parameters: of the model's, by ``Learner.narrower``.

        Raises:
            UserError: a share is none, or leaves no step, no batch or no model.
        """
        ...


class TracedFit(Protocol):
    """One metered training run with its checkpoints."""

    def __call__(self, k: int, coalition_C: Bools | None = None) -> Fit:
        """From the k-th initialisation that this pool's methods share, on the whole pool or on a coalition.

        Raises:
            UserError: the coalition is empty or of another number of contributors.
        """
        ...


class Shared(Protocol):
    """Work that several methods need is done once and billed in full to each."""

    def __call__(self, key: str, build: Callable[[], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Precedent:
    """What a *different* task's pool showed: single-method values beside its truth, for calibrated weights.

    ``cost`` is what its truth cost; whoever calibrates is charged for it.
    """

    task: str
    values: Mapping[str, Floats]
    truth_C: Floats
    cost: Cost = Cost()


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Everything that a method may see. Neither the test split nor the truth can be reached from it.

    Args:
        task, pool, question: what is asked.
        contributors: C names.
        train: the pool's training examples with their owners.
        validation: held-out examples that stand for the target.
        learner: metered; it counts what is differentiated.
        retrain: metered retraining on coalitions.
        proxy: the same of something cheaper.
        initial: the k-th initialisation that this pool's methods share.
        fit: one metered, traced training run from the k-th initialisation.
        shared: metered memory across methods of this pool.
        stream: named generators, the same for the same names, none shared with another method.
        scope_stream: the same, shared by the methods of one ``seed_scope``, so that they draw the same coalitions.
        device: where tensors live.
        precedents: truths of other tasks in this run, for methods that say they calibrate.
    """

    task: str
    pool: int
    question: Question
    contributors: tuple[str, ...]
    train: Examples
    validation: Examples
    learner: Learner
    retrain: Retrain
    proxy: OpenProxy
    initial: Callable[[int], Params]
    fit: TracedFit
    shared: Shared
    stream: Callable[..., np.random.Generator]
    scope_stream: Callable[..., np.random.Generator]
    device: str = "cpu"
    precedents: Sequence[Precedent] = ()


LARGEST_VALUE = 1e150
"""Values up to this size have squares, and so variances, that are finite."""

Scorer: TypeAlias = Callable[[Bools], Floats]
"""Coalitions K x C -> one score each, without training on them."""


class Method(ABC):
    """One valuation method. Subclasses below fix what it returns; the harness does the rest.

    The first axis S of every answer is for independent repeats (initialisations, permutations):
    the value is their mean and their spread is published.

    The arguments of its dataclass are its knobs, ``name:knob=value``, where they are numbers, texts, truth values, one
    of some literals, or None. Their annotations say which values are allowed (``Count``, ``Positive``,
    ``Annotated[float, between(0, 1)]``), and others are refused when one is made.
    """

    family: ClassVar[Family]
    source: ClassVar[str] = ""
    """Author, year, venue, equation. Words, no setting: what is said here enters no key."""
    passes: ClassVar[str] = ""
    """Cost in words: passes over the training examples, retrainings, what its own algebra takes."""
    choices: ClassVar[str] = ""
    """What the source leaves open and was chosen here, and the rule behind each default."""
    claims: ClassVar[frozenset[Claim]] = frozenset()
    """What it says of its values; ``dataworth check`` holds it to that."""
    calibrates: bool = False
    """Whether it reads the truths of other tasks; such methods are asked last."""
    reads_sides: ClassVar[bool] = False
    """Whether it looks at which examples are real and which are synthetic; where nobody knows, it cannot be asked."""
    by_question: ClassVar[bool] = False
    """Whether it works anew for each question; otherwise what it said to one is kept for all."""
    adds_over_target: ClassVar[bool] = False
    """Whether its values are means over target rows, so that ``value`` may ask it of a part of the target alone."""
    seed_scope: ClassVar[str] = ""
    """Methods that name one scope retrain on the same seeds, share outcomes and draw from the same ``scope_stream``, so
    that what they share does not depend on who asked first; empty: a scope of the method's own."""

    def __post_init__(self) -> None:
        settings.check(self)

    @property
    def summary(self) -> str:
        """The first line of the class's docstring."""
        return next(iter((type(self).__doc__ or "").strip().splitlines()), "")

    def budget(self, contributors: int, examples: int) -> Budget:
        """What it may take, at most, on a pool of so many contributors with so many training examples together."""
        return Budget()

    def algebra(self, size: JobSize) -> float:
        """Operations of its own on a job of that size: what is no pass through the model and no retraining.

        Matrix products, factorisations and the like, two operations a multiply-add; those in numpy too, which nothing
        counts. Passes and retrainings are counted as they happen, but how the rest grows cannot be told from one run.
        nan, the default: not declared, so no hours at reference scale are given. 0 says that there is nothing else.
        """
        return math.nan

    def unsuitable(self, problem: Problem) -> str | None:
        """Why this method cannot answer this problem, None if it can."""
        return None


class SetFunction(Method):
    """Scores any coalition without training on it; answers a question as utility itself would."""

    family: ClassVar[Family] = "set function"
    by_question: ClassVar[bool] = True

    @abstractmethod
    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        """S scorers, one an independent repeat."""


class Additive(Method):
    """Scores examples; a contributor's value, to every question, is the sum over its examples."""

    family: ClassVar[Family] = "additive"

    @abstractmethod
    def example_values(self, problem: Problem) -> Floats:
        """Values S x N."""


class Retraining(Method):
    """Calls ``problem.retrain``; its values answer every question alike, unless it says ``by_question``."""

    family: ClassVar[Family] = "retraining"

    @abstractmethod
    def contributor_values(self, problem: Problem) -> Floats:
        """Values S x C."""


@dataclass(frozen=True, slots=True, eq=False)
class Valuation:
    """A method's answer: one finite number a contributor, its repeats, and its cost.

    Args:
        values_SC: independent repeats by contributors; higher is worth more.
    """

    method: str
    task: str
    pool: int
    question: Question
    values_SC: Floats
    cost: Cost

    def __post_init__(self) -> None:
        values_SC = np.asarray(self.values_SC, dtype=np.float64)
        where = f"{self.method} on {self.task}, pool {self.pool}, {self.question}"
        if values_SC.ndim != 2 or not values_SC.size:
            raise UserError(f"{where}: expected values of shape repeats x contributors, got {values_SC.shape}.")
        if not np.isfinite(values_SC).all():
            raise UserError(f"{where}: expected one finite value per contributor, got {values_SC.tolist()}.")
        if np.abs(values_SC).max() > LARGEST_VALUE:
            raise UserError(f"{where}: expected values up to {LARGEST_VALUE:g}, got {values_SC.tolist()}.")
        object.__setattr__(self, "values_SC", _frozen(values_SC, np.float64))

    @property
    def values_C(self) -> Floats:
        return np.asarray(self.values_SC.mean(axis=0))


@dataclass(frozen=True, slots=True)
class TaskReference:
    """How another process makes the same task: by name, on the same data, with the same settings.

    Args:
        data: where its data come from (``harness.config.DataKind``).
        settings: what a suite changes (``harness.config.TaskSettings``), by name.
        folder: of the user's files; None for embedded data.
    """

    name: str
    data: str
    settings: Mapping[str, object]
    folder: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """A task is a declaration: how to deal pools, and what learns from them.

    Args:
        name: as the command line says it.
        version: raised whenever the same index would deal another pool.
        form: what its examples are.
        deal: pool index -> pool.
        learner: made once a run.
        about: what ``dataworth show`` prints, by heading.
        reference: how another process makes it again; None where only this one can.
        recipe: its learner's, told before there is a learner; None where only that tells.
        reads: what was read to deal its pools, a sentence each, once one is dealt: rows read, dropped and why.
    """

    name: str
    version: int
    summary: str
    form: Form
    deal: Callable[[int], Pool]
    learner: Callable[[], Learner]
    about: Mapping[str, str] = field(default_factory=dict)
    reference: TaskReference | None = None
    recipe: Recipe | None = None
    reads: Callable[[], Sequence[str]] = tuple

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise unknown("form of a task", self.form, FORMS)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the tables of methods and tasks. It names code and brings none, so a table is read without it.

    Args:
        where: ``module:attribute`` of the class or function that makes one.
        summary: what a list says of it: the first line of a method's docstring, or a task's summary.
        settings: keyword arguments by which a variant is made.
    """

    where: str
    summary: str
    settings: Mapping[str, Plain] = field(default_factory=dict)


def _frozen(array: Array, dtype: type[np.generic] | None = None) -> Array:
    """A private, contiguous, read-only copy."""
    copy = np.array(array, dtype=dtype, order="C", copy=True)
    copy.setflags(write=False)
    return copy
