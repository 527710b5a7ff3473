"""The two remainders that every divergence near equality is made of, accurate to the last digits.

    Φ(y) = e^y − 1 − y,      Λ(d) = d − log(1 + d),      Λ(e^y − 1) = Φ(y);      both ≥ 0, both half a square at 0.

Written as they stand, both lose every digit near zero: the terms cancel to second order. Near zero they are summed as
power series (Chebyshev fits), elsewhere as they stand, where at most three bits cancel.
"""

import math
from collections.abc import Sequence

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise

# Chebyshev fits made at 50 digits, for (float64, float32); their errors are below a tenth of an ulp of what they
# are part of
# Φ(y) / y² for |y| ≤ 1, in powers of y
EXPONENTIAL = (
    (
        0.5, 0.16666666666666666, 0.04166666666666609, 0.008333333333333236, 0.0013888888888981446,
        0.00019841269841374776,
        2.4801587246079535e-05, 2.7557319174038892e-06, 2.7557335072267237e-07, 2.5052120586633744e-08,
        2.087443527953241e-09,
        1.605744835014058e-10, 1.16392040024203e-11, 7.753295105383928e-13,
    ),
    (
        0.5, 0.1666666657720204, 0.04166673666980626, 0.008333345250306165, 0.001388539492254819, 0.0001983698670876228,
        2.5358644892211006e-05, 2.812654628264601e-06,
    ),
)  # fmt: skip
# −2 (artanh s − s) / s³ for s² ≤ NEAR, in powers of s²
NEAR = 0.08
ARTANH = (
    (
        -0.6666666666666669, -0.3999999999997188, -0.28571428580751246, -0.22222221034140593, -0.1818189385362045,
        -0.15381917854495483, -0.13389461806337355, -0.11092640224666155, -0.14728535306132268,
    ),
    (-0.6666665985904944, -0.40002696661537684, -0.28405588435959855, -0.25433746491713416),
)  # fmt: skip

# the same for s² ≤ WIDE, for those who need the last bit: the terms of Λ as it stands cancel twofold at most there
WIDE = 0.2
ARTANH_WIDE = (
    -0.6666666666666665, -0.4000000000001743, -0.2857142856728721, -0.22222222606395214, -0.1818179983194423,
    -0.15385130387371362, -0.13324220072819, -0.11870054048672324, -0.09723382026104795, -0.1348628711703563,
    0.03227094705813851, -0.26620275641155683,
)  # fmt: skip


