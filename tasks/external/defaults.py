"""What each task on sources does where a suite's settings say nothing: sources, axes, recipes, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from harness.types import Recipe
from tasks.pools.dealing import Axes

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
        base_steps: how long the small model's base is trained on the generator split (texts): so long that there is
            something left to learn from contributors (everyone's model beats the base by 0.03 to 0.09 nats on pools
            100 and 101, which no suite uses), and a leave-one-out truth repeats (0.73 to 0.82 from four seeds).
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
        base_steps=400,
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
        base_steps=60,
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
        base_steps=150,
        entries=500,
    ),
}
