"""How much of the real tail a generator lost: measured on what it sampled, never assumed."""

from __future__ import annotations

import numpy as np

from harness.types import Ints, Plain


def truncation_caused(real_N: Ints, synthetic_M: Ints, symbols: int) -> dict[str, Plain]:
    """Compare two samples over the same discrete support (classes, prototypes, tokens).

    Args:
        real_N, synthetic_M: symbol of each example (or token), in [0, symbols).
        symbols: size of the support.

    Returns:
        coverage: real probability mass of the symbols that the synthetic sample contains at all, in [0, 1].
        kl: KL(real || synthetic) in nats, both with half a count added a symbol (Krichevsky & Trofimov 1981).
        head_share, tail_share: synthetic mass on the real head (the most frequent symbols that hold half of the
            real mass) and on the rest; a faithful generator gives about a half each.
        Nothing where there is no synthetic example.
    """
    if not len(synthetic_M):
        return {}
    real = np.bincount(real_N, minlength=symbols) / len(real_N)
    counts = np.bincount(synthetic_M, minlength=symbols)
    synthetic = counts / counts.sum()
    p = (np.bincount(real_N, minlength=symbols) + 0.5) / (len(real_N) + symbols / 2)
    q = (counts + 0.5) / (len(synthetic_M) + symbols / 2)
    by_rank = np.argsort(-real, kind="stable")
    head = by_rank[: int(np.searchsorted(np.cumsum(real[by_rank]), 0.5)) + 1]
    head_share = float(synthetic[head].sum())
    return {
        "coverage": float(real[counts > 0].sum()),
        "kl": float((p * np.log(p / q)).sum()),
        "head_share": head_share,
        "tail_share": 1.0 - head_share,
    }
