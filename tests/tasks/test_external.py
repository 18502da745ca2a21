"""Pools on sources: every kind of file, the axes that a suite sets, splits that nothing crosses, and bad input."""

from __future__ import annotations

import csv
import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.config import TaskSettings
from harness.errors import UserError
from harness.types import Pool
from tasks.external import task
from tasks.external.defaults import DEFAULTS
from tasks.external.definition import define
from tasks.external.images import ImageTask
from tasks.external.prepared import SHARES, averaged, held_out_counts
from tasks.external.text_materials import HABITS, PreparedTextMaterials
from tasks.external.texts import TextTask
from tasks.external.topics import Topics
from tasks.learners.encoding import IGNORED, encode_pairs, encode_prompts, with_label
from tasks.learners.tokenizers import byte_pair_tokenizer, word_tokenizer
from tasks.pools.image_pools import ImageMaterials, PreparedImages, image_rows
from tasks.pools.image_styles import StylePrototypes
from tasks.pools.splits import HELD_OUT
from tasks.pools.text_materials import text_rows as as_rows

TEXT_TASKS = ("sentiment", "instruction-following", "reasoning")
FORMATS = ("jsonl", "csv", "tsv", "parquet")
LABELS = ("negative", "positive")
Row = dict[str, str]

# --- small data of every kind -------------------------------------------------------------------------


def text_rows(name: str, count: int, seed: int) -> list[Row]:
    """Rows that no two of are near each other: eight words of 300, answered with a label or with six words."""
    rng = np.random.default_rng(seed)

    def words(number: int) -> str:
        return " ".join(f"w{k}" for k in rng.integers(0, 300, size=number))

    answers = [LABELS[k % 2] if name == "sentiment" else words(6) for k in range(count)]
    return [{"question": words(8), "said": answer} for answer in answers]


def write_rows(file: Path, rows: list[Row]) -> None:
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif file.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(file)
    else:
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, ["question", "said"], delimiter="\t" if file.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)


def text_source(folder: Path, name: str, side: str, rows: list[Row], kind: str = "jsonl") -> str:
    """Write rows and their description; the description's path."""
    write_rows(folder / f"{side}.{kind}", rows)
    lines = [f'task = "{name}"', f'side = "{side}"', f'path = "{side}.{kind}"']
    if name == "sentiment":
        lines += ['labels = { negative = "negative", positive = "positive" }']
    lines += ["[columns]", 'prompt = "{question}"', 'answer = "{said}"']
    return described(folder, side, lines)


def described(folder: Path, side: str, lines: list[str]) -> str:
    file = folder / f"{side}-source.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def pictures(count: int, seed: int, side: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures of three classes, whole numbers 0 to 255."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = np.random.default_rng(99).uniform(60, 190, size=(3, side, side))
    return np.clip(centres[labels] + 20 * rng.standard_normal((count, side, side)), 0, 255).astype(np.uint8), labels


def image_source(folder: Path, side: str, count: int, seed: int, kind: str = "npz") -> str:
    images, labels = pictures(count, seed)
    lines = ['task = "image-classification"', f'side = "{side}"', "classes = 3"]
    if kind == "npz":
        np.savez(folder / f"{side}.npz", x=images, y=labels)
        lines += [f'path = "{side}.npz"', "[columns]", 'image = "x"', 'label = "y"']
    else:
        for name, array in (("images", images), ("labels", labels.astype(np.uint8))):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / f"{side}-{name}.idx").write_bytes(header + array.tobytes())
        lines += [f'path = {{ images = "{side}-images.idx", labels = "{side}-labels.idx" }}']
    return described(folder, side, lines)


def settings(**changes: object) -> TaskSettings:
    return TaskSettings.model_validate({"contributors": 5, "size": (6, 12), **changes})


def text_task(folder: Path, name: str, real: int = 500, made: int = 300, kind: str = "jsonl") -> TextTask:
    sources = {
        "real": (text_source(folder, name, "real", text_rows(name, real, 0), kind),),
        "synthetic": (text_source(folder, name, "synthetic", text_rows(name, made, 1), kind),),
    }
    return TextTask(define(name, settings(**sources), "files", folder))


def image_task(folder: Path, kind: str = "npz", made: int = 0) -> ImageTask:
    sources: dict[str, tuple[str, ...]] = {"real": (image_source(folder, "real", 400, 0, kind),)}
    if made:
        sources["synthetic"] = (image_source(folder, "synthetic", made, 1, kind),)
    return ImageTask(define("image-classification", settings(**sources), "files", folder))


