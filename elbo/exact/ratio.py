"""Exact mean and covariance of self-normalised sums R = Σ_i ŵ_i^m g(z_i), ŵ_i = w_i / Σ_j w_j (engine X2).

With S = Σ w and 1/S^m = ∫₀^∞ t^{m-1} e^{-tS} dt / (m-1)!, φ(t) = E e^{-tw}, M_a = E[(tw)^m g_a e^{-tw}] and
Q_ab = E[(tw)^{2m} g_a g_b e^{-tw}],

    E R_a     = K / (m-1)!  ∫ M_a φ^{K-1} du,                                   t = e^u,
    E R_a R_b = 1 / (2m-1)! ∫ {K Q_ab φ^{K-1} + K (K-1) M_a M_b φ^{K-2}} du.

m = 1 with g = ∇log w is the IWAE gradient, with the path derivative sticking the landing, with ∇log q the wake phase;
m = 2 with the path derivative is DReG; m = 1 with g = f(z) is self-normalised importance sampling.
"""

from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elbo._errors import InputValueError
from elbo.exact._transform import CHUNK, STEP, check_rows, lattice, log_mean_weight, product
from elbo.exact.quadrature import EPS

Array = NDArray[Any]


@dataclass(frozen=True)
class RatioMoments:
    """Mean ``[p]`` and covariance ``[p, p]`` of R, NumPy float64, each with a bound on its absolute error."""

    mean: Array
    covariance: Array
    mean_error: Array
    covariance_error: Array


def ratio_moments(
    log_weights: Any, probabilities: Any, values: Any, k: int, power: int = 1, coarse: Any = None
) -> RatioMoments:
    """Mean and covariance of Σ_i ŵ_i^m g(z_i) over K independent z_i.

    Args:
        log_weights: log w at the nodes of one z, ``[n]``.
        probabilities: of the nodes, ``[n]``, summing to one.
        values: g at the nodes, ``[n]`` or ``[n, p]``.
        k: number of draws K, from 1 to 10^8.
        power: m = 1 or 2 (any positive int works).
        coarse: a second set of probabilities of the same nodes, such as every second one doubled; the change of the
            result is then part of the error bounds. Without it they cover the transform and rounding only.

    Returns:
        the moments with their error bounds.

    >>> found = ratio_moments([0.0, 0.0], [0.5, 0.5], [-1.0, 1.0], k=4)
    >>> bool(abs(found.mean[0]) < 1e-14), bool(abs(found.covariance[0, 0] - 0.25) < 1e-14)
    (True, True)
    """
    lw, law = (np.asarray(a, dtype=np.float64) for a in (log_weights, probabilities))
    g = np.asarray(values, dtype=np.float64)
    g = g[:, None] if g.ndim == 1 else g
    if lw.ndim != 1 or law.shape != lw.shape or g.shape[0] != len(lw):
        raise InputValueError(
            f"log_weights have shape {lw.shape}, probabilities {law.shape}, values {g.shape}; write [n], [n] and [n, p]"
        )
    if not (isinstance(k, int | np.integer) and 1 <= k <= 10**8 and isinstance(power, int) and power >= 1):
        raise InputValueError(f"k is {k!r} and power {power!r}; write ints with 1 <= k <= 10^8 and power >= 1")
    kept = law > 0
    lw, law, g = lw[kept], law[kept], g[kept]
    if not (np.isfinite(g).all() and np.isfinite(lw).all()):
        raise InputValueError("a value or a log weight is not finite at a node of positive probability")
    mean, covariance, size = _moments(lw, law, g, int(k), power)
    # w at a node of depth d = -log w is known to d ulps, and the kernel is integrated around u = d
    rounding = 4 * EPS * (64 + _felt_depth(lw, law, g, int(k), size))
    mean_error = rounding / 4 * size
    covariance_error = (
        rounding * np.outer(size, size)
        if power > 1
        else rounding * np.sqrt(np.outer(covariance.diagonal(), covariance.diagonal()))
        + 256 * EPS * np.outer(mean_error, size)
    )
    if coarse is not None:
        other = np.asarray(coarse, dtype=np.float64)[kept]
        coarse_mean, coarse_covariance, _ = _moments(lw, other / other.sum(), g, int(k), power)
        mean_error = mean_error + squeezed(mean - coarse_mean, size)
        covariance_error = covariance_error + squeezed(
            covariance - coarse_covariance, np.sqrt(np.outer(covariance.diagonal(), covariance.diagonal()))
        )
    return RatioMoments(mean, covariance, mean_error, covariance_error)


