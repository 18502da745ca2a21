"""Near-duplicates and crossings, held against comparing every two rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from tasks.pools.splits import HELD_OUT
from tasks.sources.cleaning import Cleaned, Splits, clean, split, together
from tasks.sources.description import Source
from tasks.sources.near import NEAR, near_texts, normal
from tasks.sources.table import Table

SHARES = {"generator": 0.4, "contributors": 0.3, HELD_OUT: 0.3}


def texts(rows: Sequence[tuple[str, str]], side: str = "real", name: str = "", **changes: Any) -> Table:
    columns = {"prompt": "{q}", "answer": "{a}"}
    content = {"name": name or side, "task": "reasoning", "side": side, "path": "x.csv", "columns": columns}
    prompts, answers = [row[0] for row in rows], [row[1] for row in rows]
    places = [f"x.csv, row {k + 1}" for k in range(len(rows))]
    return Table(Source.model_validate(content | changes), places, prompts, answers, prompts)


def images(pixels: np.ndarray, side: str = "real", name: str = "") -> Table:
    path = {"images": "i-ubyte", "labels": "l-ubyte"}
    content = {"name": name or side, "task": "image-classification", "side": side, "path": path}
    places = [f"i-ubyte, row {k + 1}" for k in range(len(pixels))]
    labels = np.zeros(len(pixels), dtype=np.int64)
    return Table(Source.model_validate(content), places, images=pixels, labels=labels)


@cache
def word_pairs(text: str) -> frozenset[tuple[str, ...]]:
    words = normal(text).split()
    return frozenset(pairwise(words)) if len(words) > 1 else frozenset([tuple(words)])


def alike(one: str, other: str) -> bool:
    """The definition, written out."""
    a, b = word_pairs(one), word_pairs(other)
    return Fraction(len(a & b), len(a | b)) >= NEAR


def rows_of(table: Table) -> list[tuple[str, str]]:
    return list(zip(table.prompts, table.answers, strict=True))


words = st.sampled_from(["a", "b", "c", "A", "d!", "e,"])
sentences = st.lists(words, min_size=0, max_size=14).map(" ".join)
long_sentences = st.tuples(st.lists(st.sampled_from("abcdefgh"), min_size=8, max_size=16), st.integers(0, 15)).map(
    lambda made: " ".join([*made[0], "xyz"[made[1] % 3]])
)
rows = st.lists(st.tuples(st.one_of(sentences, long_sentences), st.sampled_from(["1", "2", "3 is it"])), max_size=14)


# --- which texts are near -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(sentences, long_sentences), min_size=1, max_size=20))
def test_near_is_exactly_jaccard_over_every_two_texts(found: list[str]) -> None:
    neighbours = near_texts(found)
    near = neighbours.near.toarray() > 0
    for i, j in combinations(range(len(found)), 2):
        assert near[neighbours.groups_N[i], neighbours.groups_N[j]] == alike(found[i], found[j])
    assert (near == near.T).all()
    assert near.diagonal().all()


def test_case_marks_and_spaces_make_no_difference() -> None:
    assert normal("The  film -- was GOOD!\n") == "the film was good"
    assert normal("ﬁne ＡＢ") == "fine ab"
    assert normal(" ?! ") == "?!"


def sentence(rng: np.random.Generator, length: int) -> list[str]:
    return [f"w{k}" for k in np.minimum(rng.zipf(1.3, size=length), 30_000)]


def test_every_planted_near_duplicate_of_many_is_found() -> None:
    """12,000 long-tailed texts and 500 with one word of 30 changed, 28 or 29 of at most 31 pairs kept."""
    rng = np.random.default_rng(0)
    originals = [sentence(rng, 30) for _ in range(12_000)]
    chosen = rng.choice(len(originals), size=500, replace=False)
    planted = []
    for k in chosen:
        changed = list(originals[k])
        changed[int(rng.integers(30))] = f"new{k}"
        planted.append(changed)
    every = [" ".join(text) for text in [*originals, *planted]]
    found = near_texts(every)
    pairs = {(int(chosen[n]), len(originals) + n) for n in range(500) if alike(every[chosen[n]], every[12_000 + n])}
    assert len(pairs) > 480
    for original, copy in pairs:
        assert found.near[found.groups_N[original], found.groups_N[copy]] > 0


# --- dropping near-duplicates -------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(rows, rows, rows)
def test_what_stays_is_far_apart_and_what_goes_is_near_something_that_stays(
    one: list[tuple[str, str]], two: list[tuple[str, str]], three: list[tuple[str, str]]
) -> None:
    tables = [texts(one, "synthetic", "made"), texts(two, "real", "first"), texts(three, "real", "second")]
    found = clean(tables)
    kept = [f"{q}\n{a}" for table in found.tables for q, a in rows_of(table)]
    assert not any(alike(*pair) for pair in combinations(kept, 2))
    for before, after in zip(tables, found.tables, strict=True):
        assert found.near_duplicates_dropped[before.source.name] == len(before) - len(after)
        gone = set(before.places) - set(after.places)
        for place, (q, a) in zip(before.places, rows_of(before), strict=True):
            if place in gone:
                assert any(alike(f"{q}\n{a}", other) for other in kept)
    again = clean(found.tables)
    assert sum(again.near_duplicates_dropped.values()) == 0


def test_real_rows_stay_before_synthetic_ones_and_the_first_before_later_ones() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    other = text.replace("seven", "SEVENTEEN")
    made = texts([(text, "x")], "synthetic", "made")
    first, second = texts([(other, "x"), (text, "x")], name="first"), texts([(text, "x")], name="second")
    found = clean([made, second, first])
    assert [rows_of(table) for table in found.tables] == [[], [(text, "x")], []]
    assert found.near_duplicates_dropped == {"made": 1, "second": 0, "first": 2}


def test_two_answers_to_a_question_are_two_rows_but_two_labels_of_a_text_are_not() -> None:
    answers = ("Nine less two is seven.", "There were nine and two went, so there must be 7 of them.")
    both = [("How many are left of nine, when two go?", answer) for answer in answers]
    assert len(clean([texts(both)]).tables[0]) == 2
    labels = {"0": "bad", "1": "good"}
    reviews = texts([("a fine film", "good"), ("A fine film .", "bad")], task="sentiment", labels=labels)
    assert rows_of(clean([reviews]).tables[0]) == [("a fine film", "good")]


def test_the_key_decides_in_place_of_the_prompt() -> None:
    task = "Say in one word what the following text, which someone wrote, is about, and give a reason for it."
    table = texts([(f"{task} {q}", "thing") for q in ("cats", "dogs")])
    assert len(clean([table]).tables[0]) == 1
    keyed = Table(table.source, table.places, table.prompts, table.answers, ["cats", "dogs"])
    assert len(clean([keyed]).tables[0]) == 2


def test_images_are_the_same_once_rounded_to_bytes() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, size=(5, 4, 4, 1)) / 255
    jittered = np.clip(pixels + 0.001, 0, 1)
    found = clean([images(jittered, "synthetic"), images(pixels)])
    assert found.near_duplicates_dropped == {"synthetic": 5, "real": 0}
    other = clean([images(pixels), images(pixels.reshape(5, 2, 8, 1), "synthetic")])
    assert sum(other.near_duplicates_dropped.values()) == 0


def test_tables_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(UserError, match="no tables to clean"):
        clean([])
    with pytest.raises(UserError, match="Two sources are called 'real'"):
        clean([texts([("a", "b")]), texts([("a", "b")])])
    with pytest.raises(UserError, match="Texts and images cannot go together, got real, synthetic"):
        clean([texts([("a", "b")]), images(np.zeros((1, 2, 2, 1)), "synthetic")])


# --- splits -------------------------------------------------------------------------------------------


def questions(count: int, seed: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    return [(" ".join(sentence(rng, int(rng.integers(3, 20)))), str(k)) for k in range(count)]


def with_variants(originals: list[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    """Some questions again, some word for word, some with a word more."""
    rng = np.random.default_rng(seed)
    again = [originals[k] for k in rng.choice(len(originals), size=len(originals) // 3)]
    return [*originals, *((q if k % 2 else f"{q} please", f"again {a}") for k, (q, a) in enumerate(again))]


@pytest.fixture(scope="module")
def originals() -> list[tuple[str, str]]:
    return questions(600, 0)


@pytest.fixture(scope="module")
def divided(originals: list[tuple[str, str]]) -> tuple[list[Table], list[Table], Splits]:
    everything = with_variants(originals, 1)
    real = [texts(everything[:500], name="first"), texts(everything[500:], name="second")]
    made = [texts([*with_variants(originals[::7], 2), *questions(200, 3)], "synthetic", "made")]
    return real, made, split(real, made, SHARES, "salt")


def split_rows(found: Splits) -> dict[str, list[str]]:
    return {name: [q for table in tables for q in table.prompts] for name, tables in found.real.items()}


def test_no_question_is_near_one_of_another_split(divided: tuple[list[Table], list[Table], Splits]) -> None:
    by_split = split_rows(divided[2])
    for one, other in combinations(by_split, 2):
        assert not any(alike(a, b) for a in by_split[one] for b in by_split[other])


def test_no_synthetic_question_is_near_one_that_is_held_out(
    divided: tuple[list[Table], list[Table], Splits],
) -> None:
    _real, made, found = divided
    by_split = split_rows(found)
    held_out = by_split[HELD_OUT]
    kept = found.synthetic[0]
    assert not any(alike(q, other) for q in kept.prompts for other in held_out)
    gone = [q for q, place in zip(made[0].prompts, made[0].places, strict=True) if place not in set(kept.places)]
    assert gone
    assert all(any(alike(q, other) for other in held_out) for q in gone)
    trained_on = by_split["generator"] + by_split["contributors"]
    assert any(alike(q, other) for q in kept.prompts for other in trained_on)  # these may stay


def test_every_row_is_in_one_split_or_counted(divided: tuple[list[Table], list[Table], Splits]) -> None:
    real, made, found = divided
    for number, table in enumerate(real):
        places = [place for tables in found.real.values() for place in tables[number].places]
        assert len(places) == len(set(places))
        assert len(places) + found.crossing_dropped[table.source.name] == len(table)
    assert len(found.synthetic[0]) + found.crossing_dropped["made"] == len(made[0])
    assert 0 < found.crossing_dropped["first"] + found.crossing_dropped["second"] < 100


def test_shares_are_kept_and_the_later_split_keeps_its_rows(
    divided: tuple[list[Table], list[Table], Splits], originals: list[tuple[str, str]]
) -> None:
    by_split = split_rows(divided[2])
    total = sum(len(found) for found in by_split.values())
    for name, share in SHARES.items():
        assert len(by_split[name]) / total == pytest.approx(share, abs=0.07)
    plain = split([texts(originals)], [], SHARES, "salt")
    assert set(split_rows(plain)[HELD_OUT]) <= set(by_split[HELD_OUT])  # variants elsewhere never cost it a row


def test_where_a_question_falls_does_not_depend_on_order_or_other_rows(originals: list[tuple[str, str]]) -> None:
    far_apart = [row for row in originals if len(row[0].split()) > 10]
    whole = split_rows(split([texts(far_apart)], [], SHARES, "salt"))
    backwards = split_rows(split([texts(far_apart[::-1][:150])], [], SHARES, "salt"))
    place = {q: name for name, found in whole.items() for q in found}
    same = [place[q] == name for name, found in backwards.items() for q in found if q in place]
    assert all(same)
    assert len(same) > 100
    other = split_rows(split([texts(far_apart)], [], SHARES, "other salt"))
    assert other != whole


def test_solutions_of_tested_questions_are_never_trained_on() -> None:
    """Several answers a question, as in model solutions of a test set: all of a held-out question's go."""
    originals = questions(200, 4)
    solved = [(q, f"solution {n} of {a} is a number that stands here") for q, a in originals for n in range(4)]
    found = split([texts(originals)], [texts(solved, "synthetic")], SHARES, "salt")
    by_split = split_rows(found)
    left = set(found.synthetic[0].prompts)
    assert not left & set(by_split[HELD_OUT])
    assert left >= set(by_split["contributors"])
    assert found.crossing_dropped["synthetic"] >= 4 * len(by_split[HELD_OUT])


