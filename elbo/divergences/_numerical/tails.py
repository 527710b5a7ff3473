"""What the sums of pieces go on to, from the ratio of one piece to the one before: near a singular end or in a tail.

Pieces at distances that double (or halve) hold I_k = ∫ f over [2^k, 2^(k+1)]. Where f is a power of the distance their
ratio r is constant, the rest is I r/(1 − r), and the integral diverges where r ≥ 1. For two densities that are powers,
the mean of log p/q over a piece changes by a constant from each to the next, which gives the rest of ∫ q log p/q.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elbo.exact.quadrature import Integral, IntegrationError

Array = NDArray[Any]
NEGLIGIBLE = 1e-30
NOTHING, DIVERGES = Integral(0.0, 0.0), Integral(np.inf, 0.0)


def beyond(pieces: Array, total: float, grows: Callable[[], bool], noise: float) -> tuple[Integral, Integral, Integral]:
    """The sums of the pieces of f = q Φ(log p/q), q and p that follow those given; ``inf`` where they diverge.

    Args:
        pieces: of f, q, p and q log p/q, ``[4, n]``, in the order towards the limit.
        total: ∫ f as far as it is known, by which to judge what is negligible.
        grows: whether the integrand grows towards infinity, or times the distance towards an end, without slowing.
        noise: the rounding error of the ratio of two pieces.

    Returns:
        the sums with bounds that hold if the ratios go on as they have come: they settle like a power of the distance,
        or drift no further than they did over the second half of the pieces.

    Raises:
        IntegrationError: where the pieces do not show whether a sum is finite.
    """
    f, q, p, q_log_ratio = pieces
    rest_q, rest_p = geometric(q, 1.0, "∫ q", grows, noise), geometric(p, 1.0, "∫ p", grows, noise)
    of_powers = _powers(q, q_log_ratio, rest_q, rest_p)
    return of_powers or geometric(f, total, "∫ q Φ(log p/q)", grows, noise), rest_q, rest_p


def _powers(q: Array, q_log_ratio: Array, rest_q: Integral, rest_p: Integral) -> Integral | None:
    """Σ (p − q − q y) where the mean y of log p/q changes by about a constant from each piece to the next."""
    if len(q) < 4 or not q[-4:].min() > 0.0 or not np.isfinite([rest_q.error_bound, rest_p.error_bound]).all():
        return None
    y = q_log_ratio[-4:] / q[-4:]
    step = float(y[-1] - y[-2])
    before, change = (float(x) for x in np.abs(np.diff(y, 2)))
    wrong = 3.0 * max(before, change)  # what the steps may still change by
    r = float(q[-1] / q[-2])
    if (wrong > 3e-3 * abs(step) + 1e-5 and change > 0.6 * before) or r >= 1.0:
        return None
    # Σ r^j = r/(1 − r), Σ j r^j = r/(1 − r)²
    rest = rest_q.value * (float(y[-1]) + step / (1.0 - r))
    size = abs(float(y[-1])) + (abs(step) + wrong) / (1.0 - r) + 1.0
    error = rest_q.error_bound * size + rest_p.error_bound + rest_q.value * wrong / (1.0 - r)
    drift = float(np.abs(np.diff(q[-3:] / q[-4:-1])).max()) / (1.0 - r)
    return Integral(rest_p.value - rest_q.value - rest, error + 3.0 * rest_q.value * drift * size)


def geometric(pieces: Array, total: float, what: str, grows: Callable[[], bool], noise: float) -> Integral:
    """The sum of the pieces that follow, by their ratio."""
    last = float(pieces[-1])
    if last <= NEGLIGIBLE * total:
        return NOTHING
    pieces = pieces[1 + np.flatnonzero(pieces <= 0.0)[-1] :] if (pieces <= 0.0).any() else pieces
    if len(pieces) < 4:
        raise IntegrationError(f"{what} does not settle towards the end of its range; is the law normalised?")
    ratios = pieces[1:] / pieces[:-1]
    earlier, before, ratio = (float(r) for r in ratios[-3:])
    change, change_before = abs(ratio - before), abs(before - earlier)
    settled = max(change, change_before) < 5.0 * noise or change < 0.6 * change_before
    error = 3.0 * max(change, noise) if settled else 3.0 * abs(ratio - float(ratios[len(ratios) // 2]))
    # pieces that begin from nothing, as (k − k₀)², have ratios that settle at first and fall below any bound later
    above = settled and ratio - 1.0 > max(error, 10.0 * change)
    if above or (settled and abs(ratio - 1.0) <= 3.0 * noise) or (ratio > 1.0 and grows()):
        return DIVERGES
    rest = last * ratio / (1.0 - ratio) if ratio < 1.0 else np.inf
    if ratio + error < 1.0 and (settled or change < 1.2 * change_before):
        return Integral(rest, last * error / ((1.0 - ratio) * (1.0 - ratio - error)) + 1e-12 * rest)
    # the pieces fall ever faster; or so fast that it would not matter if they fell three times more slowly
    worst = ratio if ratio < before < earlier else 3.0 * float(ratios[len(ratios) // 2 :].max())
    if worst < 1.0:
        most = last * worst / (1.0 - worst)
        return Integral(0.5 * most, 0.5 * most)
    raise IntegrationError(
        f"{what}: its tail does not show whether it is finite (each piece of it is {ratio:.6g} of the one before)"
    )
