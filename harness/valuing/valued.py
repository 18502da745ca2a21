"""Values in Python: a typed result with a frame, a plot and an audit, which notebooks show as a table."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.brought import Brought
from harness.retraining.ledger import Ledger
from harness.types import Advance
from harness.valuing import files, page
from harness.valuing.audit import Audit
from harness.valuing.findings import Finding
from harness.valuing.sections import interval, percent, ranks
from harness.valuing.session import Progress
from harness.valuing.valuation import Outcome, Request, Value
from harness.valuing.valuation import audit as audit_of

if TYPE_CHECKING:  # pandas takes half a second to import, matplotlib longer
    import pandas as pd


class Silent:
    """Progress that nobody sees."""

    def shown(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stage(self, text: str, retrainings: int = 0) -> AbstractContextManager[Advance]:
        return nullcontext(lambda done: None)

    def note(self, text: str) -> None:
        return None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Valued:
    """What contributors are worth, with everything that was found on the way.

    Args:
        outcome: all of it, as the files hold it.
    """

    outcome: Outcome
    _brought: Brought
    _request: Request
    _kept: Path | Ledger
    _progress: Progress

    @property
    def values(self) -> list[Value]:
        """Of every contributor, the most valuable first."""
        return self.outcome.ordered

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What to look into, loud ones first."""
        return self.outcome.findings

    @property
    def method(self) -> str:
        return self.outcome.method

    @property
    def frame(self) -> pd.DataFrame:
        """A row a contributor, the most valuable first; columns as of values.csv."""
        import pandas as pd

        return pd.DataFrame(files.records(self.outcome)).set_index("contributor")

    def audit(self, coalitions: int) -> Audit:
        """Retrain so many coalitions and hold the values against them; what has been trained is not trained again.

        Raises:
            UserError: so few say nothing.
        """
        request = replace(self._request, audit=coalitions)
        with self._progress.shown():
            return audit_of(self._brought, request, self.outcome, self._kept, self._progress)

    def plot(self, axes: Any = None) -> Any:
        """Values with their intervals, on matplotlib axes that are given or made; the axes."""
        if axes is None:
            import matplotlib.pyplot as plt

            axes = plt.subplots(figsize=(7, 0.35 * len(self.values) + 1), layout="constrained")[1]
        for place, one in enumerate(self.values):
            if one.low == one.low:  # not nan
                axes.plot([one.low, one.high], [place, place], color="tab:blue")
            axes.plot(one.value, place, "o", color="tab:blue")
        axes.set_yticks(range(len(self.values)), [one.name for one in self.values])
        axes.invert_yaxis()
        axes.axvline(0, color="grey", linewidth=0.8)
        axes.set_xlabel(f"value ({self.outcome.question}), 95 % interval\nby {self.method}")
        return axes

    def save(self, folder: str | Path) -> list[Path]:
        """values.csv, values.json, README.md and values.html in a folder; where they are.

        Raises:
            UserError: a file of somebody else's would be overwritten, or one cannot be written.
        """
        files.refuse_foreign(Path(folder))
        return files.write(Path(folder), self.outcome)

    def __repr__(self) -> str:
        lines = [
            f"{ranks(one):>7}  {one.name}: {one.value:.3g} {interval(one.low, one.high)} {percent(one.share)}"
            for one in self.values
        ]
        loud = [f"! {one.text}" for one in self.findings if one.loud]
        return "\n".join([*loud, f"Values by {self.method} ({self.outcome.question}):", *lines])

    def _repr_html_(self) -> str:
        """For notebooks: what is loud, and the table of values with its figure."""
        return page.to_fragment(self.outcome)
