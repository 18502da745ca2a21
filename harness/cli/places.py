"""Where suites are found and where their results go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.config import SUITE_FILE, Suite, checked, find_suite, load_suite, suites, to_toml
from harness.errors import UserError
from harness.results import write_atomically

FOLDER = "leaderboards"
TRUTH_KEYS = ("pools", "seeds", "pairs", "seed")
"""What two runs into one folder must have in common."""


def suite_folders() -> list[Path]:
    """``leaderboards`` of the working folder, then the one that came with the program."""
    return [Path(FOLDER), Path(__file__).resolve().parents[2] / FOLDER]


def known_suites() -> dict[str, Suite]:
    return {name: load_suite(file) for name, file in suites(suite_folders()).items()}


@dataclass(frozen=True, slots=True)
class Place:
    """A suite as asked, and the folder of its results."""

    suite: Suite
    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def ledgers(self) -> Path:
        return self.folder / "ledger"

    @classmethod
    def of_run(cls, name: str, pools: int | None, seeds: int | None, out: Path | None) -> Place:
        """The suite with the changes asked for. A changed truth gets a folder of its own, unless one is given."""
        asked = load_suite(find_suite(name, suite_folders()))
        changed = {**asked.model_dump(), "pools": pools or asked.pools, "seeds": seeds or asked.seeds}
        for option, value in (("--pools", pools), ("--seeds", seeds)):
            if value is not None and value < 1:
                raise UserError(f"{option} must be at least 1, got {value}.")
        changed["pairs"] = max(1, round(asked.pairs * changed["seeds"] / asked.seeds))
        suite = checked(changed, name)
        own = asked.name
        if suite != asked:
            own += "".join(
                f"-{getattr(suite, key)}-{key}"
                for key in ("pools", "seeds")
                if getattr(suite, key) != getattr(asked, key)
            )
        return cls(suite, out or Path(FOLDER) / own)

    @classmethod
    def of_results(cls, name: str, out: Path | None) -> Place:
        """The folder of stored results, with the suite that they answered."""
        folder = out or (find_suite(name, suite_folders()).parent if not name.endswith(".toml") else Path(name).parent)
        if not (folder / SUITE_FILE).is_file():
            raise UserError(f"{folder} holds no {SUITE_FILE}; it is no folder of results. Name one with --out.")
        place = cls(load_suite(folder / SUITE_FILE), folder)
        if not any(place.results.glob("*.jsonl")):
            raise UserError(f"{folder} holds no results yet. Run 'dataworth run --suite {name}' first.")
        return place

    def prepare(self, fresh: bool) -> None:
        """Make the folder ready; what was kept before is moved aside where a fresh start is asked for.

        Raises:
            UserError: the folder holds another truth's results, or cannot be written.
        """
        if fresh and self.ledgers.exists():
            self.ledgers.rename(self.folder / f"ledger-until-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        file = self.folder / SUITE_FILE
        if file.is_file():
            there = load_suite(file)
            differs = [key for key in TRUTH_KEYS if getattr(there, key) != getattr(self.suite, key)]
            if not differs:
                return
            if not fresh:
                was = ", ".join(f"{key} {getattr(there, key)} (asked: {getattr(self.suite, key)})" for key in differs)
                raise UserError(
                    f"{self.folder} holds results with {was}. Choose another folder with --out, or start anew with "
                    "--fresh."
                )
        write_atomically(file, to_toml(self.suite))
