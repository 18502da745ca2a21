"""What a person brings is found, read and checked; what cannot be valued is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.brought import Brought, Wanted
from harness.config import TaskSettings
from harness.errors import UserError
from harness.registry import bring
from tasks.brought.labels import in_order
from tests.valuing.files import reviews, vendors, write


def brought(contributors: Any, target: Any, task: str = "sentiment", **others: Any) -> Brought:
    given = contributors if isinstance(contributors, dict) else {"": contributors}
    return bring(Wanted(task, given, target, **others))


def test_a_folder_holds_a_file_or_a_folder_for_each_contributor(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    write(folder / "v3" / "a.csv", reviews(5, 50))
    write(folder / "v3" / "b.jsonl", reviews(6, 51), ("review", "stars"))
    (folder / "notes.txt").write_text("not read")
    found = brought(folder, target)
    assert found.names == ("v0", "v1", "v2", "v3")
    assert found.sizes_C.tolist() == [24, 24, 24, 11]
    assert found.labels == ("negative", "positive")
    assert found.shown.answers[0] == reviews(24, 0)[0][1]
    assert found.train.targets[0] == found.labels.index(found.shown.answers[0])
    assert found.shown.places[24] == f"{folder / 'v1.csv'}, row 1"
    assert found.notes == ("Not read, for their names tell no format that is: notes.txt.",)
    assert set(found.sides) == {"unknown"}
    assert not found.sides_known


def test_one_table_has_a_column_of_contributors(tmp_path: Path) -> None:
    rows = [(text, label, f"who{k % 3}") for k, (text, label) in enumerate(reviews(30, 1))]
    frame = pd.DataFrame(rows, columns=["text", "label", "vendor"])
    file = tmp_path / "all.csv"
    frame.to_csv(file, index=False)
    for given in (file, frame):
        found = brought(given, write(tmp_path / "target.csv", reviews(20, 2)))
        assert found.names == ("who0", "who1", "who2")
        assert found.sizes_C.tolist() == [10, 10, 10]
    by_other = brought(frame.rename(columns={"vendor": "x"}), tmp_path / "target.csv", columns={"contributor": "x"})
    assert by_other.train.digest() == found.train.digest()


def test_frames_and_files_are_the_same(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    files = brought({f"v{c}": folder / f"v{c}.csv" for c in range(3)}, target)
    frames = brought({f"v{c}": pd.read_csv(folder / f"v{c}.csv") for c in range(3)}, pd.read_csv(target))
    assert files.train.digest() == frames.train.digest() == brought(folder, target).train.digest()
    assert files.target.digest() == frames.target.digest()


def test_what_stands_between_values_and_a_marked_encoding_are_found_for_each_file(tmp_path: Path) -> None:
    """Semicolons with a byte order mark, tabs in UTF-16 and a list in JSON bring what commas in UTF-8 do."""
    folder, target = vendors(tmp_path)
    plain = brought(folder, target)
    frames = [pd.read_csv(folder / f"v{c}.csv") for c in range(3)]
    frames[0].to_csv(folder / "v0.csv", sep=";", encoding="utf-8-sig", index=False)
    frames[1].to_csv(folder / "v1.csv", sep="\t", encoding="utf-16", index=False)
    (folder / "v2.csv").unlink()
    frames[2].to_json(folder / "v2.json", orient="records")
    assert brought(folder, target).train.digest() == plain.train.digest()


def test_columns_are_told_where_their_names_do_not_tell(tmp_path: Path) -> None:
    rows = [("a", "b", "positive"), ("c", "d", "negative")] * 10
    frame = pd.DataFrame(rows, columns=["head", "tail", "verdict"])
    with pytest.raises(
        UserError,
        match=r"frame of x: no column is called as text usually is .* it has head, tail, verdict\. .*--columns text=",
    ):
        brought({"x": frame, "y": frame}, frame)
    found = brought({"x": frame, "y": frame}, frame, columns={"text": "{head}: {tail}", "label": "verdict"})
    assert found.shown.texts[:2] == ["a: b", "c: d"]
    with pytest.raises(UserError, match="No field of --columns is called 'txt'"):
        brought({"x": frame, "y": frame}, frame, columns={"txt": "head"})


def test_a_column_that_is_told_is_of_the_files_that_have_it(tmp_path: Path) -> None:
    """The others' is found by its name: vendors' files need not look alike, nor like the target's."""
    folder, target = vendors(tmp_path)
    plain = brought(folder, target)
    for k in (0, 1):
        frame = pd.read_csv(folder / f"v{k}.csv").rename(columns={"text": "x", "label": "y"})
        frame.to_csv(folder / f"v{k}.csv", index=False)
    with pytest.raises(UserError, match=r"v0\.csv: no column is called as text usually is"):
        brought(folder, target)
    assert brought(folder, target, columns={"text": "{x}", "label": "y"}).train.digest() == plain.train.digest()
    with pytest.raises(UserError, match=r"--columns: no file has 'nosuch' for a column; .*v0\.csv has x, y\."):
        brought(folder, target, columns={"text": "nosuch", "label": "y"})
    with pytest.raises(UserError, match=r"no file has 'text' and 'y' for a column"):
        brought(folder, target, columns={"text": "{text} {y}", "label": "y"})


