"""What a file is found to be: the description that is written reads it as pandas, csv and json do."""

from __future__ import annotations

import csv
import json
import struct
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from harness.described import Described, Undescribed
from harness.errors import UserError
from tasks.describing import describe
from tasks.describing.writing import toml_of
from tasks.sources.description import load_source, source_from
from tasks.sources.reading import read
from tasks.sources.table import Table
from tests.command import Command

RNG = np.random.default_rng(8)
WORDS = [f"{a}{b}" for a in "bcdfgl" for b in ("ano", "eti", "iru", "osa", "ülm")]


def words(count: int) -> str:
    return " ".join(WORDS[k] for k in RNG.integers(0, len(WORDS), size=count))


REVIEWS = [
    {"id": str(k), "Review text": f"{words(8)}; {k}", "Stars": str(1 + k % 4) if k % 11 else "", "date": f"2024-{k}"}
    for k in range(120)
]
SOLVED = [{"question": f"{words(6)} {k}?", "worked": words(9), "answer": f"{words(3)} #### {k}"} for k in range(120)]
CHATS = [
    {"id": k, "messages": [{"role": r, "content": f"{r} {k} {words(4)}"} for r in ("system", "user", "assistant")]}
    for k in range(60)
]


def found(folder: Path, *names: str, **changes: Any) -> tuple[Described, Table]:
    """What describes those files, and what the written description reads."""
    asked = Undescribed(tuple(folder / name for name in names), "mine", folder, **changes)
    described = describe(asked)
    (folder / "mine.toml").write_text(described.toml, encoding="utf-8")
    return described, read(load_source(str(folder / "mine.toml")), None)


def write_csv(file: Path, rows: list[dict[str, str]], separator: str = ",", encoding: str = "utf-8") -> None:
    with file.open("w", encoding=encoding, newline="") as opened:
        writer = csv.DictWriter(opened, [*rows[0]], delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)


def write_lines(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


# --- texts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "separator", "encoding", "told"),
    [
        ("excel.csv", ";", "utf-8-sig", "UTF-8, by its byte order mark"),
        ("unicode.txt", "\t", "utf-16", "UTF-16, by its byte order mark"),
        ("western.csv", ",", "cp1252", "no UTF-8, taken for cp1252"),
        ("bars.csv", "|", "utf-8", "UTF-8"),
    ],
)
def test_a_table_with_labels_is_read_as_pandas_reads_it(
    tmp_path: Path, name: str, separator: str, encoding: str, told: str
) -> None:
    write_csv(tmp_path / name, REVIEWS, separator, encoding)
    described, table = found(tmp_path, name)
    frame = pd.read_csv(tmp_path / name, sep=separator, encoding=encoding, dtype=str).dropna(subset="Stars")
    assert table.prompts == frame["Review text"].tolist()
    assert table.answers == frame["Stars"].tolist()
    assert dict(described.found)["encoding"].startswith(told)
    assert described.read == f"120 rows read, {120 - len(frame)} left out (empty); {len(frame)} taken."
    assert (table.source.task, table.source.side) == ("sentiment", "real")
    assert any("encoding is a guess" in doubt for doubt in described.doubts) == (encoding == "cp1252")


def test_labels_get_the_names_that_are_told(tmp_path: Path) -> None:
    write_csv(tmp_path / "reviews.csv", REVIEWS)
    _, table = found(tmp_path, "reviews.csv", labels={"1": "bad", "2": "bad", "3": "good", "4": "good"})
    expected = ["bad" if row["Stars"] in "12" else "good" for row in REVIEWS if row["Stars"]]
    assert table.answers == expected
    with pytest.raises(UserError, match=r"--labels: no row has the label '9'; there are '1', '2', '3', '4'\."):
        found(tmp_path, "reviews.csv", labels={"9": "best"})


@pytest.mark.parametrize("name", ["solved.jsonl", "solved.json", "solved.tsv", "solved.parquet", "inside.json"])
def test_prompts_with_answers_in_words_are_the_same_from_every_format(tmp_path: Path, name: str) -> None:
    if name == "solved.jsonl":
        write_lines(tmp_path / name, SOLVED)
    elif name == "solved.parquet":
        pd.DataFrame(SOLVED).to_parquet(tmp_path / name)
    elif name == "solved.tsv":
        write_csv(tmp_path / name, SOLVED, "\t")
    else:
        content = {"version": [1], "data": SOLVED} if name == "inside.json" else SOLVED
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    described, table = found(tmp_path, name)
    assert table.source.task == "reasoning"
    assert table.prompts == [row["question"] for row in SOLVED]
    assert table.answers == [row["answer"] for row in SOLVED]
    assert "100% of answers end in a number" in dict(described.found)["task"]


