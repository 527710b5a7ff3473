"""The mean of a variable that lies in a known interval."""

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from elbo._errors import InputValueError
from elbo.evidence._draws import Array, Draws, as_array, check_alpha
from elbo.evidence._verdict import Verdict


@dataclass(frozen=True)
class BoundedTest:
    """``statistic`` against ``threshold``; ``rejected`` the claim is false, wrongly with probability ``alpha``."""

    rejected: bool
    statistic: float
    threshold: float
    draws: int
    alpha: float

    @property
    def verdict(self) -> Verdict:
        """``REFUTED`` if rejected, else ``CONFIRMED``."""
        return Verdict.REFUTED if self.rejected else Verdict.CONFIRMED


def hoeffding_test(draws: Draws, mean: float, lower: float, upper: float, alpha: float) -> BoundedTest:
    """Reject ``E X = mean`` if ``|average - mean| > (upper - lower) sqrt(log(2/alpha) / (2n))``, n fixed beforehand.

    Raises:
        InputValueError: if a draw lies outside [lower, upper], since then the bound does not hold.

    Source: Hoeffding (1963), theorem 2.

    >>> hoeffding_test(np.full(100, 0.5), 0.5, 0.0, 1.0, alpha=1e-9).rejected
    False
    """
    x = _inside(draws, mean, lower, upper)
    threshold = (upper - lower) * sqrt(log(2 / check_alpha(alpha)) / (2 * len(x)))
    distance = abs(float(x.mean()) - mean)
    return BoundedTest(distance > threshold, distance, threshold, len(x), alpha)


def betting_test(draws: Draws, mean: float, lower: float, upper: float, alpha: float) -> BoundedTest:
    """Bet against ``E X = mean``: reject once the average wealth exceeds 1/alpha.

    The wealth of the bet l is ``prod_i (1 + l (Y_i - m))``. Y and m are X and the mean scaled to [0, 1]; every bet
    l in (-1/(1-m), 1/m) gives a nonnegative martingale under the claim, so their average may be looked at after
    every draw (Ville). ``statistic`` is the largest log wealth.

    Source: Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting".

    >>> betting_test(np.ones(200), 0.5, 0.0, 1.0, alpha=1e-9).rejected
    True
    """
    x = _inside(draws, mean, lower, upper)
    y, m = (x - lower) / (upper - lower), (mean - lower) / (upper - lower)
    fractions = 0.5 ** np.arange(1, 11)
    up = fractions / m if m > 0 else np.empty(0)
    down = -fractions / (1 - m) if m < 1 else np.empty(0)
    path = np.cumsum(np.log1p(np.concatenate([up, down])[:, None] * (y - m)), axis=1)
    top = path.max(axis=0)
    wealth = float((top + np.log(np.exp(path - top).mean(axis=0))).max())
    return BoundedTest(wealth >= log(1 / check_alpha(alpha)), wealth, log(1 / alpha), len(x), alpha)


def _inside(draws: Draws, mean: float, lower: float, upper: float) -> Array:
    x = as_array(draws)
    if x.ndim != 1:
        raise InputValueError(f"draws have shape {x.shape}; pass one axis of draws of a single number")
    if not lower <= mean <= upper or lower == upper:
        raise InputValueError(
            f"mean is {mean} and the interval [{lower}, {upper}]; the mean must lie in a proper interval"
        )
    if x.min() < lower or x.max() > upper:
        raise InputValueError(
            f"draws reach from {x.min()} to {x.max()}, outside [{lower}, {upper}]: the bound does not hold"
        )
    return x
