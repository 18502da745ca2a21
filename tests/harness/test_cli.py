"""The command line: mistakes are told in one line that helps, and what needs no torch starts without it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from harness import registry
from harness.cli.places import Place, known_suites, truth_differences
from harness.cli.widths import _default
from harness.config import Suite, TaskSettings, load_suite, suites, to_toml
from harness.errors import UserError
from harness.records.provenance import provenance
from harness.records.results import load
from harness.types import QUESTIONS, Entry, Task
from methods import METHODS
from tasks import TASKS
from tests.command import Command, Said
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite
from tests.harness.test_flow import Breaks
from tests.tiny import tiny_recipe, tiny_task

pytestmark = THIRD_PARTY
ROOT = Path(__file__).resolve().parents[2]
SHIPPED = {name: load_suite(file) for name, file in suites([ROOT / "leaderboards"]).items()}


def in_a_process(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "runall.py"), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_a_terminal_that_knows_not_every_sign_shows_the_others() -> None:
    said = subprocess.run(
        [sys.executable, "runall.py", "report", "--suite", "embedded-quick"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert "?" in said.stdout
    assert said.stdout.isascii()


def test_what_files_hold_commands_no_terminal(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\x1b[31mred,\x1b[2Jlab\n" + "a,b\n" * 20)
    given = ("--contributor", "a=x.csv", "--contributor", "b=x.csv", "--target", "x.csv")
    said = command("value", "--task", "sentiment", *given)
    assert said.status == 2
    assert "\x1b" not in said.err
    assert r"it has \x1b[31mred, \x1b[2Jlab." in said.err


def mistake(said: Said, *parts: str) -> None:
    """One clear line on standard error, status 2, nothing begun."""
    assert said.status == 2
    assert "Traceback" not in said.err
    line = said.err.strip().splitlines()[-1]
    assert line.lower().startswith("error:")
    for part in parts:
        assert part in line
    assert said.out == ""


@pytest.fixture
def tiny_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line knows tiny tasks instead of the real ones, and a method that breaks; no feature is compared."""
    monkeypatch.setattr("harness.cli.running.FEATURES", ())
    tiny, wild = Entry("tests.tiny:tiny_task", "Noisy patterns."), Entry("tests.harness.test_cli:wild_task", "")
    monkeypatch.setattr("tasks.TASKS", {"tiny": tiny, "wild": wild})
    monkeypatch.setattr("methods.METHODS", {**METHODS, "breaks": Entry("tests.harness.test_flow:Breaks", "")})


def wild_task() -> Task:
    """A task whose training diverges."""
    return tiny_task(name="wild", recipe=tiny_recipe(rate=1e30))


def suite_file(folder: Path, suite: Suite | None = None) -> Path:
    path = folder / "asked" / "suite.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(to_toml(suite or tiny_suite(questions=("standalone",))), encoding="utf-8")
    return path


# --- mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--suite", "embeded-quick"], ["suite", "'embeded-quick'", "Did you mean embedded-quick"]),
        (["--suite", "gone/suite.toml"], ["no suite file", "gone/suite.toml"]),
        (["--suite", ""], ["No suite is called ''", "There are: embedded"]),
        (["--suite", "s" * 300], ["No suite is called 'sss"]),
        (["--suite", f"{'s' * 300}.toml"], ["There is no suite file sss", "File name too long"]),
        (["--tasks", "image-clasification"], ["task", "'image-clasification'", "Did you mean image-classification?"]),
        (["--methods", "tracim"], ["method", "'tracim'", "Did you mean tracin"]),
        (["--methods", "size,trak9000"], ["'trak9000'", "There are:", "data-shapley"]),
        (["--questions", "shaply"], ["question", "'shaply'", "Did you mean shapley?"]),
        (["--questions", "standalone,stand-alone"], ["'stand-alone'", "Did you mean standalone"]),
        (["--pools", "0"], ["--pools", "at least 1", "got 0"]),
        (["--seeds", "-1"], ["--seeds", "at least 1", "got -1"]),
        (["--pools", "many"], ["--pools", "'many'", "integer"]),
        (["--seeds", "2.5"], ["--seeds", "'2.5'", "integer"]),
        (["--methods", " , "], ["--methods", "empty"]),
        (["--tasks", ""], ["--tasks", "empty"]),
        (["--device", "quantum"], ["--device", "'quantum'", "cpu, cuda"]),
        (["--device", "mps"], ["--device", "'mps'", "cpu, cuda"]),
        (["--device", "cuda:99"], ["--device", "'cuda:99'", "CUDA devices"]),
        (["--metods", "size"], ["--metods", "--methods"]),
        (["--data", "gone"], ["--data 'gone' is no folder"]),
        (["--data", ""], ["--data '' is no folder"]),
        (["--data", ".", "--suite", "embedded"], ["the suite embedded makes its own data", "files-quick"]),
        (["--suite", "files-quick"], ["fashion-mnist lies in the data folder, and none was given", "--data DIR"]),
        (["--data"], ["--data", "requires an argument"]),
        (["--methods", "[/red]"], ["'[/red]'"]),
        (["--methods", "[bold]size"], ["'[bold]size'"]),
    ],
)
def test_bad_options_of_run(command: Command, arguments: list[str], parts: list[str], tmp_path: Path) -> None:
    mistake(command("run", *arguments), *parts)
    assert list(tmp_path.iterdir()) == []


