"""The tiny tasks. They stand in no list: whoever means one names it, ``tiny-image-label`` and so on."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from harness.types import Form, Learner, Pool, Task
from tasks.tiny.pools import Draw, bags, images, pool, sums, with_blank


def image_label() -> Task:
    return _task("tiny-image-label", "image-label", "Noisy patterns.", images, "of_images")


def text_label() -> Task:
    return _task("tiny-text-label", "text-label", "Words that two classes like.", bags, "of_bags")


def text_response() -> Task:
    return _task("tiny-text-response", "text-response", "Sums of two digits.", sums, "of_sums")


def blank() -> Task:
    """Images of which the last contributor's are blank, and two contributors bring the same."""
    return _task("tiny-blank", "image-label", "Noisy patterns, some of them blank.", images, "without_bias", with_blank)


def _task(
    name: str, form: Form, summary: str, draw: Draw, learner: str, changed: Callable[[Pool], Pool] = lambda dealt: dealt
) -> Task:
    """A task whose learner has that name in ``learners``, which brings torch."""

    def make() -> Learner:
        from tasks.tiny import learners

        return cast(Learner, getattr(learners, learner)())

    return Task(name, 1, summary, form, lambda index: changed(pool(name, draw, index)), make)
