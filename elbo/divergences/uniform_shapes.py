"""Uniform laws against gamma and beta laws, about the logarithm of the midpoint m = (l + h)/2, with w = h − l.

    KL[U(l, h) ‖ Γ(c, r)]    = c Λ(e) + (c − 1) D + μ(c) − log(w √(c/2π)/m),      e = r m/c − 1
    KL[U(l, h) ‖ Beta(a, b)] = n KL[Bernoulli(a/n) ‖ Bernoulli(m)] + (a − 1) D + (b − 1) D̄ + μ(a) + μ(b) − μ(n)
                               − log(w √(a b/(2π n))/(m (1 − m))),      n = a + b

D is log m − E log x (``_log_mean``), D̄ the same of 1 − x, Λ(d) = d − log(1 + d), and μ Stirling's remainder: nothing is
of the size of c log c. Near a = b = 1 on (0, 1) the KL to a beta law vanishes, and is written with what vanishes there:

    Λ(a − 1) + Λ(b − 1) + R(a) + R(b) − R(n − 1) − (a − 1)(1 + E log x) − (b − 1)(1 + E log(1 − x)) − log w

where R(c), what log Γ(1 + c) has beyond its tangent at c = 1 (``_log_gamma``), is about a square. The squares, which
all but cancel where a = b, are summed by themselves.
"""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Beta, Gamma, Uniform

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import ARTANH_WIDE, WIDE, entropy_term, itakura_saito_of, log_of, log_quotient
from elbo.divergences._log_gamma import bend, rise_slope
from elbo.divergences._log_mean import by_ends, gap, log_mean_gap
from elbo.divergences._products import Carried, over, product_difference, root, rounding_error, sum_error, times
from elbo.divergences._registry import TEXTBOOK, register
from elbo.divergences._remainders import psi_less_log, remainder_and_slope, stacked
from elbo.divergences._support import constant, infinite
from elbo.divergences.gamma import concentrations
from elbo.divergences.uniform import ENDS, log_width

Slopes = tuple[Array | None, ...]
CROSS = 0.3550659331517736  # 2 − π²/6: KL[U(0, 1) ‖ Beta(1 + r, 1 + s)] is ½ (r − s)² + CROSS r s to second order
LEAST, MOST = 1.1, 2.6  # a + b of the form that vanishes at 1, 1
EIGHTH_PI = math.pi / 8.0, 3.8981718325193755e-17
TWO_OVER_PI = 2.0 / math.pi, -6.182238607512212e-17


def _on_half_line(low: Array, high: Array) -> tuple[Array, Array, Array, Array]:
    """Whether l < 0, and l, h and w, moved to where they are within the support."""
    outside, width = low < 0.0, high - low
    return outside, xp.where(outside, width, low), xp.where(outside, 2.0 * width, high), width


def _excess(low: Array, high: Array, c: Array, r: Array) -> tuple[Array, Array]:
    """c e = r m − c to the last digits, and 1 + e."""
    total = low + high
    product = r * total
    lost = rounding_error(r, total, product) + r * sum_error(low, high, total)
    return (0.5 * product - c) + 0.5 * lost, 0.5 * product / c


def _gamma(low: Array, high: Array, c: Array, r: Array) -> Array:
    outside, low, high, width = _on_half_line(low, high)
    e, ratio = _excess(low, high, c, r)
    total = low + high
    y = over((width, sum_error(high, -low, width) / width), (total, sum_error(low, high, total) / total))
    scale = times(y, root(times((c, 0.0), TWO_OVER_PI)))
    logs = remainder_and_slope(c)[0] - (xp.log(scale[0]) + scale[1])
    value = c * itakura_saito_of(e / c, ratio) + ((c - 1.0) * gap(low / high, y) + logs)
    return infinite(outside, value)


def _times(c: Array, infinite_at_0: Array, low: Array) -> Array:
    """(c − 1) A h/m, nothing where c = 1 at l = 0."""
    return (c - 1.0) * xp.where((low == 0.0) & (c == 1.0), 0.0, infinite_at_0)


def _gamma_slopes(low: Array, high: Array, c: Array, r: Array, needs: Sequence[bool]) -> Slopes:
    outside, low, high, width = _on_half_line(low, high)
    e, ratio = _excess(low, high, c, r)
    bottom, top = by_ends(low, high, width)
    shift = (e + 1.0) / (low + high)
    by_c = None
    if needs[2]:
        by_c = log_mean_gap(low, high, width) + psi_less_log(c) - log_of(e / c, ratio)
    return constant(
        outside,
        shift + (1.0 - _times(c, bottom, low)) / width,
        shift - (1.0 - (c - 1.0) * top) / width,
        by_c,
        e / r,
    )


uniform_gamma_kl = elementwise(
    _gamma,
    _gamma_slopes,
    "uniform_gamma_kl",
    double=True,
    width=2,
    compiled="uniform_gamma",
    nonnegative=(2, 3),
    increasing=(ENDS,),
)


