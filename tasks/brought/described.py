"""What a contributor, or the target, brings in files that a source description tells how to read."""

from __future__ import annotations

from pathlib import Path

from harness.brought import Wanted
from harness.errors import UserError
from tasks.brought.rows import Rows
from tasks.sources.description import TASK_FORMS, load_source
from tasks.sources.reading import Table, read


def described(file: Path, wanted: Wanted, who: str) -> Rows:
    """The rows that a description stands for; its paths are seen from the folder that it lies in.

    Args:
        who: a contributor's name, or the target.

    Raises:
        UserError: it cannot be read, is of another kind of task, or its files are not what it says.
    """
    source = load_source(str(file))
    if source.form != TASK_FORMS[wanted.task]:
        raise UserError(
            f"{file} describes rows for {source.task}, and {wanted.task} is asked for, whose rows are of another kind. "
            "Say --task, or mend the description."
        )
    table = read(source, file.parent)
    said = wanted.sides.get(who, source.side)
    return Rows(
        prompts=list(table.prompts),
        images=table.images,
        answers=_answers(table),
        places=list(table.places),
        real=[said == "real"] * len(table),
        read=len(table) + sum(table.left_out.values()),
        left_out=table.left_out,
    )


def _answers(table: Table) -> list[str]:
    """Responses, or labels as they are called: an image's by its class's name, its number where that has none."""
    if table.labels is None:
        return list(table.answers)
    return [table.names[label] if table.names else str(label) for label in table.labels.tolist()]