def test_unknown_commands_and_names_are_answered_with_the_near_ones(command: Command) -> None:
    mistake(command("rum"), "rum")
    mistake(command("show", "tracim"), "'tracim'", "Did you mean tracin")
    mistake(command("show", "embeded-quick"), "'embeded-quick'", "Did you mean embedded-quick", "tracin")
    mistake(command("show"), "SUITE|METHOD|TASK")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("tasks = tiny\n", ["Cannot read the suite", "line 1"]),
        ('tasks = ["tiny"]\nmethods = ["size"]\npools = 1\nseed = 1\nseeds = -4\n', ["seeds", "got -4"]),
        ('tasks = ["a", "a"]\nmethods = ["size"]\npools = 1\nseeds = 4\n', ["tasks", "twice"]),
        ('tasks = ["a"]\nmethods = ["size"]\npools = 1\nseeds = 4\npoools = 2\n', ["Did you mean pools"]),
        (f'name = "{"é" * 150}"\n', ["name: ééé", "has 300 bytes", "at most 200"]),
    ],
)
def test_bad_suite_files_are_named(command: Command, tmp_path: Path, content: str, parts: list[str]) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(content)
    mistake(command("run", "--suite", path), str(path), *parts)


@pytest.mark.parametrize("out", ["file", "file/deeper"])
@pytest.mark.usefixtures("tiny_tables")
def test_a_folder_that_cannot_be_written_is_told(command: Command, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("mine")
    path = suite_file(tmp_path)
    mistake(command("run", "--suite", path, "--out", tmp_path / out), "Cannot write", str(tmp_path / out), "--out")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.usefixtures("tiny_tables")
def test_a_folder_of_another_truth_is_not_mixed_up(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path)
    assert command("run", "--suite", path, "--out", tmp_path / "out").status == 0
    kept = (tmp_path / "out" / "leaderboard.csv").read_bytes()
    said = command("run", "--suite", path, "--seeds", 3, "--out", tmp_path / "out")
    mistake(said, "holds results with seeds 2 (asked: 3)", "--out", "--fresh")
    assert (tmp_path / "out" / "leaderboard.csv").read_bytes() == kept
    assert command("run", "--suite", path, "--seeds", 3, "--out", tmp_path / "out", "--fresh").status == 0
    assert len(list((tmp_path / "out").glob("ledger-until-*"))) == 1
    assert load_suite(tmp_path / "out" / "suite.toml").seeds_of("tiny", "shapley") == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"settings": {"tiny": {"seeds": {"shapley": 5}}}}, "tiny.seeds of shapley unset (asked: 5)"),
        ({"seeds": {**dict.fromkeys(QUESTIONS, 2), "standalone": 3}}, "seeds of standalone 2 (asked: 3)"),
        (
            {"settings": {"tiny": {"steps": 4, "rate": 0.2}}},
            "tiny.steps unset (asked: 4), tiny.rate unset (asked: 0.2)",
        ),
        ({"data": "files"}, "data embedded (asked: files)"),
        ({"seed": 1}, "seed 0 (asked: 1)"),
    ],
)
@pytest.mark.usefixtures("tiny_tables")
def test_changed_settings_are_another_truth(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    asked = tiny_suite(questions=("standalone",))
    Place(asked, tmp_path / "out").prepare(fresh=False)
    Place(asked, tmp_path / "out").prepare(fresh=False)  # the same again is welcome
    changed = Place(Suite.model_validate({**asked.model_dump(), **changes}), tmp_path / "out")
    (tmp_path / "out" / "results").mkdir()
    (tmp_path / "out" / "results" / "tiny.jsonl").touch()
    with pytest.raises(UserError, match=re.escape(f"holds results with {told}. Choose another folder with --out")):
        changed.prepare(fresh=False)
    changed.prepare(fresh=True)
    changed.prepare(fresh=False)


def test_a_suite_is_mended_before_its_first_result_without_starting_anew(tmp_path: Path) -> None:
    """Its first run may have failed for what is mended: then there is no other truth in its folder."""
    Place(tiny_suite(), tmp_path / "out").prepare(fresh=False)
    mended = tiny_suite(seeds=5)
    Place(mended, tmp_path / "out").prepare(fresh=False)
    assert load_suite(tmp_path / "out" / "suite.toml") == mended


def test_settings_of_a_task_that_was_not_there_are_no_change(tmp_path: Path) -> None:
    """They are taken into the folder's suite."""
    wider = tiny_suite(["tiny", "wild"], settings={"wild": {"seeds": 5}})
    assert truth_differences(tiny_suite(), wider) == []
    Place(tiny_suite(), tmp_path).prepare(fresh=False)
    Place(wider, tmp_path).prepare(fresh=False)
    assert load_suite(tmp_path / "suite.toml") == wider


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"steps": 3},
        {"seeds": 3},
        {"seeds": {"shapley": 12}},
    ],
)
def test_another_number_of_seeds_is_every_tasks_and_every_questions(tmp_path: Path, own: dict[str, object]) -> None:
    path = suite_file(tmp_path, tiny_suite(seeds=2, settings={"tiny": own}))
    place = Place.of_run(str(path), None, 6, None)
    assert [place.suite.seeds_of("tiny", question) for question in QUESTIONS] == [6, 6, 6]
    assert place.suite.settings_of("tiny").steps == own.get("steps")
    assert place.folder.name == "tiny-6-seeds"
    both = Place.of_run(str(path), 3, 6, None)
    assert both.folder.name == "tiny-3-pools-6-seeds"
    assert Place.of_run(str(path), 1, 2, None).folder.name == ("tiny-2-seeds" if "seeds" in own else "tiny")


