"""Learners on sources: small ones that start from a base, and pretrained models from a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from harness.config import TaskSettings
from harness.errors import UserError
from harness.retraining.chunks import Job
from harness.types import Examples, Learner, Task
from tasks.external import task
from tasks.external.defaults import DEFAULTS
from tasks.learners import transformer
from tasks.learners.pixels import Prepared
from tasks.learners.pretrained import ImageForm, Model
from tasks.learners.sizes import Size
from tasks.learners.tokenizers import word_tokenizer
from tests.tasks.test_external import LABELS, Row, image_source, settings, text_rows, text_source
from tests.tiny import engine_of

WORDS = [f"w{k}" for k in range(300)] + ["well", "good", "bad", ","]
SIZE = Size(hidden=8, layers=1, heads=2, inner=12)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAWORTH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def base_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Shortens how long a task's base is trained."""

    def shorten(name: str, steps: int) -> None:
        monkeypatch.setitem(DEFAULTS, name, replace(DEFAULTS[name], base_steps=steps))  # type: ignore[arg-type]

    return shorten


def plain_rows(name: str, count: int, seed: int) -> list[Row]:
    """Rows of sentiment that one word decides, of the other tasks any."""
    rows = text_rows(name, count, seed)
    if name != "sentiment":
        return rows
    return [{**row, "question": f"{row['question']} {'good' if row['said'] == LABELS[1] else 'bad'}"} for row in rows]


def text_task(folder: Path, name: str, **changes: object) -> Task:
    sources = {
        "real": (text_source(folder, name, "real", plain_rows(name, 300, 0)),),
        "synthetic": (text_source(folder, name, "synthetic", plain_rows(name, 200, 1)),),
    }
    return task(name, settings(**sources, **changes), "files", folder)


def image_task(folder: Path, **changes: object) -> Task:
    return task(
        "image-classification", settings(real=(image_source(folder, "real", 400, 0),), **changes), "files", folder
    )


def mean_loss(learner: Learner, examples: Examples) -> float:
    """Of a fresh initialisation."""
    batch = {name: torch.tensor(column) for name, column in examples.columns.items()}
    with torch.no_grad():
        return float(learner.losses(learner.initialise(0), batch).mean())


def check_trains(made: Task, folder: Path, stacks: bool) -> None:
    pool, learner = made.deal(0), made.learner()
    assert learner.stacks == stacks
    outcomes = engine_of(folder, pool, learner).outcomes([Job("00000", 3), Job("11111", 3), Job("10000", 3)])
    assert len({outcome.utility for outcome in outcomes}) == 3  # each is finite, or the engine would say so
    assert made.learner().identity == learner.identity


# --- small learners -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sentiment", "reasoning"])
def test_a_small_learner_trains_on_its_pool(name: str, tmp_path: Path, base_of: Callable[[str, int], None]) -> None:
    base_of(name, 2)
    check_trains(text_task(tmp_path, name, steps=3), tmp_path, stacks=True)


def test_the_small_cnn_trains_on_its_pool(tmp_path: Path) -> None:
    check_trains(image_task(tmp_path, steps=3), tmp_path, stacks=True)


def test_a_classifier_starts_from_what_its_base_knows_of_the_labels(
    tmp_path: Path, base_of: Callable[[str, int], None]
) -> None:
    """One word decides, and the base has seen it: the head needs no training to be right on new texts."""
    base_of("sentiment", 120)
    made = text_task(tmp_path, "sentiment")
    learner, test = made.learner(), made.deal(0).test
    batch = {name: torch.tensor(column) for name, column in test.columns.items()}
    with torch.no_grad():
        logits, _ = learner.predict(learner.initialise(0), batch)
    assert float(learner.correct(logits, batch).float().mean()) > 0.9
    assert all(torch.equal(p, learner.initialise(1)[name]) for name, p in learner.initialise(0).items())


def test_a_language_model_starts_from_its_base(tmp_path: Path, base_of: Callable[[str, int], None]) -> None:
    name = "instruction-following"
    base_of(name, 1)
    blank = text_task(tmp_path, name)
    base_of(name, 60)
    tuned = text_task(tmp_path, name)
    test = tuned.deal(0).test
    assert test.digest() == blank.deal(0).test.digest()
    assert mean_loss(tuned.learner(), test) < mean_loss(blank.learner(), test) - 0.1
    assert tuned.learner().identity != blank.learner().identity


def test_the_base_sees_the_generator_split_alone(tmp_path: Path, base_of: Callable[[str, int], None]) -> None:
    """Other synthetic rows, same real ones: the same base."""
    base_of("reasoning", 2)
    first = text_task(tmp_path, "reasoning").learner().identity
    text_source(tmp_path, "reasoning", "synthetic", text_rows("reasoning", 300, 9))
    sources = {side: (str(tmp_path / f"{side}-source.toml"),) for side in ("real", "synthetic")}
    assert task("reasoning", settings(**sources), "files", tmp_path).learner().identity == first


# --- pretrained models --------------------------------------------------------------------------------


