"""log Γ beside its tangent at 2: what the Gumbel, Weibull and gamma laws need where one argument is fixed.

    rise(c) = log Γ(1 + c) − (1 − γ) (c − 1) ≥ 0,      rise'(c) = ψ(1 + c) − (1 − γ),      both 0 at c = 1

With one argument fixed there is no need of the two-sided Bregman divergence (``_stirling``): for c ≤ 3 a rational
function with positive coefficients gives rise(c)/(c − 1)² and rise'(c)/(c − 1), beyond that Stirling's series, where
nothing cancels any more.
"""

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences._array import Array
from elbo.divergences._stirling import STIRLING

PSI_2 = 1.0 - 0.5772156649015329  # ψ(2) = 1 − γ
HALF_LOG_2PI = 0.9189385332046727
REST = 0.4189385332046727  # ½ log 2π − ½, a digit better than that difference
STIRLING_SLOPES = tuple((2 * k + 1) * c for k, c in enumerate(STIRLING))
NEAR = 3.0
Rational = tuple[tuple[float, ...], tuple[float, ...]]  # numerator and denominator, in powers of c

# interpolated at the Chebyshev nodes of [0, 3] at 70 digits, off by at most 7e-18, 2e-10, 7e-17 and 2e-11
CURVE: Rational = (
    (
        0.42278433509846713, 1.4125238067896435, 1.8863370781119717, 1.2915589242019618, 0.48454911622091756,
        0.09898258651570913, 0.010330528663471924, 0.00047693197569795894, 6.982109812493515e-06,
        6.8016882145650245e-09,
    ),
    (
        1.0, 3.706275295719654, 5.600685421268609, 4.45733256048761, 2.01803182301386, 0.525371379831893,
        0.07602719776846402, 0.0056252882259906975, 0.00017981238414628662, 1.670182006150011e-06,
    ),
)  # fmt: skip
CURVE_BRIEF: Rational = (
    (
        0.42278433501521967, 0.7335058912852581, 0.40303911647602425, 0.07769283480259895, 0.004105879817234797,
        1.447799488309503e-05,
    ),
    (
        1.0, 2.100213135735134, 1.5056326350531357, 0.43540342148891426, 0.046781312152423635, 0.0013038004488620714,
    ),
)  # fmt: skip
SLOPE: Rational = (
    (
        0.9999999999999999, 1.6172583000917071, 0.9423458730507273, 0.250111939189463, 0.031056229656896705,
        0.0016344148747132652, 2.670484306880134e-05, 2.6256581887374182e-08,
    ),
    (
        1.0, 2.262192366939923, 1.8441879599432203, 0.7043729498732869, 0.13426808624961764, 0.012364453092888592,
        0.00047907992353133814, 5.350685100174986e-06,
    ),
)  # fmt: skip
SLOPE_BRIEF: Rational = (
    (
        0.999999999987421, 1.30264862780879, 0.5256957550975437, 0.07469568631236942, 0.002956871287679572,
        7.0241022415640945e-06,
    ),
    (
        1.0, 1.9475826936154799, 1.2246353616339536, 0.3046622514010118, 0.028315838493262885, 0.000696959245923499,
    ),
)  # fmt: skip

# the same for 0 ≤ c ≤ 2.6 of how the first of them falls from its value at 1, off by 1.1e-16
BEND: Rational = (
    (
        0.10031730167435392, 0.30264144523980846, 0.3557532948426095, 0.20680839388946004, 0.062444080739424694,
        0.009433764958186985, 0.00062668907088325, 1.3075300340834582e-05, 1.9901849432296576e-09,
    ),
    (
        1.0, 3.556270627439762, 5.098735756259147, 3.788910057571587, 1.5645166568797972, 0.3582840398387984,
        0.042954957675525526, 0.002351117333076331, 4.1875697049556674e-05,
    ),
)  # fmt: skip


def quotient(table: Rational, c: Array) -> Array:
    return xp.polynomial(c, table[0]) / xp.polynomial(c, table[1])


def bend(c: Array) -> Array:
    """(k(1) − k(c))/(c − 1) > 0 of k(c) = rise(c)/(c − 1)² for 0 ≤ c ≤ 2.6."""
    return quotient(BEND, c)


def stirling(a: Array) -> Array:
    """μ(a), what log Γ(a) has beyond (a − ½) log a − a + ½ log 2π, for a ≥ 3.7."""
    x = 1.0 / a
    return x * xp.polynomial(x * x, STIRLING)


def stirling_slope(x: Array) -> Array:
    """−μ'(1/x)."""
    z = x * x
    return z * xp.polynomial(z, STIRLING_SLOPES)


def _log_gamma_far(c: Array) -> Array:
    a = 1.0 + c
    return (a - 0.5) * (xp.log(a) - 1.0) + (HALF_LOG_2PI - 0.5 + stirling(a))


def _rise_far(c: Array) -> Array:
    return _log_gamma_far(c) - PSI_2 * (c - 1.0)


def _rise_slope_far(c: Array) -> Array:
    a = 1.0 + c
    x = 1.0 / a
    return xp.log(a) - 0.5 * x - stirling_slope(x) - PSI_2


def rise(c: Array, r: Array, *, brief: bool = False) -> Array:
    """log Γ(1 + c) − (1 − γ) r for c ≥ 0 in float64, r = c − 1; to ten digits if ``brief``."""
    near = r * r * quotient(CURVE_BRIEF if brief else CURVE, c)
    return xp.replaced(near, c > NEAR, _rise_far, c)


def log_gamma_from_rise(c: Array, low: Array, r: Array, lift: Array) -> double.Pair:
    """log Γ(1 + c + low) and what it loses, to be exponentiated, ``low`` an ulp of c or less and ``lift`` = rise(c).

    For c > 3 it is a product of hundreds, and needs twice the digits.
    """
    near = PSI_2 * r + lift
    return xp.replaced_each((near, 0.0 * near), c > NEAR, _log_gamma_far_pair, c, low)


def _log_gamma_far_pair(c: Array, low: Array) -> double.Pair:
    a, lost = double.plus(c, 1.0)
    low = low + lost
    log, log_low = double.log(a, low)
    less, lost = double.plus(log, -1.0)
    product, product_low = double.times(a - 0.5, less)
    value, value_low = double.plus(product, REST + stirling(a))
    return value, value_low + product_low + ((a - 0.5) * (lost + log_low) + low * less)


def rise_slope(c: Array, r: Array, *, brief: bool = False) -> Array:
    """ψ(1 + c) − (1 − γ) for c ≥ 0 in float64, r = c − 1; to ten digits if ``brief``."""
    near = r * quotient(SLOPE_BRIEF if brief else SLOPE, c)
    return xp.replaced(near, c > NEAR, _rise_slope_far, c)