def test_a_report_of_nothing_is_a_mistake(command: Command, tmp_path: Path) -> None:
    mistake(command("report", "--out", tmp_path / "nowhere"), str(tmp_path / "nowhere"), "suite.toml", "--out")
    path = suite_file(tmp_path)
    mistake(command("report", "--out", path.parent), "no results yet", "dataworth run")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    finished(folder)
    return folder


@pytest.mark.parametrize("damage", ['{"format": 1, "kind"', "\xff\xfe", '{"format": 9}'])
def test_a_damaged_line_of_results_is_named(command: Command, stored: Path, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(stored, tmp_path / "copy"))
    file = folder / "results" / "tiny.jsonl"
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([*lines[:3], damage.encode("latin-1"), *lines[4:]]) + b"\n")
    mistake(command("report", "--out", folder), str(file), "line 4")


def test_a_mistake_in_a_process_of_its_own_is_one_line_and_status_2(tmp_path: Path) -> None:
    done = in_a_process("report", "--out", str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


# --- how a run ends ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiny_tables")
def test_unsuitable_rows_have_their_reason_and_the_status_is_0(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path)
    said = command("run", "--suite", path, "--methods", "size,ntk-mmd:calibrated", "--out", tmp_path / "out")
    assert said.status == 0
    assert "unsuitable" in said.out
    assert "this run has no other task" in (tmp_path / "out" / "leaderboard.csv").read_text()


@pytest.mark.usefixtures("tiny_tables")
def test_a_run_ends_with_its_verdict_and_the_page_to_open(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path, tiny_suite(["tiny"], questions=("standalone",)))
    said = command("run", "--suite", path, "--methods", "size,mmd", "--out", tmp_path / "out")
    assert said.status == 0, said.err
    short, page = said.out.rstrip().splitlines()[-2:]
    assert re.fullmatch(r"Over 1 task, standalone: .*[a-z]\.", short)
    assert page == f"To look into it, open {tmp_path / 'out' / 'index.html'} in a browser."
    assert short.partition(": ")[2] in " ".join(said.out.split()).partition("All tasks together")[2][:2_000]


@pytest.mark.usefixtures("tiny_tables")
def test_a_method_that_raises_is_a_failed_row_and_the_status_is_1(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path)
    said = command("run", "--suite", path, "--methods", "breaks,size", "--out", tmp_path / "out")
    assert said.status == 1
    assert "1 answers failed" in said.out
    table = (tmp_path / "out" / "leaderboard.csv").read_text()
    assert "tiny,standalone,breaks,additive,failed,pool 1: RuntimeError: out of luck," in table
    assert "tiny,standalone,size,additive,ok," in table


@pytest.mark.usefixtures("tiny_tables")
def test_a_diverging_recipe_is_failed_rows_and_the_status_is_1(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path, tiny_suite(["wild", "tiny"], questions=("standalone",)))
    said = command("run", "--suite", path, "--methods", "size,mmd", "--out", tmp_path / "out")
    assert said.status == 1
    assert "Lower the learning rate" in said.out
    lines = (tmp_path / "out" / "leaderboard.csv").read_text().splitlines()
    assert all(("training diverged" in line) == line.startswith("wild,") for line in lines)
    assert sum(",ok," in line for line in lines) == 3  # tiny's truth and two methods


@pytest.mark.usefixtures("tiny_tables")
def test_stopping_says_how_to_go_on_and_the_status_is_130(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Breaks, problem: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)  # as a batch system stops a job
        time.sleep(5)

    monkeypatch.setattr(Breaks, "example_values", stop)
    monkeypatch.setenv("COLUMNS", "60")
    path, out = suite_file(tmp_path), tmp_path / "a folder"
    said = command("run", "--suite", path, "--methods", "size,breaks,mmd", "--out", out, "--fresh")
    assert said.status == 130
    assert f"To go on: dataworth run --suite {path} --methods size,breaks,mmd --out '{out}'\n" in said.out
    assert (out / "results" / "tiny.jsonl").is_file()


@pytest.mark.parametrize(("times", "said"), [(1, "ended in its own way"), (2, "")])
def test_a_signal_is_answered_at_once_and_a_second_one_stops_at_once(times: int, said: str) -> None:
    """What is at hand may take long to come to its next step, and here never does."""
    program = (
        "import os, signal, sys\nfrom rich.console import Console\nfrom harness.cli.stopping import stoppable\n"
        "from harness.running.interrupts import noted, came\nsys.argv = ['dataworth', 'run', '--fresh']\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored\n"
        "with stoppable(Console(), 'All of it is kept.'), noted():\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n"
        f"    finally:\n        assert came()\n        if {times} > 1:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n        print('ended in its own way')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 130, done.stderr
    lines = [line for line in done.stdout.splitlines() if line]
    assert lines[0] == "Stopping, at the next step of what is at hand. Once more stops at once."
    assert lines[-1] == "Stopped. All of it is kept. To go on: dataworth run"
    assert lines[1:-1] == ([said] if said else [])


def test_results_of_a_run_are_found_by_its_name(command: Command, stored: Path, tmp_path: Path) -> None:
    """Of a suite that lies in a file of one's own, and may lie there no more."""
    shutil.copytree(stored, tmp_path / "runs" / "mine")
    said = command("report", "--suite", "mine")
    assert said.status == 0, said.err
    assert "runs/mine/README.md" in said.out
    assert command("report", "--suite", "yours").status == 2


@pytest.mark.usefixtures("tiny_tables")
def test_a_changed_truth_gets_a_folder_of_its_own(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path)
    assert command("run", "--suite", path, "--seeds", 4).status == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == "tiny-4-seeds"
    assert load_suite(folder / "suite.toml").seeds == dict.fromkeys(QUESTIONS, 4)


# --- files of the user's ----------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, TaskSettings, Path | None]]:
    """What tasks were asked for; tiny ones are made in their place."""
    asked: list[tuple[str, str, TaskSettings, Path | None]] = []

    def make(name: str, data: str, settings: TaskSettings, folder: Path | None) -> Task:
        asked.append((name, data, settings, folder))
        return tiny_task(name=name)

    monkeypatch.setattr("harness.cli.chosen.task", make)
    return asked


ONE = ["--tasks", "sentiment", "--methods", "size", "--questions", "standalone", "--pools", 1, "--seeds", 2]


@pytest.mark.parametrize("given", [["--data", "{}"], ["--data={}"]])
def test_a_data_folder_alone_means_files_quick_and_is_published_nowhere(
    command: Command, tmp_path: Path, made: list[tuple[str, str, TaskSettings, Path | None]], given: list[str]
) -> None:
    data = tmp_path / "private place"
    data.mkdir()
    assert command("run", *[part.format(data) for part in given], *ONE).status == 0
    ((name, kind, settings, folder),) = made
    assert (name, kind, folder) == ("sentiment", "files", data)
    assert settings.seeds is None  # one number, for every task
    (out,) = (tmp_path / "runs").iterdir()
    assert out.name == "files-quick-1-pools-2-seeds"
    written = [file for file in out.rglob("*") if file.is_file()]
    assert len(written) >= 5
    assert not [file for file in written if b"private place" in file.read_bytes()]
    assert f"dataworth run {given[0].format('DIR')}" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("run --data /a --out /b --pools 2", "run --data DIR --out DIR --pools 2"),
        ("run --out=/b --data=/a", "run --out=DIR --data=DIR"),
        ("run --suite embedded", "run --suite embedded"),
        ("run --out", "run --out"),
    ],
)
def test_folders_of_the_user_are_not_in_the_command_that_results_tell(
    given: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["dataworth", *given.split()])
    assert provenance("cpu", 1)["command"] == f"dataworth {told}"


