"""``--model FOLDER``: tiny transformers, as ``save_pretrained`` writes them, value texts, responses and images."""

from __future__ import annotations

import json
from pathlib import Path

import dataworth
import numpy as np
import pandas as pd
import pytest
import transformers
from dataworth import UserError

from tasks.learners import transformer
from tasks.learners.sizes import Size
from tasks.learners.tokenizers import word_tokenizer
from tests.command import Command
from tests.valuing.files import BAD, FILLING, GOOD, vendors

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp

SIZE = Size(hidden=8, layers=1, heads=2, inner=12)


def saved(folder: Path, kind: transformer.Kind) -> Path:
    """A model of random weights, and its tokenizer."""
    tokenizer = word_tokenizer([*GOOD, *BAD, *FILLING, "sum", "of", "is", *map(str, range(19))])
    transformer.small(kind, len(tokenizer), 32, size=SIZE).inner.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_texts_are_valued_by_a_model_of_the_user_s(tmp_path: Path, command: Command) -> None:
    folder, target = vendors(tmp_path, contributors=2, each=12, target=12)
    model = saved(tmp_path / "model", "text classifier")
    said = command(
        *("value", "--task", "sentiment", "--contributors", folder, "--target", target, "--model", model),
        *("--length", 16, "--steps", 2, "--rate", 0.01, "--method", "tracin:runs=1", "--parts", 4, "--audit", 8),
    )
    assert said.status == 0, said.err
    found = json.loads((tmp_path / "runs/values/vendors/values.json").read_text())
    assert found["model"].startswith(f"{model}; 16 tokens; 2 steps of 16 examples, AdamW, rate 0.01")
    assert [one["name"] for one in found["values"]] == ["v0", "v1"]
    assert all(one["low"] < one["value"] < one["high"] for one in found["values"])
    assert all(len(one["best"]) == 10 for one in found["values"])
    assert found["audit"]["retrainings"] == 2 * (1 + 2 + 2)
    quick = {"task": "sentiment", "model": str(model), "method": "tracin:runs=1", "parts": 0, "progress": False}
    adapted = dataworth.value(folder, target, settings={"length": 16, "steps": 2, "lora": 2}, **quick)
    assert adapted.outcome.model.startswith(f"{model} with adapters of rank 2; 16 tokens")
    assert not np.allclose(adapted.frame["value"], [one["value"] for one in found["values"]], rtol=1e-3, atol=0)
    with pytest.raises(UserError, match="takes at most 32 tokens, and the length is 99"):
        dataworth.value(folder, target, settings={"length": 99}, **quick)


def test_responses_and_images_are_valued_by_a_model_of_the_user_s(tmp_path: Path) -> None:
    def sums(count: int, seed: int) -> pd.DataFrame:
        pairs = np.random.default_rng(seed).integers(9, size=(count, 2))
        rows = [(f"sum of {a} {b}", f"is {a + b}") for a, b in pairs]
        return pd.DataFrame(rows, columns=["prompt", "answer"])

    quick = {"method": "tracin:runs=1", "parts": 0, "progress": False}
    told = dataworth.value(
        {"a": sums(12, 1), "b": sums(12, 2)},
        sums(12, 3),
        task="reasoning",
        model=str(saved(tmp_path / "language", "language model")),
        settings={"length": 16, "steps": 2},
        **quick,
    )
    assert set(told.frame.index) == {"a", "b"}
    assert np.isfinite(told.frame["loss"]).all()
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=12, patch_size=4
    )
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "images")
    stated = {"size": {"height": 12, "width": 12}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.2]}
    (tmp_path / "images" / "preprocessor_config.json").write_text(json.dumps(stated))
    rng = np.random.default_rng(0)
    for name in ("c", "d", "target"):
        labels = np.arange(12) % 2
        np.savez(tmp_path / f"{name}.npz", images=rng.random((12, 6, 9)), labels=labels)  # of any form
    seen = dataworth.value(
        {name: tmp_path / f"{name}.npz" for name in ("c", "d")},
        tmp_path / "target.npz",
        task="image-classification",
        model=str(tmp_path / "images"),
        settings={"steps": 2},
        **quick,
    )
    assert set(seen.frame.index) == {"c", "d"}
    assert np.isfinite(seen.frame["value"]).all()
