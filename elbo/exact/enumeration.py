"""Expectations over finite sets: every outcome, with its probability.

Sums carry an error bound: rounding only, as nothing is left out.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from elbo._errors import InputTypeError, InputValueError
from elbo.exact.quadrature import EPS, Array, Integral

MAX_OUTCOMES = 4_000_000
"""How many outcomes may be listed."""


def probabilities(values: Any, name: str = "probabilities") -> Array:
    """``values`` as a probability vector; raises unless they are finite, nonnegative and sum to one up to rounding."""
    p = np.asarray(values, dtype=np.float64)
    if p.ndim != 1 or len(p) == 0:
        raise InputTypeError(f"{name} have shape {p.shape}; write one number for each outcome")
    if not (np.isfinite(p).all() and (p >= 0).all() and abs(p.sum() - 1.0) <= 1e-12 * len(p)):
        raise InputValueError(f"{name} are {p.tolist()}, sum {p.sum()}; they must be finite, >= 0 and sum to 1")
    return p


def product_outcomes(*laws: Any) -> tuple[Array, Array]:
    """All combinations of independent finite choices.

    Args:
        laws: one probability vector for each choice.

    Returns:
        indices ``[n, len(laws)]`` (integers), the first choice slowest, and their probabilities ``[n]``.

    >>> index, p = product_outcomes([0.5, 0.5], [0.2, 0.8])
    >>> index.tolist(), [round(float(v), 3) for v in p]
    ([[0, 0], [0, 1], [1, 0], [1, 1]], [0.1, 0.4, 0.1, 0.4])
    """
    vectors = [probabilities(law) for law in laws]
    _check(prod(len(v) for v in vectors), f"{' x '.join(str(len(v)) for v in vectors)} outcomes")
    index = np.indices([len(v) for v in vectors]).reshape(len(vectors), -1).T
    weight = np.ones(len(index))
    for column, vector in zip(index.T, vectors, strict=True):
        weight = weight * vector[column]
    return index, weight


def compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write ``total`` as an ordered sum of ``parts`` nonnegative integers.

    >>> list(compositions(2, 2))
    [(2, 0), (1, 1), (0, 2)]
    """
    if total < 0 or parts < 1:
        raise InputValueError(f"total is {total}, parts {parts}; write total >= 0 and parts >= 1")
    if parts == 1:
        yield (total,)
        return
    for first in range(total, -1, -1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)


def multinomial(draws: int, law: Any) -> tuple[Array, Array]:
    """The counts of ``draws`` independent draws from a finite law, with their probabilities.

    There are C(draws + n - 1, n - 1) of them, far fewer than the n^draws sequences.

    Returns:
        counts ``[m, n]`` and probabilities ``[m]``.

    >>> counts, p = multinomial(2, [0.25, 0.75])
    >>> counts.tolist(), p.tolist()
    ([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]], [0.0625, 0.375, 0.5625])
    """
    from math import comb

    from scipy.special import gammaln, xlogy

    p = probabilities(law)
    if draws < 1:
        raise InputValueError(f"draws is {draws}; write at least 1")
    _check(comb(draws + len(p) - 1, len(p) - 1), f"{draws} draws from {len(p)} states")
    counts = np.array(list(compositions(draws, len(p))), dtype=np.float64)
    if draws <= 200:
        ways = np.array([_ways(draws, row) for row in counts.astype(int)], dtype=np.float64)
        return counts, ways * np.prod(p**counts, axis=1)
    log_weight = gammaln(draws + 1.0) - gammaln(counts + 1.0).sum(1) + xlogy(counts, p).sum(1)
    return counts, np.exp(log_weight)


def expectation(f: Callable[[Array], Array], outcomes: Array, weights: Array) -> Integral:
    """Σ p f over listed outcomes; outcomes of probability zero are not asked for f, so f may be infinite there.

    >>> index, p = product_outcomes([0.5, 0.5], [0.2, 0.8])
    >>> expectation(lambda i: i.sum(1), index, p).contains(1.3)
    True
    """
    kept = weights > 0
    values = np.asarray(f(outcomes[kept]), dtype=np.float64)
    if values.shape != (int(kept.sum()),):
        raise InputValueError(
            f"f returns shape {values.shape} for {int(kept.sum())} outcomes; return one value for each"
        )
    if np.isnan(values).any():
        raise InputValueError("f is NaN at an outcome of positive probability")
    terms = weights[kept] * values
    size = float(np.abs(terms).sum())
    return Integral(float(terms.sum()), EPS * size * (8.0 + outcomes.shape[-1] + np.log2(len(terms) + 1)))


def iwae_by_enumeration(log_weights: Sequence[float] | Array, law: Any, k: int) -> Integral:
    """E log (1/K) Σ w(z_i) for a finite z, summed over the counts of each state; for small K and few states.

    Args:
        log_weights: log w of each state, ``-inf`` where w is zero.
        law: probabilities of the states under q.
        k: number of draws K.

    >>> iwae_by_enumeration([0.0, 0.0], [0.3, 0.7], 5).value
    0.0
    """
    from scipy.special import logsumexp

    log_w = np.asarray(log_weights, dtype=np.float64)
    p = probabilities(law)
    counts, weights = multinomial(k, p[p > 0])
    log_w = log_w[p > 0]

    def bound(n: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(logsumexp(np.where(n > 0, log_w, -np.inf), b=np.maximum(n, 1.0), axis=1) - np.log(k))

    found = expectation(bound, counts, weights)
    # beyond 200 draws the probabilities come from logarithms of factorials
    loss = 8.0 * k * np.log(k) * EPS if k > 200 else 0.0
    return Integral(found.value, found.error_bound + loss * abs(found.value))


def _ways(draws: int, counts: Array) -> int:
    from math import factorial

    return factorial(draws) // prod(factorial(int(c)) for c in counts)


def _check(n: int, what: str) -> None:
    if n > MAX_OUTCOMES:
        raise InputValueError(
            f"{what}: {n} in all, more than {MAX_OUTCOMES}; use fewer draws or states, or the transform "
            "(exact.iwae_bound), whose cost does not depend on K"
        )
