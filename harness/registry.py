"""Methods and tasks by name: this project's tables, and what other packages register.

Nothing here imports either: names are strings, and a module is imported when one of its names is asked for. Other
packages register through the entry point groups ``dataworth.methods`` and ``dataworth.tasks``, as in

    [project.entry-points."dataworth.methods"]
    my-method = "my_package.my_module:MyMethod"

A method's object is a class or function that takes nothing and returns a ``harness.types.Method``; a task's returns a
``harness.types.Task`` that brings its own data. Behind a method's name may stand knobs (``harness.knobs``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, cast, get_args

from harness import knobs
from harness.brought import Brought, Wanted
from harness.config import RECIPE_KEYS, DataKind, TaskSettings
from harness.described import Described, Undescribed
from harness.errors import UserError, plain, said, unknown
from harness.types import (
    Additive,
    Budget,
    Entry,
    Family,
    Learner,
    Method,
    Problem,
    Retraining,
    SetFunction,
    Task,
    TaskReference,
)

METHODS, TASKS = "dataworth.methods", "dataworth.tasks"
"""The entry point groups."""

TABLES = {METHODS: "methods:METHODS", TASKS: "tasks:TASKS"}
"""Where this project's own tables are; a name of theirs goes before a package's."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a name stands for.

    Args:
        package: the distribution that registered it, with its version; empty for this project's own.
        ignored: distributions that registered the same name and did not get it.
        listed: whether a table or a package names it at all.
    """

    entry: Entry
    package: str = ""
    ignored: tuple[str, ...] = ()
    listed: bool = True

    @property
    def summary(self) -> str:
        return self.entry.summary or f"{self.entry.where} of {self.package}"

    @property
    def missing(self) -> bool:
        """Whether its package is not there, as far as can be told without importing it."""
        try:
            return find_spec(self.entry.where.partition(":")[0].partition(".")[0]) is None
        except ValueError:  # no name at all
            return True


@dataclass(frozen=True)
class Broken(Method):
    """Stands for a method that does not load: every question that it is asked fails with the reason."""

    where: str
    reason: str
    family: ClassVar[Family] = "unknown"

    @property
    def summary(self) -> str:
        return self.reason

    def unsuitable(self, problem: Problem) -> str | None:
        raise UserError(self.reason)


def methods() -> dict[str, Known]:
    """Every method by name, none of them imported."""
    return _known(METHODS)


def tasks() -> dict[str, Known]:
    """Every task by name, none of them imported."""
    return _known(TASKS)


def method(name: str) -> Method:
    """The method of that name, with its knobs as the name says; ``Broken`` where it does not load.

    Raises:
        UserError: there is no such method, it has no such knob, or the knob no such value.
    """
    return named(name)[1]


def named(name: str) -> tuple[str, Method]:
    """A method with the one spelling of its name: knobs are sorted, values written in one way.

    Raises:
        UserError: as ``method``.
    """
    base, given = knobs.split(name)
    known = _lookup_method(base)
    made = _made(base, known)
    if isinstance(made, Broken):
        return knobs.spelt(base, given), made
    turned, spelling = knobs.turned(made, base, given)
    return spelling, turned


def found(name: str) -> tuple[str, Method]:
    """As ``named``; or a method that nothing registers yet, by where it is: ``package.module:Class``.

    Raises:
        UserError: as ``method``.
    """
    base, given = knobs.split(name)
    module, _, attribute = base.partition(":")
    is_place = attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))
    if not is_place or {base, module} & set(methods()):
        return named(name)
    made = _made(base, Known(Entry(base, ""), listed=False))
    if isinstance(made, Broken):
        return base, made
    turned, spelling = knobs.turned(made, base, given)
    return spelling, turned


def methods_named(names: Iterable[str]) -> dict[str, Method]:
    """The named methods by the one spelling of their names, each once.

    One that does not load stands there all the same, and answers with the reason.

    Raises:
        UserError: as ``method``; or two names come to the same method with the same settings, whose rows would be one.
    """
    found = dict(named(name) for name in names)
    first: dict[tuple[type, str], str] = {}
    for name, made in found.items():
        same = first.setdefault((type(made), repr(made)), name)
        if same != name:
            raise UserError(f"{same} and {name} are the same method with the same settings; leave one of them out.")
    return found


def spelling(name: str) -> str:
    """The one spelling of a method's name; nothing is imported for one without knobs.

    Raises:
        UserError: as ``method``, for one with knobs.
    """
    return named(name)[0] if knobs.split(name)[1] else name


def _made(name: str, known: Known) -> Method:
    """The method as its table or package has it, ``Broken`` where it does not load."""
    entry = known.entry
    try:
        made = _load(entry.where)(**entry.settings)
        if not isinstance(made, SetFunction | Additive | Retraining):
            raise UserError(f"it gives a {type(made).__name__}; a SetFunction, Additive or Retraining was expected")
        if not isinstance(made.budget(2, 2), Budget):
            raise UserError("its budget is no Budget")
        if made.family not in get_args(Family):
            raise UserError(f"its family is {made.family!r}; one of {', '.join(get_args(Family))} was expected")
        _ = made.calibrates, made.summary, repr(made)  # what is read of it before it is asked anything
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package that does not load is a row, not the end of the run
        return Broken(entry.where, _reason("method", name, known, error))
    return made


def _lookup_method(name: str) -> Known:
    """What a name without knobs stands for; a knob without its value is told as one."""
    try:
        return _lookup("method", METHODS, name)
    except UserError:
        base, _, last = name.rpartition(":")
        if base in methods() and last in {knob.name for knob in knobs.knobs_of(_made(base, methods()[base]))}:
            raise UserError(f"{last} is a knob of {base}, and needs a value: {base}:{last}=VALUE.") from None
        raise


def task(name: str, data: DataKind, settings: TaskSettings, folder: Path | None) -> Task:
    """A task on the data that a suite asks for, with its settings.

    Args:
        folder: of the user's files; None for embedded data.

    Raises:
        UserError: there is no such task, it does not load, or its data or settings are unfit.
    """
    reference = TaskReference(name, data, settings.given, None if folder is None else str(folder.resolve()))
    return replace(_task(name, data, settings, folder), reference=reference)


def task_again(reference: TaskReference) -> Task:
    """The task that a reference names, made in this process.

    Raises:
        UserError: as ``task``.
    """
    folder = None if reference.folder is None else Path(reference.folder)
    settings = TaskSettings.model_validate(reference.settings)
    return task(reference.name, cast(DataKind, reference.data), settings, folder)


def bring(wanted: Wanted) -> Brought:
    """What a person brings to be valued, as examples of a task.

    Raises:
        UserError: something of it cannot be read, found or valued.
    """
    return cast(Brought, _load(import_module("tasks").BROUGHT)(wanted))


def describe(asked: Undescribed) -> Described:
    """What files that nobody has described seem to be.

    Raises:
        UserError: they cannot be read, or what they are cannot be told.
    """
    return cast(Described, _load(import_module("tasks").DESCRIBER)(asked))


def _task(name: str, data: DataKind, settings: TaskSettings, folder: Path | None) -> Task:
    known = _lookup("task", TASKS, name)
    if not known.package:
        tables = import_module("tasks")
        if data != "embedded":
            return cast(Task, _load(tables.EXTERNAL)(name, settings, data, folder))
        return _retuned(cast(Task, _load(known.entry.where)(**known.entry.settings)), settings)
    if data != "embedded":
        raise UserError(
            f"The task {name} of {known.package} brings its own data, and this suite's are data = {data!r}. Take it "
            "out of the suite, or ask for it in one with data = 'embedded'."
        )
    try:
        made = _load(known.entry.where)()
        if not isinstance(made, Task):
            raise UserError(f"it gives a {type(made).__name__}; a Task was expected")
        if "/" in name or name.startswith("."):
            raise UserError("its name is that of its file of results, and so holds no slash and no dot at its start")
        if made.name != name:
            raise UserError(f"it gives a task called {made.name!r}; the two names must be the same")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a package does when it is imported
        raise UserError(f"{_reason('task', name, known, error)} Or leave the task out.") from error
    return _retuned(made, settings)


def _lookup(kind: str, group: str, name: str) -> Known:
    """What a name stands for; other packages' metadata are read only where it is none of this project's."""
    table = _table(group)
    if name in table:
        return Known(table[name])
    if group == TASKS and name in (tiny := import_module("tasks").TINY):
        return Known(tiny[name])
    known = _known(group)
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]


def _known(group: str) -> dict[str, Known]:
    found = {name: Known(entry) for name, entry in _table(group).items()}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, _package(point))):
        name = plain(point.name)
        if name in found:
            first = found[name]
            found[name] = replace(first, ignored=(*first.ignored, _package(point)))
        else:
            where = point.value.partition("[")[0].strip()  # without the extras that it may name
            found[name] = Known(Entry(where, ""), _package(point))
    return found


def _table(group: str) -> Mapping[str, Entry]:
    module, _, attribute = TABLES[group].partition(":")
    return cast("Mapping[str, Entry]", getattr(import_module(module), attribute))


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"


def _load(where: str) -> Callable[..., object]:
    """What ``module:attribute`` names."""
    module, _, attribute = where.partition(":")
    return cast("Callable[..., object]", reduce(getattr, attribute.split("."), import_module(module)))


def _reason(kind: str, name: str, known: Known, error: BaseException) -> str:
    """Why something does not load, and what to do, as a row and a line say it."""
    text = said(error).rstrip(".")
    what = text if isinstance(error, UserError) else f"{type(error).__name__}: {text or 'no message'}"
    mend = "Mend it, or take it out of the table." if known.listed else "Mend it."
    mend = f"Mend or remove {known.package}." if known.package else mend
    origin = f" of {known.package}" if known.package else ""
    place = f" ({known.entry.where}{origin})" if known.listed else ""
    return f"The {kind} {name}{place} does not load: {what}. {mend}"


def _retuned(own: Task, settings: TaskSettings) -> Task:
    """The task with another recipe, where the settings say one.

    Raises:
        UserError: they do not fit it, where the task tells it before there is a learner.
    """
    changes = {key: value for key, value in settings.given.items() if key in RECIPE_KEYS}
    if not changes:
        return own
    recipe = f"{own.about.get('recipe', 'its own')}; changed here: {', '.join(f'{k} {v}' for k, v in changes.items())}"

    def learner() -> Learner:
        other = copy.copy(own.learner())
        other.recipe = settings.recipe(other.recipe)
        return other

    changed = None if own.recipe is None else settings.recipe(own.recipe)
    return replace(own, learner=learner, about={**own.about, "recipe": recipe}, recipe=changed)
