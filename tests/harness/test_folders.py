"""Where a run may write: nothing of the user's is overwritten, and a fresh start keeps what was there."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness.cli.running as running
from harness.cli.folders import set_aside
from harness.cli.places import Place
from harness.config import Suite, load_suite, to_toml
from harness.errors import UserError
from harness.records.results import load
from harness.report.files import write_report
from harness.report.markdown import OURS
from harness.retraining.ledger import Ledger
from harness.running.runner import Chosen
from harness.types import SetFunction
from methods.baselines import Size
from tests.harness.commands import call
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite
from tests.tiny import tiny_task

pytestmark = THIRD_PARTY
MINE = "# My project\n"


def content(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own folder, where they work, with a suite of theirs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text(MINE)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "mine.toml").write_text(to_toml(tiny_suite(name="mine", questions=("standalone",))))
    (tmp_path / "file").write_text("no folder")
    return tmp_path


@pytest.fixture
def tiny_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``dataworth run`` runs the tiny task with the method size, whatever is asked."""
    before = signal.getsignal(signal.SIGTERM)
    features: dict[str, SetFunction] = {}
    chosen = Chosen({"tiny": tiny_task()}, {"size": Size()}, features, ("standalone",))
    monkeypatch.setattr(running, "_chosen", lambda request, place: chosen)
    yield
    signal.signal(signal.SIGTERM, before)


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "parts"),
    [
        ("", ["--out is empty"]),
        (" ", ["--out is empty"]),
        (".", ["holds other files", "README.md", "no suite.toml"]),
        ("file", ["file", "no folder", "--out"]),
        ("file/deeper", ["Cannot write", "file/deeper"]),
        ("leaderboards/mine", ["published", "dataworth publish"]),
        ("leaderboards", ["published", "dataworth publish"]),
    ],
)
@pytest.mark.usefixtures("tiny_run")
def test_a_folder_that_is_not_for_results_is_refused_before_anything_is_written(
    here: Path, out: str, parts: list[str]
) -> None:
    before = content(here)
    said = call("run", "--suite", "mine.toml", "--out", out)
    assert said.status == 2
    for part in parts:
        assert part in said.mistake
    assert content(here) == before


@pytest.mark.parametrize("name", ["../up", "", "a/b", "a\\b", "a\nb", "..", ".hidden"])
@pytest.mark.usefixtures("tiny_run")
def test_a_suites_name_leads_nowhere_else(here: Path, name: str) -> None:
    written = to_toml(tiny_suite(name="mine")).replace('name = "mine"', f"name = {name!r}".replace("'", '"'))
    (here / "mine.toml").write_text(written)
    before = content(here)
    said = call("run", "--suite", "mine.toml")
    assert said.status == 2
    assert "is no name for the folder of a suite's results" in said.mistake
    assert content(here) == before


@pytest.mark.parametrize("name", ["README.md", "index.html", "leaderboard.csv", "overall.csv"])
@pytest.mark.usefixtures("tiny_run")
def test_a_page_of_the_users_beside_their_suite_survives(here: Path, name: str) -> None:
    """A study with its suite, and a page about it, in one folder."""
    study = here / "study"
    study.mkdir()
    (study / "suite.toml").write_text(to_toml(tiny_suite(questions=("standalone",))))
    (study / name).write_text("mine,too\n")
    before = content(here)
    for more in ([], ["--fresh"]):
        said = call("run", "--suite", "study/suite.toml", "--out", "study", *more)
        assert said.status == 2
        assert f"study/{name} was not drawn by dataworth" in said.mistake
    assert content(here) == before
    with pytest.raises(UserError, match="was not drawn by dataworth"):
        write_report(study, load_suite(study / "suite.toml"), load(study / "results"))
    assert content(here) == before


def test_a_page_that_cannot_be_read_as_text_is_not_ours(tmp_path: Path) -> None:
    suite = tiny_suite()
    (tmp_path / "suite.toml").write_text(to_toml(suite))
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not drawn by dataworth"):
        Place(suite, tmp_path).prepare(fresh=False)


def test_somebody_elses_suite_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text("[sweets]\n")
    with pytest.raises(UserError, match=r"suite\.toml: tasks: Field required"):
        Place(tiny_suite(), tmp_path).prepare(fresh=True)
    assert content(tmp_path) == {"suite.toml": b"[sweets]\n"}


# --- what is welcome --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiny_run")
def test_a_run_goes_to_runs_and_leaves_everything_else_alone(here: Path) -> None:
    before = content(here)
    assert call("run", "--suite", "mine.toml").status == 0
    after = content(here)
    assert {name: text for name, text in after.items() if not name.startswith("runs/mine/")} == before
    assert {"runs/mine/suite.toml", "runs/mine/README.md", "runs/mine/results/tiny.jsonl"} <= set(after)
    assert call("run", "--suite", "mine.toml").status == 0  # and again, into what is now ours


@pytest.mark.parametrize("kind", ["new", "empty", "killed"])
def test_a_new_or_empty_folder_is_welcome(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "deep" / "er"
    if kind != "new":
        folder.mkdir(parents=True)
    if kind == "killed":
        (folder / ".suite.toml.123.part").write_text("half")
    Place(tiny_suite(), folder).prepare(fresh=False)
    assert load_suite(folder / "suite.toml") == tiny_suite()


def test_the_folders_suite_follows_the_one_that_is_asked_and_keeps_what_it_knows(tmp_path: Path) -> None:
    """A method more is the same truth; a task that is not asked now keeps its settings, which its results rest on."""
    own = {"tiny": {"seeds": 7}}
    Place(tiny_suite(["tiny", "twin"], settings=own), tmp_path).prepare(fresh=False)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "tiny.jsonl").touch()
    more = tiny_suite(["tiny", "twin"], ["size", "mmd", "random"], settings=own)
    Place(more, tmp_path).prepare(fresh=False)
    assert load_suite(tmp_path / "suite.toml") == more
    Place(tiny_suite(["twin"]), tmp_path).prepare(fresh=False)
    assert load_suite(tmp_path / "suite.toml") == more
    with pytest.raises(UserError, match=r"tiny\.seeds 7 \(asked: unset\)"):
        Place(tiny_suite(["tiny", "twin"]), tmp_path).prepare(fresh=False)


