"""Three rows as people read them and as the small model gets them: tokens of texts, shrunk pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.described import Encoded
from harness.errors import plain
from harness.types import FEWEST_CONTRIBUTORS, Array
from tasks.external.defaults import DEFAULTS, Defaults
from tasks.external.prepared import FEWEST_ROWS, SHARES, SMALL_SIDE, averaged
from tasks.learners.encoding import IGNORED, encode_pairs, encode_prompts
from tasks.learners.tokenizers import PAD_ID, byte_pair_tokenizer
from tasks.sources.table import Table, spread

EXAMPLES = 3

FITTED_ROWS = 5_000
"""Most texts that the examples' tokenizer is made of; a task makes its own, of its generator split."""

COUNTED_ROWS = 500
"""Texts whose tokens are counted."""

MUCH = 0.2
"""Share of texts that lose tokens beyond which it is told."""

SHOWN = 400
"""Most characters of a text that are shown."""

SHADES = " .:-=+*#%@"
"""From dark to bright."""


def encoded(table: Table) -> tuple[Encoded, ...]:
    """Examples from the first, the middle and the last part of the rows."""
    chosen = [int(k) for k in spread(len(table), EXAMPLES)]
    return _texts(table, chosen) if table.is_text else _pictures(table, chosen)


def doubts_of(table: Table) -> list[str]:
    """What of these rows does not fit the task's defaults, and what would."""
    defaults, rows = DEFAULTS[table.source.task], len(table)
    axes, found = defaults.axes, []
    if table.source.side == "real" and rows < FEWEST_ROWS:
        found.append(f"{rows:,} rows are too few for a suite on them alone: {FEWEST_ROWS} are the fewest.")
    reach, most = int(SHARES["contributors"] * rows), axes.size[1]
    if table.source.side == "real" and rows >= FEWEST_ROWS and reach < axes.contributors * most:
        fit = reach // most
        ask = (
            f"contributors = {fit}" if fit >= FEWEST_CONTRIBUTORS else "smaller contributors (size), or bring more rows"
        )
        found.append(
            f"Of {rows:,} rows {reach:,} reach contributors, and {axes.contributors} of {axes.size[0]}-{most} examples "
            f"may take {axes.contributors * most}. In a suite on these rows alone ask for {ask}."
        )
    if table.is_text and (share := _share_cut(table, defaults)) > MUCH:
        found.append(
            f"{share:.0%} of the texts are longer than the {defaults.length} tokens that the small model sees; a "
            "suite's length gives it more, at the price of time and memory."
        )
    return found


def _share_cut(table: Table, defaults: Defaults) -> float:
    """Of texts (with their answers, where these are texts) that lose tokens."""
    tokenizer = _tokenizer(table, defaults)
    chosen = spread(len(table), COUNTED_ROWS)
    texts = [table.prompts[k] if table.source.labels else f"{table.prompts[k]}\n{table.answers[k]}" for k in chosen]
    return float(np.mean([len(ids) > defaults.length for ids in tokenizer(texts)["input_ids"]]))


def _tokenizer(table: Table, defaults: Defaults) -> Any:
    fitted = spread(len(table), FITTED_ROWS)
    answers = [] if table.source.labels else [table.answers[k] for k in fitted]
    return byte_pair_tokenizer([*(table.prompts[k] for k in fitted), *answers], defaults.entries)


def _texts(table: Table, chosen: Sequence[int]) -> tuple[Encoded, ...]:
    defaults, labels = DEFAULTS[table.source.task], table.source.form == "text-label"
    tokenizer = _tokenizer(table, defaults)
    found = []
    for k in chosen:
        prompt, answer = table.prompts[k], table.answers[k]
        model = _of_label(tokenizer, prompt, defaults) if labels else _of_pair(tokenizer, prompt, answer, defaults)
        parts = (
            ("text" if labels else "prompt", _short(prompt)),
            ("label" if labels else "answer", _short(answer)),
            *model,
        )
        found.append(Encoded(plain(table.places[k]), parts))
    return tuple(found)


def _of_label(tokenizer: Any, prompt: str, defaults: Defaults) -> tuple[tuple[str, str], ...]:
    ids = encode_prompts(tokenizer, PAD_ID, [prompt], defaults.length)[0]
    kept = ids[ids != PAD_ID]
    whole = len(tokenizer([prompt])["input_ids"][0])
    lost = f", the last {whole - len(kept)} of its {whole} are lost" if whole > len(kept) else ""
    return (("as the small model gets it", f"{_pieces(tokenizer, kept)} ({len(kept)} tokens{lost})"),)


def _of_pair(tokenizer: Any, prompt: str, answer: str, defaults: Defaults) -> tuple[tuple[str, str], ...]:
    inputs, targets, cut = encode_pairs(tokenizer, PAD_ID, [prompt], [answer], defaults.length, defaults.length // 2)
    learnt = targets[0] != IGNORED
    given = (inputs[0] != PAD_ID) & ~learnt
    whole = len(tokenizer([f"{prompt}\n"], add_special_tokens=False)["input_ids"][0])
    count, kept = int(given.sum()), inputs[0][given]
    pieces, lost = _pieces(tokenizer, kept), ""
    if whole > count:
        pieces = f"{_pieces(tokenizer, kept[: count // 2])} [...] {_pieces(tokenizer, kept[count // 2 :])}"
        lost = f", {whole - count} in its middle are lost"
    end = ", its end is lost" if cut else ""
    return (
        ("the small model is given", f"{pieces} ({count} tokens{lost})"),
        ("and learns", f"{_pieces(tokenizer, inputs[0][learnt])} ({int(learnt.sum())} tokens{end})"),
    )


def _pieces(tokenizer: Any, ids: Array) -> str:
    """Tokens with a bar between two."""
    return plain("|".join(tokenizer.decode([int(one)]) for one in ids).replace("\n", "\\n"))


def _short(text: str) -> str:
    shown = plain(text.replace("\n", "\\n"))
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}... ({len(text):,} characters)"


def _pictures(table: Table, chosen: Sequence[int]) -> tuple[Encoded, ...]:
    images, labels = np.asarray(table.images), np.asarray(table.labels)
    found = []
    for k in chosen:
        small = averaged(images[k : k + 1], SMALL_SIDE)[0]
        label = int(labels[k])
        called = f"{plain(table.names[label])} (class {label})" if table.names else f"class {label}"
        parts = (
            ("size", " x ".join(map(str, images.shape[1:]))),
            ("label", called),
            (f"as the small model gets it, {' x '.join(map(str, small.shape))}", f"\n{_drawn(small)}"),
        )
        found.append(Encoded(plain(table.places[k]), parts))
    return tuple(found)


def _drawn(image: Array) -> str:
    """The mean of its channels as shades of characters, two wide for each pixel."""
    levels = (np.asarray(image).mean(axis=2) * (len(SHADES) - 1)).round().astype(int)
    return "\n".join("".join(SHADES[level] * 2 for level in row) for row in levels)
