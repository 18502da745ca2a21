"""The twelve vendors' values, and beside them what only their maker knows: what docs/examples/twelve-vendors holds.

    python docs/examples/twelve_vendors.py --data DIR --out vendors-example
    python docs/examples/value_twelve_vendors.py --data DIR --vendors vendors-example

The first values as a buyer would, then the maker retrains on reviews that nobody has, and looks whether the warnings
find as much in other draws of the same vendors. ``--page`` draws the page again, of what is kept. Pages of valuations
tell where examples stand and not what they say; what was trained is kept in runs/values.
"""

from __future__ import annotations

import argparse
import csv
import json
import runpy
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Found = Mapping[str, Any]
"""What values.json says."""

METHODS = ("auto", "influence")
"""What is chosen for somebody who names no method, and one that the leaderboards cannot tell from the best."""

UNSEEN = "unseen"
RETRAINING = "coalition-gp:retrainings=480,seeds=4"
"""What the maker asks of the reviews that nobody has: 480 retrainings, four times 120."""

OTHERS = ("size", "mmd", "knn-shapley", "tracin", "logra", "metagradient", "leave-one-out", "data-shapley", "mixmin")
"""Methods whose values are held against the same retrainings, and against the maker's."""

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

AUDIT, DRAWS = 60, 10
BUSY = 0.25
"""Share of the machine that others keep busy from which on seconds are marked."""
TABLE, TOLD = "methods.csv", "draws.csv"
COLUMNS = (
    *("method", "seconds", "load", "retrainings", "audit", "low", "high", "left_out"),
    *("unseen", "unseen_low", "unseen_high"),
)


# --- the page -----------------------------------------------------------------------------------------


def page(folder: Path) -> str:
    """What is kept there, as a page."""
    planted = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
    found = {name: json.loads((folder / name / "values.json").read_text("utf-8")) for name in (*METHODS, UNSEEN)}
    parts = [beside(planted, found), other_draws(planted, _rows(folder / TOLD)), methods(_rows(folder / TABLE))]
    return "\n".join(parts)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def beside(planted: Mapping[str, str], found: Mapping[str, Found]) -> str:
    """Every vendor's values next to what was planted.

    Args:
        planted: by vendor.
        found: by the name of its folder; the one of the reviews that nobody has may be missing.
    """
    asked = {name: one for name, one in found.items() if name != UNSEEN}
    first = next(iter(asked.values()))
    heads = [f"[{name}: {one['method']}]({name}/README.md)" for name, one in asked.items()]
    if UNSEEN in found:
        heads.append(f"[retrained, on {found[UNSEEN]['target_rows']:,} unseen reviews]({UNSEEN}/README.md)")
    intro = (
        "Files by [`twelve_vendors.py`](../twelve_vendors.py), drawn by "
        "[`value_twelve_vendors.py`](../value_twelve_vendors.py). Of each vendor: what was planted, what "
        "`dataworth value` warned of, and values with rank ranges; a column's head leads to the page that the buyer "
        "gets."
    )
    if UNSEEN in found:
        trained = found[UNSEEN]["bill"]["method"]["retrainings"]
        intro += (
            f" The last column only the maker has: Shapley values by {trained:.0f} retrainings, on reviews that "
            "neither vendors nor target hold."
        )
    lines = [
        "# Twelve vendors' values beside what was planted\n",
        f"{intro}\n",
        f"| vendor | planted | told | | {' | '.join(heads)} |",
        f"|---|---|---|---|{'---:|' * len(heads)}",
    ]
    for name, what in planted.items():
        figures = [_figure(one, name) for one in found.values()]
        lines.append(f"| {name} | {what} | {_told(first, name)} | {_verdict(first, name)} | {' | '.join(figures)} |")
    missed = [name for name in TO_TELL if not _is_told(first, name)]
    lines += ["", "## Found and not found", ""]
    lines.append(
        f"- Warnings: {len(TO_TELL) - len(missed)} of {len(TO_TELL)} of what was planted is told"
        + (f"; **not told: {', '.join(f'{name} ({planted[name]})' for name in missed)}**." if missed else ".")
    )
    for folder, one in asked.items():
        lines.append(f"- {folder} ({one['method']}): {_orders(one)}")
        lines.append(f"- {folder} ({one['method']}), audit: {_audit(one)}")
    if UNSEEN in found:
        lines.append(f"- Retrained, on unseen reviews: {_orders(found[UNSEEN])}")
        places = [f"{_place(one, 'katsura')} by {one['method']}" for one in asked.values()]
        lines.append(
            f"- A high value is no praise: katsura is {' and '.join(places)} on the target that it copied from, and "
            f"{_place(found[UNSEEN], 'katsura')} on unseen reviews. Only the warning tells."
        )
    return "\n".join(lines) + "\n"