def test_an_instruction_takes_its_input_along_and_rows_without_an_answer_are_told(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"{words(5)} {k}", "input": words(3) if k % 2 else "", "output": words(6) if k % 3 else None}
        for k in range(90)
    ]
    (tmp_path / "asked.json").write_text(json.dumps(rows), encoding="utf-8")
    described, table = found(tmp_path, "asked.json")
    left = [row for row in rows if row["output"]]
    assert table.prompts == [f"{row['instruction']}\n{row['input']}".strip() for row in left]
    assert table.source.task == "instruction-following"
    assert described.read == "90 rows read, 30 left out (empty); 60 taken."


def test_the_first_question_of_a_conversation_and_its_answer_are_found(tmp_path: Path) -> None:
    write_lines(tmp_path / "chats.jsonl", CHATS)
    described, table = found(tmp_path, "chats.jsonl")
    assert table.prompts == [row["messages"][1]["content"] for row in CHATS]
    assert table.answers == [row["messages"][2]["content"] for row in CHATS]
    assert any("the first question and its answer are taken" in doubt for doubt in described.doubts)


def test_a_file_of_one_label_alone_is_one_of_labels_and_that_is_told(tmp_path: Path) -> None:
    write_csv(tmp_path / "good.csv", [{"text": f"{words(7)} {k}", "label": "good"} for k in range(30)])
    described, table = found(tmp_path, "good.csv")
    assert (table.source.task, set(table.answers)) == ("sentiment", {"good"})
    assert "Every row has the label 'good'; a model needs two." in described.doubts


def test_labels_inside_of_lists_and_tables_are_found(tmp_path: Path) -> None:
    rows = [
        {"doc": {"title": words(1), "body": words(9)}, "marks": [{"label": ["good", "bad"][k % 2]}]} for k in range(60)
    ]
    write_lines(tmp_path / "nested.jsonl", rows)
    _, table = found(tmp_path, "nested.jsonl")
    assert table.prompts == [row["doc"]["body"] for row in rows]
    assert table.answers == [row["marks"][0]["label"] for row in rows]


def test_a_column_that_is_mostly_empty_is_told(tmp_path: Path) -> None:
    rows = [{"body": words(8) if k % 5 == 0 else "", "subject": words(4), "queue": "ab"[k % 2]} for k in range(200)]
    write_lines(tmp_path / "tickets.jsonl", rows)
    described, _ = found(tmp_path, "tickets.jsonl")
    assert any("'body' is empty in 80% of the rows" in doubt for doubt in described.doubts)
    told, _ = found(tmp_path, "tickets.jsonl", columns={"text": "subject"})
    assert not any("is empty in" in doubt for doubt in told.doubts)


def test_an_answer_inside_of_answers_is_its_text_and_no_number(tmp_path: Path) -> None:
    rows = [
        {"context": words(12), "question": f"{words(4)} {k}?", "answers": {"answer_start": [k], "text": [words(2)]}}
        for k in range(40)
    ]
    write_lines(tmp_path / "read.jsonl", rows)
    described, table = found(tmp_path, "read.jsonl")
    assert table.answers == [row["answers"]["text"][0] for row in rows]
    assert table.prompts == [f"{row['question']}\n{row['context']}" for row in rows]
    assert any(doubt.startswith("40 rows are too few for a suite") for doubt in described.doubts)


def test_texts_that_are_not_taken_are_told(tmp_path: Path) -> None:
    rows = [
        {"premise": words(6), "hypothesis": words(5), "gold_label": ["yes", "no", "maybe"][k % 3]} for k in range(60)
    ]
    write_lines(tmp_path / "pairs.jsonl", rows)
    described, table = found(tmp_path, "pairs.jsonl")
    assert table.answers == [row["gold_label"] for row in rows]
    assert any(doubt.startswith("Texts too, and not taken: hypothesis.") for doubt in described.doubts)
    _, table = found(tmp_path, "pairs.jsonl", columns={"text": "{premise}\n{hypothesis}"})
    assert table.prompts == [f"{row['premise']}\n{row['hypothesis']}" for row in rows]


