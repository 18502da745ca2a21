"""A task on data sets of the hub, in a fresh process: the hub's address is read when its library is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.tasks.sources_hub_server import Hub, served
from tests.tasks.test_external import text_task

DEALS = """
import sys
from harness.config import TaskSettings
from tasks.external import task

settings = TaskSettings(contributors=5, size=(6, 12), real=(sys.argv[1],), synthetic=(sys.argv[2],))
pool = task("sentiment", settings, "hub", None).deal(0)
print(pool.train.digest(), pool.test.digest())
"""


def test_a_hub_gives_the_same_pool_as_files_of_the_same_rows(tmp_path: Path) -> None:
    expected = text_task(tmp_path, "sentiment", kind="parquet").task().deal(0)
    card = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train.parquet\n---\n"
    revision = "1" * 40
    sets, files = {}, []
    for side in ("real", "synthetic"):
        content = (tmp_path / f"{side}.parquet").read_bytes()
        sets[f"lab/{side}"] = {revision: {"README.md": card, "train.parquet": content}}
        description = (tmp_path / f"{side}-source.toml").read_text(encoding="utf-8")
        place = f'hub = "lab/{side}"\nsplit = "train"\nrevision = "{revision}"'
        file = tmp_path / f"{side}-hub.toml"
        file.write_text(description.replace(f'path = "{side}.parquet"', place), encoding="utf-8")
        files.append(str(file))
    with served(Hub(sets)) as hub:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "DATAWORTH_"))}
        environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        environment |= {"HF_UPDATE_DOWNLOAD_COUNTS": "0", "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", DEALS, *files]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [expected.train.digest(), expected.test.digest()]
