"""What a file that nobody has described seems to be: its description, written, and tried by reading the file by it.

``files`` tells what kind of files these are and how they hold rows, ``places`` what stands in them, ``finding`` what
that is fit for (``texts``, ``images``, ``sides``), ``writing`` makes the TOML, ``examples`` shows what a model gets.
"""

from __future__ import annotations

from harness.described import Described, Undescribed
from harness.errors import unknown
from tasks.describing.examples import doubts_of, encoded
from tasks.describing.files import look
from tasks.describing.finding import mean
from tasks.describing.writing import source_of, toml_of
from tasks.sources.accounts import rows_of, rows_read
from tasks.sources.description import TASK_FORMS
from tasks.sources.reading import read


def describe(asked: Undescribed) -> Described:
    """Look at the files, write what they are, and read them so.

    Raises:
        UserError: they cannot be read, or what they are cannot be told; it says what to tell.
    """
    if asked.task is not None and asked.task not in TASK_FORMS:
        raise unknown("task", asked.task, TASK_FORMS)
    seen = look(asked.files, asked.base)
    meant = mean(seen, asked)
    source = source_of(asked, seen, meant)
    table = read(source, asked.base)
    doubts = (*seen.doubts, *meant.doubts, *doubts_of(table))
    return Described(
        task=source.task,
        side=source.side,
        toml=toml_of(source, doubts),
        found=(*seen.found, *meant.found, ("side", source.side)),
        read=f"{rows_read(rows_of(table), table.left_out)}; {len(table):,} taken.",
        examples=encoded(table),
        doubts=doubts,
    )