def test_a_column_of_real_and_synthetic_tells_the_sides(tmp_path: Path) -> None:
    rows = [{"text": f"{words(7)} {k}", "label": ["no", "yes"][k % 2], "is_synthetic": k % 5 == 0} for k in range(100)]
    pd.DataFrame(rows).to_parquet(tmp_path / "both.parquet")
    for side, wanted in (("real", False), ("synthetic", True)):
        described, table = found(tmp_path, "both.parquet", side=side)
        assert table.source.side == side
        assert table.prompts == [row["text"] for row in rows if row["is_synthetic"] is wanted]
        assert any("Describe the others too" in doubt for doubt in described.doubts)


def test_columns_whose_names_tell_nothing_are_found_by_what_they_hold_or_told(tmp_path: Path) -> None:
    rows = [{"n": str(k), "eins": words(8), "zwei": ["ja", "nein"][k % 2], "drei": words(5)} for k in range(80)]
    write_csv(tmp_path / "odd.csv", rows)
    described, table = found(tmp_path, "odd.csv")
    assert (table.prompts[0], table.answers[0]) == (rows[0]["eins"], "ja")
    assert sum("by what it holds alone" in doubt for doubt in described.doubts) == 2
    _, table = found(tmp_path, "odd.csv", columns={"prompt": "{n}: {drei}", "answer": "eins"})
    assert (table.prompts[3], table.answers[3]) == (f"3: {rows[3]['drei']}", rows[3]["eins"])


def test_examples_are_what_the_task_would_encode(tmp_path: Path) -> None:
    """The tokens that are shown spell the text: put together they are the text, in lower case, as far as it is kept."""
    write_lines(tmp_path / "solved.jsonl", SOLVED)
    described, table = found(tmp_path, "solved.jsonl")
    assert [example.place for example in described.examples] == [f"solved.jsonl, row {k}" for k in (1, 41, 81)]
    for example, k in zip(described.examples, (0, 40, 80), strict=True):
        parts = dict(example.parts)
        assert (parts["prompt"], parts["answer"]) == (SOLVED[k]["question"], SOLVED[k]["answer"])
        shown, _, count = parts["and learns"].rpartition(" (")
        pieces = shown.split("|")
        assert "".join(pieces).strip() == f"{SOLVED[k]['answer']}[end]".lower()
        assert count == f"{len(pieces)} tokens)"
    assert len(table) == 120


strange = st.text(min_size=1, max_size=8).filter(lambda text: not set(text) & set("{}"))


@given(
    names=st.lists(strange, min_size=2, max_size=2, unique=True),
    labels=st.dictionaries(strange, strange, min_size=1, max_size=4),
    where=st.dictionaries(strange, st.one_of(strange, st.lists(strange, min_size=1, max_size=3)), max_size=2),
    doubts=st.lists(strange, max_size=2),
    separator=st.sampled_from(["\t", ";", "'", '"']),
)
def test_whatever_names_and_labels_are_the_file_says_them_as_they_are(
    names: list[str], labels: dict[str, str], where: dict[str, Any], doubts: list[str], separator: str
) -> None:
    """What is written holds the same keys by Python's own reader of TOML; no text of the data breaks out of it."""
    content = {
        "task": "sentiment",
        "side": "real",
        "path": ["a.csv", f"{names[0]}.csv"],
        "separator": separator,
        "labels": labels,
        "columns": {"prompt": f"{{{names[0]}}}", "answer": f"{{{names[1]}}}"},
        **({"where": where} if where else {}),
    }
    source = source_from({"name": "mine", **content}, "here", None)
    assert tomllib.loads(toml_of(source, doubts)) == content


# --- images -------------------------------------------------------------------------------------------


def test_a_folder_of_pictures_by_class_is_described(tmp_path: Path) -> None:
    for k in range(12):
        own = tmp_path / "animals" / ("ape", "bee", "cat")[k % 3]
        own.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(RNG.integers(0, 256, (20 + k, 30, 3), dtype=np.uint8)).save(own / f"{k}.png")
    described, table = found(tmp_path, "animals")
    assert (table.source.paths, table.source.pixels) == (("animals/*/*.png",), 32)
    assert sorted({table.names[k] for k in np.asarray(table.labels)}) == ["ape", "bee", "cat"]
    assert dict(described.found)["classes"] == "ape (4), bee (4), cat (4)"
    assert {"size": "32 x 32 x 3", "label": "ape (class 0)"}.items() <= dict(described.examples[0].parts).items()