def _in_unit_interval(low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Whether the interval is not in (0, 1), and l and h, moved to where it is."""
    outside, centre = (low < 0.0) | (high > 1.0), 0.0 * (low + high)
    return outside, xp.where(outside, 0.25 + centre, low), xp.where(outside, 0.75 + centre, high)


def _totals(low: Array, high: Array, a: Array, b: Array) -> tuple[Carried, Carried, Array]:
    """2 m, 2 (1 − m), and 2 (n m − a) to the last digits."""
    total = low + high
    low_total, nearly = sum_error(low, high, total), 2.0 - total
    lost = sum_error(2.0 + 0.0 * total, -total, nearly) - low_total  # all but nothing may be left of 2
    rest = nearly + lost
    low_rest = sum_error(nearly, lost, rest)
    d = product_difference(b, total, a, rest) + (b * low_total - a * low_rest)
    return (total, low_total / total), (rest, low_rest / rest), d


def _vanishing(a: Array, b: Array) -> Array:
    return (a + b >= LEAST) & (a + b <= MOST)


def _third_order(r: Array, c: Array) -> Array:
    """Λ(r) + R(1 + r) less their squares, 1 + r = c."""
    half = r / (r + 2.0)
    square = half * half
    series = half * (square * xp.polynomial(square, ARTANH_WIDE) - 0.5 * r * r)  # Λ(r) − ½ r²
    rest = xp.where(square <= WIDE, series, (r - xp.log(c)) - 0.5 * r * r)
    return rest - r * r * r * bend(c)


def _near(low: Array, high: Array, a: Array, b: Array) -> Array:
    to_one, to_zero = _mean_logs(low, high)
    r, s, difference = a - 1.0, b - 1.0, a - b
    both = r + s
    cubes = _third_order(r, a) + _third_order(s, b) + both * both * both * bend((a + b) - 1.0)
    means = r * to_one + s * to_zero + log_width(low, high)
    return (0.5 * difference * difference + CROSS * r * s + cubes) - means


def _mean_logs(low: Array, high: Array) -> tuple[Array, Array]:
    """1 + E log x and 1 + E log(1 − x)."""
    return _mean_log(low, high, high - low), _mean_log(1.0 - high, 1.0 - low, high - low)


def _mean_log(low: Array, high: Array, width: Array) -> Array:
    bottom = xp.where(low > 0.0, low, high)
    return xp.log(high) + low * log_quotient(high, bottom, width) / width


def _beta(low: Array, high: Array, a: Array, b: Array) -> Array:
    outside, low, high = _in_unit_interval(low, high)
    total, rest, d = _totals(low, high, a, b)
    width, n = high - low, a + b
    y, z = (over((width, sum_error(high, -low, width) / width), x) for x in (total, rest))
    mean = times(over((n, sum_error(a, b, n) / n), times((a, 0.0), (b, 0.0))), EIGHTH_PI)
    scale = times(over(rest, y), root(mean))
    mu = remainder_and_slope(stacked(a, b, n))[0]
    gaps = (a - 1.0) * gap(low / high, y) + (b - 1.0) * gap((1.0 - high) / (1.0 - low), z)
    logs = xp.log(scale[0]) + (scale[1] + ((mu[0] + mu[1]) - mu[2]))
    value = entropy_term(a, 0.5 * n * total[0], 0.5 * d) + entropy_term(b, 0.5 * n * rest[0], -0.5 * d) + (gaps + logs)
    return infinite(outside, xp.replaced(value, _vanishing(a + 0.0 * value, b), _near, low, high, a, b))


def _near_slopes(low: Array, high: Array, a: Array, b: Array) -> Array:
    near = _vanishing(a, b)
    a, b = xp.where(near, a, 1.0 + 0.0 * a), xp.where(near, b, 1.0 + 0.0 * b)
    (to_one, to_zero), r, s = _mean_logs(low, high), a - 1.0, b - 1.0
    common = rise_slope((a + b) - 1.0, r + s)
    return stacked(r / a + rise_slope(a, r) - common - to_one, s / b + rise_slope(b, s) - common - to_zero)


def _beta_slopes(low: Array, high: Array, a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    outside, low, high = _in_unit_interval(low, high)
    width, n = high - low, a + b
    (total, _), (rest, _), d = _totals(low, high, a, b)
    bottom, top = by_ends(low, high, width)
    other_top, other_bottom = by_ends(1.0 - high, 1.0 - low, width)
    shift = (d + (rest - total)) / (total * rest)
    by_a = by_b = None
    if needs[2] or needs[3]:
        slope = psi_less_log(stacked(a, b, n))
        by_a = log_mean_gap(low, high, width) + (slope[0] - slope[2])
        by_a = by_a + log_quotient(a, 0.5 * n * total, -0.5 * d)
        by_b = log_mean_gap(1.0 - high, 1.0 - low, width) + (slope[1] - slope[2])
        by_b = by_b + log_quotient(b, 0.5 * n * rest, 0.5 * d)
        near, both = _vanishing(a, b), _near_slopes(low, high, a, b)
        by_a, by_b = xp.where(near, both[0], by_a), xp.where(near, both[1], by_b)
    return constant(
        outside,
        shift + (1.0 - _times(a, bottom, low) - (b - 1.0) * other_bottom) / width,
        shift - (1.0 - (a - 1.0) * top - _times(b, other_top, 1.0 - high)) / width,
        by_a,
        by_b,
    )


uniform_beta_kl = elementwise(
    _beta,
    _beta_slopes,
    "uniform_beta_kl",
    double=True,
    width=4,
    compiled="uniform_beta",
    nonnegative=(2, 3),
    increasing=(ENDS,),
)


@register(
    Uniform,
    Gamma,
    formula="−log(h − l) − c log r + log Γ(c) − (c − 1) E log x + r (h + l)/2",
    conditions="inf if l < 0",
    accuracy=8,
    source=TEXTBOOK,
)
def _uniform_gamma(q: Uniform, p: Gamma) -> Tensor:
    return uniform_gamma_kl(q.low, q.high, p.concentration, p.rate)


@register(
    Uniform,
    Beta,
    formula="−log(h − l) + log B(a, b) − (a − 1) E log x − (b − 1) E log(1 − x)",
    conditions="inf unless 0 ≤ l and h ≤ 1",
    accuracy=8,
    source=TEXTBOOK,
)
def _uniform_beta(q: Uniform, p: Beta) -> Tensor:
    return uniform_beta_kl(q.low, q.high, *concentrations(p))
