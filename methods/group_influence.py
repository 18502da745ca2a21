"""What contributors do to the validation loss together: influence to second order, and Newton steps to coalitions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Bools, Budget, Count, Floats, JobSize, NotNegative, Problem, Scorer, SetFunction
from methods.algebra import WALKS
from methods.influence import passes_of_damping

if TYPE_CHECKING:
    from methods.gradients.contributor_space import ContributorSpace


@dataclass(frozen=True)
class ContributorSetFunction(SetFunction):
    """Scores coalitions from contributors' gradients and curvatures in the space that they span.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        tolerance, iterations: of the one solve, as in ``influence``.
    """

    runs: Count = 3
    tolerance: NotNegative = 0.01
    iterations: Count = 50
    passes = (
        "1 retraining a run; 1 pass for the contributors' gradients, influence's solve, 1 forward-mode pass a "
        "direction (contributors + 2, over validation too); for AdamW 1 to 2 a checkpoint"
    )
    choices = (
        "damping: influence's rule; Gauss-Newton curvature for the Hessian, of the validation loss too; solves are "
        "Galerkin's in the space of all contributors' gradients and influence's own solution, where a forward-mode "
        "pass a direction replaces a solve a contributor: terms of first order are exact, the others as good as that "
        "space"
    )

    def budget(self, contributors: int, examples: int) -> Budget:
        passes = passes_of_damping(None) + 1 + 3 * self.iterations + contributors + 2
        return Budget(self.runs, gradient_passes=self.runs * passes, validation_passes=self.runs * (contributors + 3))

    def algebra(self, size: JobSize) -> float:
        """Products of directions with each other, and of examples' moved logits (taken to be as wide as features)."""
        directions = size.contributors + 2
        cosines = 6.0 * size.parameters * directions**2
        return self.runs * (cosines + 2.0 * (size.examples + size.validation) * size.features * directions**2)

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        from methods.gradients.contributor_space import contributor_space

        return [
            self._scorer(contributor_space(problem, run, self.tolerance, self.iterations)) for run in range(self.runs)
        ]

    @abstractmethod
    def _scorer(self, space: ContributorSpace) -> Scorer: ...


@dataclass(frozen=True)
class GroupInfluence(ContributorSetFunction):
    """Influence of whoever is left out on the validation loss to second order: contributors' own terms, and pairs'."""

    source = "Heo, Yun, Choi, Hwang, Ok & Kim (2026), arXiv 2605.15675: f'd + d'Fd / 2, d the influence on parameters"
    choices = (
        f"{ContributorSetFunction.choices}; a coalition's score is that of leaving the others out, so every question "
        "is one of pairs"
    )
    claims = frozenset({"null", "copies"})

    def _scorer(self, space: ContributorSpace) -> Scorer:
        single_C, pairs_CC = quadratic_game(space)

        def score(coalitions_KC: Bools) -> Floats:
            out_KC = (~coalitions_KC).astype(np.float64)
            return np.asarray(-out_KC @ single_C - ((out_KC @ pairs_CC) * out_KC).sum(axis=1) / 2)

        return score


@dataclass(frozen=True)
class RelativeInfluence(ContributorSetFunction):
    """A contributor's influence on the validation loss for each unit of what it does to the training loss."""

    source = "Barshan, Brunet & Dziugaite (2020), AISTATS (l-RelatIF): g'(G + D)^-1 f over root of g'(G + D)^-1 g"
    choices = (
        f"{ContributorSetFunction.choices}; a contributor is one unit, its gradient the sum over its examples; "
        "relative to the loss and not to parameters, whose length depends on their units; additive over contributors, "
        "so all questions are answered alike"
    )
    claims = frozenset({"null", "copies"})

    def _scorer(self, space: ContributorSpace) -> Scorer:
        moves_CM = responses(space)
        influence_C = moves_CM @ space.target_M
        own_C = np.sqrt(np.maximum((moves_CM * space.gradients_CM).sum(axis=1), 0.0))
        relative_C = np.divide(influence_C, own_C, out=np.zeros_like(own_C), where=own_C > 0)
        return lambda coalitions_KC: np.asarray(coalitions_KC @ relative_C)


@dataclass(frozen=True)
class NewtonStep(ContributorSetFunction):
    """Validation loss after one Newton step from the trained model to the minimum of a coalition's own mean loss."""

    source = (
        "Pregibon (1981), Annals of Statistics 9(4); Koh, Ang, Teo & Liang (2019), NeurIPS; its expansion: Basu, You & "
        "Feizi (2020), ICML"
    )
    choices = (
        f"{ContributorSetFunction.choices}; a coalition trains on its own mean loss for as many steps as everyone, so "
        "the step is that of minimising it with the ridge that stopping early acts as, under which the trained model "
        "stands still: (G_K + D)^-1 (g - g_K), and D^-1 g for nobody; validation loss to second order"
    )
    claims = frozenset({"copies"})

    def _scorer(self, space: ContributorSpace) -> Scorer:
        everyone_M = space.gradients_CM.sum(axis=0) / space.sizes_C.sum()
        identity_MM = np.eye(len(everyone_M))

        def one(coalition_C: Bools) -> float:
            count = max(1.0, float(space.sizes_C @ coalition_C))
            own_M = coalition_C @ space.gradients_CM / count
            own_MM = np.tensordot(coalition_C.astype(np.float64), space.curvatures_CMM, axes=1) / count
            step_M = np.linalg.solve(own_MM + identity_MM, everyone_M - own_M)
            return -float(space.target_M @ step_M + step_M @ space.validation_MM @ step_M / 2)

        return _one_by_one(one)

    def algebra(self, size: JobSize) -> float:
        directions = size.contributors + 2
        asked = {
            "standalone": size.contributors + 1,
            "leave-one-out": size.contributors + 1,
            "shapley": WALKS * size.contributors,
        }
        each = 2 / 3 * directions**3 + 2 * size.contributors * directions**2
        return super().algebra(size) + self.runs * asked[size.question] * each


def responses(space: ContributorSpace) -> Floats:
    """(G + D)^-1 of every contributor's mean-loss gradient, C x M."""
    count = space.sizes_C.sum()
    damped_MM = space.curvatures_CMM.sum(axis=0) / count + np.eye(len(space.target_M))
    return np.asarray(np.linalg.solve(damped_MM, space.gradients_CM.T / count).T)


def quadratic_game(space: ContributorSpace) -> tuple[Floats, Floats]:
    """What leaving contributors out adds to the validation loss: single_C of those out, half of pairs_CC among them."""
    moves_CM = responses(space)
    return moves_CM @ space.target_M, moves_CM @ space.validation_MM @ moves_CM.T


def _one_by_one(score: Callable[[Bools], float]) -> Scorer:
    return lambda coalitions_KC: np.array([score(coalition_C) for coalition_C in coalitions_KC])
