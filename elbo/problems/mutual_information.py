"""The mutual information of a correlated Gaussian pair (Z14), and what its sample bounds give on average."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, constraints

from elbo._errors import Error, InputValueError
from elbo.problems._problem import parameter

STEP = 0.125
"""Of the trapezoid rule in log t, whose error is about exp(-π²/step)."""


class BivariateGaussian:
    """(x, y) standard normal with correlation ρ: I = -½ log(1 - ρ²), and every critic a·log r + c has exact bounds.

    r(x, y) = p(x, y) / p(x) p(y) is the density ratio. E_{p×p} r^a is Gaussian, finite iff
    -(1 - |ρ|)/|ρ| < a < (1 + |ρ|)/|ρ|; at a = 2 it is 1/(1 - ρ²) = e^(2I).

    Args:
        correlation: ρ, a number strictly between -1 and 1.

    >>> problem = BivariateGaussian(0.9)
    >>> round(problem.mutual_information().item(), 5), round(problem.infonce(8).item(), 5)
    (0.83037, 0.67911)
    """

    formula: ClassVar[str] = "(x, y) ~ N(0, [[1, ρ], [ρ, 1]])"
    known: ClassVar[str] = (
        "I(x; y); InfoNCE for any K; NWJ and DV for critics a log r + c; the mean of the plug-in DV estimate"
    )
    conditions: ClassVar[str] = "E_{p×p} r^a < ∞ iff -(1 - |ρ|)/|ρ| < a < (1 + |ρ|)/|ρ|"
    source: ClassVar[str] = "van den Oord et al. 2018, arXiv:1807.03748; Poole et al. 2019, arXiv:1905.06922"

    def __init__(self, correlation: Any = 0.5) -> None:
        self.correlation = parameter("correlation", correlation, constraints.interval(-1.0, 1.0))
        if self.correlation.ndim or bool(self.correlation.abs() >= 1):
            raise InputValueError(
                f"correlation is {self.correlation.tolist()}; write a number strictly between -1 and 1"
            )

    @property
    def joint(self) -> MultivariateNormal:
        """p(x, y)."""
        one, rho = torch.ones_like(self.correlation), self.correlation
        covariance = torch.stack([one, rho, rho, one]).reshape(2, 2)
        return MultivariateNormal(torch.zeros_like(covariance[0]), covariance)

    def log_ratio(self, x: Tensor, y: Tensor) -> Tensor:
        """log r(x, y)."""
        rho = self.correlation
        rest = (1 - rho) * (1 + rho)
        return -0.5 * rest.log() - 0.5 * (rho * rho * (x * x + y * y) - 2 * rho * x * y) / rest

    def mutual_information(self) -> Tensor:
        """-½ log(1 - ρ²)."""
        return -0.5 * torch.log1p(-(self.correlation**2))

    def log_power(self, order: float) -> Tensor:
        """log E_{p×p} r^order, ``inf`` where it diverges."""
        rho = self.correlation.abs()
        left, right = 1 + rho - order * rho, 1 - rho + order * rho
        # det Q = (1 - ρ)(1 + ρ) left right / (1 - ρ²)² for Q the precision of the tilted Gaussian
        inside = (left > 0) & (right > 0)
        safe = torch.where(inside, left * right, torch.ones_like(rho))
        value = 0.5 * (1 - order) * torch.log1p(-rho * rho) - 0.5 * safe.log()
        return torch.where(inside, value, torch.full_like(value, torch.inf))

    def dv(self, scale: float = 1.0, shift: float = 0.0) -> Tensor:
        """Donsker-Varadhan: E_p T - log E_{p×p} e^T for the critic T = scale · log r + shift; it ignores the shift."""
        return scale * self.mutual_information() - self.log_power(scale)

    def nwj(self, scale: float = 1.0, shift: float = 0.0) -> Tensor:
        """Nguyen-Wainwright-Jordan: E_p T + 1 - E_{p×p} e^T for T = scale · log r + shift, best at scale 1, shift 0."""
        return scale * self.mutual_information() + shift - torch.expm1(self.log_power(scale) + shift)

    def infonce(self, samples: int) -> Tensor:
        """E log r(x₁, y) / ((1/K) Σ_j r(x_j, y)) with x₁ the partner of y among K = ``samples``; at most log K.

        log S = ∫ (e^-t - e^-tS) dt/t turns the mean of the logarithm of a sum, given y, into a product of
        one-dimensional means; trapezoid rules in y, x and log t.
        """
        k = self._samples(samples)
        if k == 1:
            return torch.zeros_like(self.correlation)
        y, mass_y = _rule(101, 9.0, self.correlation.dtype)
        y, mass_y = y[50:], torch.cat([mass_y[50:51], 2 * mass_y[51:]])  # (-x, -y) has the law of (x, y)
        e, mass_x = _rule(601, 9.0, self.correlation.dtype)
        other = self.log_ratio(e, y[:, None])  # x ~ p(x)
        partner = self.log_ratio(self.correlation * y[:, None] + (1 - self.correlation**2).sqrt() * e, y[:, None])
        total = torch.zeros_like(self.correlation)
        for row_other, row_partner, mass in zip(other, partner, mass_y, strict=True):
            total = total + mass * _expected_log_mean(row_other, mass_x, k - 1, row_partner)
        return self.mutual_information() - total

    def plug_in(self, samples: int) -> Tensor:
        """E log (1/K) Σ r(x_k, y_k) over K independent pairs: how far the plug-in DV estimate is above I (negated)."""
        k = self._samples(samples)
        if k == 1:
            return self.mutual_information() - self.correlation**2 / (1 - self.correlation**2)
        e, mass = _rule(361, 9.0, self.correlation.dtype)
        log_r = self.log_ratio(e[:, None], e).flatten()
        return _expected_log_mean(log_r, torch.outer(mass, mass).flatten(), k, None)

    def _samples(self, samples: int) -> int:
        if samples != int(samples) or samples < 1:
            raise InputValueError(f"samples is {samples}; write a number of samples, 1, 2, ...")
        return int(samples)


def _rule(nodes: int, width: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    e = torch.linspace(-width, width, nodes, dtype=dtype)
    return e, torch.softmax(-0.5 * e * e, 0)


def _expected_log_mean(log_w: Tensor, mass: Tensor, count: int, first: Tensor | None) -> Tensor:
    """E log (1/K)(w₁ + Σ w_k) for ``count`` draws with values ``log_w`` and one more with ``first`` (same masses)."""
    log_size = math.log(count + (first is not None))
    total = torch.zeros_like(log_w[0])
    start = -40.0
    while True:
        u = torch.arange(start, start + 20.0 - STEP / 2, STEP, dtype=log_w.dtype)
        log_phi = count * _log_laplace(log_w - log_size, mass, u)
        if first is not None:
            log_phi = log_phi + _log_laplace(first - log_size, mass, u)
        t = torch.exp(u.clamp(max=7.0))
        # e^-t - e^logφ without cancellation at small t
        small = -torch.exp(-t) * torch.expm1((log_phi + t).clamp(max=1.0))
        total = total + STEP * torch.where(t < 1, small, torch.exp(-t) - torch.exp(log_phi)).sum()
        start += 20.0
        if start > 5 and log_phi[-1] < -40:
            return total
        if start > 700:
            raise Error("the density ratio spans more than 700 nats where it matters; use a correlation nearer to 0")


def _log_laplace(log_w: Tensor, mass: Tensor, u: Tensor) -> Tensor:
    """log E exp(-e^u w), accurate also where it is near 0."""
    blocks = []
    for part in u.split(max(1, 1_000_000 // len(log_w))):
        argument = -torch.exp((part[:, None] + log_w).clamp(max=7.0))
        near = torch.log1p((torch.expm1(argument) @ mass).clamp(min=-0.9))
        blocks.append(torch.where(near > -1, near, torch.log(torch.exp(argument) @ mass + 1e-300)))
    return torch.cat(blocks)
