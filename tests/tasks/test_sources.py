"""Descriptions of data sets, and reading the texts that they describe from files."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from tasks.sources.description import catalogue, format_of, load_source
from tasks.sources.reading import read
from tasks.sources.table import Table, spread
from tests.tasks.sources_small import ROWS, described, write_rows


def write_toml(file: Path, lines: str) -> str:
    file.write_text(lines, encoding="utf-8")
    return str(file)


def pairs(table: Table) -> list[tuple[str, str]]:
    return list(zip(table.prompts, table.answers, strict=True))


# --- descriptions -------------------------------------------------------------------------------------


def test_every_description_of_the_catalogue_is_sound_and_says_what_it_is() -> None:
    for name, file in catalogue().items():
        source = load_source(name)
        assert source.name == name == file.stem
        assert source.summary.endswith(".")
        assert source.licence


def test_every_task_has_both_sides_from_files_and_texts_from_the_hub() -> None:
    sources = [load_source(name) for name in catalogue()]
    on_hub = {(source.task, source.side) for source in sources if source.hub}
    in_files = {(source.task, source.side) for source in sources if source.path}
    for task in ("sentiment", "instruction-following", "reasoning"):
        for side in ("real", "synthetic"):
            assert (task, side) in on_hub
            assert (task, side) in in_files
    assert ("image-classification", "real") in on_hub & in_files


def test_revisions_are_pinned_to_commits_but_for_the_one_that_says_so() -> None:
    hub = {name: load_source(name) for name in catalogue() if load_source(name).hub}
    unpinned = {name for name, source in hub.items() if source.revision is None}
    assert unpinned == {"cifar-100"}
    assert "not pinned" in hub["cifar-100"].summary
    for source in hub.values():
        assert source.revision is None or re.fullmatch("[0-9a-f]{40}", source.revision)


def test_an_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(UserError, match=r"No data source is called 'gsm8'\. Did you mean gsm8k"):
        load_source("gsm8")


def test_a_file_of_ones_own_is_read_and_named_after_itself(tmp_path: Path) -> None:
    lines = """
        task = "sentiment"
        side = "synthetic"
        path = "mine/*.csv"
        labels = { 0 = "bad", 1 = "good" }
        columns = { prompt = "{text}", answer = "{label}" }
        where = { language = ["en", "fr"] }
    """
    source = load_source(write_toml(tmp_path / "mine.toml", lines))
    assert (source.name, source.files_format) == ("mine", "csv")
    assert source.where == {"language": ("en", "fr")}


TEXT = 'task = "reasoning"\nside = "real"\n'
FIELDS = '[columns]\nprompt = "{q}"\nanswer = "{a}"\n'
IMAGES = 'task = "image-classification"\nside = "real"\n'
PAIR = 'path = { images = "a-ubyte", labels = "b-ubyte" }\n'


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('side = "real"\n', r"task: Field required\."),
        (TEXT.replace("reasoning", "poetry"), r"task: Input should be .*, got 'poetry'\."),
        (TEXT + 'path = "x.csv"\ncolour = 3\n' + FIELDS, r"No key of a data source is called 'colour'"),
        (TEXT + FIELDS, "either a path in the data folder or a data set's name on the hub, got neither"),
        (TEXT + 'path = "x.csv"\nhub = "a/b"\n' + FIELDS, "on the hub, not both"),
        (TEXT + 'hub = "a/b"\n' + FIELDS, "split: say which split of a/b"),
        (TEXT + 'hub = "b"\nsplit = "train"\n' + FIELDS, "owner/name, got 'b'"),
        (TEXT + 'hub = "a/b"\nsplit = "train"\nstreaming = true\n' + FIELDS, "streaming: needs a limit"),
        (TEXT + 'hub = "a/b"\nsplit = "train"\nformat = "csv"\n' + FIELDS, "format: is for files"),
        (TEXT + 'path = "x.csv"\nrevision = "1"\n' + FIELDS, "revision: is for the hub"),
        (
            TEXT + 'path = "x.xls"\n' + FIELDS,
            "cannot tell the format of 'x.xls' from its end; say format = one of jsonl",
        ),
        (TEXT + 'path = "x.csv"\ncolumns = { prompt = "{q}" }\n', "needs prompt and answer, answer is missing"),
        (TEXT + 'path = "x.csv"\ncolumns = { prompt = "q", answer = "{a}" }\n', "put a column's name in braces"),
        (TEXT + 'path = "x.csv"\n' + FIELDS + 'topic = "{t}"\n', "'topic' is no field of reasoning"),
        (TEXT + 'path = "x.npz"\n' + FIELDS, "npz holds images, but the task is reasoning"),
        (TEXT + 'path = "x.csv"\nclasses = 3\n' + FIELDS, "classes: is for images"),
        (TEXT + 'path = "x.csv"\nlimit = 0\n' + FIELDS, r"limit: .* greater than 0, got 0"),
        (TEXT + 'path = "x.csv"\nextract = { answer = "(" }\n' + FIELDS, "'answer' is no regular expression"),
        (
            TEXT + 'path = "x.csv"\nextract = { answer = "a" }\n' + FIELDS,
            r"needs exactly one group \(\.\.\.\), it has 0",
        ),
        (TEXT + 'path = "x.csv"\nextract = { topic = "(a)" }\n' + FIELDS, "extract: there is no field 'topic'"),
        (TEXT.replace("reasoning", "sentiment") + 'path = "x.csv"\n' + FIELDS, "labels: sentiment needs them"),
        (IMAGES + 'path = { images = "a-ubyte" }\n', "two files are given as images and labels, got images"),
        (IMAGES + 'path = "a-ubyte"\n', "idx and npy files are given as {images"),
        (IMAGES + PAIR + 'columns = { image = "i" }\n', "'image' is no field of image-classification; there are: none"),
        (IMAGES + 'path = "a.npz"\ncolumns = { image = "{i}", label = "l" }\n', "without braces"),
        (
            IMAGES + 'path = "a.npz"\ncolumns = { image = "i", label = "l" }\nwhere = { a = "1" }\n',
            "no columns to choose",
        ),
        (IMAGES + PAIR + "unescape = true\n", "unescape: is for texts"),
        ("= 3", "Cannot read the data source"),
    ],
)
def test_a_mistake_in_a_description_is_told_with_its_file_and_key(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_source(write_toml(tmp_path / "mine.toml", lines))
    assert "mine.toml" in str(caught.value)


def test_a_description_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Cannot read the data source .*gone\.toml"):
        load_source(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.jsonl", "jsonl"),
        ("b.csv.gz", "csv"),
        ("b.tsv", "tsv"),
        ("data/train-*.parquet", "parquet"),
        ("t10k-labels-idx1-ubyte", "idx.gz"),
        ("t10k-labels-idx1-ubyte.gz", "idx.gz"),
        ("b.npz", "npz"),
        ("b.json", "json"),
        ("b.txt", None),
    ],
)
def test_the_end_of_a_path_tells_the_format(path: str, expected: str | None) -> None:
    assert format_of(path) == expected


# --- formats ------------------------------------------------------------------------------------------

EXPECTED = [(row["question"], row["reply"]) for row in ROWS]


def write_frame(folder: Path, name: str) -> None:
    frame = pd.DataFrame(ROWS)
    if name.endswith(".parquet"):
        frame.to_parquet(folder / name)
    else:
        frame.to_csv(folder / name, index=False)


@pytest.mark.parametrize("name", ["small.csv", "small.csv.gz", "small.parquet"])
def test_what_pandas_wrote_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    write_frame(tmp_path, name)
    table = read(described(path=name), tmp_path)
    assert pairs(table) == EXPECTED
    assert list(table.places) == [f"{name}, row {k}" for k in (1, 2, 3, 4)]
    assert table.left_out == {}


def test_json_lines_are_read_plain_and_gzipped(tmp_path: Path) -> None:
    file = write_rows(tmp_path, ROWS)
    (tmp_path / "small.jsonl.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert pairs(read(described(), tmp_path)) == EXPECTED
    assert pairs(read(described(path="small.jsonl.gz"), tmp_path)) == EXPECTED


def test_a_quote_is_an_ordinary_character_between_tabs(tmp_path: Path) -> None:
    (tmp_path / "small.tsv").write_text('question\treply\n"so, what?\t5" wide\n', encoding="utf-8")
    assert pairs(read(described(path="small.tsv"), tmp_path)) == [('"so, what?', '5" wide')]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("question,reply\nq,a\n", encoding="utf-8-sig")
    assert pairs(read(described(path="small.csv"), tmp_path)) == [("q", "a")]


letters = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(letters, letters), min_size=1, max_size=40))
def test_any_text_survives_every_format(tmp_path: Path, texts: list[tuple[str, str]]) -> None:
    rows = [{"question": "q " + question, "reply": "a " + reply} for question, reply in texts]
    expected = [(row["question"].strip(), row["reply"].strip()) for row in rows]
    write_rows(tmp_path, rows)
    pd.DataFrame(rows).to_csv(tmp_path / "small.csv", index=False)
    pd.DataFrame(rows).to_parquet(tmp_path / "small.parquet")
    for name in ("small.jsonl", "small.csv", "small.parquet"):
        assert pairs(read(described(path=name), tmp_path)) == expected


def test_files_of_a_glob_follow_one_another_by_name(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"question": "b", "reply": "2"}], "part-b.jsonl")
    write_rows(tmp_path, [{"question": "a", "reply": "1"}, {"question": "aa", "reply": "11"}], "part-a.jsonl")
    table = read(described(path="part-*.jsonl"), tmp_path)
    assert pairs(table) == [("a", "1"), ("aa", "11"), ("b", "2")]
    assert list(table.places) == ["part-a.jsonl, row 1", "part-a.jsonl, row 2", "part-b.jsonl, row 1"]


def test_a_column_that_is_empty_in_the_first_file_takes_the_type_of_the_next(tmp_path: Path) -> None:
    columns = {"prompt": "{question}\n{more}", "answer": "{reply}"}
    write_rows(tmp_path, [{"question": "a", "more": None, "reply": "1"}], "part-a.jsonl")
    write_rows(tmp_path, [{"question": "b", "more": "c", "reply": "2"}], "part-b.jsonl")
    assert read(described(path="part-*.jsonl", columns=columns), tmp_path).prompts == ["a", "b\nc"]


def test_copies_of_the_rows_are_kept_only_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, own, kept = (tmp_path / name for name in ("data", "own", "kept"))
    for folder in (data, own, kept):
        folder.mkdir()
    write_rows(data, ROWS)
    monkeypatch.setattr("tempfile.tempdir", str(own))
    monkeypatch.delenv("DATAWORTH_CACHE", raising=False)
    read(described(), data)
    assert list(own.iterdir()) == []
    monkeypatch.setenv("DATAWORTH_CACHE", str(kept))
    read(described(), data)
    assert list(own.iterdir()) == []
    assert [folder.name for folder in kept.iterdir()] == ["rows"]
    assert [file.name for file in data.iterdir()] == ["small.jsonl"]
    write_rows(data, ROWS[:1])
    assert len(read(described(), data)) == 1  # a file that has changed is read anew


@pytest.mark.parametrize("name", ["small.jsonl", "small.csv"])
def test_a_file_replaced_with_its_size_and_time_kept_is_read_anew(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAWORTH_CACHE", str(tmp_path / "kept"))
    found, stats = [], []
    for reply in ("old", "new"):
        if name.endswith(".csv"):
            (tmp_path / name).write_text(f"question,reply\nq,{reply}\n")
        else:
            write_rows(tmp_path, [{"question": "q", "reply": reply}])
        os.utime(tmp_path / name, ns=(10**18, 10**18))
        stats.append(((tmp_path / name).stat().st_size, (tmp_path / name).stat().st_mtime_ns))
        found.append(pairs(read(described(path=name), tmp_path)))
    assert stats[0] == stats[1]
    assert found == [[("q", "old")], [("q", "new")]]


def test_a_folder_that_cannot_keep_rows_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(tmp_path, ROWS)
    monkeypatch.setenv("DATAWORTH_CACHE", str(tmp_path / "small.jsonl"))
    with pytest.raises(UserError, match=r"Cannot keep rows in .*rows: Not a directory\. .*DATAWORTH_CACHE"):
        read(described(), tmp_path)


def test_a_name_that_looks_like_a_pattern_is_taken_as_it_is(tmp_path: Path) -> None:
    write_rows(tmp_path, ROWS[:1], "part[1].jsonl")
    write_rows(tmp_path, ROWS, "part1.jsonl")
    assert len(read(described(path="part[1].jsonl"), tmp_path)) == 1


# --- fields -------------------------------------------------------------------------------------------


def test_templates_are_filled_and_an_empty_value_leaves_no_edge(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"q": "Add", "more": "1 and 2", "a": 3}, {"q": "Rest", "more": None, "a": 4}])
    columns = {"prompt": "{q}\n{more}", "answer": "It is {a}."}
    assert pairs(read(described(columns=columns), tmp_path)) == [("Add\n1 and 2", "It is 3."), ("Rest", "It is 4.")]


def test_templates_reach_into_lists_and_tables(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]
    write_rows(tmp_path, [{"turns": turns, "meta": {"a b": "x"}}, {"turns": turns[:1], "meta": {"a b": "y"}}])
    columns = {"prompt": "{turns[0][value]} {meta[a b]}", "answer": "{turns[1][value]}"}
    table = read(described(columns=columns), tmp_path)
    assert pairs(table) == [("Hi x", "Hello")]
    assert table.left_out == {"empty": 1}


@pytest.mark.parametrize(
    ("value", "expected"), [(504.0, "504"), (0.5, "0.5"), (True, "true"), (7, "7"), (["a", 1], '["a", "1"]')]
)
def test_values_that_are_no_text_become_text(tmp_path: Path, value: object, expected: str) -> None:
    write_rows(tmp_path, [{"question": "q", "reply": value}])
    if isinstance(value, list):
        write_rows(tmp_path, [{"question": "q", "reply": ["a", "1"]}])
    assert read(described(), tmp_path).answers == [expected]


def test_rows_are_chosen_by_their_values(tmp_path: Path) -> None:
    rows = [{"question": str(k), "reply": "r", "good": k % 2 == 0, "topic": "abc"[k % 3]} for k in range(12)]
    write_rows(tmp_path, rows)
    table = read(described(where={"good": "true", "topic": ["a", "c"]}), tmp_path)
    assert table.prompts == [row["question"] for row in rows if row["good"] and row["topic"] in "ac"]
    assert table.left_out == {"not wanted (where)": 8}
    assert table.places[1] == "small.jsonl, row 3"


def test_answers_are_cut_and_rows_without_a_match_are_left_out_and_counted(tmp_path: Path) -> None:
    replies = ["long way #### 12", "no end", "#### 7", ""]
    write_rows(tmp_path, [{"question": "q", "reply": reply} for reply in replies])
    table = read(described(extract={"answer": "#### (.*)"}), tmp_path)
    assert table.answers == ["12", "7"]
    assert table.left_out == {"no match (extract)": 2}
    assert read(described(), tmp_path).left_out == {"empty": 1}


def test_entities_become_characters_where_that_is_asked_for(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"question": "&#34;Good&#34; &amp; new", "reply": "r"}])
    assert read(described(unescape=True), tmp_path).prompts == ['"Good" & new']
    assert read(described(), tmp_path).prompts == ["&#34;Good&#34; &amp; new"]


def test_a_key_stands_beside_the_prompt(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"question": "Translate.", "more": "one", "reply": "un"}])
    columns = {"prompt": "{question}\n{more}", "answer": "{reply}", "key": "{more}"}
    assert read(described(columns=columns), tmp_path).keys == ["one"]
    assert read(described(), tmp_path).keys == ["Translate."]


def test_a_limit_takes_rows_from_all_over(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"question": str(k), "reply": "r"} for k in range(10)])
    assert read(described(limit=5), tmp_path).prompts == ["0", "2", "4", "6", "8"]
    assert len(read(described(limit=50), tmp_path)) == 10


@given(st.integers(0, 500), st.integers(1, 60))
def test_spread_rows_are_distinct_and_evenly_far_apart(count: int, limit: int) -> None:
    rows = spread(count, limit).tolist()
    assert len(rows) == min(count, limit)
    gaps = {after - before for before, after in itertools.pairwise(rows)}
    assert max(gaps, default=1) - min(gaps, default=1) <= 1
    assert min(gaps, default=1) >= 1
    assert not rows or (rows[0] == 0 and rows[-1] < count)


def test_taking_rows_takes_all_of_them() -> None:
    table = Table(described(), ["p0", "p1", "p2"], ["a", "b", "c"], ["x", "y", "z"], ["k", "l", "m"])
    taken = table.take([2, 0])
    assert (taken.places, taken.prompts, taken.answers, taken.keys) == (
        ["p2", "p0"],
        ["c", "a"],
        ["z", "x"],
        ["m", "k"],
    )
    assert len(taken) == 2


# --- the real files -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data_folder() -> Path:
    named = os.environ.get("DATAWORTH_DATA")
    if not named:
        pytest.skip("DATAWORTH_DATA names no folder with the real files")
    return Path(named)


@pytest.mark.parametrize("name", [name for name in catalogue() if load_source(name).path and name != "cifar-100-c"])
def test_the_catalogue_reads_every_row_that_the_manifest_counts(data_folder: Path, name: str) -> None:
    source = load_source(name)
    manifest = json.loads((data_folder / "manifest.json").read_text())
    counted = {file["path"]: file["rows"] for part in manifest["datasets"] for file in part["files"]}
    pattern = source.path if isinstance(source.path, str) else source.first_path
    expected = sum(counted[file.relative_to(data_folder).as_posix()] for file in data_folder.glob(pattern))
    table = read(source, data_folder)
    assert len(table) + sum(table.left_out.values()) == expected
    assert sum(count for why, count in table.left_out.items() if why != "not wanted (where)") <= 0.01 * expected
    if source.labels:
        assert set(table.answers) == set(source.labels.values())
    assert not any("&#34;" in prompt for prompt in table.prompts)
