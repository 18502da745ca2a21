"""What tasks are built from: splits, generators, the truncation that they cause, and dealing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.errors import UserError
from tasks.pools.dealing import Axes, Dealt, deal
from tasks.pools.image_generator import ClassGaussians
from tasks.pools.splits import divide, split_by_content
from tasks.pools.truncation import truncation_caused

SHARES = {"generator": 0.2, "contributors": 0.4, "validation": 0.15, "test": 0.25}

# --- splits -------------------------------------------------------------------------------------------


def rows_of(count: int) -> list[bytes]:
    return [f"row {k}".encode() for k in range(count)]


def test_every_row_falls_in_one_split_and_shares_are_kept() -> None:
    found = split_by_content(rows_of(4000), SHARES, "salt")
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(4000))
    for name, share in SHARES.items():
        assert len(found[name]) == pytest.approx(4000 * share, abs=5 * np.sqrt(4000 * share * (1 - share)))


def test_the_same_content_never_crosses_a_split() -> None:
    contents = rows_of(300) * 3
    np.random.default_rng(0).shuffle(contents)
    found = {name: {contents[k] for k in rows} for name, rows in split_by_content(contents, SHARES, "salt").items()}
    assert sum(len(split) for split in found.values()) == 300  # each content on one side only


def test_where_a_row_falls_does_not_depend_on_the_other_rows() -> None:
    contents = rows_of(500)
    whole = split_by_content(contents, SHARES, "salt")
    backwards = split_by_content(contents[::-1] + rows_of(900)[500:], SHARES, "salt")
    for name in SHARES:
        among = {contents[::-1][k] for k in backwards[name] if k < 500}
        assert among == {contents[k] for k in whole[name]}


def test_another_salt_is_another_split() -> None:
    one, other = (split_by_content(rows_of(500), SHARES, salt)["test"].tolist() for salt in ("one", "other"))
    assert one != other


def test_every_stratum_is_divided_by_the_shares_and_contents_still_do_not_cross() -> None:
    contents = rows_of(700) * 2
    strata = [f"stratum {int(row.split()[1]) % 7 % 5}" for row in contents]
    found = split_by_content(contents, SHARES, "salt", strata)
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(1400))
    assert sum(len({contents[k] for k in rows}) for rows in found.values()) == 700
    for stratum in set(strata):
        many = len({content for content, name in zip(contents, strata, strict=True) if name == stratum})
        for name, share in SHARES.items():
            own = {contents[k] for k in found[name] if strata[k] == stratum}
            assert abs(len(own) - many * share) < 1
    shuffled = split_by_content(contents[::-1], SHARES, "salt", strata[::-1])
    assert {contents[k] for k in found["test"]} == {contents[::-1][k] for k in shuffled["test"]}


def test_shares_that_do_not_add_up_and_empty_splits_are_mistakes() -> None:
    with pytest.raises(UserError, match=r"add up to 1, got \{'a': 0\.5, 'b': 0\.4\}"):
        split_by_content(rows_of(9), {"a": 0.5, "b": 0.4}, "salt")
    with pytest.raises(UserError, match=r"The split '\w+' .* of 2 rows\) is empty; give more rows"):
        split_by_content(rows_of(2), SHARES, "salt")


# --- what is held out, divided ----------------------------------------------------------------------------

PARTS = {"validation": 30, "test": 70}


@pytest.mark.parametrize(("count", "within"), [(100, 1), (401, 2)])
def test_a_division_takes_of_each_stratum_its_share_to_the_row(count: int, within: int) -> None:
    contents = rows_of(count)
    strata = [f"stratum {min(k % 9, 5)}" for k in range(count)]
    found = divide(contents, strata, PARTS, "pool 1")
    assert {name: len(rows) for name, rows in found.items()} == PARTS
    assert not set(found["validation"]) & set(found["test"])
    for name, rows in found.items():
        for stratum in set(strata):
            exact = PARTS[name] * strata.count(stratum) / count
            assert abs(sum(strata[k] == stratum for k in rows) - exact) < within
    again, other = (divide(contents, strata, PARTS, salt)["test"].tolist() for salt in ("pool 1", "pool 2"))
    assert found["test"].tolist() == again != other


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=60), st.integers(1, 30), st.integers(1, 30))
def test_equal_contents_stay_together_and_no_part_is_too_large(
    rows: list[tuple[int, int]], validation: int, test: int
) -> None:
    contents, counts = [f"{content}".encode() for content, _ in rows], {"validation": validation, "test": test}
    found = divide(contents, [f"{stratum}" for _, stratum in rows], counts, "pool 1")
    assert all(len(found[name]) <= counts[name] for name in counts)
    sides = [{contents[k] for k in found[name]} for name in counts]
    assert not sides[0] & sides[1]
    if len({*contents}) == len(contents):
        assert sum(map(len, found.values())) == min(len(rows), validation + test)


def test_every_row_is_as_likely_to_be_drawn() -> None:
    """Over many pools, each of 60 rows in strata of 41, 12 and 7 is in test a third of the time."""
    contents, strata = rows_of(60), ["a"] * 41 + ["b"] * 12 + ["c"] * 7
    counts = np.zeros(60)
    for pool in range(600):
        counts[divide(contents, strata, {"validation": 10, "test": 20}, f"pool {pool}")["test"]] += 1
    assert np.abs(counts / 600 - 1 / 3).max() < 5 * np.sqrt(2 / 9 / 600)


# --- truncation ---------------------------------------------------------------------------------------

samples = st.lists(st.integers(0, 7), min_size=1, max_size=60)


@given(samples, samples)
def test_divergence_is_scipys_on_counts_with_a_half_added(real: list[int], made: list[int]) -> None:
    found = truncation_caused(np.array(real), np.array(made), 8)
    p = np.array([Counter(real)[symbol] + 0.5 for symbol in range(8)])
    q = np.array([Counter(made)[symbol] + 0.5 for symbol in range(8)])
    assert found["kl"] == pytest.approx(stats.entropy(p, q))


@given(samples, samples)
def test_coverage_is_the_real_mass_of_what_was_made_at_all(real: list[int], made: list[int]) -> None:
    found = truncation_caused(np.array(real), np.array(made), 8)
    assert found["coverage"] == pytest.approx(sum(symbol in set(made) for symbol in real) / len(real))


def test_a_cut_tail_is_measured_as_counted_by_hand() -> None:
    real = np.repeat([0, 1, 2, 3, 4], [5, 2, 1, 1, 1])  # the head is symbol 0: half of the real mass
    cut = np.array([0, 0, 0, 1])
    found = truncation_caused(real, cut, 5)
    assert found["coverage"] == pytest.approx(0.7)
    assert (found["head_share"], found["tail_share"]) == (pytest.approx(0.75), pytest.approx(0.25))
    assert truncation_caused(real, real, 5) == {
        "coverage": pytest.approx(1.0),
        "kl": 0.0,
        "head_share": pytest.approx(0.5),
        "tail_share": pytest.approx(0.5),
    }


# --- the image generator -------------------------------------------------------------------------------

CLASSES, PIXELS, LATENTS = 3, 16, 2
COUNTS = [30, 90, 60]


def training_images() -> tuple[np.ndarray, np.ndarray]:
    """Classes of two latents each, well inside [0, 1] so that nothing is clipped."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), COUNTS)
    means = 0.4 + 0.2 * rng.random((CLASSES, PIXELS))
    loadings = 0.05 * rng.standard_normal((CLASSES, PIXELS, LATENTS))
    latents = rng.standard_normal((len(labels), LATENTS))
    images = means[labels] + np.einsum("ndq,nq->nd", loadings[labels], latents)
    return (images + 0.01 * rng.standard_normal(images.shape)).reshape(-1, 4, 4), labels


