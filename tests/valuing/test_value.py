"""``dataworth value`` and ``dataworth.value`` from files to an answer: what is told, kept, written, and found again."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dataworth
import numpy as np
import pandas as pd
import pytest
from dataworth import UserError

from harness.retraining.engine import Engine
from harness.statistics.values import certainty
from harness.types import Floats, Problem
from harness.valuing import asking, findings, valuation
from harness.valuing.boards import boards
from harness.valuing.choosing import Price
from harness.valuing.files import CSV, HTML, JSON, PAGE
from harness.valuing.findings import rows_needed
from harness.valuing.look import Look
from methods.knn_shapley import KnnShapley
from tests.command import Command
from tests.valuing.files import FILLING, reviews, vendors, write

SHORT = {"steps": 24, "rate": 0.05}
QUIET: dict[str, Any] = {"progress": False, "method": "influence:runs=2", "parts": 4, "settings": SHORT}
SHORTLY = ("--steps", 24, "--rate", 0.05)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Five vendors: v1 copies v0, v2 has the target's rows, v3 is off target, v4's labels are chance."""
    folder = tmp_path_factory.mktemp("vendors")
    target = reviews(60, 1_000)
    rng = np.random.default_rng(3)
    own = reviews(60, 0)
    sums = [(" ".join(f"sum{k}" for k in rng.integers(900, size=12)), "positive") for _ in range(60)]
    rows = {
        "v0": own,
        "v1": own,
        "v2": [*reviews(40, 2), *target[:20]],
        "v3": sums,
        "v4": reviews(60, 4, wrong=0.5),
        "v5": reviews(60, 5),
    }
    for name, held in rows.items():
        write(folder / "vendors" / f"{name}.csv", held)
    return folder / "vendors", write(folder / "target.csv", target)


@pytest.fixture(scope="module")
def found(made: tuple[Path, Path]) -> dataworth.Valued:
    return dataworth.value(made[0], made[1], task="sentiment", **QUIET)


def test_each_contributor_has_a_value_with_interval_ranks_and_share(found: dataworth.Valued) -> None:
    frame = found.frame
    assert sorted(frame.index) == ["v0", "v1", "v2", "v3", "v4", "v5"]
    assert (frame["low"] < frame["value"]).all()
    assert (frame["value"] < frame["high"]).all()
    assert frame["value"].is_monotonic_decreasing
    assert ((frame["rank_low"] >= 1) & (frame["rank_high"] <= 6) & (frame["rank_low"] <= frame["rank_high"])).all()
    assert set(frame.index[-2:]) == {"v3", "v4"}  # what teaches nothing is worth least
    assert frame.loc["v0", "value"] == pytest.approx(frame.loc["v1", "value"], rel=1e-6)  # copies


def test_what_was_planted_is_found(found: dataworth.Valued, made: tuple[Path, Path]) -> None:
    kinds = {(one.kind, one.who) for one in found.findings}
    assert ("leakage", "v2") in kinds
    assert ("copy", "v0") in kinds
    assert ("off target", "v3") in kinds
    assert ("labels", "v4") in kinds
    assert not {who for kind, who in kinds if kind != "reading"} & {"v5"}
    loud = [one for one in found.findings if one.loud]
    assert found.findings[: len(loud)] == tuple(loud)
    first = f"{made[0] / 'v2.csv'}, row 41 is {made[1]}, row 1"
    assert any(first in one.text for one in loud)
    assert any(one.text.startswith("LEAKAGE: 20 of v2's 60 examples (33%)") for one in loud)
    assert any(one.text.startswith("v0 is a copy of v1: 60 of v0's 60") for one in loud)
    looks = {one.name: one for one in found.outcome.looks}
    assert looks["v3"].off_target > 0.9 > 0.2 > looks["v5"].off_target
    assert looks["v3"].distance == max(one.distance for one in looks.values())
    assert looks["v4"].disagree > looks["v5"].disagree + 0.2


