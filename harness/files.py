"""Files: replaced in one step, and the folder of what is kept because it takes time to make again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from harness.errors import UserError

CACHE = "DATAWORTH_CACHE"
"""The environment variable that names another cache folder."""


def write_atomically(path: Path, content: str | bytes, advice: str = "Choose another folder with --out.") -> None:
    """Replace a file's content in one step; text is written as UTF-8.

    Args:
        advice: what to do where the file cannot be written.

    Raises:
        UserError: it cannot be written.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            # Names of files that are no UTF-8 reach us as halves of characters; their escapes can be written.
            file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror}. {advice}") from error
    finally:
        with suppress(OSError):  # where its folder could not be made there is nothing to remove either
            scratch.unlink()


def bases_folder() -> Path:
    """Where bases are kept: small models that took minutes to train, good for as long as they are not deleted.

    It lies in the folder that DATAWORTH_CACHE names, or else in the user's cache folder.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (_named_cache() or Path(cache) / "dataworth") / "bases"


def rows_folder() -> Path | None:
    """Where rows are kept as they were read from files, made again in seconds; None: nowhere.

    They are as large as the files, so they are kept only where DATAWORTH_CACHE names a folder.
    """
    named = _named_cache()
    return named / "rows" if named else None


def _named_cache() -> Path | None:
    named = os.environ.get(CACHE)
    return Path(named) if named else None
