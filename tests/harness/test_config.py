"""A suite file says what is wrong with it: which file, which key, what came, and what was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config import Projection, Suite, TaskSettings, checked, find_suite, load_suite, suites, to_toml
from harness.errors import UserError, unknown
from harness.files import write_atomically
from harness.types import QUESTIONS
from methods import METHODS
from tasks.sources.description import load_source
from tests.tiny import tiny_recipe

GOOD = 'tasks = ["tiny"]\nmethods = ["size"]\npools = 1\nseeds = 2\n'


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
    assert (suite.pools, suite.seeds, suite.seed) == (1, dict.fromkeys(QUESTIONS, 2), 0)
    assert suite.questions == QUESTIONS


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("pools = {}", "pools"),
        ("seeds = {}", "seeds.standalone"),
        ("seeds = 2\npairs = {}", "seeds.shapley"),
        ("seeds = {{standalone = 1, leave-one-out = {}, shapley = 1}}", "seeds.leave-one-out"),
    ],
)
@pytest.mark.parametrize("count", ["0", "-3"])
def test_counts_below_one_are_refused(tmp_path: Path, line: str, place: str, count: str) -> None:
    lines = [line.format(count) if one.startswith(line[:5]) else one for one in GOOD.splitlines()]
    message = complaint(suite_file(tmp_path, "\n".join(lines)))
    assert f" {place}:" in message
    assert "greater than 0" in message
    assert f"got {count}" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [("pools", '"many"'), ("seeds", "2.5"), ("seeds", "true"), ("seeds", "{shapley = []}"), ("tasks", '"tiny"')],
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


def test_a_question_without_seeds_is_named(tmp_path: Path) -> None:
    """A suite of one question says that one's only; one of three may not forget two."""
    some = GOOD.replace("seeds = 2", "seeds = {shapley = 2}")
    message = complaint(suite_file(tmp_path, some, "all"))
    assert "seeds: " in message
    assert "none for standalone, leave-one-out" in message
    assert load_suite(suite_file(tmp_path, some + 'questions = ["shapley"]\n', "one")).seeds == {"shapley": 2}


def test_seeds_of_an_unknown_question_are_refused_with_those_there_are(tmp_path: Path) -> None:
    message = complaint(suite_file(tmp_path, GOOD.replace("seeds = 2", "seeds = {shaply = 2}")))
    assert "seeds.shaply" in message
    assert all(question in message for question in QUESTIONS)


def test_an_unknown_key_of_the_projection_is_answered_with_those_there_are(tmp_path: Path) -> None:
    message = complaint(suite_file(tmp_path, GOOD + "[projection]\nutilization = 0.4\n"))
    assert "key of projection" in message
    assert "Did you mean utilisation?" in message


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


# --- settings of one task ---------------------------------------------------------------------------------

FILES = 'data = "files"\n' + GOOD


def seeds_by_task(suite: Suite) -> list[tuple[int, ...]]:
    return [tuple(suite.seeds_of(task, question) for question in QUESTIONS) for task in suite.tasks]


def test_settings_change_one_tasks_seeds(tmp_path: Path) -> None:
    settings = "[settings.tiny]\nseeds = 7\n[settings.other]\nseeds = {leave-one-out = 4}\n"
    suite = load_suite(suite_file(tmp_path, GOOD.replace('["tiny"]', '["tiny", "other", "third"]') + settings))
    assert seeds_by_task(suite) == [(7, 7, 7), (2, 4, 2), (2, 2, 2)]
    assert suite.settings_of("tiny") == TaskSettings(seeds=dict.fromkeys(QUESTIONS, 7))


def test_a_suite_of_before_keeps_what_its_pairs_meant(tmp_path: Path) -> None:
    """Seeds were of the other questions then, of one task too; a number may not become Shapley's by being read now."""
    settings = "[settings.tiny]\nseeds = 7\n[settings.other]\npairs = 9\n[settings.both]\nseeds = 5\npairs = 6\n"
    content = GOOD.replace('["tiny"]', '["tiny", "other", "both", "none"]') + "pairs = 3\n" + settings
    suite = load_suite(suite_file(tmp_path, content))
    assert suite.seeds == {"standalone": 2, "leave-one-out": 2, "shapley": 3}
    assert seeds_by_task(suite) == [(7, 7, 3), (2, 2, 9), (5, 5, 6), (2, 2, 3)]


