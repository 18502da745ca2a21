"""``dataworth.value``: from paths or frames to a ``Valued``; the command line goes through here too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from harness import registry
from harness.brought import ROWS, Given, Side, Wanted
from harness.config import TaskSettings
from harness.errors import UserError, plain, unknown
from harness.retraining.ledger import IN_MEMORY, Ledger
from harness.running.progress import ProgressDisplay
from harness.types import QUESTIONS, Question
from harness.validation import first_mistake
from harness.valuing import files
from harness.valuing.choosing import AUTO, budget_of
from harness.valuing.notebook import NotebookProgress
from harness.valuing.session import Progress
from harness.valuing.target import PARTS
from harness.valuing.valuation import Request
from harness.valuing.valuation import value as find
from harness.valuing.valued import Silent, Valued

SMALL = "small"


def value(
    contributors: Mapping[str, Any] | Any,
    target: Any,
    *,
    task: str,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    real: Iterable[str] = (),
    synthetic: Iterable[str] = (),
    method: str = AUTO,
    question: Question = "shapley",
    budget: str | float | None = None,
    model: str = SMALL,
    settings: Mapping[str, Any] | None = None,
    rows: int = ROWS,
    parts: int = PARTS,
    audit: int = 0,
    seed: int = 0,
    device: str = "cpu",
    out: str | Path | None = None,
    texts: bool = True,
    progress: bool = True,
) -> Valued:
    """What contributors' data are worth to a model that shall be good at a target.

    Args:
        contributors: name -> path or frame; or a folder with a file or folder for each, or one table with a column that
            names them (a path or a ``pandas.DataFrame``).
        target: path or frame of rows that stand for what the model shall do.
        task: sentiment (texts with labels), image-classification, instruction-following or reasoning.
        columns: field (text, label, prompt, answer, image, contributor, side) -> column, where names do not tell.
        labels: a label as files have it -> what it is called.
        real, synthetic: contributors of which all examples are; of others nothing is known unless a column says it.
        method: a name with its knobs, or ``auto``.
        question: standalone, leave-one-out or shapley.
        budget: of the method, parts of the target and the audit: minutes, or a text such as "2h" or "0.5gpuh".
        model: ``small``, or the folder or hub name of a pretrained one.
        settings: of the training (``harness.config.TaskSettings``): lora, length, steps, batch_size, rate, ...
        rows: most rows of all contributors together; beyond, each one's are thinned alike.
        parts: into how many the target is cut for its share of intervals; 0 for none.
        audit: coalitions that are retrained, to hold the values against them.
        seed: of every random stream: the same seed gives the same values.
        out: a folder that keeps everything to go on from, and gets the files; None: memory alone.
        texts: whether the result may say what examples say; else it names files and rows alone.
        progress: whether to show it.

    Raises:
        UserError: something cannot be read, valued or afforded; it says what to do.
    """
    if question not in QUESTIONS:
        raise unknown("question", question, QUESTIONS)
    request = Request(
        method=method,
        question=question,
        budget=None if budget is None else budget_of(f"{budget}"),
        parts=parts,
        audit=audit,
        seed=seed,
        device=device,
        texts=texts,
    )
    wanted = Wanted(
        task=task,
        contributors=_given(contributors),
        target=_path(target),
        columns=dict(columns or {}),
        labels=dict(labels or {}),
        sides=_sides(real, synthetic),
        rows=rows,
        settings=_settings(model, settings or {}),
    )
    return valued(wanted, request, None if out is None else Path(out), _progress(progress))


def valued(wanted: Wanted, request: Request, folder: Path | None, progress: Progress) -> Valued:
    """Read, value, and write files where there is a folder for them."""
    if wanted.rows < 1:
        raise UserError(f"--rows counts examples, got {wanted.rows}.")
    if request.method != AUTO:
        registry.named(request.method)  # a name that is none is told before files are read
    if folder is not None:
        _refuse_among_contributors(folder, wanted.contributors)
        files.refuse_foreign(folder)
    with progress.shown():
        with progress.stage("reading"):
            brought = registry.bring(wanted)
        rows = f"{len(brought.train):,} examples, target of {len(brought.target):,} rows"
        progress.note(escape(f"{len(brought.names)} contributors, {rows}"))
        kept = folder or Ledger(IN_MEMORY)
        found = find(brought, request, kept, progress)
    if folder is not None:
        files.write(folder, found)
    return Valued(found, brought, request, kept, progress)


def _refuse_among_contributors(folder: Path, contributors: Mapping[str, Given]) -> None:
    """What is written there would be read as a contributor's the next time."""
    for given in contributors.values():
        if isinstance(given, Path) and given.is_dir() and folder.resolve().is_relative_to(given.resolve()):
            raise UserError(
                f"The answer would be written to {folder}, which lies inside {given}, where contributors' files are "
                "read from. Choose another folder with --out."
            )


def _given(contributors: Mapping[str, Any] | Any) -> dict[str, Given]:
    if isinstance(contributors, Mapping):
        if "" in contributors:
            raise UserError("A contributor needs a name, got an empty one.")
        found = {plain(str(name)): _path(given) for name, given in contributors.items()}
        if len(found) < len(contributors):
            raise UserError("Two contributors have one name once it is written out; give each a name of its own.")
        return found
    return {"": _path(contributors)}


def _path(given: Any) -> Given:
    return Path(given) if isinstance(given, str) else given


def _sides(real: Iterable[str], synthetic: Iterable[str]) -> dict[str, Side]:
    found: dict[str, Side] = dict.fromkeys(real, "real")
    for name in synthetic:
        if name in found:
            raise UserError(
                f"{name} cannot be real and synthetic at once; say one of them, or a column that tells each row's side."
            )
        found[name] = "synthetic"
    return found


def _settings(model: str, others: Mapping[str, Any]) -> TaskSettings:
    """The model's and the training's.

    Raises:
        UserError: there is no such setting, or it is one of suites alone.
    """
    allowed = ("lora", "revision", "length", "steps", "batch_size", "micro_batch", "rate", "precision")
    for name in others:
        if name not in allowed:
            raise unknown("setting of a valuation", name, allowed)
    try:
        found = TaskSettings.model_validate({name: value for name, value in others.items() if value is not None})
    except ValidationError as error:
        raise UserError(first_mistake(error, lambda place: unknown("setting", str(place[-1]), allowed))) from error
    if model != SMALL:
        return found.model_copy(update={"model": model})
    for name in ("lora", "revision"):
        if getattr(found, name) is not None:
            raise UserError(f"{name} is for a pretrained model; name one with --model, or leave {name} out.")
    return found


def _progress(shown: bool) -> Progress:
    console = Console(stderr=True, highlight=False)
    if not shown:
        return Silent()
    return NotebookProgress() if console.is_jupyter else ProgressDisplay(console)