# --- pools --------------------------------------------------------------------------------------------


def check_pool(pool: Pool, name: str) -> None:
    assert pool.task == name
    assert len(pool.contributors) == 5
    sizes = np.bincount(pool.train.owners_N)
    assert [c.planted["size"] for c in pool.contributors] == sizes.tolist()
    assert ((sizes >= 6) & (sizes <= 12)).all()
    for owner, contributor in enumerate(pool.contributors):
        assert contributor.planted["real_share"] == pytest.approx(
            pool.train.real_N[pool.train.owners_N == owner].mean()
        )
    assert pool.facts["near_duplicates_dropped"] == pool.facts["crossing_dropped"] == 0
    assert 0 <= float(pool.facts["coverage"] or 0) <= 1


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", TEXT_TASKS)
def test_every_kind_of_text_file_gives_a_pool(name: str, kind: str, tmp_path: Path) -> None:
    made = text_task(tmp_path, name, kind=kind)
    pool = made.task().deal(0)
    check_pool(pool, name)
    length = DEFAULTS[name].length
    assert pool.train.columns["inputs"].shape == (len(pool.train), length)
    assert pool.train.columns["inputs"].max() < len(made.tokenizer)
    if name == "sentiment":
        assert set(pool.test.targets.tolist()) == {0, 1}
    else:
        assert pool.facts["responses_cut"] == 0
        assert pool.test.targets.shape == pool.test.columns["inputs"].shape


@pytest.mark.parametrize("kind", ["npz", "idx"])
@pytest.mark.parametrize("made", [0, 200], ids=["generator", "source"])
def test_every_kind_of_image_file_gives_a_pool(kind: str, made: int, tmp_path: Path) -> None:
    pool = image_task(tmp_path, kind, made).task().deal(0)
    check_pool(pool, "image-classification")
    assert pool.train.columns["inputs"].shape == (len(pool.train), 1, 8, 8)
    assert set(pool.test.targets.tolist()) == {0, 1, 2}
    assert abs(float(pool.test.columns["inputs"].mean())) < 0.2  # standardised
    assert float(pool.test.columns["inputs"].std()) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("name", TEXT_TASKS)
def test_the_same_files_always_give_the_same_pool(name: str, tmp_path: Path) -> None:
    one, other = (text_task(tmp_path, name) for _ in range(2))
    pools = [one.deal(1), other.deal(1), other.deal(2)]
    digests = [(p.train.digest(), p.validation.digest(), p.test.digest()) for p in pools]
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[2][0]
    assert {*digests[0][1:]}.isdisjoint(digests[2][1:])  # each pool draws its own held-out rows
    assert [c.planted for c in pools[0].contributors] == [c.planted for c in pools[1].contributors]


def test_the_same_images_always_give_the_same_pool(tmp_path: Path) -> None:
    one, other = (image_task(tmp_path).deal(1) for _ in range(2))
    assert (one.train.digest(), one.test.digest()) == (other.train.digest(), other.test.digest())
    assert dict(one.facts) == dict(other.facts)


# --- splits -------------------------------------------------------------------------------------------


def test_no_text_crosses_splits_and_what_would_is_counted(tmp_path: Path) -> None:
    """Every real question comes again on the synthetic side, answered otherwise."""
    real = text_rows("reasoning", 500, 0)
    others = text_rows("reasoning", 500, 2)
    again = [{"question": row["question"], "said": other["said"]} for row, other in zip(real, others, strict=True)]
    sources = {
        "real": (text_source(tmp_path, "reasoning", "real", real),),
        "synthetic": (text_source(tmp_path, "reasoning", "synthetic", [*again, *text_rows("reasoning", 90, 3)]),),
    }
    prepared = TextTask(define("reasoning", settings(**sources), "files", tmp_path)).prepared
    sides = {name: set(texts["prompts"]) for name, texts in prepared.splits.items()}
    assert sum(map(len, sides.values())) == len(set.union(*sides.values()))
    held_out = sides[HELD_OUT]
    assert not held_out & set(prepared.synthetic["prompts"])
    assert prepared.facts["crossing_dropped"] == len(held_out)
    assert len(prepared.synthetic["prompts"]) == 590 - len(held_out)
    assert len(held_out) == pytest.approx(500 * SHARES[HELD_OUT], abs=40)


