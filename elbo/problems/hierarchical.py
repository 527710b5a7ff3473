"""Two levels of Gaussian latents."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal, Normal, constraints

from elbo.problems._conjugate import ConjugateProblem
from elbo.problems._pairs import moments
from elbo.problems._problem import Latent, log_prob, parameter


class HierarchicalGaussian(ConjugateProblem):
    """z₂ ~ N(0, 1), z₁ | z₂ ~ N(b z₂, t), x | z₁ ~ N(a z₁, r); z = (z₁, z₂).

    log p(x) = log N(x; 0, a² (b² + t) + r). The KL obeys the chain rule
    KL(q(z₁, z₂) ‖ p) = KL(q(z₂) ‖ p(z₂)) + E_{q(z₂)} KL(q(z₁ | z₂) ‖ p(z₁ | z₂)), see :meth:`kl_chain`.

    Args:
        slope: a.
        noise_variance: r > 0.
        top_slope: b.
        top_variance: t > 0.

    >>> problem = HierarchicalGaussian()
    >>> q = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    >>> top, rest = problem.kl_chain(q)
    >>> round(top.item(), 12), round((rest + top - problem.kl_to_prior(q)).item(), 12)
    (0.0, 0.0)
    """

    formula = "z₂ ~ N(0, 1), z₁ | z₂ ~ N(b z₂, t), x | z₁ ~ N(a z₁, r)"
    known = "log p(x), posterior, ELBO, EUBO, χ², Rényi closed for Gaussian q on (z₁, z₂); the terms of the KL chain"
    conditions = "χ² < ∞ iff 2 S - S_p is positive definite"
    source = "ladder models: Sønderby et al. 2016, arXiv:1602.02282"
    proposals = "a MultivariateNormal or an Independent(Normal, 1) on (z₁, z₂)"

    def __init__(
        self, slope: Any = 1.0, noise_variance: Any = 1.0, top_slope: Any = 1.0, top_variance: Any = 1.0
    ) -> None:
        self.slope = parameter("slope", slope)
        self.noise_variance = parameter("noise_variance", noise_variance, constraints.positive)
        self.top_slope = parameter("top_slope", top_slope)
        self.top_variance = parameter("top_variance", top_variance, constraints.positive)

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size([2]), constraints.real_vector)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.real

    @property
    def prior(self) -> MultivariateNormal:
        b, t = torch.broadcast_tensors(self.top_slope, self.top_variance)
        covariance = torch.stack([b * b + t, b, b, torch.ones_like(b)], -1).unflatten(-1, (2, 2))
        return MultivariateNormal(torch.zeros_like(covariance[..., 0]), covariance)

    def likelihood(self, z: Tensor) -> Normal:
        return Normal(self.slope * z[..., 0], self.noise_variance.sqrt())

    def posterior(self, x: Tensor) -> MultivariateNormal:
        x = self.check_observation(x)
        b, t, a, r = torch.broadcast_tensors(self.top_slope, self.top_variance, self.slope, self.noise_variance)
        rows = [1 / t + a * a / r, -b / t, -b / t, 1 + b * b / t]
        precision = torch.stack(rows, -1).unflatten(-1, (2, 2))
        factor = torch.linalg.cholesky(precision)
        pulled = torch.stack(torch.broadcast_tensors(a / r * x, torch.zeros_like(x)), -1)
        mean = torch.cholesky_solve(pulled[..., None], factor)[..., 0]
        return MultivariateNormal(mean, torch.cholesky_inverse(factor))

    def log_evidence(self, x: Tensor) -> Tensor:
        x = self.check_observation(x)
        variance = self.slope**2 * (self.top_slope**2 + self.top_variance) + self.noise_variance
        return log_prob(Normal(torch.zeros_like(variance), variance.sqrt()), x)

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        mean, covariance = self._moments(q)
        residual = self.check_observation(x) - self.slope * mean[..., 0]
        square: Tensor = (residual**2 + self.slope**2 * covariance[..., 0, 0]) / self.noise_variance
        return -0.5 * (square + math.log(2 * math.pi) + self.noise_variance.log())

    def kl_to_prior(self, q: Distribution) -> Tensor:
        """KL(q(z₁, z₂) ‖ p(z₁, z₂))."""
        return self._pair(q, self.prior).kl()

    def kl_chain(self, q: Distribution) -> tuple[Tensor, Tensor]:
        """KL(q(z₂) ‖ p(z₂)) and E_{q(z₂)} KL(q(z₁ | z₂) ‖ p(z₁ | z₂)); they sum to :meth:`kl_to_prior`."""
        mean, covariance = self._moments(q)
        top_mean, top_variance = mean[..., 1], covariance[..., 1, 1]
        top = self._pair(Normal(top_mean, top_variance.sqrt()), Normal(torch.zeros_like(top_mean), 1.0)).kl()
        slope = covariance[..., 0, 1] / top_variance
        variance = covariance[..., 0, 0] - slope * covariance[..., 0, 1]
        centre = Normal(mean[..., 0] - self.top_slope * top_mean, variance.sqrt())
        given = self._pair(centre, Normal(torch.zeros_like(variance), self.top_variance.sqrt())).kl()
        # the conditional means differ by (slope - b)(z₂ - m₂) more, with the variance of z₂
        return top, given + 0.5 * (slope - self.top_slope) ** 2 * top_variance / self.top_variance

    def _moments(self, q: Distribution) -> tuple[Tensor, Tensor]:
        found = moments(q)
        if found is None or q.event_shape != self.latent.event_shape:
            self._pair(q, self.prior)  # says what is wrong
        mean, spread, diagonal, _ = found  # type: ignore[misc]
        return mean, torch.diag_embed(spread) if diagonal else spread
