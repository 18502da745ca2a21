"""Semivalues over metered retraining: by pyDVL's permutations, and by estimators of our own."""
