"""The load of a machine on which others really work."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from harness.metering.load import STAT, LoadGauge, read
from harness.metering.meter import Meter

pytestmark = pytest.mark.skipif(not STAT.exists(), reason="the system does not tell how busy it is")


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_busy_loops_beside_are_the_load_and_one_s_own_is_not() -> None:
    now = read()
    assert now is not None
    gauge = LoadGauge()
    start = gauge.start()
    spin(2.0)
    alone = gauge.since(start)
    with ExitStack() as stack:
        for _ in range(now.cores):
            loop = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
            stack.callback(loop.wait)
            stack.callback(loop.kill)
        meter = Meter("cpu")
        with meter.measuring():
            spin(2.0)
    assert meter.cost.load > 0.35  # half of each core at least is theirs, this process's own half is not counted
    assert meter.cost.load > alone - 0.5
    assert alone < 1.0
