"""Bad input: one clear error each, that names file and row where there is one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from harness.errors import UserError
from tasks.sources.description import Source
from tasks.sources.reading import read
from tasks.sources.rows import read_rows
from tasks.sources.sniffing import sniff
from tests.tasks.sources_small import ROWS, described, write_rows

LABELS = {"0": "negative", "1": "positive"}


def refused(source: Source, folder: Path | None) -> str:
    with pytest.raises(UserError) as caught:
        read(source, folder)
    return str(caught.value)


def test_a_missing_column_names_the_file_and_near_columns(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"qestion": "q", "reply": "r"}])
    said = refused(described(), tmp_path)
    assert said.startswith("small.jsonl has no column 'question'. Did you mean qestion? There are: qestion, reply.")
    mended = described(columns={"prompt": "{qestion}", "answer": "{reply}"}, where={"lang": "en"})
    assert "no column 'lang'" in refused(mended, tmp_path)


@pytest.mark.parametrize("name", ["small.jsonl", "small.csv", "small.tsv", "small.parquet"])
def test_an_empty_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert refused(described(path=name), tmp_path) == f"{name} is empty: it has no rows."


def test_a_file_without_rows_is_named(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("question,reply\n")
    (tmp_path / "small.jsonl").write_text("\n\n")
    pd.DataFrame({"question": [], "reply": []}).to_parquet(tmp_path / "small.parquet")
    for name in ("small.csv", "small.jsonl", "small.parquet"):
        assert refused(described(path=name), tmp_path) == f"{name} is empty: it has no rows."


def test_a_wrong_encoding_names_the_row(tmp_path: Path) -> None:
    lines = ["question,reply", "fine,1", "müde,2", "fine,3"]
    (tmp_path / "small.csv").write_bytes("\n".join(lines).encode("latin-1"))
    said = "small.csv, row 2: this is not UTF-8 (byte 0xfc at column 2). Save the file as UTF-8, or say its encoding"
    assert refused(described(path="small.csv"), tmp_path).startswith(said)
    rows = [json.dumps({"question": text, "reply": "r"}, ensure_ascii=False) for text in ("fine", "müde")]
    (tmp_path / "small.jsonl").write_bytes("\n".join(rows).encode("latin-1"))
    assert refused(described(), tmp_path).startswith("small.jsonl, row 2: this is not UTF-8 (byte 0xfc")
    (tmp_path / "small.csv").write_bytes("größe,reply\n1,2\n".encode("latin-1"))
    assert refused(described(path="small.csv"), tmp_path).startswith("small.csv, header: this is not UTF-8")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"question": "q", "reply": }', "small.jsonl, row 2: this is no JSON"),
        ("[1, 2]", "small.jsonl, row 2: a JSON object is expected, got list."),
        ('"text"', "small.jsonl, row 2: a JSON object is expected, got str."),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str, said: str) -> None:
    good = '{"question": "q", "reply": "r"}'
    (tmp_path / "small.jsonl").write_text("\n".join([good, "", line, good]))
    assert refused(described(), tmp_path).startswith(said)


@pytest.mark.parametrize("line", ["one,2,3", "one"])
def test_a_row_with_other_fields_than_the_header_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "small.csv").write_text(f'question,reply\n"a\nb",1\n{line}\n')
    said = refused(described(path="small.csv"), tmp_path)
    assert said.startswith(f"small.csv, row 2: {line.count(',') + 1} fields where the header has 2.")


def test_every_row_with_a_field_too_many_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("question,reply\nHello, you,1\nBye, you,2\n")
    assert "row 1: 3 fields where the header has 2" in refused(described(path="small.csv"), tmp_path)


def test_an_open_quote_and_a_repeated_header_are_named(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text('question,reply\nq,1\n"open,2\n')
    assert refused(described(path="small.csv"), tmp_path).startswith("small.csv, row 2: unexpected end of data")
    (tmp_path / "small.csv").write_text("question,reply,reply\nq,1,2\n")
    assert "the header has 'reply' more than once" in refused(described(path="small.csv"), tmp_path)


def test_a_label_out_of_range_names_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("question,reply\ngood,1\nbad,0\nso so,2\n")
    source = described(task="sentiment", path="small.csv", labels=LABELS)
    said = refused(source, tmp_path)
    assert said.startswith("small.csv, row 3: the label '2' is out of range; expected one of 0, 1.")
    (tmp_path / "small.csv").write_text("question,reply\ngood,1\nbad,0\n")
    assert read(source, tmp_path).answers == ["positive", "negative"]


def test_nothing_left_says_why(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"question": "q", "reply": "r"}, {"question": "q", "reply": ""}])
    said = refused(described(where={"reply": ""}), tmp_path)
    assert said.startswith("small.jsonl: no row is left of 2 (1 not wanted (where), 1 empty).")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    packed = gzip.compress(b"question,reply\n" + b"q,a\n" * 500)
    (tmp_path / "small.csv.gz").write_bytes(packed[:-20])
    assert "small.csv.gz is cut or damaged" in refused(described(path="small.csv.gz"), tmp_path)
    (tmp_path / "small.csv.gz").write_bytes(b"question,reply\nq,a\n")
    assert "small.csv.gz is cut or damaged" in refused(described(path="small.csv.gz"), tmp_path)
    packed = gzip.compress(b'{"question": "q", "reply": "r"}\n' * 500)
    (tmp_path / "small.jsonl.gz").write_bytes(packed[:-20])
    assert "small.jsonl.gz is cut or damaged" in refused(described(path="small.jsonl.gz"), tmp_path)
    (tmp_path / "small.parquet").write_bytes(b"PAR1 and no more")
    assert "small.parquet cannot be read as parquet" in refused(described(path="small.parquet"), tmp_path)


@pytest.mark.parametrize("content", ["[" * 20_000 + "]" * 20_000, '{"a":' * 20_000 + "1" + "}" * 20_000])
def test_json_that_is_nested_too_deeply_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "small.json").write_text(f'[{{"question": "q", "reply": {content}}}]')
    assert "small.json: this is no JSON (it is nested too deeply)" in refused(described(path="small.json"), tmp_path)
    row = f'{{"question": "q", "reply": {content}}}\n'
    for name, text in (("small.json", content), ("small.jsonl", content), ("small.jsonl", row * 3)):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match="small"):
            read_rows(tmp_path / name, sniff(tmp_path / name, name).layout, name)


def test_a_gzipped_file_with_a_damaged_middle_is_told(tmp_path: Path) -> None:
    packed = gzip.compress(b"question,reply\nq,r\n")
    (tmp_path / "small.csv.gz").write_bytes(packed[:10] + b"\xff" * len(packed[10:]))  # no block is of this type
    assert "small.csv.gz is cut or damaged" in refused(described(path="small.csv.gz"), tmp_path)


def test_files_of_one_source_must_have_the_same_columns(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"question": "q", "reply": "r"}], "part-a.jsonl")
    write_rows(tmp_path, [{"question": "q", "answer": "r"}], "part-b.jsonl")
    said = refused(described(path="part-*.jsonl"), tmp_path)
    assert said.startswith("part-b.jsonl has the columns question, answer, the files before it have question, reply")


def test_files_of_one_source_must_have_the_same_types(tmp_path: Path) -> None:
    write_rows(tmp_path, [{"question": "q", "reply": 1}], "part-a.jsonl")
    write_rows(tmp_path, [{"question": "q", "reply": "r"}], "part-b.jsonl")
    said = refused(described(path="part-*.jsonl"), tmp_path)
    assert said.startswith("small: the files part-*.jsonl hold one column in different types")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert f"there is no file small.jsonl in the data folder {tmp_path}" in refused(described(), tmp_path)
    assert "There is no data folder" in refused(described(), tmp_path / "gone")
    assert "lies in the data folder (small.jsonl), but none was given" in refused(described(), None)


@pytest.mark.parametrize("path", ["../secret.jsonl", "sub/../../secret.jsonl", "/etc/hosts.jsonl", "../*.jsonl"])
def test_a_path_outside_the_data_folder_is_refused(tmp_path: Path, path: str) -> None:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    write_rows(tmp_path, ROWS, "secret.jsonl")
    assert "leads outside the data folder" in refused(described(path=path), data)


def test_a_link_out_of_the_data_folder_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "small.jsonl").symlink_to(write_rows(tmp_path, ROWS, "secret.jsonl"))
    assert "leads outside the data folder" in refused(described(), data)
    write_rows(data, ROWS, "real.jsonl")
    (data / "inner.jsonl").symlink_to(data / "real.jsonl")
    assert len(read(described(path="inner.jsonl"), data)) == len(ROWS)
