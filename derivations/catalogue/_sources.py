"""The works that derivations cite; each is a function of the locator: ``KINGMA_WELLING_2014("eq. 3")``."""

from collections.abc import Callable
from functools import partial

from derivations.language.derivation import Source

Work = Callable[[str], Source]

S0: Work = partial(Source, "VAE notes from the posterior (source text S0)")
S1: Work = partial(Source, "The VAE from the KL divergence of joints (source text S1)")
S2: Work = partial(Source, "VAE: from mixtures and autoencoders (source text S2)")
S3: Work = partial(Source, "Latent variable models, lecture notes (source text S3)")
S4: Work = partial(Source, "Autoencoders and PCA (source text S4)")

COVER_THOMAS: Work = partial(Source, "Cover & Thomas, Elements of Information Theory, 2nd ed., Wiley 2006")
KINGMA_WELLING_2014: Work = partial(Source, "Kingma & Welling, Auto-Encoding Variational Bayes, arXiv 1312.6114")
KINGMA_WELLING_2019: Work = partial(
    Source, "Kingma & Welling, An Introduction to Variational Autoencoders, arXiv 1906.02691"
)
NEAL_HINTON_1998: Work = partial(
    Source, "Neal & Hinton, A view of the EM algorithm, in Learning in Graphical Models, 1998"
)
BURDA_2016: Work = partial(Source, "Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, arXiv 1509.00519")
DOMKE_SHELDON_2018: Work = partial(
    Source, "Domke & Sheldon, Importance Weighting and Variational Inference, arXiv 1808.09034"
)
CREMER_2017: Work = partial(
    Source, "Cremer, Morris & Duvenaud, Reinterpreting Importance-Weighted Autoencoders, arXiv 1704.02916"
)
NOWOZIN_2018: Work = partial(Source, "Nowozin, Debiasing Evidence Approximations, ICLR 2018 (OpenReview HyZoi-WRb)")
KAHN_MARSHALL_1953: Work = partial(
    Source,
    "Kahn & Marshall, Methods of reducing sample size in Monte Carlo computations, J. Oper. Res. Soc. Am. 1, 1953",
)
TURNER_SAHANI_2011: Work = partial(
    Source,
    "Turner & Sahani, Two problems with variational expectation maximisation, in Bayesian Time Series Models, 2011",
)