def test_settings_reach_the_tasks(
    command: Command, tmp_path: Path, made: list[tuple[str, str, TaskSettings, Path | None]]
) -> None:
    own = {"steps": 3, "model": "m"}
    suite = tiny_suite(["tiny", "twin"], questions=("standalone",), data="hub", settings={"twin": own})
    assert command("run", "--suite", suite_file(tmp_path, suite), "--out", tmp_path / "out").status == 0
    assert made == [
        ("tiny", "hub", TaskSettings(), None),
        ("twin", "hub", TaskSettings(steps=3, model="m"), None),
    ]


@pytest.mark.usefixtures("tiny_tables")
def test_an_embedded_task_takes_the_suites_recipe(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path, tiny_suite(questions=("standalone",), settings={"tiny": {"steps": 2, "rate": 0.3}}))
    assert command("run", "--suite", path, "--out", tmp_path / "out").status == 0
    (pool,) = load(tmp_path / "out" / "results").pools.values()
    assert (pool.learner["steps"], pool.learner["rate"], pool.learner["batch_size"]) == (2, 0.3, 8)


def test_settings_that_do_not_fit_the_recipe_are_told(command: Command, tmp_path: Path) -> None:
    settings = {"image-classification": {"micro_batch": 1000}}
    path = suite_file(tmp_path, tiny_suite(["image-classification"], settings=settings))
    said = command("run", "--suite", path, "--out", tmp_path / "out")
    assert said.status == 2
    assert "micro_batch is a part of its batch of 64, got 1000" in said.err


