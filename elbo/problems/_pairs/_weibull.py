"""A Weibull proposal for a Gamma target: both KLs in closed form, powers by quadrature under their exact conditions."""

import torch
from torch import Tensor
from torch.distributions import Gamma, Weibull, constraints

from elbo.problems._kernels import digamma, trigamma
from elbo.problems._line import LineRule
from elbo.problems._pairs._pair import Pair
from elbo.problems._problem import log_prob

EULER = 0.57721566490153286061


class WeibullGammaPair(Pair):
    """q = Weibull(k, l), distribution function 1 - exp(-(z/l)^k), and p = Gamma(a, b) with rate b.

    KL(q ‖ p) = γ a/k - a log l + log k + b l Γ(1 + 1/k) - γ - 1 - a log b + lnΓ(a) (Zhang et al. 2018,
    arXiv:1803.01328). p^s q^(1-s) is integrable at 0 iff s a + (1-s) k > 0 and at ∞ iff, for 0 > s, k > 1, or k = 1 and
    s b + (1-s)/l > 0; for s > 1, k < 1, or k = 1 and the same.
    """

    def __init__(self, q: Weibull, p: Gamma) -> None:
        self.q, self.p = q, p
        self.k: Tensor
        self.l: Tensor
        self.a: Tensor
        self.b: Tensor
        self.k, self.l, self.a, self.b = torch.broadcast_tensors(q.concentration, q.scale, p.concentration, p.rate)

    def kl(self) -> Tensor:
        k, l, a, b = self.k, self.l, self.a, self.b  # noqa: E741
        mean = l * torch.exp(torch.lgamma(1 + 1 / k))
        return EULER * a / k - a * torch.log(l * b) + k.log() + b * mean - EULER - 1 + torch.lgamma(a)

    def reverse_kl(self) -> Tensor:
        """E_p log p - log k + k log l - (k - 1) E_p log z + E_p z^k / l^k."""
        k, l, a, b = self.k, self.l, self.a, self.b  # noqa: E741
        mean_log = digamma(a) - b.log()
        entropy = a - b.log() + torch.lgamma(a) + (1 - a) * digamma(a)
        power = torch.exp(torch.lgamma(a + k) - torch.lgamma(a) - k * torch.log(l * b))
        return -entropy - k.log() + k * l.log() - (k - 1) * mean_log + power

    def log_power(self, order: float) -> Tensor:
        s, exists = order, self._exists(order)
        safe = torch.where(exists, torch.full_like(self.a, s), torch.full_like(self.a, 0.5))

        def log_f(z: Tensor) -> Tensor:
            return safe * log_prob(self.p, z) + (1 - safe) * log_prob(self.q, z)

        centre, width = (self.a / self.b).sqrt() * self.l.sqrt(), torch.ones_like(self.a)
        value = LineRule(log_f, constraints.positive, centre, width).log_integral(log_f)
        return torch.where(exists, value, torch.full_like(value, torch.inf))

    def interval(self) -> tuple[Tensor, Tensor]:
        k, l, a, b = self.k, self.l, self.a, self.b  # noqa: E741
        inf = torch.full_like(a, torch.inf)
        one = torch.ones_like(a)
        at_zero = k / torch.where(k == a, one, k - a)
        at_infinity = 1 / torch.where(b * l == 1, one, 1 - b * l)
        lower = torch.where(a > k, at_zero, -inf)
        lower = torch.where(k < 1, torch.zeros_like(a), lower)
        lower = torch.where((k == 1) & (b * l > 1), torch.maximum(lower, at_infinity), lower)
        upper = torch.where(a < k, at_zero, inf)
        upper = torch.where(k > 1, one, upper)
        upper = torch.where((k == 1) & (b * l < 1), torch.minimum(upper, at_infinity), upper)
        return lower, upper

    def variance(self) -> Tensor:
        """log p/q = (a - k) log z - b z + (z/l)^k + const, z = l E^(1/k) with E ~ Exp(1): moments of E and log E."""
        k, l, a, b = self.k, self.l, self.a, self.b  # noqa: E741
        c, d = (a - k) / k, b * l  # log p/q = c log E - d E^(1/k) + E + const
        r = 1 / k
        gamma_r, gamma_2r = torch.exp(torch.lgamma(1 + r)), torch.exp(torch.lgamma(1 + 2 * r))
        psi_1 = digamma(torch.ones_like(k))
        log_power = gamma_r * (digamma(1 + r) - psi_1)  # Cov(log E, E^r)
        return (
            c * c * trigamma(torch.ones_like(k))
            + d * d * (gamma_2r - gamma_r * gamma_r)
            + 1
            - 2 * c * d * log_power
            + 2 * c  # Cov(log E, E) = ψ(2) - ψ(1) = 1
            - 2 * d * r * gamma_r  # Cov(E, E^r) = Γ(2 + r) - Γ(1 + r)
        )

    def _exists(self, order: float) -> Tensor:
        lower, upper = self.interval()
        return ((lower < order) & (order < upper)) | torch.full_like(lower, 0 <= order <= 1, dtype=torch.bool)
