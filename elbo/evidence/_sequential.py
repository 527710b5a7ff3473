"""The mean of an unbounded variable whose variance has a known bound: a test that may be looked at after every draw."""

from dataclasses import dataclass
from math import ceil, log, sqrt

import numpy as np
import numpy.typing as npt

from elbo._errors import InputValueError
from elbo.evidence._draws import Array, Draws, as_array, check_alpha
from elbo.evidence._verdict import Verdict


@dataclass(frozen=True)
class MeanTest:
    """The result of a mean test.

    ``rejected``: the mean (or the variance bound) is not what was claimed, at false-alarm probability ``alpha``.
    ``stopped_at``: after how many draws it was first rejected. ``log_e``: the largest log e-value seen (nats).
    ``smallest_visible_shift``: a shift of the mean that this many draws see about always; less may pass.
    """

    rejected: bool
    stopped_at: int | None
    log_e: float
    draws: int
    smallest_visible_shift: float
    alpha: float

    @property
    def verdict(self) -> Verdict:
        """``REFUTED`` if rejected, else ``CONFIRMED`` (up to ``smallest_visible_shift``)."""
        return Verdict.REFUTED if self.rejected else Verdict.CONFIRMED


def required_draws(shift: float, variance_bound: float, alpha: float) -> int:
    """How many draws see a shift of the mean: ``6 s^2 log(2/alpha) / shift^2``, three times the first-order number.

    >>> required_draws(0.1, 1.0, 1e-9)
    12850
    """
    return ceil(6 * variance_bound * log(2 / check_alpha(alpha)) / shift**2)


def smallest_visible_shift(draws: int, variance_bound: float, alpha: float) -> float:
    """The shift that ``draws`` can see: ``sqrt(6 s^2 log(2/alpha) / draws)``, the inverse of :func:`required_draws`."""
    return sqrt(6 * variance_bound * log(2 / check_alpha(alpha)) / draws)


class SequentialMean:
    """Test ``E X = mean`` given ``Var X <= variance_bound``, valid at every stopping time.

    For any predictable l and ``y_i = l (X_i - mean)``,

        M_n(l) = prod_i (1 + y_i + y_i^2 / 2) / (1 + l^2 s^2 / 2)

    is a nonnegative supermartingale that starts at 1, and so is its average over signs and scales of l and over the
    coordinates of a vector. By Ville's inequality it exceeds ``1 / alpha`` ever with probability at most ``alpha``.
    The scales are ``l = sqrt(2 log(2/alpha) / (m s^2))`` for m in (n, n/10, n/100), n the ``budget``.

    Args:
        mean: the claimed mean, a number or one a coordinate.
        variance_bound: an upper bound on the variance, positive and finite, a number or one a coordinate.
        alpha: probability of rejecting a true claim.
        budget: number of draws for which the test is tuned; more may be given, and the guarantee stays.

    Raises:
        InputValueError: for a variance bound that is zero (compare directly: nothing is random) or not finite.

    >>> test = SequentialMean(0.0, 1.0, alpha=1e-6, budget=1000)
    >>> test.update(np.full(1000, 0.5)).result().rejected
    True
    """

    def __init__(self, mean: npt.ArrayLike, variance_bound: npt.ArrayLike, alpha: float, budget: int) -> None:
        self.alpha = check_alpha(alpha)
        if budget < 1:
            raise InputValueError(f"budget is {budget}; plan at least one draw")
        self.mean, self.variance = np.broadcast_arrays(
            np.asarray(mean, np.float64), np.asarray(variance_bound, np.float64)
        )
        if not np.all(np.isfinite(self.mean)):
            raise InputValueError(f"mean is {mean!r}; the claimed mean must be finite")
        if not np.all((self.variance > 0) & np.isfinite(self.variance)):
            raise InputValueError(
                f"variance_bound is {variance_bound!r}; it must be positive and finite. With variance 0 compare the "
                "value directly; with infinite variance test a bounded transform (dkw_test)"
            )
        spread = np.array([budget, budget / 10, budget / 100]).reshape(-1, *[1] * self.mean.ndim)
        size = np.sqrt(2 * log(2 / self.alpha) / (spread * self.variance))
        self._scales: Array = np.concatenate([size, -size])
        self._log_m: Array = np.zeros_like(self._scales)
        self._log_e = 0.0
        self._stopped_at: int | None = None
        self._draws = 0

    def update(self, draws: Draws) -> "SequentialMean":
        """Take draws along the first axis, shape ``(n, *shape of the mean)``; returns the test itself."""
        x = as_array(draws)
        if x.shape[1:] != self.mean.shape:
            raise InputValueError(
                f"draws have shape {x.shape}, but the mean has shape {self.mean.shape}; pass (n, {self.mean.shape})"
            )
        y = self._scales[:, None] * (x - self.mean)
        path = np.cumsum(np.log1p(y + y * y / 2) - np.log1p(self._scales**2 * self.variance / 2)[:, None], axis=1)
        path += self._log_m[:, None]
        log_e = _log_mean_exp(np.moveaxis(path, 1, 0).reshape(len(x), -1))
        if self._stopped_at is None:
            hits = np.flatnonzero(log_e >= log(1 / self.alpha))
            if hits.size:
                self._stopped_at = self._draws + int(hits[0]) + 1
        self._log_e = max(self._log_e, float(log_e.max()))
        self._log_m = path[:, -1]
        self._draws += len(x)
        return self

    def result(self) -> MeanTest:
        """What the draws so far say."""
        shift = smallest_visible_shift(max(self._draws, 1), float(self.variance.max()), self.alpha)
        return MeanTest(self._stopped_at is not None, self._stopped_at, self._log_e, self._draws, shift, self.alpha)


def mean_test(
    draws: Draws, mean: npt.ArrayLike, variance_bound: npt.ArrayLike, alpha: float, budget: int | None = None
) -> MeanTest:
    """Test ``E X = mean`` on the draws along the first axis; see :class:`SequentialMean`.

    >>> mean_test(np.zeros(100), 0.0, 1.0, alpha=1e-6).rejected
    False
    """
    array = as_array(draws)
    return SequentialMean(mean, variance_bound, alpha, budget or len(array)).update(array).result()


def _log_mean_exp(values: Array) -> Array:
    top = values.max(axis=1, keepdims=True)
    result: Array = top[:, 0] + np.log(np.exp(values - top).mean(axis=1))
    return result
