"""The mean of log x for x uniform on (l, h), 0 ≤ l < h, beside the logarithm of the midpoint m.

    log m − E log x = D = 1 − ½ log(1 − y²) − artanh(y)/y ≥ 0,      A = artanh(y)/y − 1 ≥ 0,      y = (h − l)/(h + l)
    dD = (A/y) dy,      dA = (y²/(1 − y²) − A) dy/y

Both are about a square of y. With s = half², half = y/(1 + √(1 − y²)), artanh y is 2 artanh(half), and both are series
in s; where those converge slowly l is so much smaller than h that the definitions serve.
"""

import math
from collections.abc import Sequence

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._products import Carried, over

# D/s and A/s in powers of s ≤ LIMIT: Chebyshev fits at 50 digits, off by less than 2e-18 and 5e-17
LIMIT = 0.35
GAP = (
    0.6666666666666666, -0.5333333333333307, 0.3238095238089547, -0.2539682539200817, 0.1979797958386839,
    -0.1678321103453885, 0.14212353086488622, -0.12547793634921017, 0.11066135579903842, -0.0995887820677754,
    0.08768645473387238, -0.0732626725558228, 0.0516337541535947, -0.02625538752642043, 0.006533845409998028,
)  # fmt: skip
EXCESS = (
    1.3333333333333333, 0.5333333333333771, 0.34285714284656094, 0.2539682549780338, 0.20202015157310194,
    0.16783368651701994, 0.14355985571410848, 0.12589460077176653, 0.10757346097537411, 0.12715000360328155,
    -0.044314714254231495, 0.5759257343913928, -1.190835029625707, 2.2844178990785395, -2.3246087856336324,
    1.331848006050676,
)  # fmt: skip


def _half(share: Array, y: Carried) -> Carried:
    """Where √(1 − y²) comes from l/h = ``share``: y may be all but one."""
    root = 2.0 * xp.sqrt(share) / (1.0 + share)
    total = 1.0 + root
    return over(y, (total, (root - (total - 1.0)) / total))


def gap(share: Array, y: Carried) -> Array:
    """D, l/h = ``share``."""
    half, lost = _half(share, y)
    square = half * half
    far = (1.0 - math.log(2.0)) + xp.log1p(share) + share * xp.log(xp.where(share > 0.0, share, 1.0)) / (1.0 - share)
    near = square * (xp.polynomial(square, GAP) + 2.0 * lost * (GAP[0] + 2.0 * GAP[1] * square))
    return xp.where(square <= LIMIT, near, far)


def _gap(low: Array, high: Array, width: Array) -> Array:
    return gap(low / high, (width / (low + high), 0.0))


def _excess(low: Array, high: Array, width: Array) -> Array:
    y = width / (low + high)
    half, _ = _half(low / high, (y, 0.0))
    square = half * half
    far = 0.5 * xp.log(high / low) / y - 1.0
    return xp.where(square <= LIMIT, square * xp.polynomial(square, EXCESS), far)


def by_ends(low: Array, high: Array, width: Array) -> tuple[Array, Array]:
    """A h/m and A l/m: w ∂(E log x)/∂l and w ∂(E log x)/∂h are ½ w/m more than the one, and less than the other."""
    inside = low > 0.0
    # of a bottom at zero A is infinite; the detour keeps that from what it does not concern
    scaled = 2.0 * mean_excess(xp.where(inside, low, high), high, width) / (low + high)
    return xp.where(inside, high * scaled, math.inf + 0.0 * scaled), low * scaled


def _gap_slopes(low: Array, high: Array, width: Array, needs: Sequence[bool]) -> tuple[Array, Array, None]:
    by_low, by_high = by_ends(low, high, width)
    return -by_low / width, by_high / width, None


def _excess_slopes(low: Array, high: Array, width: Array, needs: Sequence[bool]) -> tuple[Array, Array, None]:
    rest = 2.0 * (width * width / (4.0 * low * high) - mean_excess(low, high, width)) / ((low + high) * width)
    return -high * rest, low * rest, None


# the width is an argument because the caller may know more of its digits; derivatives are by the ends alone
log_mean_gap = elementwise(_gap, _gap_slopes, "log_mean_gap", double=True, width=2)
mean_excess = elementwise(_excess, _excess_slopes, "log_mean_excess", double=True, width=2)