def _series(table: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> tuple[float, ...]:
    return table[0] if xp.is_float64(x) else table[1]


def phi_series(y: Array) -> Array:
    """Φ(y) for |y| ≤ 1."""
    return y * y * xp.polynomial(y, _series(EXPONENTIAL, y))


def phi(y: Array, low: Array | None = None) -> Array:
    """Φ(y), or Φ(y + low) where ``low`` is the rounding error of y: it is felt where e^y amplifies it."""
    square = y * y
    growth = xp.expm1(y)
    far = growth - y
    if low is not None:
        far = xp.where(growth < math.inf, far + low * growth, growth)
    return xp.where(square <= 1.0, square * xp.polynomial(y, _series(EXPONENTIAL, y)), far)


def phi_brief(y: Array) -> Array:
    """Φ(y) in float64, as far as float32 is to be told."""
    return xp.replaced(xp.expm1(y) - y, abs(y) < 1e-3, _phi_near, y)


def _phi_near(y: Array) -> Array:
    return y * y * (0.5 + y * (1.0 / 6.0 + y * (1.0 / 24.0)))


def growth_of(y: Array, low: Array) -> Array:
    """e^(y + low) − 1, of which Φ(y + low) has its slope."""
    growth = xp.expm1(y)
    return growth + low * xp.where(growth < math.inf, growth + 1.0, 0.0)


def log_remainder_of(d: Array, far: Array) -> Array:
    """Λ(d) by its series where that converges, and the given ``far`` elsewhere.

    With s = d / (2 + d): log(1 + d) = 2 artanh s, and so Λ(d) = s (d − 2 s² (artanh s − s)/s³).
    """
    s = d / (d + 2.0)
    square = s * s
    return xp.where(square <= NEAR, s * (d + square * xp.polynomial(square, _series(ARTANH, d))), far)


def log_remainder_wide(
    d: Array, low: Array, ratio: Array, *, alone: bool = True, lost_by_ratio: Array | None = None
) -> Array:
    """Λ(d + low), 1 + d = ``ratio``, where ``low`` is the rounding error of d; half a bit worse if not ``alone``.

    What ``ratio`` has lost in rounding follows from d and ``low``, unless it is known better.
    """
    total = d + 2.0
    s = d / total
    square = s * s
    rest = square * xp.polynomial(square, ARTANH_WIDE)
    lost = low * (d / ratio)
    if alone:  # what the sum of d and 2 has lost
        lost = lost - s / total * (d - (total - 2.0)) * (d + 3.0 * rest)
    near = s * (d + rest) + lost
    if lost_by_ratio is None:
        less = ratio - 1.0
        # the logarithm feels what rounding the ratio has lost, 1 + d + low - ratio; `less` itself has lost the bracket
        lost_by_ratio = (d - less) + ((less + 1.0) - ratio) + low
    return xp.where(square <= WIDE, near, (d - xp.log(ratio)) + (low - lost_by_ratio / ratio))


def log_remainder_brief(ratio: Array) -> Array:
    """Λ(ratio − 1) in float64, as far as float32 is to be told: ``ratio`` is a quotient of float32 numbers.

    Those are equal or differ by 6e-8 of themselves, so that 9 digits of the difference are left in float64; 5e-6 is
    where the series' second term and the rounding of the logarithm are equally small (1e-10).
    """
    d = ratio - 1.0
    s = d / (ratio + 1.0)
    square = s * s
    return xp.where(square <= 5e-6, s * (d - square * (2.0 / 3.0)), d - xp.log(ratio))


def lambda_of(d: Array) -> Array:
    """Λ(d)."""
    return log_remainder_of(d, d - xp.log1p(d))


def itakura_saito_of(d: Array, ratio: Array) -> Array:
    """Λ(d) where 1 + d = ``ratio`` is known better than d when it is small."""
    return log_remainder_of(d, xp.where(d < math.inf, d - xp.log(ratio), d))


def square_remainder(d: Array, root: Array) -> Array:
    """Λ(d) where 1 + d is the square of ``root``, and may be beyond the range of the dtype."""
    return log_remainder_of(d, xp.where(d < math.inf, d - 2.0 * xp.log(root), d))


def _itakura_saito(y: Array, x: Array) -> Array:
    """y/x − 1 − log(y/x) for y, x > 0. Near equality only their difference matters, which is exact there."""
    return itakura_saito_of((y - x) / x, y / x)


def log_of(d: Array, ratio: Array) -> Array:
    """log(1 + d), where 1 + d = ``ratio`` is known better than d when it is small."""
    return xp.where(d < -0.5, xp.log(ratio), xp.log1p(d))


def log_quotient(y: Array, x: Array, d: Array) -> Array:
    """log(y/x) for y, x > 0 with d = y − x, from the difference where that is small."""
    relative = d / x
    return xp.where(abs(relative) < 0.5, xp.log1p(relative), xp.log(y / x))


def _log_ratio(y: Array, x: Array) -> Array:
    return log_quotient(y, x, y - x)


exp_remainder = elementwise(phi, lambda y, needs: (xp.expm1(y),), "exp_remainder")
log_remainder = elementwise(lambda_of, lambda d, needs: (d / (1.0 + d),), "log_remainder")
itakura_saito = elementwise(
    _itakura_saito,
    lambda y, x, needs: ((y - x) / x / y, (x - y) / x / x),
    "itakura_saito",
    compiled="itakura_saito",
    nonnegative=(0, 1),
)
log_ratio = elementwise(_log_ratio, lambda y, x, needs: (1.0 / y, -1.0 / x), "log_ratio")


def entropy_term(x: Array, y: Array, d: Array) -> Array:
    """x log(x/y) − x + y = x Λ(d/x), d = y − x; y if x = 0, inf if y = 0 < x."""
    far = xp.where(x == 0.0, y, d + x * xp.log(x / y))
    far = xp.replaced(far, far == -math.inf, _entropy_of_extremes, x, y, d)
    s = d / (x + y)  # NaN at 0/0, where far is chosen
    square = s * s
    near = s * (d + x * square * xp.polynomial(square, _series(ARTANH, d)))
    return xp.where((square <= NEAR) & (x > 0.0), near, far)


def _entropy_of_extremes(x: Array, y: Array, d: Array) -> Array:
    """Where x/y is below the smallest number."""
    return d + x * (xp.log(x) - xp.log(y))


def _relative_entropy(x: Array, y: Array) -> Array:
    return entropy_term(x, y, y - x)


def _relative_entropy_slopes(x: Array, y: Array, needs: Sequence[bool]) -> tuple[Array, Array]:
    # at x = 0 the function is y, and for any x > 0 it is infinite at y = 0: one-sided derivatives 1 by y and ∞ by x
    by_x, by_y = log_ratio(x, y), (y - x) / y
    return xp.where((x == 0.0) & (y == 0.0), math.inf, by_x), xp.where(x == 0.0, 1.0, by_y)


relative_entropy = elementwise(
    _relative_entropy,
    _relative_entropy_slopes,
    "relative_entropy",
    compiled="relative_entropy",
    nonnegative=(0, 1),
)
