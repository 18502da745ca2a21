"""What the benchmarks share: a header that says where figures come from, and fair timing.

Rivals are timed in turn, round after round, so that a busy machine slows them all alike. What counts is the median over
rounds of the ratio within a round, not seconds of different runs.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from harness.retraining.stacking import cores
from harness.types import Floats


def start(
    doc: str, peers: Sequence[str] = (), more: Callable[[argparse.ArgumentParser], object] = lambda parser: None
) -> argparse.Namespace:
    """Read the options (``--quick`` and ``more``) and print the header."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes and few repeats: does it run, not how fast")
    more(parser)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    name = Path(sys.argv[0]).stem
    print(doc.strip().splitlines()[0])
    print(f"command   python -m tests.benchmarks.{' '.join([name, *sys.argv[1:]])}")
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"machine   {processor()}, {cores()} cores, load {load} at the start")
    packages = [f"{package} {installed(package) or 'missing'}" for package in ("torch", "numpy", *peers)]
    print(
        f"software  Python {platform.python_version()}, {', '.join(packages)}; torch threads {torch.get_num_threads()}",
        flush=True,
    )
    if options.quick:
        print(
            "note      --quick only shows that it runs; at its small sizes figures and targets mean little", flush=True
        )
    return options


def installed(package: str) -> str | None:
    """Version of a package, None where it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


OTHERWISE = {"kronfluence": "--no-deps kronfluence einops einconv opt-einsum"}
"""Packages that are not installed by their name alone: kronfluence asks for torchvision, which it never imports, and
whose default build does not load beside torch's CPU build, nor lets transformers load."""


def missing(*packages: str) -> bool:
    """Whether a rival must be left out; says so where it must."""
    absent = [package for package in packages if not installed(package)]
    if absent:
        wanted = " ".join(OTHERWISE.get(package, package) for package in absent)
        print(f"skipped   the comparison with {absent[0]}: it is not installed; pip install {wanted}")
    return bool(absent)


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model n")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


@dataclass(frozen=True, slots=True)
class Rival:
    """One way to do the work.

    Args:
        call: does it, given the round's number (from -1, the warm-up).
        threads: torch thread counts to try; the best one counts.
    """

    call: Callable[[int], object]
    threads: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of each round, at the thread count that was best."""

    seconds: Floats
    threads: int

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))

    def over(self, other: Timing) -> float:
        """How many times longer than the other: the median of the rounds' ratios."""
        return float(np.median(self.seconds / other.seconds))


def race(rivals: Mapping[str, Rival], rounds: int) -> dict[str, Timing]:
    """Time all rivals in turn, ``rounds`` times, after one warm-up each.

    What lives already is kept from the garbage collector: a rival that calls it (kronfluence does, ten times a call)
    would pay for how large this process is.
    """
    gc.collect()
    gc.freeze()
    before = torch.get_num_threads()
    lanes = [(name, threads) for name, rival in rivals.items() for threads in rival.threads if threads <= cores()]
    seconds: dict[tuple[str, int], list[float]] = {lane: [] for lane in lanes}
    for turn in range(-1, rounds):
        for name, threads in lanes:
            torch.set_num_threads(threads)
            begun = time.perf_counter()
            rivals[name].call(turn)
            if turn >= 0:
                seconds[name, threads].append(time.perf_counter() - begun)
    torch.set_num_threads(before)
    gc.unfreeze()
    best: dict[str, Timing] = {}
    for (name, threads), found in seconds.items():
        timing = Timing(np.array(found), threads)
        if name not in best or timing.median < best[name].median:
            best[name] = timing
    return best


def spread(values: Sequence[float] | Floats, digits: int = 3) -> str:
    """Median (least to most), to so many significant digits."""
    low, middle, high = (figure(x, digits) for x in (np.min(values), np.median(values), np.max(values)))
    return f"{middle} ({low} to {high})"


def figure(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, without an exponent."""
    if not np.isfinite(value) or value == 0:
        return f"{value:g}"
    return f"{value:,.{max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))}f}"


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table."""
    print(f"\n{title}")
    print(tabulate(rows, headers=headers, disable_numparse=True, tablefmt="simple"), flush=True)


def verdict(what: str, value: float, target: float, unit: str = "x", at_least: bool = True) -> None:
    """Say whether a target is met."""
    met = value >= target if at_least else value <= target
    sign = "at least" if at_least else "at most"
    print(
        f"{'met   ' if met else 'MISSED'}  {what}: {figure(value)}{unit} (target {sign} {target:g}{unit})", flush=True
    )