@pytest.fixture(scope="module")
def generator() -> ClassGaussians:
    return ClassGaussians.fit(*training_images(), LATENTS)


def test_the_fit_is_maximum_likelihood(generator: ClassGaussians) -> None:
    """Held against scikit-learn, whose PCA has the same model's covariance (with n - 1 for n)."""
    from sklearn.decomposition import PCA

    images, labels = training_images()
    for label in range(CLASSES):
        rows = images[labels == label].reshape(-1, PIXELS)
        model = PCA(LATENTS, svd_solver="full").fit(rows)
        loadings = generator.loadings_KDQ[label]
        covariance = loadings @ loadings.T + generator.noise_K[label] ** 2 * np.eye(PIXELS)
        expected = model.get_covariance() * (len(rows) - 1) / len(rows)
        np.testing.assert_allclose(generator.means_KD[label], rows.mean(axis=0))
        np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_classes_are_ranked_by_their_frequency(generator: ClassGaussians) -> None:
    assert generator.ranked == (1, 2, 0)


@pytest.mark.parametrize("keep_ranks", [1, 2, 3])
def test_only_the_most_frequent_classes_are_sampled(generator: ClassGaussians, keep_ranks: int) -> None:
    _, labels = generator.sample(400, keep_ranks, 3.0, np.random.default_rng(1))
    assert set(labels.tolist()) == set(generator.ranked[:keep_ranks])


