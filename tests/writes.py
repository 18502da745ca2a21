"""Notes what this process writes in places that tests must leave alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

OWN = (".pytest_cache", "__pycache__", ".coverage")
"""What Python and pytest keep in a repository, git ignores it."""

CREATING = ("os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "sqlite3.connect")
MOVING = ("os.rename", "os.link", "os.symlink")


class Writes:
    """The files in ``watched`` folders that this process opens for writing, creates, moves or removes.

    Python's own calls are seen; what compiled libraries open themselves is not, and ``.ci/run`` therefore compares the
    repository before and after as well.

    Args:
        watched: folders that nothing may be written to.
        allowed: folders inside them that are the tests' own.
    """

    def __init__(self, watched: tuple[Path, ...], allowed: tuple[Path, ...]) -> None:
        self.watched, self.allowed = watched, allowed
        self._found: list[str] = []
        sys.addaudithook(self._hear)

    def taken(self) -> list[str]:
        """What was found since the last time."""
        found, self._found = self._found, []
        return found

    @contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        """This folder too, for a while."""
        before = self.watched, self.allowed
        self.watched, self.allowed = (folder,), ()
        try:
            yield
        finally:
            self.watched, self.allowed = before

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if writes or (isinstance(mode, str) and any(letter in mode for letter in "wax+")):
                self._note(path)
        elif event in (*CREATING, *MOVING):
            if isinstance(arguments[-1], int) and arguments[-1] >= 0:
                return  # relative to an open folder, as shutil.rmtree goes down: the whole was noted when it began
            self._note(arguments[event in MOVING])

    def _note(self, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike) or os.fsdecode(path) == ":memory:":
            return  # a file descriptor: its file was noted when it was opened
        place = Path(os.path.abspath(os.fsdecode(path)))
        if not any(place.is_relative_to(folder) for folder in self.watched):
            return
        if any(place.is_relative_to(folder) for folder in self.allowed):
            return
        if not any(part.startswith(OWN) for part in place.parts):
            self._found.append(str(place))


WRITES = pytest.StashKey[Writes]()
"""Where a session keeps its own."""
