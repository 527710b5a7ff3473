"""A Gaussian with a Gamma precision (Z6)."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal, constraints

from elbo.problems._gamma import GammaProblem
from elbo.problems._problem import parameter


class GammaPrecision(GammaProblem):
    """z ~ Gamma(A, B), x | z ~ N(0, 1/z): x is Student-t with 2A degrees of freedom and scale √(B/A).

    The posterior is Gamma(A + ½, B + x²/2).

    Args:
        concentration: A > 0.
        rate: B > 0.

    >>> from torch.distributions import StudentT
    >>> problem, x = GammaPrecision(1.5, 0.6), torch.tensor(0.7, dtype=torch.float64)
    >>> truth = StudentT(3.0, 0.0, torch.tensor(0.4, dtype=torch.float64).sqrt()).log_prob(x)
    >>> abs(problem.log_evidence(x) - truth).item() < 1e-14
    True
    """

    formula = "z ~ Gamma(A, rate B), x | z ~ N(0, 1/z)"
    known = "log p(x) (Student-t), posterior, ELBO, EUBO; χ², Rényi closed for Gamma q, by quadrature for Weibull q"
    conditions = "Gamma(α, β): χ² < ∞ iff 2A + 1 > α and 2B + x² > β"
    source = "Gelman et al., Bayesian Data Analysis, section 2.6"

    def __init__(self, concentration: Any = 2.0, rate: Any = 1.0) -> None:
        self.concentration = parameter("concentration", concentration, constraints.positive)
        self.rate = parameter("rate", rate, constraints.positive)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.real

    def likelihood(self, z: Tensor) -> Normal:
        return Normal(torch.zeros_like(z), z.rsqrt())

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return torch.full_like(x, -0.5 * math.log(2 * math.pi)), torch.full_like(x, 0.5), 0.5 * x * x
