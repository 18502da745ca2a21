"""The table of tasks: every one that comes with Dataworth, by name.

To add one, write a module with a function that takes nothing and returns a ``harness.types.Task``, and name it here.
The data of the four below are made by the program; ``tasks.external`` makes the same four on files or a hub.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.types import Entry

EXTERNAL = "tasks.external:task"
"""What makes a task on described sources: ``(name, settings, data, folder) -> Task``."""

BROUGHT = "tasks.brought:bring"
"""What makes a pool without a truth of what a person brings: ``Wanted -> Brought`` (``harness.brought``)."""

DESCRIBER = "tasks.describing:describe"
"""What tells what a file is that nobody has described: ``Undescribed -> Described`` (``harness.described``)."""

TASKS: Mapping[str, Entry] = {
    "image-classification": Entry(
        "tasks.embedded.image_classification:task",
        "Handwritten digits (8 x 8, real) and digits from a truncated class-conditional generator.",
    ),
    "sentiment": Entry(
        "tasks.embedded.sentiment:task",
        "Reviews of a long-tailed grammar (real) and of a truncated language model (synthetic).",
    ),
    "instruction-following": Entry(
        "tasks.embedded.instruction_following:task",
        "Operations on letters, skills Zipf-distributed (real), and a truncated language model's (synthetic).",
    ),
    "reasoning": Entry(
        "tasks.embedded.reasoning:task",
        "Greatest common divisors: all outcomes (real) and the most frequent ones (synthetic).",
    ),
}

TINY: Mapping[str, Entry] = {
    "tiny-image-label": Entry("tasks.tiny.declarations:image_label", "Noisy patterns."),
    "tiny-text-label": Entry("tasks.tiny.declarations:text_label", "Words that two classes like."),
    "tiny-text-response": Entry("tasks.tiny.declarations:text_response", "Sums of two digits."),
    "tiny-blank": Entry("tasks.tiny.declarations:blank", "Noisy patterns, some of them blank."),
}
"""Tasks that are not listed: methods are checked on them, and a run of them takes a second."""
