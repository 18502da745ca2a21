"""``dataworth study gaming``: its numbers by hand on known games, and its pools are what they are said to be."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness import coalitions
from harness.cli.studies import gaming
from harness.cli.studies.changes import CHANGES, Scene, gaps, scrambled
from harness.cli.studies.gaming import ranks, share
from harness.config import to_toml
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.seeds import seed_of
from harness.truth import exact
from harness.types import Additive, Bools, Entry, Examples, Floats, Pool, Problem, Scorer, SetFunction
from tests.command import Command
from tests.games import airport
from tests.harness.commands import call
from tests.harness.small_runs import THIRD_PARTY, tiny_suite
from tests.tiny import evaluator_of, tiny_mlp, tiny_pool, tiny_task

pytestmark = THIRD_PARTY
WORTHS = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


@dataclass(frozen=True)
class Distinct(SetFunction):
    """Number of distinct examples: a set function that knows no copies."""

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        train = problem.train
        rows = [row.tobytes() for row in train.columns["inputs"]]

        def score(coalitions_KC: Bools) -> Floats:
            return np.array(
                [len({rows[n] for n in np.flatnonzero(row_C[train.owners_N])}) for row_C in coalitions_KC], dtype=float
            )

        return [score]


@dataclass(frozen=True)
class Brightness(Additive):
    """An example's brightness: some are worth less than nothing."""

    def example_values(self, problem: Problem) -> Floats:
        pixels = problem.train.columns["inputs"]
        return np.asarray(pixels.reshape(1, len(pixels), -1).mean(axis=2), dtype=np.float64)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The table that a study of three methods on one tiny pool writes."""
    here, folder = "tests.harness.test_gaming", tmp_path_factory.mktemp("study")
    table = {name: Entry(f"{here}:{name.capitalize()}", "A test's.") for name in ("distinct", "brightness")}
    table["size"] = Entry("methods.baselines:Size", "Number of examples.")
    file = folder / "suite.toml"
    file.write_text(to_toml(tiny_suite(pools=1)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.METHODS", table)
        patch.setattr("tasks.TASKS", {"tiny": Entry("tests.tiny:tiny_task", "Noisy patterns.")})
        asked = ("--suite", file, "--methods", "size,distinct,brightness", "--out", folder / "told")
        ended = call("study", "gaming", *asked)
    assert ended.status == 0, ended.mistake
    assert "tiny: share of all that is paid" in ended.out
    return list(csv.DictReader((folder / "told" / "gaming.csv").read_text(encoding="utf-8").splitlines()))


def number(told: list[dict[str, str]], change: str, row: str, column: str = "share") -> float:
    (line,) = [line for line in told if (line["change"], line["row"]) == (change, row)]
    return float(line[column])


def attacker(told: list[dict[str, str]]) -> int:
    """Of four contributors the second from below by the Shapley truth."""
    (line,) = [line for line in told if (line["change"], line["row"]) == ("before", "truth: shapley")]
    return int(np.argsort([float(value) for value in line["values"].split()])[1])


# --- the whole study, against numbers by hand -------------------------------------------------------


def test_what_counts_examples_pays_for_every_one_that_is_brought(told: list[dict[str, str]]) -> None:
    """Sizes are 6, 7, 8, 6: 27 together."""
    own = [6, 7, 8, 6][attacker(told)]
    assert number(told, "before", "size") == pytest.approx(own / 27, rel=1e-5)
    assert number(told, "split", "size") == pytest.approx(own / 27, rel=1e-5)
    for change in ("copy", "new", "noise", "near", "leak"):
        assert number(told, change, "size") == pytest.approx(2 * own / (27 + own), rel=1e-5)


def test_what_ignores_copies_pays_a_copy_nothing_more_than_standalone(told: list[dict[str, str]]) -> None:
    own = [6, 7, 8, 6][attacker(told)]
    assert number(told, "copy", "distinct: leave-one-out") == 0
    assert number(told, "copy", "distinct: shapley") == pytest.approx(own / 27, rel=1e-5)
    assert number(told, "copy", "distinct: standalone") == pytest.approx(2 * own / (27 + own), rel=1e-5)
    assert number(told, "split", "distinct: leave-one-out") == pytest.approx(own / 27, rel=1e-5)
    assert number(told, "new", "distinct: leave-one-out") == pytest.approx(2 * own / (27 + own), rel=1e-5)
    assert number(told, "copy", "distinct: leave-one-out", "rank") == 4.5  # of 5, tied with its copy
    assert number(told, "copy", "distinct: leave-one-out", "rank of new name") == 4.5


def test_an_additive_method_gains_nothing_by_a_split(told: list[dict[str, str]]) -> None:
    assert number(told, "split", "brightness") == pytest.approx(number(told, "before", "brightness"), rel=1e-5)
    assert number(told, "noise", "brightness") == pytest.approx(number(told, "new", "brightness"), rel=1e-5)


def test_the_overview_is_of_means_over_tasks_and_of_methods_less_their_truths() -> None:
    """Two tasks in which a share goes from 1/4 to 1/2, and from 1/2 to 3/4; the truth's stays, or falls to 1/4."""

    def said(task: str, change: str, row: gaming.Row, own: float) -> gaming.Answer:
        return gaming.Answer(task, 0, change, row, np.array([[own, 4 - own]]), (0,))

    truth, paid = gaming.Row("truth: shapley", "shapley", None), gaming.Row("b", "shapley", Brightness())
    shares = {("one", truth): (1, 1), ("two", truth): (2, 1), ("one", paid): (1, 2), ("two", paid): (2, 3)}
    found = [
        said(task, change, row, own)
        for (task, row), owns in shares.items()
        for change, own in zip(("before", *CHANGES), (owns[0], *(owns[1] for _ in CHANGES)), strict=True)
    ]
    table = gaming._overview(found, ["one", "two"]).table
    assert table is not None
    assert table.rows == [["truth: shapley", *["-12.5"] * len(CHANGES)], ["b", *["+37.5"] * len(CHANGES)]]


