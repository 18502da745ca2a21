"""What a person brings: files or frames of contributors and of a target, as examples of one of the four tasks.

``finding`` tells contributors apart, ``columns`` finds what a file's columns mean, ``reading`` makes rows of them by
the readers of ``tasks.sources``, ``described`` where a description says how, ``copies`` looks for near-duplicates,
``texts`` and ``images`` make examples and what learns from them.
"""

from __future__ import annotations

from harness.brought import Brought, Wanted
from harness.errors import unknown
from tasks.brought.reading import read
from tasks.sources.description import TASK_FORMS
from tasks.sources.rows import quiet


def bring(wanted: Wanted) -> Brought:
    """Everything that is to be valued, read and checked.

    Raises:
        UserError: something cannot be read, found or valued; it names the contributor, the file and the row.
    """
    if wanted.task not in TASK_FORMS:
        raise unknown("task", wanted.task, TASK_FORMS)
    with quiet():
        tables = read(wanted)
    if TASK_FORMS[wanted.task] == "image-label":
        from tasks.brought.images import brought
    else:
        from tasks.brought.texts import brought
    return brought(wanted, tables)
