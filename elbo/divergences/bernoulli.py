"""Laws of counted successes: Bernoulli, binomial, geometric, negative binomial.

    KL[Bernoulli(q) ‖ Bernoulli(p)] = q log(q/p) + q̄ log(q̄/p̄) = q Φ(log(p/q)) + q̄ Φ(log(p̄/q̄)),      q̄ = 1 − q

Both terms of the second form are non-negative, so nothing cancels. With probabilities the logarithms come from the
one difference p − q, with logits from the one difference of the logits (``_by_logits``). The other three laws are a
multiple of it.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Binomial, Distribution, Geometric, NegativeBinomial

from elbo._errors import InputValueError
from elbo.divergences._array import Array
from elbo.divergences._by_logits import by_logits, geometric_by_logits, negative_by_logits
from elbo.divergences._diagnosis import blame
from elbo.divergences._domain import holds_negative, smallest
from elbo.divergences._elementwise import elementwise, transformed
from elbo.divergences._kernels import entropy_term, log_quotient, log_ratio
from elbo.divergences._registry import register
from elbo.divergences._tensors import check_tensor, check_together, finish

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


by_probs = elementwise(_by_probs, _probs_slopes, "bernoulli_kl_by_probs", compiled="bernoulli_by_probs", unit=(0, 1))
geometric = elementwise(
    lambda q, p: _by_probs(q, p) / q, _geometric_slopes, "geometric_kl", compiled="geometric", unit=(0, 1)
)
negative_binomial = elementwise(
    lambda q, p: _by_probs(q, p) / (1.0 - q), _negative_slopes, "negative_binomial_kl", unit=(0, 1)
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
    check_tensor("q_logits", q_logits)
    check_tensor("p_logits", p_logits)
    check_together(q_logits=q_logits, p_logits=p_logits)
    return finish(by_logits(q_logits, p_logits), event_dims, q_logits=q_logits, p_logits=p_logits)


def given(law: Distribution) -> str:
    """Whether a law was made from ``probs`` or from ``logits``: torch stores the one first and the other when asked."""
    return next(name for name in vars(law) if name in ("probs", "logits"))


def logits_of(law: Any) -> Tensor:
    """The logits, ∓∞ for the probabilities 0 and 1, of which torch's own are finite."""
    logits: Tensor = law.logits if given(law) == "logits" else torch.logit(law.probs)
    return logits


def bernoulli(q: Any, p: Any) -> Tensor:
    """KL of one trial, from what the laws were made from; logits where they differ in that."""
    if given(q) == given(p) == "probs":
        return by_probs(q.probs, p.probs)
    return by_logits(logits_of(q), logits_of(p))


def times_count(count: Tensor, value: Tensor) -> Tensor:
    """``count`` times what one trial adds, nothing where there is none."""
    if not transformed() and not count.is_meta and smallest(count) > 0.0:
        return count * value
    return torch.where((count == 0.0) & (value == math.inf), 0.0, count * value)


def same_count(q: Binomial | NegativeBinomial, p: Binomial | NegativeBinomial) -> None:
    """Refuse laws of different numbers of trials."""
    if transformed() or q.total_count.is_meta:
        return
    other = q.total_count != p.total_count
    if bool(other.any()) or holds_negative(q.total_count):
        index = tuple(torch.nonzero(other)[0].tolist()) if bool(other.any()) else ()
        counts = [t.expand(other.shape)[index].flatten()[0].item() for t in (q.total_count, p.total_count)]
        raise blame(q, p) or InputValueError(
            f"q.total_count is {counts[0]:g} and p.total_count is {counts[1]:g} at index {index}, "
            "expected the same: there is no closed form for different counts, write "
            "elbo.divergences.kl_by_quadrature(q, p) for one element"
        )


SOURCE = (
    "Nielsen and Garcia 2009, arXiv 0911.4863; the form without cancellation is derived in elbo.divergences.bernoulli"
)
MIXED = "8 if both laws are made from probs, or both from logits; a mixture is converted to logits first"


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
    same_count(q, p)
    return times_count(q.total_count, bernoulli(q, p))


@register(Geometric, Geometric, formula="KL[Bernoulli(q) ‖ Bernoulli(p)] / q", accuracy=8, note=MIXED, source=SOURCE)
def _geometric_geometric(q: Geometric, p: Geometric) -> Tensor:
    if given(q) == given(p) == "probs":
        return geometric(q.probs, p.probs)
    return geometric_by_logits(logits_of(q), logits_of(p))


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
    same_count(q, p)
    if given(q) == given(p) == "probs":
        return times_count(q.total_count, negative_binomial(q.probs, p.probs))
    return times_count(q.total_count, negative_by_logits(logits_of(q), logits_of(p)))
