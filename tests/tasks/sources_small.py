"""A small source of texts, as tests describe and write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tasks.sources.description import Source

ROWS = [
    {"question": 'Wie groß, "genau"?\nIn Metern.', "reply": "007"},
    {"question": "NA", "reply": "null"},
    {"question": "a\tb, c", "reply": "1.0"},
    {"question": "数 は いくつ ?", "reply": "true"},
]

COLUMNS = {"prompt": "{question}", "answer": "{reply}"}


def described(**changes: Any) -> Source:
    content: dict[str, Any] = {
        "name": "small",
        "task": "reasoning",
        "side": "real",
        "path": "small.jsonl",
        "columns": COLUMNS,
    }
    content |= changes
    return Source.model_validate({key: value for key, value in content.items() if value is not None})


def write_rows(folder: Path, rows: list[dict[str, Any]], name: str = "small.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file
