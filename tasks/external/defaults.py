"""What a task on sources is made of: its own defaults, with what a suite's settings change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.config import TaskSettings
from harness.errors import UserError, unknown
from harness.types import Recipe
from tasks.learners.pretrained import Model
from tasks.pools.dealing import Axes
from tasks.sources.description import Side, Source, load_source

Data = Literal["files", "hub"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a task does where its settings say nothing.

    Args:
        real, synthetic: names of sources, by where data come from; no synthetic ones: a generator is fitted.
        axes: of dealing.
        recipe: of the small model trained here.
        tuning: the recipe for a pretrained model.
        length, tuning_length: tokens of an example, for the one and the other (texts).
        base_steps: how long the small model's base is trained on the generator split (texts).
        entries: of the small model's tokenizer (texts); a classifier has no outputs over them, so that more cost it
            little.
    """

    real: Mapping[Data, tuple[str, ...]]
    synthetic: Mapping[Data, tuple[str, ...]]
    axes: Axes
    recipe: Recipe
    tuning: Recipe
    length: int = 0
    tuning_length: int = 0
    base_steps: int = 0
    entries: int = 0


TUNING = Recipe(steps=60, batch_size=16, rate=1e-4, optimiser="adamw", warmup=5, clip=1.0)

SMALLER = Axes(
    size=(10, 20), real_share=(0.0, 1.0), noise=(0.0, 0.3), near_duplicates=(0.0, 0.6), topic_skew=(0.0, 0.8)
)
"""Of the language models on a CPU: the fewer examples a contributor has, the more contributors differ, so the sooner a
leave-one-out truth repeats (reasoning, one pool, 4 seeds: a ceiling of 0.7 against 0.4 at 20 to 40 examples)."""

DEFAULTS: Mapping[str, Defaults] = {
    "image-classification": Defaults(
        real={"files": ("fashion-mnist",), "hub": ("cifar-100",)},
        synthetic={"files": (), "hub": ("cifar-100-c",)},
        axes=Axes(size=(20, 40), real_share=(0.0, 0.9), noise=(0.0, 0.25)),
        recipe=Recipe(steps=40, batch_size=64, rate=0.03),
        tuning=TUNING,
    ),
    "sentiment": Defaults(
        real={"files": ("sst2",), "hub": ("imdb",)},
        synthetic={"files": ("supergen-sst2",), "hub": ("fingpt-sentiment",)},
        axes=Axes(size=(12, 24), real_share=(0.0, 1.0), noise=(0.0, 0.3), topic_skew=(0.0, 0.8)),
        recipe=Recipe(steps=16, batch_size=64, rate=3e-4, optimiser="adamw"),
        tuning=TUNING,
        length=32,
        tuning_length=128,
        base_steps=300,
        entries=900,
    ),
    "instruction-following": Defaults(
        real={"files": ("dolly", "self-instruct-seeds"), "hub": ("natural-instructions",)},
        synthetic={"files": ("alpaca", "gpteacher-roleplay"), "hub": ("magpie",)},
        axes=SMALLER,
        recipe=Recipe(steps=14, batch_size=64, rate=3e-3, optimiser="adamw"),
        tuning=TUNING,
        length=48,
        tuning_length=256,
        base_steps=100,
        entries=500,
    ),
    "reasoning": Defaults(
        real={"files": ("gsm8k",), "hub": ("numina-math-cot",)},
        synthetic={"files": ("svamp-cot", "gsm8k-solutions"), "hub": ("numina-math-cot-synthetic",)},
        axes=replace(SMALLER, near_duplicates=(0.0, 0.3)),
        recipe=Recipe(steps=14, batch_size=64, rate=3e-3, optimiser="adamw"),
        tuning=TUNING,
        length=48,
        tuning_length=384,
        base_steps=500,
        entries=500,
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A task's defaults and its settings, resolved; descriptions are read, their rows are not yet."""

    name: str
    real: tuple[Source, ...]
    synthetic: tuple[Source, ...]
    folder: Path | None
    axes: Axes
    recipe: Recipe
    model: Model | None
    length: int
    base_steps: int
    entries: int


def resolve(name: str, settings: TaskSettings, data: Data, folder: Path | None) -> Asked:
    """Settle what is asked.

    Raises:
        UserError: a name is unknown, a source is of another task or side, a folder is missing, or settings clash.
    """
    if name not in DEFAULTS:
        raise unknown("task", name, DEFAULTS)
    defaults, images = DEFAULTS[name], name == "image-classification"
    for key, needs in (("lora", settings.lora), ("revision", settings.revision)):
        if needs is not None and settings.model is None:
            raise UserError(f"{name}: {key} is for a pretrained model; name one with model, or leave {key} out.")
    if images and settings.length is not None:
        raise UserError(f"{name}: length counts the tokens of a text; leave it out.")
    model = Model(settings.model, settings.revision, settings.lora) if settings.model else None
    return Asked(
        name=name,
        real=_sources(name, "real", settings.real or defaults.real[data], folder),
        synthetic=_sources(name, "synthetic", settings.synthetic or defaults.synthetic[data], folder),
        folder=folder,
        axes=_axes(defaults.axes, settings),
        recipe=settings.recipe(defaults.tuning if model else defaults.recipe),
        model=model,
        length=settings.length or (defaults.tuning_length if model else defaults.length),
        base_steps=defaults.base_steps,
        entries=defaults.entries,
    )


def told(sources: Sequence[Source]) -> str:
    """Sources with what their descriptions say of them, as ``dataworth show`` tells them."""
    return "; ".join(f"{source.name} ({source.summary.rstrip('.') or source.task})" for source in sources)


def _axes(default: Axes, settings: TaskSettings) -> Axes:
    contributors, size = settings.contributors or default.contributors, settings.size or default.size
    return replace(default, contributors=contributors, size=size)


def _sources(name: str, side: Side, wanted: tuple[str, ...], folder: Path | None) -> tuple[Source, ...]:
    found = tuple(load_source(one) for one in wanted)
    for source in found:
        if (source.task, source.side) != (name, side):
            raise UserError(
                f"{name}: {source.name} is a {source.side} source for {source.task}; a {side} one for {name} is "
                f"needed. Name another, or mend its description."
            )
        if source.path is not None and folder is None:
            raise UserError(f"{name}: {source.name} lies in the data folder, and none was given; give --data DIR.")
    return found
