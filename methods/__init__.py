"""The table of methods: every one that comes with Dataworth, by name.

To add one, write a file with a frozen dataclass that extends SetFunction, Additive or Retraining of
``harness.types``, and name it here. Its file is imported to tell of it and to plan a suite, so what is slow to import
(torch, pyDVL) is imported where it is used. Packages of others register theirs as entry points (``harness.registry``).
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.types import Entry

NTK_MMD = "methods.ntk_mmd.method:NtkMmd"

METHODS: Mapping[str, Entry] = {
    "random": Entry(
        "methods.baselines:Random", "A random number for each contributor: what an order costs that knows nothing."
    ),
    "size": Entry("methods.baselines:Size", "Number of examples."),
    "real-share": Entry("methods.baselines:RealShare", "Share of real examples in a coalition."),
    "class-balance": Entry(
        "methods.baselines:ClassBalance",
        "How alike a coalition's labels are to validation's: 1 - their total variation distance, 0 for nobody.",
    ),
    "initial-loss": Entry("methods.baselines:InitialLoss", "Minus a coalition's mean loss at the initialisation."),
    "mmd": Entry(
        "methods.baselines:Mmd",
        "Minus the multi-kernel MMD between a coalition and the validation split, on joint features.",
    ),
    "ntk-mmd": Entry(
        NTK_MMD,
        "v(K) = -(w1 initial loss + w2 MK-MMD to validation + w3 NTK complexity + w4 sample term), without training.",
    ),
    "ntk-mmd:paper": Entry(NTK_MMD, "NTK-MMD with weights 'paper'.", {"scheme": "paper"}),
    "ntk-mmd:calibrated": Entry(NTK_MMD, "NTK-MMD with weights 'calibrated'.", {"scheme": "calibrated"}),
    "ntk-mmd:single:loss": Entry(NTK_MMD, "NTK-MMD with weights 'single:loss'.", {"scheme": "single:loss"}),
    "ntk-mmd:single:discrepancy": Entry(
        NTK_MMD, "NTK-MMD with weights 'single:discrepancy'.", {"scheme": "single:discrepancy"}
    ),
    "ntk-mmd:single:ntk": Entry(NTK_MMD, "NTK-MMD with weights 'single:ntk'.", {"scheme": "single:ntk"}),
    "ntk-mmd:single:sample": Entry(NTK_MMD, "NTK-MMD with weights 'single:sample'.", {"scheme": "single:sample"}),
    "tracin": Entry(
        "methods.tracin:TracIn",
        "Sum over checkpoints of learning rate x (example's gradient . validation gradient), in forward mode.",
    ),
    "influence": Entry(
        "methods.influence:Influence",
        "Example's gradient . (G + D)^-1 validation gradient, G the Gauss-Newton matrix, by conjugate gradients.",
    ),
    "ekfac": Entry(
        "methods.ekfac:Ekfac",
        "Influence with the Gauss-Newton matrix by eigenvalue-corrected Kronecker factors of every layer.",
    ),
    "kfac": Entry(
        "methods.ekfac:Ekfac",
        "Influence with the Gauss-Newton matrix by Kronecker factors of every layer.",
        {"corrected": False},
    ),
    "astra": Entry(
        "methods.astra:Astra",
        "Influence's own solve, by conjugate gradients that EK-FAC preconditions.",
    ),
    "influence:hessian": Entry(
        "methods.influence_hessian:InfluenceHessian",
        "Influence with the exact Hessian, its negative eigenvalues taken for 0, by Lanczos' method.",
    ),
    "influence:relative": Entry(
        "methods.group_influence:RelativeInfluence",
        "A contributor's influence on the validation loss for each unit of what it does to the training loss.",
    ),
    "newton-step": Entry(
        "methods.group_influence:NewtonStep",
        "Validation loss after one Newton step from the trained model to the minimum of a coalition's own mean loss.",
    ),
    "group-influence": Entry(
        "methods.group_influence:GroupInfluence",
        "Influence of whoever is left out on the validation loss to second order: contributors' own terms, and pairs'.",
    ),
    "datainf": Entry(
        "methods.datainf:DataInf",
        "Influence with the inverse curvature as the mean of each example's own, layer by layer, in closed form.",
    ),
    "local-bayes": Entry(
        "methods.local_bayes:LocalBayes",
        "Covariance of an example's loss with the validation loss over Langevin samples around the trained model.",
    ),
    "daunce": Entry(
        "methods.daunce:Daunce",
        "Covariance of an example's loss with the validation loss over models fine-tuned against random slopes.",
    ),
    "influence-pydvl": Entry(
        "methods.influence_pydvl:InfluencePydvl",
        "pyDVL's influence by block conjugate gradients on its Gauss-Newton operator (the empirical Fisher matrix).",
    ),
    "influence-pydvl:ekfac": Entry(
        "methods.influence_pydvl:InfluenceEkfac",
        "pyDVL's influence by eigenvalue-corrected Kronecker factors; for models of linear layers alone.",
    ),
    "data-shapley": Entry(
        "methods.semivalues.data_shapley:DataShapley",
        "Shapley values of utility on the validation split, by pyDVL's antithetic permutations over our retraining.",
    ),
}
