"""A suite file says what is wrong with it: which file, which key, what came, and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config import Projection, Suite, checked, find_suite, load_suite, suites, to_toml
from harness.errors import UserError, unknown
from harness.types import QUESTIONS

GOOD = 'tasks = ["tiny"]\nmethods = ["size"]\npools = 1\nseeds = 2\npairs = 3\n'


def suite_file(folder: Path, content: str, name: str = "mine") -> Path:
    path = folder / name / "suite.toml"
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_suite(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message.strip()
    return message


def test_a_good_file_is_read_with_its_folders_name_and_all_questions(tmp_path: Path) -> None:
    suite = load_suite(suite_file(tmp_path, GOOD))
    assert (suite.name, suite.tasks, suite.methods) == ("mine", ("tiny",), ("size",))
    assert (suite.pools, suite.seeds, suite.pairs, suite.seed) == (1, 2, 3, 0)
    assert suite.questions == QUESTIONS


@pytest.mark.parametrize("key", ["pools", "seeds", "pairs"])
@pytest.mark.parametrize("count", ["0", "-3"])
def test_counts_below_one_are_refused(tmp_path: Path, key: str, count: str) -> None:
    lines = [f"{key} = {count}" if line.startswith(key) else line for line in GOOD.splitlines()]
    message = complaint(suite_file(tmp_path, "\n".join(lines)))
    assert f"{key}:" in message
    assert "greater than 0" in message
    assert f"got {count}" in message


@pytest.mark.parametrize(
    ("key", "value"), [("pools", '"many"'), ("seeds", "2.5"), ("tasks", '"tiny"'), ("pairs", "[]")]
)
def test_a_value_of_another_kind_is_refused(tmp_path: Path, key: str, value: str) -> None:
    lines = [f"{key} = {value}" if line.startswith(key) else line for line in GOOD.splitlines()]
    assert f" {key}" in complaint(suite_file(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize("key", ["tasks", "methods"])
def test_empty_and_repeated_names_are_refused(tmp_path: Path, key: str) -> None:
    empty = [f"{key} = []" if line.startswith(key) else line for line in GOOD.splitlines()]
    assert f"{key}:" in complaint(suite_file(tmp_path, "\n".join(empty), "empty"))
    twice = [f'{key} = ["a", "b", "a"]' if line.startswith(key) else line for line in GOOD.splitlines()]
    message = complaint(suite_file(tmp_path, "\n".join(twice), "twice"))
    assert f"{key}:" in message
    assert "twice in ['a', 'b', 'a']" in message


def test_an_unknown_key_is_named_with_the_near_ones(tmp_path: Path) -> None:
    message = complaint(suite_file(tmp_path, GOOD + "pool = 4\n"))
    assert "'pool'" in message
    assert "Did you mean pools" in message


def test_an_unknown_question_is_refused_with_those_there_are(tmp_path: Path) -> None:
    message = complaint(suite_file(tmp_path, GOOD + 'questions = ["shaply"]\n'))
    assert "'shaply'" in message
    assert all(question in message for question in QUESTIONS)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    message = complaint(suite_file(tmp_path, GOOD.replace("seeds = 2\n", "")))
    assert "seeds: Field required" in message


def test_an_impossible_projection_is_refused(tmp_path: Path) -> None:
    assert "utilisation" in complaint(suite_file(tmp_path, GOOD + "[projection]\nutilisation = 1.5\n"))


def test_broken_toml_is_told_with_its_line(tmp_path: Path) -> None:
    message = complaint(suite_file(tmp_path, 'tasks = ["tiny"\nmethods = '))
    assert message.startswith("Cannot read the suite")
    assert "line 2" in message


def test_a_file_that_is_no_text_or_is_not_there_is_told(tmp_path: Path) -> None:
    path = suite_file(tmp_path, "")
    path.write_bytes(b"\xff\xfe\x00")
    assert "Cannot read the suite" in complaint(path)
    assert "No such file" in complaint(tmp_path / "nowhere.toml")


def test_suites_are_found_by_name_and_the_first_folder_wins(tmp_path: Path) -> None:
    first = suite_file(tmp_path / "first", GOOD)
    suite_file(tmp_path / "second", GOOD)
    other = suite_file(tmp_path / "second", GOOD, "other")
    folders = [tmp_path / "first", tmp_path / "second", tmp_path / "absent"]
    assert suites(folders) == {"mine": first, "other": other}
    assert find_suite("other", folders) == other
    assert find_suite(str(other), []) == other


def test_an_unknown_suite_is_answered_with_the_near_ones_and_all(tmp_path: Path) -> None:
    suite_file(tmp_path, GOOD, "embedded-quick")
    suite_file(tmp_path, GOOD, "large")
    with pytest.raises(UserError, match=r"'embeded-quick'.*Did you mean embedded-quick\?.*embedded-quick, large"):
        find_suite("embeded-quick", [tmp_path])
    with pytest.raises(UserError, match=r"There is no suite file .*gone\.toml"):
        find_suite(str(tmp_path / "gone.toml"), [tmp_path])


text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20)
named = st.lists(text.filter(bool), min_size=1, max_size=3, unique=True).map(tuple)


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Suite,
        name=text,
        summary=text,
        tasks=named,
        methods=named,
        questions=st.sampled_from([QUESTIONS, ("shapley",)]),
        pools=st.integers(1, 99),
        seeds=st.integers(1, 99),
        pairs=st.integers(1, 99),
        seed=st.integers(0, 2**40),
        projection=st.builds(Projection, gpu=text, peak_tflops=st.floats(0.1, 1e6), utilisation=st.floats(0.01, 1)),
    )
)
def test_a_suite_written_out_reads_back_the_same(tmp_path_factory: pytest.TempPathFactory, suite: Suite) -> None:
    path = tmp_path_factory.mktemp("suite") / "suite.toml"
    path.write_text(to_toml(suite), encoding="utf-8")
    assert load_suite(path) == suite


def test_projected_hours_are_operations_over_the_gpus_useful_speed() -> None:
    projection = Projection(gpu="one", peak_tflops=100, utilisation=0.5)
    assert projection.hours(50e12 * 3600) == pytest.approx(1.0)


def test_checked_names_where_the_keys_came_from() -> None:
    with pytest.raises(UserError, match=r"^here: tasks: Field required"):
        checked({"name": "x"}, "here")


def test_unknown_names_are_listed_and_near_ones_suggested() -> None:
    near = str(unknown("method", "tracim", ["tracin", "size"]))
    assert near == "No method is called 'tracim'. Did you mean tracin? There are: size, tracin."
    assert "Did you mean" not in str(unknown("method", "zzz", ["tracin", "size"]))
