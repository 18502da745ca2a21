"""Results as pandas frames, for people who go on from them in Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.config import RESULTS, suite_folders, suites
from harness.errors import UserError, unknown
from harness.records.results import TruthRecord, ValuationRecord, load
from harness.report.leaderboard_csv import OVERALL, TABLE
from harness.types import Floats

if TYPE_CHECKING:  # pandas takes half a second to import
    import pandas as pd


_RANKS = {"rank_low": "Int64", "rank_high": "Int64", "rank": "Int64"}
"""Whole numbers that may be missing; tables of older versions have one rank."""


def load_leaderboard(name: str | Path) -> pd.DataFrame:
    """The rows of a leaderboard: one for each task, question and method, and one for each truth.

    Args:
        name: a published suite, such as "embedded-quick", or the folder of a run (or the file in it).

    Raises:
        UserError: there is no such leaderboard.
    """
    import pandas as pd

    board = pd.read_csv(_folder(name, TABLE) / TABLE, dtype=_RANKS)
    return board.assign(reason=board["reason"].fillna(""))


def load_overall(name: str | Path) -> pd.DataFrame:
    """Each method's means over tasks: one row for each question and method, and for ``all``, the mean over questions.

    ``tasks`` counts those with a score and ``pools`` theirs together; a method that lacks one on a task has no mean.

    Args, Raises: as ``load_leaderboard``.
    """
    import pandas as pd

    return pd.read_csv(_folder(name, OVERALL) / OVERALL, dtype=_RANKS)


def load_values(name: str | Path) -> pd.DataFrame:
    """What each method said of each contributor, beside the truth; one row a task, pool, question, method, contributor.

    ``value`` and ``truth`` are means over repeats; ``value_sd`` and ``truth_sd`` are the standard deviations of one
    repeat, nan where there is only one. Answers that failed or did not suit have no rows.

    Args:
        name: a published suite, such as "embedded-quick", or the folder of a run.

    Raises:
        UserError: there are no such results.
    """
    import pandas as pd

    results = load(_folder(name, RESULTS) / RESULTS)
    records = [record for task in results.tasks() for record in results.of_task(task)]
    truths = {(r.task, r.pool, r.question): r for r in records if isinstance(r, TruthRecord) and r.status == "ok"}
    found = []
    for said in (r for r in records if isinstance(r, ValuationRecord) and r.status == "ok"):
        place = {"task": said.task, "pool": said.pool, "question": said.question, "method": said.method}
        sides = _statistics("value", said.values)
        if truth := truths.get((said.task, said.pool, said.question)):
            sides |= _statistics("truth", truth.values)
        found.append(pd.DataFrame({**place, "contributor": results.pools[said.task, said.pool].contributors, **sides}))
    columns = ["task", "pool", "question", "method", "contributor", "value", "value_sd", "truth", "truth_sd"]
    return pd.concat(found, ignore_index=True).reindex(columns=columns) if found else pd.DataFrame(columns=columns)


def _statistics(name: str, values: tuple[tuple[float, ...], ...]) -> dict[str, Floats]:
    """Mean over repeats and standard deviation of one, of each contributor."""
    values_SC = np.array(values)
    spread_C = values_SC.std(axis=0, ddof=1) if len(values_SC) > 1 else np.full(values_SC.shape[1], np.nan)
    return {name: values_SC.mean(axis=0), f"{name}_sd": spread_C}


def _folder(name: str | Path, wanted: str) -> Path:
    """The folder that holds the wanted thing: the named one, or a published suite's."""
    given = Path(name).parent if Path(name).name == wanted else Path(name)
    if (given / wanted).exists():
        return given
    known = {suite: file.parent for suite, file in suites(suite_folders()).items() if (file.parent / wanted).exists()}
    if str(name) in known:
        return known[str(name)]
    if given.is_dir():
        raise UserError(f"{given} holds no {wanted}; name the folder of a finished run, such as runs/embedded-quick.")
    raise unknown("folder of a run or published suite", str(name), known)
