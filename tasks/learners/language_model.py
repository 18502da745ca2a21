"""Causal language models: likelihood of the response, given the prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional as F

from harness.types import Batch, Params, Plain, Recipe
from tasks.learners.encoding import IGNORED
from tasks.learners.functional import ModuleLearner, Narrower
from tasks.learners.odds import log_odds, sequence_log_odds

TARGET_BUCKETS = 1_024
"""Most entries of the vector that stands for a response in joint distributions; larger vocabularies are folded."""


class LanguageModel(ModuleLearner):
    """Negative log-likelihood a token of the response alone; right where every token of it would be chosen.

    ``inputs`` are token ids N x T, padded on the right; ``targets`` are the same ids where they are to be
    learnt, IGNORED elsewhere. The module gives logits N x T x V and hidden states N x T x F; given some
    positions N x A alone, it gives those of them.

    Args:
        vocabulary: V.
        answer: A, the most tokens that are to be learnt in a row: nothing is computed over the vocabulary at other
            positions, and no more than so many count. None for every position.
        stacks: whether many of the module's copies can train side by side.
    """

    one_label = False

    def __init__(
        self,
        name: str,
        build: Callable[[], nn.Module],
        vocabulary: int,
        recipe: Recipe,
        answer: int | None = None,
        settings: Mapping[str, Plain] | None = None,
        base: Params | None = None,
        stacks: bool = True,
        narrower: Narrower | None = None,
    ) -> None:
        distinct: dict[str, Plain] = {"vocabulary": vocabulary, **({"answer": answer} if answer else {})}
        settings = {**distinct, **(settings or {})}
        super().__init__(name, build, recipe, settings=settings, base=base, narrower=narrower)
        self._vocabulary, self._answer, self.stacks = vocabulary, answer, stacks

    def predict(self, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        logits, hidden = super().predict(params, batch)
        weights = _learnt(self._following(batch))[..., None].to(hidden.dtype)
        features = (hidden[:, : weights.shape[1]] * weights).sum(1) / weights.sum(1).clamp(min=1)
        return logits, features

    def losses_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        following = self._following(batch)
        losses = F.cross_entropy(
            logits[:, : following.shape[1]].flatten(0, 1).float(),
            following.flatten(),
            reduction="none",
            ignore_index=IGNORED,
        )
        return torch.as_tensor(losses.reshape(following.shape).sum(1) / _learnt(following).sum(1).clamp(min=1))

    def margins_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        following = self._following(batch)
        learnt = _learnt(following)
        own = torch.where(learnt, following, 0)
        return sequence_log_odds(log_odds(logits[:, : following.shape[1]].float(), own), learnt)

    def correct(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        following = self._following(batch)
        return ((logits[:, : following.shape[1]].argmax(-1) == following) | ~_learnt(following)).all(1)

    def target_features(self, batch: Batch) -> torch.Tensor:
        """How often each token occurs in the response, N x V (folded to 1,024 entries)."""
        width = min(self._vocabulary, TARGET_BUCKETS)
        following = self._following(batch)
        learnt = _learnt(following)
        counts = torch.zeros(len(following), width, device=following.device)
        counts.scatter_add_(1, torch.where(learnt, following, 0) % width, learnt.float())
        return counts / learnt.sum(1, keepdim=True).clamp(min=1)

    def _arguments(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        return batch["inputs"], self._places(batch)

    def _places(self, batch: Batch) -> torch.Tensor | None:
        """Positions whose next token is to be learnt, N x A, in order (others where there are fewer); None for all."""
        if self._answer is None:
            return None
        others = (batch["targets"][:, 1:] == IGNORED).to(torch.int8)
        return others.argsort(dim=1, stable=True)[:, : self._answer]

    def _following(self, batch: Batch) -> torch.Tensor:
        """The tokens to be predicted, N x A (or N x T - 1), IGNORED where there is none."""
        following, places = batch["targets"][:, 1:], self._places(batch)
        return following if places is None else following.gather(1, places)


def _learnt(following: torch.Tensor) -> torch.Tensor:
    return following != IGNORED