def test_every_setting_is_read(tmp_path: Path) -> None:
    settings = """
        real = ["sst2", "mine.toml"]
        synthetic = ["supergen-sst2"]
        model = "some/model"
        revision = "abc"
        lora = 8
        length = 64
        steps = 5
        batch_size = 16
        micro_batch = 4
        rate = 1e-4
        precision = "bf16"
        contributors = 12
        size = [10, 20]
        seeds = 3
    """
    own = load_suite(suite_file(tmp_path, FILES + "[settings.tiny]\n" + settings)).settings_of("tiny")
    assert set(own.given) == set(TaskSettings.model_fields)
    assert (own.real, own.rate, own.size) == (("sst2", "mine.toml"), 1e-4, (10, 20))
    recipe = own.recipe(tiny_recipe(steps=40, checkpoints=6, momentum=0.5))
    assert recipe == tiny_recipe(
        steps=5, batch_size=16, micro_batch=4, rate=1e-4, precision="bf16", checkpoints=5, momentum=0.5
    )


def test_no_settings_leave_a_recipe_as_it_is() -> None:
    assert TaskSettings().recipe(tiny_recipe()) == tiny_recipe()
    assert TaskSettings().given == {}


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ("[settings.tiny]\nstps = 3\n", ["setting of tiny", "'stps'", "Did you mean steps"]),
        ("[settings.tinny]\nsteps = 3\n", ["task of this suite", "'tinny'", "Did you mean tiny?"]),
        ("[settings.tiny]\nsteps = 0\n", ["settings.tiny.steps", "greater than 0", "got 0"]),
        ("[settings.tiny]\nseeds = -1\n", ["settings.tiny.seeds", "greater than 0", "got -1"]),
        ("[settings.tiny]\nlora = 2.5\n", ["settings.tiny.lora", "got 2.5"]),
        ("[settings.tiny]\nrate = inf\n", ["settings.tiny.rate", "finite"]),
        ("[settings.tiny]\nrate = -0.1\n", ["settings.tiny.rate", "got -0.1"]),
        ('[settings.tiny]\nprecision = "fp8"\n', ["settings.tiny.precision", "'bf16'", "got 'fp8'"]),
        ("[settings.tiny]\ncontributors = 2\n", ["settings.tiny.contributors", "at least 3", "got 2", "deal more."]),
        ("[settings.tiny]\ncontributors = 2000000\n", ["settings.tiny.contributors", "1000000", "got 2000000"]),
        ("[settings.tiny]\nsize = [30, 20]\n", ["settings.tiny.size", "fewest", "[30, 20]"]),
        ("[settings.tiny]\nsize = [0, 20]\n", ["settings.tiny.size", "fewest", "[0, 20]"]),
        ("[settings.tiny]\nsize = [20]\n", ["settings.tiny.size"]),
        ("[settings.tiny]\nreal = []\n", ["settings.tiny.real", "at least 1"]),
        ("[settings.tiny]\nreal = 'sst2'\n", ["settings.tiny.real", "'sst2'"]),
        ("[settings.tiny]\nmodel = ''\n", ["settings.tiny.model", "at least 1"]),
        ("settings = 3\n", ["settings", "got 3"]),
    ],
)
def test_unfit_settings_are_named(tmp_path: Path, settings: str, parts: list[str]) -> None:
    message = complaint(suite_file(tmp_path, FILES + settings))
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    "setting", ['real = ["sst2"]', 'model = "gpt2"', "lora = 8", "length = 9", "contributors = 6", "size = [4, 9]"]
)
def test_embedded_data_takes_no_sources_and_no_models(tmp_path: Path, setting: str) -> None:
    message = complaint(suite_file(tmp_path, GOOD + f"[settings.tiny]\n{setting}\n"))
    assert f"tiny.{setting.split()[0]} is for data from files or a hub" in message
    assert 'data = "files"' in message
    assert "--data DIR" in message
    assert 'data = "hub"' in message


def test_embedded_data_takes_another_recipe(tmp_path: Path) -> None:
    own = 'steps = 3\nbatch_size = 8\nmicro_batch = 4\nrate = 0.1\nprecision = "bf16"\nseeds = 1\n'
    suite = load_suite(suite_file(tmp_path, GOOD + f"[settings.tiny]\n{own}"))
    assert suite.settings_of("tiny").steps == 3


