"""What a notebook shows while a valuation is under way: a bar that moves, lines that stay, names that are no markup."""

from __future__ import annotations

import pytest
from rich.markup import escape

from harness.valuing import notebook
from harness.valuing.notebook import NotebookProgress


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Of each output all that was drawn in it."""
    monkeypatch.setattr(notebook, "PAUSE", 0.0)
    return []


def test_a_bar_moves_with_what_is_trained_and_lines_stay(drawn: list[list[str]]) -> None:
    def output() -> notebook.Draw:
        drawn.append([])
        return drawn[-1].append

    progress = NotebookProgress(output)
    with progress.shown():
        with progress.stage("audit of <b>", 4) as advance:
            advance(1)
            advance(2)
        progress.note(f"[dim]{escape('[red]x')}[/dim] was chosen")
        with progress.stage("looking"):
            pass
    (first,) = drawn
    bars = [content.split("</progress>")[0].rpartition("<progress")[2] for content in first if "<progress" in content]
    assert bars == [' value="0" max="4">', ' value="1" max="4">', ' value="3" max="4">', ">"]
    assert "<progress" not in first[-1]
    assert "audit of &lt;b&gt;, 3 retrainings" in first[-1]
    assert "[red]x was chosen" in first[-1]
    with progress.shown():  # another cell
        pass
    assert len(drawn) == 2
    assert "audit" not in drawn[1][-1]
