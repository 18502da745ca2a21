"""A task on sources, defined: its defaults with what a suite's settings change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.config import TaskSettings
from harness.errors import UserError, unknown
from harness.types import Form, Recipe
from tasks.external.defaults import DEFAULTS, Data
from tasks.learners.pretrained import Model
from tasks.pools.dealing import Axes
from tasks.sources.description import TASK_FORMS, Side, Source, load_source


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """What a task is made of; descriptions of its sources are read, their rows are not yet.

    Args:
        real, synthetic: sources of each side; without synthetic ones a generator is fitted, or all rows are real.
        real_only: whether a suite asks for the latter (``synthetic = []``).
        folder: the data folder that sources' paths are in; None where all lie beside their descriptions or on the hub.
        model: a pretrained model, None for the small one that is trained here.
        length, base_steps, entries: as in Defaults, for the model that is taken.
    """

    name: str
    form: Form
    real: tuple[Source, ...]
    synthetic: tuple[Source, ...]
    real_only: bool
    folder: Path | None
    axes: Axes
    recipe: Recipe
    model: Model | None
    length: int
    base_steps: int
    entries: int

    @property
    def summary(self) -> str:
        if self.real_only:
            return f"{_names(self.real)} (real), and nothing synthetic."
        synthetic = _names(self.synthetic) or "a truncated class-conditional generator"
        return f"{_names(self.real)} (real) and {synthetic} (synthetic)."


def define(name: str, settings: TaskSettings, data: Data, folder: Path | None) -> TaskDefinition:
    """Settle what a task is made of.

    Raises:
        UserError: a name is unknown, a source is of another task or side, a folder is missing, or settings clash.
    """
    if name not in DEFAULTS:
        raise unknown("task", name, DEFAULTS)
    defaults, form = DEFAULTS[name], TASK_FORMS[name]
    for key, needs in (("lora", settings.lora), ("revision", settings.revision)):
        if needs is not None and settings.model is None:
            raise UserError(f"{name}: {key} is for a pretrained model; name one with model, or leave {key} out.")
    if form == "image-label" and settings.length is not None:
        raise UserError(f"{name}: length counts the tokens of a text; leave it out.")
    given, axes = settings.synthetic, _axes(defaults.axes, settings)
    real_only = given is not None and not given
    model = Model(settings.model, settings.revision, settings.lora) if settings.model else None
    return TaskDefinition(
        name=name,
        form=form,
        real=_sources(name, "real", settings.real or defaults.real[data], folder),
        synthetic=_sources(name, "synthetic", defaults.synthetic[data] if given is None else given, folder),
        real_only=real_only,
        folder=folder,
        axes=replace(axes, real_share=(1.0, 1.0)) if real_only else axes,
        recipe=settings.recipe(defaults.tuning if model else defaults.recipe),
        model=model,
        length=settings.length or (defaults.tuning_length if model else defaults.length),
        base_steps=defaults.base_steps,
        entries=defaults.entries,
    )


def _axes(default: Axes, settings: TaskSettings) -> Axes:
    contributors, size = settings.contributors or default.contributors, settings.size or default.size
    return replace(default, contributors=contributors, size=size)


def _sources(name: str, side: Side, wanted: tuple[str, ...], folder: Path | None) -> tuple[Source, ...]:
    found = tuple(load_source(one) for one in wanted)
    for source in found:
        if (source.task, source.side) != (name, side):
            raise UserError(
                f"{name}: {source.name} is a {source.side} source for {source.task}; a {side} one for {name} is "
                f"needed. Name another, or mend its description."
            )
        if source.path is not None and folder is None and source.home is None:
            raise UserError(f"{name}: {source.name} lies in the data folder, and none was given; give --data DIR.")
    return found


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(source.name for source in sources)