def test_a_suite_as_it_was_written_by_hand_is_not_written_again(tmp_path: Path) -> None:
    by_hand = "# by hand\n" + to_toml(tiny_suite())
    (tmp_path / "suite.toml").write_text(by_hand)
    for fresh in (False, True):
        Place(load_suite(tmp_path / "suite.toml"), tmp_path).prepare(fresh)
        assert (tmp_path / "suite.toml").read_text() == by_hand


# --- starting anew ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    finished(folder, methods=("size",), questions=("standalone",))
    return folder


@pytest.fixture
def run(_stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_stored, tmp_path / "run"))


def suite_of(folder: Path, **changes: object) -> Suite:
    return Suite.model_validate({**load_suite(folder / "suite.toml").model_dump(), **changes})


def test_a_fresh_start_moves_ledger_results_and_what_was_drawn(run: Path) -> None:
    before = content(run)
    Place(suite_of(run, seeds=5), run).prepare(fresh=True)
    assert load_suite(run / "suite.toml").seeds["standalone"] == 5
    (ledger,), (aside,) = run.glob("ledger-until-*"), run.glob("results-until-*")
    assert sorted(entry.name for entry in run.iterdir()) == sorted([ledger.name, aside.name, "suite.toml"])
    kept = content(aside)
    assert kept == {name: text for name, text in before.items() if not name.startswith("ledger/")}
    with sqlite3.connect(ledger / "truth.sqlite") as db:
        assert db.execute("select count(*) from outcomes").fetchone()[0] > 0
    assert call("report", "--out", aside).status == 0  # what was moved is a folder of results itself
    assert content(aside) == kept


def test_two_fresh_starts_in_a_second_keep_both(run: Path) -> None:
    for _ in range(2):
        Place(suite_of(run), run).prepare(fresh=True)
        Ledger(run / "ledger" / "truth.sqlite").close()
    set_aside(run)
    assert len(list(run.glob("ledger-until-*"))) == 3


@pytest.mark.parametrize("held", ["truth", "methods"])
def test_a_fresh_start_beside_a_run_takes_nothing_from_it(run: Path, held: str) -> None:
    before = set(content(run))
    ledger = Ledger(run / "ledger" / f"{held}.sqlite")
    try:
        with pytest.raises(UserError, match=rf"{held}\.sqlite is in use by another run"):
            Place(suite_of(run, seeds=5), run).prepare(fresh=True)
        assert {name for name in content(run) if not name.endswith(("-wal", "-shm"))} == before
        assert load_suite(run / "suite.toml").seeds["standalone"] == 2
        ledger.keep_answer("key", {"still": "there"})  # the run goes on as if nothing had been
        assert ledger.answer("key") == {"still": "there"}
    finally:
        ledger.close()
    Place(suite_of(run, seeds=5), run).prepare(fresh=True)
    (aside,) = run.glob("ledger-until-*")
    moved = Ledger(aside / f"{held}.sqlite")
    assert moved.answer("key") == {"still": "there"}
    moved.close()


@pytest.mark.parametrize("damage", [b"no database at all, but long enough to be read as one" * 9, b""])
def test_a_damaged_ledger_is_moved_away_as_its_message_advises(run: Path, damage: bytes) -> None:
    (run / "ledger" / "truth.sqlite").write_bytes(damage)
    Place(suite_of(run), run).prepare(fresh=True)
    (aside,) = run.glob("ledger-until-*")
    assert (aside / "truth.sqlite").read_bytes() == damage


def test_a_folder_that_cannot_be_changed_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UserError, match=r"Cannot start anew in .*Permission denied.*--out"):
        Place(suite_of(run), run).prepare(fresh=True)


def test_what_is_drawn_bears_the_mark_that_it_may_be_drawn_again(run: Path) -> None:
    assert (run / "README.md").read_text().startswith(OURS)
    write_report(run, load_suite(run / "suite.toml"), load(run / "results"))


def test_a_suite_that_was_written_by_hand_is_kept_when_another_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    file.write_text(mine := "# my own words\n" + to_toml(tiny_suite(summary="Mine.")))
    Place(tiny_suite(), tmp_path).prepare(fresh=False)
    assert load_suite(file).summary == ""
    (kept,) = tmp_path.glob("suite-until-*.toml")
    assert kept.read_text() == mine
    Place(tiny_suite(summary="Third."), tmp_path).prepare(fresh=False)  # ours, and so not kept
    assert len(list(tmp_path.glob("suite-until-*.toml"))) == 1


def test_paths_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for folder in (tmp_path / "round", tmp_path / ("a" * 300)):
        with pytest.raises(UserError, match="Cannot use"):
            Place(tiny_suite(), folder).prepare(fresh=False)


@pytest.mark.parametrize("option", ["pools", "seeds"])
def test_numbers_that_no_machine_would_end_are_refused(option: str) -> None:
    with pytest.raises(UserError, match="must be at most 1,000,000"):
        Place.of_run("embedded-quick", **{"pools": None, "seeds": None, option: 10**20}, out=None)
