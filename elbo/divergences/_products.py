"""Differences of products to the last digit: what they lose in rounding is all that is left of them near equality."""

from elbo.divergences._array import Array

SPLIT = 134217729.0  # 2^27 + 1: halves of 26 bits, whose products are exact in float64


def rounding_error(x: Array, y: Array, product: Array) -> Array:
    """x y − ``product``, exactly, for a float64 product that neither overflows nor is subnormal (Dekker 1971)."""
    x_scaled, y_scaled = x * SPLIT, y * SPLIT
    x_high, y_high = x_scaled - (x_scaled - x), y_scaled - (y_scaled - y)
    x_low, y_low = x - x_high, y - y_high
    return ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


def product_difference(a: Array, b: Array, c: Array, d: Array) -> Array:
    """a b − c d with the digits that the products lose."""
    left, right = a * b, c * d
    return (left - right) + (rounding_error(a, b, left) - rounding_error(c, d, right))
