"""Names beside the points of a figure, where they cover neither a point nor another name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from harness.errors import plain
from harness.report.figures.style import INK, MUTED

SIZE, SMALL = 7.5, 5.5
"""Of names that matter, and of others, in points."""
PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.4}
"""Behind a name, so that no line strikes it through."""
SIDES = (
    ((6, 0), "left", "center"),
    ((-6, 0), "right", "center"),
    ((3, 4), "left", "bottom"),
    ((-3, 4), "right", "bottom"),
    ((3, -4), "left", "top"),
    ((-3, -4), "right", "top"),
)
"""Where a name may stand, the first that is free: offset in points, horizontal and vertical alignment."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A point with a name.

    Args:
        x, y: in the axes' data; matters: is named first, and whatever it covers.
    """

    name: str
    x: float
    y: float
    matters: bool


def name_spots(figure: Figure, axes: Axes, spots: Sequence[Spot]) -> None:
    """Name those that matter, then as many of the others as there is room for, in their order.

    Everything else must be drawn and its layout final: what is free is measured, and the names take no part in it.
    """
    figure.draw_without_rendering()
    points = [axes.transData.transform((spot.x, spot.y)) for spot in spots]
    reach = 2.5 * figure.dpi / 72
    taken = [Bbox.from_bounds(x - reach, y - reach, 2 * reach, 2 * reach) for x, y in points]
    for spot in sorted(spots, key=lambda spot: not spot.matters):
        if (box := _named(axes, spot, taken)) is not None:
            taken.append(box)


def _named(axes: Axes, spot: Spot, taken: Sequence[Bbox]) -> Bbox | None:
    """Where its name stands now, None where there is no room."""
    label = axes.annotate(
        plain(spot.name),
        (spot.x, spot.y),
        SIDES[0][0],
        textcoords="offset points",
        fontsize=SIZE if spot.matters else SMALL,
        color=INK if spot.matters else MUTED,
        bbox=PLATE,
    )
    label.set_in_layout(False)
    frame = axes.figure.bbox
    for offset, across, up in SIDES:
        label.set(position=offset, horizontalalignment=across, verticalalignment=up)
        box = label.get_window_extent()
        is_inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and axes.bbox.y0 <= box.y0
        if is_inside and not any(box.overlaps(other) for other in taken):
            return box
    if not spot.matters:
        label.remove()
        return None
    label.set(position=SIDES[0][0], horizontalalignment=SIDES[0][1], verticalalignment=SIDES[0][2])
    return label.get_window_extent()