def test_images_of_equal_pixels_share_a_split_and_keep_out_of_training() -> None:
    rng = np.random.default_rng(5)
    pixels = rng.random((300, 3, 3, 1))
    found = split([images(np.concatenate([pixels, pixels]))], [images(pixels, "synthetic")], SHARES, "salt")
    assert found.crossing_dropped["real"] == 0
    held_out = sum(len(table) for table in found.real[HELD_OUT])
    assert found.crossing_dropped["synthetic"] == held_out // 2


def test_splits_of_labelled_rows_are_alike_in_their_labels() -> None:
    """On one real set validation was 53 % negative and test 52 % positive when rows fell by their content alone."""
    words = {"bad": "negative", "good": "positive"}
    rows = [(q, "negative" if k % 3 else "positive") for k, (q, _) in enumerate(questions(600, 7))]
    found = split([texts(rows, task="sentiment", labels=words)], [], SHARES, "salt")
    rng = np.random.default_rng(8)
    classes = np.arange(500) % 7 % 5
    pictured = replace(images(rng.random((500, 2, 2, 1))), labels=classes)
    for made, labels in ((found, [a for _, a in rows]), (split([pictured], [], SHARES, "salt"), classes.tolist())):
        for name, share in SHARES.items():
            (table,) = made.real[name]
            own = table.answers or np.asarray(table.labels).tolist()
            for label in set(labels):
                assert abs(own.count(label) - share * labels.count(label)) <= 1 + 1e-9


