"""KL between normal laws, coordinate by coordinate, by whatever says how wide they are.

    KL[N(m₁, v₁) ‖ N(m₂, v₂)] = ½ [Φ(log v₁ − log v₂) + (m₁ − m₂)² / v₂],      Φ(y) = e^y − 1 − y

Each parametrisation has its own form, because converting one into another rounds, and near equality a rounding of the
input is the whole value: Φ for logarithms, Λ for variances, Λ(d) + d²/2 for standard deviations, d = (s₁ − s₂)/s₂.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import growth_of, log_remainder_brief, log_remainder_wide, phi
from elbo.divergences._products import SPLIT, sum_error

SMALLEST = 1e-290  # of a ratio: below it the quotient loses digits, and then vanishes
Slopes = tuple[Array | None, ...]


def _high(x: Array) -> Array:
    """x less the second half of its digits."""
    if isinstance(x, Tensor):
        scaled = SPLIT * x  # Veltkamp
        return scaled - (scaled - x)
    return (x.view(np.int64) & -(2**27)).view(np.float64)


def _divided(n: Array, low: Array, b: Array) -> tuple[Array, Array]:
    """(n + low)/b, and the rounding error of that from the exact product of quotient and divisor (Dekker)."""
    d = n / b
    dh, bh = _high(d), _high(b)
    dl, bl = d - dh, b - bh
    product = d * b
    error = ((dh * bh - product) + dh * bl + dl * bh) + dl * bl
    rest = ((n - product) - error + low) / b
    if isinstance(d, Tensor) or not np.isfinite(rest.sum()):  # the exact product overflows beyond 1e300
        rest = xp.where(abs(rest) < abs(d), rest, 0.0)
    return d, rest


def _unless_infinite(value: Array, largest: Array) -> Array:
    """``value``, or where it has overflowed on the way its ``largest`` term, which may not have."""
    if not isinstance(value, Tensor) and np.isfinite(value.sum()):
        return value
    return xp.where(abs(value) < math.inf, value, largest)


def _unless_extreme(value: Array, ratio: Array, extreme: Callable[[], Array]) -> Array:
    """``value``, or the ``extreme`` form where it or the ratio that it is made of has over- or underflowed."""
    if not isinstance(value, Tensor) and np.isfinite(value.sum()) and ratio.min() >= SMALLEST:
        return value
    return xp.where((abs(value) < math.inf) & (ratio >= SMALLEST), value, extreme())


def _squared(x: Array, y: Array) -> tuple[Array, Array]:
    """x − y, and its square with the rounding of the difference made good."""
    difference = x - y
    return difference, difference * (difference + 2.0 * sum_error(x, -y, difference))


def _by_log_variance(m1: Array, y1: Array, m2: Array, y2: Array) -> Array:
    y = y1 - y2
    _, square = _squared(m1, m2)
    return 0.5 * (phi(y, sum_error(y1, -y2, y)) + square * xp.exp(-y2))


def _by_log_variance_single(m1: Array, y1: Array, m2: Array, y2: Array) -> Array:
    difference = m1 - m2
    return 0.5 * (phi(y1 - y2) + difference * difference * xp.exp(-y2))


def _log_variance_slopes(m1: Array, y1: Array, m2: Array, y2: Array, needs: Sequence[bool]) -> Slopes:
    difference = m1 - m2
    mean = difference * xp.exp(-y2)
    y = y1 - y2
    spread = 0.5 * growth_of(y, sum_error(y1, -y2, y))
    return mean, spread, -mean, -(spread + 0.5 * difference * mean)


def _standard_by_log_variance(m: Array, y: Array) -> Array:
    return 0.5 * (phi(y) + m * m)


def _standard_slopes(m: Array, y: Array, needs: Sequence[bool]) -> Slopes:
    return m, 0.5 * xp.expm1(y)


def _by_variance(m1: Array, v1: Array, m2: Array, v2: Array) -> Array:
    step = v1 - v2
    d, low = _divided(step, sum_error(v1, -v2, step), v2)
    difference, square = _squared(m1, m2)
    ratio = v1 / v2
    return _unless_extreme(
        0.5 * (log_remainder_wide(d, low, ratio) + square / v2),
        ratio,
        lambda: 0.5 * (d - (xp.log(v1) - xp.log(v2)) + difference * (difference / v2)),
    )


def _by_variance_single(m1: Array, v1: Array, m2: Array, v2: Array) -> Array:
    difference = m1 - m2
    return 0.5 * (log_remainder_brief(v1 / v2) + difference * difference / v2)


def _variance_slopes(m1: Array, v1: Array, m2: Array, v2: Array, needs: Sequence[bool]) -> Slopes:
    difference = m1 - m2
    mean, excess = difference / v2, (v1 - v2) / v2
    return mean, 0.5 * excess / v1, -mean, -0.5 * (excess + difference * mean) / v2


def _by_std(m1: Array, s1: Array, m2: Array, s2: Array) -> Array:
    step, gap = s1 - s2, m1 - m2
    d, low = _divided(step, sum_error(s1, -s2, step), s2)
    t = gap / s2
    # t·gap/s₂ has three roundings, t·t one and another twice; it may overflow where t·t does not
    squares = d * d + _unless_infinite(t * gap / s2, t * t)
    low_t = sum_error(m1, -m2, gap) / s2
    ratio = s1 / s2
    return _unless_extreme(
        0.5 * squares + (log_remainder_wide(d, low, ratio, alone=False) + (d * low + t * low_t)),
        ratio,
        lambda: 0.5 * squares + (d - (xp.log(s1) - xp.log(s2))),
    )


def _by_std_single(m1: Array, s1: Array, m2: Array, s2: Array) -> Array:
    inverse = 1.0 / s2
    ratio, t = s1 / s2, (m1 - m2) * inverse  # exactly 1 at equality, which s1 · (1/s2) is not
    square, d = t * t, ratio - 1.0
    value = 0.5 * ((ratio * ratio - 1.0) + square) - xp.log(ratio)
    return xp.replaced(value, abs(d) < 1e-3, _near_single, d, square)


def _near_single(d: Array, square: Array) -> Array:
    """Λ(d) + ½ d² by its series, which has nine digits for |d| < 1e-3, where the closed form has lost them."""
    return d * d * (1.0 + d * (0.25 * d - 1.0 / 3.0)) + 0.5 * square


def _std_slopes_single(m1: Array, s1: Array, m2: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
    inverse = 1.0 / s2
    ratio, t = s1 / s2, (m1 - m2) * inverse
    mean, excess = t * inverse, ratio * ratio - 1.0
    return mean, excess / s1, -mean, (excess + t * t) * -inverse


def _std_slopes(m1: Array, s1: Array, m2: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
    t = (m1 - m2) / s2
    mean = t / s2
    excess = (s1 - s2) / s2 * ((s1 + s2) / s2)
    return mean, excess / s1, -mean, -(excess + t * t) / s2


def _half_by_std(s1: Array, s2: Array) -> Array:
    step = s1 - s2
    d, low = _divided(step, sum_error(s1, -s2, step), s2)
    square, ratio = 0.5 * d * d, s1 / s2
    return _unless_extreme(
        square + (log_remainder_wide(d, low, ratio, alone=False) + d * low),
        ratio,
        lambda: square + (d - (xp.log(s1) - xp.log(s2))),
    )


def _half_by_std_single(s1: Array, s2: Array) -> Array:
    ratio = s1 / s2
    d = ratio - 1.0
    return log_remainder_brief(ratio) + 0.5 * d * d


def _half_slopes(s1: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
    excess = (s1 - s2) / s2 * ((s1 + s2) / s2)
    return excess / s1, -excess / s2


by_log_variance = elementwise(
    _by_log_variance,
    _log_variance_slopes,
    "gaussian_kl_by_log_variance",
    single=(_by_log_variance_single, _log_variance_slopes),
)
standard_by_log_variance = elementwise(
    _standard_by_log_variance, _standard_slopes, "gaussian_kl_to_standard_by_log_variance"
)
by_variance = elementwise(
    _by_variance,
    _variance_slopes,
    "gaussian_kl_by_variance",
    single=(_by_variance_single, _variance_slopes),
    nonnegative=(1, 3),
)
by_std = elementwise(
    _by_std,
    _std_slopes,
    "gaussian_kl_by_std",
    single=(_by_std_single, _std_slopes_single),
    compiled="normal_by_std",
    nonnegative=(1, 3),
)
half_by_std = elementwise(
    _half_by_std,
    _half_slopes,
    "half_normal_kl",
    single=(_half_by_std_single, _half_slopes),
    compiled="half_normal",
    nonnegative=(0, 1),
)
