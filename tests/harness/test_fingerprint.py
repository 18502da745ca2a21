"""What changes an answer's key, and what does not."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness import registry
from harness.running import fingerprint
from harness.running.fingerprint import library_versions, source_digest
from methods import METHODS

METHOD = '''
"""A method."""
import json
from .helper import half
from scipy import stats

LIMIT = 3
"""Of something."""

class Own:
    """What it does."""
    choices = f"limit: {LIMIT}"
    source: str = "Somebody (2020)"
    passes = "1 pass"
    damping = 0.1
    """Of the solve."""

    def value(self):
        """A number."""
        # half of it
        return half(2)
'''
HELPER = 'def half(x):\n    """Half."""\n    import sklearn.metrics\n    return x / 2\n'


@pytest.fixture
def digest_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """The digest of a package of a method and a helper, each written anew."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "__init__.py").write_text("")

    def digest(method: str = METHOD, helper: str = HELPER) -> str:
        (tmp_path / "acme" / "own.py").write_text(method)
        (tmp_path / "acme" / "helper.py").write_text(helper)
        forget()
        return source_digest("acme.own")

    def forget() -> None:
        fingerprint._read.cache_clear()
        fingerprint._reached.cache_clear()
        fingerprint.source_digest.cache_clear()

    yield digest
    forget()
    for name in [name for name in sys.modules if name.split(".")[0] == "acme"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ('"""What it does."""', '"""What it does, said better."""'),
        ('        """A number."""\n', ""),
        ("# half of it", "# one half of it"),
        ('"""Of something."""', '"""Of something else."""'),
        ('"""Of the solve."""', '"""Of what is solved."""'),
        ('f"limit: {LIMIT}"', 'f"limit: at most {LIMIT}"'),
        ("Somebody (2020)", "Somebody (2020), eq. 3"),
        ('passes = "1 pass"', 'passes = "one pass"'),
        ("return half(2)", "return half( 2 )"),
    ],
)
def test_words_change_no_key(digest_of: Callable[..., str], there: str, instead: str) -> None:
    assert there in METHOD
    assert digest_of(METHOD.replace(there, instead)) == digest_of(METHOD)


@pytest.mark.parametrize(
    ("there", "instead"), [("half(2)", "half(3)"), ("damping = 0.1", "damping = 0.2"), ("LIMIT = 3", "LIMIT = 4")]
)
def test_code_changes_the_key(digest_of: Callable[..., str], there: str, instead: str) -> None:
    assert there in METHOD
    assert digest_of(METHOD.replace(there, instead)) != digest_of(METHOD)


def test_code_that_is_imported_relatively_changes_the_key(digest_of: Callable[..., str]) -> None:
    assert digest_of(helper=HELPER.replace("x / 2", "x / 3")) != digest_of()
    assert digest_of(helper=HELPER.replace("Half.", "One half.")) == digest_of()


def test_a_package_of_which_a_module_is_imported_is_in_no_key(digest_of: Callable[..., str], tmp_path: Path) -> None:
    """Its table of what it holds may grow; what the package itself says, and is imported from it, counts."""
    table = tmp_path / "acme" / "__init__.py"
    module, name = "from acme import helper", "from acme import helper, ROWS"
    methods = [METHOD.replace("from .helper import half", line) for line in (module, "from . import helper", name)]
    digests = []
    for rows in ("ROWS = 1", "ROWS = 2"):
        table.write_text(f"{rows}\n")
        digests.append([digest_of(method) for method in methods])
    assert [before == after for before, after in zip(*digests, strict=True)] == [True, True, False]


def test_a_module_that_a_name_of_its_package_hides_is_not_taken_for_it(
    digest_of: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "acme" / "__init__.py").write_text("helper = max\n")
    before = digest_of(METHOD.replace("from .helper import half", "from acme import helper"))
    (tmp_path / "acme" / "__init__.py").write_text("helper = min\n")
    assert digest_of(METHOD.replace("from .helper import half", "from acme import helper")) != before


def test_what_methods_say_of_themselves_is_in_no_key() -> None:
    """Not even what several have in common."""
    for name in METHODS:
        method = registry.method(name)
        text = fingerprint._read(type(method).__module__).text
        for words in (method.source, method.passes, method.choices):
            assert all(part.strip() not in text for part in words.split(";") if len(part) > 40), name


def test_no_method_s_key_holds_the_table_of_methods() -> None:
    """So that a row can be added or reworded without asking all others again."""
    modules = {entry.where.partition(":")[0] for entry in METHODS.values()}
    assert [module for module in sorted(modules) if "methods" in fingerprint._reached((module,))[0]] == []


