"""Gradient estimators, one file a family of methods. Each is a function of parameters and noise."""

from elbo.gradients._estimator import Estimator, Expectation, Gradient, Parameters, Ratio, SurrogateEstimator
from elbo.gradients.antithetic import Arm, DisArm
from elbo.gradients.importance_weighted import Dreg, IwaeGradient, StickingTheLandingIwae, WakePhi
from elbo.gradients.pathwise import Pathwise, StickingTheLanding
from elbo.gradients.score_function import Rloo, ScoreFunction

__all__ = [
    "Arm",
    "DisArm",
    "Dreg",
    "Estimator",
    "Expectation",
    "Gradient",
    "IwaeGradient",
    "Parameters",
    "Pathwise",
    "Ratio",
    "Rloo",
    "ScoreFunction",
    "StickingTheLanding",
    "StickingTheLandingIwae",
    "SurrogateEstimator",
    "WakePhi",
]
