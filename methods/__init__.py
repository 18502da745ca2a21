"""The table of methods: every one that comes with Dataworth, by name.

To add one, write a file with a frozen dataclass that extends SetFunction, Additive or Retraining of
``harness.types``, and name it here. Its file is imported to tell of it and to plan a suite, so what is slow to import
(torch, pyDVL) is imported where it is used. Packages of others register theirs as entry points (``harness.registry``).
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.types import Entry

DISTRIBUTION = "methods.distribution_value:DistributionValue"
NTK_MMD = "methods.ntk_mmd.method:NtkMmd"
PROXY = "methods.proxy:Proxy"

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
    "constant": Entry("methods.constant:Constant", "One for every contributor, whatever it brings."),
    "embedding-similarity": Entry(
        "methods.similarity:EmbeddingSimilarity",
        "Cosine between a coalition's mean features and validation's, at the initialisation.",
    ),
    "repsim": Entry(
        "methods.similarity:RepSim",
        "Mean cosine between the trained model's features of an example and of each validation example.",
    ),
    "gradient-norm": Entry(
        "methods.gradient_norm:GradientNorm", "Norm of an example's loss gradient at the initialisation."
    ),
    "perplexity": Entry(
        "methods.perplexity:Perplexity",
        "Minus the exponential of a coalition's mean loss under the model trained on everyone.",
    ),
    "for-value": Entry(
        "methods.for_value:ForValue",
        "Alignment of an example's hidden states and prediction errors with validation's, at the initialisation.",
    ),
    "convex-dataset-valuation": Entry(
        "methods.dataset_weights:ConvexDatasetValuation",
        "Weights of the contributors' mean gradients that together come closest to validation's, under an L1 penalty.",
    ),
    "data-oob": Entry(
        "methods.data_oob:DataOob",
        "Share of bagged trees, of those that did not see an example, that foretell its label from its features.",
    ),
    "data-oob:trained": Entry(
        "methods.data_oob:DataOob",
        "Data-OOB on features of the model that is trained on everyone.",
        {"features": "trained"},
    ),
    "data-distribution-valuation": Entry(
        DISTRIBUTION, "Minus the MMD between each contributor's own examples and the validation split."
    ),
    "data-distribution-valuation:pool": Entry(
        DISTRIBUTION, "Minus the MMD between each contributor's own examples and everyone's.", {"reference": "pool"}
    ),
    "davinz": Entry(
        "methods.davinz:Davinz",
        "v(K) = -(kappa x NTK complexity + MMD of features to validation), kappa their ratio over what is valued.",
    ),
    "deviation": Entry(
        "methods.deviation:Deviation",
        "Minus the distance between a coalition's kernel regression and everyone's, in the tangent kernel's space.",
    ),
    "freeshap": Entry(
        "methods.freeshap:FreeShap",
        "Minus the squared error on validation of a coalition's kernel regression, on the tangent kernel at the start.",
    ),
    "kairos": Entry(
        "methods.kairos:Kairos",
        "Minus what drawing data towards an example adds to the squared MMD of inputs, and its label's residual.",
    ),
    "kairos:trained": Entry(
        "methods.kairos:Kairos",
        "KAIROS on features of the model that is trained on everyone.",
        {"features": "trained"},
    ),
    "knn-shapley": Entry(
        "methods.knn_shapley:KnnShapley",
        "Exact Shapley values of examples for a nearest-neighbour classifier on features at the initialisation.",
    ),
    "knn-shapley:trained": Entry(
        "methods.knn_shapley:KnnShapley",
        "KNN-Shapley on features of the model that is trained on everyone.",
        {"features": "trained"},
    ),
    "lava": Entry(
        "methods.lava:Lava",
        "Minus the calibrated gradient of optimal transport from training to validation data in an example's weight.",
    ),
    "lava:trained": Entry(
        "methods.lava:Lava",
        "LAVA on features of the model that is trained on everyone.",
        {"features": "trained"},
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
    "tracin:adam": Entry(
        "methods.tracin:TracIn",
        "Sum over checkpoints of learning rate x (example's gradient . validation gradient), in AdamW's metric.",
        {"metric": "adamw"},
    ),
    "gradient-cosine": Entry(
        "methods.gradient_cosine:GradientCosine",
        "Cosine of an example's gradient with the validation gradient at the final parameters.",
    ),
    "gradient-cosine:mean": Entry(
        "methods.gradient_cosine:GradientCosine",
        "Gradient cosine, the mean over a contributor's examples in place of the sum.",
        {"over": "mean"},
    ),
    "less": Entry(
        "methods.less:Less",
        "Cosine of an example's AdamW update with the validation gradient, mean over checkpoints by learning rate.",
    ),
    "less:mean": Entry(
        "methods.less:Less",
        "LESS, the mean over a contributor's examples in place of the sum.",
        {"over": "mean"},
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
    "metagradient": Entry(
        "methods.metagradient:Metagradient",
        "Derivative of utility in the weight of each example, backward through every step of training.",
    ),
    "metagradient:swaps": Entry(
        "methods.metagradient:MetagradientSwaps",
        "Derivative of utility as a contributor's rows begin to be swapped for those drawn if it left.",
    ),
    "dvemb": Entry(
        "methods.dvemb:DvEmb",
        "Sum over steps of an example's push . what later steps leave of it . validation gradient, backward in time.",
    ),
    "in-run-shapley": Entry(
        "methods.in_run_shapley:InRunShapley",
        "Shapley value of each drawn example in every step's change of the validation loss, to first order.",
    ),
    "in-run-shapley:second": Entry(
        "methods.in_run_shapley:InRunShapley",
        "Shapley value of each drawn example in every step's change of the validation loss, to second order.",
        {"order": 2},
    ),
    "source": Entry(
        "methods.source:Source",
        "Sum over segments of an example's gradient . (1 - exp(-R G)) / G . what later segments leave of validation's.",
    ),
    "trak": Entry(
        "methods.trak:Trak",
        "Validation margin's gradient . (Z'Z + ridge)^-1 example's margin gradient x (1 - its probability), projected.",
    ),
    "logra": Entry(
        "methods.logra:LoGra",
        "Example's gradient . (F + ridge)^-1 validation gradient, layer by layer, each projected on both its sides.",
    ),
    "trackstar": Entry(
        "methods.trackstar:TrackStar",
        "Cosine of an example's and a validation example's projected gradients, whitened by second moments of both.",
    ),
    "data-shapley": Entry(
        "methods.semivalues.data_shapley:DataShapley",
        "Shapley values of utility on the validation split, by pyDVL's antithetic permutations over our retraining.",
    ),
    "data-banzhaf": Entry(
        "methods.semivalues.data_banzhaf:DataBanzhaf",
        "Banzhaf values of utility on the validation split: mean utility with a contributor less the mean without it.",
    ),
    "beta-shapley": Entry(
        "methods.semivalues.beta_shapley:BetaShapley",
        "Beta(alpha, beta) Shapley values of utility on the validation split, from coalitions of the sizes that weigh.",
    ),
    "regression-shapley": Entry(
        "methods.semivalues.regression_shapley:RegressionShapley",
        "Shapley values of utility on the validation split: a linear surrogate's, and what it leaves, sampled.",
    ),
    "kernel-shap": Entry(
        "methods.semivalues.kernel_shap:KernelShap",
        "Shapley values of utility on the validation split, by KernelSHAP on pairs of complements.",
    ),
    "kernel-shap:unbiased": Entry(
        "methods.semivalues.kernel_shap:KernelShap",
        "KernelSHAP with the exact matrix of second moments in place of the drawn coalitions'.",
        {"variant": "unbiased"},
    ),
    "class-wise-shapley": Entry(
        "methods.semivalues.class_wise_shapley:ClassWiseShapley",
        "Shapley values of each class's likelihood on the validation split x exp(the others'), by shares of the class.",
    ),
    "leave-one-out": Entry(
        "methods.leave_one_out:LeaveOneOut",
        "What utility on the validation split loses when a contributor is left out of training.",
    ),
    "proxy:steps": Entry(PROXY, "The question's own coalitions, retrained in a share of the steps."),
    "proxy:model": Entry(
        PROXY,
        "The question's own coalitions, retrained with a model of a share of the parameters.",
        {"cheaper": "model"},
    ),
    "proxy:examples": Entry(
        PROXY,
        "The question's own coalitions, retrained on a share of each contributor's examples.",
        {"cheaper": "examples"},
    ),
    "datamodels": Entry(
        "methods.datamodels:Datamodels",
        "Weights of a lasso from who is in to utility on the validation split, on random halves of the contributors.",
    ),
    "ame": Entry(
        "methods.ame:Ame",
        "Average marginal effect on utility on the validation split, over coalitions of random density, by the lasso.",
    ),
    "least-core": Entry(
        "methods.least_core:LeastCore",
        "The division of utility on the validation split with the least subsidy that sampled coalitions ask for.",
    ),
    "coalition-gp": Entry(
        "methods.coalition_gp:CoalitionGp",
        "Utility on the validation split by a Gaussian process on coalitions' members, mixtures and sizes.",
    ),
    "regmix": Entry(
        "methods.regmix:RegMix",
        "Utility on the validation split by a regression on contributors' shares of the training examples.",
    ),
    "regmix:trees": Entry("methods.regmix:RegMix", "RegMix with regressor 'trees'.", {"regressor": "trees"}),
    "mixmin": Entry(
        "methods.mixmin:MixMin",
        "The largest mean log-likelihood of validation under a mixture of a coalition's own models.",
    ),
}
