"""Hand-made results give the page that they should."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.records.results import PoolRecord
from harness.report import sentences
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import to_csv
from harness.report.view import RULE, TRUTH
from tests.harness.hand_made import (
    PARTLY,
    QUESTION,
    SUITE,
    TASK,
    TRUTHS,
    bill,
    page_of,
    parsed,
    results_of,
    rows_of,
    said,
    table_after,
    truth_of,
)


def test_each_question_has_agreement_beside_its_ceiling_and_the_hours() -> None:
    results = results_of()
    for pool, values in enumerate(TRUTHS):
        results.add(truth_of(pool, [values], 0.6, question="shapley"))
        results.add(said("right", pool, values, question="shapley"))
    text = page_of(results)
    assert re.findall(r"^## (Standalone|Leave-one-out|Shapley)$", text, re.MULTILINE) == ["Standalone", "Shapley"]
    row = rows_of(results_of())["partly"]
    standalone = text[text.index("## Standalone") : text.index("## Shapley")]
    agreement = table_after(standalone, "## Standalone")
    assert agreement["method"] == [TASK]
    assert agreement["partly"] == [f"**{row.spearman:.2f} [{row.low:.2f}, {row.high:.2f}]** ‡"]
    assert agreement["wrong"] == ["-1.00 [–] ‡"]
    assert agreement["right"] == ["1.00 [–] ‡"]
    assert agreement["constant"] == ["constant"]
    assert agreement[TRUTH] == ["ceiling – ‡"]
    assert agreement["reliability of the truth"] == ["0.90"]
    hours = table_after(standalone, "GPU-hours of one valuation")
    truth = rows_of(results_of())[TRUTH]
    assert hours[TRUTH] == [f"{truth.cost.reference_gpu_hours:.2g}"]
    assert hours["right"] == ["–"]  # it was not recorded what its algebra takes
    shapley = text[text.index("## Shapley") :]
    assert table_after(shapley, "## Shapley")[TRUTH] == ["ceiling – (weak) ‡"]
    assert table_after(shapley, "GPU-hours of one valuation")["right"]


def test_hours_are_at_reference_scale_and_the_page_says_what_that_is() -> None:
    text = page_of(results_of())
    assert "GPU-hours of one valuation, **at reference scale**" in text
    assert "a language model of 1 B parameters fine-tuned on 24 x 4,000 examples of 256 tokens, 2,250 steps" in text
    assert "bf16 on Some GPU at 50% use" in text


def test_hours_at_reference_scale_come_from_retrainings_and_passes() -> None:
    """3 retrainings and 4.5 gradient passes of the text job, by hand; whatever the small run took."""
    results = results_of({})
    for pool, values in enumerate(TRUTHS):
        results.add(said("tracin", pool, values, algebra=3e20))
    retraining = 1e9 * 256 * (6 * 2250 * 128 + 2 * 4000)
    passes = 6 * 1e9 * 256 * 24 * 4000
    found, operations = rows_of(results), 3 * retraining + 4.5 * passes + 3e20
    assert found["tracin"].cost.reference_gpu_hours == pytest.approx(operations / 50e12 / 3600)


def test_the_projection_is_at_the_precision_that_the_pool_s_model_trained_in() -> None:
    results = results_of()
    for key, record in list(results.pools.items()):
        results.pools[key] = replace(record, learner={"precision": "float32"})
    flops = 1.5 * 180e15
    assert rows_of(results)["right"].cost.projected_gpu_hours == pytest.approx(flops / (19.5e12 * 0.5) / 3600)


@pytest.mark.parametrize(("load", "marked"), [(0.2, False), (0.3, True)])
def test_rows_measured_on_a_busy_machine_are_marked_and_the_mark_is_explained(load: float, marked: bool) -> None:
    results = results_of({})
    for pool, values in enumerate(TRUTHS):
        results.add(said("right", pool, values, cost=replace(bill(2.0), load=load)))
    text = page_of(results)
    assert ("2.0 §" in text) == marked
    assert ("§: measured while others kept more than 25% of the machine busy (up to 30%)" in text) == marked


def test_the_page_says_whether_the_pools_discriminate() -> None:
    feature = abs(np.mean([stats.spearmanr(a, b).statistic for a, b in zip(PARTLY, TRUTHS, strict=True)]))
    assert feature > RULE
    text = page_of(results_of())
    found = table_after(text, "Do the pools discriminate?")[TASK]
    assert found == [QUESTION, "0.90", "–", "size", f"{feature:.2f}", "no", "–", "–"]
    why = f"size alone agrees {feature:.2f} with the truth"
    assert ["| " + TASK, f"{TRUTH}, {QUESTION}", "doubtful", why] in [
        [part.strip() for part in line.rstrip("| ").split(" | ")] for line in text.splitlines()
    ]
    assert f"Agreement tells little here: {why}." in text
    assert table_after(text, "## Standalone")["partly"][0].endswith(" ‡")
    rows = {row["method"]: row["reason"] for row in parsed(to_csv(leaderboard(SUITE, results_of()).cells))}
    assert rows["partly"] == rows[TRUTH] == why
    fair = results_of()
    for key, pool in list(fair.pools.items()):
        fair.pools[key] = PoolRecord(TASK, pool.pool, "key", pool.contributors, pool.planted, {}, {}, {})
    assert "‡" not in table_after(page_of(fair), "## Standalone")["partly"][0]


def test_pools_where_nothing_is_learned_are_counted_and_marked() -> None:
    """Everyone scores 1 more than nobody in the first pool, and as much in the second."""
    results, rng = results_of(), np.random.default_rng(3)
    for pool, values in enumerate(TRUTHS):
        nobody = rng.standard_normal((3, 16))
        everyone = nobody[[1, 0, 2]] + (1.0 if pool == 0 else 0.0) + 0.01 * rng.standard_normal((3, 16))
        results.add(truth_of(pool, [values] * 3, nobody=tuple(map(tuple, nobody.tolist()))))
        kept = {"everyone": tuple(map(tuple, everyone.tolist())), "question": "leave-one-out"}
        results.add(truth_of(pool, [values] * 3, **kept))
    view = leaderboard(SUITE, results)
    assert {line.question for line in view.discrimination} == {"standalone", "leave-one-out"}
    for line in view.discrimination:
        assert (line.unlearned, line.pools) == ((1,), 2)
        assert line.gain == pytest.approx(0.5, abs=0.01)
        assert 0 < line.gain_error < 0.5
    found = [cell for cell in view.cells if cell.doubt]
    assert {cell.question for cell in found} == {"standalone", "leave-one-out"}
    assert "nothing is learned in 1 of 2 pools (2)" in sentences.reason(found[0])


def test_single_features_that_are_as_good_are_told_in_a_fixed_order() -> None:
    pages = []
    for names in (("size", "age"), ("age", "size")):
        results = results_of()
        for key, pool in list(results.pools.items()):
            features = {name: tuple(TRUTHS[pool.pool].tolist()) for name in names}
            results.pools[key] = PoolRecord(TASK, pool.pool, "key", pool.contributors, pool.planted, features, {}, {})
        pages.append(page_of(results))
    assert pages[0] == pages[1]


def test_the_page_tells_reasons_and_where_it_came_from() -> None:
    results = results_of()
    results.add(said("wrong", 1, None, status="failed", reason="it broke"))
    text = page_of(results)
    notes = table_after(text, "## Notes on rows")
    assert notes[TASK]
    assert "pool 2: it broke" in text
    assert "`run`: `dataworth run` on 2025-01-01T00:00:00, commit abc" in text
    assert "torch 2.0." in text
    assert "absent" not in text
