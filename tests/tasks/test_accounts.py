"""Every row that was read is accounted for, and where a pool needs more rows than there are, what would fit does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config import TaskSettings
from harness.errors import UserError
from tasks.external import task
from tasks.external.definition import define
from tasks.external.images import ImageTask
from tasks.external.texts import TextTask
from tasks.pools.dealing import Axes
from tasks.pools.drawing import TooFewRows
from tasks.pools.fitting import TRIED, advised
from tests.tasks.test_external import image_source, settings, text_rows, text_source

DROPPED, REPEATED = 40, 15


def short_of_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of which some have no answer, some are of another language, and some say the same as an earlier one."""
    rows: list[dict[str, Any]] = [{**row, "language": "en"} for row in text_rows("reasoning", 300, 0)]
    for row in rows[:DROPPED]:
        row["said"] = None
    rows += [{**row, "language": "fr"} for row in text_rows("reasoning", 25, 1)]
    rows += [dict(row) for row in rows[-60 : -60 + REPEATED]]
    (folder / "real.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = ['task = "reasoning"', 'side = "real"', 'path = "real.jsonl"', "limit = 270", 'where = { language = "en" }']
    lines += ["[columns]", 'prompt = "{question}"', 'answer = "{said}"']
    (folder / "real.toml").write_text("\n".join(lines), encoding="utf-8")
    return rows


def test_every_row_that_was_read_stands_in_one_count(tmp_path: Path) -> None:
    rows = short_of_rows(tmp_path)
    made = text_source(tmp_path, "reasoning", "synthetic", text_rows("reasoning", 200, 2))
    own = task("reasoning", settings(real=(str(tmp_path / "real.toml"),), synthetic=(made,)), "files", None)
    pool = own.deal(0)
    real, synthetic = own.reads()
    wanted = [row for row in rows if row["language"] == "en" and row["said"]]
    left = len(rows) - min(270, len(wanted))
    reasons = f"25 not wanted (where), {DROPPED} empty, {len(wanted) - 270} beyond the limit"
    assert real.startswith(f"real (real): {len(rows)} rows read, {left} left out ({reasons}), ")
    near = int(re.search(r"(\d+) near-duplicates dropped", real)[1])  # type: ignore[index]
    kept = [int(number) for number in re.findall(r"(\d+) (?:generator|contributors|held out)", real)]
    crossing = [int(number) for number in re.findall(r"\((\d+) near another split", real)]
    assert len(rows) == left + near + sum(kept) + sum(crossing)
    assert re.fullmatch(r"synthetic-source \(synthetic\): 200 rows read(, .*)?; \d+ synthetic.*\.", synthetic)
    assert pool.facts["rows_read"] == len(rows) + 200
    assert pool.facts["rows_left_out"] == left


@pytest.mark.parametrize("name", ["sentiment", "reasoning"])
def test_what_is_said_to_fit_does_and_more_does_not(name: str, tmp_path: Path) -> None:
    """The advice, taken, deals every pool that it was tried on; one contributor or example more does not."""
    sources = {
        "real": (text_source(tmp_path, name, "real", text_rows(name, 300, 0)),),
        "synthetic": (text_source(tmp_path, name, "synthetic", text_rows(name, 300, 1)),),
    }
    asked: dict[str, Any] = {"contributors": 14, "size": (16, 30)}
    own = TextTask(define(name, settings(**sources, **asked), "files", tmp_path))
    with pytest.raises(UserError) as caught:
        own.deal(0)
    said = str(caught.value)
    assert re.match(rf"{name}: a contributor needs \d+ more (real|synthetic) rows", said)
    contributors = int(re.search(r"contributors = (\d+)", said)[1])  # type: ignore[index]
    low, high = (int(end) for end in re.search(r"size = \[(\d+), (\d+)\]", said).groups())  # type: ignore[union-attr]
    for fits, more in (
        ({**asked, "contributors": contributors}, {**asked, "contributors": contributors + 1}),
        ({**asked, "size": (low, high)}, {**asked, "size": (16 * (high + 1) // 30, high + 1)}),
    ):
        assert dealt_of(own, fits) == TRIED
        assert dealt_of(own, more) < TRIED


def dealt_of(own: TextTask, changes: dict[str, Any]) -> int:
    """How many of the pools tried can be dealt with these settings."""
    found = 0
    for index in range(TRIED):
        try:
            own._dealt(index, replace(own.definition.axes, **changes))
            found += 1
        except UserError:
            pass
    return found


def test_where_nothing_smaller_fits_that_is_said() -> None:
    error = TooFewRows("reasoning: a contributor needs 5 more real rows, 3 are left.", "real rows")

    def deal(index: int, axes: Axes) -> None:
        raise error

    said = str(advised(error, Axes(contributors=3, size=(4, 8)), 0, deal, 0.4))
    assert said == (
        "reasoning: a contributor needs 5 more real rows, 3 are left. Neither fewer contributors nor smaller ones "
        "would "
        "fit: give more real rows (40% of them reach contributors)."
    )


# --- real rows alone ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sentiment", "reasoning"])
def test_no_synthetic_source_means_that_all_rows_are_real(name: str, tmp_path: Path) -> None:
    real = text_source(tmp_path, name, "real", text_rows(name, 400, 0))
    own = TextTask(define(name, settings(real=(real,), synthetic=()), "files", tmp_path))
    pool = own.deal(0)
    assert pool.train.real_N.all()
    assert {contributor.planted["real_share"] for contributor in pool.contributors} == {1.0}
    assert "keep_ranks" not in pool.contributors[0].planted
    assert "coverage" not in pool.facts
    assert own.task().about["synthetic"].startswith("none: all rows are real")


def test_images_without_a_synthetic_source_have_no_generator_where_none_is_asked_for(tmp_path: Path) -> None:
    real = image_source(tmp_path, "real", 400, 0)
    alone = ImageTask(define("image-classification", settings(real=(real,), synthetic=()), "files", tmp_path))
    assert alone.prepared.synthetic is None
    assert alone.deal(0).train.real_N.all()
    made = ImageTask(define("image-classification", settings(real=(real,)), "files", tmp_path))
    assert not made.deal(0).train.real_N.all()


def test_an_empty_list_of_synthetic_sources_is_kept_and_one_of_real_ones_refused() -> None:
    assert TaskSettings.model_validate({"synthetic": []}).given == {"synthetic": ()}
    with pytest.raises(ValueError, match="at least 1 item"):
        TaskSettings.model_validate({"real": []})


def test_pictures_of_two_sources_share_their_classes_in_a_pool(tmp_path: Path) -> None:
    """Two real sources that number the same names differently: each picture keeps its class."""
    rng, colours = np.random.default_rng(0), {"ant": 40, "bee": 120, "cow": 200}
    for side, names in (("one", ["ant", "bee", "cow"]), ("two", ["bee", "cow"])):
        labels = np.array(names * 80)
        images = np.clip(rng.normal([[[colours[name]]] for name in labels], 9, (len(labels), 8, 8)), 0, 255)
        np.savez(tmp_path / f"{side}.npz", x=images.astype(np.uint8), y=labels)
        lines = ['task = "image-classification"', 'side = "real"', f'path = "{side}.npz"']
        lines += ["[columns]", 'image = "x"', 'label = "y"']
        (tmp_path / f"{side}.toml").write_text("\n".join(lines), encoding="utf-8")
    sources = tuple(str(tmp_path / f"{side}.toml") for side in ("one", "two"))
    own = ImageTask(define("image-classification", settings(real=sources, synthetic=()), "files", None))
    assert own.prepared.classes == 3
    for rows in own.prepared.splits.values():
        means = 255 * rows["images"].mean(axis=(1, 2, 3))
        assert np.array_equal(rows["labels"], np.digitize(means, [80, 160]))
