"""The ledger remembers outcomes exactly, leaves what is not its own alone, and says what to do when it cannot."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.retraining.ledger import APPLICATION, SCHEMA, Ledger, LedgerError
from harness.types import Cost, Outcome

ROOT = Path(__file__).resolve().parents[2]


def outcome(utility: float = -0.5, seconds: float = 0.25) -> Outcome:
    return Outcome(utility, 0.75, Cost(seconds, 0.125, 0.0, 1e9, 12.5, 1, 2.0))


def filled(path: Path, rows: int = 300) -> Path:
    """A closed ledger file of several pages."""
    ledger = Ledger(path)
    ledger.describe("context", {"learner": "tiny"})
    ledger.record("context", [(f"{k:060b}", k, outcome(-k)) for k in range(rows)])
    ledger.keep_answer("key", {"values": [[1.0]]})
    ledger.close()
    return path


finite = st.floats(-1e30, 1e30)  # what single-precision losses can be
costs = st.builds(
    Cost,
    *[st.floats(0, 1e300)] * 5,
    retrainings=st.integers(0, 2**40),
    gradient_passes=st.floats(0, 1e300),
)
outcomes = st.builds(Outcome, finite, st.floats(0, 1), costs, st.sampled_from([b"", bytes(range(128))]))


@settings(max_examples=25, deadline=None)  # each writes a file to the disk
@given(
    st.dictionaries(
        st.tuples(st.text("01", min_size=1, max_size=30), st.integers(0, 2**63 - 1)), outcomes, min_size=1, max_size=5
    )
)
def test_outcomes_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, given: dict) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.record("context", [(*key, found) for key, found in given.items()])
    ledger.close()
    again = Ledger(path)
    found = again.outcomes("context")
    again.close()
    assert {k: astuple(v) for k, v in found.items()} == {k: astuple(v) for k, v in given.items()}


def test_the_first_outcome_of_a_job_stays(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record("context", [("01", 3, outcome(-1.0, seconds=1.0))])
    ledger.record("context", [("01", 3, outcome(-2.0, seconds=2.0)), ("10", 3, outcome(-3.0))])
    found = ledger.outcomes("context")
    assert found["01", 3] == outcome(-1.0, seconds=1.0)
    assert found["10", 3] == outcome(-3.0)


def test_contexts_do_not_see_each_other(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record("one", [("01", 3, outcome(-1.0))])
    ledger.record("other", [("01", 3, outcome(-2.0))])
    assert ledger.outcomes("one") == {("01", 3): outcome(-1.0)}
    assert ledger.outcomes("other") == {("01", 3): outcome(-2.0)}
    assert ledger.outcomes("none") == {}


def test_answers_are_kept_by_key_and_replaced_by_newer_ones(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert ledger.answer("a") is None
    ledger.keep_answer("a", {"values": [[0.1, 1e-300]], "run": "first"})
    ledger.keep_answer("b", {"values": []})
    assert ledger.answer("a") == {"values": [[0.1, 1e-300]], "run": "first"}
    ledger.keep_answer("a", {"run": "second"})
    assert ledger.answer("a") == {"run": "second"}
    assert ledger.answer("b") == {"values": []}


def test_contexts_are_spelt_out_in_the_file(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite")
    with sqlite3.connect(path) as db:
        assert db.execute("select * from contexts").fetchall() == [("context", '{"learner": "tiny"}')]
        assert db.execute("pragma application_id").fetchone() == (APPLICATION,)
    db.close()


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    unfit = object()
    with pytest.raises(LedgerError):
        ledger.record("context", [("01", 1, outcome()), (unfit, 1, outcome())])  # type: ignore[list-item]
    assert ledger.outcomes("context") == {}
    ledger.record("context", [("00", 1, outcome())])
    assert set(ledger.outcomes("context")) == {("00", 1)}


def test_a_hundred_thousand_outcomes_load_in_two_seconds(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.record("context", [(f"{k:024b}", k % 12, outcome(-k)) for k in range(100_000)])
    ledger.close()
    took = []
    for _ in range(2):
        started = time.perf_counter()
        again = Ledger(path)
        found = again.outcomes("context")
        took.append(time.perf_counter() - started)
        again.close()
        assert len(found) == 100_000
    print(f"100,000 outcomes opened, checked and loaded in {min(took):.2f} s")
    assert min(took) < 3 * 2.0  # the claim is 2 s; three times that for a machine that is busy


# --- what is not a ledger ----------------------------------------------------------------------------


def refused(path: Path, *said: str) -> None:
    """Opening fails with an error that says so, and the file is as it was."""
    before = path.read_bytes()
    with pytest.raises(LedgerError) as caught:
        Ledger(path)
    for part in (str(path), *said):
        assert part in str(caught.value)
    assert path.read_bytes() == before
    assert sorted(found.name for found in path.parent.iterdir()) == [path.name]


@pytest.mark.parametrize("text", ["some notes\n", "utility,seed\n" * 1000])
def test_a_text_file_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_text(text)
    refused(path, "is not a ledger", "--out")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "other.sqlite"
    db = sqlite3.connect(path)
    db.execute(f"pragma journal_mode = {mode}")
    db.execute("create table things (name text)")
    db.execute("insert into things values ('precious')")
    db.commit()
    db.close()
    refused(path, "not a ledger of dataworth", "--out")


def test_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite")
    db = sqlite3.connect(path)
    db.execute(f"pragma user_version = {SCHEMA + 1}")
    db.close()
    refused(path, f"version {SCHEMA + 1}", f"up to version {SCHEMA}", "newer dataworth")


def test_a_damaged_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", rows=3000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    for k in range(middle, middle + 3 * 4096):
        content[k] ^= 0xFF
    path.write_bytes(content)
    refused(path, "damaged", "Nothing was changed", ".recover", "--fresh")


def test_half_a_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", rows=3000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "damaged")


# --- who may write ------------------------------------------------------------------------------------


def test_a_second_writer_is_told_that_the_ledger_is_in_use(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(LedgerError, match="in use by another run"):
        Ledger(tmp_path / "ledger.sqlite")
    first.record("context", [("1", 0, outcome())])
    first.close()
    second = Ledger(tmp_path / "ledger.sqlite")
    assert len(second.outcomes("context")) == 1
    second.close()


def test_a_writer_in_another_process_is_respected_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    program = (
        "import sys; from pathlib import Path; from harness.retraining.ledger import Ledger; "
        f"l = Ledger(Path({str(path)!r}));"
        "l.keep_answer('theirs', {'kept': True}); print('open', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(LedgerError, match="in use by another run"):
            Ledger(path)
        holder.kill()
        holder.wait(10)
    ours = Ledger(path)
    assert ours.answer("theirs") == {"kept": True}
    ours.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"Cannot write the ledger .*truth\.sqlite.*--out"):
        Ledger(tmp_path / "file" / "ledger" / "truth.sqlite")
    assert (tmp_path / "file").read_text() == ""


def test_a_folder_in_the_ledgers_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "truth.sqlite").mkdir()
    with pytest.raises(LedgerError, match="Cannot write the ledger"):
        Ledger(tmp_path / "truth.sqlite")
