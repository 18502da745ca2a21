"""The embedded text tasks: splits that share nothing, answers that are right, pools that are what they say."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from harness.types import Pool
from tasks.embedded import instruction_following, reasoning, sentiment
from tasks.embedded.grammar import SPLITS, Grammar, Item
from tasks.learners.encoding import IGNORED
from tasks.pools.splits import HELD_OUT
from tests.tasks.published_pools import check_published, digests

GRAMMARS: dict[ModuleType, Grammar] = {
    sentiment: sentiment.Reviews(),
    instruction_following: instruction_following.Instructions(),
    reasoning: reasoning.Divisors(),
}
SKILLS = {phrasing: name for name, phrasings in {
    "same": ("copy", "repeat", "echo"), "reverse": ("reverse", "backwards", "mirror"),
    "first": ("first", "head", "initial"), "last": ("last", "tail", "final"),
    "swap": ("swap", "exchange", "switch"), "rotate": ("rotate", "shift", "cycle"),
    "behead": ("behead", "chop", "skip"), "shorten": ("shorten", "trim", "crop"),
    "middle": ("middle", "centre", "core"), "double": ("stutter", "double", "twice"),
}.items() for phrasing in phrasings}  # fmt: skip


@pytest.fixture(scope="module", params=list(GRAMMARS), ids=lambda module: str(module.NAME))
def task(request: pytest.FixtureRequest) -> ModuleType:
    module = request.param
    assert isinstance(module, ModuleType)
    return module


@cache
def dealt(task: ModuleType, index: int) -> Pool:
    """Dealt once for all tests that only look at it."""
    made = task.deal_pool(index)
    assert isinstance(made, Pool)
    return made


@pytest.fixture(scope="module", params=[0, 1])
def pool(task: ModuleType, request: pytest.FixtureRequest) -> Pool:
    return dealt(task, request.param)


def tokenizer(task: ModuleType):  # type: ignore[no-untyped-def]
    return task.prepared().tokenizer


def written(task: ModuleType, pool: Pool, split: str = "train") -> list[tuple[str, str]]:
    """Prompt and answer of each row, read back from the arrays that the learner gets."""
    examples, words = getattr(pool, split), tokenizer(task)
    found = []
    for ids, target in zip(examples.columns["inputs"], examples.targets, strict=True):
        if task is sentiment:
            found.append((words.decode(ids, skip_special_tokens=True), sentiment.LABELS[target]))
        else:
            learnt = target != IGNORED
            found.append((words.decode(ids[~learnt], skip_special_tokens=True),
                          words.decode(target[learnt], skip_special_tokens=True)))  # fmt: skip
    return found


def right(task: ModuleType, prompt: str) -> str:
    """The right answer, worked out here another way."""
    words = prompt.split()
    if task is reasoning:
        a, b = (int(word) for word in words[-3:-1])
        while b:
            a, b = b, a % b
        return str(a)
    if task is instruction_following:
        x = "".join(words[-4:-1])
        said = {
            "same": x, "reverse": x[2] + x[1] + x[0], "first": x[0], "last": x[2], "swap": x[1] + x[0] + x[2],
            "rotate": x[1] + x[2] + x[0], "behead": x[1] + x[2], "shorten": x[0] + x[1], "middle": x[1],
            "double": x[0] + x,
        }  # fmt: skip
        return " ".join(said[SKILLS[words[-5]]])
    clause = prompt.partition(" but ")[2] or prompt
    praise = {*sentiment.GOOD, *(word for good, _ in sentiment.OWN.values() for word in good)}
    said = [word for word in clause.split() if word not in sentiment.EMPHASIS]
    return sentiment.LABELS[(said[-1] in praise) != (said[-2:-1] == ["not"])]


def plain(task: ModuleType, prompt: str) -> str:
    """Without a contributor's habit and without what near-duplicates add."""
    grammar = GRAMMARS[task]
    words = prompt.split()
    words = words[1:] if words[0] in grammar.habits else words
    return grammar.deduplication_key(Item(" ".join(words), "", _topic(task, words)))