def describe(file: Path, path: str) -> None:
    file.write_text(
        f"""task = "sentiment"\nside = "real"\npath = "{path}"
        labels = {{positive = "positive", negative = "negative"}}
        [columns]\nprompt = "{{text}}"\nanswer = "{{label}}"\n"""
    )


def test_a_file_s_name_is_its_contributor_s_up_to_the_format(tmp_path: Path) -> None:
    _, target = vendors(tmp_path)
    folder = tmp_path / "versions"
    for name in ("acme v1.2.csv", "acme v1.3.csv", "b.jsonl", "c.train.csv"):
        write(folder / name, reviews(12, len(name)))
    describe(folder / "c.toml", "c.train.csv")
    assert brought(folder, target).names == ("acme v1.2", "acme v1.3", "b", "c")


def test_a_file_beside_a_description_of_which_it_says_nothing_is_a_contributor_s_own(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    write(folder / "v0.v2.csv", reviews(12, 70))
    describe(folder / "v0.toml", "./v0.csv")
    assert brought(folder, target).names == ("v0", "v0.v2", "v1", "v2")


def test_links_out_of_what_a_contributor_brings_are_refused(tmp_path: Path) -> None:
    """A folder that a vendor hands over reads no file of the buyer's, nor another vendor's."""
    folder, target = vendors(tmp_path)
    own = write(folder / "v3" / "a.csv", reviews(12, 50))
    (folder / "v3" / "b.csv").symlink_to(own)  # of its own: the same rows twice, as a copy is
    assert brought(folder, target).sizes_C.tolist() == [24, 24, 24, 24]
    link = folder / "v3" / "c.csv"
    link.symlink_to(folder / "v1.csv")
    with pytest.raises(
        UserError, match=r"v3/c\.csv is a link out of .*/v3, which is not followed\. Put what it stands"
    ):
        brought(folder, target)
    link.unlink()
    (tmp_path / "elsewhere").mkdir()
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"v3/c\.csv is a link to a folder, which is not followed"):
        brought(folder, target)
    (tmp_path / "elsewhere").rmdir()
    with pytest.raises(UserError, match=r"v3/c\.csv is a link to nothing, which is not followed"):
        brought(folder, target)


def test_one_column_for_two_fields_is_told_in_the_words_of_the_option(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    with pytest.raises(
        UserError, match=r"the column 'label' cannot be text and label at once; say with --columns which"
    ):
        brought(folder, target, columns={"text": "label", "label": "label"})


def test_a_frame_with_values_of_several_types_in_a_column_is_told(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["good", "bad"] * 10, "label": ["yes", 1] * 10})
    with pytest.raises(
        UserError,
        match=r"the frame of b holds int and str in its column 'label'; make them one, as by frame\['label'\]",
    ):
        brought({"a": frame.astype(str), "b": frame}, frame.astype(str))


def test_prompts_with_their_context_and_answers_are_found(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "instruction": ["Add"] * 12,
            "input": [f"{k} and 1" for k in range(12)],
            "output": [f"{k + 1}" for k in range(12)],
        }
    )
    found = brought({"x": frame, "y": frame[:5]}, frame, task="instruction-following")
    assert found.form == "text-response"
    assert found.shown.texts[3] == "Add\n3 and 1"
    assert found.shown.answers[3] == "4"
    assert found.train.columns["inputs"].shape == found.train.targets.shape


