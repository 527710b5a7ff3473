"""Linear Gaussian models: one dimension (Z1), factor analysis and probabilistic PCA (Z2)."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    constraints,
)

from elbo.problems._conjugate import ConjugateProblem
from elbo.problems._pairs import moments
from elbo.problems._problem import Latent, log_prob, parameter


class LinearGaussian(ConjugateProblem):
    """z ~ N(0, 1), x | z ~ N(a z + c, r): all of variational inference in one dimension, in closed form.

    The posterior is N(m_p, v_p) with v_p = 1 / (1 + a²/r), m_p = v_p a (x - c) / r; log p(x) = log N(x; c, a² + r).
    For q = N(m, v) the gap is ½ (v/v_p + (m - m_p)²/v_p - 1 - log(v/v_p)) and χ² is finite iff v > v_p / 2.

    Args:
        slope: a, any shape that broadcasts with x.
        offset: c.
        noise_variance: r > 0, a variance.

    >>> problem = LinearGaussian(1.0)
    >>> x, q = torch.tensor(1.0), Normal(torch.tensor(0.0), 1.0)
    >>> round(problem.log_evidence(x).item(), 6), round(problem.elbo(x, q).item(), 6)
    (-1.515512, -1.918939)
    >>> problem.chi2(x, Normal(torch.tensor(0.5), 0.5)).item()   # variance 1/4 is half that of the posterior
    inf
    """

    formula = "z ~ N(0, 1), x | z ~ N(a z + c, r)"
    known = (
        "log p(x), posterior, ELBO, EUBO, χ², Rényi, CUBO, Var log w and the tail index in closed form for Gaussian q"
    )
    conditions = "E_q w^s < ∞ iff 1 + s (v/v_p - 1) > 0; χ² < ∞ iff v > v_p / 2; tail index v_p / (v_p - v) for v < v_p"
    source = "Kingma and Welling 2014, arXiv:1312.6114; Rényi: Li and Turner 2016, arXiv:1602.02311"
    proposals = "a Normal"

    def __init__(self, slope: Any = 1.0, offset: Any = 0.0, noise_variance: Any = 1.0) -> None:
        self.slope = parameter("slope", slope)
        self.offset = parameter("offset", offset)
        self.noise_variance = parameter("noise_variance", noise_variance, constraints.positive)

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size(), constraints.real)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.real

    @property
    def prior(self) -> Normal:
        zero = torch.zeros_like(self.slope)
        return Normal(zero, torch.ones_like(zero))

    def likelihood(self, z: Tensor) -> Normal:
        return Normal(self.slope * z + self.offset, self.noise_variance.sqrt())

    def posterior(self, x: Tensor) -> Normal:
        x = self.check_observation(x)
        variance = self.noise_variance / (self.noise_variance + self.slope**2)
        mean = variance * self.slope * (x - self.offset) / self.noise_variance
        return Normal(mean, variance.sqrt().expand_as(mean))

    def log_evidence(self, x: Tensor) -> Tensor:
        x = self.check_observation(x)
        return log_prob(Normal(self.offset, (self.slope**2 + self.noise_variance).sqrt()), x)

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        mean, variance = q.mean, q.variance
        residual: Tensor = self.check_observation(x) - self.offset - self.slope * mean
        square = (residual**2 + self.slope**2 * variance) / self.noise_variance
        return -0.5 * (square + math.log(2 * math.pi) + self.noise_variance.log())


class FactorAnalysis(ConjugateProblem):
    """z ~ N(0, I_k), x | z ~ N(W z + b, diag(ψ)).

    The posterior is N(M⁻¹ Wᵀ ψ⁻¹ (x - b), M⁻¹) with M = I + Wᵀ ψ⁻¹ W, and x ~ N(b, W Wᵀ + diag(ψ)). For a diagonal q
    the best has variances 1/M_ii and leaves the gap ½ (Σ log M_ii - log det M).

    Args:
        weight: W, ``[..., D, k]``.
        offset: b, ``[..., D]`` or a number.
        noise_variance: ψ > 0, ``[..., D]``.

    >>> problem = FactorAnalysis([[1.0], [0.5]], 0.0, [0.3, 0.4])
    >>> x = torch.tensor([1.0, 1.0]).double()
    >>> problem.gap(x, problem.posterior(x)).item() < 1e-15
    True
    """

    formula = "z ~ N(0, I_k), x | z ~ N(W z + b, diag ψ)"
    known = "log p(x), posterior, ELBO, EUBO, χ², Rényi, CUBO, Var log w, tail index; best diagonal q and its gap"
    conditions = "E_q w^s < ∞ iff S_p + s (S - S_p) is positive definite; χ² < ∞ iff 2 S - S_p is"
    source = "Tipping and Bishop 1999; Lucas et al. 2019, arXiv:1911.02469"
    proposals = "a MultivariateNormal or an Independent(Normal, 1)"

    def __init__(self, weight: Any, offset: Any = 0.0, noise_variance: Any = 1.0) -> None:
        self.weight = parameter("weight", weight)
        self.offset = _like(self.weight, parameter("offset", offset))
        noise = parameter("noise_variance", noise_variance, constraints.positive)
        self.noise_variance = _like(self.weight, noise)

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size([self.weight.shape[-1]]), constraints.real_vector)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.real_vector

    @property
    def prior(self) -> Distribution:
        zero = torch.zeros_like(self.weight[..., 0, :])
        return Independent(Normal(zero, torch.ones_like(zero)), 1)

    def likelihood(self, z: Tensor) -> Distribution:
        mean = (self.weight @ z[..., None])[..., 0] + self.offset
        return Independent(Normal(mean, self._noise.sqrt()), 1)

    @property
    def _noise(self) -> Tensor:
        """ψ as a vector ``[..., D]``."""
        return self.noise_variance.expand(torch.broadcast_shapes(self.noise_variance.shape, self.weight.shape[-2:-1]))

    @property
    def posterior_precision(self) -> Tensor:
        """M = I + Wᵀ ψ⁻¹ W, ``[..., k, k]``; it does not depend on x."""
        identity = torch.eye(self.weight.shape[-1]).to(self.weight)
        return identity + self.weight.mT @ (self.weight / self._noise[..., None])

    def posterior(self, x: Tensor) -> MultivariateNormal:
        x = self.check_observation(x)
        precision = self.posterior_precision
        pulled = (self.weight.mT @ ((x - self.offset) / self._noise)[..., None])[..., 0]
        factor = torch.linalg.cholesky(precision)
        mean = torch.cholesky_solve(pulled[..., None], factor)[..., 0]
        return MultivariateNormal(mean, covariance_matrix=torch.cholesky_inverse(factor))

    def log_evidence(self, x: Tensor) -> Tensor:
        x = self.check_observation(x)
        # the square as its minimum over z, a sum of positive terms at the posterior mean: W Wᵀ + ψ itself has too few
        # digits left where the noise is small
        mean = self.posterior(x).mean
        residual: Tensor = x - self.offset - (self.weight @ mean[..., None])[..., 0]
        square = (residual**2 / self._noise).sum(-1) + (mean**2).sum(-1)
        volume = (2 * math.pi * self._noise).log().sum(-1) + torch.logdet(self.posterior_precision)
        return -0.5 * (square + volume)

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        found = moments(q)
        if found is None or q.event_shape != self.latent.event_shape:
            self._pair(q, self.prior)  # says what is wrong
        mean, spread, diagonal, _ = found  # type: ignore[misc]
        covariance = torch.diag_embed(spread) if diagonal else spread
        residual: Tensor = self.check_observation(x) - self.offset - (self.weight @ mean[..., None])[..., 0]
        leaked = torch.einsum("...di,...ij,...dj->...d", self.weight, covariance, self.weight)
        terms = (residual**2 + leaked) / self._noise + self._noise.log() + math.log(2 * math.pi)
        return -0.5 * terms.sum(-1)

    def best_diagonal(self, x: Tensor) -> Distribution:
        """The Gaussian with diagonal covariance that maximises the ELBO: the posterior mean, variances 1/M_ii."""
        mean = self.posterior(x).loc
        precisions = self.posterior_precision.diagonal(dim1=-2, dim2=-1)
        return Independent(Normal(mean, precisions.rsqrt().expand_as(mean)), 1)

    def best_diagonal_gap(self) -> Tensor:
        """½ (Σ log M_ii - log det M), the price of a diagonal q, the same for every x."""
        precision = self.posterior_precision
        diagonal: Tensor = precision.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return 0.5 * (diagonal - torch.logdet(precision))


def _like(weight: Tensor, value: Tensor) -> Tensor:
    """A plain number takes the dtype of the matrix."""
    return value if value.ndim else value.to(weight.dtype)


class ProbabilisticPCA(FactorAnalysis):
    """z ~ N(0, I_k), x | z ~ N(W z + b, σ² I): factor analysis with one noise variance.

    Its maximum likelihood is known: the columns of W span the leading eigenvectors of the data covariance, with squared
    lengths λ_i - σ², and σ² is the mean of the discarded eigenvalues.

    Args:
        weight: W, ``[..., D, k]``.
        offset: b, ``[..., D]`` or a number.
        noise_variance: σ² > 0, one number a model.

    >>> problem = ProbabilisticPCA([[1.0, 0.0], [0.5, 1.0], [0.0, 2.0]], 0.0, 0.5)
    >>> problem.log_evidence(torch.zeros(4, 3).double()).shape
    torch.Size([4])
    """

    formula = "z ~ N(0, I_k), x | z ~ N(W z + b, σ² I)"

    @property
    def _noise(self) -> Tensor:
        noise = self.noise_variance[..., None]
        return noise.expand(*noise.shape[:-1], self.weight.shape[-2])
