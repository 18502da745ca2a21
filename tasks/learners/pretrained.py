"""A pretrained model from a folder or a hub: its tokenizer, how it takes images, and its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.types import Plain

if TYPE_CHECKING:  # a model is named, and told of, without torch; it is built with it
    from torch import nn

    from tasks.learners.transformer import Kind

IMAGE_SIDE, IMAGE_MEAN, IMAGE_DEVIATION = 224, 0.5, 0.5
"""How images are given to a model that says nothing of it."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as settings name it.

    Args:
        source: folder, or name on a hub.
        lora: rank of adapters, None to train all of it.
    """

    source: str
    revision: str | None = None
    lora: int | None = None

    def build(self, kind: Kind, labels: int = 2) -> Callable[[], nn.Module]:
        from tasks.learners import transformer

        lora = transformer.Lora(rank=self.lora) if self.lora else None
        return transformer.pretrained(kind, self.source, labels, self.revision, lora)

    def config(self) -> Any:
        from transformers import AutoConfig

        return self._loaded(AutoConfig, "configuration", "config.json")

    def tokenizer(self, length: int) -> Any:
        """The model's own tokenizer, once texts of that length are known to suit the model."""
        from transformers import AutoTokenizer

        tokenizer, config = self._loaded(AutoTokenizer, "tokenizer", "tokenizer.json"), self.config()
        if tokenizer.eos_token_id is None:
            tokenizer.eos_token = tokenizer.sep_token
        if tokenizer.eos_token_id is None:
            raise UserError(f"The tokenizer of {self.source} has no token that ends a text; choose another model.")
        if len(tokenizer) > config.vocab_size:
            raise UserError(
                f"{self.source}: its tokenizer has {len(tokenizer)} tokens, and its vocabulary {config.vocab_size}; "
                "they are not of the same model."
            )
        longest = getattr(config, "max_position_embeddings", None)
        if longest is not None and length > longest:
            raise UserError(
                f"{self.source} takes at most {longest} tokens, and the length is {length}; set a length of at most "
                f"{longest}."
            )
        return tokenizer

    def pad(self) -> int:
        """The id that the learner's module takes for padding."""
        config = self.config()
        pad = config.pad_token_id if config.pad_token_id is not None else config.eos_token_id or 0
        return int(pad[0] if isinstance(pad, list) else pad)

    def identity(self) -> dict[str, Plain]:
        """The name with the weights' own hash (a folder's) or the commit that a hub's name stands for."""
        folder = Path(self.source)
        named: dict[str, Plain] = {"model": self.source, "lora": self.lora}
        if folder.is_dir():
            return {**named, "model": folder.name, "weights": _digest(folder)}
        return {**named, "revision": getattr(self.config(), "_commit_hash", None) or self.revision}

    def image_form(self) -> ImageForm:
        """Size, mean and deviation from the model's preprocessor_config.json, or the defaults above."""
        from transformers.utils.hub import cached_file

        file = cached_file(
            self.source,
            "preprocessor_config.json",
            revision=self.revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        stated = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
        config = self.config()
        channels = int(getattr(config, "num_channels", 3))
        side = _side(stated.get("crop_size")) or _side(stated.get("size")) or _side(getattr(config, "image_size", None))
        mean, deviation = stated.get("image_mean", IMAGE_MEAN), stated.get("image_std", IMAGE_DEVIATION)
        return ImageForm(side or (IMAGE_SIDE, IMAGE_SIDE), _each(mean, channels), _each(deviation, channels))

    def _loaded(self, kind: Any, what: str, file: str) -> Any:
        try:
            return kind.from_pretrained(self.source, revision=self.revision, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"Cannot load the {what} of {self.source!r}: {' '.join(str(error).split())[:300]} Expected a folder "
                f"with {file}, or a name on a hub that can be reached."
            ) from error


@dataclass(frozen=True, slots=True)
class ImageForm:
    """How a model takes images: height and width, then mean and deviation of each channel."""

    side: tuple[int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def _side(stated: Any) -> tuple[int, int] | None:
    """Height and width, in any of the ways that a preprocessor's configuration says them."""
    if isinstance(stated, dict):
        side = stated.get("shortest_edge")
        stated = (stated.get("height", side), stated.get("width", side))
    if isinstance(stated, int):
        stated = (stated, stated)
    return (int(stated[0]), int(stated[1])) if stated and all(stated) else None


def _each(stated: Any, channels: int) -> tuple[float, ...]:
    values = list(stated) if isinstance(stated, list | tuple) else [stated]
    return tuple(float(value) for value in (values if len(values) == channels else values[:1] * channels))


def _digest(folder: Path) -> str:
    content = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("config.json")]):
        content.update(file.name.encode())
        with file.open("rb") as opened:
            content.update(hashlib.file_digest(opened, "sha256").digest())
    return content.hexdigest()[:16]
