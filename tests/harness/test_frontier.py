"""What is worth its cost: told in words, in the page of tables, and by ``dataworth frontier``."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import to_toml
from harness.report import frontier, sentences
from harness.report.leaderboard import leaderboard
from harness.report.markdown import page
from harness.report.view import COST_NAMES, Front, Step, View
from tests.harness.commands import call
from tests.harness.page_results import results_of, suite_of


@pytest.fixture(scope="module")
def view() -> View:
    suite = suite_of()
    return leaderboard(suite, results_of(suite))


def test_steps_tell_what_each_costs_and_brings() -> None:
    front = Front(
        "reference_gpu_hours", (Step("a", 0, 0.1, True), Step("b", 2.51, 0.3, True), Step("c", 120, 0.32, False)), {}
    )
    assert sentences.steps(front) == (
        "From the cheapest up, a scores 0.10 for 0 reference GPU-hours; b scores 0.30 for 2.5 (+0.20); "
        "c scores 0.32 for 120 (+0.02, not told apart from the step before)."
    )
    assert sentences.steps(Front("seconds", (), {})) == ""


@pytest.mark.parametrize("command", ["frontier", "figures"])
def test_a_run_without_an_answer_has_neither_front_nor_figure(command: str, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "tiny.jsonl").touch()
    (tmp_path / "suite.toml").write_text(to_toml(suite_of()))
    assert "holds no answers yet" in call(command, "--suite", tmp_path, "--out", tmp_path).mistake


def test_a_front_rises_in_cost_and_score(view: View) -> None:
    fronts = [front for verdict in view.verdicts for front in verdict.fronts]
    assert len(fronts) == len(view.verdicts) * len(COST_NAMES)
    for front in fronts:
        costs, scores = [step.cost for step in front.steps], [step.score for step in front.steps]
        assert costs == sorted(set(costs))
        assert scores == sorted(set(scores))
        assert len(front.steps) > 1 or front.cost == "retrainings"


def test_lines_are_those_on_the_front_or_often_near_it(view: View) -> None:
    for verdict in view.verdicts:
        for cost in COST_NAMES:
            front = frontier.front_of(verdict, cost)
            assert front is not None
            lines = frontier.lines(view, verdict, cost)
            assert [line.method for line in lines if line.is_on] == [step.method for step in front.steps]
            kept = {line.method for line in lines}
            assert kept == {name for name, share in front.shares.items() if share >= 0.05} | {
                s.method for s in front.steps
            }
            assert [line.cost for line in lines] == sorted(line.cost for line in lines)


def test_the_page_of_tables_has_the_front(view: View) -> None:
    text = page(view)
    section = text.partition("## Cost against accuracy")[2].partition("\n## ")[0]
    table = [line.split("|") for line in section.splitlines() if line.startswith("| ")]
    assert [cell.strip() for cell in table[0][1:-1]] == ["method", "reference GPU-hours", *view.questions, "mean"]
    rows = {cells[1].strip(): [cell.strip() for cell in cells[3:-1]] for cells in table[1:]}
    gradient = next(line for line in view.overall if line.method == "gradient")
    # It is cheaper than what scores more, in every draw.
    assert rows["gradient"][-1].startswith(f"**{gradient.mean.spearman:.2f}")
    assert rows["gradient"][-1].endswith("** 100%")


def test_a_step_that_is_not_told_apart_bears_a_mark(view: View) -> None:
    verdict = frontier.over_tasks(view)[-1]
    front = frontier.front_of(verdict, "reference_gpu_hours")
    assert front is not None
    apart = {step.method: step.apart for step in front.steps}
    for line in frontier.lines(view, verdict, "reference_gpu_hours"):
        score, share = frontier.score(line)
        assert score.endswith("≈") == (line.method in apart and not apart[line.method])
        assert share == f" {line.share:.0%}"
    assert frontier.score(None) == ("–", "")


def test_the_command_prints_fronts_of_the_tasks_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = call("frontier", "--suite", "embedded-quick", "--tasks", "sentiment", "--cost", "seconds")
    assert said.status == 0
    assert "all tasks, " not in said.out
    assert "sentiment, shapley" in said.out
    assert "reasoning, " not in said.out
    assert "of draws" in said.out
    wrong = call("frontier", "--suite", "embedded-quick", "--tasks", "sentimental")
    assert wrong.status == 2
    assert "Did you mean sentiment?" in wrong.mistake
