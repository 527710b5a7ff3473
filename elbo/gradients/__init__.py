"""Gradient estimators, one file a family of methods. Each is a function of parameters and noise."""

from elbo.gradients._estimator import Estimator, Expectation, Gradient, Parameters, Ratio, SurrogateEstimator
from elbo.gradients.antithetic import Arm, DisArm
from elbo.gradients.importance_weighted import Dreg, IwaeGradient, StickingTheLandingIwae, WakePhi
from elbo.gradients.measure_valued import MeasureValued
from elbo.gradients.pathwise import Pathwise, StickingTheLanding
from elbo.gradients.rao_blackwellised import TopK, UnorderedSet
from elbo.gradients.relaxed import GumbelSoftmax, StraightThrough
from elbo.gradients.score_function import Rloo, ScoreFunction
from elbo.gradients.vimco import Vimco

__all__ = [
    "Arm",
    "DisArm",
    "Dreg",
    "Estimator",
    "Expectation",
    "Gradient",
    "GumbelSoftmax",
    "IwaeGradient",
    "MeasureValued",
    "Parameters",
    "Pathwise",
    "Ratio",
    "Rloo",
    "ScoreFunction",
    "StickingTheLanding",
    "StickingTheLandingIwae",
    "StraightThrough",
    "SurrogateEstimator",
    "TopK",
    "UnorderedSet",
    "Vimco",
    "WakePhi",
]