# --- what is told ---------------------------------------------------------------------------------------


def test_every_task_method_and_suite_is_listed(command: Command) -> None:
    said = command("list")
    assert said.status == 0
    first_words = {line.split()[0] for line in said.out.splitlines() if line.strip()}
    assert set(TASKS) | set(METHODS) | set(known_suites()) <= first_words


@pytest.mark.parametrize("name", METHODS)
def test_show_tells_a_methods_source_and_cost(command: Command, name: str) -> None:
    method = registry.method(name)
    said = command("show", name)
    assert said.status == 0
    shown = " ".join(said.out.split())
    for text in (name, method.family, method.source, method.passes, method.choices):
        assert " ".join(text.split()) in shown
    assert (ROOT / re.findall(r" code (\S+\.py)\b", shown)[0]).is_file()


@pytest.mark.parametrize("name", TASKS)
def test_show_tells_a_tasks_data_and_learner(command: Command, name: str) -> None:
    said = command("show", name)
    assert said.status == 0
    shown = " ".join(said.out.split())
    task = registry.task(name, "embedded", TaskSettings(), None)
    recipe = import_module(TASKS[name].where.partition(":")[0]).RECIPE  # the learner's, without training its base
    for text in (task.summary, task.form, *task.about.values(), recipe.about()):
        assert " ".join(text.split()) in shown


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_show_tells_what_a_suite_would_run(command: Command, name: str) -> None:
    said, suite = command("show", name), SHIPPED[name]
    assert said.status == 0
    shown = " ".join(said.out.split())
    for text in (suite.summary, *suite.questions, *suite.methods, *suite.tasks):
        assert text in shown
    for task in suite.tasks:
        contributors = suite.settings_of(task).contributors or 24
        size = suite.settings_of(task).size
        each = f"{size[0]}-{size[1]}" if size else "its own"
        seeds = [suite.seeds_of(task, question) for question in suite.questions]
        counts = " ".join(map(str, (suite.pools, *seeds)))
        assert f"{task} {contributors} {each} {counts}" in shown
        standalone, without_one = (suite.pools * repeats * (contributors + 1) for repeats in seeds[:2])
        assert f"{task} {standalone:,} {without_one:,}" in shown
    where = " --data DIR" if suite.data == "files" else ""
    assert f"dataworth show {name}{where} --measure" in shown


