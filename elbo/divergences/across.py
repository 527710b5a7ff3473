"""Laws of different families: the entropy of q and the moments that log p asks for, as closed forms.

Between two families KL does not vanish (but where the families meet), so nothing cancels to second order; what loses
digits are sums of terms larger than the result, and the note of each pair says how much.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import (
    Beta,
    Exponential,
    Gumbel,
    Laplace,
    Normal,
    Uniform,
)

from elbo.divergences import _array as xp
from elbo.divergences import beta as _beta  # noqa: F401  (registers itself)
from elbo.divergences import gamma_across as _gamma_across  # noqa: F401
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._registry import register
from elbo.divergences.gamma import beta_kl

EULER = 0.5772156649015329
HALF_LOG_2PI = 0.9189385332046727
ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)
Slopes = tuple[Array | None, ...]
SOURCE = "any textbook: −H(q) − E_q log p"
NOTE = "{} measured; a sum of terms larger than the result"


def beta_to_uniform(q: Beta) -> Tensor:
    """KL[Beta ‖ U(0, 1)], minus the entropy."""
    one = q.concentration1.new_ones(())
    return beta_kl(q.concentration1, q.concentration0, one, one)


def _to_normal(spread: Tensor, gap: Tensor, excess: float) -> Tensor:
    """KL to a normal law: of its standard deviation q has ``spread`` many, its mean is ``gap`` of them away, and
    ``excess`` is the entropy of the normal law with the moments of q, less that of q."""
    return 0.5 * ((spread - 1.0) * (spread + 1.0) + gap * gap) - torch.log(spread) + excess


@register(
    Beta,
    Uniform,
    formula="KL[Beta ‖ U(0, 1)] + log(h − l)",
    conditions="inf unless l ≤ 0 and h ≥ 1",
    accuracy=16,
    note="7 measured where the beta law is all but uniform, 6 elsewhere",
    source=SOURCE,
)
def _beta_uniform(q: Beta, p: Uniform) -> Tensor:
    value = beta_to_uniform(q) + torch.log(p.high - p.low)
    return value.masked_fill((p.low > 0) | (p.high < 1), math.inf)


@register(
    Exponential,
    Normal,
    formula="log r − 1 + ½ log 2πs² + (1/r² + (1/r − m)²)/(2 s²)",
    accuracy=8,
    source=SOURCE,
)
def _exponential_normal(q: Exponential, p: Normal) -> Tensor:
    mean = q.rate.reciprocal()
    return _to_normal(mean / p.scale, (mean - p.loc) / p.scale, HALF_LOG_2PI - 0.5)


@register(
    Exponential,
    Gumbel,
    formula="log(r s) − 1 − m/s + e^(m/s) r s/(r s + 1) + 1/(r s)",
    accuracy=math.inf,
    note=NOTE.format("8 while u = m/s − log(1 + 1/(r s)) is below 10, and |u| beyond, as of any e^u"),
    source=SOURCE,
)
def _exponential_gumbel(q: Exponential, p: Gumbel) -> Tensor:
    product, shift = q.rate * p.scale, p.loc / p.scale
    mean = product.reciprocal()
    return torch.expm1(shift - torch.log1p(mean)) + (mean - shift) + torch.log(product)


@register(
    Gumbel,
    Normal,
    formula="−log b − γ − 1 + ½ log 2πs² + (π² b²/6 + (m₁ + γ b − m₂)²)/(2 s²)",
    accuracy=8,
    source=SOURCE,
)
def _gumbel_normal(q: Gumbel, p: Normal) -> Tensor:
    gap = ((q.loc - p.loc) + EULER * q.scale) / p.scale
    return _to_normal(q.scale / p.scale * (math.pi / math.sqrt(6.0)), gap, 0.090573019538512555)


@register(
    Laplace,
    Normal,
    formula="−log 2b − 1 + ½ log 2πs² + (2 b² + (m₁ − m₂)²)/(2 s²)",
    accuracy=8,
    source=SOURCE,
)
def _laplace_normal(q: Laplace, p: Normal) -> Tensor:
    gap = (q.loc - p.loc) / p.scale
    return _to_normal(q.scale / p.scale * math.sqrt(2.0), gap, 0.5 * math.log(math.pi) - 0.5)


@register(
    Normal,
    Gumbel,
    formula="−½ log 2πe s² + log b + (m₁ − m₂)/b + exp((m₂ − m₁)/b + s²/(2b²))",
    accuracy=math.inf,
    note=NOTE.format("64 while the exponent is at most 10"),
    source=SOURCE,
)
def _normal_gumbel(q: Normal, p: Gumbel) -> Tensor:
    gap, ratio = (q.loc - p.loc) / p.scale, q.scale / p.scale
    return gap + torch.exp(0.5 * ratio * ratio - gap) - torch.log(ratio) - (0.5 + HALF_LOG_2PI)


@register(
    Normal,
    Laplace,
    formula="−½ log 2πe s² + log 2b + (s √(2/π) e^(−m²/2s²) + m erf(m/(s√2)))/b, m = m₁ − m₂",
    accuracy=8,
    source=SOURCE,
)
def _normal_laplace(q: Normal, p: Laplace) -> Tensor:
    return normal_laplace_kl(q.loc, q.scale, p.loc, p.scale)


def _laplace_distance(m1: Array, s: Array, m2: Array, b: Array) -> Array:
    # with ρ = s √(2/π)/b and t = m/s: ρ − 1 − log ρ, what E|x| grows by with the distance, and log(2/π) + ½
    ratio, t = s / b * ROOT_2_OVER_PI, (m1 - m2) / s
    growth = xp.expm1(-0.5 * t * t) + t * xp.erf(t * math.sqrt(0.5)) / ROOT_2_OVER_PI
    return (ratio - 1.0) - xp.log(ratio) + ratio * growth + (math.log(2.0 / math.pi) + 0.5)


def _laplace_distance_slopes(m1: Array, s: Array, m2: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    t = (m1 - m2) / s
    mean, density = xp.erf(t * math.sqrt(0.5)), ROOT_2_OVER_PI * xp.exp(-0.5 * t * t)
    distance = (density + t * mean) * s  # E|x − m₂|
    return mean / b, (density * s / b - 1.0) / s, -mean / b, (1.0 - distance / b) / b


normal_laplace_kl = elementwise(_laplace_distance, _laplace_distance_slopes, "normal_laplace_kl")
