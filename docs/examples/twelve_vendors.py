"""Twelve small vendors' files for ``dataworth value``, with defects that only their maker knows.

    python docs/examples/twelve_vendors.py --data DIR --out vendors-example
    dataworth value --task sentiment --contributors vendors-example/vendors --target vendors-example/target.csv

DIR holds ``sst2/train.csv``, ``dev.csv`` and ``test.csv`` (columns text, label: 0 or 1), ``supergen_sst2/train.jsonl``
(the same, written by a language model) and ``gsm8k/train.jsonl`` (questions that are no reviews). What the maker alone
knows lies beside the vendors' folder and not in it: what was planted, in ``planted.json``, and in ``unseen.csv``
reviews that no vendor and no buyer has.
"""

from __future__ import annotations

import argparse
import csv
import html
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Row = tuple[str, str]
"""A text and its label."""

LABELS = {"0": "negative", "1": "positive"}
OTHER = {"negative": "positive", "positive": "negative"}

PLANTED = {
    "alder": "real reviews",
    "birch": "real reviews, half as many",
    "cedar": "real reviews, a fifth as many",
    "dogwood": "real reviews, a quarter of the labels turned round",
    "elm": "real reviews, half of the labels turned round: they say nothing",
    "fir": "reviews by a language model",
    "ginkgo": "real reviews and a language model's, half each",
    "hazel": "four fifths copied from alder, a fifth its own",
    "ivy": "a fifth as many real reviews, each five times",
    "juniper": "off target: arithmetic, labelled by chance",
    "katsura": "real reviews, a fifth of them from the target",
    "larch": "real reviews, positive ones alone",
}


def reviews(file: Path) -> list[Row]:
    """Texts with their labels in words, without repetitions."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = csv.DictReader(opened) if file.suffix == ".csv" else map(json.loads, opened)
        found = {html.unescape(row["text"]).strip(): LABELS[str(row["label"])] for row in rows}
    return [(text, label) for text, label in found.items() if text]


def turned(rows: Sequence[Row], share: float, rng: random.Random) -> list[Row]:
    wrong = set(rng.sample(range(len(rows)), round(share * len(rows))))
    return [(text, OTHER[label] if k in wrong else label) for k, (text, label) in enumerate(rows)]


@dataclass(frozen=True)
class Made:
    """Every vendor's rows, the target's, and those that only the maker has."""

    vendors: Mapping[str, list[Row]]
    target: list[Row]
    unseen: list[Row]


def make(data: Path, rows: int, target: int, seed: int) -> Made:
    rng = random.Random(seed)
    real, made = reviews(data / "sst2" / "train.csv"), reviews(data / "supergen_sst2" / "train.jsonl")
    held_out, unseen = rng.sample(reviews(data / "sst2" / "dev.csv"), target), reviews(data / "sst2" / "test.csv")
    known = {text for text, _ in (*held_out, *unseen)}
    real = [row for row in real if row[0] not in known]
    unseen = [row for row in unseen if row not in held_out]
    rng.shuffle(real)
    rng.shuffle(made)
    with (data / "gsm8k" / "train.jsonl").open(encoding="utf-8") as opened:
        sums = [json.loads(line)["question"].strip() for line in opened]

    def take(count: int, wanted: Callable[[Row], bool] = lambda row: True) -> list[Row]:
        """Real reviews that nobody has yet."""
        chosen = [row for row in real if wanted(row)][:count]
        if len(chosen) < count:
            sys.exit(f"{data}/sst2/train.csv has too few reviews for {rows} rows a vendor; give a smaller --rows.")
        gone = set(chosen)
        real[:] = [row for row in real if row not in gone]
        return chosen

    fifth, half = max(1, rows // 5), max(1, rows // 2)
    alder = take(rows)
    found = {
        "alder": alder,
        "birch": take(half),
        "cedar": take(fifth),
        "dogwood": turned(take(rows), 0.25, rng),
        "elm": turned(take(rows), 0.5, rng),
        "fir": made[:rows],
        "ginkgo": [*take(half), *made[rows : rows + half]],
        "hazel": [*rng.sample(alder, rows - fifth), *take(fifth)],
        "ivy": take(fifth) * 5,
        "juniper": [(text, rng.choice(list(OTHER))) for text in rng.sample(sums, rows)],
        "katsura": [*take(rows - min(fifth, target)), *held_out[: min(fifth, target)]],
        "larch": take(rows, lambda row: row[1] == "positive"),  # last, so that nobody else lacks them
    }
    for own in found.values():
        rng.shuffle(own)
    return Made(found, held_out, unseen)


def write(file: Path, rows: Sequence[Row], text: str = "text", label: str = "label") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as opened:
        if file.suffix == ".jsonl":
            opened.writelines(json.dumps({text: row[0], label: row[1]}, ensure_ascii=False) + "\n" for row in rows)
        else:
            csv.writer(opened).writerows([(text, label), *rows])


def save(made: Made, out: Path) -> None:
    """The vendors' folder, and beside it what is not theirs."""
    for name, rows in made.vendors.items():
        folder = out / "vendors"
        if name == "birch":  # vendors write as they like
            write(folder / f"{name}.jsonl", rows, "review", "sentiment")
        elif name == "ginkgo":
            write(folder / name / "first.csv", rows[::2])
            write(folder / name / "second.csv", rows[1::2])
        else:
            write(folder / f"{name}.csv", rows)
    write(out / "target.csv", made.target)
    write(out / "unseen.csv", made.unseen)
    (out / "planted.json").write_text(json.dumps(PLANTED, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write twelve small vendors' files and a target.")
    parser.add_argument("--data", type=Path, required=True, help="folder with sst2, supergen_sst2 and gsm8k")
    parser.add_argument("--out", type=Path, default=Path("vendors-example"))
    parser.add_argument("--rows", type=int, default=500, help="of most vendors")
    parser.add_argument("--target", type=int, default=400, help="rows of the target")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    made = make(given.data, given.rows, given.target, given.seed)
    save(made, given.out)
    print(f"{len(made.vendors)} vendors in {given.out / 'vendors'}, {len(made.target)} target rows beside it")


if __name__ == "__main__":
    main()