def other_draws(planted: Mapping[str, str], told: Sequence[Mapping[str, str]]) -> str:
    """How often each vendor's warning is told in other draws of rows and mistakes, and what else is."""
    seeds = sorted({int(row["seed"]) for row in told})
    found = {name: [row["told"].split("; ") for row in told if row["vendor"] == name] for name in planted}
    lines = [
        f"## In {len(seeds)} other draws\n",
        f"The same vendors from other rows (seeds {seeds[0]} to {seeds[-1]}).\n",
        "| vendor | planted | deserves | told | else told |",
        "|---|---|---|---|---|",
    ]
    for name, kinds in found.items():
        wanted = TO_TELL.get(name, "")
        others = Counter(kind for own in kinds for kind in own if kind not in ("", wanted))
        named = ", ".join(f"{kind} in {count}" for kind, count in sorted(others.items())) or "–"
        hits = f"{sum(wanted in own for own in kinds)} of {len(kinds)}" if wanted else ""
        lines.append(f"| {name} | {planted[name]} | {wanted or '–'} | {hits} | {named} |")
    return "\n".join(lines) + "\n"


def methods(rows: Sequence[Mapping[str, str]]) -> str:
    """Whose values foretell the audit's retrainings, and the maker's."""
    lines = [
        "## Which methods' values hold here\n",
        f"Audits are of the same {AUDIT - 12} random halves and of leaving out each of the twelve, on the target. "
        "Against unseen reviews: Spearman of twelve values with the retrained ones, [95 % interval]. "
        f"§: others kept more than {BUSY:.0%} of the machine busy.\n",
        "| method | seconds | retrainings | audit: halves | leaving one out | unseen reviews |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in sorted(rows, key=lambda one: -float(one["audit"] or "nan")):
        cells = (
            row["method"],
            f"{float(row['seconds']):.1f}{' §' if float(row['load']) > BUSY else ''}",
            f"{float(row['retrainings']):.0f}",
            _with_interval(row["audit"], row["low"], row["high"]),
            _two(row["left_out"]),
            _with_interval(row["unseen"], row["unseen_low"], row["unseen_high"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _with_interval(middle: str, low: str, high: str) -> str:
    return f"{_two(middle)} [{_two(low)}, {_two(high)}]" if middle else "–"


def _two(figure: str) -> str:
    return f"{round(float(figure), 2) + 0.0:.2f}" if figure else "–"  # there is no minus 0


def _kinds(one: Found, name: str) -> list[str]:
    kinds = [finding["kind"] for finding in one["findings"] if name in (finding["who"], finding["also"])]
    return [kind for kind in dict.fromkeys(kinds) if kind != "reading"]


def _told(one: Found, name: str) -> str:
    return ", ".join(_kinds(one, name)) or "–"


def _is_told(one: Found, name: str) -> bool:
    return TO_TELL[name] in _kinds(one, name)


def _verdict(one: Found, name: str) -> str:
    if name in TO_TELL:
        return "found" if _is_told(one, name) else "**not found**"
    return "told for nothing" if _kinds(one, name) else ""


def _of(one: Found, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(value for value in one["values"] if value["name"] == name)
    return found


def _place(one: Found, name: str) -> str:
    low, high = _of(one, name)["rank_low"], _of(one, name)["rank_high"]
    return f"#{low}" if low == high else f"#{low}–{high}"


def _figure(one: Found, name: str) -> str:
    return f"{_of(one, name)['value']:.2g} {_place(one, name)}"


def _orders(one: Found) -> str:
    """How many of the known orders the values keep."""
    values = {value["name"]: value for value in one["values"]}
    wrong = [pair for pair in IN_ORDER if values[pair[0]]["value"] <= values[pair[1]]["value"]]
    apart = [pair for pair in IN_ORDER if values[pair[0]]["rank_high"] < values[pair[1]]["rank_low"]]
    said = f"{len(IN_ORDER) - len(wrong)} of {len(IN_ORDER)} orders that follow from what was planted"
    named = "; ".join(f"{more} over {less} ({why})" for more, less, why in wrong)
    return f"{said}, {len(apart)} of them beyond doubt" + (f". Not in order: {named}." if wrong else ".")


def _audit(one: Found) -> str:
    audit = one["audit"]
    if audit["low"] is None:
        return "no order of these halves can be compared."
    ceiling = "" if audit["ceiling"] is None else f", where {audit['ceiling']:.2f} could be reached"
    verdict = "the values foretell retraining" if audit["low"] > 0 else "**the values say nothing of retraining**"
    return (
        f"Spearman {audit['agreement']:.2f} [{audit['low']:.2f}, {audit['high']:.2f}] over {audit['halves']} random "
        f"halves{ceiling}; the number of examples alone {audit['size_agreement']:.2f}: {verdict}."
    )


# --- what it draws ------------------------------------------------------------------------------------


def value(vendors: Path, out: Path) -> None:
    """As a buyer, and then as the maker."""
    import dataworth

    common: dict[str, Any] = {"task": "sentiment", "texts": False}
    kept = Path("runs/values")
    unseen = dataworth.value(
        vendors / "vendors", vendors / "unseen.csv", method=RETRAINING, parts=0, out=kept / "twelve-unseen", **common
    )
    unseen.save(out / UNSEEN)
    rows = []
    for method in (*METHODS, *OTHERS):
        found = dataworth.value(
            vendors / "vendors",
            vendors / "target.csv",
            method=method,
            audit=AUDIT,
            **{} if method in METHODS else {"parts": 0},
            out=kept / "twelve-vendors",
            **common,
        )
        if method in METHODS:
            found.save(out / method)
        if found.method not in [row[0] for row in rows]:
            rows.append(tuple(_row(found, unseen)))
    _write(out / TABLE, COLUMNS, rows)
    planted = json.loads((vendors / "planted.json").read_text(encoding="utf-8"))
    (out / "planted.json").write_text(json.dumps(planted, indent=2) + "\n", encoding="utf-8")


def _row(found: Any, unseen: Any) -> Iterator[object]:
    """Of ``methods.csv``."""
    import numpy as np

    from harness.statistics.scores import spearman
    from harness.statistics.values import spearman_interval

    audit, bill = found.outcome.audit, found.outcome.bill.method
    own, truth = (np.array([one.value for one in each.outcome.values]) for each in (found, unseen))
    agreement = spearman(own, truth)
    yield found.method
    figures = (bill.seconds, bill.load, bill.retrainings, audit.agreement, audit.low, audit.high, audit.order_agreement)
    for figure in (*figures, agreement, *spearman_interval(agreement, len(own))):
        yield f"{figure:.6g}" if figure == figure else ""


def draw(data: Path, out: Path, draws: int) -> None:
    """What is told of other vendors of the same kinds."""
    import dataworth

    maker = runpy.run_path(str(Path(__file__).parent / "twelve_vendors.py"))
    rows = []
    for seed in range(1, draws + 1):
        with tempfile.TemporaryDirectory() as folder:
            maker["save"](maker["make"](data, 500, 400, seed), Path(folder))
            found = dataworth.value(
                Path(folder) / "vendors", Path(folder) / "target.csv", task="sentiment", method="size", parts=0
            )
        told = {"findings": [{"kind": one.kind, "who": one.who, "also": one.also} for one in found.findings]}
        rows += [(seed, name, "; ".join(_kinds(told, name))) for name in maker["PLANTED"]]
    _write(out / TOLD, ("seed", "vendor", "told"), rows)


def _write(file: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows([columns, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description="Value the twelve vendors by each method, with an audit.")
    parser.add_argument("--vendors", type=Path, default=Path("vendors-example"), help="what twelve_vendors.py made")
    parser.add_argument("--data", type=Path, help="as twelve_vendors.py has it")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "twelve-vendors")
    parser.add_argument("--page", action="store_true", help="draw the page of what is kept, and value nothing")
    given = parser.parse_args()
    if not given.page:
        if given.data is None:
            parser.error("--data is needed, but for --page")
        given.out.mkdir(parents=True, exist_ok=True)
        value(given.vendors, given.out)
        draw(given.data, given.out, DRAWS)
    (given.out / "README.md").write_text(page(given.out), encoding="utf-8")
    print(f"Written to {given.out}")


if __name__ == "__main__":
    main()
