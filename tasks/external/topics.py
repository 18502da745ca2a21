"""Topics of texts: TF-IDF (Salton & Buckley 1988) and k-means, fitted on the generator split, numbered head first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.types import Ints

TOPICS = 16
"""How many topics rows are sorted into, where the generator split has rows enough."""

WORDS = 2_000
"""Most frequent words that texts are compared by."""

ROWS_A_TOPIC = 5
"""At least so many rows of the generator split a topic, on average; fewer rows make fewer topics."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Which topic a text is of; topic 0 is the most frequent one of the generator split."""

    count: int
    _words: Any
    _centres: Any
    _ranks: Ints

    @classmethod
    def fit(cls, texts: Sequence[str], count: int) -> Topics:
        from sklearn.cluster import KMeans
        from sklearn.feature_extraction.text import TfidfVectorizer
        from threadpoolctl import threadpool_limits

        words = TfidfVectorizer(max_features=WORDS, sublinear_tf=True, token_pattern=r"\w+", dtype=np.float64)
        rows = words.fit_transform(texts)
        count = max(1, min(count, len(texts) // ROWS_A_TOPIC, len({*texts})))
        with threadpool_limits(1):  # sums in one order, so that the same texts always give the same topics
            centres = KMeans(count, n_init=2, random_state=0).fit(rows)
        frequency = np.bincount(centres.labels_, minlength=count)
        ranks = np.empty(count, dtype=np.int64)
        ranks[np.argsort(-frequency, kind="stable")] = np.arange(count)
        return cls(count, words, centres, ranks)

    def of(self, texts: Sequence[str]) -> Ints:
        """Topic of each text, N, in [0, count)."""
        from threadpoolctl import threadpool_limits

        if not len(texts):
            return np.zeros(0, dtype=np.int64)
        with threadpool_limits(1):
            found = self._centres.predict(self._words.transform(texts))
        return np.asarray(self._ranks[found], dtype=np.int64)
