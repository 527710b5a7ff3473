"""Coin flips with a Beta bias (Z4)."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Beta, Binomial, Distribution, constraints

from elbo._errors import InputTypeError, InputValueError
from elbo.problems._conjugate import ConjugateProblem
from elbo.problems._kernels import digamma
from elbo.problems._problem import Latent, parameter


class BetaBinomial(ConjugateProblem):
    """z ~ Beta(A, B), x | z ~ Binomial(n, z): the posterior is Beta(A + x, B + n - x).

    log p(x) = log C(n, x) + ln B(A + x, B + n - x) - ln B(A, B).

    Args:
        concentration1: A > 0.
        concentration0: B > 0.
        total_count: n ≥ 0.

    >>> problem = BetaBinomial(1.5, 2.5, 12)
    >>> x, q = torch.tensor(4), Beta(torch.tensor(5.0).double(), torch.tensor(9.0).double())
    >>> round(problem.elbo(x, q).item(), 12), round(problem.chi2(x, q).item(), 12)
    (-2.178905650386, 0.017026742427)
    """

    formula = "z ~ Beta(A, B), x | z ~ Binomial(n, z)"
    known = "log p(x), posterior, ELBO, EUBO, χ², Rényi, CUBO, Var log w and tail index in closed form for Beta q"
    conditions = "Beta(α, β): χ² < ∞ iff 2(A + x) > α and 2(B + n - x) > β"
    source = "Gelman et al., Bayesian Data Analysis, section 2.4"
    proposals = "a Beta"

    def __init__(self, concentration1: Any = 1.0, concentration0: Any = 1.0, total_count: int = 10) -> None:
        self.concentration1 = parameter("concentration1", concentration1, constraints.positive)
        self.concentration0 = parameter("concentration0", concentration0, constraints.positive)
        if total_count != int(total_count) or total_count < 0:
            raise InputValueError(f"total_count is {total_count}; write a number of trials, 0, 1, 2, ...")
        self.total_count = int(total_count)

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size(), constraints.unit_interval)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.integer_interval(0, self.total_count)

    @property
    def prior(self) -> Beta:
        return Beta(self.concentration1, self.concentration0)

    def likelihood(self, z: Tensor) -> Binomial:
        return Binomial(self.total_count, z)

    def posterior(self, x: Tensor) -> Beta:
        x = self.check_observation(x)
        return Beta(self.concentration1 + x, self.concentration0 + (self.total_count - x))

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        x = self.check_observation(x)
        a, b = self.concentration1, self.concentration0
        # in one piece: torch's Binomial goes through logits, which are infinite at z = 0 and 1
        powers: Tensor = torch.xlogy(a + x - 1, z) + torch.special.xlog1py(b + self.total_count - x - 1, -z)
        return powers + self._log_choose(x) - log_beta(a, b)

    def log_evidence(self, x: Tensor) -> Tensor:
        x = self.check_observation(x)
        a, b = self.concentration1, self.concentration0
        return self._log_choose(x) + log_beta(a + x, b + self.total_count - x) - log_beta(a, b)

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        x = self.check_observation(x)
        if not isinstance(q, Beta):
            raise InputTypeError(
                f"q is {type(q).__name__}; {type(self).__name__} has closed forms for {self.proposals}"
            )
        a, b = q.concentration1, q.concentration0
        both = digamma(a + b)
        heads, tails = digamma(a) - both, digamma(b) - both
        return self._log_choose(x) + x * heads + (self.total_count - x) * tails

    def _log_choose(self, x: Tensor) -> Tensor:
        n = torch.full_like(x, float(self.total_count))
        return torch.lgamma(n + 1) - torch.lgamma(x + 1) - torch.lgamma(n - x + 1)


def log_beta(a: Tensor, b: Tensor) -> Tensor:
    """ln B(a, b)."""
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
