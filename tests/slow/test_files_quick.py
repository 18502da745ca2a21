"""The suite ``files-quick`` on files written here where the catalogue looks for them."""

from __future__ import annotations

import csv
import gzip
import json
import struct
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.external.defaults import DEFAULTS
from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY

pytestmark = THIRD_PARTY

ROWS = 1_300
WORDS = [f"{a}{b}" for a in "bcdfglmnprst" for b in ("a", "e", "i", "o", "u", "ab", "el", "in", "or", "us")]
TASKS = {"image-classification", "sentiment", "instruction-following", "reasoning"}
RUN = [
    "--methods",
    "size,mmd,initial-loss",
    "--questions",
    "standalone",
    "--pools",
    "1",
    "--seeds",
    "1",
]


def words(rng: np.random.Generator, count: int) -> str:
    return " ".join(WORDS[k] for k in rng.integers(0, len(WORDS), size=count))


def write_lines(file: Path, rows: Iterable[dict[str, object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_idx(file: Path, array: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    file.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def write_everything(folder: Path) -> None:
    """Every data set that ``files-quick`` names, in the form that the real one has."""
    rng = np.random.default_rng(0)
    labels = np.arange(3_000) % 10
    centres = rng.uniform(0, 255, size=(10, 28, 28))
    images = np.clip(centres[labels] + 25 * rng.standard_normal((3_000, 28, 28)), 0, 255)
    write_idx(folder / "fashion_mnist/train-images-idx3-ubyte.gz", images)
    write_idx(folder / "fashion_mnist/train-labels-idx1-ubyte.gz", labels)
    (folder / "sst2").mkdir()
    with (folder / "sst2/train.csv").open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, ["text", "label"])
        writer.writeheader()
        writer.writerows({"text": words(rng, 6), "label": k % 2} for k in range(ROWS))
    write_lines(folder / "supergen_sst2/train.jsonl", ({"text": words(rng, 6), "label": k % 2} for k in range(ROWS)))
    for name in ("dolly_3k/train", "self_instruct_seeds/train", "alpaca/train_random", "gpteacher_roleplay/train"):
        asked = ({"instruction": words(rng, 4), "input": words(rng, 2), "output": words(rng, 2)} for _ in range(ROWS))
        write_lines(folder / f"{name}.jsonl", asked)
    solved = ({"question": words(rng, 6), "answer": f"{words(rng, 1)} #### {k % 50}"} for k in range(ROWS))
    write_lines(folder / "gsm8k/train.jsonl", solved)
    reasoned = (
        {"question": words(rng, 6), "answer_cot": f"{words(rng, 1)} the answer is <{k % 50}>"} for k in range(ROWS)
    )
    write_lines(folder / "svamp_cot/train.jsonl", reasoned)
    solutions = ({"question": words(rng, 6), "solution": f"{words(rng, 1)} #### {k % 50}"} for k in range(ROWS))
    write_lines(folder / "gsm8k_model_solutions/solutions.jsonl", solutions)


@pytest.fixture
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the small models learn, beforehand and on a pool, is tested elsewhere."""
    for name, defaults in DEFAULTS.items():
        short = replace(defaults.recipe, steps=4, checkpoints=2)
        monkeypatch.setitem(DEFAULTS, name, replace(defaults, base_steps=3, recipe=short))  # type: ignore[arg-type]


@pytest.mark.usefixtures("short_training")
def test_files_quick_runs_on_files_that_were_just_written(tmp_path: Path, command: Command) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    write_everything(data)
    arguments = ["run", "--data", data, "--out", out, *RUN]
    first = command(*arguments)
    assert first.status == 0, first.out + first.err
    assert all(f"{task}, pool 1/1: truth of standalone, 25 retrainings (" in first.out for task in TASKS)
    board = pd.read_csv(out / "leaderboard.csv")
    assert set(board["task"]) == TASKS
    answered = board[board["method"].isin(["size", "mmd", "initial-loss"])]
    assert len(answered) == 12
    assert (answered["status"] == "ok").all(), answered[["task", "method", "status", "reason"]]
    assert answered["spearman"].between(-1, 1).all()
    assert (answered["contributors"] == 24).all()
    before = (out / "leaderboard.csv").read_text(encoding="utf-8")
    # The data folder is the user's own: it is not in what may be published.
    assert str(data) not in (out / "README.md").read_text(encoding="utf-8")
    assert not any(str(data) in file.read_text(encoding="utf-8") for file in out.glob("results/*.jsonl"))

    # The second time everything is known, so that nothing is trained again.
    again = command(*arguments)
    assert again.status == 0, again.err
    assert (out / "leaderboard.csv").read_text(encoding="utf-8") == before
    assert all(f"{task}, pool 1/1: truth of standalone (" in again.out for task in TASKS)
