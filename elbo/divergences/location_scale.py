"""Laplace, Cauchy and Pareto laws, each with itself.

    Laplace   Λ(b₁/b₂ − 1) + (b₁/b₂) Φ(−t),  t = |m₁ − m₂|/b₁
    Cauchy    log1p(((s₁ − s₂)² + (m₁ − m₂)²) / (4 s₁ s₂))
    Pareto    Λ(α₂/α₁ − 1) + α₂ log(x₁/x₂)

Every term is non-negative.
"""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Cauchy, Laplace, Pareto

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import itakura_saito, log_quotient, phi
from elbo.divergences._registry import register

Slopes = tuple[Array | None, ...]


def _laplace(m1: Array, b1: Array, m2: Array, b2: Array) -> Array:
    return itakura_saito(b1, b2) + b1 / b2 * phi(-abs(m1 - m2) / b1)


def _laplace_slopes(m1: Array, b1: Array, m2: Array, b2: Array, needs: Sequence[bool]) -> Slopes:
    difference = m1 - m2
    sign = xp.where(difference < 0.0, -1.0 + 0.0 * b1, 1.0 + 0.0 * b1)  # never 0: then the second derivative holds at 0
    t = sign * difference / b1
    decay = xp.exp(-t)
    mean = -sign * xp.expm1(-t) / b2
    # 1 − (1 + t) e^−t, which is e^−t Φ(t)
    small = xp.minimum(t, 1.0 + 0.0 * t)
    fall = xp.where(t < 1.0, xp.exp(-small) * remainder(small), 1.0 - (1.0 + t) * decay)
    by_q = ((b1 - b2) - b1 * fall) / (b1 * b2)
    by_p = -((b1 - b2) + b1 * remainder(-t)) / (b2 * b2)
    return mean, by_q, -mean, by_p


remainder = elementwise(phi, lambda y, needs: (xp.expm1(y),), "exp_remainder")
laplace_kl = elementwise(_laplace, _laplace_slopes, "laplace_kl", compiled="laplace")


def _cauchy(m1: Array, s1: Array, m2: Array, s2: Array) -> Array:
    u, v = s1 - s2, m1 - m2
    return xp.log1p((u / s1 * (u / s2) + v / s1 * (v / s2)) * 0.25)


def _cauchy_slopes(m1: Array, s1: Array, m2: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
    total, difference = s1 + s2, m1 - m2
    square = total * total + difference * difference
    mean = 2.0 * difference / square
    spread = (s1 - s2) * total
    gap = difference * difference
    return mean, (spread - gap) / square / s1, -mean, -(spread + gap) / square / s2


cauchy_kl = elementwise(_cauchy, _cauchy_slopes, "cauchy_kl", compiled="cauchy")


def _pareto(x1: Array, a1: Array, x2: Array, a2: Array) -> Array:
    value = itakura_saito(a2, a1) + a2 * log_quotient(x1, x2, x1 - x2)
    return xp.where(x1 >= x2, value, math.inf + 0.0 * value)


def _pareto_slopes(x1: Array, a1: Array, x2: Array, a2: Array, needs: Sequence[bool]) -> Slopes:
    step = (a2 - a1) / a1
    return a2 / x1, -step / a1, -a2 / x2, step / a2 + logarithm(x1, x2)


logarithm = elementwise(
    lambda y, x: log_quotient(y, x, y - x), lambda y, x, needs: (1.0 / y, -1.0 / x), "logarithm_of_ratio"
)
pareto_kl = elementwise(_pareto, _pareto_slopes, "pareto_kl", compiled="pareto")


@register(
    Laplace,
    Laplace,
    formula="log(b₂/b₁) + |m₁ − m₂|/b₂ + (b₁/b₂) e^(−|m₁ − m₂|/b₁) − 1",
    accuracy=8,
    source="Gil, Alajaji and Linder 2013, Information Sciences 249",
)
def _laplace_laplace(q: Laplace, p: Laplace) -> Tensor:
    return laplace_kl(q.loc, q.scale, p.loc, p.scale)


@register(
    Cauchy,
    Cauchy,
    formula="log[((s₁ + s₂)² + (m₁ − m₂)²) / (4 s₁ s₂)]",
    accuracy=8,
    source="Chyzak and Nielsen 2019, arXiv 1905.10965",
)
def _cauchy_cauchy(q: Cauchy, p: Cauchy) -> Tensor:
    return cauchy_kl(q.loc, q.scale, p.loc, p.scale)


@register(
    Pareto,
    Pareto,
    formula="log(α₁/α₂) + α₂/α₁ − 1 + α₂ log(x₁/x₂)",
    conditions="inf if x₁ < x₂",
    accuracy=8,
    source="Gil, Alajaji and Linder 2013, Information Sciences 249",
)
def _pareto_pareto(q: Pareto, p: Pareto) -> Tensor:
    return pareto_kl(q.scale, q.alpha, p.scale, p.alpha)
