"""An audit foretells where values are what retraining gives, and does not where they are the reverse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harness.coalitions import to_text
from harness.config import TaskSettings
from harness.errors import UserError
from harness.retraining.ledger import IN_MEMORY, Ledger
from harness.seeds import stream
from harness.valuing.audit import REPEATS, random_halves, run_audit, trainings
from harness.valuing.session import Session
from harness.valuing.valuation import Request
from harness.valuing.valued import Silent
from tests.valuing.files import vendors
from tests.valuing.test_reading import brought

SHORT = TaskSettings(steps=20, rate=0.05)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder, target = vendors(tmp_path_factory.mktemp("audit"), contributors=6)
    with Session(brought(folder, target, settings=SHORT), 0, "cpu", Ledger(IN_MEMORY), Silent()) as opened:
        yield opened


def test_halves_are_different_and_of_half_the_contributors() -> None:
    halves = random_halves(7, 20, np.random.default_rng(0))
    assert halves.sum(axis=1).tolist() == [3] * 20
    assert len({row.tobytes() for row in halves}) == 20
    for asked in (20, 10**9):
        assert len(random_halves(4, asked, np.random.default_rng(0))) == 6  # there are no more


def test_an_audit_that_says_nothing_is_refused_before_anything_is_trained() -> None:
    for count in (1, 7):
        with pytest.raises(UserError, match=f"--audit {count} is too small to say anything"):
            Request(audit=count)
    assert [Request(audit=count).audit for count in (0, 8)] == [0, 8]


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
    assert found.retrainings == trainings(6, 15) == REPEATS * (1 + 5 + 10)
    assert found.points == tuple(zip(halves @ values_C, utility, strict=True))
    trained = [[session.audit_job(row, repeat) for repeat in range(REPEATS)] for row in ("111111", "111110")]
    everyone, without = (np.mean([one.utility for one in session.engine.outcomes(jobs)]) for jobs in trained)
    assert found.left_out[0].drop == pytest.approx(everyone - without, abs=1e-6)


def test_too_few_coalitions_are_refused(session: Session) -> None:
    with pytest.raises(UserError, match="--audit 4 is too small to say anything: 8 coalitions are the fewest"):
        run_audit(session, np.arange(6.0), np.arange(6.0), 4)


@pytest.mark.parametrize(
    ("contributors", "halves", "said"),
    [
        (2, 2, "So few contributors have 2 different halves, too few for an order"),
        (3, 3, "So few contributors have 3 different halves, too few for an order"),
        (4, 6, "20 coalitions were asked for, and with so few contributors there are not so many different ones."),
    ],
)
def test_so_few_contributors_are_told_what_their_audit_cannot_say(
    contributors: int, halves: int, said: str, tmp_path: Path
) -> None:
    folder, target = vendors(tmp_path, contributors, each=12, target=12)
    with Session(brought(folder, target, settings=SHORT), 0, "cpu", Ledger(IN_MEMORY), Silent()) as few:
        found = run_audit(few, np.arange(contributors) * 1.0, np.ones(contributors), 20)
    assert (found.halves, len(found.left_out)) == (halves, contributors)
    assert found.retrainings == trainings(contributors, 20)
    assert math.isnan(found.low) == (halves < 4)
    assert any(line.startswith(said) for line in found.sentences())
    assert repr(found) == "\n".join(found.sentences())
    assert found._repr_html_().count("<p>") == len(found.sentences())


def test_values_that_say_nothing_are_said_to(session: Session) -> None:
    found = run_audit(session, np.zeros(6), np.zeros(6), 12)
    assert np.isnan(found.agreement)
    assert "no order can be compared" in found.sentences()[0]
