"""What the published leaderboards say of methods on a kind of data: the rows, and how they are told in words."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from harness.config import suite_folders, suites
from harness.errors import UserError
from harness.knobs import base_of
from harness.report.leaderboard_csv import TABLE
from harness.report.view import TRUTH
from harness.types import Question

BOARDS = ("files", "embedded")
"""Published suites that speak for data of others, the nearest first: on real files, and on data made by the program."""

WORDS = {"files": "On real files", "embedded": "On data made by the program"}


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one task and question of one leaderboard; fields as of its file."""

    board: str
    method: str
    spearman: float
    low: float
    high: float
    rank_low: int | None
    rank_high: int | None
    ceiling: float
    pools: int
    contributors: int
    reference_gpu_hours: float
    retrainings: float
    gradient_passes: float
    forward_passes: float


@dataclass(frozen=True, slots=True)
class Board:
    """One leaderboard's rows for a task and a question, methods that have a score, the best first."""

    name: str
    rows: tuple[Row, ...]

    def row(self, method: str) -> Row | None:
        return next((row for row in self.rows if row.method == method), None)


def boards(task: str, question: Question) -> list[Board]:
    """Every published leaderboard that has rows for this; none where there are none."""
    known = suites(suite_folders())
    found = [Board(name, _rows(name, known[name].parent / TABLE, task, question)) for name in BOARDS if name in known]
    return [board for board in found if board.rows]


def _rows(board: str, file: Path, task: str, question: str) -> tuple[Row, ...]:
    if not file.is_file():
        return ()
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            own = [r for r in csv.DictReader(opened) if (r["task"], r["question"]) == (task, question)]
            found = [_row(board, r) for r in own if r["method"] != TRUTH and r["spearman"]]
    except (OSError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise UserError(
            f"{file} cannot be read as a leaderboard ({error}); draw it again with dataworth publish."
        ) from error
    return tuple(sorted(found, key=lambda row: -row.spearman))


def _row(board: str, fields: dict[str, str]) -> Row:
    def number(name: str) -> float:
        return float(fields[name]) if fields[name] else math.nan

    def rank(name: str) -> int | None:
        return int(float(fields[name])) if fields[name] else None

    return Row(
        board=board,
        method=fields["method"],
        spearman=number("spearman"),
        low=number("low"),
        high=number("high"),
        rank_low=rank("rank_low"),
        rank_high=rank("rank_high"),
        ceiling=number("ceiling"),
        pools=int(fields["pools"]),
        contributors=int(fields["contributors"]),
        reference_gpu_hours=number("reference_gpu_hours"),
        retrainings=number("retrainings"),
        gradient_passes=number("gradient_passes"),
        forward_passes=number("forward_passes"),
    )


def pairs_right(spearman: float) -> float:
    """Share of pairs in the right order at a rank correlation, were values and truth jointly normal.

    Spearman's 6/pi asin(r/2) and Kendall's 2/pi asin(r) of the same r (Kruskal 1958, JASA 53, sec. 4).
    """
    r = 2 * math.sin(math.pi * spearman / 6)
    return 0.5 + math.asin(max(-1.0, min(1.0, r))) / math.pi


def trust(
    found: list[Board],
    method: str,
    task: str,
    question: Question,
    contributors: int,
    examples: int,
    audited: bool = False,
) -> list[str]:
    """What the leaderboards say of a method on this kind of data, a sentence each, and what they do not say."""
    lines = []
    for board in found:
        row = board.row(method) or board.row(base_of(method))
        where = f"{WORDS[board.name]} (leaderboard {board.name}, {task}, {question}"
        if row is None:
            lines.append(f"{where}): {method} has no row there, so nothing is known of it on such data.")
            continue
        named = method if row.method == method else f"{row.method}, with its own settings,"
        ranks = "" if row.rank_low is None else f", rank {_ranks(row)} of {len(board.rows)} methods"
        low, high = (pairs_right(end) for end in (row.low, row.high))
        verdict = (
            "which may be no better than a random order"
            if row.low <= 0
            else f"about {pairs_right(row.spearman):.0%} of pairs ({low:.0%} to {high:.0%}) in the right order"
        )
        lines.append(
            f"{where}, {row.pools} pools of {row.contributors} contributors): {named} agrees {row.spearman:.2f} "
            f"[{row.low:.2f}, {row.high:.2f}] with retraining, whose own ceiling is {row.ceiling:.2f}{ranks}: "
            f"{verdict}."
        )
    if not found:
        lines.append(
            f"No published leaderboard has rows for {task} and {question}: nothing says how far {method} can be "
            "trusted."
        )
    lines.append(
        f"No leaderboard has measured your {contributors} contributors of about {examples:,} examples each, nor your "
        f"model: {'the audit' if audited else '--audit N'} retrains on your own data and says how well the values "
        "foretell it."
    )
    return lines


def _ranks(row: Row) -> str:
    return f"{row.rank_low}" if row.rank_low == row.rank_high else f"{row.rank_low}–{row.rank_high}"
