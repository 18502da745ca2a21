"""The twelve vendors' values, and beside them what only their maker knows: what docs/examples/twelve-vendors holds.

    python docs/examples/twelve_vendors.py --data DIR --out vendors-example
    python docs/examples/value_twelve_vendors.py --vendors vendors-example

Each method's page tells where examples stand and not what they say; what was trained is kept in runs/values.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METHODS = ("auto", "influence")
"""What is chosen for somebody who names no method, and one that the leaderboards cannot tell from the best."""

TO_TELL: Mapping[str, str] = {
    **dict.fromkeys(("alder", "hazel"), "copy"),
    **dict.fromkeys(("dogwood", "elm"), "labels"),
    **dict.fromkeys(("fir", "ginkgo", "juniper"), "off target"),
    "ivy": "duplicates",
    "katsura": "leakage",
    "larch": "balance",
}
"""Vendor -> the kind of warning that what was planted deserves; of the others there is nothing to tell."""

IN_ORDER = (
    ("birch", "cedar", "more of the same"),
    ("dogwood", "elm", "fewer wrong labels"),
    ("birch", "elm", "right labels against labels that say nothing"),
    ("birch", "juniper", "reviews against arithmetic"),
    ("cedar", "juniper", "reviews against arithmetic"),
    ("katsura", "birch", "more reviews, some of them the target's own"),
)
"""Who is worth more than whom by what was planted, and why."""

AUDIT = 45


def beside(planted: Mapping[str, str], found: Mapping[str, Mapping[str, Any]]) -> str:
    """The page: every vendor's values next to what was planted.

    Args:
        planted: by vendor.
        found: what values.json says, by the name of its folder.
    """
    first = next(iter(found.values()))
    told = {name: _told(first, name) for name in planted}
    heads = [f"[{folder}: {one['method']}]({folder}/README.md)" for folder, one in found.items()]
    lines = [
        "# Twelve vendors' values beside what was planted\n",
        "Made by `python docs/examples/value_twelve_vendors.py`, of files by `twelve_vendors.py`. Each column of "
        "values links to that method's page.\n",
        f"| vendor | planted | told | | {' | '.join(heads)} |",
        f"|---|---|---|---|{'---:|' * len(heads)}",
    ]
    for name, what in planted.items():
        figures = [_figure(one, name) for one in found.values()]
        lines.append(f"| {name} | {what} | {told[name]} | {_verdict(first, name)} | {' | '.join(figures)} |")
    missed = [name for name in TO_TELL if not _is_told(first, name)]
    lines += ["", "## Found and not found", ""]
    lines.append(
        f"- Warnings: {len(TO_TELL) - len(missed)} of {len(TO_TELL)} of what was planted is told"
        + (f"; **not told: {', '.join(f'{name} ({planted[name]})' for name in missed)}**." if missed else ".")
    )
    for folder, one in found.items():
        lines.append(f"- {folder} ({one['method']}): {_orders(one)}")
        lines.append(f"- {folder} ({one['method']}), audit: {_audit(one)}")
    lines += [
        "",
        "A high value is no praise: katsura's is in part what it copied from the target, which only the warning tells.",
    ]
    return "\n".join(lines) + "\n"


def _told(one: Mapping[str, Any], name: str) -> str:
    kinds = [finding["kind"] for finding in one["findings"] if name in (finding["who"], finding["also"])]
    return ", ".join(dict.fromkeys(kind for kind in kinds if kind != "reading")) or "–"


def _is_told(one: Mapping[str, Any], name: str) -> bool:
    return TO_TELL[name] in _told(one, name).split(", ")


def _verdict(one: Mapping[str, Any], name: str) -> str:
    if name in TO_TELL:
        return "found" if _is_told(one, name) else "**not found**"
    return "" if _told(one, name) == "–" else "told for nothing"


def _figure(one: Mapping[str, Any], name: str) -> str:
    value = next(value for value in one["values"] if value["name"] == name)
    low, high = value["rank_low"], value["rank_high"]
    return f"{value['value']:.2g} #{low if low == high else f'{low}–{high}'}"


def _orders(one: Mapping[str, Any]) -> str:
    """How many of the known orders the values keep."""
    values = {value["name"]: value for value in one["values"]}
    wrong = [pair for pair in IN_ORDER if values[pair[0]]["value"] <= values[pair[1]]["value"]]
    apart = [pair for pair in IN_ORDER if values[pair[0]]["rank_high"] < values[pair[1]]["rank_low"]]
    said = f"{len(IN_ORDER) - len(wrong)} of {len(IN_ORDER)} orders that follow from what was planted"
    named = "; ".join(f"{more} over {less} ({why})" for more, less, why in wrong)
    return f"{said}, {len(apart)} of them beyond doubt" + (f". Not in order: {named}." if wrong else ".")


def _audit(one: Mapping[str, Any]) -> str:
    audit = one["audit"]
    if audit["low"] is None:
        return "no order of these halves can be compared."
    ceiling = "" if audit["ceiling"] is None else f", where {audit['ceiling']:.2f} could be reached"
    verdict = "the values foretell retraining" if audit["low"] > 0 else "**the values say nothing of retraining**"
    return (
        f"Spearman {audit['agreement']:.2f} [{audit['low']:.2f}, {audit['high']:.2f}] over {audit['halves']} random "
        f"halves{ceiling}; the number of examples alone {audit['size_agreement']:.2f}: {verdict}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Value the twelve vendors by each method, with an audit.")
    parser.add_argument("--vendors", type=Path, default=Path("vendors-example"), help="what twelve_vendors.py made")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "twelve-vendors")
    parser.add_argument("--audit", type=int, default=AUDIT)
    given = parser.parse_args()
    import dataworth

    for method in METHODS:
        found = dataworth.value(
            given.vendors / "vendors",
            given.vendors / "target.csv",
            task="sentiment",
            method=method,
            audit=given.audit,
            texts=False,
            out=Path("runs/values/twelve-vendors"),
        )
        found.save(given.out / method)
    pages = {method: json.loads((given.out / method / "values.json").read_text("utf-8")) for method in METHODS}
    planted = json.loads((given.vendors / "planted.json").read_text("utf-8"))
    (given.out / "planted.json").write_text(json.dumps(planted, indent=2) + "\n", encoding="utf-8")
    (given.out / "README.md").write_text(beside(planted, pages), encoding="utf-8")
    print(f"Written to {given.out}")


if __name__ == "__main__":
    main()
