"""What every test session needs: a cache of its own, one torch thread, and a check that nothing else was written."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.command import command
from tests.writes import WRITES, Writes

__all__ = ["command"]  # a fixture for all

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 8
"""More do not help: to start takes each of them several seconds, and nearly one GB of memory."""

# Set before torch and tokenizers are imported, and for processes that tests start: each worker has one core, and the
# small matrices of tests take twice the work in two threads.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
# Processes that are started in other folders take this repository and not one that is installed.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
settings.register_profile("dataworth", derandomize=True, database=None, deadline=None, max_examples=50)
settings.load_profile("dataworth")


def pytest_configure(config: pytest.Config) -> None:
    """Caches go to a folder that all processes of this session share; xdist's workers inherit where it is."""
    if not hasattr(config, "workerinput"):
        caches = tempfile.mkdtemp(prefix="dataworth-tests-")
        config.add_cleanup(lambda: shutil.rmtree(caches, ignore_errors=True))
        os.environ.pop("DATAWORTH_CACHE", None)
        os.environ |= {"XDG_CACHE_HOME": caches, "HF_HOME": os.path.join(caches, "huggingface")}
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = os.path.join(caches, "hypothesis")
    config.stash[WRITES] = Writes((ROOT, Path.home() / ".cache"), (Path(os.environ["XDG_CACHE_HOME"]),))


def pytest_collection_finish() -> None:
    """What has been imported stays: the garbage collector need not look through it again and again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield
    if found := item.config.stash[WRITES].taken():
        pytest.fail(f"tests write to their own folders alone (tmp_path), and this one wrote: {', '.join(found)}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    import joblib  # not above: numpy, which it imports, reads the number of threads then

    return min(int(joblib.cpu_count()), WORKERS)  # the cores that affinity and a container's quota leave


def pytest_report_header(config: pytest.Config) -> str | None:
    slow = ROOT / "tests" / "slow"
    named = any((config.invocation_params.dir / argument).resolve().is_relative_to(slow) for argument in config.args)
    return None if named else "left out: what takes longer; to run it: python -m pytest tests/slow"
