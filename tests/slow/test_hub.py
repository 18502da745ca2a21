"""Data sets of the hub, fetched from a hub-shaped server on 127.0.0.1 in a process of their own.

``huggingface_hub`` reads where the hub is (HF_ENDPOINT) when it is imported, so each hub needs a fresh process.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value, disable_progress_bars, enable_progress_bars
from datasets import Image as ImageFeature
from PIL import Image

from tests.tasks.sources_hub_server import Hub, served

ROOT = Path(__file__).resolve().parents[2]
NEW, OLD = "a" * 40, "b" * 40
NOWHERE = "http://127.0.0.1:9"
PROGRAM = """
import json, sys, time
import datasets  # so that its import is not timed
from harness.errors import UserError
from tasks.sources.description import load_source
from tasks.sources.reading import read
from tests.processes import measured

def answer(file):
    start = time.monotonic()
    try:
        table = read(load_source(file), None)
    except UserError as error:
        return {"error": str(error), "seconds": time.monotonic() - start}
    found = {"prompts": table.prompts, "answers": table.answers, "keys": table.keys, "places": list(table.places)}
    if table.images is not None:
        found |= {"images": table.images.tolist(), "labels": table.labels.tolist(), "classes": table.source.classes}
    return {**found, "left_out": dict(table.left_out)}

with measured():
    print(json.dumps({file: answer(file) for file in sys.argv[1:]}))
"""


def parquet(dataset: Dataset) -> bytes:
    content = io.BytesIO()
    dataset.to_parquet(content)
    return content.getvalue()


def card(config: str, splits: dict[str, str]) -> bytes:
    """A README that says which files make which split, as the hub's data sets have it."""
    files = "".join(f"  - split: {split}\n    path: {pattern}\n" for split, pattern in splits.items())
    return f"---\nconfigs:\n- config_name: {config}\n  data_files:\n{files}  default: true\n---\n# A card\n".encode()


def reviews(texts: list[str], labels: list[int]) -> bytes:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    return parquet(Dataset.from_dict({"text": texts, "label": labels}, features=features))


PIXELS = np.random.default_rng(0).integers(0, 256, size=(4, 3, 5, 3), dtype=np.uint8)


def pictures() -> bytes:
    features = Features({"img": ImageFeature(), "fine_label": ClassLabel(names=["ape", "bee", "cat"])})
    rows = {"img": [Image.fromarray(pixels) for pixels in PIXELS], "fine_label": [0, 1, 1, 0]}
    return parquet(Dataset.from_dict(rows, features=features))


