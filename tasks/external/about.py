"""What ``dataworth show`` prints of a task on sources, by heading."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.external.definition import TaskDefinition
from tasks.external.prepared import HELD_OUT_ROWS, SHARES, SMALL_SIDE
from tasks.external.text_materials import FEWEST_TOPICS
from tasks.external.topics import TOPICS
from tasks.learners.sizes import Size
from tasks.pools.image_generator import LATENTS
from tasks.pools.image_pools import LATENT_BOUND
from tasks.pools.image_styles import PROTOTYPES
from tasks.pools.splits import describe_splits
from tasks.sources.description import Source

NOTHING_SYNTHETIC = "none: all rows are real (synthetic = [])"


def about_images(definition: TaskDefinition) -> dict[str, str]:
    generator = (
        f"probabilistic PCA a class (Tipping & Bishop 1999), {LATENTS} latents, fitted on the generator split; "
        f"latents within {LATENT_BOUND[0]} to {LATENT_BOUND[1]} standard deviations"
    )
    synthetic = (
        f"{_describe(definition.synthetic) or generator}; each contributor's are cut to the half to all of the most "
        f"frequent classes. What that cut is measured over {PROTOTYPES} style prototypes"
    )
    learner = (
        "small CNN: strided convolutions of 8 (3 x 3) and 16 (2 x 2) channels, tanh, linear head; images are "
        f"averaged down to at most {SMALL_SIDE} pixels a side"
    )
    if definition.model:
        learner = f"{definition.model.source}, images resized and standardised as it takes them"
    return {
        "real": _describe_real(definition),
        "synthetic": NOTHING_SYNTHETIC if definition.real_only else synthetic,
        "contributors": definition.axes.about(),
        "style": "exposure: contrast and brightness",
        "learner": learner,
        "recipe": definition.recipe.about(),
        "utility": "mean log-likelihood on the test split; accuracy is kept beside it",
    }


def about_texts(definition: TaskDefinition, size: Size, answer: int | None) -> dict[str, str]:
    """Args: ``size`` of the small model; ``answer``: most tokens of a response, None for no bound."""
    labels = definition.form == "text-label"
    synthetic = (
        f"{_describe(definition.synthetic)}; each contributor's are cut to the {FEWEST_TOPICS} to {TOPICS} most "
        "frequent topics"
    )
    learner = f"{_describe_text_learner(definition, size)}; {definition.length} tokens"
    if not labels:
        most = f", {answer} tokens of it at most" if answer else ""
        learner += f"; loss on the response only{most}; a longer response loses its end"
    return {
        "real": _describe_real(definition),
        "synthetic": NOTHING_SYNTHETIC if definition.real_only else synthetic,
        "contributors": definition.axes.about(),
        "topics": f"{TOPICS} k-means clusters of TF-IDF vectors of prompts, fitted on the generator split",
        "style": "an opening word that changes nothing",
        "noise": "another label" if labels else "the answer of another row",
        "near-duplicates": "a word of the prompt dropped or said twice",
        "learner": learner,
        "recipe": definition.recipe.about(),
        "utility": (
            f"mean log-likelihood of the {'label' if labels else 'response'} on the test split; "
            f"{'accuracy' if labels else 'exact match'} is kept beside it"
        ),
    }


def _describe_text_learner(definition: TaskDefinition, size: Size) -> str:
    if model := definition.model:
        return model.source + (f" with adapters of rank {model.lora}" if model.lora else "")
    small = f"a {size.layers}-layer Llama of width {size.hidden}, {definition.entries} byte-pair tokens"
    if definition.form == "text-label":
        return f"{small}, with a new head, its body from a language model of the generator split"
    return f"{small}, fine-tuned from a base trained on the generator split"


def _describe_real(definition: TaskDefinition) -> str:
    alike = ", alike in their labels" if definition.form != "text-response" else ""
    held_out = " and ".join(f"{rows} {split} rows" for split, rows in HELD_OUT_ROWS.items())
    return (
        f"{_describe(definition.real)}; {describe_splits(SHARES)}{alike}; each pool draws from what is held out at "
        f"most {held_out}, which pools may share"
    )


def _describe(sources: Sequence[Source]) -> str:
    """Sources with what their descriptions say of them."""
    return "; ".join(f"{source.name} ({source.summary.rstrip('.') or source.task})" for source in sources)