def test_show_tells_a_suites_settings(command: Command, tmp_path: Path) -> None:
    own = {
        "real": [described("mine"), "sst2"],
        "synthetic": ["supergen-sst2"],
        "model": "some/model",
        "lora": 4,
        "rate": 1e-3,
        "steps": 9,
        "contributors": 6,
    }
    suite = tiny_suite(["sentiment"], data="files", questions=("standalone",), settings={"sentiment": own})
    said = command("show", suite_file(tmp_path, suite))
    assert said.status == 0
    shown = " ".join(said.out.split())
    row = "sentiment files mine.toml, sst2 supergen-sst2 some/model, LoRA of rank 4 9 steps, rate 0.001"
    assert row in shown
    assert "retrainings standalone all truths methods together billed" in shown
    assert "sentiment 14 14 0 14 0" in shown  # 7 coalitions, 2 seeds


def described(name: str, labels: str = 'labels = {0 = "negative", 1 = "positive"}\n') -> str:
    """A description of texts with labels in the working folder, by its path."""
    file = Path(f"{name}.toml")
    columns = '[columns]\nprompt = "{text}"\nanswer = "{label}"\n'
    file.write_text(f'task = "sentiment"\nside = "real"\npath = "{name}.jsonl"\n{labels}{columns}', encoding="utf-8")
    return str(file)


def test_a_suite_whose_files_lie_beside_their_descriptions_is_shown_and_timed_without_a_folder(
    command: Command, tmp_path: Path
) -> None:
    described("mine")
    for real, option in (("mine.toml", ""), ("sst2", " --data DIR")):
        file = suite_file(tmp_path, of_texts(real, synthetic=[]))
        said = command("show", file)
        assert said.status == 0, said.err
        shown = " ".join(said.out.split())
        assert f"see dataworth show TASK --suite {file}{option} " in f"{shown} "
        assert f"How long it takes: dataworth show {file}{option} --measure." in shown
        assert ("files: beside their descriptions" in shown) == (not option)


