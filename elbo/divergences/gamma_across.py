"""Gamma laws to normal and Gumbel laws, by way of the member of that family that has the same moments.

    KL[Γ(a, b) ‖ N(m, s²)] = ½ Λ(t − 1) + (a/b − m)²/(2 s²) + J(a),      t = a/(b s)²
    KL[Γ(a, b) ‖ Gumbel(m, s)] = Φ(u) + ½ Λ(t − 1) + a (Λ(τ) − ½ τ²) + 1 − ½ log 2π + J(a),
        τ = 1/(b s),   t = a τ²,   u = m/s − a log(1 + τ)

Φ(y) = e^y − 1 − y, Λ(d) = d − log(1 + d). J is the entropy of the normal law with the variance of Γ(a, b), less that of
Γ(a, b) itself; it is about 1/(3a), while both are of the size of log a and their usual forms of the size of a log a.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor
from torch.distributions import Gamma, Gumbel, Normal

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import ARTANH_WIDE, itakura_saito_of, lambda_of, phi
from elbo.divergences._products import rounding_error
from elbo.divergences._registry import register
from elbo.divergences._remainders import gamma_shape, gamma_shape_slope

Slopes = tuple[Array | None, ...]
SOURCE = "any textbook: −H(q) − E_q log p; the form without cancellation is derived in elbo.divergences.gamma_across"
LARGE = 3.0  # of larger shapes: J is so small that the rounding of the moments would be felt near their match


def _excess(a: Array, b: Array, s: Array) -> Array:
    """t − 1 to the last digits."""
    root = b * s
    square = root * root
    lost = rounding_error(root, root, square) + 2.0 * root * rounding_error(b, s, root)
    return ((a - square) - lost) / square


def _gap(a: Array, b: Array, m: Array, s: Array) -> Array:
    """(a/b − m)/s to the last digits."""
    product = m * b
    return ((a - product) - rounding_error(m, b, product)) / (b * s)


def _where(mask: Array, form: Callable[..., Array], x: Array, *arrays: Array) -> Array:
    """``form(*arrays)`` where ``mask``, of a shape that broadcasts to that of x, holds, and x elsewhere."""
    if not isinstance(x, Tensor) and mask.shape != x.shape:
        mask = np.broadcast_to(mask, x.shape)
    return xp.replaced(x, mask, form, *arrays)


def _normal_near(a: Array, b: Array, m: Array, s: Array) -> Array:
    """The part of the moments with care."""
    root, gap = b * s, _gap(a, b, m, s)
    return 0.5 * (itakura_saito_of(_excess(a, b, s), a / (root * root)) + gap * gap)


def _normal(a: Array, b: Array, m: Array, s: Array) -> Array:
    root, gap = b * s, (a / b - m) / s
    t = a / (root * root)
    moments = 0.5 * ((t - 1.0) - xp.log(t) + gap * gap)
    return _where(a > LARGE, _normal_near, moments, a, b, m, s) + gamma_shape(a)


def _normal_slopes(a: Array, b: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    root, large = b * s, a > LARGE
    d = _where(large, _excess, a / (root * root) - 1.0, a, b, s)
    gap = _where(large, _gap, (a / b - m) / s, a, b, m, s)
    shift = gap / s
    by_a = 0.5 * d / a + shift / b + gamma_shape_slope(a) if needs[0] else None
    return by_a, -(d + shift * a / b) / b, -shift, -(d + gap * gap) / s


gamma_normal_kl = elementwise(
    _normal, _normal_slopes, "gamma_normal_kl", double=True, width=2, compiled="gamma_normal", nonnegative=(0, 1, 3)
)


@register(
    Gamma,
    Normal,
    formula="(a−1) ψ(a) − log Γ(a) − a + log b + ½ log 2πs² + (a/b² + (a/b − m)²)/(2 s²)",
    accuracy=8,
    source=SOURCE,
)
def _gamma_normal(q: Gamma, p: Normal) -> Tensor:
    return gamma_normal_kl(q.concentration, q.rate, p.loc, p.scale)


SMALL_SHAPE, SMALL_RATIO = 1.5, 1.5  # a beyond the one and τ within the other: near what has the same moments
LEAST = 0.08106146679532726  # 1 − ½ log 2π, of a normal law to the nearest Gumbel law


def _near(a: Array, b: Array, s: Array) -> Array:
    return (a > SMALL_SHAPE) & (b * s > 1.0 / SMALL_RATIO)


def _argument(a: Array, b: Array, m: Array, s: Array) -> Array:
    """u where a and m/s may be large and τ is not: (m/s − a τ) + a Λ(τ)."""
    product, tau = m * b, 1.0 / (b * s)
    return ((product - a) + rounding_error(m, b, product)) * tau + a * lambda_of(tau)


def _gumbel_near(a: Array, b: Array, m: Array, s: Array) -> Array:
    tau = 1.0 / (b * s)
    t = a * tau * tau
    half = tau / (tau + 2.0)
    square = half * half
    third = half * (square * xp.polynomial(square, ARTANH_WIDE) - 0.5 * tau * tau)  # Λ(τ) − ½ τ²
    return phi(_argument(a, b, m, s)) + 0.5 * itakura_saito_of(t - 1.0, t) + a * third + LEAST


def _gumbel(a: Array, b: Array, m: Array, s: Array) -> Array:
    tau, shift = 1.0 / (b * s), m / s
    growth = xp.expm1(shift - a * xp.log1p(tau))
    plain = growth + (a * tau - shift) - xp.log(xp.sqrt(a) * tau) + (LEAST - 0.5)
    return _where(_near(a, b, s), _gumbel_near, plain, a, b, m, s) + gamma_shape(a)


def _fall(u: Array, a: Array, share: Array) -> Array:
    """a τ/(1 + τ) − m/s."""
    return -(u + a * itakura_saito_of(-share, 1.0 - share))


def _gumbel_slopes(a: Array, b: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    tau, shift, near = 1.0 / (b * s), m / s, _near(a, b, s)
    log, share = xp.log1p(tau), tau / (1.0 + tau)
    u = _where(near, _argument, shift - a * log, a, b, m, s)
    growth, taken = xp.expm1(u), a * share
    rest = 1.0 - tau * taken
    by_a = by_s = None
    if needs[0]:
        by_a = _where(near, lambda_of, tau - log, tau) - 0.5 / a + gamma_shape_slope(a) - growth * log
    if needs[3]:
        by_s = (rest + growth * _where(near, _fall, taken - shift, u, a, share)) / s
    return by_a, (rest + growth * taken) / b, growth / s, by_s


gamma_gumbel_kl = elementwise(_gumbel, _gumbel_slopes, "gamma_gumbel_kl", double=True, width=2)


@register(
    Gamma,
    Gumbel,
    formula="(a−1) ψ(a) − log Γ(a) − a + log(b s) + a/(b s) + e^(m/s) (1 + 1/(b s))^−a − m/s",
    accuracy=math.inf,
    note="10 measured while the exponent u = m/s − a log(1 + 1/(b s)) is below 10; beyond, |u| more, as of any e^u",
    source=SOURCE,
)
def _gamma_gumbel(q: Gamma, p: Gumbel) -> Tensor:
    return gamma_gumbel_kl(q.concentration, q.rate, p.loc, p.scale)
