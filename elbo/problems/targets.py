"""Gaussian targets without data: correlated (Z10), isotropic in D dimensions (Z11), log-normal weights (Z15)."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, constraints

from elbo._errors import InputValueError
from elbo.problems._conjugate import ConjugateProblem
from elbo.problems._problem import Latent, UnknownAnswerError, log_prob, parameter


class Target(ConjugateProblem):
    """A normalised density p(z) alone: x is ``None``, log p(x) = 0 and the ELBO is -KL(q ‖ p)."""

    @property
    def observation(self) -> None:
        return None

    @property
    def prior(self) -> Distribution:
        raise UnknownAnswerError(
            f"{type(self).__name__} is a target density; its parts are not a prior and a likelihood"
        )

    def log_joint(self, x: Tensor | None, z: Tensor) -> Tensor:
        self.check_observation(x)
        return log_prob(self.posterior(None), z)

    def posterior(self, x: Tensor | None) -> Distribution:
        raise NotImplementedError

    def log_evidence(self, x: Tensor | None) -> Tensor:
        self.check_observation(x)
        return torch.zeros(self.posterior(None).batch_shape, dtype=self.posterior(None).mean.dtype)

    def expected_log_likelihood(self, x: Tensor | None, q: Distribution) -> Tensor:
        raise UnknownAnswerError(f"{type(self).__name__} is a target density; it has no reconstruction term")

    def elbo(self, x: Tensor | None, q: Distribution) -> Tensor:
        return -self._pair(q, self.posterior(x)).kl()


class CorrelatedGaussian(Target):
    """z ~ N(0, [[1, ρ], [ρ, 1]]): what a factorised q costs.

    The factorised q that maximises the ELBO has variances 1 - ρ² and the gap -½ log(1 - ρ²).

    Args:
        correlation: ρ, strictly between -1 and 1.

    >>> problem = CorrelatedGaussian(0.8)
    >>> round(problem.gap(None, problem.mean_field()).item(), 6)
    0.510826
    """

    formula = "target N(0, [[1, ρ], [ρ, 1]])"
    known = (
        "everything in closed form for Gaussian q; the best factorised q, with variances 1 - ρ² and gap -½ log(1 - ρ²)"
    )
    conditions = "χ² < ∞ iff 2 S - S_p is positive definite"
    source = "Bishop 2006, Pattern Recognition and Machine Learning, section 10.1.2"
    proposals = "a MultivariateNormal or an Independent(Normal, 1)"

    def __init__(self, correlation: Any = 0.5) -> None:
        self.correlation = parameter("correlation", correlation, constraints.interval(-1.0, 1.0))
        if bool((self.correlation.abs() >= 1).any()):
            raise InputValueError(f"correlation is {self.correlation.tolist()}; it must lie strictly between -1 and 1")

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size([2]), constraints.real_vector)

    def posterior(self, x: Tensor | None) -> MultivariateNormal:
        self.check_observation(x)
        rho = self.correlation
        rows = [torch.ones_like(rho), rho, rho, torch.ones_like(rho)]
        covariance = torch.stack(rows, -1).unflatten(-1, (2, 2))
        return MultivariateNormal(torch.zeros_like(covariance[..., 0]), covariance)

    def mean_field(self) -> Distribution:
        """The factorised Gaussian that maximises the ELBO."""
        std = (1 - self.correlation**2).sqrt()[..., None].expand(*self.correlation.shape, 2)
        return Independent(Normal(torch.zeros_like(std), std), 1)


class IsotropicGaussian(Target):
    """z ~ N(0, I_D): how everything grows with the dimension.

    For q = N(0, v I) the gap is ½ D (v - 1 - log v) and χ² + 1 = (v / √(2v - 1))^D.

    Args:
        dimension: D ≥ 1.

    >>> q = IsotropicGaussian(10).proposal(0.6)
    >>> round(IsotropicGaussian(10).chi2(None, q).item(), 6)   # (0.6 / √0.2)^10 - 1
    17.89568
    """

    formula = "target N(0, I_D), q = N(0, v I_D)"
    known = "everything in closed form for Gaussian q; L_K reduces to one radial integral"
    conditions = "χ² < ∞ iff v > ½; tail index 1/(1 - v) for v < 1"
    source = "product of one-dimensional answers"
    proposals = "a MultivariateNormal or an Independent(Normal, 1)"

    def __init__(self, dimension: int = 2) -> None:
        if dimension != int(dimension) or dimension < 1:
            raise InputValueError(f"dimension is {dimension}; write 1, 2, 3, ...")
        self.dimension = int(dimension)

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size([self.dimension]), constraints.real_vector)

    def posterior(self, x: Tensor | None) -> Distribution:
        self.check_observation(x)
        return self.proposal(1.0)

    def proposal(self, variance: Any) -> Distribution:
        """q = N(0, v I)."""
        std = (
            parameter("variance", variance, constraints.positive)
            .sqrt()[..., None]
            .expand(*torch.as_tensor(variance).shape, self.dimension)
        )
        return Independent(Normal(torch.zeros_like(std), std), 1)


class LogNormalWeights(Target):
    """The target N(s, 1) proposed from by N(0, 1): log w ~ N(-s²/2, s²), so that the weights are log-normal.

    Every moment exists, χ² = e^(s²) - 1, and yet for log K < s²/2 the gap of L_K does not follow χ²/(2K).

    Args:
        variance: s² > 0, the variance of log w.

    >>> problem = LogNormalWeights(4.0)
    >>> round(problem.gap(None, problem.proposal()).item(), 12)
    2.0
    """

    formula = "target N(s, 1), q = N(0, 1): log w ~ N(-s²/2, s²)"
    known = "everything in closed form: gap = s²/2 both ways, χ² = e^(s²) - 1"
    conditions = "every moment exists"
    source = "Daudel et al. 2023, arXiv:2210.06226"

    def __init__(self, variance: Any = 1.0) -> None:
        self.variance = parameter("variance", variance, constraints.positive)

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size(), constraints.real)

    def posterior(self, x: Tensor | None) -> Normal:
        self.check_observation(x)
        return Normal(self.variance.sqrt(), torch.ones_like(self.variance))

    def proposal(self) -> Normal:
        """q = N(0, 1)."""
        return Normal(torch.zeros_like(self.variance), torch.ones_like(self.variance))
