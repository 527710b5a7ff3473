"""Laws on finitely many outcomes.

    KL = Σ qᵢ log(qᵢ/pᵢ) = Σ qᵢ Φ(yᵢ),      yᵢ = log(pᵢ/qᵢ)

The second sum has no negative terms. From logits, yᵢ = Dᵢ − log Σ qⱼ e^{Dⱼ} with D the difference of the logits, and
the logarithm is log1p(Σ qⱼ expm1(Dⱼ)): what the logits have in common never enters. From probabilities (or any
weights), qᵢ Φ(yᵢ) = qᵢ Λ(eᵢ) with eᵢ = pᵢ Q / (qᵢ P) − 1, again from differences, so that rounding in the
normalisation is not felt.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Categorical, OneHotCategorical

from elbo._errors import InputValueError
from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._kernels import entropy_term, phi
from elbo.divergences._products import sum_error
from elbo.divergences._registry import register
from elbo.divergences._rowwise import rowwise
from elbo.divergences._tensors import check_tensor, check_together, finish
from elbo.divergences.bernoulli import given

Slopes = tuple[Array | None, ...]


def _softmax(x: Array) -> tuple[Array, Array, Array]:
    """The probabilities, the logits less their logarithmic sum, and that sum."""
    top = xp.row_max(x)
    shifted = x - top
    weights = xp.exp(shifted)
    weights = xp.where(weights > 0.0, weights + weights * _rounding(x, top, shifted), weights)
    total = xp.row_sum(weights)
    return weights / total, shifted - xp.log(total), top + xp.log(total)


def _rounding(x: Array, y: Array, difference: Array) -> Array:
    """What x − y has beyond its rounded value; e^x amplifies it."""
    low = sum_error(x, -y, difference)
    return xp.where(abs(low) < 1.0, low, 0.0)


def _from_likeliest(a: Array, d: Array) -> Array:
    """``d`` less its value at the likeliest outcome, so that there it is exactly zero."""
    return d - _at_likeliest(a, d)


def _at_likeliest(a: Array, d: Array) -> Array:
    return xp.row_max(xp.where(a == xp.row_max(a), d, -float("inf")))


def _log_ratios(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """q, p and log(p/q) from logits; 0 where q and p are both 0."""
    q, log_q, sum_a = _softmax(a)
    p, log_p, sum_b = _softmax(b)
    absent = q == 0.0
    d = xp.where(absent, 0.0, b - a)
    low = xp.where(absent, 0.0, _rounding(b, a, d))
    # counted from the likeliest outcome, whose own log(p/q), which may be tiny, is −log1p(a sum of small terms)
    centre = _at_likeliest(a, d)
    d = (d - centre) + _from_likeliest(a, low)
    # q e^d of a large d would feel the rounding of d: it is p but for what the likeliest outcome has of its sum
    scale = xp.exp((sum_b - _at_likeliest(a, b)) - (sum_a - xp.row_max(a)))
    grown = xp.where(d <= 1.0, q * xp.expm1(xp.where(d <= 1.0, d, 1.0)), p * scale - q)
    shift = xp.row_sum(xp.where(absent, xp.exp(b - sum_a - centre), grown))
    y = xp.where((shift > -0.5) & (shift < 1.0), d - xp.log1p(shift), log_p - log_q)
    return q, p, xp.where(absent, 0.0, y)


def _by_logits(a: Array, b: Array) -> Array:
    q, p, y = _log_ratios(a, b)
    near = q * phi(xp.where(y < 1.0, y, 1.0))
    terms = xp.where(y <= 1.0, near, p - q - q * y)
    return xp.row_sum(xp.where(q == 0.0, p, terms))


def _logits_slopes(a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    if isinstance(a, Tensor):  # a graph may be recorded: written with functions that autograd knows
        log_q, log_p = torch.log_softmax(a, -1), torch.log_softmax(b, -1)
        q, p = log_q.exp(), log_p.exp()
        y = torch.where(q == 0.0, torch.zeros_like(p), log_p - log_q)
        return q * (-y - (q * -y).sum(-1, keepdim=True)), torch.where(y < 1.0, q * torch.expm1(y), p - q)
    q, p, y = _log_ratios(a, b)
    surplus = _from_likeliest(a, y)
    growth = xp.where(q == 0.0, p, xp.where(y <= 1.0, q * xp.expm1(xp.where(y < 1.0, y, 1.0)), p - q))
    return q * (xp.row_sum(q * surplus) - surplus), growth


def _by_weights(q: Array, p: Array) -> Array:
    d = p - q
    total_q, total_p = xp.row_sum(q), xp.row_sum(p)
    drift = xp.row_sum(d)
    scaled = p * (total_q / total_p)
    # p Q/P − q from differences: (d Q − q (P − Q)) / P
    return xp.row_sum(entropy_term(q, scaled, (d * total_q - q * drift) / total_p)) / total_q


def _weights_slopes(q: Array, p: Array, needs: Sequence[bool]) -> Slopes:
    d = p - q
    total_q, total_p = xp.row_sum(q), xp.row_sum(p)
    relative = (d * total_q - q * xp.row_sum(d)) / (q * total_p)
    ratios = xp.where(abs(relative) < 0.5, xp.log1p(relative), xp.log(p * total_q / (q * total_p)))
    mean = xp.row_sum(xp.where(q == 0.0, q, q * ratios)) / total_q
    return (mean - ratios) / total_q, relative * q / (p * total_q)


by_logits = rowwise(_by_logits, _logits_slopes, "categorical_kl_by_logits", compiled="categorical_by_logits")
by_weights = rowwise(
    _by_weights, _weights_slopes, "categorical_kl_by_weights", compiled="categorical_by_weights", nonnegative=(0, 1)
)


def categorical_kl(q_logits: Tensor, p_logits: Tensor, *, event_dims: int = 0) -> Tensor:
    """KL between the categorical laws softmax(q_logits) and softmax(p_logits) over the last dimension, in nats.

        Σ qᵢ log(qᵢ/pᵢ)

    Args:
        q_logits, p_logits: ``[*batch, outcomes]``, batch shapes that broadcast; they need not be normalised, and −inf
            stands for probability 0.
        event_dims: how many of the last batch dimensions to sum over; 0 leaves one value a law.

    Returns:
        ``[*batch]`` less its last ``event_dims`` dimensions.

    Raises:
        InputTypeError: not floating point, mixed dtypes or devices.
        InputValueError: shapes that do not broadcast, NaN.

    Conditions: none; inf if an outcome of q has probability 0 under p; relative error at most 8 ulps.

    Source: any textbook; the form is derived in elbo.divergences.categorical.

    Example:
        >>> import torch
        >>> categorical_kl(torch.tensor([0.0, 1e-3]), torch.tensor([1e-3, 0.0]))
        tensor(5.0000e-07)
    """
    check_tensor("q_logits", q_logits)
    check_tensor("p_logits", p_logits)
    check_together(q_logits=q_logits, p_logits=p_logits)
    return finish(by_logits(q_logits, p_logits), event_dims, q_logits=q_logits, p_logits=p_logits)


def same_outcomes(q: Categorical, p: Categorical) -> None:
    """Refuse laws of different numbers of outcomes, which are no part of the shapes that torch compares."""
    if q._num_events != p._num_events:
        raise InputValueError(
            f"q has {q._num_events} outcomes and p has {p._num_events}, expected the same: write logits of −inf for "
            "outcomes that one of them does not have"
        )


@register(
    Categorical,
    Categorical,
    formula="Σ qᵢ log(qᵢ/pᵢ)",
    conditions="inf if some pᵢ = 0 < qᵢ",
    accuracy=8,
    note="of what torch stores: it normalises logits on construction, and the rounding of that is felt near equality; "
    "elbo.divergences.categorical_kl takes the logits themselves",
    source="any textbook; the form without cancellation is derived in elbo.divergences.categorical",
)
def _categorical_categorical(q: Categorical, p: Categorical) -> Tensor:
    same_outcomes(q, p)
    if given(q) == given(p) == "probs":
        return by_weights(q.probs, p.probs)
    return by_logits(logits_of(q), logits_of(p))


def logits_of(law: Categorical) -> Tensor:
    """The logits, −∞ for the probability 0, of which torch's own are finite."""
    return law.logits if given(law) == "logits" else torch.log(law.probs)


@register(
    OneHotCategorical,
    OneHotCategorical,
    formula="Σ qᵢ log(qᵢ/pᵢ)",
    conditions="inf if some pᵢ = 0 < qᵢ",
    accuracy=8,
    note="as Categorical",
    source="any textbook; the form without cancellation is derived in elbo.divergences.categorical",
)
def _onehot_onehot(q: OneHotCategorical, p: OneHotCategorical) -> Tensor:
    return _categorical_categorical(q._categorical, p._categorical)
