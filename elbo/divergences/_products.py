"""Differences of products to the last digit: what they lose in rounding is all that is left of them near equality.

A product of many factors is carried with the sum of what the roundings have lost, relative to it: its logarithm then
has no error but its own.
"""

from elbo.divergences import _array as xp
from elbo.divergences._array import Array

Carried = tuple[Array, Array]  # a number, and what it has lost, relative to it
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


def sum_error(x: Array, y: Array, total: Array) -> Array:
    """x + y − ``total``, exactly (Knuth)."""
    part = total - x
    return (x - (total - part)) + (y - part)


def times(x: Carried, y: Carried) -> Carried:
    """x y."""
    product = x[0] * y[0]
    return product, (x[1] + y[1]) + rounding_error(x[0], y[0], product) / product


def over(x: Carried, y: Carried) -> Carried:
    """x/y."""
    quotient = x[0] / y[0]
    back = quotient * y[0]
    return quotient, (x[1] - y[1]) + ((x[0] - back) - rounding_error(quotient, y[0], back)) / x[0]


def root(x: Carried) -> Carried:
    """√x."""
    result = xp.sqrt(x[0])
    back = result * result
    return result, 0.5 * (x[1] + ((x[0] - back) - rounding_error(result, result, back)) / x[0])
