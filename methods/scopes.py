"""Scopes in which several methods draw together, so that what they share does not depend on who asked first."""

from __future__ import annotations

NTK_MMD = "ntk-mmd"
"""Of the terms of NTK-MMD, at the initialisations."""

TANGENTS = "tangents"
"""Of the tangent kernels that regressions are on."""

PROJECTED = "projected gradients"
"""Of projections of trained models' gradients."""
