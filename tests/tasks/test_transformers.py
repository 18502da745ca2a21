"""Transformer learners against the library's own forward pass and loss; models from a folder; bases that are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad

from harness import registry
from harness.errors import UserError
from harness.retraining.chunks import Job
from harness.retraining.stacking import STACKED_OUTPUTS, Stacking, stacking_for
from harness.running.evaluator import Evaluator
from harness.types import HELD_OUT, Contributor, Examples, Learner, Method, Pool, Recipe
from methods.influence import Influence
from methods.influence_pydvl import InfluencePydvl
from methods.semivalues.data_shapley import DataShapley
from tasks.learners import base, transformer
from tasks.learners.classifier import Classifier
from tasks.learners.encoding import IGNORED, encode_prompts, encode_responses
from tasks.learners.language_model import LanguageModel
from tasks.learners.sizes import Size
from tasks.learners.tokenizers import word_tokenizer
from tests.tiny import engine_of, evaluator_of

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp

VOCABULARY, LENGTH = 20, 9
SIZE = Size(hidden=8, layers=1, heads=2, inner=12)
OF_LABELS = ("class-balance", "class-wise-shapley", "data-oob")
ASKED = ("class-balance", "ekfac", "freeshap", "influence", "influence-pydvl", "metagradient", "mmd", "ntk-mmd", "trak")
"""One of each kind; tests/slow/test_methods_on_transformers.py asks them all."""

RECIPE = Recipe(steps=5, batch_size=6, rate=1e-2, optimiser="adamw", checkpoints=2)


def quick(name: str) -> Method:
    """The method with a small budget, for how exact it is is tested elsewhere."""
    method = registry.method(name)
    if isinstance(method, Influence):
        return replace(method, runs=2, iterations=3)
    if isinstance(method, InfluencePydvl):
        return replace(method, iterations=5)
    return replace(method, seeds=1) if isinstance(method, DataShapley) else method


def language_model(answer: int | None = None) -> LanguageModel:
    def build() -> torch.nn.Module:
        return transformer.small("language model", VOCABULARY, LENGTH, size=SIZE)

    return LanguageModel("lm", build, VOCABULARY, RECIPE, answer)


def answering() -> LanguageModel:
    """Computes nothing over the vocabulary but at three positions."""
    return language_model(answer=3)


def text_classifier() -> Classifier:
    return Classifier("texts", lambda: transformer.small("text classifier", VOCABULARY, LENGTH, 3, SIZE), 3, RECIPE)


def batch_of(learner: Learner, rows: int = 7, seed: int = 0) -> dict[str, torch.Tensor]:
    """Right-padded rows of unequal length; a response of two tokens and an end for the language model."""
    rng = np.random.default_rng(seed)
    inputs = np.zeros((rows, LENGTH - 2), dtype=np.int64)
    targets = np.full(inputs.shape, IGNORED)
    for row in range(rows):
        length = int(rng.integers(4, LENGTH - 1))
        inputs[row, :length] = rng.integers(3, VOCABULARY, size=length)
        targets[row, length - 3 : length] = inputs[row, length - 3 : length]
    if isinstance(learner, Classifier):
        return {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(rng.integers(0, 3, size=rows))}
    return {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(targets)}


def pool_of(learner: Learner) -> Pool:
    def examples(rows: int, seed: int, owners: np.ndarray) -> Examples:
        batch = {name: column.numpy() for name, column in batch_of(learner, rows, seed).items()}
        return Examples(batch, owners, np.arange(rows) % 2 == 0)

    owners = np.repeat(np.arange(3), 5)
    nobody = [np.full(n, HELD_OUT) for n in (8, 9)]
    people = tuple(Contributor(f"c{c}", {"size": 5}) for c in range(3))
    return Pool("texts", 0, people, examples(15, 0, owners), examples(8, 1, nobody[0]), examples(9, 2, nobody[1]))


# --- against the library itself ---------------------------------------------------------------------


def test_a_language_model_s_loss_is_transformers_own() -> None:
    learner = language_model()
    params, batch = learner.initialise(3), batch_of(learner)
    inner = learner.module(params).inner.inner  # the model of transformers itself, under two thin wrappers
    for row in range(len(batch["inputs"])):
        one = {name: column[row : row + 1] for name, column in batch.items()}
        theirs = inner(input_ids=one["inputs"], attention_mask=(one["inputs"] != 0).long(), labels=one["targets"])
        torch.testing.assert_close(learner.losses(params, one)[0], theirs.loss, rtol=1e-5, atol=1e-6)


def test_a_classifier_s_logits_are_transformers_own() -> None:
    learner = text_classifier()
    params, batch = learner.initialise(3), batch_of(learner)
    inner = learner.module(params).inner.inner
    theirs = inner(input_ids=batch["inputs"], attention_mask=(batch["inputs"] != 0).long()).logits
    torch.testing.assert_close(learner.predict(params, batch)[0], theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("answer", [3, 5])
def test_positions_that_are_not_learnt_can_be_left_out(answer: int) -> None:
    """Every row has three tokens to be learnt: as many as there is room for, or fewer."""
    whole, short = language_model(), language_model(answer)
    params, batch = whole.initialise(1), batch_of(whole)
    assert short.predict(params, batch)[0].shape == (7, answer, VOCABULARY)
    for measured in ("losses", "features", "outputs"):
        torch.testing.assert_close(getattr(short, measured)(params, batch), getattr(whole, measured)(params, batch))
    torch.testing.assert_close(short.target_features(batch), whole.target_features(batch))
    right = [learner.correct(learner.predict(params, batch)[0], batch) for learner in (whole, short)]
    assert torch.equal(*right)
    gradients = [grad(lambda p, by=by: by.losses(p, batch).sum())(params) for by in (whole, short)]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [language_model, text_classifier])
def test_padding_never_changes_a_result(make: Callable[[], Learner]) -> None:
    learner = make()
    params, batch = learner.initialise(0), batch_of(learner)
    wider = {"inputs": torch.nn.functional.pad(batch["inputs"], (0, 2))}
    is_sequence = batch["targets"].ndim == 2
    wider["targets"] = (
        torch.nn.functional.pad(batch["targets"], (0, 2), value=IGNORED) if is_sequence else batch["targets"]
    )
    for measured in (learner.losses, learner.features, learner.outputs):
        torch.testing.assert_close(measured(params, wider), measured(params, batch), rtol=1e-5, atol=1e-6)
    alone = {name: column[2:3] for name, column in batch.items()}
    torch.testing.assert_close(learner.losses(params, alone)[0], learner.losses(params, batch)[2], rtol=1e-5, atol=1e-6)


def test_only_the_response_is_learnt() -> None:
    learner = language_model()
    params, batch = learner.initialise(0), batch_of(learner)
    logits = learner.predict(params, batch)[0].detach().requires_grad_()
    learner.losses_of(logits, batch).sum().backward()
    touched = logits.grad.abs().sum(-1) > 0
    predicts_response = torch.nn.functional.pad(batch["targets"][:, 1:] != IGNORED, (0, 1))
    assert torch.equal(touched, predicts_response)


def test_an_answer_is_right_only_if_every_token_of_it_is() -> None:
    learner = language_model()
    batch = batch_of(learner)
    ids = torch.where(batch["targets"] == IGNORED, 0, batch["targets"])
    logits = torch.nn.functional.one_hot(ids, VOCABULARY).float().roll(-1, dims=1)
    assert learner.correct(logits, batch).all()
    place = int((batch["targets"][0] != IGNORED).nonzero()[-1]) - 1
    logits[0, place] = -logits[0, place]
    assert learner.correct(logits, batch).tolist() == [False] + [True] * (len(logits) - 1)


@pytest.mark.parametrize("make", [language_model, answering, text_classifier])
def test_stacked_transformers_train_as_one_after_another(make: Callable[[], Learner], tmp_path: Path) -> None:
    learner = make()
    pool = pool_of(learner)
    jobs = [Job(coalition, seed) for coalition in ("100", "011", "111") for seed in (1, 2)]
    both = [
        engine_of(tmp_path, pool, learner, stacking).outcomes(jobs) for stacking in (Stacking(6, 1), Stacking(1, 2))
    ]
    stacked, in_turn = ([outcome.utility for outcome in outcomes] for outcomes in both)
    np.testing.assert_allclose(stacked, in_turn, rtol=1e-4)


@pytest.mark.parametrize(("vocabulary", "answer", "jobs"), [(VOCABULARY, None, 48), (1_500, None, 7), (1_500, 3, 16)])
def test_the_more_outputs_models_have_the_fewer_train_side_by_side(
    vocabulary: int, answer: int | None, jobs: int
) -> None:
    def build() -> torch.nn.Module:
        return transformer.small("language model", vocabulary, LENGTH, size=SIZE)

    recipe = replace(RECIPE, batch_size=40)
    learner = LanguageModel("lm", build, vocabulary, recipe, answer)
    pool = pool_of(learner)
    stacking = stacking_for(learner, pool.train, "cpu")
    assert stacking.at_most(recipe.batch_size) == jobs
    assert stacking.at_most(1) == 48
    if jobs < 48:
        assert jobs < stacking.at_most(recipe.batch_size // 2) <= 2 * jobs + 1
        outputs = jobs * recipe.batch_size * (answer or LENGTH - 2) * vocabulary
        assert STACKED_OUTPUTS / 2 < outputs <= STACKED_OUTPUTS


@pytest.fixture(scope="module", params=[language_model, text_classifier])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    """Where all methods are asked about small models, one after another, as in a run."""
    learner = request.param()
    return evaluator_of(tmp_path_factory.mktemp("small"), pool_of(learner), learner)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ASKED)
def test_methods_answer_about_texts_or_say_why_not(name: str, small: Evaluator) -> None:
    found = small.evaluate(name, quick(name), "leave-one-out")
    if isinstance(found, str):
        assert name.startswith(("influence-pydvl", *OF_LABELS))
        assert name.startswith(OF_LABELS) or small.engine.learner.name in found
    else:
        assert found.values_C.shape == (3,)
        assert np.isfinite(found.values_C).all()


# --- texts as rows ----------------------------------------------------------------------------------


def test_prompts_and_responses_become_rows() -> None:
    tokenizer = word_tokenizer(["a", "b", "c", "="])
    inputs, targets = encode_responses(tokenizer, ["a b =", "c ="], ["c", "a b"], 7)
    names = tokenizer.convert_ids_to_tokens
    assert [names(row.tolist()) for row in inputs] == [
        ["a", "b", "=", "c", "[end]", "[pad]", "[pad]"],
        ["c", "=", "a", "b", "[end]", "[pad]", "[pad]"],
    ]
    assert (targets != IGNORED).tolist() == [[0, 0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1, 0, 0]]
    assert (inputs[targets != IGNORED] == targets[targets != IGNORED]).all()


def test_a_long_prompt_loses_its_beginning_and_a_long_response_is_an_error() -> None:
    tokenizer = word_tokenizer(["a", "b", "c"])
    inputs, _ = encode_responses(tokenizer, ["a b c"], ["b"], 4)
    assert tokenizer.convert_ids_to_tokens(inputs[0].tolist()) == ["b", "c", "b", "[end]"]
    with pytest.raises(UserError, match="Row 1: the response has 4 tokens"):
        encode_responses(tokenizer, ["a", "a"], ["b", "b b b"], 4)


def test_a_word_that_is_not_known_is_said_to_be_so() -> None:
    tokenizer = word_tokenizer(["a"])
    assert tokenizer.convert_ids_to_tokens(encode_prompts(tokenizer, 0, ["a zebra"], 3)[0].tolist()) == [
        "a",
        "[unknown]",
        "[pad]",
    ]


# --- models from a folder ---------------------------------------------------------------------------


def saved(folder: Path, kind: transformer.Kind) -> str:
    """A tiny model of the library, saved as its users do."""
    import transformers

    torch.manual_seed(0)
    if kind == "image classifier":
        config = transformers.ViTConfig(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=4, patch_size=2,
            num_channels=1, num_labels=3,
        )  # fmt: skip
        transformers.ViTForImageClassification(config).save_pretrained(folder)
    elif kind == "text classifier":
        bert = transformers.BertConfig(
            vocab_size=VOCABULARY, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
            max_position_embeddings=16, pad_token_id=0,
        )  # fmt: skip
        transformers.BertModel(bert).save_pretrained(folder)  # a body without a head
    else:
        transformer.small("language model", VOCABULARY, LENGTH, size=SIZE).inner.save_pretrained(folder)
    return str(folder)


def loaded(folder: Path, kind: transformer.Kind, lora: transformer.Lora | None = None) -> Learner:
    build = transformer.pretrained(kind, saved(folder, kind), labels=3, lora=lora)
    if kind == "language model":
        learner: Learner = LanguageModel("loaded", build, VOCABULARY, RECIPE, stacks=False)
    else:
        learner = Classifier("loaded", build, 3, RECIPE)
        learner.stacks = False
    return learner


KINDS: tuple[transformer.Kind, ...] = ("language model", "text classifier", "image classifier")


def pool_for(learner: Learner, kind: transformer.Kind) -> Pool:
    if kind != "image classifier":
        return pool_of(learner)
    pool = pool_of(text_classifier())

    def with_pixels(examples: Examples) -> Examples:
        pixels = np.random.default_rng(len(examples)).standard_normal((len(examples), 1, 4, 4)).astype(np.float32)
        return Examples({**examples.columns, "inputs": pixels}, examples.owners_N, examples.real_N)

    return Pool("images", 0, pool.contributors, *map(with_pixels, (pool.train, pool.validation, pool.test)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lora", [None, transformer.Lora(rank=2)])
def test_a_model_from_a_folder_trains(kind: transformer.Kind, lora: transformer.Lora | None, tmp_path: Path) -> None:
    learner = loaded(tmp_path / "model", kind, lora)
    engine = engine_of(tmp_path, pool_for(learner, kind), learner, Stacking(1, 1))
    nobody, everyone = (outcome.utility for outcome in engine.outcomes([Job("000", 1), Job("111", 1)]))
    assert nobody != everyone
    params = learner.initialise(0)
    adapters = [name for name in params if "lora_" in name]
    assert bool(adapters) == (lora is not None)
    if lora:
        assert all("lora_" in name or "score" in name or "classifier" in name for name in params)


@pytest.fixture(scope="module", params=KINDS[:1])
def from_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    """Where all methods are asked about a model that was loaded once."""
    folder = tmp_path_factory.mktemp("loaded")
    learner = loaded(folder / "model", request.param)
    return evaluator_of(folder, pool_for(learner, request.param), learner)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ASKED)
def test_a_model_from_a_folder_goes_through_the_methods(name: str, from_folder: Evaluator) -> None:
    found = from_folder.evaluate(name, quick(name), "standalone")
    if isinstance(found, str):
        assert name.startswith(("influence-pydvl", *OF_LABELS))
        assert name.startswith(OF_LABELS) or from_folder.engine.learner.name in found
    else:
        assert np.isfinite(found.values_C).all()


def test_what_is_loaded_is_what_was_saved_and_only_a_missing_head_is_drawn(tmp_path: Path) -> None:
    learner = loaded(tmp_path / "model", "text classifier")
    first, second = learner.initialise(1), learner.initialise(2)
    drawn = {name for name in first if not torch.equal(first[name], second[name])}
    assert drawn
    assert all("classifier" in name or "pooler" in name for name in drawn)
    same = learner.initialise(1)
    assert all(torch.equal(first[name], same[name]) for name in first)


@pytest.mark.parametrize("spoil", ["no such folder", "no weights", "pickled weights"])
def test_a_model_folder_that_will_not_do_is_named(spoil: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    if spoil != "no such folder":
        saved(folder, "language model")
        (folder / "model.safetensors").unlink()
    if spoil == "pickled weights":
        torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"Cannot load a language model from .*safetensors"):
        transformer.pretrained("language model", str(folder))


# --- bases ------------------------------------------------------------------------------------------


def train_base(**changes: object) -> dict[str, torch.Tensor]:
    learner = language_model()
    batch = batch_of(learner, 30)
    inputs, targets = batch["inputs"].numpy(), batch["targets"].numpy()
    settings: dict[str, Any] = {"steps": 3, **changes}
    return base.trained_language_model("test", SIZE, VOCABULARY, LENGTH, inputs, targets, **settings)


def test_a_base_is_trained_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAWORTH_CACHE", str(tmp_path / "kept"))
    first = train_base()
    monkeypatch.setattr(base, "_train", lambda *_: pytest.fail("trained again"))
    again = train_base()
    assert base.digest(first) == base.digest(again)
    assert [file.suffix for file in (tmp_path / "kept" / "bases").iterdir()] == [".safetensors"]
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        train_base(steps=4)


def test_a_base_that_was_kept_before_bases_had_a_folder_is_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base that is trained again may differ in its last digits, and every retraining that began from it is lost."""
    monkeypatch.setenv("DATAWORTH_CACHE", str(tmp_path))
    first = train_base()
    (kept,) = (tmp_path / "bases").iterdir()
    kept.rename(tmp_path / kept.name)
    monkeypatch.setattr(base, "_train", lambda *_: pytest.fail("trained again"))
    assert base.digest(train_base()) == base.digest(first)


