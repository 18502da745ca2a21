"""The example's maker plants what it says, on a small data folder of the same form; its page is held against that."""

from __future__ import annotations

import csv
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.brought import Wanted
from harness.registry import bring
from harness.valuing.files import JSON, write
from harness.valuing.stored import read
from tests.valuing.files import reviews

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SCRIPT, VALUING = EXAMPLES / "twelve_vendors.py", EXAMPLES / "value_twelve_vendors.py"
PUBLISHED = EXAMPLES / "twelve-vendors"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty rows a vendor."""
    numbers = {"positive": 1, "negative": 0}

    def table(file: Path, count: int, seed: int) -> None:
        rows = [{"text": text, "label": numbers[label]} for text, label in reviews(count, seed)]
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8", newline="") as opened:
            if file.suffix == ".jsonl":
                opened.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(opened, ["text", "label"])
                writer.writeheader()
                writer.writerows(rows)

    data = tmp_path / "data"
    table(data / "sst2" / "train.csv", 400, 1)
    table(data / "sst2" / "dev.csv", 60, 2)
    table(data / "sst2" / "test.csv", 25, 4)
    table(data / "supergen_sst2" / "train.jsonl", 60, 3)
    (data / "gsm8k").mkdir()
    sums = [json.dumps({"question": f"What is {k} plus {k * k}?"}) + "\n" for k in range(40)]
    (data / "gsm8k" / "train.jsonl").write_text("".join(sums), encoding="utf-8")
    out = tmp_path / "made"
    given = ["--data", data, "--out", out, "--rows", 20, "--target", 30]
    monkeypatch.setattr(sys, "argv", ["twelve_vendors.py", *map(str, given)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    return out


def test_twelve_vendors_bring_what_was_planted(made: Path) -> None:
    found = bring(Wanted("sentiment", {"": made / "vendors"}, made / "target.csv"))
    planted = json.loads((made / "planted.json").read_text(encoding="utf-8"))
    assert found.names == tuple(sorted(planted))
    assert len(found.names) == 12
    sizes = dict(zip(found.names, found.sizes_C.tolist(), strict=True))
    assert sizes == {**dict.fromkeys(planted, 20), "birch": 10, "cedar": 4}
    owners = found.train.owners_N
    place = {name: c for c, name in enumerate(found.names)}
    assert found.copies.shared_CC[place["hazel"], place["alder"]] == 16
    assert found.copies.within_N[owners == place["ivy"]].sum() == 16
    assert (found.copies.target_N[owners == place["katsura"]] >= 0).sum() == 4
    assert {found.shown.answers[row] for row in (owners == place["larch"]).nonzero()[0]} == {"positive"}
    assert all("plus" in found.shown.texts[row] for row in (owners == place["juniper"]).nonzero()[0])
    true = {text: label for seed, count in ((1, 400), (3, 60)) for text, label in reviews(count, seed)}
    wrong = {
        name: sum(true[found.shown.texts[r]] != found.shown.answers[r] for r in (owners == place[name]).nonzero()[0])
        for name in ("alder", "birch", "dogwood", "elm", "fir", "ginkgo")
    }
    assert wrong == {"alder": 0, "birch": 0, "dogwood": 5, "elm": 10, "fir": 0, "ginkgo": 0}
    with (made / "unseen.csv").open(encoding="utf-8", newline="") as opened:
        unseen = {row["text"] for row in csv.DictReader(opened)}
    assert len(unseen) == 25
    assert not unseen & {*found.shown.texts, *found.shown_target.texts}


def test_the_same_seed_makes_the_same_vendors(made: Path) -> None:
    first = {file.name: file.read_bytes() for file in (made / "vendors").glob("*.csv")}
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert {file.name: file.read_bytes() for file in (made / "vendors").glob("*.csv")} == first


def found(told: dict[str, str], order: list[str], audit_low: float) -> dict[str, Any]:
    """As values.json has it: who is warned of, and who is worth how much, the first most."""
    return {
        "method": "tracin",
        "target_rows": 1_821,
        "bill": {"method": {"retrainings": 382.0}},
        "findings": [{"kind": kind, "who": who, "also": ""} for who, kind in told.items()],
        "values": [
            {"name": name, "value": 1.0 - k, "rank_low": k + 1, "rank_high": k + 1} for k, name in enumerate(order)
        ],
        "audit": {"agreement": 0.5, "low": audit_low, "high": 0.7, "ceiling": None, "halves": 9, "size_agreement": 0.1},
    }


def test_the_page_says_what_was_found_and_what_was_not() -> None:
    script = runpy.run_path(str(VALUING))
    planted, to_tell = runpy.run_path(str(SCRIPT))["PLANTED"], script["TO_TELL"]
    right = ["katsura", "birch", "cedar", "dogwood", "elm", "juniper"]
    order = [*right, *sorted(set(planted) - set(right))]
    all_told = script["beside"](planted, {"auto": found(to_tell, order, 0.2)})
    assert all_told.count("| found |") == 10
    assert "10 of 10 of what was planted is told." in all_told
    assert "6 of 6 orders that follow from what was planted, 6 of them beyond doubt." in all_told
    assert "the values foretell retraining." in all_told
    less = {**{name: kind for name, kind in to_tell.items() if name != "dogwood"}, "cedar": "labels"}
    wrong = ["cedar", "birch", *(name for name in order if name not in ("cedar", "birch"))]
    missed = script["beside"](planted, {"auto": found(less, wrong, -0.2), "unseen": found({}, order[::-1], 0.2)})
    assert "| dogwood | real reviews, a quarter of the labels turned round | – | **not found** |" in missed
    assert "| cedar | real reviews, a fifth as many | labels | told for nothing |" in missed
    assert "9 of 10 of what was planted is told; **not told: dogwood (" in missed
    assert "4 of 6 orders" in missed
    assert "Not in order: birch over cedar (more of the same); katsura over birch (" in missed
    assert "**the values say nothing of retraining**" in missed
    assert "| [retrained, on 1,821 unseen reviews](unseen/README.md) |" in missed
    assert "Shapley values by 382 retrainings" in missed
    assert "katsura is #3 by tracin on the target that it copied from, and #12 on unseen reviews." in missed


def test_other_draws_are_counted() -> None:
    script = runpy.run_path(str(VALUING))
    planted = {"elm": "half", "cedar": "few"}
    said = [("elm", 1, "labels; copy"), ("elm", 2, ""), ("cedar", 1, ""), ("cedar", 2, "labels")]
    rows = [{"seed": str(seed), "vendor": name, "told": told} for name, seed, told in said]
    page = script["other_draws"](planted, rows)
    assert "## In 2 other draws" in page
    assert "| elm | half | labels | 1 of 2 | copy in 1 |" in page
    assert "| cedar | few | – |  | labels in 1 |" in page


def test_methods_stand_by_what_their_audits_say() -> None:
    script = runpy.run_path(str(VALUING))
    figures = {"seconds": "3.21", "retrainings": "3", "left_out": "", "unseen": "", "low": "-0.1", "high": "0.5"}
    rows = [
        {"method": name, "audit": audit, "load": load, "unseen_low": "", "unseen_high": "", **figures}
        for name, audit, load in (("size", "-0.001", "0.3"), ("influence", "0.9", "0.2"))
    ]
    lines = [line for line in script["methods"](rows).splitlines() if line.startswith("| ")][1:]
    assert lines[0] == "| influence | 3.2 | 3 | 0.90 [-0.10, 0.50] | – | – |"
    assert lines[1].startswith("| size | 3.2 § | 3 | 0.00 [")


PAGES_KEPT = ("auto", "influence", "unseen")


def test_what_is_published_is_what_the_results_draw() -> None:
    assert (PUBLISHED / "README.md").read_text(encoding="utf-8") == runpy.run_path(str(VALUING))["page"](PUBLISHED)
    assert json.loads((PUBLISHED / "planted.json").read_text("utf-8")) == runpy.run_path(str(SCRIPT))["PLANTED"]


@pytest.mark.parametrize("name", PAGES_KEPT)
def test_each_published_valuation_is_what_its_values_draw(name: str, tmp_path: Path) -> None:
    for file in write(tmp_path, read(PUBLISHED / name / JSON)):
        assert file.read_bytes() == (PUBLISHED / name / file.name).read_bytes(), file.name


@pytest.mark.parametrize("name", PAGES_KEPT)
def test_what_is_published_says_of_no_example_what_it_says(name: str) -> None:
    kept = read(PUBLISHED / name / JSON)
    assert not kept.texts
    shown = [row for one in kept.values for row in (*one.best, *one.worst)] + [
        row for own in kept.unusual for row in own
    ]
    assert shown
    assert {(text, answer) for text, answer, _, _ in shown} == {("", "")}
    assert all(place.startswith("vendors-example/vendors/") for _, _, place, _ in shown)
