"""Semivalues by pyDVL's samplers over metered retraining."""

from methods.semivalues.data_shapley import DataShapley

__all__ = ["DataShapley"]