@pytest.mark.parametrize("most", [{"validation": 12, "test": 15}, {"validation": 200, "test": 600}], ids=str)
def test_held_out_splits_are_bounded_and_alike_in_their_labels(
    most: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.external.prepared.HELD_OUT_ROWS", most)
    made = text_task(tmp_path, "sentiment")
    all_rows = made.prepared.splits[HELD_OUT]["answers"].tolist()
    counts = held_out_counts(len(all_rows))
    assert sum(counts.values()) == min(len(all_rows), sum(most.values()))
    pools = [made.prepared.held_out("sentiment", index) for index in (0, 1)]
    for pool in pools:
        for name, rows in pool.items():
            assert len(rows["answers"]) == counts[name] <= most[name]
            for label in LABELS:
                exact = all_rows.count(label) * counts[name] / len(all_rows)
                assert abs(rows["answers"].tolist().count(label) - exact) < 2
        assert not {*pool["validation"]["prompts"]} & {*pool["test"]["prompts"]}
    assert {*pools[0]["test"]["prompts"]} != {*pools[1]["test"]["prompts"]}


def test_questions_of_many_answers_stay_on_one_side_of_a_pools_held_out_rows(tmp_path: Path) -> None:
    """Each question comes three times, answered otherwise: were it in both splits, a method would see the test."""
    rows = text_rows("reasoning", 200, 0)
    answers = text_rows("reasoning", 600, 5)
    asked = [{"question": rows[k % 200]["question"], "said": other["said"]} for k, other in enumerate(answers)]
    sources = {
        "real": (text_source(tmp_path, "reasoning", "real", asked),),
        "synthetic": (text_source(tmp_path, "reasoning", "synthetic", text_rows("reasoning", 200, 1)),),
    }
    prepared = TextTask(define("reasoning", settings(**sources), "files", tmp_path)).prepared
    assert len(prepared.splits[HELD_OUT]["prompts"]) > 1.5 * len({*prepared.splits[HELD_OUT]["prompts"]})
    for index in range(5):
        found = prepared.held_out("reasoning", index)
        assert min(len(rows["prompts"]) for rows in found.values()) > 20
        assert not {*found["validation"]["prompts"]} & {*found["test"]["prompts"]}


def test_near_duplicates_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = text_rows("sentiment", 400, 0)
    sources = {
        "real": (text_source(tmp_path, "sentiment", "real", [*rows, *rows[:30]]),),
        "synthetic": (text_source(tmp_path, "sentiment", "synthetic", text_rows("sentiment", 200, 1)),),
    }
    pool = task("sentiment", settings(**sources), "files", tmp_path).deal(0)
    assert pool.facts["near_duplicates_dropped"] == 30


# --- topics and truncation ----------------------------------------------------------------------------


def test_topics_are_numbered_by_their_frequency() -> None:
    """Three vocabularies that share no word, 60, 30 and 10 texts."""
    rng = np.random.default_rng(0)
    words = {t: [f"{t}{k}" for k in range(4)] for t in "abc"}
    texts = [
        " ".join(rng.choice(words[t], size=6)) for t, count in (("b", 30), ("c", 10), ("a", 60)) for _ in range(count)
    ]
    topics = Topics.fit(texts, 3)
    assert topics.count == 3
    assert topics.of(["a0 a1 a2", "b3 b1 b0", "c2 c1 c3"]).tolist() == [0, 1, 2]
    assert np.bincount(topics.of(texts)).tolist() == [60, 30, 10]


def materials(labels: tuple[str, ...] | None = None) -> PreparedTextMaterials:
    topics = np.arange(200) % 5
    real = as_rows([f"r{k} one two three" for k in range(200)], [f"a{k}" for k in range(200)], topics)
    made = as_rows([f"s{k} four five six" for k in range(200)], [f"b{k}" for k in range(200)], topics)
    return PreparedTextMaterials("reasoning", real, made, 5, labels)


def test_truncated_rows_come_from_the_head_alone_and_none_is_dealt_twice() -> None:
    dealt_from, rng = materials(), np.random.default_rng(0)
    first, second = (dealt_from.synthetic(30, {"keep_ranks": 2}, rng) for _ in range(2))
    assert set(first["topics"]) | set(second["topics"]) == {0, 1}
    assert not set(first["prompts"]) & set(second["prompts"])
    assert {dealt_from.draw_truncation(rng)["keep_ranks"] for _ in range(60)} == {4, 5}
    with pytest.raises(UserError, match=r"needs 30 more synthetic rows of the 2 most frequent topics, 20 are left"):
        dealt_from.synthetic(30, {"keep_ranks": 2}, rng)


def test_what_a_pool_records_of_truncation_holds_for_its_rows(tmp_path: Path) -> None:
    made = text_task(tmp_path, "instruction-following")
    prepared = made.prepared
    topic_of = dict(zip(prepared.synthetic["prompts"], prepared.synthetic["topics"], strict=True))
    assert prepared.topics == 16
    rng = np.random.default_rng(0)
    for kept in (4, 9):
        fresh = PreparedTextMaterials("x", prepared.splits["contributors"], prepared.synthetic, 16, None)
        rows = fresh.synthetic(10, {"keep_ranks": kept}, rng)
        assert max(topic_of[prompt] for prompt in rows["prompts"]) < kept


def test_skewed_rows_lean_to_few_topics() -> None:
    rng = np.random.default_rng(0)
    even, skewed = (np.bincount(materials().real(40, skew, rng)["topics"], minlength=5) for skew in (0.0, 4.0))
    assert even.max() < 20 < skewed.max()


# --- what is done to rows -----------------------------------------------------------------------------


def test_noise_answers_wrongly_where_it_is_marked_and_nowhere_else() -> None:
    rng, wrong = np.random.default_rng(0), np.arange(12) % 3 == 0
    rows = materials().real(12, 0.0, rng)
    noisy = materials().with_noise(rows, wrong, rng)["answers"]
    assert ((noisy != rows["answers"]) == wrong).all()
    assert set(noisy) <= set(rows["answers"])  # the answers of other rows
    labelled = {**rows, "answers": np.array(["good", "bad", "so-so"] * 4, dtype=object)}
    turned = materials(("bad", "good", "so-so")).with_noise(labelled, wrong, rng)["answers"]
    assert ((turned != labelled["answers"]) == wrong).all()
    assert set(turned) <= {"bad", "good", "so-so"}


def test_a_near_duplicate_is_one_word_away() -> None:
    rng = np.random.default_rng(0)
    rows = materials().real(40, 0.0, rng)
    for before, after in zip(rows["prompts"], materials().near_duplicates(rows, rng)["prompts"], strict=True):
        words, changed = before.split(), after.split()
        shorter, longer = sorted((words, changed), key=len)
        assert len(longer) == len(shorter) + 1
        assert any(longer[:k] + longer[k + 1 :] == shorter for k in range(len(longer)))


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_style_is_one_opening_word_of_its_owner(strength: float) -> None:
    rng = np.random.default_rng(0)
    rows = materials().real(80, 0.0, rng)
    styled = materials().with_style(rows, strength, rng)["prompts"]
    openings = [after[: -len(before)] for before, after in zip(rows["prompts"], styled, strict=True)]
    assert {opening.rstrip(", ") for opening in openings if opening} <= {h for h in HABITS if f"{h}, " in openings}
    assert len({*openings} - {""}) == (strength > 0)
    assert np.mean([bool(opening) for opening in openings]) == pytest.approx(strength, abs=0.15)


def test_synthetic_images_come_from_the_most_frequent_classes() -> None:
    images, labels = pictures(90, 0)
    rows = image_rows(images[..., None] / 255, labels)
    styles = StylePrototypes.fit(rows["images"])
    made = ImageMaterials(PreparedImages("x", {"contributors": rows}, rows, (2, 0, 1), styles, None))
    assert set(made.synthetic(20, {"keep_ranks": 1}, np.random.default_rng(0))["labels"]) == {2}
    assert set(made.synthetic(30, {"keep_ranks": 2}, np.random.default_rng(0))["labels"]) == {0, 2}
    with pytest.raises(UserError, match="needs 70 more synthetic images of the 2 most frequent classes"):
        made.synthetic(70, {"keep_ranks": 2}, np.random.default_rng(0))


def test_images_are_averaged_over_squares() -> None:
    images = np.arange(2 * 6 * 6, dtype=float).reshape(2, 6, 6, 1)
    small = averaged(images, 4)
    assert small.shape == (2, 3, 3, 1)
    assert small[0, 0, 0, 0] == images[0, :2, :2].mean()
    assert small[1, 2, 1, 0] == images[1, 4:6, 2:4].mean()
    np.testing.assert_array_equal(averaged(images, 6), images)


# --- tokens -------------------------------------------------------------------------------------------

TOKENIZER = word_tokenizer([f"w{k}" for k in range(30)])


def ids(text: str) -> list[int]:
    return [TOKENIZER.convert_tokens_to_ids(word) for word in text.split()]


def test_a_row_is_prompt_response_and_end() -> None:
    inputs, targets, cut = encode_pairs(TOKENIZER, 0, ["w1 w2", "w3"], ["w4", "w5 w6"], 8)
    end = TOKENIZER.eos_token_id
    assert inputs.tolist() == [[*ids("w1 w2 w4"), end, 0, 0, 0, 0], [*ids("w3 w5 w6"), end, 0, 0, 0, 0]]
    blank = IGNORED
    assert targets[0].tolist() == [blank, blank, *ids("w4"), end, blank, blank, blank, blank]
    assert cut == 0


def test_long_prompts_lose_their_middle_and_long_responses_their_end() -> None:
    long = [" ".join(f"w{k}" for k in range(9)), " ".join(f"w{k}" for k in range(10, 20))]
    inputs, targets, cut = encode_pairs(TOKENIZER, 0, [long[0], "w1", long[0]], [long[1], long[1], "w20"], 8)
    assert inputs[0].tolist() == ids("w0 w1 w7 w8 w10 w11 w12 w13")  # half for each
    assert inputs[1].tolist() == ids("w1 w10 w11 w12 w13 w14 w15 w16")  # the response takes what the prompt leaves
    assert inputs[2].tolist() == [*ids("w0 w1 w2 w6 w7 w8 w20"), TOKENIZER.eos_token_id]
    assert (targets[0] != IGNORED).tolist() == [False] * 4 + [True] * 4
    assert cut == 2


def test_a_response_can_have_a_most() -> None:
    inputs, targets, cut = encode_pairs(TOKENIZER, 0, ["w1 w2 w3 w4 w5 w6 w7", "w8"], ["w9", "w10 w11 w12"], 8, most=3)
    assert inputs[0, :8].tolist() == [*ids("w1 w2 w3 w5 w6 w7 w9"), TOKENIZER.eos_token_id]
    assert inputs[1].tolist() == [*ids("w8 w10 w11 w12"), 0, 0, 0, 0]
    assert ((targets != IGNORED).sum(axis=1) <= 3).all()
    assert cut == 1


def test_a_label_stands_right_after_its_text() -> None:
    texts = encode_prompts(TOKENIZER, 0, ["w1 w2", "w3", "w4 w5 w6"], 3)
    inputs, targets = with_label(texts, np.array([1, 0, 1]), 0, 90)
    assert inputs.tolist() == [[*ids("w1 w2"), 91, 0], [*ids("w3"), 90, 0, 0], [*ids("w4 w5 w6"), 91]]
    assert [[k for k in row if k != IGNORED] for row in targets.tolist()] == [[91], [90], [91]]
    assert (targets[:, :-1][inputs[:, :-1] < 90] == IGNORED).all()


def test_byte_pairs_spell_any_text_and_give_it_back() -> None:
    tokenizer = byte_pair_tokenizer(["the cat sat on the mat", "the dog sat on the log"] * 5, 300)
    assert len(tokenizer) <= 300
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    for text in ("the cat sat", "Ünknown wörds: 12 % of 34 €"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]).strip() == text.lower()
    assert len(tokenizer("the cat sat")["input_ids"]) < len("the cat sat")


