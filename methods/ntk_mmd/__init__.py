"""NTK-MMD: a coalition's value from its initial loss, discrepancy, kernel complexity and size, without training."""

from methods.ntk_mmd.method import NtkMmd

__all__ = ["NtkMmd"]
