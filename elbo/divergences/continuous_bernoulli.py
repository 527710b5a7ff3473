"""The continuous Bernoulli law, which tilts the uniform law on (0, 1) by e^{ηx}, η = logit(λ).

    KL[η₁ ‖ η₂] = A(η₂) − A(η₁) − A'(η₁)(η₂ − η₁),      A(η) = log((e^η − 1)/η)

``_tilting`` evaluates it without cancellation. With η₂ = 0 the same function is KL to the uniform law.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.distributions import ContinuousBernoulli, Uniform

from elbo.divergences import _tilting
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._registry import register
from elbo.divergences._support import log_width_about_unit
from elbo.divergences._tilted_moments import variance
from elbo.divergences.bernoulli import given
from elbo.divergences.bernoulli import log_odds_difference as logit_difference

Slopes = tuple[Array | None, ...]
SOURCE = "Loaiza-Ganem and Cunningham 2019, arXiv 1907.06845"


def _tilted(a: Array, b: Array, *, brief: bool = False) -> Array:
    return _tilting.remainder(a, b, b - a, brief=brief)


def _tilted_slopes(a: Array, b: Array, needs: Sequence[bool], *, brief: bool = False) -> Slopes:
    if isinstance(a, Tensor):  # differentiated again
        return (a - b) * variance(a), mean_difference(a, b)
    d = b - a
    by_q = -d * _tilting.variance(a, brief=brief) if needs[0] else None
    return by_q, _tilting.mean_rise(a, b, d, brief=brief) if needs[1] else None


mean_difference = elementwise(
    lambda a, b: _tilting.mean_rise(a, b, b - a), lambda a, b, needs: (-variance(a), variance(b)),
    "continuous_bernoulli_mean_difference", double=True,
)  # fmt: skip


def _by_probs(q: Array, p: Array, *, brief: bool = False) -> Array:
    # the difference of the logits from that of the probabilities: near equality its rounding would be all there is
    return _tilting.remainder(logit_of(q), logit_of(p), logit_difference(p, q), brief=brief)


def _probs_slopes(q: Array, p: Array, needs: Sequence[bool], *, brief: bool = False) -> Slopes:
    a, b, d = logit_of(q), logit_of(p), logit_difference(p, q)
    if isinstance(q, Tensor):  # differentiated again
        return -d * variance(a) / (q * (1.0 - q)), mean_difference(a, b) / (p * (1.0 - p))
    by_q = -d * _tilting.variance(a, brief=brief) / (q * (1.0 - q)) if needs[0] else None
    return by_q, _tilting.mean_rise(a, b, d, brief=brief) / (p * (1.0 - p)) if needs[1] else None


def logit_of(p: Array) -> Array:
    """logit(p), with its digits near ½ too."""
    return logit_difference(p, 0.0 * p + 0.5)


tilted_by_probs = elementwise(
    _by_probs, _probs_slopes, "continuous_bernoulli_kl_by_probs", double=True,
    single=(partial(_by_probs, brief=True), partial(_probs_slopes, brief=True)),
)  # fmt: skip
tilted_kl = elementwise(
    _tilted, _tilted_slopes, "continuous_bernoulli_kl", double=True,
    single=(partial(_tilted, brief=True), partial(_tilted_slopes, brief=True)), compiled="tilted",
)  # fmt: skip


def log_odds(law: ContinuousBernoulli) -> Tensor:
    """η, from the logits if the law was made from them."""
    if given(law) == "logits":
        return law.logits
    eta: Tensor = logit_of(law.probs)
    return eta


def to_uniform(law: ContinuousBernoulli) -> Tensor:
    """KL[law ‖ U(0, 1)]."""
    if given(law) == "probs":
        return tilted_by_probs(law.probs, torch.full_like(law.probs, 0.5))
    return tilted_kl(law.logits, torch.zeros_like(law.logits))


@register(
    ContinuousBernoulli,
    ContinuousBernoulli,
    formula="A(η₂) − A(η₁) − A'(η₁)(η₂ − η₁), A(η) = log((e^η − 1)/η)",
    accuracy=16,
    note="13 measured in 260000, 4 in 99 of 100, where one is beyond 3 and the other on the same side of 0; a mixture "
    "of laws from logits and from probs is converted to logits first, whose rounding is felt near equality",
    source=SOURCE,
)
def _continuous(q: ContinuousBernoulli, p: ContinuousBernoulli) -> Tensor:
    if given(q) == given(p) == "probs":
        return tilted_by_probs(q.probs, p.probs)
    return tilted_kl(log_odds(q), log_odds(p))


@register(
    ContinuousBernoulli,
    Uniform,
    formula="KL to the uniform law on (0, 1) + log(h − l)",
    conditions="inf unless l ≤ 0 and h ≥ 1",
    accuracy=8,
    source=SOURCE,
)
def _to_uniform(q: ContinuousBernoulli, p: Uniform) -> Tensor:
    return to_uniform(q) + log_width_about_unit(p.low, p.high)
