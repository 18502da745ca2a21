"""Files as people have them: other separators, encodings, lists in JSON, several paths; read as other readers do."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from tasks.sources.description import load_source
from tasks.sources.reading import read
from tasks.sources.sniffing import sniff
from tasks.sources.table import Table
from tests.tasks.sources_small import COLUMNS, ROWS, described, write_rows


def pairs(table: Table) -> list[tuple[str, str]]:
    return list(zip(table.prompts, table.answers, strict=True))


EXPECTED = [(row["question"], row["reply"]) for row in ROWS]
WESTERN = [{"question": 'größer; "so"', "reply": "é"}, {"question": "naïve, nicht?\nja", "reply": "1"}]


def write_csv(file: Path, rows: list[dict[str, str]], separator: str, encoding: str) -> None:
    with file.open("w", encoding=encoding, newline="") as opened:
        writer = csv.DictWriter(opened, [*rows[0]], delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)


# --- separators and encodings -------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", "|", "\t", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_any_separator_and_encoding_is_read_as_pandas_reads_it(tmp_path: Path, separator: str, encoding: str) -> None:
    write_csv(tmp_path / "small.csv", WESTERN, separator, encoding)
    table = read(described(path="small.csv", separator=separator, encoding=encoding), tmp_path)
    frame = pd.read_csv(tmp_path / "small.csv", sep=separator, encoding=encoding, dtype=str)
    assert pairs(table) == list(frame.itertuples(index=False, name=None))
    assert list(table.places) == ["small.csv, row 1", "small.csv, row 2"]


def test_what_excel_writes_is_found_and_read(tmp_path: Path) -> None:
    for name, separator, encoding in (
        ("list.csv", ";", "utf-8-sig"),  # "CSV UTF-8" where the comma is decimal
        ("unicode.txt", "\t", "utf-16"),  # "Unicode text"
    ):
        write_csv(tmp_path / name, ROWS, separator, encoding)
        layout = sniff(tmp_path / name, name).layout
        given = {"format": layout.format, "separator": layout.separator, "encoding": layout.encoding}
        assert pairs(read(described(path=name, **given), tmp_path)) == EXPECTED


texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(texts, texts, texts), min_size=2, max_size=12),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_layout_is_found_whatever_the_texts_are(
    tmp_path: Path, rows: list[tuple[str, str, str]], separator: str, encoding: str
) -> None:
    """Every value is quoted, so that what separates can be told from what stands in values."""
    with (tmp_path / "any.csv").open("w", encoding=encoding, newline="") as opened:
        csv.writer(opened, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([("id", "question", "reply"), *rows])
    layout = sniff(tmp_path / "any.csv", "any.csv").layout
    assert (layout.format, layout.sep) == ("csv", separator)
    given = {"format": layout.format, "separator": layout.separator, "encoding": layout.encoding}
    table = (
        read(described(path="any.csv", **given), tmp_path) if any(q.strip() and r.strip() for _, q, r in rows) else None
    )
    expected = [(q.strip(), r.strip()) for _, q, r in rows if q.strip() and r.strip()]
    assert (pairs(table) if table else []) == expected


def test_an_encoding_that_is_not_the_files_is_told(tmp_path: Path) -> None:
    write_csv(tmp_path / "small.csv", WESTERN, ",", "cp1252")
    with pytest.raises(UserError, match=r"small\.csv: this is not utf-16 .*dataworth describe finds which it is"):
        read(described(path="small.csv", encoding="utf-16"), tmp_path)


def test_a_gzipped_file_in_another_encoding_is_unpacked_first(tmp_path: Path) -> None:
    write_csv(tmp_path / "small.csv", WESTERN, ",", "utf-16")
    (tmp_path / "small.csv.gz").write_bytes(gzip.compress((tmp_path / "small.csv").read_bytes()))
    table = read(described(path="small.csv.gz", encoding="utf-16"), tmp_path)
    assert pairs(table) == [(row["question"], row["reply"]) for row in WESTERN]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n ", "is empty"),
        (b"PK\x03\x04" + bytes(range(256)), "is no text: it holds control characters"),
        ("größe,reply\n".encode() + b"m\xfcde,1\n", "row 1: this is not UTF-8 (byte 0xfc"),
        (b"a,b\n\x81,1\n", "this is not UTF-8"),
        (b"sep=;\r\na;b\r\n1;2\r\n", "begins with 'sep=;', a line for Excel alone"),
    ],
)
def test_what_is_no_text_in_any_encoding_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "odd.csv").write_bytes(content)
    with pytest.raises(UserError) as caught:
        sniff(tmp_path / "odd.csv", "odd.csv")
    assert said in str(caught.value)


def test_western_letters_are_a_guess_and_said_to_be_one(tmp_path: Path) -> None:
    write_csv(tmp_path / "small.csv", WESTERN, ",", "cp1252")
    found = sniff(tmp_path / "small.csv", "small.csv")
    assert (found.layout.encoding, found.is_guess) == ("cp1252", True)
    write_csv(tmp_path / "small.csv", WESTERN, ",", "utf-8")
    assert not sniff(tmp_path / "small.csv", "small.csv").is_guess


# --- JSON ---------------------------------------------------------------------------------------------


def test_a_list_of_objects_is_read_as_lines_of_them_are(tmp_path: Path) -> None:
    write_rows(tmp_path, ROWS)
    (tmp_path / "list.json").write_text(json.dumps(ROWS, indent=2, ensure_ascii=False), encoding="utf-8")
    (tmp_path / "inside.json").write_text(json.dumps({"about": [1], "rows": ROWS}), encoding="utf-8-sig")
    (tmp_path / "lines.json").write_bytes((tmp_path / "small.jsonl").read_bytes())
    by_lines = read(described(), tmp_path)
    assert pairs(by_lines) == EXPECTED
    for name, inside in (("list.json", None), ("inside.json", "rows"), ("lines.json", None)):
        table = read(described(path=name, inside=inside), tmp_path)
        assert pairs(table) == EXPECTED
        assert list(table.places) == [f"{name}, row {k}" for k in (1, 2, 3, 4)]
        layout = sniff(tmp_path / name, name).layout
        assert (layout.format, layout.inside) == ("json", inside)


@pytest.mark.parametrize(
    ("content", "inside", "said"),
    [
        ("[1, 2]", None, "odd.json, row 1: a JSON object is expected, got int"),
        ("[]", None, "odd.json is empty"),
        ('[{"a": 1}', None, "odd.json: this is no JSON"),
        (
            '{"rows": [{}], "more": []}',
            None,
            "it has lists under 'rows', 'more'. Say which is meant: inside = \"rows\"",
        ),
        ('{"rows": [{}]}', "data", "there is no list under 'data' (inside); the file holds lists under 'rows'"),
        ("3", None, "a list of objects is expected, got int"),
    ],
)
def test_json_that_lists_no_rows_is_told(tmp_path: Path, content: str, inside: str | None, said: str) -> None:
    (tmp_path / "odd.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read(described(path="odd.json", inside=inside), tmp_path)
    assert said in str(caught.value)


# --- paths --------------------------------------------------------------------------------------------


def test_a_list_of_paths_is_read_in_its_order_and_no_file_twice(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_rows(tmp_path, [{"question": name, "reply": "1"}], f"{name}.jsonl")
    table = read(described(path=["b.jsonl", "*.jsonl"]), tmp_path)
    assert table.prompts == ["b", "a", "c"]


def test_files_of_one_description_have_one_format() -> None:
    with pytest.raises(ValueError, match="files of one source have one format, got csv and jsonl"):
        described(path=["a.csv", "b.jsonl"])
    with pytest.raises(ValueError, match=r"cannot tell the format of 'b\.txt'"):
        described(path=["a.csv", "b.txt"])


def test_files_are_found_beside_their_description_before_the_data_folder(tmp_path: Path) -> None:
    own, data = tmp_path / "own", tmp_path / "data"
    own.mkdir()
    data.mkdir()
    lines = ['task = "reasoning"', 'side = "real"', 'path = "small.jsonl"', "[columns]"]
    lines += ['prompt = "{question}"', 'answer = "{reply}"']
    (own / "mine.toml").write_text("\n".join(lines), encoding="utf-8")
    source = load_source(str(own / "mine.toml"))
    with pytest.raises(
        UserError, match=r"mine: there is no file small\.jsonl beside its description .*give --data DIR"
    ):
        read(source, None)
    write_rows(data, [{"question": "far", "reply": "1"}])
    assert read(source, data).prompts == ["far"]
    write_rows(own, [{"question": "near", "reply": "1"}])
    assert read(source, data).prompts == read(source, None).prompts == ["near"]
    (own / "small.jsonl").unlink()
    (own / "small.jsonl").symlink_to(data / "small.jsonl")
    with pytest.raises(UserError, match="leads outside the folder of its description"):
        read(source, data)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"separator": "ab"}, "at most 1 character"),
        ({"encoding": "klingon"}, "'klingon' is none that Python knows"),
        ({"encoding": "hex"}, "'hex' is none that Python knows"),
        ({"path": "a.jsonl", "separator": ";"}, "separator: is for csv, tsv, and the files are jsonl"),
        ({"path": "a.parquet", "encoding": "utf-16"}, "encoding: is for"),
        ({"inside": "rows"}, "inside: is for json, and the files are csv"),
        ({"pixels": 32}, "pixels: is for images"),
    ],
)
def test_keys_that_the_format_has_no_use_for_are_mistakes(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        described(**{"path": "a.csv", "columns": COLUMNS, **changes})


def test_copies_of_what_is_no_utf8_are_kept_with_the_rows_and_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, kept = tmp_path / "data", tmp_path / "kept"
    data.mkdir()
    monkeypatch.setenv("DATAWORTH_CACHE", str(kept))
    write_csv(data / "small.csv", WESTERN, ";", "utf-16")
    (data / "list.json").write_text(json.dumps(ROWS), encoding="utf-8")
    sources = [described(path="small.csv", separator=";", encoding="utf-16"), described(path="list.json")]
    first = [pairs(read(source, data)) for source in sources]
    times = {
        file: file.stat().st_mtime_ns for file in kept.rglob("*") if file.suffix in (".jsonl", "") and file.is_file()
    }
    assert [pairs(read(source, data)) for source in sources] == first
    assert first == [[(row["question"], row["reply"]) for row in WESTERN], EXPECTED]
    assert {file: file.stat().st_mtime_ns for file in times} == times
    assert not [file for file in kept.rglob(".*") if file.is_file()]