def _felt_depth(lw: Array, law: Array, g: Array, k: int, size: Array) -> float:
    """The range of the log weights, less the deepest nodes, of which K draws meet one with an effect below an ulp."""
    order = np.argsort(lw)
    share = np.abs(g) / np.where(size > 0, size, 1.0)
    effect = np.cumsum(k * law[order] * (1.0 + share.max(1)[order]))
    felt = order[np.searchsorted(effect, EPS)] if effect[-1] > EPS else order[-1]
    return float(lw.max() - lw[felt])


def squeezed(change: Array, size: Array) -> Array:
    """The change that halving the nodes makes, to the power 5/4 relative to the size (see multi_sample._node_error)."""
    change = np.abs(change)
    small = change < 1e-4 * size
    relative = np.where(small, change, 0.0) / np.where(small, size, 1.0)
    return np.asarray(np.where(small, size * relative**1.25, change))


def _moments(lw: Array, law: Array, g: Array, k: int, power: int) -> tuple[Array, Array, Array]:
    """Mean, covariance, and the size of R for the rounding bound."""
    lw = lw - log_mean_weight(lw[None], law[None])[0]
    w = np.exp(lw)
    if k == 1:
        mean = law @ g
        centred = g - mean
        return mean, (law[:, None] * centred).T @ centred, law @ np.abs(g)
    # Σ ŵ = 1: for m = 1 a constant can be taken out of g, which keeps the digits of a small variance
    offset = (law * w) @ g if power == 1 else np.zeros(g.shape[1])
    first, _ = _integrals(lw, law, g - offset, k, power, second=False)
    mean = offset + first
    size = np.abs(mean) + _integrals(lw, law, np.abs(g - offset), k, power, second=False)[0]
    if power == 1:
        rest, square = _integrals(lw, law, g - mean, k, power, second=True)
        return mean + rest, square - np.outer(rest, rest), size
    _, square = _integrals(lw, law, g, k, power, second=True)
    return mean, square - np.outer(mean, mean), size


def _integrals(lw: Array, law: Array, g: Array, k: int, power: int, second: bool) -> tuple[Array, Array]:
    p = g.shape[1]
    single = law[:, None] * g
    rows, columns = np.triu_indices(p)
    pairs = law[:, None] * (g[:, rows] * g[:, columns]) if second else single[:, :0]
    first, upper = np.zeros(p), np.zeros(pairs.shape[1])
    block = max(1, min(64, CHUNK // len(lw)))
    # below: M is at most t^m E[w^m |g|]; 1e-18 of what lies around t = 1/K
    start = -np.log(k) - 42.0 / min(power, 2)
    width = float(-lw.min()) + 5.0
    w = np.exp(lw)
    # on a plateau of φ the kernel is zero: the points that it stands for add nothing
    index, _ = lattice(lw, start)
    for i in range(0, len(index), block):
        u = start + STEP * index[i : i + block]
        tw = product(u, lw[None])[0] if u[-1] > 690.0 else np.exp(u)[:, None] * w
        decay = np.exp(-np.minimum(tw, 800.0))
        powers = np.where(tw < 800.0, tw, 0.0) ** power
        kernel = powers * decay
        shrink = -np.expm1(-np.minimum(tw, 800.0)) @ law
        log_phi = np.log1p(-np.minimum(shrink, 1.0 - 1e-16))
        # for large t, 1 - shrink has no digits left
        log_phi = np.where(shrink > 0.5, np.log(np.maximum(decay @ law, 1e-300)), log_phi)
        m = kernel @ single
        first += k * (m * np.exp((k - 1) * log_phi)[:, None]).sum(0)
        if second:
            q = (powers * kernel) @ pairs
            upper += k * (q * np.exp((k - 1) * log_phi)[:, None]).sum(0)
            cross = m[:, rows] * m[:, columns]
            upper += float(k) * (k - 1) * (cross * np.exp((k - 2) * log_phi)[:, None]).sum(0)
        if np.exp(max(k * log_phi[-1], -800.0)) * max(width - u[-1], 1.0) <= 1e-19:
            break
        check_rows(i + block, lw)
    square = np.zeros((p, p))
    if second:
        square[rows, columns] = square[columns, rows] = STEP * upper / factorial(2 * power - 1)
    return STEP * first / factorial(power - 1), square
