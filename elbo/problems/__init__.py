"""Latent-variable models whose answers are known, one file a model."""

from elbo.problems._conjugate import ConjugateProblem
from elbo.problems._finite import FiniteProblem
from elbo.problems._problem import Latent, Problem, UnknownAnswerError
from elbo.problems.linear_gaussian import FactorAnalysis, LinearGaussian, ProbabilisticPCA
from elbo.problems.table import Table

__all__ = [
    "ConjugateProblem",
    "FactorAnalysis",
    "FiniteProblem",
    "Latent",
    "LinearGaussian",
    "ProbabilisticPCA",
    "Problem",
    "Table",
    "UnknownAnswerError",
]
