"""Stored results come back as they were, are replaced whole, and say what is wrong with a line that cannot be read."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.records.checked import SINCE_FORMAT_3
from harness.records.results import (
    SINCE,
    PoolRecord,
    Record,
    Results,
    RunRecord,
    TruthRecord,
    ValuationRecord,
    _from_json,
    _to_json,
    load,
    save,
)
from harness.types import LARGEST_VALUE, Cost
from tests.harness.small_runs import finished


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


def through_a_line(record: Record) -> Record:
    return _from_json(json.loads(_to_json(record)))


def same(one: object, other: object) -> bool:
    """Equal, nan with nan."""
    return repr(asdict(one)) == repr(asdict(other))  # type: ignore[call-overload]


finite = st.floats(-LARGEST_VALUE, LARGEST_VALUE)
values = st.lists(st.tuples(finite, finite), min_size=1, max_size=3).map(tuple)
rows_of_two = st.lists(st.tuples(finite, finite), max_size=3).map(tuple)
undefined_or_finite = finite | st.just(math.nan)
costs = st.builds(Cost, *[st.floats(0, 1e300)] * 5, st.integers(0, 2**53), st.floats(0, 1e300))


@settings(max_examples=25, deadline=None)
@given(values, undefined_or_finite, undefined_or_finite, costs, st.text(max_size=40), rows_of_two)
def test_a_truth_comes_back_as_it_was(
    rows: tuple, reliability: float, accuracy: float, cost: Cost, reason: str, beside: tuple
) -> None:
    given = truth_record(values=rows, reliability=reliability, accuracy=accuracy, cost=cost, reason=reason)
    given = replace(given, by_fold=beside, validation=beside, everyone=beside, nobody=beside[:1])
    given = replace(given, residual=beside[0] if beside else ())
    assert same(through_a_line(given), given)


@settings(max_examples=25, deadline=None)
@given(values, costs, st.text(max_size=40), st.sampled_from(["ok", "failed", "unsuitable"]))
def test_a_valuation_comes_back_as_it_was(rows: tuple, cost: Cost, reason: str, status: str) -> None:
    given = valuation_record(values=rows if status == "ok" else (), cost=cost, reason=reason, status=status)
    assert same(through_a_line(given), given)


def test_pools_and_runs_come_back_as_they_were(tmp_path: Path) -> None:
    found = through_files(tmp_path, run_record(), pool_record(), truth_record())
    assert found.runs == {"abc": run_record()}
    assert found.pools == {("tiny", 0): pool_record()}


def test_undefined_is_null_in_the_file_so_that_other_programs_can_read_it(tmp_path: Path) -> None:
    save(tmp_path, results_of(pool_record(), truth_record(reliability=math.nan)))
    lines = (tmp_path / "tiny.jsonl").read_text().splitlines()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    truth = next(found for line in lines if (found := json.loads(line, parse_constant=refuse))["kind"] == "truth")
    assert truth["reliability"] is None
    assert math.isnan(load(tmp_path).truths["tiny", 0, "standalone"].reliability)


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


def damaged(**changes: Any) -> Any:
    return lambda line: json.dumps({**line, **changes})


def without(name: str) -> Any:
    return lambda line: json.dumps({key: item for key, item in line.items() if key != name})


COST = asdict(Cost())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(damaged(format=5), "got 5", id="newer format"),
        pytest.param(without("format"), "format", id="no format"),
        pytest.param(damaged(kind="rumour"), "expected one of run, pool, truth, valuation", id="unknown kind"),
        pytest.param(damaged(colour="red"), "unknown: ['colour']", id="unknown field"),
        pytest.param(without("task"), "missing: ['task']", id="missing field"),
        pytest.param(without("truth_key"), "missing: ['truth_key']", id="no truth key in format 4"),
        pytest.param(damaged(cost={"pounds": 3}), "cost: expected bytes_moved, core_seconds", id="another bill"),
        pytest.param(damaged(cost={**COST, "seconds": -1.0}), "cost, seconds: expected no less", id="negative cost"),
        pytest.param(damaged(cost={**COST, "flops": math.inf}), "cost, flops: expected a finite", id="infinite cost"),
        pytest.param(damaged(cost={**COST, "seconds": None}), "cost, seconds: expected a number", id="no cost"),
        pytest.param(damaged(values=[[0.1, math.nan]]), "values, repeat 1: expected a finite", id="nan"),
        pytest.param(damaged(values=[[0.1, math.inf]]), "values, repeat 1: expected a finite", id="infinite"),
        pytest.param(damaged(values=[[0.1, 1e308]]), "values, repeat 1: expected numbers up to", id="1e308"),
        pytest.param(damaged(values=[[0.1, None]]), "values, repeat 1: expected a number", id="null"),
        pytest.param(damaged(values=[[0.1, True]]), "values, repeat 1: expected a number", id="a truth value"),
        pytest.param(damaged(values=[[0.1, 0.2], [0.1]]), "values, repeat 2: expected as many", id="ragged"),
        pytest.param(damaged(values=[[0.1]]), "for each of 2 contributors, got 1", id="too few"),
        pytest.param(damaged(values=[[0.1, 0.2, 0.3]]), "for each of 2 contributors, got 3", id="too many"),
        pytest.param(damaged(values=[]), "status 'ok' goes with values", id="no values"),
        pytest.param(damaged(values=0.1), "values: expected a list", id="a number"),
        pytest.param(damaged(status="failed"), "status 'failed' goes with no values", id="failed with values"),
        pytest.param(damaged(status="fine"), "expected one of ok, failed, unsuitable", id="unknown status"),
        pytest.param(damaged(question="why"), "expected one of standalone", id="unknown question"),
        pytest.param(damaged(reliability=math.inf), "reliability: expected a finite", id="infinite reliability"),
        pytest.param(damaged(pool=-1), "pool: expected a number from 0", id="negative pool"),
        pytest.param(damaged(task=3), "task: expected text", id="a name that is none"),
        pytest.param(lambda line: json.dumps(line)[:40], "(char ", id="half a line"),
        pytest.param(lambda line: "[]", "the line: expected names with values", id="a list"),
        pytest.param(lambda line: "", "Expecting value", id="an empty line"),
        pytest.param(lambda line: b"\xff\xfe\x00", "decode", id="no text"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_what_is_wrong(tmp_path: Path, damage: Any, told: str) -> None:
    line = damage(stored_line(truth_record(), tmp_path))
    file = tmp_path / "tiny.jsonl"
    first = file.read_bytes().splitlines()[0]
    file.write_bytes(first + b"\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    assert f"{file}, line 2:" in str(caught.value)
    assert "format 4" in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"contributors": ["a", "a"]}, "two or more distinct names"),
        ({"planted": [{}]}, "one entry for each of 2"),
        ({"features": {"size": [1.0]}}, "feature size: expected 2 numbers"),
        ({"features": {"size": [1.0, math.nan]}}, "feature size: expected a finite number"),
        ({"truth_keys": {"standalone": 3}}, "truth_keys: expected text"),
        ({"task_version": "1"}, "task_version: expected a number"),
        ({"learner": [1]}, "learner: expected names"),
    ],
)
def test_a_pool_that_is_none_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        _from_json({**json.loads(_to_json(pool_record())), **changes})


@pytest.mark.parametrize("changes", [{"run": 3}, {"provenance": "mine"}, {"provenance": {"packages": "all"}}])
def test_a_run_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        _from_json({**json.loads(_to_json(run_record())), **changes})


def test_a_method_s_name_commands_no_terminal() -> None:
    with pytest.raises(ValueError, match="method: expected a name"):
        _from_json({**json.loads(_to_json(valuation_record())), "method": "\x1b[2Jsize"})


@pytest.mark.parametrize("written", [1, 2, 3])
def test_older_formats_are_read_without_what_they_did_not_know(tmp_path: Path, written: int) -> None:
    unknown = {name for since, new in SINCE.items() if since > written for name in new}

    def older(record: Record) -> str:
        line = {key: item for key, item in json.loads(_to_json(record)).items() if key not in unknown}
        if "reliability" in line and written < 3:
            line["ceiling"] = line.pop("reliability")
        if "cost" in line and written < 3:
            line["cost"] = {key: item for key, item in line["cost"].items() if key not in SINCE_FORMAT_3}
        return json.dumps({**line, "format": written}) + "\n"

    records = (run_record(), pool_record(), truth_record(), valuation_record())
    (tmp_path / "tiny.jsonl").write_text("".join(map(older, records)))
    found = load(tmp_path)
    assert found.pools["tiny", 0].task_version == 0
    truth = found.truths["tiny", 0, "standalone"]
    assert (truth.truth_key, truth.reliability, truth.residual, truth.validation) == ("", 0.9, (), ())
    assert truth.cost.launches == 0
    assert len(found.of_task("tiny")) == 4  # none of them is stale


@pytest.mark.parametrize(
    "folder", sorted(Path("leaderboards").glob("*/results")), ids=lambda folder: folder.parent.name
)
def test_published_results_are_read_whole(folder: Path) -> None:
    lines = sum(len(file.read_bytes().splitlines()) for file in folder.glob("*.jsonl"))
    results = load(folder)
    assert sum(len(results.of_task(task)) for task in results.tasks()) == lines


# --- which truth ---------------------------------------------------------------------------------------


def test_answers_that_belong_to_another_truth_than_the_suites_are_left_out(tmp_path: Path) -> None:
    """Two questions at 2 seeds, then one of them at 5: the other still has 2."""
    pool = replace(pool_record(), truth_keys={"standalone": "5 seeds", "leave-one-out": "5 seeds of it"})
    found = through_files(
        tmp_path,
        run_record(),
        pool,
        truth_record(truth_key="5 seeds"),
        truth_record(question="leave-one-out", truth_key="2 seeds of it"),
        valuation_record(truth_key="5 seeds"),
        valuation_record(method="mmd", truth_key="2 seeds"),
        valuation_record(question="leave-one-out", truth_key="2 seeds of it"),
    )
    assert set(found.truths) == {("tiny", 0, "standalone")}
    assert set(found.valuations) == {("tiny", 0, "standalone", "size")}


def test_a_folder_without_results_holds_none(tmp_path: Path) -> None:
    assert load(tmp_path / "nothing") == Results()


@pytest.mark.parametrize("line", ["[" * 100_000, "OTHER", "HUGE"])
def test_lines_that_python_itself_stumbles_over_are_told(tmp_path: Path, line: str) -> None:
    run = finished(tmp_path, questions=["standalone"])
    file = tmp_path / "results" / "tiny.jsonl"
    text = file.read_text()
    truth = next(row for row in text.splitlines() if '"kind": "truth"' in row)
    lines = {
        "OTHER": truth.replace('"task": "tiny"', '"task": "../../tiny"'),
        "HUGE": json.dumps({**json.loads(truth), "accuracy": 10**400}),
    }
    file.write_text(text + lines.get(line, line) + "\n")
    with pytest.raises(UserError, match="not a result that this dataworth"):
        load(tmp_path / "results")
    assert run.results


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    results = finished(tmp_path / "run", questions=["standalone"]).results
    (tmp_path / "results").write_text("mine")
    with pytest.raises(UserError, match="Cannot write"):
        save(tmp_path / "results", results)
    assert (tmp_path / "results").read_text() == "mine"
