"""Semivalues over metered retraining: by pyDVL's permutations, and by estimators of our own."""

from methods.semivalues.data_shapley import DataShapley

__all__ = ["DataShapley"]
