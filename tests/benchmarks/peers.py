"""Other libraries' influence, EK-FAC and TRAK on a model that is trained already, each on its quickest path.

Every route gives the values of training examples for the mean validation loss (TRAK: the mean margin), N, up to a scale
that its caller takes out where it compares sizes. What a user does once for a model, such as wrapping its layers, is
done when the route is made; everything that depends on data is timed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from harness.types import Batch, Floats, Params
from tasks.learners.classifier import Classifier
from tests.benchmarks.digits import CLASSES, plain

Route = Callable[[], Floats]

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where libraries that write files may do so, for how fast a disk is would be no merit of ours; None: anywhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained model and what it is asked about.

    Args:
        damping: of curvature of the mean loss.
    """

    learner: Classifier
    params: Params
    train: Batch
    asked: Batch
    damping: float = 0.0

    def module(self) -> nn.Module:
        """Its plain double."""
        return plain(self.learner, self.params)

    def sampled(self) -> Batch:
        """The training inputs with labels drawn from the model, for the true Fisher matrix."""
        with torch.no_grad():
            chances = self.module()(self.train["inputs"]).softmax(1)
        drawn = torch.multinomial(chances, 1, generator=torch.Generator().manual_seed(0))[:, 0]
        return {**self.train, "targets": drawn}


class _Rows(TensorDataset):
    """Rows that are fetched many at a time: a loader that collates one by one would take most of the time."""

    def __getitems__(self, rows: list[int]) -> tuple[torch.Tensor, ...]:
        return self[rows]


def _rows(batch: Batch) -> _Rows:
    return _Rows(batch["inputs"], batch["targets"])


def _whole(batch: Batch) -> DataLoader[Any]:
    """One batch of all rows."""
    return DataLoader(_rows(batch), batch_size=len(batch["targets"]), collate_fn=_as_it_is)


def _one_item(batch: Batch) -> DataLoader[Any]:
    """A loader of one item that holds all rows."""
    return DataLoader(TensorDataset(batch["inputs"][None], batch["targets"][None]), batch_size=1)


