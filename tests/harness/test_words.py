"""What pages explain is what the program means: the glossary, and the made-up tables of the page on reading."""

from __future__ import annotations

import re
from typing import get_args

import numpy as np
import pytest

from harness.report import sentences
from harness.statistics.ranks import rank_ranges
from harness.types import QUESTIONS, Family
from harness.valuing.boards import pairs_right
from tests.readme import PAGES

GLOSSARY = PAGES["glossary.md"]
ENTRIES = dict(re.findall(r"^### (.+?)\n\n(.*?)(?=\n\n### |\Z)", GLOSSARY, re.DOTALL | re.MULTILINE))
LINKS = {page: set(re.findall(r"\]\((?:docs/)?glossary\.md#([\w-]+)\)", text)) for page, text in PAGES.items()}


def rows_of(page: str, heading: str) -> list[list[str]]:
    """The cells of a page's table that begins with this heading."""
    _, found, rest = PAGES[page].partition(f"| {heading} |")
    assert found, f"{page} has no table of {heading}"
    lines = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# --- the glossary -----------------------------------------------------------------------------------------


def test_words_stand_in_the_order_of_the_alphabet() -> None:
    assert list(ENTRIES) == sorted(ENTRIES, key=str.lower)


@pytest.mark.parametrize("word", ENTRIES)
def test_a_word_has_one_or_two_sentences(word: str) -> None:
    text = re.sub(r"\]\([^)]*\)", "]", ENTRIES[word])
    ends = re.findall(r"\.(?=\s|$)", re.sub(r"\([^()]*\)", "", text))
    assert 1 <= len(ends) <= 2


def test_the_field_s_words_are_there() -> None:
    """Those that a reader of tables, of truths and of suites meets first."""
    needed = "contributor coalition utility standalone leave-one-out truth reliability ceiling dagger pool suite seed"
    needed += " overdispersion planted method task question interval spearman jackknife"
    assert {*needed.split(), "shapley value", "rank range", "reference gpu-hours"} <= {word.lower() for word in ENTRIES}


@pytest.mark.parametrize(
    ("mark", "word"),
    [
        (sentences.BEHIND, "Dagger"),
        (sentences.DOUBTED, "Double dagger"),
        (sentences.LOADED_MARK, "Section mark"),
        (sentences.PLANTED, "Planted"),
    ],
)
def test_every_mark_of_a_table_is_explained(mark: str, word: str) -> None:
    assert mark.strip() in ENTRIES[word]


def test_every_question_and_every_family_is_explained() -> None:
    words = [word.lower() for word in ENTRIES]
    wanted = [*QUESTIONS, *(family for family in get_args(Family) if family != "unknown")]
    assert [name for name in wanted if not any(word.startswith(name) for word in words)] == []


def test_the_pages_that_use_the_words_lead_to_them() -> None:
    assert [page for page in ("README.md", "truth.md", "reading.md", "value.md") if not LINKS[page]] == []


# --- the page on reading ----------------------------------------------------------------------------------


def test_the_made_up_table_has_the_rank_ranges_that_its_comparisons_give() -> None:
    rows = rows_of("reading.md", "method")
    names = [row[0] for row in rows]
    scores_M = np.array([float(row[1]) for row in rows])
    apart_MM = np.array([[other in row[2].split(", ") for other in names] for row in rows])
    assert (apart_MM == apart_MM.T).all()
    found = [f"#{ranks.low}–{ranks.high}" for ranks in rank_ranges(scores_M, apart_MM)]
    assert [row[3] for row in rows] == found
    behind = apart_MM[int(np.argmax(scores_M))]
    assert [row[4] == "†" for row in rows] == behind.tolist()


def test_the_share_of_pairs_in_order_is_that_of_a_normal_pair() -> None:
    """By drawing: two numbers of that rank correlation, and how often two draws of both are in one order."""
    rng = np.random.default_rng(0)
    for spearman, share in rows_of("reading.md", "Spearman"):
        r = 2 * np.sin(np.pi * float(spearman) / 6)
        first, second = rng.standard_normal((2, 2, 200_000))
        second = r * first + np.sqrt(1 - r * r) * second
        in_order = np.mean((first[0] < first[1]) == (second[0] < second[1]))
        assert in_order == pytest.approx(float(share.removesuffix(" %")) / 100, abs=0.008)
        assert f"{pairs_right(float(spearman)):.0%}" == share.replace(" ", "")