# --- bad input ----------------------------------------------------------------------------------------


def sources_of(folder: Path, name: str, real: int, made: int) -> Mapping[str, tuple[str, ...]]:
    return {
        "real": (text_source(folder, name, "real", text_rows(name, real, 0)),),
        "synthetic": (text_source(folder, name, "synthetic", text_rows(name, made, 1)),),
    }


def test_a_split_too_small_for_the_pool_is_a_mistake(tmp_path: Path) -> None:
    sources = sources_of(tmp_path, "reasoning", 200, 400)
    large = settings(**sources, size=(40, 60), contributors=8)
    with pytest.raises(
        UserError, match=r"reasoning: a contributor needs \d+ more real rows, \d+ are left\. In place of 8 "
    ):
        task("reasoning", large, "files", tmp_path).deal(0)
    tiny = sources_of(tmp_path, "reasoning", 60, 60)
    with pytest.raises(UserError, match=r"\d rows are left for the validation split \(20% of .* at least 10"):
        task("reasoning", settings(**tiny), "files", tmp_path).deal(0)


def test_labels_that_cannot_be_learnt_are_mistakes(tmp_path: Path) -> None:
    sources = sources_of(tmp_path, "sentiment", 400, 100)
    rows = text_rows("sentiment", 100, 1)
    rows[4]["said"] = "mixed"
    file = Path(text_source(tmp_path, "sentiment", "synthetic", rows))
    description = re.sub(
        r"labels = .*", 'labels = { negative = "negative", positive = "positive", mixed = "mixed" }', file.read_text()
    )
    file.write_text(description, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"synthetic\.jsonl, row 5: the label 'mixed' is none of the real side's: negative"
    ):
        task("sentiment", settings(**sources), "files", tmp_path).deal(0)
    one_sided = [{**row, "said": "positive"} for row in text_rows("sentiment", 400, 0)]
    text_source(tmp_path, "sentiment", "real", one_sided)
    with pytest.raises(UserError, match="all real rows have the label 'positive'; at least two"):
        task("sentiment", settings(**sources), "files", tmp_path).deal(0)


