"""One Gaussian latent under a likelihood that is not conjugate (Z9): quadratic decoder, log-normal rate, logistic."""

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Normal, Poisson, constraints

from elbo._errors import InputTypeError
from elbo.problems._line import EPS, LineProblem
from elbo.problems._pairs import pair
from elbo.problems._problem import Latent, log_prob, parameter


class StandardNormalLatent(LineProblem):
    """z ~ N(0, 1) and a Gaussian q; subclasses say the likelihood and how far it tames the weights."""

    def __init__(self, *parameters: Tensor) -> None:
        self._shape = torch.broadcast_shapes(*[p.shape for p in parameters])

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size(), constraints.real)

    @property
    def prior(self) -> Normal:
        return Normal(torch.zeros(self._shape, dtype=torch.float64), torch.ones(self._shape, dtype=torch.float64))

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        """E_q log p(x | z)."""
        x = self.check_observation(x)
        rule = self._q_rule(x, self._normal(q))
        return rule.mean(lambda z: log_prob(q, z), lambda z: log_prob(self.likelihood(z), x))

    def elbo(self, x: Tensor, q: Distribution) -> Tensor:
        found = pair(self._normal(q), self.prior)
        assert found is not None
        return self.expected_log_likelihood(x, q) - found.kl()

    def _normal(self, q: Distribution) -> Normal:
        if not isinstance(q, Normal):
            raise InputTypeError(f"q is {type(q).__name__}; {type(self).__name__} has its conditions for a Normal q")
        return q

    def _scale(self, x: Tensor, q: Distribution | None) -> tuple[Tensor, Tensor]:
        shape = torch.broadcast_shapes(x.shape, self._shape, q.batch_shape if q is not None else ())
        width = torch.ones(shape, dtype=torch.float64)
        if q is None:
            return torch.zeros(shape, dtype=torch.float64), width
        return q.mean.detach().double().expand(shape), width * q.stddev.detach().double().clamp(max=1.0)

    def moment_interval(self, x: Tensor, q: Distribution) -> tuple[Tensor, Tensor]:
        """The orders s with s + (1-s)/v > 0, as far as Gaussian tails go; subclasses cut it further."""
        x = self.check_observation(x)
        variance = self._normal(q).variance.expand(torch.broadcast_shapes(x.shape, self._shape, q.batch_shape))
        inf, safe = torch.full_like(variance, torch.inf), torch.where(variance == 1, 0.0, variance)
        end = 1 / (1 - safe)
        return torch.where(variance > 1, end, -inf), torch.where(variance < 1, end, inf)

    def moment_exists(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        x = self.check_observation(x)
        lower, upper = self.moment_interval(x, q)
        # at an end of the interval the quadratic terms cancel, and the linear ones have to die out on both sides
        left, right = self._tail_slopes(x)
        pull = (1 - order) * q.mean / q.variance
        at_end = (order + (1 - order) / q.variance).abs() <= 8 * EPS * max(1.0, abs(order))
        linear = (order * left + pull > 0) & (order * right + pull < 0) & at_end
        return super().moment_exists(x, q, order) | (linear & (lower < upper))

    @abstractmethod
    def _tail_slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The slopes of log p(x | z) as z goes to -∞ and to ∞; infinite where it falls faster than linearly."""


class SquareDecoder(StandardNormalLatent):
    """z ~ N(0, 1), x | z ~ N(z², s²): the posterior has two modes ±√(x - s²/2) iff x > s²/2.

    Args:
        noise_std: s > 0.

    >>> problem, q = SquareDecoder(0.5), Normal(torch.tensor(0.9).double(), 0.4)
    >>> problem.modes(torch.tensor(1.125).double()).tolist()
    [-1.0, 1.0]
    >>> bool(problem.elbo(torch.tensor(1.125), q) < problem.log_evidence(torch.tensor(1.125)))
    True
    """

    formula = "z ~ N(0, 1), x | z ~ N(z², s²)"
    known = "ELBO in closed form (Gaussian moments); log p(x), EUBO, χ², Rényi by a converged trapezoid rule; the modes"
    conditions = "every moment of order ≥ 0 exists, for every v: log w falls like -z⁴; E_q w^s = ∞ for s < 0"
    source = "a textbook example of a bimodal posterior"

    def __init__(self, noise_std: Any = 0.5) -> None:
        self.noise_std = parameter("noise_std", noise_std, constraints.positive)
        super().__init__(self.noise_std)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.real

    def likelihood(self, z: Tensor) -> Normal:
        return Normal(z * z, self.noise_std)

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        x = self.check_observation(x)
        m, v = self._normal(q).mean, q.variance
        second, fourth = m**2 + v, m**4 + 6 * m**2 * v + 3 * v**2
        square = (x * x - 2 * x * second + fourth) / self.noise_std**2
        return -0.5 * (square + math.log(2 * math.pi)) - self.noise_std.log()

    def moment_interval(self, x: Tensor, q: Distribution) -> tuple[Tensor, Tensor]:
        zero = torch.zeros_like(super().moment_interval(x, q)[0])
        return zero, torch.full_like(zero, torch.inf)

    def _tail_slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(x, torch.inf), torch.full_like(x, -torch.inf)

    def modes(self, x: Tensor) -> Tensor:
        """The maxima of p(z|x), ``[*batch, 2]``: ±√(x - s²/2), both 0 where there is but one."""
        half = (self.check_observation(x) - 0.5 * self.noise_std**2).clamp(min=0.0).sqrt()
        return torch.stack([-half, half], -1)


class PoissonLogNormal(StandardNormalLatent):
    """z ~ N(0, 1), x | z ~ Poisson(e^z): a log-normal rate.

    ELBO = x m - e^(m + v/2) - ln x! - KL.

    >>> problem, q = PoissonLogNormal(), Normal(torch.tensor(0.3).double(), 0.6)
    >>> bool(problem.elbo(torch.tensor(2), q) < problem.log_evidence(torch.tensor(2)))
    True
    """

    formula = "z ~ N(0, 1), x | z ~ Poisson(e^z)"
    known = "ELBO in closed form; log p(x), EUBO, χ², Rényi by a converged trapezoid rule"
    conditions = "v < 1: E_q w^s < ∞ for 0 ≤ s < 1/(1 - v), and at the end iff s x + (1-s) m/v > 0; v ≥ 1: every s ≥ 0"
    source = "Aitchison and Ho 1989; amortisation gap: Cremer et al. 2018, arXiv:1801.03558"

    def __init__(self) -> None:
        super().__init__(torch.zeros(()))

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.nonnegative_integer

    def likelihood(self, z: Tensor) -> Poisson:
        return Poisson(z.exp())

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        # torch's Poisson refuses the rate 0 that e^z underflows to
        x = self.check_observation(x)
        return x * z - z.exp() - torch.lgamma(x + 1) + log_prob(self.prior, z)

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        x = self.check_observation(x)
        mean, variance = self._normal(q).mean, q.variance
        return x * mean - torch.exp(mean + 0.5 * variance) - torch.lgamma(x + 1)

    def moment_interval(self, x: Tensor, q: Distribution) -> tuple[Tensor, Tensor]:
        _, upper = super().moment_interval(x, q)
        return torch.zeros_like(upper), upper

    def _tail_slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, torch.full_like(x, -torch.inf)


class LogisticDecoder(StandardNormalLatent):
    """z ~ N(0, 1), x | z ~ Bernoulli(σ(a z + c)): logistic regression on one latent.

    The logistic function tames neither tail by more than a factor exp(-|a z|), so that the weights have the moments
    that Gaussian tails allow.

    Args:
        slope: a.
        offset: c.

    >>> problem = LogisticDecoder(2.0)
    >>> round(problem.log_evidence(torch.tensor(1.0)).exp().item(), 12)   # by symmetry
    0.5
    """

    formula = "z ~ N(0, 1), x | z ~ Bernoulli(σ(a z + c))"
    known = "log p(x), ELBO, EUBO, χ², Rényi by a converged trapezoid rule"
    conditions = "E_q w^s < ∞ iff s + (1 - s)/v > 0; at equality the linear terms of the exponent decide"
    source = "Jaakkola and Jordan 2000"

    def __init__(self, slope: Any = 1.0, offset: Any = 0.0) -> None:
        self.slope, self.offset = parameter("slope", slope), parameter("offset", offset)
        super().__init__(self.slope, self.offset)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.boolean

    def likelihood(self, z: Tensor) -> Bernoulli:
        return Bernoulli(logits=self.slope * z + self.offset)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        sign = 2 * self.check_observation(x) - 1
        return torch.nn.functional.logsigmoid(sign * (self.slope * z + self.offset)) + log_prob(self.prior, z)

    def _tail_slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        slope = (2 * x - 1) * self.slope
        return slope.clamp(min=0.0), slope.clamp(max=0.0)
