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
from elbo.divergences._support import infinite
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
    result: Tensor = infinite((p.low > 0) | (p.high < 1), value)
    return result


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


normal_laplace_kl = elementwise(_laplace_distance, _laplace_distance_slopes, "normal_laplace_kl", nonnegative=(1, 3))