def test_show_refuses_what_a_run_would_refuse(command: Command, tmp_path: Path) -> None:
    """With the same words, with a folder of files and without one."""
    (tmp_path / "data").mkdir()
    unfit: list[tuple[Suite, str]] = [
        (of_texts(described("mine", labels="")), "labels: sentiment needs them"),
        (of_texts("ssst2"), "Did you mean sst2?"),
        (of_texts("dolly"), "a real one for sentiment is needed"),
        (of_texts("sst2", lora=4), "lora is for a pretrained model"),
        (of_texts("sst2", micro_batch=1000), "micro_batch is a part of its batch of 64, got 1000"),
        (tiny_suite(["sentimnt"]), "Did you mean sentiment?"),
        (tiny_suite(["reasoning"], settings={"reasoning": {"micro_batch": 1000}}), "a part of its batch of 128"),
    ]
    for suite, told in unfit:
        file = suite_file(tmp_path, suite)
        data = ["--data", tmp_path / "data"] if suite.data == "files" else []
        asked = command("run", "--suite", file, "--out", tmp_path / "out", *data)
        assert asked.status == 2
        assert told in asked.err
        for options in ([], data):
            shown = command("show", file, *options)
            assert (shown.status, shown.out, shown.err) == (2, "", asked.err)
    assert not (tmp_path / "out").exists()


def of_texts(real: str, **settings: object) -> Suite:
    return tiny_suite(["sentiment"], data="files", settings={"sentiment": {"real": [real], **settings}})


@pytest.mark.usefixtures("tiny_tables")
def test_show_times_retrainings_when_asked(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path, tiny_suite(methods=("size", "data-shapley")))
    said = command("show", path, "--measure")
    assert said.status == 0
    shown = " ".join(said.out.split())
    assert "tiny 10 10 32 32 16 48" in shown  # of 4 contributors, as they were dealt: 2 seeds x 2^4, 2 x (6 + 2)
    assert re.search(r"tiny 32 [\d.]+ ms [\d.e+]+ [\d.]+ (ms|s) [\d.]+ (ms|s) [\d.e-]+ ", shown)
    assert "Only one round of tiny was timed" in shown
    assert [file.name for file in tmp_path.iterdir()] == ["asked"]  # nothing is kept


@pytest.mark.usefixtures("tiny_tables")
def test_widths_of_a_suite_without_results_say_where_they_are_from(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path, tiny_suite(pools=4, seeds=12))
    shown = " ".join(command("show", path).out.split())
    default = _default("shapley", 24)
    assert "4 pools" in shown
    assert f"tiny shapley {default.pool:.3f} {default.seed:.3f} 12 {default.width(4, 12):.2f}" in shown
    assert "For want of results those of all cells are the mean of the published suite embedded." in shown


@pytest.mark.usefixtures("tiny_tables")
def test_hours_are_split_beside_the_suite_as_it_is(command: Command, tmp_path: Path) -> None:
    path = suite_file(tmp_path, tiny_suite(seeds=12))
    said = command("show", path, "--measure", "--hours", 0.02)
    assert said.status == 0
    shown = " ".join(said.out.split())
    pools = re.search(r"pools = (\d+)", said.out)
    row = re.search(r"tiny shapley [\d.]+ [\d.]+ 12 ([\d.]+) (\d+) ([\d.]+)", shown)
    assert pools is not None
    assert row is not None
    assert f"best of {int(pools[1]):,} pools" in shown
    assert int(pools[1]) > 1
    assert float(row[3]) < float(row[1])
    assert "of methods only retrainings are counted" in shown
    hours = re.search(r"about ([\d.e-]+) h on this machine", shown)
    assert hours is not None
    assert 0.01 < float(hours[1]) <= 0.02


@pytest.mark.usefixtures("tiny_tables")
@pytest.mark.parametrize(
    ("changes", "options", "parts"),
    [
        ({"data": "files"}, ["--data", "gone"], ["'gone' is no folder"]),
        ({}, ["--data", "."], ["makes its own data"]),
        ({"tasks": ["tinny"]}, ["--measure"], ["'tinny'", "Did you mean tiny?"]),
        ({"methods": ["sise"]}, ["--measure"], ["'sise'", "Did you mean size?"]),
        ({}, ["--measure", "--device", "quantum"], ["--device", "'quantum'"]),
        ({}, ["--hours", 1], ["--hours 1 is split at the pace of this machine", "add --measure"]),
        ({}, ["--measure", "--hours", 0], ["--hours must be more than 0", "got 0"]),
        ({}, ["--measure", "--hours", "nan"], ["--hours must be more than 0", "got nan"]),
        ({}, ["--measure", "--hours", 1e-9], ["--hours 1e-09 does not pay for one pool", "at 2 seeds", "takes about"]),
    ],
)
def test_mistakes_about_a_suite_that_is_shown(
    command: Command, tmp_path: Path, changes: dict[str, object], options: list[str], parts: list[str]
) -> None:
    mistake(command("show", suite_file(tmp_path, tiny_suite(**changes)), *options), *parts)


