"""Where q has mass outside the support of p, or lacks a moment that log p asks for: KL is infinite there."""

import math

from elbo.divergences import _array as xp
from elbo.divergences._array import Array


def infinite(outside: Array, value: Array) -> Array:
    """∞ where ``outside`` holds, the value elsewhere; NaN stays."""
    return xp.where(outside, math.inf + 0.0 * value, value)


def constant(outside: Array, *slopes: Array | None) -> tuple[Array | None, ...]:
    """No slope where ``outside`` holds: an infinite value does not change."""
    return tuple(None if slope is None else xp.where(outside, 0.0 * slope, slope) for slope in slopes)
