"""The exponential law against the gamma law.

    KL[Exp(b₁) ‖ Γ(c, b₂)] = c Λ(e/c) + K(c),      t = b₂/b₁,      e = t − c
    K(c) = log Γ(c) − c log c + c − 1 + γ (c − 1)

both non-negative: K is the divergence to the nearest gamma law of shape c, and vanishes at c = 1. With one shape
fixed it is a function of c alone (``_log_gamma``), which costs a tenth of the Bregman divergence between two shapes.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor
from torch.distributions import Exponential, Gamma

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import (
    ARTANH,
    NEAR,
    itakura_saito_of,
    lambda_of,
    log_quotient,
    log_ratio,
    log_remainder_brief,
)
from elbo.divergences._log_gamma import HALF_LOG_2PI, rise, rise_slope, stirling, stirling_slope
from elbo.divergences._log_gamma import NEAR as LARGE
from elbo.divergences._registry import register
from elbo.divergences._stirling import slope_difference
from elbo.divergences.gamma import SOURCE

Slopes = tuple[Array | None, ...]
EULER = 0.5772156649015329


def _shape_term(c: Array, r: Array) -> Array:
    """K(c), r = c − 1: rise(c) + 2 r − (2 + r) log(1 + r), the rest of it by its series (``_kernels``) near 0."""
    total = 2.0 + r
    s = r / total
    square = s * s
    rest = xp.where(square <= NEAR, r * (square * xp.polynomial(square, ARTANH[0])), 2.0 * r - total * xp.log(c))
    return xp.replaced(rise(c, r) + rest, c > LARGE, _shape_term_far, c)


def _shape_term_brief(c: Array, r: Array) -> Array:
    rest = xp.replaced(2.0 * r - (2.0 + r) * xp.log(c), abs(r) < 1e-2, _shape_rest_near, r)
    return xp.replaced(rise(c, r, brief=True) + rest, c > LARGE, _shape_term_far, c)


def _shape_rest_near(r: Array) -> Array:
    s = r / (2.0 + r)
    square = s * s
    return r * square * (-2.0 / 3.0 - 0.4 * square)


def _shape_term_far(c: Array) -> Array:
    jump = (c + 0.5) * xp.log1p(1.0 / c) - 1.0
    return (EULER * (c - 1.0) + (HALF_LOG_2PI - 1.0)) - 0.5 * xp.log(c) + (stirling(1.0 + c) + jump)


def _excess(b1: Array, c: Array, b2: Array) -> tuple[Array, Array]:
    """e = b₂/b₁ − c, with what the quotient loses, and 1 + e/c."""
    t, low = double.over(b2, b1)
    return (t - c) + low, xp.where(t > 0.0, t / c, b2 / (b1 * c))


def _exponential_gamma(b1: Array, c: Array, b2: Array) -> Array:
    e, ratio = _excess(b1, c, b2)
    return c * itakura_saito_of(e / c, ratio) + _shape_term(c, c - 1.0)


def _exponential_gamma_single(b1: Array, c: Array, b2: Array) -> Array:
    return c * log_remainder_brief(b2 / (b1 * c)) + _shape_term_brief(c, c - 1.0)


def _by_large_shape(c: Array, e: Array, ratio: Array) -> Array:
    """γ + (ψ(c) − log c) − log(1 + e/c) for c > 3."""
    u, x, d = 1.0 / c, 1.0 / (1.0 + c), e / c
    slope = lambda_of(u) + (0.5 * x + stirling_slope(x))
    return (EULER - slope) - xp.where(d < -0.5, xp.log(ratio), xp.log1p(d))


def _exponential_gamma_slopes(b1: Array, c: Array, b2: Array, needs: Sequence[bool], *, brief: bool = False) -> Slopes:
    r, (e, ratio) = c - 1.0, _excess(b1, c, b2)
    by_shape: Array | None = None
    if isinstance(c, Tensor):  # a graph may be recorded: written with functions that autograd knows
        one = 1.0 + 0.0 * c
        by_shape = slope_difference(one, c, r) + log_ratio(c, one) - log_ratio(b2, b1)
    elif needs[1]:
        by_shape = rise_slope(c, r, brief=brief) + r / c - log_quotient(b2, b1, b2 - b1)
        by_shape = xp.replaced(by_shape, c > LARGE, _by_large_shape, c, e, ratio)
    return -e / b1, by_shape, e / b2


exponential_gamma_kl = elementwise(
    _exponential_gamma,
    _exponential_gamma_slopes,
    "exponential_gamma_kl",
    double=True,
    single=(_exponential_gamma_single, partial(_exponential_gamma_slopes, brief=True)),
    compiled="exponential_gamma",
)


@register(Exponential, Gamma, formula="Gamma ‖ Gamma with a₁ = 1", accuracy=8, source=SOURCE)
def _exponential_to_gamma(q: Exponential, p: Gamma) -> Tensor:
    return exponential_gamma_kl(q.rate, p.concentration, p.rate)