def tasks(number: int) -> bytes:
    rows = [{"definition": f"Task {number}.", "inputs": f"in {k}", "targets": f"out {number}.{k}"} for k in range(6)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def turns(count: int) -> bytes:
    rows = [[{"from": "human", "value": f"ask {k}"}, {"from": "gpt", "value": f"say {k}"}] for k in range(count)]
    return parquet(Dataset.from_dict({"conversations": rows, "source": ["ab"[k % 2] for k in range(count)]}))


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    disable_progress_bars()
    sets = {
        "lab/reviews": {
            NEW: {
                "README.md": card("plain_text", {"train": "plain_text/train-*", "test": "plain_text/test-*"}),
                "plain_text/train-00000-of-00002.parquet": reviews(["a fine film", "a dull film"], [1, 0]),
                "plain_text/train-00001-of-00002.parquet": reviews(["no film", "not rated"], [0, -1]),
                "plain_text/test-00000-of-00001.parquet": reviews(["the test"], [1]),
            },
            OLD: {
                "README.md": card("plain_text", {"train": "plain_text/train-*"}),
                "plain_text/train-00000-of-00001.parquet": reviews(["an older film"], [1]),
            },
        },
        "lab/pictures": {NEW: {"README.md": card("all", {"train": "all/*"}), "all/train.parquet": pictures()}},
        "lab/tasks": {NEW: {f"train/task{number}.jsonl": tasks(number) for number in range(3)}},
        "lab/talks": {NEW: {"README.md": card("default", {"train": "data/*"}), "data/train.parquet": turns(20)}},
        "lab/program": {NEW: {"README.md": b"# A card\n", "program.py": b"raise SystemExit('this was run')\n"}},
        "lab/secret": {NEW: {"README.md": b"# A card\n"}},
    }
    enable_progress_bars()
    with served(Hub(sets, gated=frozenset({"lab/secret"}))) as running:
        yield running


def run(files: list[Path], endpoint: str, home: Path, **changes: str) -> tuple[dict[str, Any], str]:
    """What a fresh process finds for each description, and what it wrote to stderr."""
    strange = ("HF_", "HUGGINGFACE_", "DATAWORTH_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(strange)}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_UPDATE_DOWNLOAD_COUNTS": "0", **changes}  # the counts are kept elsewhere than at the hub
    command = [sys.executable, "-c", PROGRAM, *map(str, files)]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {Path(file).stem: found for file, found in json.loads(done.stdout).items()}, done.stderr


FROM = 'side = "real"\nhub = "lab/{name}"\nsplit = "train"\n'
REVIEWS = (
    'task = "sentiment"\n' + FROM.format(name="reviews") + 'labels = { neg = "negative", pos = "positive" }\n'
    'columns = { prompt = "{text}", answer = "{label}" }\nwhere = { label = ["neg", "pos"] }\n'
)
TALKS = (
    'task = "instruction-following"\n' + FROM.format(name="talks") + "streaming = true\nlimit = 3\n"
    'columns = { prompt = "{conversations[0][value]}", answer = "{conversations[1][value]}" }\n'
)
DESCRIPTIONS = {
    "older": REVIEWS + f'revision = "{OLD}"\n',
    "reviews": REVIEWS + f'config = "plain_text"\nrevision = "{NEW}"\n',
    "newest": REVIEWS,
    "tested": REVIEWS.replace('"train"', '"test"'),
    "pictures": 'task = "image-classification"\n' + FROM.format(name="pictures")
    + 'columns = { image = "img", label = "fine_label" }\n',
    "streamed-pictures": 'task = "image-classification"\n' + FROM.format(name="pictures")
    + 'columns = { image = "img", label = "fine_label" }\nwhere = { fine_label = "bee" }\n'
    + "streaming = true\nlimit = 2\n",
    "tasks": 'task = "instruction-following"\n' + FROM.format(name="tasks") + "streaming = true\nlimit = 7\n"
    'columns = { prompt = "{definition}\\n{inputs}", answer = "{targets}", key = "{inputs}" }\n',
    "talks": TALKS,
    "chosen-talks": TALKS + 'where = { source = "b" }\n',
    "no-such-talks": TALKS + 'where = { source = "z" }\n',
    "gone": REVIEWS.replace("lab/reviews", "lab/gone"),
    "no-revision": REVIEWS + f'revision = "{"c" * 40}"\n',
    "no-split": REVIEWS.replace('"train"', '"trial"'),
    "no-config": REVIEWS + 'config = "fancy"\n',
    "no-column": REVIEWS.replace("{text}", "{txt}"),
    "program": REVIEWS.replace("lab/reviews", "lab/program"),
    "secret": REVIEWS.replace("lab/reviews", "lab/secret"),
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub-home")


@pytest.fixture(scope="module")
def descriptions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("descriptions")
    files = {name: folder / f"{name}.toml" for name in DESCRIPTIONS}
    for name, file in files.items():
        file.write_text(DESCRIPTIONS[name])
    return files


@pytest.fixture(scope="module")
def found(hub: Hub, home: Path, descriptions: dict[str, Path]) -> dict[str, Any]:
    return run(list(descriptions.values()), hub.endpoint, home)[0]


def test_texts_come_with_the_names_of_their_classes(found: dict[str, Any]) -> None:
    assert found["reviews"]["prompts"] == ["a fine film", "a dull film", "no film"]
    assert found["reviews"]["answers"] == ["positive", "negative", "negative"]
    assert found["reviews"]["places"][2] == "lab/reviews (train), row 3"
    assert found["reviews"]["left_out"] == {"not wanted (where)": 1}


def test_the_revision_and_the_split_that_are_asked_for_are_what_comes(found: dict[str, Any]) -> None:
    assert found["older"]["prompts"] == ["an older film"]
    assert found["newest"] == found["reviews"]
    assert found["tested"]["prompts"] == ["the test"]


def test_pictures_become_arrays_and_classes_numbers(found: dict[str, Any]) -> None:
    np.testing.assert_allclose(found["pictures"]["images"], PIXELS / 255, atol=1e-6)
    assert found["pictures"]["labels"] == [0, 1, 1, 0]
    assert found["pictures"]["classes"] == 3
    np.testing.assert_allclose(found["streamed-pictures"]["images"], PIXELS[1:3] / 255, atol=1e-6)


def test_a_stream_takes_as_many_rows_of_each_file(found: dict[str, Any]) -> None:
    by_file = [answer.split(".")[0] for answer in found["tasks"]["answers"]]
    assert len(by_file) == 7
    assert sorted(by_file.count(f"out {number}") for number in range(3)) == [2, 2, 3]
    assert found["tasks"]["prompts"][0] == "Task 0.\nin 0"
    assert found["tasks"]["keys"][0] == "in 0"
    assert found["tasks"]["places"][6] == "lab/tasks (train), fetched row 7"


def test_a_stream_reaches_into_turns_and_passes_over_what_is_not_wanted(found: dict[str, Any]) -> None:
    assert list(zip(found["talks"]["prompts"], found["talks"]["answers"], strict=True)) == [
        (f"ask {k}", f"say {k}") for k in range(3)
    ]
    assert found["chosen-talks"]["prompts"] == ["ask 1", "ask 3", "ask 5"]
    assert "no row that is wanted" in found["no-such-talks"]["error"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone", "gone: the hub has no data set 'lab/gone', or not for you (HF_TOKEN)."),
        ("no-revision", f"no-revision: the hub has no revision '{'c' * 40}' of lab/reviews."),
        ("secret", "secret: the hub asks for permission before it gives the data set lab/secret, split train."),
        ("no-split", "no-split: the data set lab/reviews, split trial cannot be loaded from the hub: Unknown split"),
        ("no-config", "no-config: the data set lab/reviews, config fancy, split train cannot be loaded from the hub"),
        ("no-column", "lab/reviews (train) has no column 'txt'. Did you mean text? There are: text, label."),
        (
            "program",
            "program: lab/program is a program that makes the data set, and programs from the hub are not run.",
        ),
    ],
)
def test_what_the_hub_does_not_have_is_one_clear_error(found: dict[str, Any], name: str, message: str) -> None:
    assert found[name]["error"].startswith(message)


def test_what_was_fetched_is_there_without_the_hub_but_never_as_another_revision(
    found: dict[str, Any], home: Path, descriptions: dict[str, Path]
) -> None:
    offline = [descriptions[name] for name in ("reviews", "older", "gone")]
    again, _ = run(offline, NOWHERE, home, HF_HUB_OFFLINE="1")
    assert again["reviews"] == found["reviews"]
    assert "the cache has another version of lab/reviews than revision bbb" in again["older"]["error"]
    assert again["gone"]["error"].startswith(f"gone: the hub cannot be reached at {NOWHERE} (")


def test_a_hub_out_of_reach_is_told_at_once_and_tidily(tmp_path: Path, descriptions: dict[str, Path]) -> None:
    answers, errors = run([descriptions["reviews"], descriptions["talks"]], NOWHERE, tmp_path)
    said = answers["reviews"]["error"]
    assert answers["reviews"]["seconds"] < 8, "it must not try again and again"
    assert said.startswith(f"reviews: the hub cannot be reached at {NOWHERE} (")
    assert f"Asked for was the data set lab/reviews, config plain_text, split train, revision {NEW}." in said
    assert 'path = "reviews/*.parquet" in place of hub, config, split, revision; or set HF_HUB_OFFLINE=1' in said
    assert answers["talks"]["error"].endswith("in place of hub, split, streaming.")  # a stream leaves nothing behind
    assert "Traceback" not in said + errors
    assert "Retrying" not in said + errors


def test_the_local_copy_that_the_error_speaks_of_works(hub: Hub, tmp_path: Path, found: dict[str, Any]) -> None:
    from tasks.sources.description import load_source
    from tasks.sources.reading import read

    (tmp_path / "reviews").mkdir()
    for path, content in hub.sets["lab/reviews"][NEW].items():
        if "train" in path:
            (tmp_path / "reviews" / Path(path).name).write_bytes(content)
    dropped = ("hub", "config", "split", "revision")
    lines = [line for line in DESCRIPTIONS["reviews"].splitlines() if not line.startswith(dropped)]
    (tmp_path / "mine.toml").write_text("\n".join(['path = "reviews/*.parquet"', *lines]))
    table = read(load_source(str(tmp_path / "mine.toml")), tmp_path)
    assert table.prompts == found["reviews"]["prompts"]
    assert table.answers == found["reviews"]["answers"]
