"""Continuous Bernoulli laws against exponential ones, by way of the exponential law that has the same mean.

    KL = Λ(x) + F(η),   x = r A'(η) − 1,   F(η) = 1 + log A' + η A' − A > 0

A falling density is that of an exponential law of rate a = −η cut off at one. There, with ε = 1/(e^a − 1),

    x = (r − a)/a − r ε,   F = −log(1 − e^−a) − Λ(−a ε) ≈ e^−a,

which is all that is left of KL at r = a: η is wanted with the digits that it loses where it comes from a probability.
"""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.distributions import ContinuousBernoulli, Exponential

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences import _tilting
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import itakura_saito_of, lambda_of
from elbo.divergences._registry import register
from elbo.divergences._tilted_moments import log_odds_pair, tail, tail_pairs, variance
from elbo.divergences.bernoulli import given
from elbo.divergences.continuous_bernoulli import SOURCE

Slopes = tuple[Array | None, ...]
FALLING = -1.5
TO_UNIFORM = tuple((2 * k + 1) * c for k, c in enumerate(_tilting.NORMALISER))  # (η A' − A)/η² in powers of η²


def _shape(eta: Array, low: Array) -> Array:
    square = eta * eta
    twice = 2.0 * eta * xp.polynomial(square, _tilting.MEAN)
    near = 0.3068528194400547 + (xp.log1p(twice) + square * xp.polynomial(square, TO_UNIFORM))  # 1 − log 2
    return xp.replaced(near, (eta < FALLING) | (square > _tilting.NEAR), _shape_far, eta, low)


def _shape_far(eta: Array, low: Array) -> Array:
    a, falling = abs(eta), eta < 0.0
    epsilon, t = tail(a)
    part = xp.where(epsilon > 0.0, a * epsilon, 0.0)
    rest = xp.where(falling, 1.0 - part, (a - 1.0) + part)  # the mean in units of 1/a
    log = xp.where(falling, low * ((1.0 - t) * epsilon / rest) - lambda_of(-part), xp.log(rest) + part)
    return log - xp.log1p(-xp.exp(-a))


def _excess(eta: Array, low: Array, r: Array) -> Array:
    rise = _tilting.mean_excess(eta) + low * _tilting.variance(eta)
    near = (0.5 * r - 1.0) + r * rise
    return xp.replaced(near, (eta < FALLING) | (eta * eta > _tilting.NEAR), _excess_far, eta, low, r)


def _excess_far(eta: Array, low: Array, r: Array) -> Array:
    """Where r is all but a, no term of x is larger than it by much, but the slope of F is."""
    a = abs(eta)
    (epsilon, epsilon_low), (t, _) = tail_pairs(a)
    epsilon_low = epsilon_low + low * epsilon * (1.0 + epsilon)
    difference, difference_low = double.plus(r, -a)
    share, share_low = double.over(difference, a, difference_low + low)
    product, product_low = double.times(r, epsilon)
    falling = (share - product) + (share_low - product_low - r * epsilon_low)
    rising = (r - 1.0) - r * ((1.0 / a - epsilon) - low * ((1.0 - t) / a / a))
    return xp.where(eta < 0.0, falling, rising)


def _ratio(eta: Array, r: Array) -> Array:
    """r A', which may be small."""
    return xp.replaced(r * (0.5 + _tilting.mean_excess(eta)), eta < FALLING, _ratio_falling, eta, r)


def _ratio_falling(eta: Array, r: Array) -> Array:
    epsilon, _ = tail(-eta)
    return r / -eta * (1.0 + xp.where(epsilon > 0.0, eta * epsilon, 0.0))


excess: Callable[..., Array] = elementwise(
    _excess,
    lambda eta, low, r, needs: (r * variance(eta), None, (excess(eta, low, r) + 1.0) / r),
    "continuous_bernoulli_exponential_excess",
)


def _value(eta: Array, low: Array, r: Array) -> Array:
    return itakura_saito_of(_excess(eta, low, r), _ratio(eta, r)) + _shape(eta, low)


def _slopes(eta: Array, low: Array, r: Array) -> Slopes:
    return ((r + eta) + low) * variance(eta), excess(eta, low, r) / r


def _by_logits(eta: Array, r: Array) -> Array:
    return _value(eta, 0.0 * eta, r)


def _logits_slopes(eta: Array, r: Array, needs: Sequence[bool]) -> Slopes:
    return _slopes(eta, 0.0 * eta, r)


def _by_probs(p: Array, r: Array) -> Array:
    return _value(*log_odds_pair(p), r)


def _probs_slopes(p: Array, r: Array, needs: Sequence[bool]) -> Slopes:
    by_eta, by_rate = _slopes(*log_odds_pair(p), r)
    return by_eta / (p * (1.0 - p)), by_rate


tilted_exponential_kl = elementwise(
    _by_logits,
    _logits_slopes,
    "continuous_bernoulli_exponential_kl",
    double=True,
    width=2,
    compiled="tilted_exponential",
    nonnegative=(1,),
)
tilted_exponential_by_probs = elementwise(
    _by_probs,
    _probs_slopes,
    "continuous_bernoulli_exponential_kl_by_probs",
    double=True,
    width=2,
    compiled="tilted_exponential_by_probs",
    nonnegative=(1,),
)


@register(
    ContinuousBernoulli,
    Exponential,
    formula="KL to the uniform law − log b + b E x",
    accuracy=8,
    source=SOURCE,
)
def _tilted_exponential(q: ContinuousBernoulli, p: Exponential) -> Tensor:
    if given(q) == "probs":
        return tilted_exponential_by_probs(q.probs, p.rate)
    return tilted_exponential_kl(q.logits, p.rate)
