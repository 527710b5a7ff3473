"""Counts with a Gamma rate (Z5)."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Poisson, constraints

from elbo.problems._gamma import GammaProblem
from elbo.problems._problem import parameter


class GammaPoisson(GammaProblem):
    """z ~ Gamma(A, B), x | z ~ Poisson(z): the evidence is negative binomial, the posterior Gamma(A + x, B + 1).

    Args:
        concentration: A > 0.
        rate: B > 0.

    >>> from torch.distributions import Gamma
    >>> problem = GammaPoisson(2.0, 1.5)
    >>> x, q = torch.tensor(3), Gamma(*torch.tensor([3.5, 1.9], dtype=torch.float64))
    >>> round(problem.log_evidence(x).item(), 12), round(problem.elbo(x, q).item(), 12)
    (-2.384229082035, -2.439653278453)
    """

    formula = "z ~ Gamma(A, rate B), x | z ~ Poisson(z)"
    known = (
        "log p(x) (negative binomial), posterior, ELBO, EUBO; χ², Rényi closed for Gamma q, by quadrature for Weibull q"
    )
    conditions = (
        "Gamma(α, β): χ² < ∞ iff 2(A + x) > α and 2(B + 1) > β; Weibull(k, l): iff k < 1 (k = 1: 2(B + 1) l > 1)"
    )
    source = "Gelman et al., Bayesian Data Analysis, section 2.6; Weibull q: Zhang et al. 2018, arXiv:1803.01328"

    def __init__(self, concentration: Any = 2.0, rate: Any = 1.0) -> None:
        self.concentration = parameter("concentration", concentration, constraints.positive)
        self.rate = parameter("rate", rate, constraints.positive)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.nonnegative_integer

    def likelihood(self, z: Tensor) -> Poisson:
        return Poisson(z)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return -torch.lgamma(x + 1), x, torch.ones_like(x)
