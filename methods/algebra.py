"""What methods' own algebra takes, beside passes through the model; without torch, so that a table can ask.

Leading terms in examples, features and parameters, two operations a multiply-add. What is elementwise (exponentials of
distances) is left out, here as where operations are counted.
"""

from __future__ import annotations

from harness.types import JobSize

EXACT_UP_TO = 5_000
"""Examples up to which kernel sums are exact; beyond, random Fourier features keep memory linear."""

FOURIER_FEATURES = 2_048
MEDIAN_ROWS = 1_000

NTK_EXACT_UP_TO = 4_000
"""Training examples up to which the NTK itself is solved; beyond, a k x k system of projected gradients."""

EXACT_ENTRIES = 80_000_000
"""Examples x parameters up to which gradients are kept whole beside an exact NTK (640 MB in double precision)."""

PROJECTED_WIDTH = 512

MATRIX_FREE_PRODUCTS = 200
"""Products with the NTK after which a solve ends, near or not; each is two passes over a coalition's examples."""

GRAM_ROWS = 256
"""Rows of a kernel that are made at once; what lies right of its diagonal is not."""

LOOKED_AT = 2
"""Training examples on which it is seen whether a layer's signals make up the gradients of its parameters."""

EXACT_CLASSES = 10
"""Most classes of one label an example for which the loss's Hessian is written out, a vector and a pass back a class;
else one label is drawn."""

ENUMERATED = 10
"""Contributors up to which the harness asks a set function for every coalition."""

WALKS = 32
"""Permutations along which the harness asks a set function for its Shapley values (16 antithetic pairs)."""


def mmd(size: JobSize, examples: float) -> float:
    """Sums of kernels among so many training examples, between them and the validation split, and within it."""
    validation, contributors = size.validation, size.contributors
    median = min(validation, MEDIAN_ROWS) ** 2 * size.features
    if examples > EXACT_UP_TO:
        rows = examples + validation
        return median + 2 * rows * size.features * FOURIER_FEATURES + 2 * contributors**2 * FOURIER_FEATURES
    distances = 2 * (examples**2 + examples * validation + validation**2) * size.features
    return median + distances + 2 * examples**2 * contributors + 2 * examples * contributors**2


def coalitions(contributors: int) -> int:
    """At most so many coalitions is a set function asked for, whatever the question."""
    every = 2**contributors if contributors <= ENUMERATED else 0
    return max(every, WALKS * contributors + 2)


def complexity(size: JobSize, weighs_alone: bool = True, walks: int = WALKS) -> float:
    """NTK complexity of all coalitions that are asked for, and of every contributor alone where that sets weights.

    Args:
        walks: permutations along which they are asked for, where Shapley values are.
    """
    n, contributors = size.examples, size.contributors
    if n > NTK_EXACT_UP_TO:
        width = min(size.parameters, PROJECTED_WIDTH)
        coalitions = {"standalone": contributors, "leave-one-out": contributors, "shapley": walks * contributors - 1}
        systems = (weighs_alone * contributors + 1 + coalitions[size.question]) * _solve(width)
        return 2 * n * width**2 + systems
    alone, but_one = contributors * _solve(n / contributors), _solve(n - n / contributors)
    everyone_and_but_one = n**3 + 2 * n**2 + alone  # one inverse, and a block of it for each
    # Coalitions that grow one into the next share the last one's system; of a pair, one walk goes on to everyone.
    along = walks / 2 * (_solve(n) + but_one)
    asked = {"standalone": alone, "leave-one-out": everyone_and_but_one, "shapley": along}
    kernel = n * (n + min(n, GRAM_ROWS)) * min(size.parameters, EXACT_ENTRIES // n)
    return kernel + weighs_alone * alone + asked[size.question]


def damped_products(size: JobSize, width: int, moment_rows: float) -> float:
    """Gradients of ``width`` numbers, all in the span of their rows, and one damped solve with their second moment."""
    rows = size.examples + size.validation
    basis = 2 * width * rows**2 - 2 / 3 * rows**3 if rows < width else 0.0
    coordinates = min(rows, width)
    return basis + 2 * moment_rows * coordinates**2 + _solve(coordinates) + coordinates**2


def kernel_regression(size: JobSize, directions: int, asks_everyone: bool = False) -> float:
    """Ridge regression on all coalitions that are asked for: of the validation split's outputs, or if ``asks_everyone``
    of weights alone, and of everyone's in any case.
    """
    n, contributors, validation = size.examples, size.contributors, size.validation
    if n > NTK_EXACT_UP_TO:
        width = min(size.parameters, PROJECTED_WIDTH)
        coalitions = {"standalone": contributors, "leave-one-out": contributors, "shapley": WALKS * contributors - 1}
        return 2 * n * width**2 + (coalitions[size.question] + 1) * _solve(width)

    def regression(rows: float) -> float:
        return _solve(rows) if asks_everyone else rows**3 / 3 + rows**2 * validation

    alone, but_one = contributors * regression(n / contributors), regression(n - n / contributors)
    walks = WALKS / 2 * (regression(n) + but_one)
    asked = {"standalone": alone, "leave-one-out": regression(n) + contributors * but_one, "shapley": walks}
    kernels = 2 * directions * n * (n + validation) * min(size.parameters, EXACT_ENTRIES // n)
    return kernels + asked[size.question] + (regression(n) if asks_everyone else 0.0)


def _solve(n: float) -> float:
    """Cholesky, n^3 / 3, and one right-hand side."""
    return n**3 / 3 + n**2
