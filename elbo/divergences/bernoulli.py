"""Laws of counted successes: Bernoulli, binomial, geometric, negative binomial.

    KL[Bernoulli(q) ‖ Bernoulli(p)] = q log(q/p) + q̄ log(q̄/p̄) = q Φ(log(p/q)) + q̄ Φ(log(p̄/q̄)),      q̄ = 1 − q

Both terms of the second form are non-negative, so nothing cancels. With probabilities the logarithms come from the
one difference p − q, with logits from the one difference of the logits. The other three laws are a multiple of it.
"""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.distributions import Bernoulli, Binomial, Distribution, Geometric, NegativeBinomial

from elbo._errors import InputValueError
from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise, transformed
from elbo.divergences._kernels import entropy_term, log_quotient, log_ratio, phi_series
from elbo.divergences._registry import register
from elbo.divergences.gaussian import _check_tensor, _check_together, _finish

Slopes = tuple[Array | None, ...]


def _by_probs(q: Array, p: Array) -> Array:
    d = p - q
    return entropy_term(q, p, d) + entropy_term(1.0 - q, 1.0 - p, -d)


def _failure_ratio(q: Array, p: Array) -> Array:
    return log_quotient(1.0 - p, 1.0 - q, q - p)


def _log_odds(q: Array, p: Array) -> Array:
    return log_quotient(q, p, q - p) + _failure_ratio(q, p)


log_odds_difference = elementwise(
    _log_odds, lambda q, p, needs: (1.0 / (q * (1.0 - q)), -1.0 / (p * (1.0 - p))), "log_odds_difference"
)
log_failure_ratio = elementwise(
    _failure_ratio, lambda q, p, needs: (1.0 / (1.0 - q), -1.0 / (1.0 - p)), "log_failure_ratio"
)


def _probs_slopes(q: Array, p: Array, needs: Sequence[bool]) -> Slopes:
    return log_odds_difference(q, p), (p - q) / (p * (1.0 - p))


def _geometric_slopes(q: Array, p: Array, needs: Sequence[bool]) -> Slopes:
    return log_failure_ratio(q, p) / (q * q), (p - q) / (p * (1.0 - p)) / q


def _negative_slopes(q: Array, p: Array, needs: Sequence[bool]) -> Slopes:
    rest = 1.0 - q
    return log_ratio(q, p) / (rest * rest), (p - q) / (p * (1.0 - p)) / rest


by_probs = elementwise(_by_probs, _probs_slopes, "bernoulli_kl_by_probs", compiled="bernoulli_by_probs")
geometric = elementwise(lambda q, p: _by_probs(q, p) / q, _geometric_slopes, "geometric_kl", compiled="geometric")
negative_binomial = elementwise(lambda q, p: _by_probs(q, p) / (1.0 - q), _negative_slopes, "negative_binomial_kl")


def _tails(x: Array) -> tuple[Array, Array, Array]:
    """σ(x), σ(−x) and e^−|x|."""
    decay = xp.exp(-abs(x))
    large = 1.0 / (1.0 + decay)
    small = decay * large
    positive = x > 0.0
    return xp.where(positive, large, small), xp.where(positive, small, large), decay


def _by_logits(a: Array, b: Array) -> Array:
    a, b = xp.where(a >= b, a, -a), xp.where(a >= b, b, -b)  # exchange success and failure so that q ≥ p
    gap = xp.where(a == b, 0.0, a - b)
    q, failure, decay_a = _tails(a)
    p, other, decay_b = _tails(b)
    fall = xp.expm1(-gap)
    near = gap < 1.0
    # up = log(p̄/q̄) and down = log(q/p), both ≥ 0: from the gap where it is small, else as differences of softplus
    tail = xp.log1p(decay_a) - xp.log1p(decay_b)
    up = xp.where(near, -xp.log1p(q * fall), xp.where(a > 0.0, a, 0.0) - xp.where(b > 0.0, b, 0.0) + tail)
    down = xp.where(
        near, xp.log1p(-failure * fall / (1.0 + fall)), xp.where(b < 0.0, -b, 0.0) - xp.where(a < 0.0, -a, 0.0) - tail
    )
    gain = xp.where(up <= 1.0, failure * phi_series(up), other - failure * (1.0 + xp.where(failure > 0.0, up, 0.0)))
    loss = xp.where(down <= 1.0, q * phi_series(-down), p - q * (1.0 - xp.where(q > 0.0, down, 0.0)))
    return gain + loss


