"""Transformers as modules of one tensor: small ones from a configuration, larger ones from a folder or a hub."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn

from harness.errors import UserError
from tasks.learners.sizes import Size
from tasks.learners.tokenizers import PAD_ID

Kind = Literal["language model", "text classifier", "image classifier"]


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank adapters on every linear layer (Hu et al. 2022, ICLR): only they and a new head are trained."""

    rank: int = 8
    alpha: int = 16


def small(kind: Kind, vocabulary: int, length: int, labels: int = 2, size: Size | None = None) -> nn.Module:
    """A freshly drawn Llama of a small size, without dropout.

    Attention is the plain kind and its mask is prepared here, so that copies stack and forward mode passes.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, LlamaConfig

    size = size or Size()
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        max_position_embeddings=length,
        tie_word_embeddings=True,
        attn_implementation="eager",
        use_cache=False,
        pad_token_id=PAD_ID,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=size.scale,
        num_labels=labels,  # type: ignore[call-arg]
    )
    classes: dict[str, Any] = {
        "language model": AutoModelForCausalLM,
        "text classifier": AutoModelForSequenceClassification,
    }
    return Sequences(classes[kind].from_config(config), PAD_ID, pooled=kind == "text classifier", prepared_mask=True)


class Sequences(nn.Module):
    """Token ids N x T, padded on the right -> logits, and last hidden states N x T x F (or their mean N x F).

    Given positions N x A as well, logits and hidden states are of those alone (see LanguageModel).

    Args:
        inner: a model of ``transformers``.
        pad: token id of padding.
        pooled: give the mean hidden state over the tokens that are not padding.
        prepared_mask: hand the model a finished causal mask; its own making of one looks at values, which
            ``torch.func.vmap`` forbids.
    """

    def __init__(self, inner: nn.Module, pad: int, pooled: bool, prepared_mask: bool = False) -> None:
        super().__init__()
        self.inner = inner
        self._pad, self._pooled, self._prepared = pad, pooled, prepared_mask

    def forward(self, ids: torch.Tensor, places: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        kept = ids != self._pad
        mask = _causal(kept, next(self.inner.parameters()).dtype) if self._prepared else kept.long()
        if places is not None:
            return self._at(places, ids, mask)
        found = self.inner(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        hidden = found.hidden_states[-1]
        if self._pooled:
            weights = kept[..., None].to(hidden.dtype)
            hidden = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return found.logits, hidden

    def _at(self, places: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The small language model in its two halves: only hidden states at given positions meet the vocabulary."""
        inner = cast(Any, self.inner)
        hidden = inner.model(input_ids=ids, attention_mask=mask).last_hidden_state
        hidden = hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[-1]))
        return inner.lm_head(hidden), hidden


class Images(nn.Module):
    """Pixels N x C x H x W -> logits, and the mean of the last hidden states N x F."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.inner(pixel_values=pixels, output_hidden_states=True)
        last = found.hidden_states[-1]
        features = last.mean(1) if last.ndim == 3 else last.flatten(2).mean(2)  # tokens, or a map of channels
        return found.logits, features


def _causal(kept: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What each position may look at, N x 1 x T x T: itself and what came before, padding excepted."""
    length = kept.shape[-1]
    before = torch.ones(length, length, dtype=torch.bool, device=kept.device).tril()
    allowed = (kept[:, None, None, :] & before) | torch.eye(length, dtype=torch.bool, device=kept.device)
    return torch.zeros(allowed.shape, dtype=dtype, device=kept.device).masked_fill(~allowed, torch.finfo(dtype).min)


def pretrained(
    kind: Kind, source: str, labels: int = 2, revision: str | None = None, lora: Lora | None = None
) -> Callable[[], nn.Module]:
    """How to make copies of a model that lies in a folder or on a hub; what it lacks (a head) is drawn anew each time.

    Weights are read from safetensors alone and no code that comes with a model is run.

    Raises:
        UserError: there is no such model, it has no safetensors weights, or it is of another kind.
    """
    model, fresh = _loaded(kind, source, labels, revision)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # the same job must always give the same model

    def build() -> nn.Module:
        made = copy.deepcopy(model)
        _redraw(made, fresh)
        adapted = _adapted(made, kind, lora) if lora else made
        if kind == "image classifier":
            return Images(adapted)
        return Sequences(adapted, _pad_of(made), pooled=kind == "text classifier")

    return build


def _loaded(kind: Kind, source: str, labels: int, revision: str | None) -> tuple[nn.Module, set[str]]:
    """The model, and the names of parameters that its weights do not hold."""
    import transformers

    classes: dict[str, Any] = {
        "language model": transformers.AutoModelForCausalLM,
        "text classifier": transformers.AutoModelForSequenceClassification,
        "image classifier": transformers.AutoModelForImageClassification,
    }
    options: dict[str, Any] = (
        {} if kind == "language model" else {"num_labels": labels, "ignore_mismatched_sizes": True}
    )
    try:
        model, info = classes[kind].from_pretrained(
            source,
            revision=revision,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="eager",  # the only kind that forward mode passes
            output_loading_info=True,
            dtype=torch.float32,
            **options,
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"Cannot load a {kind} from {source!r}: {' '.join(str(error).split())[:300]} "
            "Expected a folder, or a name on a hub that can be reached, with config.json and safetensors weights."
        ) from error
    mismatched = {entry[0] if isinstance(entry, tuple) else entry for entry in info.get("mismatched_keys", ())}
    return cast(nn.Module, model), set(info["missing_keys"]) | mismatched


def _redraw(model: Any, names: set[str]) -> None:
    """Draw parameters anew under torch's current seed, on the model's own scale."""
    scale = float(getattr(model.config, "initializer_range", None) or 0.02)
    for name, parameter in model.named_parameters():
        if name in names:
            with torch.no_grad():
                parameter.normal_(std=scale) if parameter.ndim > 1 else parameter.zero_()


def _adapted(model: nn.Module, kind: Kind, lora: Lora) -> nn.Module:
    from peft import LoraConfig, get_peft_model

    task = {"language model": "CAUSAL_LM", "text classifier": "SEQ_CLS", "image classifier": None}[kind]
    settings = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules="all-linear", task_type=task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's, about names of transformers that it still uses
        return cast(nn.Module, get_peft_model(model, settings))


def _pad_of(model: Any) -> int:
    pad = getattr(model.config, "pad_token_id", None)
    if pad is None:
        model.config.pad_token_id = pad = model.config.eos_token_id or 0
    return int(pad[0] if isinstance(pad, list) else pad)