def test_a_suite_on_files_is_not_timed_without_their_folder(command: Command) -> None:
    mistake(command("show", "files-quick", "--measure"), "lies in the data folder, and none was given", "--data DIR")


def test_what_is_no_suite_is_not_timed_and_a_method_has_no_data(command: Command) -> None:
    mistake(command("show", "tracin", "--measure"), "--measure is for suites", "tracin")
    mistake(command("show", "tracin", "--hours", 1), "--hours is for suites", "tracin")
    mistake(command("show", "tracin", "--data", "."), "--data is for suites and tasks", "tracin is a method")
    mistake(command("show", "image-classification", "--data", "gone"), "'gone' is no folder")


@pytest.mark.parametrize("arguments", [[], ["run"], ["report"], ["list"], ["show"], ["describe"]])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_each_command_has_help(command: Command, arguments: list[str], flag: str) -> None:
    said = command(*arguments, flag)
    assert said.status == 0
    assert " ".join(["dataworth", *arguments, "[OPTIONS]"]) in said.out.splitlines()[0]


def test_help_of_run_names_its_options_and_exit_statuses(command: Command) -> None:
    said = command("run", "--help").out
    for option in (
        "suite",
        "data",
        "tasks",
        "methods",
        "questions",
        "pools",
        "seeds",
        "device",
        "out",
        "resume",
        "fresh",
    ):
        assert f"--{option}" in said
    for status in ("0", "1", "2", "130"):
        assert f" {status} " in said


# --- starting and drawing without torch -----------------------------------------------------------------


def seconds_below(limit: float, *arguments: str) -> float:
    """How long the command took, tried again on a machine that was busy."""
    for _ in range(3):
        started = time.perf_counter()
        done = in_a_process(*arguments)
        seconds = time.perf_counter() - started
        assert done.returncode == 0, done.stderr
        if seconds < limit:
            break
    return seconds


@pytest.mark.parametrize(("claim", "arguments"), [(1.0, ["--help"]), (2.0, ["show", "embedded-quick"])])
def test_help_is_there_in_a_second_and_a_plan_in_two(claim: float, arguments: list[str]) -> None:
    """A plan reads a thousand stored answers, which tell how wide intervals will be."""
    limit = 1.5 * claim  # half as much again for a machine that is busy
    assert seconds_below(limit, *arguments) < limit


def test_report_draws_in_two_seconds_what_the_run_drew(stored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stored, tmp_path / "copy"))
    for name in ("README.md", "leaderboard.csv"):
        (folder / name).unlink()
    assert seconds_below(2.0, "report", "--out", str(folder)) < 2.0
    for name in ("README.md", "leaderboard.csv"):
        assert (folder / name).read_bytes() == (stored / name).read_bytes()


def test_no_torch_is_imported(stored: Path) -> None:
    """One process runs all these commands, and says after each what has been imported."""
    commands = ["--help", "run --help", f"report --out {stored}", "list", "show paper", "show tracin"]
    tasks = [f"show {task}" for task in TASKS]
    commands += [*tasks, *(f"{task} --data {stored}" for task in tasks)]  # any folder: no rows are read
    program = (
        "import sys\nfrom harness.cli import main\n"
        "for command in sys.argv[1:]:\n"
        "    sys.argv = ['dataworth', *command.split()]\n"
        "    try:\n        main()\n    except SystemExit as end:\n        assert not end.code\n"
        "    print('IMPORTED', {'torch', 'sklearn', 'transformers', 'pydvl', 'datasets'} & set(sys.modules), command)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *commands], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("IMPORTED")]
    assert found == [f"IMPORTED set() {command}" for command in commands]
