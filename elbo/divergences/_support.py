"""Where q has mass outside the support of p, or lacks a moment that log p asks for: KL is infinite there.

``log_width_about_unit`` is what KL to a uniform law on (l, h) has more than that to the one on (0, 1): log(h − l), or ∞
unless l ≤ 0 and h ≥ 1.
"""

import math
from collections.abc import Sequence

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise


def infinite(outside: Array, value: Array) -> Array:
    """∞ where ``outside`` holds, the value elsewhere; NaN stays."""
    return xp.where(outside, math.inf + 0.0 * value, value)


def constant(outside: Array, *slopes: Array | None) -> tuple[Array | None, ...]:
    """No slope where ``outside`` holds: an infinite value does not change."""
    return tuple(None if slope is None else xp.where(outside, 0.0 * slope, slope) for slope in slopes)


def _width(low: Array, high: Array) -> Array:
    return infinite((low > 0.0) | (high < 1.0), xp.log1p((high - 1.0) - low))  # the width may be all but one


def _width_slopes(low: Array, high: Array, needs: Sequence[bool]) -> tuple[Array | None, ...]:
    density = 1.0 / (high - low)
    return constant((low > 0.0) | (high < 1.0), -density, density)


log_width_about_unit = elementwise(_width, _width_slopes, "log_width_about_unit")
