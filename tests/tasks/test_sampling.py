"""Texts are sampled from the distribution that the model itself gives, cut as transformers cuts it."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from scipy import stats
from transformers import TopPLogitsWarper

from tasks.learners import transformer
from tasks.learners.sampling import sample
from tasks.learners.sizes import Size

VOCABULARY, LENGTH, START, END = 5, 5, [3, 4], 2


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    made = transformer.small("language model", VOCABULARY, LENGTH, size=Size(hidden=8, layers=2, inner=8, scale=0.7))
    inner = made.inner
    assert isinstance(inner, torch.nn.Module)
    return inner


def chances(model: torch.nn.Module, top_p: float, temperature: float) -> dict[tuple[int, ...], float]:
    """The exact probability of each sequence, every prefix computed whole by the model itself."""
    found = {}
    for tail in product(range(VOCABULARY), repeat=LENGTH - len(START)):
        if any(token == END and set(tail[k:]) != {END} for k, token in enumerate(tail)):
            continue
        ids, chance = [*START, *tail], 1.0
        for place in range(len(START), LENGTH):
            if place > len(START) and ids[place - 1] == END:
                break
            with torch.no_grad():
                logits = model(torch.tensor([ids[:place]])).logits[:, -1] / temperature
            cut = TopPLogitsWarper(top_p)(torch.tensor([[0]]), logits) if top_p < 1 else logits
            chance *= float(cut.softmax(-1)[0, ids[place]])
        found[tail] = chance
    return found


@pytest.mark.parametrize(("top_p", "temperature"), [(1.0, 1.0), (0.7, 0.8)])
def test_whole_sequences_are_as_frequent_as_the_model_says(
    model: torch.nn.Module, top_p: float, temperature: float
) -> None:
    exact, count = chances(model, top_p, temperature), 20_000
    assert sum(exact.values()) == pytest.approx(1)
    made = sample(model, START, count, LENGTH, top_p, temperature, END, seed=1)
    assert (made[:, : len(START)] == torch.tensor(START)).all()
    tails = [tuple(row) for row in made[:, len(START) :].tolist()]
    assert all(exact[tail] > 0 for tail in set(tails))
    common = [tail for tail, chance in exact.items() if chance * count >= 5]
    seen, expected = [tails.count(tail) for tail in common], [exact[tail] * count for tail in common]
    seen, expected = [*seen, count - sum(seen) + 1], [*expected, count - sum(expected) + 1]  # the rare ones in one
    assert stats.chisquare(seen, expected).pvalue > 1e-3
    if top_p < 1:
        assert len(common) < len(exact) / 2


def test_the_same_seed_writes_the_same(model: torch.nn.Module) -> None:
    one, same, other = (sample(model, START, 50, LENGTH, 0.9, 1.0, END, seed).tolist() for seed in (1, 1, 2))
    assert one == same != other