def test_an_unknown_kind_of_data_is_refused_with_those_there_are(tmp_path: Path) -> None:
    message = complaint(suite_file(tmp_path, 'data = "cloud"\n' + GOOD))
    assert "data:" in message
    assert "'embedded', 'files' or 'hub'" in message
    assert "got 'cloud'" in message


# --- suites that come with the program ----------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = suites([ROOT / "leaderboards"])
DATA = {"embedded-quick": "embedded", "embedded": "embedded", "files-quick": "files", "files": "files", "paper": "hub"}
FOUR = ("image-classification", "sentiment", "instruction-following", "reasoning")


def test_the_five_suites_are_there() -> None:
    assert {name: load_suite(file).data for name, file in SHIPPED.items()} == DATA


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_suite_names_what_there_is(name: str) -> None:
    suite = load_suite(SHIPPED[name])
    assert suite.summary
    assert set(suite.tasks) <= set(FOUR)
    assert set(suite.methods) <= set(METHODS)
    assert set(suite.questions) == set(QUESTIONS)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_suites_sources_are_in_the_catalogue_for_their_task_and_side(name: str) -> None:
    for task, own in load_suite(SHIPPED[name]).settings.items():
        for side, sources in (("real", own.real), ("synthetic", own.synthetic)):
            for source in map(load_source, sources or ()):
                assert (source.task, source.side) == (task, side), source.name


@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"embedded-quick"}))
def test_the_larger_suites_ask_all_four_tasks(name: str) -> None:
    assert load_suite(SHIPPED[name]).tasks == FOUR


# --- written out --------------------------------------------------------------------------------------------

text = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)  # control characters and newlines too
encodable = st.characters(exclude_categories=["Cs"])  # which takes a second less to find out than codec="utf-8"
folder_name = st.from_regex(r"[\w'][\w' .:#=\[\]\"-]{0,8}[\w]", fullmatch=True, alphabet=encodable)
named = st.lists(text.filter(bool), min_size=1, max_size=3, unique=True).map(tuple)


counts = st.integers(1, 10**6)
task_settings = st.builds(
    TaskSettings,
    seeds=st.none() | counts | st.dictionaries(st.sampled_from(QUESTIONS), counts),
    real=st.none() | named,
    model=st.none() | text.filter(bool),
    lora=st.none() | counts,
    rate=st.none() | st.floats(1e-9, 10),
    precision=st.sampled_from([None, "bf16"]),
    size=st.none() | st.tuples(st.integers(1, 9), st.integers(9, 99)),
)


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Suite,
        name=folder_name,
        summary=text,
        data=st.sampled_from(["files", "hub"]),
        settings=st.fixed_dictionaries({}, optional={"a b.c": task_settings, 'q"\\': task_settings}),
        tasks=named.map(lambda names: tuple(dict.fromkeys((*names, "a b.c", 'q"\\')))),
        methods=named,
        questions=st.sampled_from([QUESTIONS, ("shapley",)]),
        pools=st.integers(1, 99),
        seeds=st.integers(1, 99) | st.fixed_dictionaries(dict.fromkeys(QUESTIONS, st.integers(1, 99))),
        seed=st.integers(0, 2**40),
        projection=st.builds(Projection, gpu=text, peak_tflops=st.floats(0.1, 1e6), utilisation=st.floats(0.01, 1)),
    )
)
def test_a_suite_written_out_reads_back_the_same(tmp_path_factory: pytest.TempPathFactory, suite: Suite) -> None:
    path = tmp_path_factory.mktemp("suite") / "suite.toml"
    write_atomically(path, to_toml(suite))
    assert load_suite(path) == suite


def test_a_file_of_another_name_gives_its_own_name_and_not_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(suite_file(tmp_path, GOOD, "study").parent)
    Path("mine.toml").write_text(GOOD)
    names = {given: load_suite(Path(given)).name for given in ("mine.toml", "suite.toml", "../study/suite.toml")}
    assert names == {"mine.toml": "mine", "suite.toml": "study", "../study/suite.toml": "study"}
    Path("deeper").mkdir()
    monkeypatch.chdir("deeper")
    assert load_suite(Path("../suite.toml")).name == "study"


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "a\\b", "/abs", "a\nb", "a\x07", " a", "a ", ".git"])
def test_a_name_that_is_no_folders_is_refused(tmp_path: Path, name: str) -> None:
    message = complaint(suite_file(tmp_path, f"name = {json.dumps(name)}\n" + GOOD))
    assert f"name: {name!r} is no name for the folder of a suite's results" in message


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