def test_examples_are_ranked_where_the_method_scores_them(found: dataworth.Valued) -> None:
    """The sum of all scores is the value, so the best of a contributor average more than the worst."""
    for one in found.values:
        assert len(one.best) == len(one.worst) == 10
        best, worst = [row[3] for row in one.best], [row[3] for row in one.worst]
        assert best == sorted(best, reverse=True)
        assert worst == sorted(worst)
        assert worst[-1] <= best[-1]
    text, answer, place, _ = found.values[0].best[0]
    file, _, number = place.rpartition(", row ")
    assert pd.read_csv(file).iloc[int(number) - 1].tolist() == [text, answer]


def test_the_same_seed_gives_the_same_values_and_another_gives_others(made: tuple[Path, Path]) -> None:
    options = {**QUIET, "method": "mmd:seeds=1", "parts": 0}
    one, same, other = (dataworth.value(*made, task="sentiment", **options, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one.frame, same.frame)
    assert not np.allclose(one.frame["disagree"], other.frame["disagree"].reindex(one.frame.index))


def test_the_method_is_chosen_by_the_leaderboards_and_says_so(made: tuple[Path, Path]) -> None:
    found = dataworth.value(*made, task="sentiment", progress=False, parts=0, settings=SHORT)
    assert {one.rank_low for board in boards("sentiment", "shapley") if (one := board.row(found.method))} == {1}
    assert found.outcome.why.startswith(f"{found.method} was chosen: it is the cheapest of ")
    assert " that the leaderboards files (" in found.outcome.why
    assert any(line.startswith("On real files (leaderboard files, sentiment, shapley") for line in found.outcome.trust)
    assert "do not hold what other target rows would change" in " ".join(found.outcome.holds)


def test_an_audit_retrains_and_is_the_same_again(found: dataworth.Valued, monkeypatch: pytest.MonkeyPatch) -> None:
    train, needed = Engine._train, list[int]()

    def counting(self: Engine, jobs: Any, is_needed: Any, *rest: Any) -> None:
        needed.append(sum(map(is_needed, set(jobs))))
        train(self, jobs, is_needed, *rest)

    monkeypatch.setattr(Engine, "_train", counting)
    audit = found.audit(15)
    assert audit.halves == 10
    assert len(audit.left_out) == 5
    assert audit.agreement > 0.3  # halves with chance labels and sums are worse
    assert audit.low <= audit.agreement <= audit.high
    assert sum(needed) == audit.retrainings == 2 * (1 + 5 + 10)
    needed.clear()
    again = found.audit(15)
    assert (again.points, again.left_out) == (audit.points, audit.left_out)
    assert sum(needed) == 0  # kept in memory, where no folder was named


def test_a_budget_holds_parts_and_the_audit_too(
    made: tuple[Path, Path], found: dataworth.Valued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the audit needs is set aside; what is left for parts of the target is told where it is too little."""
    wanted = {"task": "sentiment", "progress": False, "settings": SHORT}
    with pytest.raises(
        UserError, match=r"An audit of 4000 would take about .*, and the budget is 0\.02 minutes\. Raise"
    ):
        dataworth.value(*made, method="mmd:seeds=1", budget="0.02", audit=4_000, **wanted)
    hours = found.outcome.bill.gpu_hours
    monkeypatch.setattr(valuation, "price", lambda *_: Price(0.0, hours))
    short = dataworth.value(*made, method="influence:runs=2", parts=4, budget=f"{hours * 1.5:.9f}gpuh", **wanted)
    assert short.frame["value"].to_dict() == pytest.approx(found.frame["value"].to_dict())
    assert any("4 parts of the target would take" in line and "budget leaves" in line for line in short.outcome.holds)


def test_a_plot_and_a_notebook_show_every_contributor(found: dataworth.Valued) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    axes = found.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == [one.name for one in found.values]
    shown = found._repr_html_()
    assert all(f'<th scope="row">{one.name}<' in shown for one in found.values)
    assert shown.index("LEAKAGE") < shown.index("<table")
    assert "LEAKAGE" in shown
    assert "LEAKAGE" in repr(found)


def test_sides_that_nobody_told_refuse_methods_that_look_at_them(made: tuple[Path, Path]) -> None:
    with pytest.raises(
        UserError, match="real-share looks at which examples are real, and of v0, v1, v2 and 3 more nobody has"
    ):
        dataworth.value(*made, task="sentiment", progress=False, method="real-share")
    names = ["v0", "v1", "v2", "v3", "v5"]
    told = dataworth.value(
        *made,
        task="sentiment",
        progress=False,
        method="real-share",
        parts=0,
        real=names,
        synthetic=["v4"],
        question="standalone",
    )
    assert told.frame["value"].to_dict() == {**dict.fromkeys(names, 1.0), "v4": 0.0}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "sentimental"}, "No task is called 'sentimental'. Did you mean sentiment"),
        ({"method": "tracing"}, "No method is called 'tracing'. Did you mean tracin"),
        ({"question": "loo"}, "No question is called 'loo'"),
        ({"method": "ntk-mmd:calibrated"}, "is calibrated on the truths of other tasks"),
        (
            {"method": "leave-one-out", "budget": "0.0001"},
            r"leave-one-out would take about .* GPU-hours, and the budget is 0.006 s\. Raise",
        ),
        ({"settings": {"lora": 8}}, "lora is for a pretrained model"),
        ({"settings": {"pools": 8}}, "No setting of a valuation is called 'pools'"),
        ({"parts": 3}, "--parts 3: the target is cut into 4 parts or more, or 0"),
        ({"real": ["v0"], "synthetic": ["v0"]}, "v0 cannot be real and synthetic at once"),
        ({"real": ["nobody"]}, "no contributor is called 'nobody'"),
        ({"rows": 0}, "--rows counts examples, got 0"),
        ({"model": "no/such/folder"}, "Cannot load the tokenizer of 'no/such/folder'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(
    options: dict[str, Any], said: str, made: tuple[Path, Path]
) -> None:
    with pytest.raises(UserError, match=said):
        dataworth.value(*made, **{"task": "sentiment", "progress": False, **options})


def test_a_method_that_is_none_is_told_before_files_are_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'shapely'"):
        dataworth.value(tmp_path / "nowhere", tmp_path / "none.csv", task="sentiment", method="shapely")


def test_a_target_too_small_to_tell_says_how_many_rows_would() -> None:
    """Four standard errors of a difference of 1, where the rows' part falls as 1 / rows: (1/4)^2 = 2 v x 20 / rows."""
    parts_GC = np.array([1.0, 0.0]) + np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    sure = certainty(np.array([[1.0, 0.0]]), parts_GC, np.random.default_rng(0))
    variance = 3 / 4 * 2  # (G - 1) / G x the sum of squares
    np.testing.assert_allclose(sure.target_C, variance)
    assert rows_needed(20, sure) == 20 * 2 * variance * 16
    sharp = certainty(np.array([[9.0, 0.0], [9.1, 0.0]]), parts_GC / 1_000, np.random.default_rng(0))
    assert rows_needed(20, sharp) is None  # they are told apart


def test_a_target_that_moves_no_value_is_not_called_small() -> None:
    """As of a method that never looks at it."""
    sure = certainty(np.array([[9.0, 0.0]]), np.tile([1.0, 0.0], (4, 1)), np.random.default_rng(0))
    assert rows_needed(20, sure) is None


def test_few_examples_are_not_called_off_target_for_being_few(found: dataworth.Valued) -> None:
    """The square of a distance of n examples is too large by up to 1/n, here by half of that; one is truly far."""
    one = found.outcome.looks[0]

    def look(name: str, examples: int, square: float) -> Look:
        distance = math.sqrt(square + 0.5 / examples)
        return replace(one, name=name, examples=examples, distance=distance, off_target=0.0)

    looks = [look(f"v{k}", 400, 0.004 + k / 10_000) for k in range(5)]
    looks += [look("few", 40, 0.0045), look("far", 400, 0.05)]
    assert [finding.who for finding in findings._off_target(looks)] == ["far"]


def test_another_spelling_of_labels_is_told_first_and_loudly(tmp_path: Path) -> None:
    rows = {name: reviews(30, k) for k, name in enumerate(("acme", "bolt", "crow"))}
    rows["crow"] = [(text, "pos" if label == "positive" else "neg") for text, label in rows["crow"]]
    for name, held in rows.items():
        write(tmp_path / "vendors" / f"{name}.csv", held)
    target = write(tmp_path / "target.csv", reviews(60, 1_000))
    told = dataworth.value(tmp_path / "vendors", target, task="sentiment", progress=False, method="size", parts=4)
    first = told.findings[0]
    assert (first.kind, first.who, first.loud) == ("labels", "crow", True)
    assert "OTHER LABELS: the target has none of the labels of 100% of crow's examples" in first.text


def test_a_target_is_called_small_where_a_larger_one_would_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """And contributors alike where none would."""

    class Twelve:
        target = range(12)

    for needed, said in (
        (1_199, "The target is small: its 12 rows alone leave .* untold apart; about 1,200 rows would tell them apart"),
        (1_201, "The target's 12 rows alone leave .* these contributors may as well be worth the same"),
    ):
        monkeypatch.setattr(findings, "rows_needed", lambda rows, sure, needed=needed: needed)
        (told,) = findings._target(Twelve(), None)  # type: ignore[arg-type]
        assert told.loud
        assert re.match(said, told.text)
    monkeypatch.setattr(findings, "rows_needed", lambda rows, sure: None)
    assert list(findings._target(Twelve(), None)) == []  # type: ignore[arg-type]
    assert [findings.two_digits(count) for count in (7, 99, 101, 174_148)] == [7, 99, 110, 180_000]


# --- the command ----------------------------------------------------------------------------------------


class Text(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.asked += [name for name, _ in attrs if name in ("src", "href", "onclick", "onload")]


def test_folders_of_one_name_share_a_place_and_no_answers(tmp_path: Path, command: Command) -> None:
    """Values of the second are its own, as where nothing was kept, and what they replace is told."""
    asked = ("value", "--task", "sentiment", "--method", "size", "--parts", 0)
    replaced = "They stand in place of values of other data, by size; --out DIR keeps both."
    for each in (24, 30):
        folder, target = vendors(tmp_path / str(each), each=each)
        said = command(*asked, "--contributors", folder, "--target", target)
        assert said.status == 0, said.err
        assert (replaced in said.out) == (each == 30)
    said = command(*asked, "--contributors", folder, "--target", target, "--out", tmp_path / "alone")
    assert "stand in place of" not in said.out
    assert (tmp_path / "runs/values/vendors" / CSV).read_text() == (tmp_path / "alone" / CSV).read_text()


def test_the_command_prints_and_writes_the_same_figures(made: tuple[Path, Path], command: Command) -> None:
    asked = (
        "--contributors",
        made[0],
        "--target",
        made[1],
        "--method",
        "tracin:runs=2",
        "--parts",
        4,
        "--audit",
        9,
        *SHORTLY,
    )
    other = command("value", "--task", "sentiment", *asked[:4], "--method", "size", "--parts", 4)
    assert "stand in place of" not in other.out
    said = command("value", "--task", "sentiment", *asked)
    assert said.status == 0, said.err
    assert "They stand in place of those by size; --out DIR keeps both." in said.out
    folder = Path("runs/values/vendors")
    rows = list(csv.DictReader((folder / CSV).read_text(encoding="utf-8").splitlines()))
    content = json.loads((folder / JSON).read_text(encoding="utf-8"))
    by_name = {one["name"]: one for one in content["values"]}
    for row in rows:
        assert float(row["value"]) == pytest.approx(by_name[row["contributor"]]["value"], rel=1e-5)
        assert re.search(rf"{row['contributor']}\s+{float(row['value']):.3g}\s.*\s60\s", said.out)
    assert content["audit"]["halves"] == 6
    for words in ("LEAKAGE", "is a copy of", "Trust", "On real files", "Without v", "To look into", "The bill"):
        assert words in said.out
        assert words in (folder / PAGE).read_text(encoding="utf-8")
        assert words in (folder / HTML).read_text(encoding="utf-8")


def test_the_same_command_again_trains_and_asks_nothing(
    made: tuple[Path, Path], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (
        "value",
        "--task",
        "sentiment",
        "--contributors",
        made[0],
        "--target",
        made[1],
        "--method",
        "leave-one-out:retrainings=14",
        *SHORTLY,
    )
    first = command(*asked, "--parts", 4)
    before = Path("runs/values/vendors", CSV).read_bytes()

    def refused(*_: object) -> None:
        raise AssertionError("nothing is to be trained again")

    monkeypatch.setattr(
        Engine, "_train", lambda self, jobs, needed, *rest: None if self.missing(jobs) == 0 else refused()
    )
    monkeypatch.setattr(asking, "_evaluated", refused)
    second = command(*asked, "--parts", 4)
    assert (first.status, second.status) == (0, 0), second.err
    assert Path("runs/values/vendors", CSV).read_bytes() == before


def test_a_stopped_command_goes_on_where_it_was(
    made: tuple[Path, Path], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (
        "value",
        "--task",
        "sentiment",
        "--contributors",
        made[0],
        "--target",
        made[1],
        "--method",
        "tracin:runs=1",
        *SHORTLY,
    )
    evaluated, done = asking._evaluated, []

    def stops_at_the_third(*arguments: Any, **named: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(evaluated(*arguments, **named))
        return done[-1]

    monkeypatch.setattr(asking, "_evaluated", stops_at_the_third)
    stopped = command(*asked, "--parts", 4)
    assert stopped.status == 130
    assert (
        "Stopped. What was trained and answered is kept in runs/values/vendors. To go on: dataworth value"
        in stopped.out
    )
    counted: list[Any] = []
    monkeypatch.setattr(asking, "_evaluated", lambda *a, **n: counted.append(1) or evaluated(*a, **n))
    assert command(*asked, "--parts", 4).status == 0
    assert len(counted) == 3  # of five: the whole target and four parts


def test_names_and_texts_are_text_everywhere(tmp_path: Path, command: Command) -> None:
    odd = "<script>alert(1)</script>|[red]*"
    rows = [(f"{odd} {text}", label) for text, label in reviews(30, 1)]
    frame = pd.DataFrame(
        [(*row, name) for name in (odd, "plain\x1b[31m") for row in rows], columns=["text", "label", "vendor"]
    )
    frame.to_csv(tmp_path / "all.csv", index=False)
    target = write(tmp_path / "target.csv", reviews(20, 2))
    said = command(
        "value",
        "--task",
        "sentiment",
        "--contributors",
        "all.csv",
        "--target",
        target,
        "--method",
        "tracin:runs=1",
        "--parts",
        0,
        *SHORTLY,
    )
    assert said.status == 0, said.err
    assert "<script>alert(1)</script>|[red]*" in said.out
    assert "\x1b[31m" not in said.out + said.err
    page = (tmp_path / "runs/values/all" / HTML).read_text(encoding="utf-8")
    parser = Text()
    parser.feed(page)
    assert "script" not in parser.tags
    assert parser.asked == []
    assert "<script" not in (tmp_path / "runs/values/all" / PAGE).read_text(encoding="utf-8")


def test_nothing_of_the_user_s_is_overwritten(made: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("my own notes")
    said = command("value", "--task", "sentiment", "--contributors", made[0], "--target", made[1], "--out", "mine")
    assert said.status == 2
    assert "mine/README.md was not drawn by dataworth and would be overwritten" in said.err
    assert (tmp_path / "mine" / "README.md").read_text() == "my own notes"


def test_an_answer_may_keep_texts_to_itself_and_never_lies_among_contributors(
    made: tuple[Path, Path], command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(made[0])
    asked = ("value", "--task", "sentiment", "--contributors", ".", "--target", made[1], "--method", "mmd:seeds=1")
    inside = command(*asked)
    assert inside.status == 2
    assert "written to runs/values/vendors, which lies inside ., where contributors' files are read from" in inside.err
    said = command(*asked, "--parts", 0, "--without-texts", *SHORTLY, "--out", tmp_path / "answer")
    assert said.status == 0, said.err
    texts = pd.read_csv(made[0] / "v0.csv")["text"]
    written = "".join((tmp_path / "answer" / name).read_text(encoding="utf-8") for name in (CSV, JSON, PAGE, HTML))
    assert "v0.csv, row" in written
    assert not any(text in written for text in texts)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "Say whose data are valued"),
        (("--contributors", "x", "--contributor", "a=b"), "one of the two"),
        (("--contributor", "a"), "--contributor 'a' is no pair; write --contributor NAME=PATH"),
        (("--contributor", "a=x", "--contributor", "a=y"), "--contributor a is given twice"),
        (("--contributors", "x", "--columns", "text"), "--columns 'text' is no pair"),
        (("--contributors", "nowhere"), "There is no file or folder nowhere of the contributors"),
        (("--contributor", "a=x.csv"), "Values compare contributors, and there is 1: a"),
    ],
)
def test_a_slip_of_the_hand_is_told(asked: tuple[str, ...], said: str, command: Command) -> None:
    ended = command("value", "--task", "sentiment", "--target", "t.csv", *asked)
    assert ended.status == 2
    assert said in ended.err


def test_responses_and_images_are_valued_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def sums(count: int, seed: int) -> pd.DataFrame:
        pairs = np.random.default_rng(seed).integers(9, size=(count, 2))
        return pd.DataFrame(
            {"question": [f"{a} and {b}" for a, b in pairs], "answer": [f"makes {a + b}" for a, b in pairs]}
        )

    found = dataworth.value(
        {"right": sums(40, 1), "wrong": sums(40, 2).assign(answer=[FILLING[k % 40] for k in range(40)])},
        sums(30, 3),
        task="reasoning",
        **{**QUIET, "method": "tracin:runs=1", "parts": 0, "settings": {"length": 16, "steps": 5}},
    )
    assert list(found.frame.index) == ["right", "wrong"]
    centres = rng.random((2, 8, 8))

    def images(count: int, noise: float) -> dict[str, np.ndarray]:
        labels = rng.integers(2, size=count)
        return {"images": np.clip(centres[labels] + noise * rng.standard_normal((count, 8, 8)), 0, 1), "labels": labels}

    for name, noise in (("clear", 0.1), ("noisy", 5.0), ("target", 0.1)):
        np.savez(tmp_path / f"{name}.npz", **images(40, noise))
    given = {name: tmp_path / f"{name}.npz" for name in ("clear", "noisy")}
    seen = dataworth.value(
        given, tmp_path / "target.npz", task="image-classification", **{**QUIET, "parts": 0, "settings": {"steps": 10}}
    )
    assert list(seen.frame.index) == ["clear", "noisy"]


@pytest.mark.parametrize("parts", [4, 10])
def test_a_method_of_means_over_the_target_is_asked_of_each_part_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    """What it says of the others then follows, and is what it says when it is asked of them."""
    folder, target = vendors(tmp_path, target=43)
    asked: list[int] = []
    told = KnnShapley.example_values

    def watched(self: KnnShapley, problem: Problem) -> Floats:
        asked.append(len(problem.validation))
        return told(self, problem)

    monkeypatch.setattr(KnnShapley, "example_values", watched)
    found = []
    for alone in (True, False):
        monkeypatch.setattr(KnnShapley, "adds_over_target", alone)
        found.append(
            dataworth.value(folder, target, task="sentiment", method="knn-shapley", parts=parts, progress=False)
        )
    whole, *several = asked[: parts + 1]
    assert (whole, sum(several)) == (43, 43)
    assert asked[parts + 1 :] == [43, *(43 - rows for rows in several)]
    columns = ["value", "low", "high"]
    np.testing.assert_allclose(found[0].frame[columns], found[1].frame[columns], rtol=1e-9)
