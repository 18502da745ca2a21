"""Who made the rows: people or a generator, where a column or somebody tells."""

from __future__ import annotations

from harness.described import Undescribed
from harness.errors import UserError
from tasks.brought.columns import is_real, side_column
from tasks.describing.files import Seen
from tasks.describing.meaning import quoted
from tasks.sources.fields import distinct

Where = dict[str, str | tuple[str, ...]]


def side_of(seen: Seen, asked: Undescribed, doubts: list[str]) -> tuple[str, Where]:
    """Real or synthetic, and the rows that are taken where a column tells the two apart.

    Raises:
        UserError: the side that is asked for has no rows.
    """
    columns = seen.tables[0].column_names if seen.tables else []
    column = asked.columns.get("side") or side_column({}, columns)
    sides = _sides(seen, column) if column in columns else {}
    if column is None or not any(sides.values()):
        if asked.side is None:
            doubts.append(
                'Nothing tells who made these rows; people are taken for it. Write side = "synthetic" if a generator '
                "did."
            )
        return asked.side or "real", {}
    side = asked.side or ("real" if sides["real"] else "synthetic")
    wanted = sides[side]
    if not wanted:
        raise UserError(f"{seen.shown}: by its column {quoted(column)} no row is {side}. Leave --side out.")
    if sum(map(len, sides.values())) == len(wanted):
        return side, {}
    other = "synthetic" if side == "real" else "real"
    doubts.append(
        f"The column {quoted(column)} tells real rows from synthetic ones; these are the {side} ones. Describe the "
        f"others too: --side {other} --out OTHER.toml."
    )
    return side, {column: wanted[0] if len(wanted) == 1 else wanted}


def _sides(seen: Seen, column: str | None) -> dict[str, tuple[str, ...]]:
    """Side -> the values of the column that mean it; values that mean neither are of no side."""
    assert column is not None
    values = sorted({text for rows in seen.tables for text in distinct(rows, column)})
    return {
        "real": tuple(text for text in values if is_real(text, column)),
        "synthetic": tuple(text for text in values if is_real(text, column) is False),
    }
