"""The README's table: ``python -m tests.readme`` draws it again from the stored results."""

from __future__ import annotations

import re
from pathlib import Path

from harness.config import load_suite
from harness.records.results import load
from harness.report.leaderboard import leaderboard
from harness.report.markdown import overall_short

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
SUITE = ROOT / "leaderboards" / "embedded"
BLOCK = re.compile(r"(?<=<!-- leaderboard -->\n).*?(?=<!-- /leaderboard -->)", re.DOTALL)


def drawn() -> str:
    """The table over all tasks, as the stored results give it."""
    view = leaderboard(load_suite(SUITE / "suite.toml"), load(SUITE / "results"))
    return f"\n{overall_short(view)}\n\n"


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: drawn(), README.read_text(encoding="utf-8")), encoding="utf-8")
