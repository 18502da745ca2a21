"""Stored results come back as they were, are replaced whole, and say what is wrong with a line that cannot be read."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.records.results import (
    PoolRecord,
    Record,
    Results,
    RunRecord,
    TruthRecord,
    ValuationRecord,
    load,
    save,
)
from harness.types import Cost


def run_record(name: str = "abc") -> RunRecord:
    return RunRecord(name, {"command": "dataworth", "packages": {"torch": "2", "pyDVL": None}, "cores": 2})


def pool_record(pool: int = 0, key: str = "key", task: str = "tiny") -> PoolRecord:
    planted = ({"size": 3, "copy_of": None}, {"size": 4, "copy_of": "a"})
    return PoolRecord(task, pool, key, ("a", "b"), planted, {"size": (3.0, 4.0)}, {"kl": 0.25}, {"rate": 0.1})


def truth_record(pool: int = 0, key: str = "key", task: str = "tiny", **changes: Any) -> TruthRecord:
    cost = Cost(1.0, 2.0, 0.0, 3e9, 4.0, 5, 6.0)
    record = TruthRecord(
        task, pool, key, "standalone", "ok", "", ((0.1, 0.2), (0.3, 0.4)), 0.9, 0.8, cost, "cpu", "abc"
    )
    return replace(record, **changes)


def valuation_record(pool: int = 0, key: str = "key", method: str = "size", **changes: Any) -> ValuationRecord:
    record = ValuationRecord(
        "tiny", pool, key, "standalone", method, "additive", "ok", "", ((3.0, 4.0),), Cost(), "cpu", "abc"
    )
    return replace(record, **changes)


def results_of(*records: Record) -> Results:
    results = Results()
    for record in records:
        results.add(record)
    return results


def through_files(folder: Path, *records: Record) -> Results:
    save(folder, results_of(*records))
    return load(folder)


def same(one: object, other: object) -> bool:
    """Equal, nan with nan."""
    return repr(asdict(one)) == repr(asdict(other))  # type: ignore[call-overload]


finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.integers(1, 4).flatmap(
    lambda count: st.lists(st.tuples(*[finite] * count), min_size=1, max_size=3).map(tuple)
)
maybe_undefined = finite | st.just(math.nan)
costs = st.builds(Cost, *[st.floats(0, 1e300)] * 5, st.integers(0, 2**53), st.floats(0, 1e300))


@settings(max_examples=25, deadline=None)  # each writes a file to the disk
@given(values, maybe_undefined, maybe_undefined, costs, st.text(max_size=40))
def test_a_truth_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: tuple, ceiling: float, accuracy: float, cost: Cost, reason: str
) -> None:
    given = truth_record(values=rows, ceiling=ceiling, accuracy=accuracy, cost=cost, reason=reason)
    found = through_files(tmp_path_factory.mktemp("results"), pool_record(), given)
    assert same(found.truths["tiny", 0, "standalone"], given)


@settings(max_examples=25, deadline=None)
@given(values, costs, st.text(max_size=40), st.sampled_from(["ok", "failed", "unsuitable"]))
def test_a_valuation_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: tuple, cost: Cost, reason: str, status: str
) -> None:
    given = valuation_record(values=rows, cost=cost, reason=reason, status=status)
    found = through_files(tmp_path_factory.mktemp("results"), pool_record(), given)
    assert same(found.valuations["tiny", 0, "standalone", "size"], given)


def test_pools_and_runs_come_back_as_they_were(tmp_path: Path) -> None:
    found = through_files(tmp_path, run_record(), pool_record(), truth_record())
    assert found.runs == {"abc": run_record()}
    assert found.pools == {("tiny", 0): pool_record()}


def test_undefined_is_null_in_the_file_so_that_other_programs_can_read_it(tmp_path: Path) -> None:
    save(tmp_path, results_of(pool_record(), truth_record(ceiling=math.nan)))
    lines = (tmp_path / "tiny.jsonl").read_text().splitlines()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    truth = next(found for line in lines if (found := json.loads(line, parse_constant=refuse))["kind"] == "truth")
    assert truth["ceiling"] is None
    assert math.isnan(load(tmp_path).truths["tiny", 0, "standalone"].ceiling)


def test_a_newer_answer_takes_the_older_ones_place() -> None:
    results = results_of(pool_record(), valuation_record(), valuation_record(values=((9.0, 9.0),)))
    assert [r.values for r in results.valuations.values()] == [((9.0, 9.0),)]


def test_answers_to_a_changed_pool_are_left_out(tmp_path: Path) -> None:
    found = through_files(
        tmp_path,
        run_record("old"),
        run_record("new"),
        pool_record(0, "dealt again"),
        pool_record(1, "key"),
        truth_record(0, "key", run="old"),
        truth_record(1, "key", run="new"),
        valuation_record(0, "key", run="old"),
        valuation_record(0, "dealt again", method="mmd", run="new"),
        valuation_record(1, "key", run="new"),
    )
    assert set(found.truths) == {("tiny", 1, "standalone")}
    assert set(found.valuations) == {("tiny", 0, "standalone", "mmd"), ("tiny", 1, "standalone", "size")}
    assert set(found.runs) == {"new"}


def test_each_task_has_a_file_and_files_do_not_depend_on_the_order_of_arrival(tmp_path: Path) -> None:
    records = [
        run_record(),
        pool_record(0),
        pool_record(1),
        pool_record(0, task="other"),
        truth_record(0),
        truth_record(1),
        truth_record(0, task="other"),
        valuation_record(0),
        valuation_record(0, method="mmd"),
    ]
    save(tmp_path / "one", results_of(*records))
    save(tmp_path / "two", results_of(*reversed(records)))
    assert sorted(found.name for found in (tmp_path / "one").iterdir()) == ["other.jsonl", "tiny.jsonl"]
    for name in ("other.jsonl", "tiny.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


# --- reading what is not right --------------------------------------------------------------------------


def stored_line(record: Record, folder: Path) -> dict[str, Any]:
    save(folder, results_of(pool_record(), record))
    return dict(json.loads((folder / "tiny.jsonl").read_text().splitlines()[-1]))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda line: json.dumps({**line, "format": 2}), id="newer format"),
        pytest.param(lambda line: json.dumps({k: v for k, v in line.items() if k != "format"}), id="no format"),
        pytest.param(lambda line: json.dumps({**line, "kind": "rumour"}), id="unknown kind"),
        pytest.param(lambda line: json.dumps({**line, "colour": "red"}), id="unknown field"),
        pytest.param(lambda line: json.dumps({k: v for k, v in line.items() if k != "task"}), id="missing field"),
        pytest.param(lambda line: json.dumps({**line, "cost": {"pounds": 3}}), id="another bill"),
        pytest.param(lambda line: json.dumps(line)[:40], id="half a line"),
        pytest.param(lambda line: "[]", id="a list"),
        pytest.param(lambda line: "", id="an empty line"),
        pytest.param(lambda line: b"\xff\xfe\x00", id="no text"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, damage: Any) -> None:
    line = damage(stored_line(truth_record(), tmp_path))
    file = tmp_path / "tiny.jsonl"
    first = file.read_bytes().splitlines()[0]
    file.write_bytes(first + b"\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    assert f"{file}, line 2:" in str(caught.value)
    assert "format 1" in str(caught.value)


def test_a_folder_without_results_holds_none(tmp_path: Path) -> None:
    assert load(tmp_path / "nothing") == Results()
