"""Folders that a run may write to: nothing of the user's is overwritten, and a fresh start keeps what was there."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from harness.config import LEDGERS, RESULTS, SUITE_FILE
from harness.errors import UserError
from harness.files import write_atomically
from harness.records.seal import SEAL
from harness.report.files import DRAWN, refuse_foreign
from harness.retraining.closed_ledgers import held


def refuse_unfit(folder: Path) -> None:
    """Make sure that a run may write here: into a new or empty folder, or one that a run has made.

    Raises:
        UserError: it is a file, holds other files and no suite, or a file of the user's would be overwritten.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"Cannot write to {folder}: it is a file, no folder. Choose another with --out.")
    try:
        held = sorted(entry.name for entry in folder.iterdir() if not entry.name.endswith(".part"))
    except OSError as error:
        raise UserError(f"Cannot read {folder}: {error.strerror}. Choose another folder with --out.") from error
    if held and SUITE_FILE not in held:
        more = ", ..." if len(held) > 3 else ""
        raise UserError(
            f"{folder} holds other files ({', '.join(held[:3])}{more}) and no {SUITE_FILE}: it is no folder of "
            "results. Choose a new one with --out, or leave --out out."
        )
    refuse_foreign(folder)


def set_aside(folder: Path) -> None:
    """Move what a run kept and drew to ``ledger-until-TIME`` and ``results-until-TIME``, a folder of results itself.

    Raises:
        UserError: another run is at work here, or something cannot be moved.
    """
    with held(folder / LEDGERS):
        until = _free(folder)
        aside = folder / f"{RESULTS}-until-{until}"
        try:
            # Results first: a start that is killed here has the old ledger still, and goes on from it.
            moved = [folder / name for name in (RESULTS, SEAL, *DRAWN) if (folder / name).exists()]
            if moved:
                aside.mkdir()
                if (folder / SUITE_FILE).exists():
                    shutil.copy2(folder / SUITE_FILE, aside)
                for place in moved:
                    place.rename(aside / place.name)
            if (folder / LEDGERS).exists():
                (folder / LEDGERS).rename(folder / f"{LEDGERS}-until-{until}")
        except OSError as error:
            raise UserError(
                f"Cannot start anew in {folder}: {error}. Make it writable or choose another folder with --out."
            ) from error


def keep_foreign(file: Path, ours: str) -> None:
    """Copy a suite's file that a person wrote, as its text shows, to ``suite-until-TIME.toml`` before it is replaced.

    Raises:
        UserError: the copy cannot be written.
    """
    content = file.read_bytes()
    if content != ours.encode():
        name = f"{file.stem}-until-{_free(file.parent)}{file.suffix}"
        write_atomically(file.with_name(name), content)


def _free(folder: Path) -> str:
    """The time, with a number where something was set aside in the same second."""
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    names = [now, *(f"{now}-{k}" for k in range(2, 100))]
    return next(n for n in names if not any((folder / f"{kind}-until-{n}").exists() for kind in (LEDGERS, RESULTS)))
