"""Poisson laws, with each other and from one trial.

    KL[Poisson(λ₁) ‖ Poisson(λ₂)] = λ₁ log(λ₁/λ₂) − λ₁ + λ₂
    KL[Bernoulli(q) ‖ Poisson(λ)] = {q log(q/λ) − q + λ} + {q̄ log q̄ + q},      q̄ = 1 − q

Both braces are non-negative, and each is written with what vanishes in it: λ − q, and q itself.
"""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Bernoulli, Poisson

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import entropy_term, log_ratio, relative_entropy
from elbo.divergences._registry import register
from elbo.divergences.bernoulli import given

Slopes = tuple[Array | None, ...]


def _trial(q: Array, failure: Array, rate: Array) -> Array:
    return entropy_term(q, rate, rate - q) + entropy_term(failure, 1.0 + 0.0 * failure, q)


def _by_probs(q: Array, rate: Array) -> Array:
    return _trial(q, 1.0 - q, rate)


def _probs_slopes(q: Array, rate: Array, needs: Sequence[bool]) -> Slopes:
    return log_ratio(q, rate) - xp.log1p(-q), xp.where(q == 0.0, 1.0 + 0.0 * rate, (rate - q) / rate)


def _by_logits(x: Array, rate: Array) -> Array:
    return _trial(xp.sigmoid(x), xp.sigmoid(-x), rate)


def _logits_slopes(x: Array, rate: Array, needs: Sequence[bool]) -> Slopes:
    q, failure = xp.sigmoid(x), xp.sigmoid(-x)
    weight = q * failure
    none = weight == 0.0  # of an infinite logit
    by_x = weight * (log_ratio(q, rate) + xp.softplus(xp.where(none, 0.0 * rate, x)))
    difference = xp.where(x > 0.0, (rate - 1.0) + failure, rate - q)
    return xp.where(none, 0.0 * rate, by_x), xp.where(q == 0.0, 1.0 + 0.0 * rate, difference / rate)


bernoulli_poisson_by_probs = elementwise(
    _by_probs, _probs_slopes, "bernoulli_poisson_kl_by_probs", double=True, compiled="bernoulli_poisson_by_probs"
)
bernoulli_poisson_by_logits = elementwise(
    _by_logits, _logits_slopes, "bernoulli_poisson_kl_by_logits", double=True, compiled="bernoulli_poisson_by_logits"
)


@register(
    Poisson,
    Poisson,
    formula="λ₁ log(λ₁/λ₂) − λ₁ + λ₂",
    conditions="inf if λ₂ = 0 < λ₁; λ₂ if λ₁ = 0",
    accuracy=8,
    source="Nielsen and Garcia 2009, arXiv 0911.4863",
)
def _poisson_poisson(q: Poisson, p: Poisson) -> Tensor:
    return relative_entropy(q.rate, p.rate)


@register(
    Bernoulli,
    Poisson,
    formula="q log q + (1−q) log(1−q) − q log λ + λ",
    conditions="inf if λ = 0 < q; λ if q = 0",
    accuracy=math.inf,
    source="any textbook; the form without cancellation is derived in elbo.divergences.poisson",
    note="4 measured of laws made from probs; of logits the rounding of q is felt where it is all but λ: 18 measured, "
    "λ^−½ at worst, and the slopes lose q/|q − λ|",
)
def _bernoulli_poisson(q: Bernoulli, p: Poisson) -> Tensor:
    if given(q) == "logits":
        return bernoulli_poisson_by_logits(q.logits, p.rate)
    return bernoulli_poisson_by_probs(q.probs, p.rate)
