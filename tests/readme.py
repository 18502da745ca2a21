"""The pages that people read, and what the README has of stored results: ``python -m tests.readme`` draws it again."""

from __future__ import annotations

import re
from functools import cache
from itertools import groupby
from pathlib import Path

from harness import registry
from harness.config import load_suite
from harness.records.results import load
from harness.report.leaderboard import leaderboard
from harness.report.markdown import overall_short
from harness.report.view import View

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
SUITE = ROOT / "leaderboards" / "embedded"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = {page.name: page.read_text(encoding="utf-8") for page in (README, *DOCS)}


def code_of(language: str, text: str) -> list[str]:
    """Every block of code in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def blocks(language: str, page: str) -> list[str]:
    """Those of a page, by its file's name."""
    return code_of(language, PAGES[page])


def commands(text: str) -> list[str]:
    """The lines of what a shell is given."""
    return [line for code in code_of("sh", text) for line in code.splitlines()]


def block(name: str) -> re.Pattern[str]:
    """The place of what is drawn under a name."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def drawn() -> dict[str, str]:
    """What stands in each place: the table over all tasks, and how far simple features go, as stored results say."""
    view = _view()
    return {"leaderboard": f"\n{overall_short(view)}\n\n", "baselines": f"\n{simple_features(view)}\n\n"}


@cache
def _view() -> View:
    return leaderboard(load_suite(SUITE / "suite.toml"), load(SUITE / "results"))


def simple_features(view: View) -> str:
    """In which tables of a task and question a one-feature baseline is first, and how near to perfect the first is."""
    tables = [one for one in view.verdicts if one.task and one.question and one.ranked]
    firsts = sorted((one.ranked[0], str(one.task), str(one.question), len(one.top) == 1) for one in tables)
    simple = [first for first in firsts if is_baseline(first[0])]
    of_method = [
        f"{method} {' and '.join(_place(*place) for _, *place in places)}"
        for method, places in groupby(simple, key=lambda first: first[0])
    ]
    shares = {(cell.task, cell.question, cell.method): cell.fraction_of_ceiling for cell in view.cells}
    best = [shares[one.task, one.question, one.ranked[0]] for one in tables]
    where = f"of the {len(tables)} tables** of a task and question"
    told = (
        f"**A one-feature baseline scores highest in {len(simple)} {where}: {'; '.join(of_method)}. There, pools can "
        "be ordered without any theory of value; yours need not be."
        if simple
        else f"**A one-feature baseline scores highest in none {where}."
    )
    return f"{told} The highest score of a table is {min(best):.0%} to {max(best):.0%} of its ceiling."


def _place(task: str, question: str, is_alone: bool) -> str:
    return f"on {task} {question}{' (ahead of every other method)' if is_alone else ''}"


def is_baseline(method: str) -> bool:
    """Whether a method of the table calls itself a baseline, or lies among them (the MMD names its paper)."""
    known = registry.methods().get(method)
    if known is None:
        return False
    return known.entry.where.startswith("methods.baselines:") or registry.method(method).source.startswith("baseline")


def redrawn(text: str) -> str:
    """A page with its places drawn again.

    Raises:
        ValueError: it has no such place.
    """
    for name, content in drawn().items():
        text, places = block(name).subn(lambda _, content=content: content, text)
        if places != 1:
            raise ValueError(f"{README.name} has {places} places <!-- {name} -->, expected one")
    return text


if __name__ == "__main__":
    README.write_text(redrawn(README.read_text(encoding="utf-8")), encoding="utf-8")
