"""Pareto laws against laws on the half-line and normal ones.

    KL[Pareto(x, α) ‖ Exp(r)]    = log(α/(x r)) − 1/α − 1 + r E,      E = x α/(α − 1), the mean
    KL[Pareto(x, α) ‖ Γ(c, r)]   = c {Λ(−1/α) + Λ(e)} + log(α √(2π/c)) − 1 + μ(c),      e = r E/c − 1
    KL[Pareto(x, α) ‖ N(m, s²)]  = log(α s √(2π)/x) − 1/α − 1 + ½ (V/s² + (E − m)²/s²),      V = E²/(α (α − 2))

Λ(d) = d − log(1 + d), and μ is Stirling's remainder: nothing is of the size of c log c. The first two are infinite
where α ≤ 1, the last where α ≤ 2.
"""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Exponential, Gamma, Normal, Pareto

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import itakura_saito_of, log_of
from elbo.divergences._products import product_difference, rounding_error
from elbo.divergences._registry import TEXTBOOK, register
from elbo.divergences._remainders import psi_less_log, remainder_and_slope
from elbo.divergences._support import constant, infinite

Slopes = tuple[Array | None, ...]
ROOT_2PI = math.sqrt(2.0 * math.pi)


def _excess(x: Array, alpha: Array, c: Array, r: Array) -> tuple[Array, Array, Array, Array]:
    """Whether the mean is infinite, and where it is not α − 1, c e to the last digits and 1 + e."""
    outside = alpha <= 1.0
    alpha = xp.where(outside, 2.0, alpha)
    above, product = alpha - 1.0, x * r
    lost = rounding_error(x, r, product) * alpha - c * (alpha - (above + 1.0))
    e = (product_difference(product, alpha, c, above) + lost) / above
    return outside, above, e, product * alpha / (c * above)


def _gamma(x: Array, alpha: Array, c: Array, r: Array) -> Array:
    outside, above, e, ratio = _excess(x, alpha, c, r)
    alpha = above + 1.0
    spread = itakura_saito_of(-1.0 / alpha, above / alpha) + itakura_saito_of(e / c, ratio)
    logs = (xp.log(alpha * xp.sqrt(2.0 * math.pi / c)) - 1.0) + remainder_and_slope(c)[0]
    return infinite(outside, c * spread + logs)


def _gamma_slopes(x: Array, alpha: Array, c: Array, r: Array, needs: Sequence[bool]) -> Slopes:
    outside, above, e, ratio = _excess(x, alpha, c, r)
    inverse = 1.0 / (above + 1.0)
    by_c = None
    if needs[2]:
        by_c = psi_less_log(c) + itakura_saito_of(-inverse, above * inverse) - log_of(e / c, ratio)
    # of 1 + c/α − r E/(α − 1), by what is less: r E, or its distance from c
    turn = xp.where(ratio < 0.5, c * inverse - c * ratio / above, -(c * inverse + e) / above)
    return constant(outside, e / x, inverse * (1.0 + turn), by_c, e / r)


def _exponential(x: Array, alpha: Array, r: Array) -> Array:
    outside, product = alpha <= 1.0, x * r
    alpha = xp.where(outside, 2.0, alpha)
    value = (xp.log(alpha / product) - 1.0 / alpha) - 1.0 + product * alpha / (alpha - 1.0)
    return infinite(outside, value)


def _exponential_slopes(x: Array, alpha: Array, r: Array, needs: Sequence[bool]) -> Slopes:
    by_x, by_alpha, _, by_r = _gamma_slopes(x, alpha, 1.0 + 0.0 * r, r, (True, True, False, True))
    return by_x, by_alpha, by_r


pareto_exponential_kl = elementwise(
    _exponential,
    _exponential_slopes,
    "pareto_exponential_kl",
    double=True,
    compiled="pareto_exponential",
    nonnegative=range(3),
)
pareto_gamma_kl = elementwise(
    _gamma, _gamma_slopes, "pareto_gamma_kl", double=True, width=2, compiled="pareto_gamma", nonnegative=range(4)
)


def _moments(x: Array, alpha: Array, m: Array, s: Array) -> tuple[Array, Array, Array, Array]:
    """Whether the variance is infinite, and where it is not α − 1, V/s² and (E − m)/s."""
    outside = alpha <= 2.0
    alpha = xp.where(outside, 3.0, alpha)
    above = alpha - 1.0
    deviation = x / (above * s)
    return (
        outside,
        above,
        deviation * deviation * (alpha / (alpha - 2.0)),
        product_difference(x, alpha, m, above) / (above * s),
    )


def _normal(x: Array, alpha: Array, m: Array, s: Array) -> Array:
    outside, above, spread, gap = _moments(x, alpha, m, s)
    alpha = above + 1.0
    value = (xp.log(alpha * (s / x) * ROOT_2PI) - 1.0) - 1.0 / alpha + 0.5 * (spread + gap * gap)
    return infinite(outside, value)


def _normal_slopes(x: Array, alpha: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    outside, above, spread, gap = _moments(x, alpha, m, s)
    inverse, shift = 1.0 / (above + 1.0), gap / s
    by_alpha = inverse * (1.0 + inverse) - spread * (inverse / (above - 1.0) + 1.0 / above)
    return constant(
        outside,
        (spread - 1.0) / x + shift / (above * inverse),
        by_alpha - shift * x / (above * above),
        -shift,
        (1.0 - (spread + gap * gap)) / s,
    )


pareto_normal_kl = elementwise(
    _normal, _normal_slopes, "pareto_normal_kl", double=True, compiled="pareto_normal", nonnegative=(0, 1, 3)
)


@register(
    Pareto,
    Exponential,
    formula="log(α/(x r)) − 1/α − 1 + r x α/(α − 1)",
    conditions="inf if α ≤ 1",
    accuracy=8,
    source=TEXTBOOK,
)
def _pareto_exponential(q: Pareto, p: Exponential) -> Tensor:
    return pareto_exponential_kl(q.scale, q.alpha, p.rate)


@register(
    Pareto,
    Gamma,
    formula="log α − 1 − c (log(r x) + 1/α) + log Γ(c) + r x α/(α − 1)",
    conditions="inf if α ≤ 1",
    accuracy=8,
    source=TEXTBOOK,
)
def _pareto_gamma(q: Pareto, p: Gamma) -> Tensor:
    return pareto_gamma_kl(q.scale, q.alpha, p.concentration, p.rate)


@register(
    Pareto,
    Normal,
    formula="log(α/x) − 1/α − 1 + ½ log 2πs² + (Var + (E x − m)²)/(2 s²)",
    conditions="inf if α ≤ 2",
    accuracy=8,
    source=TEXTBOOK,
)
def _pareto_normal(q: Pareto, p: Normal) -> Tensor:
    return pareto_normal_kl(q.scale, q.alpha, p.loc, p.scale)
