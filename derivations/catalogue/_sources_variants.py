"""Works on gradients, variants of the autoencoder, discrete codes and linear models; functions of the locator."""

from functools import partial

from derivations.catalogue._sources import Work
from derivations.language.derivation import Source

AGAKOV_BARBER_2004: Work = partial(Source, "Agakov & Barber, An auxiliary variational method, ICONIP 2004")
ALEMI_2018: Work = partial(Source, "Alemi et al., Fixing a Broken ELBO, arXiv 1711.00464")
BALDI_HORNIK_1989: Work = partial(
    Source, "Baldi & Hornik, Neural networks and principal component analysis, Neural Networks 2, 1989"
)
BARBER_AGAKOV_2003: Work = partial(Source, "Barber & Agakov, The IM algorithm, NIPS 2003")
CHEN_2017: Work = partial(Source, "Chen et al., Variational Lossy Autoencoder, arXiv 1611.02731")
CHEN_2018: Work = partial(Source, "Chen et al., Isolating Sources of Disentanglement in VAEs, arXiv 1802.04942")
DAVIDSON_2018: Work = partial(Source, "Davidson et al., Hyperspherical Variational Auto-Encoders, arXiv 1804.00891")
DIENG_2017: Work = partial(
    Source, "Dieng et al., Variational Inference via χ upper bound minimization, arXiv 1611.00328"
)
GREENSMITH_2004: Work = partial(
    Source, "Greensmith, Bartlett & Baxter, Variance reduction techniques for gradient estimates, JMLR 5, 2004"
)
GROSSE_2015: Work = partial(Source, "Grosse, Ghahramani & Adams, Sandwiching the marginal likelihood, arXiv 1511.02543")
HIGGINS_2017: Work = partial(Source, "Higgins et al., beta-VAE, ICLR 2017 (OpenReview Sy2fzU9gl)")
HO_2019: Work = partial(Source, "Ho et al., Flow++, arXiv 1902.00275")
HOFFMAN_JOHNSON_2016: Work = partial(
    Source, "Hoffman & Johnson, ELBO surgery, NIPS workshop on approximate inference 2016"
)
HOOGEBOOM_2020: Work = partial(
    Source, "Hoogeboom, Cohen & Tomczak, Learning Discrete Distributions by Dequantization, arXiv 2001.11235"
)
JANG_2017: Work = partial(
    Source, "Jang, Gu & Poole, Categorical Reparameterization with Gumbel-Softmax, arXiv 1611.01144"
)
KINGMA_2016: Work = partial(
    Source, "Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow, arXiv 1606.04934"
)
LI_TURNER_2016: Work = partial(Source, "Li & Turner, Rényi Divergence Variational Inference, arXiv 1602.02311")
LUCAS_2019: Work = partial(Source, "Lucas et al., Don't Blame the ELBO! A Linear VAE Perspective, arXiv 1911.02469")
MAALOE_2016: Work = partial(Source, "Maaløe et al., Auxiliary Deep Generative Models, arXiv 1602.05473")
MADDISON_2017: Work = partial(Source, "Maddison, Mnih & Teh, The Concrete Distribution, arXiv 1611.00712")
MASRANI_2019: Work = partial(Source, "Masrani, Le & Wood, The Thermodynamic Variational Objective, arXiv 1907.00031")
MOHAMED_2020: Work = partial(
    Source, "Mohamed et al., Monte Carlo Gradient Estimation in Machine Learning, JMLR 21, 2020"
)
OORD_2017: Work = partial(
    Source, "van den Oord, Vinyals & Kavukcuoglu, Neural Discrete Representation Learning, arXiv 1711.00937"
)
OORD_2018: Work = partial(Source, "van den Oord, Li & Vinyals, Contrastive Predictive Coding, arXiv 1807.03748")
POOLE_2019: Work = partial(Source, "Poole et al., On Variational Bounds of Mutual Information, arXiv 1905.06922")
RICHTER_2020: Work = partial(Source, "Richter et al., VarGrad, arXiv 2010.10436")
ROEDER_2017: Work = partial(Source, "Roeder, Wu & Duvenaud, Sticking the Landing, arXiv 1703.09194")
RYBKIN_2021: Work = partial(Source, "Rybkin, Daniilidis & Levine, Simple and Effective VAE Training, arXiv 2006.13202")
THEIS_2016: Work = partial(
    Source, "Theis, van den Oord & Bethge, A note on the evaluation of generative models, arXiv 1511.01844"
)
TIPPING_BISHOP_1999: Work = partial(
    Source, "Tipping & Bishop, Probabilistic Principal Component Analysis, J. R. Stat. Soc. B 61, 1999"
)
TUCKER_2019: Work = partial(Source, "Tucker et al., Doubly Reparameterized Gradient Estimators, arXiv 1810.04152")
