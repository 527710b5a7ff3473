"""A whole distribution: against a known distribution function, or two samples against each other."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log, sqrt

import numpy as np
import numpy.typing as npt

from elbo._errors import InputValueError
from elbo.evidence._draws import Array, Draws, as_array, check_alpha
from elbo.evidence._verdict import Verdict

ROUNDING = 1e-12
"""How far rounding may carry a distribution function outside [0, 1]."""

DistributionFunction = Callable[[Array], npt.ArrayLike]


@dataclass(frozen=True)
class DistributionTest:
    """``distance`` against ``threshold``; ``rejected``: the draws are not from the claimed law."""

    rejected: bool
    distance: float
    threshold: float
    draws: int
    alpha: float

    @property
    def verdict(self) -> Verdict:
        """``REFUTED`` if rejected, else ``CONFIRMED``."""
        return Verdict.REFUTED if self.rejected else Verdict.CONFIRMED


def dkw_draws(distance: float, alpha: float, beta: float) -> int:
    """How many draws see a distance between distribution functions, missing it with probability at most ``beta``.

    n >= (sqrt(log(2/alpha)) + sqrt(log(2/beta)))^2 / (2 distance^2).

    >>> dkw_draws(0.02, alpha=1e-9, beta=1e-9)
    107083
    """
    return ceil((sqrt(log(2 / check_alpha(alpha))) + sqrt(log(2 / check_alpha(beta)))) ** 2 / (2 * distance**2))


def dkw_test(
    draws: Draws, cdf: DistributionFunction, alpha: float, *, cdf_left: DistributionFunction | None = None
) -> DistributionTest:
    """Reject if ``sup |F_n - F| > sqrt(log(2/alpha) / (2n))``.

    Args:
        draws: independent draws of a number, one axis.
        cdf: ``F(t) = P(X <= t)``, vectorised.
        alpha: probability of rejecting the true law.
        cdf_left: ``P(X < t)``, needed where the law has atoms; the same as ``cdf`` where it has none.

    Source: Dvoretzky, Kiefer and Wolfowitz (1956); the constant is Massart's (1990).

    >>> uniform = (np.arange(1000) + 0.5) / 1000
    >>> dkw_test(uniform, lambda t: t, alpha=1e-9).rejected, dkw_test(uniform, lambda t: t**2, alpha=1e-9).rejected
    (False, True)
    """
    x = as_array(draws)
    if x.ndim != 1:
        raise InputValueError(f"draws have shape {x.shape}; pass one axis of draws of a single number")
    values, counts = np.unique(x, return_counts=True)
    upto = np.cumsum(counts) / len(x)
    at, below = (_probabilities(f, values) for f in (cdf, cdf_left or cdf))
    distance = float(max(np.abs(upto - at).max(), np.abs(upto - counts / len(x) - below).max()))
    threshold = sqrt(log(2 / check_alpha(alpha)) / (2 * len(x)))
    return DistributionTest(distance > threshold, distance, threshold, len(x), alpha)


def permutation_test(x: Draws, y: Draws, alpha: float, *, seed: int, resamples: int | None = None) -> DistributionTest:
    """Do two samples have the same law? An exact test: under it every way to divide the pooled sample is as likely.

    The statistic is the largest distance between the two empirical distribution functions; ``distance`` is the p-value
    and ``threshold`` is ``alpha``. All divisions are enumerated where they are few, else ``resamples`` of them are
    drawn (default: as many as ``alpha`` needs), which is exact too.

    Raises:
        InputValueError: if the samples are so small that no division could be rejected at ``alpha``.

    Source: Phipson and Smyth (2010) for the exactness of drawn permutations; :func:`scipy.stats.permutation_test`.
    """
    from scipy import special, stats

    a, b = as_array(x, "x"), as_array(y, "y")
    check_alpha(alpha)
    n = resamples or ceil(2 / alpha)
    smallest = 1 / min(float(special.comb(len(a) + len(b), len(a))), n + 1.0)
    if smallest > alpha:
        raise InputValueError(
            f"with {len(a)} and {len(b)} draws and {n} permutations the smallest p-value is {smallest:.2g}, above "
            f"alpha = {alpha}: this test could not fail. Take more draws or permutations, or a larger alpha"
        )
    pooled = np.sort(np.concatenate([a, b]))

    def distance(u: Array, v: Array, axis: int = -1) -> Array:
        u, v = (np.moveaxis(np.asarray(w), axis, -1).reshape(-1, w.shape[axis]) for w in (u, v))
        gaps = [np.abs(_ecdf(u, t) - _ecdf(v, t)) for t in pooled]
        result: Array = np.max(gaps, axis=0)
        return result

    result = stats.permutation_test(
        (a, b),
        distance,
        vectorized=True,
        n_resamples=n,
        alternative="greater",
        batch=10_000,
        rng=np.random.default_rng(seed),
    )
    p = float(np.squeeze(result.pvalue))
    return DistributionTest(p <= alpha, p, alpha, len(a) + len(b), alpha)


def _ecdf(sample: Array, t: float) -> Array:
    result: Array = np.mean(sample <= t, axis=-1)
    return result


def _probabilities(cdf: DistributionFunction, values: Array) -> Array:
    f = np.asarray(cdf(values), np.float64)
    if f.shape != values.shape or not np.all((f >= -ROUNDING) & (f <= 1 + ROUNDING)):
        raise InputValueError("cdf must return one probability in [0, 1] for each value, in the same shape, and no NaN")
    return f
