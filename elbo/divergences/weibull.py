"""Weibull and Gumbel laws, each with itself: the law of −log X for a Weibull X is a Gumbel law.

    Gumbel     Φ(y) + {log Γ(ρ) + γ (ρ − 1)},  y = (m₂ − m₁)/b₂ + log Γ(1 + ρ),  ρ = b₁/b₂
    Weibull    the same,                       y = k₂ log(l₁/l₂) + log Γ(1 + ρ),  ρ = k₂/k₁

Both terms are non-negative; the brace is the Bregman divergence of log Γ from 1 to ρ. The terms of y are computed to
twice the digits (``_double_double``), because e^y is large where they do not cancel.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.distributions import Gumbel, Weibull

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences._array import Array
from elbo.divergences._double_double import Pair
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import growth_of, itakura_saito_of, log_ratio, log_remainder_brief, phi, phi_brief
from elbo.divergences._log_gamma import PSI_2, log_gamma_from_rise, rise, rise_slope
from elbo.divergences._registry import register
from elbo.divergences._stirling import slope_difference

Slopes = tuple[Array | None, ...]


def _exponent(ratio: Pair, r: Array, lift: Array, gap: Pair) -> Pair:
    """y from ρ, r = ρ − 1 and what y has beyond log Γ(1 + ρ)."""
    log_gamma, low = log_gamma_from_rise(*ratio, r, lift)
    y, lost = double.plus(gap[0], log_gamma)
    return double.rounded(y, lost + (gap[1] + low))


def _excess(ratio: Pair, r: Array, gap: Pair) -> Array:
    lift = rise(ratio[0], r)
    return phi(*_exponent(ratio, r, lift, gap)) + (lift + itakura_saito_of(r, ratio[0]))


def _excess_brief(ratio: Array, r: Array, gap: Array) -> Array:
    """The same from float32 numbers, in float64."""
    lift = rise(ratio, r, brief=True)
    return phi_brief(gap + (PSI_2 * r + lift)) + (lift + log_remainder_brief(ratio))


def _excess_slopes(ratio: Pair, r: Array, gap: Pair) -> tuple[Array, Array]:
    """The derivatives by ρ and by what y has beyond log Γ(1 + ρ)."""
    growth = growth_of(*_exponent(ratio, r, rise(ratio[0], r), gap))
    return _by_ratio(ratio[0], r, growth, rise_slope(ratio[0], r)), growth


def _excess_slopes_brief(ratio: Array, r: Array, gap: Array) -> tuple[Array, Array]:
    if isinstance(ratio, Tensor):  # a graph may be recorded: written with functions that autograd knows
        one = torch.ones_like(r)
        growth = xp.expm1(gap + torch.lgamma(1.0 + ratio))
        slope = slope_difference(one + one, 1.0 + ratio, r) + xp.log1p(r / 2.0)
    else:
        growth = xp.expm1(gap + (PSI_2 * r + rise(ratio, r, brief=True)))
        slope = rise_slope(ratio, r, brief=True)
    return _by_ratio(ratio, r, growth, slope), growth


def _by_ratio(ratio: Array, r: Array, growth: Array, slope: Array) -> Array:
    return (PSI_2 + slope) * growth + (slope + r / ratio)


def _gumbel_parts(m1: Array, b1: Array, m2: Array, b2: Array) -> tuple[Pair, Array, Pair]:
    difference, low = double.plus(m2, -m1)
    return double.over(b1, b2), (b1 - b2) / b2, double.over(difference, b2, low)


def _gumbel(m1: Array, b1: Array, m2: Array, b2: Array) -> Array:
    return _excess(*_gumbel_parts(m1, b1, m2, b2))


def _gumbel_single(m1: Array, b1: Array, m2: Array, b2: Array) -> Array:
    return _excess_brief(b1 / b2, (b1 - b2) / b2, (m2 - m1) / b2)


def _gumbel_slopes(m1: Array, b1: Array, m2: Array, b2: Array, needs: Sequence[bool], *, brief: bool = False) -> Slopes:
    ratio, gap = b1 / b2, (m2 - m1) / b2
    if brief or isinstance(m1, Tensor):
        by_ratio, growth = _excess_slopes_brief(ratio, (b1 - b2) / b2, gap)
    else:
        by_ratio, growth = _excess_slopes(*_gumbel_parts(m1, b1, m2, b2))
    by_mean, by_spread = growth / b2, by_ratio / b2
    return -by_mean, by_spread, by_mean, -(by_spread * ratio + by_mean * gap)


gumbel_kl = elementwise(
    _gumbel,
    _gumbel_slopes,
    "gumbel_kl",
    double=True,
    single=(_gumbel_single, partial(_gumbel_slopes, brief=True)),
    compiled="gumbel",
)


def _weibull_parts(k1: Array, l1: Array, k2: Array, l2: Array) -> tuple[Pair, Array, Pair]:
    log, low = double.log(*double.over(l1, l2))
    gap, lost = double.times(k2, log)
    return double.over(k2, k1), (k2 - k1) / k1, (gap, lost + k2 * low)


def _weibull(k1: Array, l1: Array, k2: Array, l2: Array) -> Array:
    return _excess(*_weibull_parts(k1, l1, k2, l2))


def _weibull_single(k1: Array, l1: Array, k2: Array, l2: Array) -> Array:
    return _excess_brief(k2 / k1, (k2 - k1) / k1, k2 * log_ratio(l1, l2))


def _weibull_slopes(
    k1: Array, l1: Array, k2: Array, l2: Array, needs: Sequence[bool], *, brief: bool = False
) -> Slopes:
    ratio, log = k2 / k1, log_ratio(l1, l2)
    if brief or isinstance(k1, Tensor):
        by_ratio, growth = _excess_slopes_brief(ratio, (k2 - k1) / k1, k2 * log)
    else:
        by_ratio, growth = _excess_slopes(*_weibull_parts(k1, l1, k2, l2))
    by_p, by_scale = by_ratio / k1, growth * k2
    return -by_p * ratio, by_scale / l1, by_p + growth * log, -by_scale / l2


weibull_kl = elementwise(
    _weibull,
    _weibull_slopes,
    "weibull_kl",
    double=True,
    single=(_weibull_single, partial(_weibull_slopes, brief=True)),
    compiled="weibull",
)


@register(
    Gumbel,
    Gumbel,
    accuracy=8,
    source="derived in elbo.divergences.weibull; the law of log X for Weibull X, whose KL is in arXiv 1310.3713",
    formula="log(b₂/b₁) + γ (b₁/b₂ − 1) + e^((m₂ − m₁)/b₂) Γ(b₁/b₂ + 1) − 1 + (m₁ − m₂)/b₂",
)
def _gumbel_gumbel(q: Gumbel, p: Gumbel) -> Tensor:
    return gumbel_kl(q.loc, q.scale, p.loc, p.scale)


@register(
    Weibull,
    Weibull,
    formula="log(k₁/l₁^k₁) − log(k₂/l₂^k₂) + (k₁ − k₂)(log l₁ − γ/k₁) + (l₁/l₂)^k₂ Γ(k₂/k₁ + 1) − 1",
    accuracy=8,
    source="Bauckhage 2013, arXiv 1310.3713",
)
def _weibull_weibull(q: Weibull, p: Weibull) -> Tensor:
    return weibull_kl(q.concentration, q.scale, p.concentration, p.scale)