@pytest.mark.parametrize("bound", [0.2, 1.0])
def test_latents_stay_within_the_bound(generator: ClassGaussians, bound: float) -> None:
    images, labels = generator.sample(600, 3, bound, np.random.default_rng(2))
    widest = 0.0
    for label in range(CLASSES):
        back = np.linalg.pinv(generator.loadings_KDQ[label])
        latents = (images[labels == label] - generator.means_KD[label]) @ back.T
        noise = generator.noise_K[label] * np.linalg.norm(back, axis=1)  # of each recovered latent
        assert (np.abs(latents) <= bound + 5 * noise).all()
        widest = max(widest, float(np.abs(latents).max()))
    assert widest > 0.7 * bound  # the bound is reached, not undercut


def test_uncut_samples_have_the_models_mean_and_covariance(generator: ClassGaussians) -> None:
    count = 30_000
    images, labels = generator.sample(count, 3, 8.0, np.random.default_rng(3))
    for label in range(CLASSES):
        rows = images[labels == label]
        loadings, noise = generator.loadings_KDQ[label], generator.noise_K[label]
        covariance = loadings @ loadings.T + noise**2 * np.eye(PIXELS)
        deviation = np.sqrt(covariance.diagonal().max())
        assert len(rows) == pytest.approx(count / 3, rel=0.05)
        assert np.abs(rows.mean(axis=0) - generator.means_KD[label]).max() < 5 * deviation / np.sqrt(len(rows))
        assert np.abs(np.cov(rows.T) - covariance).max() < 8 * deviation**2 / np.sqrt(len(rows))


def test_pixels_stay_in_their_range() -> None:
    images, labels = training_images()
    bright = ClassGaussians.fit(images + 0.45, labels, LATENTS)
    sampled, _ = bright.sample(300, 3, 3.0, np.random.default_rng(4))
    assert sampled.max() == 1.0
    assert sampled.min() >= 0.0


# --- dealing --------------------------------------------------------------------------------------------


