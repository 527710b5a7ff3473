"""E log (1/K) Σ w_k for independent weights, for any K, from the law of one weight (engine X1).

With weights scaled to E w = 1, φ(s) = E e^{-s w} and Frullani's integral log S = ∫₀^∞ (e^{-t} - e^{-tS}) dt/t,

    gap_K = log E w - E log (1/K) Σ w_k = ∫ (φ(s)^K - e^{-K s}) du,   s = e^u.

The integrand is positive and analytic for |Im u| < π/2, so a trapezoid rule in u converges like exp(-π²/step). For
small s it is e^{-Ks} expm1(K ψ) with ψ = log(e^s φ) = log1p(E Φ(-s δ)), Φ(y) = e^y - 1 - y, δ = w - 1: every term is
positive, so that the gap keeps its relative accuracy where it is far below the rounding of the bound itself (K = 10^8,
or q near the posterior).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elbo._errors import InputValueError
from elbo.exact.quadrature import EPS

Array = NDArray[Any]
STEP = 0.22
"""Step in u; the discretisation error is below 2 (range of u) exp(-π²/STEP), 7e-18 for a range of 100."""
CHUNK = 1 << 17
"""Most float64 numbers in one temporary array (1 MiB), whatever K and the batch; a few such arrays live at a time."""
MAX_ROWS = 40_000
"""Most points in u at which φ is evaluated: log weights without a gap in them may span 8800 nats."""
REACH = (60.0, 7.0)
"""A node moves φ(e^u) by less than e^-60 of its mass while u < -log w - 60, and adds nothing from -log w + 7 on."""
SWITCH = 2.0
"""Below this u the small-s form is used."""


@dataclass(frozen=True)
class Gaps:
    """What the transform gives for a batch ``[b]`` and m values of K, in NumPy float64."""

    log_mean: Array
    """log E w, ``[b]``."""
    gap: Array
    """log E w - L_K, ``[b, m]``."""
    error: Array
    """Bound on the absolute error of ``gap`` for the law that the nodes describe."""
    coarse_gap: Array
    """The same from the coarse weights (log E w of the fine ones minus L_K of the coarse ones)."""


def gaps(log_weights: Array, fine: Array, coarse: Array, k: Array, log_mean: Array | None = None) -> Gaps:
    """gap_K of a law of weights given by nodes.

    Args:
        log_weights: log w at the nodes, ``[b, n]``.
        fine: probabilities of the nodes, ``[b, n]``, each row summing to one.
        coarse: a second set for the same nodes, whose result tells the error of the nodes.
        k: values of K, at least 1, ``[m]``.
        log_mean: log E w, ``[b]``, where part of it lies at nodes whose probability underflows; else from the nodes.
    """
    c = log_mean_weight(log_weights, fine) if log_mean is None else log_mean
    rows = max(1, CHUNK // (8 * log_weights.shape[1]))
    parts = [
        _gaps(log_weights[i : i + rows], fine[i : i + rows], coarse[i : i + rows], k, c[i : i + rows])
        for i in range(0, len(log_weights), rows)
    ]
    return Gaps(*[np.concatenate([getattr(p, f) for p in parts]) for f in ("log_mean", "gap", "error", "coarse_gap")])


def exp_excess(y: Array) -> Array:
    """Φ(y) = e^y - 1 - y, to a few 1e-14 relative (the differences of expm1 above 0.01, a series below).

    >>> float(exp_excess(np.array([1e-9]))[0])
    5.000000001666667e-19
    """
    near = np.clip(y, -0.01, 0.01)
    series = 1.0 + near * (1.0 / 7.0)
    for j in (6.0, 5.0, 4.0, 3.0):
        series *= near * (1.0 / j)
        series += 1.0
    series *= 0.5 * near * near
    direct = np.expm1(y)
    direct -= y
    return np.asarray(np.where(np.abs(y) < 0.01, series, direct))


def _gaps(log_weights: Array, fine: Array, coarse: Array, k: Array, c: Array) -> Gaps:
    b = len(log_weights)
    lw = log_weights - c[:, None]
    never = ((lw == -np.inf) & (fine > 0)).any(1)
    lw = np.where((fine > 0) & ~never[:, None], lw, 0.0)
    w = np.exp(lw)
    laws = np.stack([fine, coarse], axis=-1)
    # E (w - 1) is zero for the fine law, up to rounding that must not enter, or minus the mass that underflowed
    drift = np.einsum("bnl,bn->bl", laws, w) - 1.0
    drift[np.abs(drift[:, 0]) < 1e-12, 0] = 0.0

    gap, error = np.zeros((2, b, len(k))), np.zeros((b, len(k)))
    one = k == 1
    if one.any():
        direct = np.einsum("bn,bnl->lb", exp_excess(lw), laws) - drift.T
        gap[:, :, one] = direct[:, :, None]
        # e^lw carries the rounding of lw
        rounding = np.einsum("bn,bn->b", fine * (1.0 + w), np.abs(lw))
        error[:, one] = ((8 + lw.shape[1] ** 0.5) * EPS * direct[0] + 2 * EPS * rounding)[:, None]
    many = k[~one]
    if many.size:
        gap[:, :, ~one], error[:, ~one] = _integral(lw, w, laws, drift, many)
    gap[:, never], error[never] = np.inf, 0.0
    return Gaps(c, gap[0], error, gap[1])


def _integral(lw: Array, w: Array, laws: Array, drift: Array, k: Array) -> tuple[Array, Array]:
    """Σ over the grid in u, upwards from where the integrand is negligible to where it is negligible again."""
    b, n = w.shape
    delta = np.expm1(lw)
    block = max(1, CHUNK // (b * n))
    total = np.zeros((2, b, len(k)))

    def add(log_phi: Array, psi: Array, s: Array, points: Array | float = 1.0) -> None:
        for j, kk in enumerate(k):
            total[:, :, j] += (_integrand(log_phi, psi, s, float(kk)) * np.reshape(points, (1, -1, 1))).sum(1).T

    below = int(np.ceil((SWITCH - _lower_end(delta, laws, float(k.max()))) / STEP))
    for start in range(-below, 0, block):
        s = np.exp(SWITCH + STEP * np.arange(start, min(start + block, 0)))
        excess = _weighted(exp_excess(-s[None, :, None] * delta[:, None, :]), laws)
        if start == -below:
            # ∫ below the first point: (φ - 1 + s)/s increases with s, and φ^K - e^{-Ks} <= K (φ - e^{-s})
            lost = k * excess[:, :1, 0]
        psi = np.log1p(np.maximum(excess - s[None, :, None] * drift[:, None, :], -1.0 + 1e-300))
        log_phi = psi - s[None, :, None]
        # heavy tails: φ stays near one far beyond s = 1, and the difference would lose its digits
        rows = np.flatnonzero((2.0 * psi > s[None, :, None]).any((0, 2)))
        if rows.size:
            direct = _log_phi_near_one(s[None, rows, None] * w[:, None, :], laws)
            log_phi[:, rows] = np.where(2.0 * psi[:, rows] > s[None, rows, None], direct, log_phi[:, rows])
        add(log_phi, psi, s)

    end, block = float(-lw.min()) + 5.0, min(block, 24)
    index, points = lattice(np.append(lw[(laws > 0).any(2)], -SWITCH), SWITCH)
    for first in range(0, len(index), block):
        u = SWITCH + STEP * index[first : first + block]
        s = np.exp(np.minimum(u, 690.0))
        with np.errstate(over="ignore", divide="ignore"):
            sw = product(u, lw) if u[-1] > 690.0 else s[None, :, None] * w[:, None, :]
            log_phi = np.log(_weighted(np.exp(-sw), laws))
        rows = np.flatnonzero((log_phi > -0.7).any((0, 2)))
        if rows.size:
            log_phi[:, rows] = np.where(log_phi[:, rows] > -0.7, _log_phi_near_one(sw[:, rows], laws), log_phi[:, rows])
        log_phi = np.maximum(log_phi, -1e4)
        add(log_phi, np.minimum(log_phi + s[None, :, None], 1e4), s, points[first : first + block])
        # φ decreases, and beyond ``end`` it is zero: this bounds what is left
        rest = max(end - u[-1] - STEP * points[: first + block][-1], 0.0) + 1.0
        above = np.exp(np.maximum(np.outer(log_phi[:, -1, 0], k), -800.0)) * rest
        if (above <= 1e-17).all():
            break
        check_rows(first + block, lw)
    gap = STEP * total
    # |F(u + iθ)| <= φ(s cos θ)^K + e^{-K s cos θ}, and <= 2 K s for small s: its integral is below 2 (range + 2)
    span = 2.0 * (max(end, u[-1]) + SWITCH + float(np.log(k.max())) + 4.0)
    discretisation = 2.0 * span * np.exp(-2 * np.pi * 1.5 / STEP)
    # rounding of ψ is relative, hence that of the sum too; above ``SWITCH`` the two terms are subtracted
    subtracted = 16 * EPS * np.exp(-np.minimum(k * np.exp(SWITCH), 800.0))
    relative = 4e-14 + 4 * EPS * n**0.5
    return gap, lost + above + discretisation * np.minimum(1.0, gap[0]) + relative * gap[0] + subtracted


def lattice(lw: Array, start: float) -> tuple[Array, Array]:
    """Points j = 0, 1, 2, ... of u = start + STEP j at which φ is evaluated, and for how many points each stands.

    Far from -log w of every node φ does not move, so that one point stands for the whole plateau and the sum stays that
    over the full lattice, however many nats the log weights span. Before the first plateau no point is left out.
    """
    depth = np.sort(-lw)
    first = np.floor((depth - REACH[0] - start) / STEP)
    last = np.ceil((depth + REACH[1] - start) / STEP)
    opens = np.concatenate([[True], first[1:] > last[:-1]])
    starts, ends = first[opens], last[np.concatenate([opens[1:], [True]])]
    starts[0] = 0.0
    opened = np.append(0.0, np.cumsum(ends - starts + 1)[:-1])
    kept = opened <= MAX_ROWS
    index = np.concatenate(
        [np.arange(a, min(b, a + MAX_ROWS) + 1) for a, b in zip(starts[kept], ends[kept], strict=True)]
    )
    return index, np.diff(index, append=index[-1] + 1)


def check_rows(evaluated: int, lw: Array) -> None:
    """Refuse to go on where the integrand is not negligible after ``MAX_ROWS`` points."""
    if evaluated > MAX_ROWS:
        raise InputValueError(
            f"the log weights span {float(np.ptp(lw)):.4g} nats without a gap, more than the {STEP * MAX_ROWS:.0f} "
            "that the grid covers; choose a q nearer to the posterior, or drop states whose weight is negligible"
        )


def product(u: Array, lw: Array) -> Array:
    """s w = e^(u + log w) at ``[b, rows, n]``, where s or w alone would overflow or underflow."""
    return np.asarray(np.exp(np.clip(u[None, :, None] + lw[:, None, :], -745.0, 700.0)))


def _log_phi_near_one(sw: Array, laws: Array) -> Array:
    """log φ with its relative accuracy where φ is near one, from s w ``[b, rows, n]``."""
    shrink = _weighted(np.expm1(-sw), laws)
    return np.asarray(np.log1p(np.maximum(shrink, -1.0 + 1e-16)))


def _integrand(log_phi: Array, psi: Array, s: Array, k: float) -> Array:
    """φ^K - e^{-Ks}, from ψ where K ψ is small."""
    power = k * psi
    decay = np.maximum(-k * np.minimum(s, 1e4), -800.0)[None, :, None]
    near = np.exp(decay) * np.expm1(np.minimum(power, 1.0))
    far = np.exp(np.maximum(k * log_phi, -800.0)) - np.exp(decay)
    return np.asarray(np.where(power < 1.0, near, far))


def _lower_end(delta: Array, laws: Array, k_max: float) -> float:
    """u below which the integral is less than 1e-15 of what lies around s = 1/K."""
    start = -np.log(k_max)
    depths = np.array([0.0, 18.0, 24.0, 30.0, 36.0])
    rows = np.concatenate([_weighted(exp_excess(-np.exp(start - d) * delta[:, None, :]), laws) for d in depths], axis=1)
    excess = rows[:, :, 0]
    for d, column in zip(depths[1:], excess[:, 1:].T, strict=True):
        if (column <= 1e-15 * excess[:, 0]).all():
            return float(start - d)
    return float(start - depths[-1])


def _weighted(values: Array, laws: Array) -> Array:
    """Σ over nodes: ``[b, rows, n]`` with ``[b, n, 2]`` to ``[b, rows, 2]``."""
    return np.asarray(np.matmul(values, laws))


def log_mean_weight(log_weights: Array, law: Array) -> Array:
    with np.errstate(divide="ignore"):
        terms = log_weights + np.log(law)
    top = terms.max(1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(terms - top).sum(1)) + top[:, 0])
