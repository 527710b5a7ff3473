"""Beta laws to laws of other families, by way of the member of that family that has the same moments.

    KL[Beta(a, b) ‖ Γ(c, r)] = c Λ(e) + B(c₀ → c) + κ (c − c₀) + G,
        e = r a/(n c) − 1,   n = a + b,   c₀ = a n/b,   κ = μ'(n) − μ'(a) + μ'(c₀),
        G = ½ a/(b n) + c₀ μ'(n) + M(a → c₀) − M(n → b) + (b − 1)(μ'(b) − μ'(n))
    KL[Beta(a, b) ‖ N(m, s²)] = ½ Λ(v/s² − 1) + (a/n − m)²/(2 s²) + J,   v = a b/(n² (n + 1)),
        J = (a − b)²/(3 a b n) + j(a) + j(b) − k(n)

Λ(d) = d − log(1 + d), B is the Bregman divergence of log Γ(c) − c log c + c, and M that of Stirling's remainder μ. A
concentrated beta law is all but a gamma law and all but a normal one, while its entropy is a sum of terms of size
n log n: the forms above hold what is left when those have cancelled. Everything is of the size of the result.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Beta, Exponential, Gamma, Normal, Uniform

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import itakura_saito_of, lambda_of
from elbo.divergences._products import product_difference, rounding_error, sum_error
from elbo.divergences._registry import TEXTBOOK, register
from elbo.divergences._remainders import (
    SLOPES,
    remainder_and_slope,
    remainder_curvature,
    remainder_curvature_rise,
    remainder_rises,
    stacked,
)
from elbo.divergences._stirling import SHIFT, STIRLING, bregman, slope_difference
from elbo.divergences._support import log_width_about_unit
from elbo.divergences.gamma import beta_kl, concentrations

Slopes = tuple[Array | None, ...]
SOURCE = TEXTBOOK + "; the form without cancellation is derived in elbo.divergences.beta"


def total(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b, and what its rounding has lost."""
    n = a + b
    return n, sum_error(a, b, n)


def _excess(a: Array, b: Array, c: Array, r: Array) -> tuple[Array, Array, Array, Array]:
    """n, e, 1 + e and c − c₀."""
    n, low = total(a, b)
    mine, theirs = r * a, n * c
    e = (product_difference(r, a, n, c) - low * c) / theirs
    return n, e, mine / theirs, (product_difference(c, b, a, n) - a * low) / b


def _pull(a: Array, b: Array, n: Array) -> Array:
    """κ, from the difference of those two of its terms that are all but equal."""
    c0, narrow = a * n / b, b < a
    change = remainder_rises(a, xp.where(narrow, n, c0), xp.where(narrow, b, a * a / b))[1]
    return remainder_and_slope(xp.where(narrow, c0, n))[1] + change


def _gamma(a: Array, b: Array, c: Array, r: Array) -> Array:
    n, e, ratio, step = _excess(a, b, c, r)
    c0, (rest, rise) = a * n / b, remainder_rises(n, b, -a)
    least = 0.5 * a / (b * n) + c0 * remainder_and_slope(n)[1] + (b - 1.0) * rise
    least = least + (remainder_rises(a, c0, a * a / b)[0] - rest)
    return (least + _pull(a, b, n) * step) + bregman(c0, c, step) + c * itakura_saito_of(e, ratio)


def gamma_slopes(a: Array, b: Array, c: Array, r: Array, needs: Sequence[bool]) -> Slopes:
    """The derivatives of ``beta_gamma_kl``."""
    n, e, ratio, step = _excess(a, b, c, r)
    by_a = by_b = by_c = None
    if needs[0] or needs[1]:
        curvature = remainder_curvature(stacked(a, n))
        gap = step + a * a / b  # c − a
        inverse, both = 1.0 / n, gap * curvature[1]
        odds = b / a * inverse
        by_a = (0.5 * inverse - 0.5 * step * odds * (n / a + 1.0)) * inverse
        by_a = by_a + (both - (b - 1.0) * curvature[1] - gap * curvature[0]) + e * c * odds
        by_b = 0.5 * (step * inverse - a / b * (n / b + 1.0) * inverse) * inverse
        by_b = by_b + (both + (b - 1.0) * remainder_curvature_rise(n, b, -a)) - e * c * inverse
    if needs[2]:
        by_c = slope_difference(a * n / b, c, step) + _pull(a, b, n) - xp.where(e < -0.5, xp.log(ratio), xp.log1p(e))
    return by_a, by_b, by_c, e * c / r


beta_gamma_kl = elementwise(
    _gamma, gamma_slopes, "beta_gamma_kl", double=True, width=4, compiled="beta_gamma", nonnegative=range(4)
)


# of J Γ(x) = ½/x − μ(x) + (x − 1) μ'(x) less ⅓/x, and of k(n) = ½ log(1 + 1/n) + 1/n − μ(n) + (n − 2) μ'(n) less
# 4/(3n), in powers of 1/x²: the odd terms are 1/x times the first table, the even ones those of the second
ODD = (0.0, *(-(2 * k + 2) * c for k, c in enumerate(STIRLING) if k))