COUNTS = {
    *("harness.types", "harness.coalitions", "harness.seeds", "harness.threads"),
    *("harness.running.evaluator", "harness.running.reference", "harness.running.retraining"),
    *("harness.truth.questions", "harness.truth.exact", "harness.truth.walks"),
    *("harness.retraining.chunks", "harness.retraining.engine", "harness.retraining.evaluation"),
    *("harness.retraining.executors", "harness.retraining.proxies", "harness.retraining.stacking"),
    *("harness.retraining.training", "harness.retraining.workspace"),
    *("harness.metering.clock", "harness.metering.flops", "harness.metering.formulas", "harness.metering.load"),
    *("harness.metering.memory", "harness.metering.meter"),
}
"""What an answer's values or its cost depend on."""

COUNTS_NOT = {
    *("harness.brought", "harness.config", "harness.projection", "harness.registry", "harness.validation"),
    *("harness.errors", "harness.files", "harness.knobs", "harness.settings", "harness.retraining.ledger"),
    *("harness.running.contents", "harness.running.fingerprint", "harness.running.interrupts"),
    *("harness.running.isolation", "harness.running.patches", "harness.running.process_state"),
    *("harness.running.leftover_threads", "harness.truth.shapley", "harness.truth.surrogate", "harness.truth.truth"),
}
LEARNERS = ("tasks.learners.bag", "tasks.learners.classifier", "tasks.learners.fine_tuned", "tasks.learners.tuned")


def test_an_answer_s_key_holds_what_answers_depend_on_and_nothing_else_of_the_harness() -> None:
    """Whoever lets the evaluator reach a new module says here whether it counts."""
    assert COUNTS.isdisjoint(COUNTS_NOT)
    assert all(find_spec(module) for module in COUNTS | COUNTS_NOT)
    for learner in LEARNERS:
        modules = ("methods.tracin", learner, "harness.running.evaluator")
        found = {name for name, code in fingerprint._reached(modules)[0].items() if code not in ("", "pass")}
        assert {name for name in found if name.startswith("harness")} == COUNTS
        assert {"methods.tracin", "methods.gradients.directional", learner} <= found
        assert found.isdisjoint({"methods", "tasks"})


def test_code_that_no_answer_depends_on_changes_no_key(
    digest_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest_of()
    monkeypatch.setattr(fingerprint, "APART", fingerprint.APART | {"acme.helper"})
    assert digest_of() != before
    assert digest_of(helper=HELPER.replace("x / 2", "x / 3")) == digest_of()


@pytest.mark.parametrize(("library", "counts"), [("scipy", True), ("scikit-learn", True), ("rich", False)])
def test_a_library_that_the_code_imports_changes_the_key_when_it_is_upgraded(
    digest_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch, library: str, counts: bool
) -> None:
    """scipy is imported by the method, scikit-learn inside a function of its helper, rich by neither."""
    before = digest_of()
    known = importlib.metadata.version
    monkeypatch.setattr(fingerprint, "version", lambda name: "99.0" if name == library else known(name))
    assert (digest_of() != before) == counts


def test_pydvl_s_version_is_in_the_keys_of_the_methods_that_use_it_and_in_no_other() -> None:
    modules = {entry.where.partition(":")[0] for entry in METHODS.values()}
    libraries = {module: fingerprint._reached((module, "harness.running.evaluator"))[1] for module in modules}
    using = {"methods.influence_pydvl", "methods.semivalues.data_shapley"}
    assert {module for module, found in libraries.items() if "pydvl" in found} == using
    assert all(library_versions(found).keys().isdisjoint({"joblib"}) for found in libraries.values())
    for module in using:
        assert library_versions(libraries[module])["pyDVL"] == importlib.metadata.version("pyDVL")


def test_the_label_of_a_build_is_no_version() -> None:
    """The processor build and the GPU build of one torch are told apart by the device in the engine's key."""
    assert library_versions({"torch"})["torch"] == importlib.metadata.version("torch").split("+")[0]


@pytest.mark.parametrize("text", ["print 'old'\n", "raise RuntimeError('no GPU')\n", "\0"])
def test_a_part_that_cannot_be_read_or_imported_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    name = f"plugged_{abs(hash(text))}"
    (tmp_path / name / "old").mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text(f"try:\n    from {name}.old import x\nexcept Exception:\n    x = 0\n")
    (tmp_path / name / "old" / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert source_digest(name)
