"""Counts of several kinds with a Dirichlet law of their frequencies (Z7)."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Dirichlet, Distribution, Multinomial, constraints

from elbo._errors import InputTypeError, InputValueError
from elbo.problems._conjugate import ConjugateProblem
from elbo.problems._kernels import digamma
from elbo.problems._problem import Latent, parameter


class Counts(constraints.Constraint):
    """Vectors of nonnegative integers with the sum ``total``."""

    is_discrete = True
    event_dim = 1

    def __init__(self, total: int) -> None:
        self.total = total
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        return ((value >= 0) & (value % 1 == 0)).all(-1) & (value.sum(-1) == self.total)

    def __repr__(self) -> str:
        return f"Counts(total={self.total})"


class DirichletMultinomial(ConjugateProblem):
    """z ~ Dirichlet(α), x | z ~ Multinomial(n, z): the posterior is Dirichlet(α + x).

    log p(x) = log n!/∏ x_i! + Σ lnΓ(α_i + x_i) - lnΓ(α_i) + lnΓ(Σ α) - lnΓ(Σ α + n).

    Args:
        concentration: α > 0, ``[..., K]``.
        total_count: n, the sum of every x.

    >>> problem = DirichletMultinomial([1.0, 1.0], 3)   # uniform: every count is equally likely
    >>> round(problem.log_evidence(torch.tensor([1, 2])).exp().item(), 12)
    0.25
    """

    formula = "z ~ Dirichlet(α), x | z ~ Multinomial(n, z)"
    known = "log p(x), posterior, ELBO, EUBO, χ², Rényi, CUBO, Var log w and tail index in closed form for Dirichlet q"
    conditions = "Dirichlet(β): χ² < ∞ iff 2(α_i + x_i) > β_i for every i"
    source = "Gelman et al., Bayesian Data Analysis, section 3.4"
    proposals = "a Dirichlet"

    def __init__(self, concentration: Any, total_count: int) -> None:
        self.concentration = parameter("concentration", concentration, constraints.positive)
        if self.concentration.ndim == 0:
            raise InputValueError("concentration is a number; write a vector with one entry for each kind")
        if total_count != int(total_count) or total_count < 0:
            raise InputValueError(f"total_count is {total_count}; write the number of draws, 0, 1, 2, ...")
        self.total_count = int(total_count)

    @property
    def latent(self) -> Latent:
        return Latent(self.concentration.shape[-1:], constraints.simplex)

    @property
    def observation(self) -> constraints.Constraint:
        return Counts(self.total_count)

    @property
    def prior(self) -> Dirichlet:
        return Dirichlet(self.concentration)

    def likelihood(self, z: Tensor) -> Multinomial:
        return Multinomial(self.total_count, z)

    def posterior(self, x: Tensor) -> Dirichlet:
        return Dirichlet(self.concentration + self.check_observation(x))

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        x = self.check_observation(x)
        alpha = self.concentration
        return torch.xlogy(alpha + x - 1, z).sum(-1) + self._log_ways(x) - log_beta(alpha)

    def log_evidence(self, x: Tensor) -> Tensor:
        x = self.check_observation(x)
        return self._log_ways(x) + log_beta(self.concentration + x) - log_beta(self.concentration)

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        x = self.check_observation(x)
        if not isinstance(q, Dirichlet):
            raise InputTypeError(
                f"q is {type(q).__name__}; {type(self).__name__} has closed forms for {self.proposals}"
            )
        mean_log = digamma(q.concentration) - digamma(q.concentration.sum(-1, keepdim=True))
        return self._log_ways(x) + (x * mean_log).sum(-1)

    def _log_ways(self, x: Tensor) -> Tensor:
        return torch.lgamma(x.sum(-1) + 1) - torch.lgamma(x + 1).sum(-1)


def log_beta(alpha: Tensor) -> Tensor:
    """Σ lnΓ(α_i) - lnΓ(Σ α_i)."""
    return torch.lgamma(alpha).sum(-1) - torch.lgamma(alpha.sum(-1))
