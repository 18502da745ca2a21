"""Which method is taken by what leaderboards say, what it may take, and what is said of trusting it."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harness.errors import UserError
from harness.registry import method
from harness.retraining.ledger import IN_MEMORY, Ledger
from harness.valuing import boards as reading
from harness.valuing.boards import Board, Row, boards, pairs_right, trust
from harness.valuing.choosing import Budget, Price, budget_of, choose, price, price_of_training, row_of, some
from harness.valuing.session import Session, minutes
from harness.valuing.valued import Silent
from methods.influence import Influence
from methods.leave_one_out import LeaveOneOut
from methods.metagradient import Metagradient
from tests.valuing.files import vendors
from tests.valuing.test_reading import brought

COMMON = {"board": "files", "rank_high": 9, "ceiling": 0.9, "pools": 24, "contributors": 24}
COUNTS = {"retrainings": 3.0, "gradient_passes": 20.0, "forward_passes": 3.0}


def row(method: str, spearman: float, rank_low: int, hours: float = 1.0, **others: Any) -> Row:
    own = {"method": method, "spearman": spearman, "rank_low": rank_low, "reference_gpu_hours": hours}
    return Row(**{"low": spearman - 0.1, "high": spearman + 0.1, **COMMON, **COUNTS, **own, **others})


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder, target = vendors(tmp_path_factory.mktemp("session"))
    with Session(brought(folder, target), 0, "cpu", Ledger(IN_MEMORY), Silent()) as opened:
        yield opened


def chosen(session: Session, rows: list[Board], budget: Budget | None = None) -> list[str]:
    """Every choice in turn, as if none suited."""
    found, choices = [], choose(session, "shapley", rows, budget or Budget())
    with suppress(UserError):
        while True:
            found.append(next(choices)[0].name)
    return found


def test_the_cheapest_of_those_that_no_board_tells_to_be_worse_comes_first(session: Session) -> None:
    """Cheaper by its own counts here, whatever the order of rows: leave-one-out trains for each contributor."""
    names = ("leave-one-out", "influence")
    tied = row("leave-one-out", 0.6, 1), row("influence", 0.5, 1)
    first = Board("files", (*tied, row("mmd", 0.5, 1), row("tracin", 0.4, 1)))
    second = Board("embedded", (*tied, row("tracin", 0.5, 2), row("mmd", 0.2, 3)))
    size = session.size("shapley")
    hours = {name: price(session, method(name), own, size).gpu_hours for name, own in zip(names, tied, strict=True)}
    order = chosen(session, [first, second])
    assert order[:2] == sorted(hours, key=lambda name: hours[name])
    assert order[2:] == ["tracin", "mmd"]  # told to be worse by one: only where nothing else fits, the better first


def test_who_has_a_row_on_one_board_alone_comes_after_who_is_first_on_both(session: Session) -> None:
    """And before who is told to be worse: having no row is not that."""
    boards = [
        Board("files", (row("tracin", 0.6, 1), row("mmd", 0.5, 1))),
        Board("embedded", (row("influence", 0.7, 1), row("tracin", 0.6, 1), row("mmd", 0.5, 2))),
    ]
    assert chosen(session, boards) == ["tracin", "influence", "mmd"]
    none_of_both = [boards[0], Board("embedded", (row("influence", 0.7, 1), *boards[1].rows[2:]))]
    none_of_both[1] = Board("embedded", (*none_of_both[1].rows, row("tracin", 0.2, 3)))
    assert chosen(session, none_of_both)[0] == "influence"
    choice, price = next(choose(session, "shapley", none_of_both, Budget()))
    assert choice.why == (
        "influence was chosen: it is the only method that one of the leaderboards files (24 pools) and embedded (24 "
        "pools) cannot tell from its best for sentiment, shapley and the other has no row for; none that is with the "
        f"best of both fits here; it should take {price}."
    )


def test_baselines_that_see_no_model_and_ablations_are_never_taken(session: Session) -> None:
    rows = (
        *(row("class-balance", 0.8, 1, hours=0.0), row("ntk-mmd:single:discrepancy", 0.8, 1), row("mmd", 0.5, 1)),
        *(
            row("random", 0.1, 1, low=-0.1),
            row("tracin", 0.2, 1, low=-0.1),
            row("gone-since", 0.9, 1),
            row("ntk-mmd", 0.7, 1),
        ),
    )
    assert chosen(session, [Board("files", rows)]) == ["mmd"]


def test_the_sentence_names_who_cannot_be_told_apart_and_the_budget(session: Session) -> None:
    rows = [Board("files", (row("tracin", 0.6, 1), row("mmd", 0.5, 1)))]
    choice, price = next(choose(session, "shapley", rows, budget_of("2h")))
    assert choice.name == "mmd"
    assert choice.why == (
        "mmd was chosen: within 2 hours it is the cheapest of 2 methods that the leaderboard files (24 pools) cannot "
        f"tell from the best (tracin) for sentiment, shapley; it should take {price}. The others: tracin."
    )
    assert f"{price}".startswith(f"about {price.seconds:.2g} s here, ")
    alone, _ = next(choose(session, "shapley", [Board("files", (row("mmd", 0.5, 1),))], Budget()))
    assert "it is the only method that the leaderboard files" in alone.why
    assert some(tuple("abcdefg")) == "a, b, c, d, e and 2 more"


def test_nothing_fits_a_budget_of_nothing(session: Session) -> None:
    rows = [Board("files", (row("tracin", 0.6, 1),))]
    with pytest.raises(
        UserError, match=r"No method fits within 1e-09 GPU-hours\. The cheapest would take about .* Raise"
    ):
        next(choose(session, "shapley", rows, budget_of("0.000000001gpuh")))
    with pytest.raises(UserError, match="no published leaderboard of sentiment to choose a method by"):
        next(choose(session, "shapley", [], Budget()))


def test_prices_grow_with_what_a_method_trains(session: Session) -> None:
    size = session.size("leave-one-out")
    one, three = (price(session, Influence(runs=runs), None, size) for runs in (1, 3))
    assert three.seconds == pytest.approx(3 * one.seconds)
    few, many = (price(session, LeaveOneOut(retrainings=count), None, size) for count in (40, 400))
    assert 9 < many.seconds / few.seconds < 11


def test_prices_follow_what_a_row_says_that_a_method_did_not_need(session: Session) -> None:
    """Influence stops when it has arrived: of the passes that it may make its row tells the share that it makes."""
    size = session.size("shapley")
    declared = Influence().budget(24, size.examples).gradient_passes
    half = row("influence", 0.5, 1, gradient_passes=declared / 2, forward_passes=0.0)
    more = row("influence", 0.5, 1, gradient_passes=3 * declared, forward_passes=0.0)
    most, least = (price(session, Influence(), own, size).seconds for own in (more, half))
    assert most == pytest.approx(price(session, Influence(), None, size).seconds)
    trainings = 3 * price_of_training(session).seconds
    assert least - trainings == pytest.approx((most - trainings) / 2, rel=0.01)
    rows = [Board("files", (half,))]
    assert row_of(rows, "influence:runs=6") is half
    assert row_of(rows, "tracin") is None
    six = price(session, Influence(runs=6), half, size).seconds
    assert six == pytest.approx(2 * least, rel=0.01)


def test_replays_of_a_training_are_paid_for_too(session: Session) -> None:
    """By the steps and the batch of this training, whatever a row says of another."""
    size, replaying = session.size("shapley"), Metagradient(runs=1)
    replays = replaying.budget(size.contributors, size.examples).replays
    assert replays > 0
    least = (1 + replays / 2) * price_of_training(session).seconds
    assert price(session, replaying, None, size).seconds > least
    free = row("metagradient", 0.5, 1, gradient_passes=0.001)
    assert price(session, replaying, free, size).seconds > least


def test_what_is_set_aside_is_taken_off_a_budget() -> None:
    left = budget_of("10").less(Price(90.0, 1.0))
    assert (left.seconds, left.gpu_hours, left.text) == (510.0, math.inf, "10 minutes")
    assert Price(500.0, 2.0).within(left)
    assert not Price(511.0, 0.0).within(left)
    assert Price(3.0, 0.5).times(4) == Price(12.0, 2.0)
    assert [minutes(seconds) for seconds in (0.123, 45.6, 99.4, 100, 3_600)] == [
        *("0.12 s", "46 s", "99 s", "1.7 minutes", "60 minutes")
    ]


def test_budgets_are_minutes_hours_or_gpu_hours() -> None:
    assert budget_of("10").seconds == 600
    assert budget_of("1.5h").seconds == 5400
    assert budget_of("3 min").seconds == 180
    assert (budget_of("0.5gpuh").gpu_hours, budget_of("0.5gpuh").seconds) == (0.5, math.inf)
    for wrong in ("", "ten", "0", "-3", "5 days"):
        with pytest.raises(UserError, match="write minutes"):
            budget_of(wrong)


def test_published_rows_are_read_as_the_file_has_them() -> None:
    found = boards("sentiment", "shapley")
    assert [board.name for board in found] == list(reading.BOARDS)
    for board in found:
        scores = [one.spearman for one in board.rows]
        assert scores == sorted(scores, reverse=True)
        assert {"tracin", "influence", "random"} <= {one.method for one in board.rows}
    assert boards("no-such-task", "shapley") == []


def test_the_share_of_pairs_in_order_is_that_of_a_normal_pair() -> None:
    generator = np.random.default_rng(0)
    for r in (-0.5, 0.0, 0.3, 0.8):
        pairs = generator.multivariate_normal([0, 0], [[1, r], [r, 1]], size=20_000)
        spearman = stats.spearmanr(*pairs.T).statistic
        first, second = pairs[:10_000], pairs[10_000:]
        right = (np.sign(first[:, 0] - second[:, 0]) == np.sign(first[:, 1] - second[:, 1])).mean()
        assert pairs_right(spearman) == pytest.approx(right, abs=0.02)


def test_what_is_not_known_of_a_method_is_said() -> None:
    rows = [Board("files", (row("tracin", 0.6, 1), row("size", 0.1, 3, low=-0.1)))]
    known = trust(rows, "tracin:runs=1", "sentiment", "shapley", 12, 500)
    assert "tracin, with its own settings, agrees 0.60 [0.50, 0.70]" in known[0]
    assert "may be no better than a random order" in trust(rows, "size", "sentiment", "shapley", 12, 500)[0]
    assert "nothing is known of it" in trust(rows, "mmd", "sentiment", "shapley", 12, 500)[0]
    assert "No published leaderboard" in trust([], "mmd", "sentiment", "shapley", 12, 500)[0]
    assert "12 contributors of about 500 examples" in known[-1]
    assert "--audit N retrains on your own data" in known[-1]
    audited = trust(rows, "tracin", "sentiment", "shapley", 12, 500, audited=True)
    assert "nor your model: the audit retrains on your own data" in audited[-1]
