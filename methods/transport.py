"""Optimal transport between two samples, smoothed by entropy: potentials, and distances between Gaussians."""

from __future__ import annotations

import numpy as np

from harness.types import Floats

ROWS = 1_000
"""Of a cost matrix that are looked at together."""


def divergence_gradient(
    across_NV: Floats, within_NN: Floats, entropy: float, tolerance: float = 1e-5, iterations: int = 1_000
) -> Floats:
    """Derivative of the Sinkhorn divergence between two uniform samples in the first one's weights, N.

    The divergence is OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2 (Feydy et al. 2019, AISTATS, eq. 3), so that entropy does
    not draw the samples together; its derivative is known up to a constant. ``entropy`` is in units of cost.
    """
    return potentials(across_NV, entropy, tolerance, iterations)[0] - own_potential(
        within_NN, entropy, tolerance, iterations
    )


def potentials(cost_NV: Floats, entropy: float, tolerance: float, iterations: int) -> tuple[Floats, Floats]:
    """The dual potentials of both sides, by Sinkhorn's iterations on logarithms, from much entropy to little.

    Both sides go half of each step at once, so that neither leads: of two samples that are one, both have the same.
    """
    rows_N, columns_V = np.zeros(cost_NV.shape[0]), np.zeros(cost_NV.shape[1])
    for smooth in _annealed(cost_NV, entropy):
        for _ in range(iterations if smooth == entropy else 10):
            steps = (
                _soft_minimum(cost_NV, columns_V, smooth) - rows_N,
                _soft_minimum(cost_NV.T, rows_N, smooth) - columns_V,
            )
            rows_N, columns_V = rows_N + steps[0] / 2, columns_V + steps[1] / 2
            if max(np.abs(step).max() for step in steps) <= tolerance * smooth:
                break
    return rows_N, columns_V


def own_potential(cost_NN: Floats, entropy: float, tolerance: float, iterations: int) -> Floats:
    """The potential of a sample against itself, which both sides share; half steps make it settle at once."""
    found_N = np.zeros(len(cost_NN))
    for smooth in _annealed(cost_NN, entropy):
        for _ in range(iterations if smooth == entropy else 10):
            step = _soft_minimum(cost_NN, found_N, smooth) - found_N
            found_N = found_N + step / 2
            if np.abs(step).max() <= tolerance * smooth:
                break
    return found_N


def _annealed(cost: Floats, entropy: float) -> list[float]:
    """Entropies from the largest cost down to the one asked for, halved each time."""
    steps = max(0, int(np.ceil(np.log2(max(float(cost.max()), entropy) / entropy))))
    return [entropy * 2.0**k for k in range(steps, -1, -1)]


def _soft_minimum(cost_NV: Floats, columns_V: Floats, entropy: float) -> Floats:
    """-entropy log of the mean over columns of exp((column - cost) / entropy), N."""
    found = []
    for start in range(0, len(cost_NV), ROWS):
        scaled = (columns_V[None, :] - cost_NV[start : start + ROWS]) / entropy
        most = scaled.max(axis=1, keepdims=True)
        found.append(-entropy * (most[:, 0] + np.log(np.exp(scaled - most).mean(axis=1))))
    return np.concatenate(found)


def gaussian_distances(samples: list[Floats]) -> Floats:
    """Squared Wasserstein distance of order 2 between Gaussians of the samples' means and covariances, all pairs.

    |m - m'|^2 + tr S + tr S' - 2 tr (S^1/2 S' S^1/2)^1/2 (Dowson & Landau 1982), the last of which is the sum of the
    singular values of R R'^T for any roots R^T R = S.
    """
    means = np.array([rows.mean(axis=0) for rows in samples])
    roots = [_root(rows - mean) for rows, mean in zip(samples, means, strict=True)]
    found = np.zeros((len(samples), len(samples)))
    for i in range(len(samples)):
        for j in range(i):
            spread = (roots[i] ** 2).sum() + (roots[j] ** 2).sum()
            overlap = np.linalg.svd(roots[i] @ roots[j].T, compute_uv=False).sum()
            found[i, j] = found[j, i] = max(0.0, ((means[i] - means[j]) ** 2).sum() + spread - 2 * overlap)
    return found


def _root(centred: Floats) -> Floats:
    """R with R^T R the covariance, of no more rows than columns."""
    scaled = centred / np.sqrt(len(centred))
    return scaled if len(scaled) <= scaled.shape[1] else np.asarray(np.linalg.qr(scaled, mode="r"))