def test_an_image_label_out_of_range_is_a_mistake(tmp_path: Path) -> None:
    real, made = image_source(tmp_path, "real", 400, 0), image_source(tmp_path, "synthetic", 100, 1)
    images, labels = pictures(100, 1)
    labels[7] = 4
    np.savez(tmp_path / "synthetic.npz", x=images, y=labels)
    both = settings(real=(real,), synthetic=(made,))
    with pytest.raises(UserError, match=r"synthetic\.npz, row 8: the label 4 is out of range"):
        task("image-classification", both, "files", tmp_path).deal(0)
    Path(made).write_text(Path(made).read_text().replace("classes = 3", "classes = 9"), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"synthetic\.npz, row 8: the label 4 is out of range; the real side has 3 classes"
    ):
        task("image-classification", both, "files", tmp_path).deal(0)


def test_images_of_different_form_are_a_mistake(tmp_path: Path) -> None:
    real, made = image_source(tmp_path, "real", 400, 0), image_source(tmp_path, "synthetic", 100, 1)
    np.savez(tmp_path / "synthetic.npz", x=pictures(90, 1, side=6)[0], y=pictures(90, 1)[1])
    with pytest.raises(UserError, match="must have one form, got real-source 8 x 8 x 1, synthetic-source 6 x 6 x 1"):
        task("image-classification", settings(real=(real,), synthetic=(made,)), "files", tmp_path).deal(0)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("sentimental", {}, "No task is called 'sentimental'. Did you mean sentiment?"),
        ("sentiment", {"lora": 4}, "lora is for a pretrained model; name one with model"),
        ("reasoning", {"revision": "main"}, "revision is for a pretrained model"),
        ("image-classification", {"length": 9}, "length counts the tokens of a text"),
        ("sentiment", {"real": ("gsm8k",)}, "gsm8k is a real source for reasoning"),
        ("sentiment", {"real": ("supergen-sst2",)}, "supergen-sst2 is a synthetic source for sentiment"),
        ("sentiment", {"real": ("sst3",)}, "Did you mean sst2"),
        ("sentiment", {}, "sst2 lies in the data folder, and none was given; give --data"),
    ],
)
def test_settings_that_do_not_fit_are_mistakes(name: str, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        task(name, TaskSettings.model_validate(changes), "files", None)


def test_settings_change_the_recipe_and_the_axes(tmp_path: Path) -> None:
    changed = define("reasoning", settings(steps=3, rate=0.5, batch_size=4, length=20), "files", tmp_path)
    assert (changed.recipe.steps, changed.recipe.rate, changed.recipe.batch_size) == (3, 0.5, 4)
    assert (changed.axes.contributors, changed.axes.size, changed.length) == (5, (6, 12), 20)
    for name, defaults in DEFAULTS.items():
        plain = define(name, TaskSettings(), "files", tmp_path)
        assert (plain.recipe, plain.axes) == (defaults.recipe, defaults.axes)
        tuned = define(name, TaskSettings(model="some/model"), "files", tmp_path)
        assert tuned.recipe == defaults.tuning