def _normal_shape(a: Array, b: Array, n: Array) -> Array:
    """J(a, b): how far the beta law is from the normal one with its mean and variance."""
    x = stacked(a, b, n)
    u = 1.0 / x
    z = u * u
    odd, even = u * xp.polynomial(z, ODD), z * xp.polynomial(z, SLOPES)
    value, slope = remainder_and_slope(x)
    # below 4 as it stands: 1/a is larger than what is wanted by no more than a few bits
    gamma = xp.where(x >= SHIFT, odd + even, 0.5 * u - value + (x - 1.0) * slope - u / 3.0)
    total = xp.where(n >= SHIFT, odd[2] + 2.0 * even[2], (n - 2.0) * slope[2] - value[2] + u[2] / 6.0)
    gap = a - b
    return gap * gap / (3.0 * a * b * n) + ((gamma[0] + gamma[1]) - (total - 0.5 * lambda_of(u[2])))


def _normal_parts(a: Array, b: Array, m: Array, s: Array) -> tuple[Array, ...]:
    """n, v/s² − 1, v/s² and the distance of the means in units of s."""
    n, low = total(a, b)
    # s² n² (n + 1) with what its rounding loses: near the variance of q nothing else is left
    wide, more = s * n, n + 1.0
    square = wide * wide
    lost = rounding_error(wide, wide, square) + 2.0 * wide * (rounding_error(s, n, wide) + s * low)
    lost = lost * more + square * (((n - more) + 1.0) + low)
    whole = square * more
    d = (product_difference(a, b, square, more) - lost) / whole
    gap = (product_difference(a, 1.0 + 0.0 * n, m, n) - m * low) / n
    return n, d, a * b / whole, gap / s


def _normal(a: Array, b: Array, m: Array, s: Array) -> Array:
    n, d, ratio, gap = _normal_parts(a, b, m, s)
    return 0.5 * (itakura_saito_of(d, ratio) + gap * gap) + _normal_shape(a, b, n)


def _normal_slopes(a: Array, b: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    n, d, _ratio, gap = _normal_parts(a, b, m, s)
    by_a = by_b = None
    if needs[0] or needs[1]:
        curvature = remainder_curvature(stacked(a, b, n))
        u = 1.0 / n
        common = u * u + 0.5 * u / (n + 1.0) - (n - 2.0) * curvature[2] - 0.5 * d * (2.0 * u + 1.0 / (n + 1.0))
        turn = gap / s * u * u
        by_a = (a - 1.0) * curvature[0] - 0.5 / (a * a) + 0.5 * d / a + common + turn * b
        by_b = (b - 1.0) * curvature[1] - 0.5 / (b * b) + 0.5 * d / b + common - turn * a
    return by_a, by_b, -gap / s, -(d + gap * gap) / s


beta_normal_kl = elementwise(
    _normal, _normal_slopes, "beta_normal_kl", double=True, width=4, compiled="beta_normal", nonnegative=(0, 1, 3)
)


@register(
    Beta,
    Normal,
    formula="KL[Beta ‖ U(0, 1)] + ½ log 2πs² + (Var x + (E x − m)²)/(2 s²)",
    accuracy=16,
    note="9 measured where the normal law has the moments of the beta law, 3 elsewhere",
    source=SOURCE,
)
def _beta_normal(q: Beta, p: Normal) -> Tensor:
    return beta_normal_kl(*concentrations(q), p.loc, p.scale)


@register(
    Beta,
    Exponential,
    formula="KL[Beta ‖ U(0, 1)] − log r + r E x",
    accuracy=8,
    source=SOURCE,
)
def _beta_exponential(q: Beta, p: Exponential) -> Tensor:
    return beta_gamma_kl(*concentrations(q), p.rate.new_ones(()), p.rate)


@register(
    Beta,
    Gamma,
    formula="KL[Beta ‖ U(0, 1)] − c log r + log Γ(c) − (c − 1) E log x + r E x",
    accuracy=8,
    note="derivatives vanish where the gamma law is the best there is: next to it 540 measured, of the size of b²/a²",
    source=SOURCE,
)
def _beta_gamma(q: Beta, p: Gamma) -> Tensor:
    return beta_gamma_kl(*concentrations(q), p.concentration, p.rate)


@register(
    Beta,
    Uniform,
    formula="KL[Beta ‖ U(0, 1)] + log(h − l)",
    conditions="inf unless l ≤ 0 and h ≥ 1",
    accuracy=16,
    note="7 measured where the beta law is all but uniform, 6 elsewhere",
    source=TEXTBOOK,
)
def _beta_uniform(q: Beta, p: Uniform) -> Tensor:
    one = p.low.new_ones(())
    return beta_kl(*concentrations(q), one, one) + log_width_about_unit(p.low, p.high)
