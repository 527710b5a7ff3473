"""The normaliser of e^{ηx} on (0, 1), its derivatives, and what it has beyond its tangent.

    A(η) = log((e^η − 1)/η) = η/2 + N(η),      KL = A(b) − A(a) − A'(a) d,      d = b − a

N is even. For |η| ≤ 3 it is a polynomial P in η² (a Chebyshev fit; the nearest singularities are at ±2πi), and

    KL = d² (P'(a²) + (a + b)² P[a², a², b²])

whose divided difference comes from Horner's rule: nothing cancels. Beyond that, with a > 0 (else both signs change),
w = 1/(e^a − 1) and u = w (1 − e^−d),

    KL = Λ(d/a) − w Φ(−d) − Λ(u)

of which two bits cancel at most while a, b ≥ ¾; else a and b are so far apart that the definition serves.
"""

from typing import Any

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences._array import Array
from elbo.divergences._kernels import lambda_of, log_remainder_wide, phi

NEAR = 9.0  # the largest η² of the polynomials
APART = 0.75
Table = tuple[float, ...]

# N(η)/η² and N''(η) in powers of η²: fits at 60 digits, whose derivatives are off by less than 1e-16 (1e-9 if brief)
NORMALISER: Table = (
    0.041666666666666664, -0.0003472222222222222, 5.511463844796863e-06, -1.0333994708917054e-07,
    2.0876756977142835e-09, -4.403491689082966e-11, 9.558949216186491e-13, -2.1185277904756955e-14,
    4.769370236569843e-16, -1.0859910998856418e-17, 2.480989668210397e-19, -5.542694171945358e-21,
    1.1274617880749139e-22, -1.7852249484283497e-24, 1.5575197163057653e-26,
)  # fmt: skip
NORMALISER_BRIEF: Table = (
    0.04166666666654209, -0.0003472222210994753, 5.511461611182367e-06, -1.0333800989588614e-07,
    2.086770266841651e-09, -4.378411223302422e-11, 9.130046915484422e-13, -1.663435511995359e-14,
    1.8487394335204288e-16,
)  # fmt: skip
VARIANCE: Table = (
    0.08333333333333333, -0.004166666666666565, 0.0001653439153431814, -5.787037034937284e-06, 1.8789080974696915e-07,
    -5.812606323213441e-09, 1.7397131810700118e-10, -5.083858080145757e-12, 1.4577698699806249e-13,
    -4.094968328635315e-15, 1.1034082414833766e-16, -2.6637606503788896e-18, 4.935146019204583e-20,
    -4.9737008609020095e-22,
)  # fmt: skip
VARIANCE_BRIEF: Table = (
    0.08333333325834644, -0.004166665598040908, 0.0001653413963157246, -5.784753016178718e-06,
    1.8685995318757683e-07, -5.554271652092611e-09, 1.365397907001852e-10, -1.961603408291684e-12,
)  # fmt: skip
# N'(η)/η
MEAN, MEAN_BRIEF = (tuple(2 * (k + 1) * c for k, c in enumerate(t)) for t in (NORMALISER, NORMALISER_BRIEF))


def variance(eta: Array, *, brief: bool = False) -> Array:
    """A''(η)."""
    square = eta * eta
    near = xp.polynomial(square, VARIANCE_BRIEF if brief else VARIANCE)
    return xp.replaced(near, square > NEAR, _variance_far, eta)


def _variance_far(eta: Array) -> Array:
    size = abs(eta)
    fall = xp.expm1(-size)
    return 1.0 / (eta * eta) - xp.exp(-size) / (fall * fall)


def mean_excess(eta: Array) -> Array:
    """A'(η) − ½ = N'(η), the mean less ½: odd."""
    square = eta * eta
    return xp.replaced(eta * xp.polynomial(square, MEAN), square > NEAR, _mean_excess_far, eta)


def _mean_excess_far(eta: Array) -> Array:
    return 0.5 / tanh_half(eta) - 1.0 / eta


def tanh_half(eta: Array) -> Array:
    """tanh(η/2)."""
    e = xp.expm1(-abs(eta))
    return xp.where(eta < 0.0, e / (2.0 + e), -e / (2.0 + e))


def remainder(a: Array, b: Array, d: Array, *, brief: bool = False) -> Array:
    """A(b) − A(a) − A'(a) d ≥ 0, d = b − a."""
    z, w = a * a, b * b
    table = NORMALISER_BRIEF if brief else NORMALISER
    # N, N' and the second divided difference, by powers of z and w
    value: Any = table[-1]
    first: Any = 0.0
    second: Any = 0.0
    for c in (*table[-2::-1], 0.0):
        second = second * w + first
        first = first * z + value
        value = value * z + c
    total = a + b
    near = d * d * (first + total * total * second)
    return xp.replaced(near, (z > NEAR) | (w > NEAR), _remainder_far, a, b, d)


def _remainder_far(a: Array, b: Array, d: Array) -> Array:
    turned = a < 0.0
    a, b, d = abs(a), xp.where(turned, -b, b), xp.where(turned, -d, d)
    w = 1.0 / xp.expm1(a)
    few = abs(d) < 30.0  # e^−d may be beyond the range of the dtype
    step = xp.where(few, d, 0.0)
    second_order = w * phi(-step) + lambda_of(-w * xp.expm1(-step))
    bracket = xp.where(few, second_order, _log_one_less(a) - _log_one_less(b) + d * w)
    (x, low), (ratio, lost) = double.over(d, a), double.over(b, a)
    alike = log_remainder_wide(x, low, ratio, lost_by_ratio=lost) - bracket
    fall = xp.where(a * a <= NEAR, mean_excess(a) - 0.5, w - 1.0 / a)
    apart = _lowered(b) - _lowered(a) - fall * d
    return xp.where(xp.minimum(a, b) >= APART, alike, apart)


def _log_one_less(x: Array) -> Array:
    """log(1 − e^−x) for x > 0, NaN elsewhere."""
    return xp.log1p(-xp.exp(-x))


def _lowered(x: Array) -> Array:
    """A(x) − x."""
    size, square = abs(x), x * x
    near = square * xp.polynomial(square, NORMALISER) - 0.5 * size
    even = xp.where(square <= NEAR, near, xp.log(-xp.expm1(-size) / size))
    return xp.where(x < 0.0, size, 0.0) + even


def mean_rise(a: Array, b: Array, d: Array, *, brief: bool = False) -> Array:
    """A'(b) − A'(a), d = b − a."""
    z, w = a * a, b * b
    table = MEAN_BRIEF if brief else MEAN
    value: Any = table[-1]
    first: Any = 0.0
    for c in table[-2::-1]:  # Q(z) and Q[z, w], where A' − ½ = η Q(η²)
        first = first * w + value
        value = value * z + c
    near = d * (value + b * (a + b) * first)
    return xp.replaced(near, (z > NEAR) | (w > NEAR), _mean_rise_far, a, b, d)


def _mean_rise_far(a: Array, b: Array, d: Array) -> Array:
    turned = a < 0.0
    a, b, d = abs(a), xp.where(turned, -b, b), xp.where(turned, -d, d)
    at_a, at_b = 1.0 / xp.expm1(a), 1.0 / xp.expm1(b)
    few = abs(d) < 1.0
    step = xp.where(few, d, 0.0)
    change = xp.where(few, xp.expm1(-step) * (at_a * (1.0 + at_b)), at_b - at_a)
    rise = xp.where(xp.minimum(a, b) >= APART, d / (a * b) + change, mean_excess(b) - mean_excess(a))
    return xp.where(turned, -rise, rise)
