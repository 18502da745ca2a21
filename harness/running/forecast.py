"""How long the rest of a run takes, and what it is paid for so far, by what its answers have taken."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from harness.projection import Projection
from harness.types import Cost

Kind = tuple[str, str]
"""Task, and method or ``TRUTHS``: answers of one kind take about as long as each other."""

TRUTHS = "truths"

ENOUGH = 0.02
"""Share of an answer that must be there before its own pace says anything."""

A_METHOD = 0.1
"""What a method's answer is taken to last, in a truth's, while only truths are there. In the published suites a
valuation takes 0.26 to 0.39 of a truth's seconds, and most methods answer three questions by one."""


@dataclass(slots=True)
class Forecast:
    """The time left of a run. Kinds are those of the start for good: another thread may ask while answers come.

    Args:
        left: answers of each kind that are still to come.
    """

    left: dict[Kind, int]
    _taken: dict[Kind, list[float]] = field(init=False)

    def __post_init__(self) -> None:
        self._taken = {kind: [] for kind in self.left}

    def answered(self, kind: Kind, seconds: float, kept: bool) -> None:
        """One more is there; what was only looked up says nothing of those that are not."""
        self.left[kind] = max(0, self.left[kind] - 1)
        if not kept:
            self._taken[kind].append(seconds)

    def seconds(self, at: Kind | None = None, elapsed: float = 0.0, share: float = 0.0) -> float:
        """Seconds left; nan while nothing is known.

        Args:
            at: the kind that is at work, for so many seconds, with so large a share of its answer done (0: unknown).
        """
        means = {kind: sum(taken) / len(taken) for kind, taken in self._taken.items() if taken}
        if at is not None and share >= ENOUGH:
            means.setdefault(at, elapsed / share)
        if not means:
            return math.nan if any(self.left.values()) else 0.0
        total = sum(count * _of(kind, means) for kind, count in self.left.items() if count)
        if at is None or not self.left.get(at):
            return total
        usual = _of(at, means)
        whole = elapsed / share if share >= ENOUGH else usual
        return max(0.0, total - usual) + max(0.0, whole - elapsed)


def _of(kind: Kind, means: Mapping[Kind, float]) -> float:
    """Its own mean, or that of the same method on other tasks, or of all methods (truths), or else by the others."""
    if kind in means:
        return means[kind]
    is_truth = kind[1] == TRUTHS
    for alike in (
        [mean for other, mean in means.items() if other[1] == kind[1]],
        [mean for other, mean in means.items() if (other[1] == TRUTHS) == is_truth],
    ):
        if alike:
            return sum(alike) / len(alike)
    others = sum(means.values()) / len(means)
    return others / A_METHOD if is_truth else others * A_METHOD


@dataclass(slots=True)
class Spending:
    """What a run costs at the price of a GPU-hour that its suite tells; nothing where it tells none.

    On a GPU every hour is paid, so it is the time since the start. Elsewhere it is what the answers, each with all that
    it is billed for, would cost on the GPU that hours are projected for; where operations were not counted they are
    taken to be those of the same question on a pool where they were.

    Args:
        device: torch device of the run.
    """

    projection: Projection
    device: str
    _clock: Callable[[], float] = time.monotonic
    _hours: float = 0.0
    _counted: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self._clock()

    def add(self, kind: Kind, question: str, cost: Cost, precision: str) -> None:
        """One more answer."""
        if math.isfinite(cost.flops):
            hours = self.projection.hours(cost.flops, cost.bytes_moved, cost.launches, precision)
            self._counted[(*kind, question)] = hours if math.isfinite(hours) else 0.0
        self._hours += self._counted.get((*kind, question), 0.0)

    @property
    def so_far(self) -> float:
        """In the currency of the price; nan without one."""
        price = self.projection.price_per_gpu_hour
        if price is None:
            return math.nan
        on_gpu = self.device.startswith("cuda")
        return price * ((self._clock() - self._started) / 3600 if on_gpu else self._hours)

    @property
    def words(self) -> str:
        """As a person reads it; empty without a price."""
        amount = self.so_far
        if math.isnan(amount):
            return ""
        digits = 2 if amount >= 0.1 or amount == 0 else max(2, 1 - math.floor(math.log10(amount)))
        projected = "" if self.device.startswith("cuda") else " projected"
        return f"{self.projection.currency} {amount:.{digits}f}{projected}"


def counts(tasks: Iterable[str], methods: Iterable[str], answers_each: int) -> dict[Kind, int]:
    """Answers of every kind, where every task's truths and methods give as many."""
    names = [TRUTHS, *methods]
    return {(task, name): answers_each for task in tasks for name in names}
