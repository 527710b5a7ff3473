"""Rényi divergences of counts and of finitely many outcomes, from terms that are never negative.

    T(q, p) = (q^α p^(1−α) − α q − (1 − α) p)/(α − 1) = q log(q/p) − q + p + q Φ(y)/(α − 1),      y = (α − 1) log(q/p)
    D = log(1 + (α − 1) Σ T)/(α − 1),      D = T of the rates of two Poisson laws

Φ(y) = e^y − 1 − y. The second form of T keeps its digits near equality: for α > 1 it is a sum of two positive terms,
for α of ½ to 1 a difference that keeps half of the first. Orders below ½ are exchanged: they are α/(1 − α) times
D of order 1 − α with q and p in each other's place.
"""

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import entropy_term, log_quotient, log_ratio, phi
from elbo.divergences._rowwise import rowwise
from elbo.divergences.bernoulli import log_failure_ratio

Slopes = tuple[Array | None, ...]
Divergence = Callable[..., Tensor]
LARGE = 1e290  # beyond it the sum of T overflows before its logarithm does


def _exchanged(make: Callable[[float], Divergence], alpha: float) -> Divergence:
    other, weight = make(1.0 - alpha), alpha / (1.0 - alpha)
    return lambda q, p: weight * other(p, q)


def _term(q: Array, p: Array, d: Array, alpha: float) -> Array:
    """T, d = p − q."""
    c = alpha - 1.0
    y = c * log_quotient(q, p, -d)
    value = entropy_term(q, p, d) + q * phi(y) / c
    if alpha < 1.0:  # far away the two cancel, and the plain form does not
        value = xp.where(abs(y) < -c, value, d + q * (xp.expm1(y) / c))
    else:
        value = xp.where(y < math.inf, value, y)
    return xp.where(q > 0.0, value, p + 0.0 * q)


def _power(q: Array, p: Array, alpha: float) -> Array:
    """log q^α p^(1−α)."""
    return xp.where(q > 0.0, alpha * xp.log(q) + (1.0 - alpha) * xp.log(p), -math.inf)


def _of_total(grown: Array, plain: Array, c: float) -> Array:
    """D from (α − 1) Σ T, or from log Σ q^α p^(1−α) where little of one is left, or too much."""
    return xp.where((grown < -0.5) | ~(grown < LARGE), plain, xp.log1p(xp.where(grown < -0.5, 0.0, grown))) / c


def _log_total(largest: Array, total: Callable[[Array], Array]) -> Array:
    """The logarithm of a sum, ``total`` of what its largest logarithm is taken from."""
    return xp.where(abs(largest) < math.inf, largest + xp.log(total(largest)), largest)


def poisson(alpha: float) -> Divergence:
    """D_α of two rates."""
    if alpha < 0.5:
        return _exchanged(poisson, alpha)
    c = alpha - 1.0

    def slopes(q: Array, p: Array, needs: Sequence[bool]) -> Slopes:
        ratio = log_ratio(q, p)
        return alpha / c * xp.expm1(c * ratio), -xp.expm1(alpha * ratio)

    return elementwise(lambda q, p: _term(q, p, p - q, alpha), slopes, "poisson_renyi", nonnegative=(0, 1))


def bernoulli(alpha: float) -> Divergence:
    """D_α of two probabilities."""
    if alpha < 0.5:
        return _exchanged(bernoulli, alpha)
    c = alpha - 1.0

    def value(q: Array, p: Array) -> Array:
        d = p - q
        grown = c * (_term(q, p, d, alpha) + _term(1.0 - q, 1.0 - p, -d, alpha))
        one, other = _power(q, p, alpha), _power(1.0 - q, 1.0 - p, alpha)
        largest = xp.maximum(one, other)
        return _of_total(grown, _log_total(largest, lambda top: xp.exp(one - top) + xp.exp(other - top)), c)

    def slopes(q: Array, p: Array, needs: Sequence[bool]) -> Slopes:
        mass = 1.0 + xp.expm1(c * divergence(q, p))
        one, other = log_ratio(q, p), -log_failure_ratio(q, p)
        by_q = alpha / c * (xp.expm1(c * one) - xp.expm1(c * other)) / mass
        by_p = (xp.expm1(alpha * other) - xp.expm1(alpha * one)) / mass
        return xp.where(q == p, 0.0 * q, by_q), xp.where(q == p, 0.0 * q, by_p)

    divergence = elementwise(value, slopes, "bernoulli_renyi", unit=(0, 1))
    return divergence


def categorical(alpha: float) -> Divergence:
    """D_α of two rows of weights, which need not be normalised."""
    if alpha < 0.5:
        return _exchanged(categorical, alpha)
    c = alpha - 1.0

    def differences(q: Array, p: Array) -> tuple[Array, Array, Array, Array]:
        """Q, P, and with p scaled to the sum of q that and its difference from q."""
        d, total_q, total_p = p - q, xp.row_sum(q), xp.row_sum(p)
        return total_q, total_p, p * (total_q / total_p), (d * total_q - q * xp.row_sum(d)) / total_p

    def value(q: Array, p: Array) -> Array:
        total, _, scaled, d = differences(q, p)
        grown = c * xp.row_sum(_term(q, scaled, d, alpha)) / total
        power = _power(q / total, scaled / total, alpha)
        plain = _log_total(xp.row_max(power), lambda top: xp.row_sum(xp.exp(power - top)))
        return _of_total(grown, plain, c)

    def slopes(q: Array, p: Array, needs: Sequence[bool]) -> Slopes:
        total_q, total_p, scaled, d = differences(q, p)
        gone = (q == 0.0) & (p == 0.0)
        ratio = xp.where(gone, 0.0 * q, log_quotient(q, scaled, -d))
        found = divergence(q, p).unsqueeze(-1) if isinstance(q, Tensor) else value(q, p)
        z = xp.expm1(c * found)
        by_q = alpha / c * (xp.expm1(c * ratio) - z) / ((1.0 + z) * total_q)
        return by_q, (z - xp.expm1(alpha * ratio)) / ((1.0 + z) * total_p)

    divergence = rowwise(value, slopes, "categorical_renyi", nonnegative=(0, 1))
    return divergence
