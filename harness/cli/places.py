"""Where suites are found, where their runs go, and where their published results are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from harness import registry
from harness.cli.folders import keep_foreign, refuse_unfit, set_aside
from harness.config import (
    LARGEST_HIDDEN,
    RESULTS,
    SUITE_FILE,
    Repeats,
    Suite,
    TaskSettings,
    find_suite,
    load_suite,
    suite_folders,
    suites,
    to_toml,
)
from harness.errors import UserError, said
from harness.files import write_atomically
from harness.types import MOST, QUESTIONS

RUNS = "runs"
TRUTH_KEYS = ("data", "pools", "seed", "hidden")
"""What two runs into one folder must have in common, beside the settings of the tasks that both have."""


def is_suite(name: str) -> bool:
    """Whether a name is that of a suite or of a suite's file."""
    return name.endswith(".toml") or name in suites(suite_folders())


def known_suites() -> dict[str, Suite]:
    return {name: load_suite(file) for name, file in suites(suite_folders()).items()}


def read_suite(file: Path, asked: bool) -> Suite:
    """A suite whose methods' names have their one spelling.

    Args:
        asked: refuse a knob that is none; where a suite's answers are there already, the name stays as it is.

    Raises:
        UserError: the file is no suite's, a method has no such knob, or it stands there twice.
    """
    suite = load_suite(file)
    found: dict[str, str] = {}
    for name in suite.methods:
        try:
            spelt = registry.spelling(name)
        except UserError as error:
            if asked:
                raise UserError(f"{file}, methods: {error}") from error
            spelt = name
        if spelt in found:
            raise UserError(f"{file}, methods: {found[spelt]} and {name} are the same; leave one of them out.")
        found[spelt] = name
    return suite.model_copy(update={"methods": tuple(found)})


def data_folder(suite: Suite, given: str | None) -> Path | None:
    """The folder that ``--data`` names, where the suite's tasks take one.

    Raises:
        UserError: it is no folder, or the suite has no use for it. Where none is given, data sets lie beside their
            descriptions; those that do not are told when tasks are made.
    """
    if suite.data == "embedded" and given is not None:
        raise UserError(
            f'--data {given}: the suite {suite.name} makes its own data (data = "embedded"). Leave --data out, or '
            "choose a suite on files, such as files-quick."
        )
    return None if given is None else existing_folder(given)


def existing_folder(given: str) -> Path:
    if not given or not Path(given).is_dir():
        raise UserError(f"--data {given!r} is no folder; give the one that holds your data sets.")
    return Path(given)


