"""An audit foretells where values are what retraining gives, and does not where they are the reverse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harness.coalitions import to_text
from harness.errors import UserError
from harness.seeds import stream
from harness.valuing.audit import REPEATS, random_halves, run_audit
from harness.valuing.session import Session
from harness.valuing.valued import Silent
from tests.valuing.files import vendors
from tests.valuing.test_reading import brought


@pytest.fixture
def session(tmp_path: Path) -> Any:
    folder, target = vendors(tmp_path, contributors=6)
    with Session(brought(folder, target), 0, "cpu", None, Silent()) as opened:
        yield opened


def test_halves_are_different_and_of_half_the_contributors() -> None:
    halves = random_halves(7, 20, np.random.default_rng(0))
    assert halves.sum(axis=1).tolist() == [3] * 20
    assert len({row.tobytes() for row in halves}) == 20
    assert len(random_halves(4, 20, np.random.default_rng(0))) == 6  # there are no more


def test_agreement_is_that_of_sums_of_values_with_utilities_that_were_trained(session: Session) -> None:
    values_C = np.random.default_rng(1).normal(size=6)
    found = run_audit(session, values_C, np.arange(6.0), 15)
    assert [one.name for one in found.left_out] == ["v5", "v4", "v3", "v2", "v1"]
    halves = random_halves(6, 10, stream(0, "value", "halves"))
    jobs = [[session.audit_job(to_text(row), repeat) for row in halves] for repeat in range(REPEATS)]
    utility = np.mean([[one.utility for one in session.engine.outcomes(own)] for own in jobs], axis=0)
    assert found.agreement == pytest.approx(stats.spearmanr(halves @ values_C, utility).statistic)
    reverse = run_audit(session, -values_C, np.arange(6.0), 15)
    assert reverse.agreement == pytest.approx(-found.agreement)
    assert reverse.cost == found.cost
    assert found.retrainings == REPEATS * (1 + 5 + 10)
    trained = [[session.audit_job(row, repeat) for repeat in range(REPEATS)] for row in ("111111", "111110")]
    everyone, without = (np.mean([one.utility for one in session.engine.outcomes(jobs)]) for jobs in trained)
    assert found.left_out[0].drop == pytest.approx(everyone - without, abs=1e-6)


def test_too_few_coalitions_are_refused(session: Session) -> None:
    with pytest.raises(UserError, match="--audit 4 is too small to say anything: 8 coalitions are the fewest"):
        run_audit(session, np.arange(6.0), np.arange(6.0), 4)


def test_values_that_say_nothing_are_said_to(session: Session) -> None:
    found = run_audit(session, np.zeros(6), np.zeros(6), 12)
    assert np.isnan(found.agreement)
    assert "no order can be compared" in found.sentences()[0]