def _topic(task: ModuleType, words: list[str]) -> int:
    if task is not instruction_following:
        return 0
    return next(k for k, phrasings in enumerate(instruction_following.SKILLS) if words[-5] in phrasings)


# --- real texts ------------------------------------------------------------------------------------------


def test_every_real_answer_is_right(task: ModuleType) -> None:
    for items in task.prepared().splits.values():
        assert all(item.answer == right(task, item.prompt) for item in items)


def test_topics_are_long_tailed(task: ModuleType) -> None:
    items = [item for split in task.prepared().splits.values() for item in split]
    symbols = [GRAMMARS[task].symbol(item) for item in items]
    _, counts = np.unique(symbols, return_counts=True)
    ranked = np.sort(counts)[::-1]
    assert ranked[: len(ranked) // 5].sum() > 0.4 * ranked.sum()
    assert ranked[-1] < ranked[0] / 10


def test_divisors_are_as_frequent_as_number_theory_says(task: ModuleType) -> None:
    if task is not reasoning:
        pytest.skip("of the greatest common divisors only")
    answers = [int(item.answer) for split in task.prepared().splits.values() for item in split]
    for outcome in (1, 2, 3):
        share = np.mean([answer == outcome for answer in answers])
        assert share == pytest.approx(6 / (math.pi * outcome) ** 2, abs=0.04)


# --- splits ----------------------------------------------------------------------------------------------


def test_no_text_and_no_near_duplicate_crosses_the_splits(task: ModuleType) -> None:
    found = [{GRAMMARS[task].deduplication_key(item) for item in split} for split in task.prepared().splits.values()]
    assert sum(map(len, found)) == len(set.union(*found))


def test_held_out_texts_are_fresh_and_never_of_the_other_splits(task: ModuleType) -> None:
    """Also those that the known texts do not have: a text that nobody knows falls by its own hash."""
    grammar, splits, held_out = GRAMMARS[task], task.prepared().splits, task.prepared().held_out
    key = grammar.deduplication_key
    trained = {key(item) for name in ("generator", "contributors") for item in splits[name]}
    known = {key(item) for item in splits[HELD_OUT]}
    seen: list[set[str]] = []
    for index in (0, 1, 2):
        own = held_out.draw(index, task.HELD_OUT_ROWS)
        keys = {name: {key(item) for item in items} for name, items in own.items()}
        assert not keys["validation"] & keys["test"]
        assert not (keys["validation"] | keys["test"]) & trained
        assert (keys["validation"] | keys["test"]) - known
        prompts = [item.prompt for items in own.values() for item in items]
        assert len(prompts) == len({*prompts})
        for name, most in task.HELD_OUT_ROWS.items():
            assert 0.98 * most <= len(own[name]) <= most
        seen.append({item.prompt for item in own["test"]})
    assert seen[0] != seen[1] != seen[2] != seen[0]


def test_the_splits_of_a_pool_are_alike_in_their_strata(task: ModuleType) -> None:
    """To a row, or to the near-duplicates that have to stay together."""
    grammar, share = GRAMMARS[task], task.HELD_OUT_ROWS["test"] / sum(task.HELD_OUT_ROWS.values())
    own = task.prepared().held_out.draw(3, task.HELD_OUT_ROWS)
    strata = {name: Counter(map(grammar.stratum, items)) for name, items in own.items()}
    largest = max(Counter(map(grammar.deduplication_key, own["test"] + own["validation"])).values())
    for stratum in strata["test"] | strata["validation"]:
        total = strata["test"][stratum] + strata["validation"][stratum]
        assert abs(strata["test"][stratum] - share * total) <= largest


def test_held_out_texts_are_distributed_as_the_grammars_own(task: ModuleType) -> None:
    """Of a fresh draw of different texts, as many for their part of the grammar as a pool holds out, by stratum."""
    grammar, counts = GRAMMARS[task], task.HELD_OUT_ROWS
    drawn: dict[str, Item] = {}
    rng = np.random.default_rng(5)
    while len(drawn) < sum(counts.values()) / SPLITS[HELD_OUT]:
        item = grammar.draw(rng)
        drawn.setdefault(item.prompt, item)
    expected = Counter(map(grammar.stratum, drawn.values()))
    own = task.prepared().held_out.draw(4, counts)
    found = Counter(grammar.stratum(item) for items in own.values() for item in items)
    common = [stratum for stratum in expected if expected[stratum] >= 20]
    table = [[side[s] for s in common] + [side.total() - sum(side[s] for s in common)] for side in (expected, found)]
    assert stats.chi2_contingency(np.array(table)[:, np.sum(table, axis=0) > 0]).pvalue > 1e-3


def test_nothing_that_is_held_out_is_trained_on(task: ModuleType, pool: Pool) -> None:
    trained = {plain(task, prompt) for prompt, _ in written(task, pool)}
    for split in ("validation", "test"):
        held_out = {plain(task, prompt) for prompt, _ in written(task, pool, split)}
        assert len(held_out) > 100
        assert not trained & held_out


def test_held_out_texts_are_real_and_right(task: ModuleType, pool: Pool) -> None:
    for split in ("validation", "test"):
        assert getattr(pool, split).real_N.all()
        assert all(answer == right(task, prompt) for prompt, answer in written(task, pool, split))


# --- pools -----------------------------------------------------------------------------------------------


def test_sizes_real_shares_and_noise_are_what_was_planted(task: ModuleType, pool: Pool) -> None:
    assert len(pool.contributors) == 24
    texts = written(task, pool)
    noisy = 0
    for owner, contributor in enumerate(pool.contributors):
        rows = np.flatnonzero(pool.train.owners_N == owner)
        planted = contributor.planted
        assert len(rows) == planted["size"]
        assert pool.train.real_N[rows].mean() == pytest.approx(planted["real_share"])
        wrong = np.array([texts[row][1] != right(task, texts[row][0]) for row in rows])
        made = ~pool.train.real_N[rows]
        least, most = wrong[~made].sum(), wrong[~made].sum() + made.sum()
        assert least <= round(planted["label_noise"] * planted["size"]) <= most
        noisy += int(least)
    assert noisy > 0


def test_real_rows_come_from_the_contributors_split_and_are_dealt_once(task: ModuleType, pool: Pool) -> None:
    originals = {plain(task, item.prompt) for item in task.prepared().splits["contributors"]}
    texts, owners = written(task, pool), pool.train.owners_N
    copies = {c.planted["copy_of"] for c in pool.contributors} - {None}
    dealt: dict[str, set[int]] = {}
    for row in np.flatnonzero(pool.train.real_N):
        assert plain(task, texts[row][0]) in originals
        if pool.names[owners[row]] not in copies:
            prompt = " ".join(w for w in texts[row][0].split() if w not in GRAMMARS[task].habits)
            dealt.setdefault(prompt, set()).add(int(owners[row]))
    shared = [owners for owners in dealt.values() if len(owners) > 1]
    assert len(shared) < 0.15 * len(dealt)  # a near-duplicate may read like another contributor's row


def test_the_copy_is_exact(task: ModuleType, pool: Pool) -> None:
    pairs = [
        (i, pool.names.index(c.planted["copy_of"])) for i, c in enumerate(pool.contributors) if c.planted["copy_of"]
    ]
    assert len(pairs) == 1
    one, other = (pool.train.take(np.flatnonzero(pool.train.owners_N == owner)) for owner in pairs[0])
    for name in one.columns:
        np.testing.assert_array_equal(one.columns[name], other.columns[name])


def test_style_opens_texts_with_a_habit_of_their_owner(task: ModuleType, pool: Pool) -> None:
    texts, habits = written(task, pool), GRAMMARS[task].habits
    shares, planted = [], []
    for owner, contributor in enumerate(pool.contributors):
        opened = [texts[row][0].split()[0] for row in np.flatnonzero(pool.train.owners_N == owner)]
        used = {word for word in opened if word in habits}
        assert len(used) <= 1
        shares.append(np.mean([word in habits for word in opened]))
        planted.append(float(contributor.planted["style"]))
    assert np.corrcoef(shares, planted)[0, 1] > 0.9


# --- the generators ----------------------------------------------------------------------------------------


def test_outcomes_are_cut_at_the_rank_that_was_asked() -> None:
    outcomes = reasoning.prepared().generator
    for rank in (1, 4, 9):
        made = outcomes.sample(200, rank, np.random.default_rng(rank))
        assert {math.gcd(a, b) for a, b in made} <= set(outcomes.ranked[:rank])
        assert max(max(pair) for pair in made) <= reasoning.LARGEST


@pytest.mark.parametrize("task", [sentiment, instruction_following], ids=lambda module: module.NAME)
def test_a_smaller_top_p_writes_fewer_different_texts(task: ModuleType) -> None:
    generator = task.prepared().generator
    texts = {top_p: generator.sample(200, top_p, 1.0, seed=1) for top_p in (1.0, 0.5)}
    assert len(set(texts[0.5])) < 0.8 * len(set(texts[1.0]))
    assert generator.sample(20, 0.8, 1.0, seed=2) == generator.sample(20, 0.8, 1.0, seed=2)
    assert generator.sample(20, 0.8, 1.0, seed=2) != generator.sample(20, 0.8, 1.0, seed=3)


def test_nothing_below_the_nucleus_is_sampled() -> None:
    """Each sampled word lies in the smallest set of words that holds the mass top_p."""
    import torch

    generator = sentiment.prepared().generator
    words, top_p = generator.tokenizer, 0.6
    for text in generator.sample(20, top_p, 0.8, seed=5):
        ids = words.encode(f"{generator.start} {text}", add_special_tokens=False)
        with torch.no_grad():
            logits = generator.model(torch.tensor([ids])).logits[0] / 0.8
        for place in range(len(ids) - 1):
            chances = logits[place].double().softmax(-1)
            better = chances[chances > chances[ids[place + 1]]].sum()
            assert better < top_p + 1e-6


def test_the_truncation_that_was_caused_is_recorded(pool: Pool) -> None:
    assert {"coverage", "kl", "head_share", "tail_share", "crossing_dropped"} == set(pool.facts)
    assert 0.5 < pool.facts["coverage"] < 1
    assert pool.facts["kl"] > 0.02
    assert pool.facts["crossing_dropped"] > 0


# --- determinism and the learner ------------------------------------------------------------------------------


def test_published_pools_do_not_change(task: ModuleType, pool: Pool) -> None:
    check_published(pool, task.prepared().generator)


def test_another_index_is_another_pool_and_the_same_one_is_the_same(task: ModuleType) -> None:
    first, second, again = (digests(pool) for pool in (dealt(task, 0), dealt(task, 1), task.deal_pool(0)))
    assert first[0] != second[0]
    assert first == again


def test_every_seed_starts_from_the_base(task: ModuleType) -> None:
    learner = task.learner()
    first, second = learner.initialise(1), learner.initialise(2)
    assert all(bool((first[name] == second[name]).all()) for name in first)


def test_the_base_knows_something_and_not_all(task: ModuleType, pool: Pool) -> None:
    """Fine-tuning must have something to start from and something to add."""
    from harness.metering.flops import FlopCounter
    from harness.retraining.evaluation import evaluate
    from harness.retraining.training import on_device

    learner = task.learner()
    stack = {name: p[None] for name, p in learner.initialise(0).items()}
    found = evaluate(learner, stack, on_device(pool.test, "cpu"), stacked=False, flops=FlopCounter())
    assert 0.05 < found.accuracy_J[0] < 0.9
    assert found.utility_J[0] < -0.1