@dataclass(frozen=True, slots=True)
class Place:
    """A suite as asked, and the folder of its results."""

    suite: Suite
    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / RESULTS

    @property
    def has_results(self) -> bool:
        return (self.folder / SUITE_FILE).is_file() and any(self.results.glob("*.jsonl"))

    @property
    def is_published(self) -> bool:
        """Whether ``dataworth publish`` alone may write here."""
        folder = self.folder.resolve()
        return any(folder.is_relative_to(published.resolve()) for published in suite_folders())

    @classmethod
    def of_run(
        cls, name: str, pools: int | None, seeds: int | None, out: Path | None, hidden: int | None = None
    ) -> Place:
        """The suite with the changes asked for. A changed truth gets a folder of its own, unless one is given."""
        asked = read_suite(find_suite(name, suite_folders()), asked=True)
        for option, value in (("--pools", pools), ("--seeds", seeds)):
            if value is not None and value < 1:
                raise UserError(f"{option} must be at least 1, got {value}.")
            if value is not None and value > MOST:
                raise UserError(f"{option} must be at most {MOST:,}, got {value}.")
        dealt = asked.model_copy(update={"pools": pools or asked.pools})
        suite = _with_seeds(dealt, seeds) if seeds else dealt
        own = asked.name
        if dealt != asked:
            own += f"-{pools}-pools"
        if suite != dealt:
            own += f"-{seeds}-seeds"
        if hidden is not None:
            if not 0 <= hidden <= LARGEST_HIDDEN:
                raise UserError(f"--hidden must be a whole number from 0 to {LARGEST_HIDDEN:,}, got {hidden}.")
            suite = suite.model_copy(update={"hidden": hidden})
            own += f"-hidden-{hidden}"
        return cls(suite, out or Path(RUNS) / own)

    @classmethod
    def of_results(cls, name: str, out: Path | None) -> Place:
        """Stored results with the suite that they answered: those of a run, or else the published ones.

        Args:
            name: of a suite or its file, or of the run of a suite that has a file of its own: ``runs/NAME``.

        Raises:
            UserError: there are none.
        """
        if out is not None:
            return cls._stored(out, name)
        own = Path(RUNS) / name
        if Path(name).name == name and not is_suite(name) and (own / SUITE_FILE).is_file():  # of a suite in a file
            return cls._stored(own, name)
        file = find_suite(name, suite_folders())
        suite = load_suite(file)
        run, published = cls(suite, Path(RUNS) / suite.name), cls.published(suite.name)
        if run.has_results:
            return cls._stored(run.folder, name)
        if published is not None and published.has_results:
            return published
        raise UserError(f"There are no results of {suite.name} yet. Run 'dataworth run --suite {name}' first.")

    @classmethod
    def _stored(cls, folder: Path, name: str) -> Place:
        if not (folder / SUITE_FILE).is_file():
            raise UserError(f"{folder} holds no {SUITE_FILE}; it is no folder of results. Name one with --out.")
        place = cls(read_suite(folder / SUITE_FILE, asked=False), folder)
        if not place.has_results:
            raise UserError(f"{folder} holds no results yet. Run 'dataworth run --suite {name}' first.")
        return place

    @classmethod
    def published(cls, name: str) -> Place | None:
        """The published folder of a suite, with results or without; None where no suite of that name is published."""
        file = suites(suite_folders()).get(name)
        return None if file is None else cls(read_suite(file, asked=False), file.parent)

    def prepare(self, fresh: bool) -> None:
        """Make the folder ready; what was kept before is moved aside where a fresh start is asked for.

        Raises:
            UserError: the folder is published, holds another truth's results or files of the user's, is in use by
                another run, or cannot be written.
        """
        try:
            self.folder.resolve().exists()
        except (OSError, RuntimeError) as error:  # too long, or links in a circle
            raise UserError(f"Cannot use {self.folder}: {said(error)}. Choose another folder with --out.") from error
        if self.is_published:
            raise UserError(
                f"{self.folder} is for published results, which 'dataworth publish' alone changes. Choose another "
                f"folder with --out, or leave --out out: the run then goes to {RUNS}/."
            )
        refuse_unfit(self.folder)
        file = self.folder / SUITE_FILE
        there = load_suite(file) if file.is_file() else None
        differs = truth_differences(there, self.suite) if there else []
        anew = fresh or bool(differs and not self.has_results)  # a run that found nothing yet is in nobody's way
        if differs and not anew:
            raise UserError(
                f"{self.folder} holds results with {', '.join(differs)}. Choose another folder with --out, or "
                "start anew with --fresh."
            )
        if anew:
            set_aside(self.folder)
        # A folder may hold tasks that are not asked now; their settings stay known.
        covers = there is None or anew or set(there.tasks) <= set(self.suite.tasks)
        if covers and there != self.suite:
            if there and not anew:
                keep_foreign(file, to_toml(there))
            write_atomically(file, to_toml(self.suite))


def _with_seeds(suite: Suite, seeds: int) -> Suite:
    """The suite with so many seeds for every task and question."""
    settings = {task: own.model_copy(update={"seeds": None}) for task, own in suite.settings.items()}
    return suite.model_copy(update={"seeds": dict.fromkeys(suite.seeds, seeds), "settings": settings})


def truth_differences(
    there: Suite,
    other: Suite,
    label: str = "asked",
    tasks: Collection[str] | None = None,
    questions: Collection[str] = QUESTIONS,
) -> list[str]:
    """What would change a truth between two suites, as 'seeds 2 (asked: 3)'.

    Args:
        tasks, questions: whose truths are compared; None: all that both have.
    """
    found: dict[str, tuple[object, object]] = {key: (getattr(there, key), getattr(other, key)) for key in TRUTH_KEYS}
    found |= _seeds("seeds", there.seeds, other.seeds, questions)
    both = set(there.tasks) & set(other.tasks)
    for task in sorted(both if tasks is None else both & set(tasks)):
        was, now = there.settings_of(task), other.settings_of(task)
        found |= _seeds(f"{task}.seeds", was.seeds or {}, now.seeds or {}, questions)
        keys = [key for key in TaskSettings.model_fields if key != "seeds"]
        found |= {f"{task}.{key}": (getattr(was, key), getattr(now, key)) for key in keys}
    return [
        f"{key} {'unset' if was is None else was} ({label}: {'unset' if now is None else now})"
        for key, (was, now) in found.items()
        if was != now
    ]


def _seeds(name: str, was: Repeats, now: Repeats, questions: Collection[str]) -> dict[str, tuple[object, object]]:
    """One number where each side has one for all questions, else the questions' own."""
    sides = [{seeds.get(question) for question in QUESTIONS} for seeds in (was, now)]
    if len(questions) == len(QUESTIONS) and all(len(side) == 1 for side in sides):
        return {name: (sides[0].pop(), sides[1].pop())}
    asked = [question for question in QUESTIONS if question in questions]
    return {f"{name} of {question}": (was.get(question), now.get(question)) for question in asked}