def saved(folder: Path, kind: transformer.Kind) -> str:
    """A model folder as ``save_pretrained`` writes it, with a tokenizer for texts."""
    place = folder / "model"
    if kind == "image classifier":
        config = transformers.ViTConfig(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=12, patch_size=4
        )
        transformers.ViTForImageClassification(config).save_pretrained(place)
        stated = {"size": {"height": 12, "width": 12}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.2]}
        (place / "preprocessor_config.json").write_text(json.dumps(stated))
        return str(place)
    tokenizer = word_tokenizer(WORDS)
    transformer.small(kind, len(tokenizer), 64, size=SIZE).inner.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return str(place)


@pytest.mark.parametrize("lora", [None, 2], ids=["whole", "lora"])
@pytest.mark.parametrize("name", ["sentiment", "reasoning"])
def test_a_pretrained_text_model_trains(name: str, lora: int | None, tmp_path: Path) -> None:
    model = saved(tmp_path, "text classifier" if name == "sentiment" else "language model")
    changes = {"model": model, "steps": 3, "length": 24, **({"lora": lora} if lora else {})}
    check_trains(text_task(tmp_path, name, **changes), tmp_path, stacks=False)


def test_a_pretrained_image_model_trains(tmp_path: Path) -> None:
    made = image_task(tmp_path, model=saved(tmp_path, "image classifier"), steps=3)
    assert made.deal(0).train.columns["inputs"].shape[1:] == (1, 8, 8)  # as they are: the model resizes them
    assert 0 <= float(made.deal(0).test.columns["inputs"].min()) < float(made.deal(0).test.columns["inputs"].max()) <= 1
    check_trains(made, tmp_path, stacks=False)


def test_a_pretrained_model_reads_texts_with_its_own_tokenizer(tmp_path: Path) -> None:
    made = text_task(tmp_path, "sentiment", model=saved(tmp_path, "text classifier"), length=24)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    words = {text for row in made.deal(0).test.columns["inputs"] for text in tokenizer.decode(row[row > 0]).split()}
    assert words <= set(WORDS)
    assert {"good", "bad"} <= words


def test_images_are_given_as_the_model_takes_them() -> None:
    """Held against the formulas by hand: grey to every channel, then less the mean, by the deviation."""

    class Seen(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return pixels, pixels

    form = ImageForm((4, 4), (0.1, 0.2, 0.3), (0.5, 0.25, 1.0))
    pixels = torch.rand(2, 1, 4, 4)
    expected = [(pixels[:, 0] - mean) / deviation for mean, deviation in zip(form.mean, form.deviation, strict=True)]
    torch.testing.assert_close(Prepared(Seen(), form)(pixels)[0], torch.stack(expected, dim=1))
    flat = Prepared(Seen(), form)(torch.full((1, 3, 9, 7), 0.6))[0]
    assert flat.shape == (1, 3, 4, 4)
    torch.testing.assert_close(flat[0, :, 2, 2], torch.tensor([1.0, 1.6, 0.3]))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"size": {"height": 6, "width": 7}}, (6, 7)),
        ({"size": {"shortest_edge": 9}}, (9, 9)),
        ({"size": 5}, (5, 5)),
        ({"size": {"shortest_edge": 9}, "crop_size": {"height": 8, "width": 8}}, (8, 8)),
        ({}, (12, 12)),  # the model's own configuration
    ],
)
def test_the_size_of_images_is_read_however_it_is_said(
    stated: dict[str, object], expected: tuple[int, int], tmp_path: Path
) -> None:
    model = Path(saved(tmp_path, "image classifier"))
    (model / "preprocessor_config.json").write_text(json.dumps(stated))
    assert Model(str(model)).image_form() == ImageForm(expected, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_other_weights_are_another_learner(tmp_path: Path) -> None:
    first = Model(saved(tmp_path, "language model")).identity()
    torch.manual_seed(1)
    assert Model(saved(tmp_path, "language model")).identity() != first
    assert Model(str(tmp_path / "model"), lora=3).identity() != Model(str(tmp_path / "model")).identity()


def test_a_folder_without_weights_or_tokenizer_is_a_mistake(tmp_path: Path) -> None:
    model = Path(saved(tmp_path, "text classifier"))
    made = text_task(tmp_path, "sentiment", model=str(model))
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"Cannot load a text classifier from .*safetensors weights"):
        made.learner()
    with pytest.raises(UserError, match=r"Cannot load the tokenizer of .*Expected a folder with tokenizer\.json"):
        task("sentiment", _with_model(tmp_path, tmp_path / "nothing"), "files", tmp_path).deal(0)


def test_a_length_beyond_the_models_own_is_a_mistake(tmp_path: Path) -> None:
    made = text_task(tmp_path, "reasoning", model=saved(tmp_path, "language model"), length=65)
    with pytest.raises(UserError, match="takes at most 64 tokens, and the length is 65; set a length of at most 64"):
        made.deal(0)


def _with_model(folder: Path, model: Path) -> TaskSettings:
    model.mkdir()
    sources = {side: (str(folder / f"{side}-source.toml"),) for side in ("real", "synthetic")}
    return settings(**sources, model=str(model))


def test_a_tokenizer_of_another_vocabulary_is_a_mistake(tmp_path: Path) -> None:
    model = Path(saved(tmp_path, "language model"))
    word_tokenizer([*WORDS, *(f"v{k}" for k in range(500))]).save_pretrained(model)
    made = text_task(tmp_path, "reasoning", model=str(model), length=24)
    with pytest.raises(UserError, match=r"its tokenizer has 807 tokens, and its vocabulary \d+"):
        made.deal(0)