def test_arrays_are_told_from_their_labels(tmp_path: Path) -> None:
    images, labels = RNG.integers(0, 256, (30, 8, 8), dtype=np.uint8), (np.arange(30) % 3).astype(np.uint8)
    np.savez(tmp_path / "both.npz", b=images, a=labels)
    for name, array in (("x-images-idx3-ubyte", images), ("x-labels-idx1-ubyte", labels)):
        (tmp_path / name).write_bytes(
            struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
        )
    for names in (("both.npz",), ("x-images-idx3-ubyte",), ("x-labels-idx1-ubyte", "x-images-idx3-ubyte")):
        _, table = found(tmp_path, *names)
        np.testing.assert_allclose(np.asarray(table.images)[..., 0], images / 255, atol=1e-7)
        assert np.asarray(table.labels).tolist() == labels.tolist()


# --- what cannot be told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "changes", "said"),
    [
        ({}, {}, "There is no file or folder"),
        ({"a.csv": "1,2\n3,4\n"}, {}, "neither names nor values tell what its columns are: 1, 2. Say it: --columns"),
        ({"a.csv": "text,label\nso,1\n"}, {"task": "poetry"}, "No task is called 'poetry'"),
        ({"a.csv": "text,label\nso,1\n"}, {"columns": {"label": "gone"}}, "has no column 'gone'; it has text, label"),
        ({"a.csv": "text,label\nso,1\n"}, {"columns": {"topic": "text"}}, "No field of --columns is called 'topic'"),
        ({"a.csv": "q,a\n1,2\n"}, {"task": "image-classification"}, "no column is fit for an image"),
        ({"a.csv": "text,label\na,1\n", "b.csv": "text;label\na;1\n"}, {}, "Files of one description are alike"),
        ({"a.png": "x"}, {}, "is a single picture. Put pictures into a folder for each class"),
    ],
)
def test_what_cannot_be_told_is_one_sentence_that_says_what_to_tell(
    tmp_path: Path, files: dict[str, str], changes: dict[str, Any], said: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        found(tmp_path, *(files or {"gone.csv": ""}), **changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


# --- the command --------------------------------------------------------------------------------------


def test_the_command_writes_what_a_suite_can_name_and_overwrites_nothing(command: Command, tmp_path: Path) -> None:
    write_csv(tmp_path / "reviews.csv", REVIEWS, ";", "utf-8-sig")
    said = command("describe", "reviews.csv")
    assert said.status == 0
    for part in (
        "CSV, semicolons between values",
        "Example 3: reviews.csv, row",
        'real = ["reviews.toml"]',
        "[labels]",
    ):
        assert part in said.out
    assert len(read(load_source("reviews.toml"), None)) == sum(bool(row["Stars"]) for row in REVIEWS)
    assert "As it was: reviews.toml" in command("describe", "reviews.csv").out
    changed = command("describe", "reviews.csv", "--labels", "1=bad")
    assert changed.status == 2
    assert "reviews.toml is there already, and says something else" in changed.err


def test_an_out_that_can_be_no_description_is_told_and_left_as_it_is(command: Command, tmp_path: Path) -> None:
    write_csv(tmp_path / "reviews.csv", REVIEWS, ",", "utf-8")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "other.toml").write_bytes(b"\xff\xfe")
    for out, said in (
        ("folder.toml", "Cannot write folder.toml: Is a directory."),
        (f"{'n' * 255}.toml", "File name too long."),
        ("other.toml", "other.toml is there already, and says something else"),
    ):
        found = command("describe", "reviews.csv", "--out", out)
        assert (found.status, said in found.err) == (2, True), found.err
    assert (tmp_path / "other.toml").read_bytes() == b"\xff\xfe"


def test_a_folder_whose_name_is_a_pattern_is_described(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a[b]").mkdir()
    for k in range(2):
        write_lines(tmp_path / "a[b]" / f"{k}.jsonl", SOLVED[k::2])
    assert command("describe", "a[b]").status == 0
    assert len(read(load_source("a[b].toml"), None)) == len(SOLVED)


def test_a_file_elsewhere_is_told_from_the_folder_that_data_names(command: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    write_lines(elsewhere / "solved.jsonl", SOLVED)
    said = command("describe", elsewhere / "solved.jsonl", "--data", elsewhere.parent)
    assert f"run with --data {elsewhere.parent}" in said.out
    source = load_source("solved.toml")
    assert source.paths == ("deep/solved.jsonl",)
    assert len(read(source, elsewhere.parent)) == 120
    assert "do not all lie in" in command("describe", elsewhere / "solved.jsonl", "--data", tmp_path).err
