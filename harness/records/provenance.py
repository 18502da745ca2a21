"""Where a result came from: code, packages, machine, command."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

PACKAGES = ("dataworth", "torch", "numpy", "scipy", "scikit-learn", "pyDVL", "datasets", "transformers")

ROOT = Path(__file__).resolve().parents[2]

CHANGED = " (changed)"
"""Behind a commit where the tree differs from it."""

MERGED = "merged"
"""Of a run that somebody else submitted: when its rows were merged into a published board."""

MARKUP = frozenset("<>|`[]")
"""Characters that could be more than text in a terminal, in Markdown or in a page."""

OWN_FOLDERS = ("--data", "--out")
"""Options whose folders are the user's own."""


def provenance(device: str, threads: int) -> dict[str, Any]:
    """What a reader needs to run it again and compare."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(sys.argv[1:]),
        "commit": _commit(),
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": _device_name(device),
    }


def _command(arguments: Sequence[str]) -> str:
    """The command as results may tell it: where a user keeps files is not for others to read."""
    words, hide = ["dataworth"], False
    for argument in arguments:
        option, is_joined, _ = argument.partition("=")
        own = option in OWN_FOLDERS
        words.append("DIR" if hide else f"{option}=DIR" if own and is_joined else argument)
        hide = own and not is_joined
    return " ".join(words)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, marked where the tree differs from it; None outside a checkout."""
    try:
        commit = _git(ROOT, "rev-parse", "HEAD")
        changed = _git(ROOT, "status", "--porcelain", "--", "harness", "methods", "tasks", "pyproject.toml")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}{CHANGED if changed else ''}"


def is_plain(text: str) -> bool:
    """Whether it is one line that means nothing but itself wherever it is shown."""
    return text.isprintable() and not MARKUP & set(text)


@dataclass(frozen=True, slots=True)
class Commit:
    """What this checkout knows of a commit.

    Args:
        state: ``no checkout`` where there is none to ask.
        made: when; None where it is not known.
    """

    state: Literal["known", "unknown", "no checkout"]
    made: datetime | None = None


def commit_of(commit: str) -> Commit:
    """A commit of 40 hexadecimal digits."""
    try:
        _git(ROOT, "rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return Commit("no checkout")
    try:
        made = _git(ROOT, "show", "--no-patch", "--format=%ct", f"{commit}^{{commit}}")
    except (OSError, subprocess.SubprocessError):
        return Commit("unknown")
    return Commit("known", datetime.fromtimestamp(int(made), UTC))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"
