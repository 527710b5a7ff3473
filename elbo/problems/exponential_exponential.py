"""Waiting times with an exponential rate (Z7)."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Exponential, constraints

from elbo.problems._gamma import GammaProblem
from elbo.problems._problem import parameter


class ExponentialExponential(GammaProblem):
    """z ~ Exponential(b), x | z ~ Exponential(z): the evidence is Lomax, p(x) = b / (b + x)²; z | x ~ Gamma(2, b + x).

    Args:
        rate: b > 0.

    >>> problem = ExponentialExponential(2.0)
    >>> round(problem.log_evidence(torch.tensor(0.0)).exp().item(), 12)
    0.5
    """

    formula = "z ~ Exponential(b), x | z ~ Exponential(z)"
    known = "log p(x) (Lomax), posterior, ELBO, EUBO; χ², Rényi closed for Gamma q, by quadrature for Weibull q"
    conditions = "Gamma(α, β): χ² < ∞ iff α < 4 and β < 2(b + x)"
    source = "conjugate algebra"

    def __init__(self, rate: Any = 1.0) -> None:
        self.rate = parameter("rate", rate, constraints.positive)
        self.concentration = torch.ones_like(self.rate)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.nonnegative

    def likelihood(self, z: Tensor) -> Exponential:
        return Exponential(z)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return torch.zeros_like(x), torch.ones_like(x), x