class Numbers:
    """Materials that can be traced: a real row is its own serial number, a synthetic one is negative."""

    def __init__(self, count: int = 10_000) -> None:
        self.left = list(range(count))

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, str | int | float | bool | None]:
        return {"keep_ranks": int(rng.integers(2, 5))}

    def real(self, count: int, skew: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
        taken, self.left = self.left[:count], self.left[count:]
        return {"content": np.array(taken, dtype=np.int64), "label": np.zeros(count, dtype=np.int64)}

    def synthetic(self, count: int, truncation: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
        content = -1 - rng.integers(0, 2**40, size=count)
        return {"content": content, "label": np.zeros(count, dtype=np.int64)}

    def near_duplicates(self, rows: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {**rows}

    def with_style(
        self, rows: dict[str, np.ndarray], strength: float, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        return rows

    def with_noise(
        self, rows: dict[str, np.ndarray], wrong_N: np.ndarray, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        return {**rows, "label": rows["label"] + wrong_N}


AXES = Axes(contributors=12, size=(20, 40), noise=(0.1, 0.4), near_duplicates=(0.1, 0.5), copies=2)


@pytest.fixture(scope="module", params=[0, 1, 2])
def dealt(request: pytest.FixtureRequest) -> Dealt:
    return deal(Numbers(), AXES, np.random.default_rng(request.param))


def own(dealt: Dealt, owner: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mine = dealt.owners_N == owner
    return dealt.rows["content"][mine], dealt.rows["label"][mine], dealt.real_N[mine]


def test_planted_facts_are_what_the_rows_show(dealt: Dealt) -> None:
    for owner, contributor in enumerate(dealt.contributors):
        content, label, real = own(dealt, owner)
        planted = contributor.planted
        assert 20 <= planted["size"] == len(content) <= 40
        assert planted["real_share"] == pytest.approx(real.mean())
        assert (content >= 0).tolist() == real.tolist()
        assert planted["label_noise"] == pytest.approx(label.mean())
        repeated = len(content) - len(set(content.tolist()))
        assert planted["near_duplicates"] == pytest.approx(repeated / len(content))
        assert 2 <= planted["keep_ranks"] < 5


def test_copies_are_exact_and_nothing_else_is_dealt_twice(dealt: Dealt) -> None:
    names = [contributor.name for contributor in dealt.contributors]
    copies = {i: names.index(c.planted["copy_of"]) for i, c in enumerate(dealt.contributors) if c.planted["copy_of"]}
    assert len(copies) == AXES.copies
    assert len(set(copies.values())) == AXES.copies
    assert not set(copies) & set(copies.values())
    for copy, original in copies.items():
        for one, other in zip(own(dealt, copy), own(dealt, original), strict=True):
            np.testing.assert_array_equal(one, other)
    in_a_pair = set(copies) | set(copies.values())
    assert {i for i, c in enumerate(dealt.contributors) if c.planted["copies"]} == in_a_pair
    seen: set[int] = set()
    for owner in set(range(len(names))) - set(copies):
        content = set(own(dealt, owner)[0].tolist())
        assert not content & seen
        seen |= content


def test_names_are_distinct_and_sort_in_order(dealt: Dealt) -> None:
    names = [contributor.name for contributor in dealt.contributors]
    assert names == sorted(set(names))
    assert np.array_equal(np.unique(dealt.owners_N), np.arange(12))


def test_dealing_is_a_function_of_its_stream() -> None:
    one, same, other = (deal(Numbers(), AXES, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert one.rows["content"].tolist() == same.rows["content"].tolist()
    assert [c.planted for c in one.contributors] == [c.planted for c in same.contributors]
    assert [c.planted for c in one.contributors] != [c.planted for c in other.contributors]


def test_draws_stay_on_their_axes_and_use_them() -> None:
    found = [c for seed in range(20) for c in deal(Numbers(), AXES, np.random.default_rng(seed)).contributors]
    sizes = np.array([c.planted["size"] for c in found])
    shares = np.array([c.planted["real_share"] for c in found])
    noisy = np.array([c.planted["label_noise"] for c in found]) > 0
    skews = np.array([c.planted["topic_skew"] for c in found])
    assert sizes.min() <= 21
    assert sizes.max() >= 38
    assert shares.min() < 0.1
    assert shares.max() > 0.9
    assert noisy.mean() == pytest.approx(AXES.noisy, abs=0.12)
    assert skews.min() >= AXES.topic_skew[0]
    assert skews.max() <= AXES.topic_skew[1]
    logs = (np.log(sizes) - np.log(20)) / np.log(2)
    assert stats.kstest(logs, "uniform").statistic < 0.15


def test_more_copies_than_there_are_pairs_is_a_mistake() -> None:
    with pytest.raises(UserError, match="3 copies need 6 contributors, got 5"):
        Axes(contributors=5, copies=3)