def test_chains_of_near_questions_stay_together() -> None:
    """The first is near the second and the second near the third, though the first is not near the third."""
    words = [f"w{k}" for k in range(20)]
    chain = [" ".join(words[start : start + 16]) for start in (0, 2, 4)]
    assert [alike(chain[0], chain[1]), alike(chain[1], chain[2]), alike(chain[0], chain[2])] == [True, True, False]
    others = questions(20, 9)
    found = together([texts([(q, "x") for q in chain[:2]], name="one"), texts([*others, (chain[2], "y")], name="two")])
    assert found[0] == found[1] == found[-1]
    assert len({*found}) == 1 + len({q for q, _ in others})


def test_too_few_rows_for_the_splits_are_refused() -> None:
    with pytest.raises(UserError, match="is empty; give more rows"):
        split([texts(questions(2, 6))], [], SHARES, "salt")
    variants = [("one two three four five six seven eight nine ten", str(k)) for k in range(3)]
    near = [(f"{q} {'eleven' * (k > 0)}", a) for k, (q, a) in enumerate(variants)]
    crowd = [(" ".join([near[0][0], f"x{k}"]), str(k)) for k in range(40)]
    with pytest.raises(UserError, match=r"The split '\w+' is empty once \d+ near-duplicates have gone; give more rows"):
        split([texts(crowd)], [], SHARES, "salt")


def test_the_outcome_is_a_function_of_the_rows(divided: tuple[list[Table], list[Table], Splits]) -> None:
    real, made, found = divided
    again = split(real, made, SHARES, "salt")
    assert split_rows(again) == split_rows(found)
    assert again.crossing_dropped == found.crossing_dropped
    first: Cleaned = clean([*real, *made])
    second: Cleaned = clean([*real, *made])
    assert [table.places for table in first.tables] == [table.places for table in second.tables]
