"""Latent-variable models whose answers are known, one file a model; :func:`catalogue` lists them."""

from elbo.problems._catalogue import Entry, catalogue
from elbo.problems._conjugate import ConjugateProblem
from elbo.problems._finite import FiniteProblem
from elbo.problems._line import LineProblem
from elbo.problems._problem import Latent, Problem, UnknownAnswerError
from elbo.problems.aggregated import AggregatedPosterior, MinibatchEstimate
from elbo.problems.annealing import FiniteAnnealing
from elbo.problems.bernoulli_latents import BernoulliLatents
from elbo.problems.bernoulli_toy import BernoulliToy
from elbo.problems.beta_binomial import BetaBinomial
from elbo.problems.dirichlet_multinomial import DirichletMultinomial
from elbo.problems.discretised import DiscretisedLogistic
from elbo.problems.exponential_exponential import ExponentialExponential
from elbo.problems.gamma_poisson import GammaPoisson
from elbo.problems.gamma_precision import GammaPrecision
from elbo.problems.gaussian_mixture import GaussianMixture
from elbo.problems.hierarchical import HierarchicalGaussian
from elbo.problems.linear_gaussian import FactorAnalysis, LinearGaussian, ProbabilisticPCA
from elbo.problems.mutual_information import BivariateGaussian
from elbo.problems.nonconjugate import LogisticDecoder, PoissonLogNormal, SquareDecoder
from elbo.problems.table import Table
from elbo.problems.targets import CorrelatedGaussian, IsotropicGaussian, LogNormalWeights
from elbo.problems.vector_quantised import VectorQuantised

__all__ = [
    "AggregatedPosterior",
    "BernoulliLatents",
    "BernoulliToy",
    "BetaBinomial",
    "BivariateGaussian",
    "ConjugateProblem",
    "CorrelatedGaussian",
    "DirichletMultinomial",
    "DiscretisedLogistic",
    "Entry",
    "ExponentialExponential",
    "FactorAnalysis",
    "FiniteAnnealing",
    "FiniteProblem",
    "GammaPoisson",
    "GammaPrecision",
    "GaussianMixture",
    "HierarchicalGaussian",
    "IsotropicGaussian",
    "Latent",
    "LineProblem",
    "LinearGaussian",
    "LogNormalWeights",
    "LogisticDecoder",
    "MinibatchEstimate",
    "PoissonLogNormal",
    "ProbabilisticPCA",
    "Problem",
    "SquareDecoder",
    "Table",
    "UnknownAnswerError",
    "VectorQuantised",
    "catalogue",
]