def test_truths_are_by_retraining_the_changed_pool(told: list[dict[str, str]], tmp_path: Path) -> None:
    """A copy's leave-one-out truth, trained and subtracted here."""
    who, pool = attacker(told), tiny_pool(4, 0)
    changed = CHANGES["copy"].made(scene_of(pool, who))
    engine = Engine(tiny_mlp(), changed.train, changed.test, Ledger(tmp_path / "own.sqlite"))
    rows = np.vstack([coalitions.everyone(5), coalitions.all_but_one(5)])
    values = []
    for k in range(gaming.SEEDS):
        seed = seed_of(tiny_suite().seed, "truth", "tiny", 0, k)
        found = engine.outcomes([Job(coalitions.to_text(row), seed) for row in rows])
        values.append([found[0].utility - outcome.utility for outcome in found[1:]])
    expected = share(np.mean(values, axis=0), (who, 4))
    assert number(told, "copy", "truth: leave-one-out") == pytest.approx(expected, rel=1e-4)


# --- shares and ranks -------------------------------------------------------------------------------


@given(WORTHS, st.floats(0, 1), st.data())
def test_a_share_is_no_matter_under_how_many_names_it_is_paid(
    worths: list[float], part: float, data: st.DataObject
) -> None:
    """The halves of a value are worth the whole to an additive game, whatever the signs."""
    who = data.draw(st.integers(0, len(worths) - 1))
    whole = np.array(worths)
    halves = np.append(whole, whole[who] * (1 - part))
    halves[who] *= part
    np.testing.assert_allclose(share(halves, (who, len(whole))), share(whole, (who,)), atol=1e-9)


def test_shares_of_an_airport_are_those_of_its_closed_form() -> None:
    """A second plane of the same size lands for what both then cost; the runway's length stays."""
    costs = [1.0, 2.0, 5.0]
    before, after = airport(costs), airport([*costs, 2.0])
    # stretches 1, 1, 3 over 3, 2, 1 planes; with one plane more over 4, 3, 1
    assert share(before.shapley_C, (1,)) == pytest.approx(-(1 / 3 + 1 / 2) / 5)
    assert share(exact.shapley(after.score, 4), (1, 3)) == pytest.approx(-2 * (1 / 4 + 1 / 3) / 5)


def test_nothing_at_all_has_no_share() -> None:
    assert np.isnan(share(np.zeros(3), (1,)))


def test_the_best_ranks_first_and_ties_share() -> None:
    assert ranks(np.array([1.0, 3.0, 3.0, -2.0]), (0, 1, 3)) == (3.0, 1.5, 4.0)


# --- the changed pools ------------------------------------------------------------------------------


def scene_of(pool: Pool, who: int = 1) -> Scene:
    return Scene(pool, who, tiny_task().deal(1_000), tiny_mlp(), np.random.default_rng(0))


def brought(pool: Pool, owner: int) -> Examples:
    return pool.train.take(pool.train.owners_N == owner)


def pictures(examples: Examples) -> set[bytes]:
    return {row.tobytes() for row in examples.columns["inputs"]}


@pytest.mark.parametrize("name", CHANGES)
def test_others_keep_their_examples_and_nothing_is_held_back(name: str) -> None:
    pool = tiny_pool()
    changed = CHANGES[name].made(scene_of(pool))
    assert changed.names[:4] == pool.names
    for owner in (0, 2, 3):
        assert brought(changed, owner).digest() == brought(pool, owner).digest()
    assert len(brought(changed, 4)) == (3 if name == "split" else 7)
    assert (changed.validation.digest(), changed.test.digest()) == (pool.validation.digest(), pool.test.digest())
    assert not pictures(changed.train) & pictures(pool.test)
    if name != "leak":
        assert not pictures(changed.train) & pictures(pool.validation)


