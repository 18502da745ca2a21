"""``dataworth show SUITE`` tells how wide intervals will be, and what a given time is best spent on."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from harness.cli import widths
from harness.cli.widths import DEFAULTS, _costs, _default, _of_results, known, to_settings
from harness.config import load_suite
from harness.records.results import PoolRecord, Results, TruthRecord, ValuationRecord
from harness.running.estimate import Pace, of_repeat
from harness.statistics.planning import Split
from harness.types import QUESTIONS, Budget, Cost, Floats
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite

pytestmark = THIRD_PARTY
ROOT = Path(__file__).resolve().parents[2]
C, SEEDS, POOLS = 24, 6, 40


def results_with_known_components() -> Results:
    """One method on many pools: independent noise of the same size in the method and in every repeat of the truth."""
    results, rng = Results(), np.random.default_rng(5)
    for pool in range(POOLS):
        results.add(PoolRecord("tiny", pool, "key", tuple(map(str, range(C))), ({},) * C, {}, {}, {}))
        worth_C = rng.standard_normal(C)
        truth_SC, said_C = worth_C + rng.standard_normal((SEEDS, C)), worth_C + 1.5 * rng.standard_normal(C)
        rest = {"status": "ok", "reason": "", "device": "cpu", "run": "run", "task": "tiny", "pool_key": "key"}
        asked = {"question": "shapley", "pool": pool, **rest}
        truths, said = tuple(map(tuple, truth_SC.tolist())), (tuple(said_C.tolist()),)
        paid = Cost(seconds=50.0, retrainings=100)
        results.add(TruthRecord(values=truths, reliability=0.8, accuracy=0.5, cost=paid, **asked))  # type: ignore[arg-type]
        for question, seconds in (("shapley", 3.0), ("standalone", 1.0)):
            for name, family in (("size", "set function"), ("tracin", "additive")):
                both = {**asked, "question": question, "method": name, "family": family}
                results.add(ValuationRecord(values=said, cost=Cost(seconds=seconds), **both))  # type: ignore[arg-type]
    return results


def test_stored_results_give_their_components_back() -> None:
    """By simulation anew: B is S/2 times the variance that S/2 repeats' noise adds, A + B/S the variance over pools."""
    suite = tiny_suite(methods=("size", "tracin"))
    found = _of_results(suite, results_with_known_components(), "here").spreads
    assert set(found) == {("tiny", "shapley")}  # standalone has no truth
    one = found["tiny", "shapley"]
    rng, scores = np.random.default_rng(6), {SEEDS: list[Floats](), SEEDS // 2: list[Floats]()}
    for _ in range(300):
        worth_C = rng.standard_normal(C)
        said_C = np.argsort(np.argsort(worth_C + 1.5 * rng.standard_normal(C)))
        for repeats, found_so in scores.items():
            again = worth_C + rng.standard_normal((8, C)) / np.sqrt(repeats)
            found_so.append(np.arctanh(np.corrcoef(said_C, np.argsort(np.argsort(again)))[0, 1:]))
    within = float(np.var(scores[SEEDS // 2], axis=1, ddof=1).mean())
    assert one.seed == pytest.approx(SEEDS // 2 * within, rel=0.25)
    between = float(np.var(scores[SEEDS], axis=0, ddof=1).mean())
    assert one.pool + one.seed / SEEDS == pytest.approx(between, rel=0.25)


def test_the_defaults_are_like_the_published_results_that_they_name() -> None:
    """Write the new means there when these drift apart: dataworth show embedded."""
    suite = load_suite(ROOT / "leaderboards" / "embedded" / "suite.toml")
    found = known(suite)
    for question in QUESTIONS:
        of_tasks = [found.spreads[task, question] for task in suite.tasks]
        assert np.mean([one.pool for one in of_tasks]) == pytest.approx(DEFAULTS[question].pool, rel=0.3)
        assert np.mean([one.seed for one in of_tasks]) == pytest.approx(DEFAULTS[question].seed, abs=0.04)


def test_fewer_contributors_make_the_defaults_wider() -> None:
    assert _default("shapley", 24) == DEFAULTS["shapley"]
    assert _default("shapley", 10).pool == pytest.approx(3 * DEFAULTS["shapley"].pool)  # 21 / 7


def test_costs_are_retrainings_and_methods_at_this_machines_pace() -> None:
    """A retraining took 0.5 s then and 0.1 now; the methods' 3 + 1 s (each question anew) and 3 s (all) shrink."""
    suite = tiny_suite(methods=("size", "tracin", "data-shapley"), questions=("standalone", "shapley"))
    found = _of_results(suite, results_with_known_components(), "here")
    assert found.methods == {"tiny": {"size": 4.0, "tracin": 3.0}}
    assert found.retraining == {"tiny": 0.5}
    budgets = {"tiny": {"size": Budget(), "tracin": Budget(fits=3), "data-shapley": Budget(retrainings=50)}}
    pace = {"tiny": Pace((0.05, 0.15), 10, Cost(flops=1.0), "float32", C, 600)}
    costs = _costs(suite, {"tiny": C}, budgets, pace, found)
    assert costs.fixed == pytest.approx((4 + 3) * 0.1 / 0.5 + 50 * 0.1)
    assert costs.repeats == pytest.approx({("tiny", "standalone"): 2.5, ("tiny", "shapley"): 4.8})  # C + 1, 2 C
    assert costs.hours(Split(3, (2, 4))) == pytest.approx(3 * (costs.fixed + 5 + 19.2) / 3600)
    nothing = _costs(suite, {"tiny": C}, budgets, pace, widths.Known({}, {}, {}))
    assert nothing.fixed == pytest.approx((3 + 50) * 0.1)


@pytest.mark.parametrize("contributors", [4, 24])
def test_a_repeats_retrainings(contributors: int) -> None:
    shapley = 2**contributors if contributors <= 10 else 2 * contributors
    each = [of_repeat(question, contributors) for question in QUESTIONS]
    assert each == [contributors + 1, contributors + 1, shapley]


def test_a_split_is_told_as_a_suites_file_says_it(tmp_path: Path) -> None:
    suite = tiny_suite(["tiny", "twin", "a b"])
    split = Split(7, (2, 3, 4, 2, 3, 4, 2, 9, 4))
    content = to_settings(suite, split)
    said = tomllib.loads(content)
    assert said["settings"] == {"a b": {"seeds": {"leave-one-out": 9}}}  # only what differs
    path = tmp_path / "new.toml"
    path.write_text(f'tasks = {["tiny", "twin", "a b"]!r}\nmethods = ["size"]\n{content}')
    found = load_suite(path)
    assert found.pools == 7
    assert tuple(found.seeds_of(task, question) for task in found.tasks for question in QUESTIONS) == split.seeds


def test_a_run_of_ones_own_is_what_widths_are_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = finished(Path("runs") / "tiny", methods=["mmd"], questions=["standalone"], pools=2)
    found = known(run.suite)
    assert found.where == "runs/tiny"
    assert set(found.spreads) == {("tiny", "standalone")}
    assert found.methods["tiny"]["mmd"] > 0
