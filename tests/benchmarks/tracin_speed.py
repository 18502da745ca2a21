"""TracIn for contributors, one checkpoint: each training example's gradient dotted with the mean validation gradient.

Digits, 1,437 training rows and 360 validation rows. Ours is one reverse-mode gradient and one forward-mode pass. Peers
compute the whole train x validation matrix, which is then averaged, or, where their interface allows it, are handed the
validation set as one sum: captum's ``aggregate``, and for dattri a test set of one item that holds all rows.
Kronfluence knows it as influence without curvature (its strategy ``identity``), summed over queries on demand. dattri's
default of projecting to 512 dimensions is switched off: it would change the values.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from harness.retraining.training import on_device
from harness.types import Params, Recipe
from methods.gradients.directional import directional_losses, mean_gradient
from tasks.learners.classifier import Classifier
from tests.benchmarks.bench import Rival, missing, race, spread, start, table, verdict
from tests.benchmarks.digits import CONTRIBUTORS, cnn, mlp, plain, splits
from tests.benchmarks.peers import Trained, kronfluence

RECIPE = Recipe(steps=60, batch_size=64, rate=0.1)
Route = Callable[[], torch.Tensor]


def fitted(learner: Classifier, inputs: torch.Tensor, targets: torch.Tensor) -> Params:
    """Parameters after a short training run."""
    module = plain(learner, learner.initialise(0))
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for step in range(RECIPE.steps):
        rows = torch.arange(step * 64, step * 64 + 64) % len(targets)
        optimiser.zero_grad()
        F.cross_entropy(module(inputs[rows]), targets[rows]).backward()
        optimiser.step()
    return {name: p.detach() for name, p in module.named_parameters()}


def routes(learner: Classifier, params: Params, train: dict, asked: dict) -> dict[str, Route]:
    """Every way to the same N numbers."""
    module = plain(learner, params)
    pairs, count = TensorDataset(train["inputs"], train["targets"]), len(asked["targets"])

    def ours() -> torch.Tensor:
        return directional_losses(learner, params, train, mean_gradient(learner, params, asked))

    def loss(p: Params, inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(functional_call(module, p, (inputs[None],)), target[None])

    def per_example() -> torch.Tensor:
        mean = grad(lambda p: F.cross_entropy(functional_call(module, p, (asked["inputs"],)), asked["targets"]))(params)
        each = vmap(grad(loss), (None, 0, 0))(params, train["inputs"], train["targets"])
        return sum(each[name].flatten(1) @ mean[name].flatten() for name in params)

    found: dict[str, Route] = {"ours, forward mode": ours, "per-example gradients by vmap": per_example}
    if not missing("captum"):
        from captum.influence import TracInCP

        def captum(aggregate: bool) -> Route:
            tracin = TracInCP(
                plain(learner, params),
                pairs,
                checkpoints=["only"],
                checkpoints_load_func=lambda model, path: 1.0,
                loss_fn=nn.CrossEntropyLoss(reduction="sum"),
                batch_size=len(pairs),
                sample_wise_grads_per_batch=True,
            )
            return lambda: (
                tracin.influence((asked["inputs"], asked["targets"]), aggregate=aggregate).sum(0).detach() / count
            )

        found |= {"captum TracInCP, matrix": captum(False), "captum TracInCP, aggregate": captum(True)}
    if not missing("dattri"):
        from dattri.algorithm import tracin as dattri_tracin
        from dattri.task import AttributionTask

        dattri_tracin.tqdm = lambda batches, **_: batches  # no progress bars

        def one(p: Params, row: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            return loss(p, row[0], row[1])

        def all_rows(p: Params, rows: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            return F.cross_entropy(functional_call(module, p, (rows[0],)), rows[1])

        def dattri(together: bool) -> Route:
            model = plain(learner, params)
            task = AttributionTask(one, model, model.state_dict(), target_func=all_rows if together else one)
            tracin = dattri_tracin.TracInAttributor(task, torch.ones(1), normalized_grad=False)
            tracin.projector_kwargs = None
            columns = [asked["inputs"], asked["targets"]]
            test = TensorDataset(*(column[None] for column in columns)) if together else TensorDataset(*columns)
            loaders = DataLoader(pairs, batch_size=len(pairs)), DataLoader(test, batch_size=len(test))
            return lambda: tracin.attribute(*loaders).mean(1)

        found |= {"dattri TracIn, matrix": dattri(False), "dattri TracIn, one test item": dattri(True)}
    if not missing("kronfluence"):
        identity, rows = kronfluence(Trained(learner, params, train, asked), "identity"), len(train["targets"])
        found["kronfluence identity, aggregate"] = lambda: torch.from_numpy(identity() * rows)
    return found


def main() -> None:
    options = start(__doc__ or "", ["captum", "dattri", "kronfluence"])
    train, validation = (on_device(part, "cpu") for part in splits(240 if options.quick else 1_437, 360, CONTRIBUTORS))
    for learner, target in ((mlp(RECIPE), 10), (cnn(RECIPE), 4)):
        params = fitted(learner, train["inputs"], train["targets"])
        ways = routes(learner, params, train, validation)
        values = {name: way() for name, way in ways.items()}
        found = race(
            {name: Rival(lambda turn, way=way: way()) for name, way in ways.items()}, 2 if options.quick else 15
        )
        reference = values["per-example gradients by vmap"]
        scale = float(reference.abs().max())
        own = found["ours, forward mode"]
        size = sum(p.numel() for p in params.values())
        table(
            f"{learner.name}, {size:,} parameters, {len(train['targets']):,} x {len(validation['targets'])}",
            ["", "ms, median (min to max)", "threads", "ours is faster by", "largest difference, relative"],
            [
                [
                    name,
                    spread(1e3 * t.seconds),
                    t.threads,
                    f"{t.over(own):.1f}x",
                    f"{float((values[name] - reference).abs().max()) / scale:.1e}",
                ]
                for name, t in found.items()
            ],
        )
        worst = max(float((v - reference).abs().max()) / scale for v in values.values())
        for name, t in found.items():
            if name.startswith("kronfluence"):
                verdict(f"{learner.name}, against {name}", t.over(own), 1)
        peers = {name: t.over(own) for name, t in found.items() if name.startswith(("captum", "dattri"))}
        if peers:
            best = min(peers, key=peers.__getitem__)
            verdict(f"{learner.name}, against the best peer ({best})", peers[best], target)
            matrices = [times for name, times in peers.items() if "matrix" in name]
            verdict(f"{learner.name}, against the best peer's own path (matrix)", min(matrices), target)
        verdict(f"{learner.name}, largest difference relative to the largest value", worst, 1e-5, "", at_least=False)


if __name__ == "__main__":
    main()
