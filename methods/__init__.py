"""The table of methods: every one that the command line knows, by name.

To add one, write a file with a frozen dataclass that extends SetFunction, Additive or Retraining of
``harness.types``, and name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.types import Method
from methods.baselines import InitialLoss, Mmd, Random, RealShare, Size
from methods.influence import Influence
from methods.influence_pydvl import InfluenceEkfac, InfluencePydvl
from methods.ntk_mmd import NtkMmd
from methods.semivalues import DataShapley
from methods.tracin import TracIn

METHODS: Mapping[str, Callable[[], Method]] = {
    "random": Random,
    "size": Size,
    "real-share": RealShare,
    "initial-loss": InitialLoss,
    "mmd": Mmd,
    "ntk-mmd": NtkMmd,
    "ntk-mmd:paper": lambda: NtkMmd("paper"),
    "ntk-mmd:calibrated": lambda: NtkMmd("calibrated"),
    "ntk-mmd:single:loss": lambda: NtkMmd("single:loss"),
    "ntk-mmd:single:discrepancy": lambda: NtkMmd("single:discrepancy"),
    "ntk-mmd:single:ntk": lambda: NtkMmd("single:ntk"),
    "ntk-mmd:single:sample": lambda: NtkMmd("single:sample"),
    "tracin": TracIn,
    "influence": Influence,
    "influence-pydvl": InfluencePydvl,
    "influence-pydvl:ekfac": InfluenceEkfac,
    "data-shapley": DataShapley,
}