def test_labels_that_vendors_write_otherwise_are_told_to_be_the_same(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    write(folder / "v1.csv", [(text, {"positive": "1", "negative": "0"}[label]) for text, label in reviews(24, 1)])
    odd = brought(folder, target)
    assert odd.labels == ("0", "1", "negative", "positive")
    assert any("The target lacks the labels '0', '1' of 24 contributors' rows" in note for note in odd.notes)
    assert brought(folder, target, labels={"1": "positive", "0": "negative"}).labels == ("negative", "positive")
    with pytest.raises(UserError, match="--labels: no row has the label '2'; there are"):
        brought(folder, target, labels={"2": "positive"})
    with pytest.raises(UserError, match="--columns contributor=COLUMN is for one table"):
        brought(folder, target, columns={"contributor": "text"})


def test_labels_that_nobody_brings_are_told_and_no_common_label_is_refused(tmp_path: Path) -> None:
    folder, _ = vendors(tmp_path)
    rows = reviews(20, 7)
    more = write(tmp_path / "more.csv", [*rows, ("neither", "neutral"), ("nor", "neutral")])
    assert any(
        "No contributor has the target's label 'neutral' (9% of its rows)" in note
        for note in brought(folder, more).notes
    )
    other = write(tmp_path / "other.csv", [(text, "pos" if label == "positive" else "neg") for text, label in rows])
    with pytest.raises(
        UserError,
        match="No contributor has a label of the target: it has 'neg', 'pos', they have 'negative', 'positive'",
    ):
        brought(folder, other)
    single = write(tmp_path / "single.csv", [(text, "positive") for text, _ in rows])
    with pytest.raises(UserError, match="All rows have the label 'positive'"):
        brought({"a": single, "b": single}, single)


def test_sides_are_told_by_name_by_column_or_unknown(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    frame = pd.read_csv(folder / "v0.csv").assign(synthetic=["true", "false"] * 12)
    given = {"v0": frame, "v1": folder / "v1.csv", "v2": folder / "v2.csv"}
    found = brought(given, target, sides={"v1": "synthetic"})
    assert found.sides == ("mixed", "synthetic", "unknown")
    assert found.train.real_N[:4].tolist() == [False, True, False, True]
    assert not found.train.real_N[24:48].any()
    assert found.train.real_N[48:].all()
    with pytest.raises(UserError, match="no contributor is called 'v9'; there are v0, v1, v2"):
        brought(given, target, sides={"v9": "real"})


def test_a_description_says_how_one_contributor_s_files_are_read(tmp_path: Path) -> None:
    """Columns, labels, which rows, what is cut out, and the side; beside its file it stands for that."""
    folder, target = vendors(tmp_path)
    own = reviews(24, 0)
    lines = pd.DataFrame(
        {
            "body": [f"#{k}# {text}" for k, (text, _) in enumerate(own)] + ["#9# elsewhere"],
            "mark": [{"positive": "up", "negative": "down"}[label] for _, label in own] + ["up"],
            "lang": ["en"] * 24 + ["de"],
        }
    )
    lines.to_csv(folder / "v0.csv", index=False)
    plain = brought({name: tmp_path / "vendors" / f"{name}.csv" for name in ("v1", "v2")}, target)
    (folder / "v0.toml").write_text(
        """task = "sentiment"\nside = "synthetic"\npath = "v0.csv"
        labels = {up = "positive", down = "negative"}
        where = {lang = "en"}\nextract = {prompt = "#\\\\d+# (.*)"}\n[columns]
        prompt = "{body}"\nanswer = "{mark}"\n"""
    )
    by_folder = brought(folder, target)
    by_name = brought(
        {"v0": folder / "v0.toml", "v1": folder / "v1.csv", "v2": folder / "v2.csv"}, target, sides={"v1": "real"}
    )
    for found, sides in ((by_folder, ("synthetic", "unknown", "unknown")), (by_name, ("synthetic", "real", "unknown"))):
        assert found.names == ("v0", "v1", "v2")
        assert list(zip(found.shown.texts[:24], found.shown.answers[:24], strict=True)) == own
        assert found.shown.places[0] == "v0.csv, row 1"
        assert found.sides == sides
        assert dict(found.left_out["v0"]) == {"not wanted (where)": 1}
        assert (found.read_C[0], found.sizes_C[0]) == (25, 24)
        assert found.shown.texts[24:] == plain.shown.texts
    assert brought(folder, target, rows=36).sizes_C.tolist() == [12, 12, 12]
    with pytest.raises(UserError, match=r"v0\.toml describes rows for sentiment, and reasoning is asked for"):
        brought(folder, target, task="reasoning")
    with pytest.raises(UserError, match=r"v0\.toml describes how one contributor's files are read; give one for each"):
        brought(folder / "v0.toml", target)
    (folder / "v0.toml").write_text('task = "sentiment"\n')
    with pytest.raises(UserError, match=r"v0\.toml: side: Field required"):
        brought(folder, target)


def test_a_target_may_be_described_too(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    describe(tmp_path / "target.toml", "target.csv")
    assert brought(folder, tmp_path / "target.toml").target.digest() == brought(folder, target).target.digest()


def test_copies_within_across_and_in_the_target_are_counted(tmp_path: Path) -> None:
    own, others, wanted = reviews(20, 1), reviews(20, 2), reviews(30, 3)
    rows = {
        "first": [*own, *own[:3]],
        "second": [*others, *own[:5]],
        "third": [*reviews(20, 4), *((f"{text} indeed", label) for text, label in wanted[:2])],
    }
    target = write(tmp_path / "target.csv", wanted)
    found = brought({name: write(tmp_path / f"{name}.csv", r) for name, r in rows.items()}, target)
    owners = found.train.owners_N
    assert [int(found.copies.within_N[owners == c].sum()) for c in range(3)] == [3, 0, 0]
    assert found.copies.shared_CC.tolist() == [[0, 8, 0], [5, 0, 0], [0, 0, 0]]
    assert [int(found.copies.elsewhere_N[owners == c].sum()) for c in range(3)] == [8, 5, 0]
    assert found.copies.target_N[owners == 2][-2:].tolist() == [0, 1]
    assert (found.copies.target_N[owners != 2] == -1).all()


def test_rows_that_are_left_out_are_told(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    write(folder / "v0.csv", [*reviews(10, 0), ("  ", "positive"), ("said", "")])
    found = brought(folder, target)
    assert dict(found.left_out["v0"]) == {"empty": 2}
    assert (found.read_C[0], found.sizes_C[0]) == (12, 10)


def test_too_many_rows_are_thinned_by_the_same_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    big, small = write(tmp_path / "big.csv", reviews(400, 1)), write(tmp_path / "small.csv", reviews(100, 2))
    found = brought({"big": big, "small": small}, write(tmp_path / "target.csv", reviews(20, 3)), rows=50)
    assert found.sizes_C.tolist() == [40, 10]
    assert found.read_C.tolist() == [400, 100]
    assert any(
        "500 rows are too many to value each: 10.0% of every contributor's are taken" in note for note in found.notes
    )
    assert capsys.readouterr() == ("", "")  # no library draws a bar of its own


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda folder: [(folder / f"v{k}.csv").unlink() for k in (1, 2)],
            "holds 1 file or folder of contributors, and values compare 2 or more",
        ),
        (lambda folder: (folder / "v1.csv").write_text(""), "The contributor v1 cannot be read: .*v1.csv is empty"),
        (
            lambda folder: (folder / "v1.csv").write_text("text,label\n"),
            "The contributor v1 cannot be read: .*v1.csv is empty",
        ),
        (
            lambda folder: write(folder / "v1.csv", [("caf\xe9", "positive")] * 3, encoding="latin-1"),
            "v1.csv, row 1: this is not UTF-8",
        ),
        (lambda folder: write(folder / "v0.jsonl", reviews(3, 1)), "has two contributors called v0"),
        (lambda folder: (folder / "v4").mkdir(), "the folder of the contributor v4, holds no file that can be read"),
        (
            lambda folder: (folder / "target.csv").hardlink_to(folder.parent / "target.csv"),
            "lies among the contributors",
        ),
        (
            lambda folder: write(folder / "v1.csv", reviews(9, 1), ("text", "what")),
            "v1.csv: no column is called as label usually is",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(spoil: Any, said: str, tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    spoil(folder)
    with pytest.raises(UserError, match=said):
        brought(folder, target)


def test_a_target_without_rows_enough_is_refused(tmp_path: Path) -> None:
    folder, _ = vendors(tmp_path)
    with pytest.raises(UserError, match="The target has 9 rows, and 10 are the fewest"):
        brought(folder, write(tmp_path / "short.csv", reviews(9, 3)))
    with pytest.raises(UserError, match=r"There is no file or folder .*none\.csv of the target"):
        brought(folder, tmp_path / "none.csv")


def test_a_text_taken_for_a_label_is_refused(tmp_path: Path) -> None:
    rows = [(f"text {k}", f"label {k}") for k in range(300)]
    file = write(tmp_path / "a.csv", rows)
    with pytest.raises(UserError, match="the column label has 300 different values in 300 rows; these are no labels"):
        brought({"a": file, "b": file}, file)


def test_images_come_from_arrays_tables_and_folders_of_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, size=(30, 8, 8), dtype=np.uint8), np.array(["cat", "dog"] * 15)
    np.savez(tmp_path / "first.npz", images=pixels[:10], labels=labels[:10])
    for k in range(10, 20):
        where = tmp_path / "second" / labels[k]
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[k]).save(where / f"{k}.png")
    np.savez(tmp_path / "target.npz", images=pixels[20:], labels=labels[20:])
    given = {"first": tmp_path / "first.npz", "second": tmp_path / "second"}
    found = brought(given, tmp_path / "target.npz", task="image-classification")
    assert found.labels == ("cat", "dog")
    assert found.train.columns["inputs"].shape == (20, 1, 8, 8)
    assert found.sizes_C.tolist() == [10, 10]
    assert found.train.targets[:4].tolist() == [0, 1, 0, 1]
    cats = found.train.columns["inputs"][10:][found.train.targets[10:] == 0]  # class by class, from the folders
    expected = pixels[10:20:2].astype(np.float64) / 255
    assert np.corrcoef(cats.ravel(), expected.ravel())[0, 1] == pytest.approx(1, abs=1e-6)


def test_an_archive_s_arrays_of_other_lengths_are_no_columns_and_unlike_images_and_labels_are_refused(
    tmp_path: Path,
) -> None:
    pixels, labels = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8), np.arange(30) % 2
    np.savez(tmp_path / "a.npz", image=pixels[:10], label=labels[:10], names=np.array(["cat", "dog"]), year=2026)
    np.savez(tmp_path / "b.npz", image=pixels[10:20], label=labels[10:20])
    given, task = {"a": tmp_path / "a.npz", "b": tmp_path / "b.npz"}, "image-classification"
    assert brought(given, tmp_path / "b.npz", task=task).sizes_C.tolist() == [10, 10]
    for images, answers, said in ((10, 8, "got image of 10, label of 8"), (8, 10, "got image of 8, label of 10")):
        np.savez(tmp_path / "a.npz", image=pixels[:images], label=labels[:answers])
        with pytest.raises(UserError, match=f"The contributor a cannot be read: .*a.npz: an array of images .*{said}"):
            brought(given, tmp_path / "b.npz", task=task)
    with (tmp_path / "a.npz").open("wb") as single:
        np.save(single, pixels)
    with pytest.raises(UserError, match=r"a\.npz holds a single array"):
        brought(given, tmp_path / "b.npz", task=task)
    for content in (b"", b"no archive", b"PK\x03\x04 cut"):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"a\.npz cannot be read as npz"):
            brought(given, tmp_path / "b.npz", task=task)


def test_nobody_takes_the_target_s_place_by_its_name(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    write(folder / "the target.csv", reviews(24, 9))
    every = {"the target": folder / "v0.csv", "v1": folder / "v1.csv"}
    table = pd.concat([pd.read_csv(file).assign(vendor=name) for name, file in every.items()])
    for given in (folder, every, table):
        with pytest.raises(UserError, match="A contributor is called 'the target', which is what the target is called"):
            brought(given, target)


def test_labels_that_are_one_number_in_two_spellings_have_one_order() -> None:
    """Whatever order a set has: numbers first, then as they are written; what has no place among numbers is a word."""
    for labels in ({"1", "1.0", "01", "0"}, {"01", "0", "1.0", "1"}):
        assert in_order(labels) == ("0", "01", "1", "1.0")
    assert in_order({"nan", "2", "10"}) == ("10", "2", "nan")
    assert in_order({"10", "9", "-inf"}) == ("-inf", "9", "10")


def test_described_pictures_have_the_labels_that_arrays_call_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, size=(30, 8, 8), dtype=np.uint8), np.array(["cat", "dog"] * 15)
    for k in range(10):
        where = tmp_path / "photos" / labels[k]
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[k]).save(where / f"{k}.png")
    np.savez(tmp_path / "arrays.npz", images=pixels[10:20], labels=labels[10:20])
    np.savez(tmp_path / "target.npz", images=pixels[20:], labels=labels[20:])
    described = tmp_path / "photos.toml"
    described.write_text('task = "image-classification"\nside = "real"\npath = "photos/*/*.png"\n')
    given = {"arrays": tmp_path / "arrays.npz", "photos": described}
    found = brought(given, tmp_path / "target.npz", task="image-classification")
    assert found.labels == ("cat", "dog")
    assert found.train.targets.tolist() == [0, 1] * 5 + [0] * 5 + [1] * 5
    assert found.sides == ("unknown", "real")
    plain = brought({**given, "photos": tmp_path / "photos"}, tmp_path / "target.npz", task="image-classification")
    np.testing.assert_allclose(found.train.columns["inputs"], plain.train.columns["inputs"], atol=1e-6)


def test_settings_change_the_recipe_and_the_length(tmp_path: Path) -> None:
    folder, target = vendors(tmp_path)
    found = brought(folder, target, settings=TaskSettings(length=7, steps=11, rate=0.5))
    learner = found.learner()
    assert found.train.columns["inputs"].shape[1] == 7
    assert (learner.recipe.steps, learner.recipe.rate) == (11, 0.5)
    assert "11 steps" in found.model
