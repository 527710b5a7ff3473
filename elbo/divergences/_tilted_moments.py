"""Moments of the density η e^{ηx}/(e^η − 1) on (0, 1), with what they lose in rounding, and η to twice the digits.

With a = |η| and ε = 1/(e^a − 1) the law is that of rate a cut off at one, seen from the end where it is largest:

    mean = 1/a − ε,      a² A'' = 1 − T,      T = a² ε (1 + ε).

What η has lost in rounding, ``low``, is a constant: no derivative by it is asked for.
"""

from torch import Tensor

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences import _tilting
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise

ENDLESS = 800.0  # an a whose e^−a is nothing
# A'''/η and A'''' in powers of η²
THIRD = tuple(2.0 * k * c for k, c in enumerate(_tilting.VARIANCE))[1:]
FOURTH = tuple((2.0 * k + 1.0) * c for k, c in enumerate(THIRD))


def tail(a: Array) -> tuple[Array, Array]:
    """ε and T."""
    a = xp.minimum(a, 0.0 * a + ENDLESS)
    epsilon = 1.0 / xp.expm1(a)
    return epsilon, a * a * epsilon * (1.0 + epsilon)


def tail_pairs(a: Array) -> tuple[double.Pair, double.Pair]:
    """The same with what they have lost, for a ≥ 1: e^−a = 2^−k (1 + w), of which w is felt by a third."""
    a = xp.minimum(a, 0.0 * a + ENDLESS)
    k = xp.rint(a * 1.4426950408889634)
    power, w = xp.exp2(-k), xp.expm1(k * double.LOG_2 - a)
    decay, decay_low = double.plus(power, power * (w + (1.0 + w) * (k * double.LOG_2_LOW)))
    fall, fall_low = double.plus(1.0 - 0.0 * decay, -decay)
    fall_low = fall_low - decay_low
    epsilon = decay / fall
    root, root_low = double.over(a, fall, -(a / fall) * fall_low)
    square, square_low = double.times(root, root)
    t, t_low = double.times(square, decay)
    t_low = t_low + ((square_low + 2.0 * root * root_low) * decay + square * decay_low)
    return double.over(decay, fall, decay_low - epsilon * fall_low), (t, t_low)


def _third(eta: Array) -> Array:
    square = eta * eta
    return xp.replaced(eta * xp.polynomial(square, THIRD), square > _tilting.NEAR, _third_far, eta)


def _third_far(eta: Array) -> Array:
    a = abs(eta)
    epsilon, _ = tail(a)
    third = epsilon * (1.0 + epsilon) * (1.0 + 2.0 * epsilon) - 2.0 / a / a / a
    return xp.where(eta < 0.0, -third, third)


def fourth(eta: Array) -> Array:
    """The fourth derivative of A, used for derivatives of second order only."""
    square = eta * eta
    a = xp.where(square > _tilting.NEAR, abs(eta), 3.0)  # what is not chosen should have a derivative, too
    epsilon = 1.0 / xp.expm1(a)
    v = epsilon * (1.0 + epsilon)
    far = 6.0 / (a * a * a * a) - v * (1.0 + 6.0 * v)
    return xp.where(square > _tilting.NEAR, far, xp.polynomial(square, FOURTH))


third = elementwise(_third, lambda eta, needs: (fourth(eta),), "continuous_bernoulli_third_cumulant")
variance = elementwise(
    _tilting.variance, lambda eta, needs: (third(eta),), "continuous_bernoulli_variance", double=True
)
mean_excess = elementwise(
    _tilting.mean_excess, lambda eta, needs: (variance(eta),), "continuous_bernoulli_mean_excess", double=True
)


def _log_odds_pair(p: Array) -> double.Pair:
    """logit(p), and what it has lost."""
    other, other_low = double.plus(1.0 + 0.0 * p, -p)
    ratio, low = double.over(p, other)
    return double.log(ratio, low - ratio * (other_low / other))


_log_odds = elementwise(lambda p: _log_odds_pair(p)[0], lambda p, needs: (1.0 / (p * (1.0 - p)),), "log_odds")
_log_odds_low = elementwise(lambda p: _log_odds_pair(p)[1], lambda p, needs: (None,), "log_odds_low")


def log_odds_pair(p: Array) -> double.Pair:
    """logit(p), which has a derivative, and what it has lost."""
    return (_log_odds(p), _log_odds_low(p)) if isinstance(p, Tensor) else _log_odds_pair(p)
