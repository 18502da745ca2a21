"""``dataworth study lds``: its scores are those of retrained halves and of the methods' values on the dealt pools."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from harness.cli.studies import lds
from harness.config import to_toml
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.seeds import seed_of, stream
from harness.types import Entry
from tests.harness.commands import call
from tests.harness.small_runs import THIRD_PARTY, tiny_suite
from tests.tiny import tiny_mlp, tiny_pool

pytestmark = THIRD_PARTY
SEEDS, COALITIONS = 2, 12


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The study's folder and what it printed, of one tiny pool."""
    folder = tmp_path_factory.mktemp("study")
    file = folder / "suite.toml"
    file.write_text(to_toml(tiny_suite(pools=1)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.TASKS", {"tiny": Entry("tests.tiny:tiny_task", "Noisy patterns.")})
        patch.setattr(lds, "COALITIONS", COALITIONS)
        patch.setattr(lds, "DRAWS", 20)
        asked = ("--suite", file, "--methods", "size,constant,influence-pydvl:ekfac", "--seeds", SEEDS)
        ended = call("study", "lds", *asked, "--out", folder / "told")
    assert ended.status == 0, ended.mistake
    return folder / "told", ended.out


@pytest.fixture(scope="module")
def lines(study: tuple[Path, str]) -> dict[str, dict[str, str]]:
    text = (study[0] / "lds.csv").read_text(encoding="utf-8")
    return {line["row"]: line for line in csv.DictReader(text.splitlines())}


def test_a_score_is_spearman_of_summed_values_with_retrained_halves(
    lines: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    pool = tiny_pool(4, 0)
    root, place = tiny_suite(pools=1).seed, ("lds", "tiny", 0)
    orders = stream(root, *place, "halves").permuted(np.tile(np.arange(4), (COALITIONS, 1)), axis=1)
    halves = orders < 2
    engine = Engine(tiny_mlp(), pool.train, pool.test, Ledger(tmp_path / "ledger.sqlite"), validation=pool.validation)
    jobs = [
        [Job("".join("01"[int(one)] for one in row), seed_of(root, *place, seed)) for row in halves]
        for seed in range(SEEDS)
    ]
    utilities = np.mean([[outcome.utility for outcome in engine.outcomes(of_seed)] for of_seed in jobs], axis=0)
    sizes = np.bincount(pool.train.owners_N)
    expected = spearmanr([sizes[row].sum() for row in halves], utilities)[0]
    assert float(lines["size"]["lds"]) == pytest.approx(expected, abs=1e-5)


def test_truths_stand_beside_methods_and_agree_with_themselves(lines: dict[str, dict[str, str]]) -> None:
    for question in ("standalone", "leave-one-out", "shapley"):
        assert float(lines[f"truth: {question}"][question]) == pytest.approx(1)
        assert lines[f"truth: {question}"]["seconds"] == ""
    assert 0 < float(lines["truth: shapley"]["standard error"]) < 1
    assert float(lines["size"]["seconds"]) > 0


def test_what_gives_no_order_and_who_does_not_suit_have_no_score(
    lines: dict[str, dict[str, str]], study: tuple[Path, str]
) -> None:
    assert lines["constant"]["lds"] == lines["constant"]["shapley"] == ""
    page = (study[0] / "README.md").read_text(encoding="utf-8")
    assert "\n# Study: lds\n" in page
    (constant,) = [line for line in page.splitlines() if line.startswith("| constant ")]
    assert [cell.strip() for cell in constant.strip("|").split("|")][1:5] == ["–"] * 4
    if lines["influence-pydvl:ekfac"]["reason"]:
        assert lines["influence-pydvl:ekfac"]["reason"] in page
