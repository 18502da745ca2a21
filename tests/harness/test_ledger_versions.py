"""A ledger of version 1 becomes one of version 2 with all that is in it; rows that no training gave are set aside."""

from __future__ import annotations

import io
import sqlite3
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.retraining.chunks import Job
from harness.retraining.ledger import APPLICATION, SCHEMA, Ledger, LedgerError
from harness.running.progress import ProgressDisplay
from harness.types import Cost, Outcome
from tests.harness.small_runs import finished, runner
from tests.tiny import engine_of, tiny_pool

VERSION_1 = f"""
create table contexts (context text primary key, identity text not null) without rowid;
create table outcomes (
    context text not null, coalition text not null, seed integer not null,
    utility real not null, accuracy real not null,
    seconds real not null, core_seconds real not null, gpu_seconds real not null, flops real not null,
    peak_memory_mb real not null, retrainings integer not null, gradient_passes real not null,
    finished_at real not null,
    primary key (context, coalition, seed)
) without rowid;
create table answers (key text primary key, record text not null, finished_at real not null) without rowid;
insert into outcomes values ('here', '01', 3, -0.5, 0.75, 1.0, 2.0, 0.0, 1e9, 12.5, 1, 0.0, 1.7e9);
insert into answers values ('key', '{{"values": [[1.0]]}}', 1.7e9);
pragma application_id = {APPLICATION};
pragma user_version = 1;
"""
"""The statements that version 1 made its files with, and two rows."""


def version_1(path: Path, more: str = "") -> Path:
    db = sqlite3.connect(path)
    db.executescript(VERSION_1 + more)
    db.close()
    return path


def test_a_ledger_of_version_1_is_brought_to_version_2_with_everything_in_it(tmp_path: Path) -> None:
    path = version_1(tmp_path / "old.sqlite")
    notes: list[str] = []
    ledger = Ledger(path, notes.append)
    assert ledger.outcomes("here") == {("01", 3): Outcome(-0.5, 0.75, Cost(1.0, 2.0, 0.0, 1e9, 12.5, 1, 0.0))}
    assert ledger.outcomes("here")["01", 3].by_fold is None
    assert ledger.answer("key") == {"values": [[1.0]]}
    assert notes == [f"{path} was brought from version 1 to {SCHEMA}; its 1 outcomes are kept."]
    fold = bytes(range(128))
    ledger.record("here", [("10", 3, Outcome(-0.25, 1.0, Cost(retrainings=1), fold))], {("10", 3): np.ones(5)})
    ledger.close()
    again = Ledger(path, notes.append)
    assert len(notes) == 1  # nothing is left to migrate
    assert again.outcomes("here")["10", 3].folds == fold
    np.testing.assert_array_equal(again.log_likelihoods("here", [("10", 3), ("01", 3)])["10", 3], np.ones(5))


def test_what_calls_itself_version_1_and_is_not_is_left_as_it_was(tmp_path: Path) -> None:
    path = version_1(tmp_path / "odd.sqlite", "alter table outcomes rename to others;")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"says that it is a ledger of version 1.*Nothing was changed.*--fresh"):
        Ledger(path)
    db = sqlite3.connect(path)
    assert db.execute("select * from others").fetchall()[0][:3] == ("here", "01", 3)
    assert db.execute("pragma user_version").fetchone() == (1,)
    db.close()
    assert len(path.read_bytes()) == len(before)


@pytest.mark.parametrize(
    "damage",
    [
        "utility = 1e308",
        "utility = 'much'",
        "accuracy = 7",
        "seconds = -1",
        "flops = 9e999",
        "folds = x'00'",
        "folds = 'text'",
    ],
)
def test_a_row_that_no_training_gave_is_trained_again_and_told(tmp_path: Path, damage: str) -> None:
    pool, jobs = tiny_pool(), [Job("1000", 3), Job("0110", 3)]
    engine = engine_of(tmp_path, pool)
    sound = engine.outcomes(jobs)
    engine.ledger.close()
    (file,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(file) as db:
        db.execute(f"update outcomes set {damage} where coalition = '1000'")
    db.close()
    notes: list[str] = []
    ledger = Ledger(file, notes.append)
    assert set(ledger.outcomes(engine.context)) == {("0110", 3)}
    assert len(notes) == 1
    assert "coalition 1000, seed 3" in notes[0]
    ledger.close()
    other = engine_of(tmp_path / "other", pool)
    assert [o.utility for o in other.outcomes(jobs)] == [o.utility for o in sound]
    assert astuple(other.outcomes(jobs)[1])[:2] == astuple(sound[1])[:2]


def test_what_a_ledger_has_to_say_is_shown_to_the_letter(tmp_path: Path) -> None:
    """A folder's name in brackets is no markup."""
    folder = tmp_path / "[old]"
    finished(folder, methods=["size"], questions=["standalone"])
    with sqlite3.connect(folder / "ledger" / "truth.sqlite") as db:
        db.execute("update outcomes set accuracy = 7")
    db.close()
    shown = io.StringIO()
    again = runner(folder, methods=["size"], questions=["standalone"])
    again.progress = ProgressDisplay(Console(file=shown, width=1_000))
    again.run()
    assert f"{folder / 'ledger' / 'truth.sqlite'}: " in shown.getvalue()