def test_a_base_learns_and_is_the_start_of_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAWORTH_CACHE", str(tmp_path))
    start = train_base(steps=60)
    fresh, learner = language_model(), language_model()
    learner._base = start
    batch = batch_of(learner, 30)
    assert learner.losses(learner.initialise(0), batch).mean() < fresh.losses(fresh.initialise(0), batch).mean() - 0.2
    assert base.digest(learner.initialise(1)) == base.digest(learner.initialise(2)) == base.digest(start)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DATAWORTH_CACHE", str(tmp_path / "file" / "kept"))
    with pytest.raises(UserError, match=r"Cannot write .*base-.*DATAWORTH_CACHE"):
        train_base()


def test_functional_call_of_a_tied_model_is_the_model_itself() -> None:
    """Input and output embeddings are one parameter; swapping it must change both ends."""
    learner = language_model()
    params = learner.initialise(0)
    batch = batch_of(learner)
    module = transformer.small("language model", VOCABULARY, LENGTH, size=SIZE)
    module.load_state_dict(params, strict=False)
    doubled = {name: 2 * p for name, p in params.items()}
    for name, parameter in module.named_parameters():
        parameter.data.copy_(doubled[name])
    torch.testing.assert_close(functional_call(module, doubled, (batch["inputs"],))[0], module(batch["inputs"])[0])
    torch.testing.assert_close(learner.predict(doubled, batch)[0], module(batch["inputs"])[0])