def _logits_slopes(a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    if isinstance(a, Tensor):
        weight = xp.sigmoid(a) * xp.sigmoid(-a)
        return xp.where(weight == 0.0, weight, weight * (a - b)), sigmoid_difference(b, a)
    q, failure, _ = _tails(a)
    p, other, _ = _tails(b)
    gap = a - b
    weight = q * failure
    size = -xp.expm1(-abs(gap))
    difference = xp.where(gap > 0.0, -size * q * other, xp.where(gap < 0.0, size * p * failure, 0.0))
    return xp.where(weight == 0.0, 0.0, weight * gap), difference


def _by_logits_single(a: Array, b: Array) -> Array:
    """From float32 logits in float64: the textbook form, with success and failure exchanged so that q ≤ ½.

    Then its terms are of the size of q, and half of them is left at a gap of 1e-3; nearer, the Taylor series of three
    terms has nine digits.
    """
    positive = a > 0.0
    low, other = -abs(a), xp.where(positive, -b, b)
    gap = other - low
    decay = xp.exp(low)
    q = decay / (1.0 + decay)
    softplus = 0.5 * (other + abs(other)) + xp.log1p(xp.exp(-abs(other)))
    value = (softplus - xp.log1p(decay)) - q * gap
    value = xp.replaced(value, abs(gap) < 1e-3, _near_by_logits, q, gap)
    if not isinstance(a, Tensor) and np.isfinite(value.sum()):
        return value
    return xp.where(abs(value) < math.inf, value, _by_logits(a, b))  # infinite logits


def _near_by_logits(q: Array, gap: Array) -> Array:
    failure = 1.0 - q
    skew = failure - q
    square = gap * gap
    fourth = skew * skew - 2.0 * q * failure
    return q * failure * square * (0.5 + gap * (skew * (1.0 / 6.0) + gap * fourth * (1.0 / 24.0)))


def _logits_slopes_single(a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    if isinstance(a, Tensor):
        return _logits_slopes(a, b, needs)
    sign = np.where(a > 0.0, -1.0, 1.0)
    gap = a - b
    low, other = np.exp(-np.abs(a)), sign * b
    q = low / (1.0 + low)
    decay = np.exp(-np.abs(other))
    p = np.where(other > 0.0, 1.0, decay) / (1.0 + decay)  # exactly q at equality
    weight = q * (1.0 - q)
    product = weight * gap
    if not np.isfinite(product.sum()):
        product = np.where(weight == 0.0, 0.0, product)
    return product, sign * (p - q)


def _sigmoid_difference(a: Array, b: Array) -> Array:
    high, low = xp.maximum(a, b), xp.minimum(a, b)
    size = -xp.expm1(low - high) * xp.sigmoid(high) * xp.sigmoid(-low)
    return xp.where(a == b, 0.0 * size, xp.where(a > b, size, -size))


def _sigmoid_slopes(a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    return xp.sigmoid(a) * xp.sigmoid(-a), -xp.sigmoid(b) * xp.sigmoid(-b)


sigmoid_difference = elementwise(_sigmoid_difference, _sigmoid_slopes, "sigmoid_difference")
by_logits = elementwise(
    _by_logits,
    _logits_slopes,
    "bernoulli_kl_by_logits",
    single=(_by_logits_single, _logits_slopes_single),
    compiled="bernoulli_by_logits",
)


def bernoulli_kl(q_logits: Tensor, p_logits: Tensor, *, event_dims: int = 0) -> Tensor:
    """KL[Bernoulli(σ(q_logits)) ‖ Bernoulli(σ(p_logits))] for each coordinate, in nats.

        q log(q/p) + (1 − q) log((1 − q)/(1 − p)),  q = σ(q_logits), p = σ(p_logits)

    Args:
        q_logits, p_logits: shapes that broadcast; infinite logits stand for probabilities 0 and 1.
        event_dims: how many of the last dimensions to sum over; 0 leaves one value a coordinate.

    Returns:
        the broadcast shape less its last ``event_dims`` dimensions.

    Raises:
        InputTypeError: not floating point, mixed dtypes or devices.
        InputValueError: shapes that do not broadcast, NaN.

    Conditions: none; relative error at most 8 ulps, also where both probabilities are all but 0 or 1.

    Source: Nielsen and Garcia 2009, arXiv 0911.4863; the form is derived in elbo.divergences.bernoulli.

    Example:
        >>> import torch
        >>> bernoulli_kl(torch.tensor([40.0]), torch.tensor([41.0]))
        tensor([1.5629e-18])
    """
    _check_tensor("q_logits", q_logits)
    _check_tensor("p_logits", p_logits)
    _check_together(q_logits=q_logits, p_logits=p_logits)
    return _finish(by_logits(q_logits, p_logits), event_dims, q_logits=q_logits, p_logits=p_logits)


def given(law: Distribution) -> str:
    """Whether a law was made from ``probs`` or from ``logits``: torch stores the one first and the other when asked."""
    return next(name for name in vars(law) if name in ("probs", "logits"))


def bernoulli(q: Distribution, p: Distribution) -> Tensor:
    """KL of one trial, from what the laws were made from; probabilities where they differ in that."""
    if given(q) == given(p) == "logits":
        return by_logits(q.logits, p.logits)  # type: ignore[attr-defined]
    return by_probs(q.probs, p.probs)  # type: ignore[attr-defined]


def _same_count(q: Binomial | NegativeBinomial, p: Binomial | NegativeBinomial) -> None:
    if not transformed() and not bool((q.total_count == p.total_count).all()):
        raise InputValueError(
            f"q.total_count is {q.total_count} and p.total_count is {p.total_count}, expected the same: "
            "there is no closed form for different counts, write elbo.divergences.kl_by_quadrature(q, p)"
        )


SOURCE = (
    "Nielsen and Garcia 2009, arXiv 0911.4863; the form without cancellation is derived in elbo.divergences.bernoulli"
)
MIXED = "8 if both laws are made from probs, or both from logits; a mixture is converted to probs first"


@register(
    Bernoulli,
    Bernoulli,
    formula="q log(q/p) + (1−q) log((1−q)/(1−p))",
    conditions="inf if p is 0 or 1 and q is not",
    accuracy=8,
    note=MIXED,
    source=SOURCE,
)
def _bernoulli_bernoulli(q: Bernoulli, p: Bernoulli) -> Tensor:
    return bernoulli(q, p)


@register(
    Binomial,
    Binomial,
    formula="n KL[Bernoulli(q) ‖ Bernoulli(p)]",
    conditions="the same total_count on both sides",
    accuracy=8,
    note=MIXED,
    source=SOURCE,
)
def _binomial_binomial(q: Binomial, p: Binomial) -> Tensor:
    if not transformed() and bool((q.total_count > p.total_count).any()):
        _same_count(q, p)
    _same_count(q, p)
    return q.total_count * bernoulli(q, p)


@register(Geometric, Geometric, formula="KL[Bernoulli(q) ‖ Bernoulli(p)] / q", accuracy=8, note=MIXED, source=SOURCE)
def _geometric_geometric(q: Geometric, p: Geometric) -> Tensor:
    if given(q) == given(p) == "logits":
        return by_logits(q.logits, p.logits) / q.probs
    return geometric(q.probs, p.probs)


@register(
    NegativeBinomial,
    NegativeBinomial,
    formula="r KL[Bernoulli(q) ‖ Bernoulli(p)] / (1 − q)",
    conditions="the same total_count on both sides",
    accuracy=8,
    note=MIXED,
    source=SOURCE,
)
def _negative_binomial(q: NegativeBinomial, p: NegativeBinomial) -> Tensor:
    _same_count(q, p)
    if given(q) == given(p) == "logits":
        return q.total_count * (by_logits(q.logits, p.logits) * (1.0 + q.logits.exp()))
    return q.total_count * negative_binomial(q.probs, p.probs)