def _as_it_is(rows: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return rows


# --- kronfluence ----------------------------------------------------------------------------------------


def kronfluence(trained: Trained, strategy: str, every_label: bool = False) -> Route:
    """Influence by its factors (``ekfac``, ``kfac``), or plain products of gradients (``identity``).

    Query gradients are summed before the training rows are gone through, which it does where it is asked to.

    Args:
        every_label: the Fisher matrix's expectation over labels is taken exactly and not by one draw: it is handed each
            row once for every label, the loss weighed by the root of the label's probability.
    """
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task
    from kronfluence.utils.dataset import DataLoaderKwargs

    class CrossEntropy(Task):
        def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> torch.Tensor:
            inputs, targets, *weights = batch
            logits = model(inputs)
            if sample and not weights:
                targets = torch.multinomial(logits.detach().softmax(1), 1)[:, 0]
            losses = F.cross_entropy(logits, targets, reduction="none")
            return (losses * weights[0]).sum() if weights else losses.sum()

        def compute_measurement(self, batch: Any, model: nn.Module) -> torch.Tensor:
            return self.compute_train_loss(batch, model)

    train, asked = _rows(trained.train), _rows(trained.asked)
    curved, labels = (_every_label(trained), CLASSES) if every_label else (train, 1)
    damping = max(trained.damping / labels, 1e-12)  # its mean runs over as many rows as it is handed
    task, quiet = CrossEntropy(), logging.CRITICAL
    model, kwargs = prepare_model(trained.module(), task), DataLoaderKwargs(collate_fn=_as_it_is)

    def route() -> Floats:
        folder = tempfile.mkdtemp(prefix="kronfluence-", dir=MEMORY)
        try:
            analyzer = Analyzer("digits", model, task, cpu=True, log_level=quiet, disable_tqdm=True, output_dir=folder)
            analyzer.set_dataloader_kwargs(kwargs)
            analyzer.fit_all_factors("factors", curved, len(curved), factor_args=FactorArguments(strategy))
            analyzer.compute_pairwise_scores(
                "scores",
                "factors",
                asked,
                train,
                len(asked),
                len(train),
                score_args=ScoreArguments(damping_factor=damping, aggregate_query_gradients=True),
            )
            found = analyzer.load_pairwise_scores("scores")["all_modules"][0]
        finally:
            shutil.rmtree(folder)
        return found.double().numpy() / labels / len(asked) / len(train)

    return route


def _every_label(trained: Trained) -> _Rows:
    inputs, labels = trained.train["inputs"], CLASSES
    with torch.no_grad():
        chances = trained.module()(inputs).softmax(1)
    return _Rows(
        inputs.repeat_interleave(labels, 0), torch.arange(labels).repeat(len(inputs)), chances.flatten().sqrt()
    )


# --- pyDVL ----------------------------------------------------------------------------------------------


def pydvl_ekfac(trained: Trained) -> Route:
    """Its EK-FAC, of models of linear layers alone; solved validation gradients are averaged before they are used."""
    from pydvl.influence.torch import EkfacInfluence

    train, asked = ((part["inputs"], part["targets"]) for part in (trained.train, trained.asked))

    def route() -> Floats:
        influence = EkfacInfluence(trained.module(), update_diagonal=True, hessian_regularization=trained.damping)
        with _quiet():
            fitted = influence.fit(_whole(trained.train))
            solved = fitted.influence_factors(*asked).mean(0, keepdim=True)
            found = fitted.influences_from_factors(solved, *train)
        return found[0].detach().double().numpy() / len(train[1])

    return route


# --- dattri ---------------------------------------------------------------------------------------------


def _loss_of(module: nn.Module, inputs: torch.Tensor) -> Callable[[Any, Any], torch.Tensor]:
    """Mean cross-entropy of however many rows, whatever dimensions dattri puts before them."""
    shape = inputs.shape[1:]

    def loss(params: Any, rows: Any) -> torch.Tensor:
        return F.cross_entropy(functional_call(module, params, (rows[0].reshape(-1, *shape),)), rows[1].reshape(-1))

    return loss


def dattri_ekfac(trained: Trained) -> Route:
    """Its EK-FAC, of models of linear layers alone; with sampled labels, for it takes the labels that it is handed.

    0.3.0 turns by eigenvectors that are transposed, and lays weights and biases out as one matrix row after row, which
    they are not: put right in both, it agrees with kronfluence's as two draws of labels do.
    """
    from dattri.algorithm.influence_function import IFAttributorEKFAC
    from dattri.task import AttributionTask

    module, curved = trained.module(), _whole(trained.sampled())
    loss = _loss_of(module, trained.train["inputs"])

    def route() -> Floats:
        attributor = IFAttributorEKFAC(AttributionTask(loss, module, module.state_dict()), damping=trained.damping)
        with _quiet():
            attributor.cache(curved)
            found = attributor.attribute(_whole(trained.train), _one_item(trained.asked))
        return found[:, 0].detach().double().numpy() / len(found)

    return route


def dattri_cg(trained: Trained, iterations: int) -> Route:
    """Its conjugate gradients, on the Hessian, which it takes for all of the curvature."""
    from dattri.algorithm.influence_function import IFAttributorCG
    from dattri.task import AttributionTask

    module = trained.module()
    loss = _loss_of(module, trained.train["inputs"])

    def route() -> Floats:
        task = AttributionTask(loss, module, module.state_dict())
        attributor = IFAttributorCG(task, max_iter=iterations, regularization=trained.damping)
        with _quiet():
            attributor.cache(_whole(trained.train))
            found = attributor.attribute(_whole(trained.train), _one_item(trained.asked))
        return found[:, 0].detach().double().numpy() / len(found)

    return route


def dattri_trak(trained: Trained, projection: int | None, ridge: float) -> Route:
    """Its TRAK of one model.

    Args:
        projection: None for whole gradients.
        ridge: on the second moment of projected gradients, in its units: gradients over the root of their number.
    """
    from dattri.algorithm.trak import TRAKAttributor
    from dattri.task import AttributionTask

    module, shape = trained.module(), trained.train["inputs"].shape[1:]

    def margins(params: Any, rows: Any) -> torch.Tensor:
        """By the other classes' log-sum-exp, for log(1 - p) of a p near 1 is no number in single precision."""
        logits, labels = functional_call(module, params, (rows[0].reshape(-1, *shape),)), rows[1].reshape(-1, 1)
        return logits.gather(1, labels)[:, 0] - logits.scatter(1, labels, -torch.inf).logsumexp(1)

    def margin(params: Any, rows: Any) -> torch.Tensor:
        return margins(params, rows).mean()

    def chance(params: Any, rows: Any) -> torch.Tensor:
        return torch.sigmoid(margins(params, rows)).mean()

    kind = "normal" if projection else "identity"
    projector = {"proj_dim": projection or 1, "proj_max_batch_size": 32, "proj_seed": 0, "proj_type": kind}

    def route() -> Floats:
        task = AttributionTask(margin, module, module.state_dict())
        attributor = TRAKAttributor(task, chance, projector_kwargs=projector, regularization=ridge)
        with _quiet():
            attributor.cache(_whole(trained.train))
            return attributor.attribute(_one_item(trained.asked))[:, 0].detach().double().numpy()

    return route


# --- captum ---------------------------------------------------------------------------------------------


def captum_arnoldi(trained: Trained, dimension: int, rank: int) -> Route:
    """Its Arnoldi influence, on the Hessian's largest eigenvectors alone, and of the loss's sum, as its damping is."""
    from captum.influence._core.arnoldi_influence_function import ArnoldiInfluenceFunction

    count = len(trained.train["targets"])

    def route() -> Floats:
        found = ArnoldiInfluenceFunction(
            trained.module(),
            TensorDataset(trained.train["inputs"], trained.train["targets"]),
            "only",
            lambda model, path: 1.0,
            loss_fn=nn.CrossEntropyLoss(reduction="sum"),
            batch_size=count,
            sample_wise_grads_per_batch=True,
            projection_dim=rank,
            arnoldi_dim=dimension,
            hessian_reg=trained.damping * count,
        )
        rows = found.compute_intermediate_quantities((trained.train["inputs"], trained.train["targets"]))
        asked = found.compute_intermediate_quantities(
            (trained.asked["inputs"], trained.asked["targets"]), aggregate=True, test=True
        )
        return (rows @ asked[0]).detach().double().numpy() / len(trained.asked["targets"])

    return route


# --- traker ---------------------------------------------------------------------------------------------


def traker(trained: Trained, projection: int | None, ridge: float) -> Route:
    """TRAK by its authors, of one model, in single precision.

    Args:
        projection: None for whole gradients.
        ridge: as ``dattri_trak``.
    """
    from trak import TRAKer
    from trak.modelout_functions import ImageClassificationModelOutput
    from trak.projectors import NoOpProjector

    train, asked = ((part["inputs"], part["targets"]) for part in (trained.train, trained.asked))
    count = len(train[1])

    class MeanMargin(ImageClassificationModelOutput):
        """Its own margin; of an item that holds several rows, their mean."""

        @staticmethod
        def get_output(model: Any, weights: Any, buffers: Any, image: Any, label: Any) -> torch.Tensor:
            rows, labels = image.reshape(-1, *train[0].shape[1:]), label.reshape(-1, 1)
            logits = functional_call(model, (weights, buffers), (rows,))
            others = logits.scatter(1, labels, -torch.inf)
            return (logits.gather(1, labels)[:, 0] - others.logsumexp(1)).mean()

    def route() -> Floats:
        folder = tempfile.mkdtemp(prefix="traker-", dir=MEMORY)
        try:
            with _quiet():
                module = trained.module()
                scorer = TRAKer(
                    module,
                    MeanMargin(),
                    count,
                    save_dir=folder,
                    device="cpu",
                    projector=NoOpProjector(device="cpu") if projection is None else None,
                    proj_dim=projection or 0,
                    use_half_precision=False,
                    logging_level=logging.CRITICAL,
                    lambda_reg=ridge,
                )
                state = module.state_dict()
                scorer.load_checkpoint(state, model_id=0)
                scorer.featurize(train, num_samples=count)
                scorer.finalize_features()
                scorer.start_scoring_checkpoint("asked", state, 0, 1)
                scorer.score((asked[0][None], asked[1][None]), num_samples=1)
                return np.array(scorer.finalize_scores("asked"), dtype=np.float64)[:, 0]
        finally:
            shutil.rmtree(folder)

    return route


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars and logs."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield
