"""Normal, exponential and gamma laws to Gumbel ones: e to an exponent u, and terms that are positive.

    KL[N(m₁, s²) ‖ Gumbel(m₂, b)] = Φ(u) + ½ Λ(ρ² − 1) + 1 − ½ log 2π,
        ρ = s/b,   u = ½ ρ² − (m₁ − m₂)/b
    KL[Exp(r) ‖ Gumbel(m, s)] = Φ(u) + Λ((τ − φ)/φ) + Λ((τ − φ)/φ²) + φ − 3 log φ,
        τ = 1/(r s),   u = m/s − log(1 + τ),   φ = 1 + 1/φ the golden ratio
    KL[Γ(a, b) ‖ Gumbel(m, s)] = Φ(u) + Λ((τ − κ)/κ) + a Λ((τ − κ)/(1 + κ)) + N(a),
        τ = 1/(b s),   u = m/s − a log(1 + τ),   a κ² = 1 + κ,
        N(a) = J(a) + a (Λ(κ) − ½ κ²) + ½ Λ(κ) + 1 − ½ log 2π

Φ(y) = e^y − 1 − y, Λ(d) = d − log(1 + d), J as in ``gamma_normal``. The last term of each is the divergence to the
nearest Gumbel law of all, so that no term is negative; N has a minimum of 0.003, and is a rational function of 1/√a
about it. The exponent u is computed to twice the digits (``_double_double``), because e^u is large where its terms do
not cancel.
"""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Exponential, Gamma, Gumbel, Normal

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences._array import Array
from elbo.divergences._double_double import Pair
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import (
    ARTANH_WIDE,
    WIDE,
    growth_of,
    itakura_saito_of,
    log_remainder_of,
    phi,
    square_remainder,
)
from elbo.divergences._registry import TEXTBOOK, register
from elbo.divergences._remainders import gamma_shape, gamma_shape_slope

Slopes = tuple[Array | None, ...]
SOURCE = TEXTBOOK + "; the form without cancellation is derived in elbo.divergences.to_gumbel"
LEAST = 0.08106146679532726  # 1 − ½ log 2π, of a normal law to the nearest Gumbel law
GOLDEN = (1.618033988749895, -5.432115203682506e-17)
LEAST_EXPONENTIAL = 0.17439851357108457  # φ − 3 log φ, of an exponential law to the nearest Gumbel law


def _sum(u: Pair, rest: Array) -> Array:
    """Φ(u) + ``rest``; where that is infinite u may be a difference of infinities."""
    return xp.where(rest < math.inf, phi(*u) + rest, rest)


def _normal_exponent(m1: Array, s: Array, m2: Array, b: Array) -> Pair:
    ratio, ratio_low = double.over(s, b)
    square, square_low = double.times(ratio, ratio)
    difference, lost = double.plus(m2, -m1)
    gap, gap_low = double.over(difference, b, lost)
    u, lost = double.plus(0.5 * square, gap)
    return double.rounded(u, lost + (0.5 * square_low + ratio * ratio_low + gap_low))


def _normal(m1: Array, s: Array, m2: Array, b: Array) -> Array:
    ratio, d = s / b, (s - b) / b * ((s + b) / b)
    return _sum(_normal_exponent(m1, s, m2, b), 0.5 * square_remainder(d, ratio) + LEAST)


def _normal_slopes(m1: Array, s: Array, m2: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    ratio, d = s / b, (s - b) / b * ((s + b) / b)
    u, low = _normal_exponent(m1, s, m2, b)
    growth, square = growth_of(u, low), ratio * ratio
    mean = growth / b
    return -mean, (square * growth + d) / s, mean, -(growth * (u + 0.5 * square) + d) / b


normal_gumbel_kl = elementwise(
    _normal, _normal_slopes, "normal_gumbel_kl", double=True, compiled="normal_gumbel", nonnegative=(1, 3)
)


def _inverse(b: Array, s: Array) -> Pair:
    """τ."""
    product, lost = double.times(b, s)
    return double.over(1.0 + 0.0 * b, product, -lost / product)


def _exponent(a: Array, tau: Pair, m: Array, s: Array) -> tuple[Array, Array, Array]:
    """u, what it has lost, and log(1 + τ)."""
    total, lost = double.plus(tau[0], 1.0)
    log, log_low = double.log(total, lost + tau[1])
    taken, lost = double.times(a, log)
    shift, shift_low = double.over(m, s)
    u, minus_low = double.plus(shift, -taken)
    return *double.rounded(u, minus_low + (shift_low - (lost + a * log_low))), log


def _exponent_slopes(a: Array, b: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    tau = 1.0 / (b * s)
    taken = a * tau / (1.0 + tau)
    return -xp.log1p(tau), taken / b, 1.0 / s, (taken - m / s) / s


exponent = elementwise(
    lambda a, b, m, s: _exponent(a, _inverse(b, s), m, s)[0], _exponent_slopes, "gamma_gumbel_exponent", double=True
)


def _growth(a: Array, b: Array, m: Array, s: Array) -> tuple[Array, Array, Array]:
    """e^u − 1, u and log(1 + τ)."""
    if isinstance(b, Tensor):  # a graph may be recorded: written with functions that autograd knows
        u = exponent(a, b, m, s)
        return xp.expm1(u), u, xp.log1p(1.0 / (b * s))
    u, low, log = _exponent(a, _inverse(b, s), m, s)
    return growth_of(u, low), u, log


def _spread(tau: Pair, kappa: Pair, a: Array) -> Array:
    """Λ((τ − κ)/κ) + a Λ((τ − κ)/(1 + κ)). With its low parts, because the sum may be 1e-3 while τ − κ is 1e-1."""
    d, total = (tau[0] - kappa[0]) + (tau[1] - kappa[1]), 1.0 + kappa[0]
    first = itakura_saito_of(d / kappa[0], tau[0] / kappa[0])
    return first + a * itakura_saito_of(d / total, (1.0 + tau[0]) / total)


def _exponential(r: Array, m: Array, s: Array) -> Array:
    one, tau = 1.0 + 0.0 * r, _inverse(r, s)
    u, low, _ = _exponent(one, tau, m, s)
    return _sum((u, low), _spread(tau, GOLDEN, one) + LEAST_EXPONENTIAL)


def _exponential_slopes(r: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    tau, low = _inverse(r, s)
    growth, _, _ = _growth(1.0 + 0.0 * r, r, m, s)
    share = tau / (1.0 + tau)
    rest = -((tau - GOLDEN[0]) + (low - GOLDEN[1])) * (tau + (GOLDEN[0] - 1.0)) / (1.0 + tau)  # 1 − τ²/(1 + τ)
    return (rest + growth * share) / r, growth / s, (rest + growth * (share - m / s)) / s


exponential_gumbel_kl = elementwise(
    _exponential,
    _exponential_slopes,
    "exponential_gumbel_kl",
    double=True,
    compiled="exponential_gumbel",
    nonnegative=(0, 2),
)


# N for 0.75 < a < 32, where its terms are up to 24 times as large: with w = 1/√a − PLACE it is BOTTOM + w² P(w)/Q(w), a
# rational function interpolated at the Chebyshev nodes at 90 digits, off by 1.1e-16
PLACE, BOTTOM = 0.44674327912073956, 0.0027981487830581555
VALLEY = (
    (0.4482678820258526, 1.0333954881825294, 3.4237741446933545, 4.921938422516372, 8.035085864974958,
     7.6614932850076745, 7.460242015397141, 4.582955688327588, 2.6198009777737745, 0.8548385907029151,
     0.22291267082232835),
    (1.0, 1.9343992554080027, 6.723773128242557, 8.148790273291288, 13.748879833681206, 10.873005031593408,
     10.821937473464324, 5.379461681879513, 3.12337592317758, 0.8027356610786679, 0.21655630998767517),
)  # fmt: skip
VALLEY_SLOPES = tuple(tuple(k * c for k, c in enumerate(row))[1:] for row in VALLEY)


def _sides(a: Array, kappa: Array) -> tuple[Array, Array]:
    """a (Λ(κ) − ½ κ²) and Λ(κ)."""
    half = kappa / (kappa + 2.0)
    square = half * half
    tail = square * xp.polynomial(square, ARTANH_WIDE)
    spread = log_remainder_of(kappa, kappa - xp.log1p(kappa))
    near = a * (half * (tail - 0.5 * kappa * kappa))
    return xp.where(square <= WIDE, near, a * spread - 0.5 * (1.0 + kappa)), spread


def _in_valley(a: Array) -> Array:
    return (a > 0.75) & (a < 32.0)


def _least(a: Array, kappa: Array) -> Array:
    """N(a)."""
    w = 1.0 / xp.sqrt(a) - PLACE
    valley = BOTTOM + w * w * (xp.polynomial(w, VALLEY[0]) / xp.polynomial(w, VALLEY[1]))
    third, spread = _sides(a, kappa)
    return xp.where(_in_valley(a), valley, gamma_shape(a) + (third + 0.5 * spread + LEAST))


def _least_slope(a: Array, kappa: Array) -> Array:
    """N'(a)."""
    v = 1.0 / xp.sqrt(a)
    w = v - PLACE
    (p, q), (dp, dq) = ([xp.polynomial(w, row) for row in table] for table in (VALLEY, VALLEY_SLOPES))
    valley = -0.5 * v / a * (w * (2.0 * p + w * (dp - p / q * dq)) / q)
    return xp.where(_in_valley(a), valley, gamma_shape_slope(a) + (_sides(a, kappa)[0] + 0.5 * kappa) / a)


def _kappa(a: Array) -> Pair:
    """κ = (½ + √(¼ + a))/a."""
    square, lost = double.plus(a, 0.25)
    root = xp.sqrt(square)
    product, product_low = double.times(root, root)
    low = (((square - product) - product_low) + lost) / (root + root)
    total, lost = double.plus(root, 0.5)
    return double.over(total, a, lost + low)


def _gamma(a: Array, b: Array, m: Array, s: Array) -> Array:
    tau, kappa = _inverse(b, s), _kappa(a)
    u, low, _ = _exponent(a, tau, m, s)
    return _sum((u, low), _spread(tau, kappa, a) + _least(a, kappa[0]))


SMALL_SHAPE, LARGE_RATIO = 1.5, 1.5  # a beyond the one, τ within the other: where a τ and m/s may be large, and cancel


def _gamma_slopes(a: Array, b: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    growth, u, log = _growth(a, b, m, s)
    (tau, tau_low), (kappa, kappa_low) = _inverse(b, s), _kappa(a)
    d, share = (tau - kappa) + (tau_low - kappa_low), tau / (1.0 + tau)
    taken = a * share
    rest = -d * (a * tau + a / (0.5 + xp.sqrt(0.25 + a))) / (1.0 + tau)  # 1 − a τ²/(1 + τ)
    by_a = None
    if needs[0]:
        part = d / (1.0 + kappa)
        spread = itakura_saito_of(part, (1.0 + tau) / (1.0 + kappa))
        by_a = (_least_slope(a, kappa) + (part * kappa + spread)) - growth * log
    near = (a > SMALL_SHAPE) & (tau < LARGE_RATIO)
    fall = xp.where(near, -(u + a * itakura_saito_of(-share, 1.0 / (1.0 + tau))), taken - m / s)
    return by_a, (rest + growth * taken) / b, growth / s, (rest + growth * fall) / s


gamma_gumbel_kl = elementwise(
    _gamma, _gamma_slopes, "gamma_gumbel_kl", double=True, width=2, compiled="gamma_gumbel", nonnegative=(0, 1, 3)
)


@register(
    Normal,
    Gumbel,
    formula="−½ log 2πe s² + log b + (m₁ − m₂)/b + exp((m₂ − m₁)/b + s²/(2b²))",
    accuracy=8,
    source=SOURCE,
)
def _normal_gumbel(q: Normal, p: Gumbel) -> Tensor:
    return normal_gumbel_kl(q.loc, q.scale, p.loc, p.scale)


@register(
    Exponential,
    Gumbel,
    formula="log(r s) − 1 − m/s + e^(m/s) r s/(r s + 1) + 1/(r s)",
    accuracy=8,
    source=SOURCE,
)
def _exponential_gumbel(q: Exponential, p: Gumbel) -> Tensor:
    return exponential_gumbel_kl(q.rate, p.loc, p.scale)


@register(
    Gamma,
    Gumbel,
    formula="(a−1) ψ(a) − log Γ(a) − a + log(b s) + a/(b s) + e^(m/s) (1 + 1/(b s))^−a − m/s",
    accuracy=8,
    source=SOURCE,
)
def _gamma_gumbel(q: Gamma, p: Gumbel) -> Tensor:
    return gamma_gumbel_kl(q.concentration, q.rate, p.loc, p.scale)
