"""The image task: its splits share nothing, its pools are what they say, and the same index is the same pool."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from harness.errors import UserError
from harness.types import Pool
from tasks.embedded.image_classification import AXES, CLASSES, HELD_OUT_ROWS, deal_pool, prepared, task
from tasks.pools.image_pools import ImageMaterials
from tasks.pools.splits import HELD_OUT
from tests.tasks.published_pools import digests

POOLS = (0, 1)


@pytest.fixture(scope="module", params=POOLS)
def pool(request: pytest.FixtureRequest) -> Pool:
    return deal_pool(request.param)


def pixels(pool: Pool, split: str = "train") -> np.ndarray:
    """Pixels on the scale of the data set, N x 64."""
    inputs = getattr(pool, split).columns["inputs"].astype(np.float64)
    scale = prepared().standardisation
    assert scale is not None
    return (inputs * scale.deviation + scale.mean).reshape(len(inputs), -1)


def own(pool: Pool, owner: int) -> np.ndarray:
    return np.flatnonzero(pool.train.owners_N == owner)


# --- splits -------------------------------------------------------------------------------------------


def test_the_splits_share_no_image_and_use_every_one() -> None:
    contents = {name: [image.tobytes() for image in rows["images"]] for name, rows in prepared().splits.items()}
    whole = [(image / 16.0).tobytes() for image in load_digits().images]
    assert Counter(content for split in contents.values() for content in split) == Counter(whole)
    seen: set[bytes] = set()
    for split in contents.values():
        assert not seen & set(split)
        seen |= set(split)


def test_images_keep_their_labels() -> None:
    digits = load_digits()
    label_of = {(image / 16.0).tobytes(): int(label) for image, label in zip(digits.images, digits.target, strict=True)}
    for rows in prepared().splits.values():
        assert [label_of[image.tobytes()] for image in rows["images"]] == rows["labels"].tolist()


def test_each_pool_divides_what_is_held_out_anew_and_alike_in_classes() -> None:
    """What one fixed split is lucky in never averages out over pools."""
    rows = prepared().splits[HELD_OUT]
    known = {image.tobytes(): label for image, label in zip(rows["images"], rows["labels"], strict=True)}
    found = [prepared().held_out(index, HELD_OUT_ROWS) for index in (0, 1)]
    for own in found:
        contents = {name: [image.tobytes() for image in split["images"]] for name, split in own.items()}
        assert not {*contents["validation"]} & {*contents["test"]}
        for name, most in HELD_OUT_ROWS.items():
            assert len({*contents[name]}) == most
            assert [known[content] for content in contents[name]] == own[name]["labels"].tolist()
            exact_K = np.bincount(rows["labels"]) * most / len(known)
            assert np.abs(np.bincount(own[name]["labels"]) - exact_K).max() < 1
    assert not np.array_equal(found[0]["test"]["images"], found[1]["test"]["images"])
    for split in ("validation", "test"):
        given = getattr(deal_pool(0), split)
        assert given.real_N.all()
        np.testing.assert_allclose(pixels(deal_pool(0), split), found[0][split]["images"].reshape(-1, 64), atol=1e-6)


# --- pools --------------------------------------------------------------------------------------------


def test_there_are_24_contributors_of_20_to_40_examples(pool: Pool) -> None:
    sizes = np.bincount(pool.train.owners_N)
    assert len(pool.contributors) == len(sizes) == 24
    assert sizes.min() >= 20
    assert sizes.max() <= 40
    assert [contributor.planted["size"] for contributor in pool.contributors] == sizes.tolist()


def test_real_shares_are_what_was_planted(pool: Pool) -> None:
    for owner, contributor in enumerate(pool.contributors):
        assert contributor.planted["real_share"] == pytest.approx(pool.train.real_N[own(pool, owner)].mean())


def source_rows(pool: Pool, owner: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A contributor's real rows, the nearest dealt image of each after exposure is taken out, and how near it is."""
    rows = own(pool, owner)
    rows = rows[pool.train.real_N[rows]]
    split = prepared().splits["contributors"]["images"].reshape(-1, 64)
    found = [_standard(images) for images in (pixels(pool)[rows], split)]
    likeness = found[0] @ found[1].T
    return rows, likeness.argmax(axis=1), likeness.max(axis=1)


