"""One trial, and waiting for a failure or a success, from logits: a of q = σ(a), b of p = σ(b).

    KL = q̄ Φ(log(p̄/q̄)) + q Φ(log(p/q)) ≥ 0,      q̄ = 1 − q, Φ(y) = e^y − 1 − y

The logarithms come from the one difference of the logits where that is small. The number of successes before a failure
has KL/q̄ = KL (1 + e^a), that of failures before a success KL/q: the same with both exchanged.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import phi, phi_series

Slopes = tuple[Array | None, ...]
LARGE, CERTAIN = 600.0, 40.0  # logits: e^x is near the end of its range, and 1 − σ(x) is e^−x


def _tails(x: Array) -> tuple[Array, Array, Array]:
    """σ(x), σ(−x) and e^−|x|."""
    decay = xp.exp(-abs(x))
    large = 1.0 / (1.0 + decay)
    small = decay * large
    positive = x > 0.0
    return xp.where(positive, large, small), xp.where(positive, small, large), decay


def _by_logits(a: Array, b: Array) -> Array:
    a, b = xp.where(a >= b, a, -a), xp.where(a >= b, b, -b)  # exchange success and failure so that q ≥ p
    gap = xp.where(a == b, 0.0, a - b)
    q, failure, decay_a = _tails(a)
    p, other, decay_b = _tails(b)
    fall = xp.expm1(-gap)
    near = gap < 1.0
    # up = log(p̄/q̄) and down = log(q/p), both ≥ 0: from the gap where it is small, else as differences of softplus
    tail = xp.log1p(decay_a) - xp.log1p(decay_b)
    up = xp.where(near, -xp.log1p(q * fall), xp.where(a > 0.0, a, 0.0) - xp.where(b > 0.0, b, 0.0) + tail)
    down = xp.where(
        near, xp.log1p(-failure * fall / (1.0 + fall)), xp.where(b < 0.0, -b, 0.0) - xp.where(a < 0.0, -a, 0.0) - tail
    )
    gain = xp.where(up <= 1.0, failure * phi_series(up), other - failure * (1.0 + xp.where(failure > 0.0, up, 0.0)))
    loss = xp.where(down <= 1.0, q * phi_series(-down), p - q * (1.0 - xp.where(q > 0.0, down, 0.0)))
    return gain + loss


def _logits_slopes(a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    if isinstance(a, Tensor):
        weight = xp.sigmoid(a) * xp.sigmoid(-a)
        return xp.where(weight == 0.0, weight, weight * (a - b)), sigmoid_difference(b, a)
    q, failure, _ = _tails(a)
    p, other, _ = _tails(b)
    gap = a - b
    weight = q * failure
    size = -xp.expm1(-abs(gap))
    difference = xp.where(gap > 0.0, -size * q * other, xp.where(gap < 0.0, size * p * failure, 0.0))
    return xp.where(weight == 0.0, 0.0, weight * gap), difference


def _by_logits_single(a: Array, b: Array) -> Array:
    """From float32 logits in float64: the textbook form, with success and failure exchanged so that q ≤ ½.

    Then its terms are of the size of q, and half of them is left at a gap of 1e-3; nearer, the Taylor series of three
    terms has nine digits.
    """
    positive = a > 0.0
    low, other = -abs(a), xp.where(positive, -b, b)
    gap = other - low
    decay = xp.exp(low)
    q = decay / (1.0 + decay)
    softplus = 0.5 * (other + abs(other)) + xp.log1p(xp.exp(-abs(other)))
    value = (softplus - xp.log1p(decay)) - q * gap
    value = xp.replaced(value, abs(gap) < 1e-3, _near_by_logits, q, gap)
    if not isinstance(a, Tensor) and np.isfinite(value.sum()):
        return value
    return xp.where(abs(value) < math.inf, value, _by_logits(a, b))  # infinite logits


def _near_by_logits(q: Array, gap: Array) -> Array:
    failure = 1.0 - q
    skew = failure - q
    square = gap * gap
    fourth = skew * skew - 2.0 * q * failure
    return q * failure * square * (0.5 + gap * (skew * (1.0 / 6.0) + gap * fourth * (1.0 / 24.0)))


def _logits_slopes_single(a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    if isinstance(a, Tensor):
        return _logits_slopes(a, b, needs)
    sign = np.where(a > 0.0, -1.0, 1.0)
    gap = a - b
    low, other = np.exp(-np.abs(a)), sign * b
    q = low / (1.0 + low)
    decay = np.exp(-np.abs(other))
    p = np.where(other > 0.0, 1.0, decay) / (1.0 + decay)  # exactly q at equality
    weight = q * (1.0 - q)
    product = weight * gap
    if not np.isfinite(product.sum()):
        product = np.where(weight == 0.0, 0.0, product)
    return product, sign * (p - q)


def _sigmoid_difference(a: Array, b: Array) -> Array:
    high, low = xp.maximum(a, b), xp.minimum(a, b)
    size = -xp.expm1(low - high) * xp.sigmoid(high) * xp.sigmoid(-low)
    return xp.where(a == b, 0.0 * size, xp.where(a > b, size, -size))


def _sigmoid_slopes(a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    return xp.sigmoid(a) * xp.sigmoid(-a), -xp.sigmoid(b) * xp.sigmoid(-b)


sigmoid_difference = elementwise(_sigmoid_difference, _sigmoid_slopes, "sigmoid_difference")
by_logits = elementwise(
    _by_logits,
    _logits_slopes,
    "bernoulli_kl_by_logits",
    single=(_by_logits_single, _logits_slopes_single),
    compiled="bernoulli_by_logits",
)


def _success_ratio(a: Array, b: Array) -> Array:
    """log(q/p), from the difference of the logits where that is small."""
    gap = a - b
    near = xp.log1p(xp.sigmoid(-a) * xp.expm1(xp.where(abs(gap) < 1.0, gap, 0.0)))
    tails = xp.log1p(xp.exp(-abs(b))) - xp.log1p(xp.exp(-abs(a)))
    return xp.where(abs(gap) < 1.0, near, xp.where(b < 0.0, -b, 0.0) - xp.where(a < 0.0, -a, 0.0) + tails)


success_ratio = elementwise(
    _success_ratio, lambda a, b, needs: (xp.sigmoid(-a), -xp.sigmoid(-b)), "log_success_ratio", double=True
)


def _over_failure(kl: Array, a: Array, b: Array) -> Array:
    value = xp.where(a == b, 0.0 * kl, kl * (1.0 + xp.exp(a)))
    return xp.replaced(value, a + 0.0 * b > LARGE, _all_but_certain, kl, a, b)


def _all_but_certain(kl: Array, a: Array, b: Array) -> Array:
    return _grown(kl, a, b, phi)


def _grown(x: Array, a: Array, b: Array, limit: Callable[[Array], Array]) -> Array:
    """x e^a where e^a may be beyond the range of the dtype; where p is all but certain too, a function of a − b."""
    gap, half = xp.where(a == b, 0.0, a - b), xp.exp(0.5 * a)
    return xp.where(b > CERTAIN, limit(gap), x * half * half)


def _negative_slopes(a: Array, b: Array, needs: Sequence[bool]) -> tuple[Array | None, Array]:
    growth, large = xp.exp(a), a + 0.0 * b > LARGE
    ratio, change = success_ratio(a, b), sigmoid_difference(b, a)
    by_a = xp.where(growth == 0.0, 0.0, growth * ratio)
    by_a = xp.replaced(by_a, large, _rise, ratio, a, b)
    return by_a, xp.replaced((1.0 + growth) * change, large, _fall, change, a, b)


def _rise(slope: Array, a: Array, b: Array) -> Array:
    return _grown(slope, a, b, xp.expm1)


def _fall(slope: Array, a: Array, b: Array) -> Array:
    return -_grown(-slope, a, b, xp.expm1)


negative_by_logits = elementwise(
    lambda a, b: _over_failure(_by_logits(a, b), a, b),
    _negative_slopes,
    "negative_binomial_kl_by_logits",
    single=(lambda a, b: _over_failure(_by_logits_single(a, b), a, b), _negative_slopes),
    compiled="negative_by_logits",
)


def _geometric_slopes(a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    by_a, by_b = _negative_slopes(-a, -b, needs)
    return None if by_a is None else -by_a, -by_b


geometric_by_logits = elementwise(
    lambda a, b: _over_failure(_by_logits(a, b), -a, -b),
    _geometric_slopes,
    "geometric_kl_by_logits",
    single=(lambda a, b: _over_failure(_by_logits_single(a, b), -a, -b), _geometric_slopes),
    compiled="geometric_by_logits",
)