def test_a_split_divides_and_a_copy_repeats() -> None:
    pool = tiny_pool()
    halves, copied = (CHANGES[name].made(scene_of(pool)) for name in ("split", "copy"))
    assert pictures(brought(halves, 1)) | pictures(brought(halves, 4)) == pictures(brought(pool, 1))
    assert not pictures(brought(halves, 1)) & pictures(brought(halves, 4))
    assert np.array_equal(brought(copied, 4).columns["inputs"], brought(pool, 1).columns["inputs"])
    assert np.array_equal(brought(copied, 4).targets, brought(pool, 1).targets)


def test_noise_is_the_new_examples_with_their_labels_dealt_out_anew() -> None:
    new, noise = (brought(CHANGES[name].made(scene_of(tiny_pool())), 4) for name in ("new", "noise"))
    assert np.array_equal(new.columns["inputs"], noise.columns["inputs"])
    assert sorted(new.targets) == sorted(noise.targets)
    assert not np.array_equal(new.targets, noise.targets)


def test_a_leak_is_of_validation_and_what_is_near_lies_nearest() -> None:
    pool = tiny_pool()
    scene = scene_of(pool)
    assert pictures(brought(CHANGES["leak"].made(scene), 4)) <= pictures(pool.validation)
    near = CHANGES["near"].made(scene).train.columns["inputs"][-7:]
    learner = tiny_mlp()
    params = learner.initialise(0)

    def features(examples: Examples) -> Floats:
        inputs = torch.tensor(examples.columns["inputs"])
        return learner.features(params, {"inputs": inputs, "targets": torch.tensor(examples.targets)}).numpy()

    new, asked = features(scene.new), features(pool.validation)
    by_hand = np.array([min(np.linalg.norm(row - other) for other in asked) for row in new])
    np.testing.assert_allclose(gaps(learner, scene.new, pool.validation), by_hand, rtol=1e-5)
    kept = {row.tobytes() for row in near}
    chosen = np.array([row.tobytes() in kept for row in scene.new.columns["inputs"]])
    assert by_hand[chosen].max() <= by_hand[~chosen].min()


def test_responses_are_scrambled_where_the_model_reads_them_too() -> None:
    """Prompts and lengths stay; what is to be learnt and what is read agree as before."""
    inputs = np.array([[5, 6, 11, 12, 0], [7, 13, 14, 15, 0], [8, 9, 16, 0, 0]])
    targets = np.array([[-100, -100, 11, 12, -100], [-100, 13, 14, 15, -100], [-100, -100, 16, -100, -100]])
    rows = Examples({"inputs": inputs, "targets": targets}, np.zeros(3), np.ones(3, dtype=bool))
    mixed = scrambled(rows, np.random.default_rng(0))
    learnt = targets >= 0
    assert np.array_equal(mixed.columns["inputs"][~learnt], inputs[~learnt])
    assert np.array_equal(mixed.targets[~learnt], targets[~learnt])
    assert np.array_equal(mixed.columns["inputs"][learnt], mixed.targets[learnt])
    assert sorted(mixed.targets[learnt]) == sorted(targets[learnt])
    assert not np.array_equal(mixed.targets, targets)


def test_a_row_of_validation_that_the_other_pool_holds_is_not_new() -> None:
    pool, other = tiny_pool(), tiny_task().deal(1_000)
    crossing = replace(
        other,
        train=replace(
            other.train,
            columns={
                "inputs": np.concatenate([pool.validation.columns["inputs"][:2], other.train.columns["inputs"][2:]]),
                "targets": other.train.targets,
            },
        ),
    )
    scene = replace(scene_of(pool), other=crossing)
    assert len(scene.new) == len(other.train) - 2


def test_who_has_one_example_is_not_chosen(tmp_path: Path) -> None:
    """Nor is the study lost: the next by worth is."""
    values = np.array([[0.0, 1.0, 2.0]])
    pool = tiny_pool(3)
    single = pool.train.take(
        np.append(np.flatnonzero(pool.train.owners_N != 1), np.flatnonzero(pool.train.owners_N == 1)[:1])
    )

    class Run:
        pool = replace(tiny_pool(3), train=single)
        task, index = tiny_task(3), 0

    row = gaming.Row("truth: shapley", "shapley", None)
    before = [gaming.Answer("tiny", 0, gaming.BEFORE, row, values, ())]
    assert gaming.median(Run(), before) == 0  # type: ignore[arg-type]


def test_no_seeds_at_all_are_refused(command: Command) -> None:
    said = command("study", "gaming", "--seeds", 0)
    assert said.status == 2
    assert "--seeds" in said.err


def test_every_method_of_the_short_list_is_there() -> None:
    from harness.registry import methods

    assert set(gaming.METHODS) <= set(methods())


def test_evaluators_take_changed_pools(tmp_path: Path) -> None:
    """A pool with a newcomer is a pool like any other."""
    changed = CHANGES["near"].made(scene_of(tiny_pool()))
    found = evaluator_of(tmp_path, changed).evaluate("brightness", Brightness(), "shapley")
    assert found.values_C.shape == (5,)  # type: ignore[union-attr]
