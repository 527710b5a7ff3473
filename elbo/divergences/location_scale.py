"""Laplace, Cauchy, Gumbel and Pareto laws, each with itself.

    Laplace   Λ(b₁/b₂ − 1) + (b₁/b₂) Φ(−t),  t = |m₁ − m₂|/b₁
    Cauchy    log1p(((s₁ − s₂)² + (m₁ − m₂)²) / (4 s₁ s₂))
    Gumbel    Φ(y) + {log Γ(ρ) + γ (ρ − 1)},  y = (m₂ − m₁)/b₂ + log Γ(1 + ρ),  ρ = b₁/b₂
    Pareto    Λ(α₂/α₁ − 1) + α₂ log(x₁/x₂)

Every term is non-negative; the brace of the Gumbel form is the Bregman divergence of log Γ from 1 to ρ.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.distributions import Cauchy, Gumbel, Laplace, Pareto

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import itakura_saito, itakura_saito_of, log_quotient, log_remainder_brief, phi
from elbo.divergences._log_gamma import PSI_2, log_gamma_from_rise, rise, rise_slope
from elbo.divergences._registry import register
from elbo.divergences._stirling import slope_difference

Slopes = tuple[Array | None, ...]


def phi_brief(y: Array) -> Array:
    """Φ(y) in float64, as far as float32 is to be told."""
    value = xp.expm1(y) - y
    return xp.replaced(value, abs(y) < 1e-3, _phi_near, y)


def _phi_near(y: Array) -> Array:
    return y * y * (0.5 + y * (1.0 / 6.0 + y * (1.0 / 24.0)))


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


def log_gamma_excess(ratio: Array, r: Array, gap: Array) -> Array:
    """Φ(gap + log Γ(1 + ρ)) + log Γ(ρ) + γ (ρ − 1), where r = ρ − 1."""
    lift = rise(ratio, r)
    return phi(gap + log_gamma_from_rise(ratio, r, lift)) + (lift + itakura_saito_of(r, ratio))


def log_gamma_excess_single(ratio: Array, r: Array, gap: Array) -> Array:
    """The same from float32 numbers, in float64."""
    lift = rise(ratio, r, brief=True)
    return phi_brief(gap + (PSI_2 * r + lift)) + (lift + log_remainder_brief(ratio))


def log_gamma_slopes(ratio: Array, r: Array, gap: Array, *, brief: bool = False) -> tuple[Array, Array]:
    """The derivatives of ``log_gamma_excess`` by ρ and by the gap."""
    if isinstance(ratio, Tensor):  # a graph may be recorded: written with functions that autograd knows
        one = torch.ones_like(r)
        growth = xp.expm1(gap + torch.lgamma(1.0 + ratio))
        slope = slope_difference(one + one, 1.0 + ratio, r) + xp.log1p(r / 2.0)
    else:
        growth = xp.expm1(gap + log_gamma_from_rise(ratio, r, rise(ratio, r, brief=brief)))
        slope = rise_slope(ratio, r, brief=brief)
    return (PSI_2 + slope) * growth + (slope + r / ratio), growth


def _gumbel(m1: Array, b1: Array, m2: Array, b2: Array) -> Array:
    return log_gamma_excess(b1 / b2, (b1 - b2) / b2, (m2 - m1) / b2)


def _gumbel_single(m1: Array, b1: Array, m2: Array, b2: Array) -> Array:
    return log_gamma_excess_single(b1 / b2, (b1 - b2) / b2, (m2 - m1) / b2)


def _gumbel_slopes(m1: Array, b1: Array, m2: Array, b2: Array, needs: Sequence[bool], *, brief: bool = False) -> Slopes:
    inverse = 1.0 / b2
    ratio, gap = b1 * inverse, (m2 - m1) * inverse
    by_ratio, growth = log_gamma_slopes(ratio, (b1 - b2) * inverse, gap, brief=brief)
    by_mean, by_spread = growth * inverse, by_ratio * inverse
    return -by_mean, by_spread, by_mean, -(by_spread * ratio + by_mean * gap)


gumbel_kl = elementwise(
    _gumbel,
    _gumbel_slopes,
    "gumbel_kl",
    double=True,
    single=(_gumbel_single, partial(_gumbel_slopes, brief=True)),
    compiled="gumbel",
)


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
    Gumbel,
    Gumbel,
    accuracy=math.inf,
    source="derived in elbo.divergences.location_scale; the law of log X for Weibull X, whose KL is in arXiv 1310.3713",
    formula="log(b₂/b₁) + γ (b₁/b₂ − 1) + e^((m₂ − m₁)/b₂) Γ(b₁/b₂ + 1) − 1 + (m₁ − m₂)/b₂",
    note="16 for b₁/b₂ ≤ 10 and |m₁ − m₂| ≤ 10 b₂; beyond that about |log| of the value in ulps, as of any e^y; where "
    "(m₁ − m₂)/b₂ and log Γ(1 + b₁/b₂) cancel, relative to the second derivative",
)
def _gumbel_gumbel(q: Gumbel, p: Gumbel) -> Tensor:
    return gumbel_kl(q.loc, q.scale, p.loc, p.scale)


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
