"""Dealing a pool: what each contributor brings is drawn along several axes, none of which may dominate.

The axes are the same for every task; what a real row, a synthetic row or a wrong answer is, the task's own
``Materials`` know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.errors import UserError
from harness.types import HELD_OUT, Array, Bools, Contributor, Examples, Ints, Plain, Pool

Rows = dict[str, Array]
"""Raw rows: column -> array, before a task encodes them for its learner."""


def row_count(rows: Rows) -> int:
    return len(next(iter(rows.values())))


@dataclass(frozen=True, slots=True)
class Axes:
    """Ranges that each contributor's draw comes from.

    Args:
        contributors: C.
        size: examples, log-uniform.
        real_share: share of real examples, uniform.
        noisy: share of contributors with any label (or answer) noise.
        noise: share of examples answered wrongly where there is noise, uniform.
        near_duplicates: share of examples that slightly change another of the same contributor, uniform.
        topic_skew: how strongly real examples lean to the contributor's own order of topics, uniform; topic of
            place r is e^(-skew r) as likely to be picked.
        style: strength of a surface form that is the contributor's own and does not matter to the task (exposure
            of images, wording habits of text), uniform.
        copies: contributors that are an exact copy of another one.
    """

    contributors: int = 24
    size: tuple[int, int] = (20, 40)
    real_share: tuple[float, float] = (0.0, 1.0)
    noisy: float = 0.5
    noise: tuple[float, float] = (0.0, 0.2)
    near_duplicates: tuple[float, float] = (0.0, 0.5)
    topic_skew: tuple[float, float] = (0.0, 0.5)
    style: tuple[float, float] = (0.0, 1.0)
    copies: int = 1

    def __post_init__(self) -> None:
        if self.copies * 2 > self.contributors:
            raise UserError(f"{self.copies} copies need {self.copies * 2} contributors, got {self.contributors}.")

    def about(self) -> str:
        """The axes as ``dataworth show`` prints them."""
        copies = "1 exact copy" if self.copies == 1 else f"{self.copies} exact copies"
        return (
            f"{self.contributors} a pool, of {self.size[0]}-{self.size[1]} examples each; "
            f"real share {self.real_share[0]:g}-{self.real_share[1]:g}; "
            f"up to {self.noise[1]:.0%} wrong answers in {self.noisy:.0%} of them; "
            f"up to {self.near_duplicates[1]:.0%} near-duplicates; topic skew up to {self.topic_skew[1]:g}; "
            f"a style of their own; {copies} of another"
        )


class Materials(Protocol):
    """What a task deals from; one is made for each pool, so that real rows are dealt once a pool."""

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        """How far this contributor's generator is cut, e.g. ``{"keep_ranks": 7}``."""
        ...

    def real(self, count: int, skew: float, rng: np.random.Generator) -> Rows:
        """``count`` real rows not dealt before in this pool."""
        ...

    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        """``count`` rows sampled from the generator, cut as drawn."""
        ...

    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """The same rows, slightly changed."""
        ...

    def with_style(self, rows: Rows, strength: float, rng: np.random.Generator) -> Rows:
        """The same rows in a surface form of their owner's own."""
        ...

    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        """The same rows, with wrong answers where marked."""
        ...


@dataclass(frozen=True, slots=True)
class Dealt:
    """A pool's contributors with their raw rows."""

    contributors: tuple[Contributor, ...]
    rows: Rows
    owners_N: Ints
    real_N: Bools


def deal(materials: Materials, axes: Axes, rng: np.random.Generator) -> Dealt:
    """Draw every contributor's axes, then its rows; everything drawn is recorded as planted."""
    width = len(str(axes.contributors))
    names = [f"c{i + 1:0{width}d}" for i in range(axes.contributors)]
    drawn = [_draw(materials, axes, rng) for _ in names]
    pairs = rng.permutation(axes.contributors)[: 2 * axes.copies].reshape(-1, 2)
    for original, copy in pairs:
        planted, rows, real = drawn[original]
        drawn[original] = ({**planted, "copies": 1}, rows, real)
        drawn[copy] = ({**planted, "copies": 1, "copy_of": names[original]}, rows, real)
    columns = {key: np.concatenate([rows[key] for _, rows, _ in drawn]) for key in drawn[0][1]}
    owners_N = np.repeat(np.arange(axes.contributors), [len(real) for _, _, real in drawn])
    contributors = tuple(Contributor(name, planted) for name, (planted, _, _) in zip(names, drawn, strict=True))
    return Dealt(contributors, columns, owners_N, np.concatenate([real for _, _, real in drawn]))


Columns = Mapping[str, Array]
"""Rows as a task's learner takes them."""


def pool_of(
    task: str, index: int, dealt: Dealt, train: Columns, validation: Columns, test: Columns, facts: Mapping[str, Plain]
) -> Pool:
    """The pool that was dealt.

    Args:
        train: what was dealt, as the learner takes it; ``validation`` and ``test`` likewise.
        facts: what was measured when it was dealt.
    """

    def held_out(columns: Columns) -> Examples:
        count = len(columns["targets"])
        return Examples(columns, np.full(count, HELD_OUT), np.ones(count, dtype=np.bool_))

    return Pool(
        task=task,
        index=index,
        contributors=dealt.contributors,
        train=Examples(train, dealt.owners_N, dealt.real_N),
        validation=held_out(validation),
        test=held_out(test),
        facts=facts,
    )


def _draw(materials: Materials, axes: Axes, rng: np.random.Generator) -> tuple[dict[str, Plain], Rows, Bools]:
    """One contributor: its planted facts, its rows, and which are real."""
    size = round(float(np.exp(rng.uniform(np.log(axes.size[0]), np.log(axes.size[1])))))
    real_count = round(float(rng.uniform(*axes.real_share)) * size)
    truncation = materials.draw_truncation(rng)
    noise = float(rng.uniform(*axes.noise)) if rng.random() < axes.noisy else 0.0
    near_duplicates = int(rng.uniform(*axes.near_duplicates) * size)
    skew = float(rng.uniform(*axes.topic_skew))
    style = float(rng.uniform(*axes.style))

    sides = [materials.real(real_count, skew, rng), materials.synthetic(size - real_count, truncation, rng)]
    rows = {key: np.concatenate([side[key] for side in sides]) for key in sides[0]}
    real = np.arange(size) < real_count
    if near_duplicates:
        order = rng.permutation(size)
        replaced, kept = order[:near_duplicates], order[near_duplicates:]
        models = rng.choice(kept, size=near_duplicates)
        changed = materials.near_duplicates({key: column[models] for key, column in rows.items()}, rng)
        for key, column in rows.items():
            column[replaced] = changed[key]
        real[replaced] = real[models]
    rows = materials.with_style(rows, style, rng)
    wrong = rng.random(size) < noise
    planted: dict[str, Plain] = {
        "size": size,
        "real_share": float(real.mean()),
        **truncation,
        "label_noise": float(wrong.mean()),
        "near_duplicates": near_duplicates / size,
        "topic_skew": skew,
        "style": style,
        "copies": 0,
        "copy_of": None,
    }
    return planted, materials.with_noise(rows, wrong, rng), real
