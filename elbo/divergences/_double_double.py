"""Sums, quotients and logarithms as pairs of float64 numbers, the second what the first has lost in rounding.

An exponent y is felt as it stands in e^y: where it is a sum of terms of hundreds, half an ulp of them is hundreds of
ulps of e^y. Such a y is computed here to twice as many digits, and e^(y + low) = e^y (1 + low).

The logarithm takes x = 2^k m, √½ ≤ m < √2, and the j/64 nearest to m, whose logarithm is in a table:

    log x = k log 2 + log(j/64) + log(1 + r),      r = 64 m/j − 1,      |r| ≤ 1/90

Of the series of log(1 + r) the terms r − r²/2 are taken with what they lose, and the rest, at most 2^−20, without: an
absolute error of 2^−73, and a relative one where x is nearly 1.
"""

from decimal import Decimal, localcontext

import numpy as np
import torch
from torch import Tensor

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._products import rounding_error, sum_error

Pair = tuple[Array, Array]
ROOT_HALF = 0.5**0.5
FIRST, LAST = 45, 91  # the j of √½ and of √2
GRID = 2**42  # heads of logarithms are multiples of 1/GRID, so that k log 2 + log(j/64) is exact
SERIES = tuple((-1.0) ** n / (n + 3) for n in range(9))  # (log(1 + r) − r + r²/2) / r³ in powers of r


def _split(x: Decimal) -> tuple[float, float]:
    head = round(x * GRID) / GRID
    return head, float(x - Decimal(head))


with localcontext() as context:
    context.prec = 60
    LOG_2, LOG_2_LOW = _split(Decimal(2).ln())
    INVERSES = [64.0 / j for j in range(FIRST, LAST + 1)]
    TABLE = np.array([(inverse, *_split(-Decimal(inverse).ln())) for inverse in INVERSES]).T


def _finite(low: Array) -> Array:
    return xp.where(abs(low) < np.inf, low, 0.0)  # where the number itself has overflown, nothing is lost of it


def plus(x: Array, y: Array) -> Pair:
    """x + y."""
    total = x + y
    return total, _finite(sum_error(x, y, total))


def times(x: Array, y: Array) -> Pair:
    """x y."""
    product = x * y
    return product, _finite(rounding_error(x, y, product))


def rounded(x: Array, low: Array) -> Pair:
    """x + low, the first of which may have cancelled to something small."""
    total = x + low
    return total, _finite(low - (total - x))


def over(x: Array, y: Array, low: Array | float = 0.0) -> Pair:
    """(x + low) / y."""
    ratio = x / y
    product = ratio * y
    return ratio, _finite(((x - product) - rounding_error(ratio, y, product) + low) / y)


def log(x: Array, low: Array) -> Pair:
    """log(x + low), ``low`` an ulp of x or less."""
    m, k = torch.frexp(x) if isinstance(x, Tensor) else np.frexp(x)
    small = m < ROOT_HALF
    m, k = xp.where(small, m + m, m), xp.where(small, k - 1, k) + 0.0 * m
    inverse, head, tail = _looked_up(64.0 * m)
    product = m * inverse
    r = product - 1.0
    lost = rounding_error(m, inverse, product) + _finite(low * (m / x)) * inverse
    head = k * LOG_2 + head
    first = head + r
    square = r * r
    half = 0.5 * square
    second = first - half
    rest = r * square * xp.polynomial(r, SERIES) + lost * (1.0 - r * (1.0 - r * (1.0 - r))) + (k * LOG_2_LOW + tail)
    rest = rest - 0.5 * rounding_error(r, r, square) + ((head - first) + r) + ((first - second) - half)
    value = second + rest
    normal = (x > 0.0) & (x < np.inf)
    return xp.where(normal, value, xp.log(x)), xp.where(normal, rest - (value - second), 0.0)


def _looked_up(place: Array) -> tuple[Array, Array, Array]:
    """64/j, and −log of it with its low part, for the j nearest to ``place``."""
    place = xp.where((place > FIRST) & (place < LAST), place, 64.0)  # no number: no matter
    if isinstance(place, Tensor):
        index = torch.round(place).long() - FIRST
        return tuple(torch.as_tensor(row, device=place.device)[index] for row in TABLE)  # type: ignore[return-value]
    return tuple(TABLE[:, np.rint(place).astype(np.intp) - FIRST])
