"""Many binary latents behind one Gaussian number (Z8)."""

import itertools
import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal, constraints

from elbo._errors import InputTypeError, InputValueError
from elbo.problems._finite import FiniteProblem
from elbo.problems._kernels import exp_excess, safe_log
from elbo.problems._problem import Latent, log_prob, parameter

MOST = 16
"""Most latents that are enumerated: 65536 states."""


class BernoulliLatents(FiniteProblem):
    """z_i ~ Bernoulli(π_i) independent, x | z ~ N(W'z, s²): 2^d states, a coupled posterior, a closed mean-field ELBO.

    For q = ∏ Bernoulli(q_i): ELBO = -½ log(2πs²) - [(x - W'q)² + Σ W_i² q_i (1 - q_i)] / 2s² - Σ KL(q_i ‖ π_i).

    Args:
        weight: W, ``[d]`` with d ≤ 16.
        prior_probs: π, ``[d]``, between 0 and 1.
        noise_std: s > 0, a number.

    >>> problem = BernoulliLatents([1.0, -2.0], [0.5, 0.5], 0.7)
    >>> x, q = torch.tensor(0.4).double(), Independent(Bernoulli(torch.tensor([0.6, 0.3]).double()), 1)
    >>> abs(problem.elbo(x, q) - problem.elbo_by_enumeration(x, q)).item() < 1e-14
    True
    """

    formula = "z_i ~ Bernoulli(π_i), x | z ~ N(W'z, s²)"
    known = "everything by enumeration of 2^d states (d ≤ 16); the mean-field ELBO also in closed form"
    conditions = "finite unless q_i is 0 or 1 where the posterior is not"
    source = "sigmoid belief networks, e.g. Mnih and Gregor 2014, arXiv:1402.0030"
    proposals = "an Independent(Bernoulli, 1)"

    def __init__(self, weight: Any, prior_probs: Any = 0.5, noise_std: Any = 1.0) -> None:
        self.weight = parameter("weight", weight)
        if self.weight.ndim != 1 or not 1 <= len(self.weight) <= MOST:
            raise InputValueError(f"weight has shape {tuple(self.weight.shape)}; write a vector of 1 to {MOST} numbers")
        self.prior_probs = parameter("prior_probs", prior_probs, constraints.unit_interval).expand(self.weight.shape)
        self.noise_std = parameter("noise_std", noise_std, constraints.positive)
        choices = itertools.product((0.0, 1.0), repeat=len(self.weight))
        self._table = torch.tensor(list(choices), dtype=self.weight.dtype, device=self.weight.device)

    @property
    def latent(self) -> Latent:
        return Latent(self.weight.shape, constraints.independent(constraints.boolean, 1), self._table)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.real

    @property
    def prior(self) -> Distribution:
        return Independent(Bernoulli(probs=self.prior_probs), 1)

    def likelihood(self, z: Tensor) -> Normal:
        return Normal((z * self.weight).sum(-1), self.noise_std)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        x = self.check_observation(x)
        return _bernoulli_log_prob(self.prior_probs, z).sum(-1) + log_prob(self.likelihood(z), x)

    def log_q_table(self, q: Distribution) -> Tensor:
        base = self._mean_field(q)
        return q.log_prob(self._table) if base is None else _bernoulli_log_prob(base[..., None, :], self._table).sum(-1)

    def elbo(self, x: Tensor, q: Distribution) -> Tensor:
        probs = self._mean_field(q)
        if probs is None:
            return self.elbo_by_enumeration(x, q)
        residual = self.check_observation(x) - (probs * self.weight).sum(-1)
        spread = (self.weight**2 * probs * (1 - probs)).sum(-1)
        reconstruction = -0.5 * ((residual**2 + spread) / self.noise_std**2 + math.log(2 * math.pi))
        bound: Tensor = reconstruction - self.noise_std.log() - _bernoulli_kl(probs, self.prior_probs).sum(-1)
        return bound

    def elbo_by_enumeration(self, x: Tensor, q: Distribution) -> Tensor:
        """The same number as a sum over all states, for any q."""
        return super().elbo(x, q)

    def marginals(self, x: Tensor) -> Tensor:
        """P(z_i = 1 | x), ``[*batch, d]``."""
        return self.log_posterior_table(x).exp() @ self._table

    def _mean_field(self, q: Distribution) -> Tensor | None:
        if q.event_shape != self.weight.shape:
            raise InputTypeError(
                f"q is {type(q).__name__} with event shape {tuple(q.event_shape)}; write "
                f"Independent(Bernoulli(probs), 1) with {len(self.weight)} probabilities"
            )
        if isinstance(q, Independent) and isinstance(q.base_dist, Bernoulli):
            probs: Tensor = q.base_dist.probs
            return probs
        return None


def _bernoulli_log_prob(probs: Tensor, z: Tensor) -> Tensor:
    """Exact at probabilities 0 and 1, which torch moves inside by an ulp."""
    below = torch.where(probs < 1, probs, torch.zeros_like(probs))
    log_rest = torch.where(probs < 1, torch.log1p(-below), torch.full_like(probs, -torch.inf))
    return torch.where(z > 0.5, safe_log(probs), log_rest)


def _bernoulli_kl(q: Tensor, p: Tensor) -> Tensor:
    """KL of Bernoullis as a sum of nonnegative terms."""

    def half(a: Tensor, b: Tensor) -> Tensor:
        # a (e^d - 1 - d) with d = log b - log a, and its limit b at a = 0
        inside = (a > 0) & (b > 0)
        safe_a, safe_b = torch.where(inside, a, torch.ones_like(a)), torch.where(inside, b, torch.ones_like(b))
        value = safe_a * exp_excess(safe_b.log() - safe_a.log())
        return torch.where(inside, value, torch.where(a > 0, torch.full_like(a, torch.inf), b))

    q, p = torch.broadcast_tensors(q, p)
    return half(q, p) + half(1 - q, 1 - p)