def _standard(images: np.ndarray) -> np.ndarray:
    """Without contrast and brightness, which are their owner's style."""
    centred = images - images.mean(axis=1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def test_real_rows_are_digits_of_the_contributors_split(pool: Pool) -> None:
    for owner in range(24):
        _, _, likeness = source_rows(pool, owner)
        assert (likeness > 0.97).all()  # near-duplicates differ by a little jitter


def test_no_real_digit_is_dealt_to_two_contributors(pool: Pool) -> None:
    dealt: dict[int, str] = {}
    for owner, contributor in enumerate(pool.contributors):
        if contributor.planted["copy_of"]:
            continue
        _, found, likeness = source_rows(pool, owner)
        exact = found[likeness > 1 - 1e-9]
        jittered = found[likeness <= 1 - 1e-9]
        assert len(set(exact.tolist())) == len(exact)
        assert len(jittered) <= round(contributor.planted["near_duplicates"] * contributor.planted["size"])
        for row in set(exact.tolist()):
            assert row not in dealt, f"{contributor.name} and {dealt[row]} hold the same digit"
            dealt[row] = contributor.name


def test_label_noise_is_what_was_planted(pool: Pool) -> None:
    """Exactly, in contributors whose rows are all real; within the bound of their synthetic rows in the others."""
    original = prepared().splits["contributors"]["labels"]
    noisy = 0
    for owner, contributor in enumerate(pool.contributors):
        rows, found, likeness = source_rows(pool, owner)
        sure = likeness > 1 - 1e-9
        wrong = (pool.train.targets[rows] != original[found])[sure].sum()
        planted = round(contributor.planted["label_noise"] * contributor.planted["size"])
        hidden = contributor.planted["size"] - sure.sum()
        assert wrong <= planted <= wrong + hidden
        noisy += wrong
        if not planted:
            assert wrong == 0
    assert noisy > 0


def test_a_clean_contributors_synthetic_labels_are_among_its_classes(pool: Pool) -> None:
    ranked = prepared().ranked
    cut = 0
    for owner, contributor in enumerate(pool.contributors):
        rows = own(pool, owner)
        made = pool.train.targets[rows[~pool.train.real_N[rows]]]
        if contributor.planted["label_noise"] == 0:
            assert set(made.tolist()) <= set(ranked[: contributor.planted["keep_ranks"]])
            cut += contributor.planted["keep_ranks"] < CLASSES
    assert cut > 0


def test_the_copy_is_exact(pool: Pool) -> None:
    names = pool.names
    copies = [(i, c.planted["copy_of"]) for i, c in enumerate(pool.contributors) if c.planted["copy_of"]]
    assert len(copies) == AXES.copies == 1
    for copy, original in copies:
        one, other = (pool.train.take(own(pool, owner)) for owner in (copy, names.index(original)))
        np.testing.assert_array_equal(one.columns["inputs"], other.columns["inputs"])
        np.testing.assert_array_equal(one.targets, other.targets)
        np.testing.assert_array_equal(one.real_N, other.real_N)


def test_pixels_are_standardised_by_the_generator_split() -> None:
    images, scale = prepared().splits["generator"]["images"], prepared().standardisation
    assert scale is not None
    assert scale.mean == pytest.approx(np.mean(images))
    assert scale.deviation == pytest.approx(np.std(images))
    inputs = deal_pool(0).test.columns["inputs"]
    assert inputs.dtype == np.float32
    assert inputs.shape[1:] == (1, 8, 8)


def test_the_truncation_that_was_caused_is_recorded(pool: Pool) -> None:
    assert set(pool.facts) == {"coverage", "kl", "head_share", "tail_share"}
    assert 0 < pool.facts["coverage"] <= 1
    assert pool.facts["kl"] > 0.01
    assert pool.facts["head_share"] + pool.facts["tail_share"] == pytest.approx(1)


# --- determinism ----------------------------------------------------------------------------------------


def test_another_index_is_another_pool() -> None:
    assert len({deal_pool(index).train.digest() for index in (0, 1, 2)}) == 3


def test_dealing_again_gives_the_same_pool() -> None:
    assert digests(deal_pool(0)) == digests(deal_pool(0))


# --- more than there is -----------------------------------------------------------------------------------


def materials(most: int | None = None) -> ImageMaterials:
    """Of a pool whose contributors' split has at most so many images."""
    rows = {name: column[:most] for name, column in prepared().splits["contributors"].items()}
    return ImageMaterials(replace(prepared(), splits={"contributors": rows}))


def test_more_real_digits_than_are_left_is_a_mistake_that_says_both_numbers() -> None:
    few = materials(10)
    rng = np.random.default_rng(0)
    few.real(6, 0.0, rng)
    with pytest.raises(UserError, match=r"needs 5 more real images, 4 are left\. Give more"):
        few.real(5, 0.0, rng)
    assert len(few.real(4, 0.0, rng)["labels"]) == 4


def test_topic_skew_leans_towards_some_classes() -> None:
    def spread(skew: float) -> float:
        found = []
        for seed in range(20):
            labels = materials().real(60, skew, np.random.default_rng(seed))["labels"]
            found.append(np.bincount(labels, minlength=CLASSES).std())
        return float(np.mean(found))

    assert spread(1.0) > 2 * spread(0.0)


def test_the_task_tells_what_it_is() -> None:
    made = task()
    assert made.name == "image-classification"
    about = str(made.about)
    assert "1,797" in about
    assert "24 a pool" in about
    assert "20-40 examples" in about
    assert made.learner().recipe.about() in about
