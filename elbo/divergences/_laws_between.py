"""Rényi divergences of exponential families by way of the law m in between, η_m = α η_q + (1 − α) η_p.

    (1 − α) D_α(q ‖ p) = α KL[m ‖ q] + (1 − α) KL[m ‖ p],      and for any other law r in the place of m KL[r ‖ m] more

Where q and p are nearly the same, the rounding of m is felt by that. The law r that it is rounded to is so near that
KL[r ‖ m] is taken from a law STRETCH times as far away in the same direction.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Beta,
    Dirichlet,
    Distribution,
    Exponential,
    Gamma,
    Geometric,
    InverseGamma,
    NegativeBinomial,
)
from torch.nn.functional import logsigmoid

from elbo.divergences._registry import kl
from elbo.divergences.bernoulli import given, logits_of, same_count

Middle = tuple[Distribution, Tensor, Distribution | None]  # m, where there is none, and a law that far from it
STRETCH = 2.0**20
SMALL = 1e-3  # how far that may be, relative to a parameter: near the edge of the infinite region it is farther


def blend(alpha: float, q: Tensor, p: Tensor) -> Tensor:
    return q + (1.0 - alpha) * (p - q)


def _positive(make: Callable[..., Distribution], names: Sequence[str]) -> Callable[..., Middle]:
    """m for families whose natural parameters are ``names`` themselves (up to a shift), all positive."""

    def middle(q: Any, p: Any, alpha: float) -> Middle:
        values, beside, inside = [], [], []
        for name in names:
            start, step = getattr(q, name), (1.0 - alpha) * (getattr(p, name) - getattr(q, name))
            value = start + step
            good = ~(value <= 0)  # where NaN is left to KL, which refuses it
            value = torch.where(good, value, torch.ones_like(value))
            values.append(value)
            off = STRETCH * (step - (value - start))
            beside.append(value + torch.where(good & (abs(off) < SMALL * value), off, torch.zeros_like(value)))
            inside.append(good)
        outside = ~torch.stack(torch.broadcast_tensors(*inside)).all(0)
        if make is Dirichlet:
            outside = (~inside[0]).any(-1)
        return make(*values, validate_args=False), outside, make(*map(torch.detach, beside), validate_args=False)

    return middle


def _exponent(alpha: float, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of the probability that m goes on with, and where it is none; −1 there."""
    certain = torch.isinf(q) | torch.isinf(p)
    # −∞ less itself is nothing: what is certain under one of them is so under m
    plain = torch.where(q == p, q, alpha * q + (1.0 - alpha) * p)
    exponent = torch.where(certain, plain, blend(alpha, *(torch.where(certain, -1.0, x) for x in (q, p))))
    outside = exponent >= 0
    return torch.where(outside, -torch.ones_like(exponent), exponent), outside


def _logit(log_probability: Tensor) -> Tensor:
    return log_probability - torch.log(-torch.expm1(log_probability))


def _geometric(q: Geometric, p: Geometric, alpha: float) -> Middle:
    if given(q) == given(p) == "probs":
        exponent, outside = _exponent(alpha, *(torch.log1p(-law.probs) for law in (q, p)))
        return Geometric(-torch.expm1(exponent), validate_args=False), outside, None
    exponent, outside = _exponent(alpha, *(logsigmoid(-logits_of(law)) for law in (q, p)))
    return Geometric(logits=-_logit(exponent), validate_args=False), outside, None


def _negative_binomial(q: NegativeBinomial, p: NegativeBinomial, alpha: float) -> Middle:
    same_count(q, p)
    if given(q) == given(p) == "probs":
        exponent, outside = _exponent(alpha, *(torch.log(law.probs) for law in (q, p)))
        return NegativeBinomial(q.total_count, torch.exp(exponent), validate_args=False), outside, None
    exponent, outside = _exponent(alpha, *(logsigmoid(logits_of(law)) for law in (q, p)))
    return NegativeBinomial(q.total_count, logits=_logit(exponent), validate_args=False), outside, None


MIDDLES: dict[type[Distribution], Callable[..., Middle]] = {
    Exponential: _positive(Exponential, ("rate",)),
    Gamma: _positive(Gamma, ("concentration", "rate")),
    InverseGamma: _positive(InverseGamma, ("concentration", "rate")),
    Beta: _positive(Beta, ("concentration1", "concentration0")),
    Dirichlet: _positive(Dirichlet, ("concentration",)),
    Geometric: _geometric,
    NegativeBinomial: _negative_binomial,
}


def through(middle: Middle, q: Distribution, p: Distribution, alpha: float) -> Tensor:
    """D from the law in between."""
    law, outside, beside = middle
    value = (alpha * kl(law, q) + (1.0 - alpha) * kl(law, p)) / (1.0 - alpha)
    if beside is not None:
        with torch.no_grad():
            lost = kl(law, beside) / (STRETCH * STRETCH * (1.0 - alpha))
        value = value - lost
    return value.masked_fill(outside, math.inf)
