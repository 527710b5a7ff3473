"""Rényi divergences of Gaussians and of exponential families, with the region where they are infinite.

    D_α(q ‖ p) = 1/(α − 1) log ∫ q^α p^{1−α}

For an exponential family q^α p^{1−α} is, but for a constant, the law m whose natural parameter is α η_q + (1 − α)
η_p, and

    D_α(q ‖ p) = [α KL(m ‖ q) + (1 − α) KL(m ‖ p)] / (1 − α).

The right side is stationary in m, so that the rounding of m is felt to second order only: near equality it keeps the
digits of KL. If m lies outside the natural domain (possible for α > 1) the integral diverges.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Dirichlet,
    Distribution,
    Exponential,
    Gamma,
    Geometric,
    Independent,
    InverseGamma,
    LogNormal,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    OneHotCategorical,
    Poisson,
)

from elbo._errors import InputTypeError, InputValueError
from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._by_logits import by_logits
from elbo.divergences._elementwise import elementwise, holds_nan, transformed
from elbo.divergences._kernels import lambda_of, log_quotient
from elbo.divergences._registry import UnregisteredPairError, _check_kinds, kl
from elbo.divergences.bernoulli import _same_count, given
from elbo.divergences.categorical import by_logits as categorical_by_logits

Slopes = tuple[Array | None, ...]


def _gaussian(alpha: float) -> Callable[..., Tensor]:
    """½ [Λ(u) − Λ(c u)/c] + α Δ²/(2 v), c = 1 − α, u = s₁²/s₂² − 1, v = s₂² (1 + c u); inf if v ≤ 0."""
    c = 1.0 - alpha

    def mixed(s1: Array, s2: Array) -> Array:
        # α s₂² + (1 − α) s₁², from the difference, which is all that matters near v = 0
        return s2 * s2 + c * ((s1 - s2) * (s1 + s2))

    def value(m1: Array, s1: Array, m2: Array, s2: Array) -> Array:
        v = mixed(s1, s2)
        log_ratio = 2.0 * log_quotient(s1, s2, s1 - s2)
        if alpha > 0.5:
            u = (s1 - s2) / s2 * ((s1 + s2) / s2)
            near = lambda_of(u) - lambda_of(c * u) / c
            far = xp.log1p(c * u) / c - log_ratio
        else:
            u = (s2 - s1) / s1 * ((s2 + s1) / s1)
            near = (alpha * lambda_of(u) - lambda_of(alpha * u)) / c
            far = (xp.log1p(alpha * u) + alpha * log_ratio) / c
        spread = xp.where(abs(u) < 1.0, near, far)
        difference = m1 - m2
        total = 0.5 * (spread + alpha * (difference / v) * difference)
        return xp.where(v > 0.0, total, math.inf + 0.0 * s1)

    def slopes(m1: Array, s1: Array, m2: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
        v = mixed(s1, s2)
        difference = m1 - m2
        mean = alpha * difference / v
        excess = (s1 - s2) * (s1 + s2) / v
        square = difference / v * difference / v
        by_q = alpha * (excess / s1 - c * s1 * square)
        by_p = -alpha * (excess / s2 + alpha * s2 * square)
        return mean, by_q, -mean, by_p

    return elementwise(value, slopes, "gaussian_renyi")


def _vectors(q: MultivariateNormal, p: MultivariateNormal, alpha: float) -> Tensor:
    c = 1.0 - alpha
    covariance_q, covariance_p = q.covariance_matrix, p.covariance_matrix
    factor = p._unbroadcasted_scale_tril
    half = torch.linalg.solve_triangular(factor, covariance_q - covariance_p, upper=False)
    e = torch.linalg.solve_triangular(factor, half.mT, upper=False)
    values = torch.linalg.eigvalsh(e)
    finite = (1.0 + c * values > 0).all(-1)
    safe = torch.where(finite.unsqueeze(-1), values, torch.zeros_like(values))
    one = torch.ones_like(safe)
    zero = torch.zeros_like(safe)
    spread = _gaussian(alpha)(zero, torch.sqrt(1.0 + safe), zero, one).sum(-1)
    mixed = covariance_p + c * (covariance_q - covariance_p)
    difference = (q.loc - p.loc).unsqueeze(-1)
    quadratic = (difference * torch.linalg.solve(mixed, difference)).sum((-2, -1))
    return torch.where(finite, spread + 0.5 * alpha * quadratic, torch.full_like(spread, math.inf))


def _blend(alpha: float, q: Tensor, p: Tensor) -> Tensor:
    return q + (1.0 - alpha) * (p - q)


def _positive(make: Callable[..., Distribution], names: Sequence[str]) -> Callable[..., tuple[Distribution, Tensor]]:
    """m for families whose natural parameters are ``names`` themselves (up to a shift), all positive."""

    def middle(q: Any, p: Any, alpha: float) -> tuple[Distribution, Tensor]:
        values = [_blend(alpha, getattr(q, name), getattr(p, name)) for name in names]
        inside = [value > 0 for value in values]
        outside = ~torch.stack(torch.broadcast_tensors(*inside)).all(0)
        if make is Dirichlet:
            outside = (~inside[0]).any(-1)
            values = [torch.where(inside[0], values[0], torch.ones_like(values[0]))]
        else:
            values = [torch.where(i, v, torch.ones_like(v)) for i, v in zip(inside, values, strict=True)]
        return make(*values, validate_args=False), outside

    return middle


def _poisson(q: Poisson, p: Poisson, alpha: float) -> tuple[Distribution, Tensor]:
    outside = (p.rate == 0) & (q.rate > 0) if alpha > 1 else torch.zeros_like(q.rate, dtype=torch.bool)
    rate = q.rate.pow(alpha) * torch.where(p.rate == 0, torch.ones_like(p.rate), p.rate).pow(1.0 - alpha)
    rate = torch.where((p.rate == 0) & ~outside, torch.zeros_like(rate), rate)
    return Poisson(rate, validate_args=False), outside


def _geometric(q: Geometric, p: Geometric, alpha: float) -> tuple[Distribution, Tensor]:
    exponent = _blend(alpha, torch.log1p(-q.probs), torch.log1p(-p.probs))
    outside = exponent >= 0
    return Geometric(
        -torch.expm1(torch.where(outside, -torch.ones_like(exponent), exponent)), validate_args=False
    ), outside


def _negative_binomial(q: NegativeBinomial, p: NegativeBinomial, alpha: float) -> tuple[Distribution, Tensor]:
    _same_count(q, p)
    exponent = _blend(alpha, torch.log(q.probs), torch.log(p.probs))
    outside = exponent >= 0
    probs = torch.exp(torch.where(outside, -torch.ones_like(exponent), exponent))
    return NegativeBinomial(q.total_count, probs, validate_args=False), outside


MIDDLES: dict[type[Distribution], Callable[..., tuple[Distribution, Tensor]]] = {
    Exponential: _positive(Exponential, ("rate",)),
    Gamma: _positive(Gamma, ("concentration", "rate")),
    InverseGamma: _positive(InverseGamma, ("concentration", "rate")),
    Beta: _positive(Beta, ("concentration1", "concentration0")),
    Dirichlet: _positive(Dirichlet, ("concentration",)),
    Poisson: _poisson,
    Geometric: _geometric,
    NegativeBinomial: _negative_binomial,
}


def _from_logits(divergence: Callable[..., Tensor], a: Tensor, b: Tensor, alpha: float) -> Tensor:
    middle = _blend(alpha, a, b)
    return (alpha * divergence(middle, a) + (1.0 - alpha) * divergence(middle, b)) / (1.0 - alpha)


def _bernoulli(q: Any, p: Any, alpha: float) -> Tensor:
    smooth = _from_logits(by_logits, _finite(q.logits), _finite(p.logits), alpha)
    edge = torch.isinf(q.logits) | torch.isinf(p.logits)
    if given(q) == "probs" or given(p) == "probs":
        edge = (q.probs == 0) | (q.probs == 1) | (p.probs == 0) | (p.probs == 1)
    return torch.where(
        edge, _direct(torch.stack((q.probs, 1 - q.probs), -1), torch.stack((p.probs, 1 - p.probs), -1), alpha), smooth
    )


def _finite(logits: Tensor) -> Tensor:
    return torch.where(torch.isinf(logits), torch.zeros_like(logits), logits)


def _direct(q: Tensor, p: Tensor, alpha: float) -> Tensor:
    """From probabilities, some of which are zero."""
    q, p = torch.broadcast_tensors(q, p)
    both = (q > 0) & (p > 0)
    one = torch.ones_like(q)
    logs = alpha * torch.log(torch.where(both, q, one)) + (1.0 - alpha) * torch.log(torch.where(both, p, one))
    value = torch.logsumexp(logs.masked_fill(~both, -math.inf), -1) / (alpha - 1.0)
    return value.masked_fill(((q > 0) & (p == 0)).any(-1), math.inf) if alpha > 1 else value


def _categorical(q: Categorical, p: Categorical, alpha: float) -> Tensor:
    edge = ((q.probs == 0) | (p.probs == 0)).any(-1)
    smooth = _from_logits(categorical_by_logits, _finite(q.logits), _finite(p.logits), alpha)
    return torch.where(edge, _direct(q.probs, p.probs, alpha), smooth)


def renyi(q: Distribution, p: Distribution, alpha: float) -> Tensor:
    """The Rényi divergence D_α(q ‖ p) in nats; α = 1 is KL[q ‖ p].

        D_α(q ‖ p) = 1/(α − 1) log ∫ q^α p^{1−α}

    Args:
        q, p: laws of one type: Normal, LogNormal, MultivariateNormal, Bernoulli, Binomial, Categorical,
            OneHotCategorical, Poisson, Exponential, Gamma, InverseGamma, Beta, Dirichlet, Geometric, NegativeBinomial,
            or Independent of these.
        alpha: the order, a positive number.

    Returns:
        one value for each element of the common batch shape: never negative, increasing in ``alpha``; ``inf`` where the
        integral diverges (for α > 1, if α η_q + (1 − α) η_p is no natural parameter).

    Raises:
        InputTypeError: for laws that are not of one of these types, mixed dtypes or devices.
        InputValueError: for an order that is not positive and finite, for shapes that do not fit, for NaN parameters.

    Conditions: near the edge of the infinite region the relative error grows as the distance to it shrinks; for α > 1
    and
    laws other than Gaussians it is about 2 α times that of KL.

    Source: van Erven and Harremoës 2014, arXiv 1206.2459; Gil, Alajaji and Linder 2013 for the families.

    Example:
        >>> from torch.distributions import Normal
        >>> renyi(Normal(0.0, 1.0), Normal(1.0, 1.0), 2.0)
        tensor(1.)
        >>> renyi(Normal(0.0, 2.0), Normal(0.0, 1.0), 2.0)
        tensor(inf)
    """
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise InputTypeError(f"alpha is a {type(alpha).__name__}, expected a Python number: write float(alpha)")
    if not 0.0 < alpha < math.inf:
        raise InputValueError(f"alpha is {alpha}, expected a positive finite number; α = 1 gives KL")
    if alpha == 1.0:
        return kl(q, p)
    if not isinstance(q, Distribution) or type(q) is not type(p):
        raise UnregisteredPairError(
            f"the Rényi divergence of {type(q).__name__} and {type(p).__name__} has no closed form here, expected laws "
            f"of one type among {', '.join(kind.__name__ for kind in KINDS)}"
        )
    if q.event_shape != p.event_shape:
        raise InputValueError(
            f"q has event shape {tuple(q.event_shape)} and p {tuple(p.event_shape)}, expected the same"
        )
    _check_kinds(q, p)
    result = _dispatch(q, p, float(alpha))
    if not transformed() and holds_nan(result):
        raise InputValueError("a parameter of q or p is NaN or outside its domain")
    return result


KINDS = (
    Normal,
    LogNormal,
    MultivariateNormal,
    Bernoulli,
    Binomial,
    Categorical,
    OneHotCategorical,
    Independent,
    *MIDDLES,
)


def _dispatch(q: Any, p: Any, alpha: float) -> Tensor:
    if isinstance(q, Independent):
        value = renyi(q.base_dist, p.base_dist, alpha)
        return value.sum(tuple(range(-q.reinterpreted_batch_ndims, 0))) if q.reinterpreted_batch_ndims else value
    if isinstance(q, LogNormal):
        return _dispatch(q.base_dist, p.base_dist, alpha)
    if isinstance(q, Normal):
        return _gaussian(alpha)(q.loc, q.scale, p.loc, p.scale)
    if isinstance(q, MultivariateNormal):
        return _vectors(q, p, alpha)
    if isinstance(q, Bernoulli):
        return _bernoulli(q, p, alpha)
    if isinstance(q, Binomial):
        _same_count(q, p)
        return q.total_count * _bernoulli(q, p, alpha)
    if isinstance(q, OneHotCategorical):
        return _categorical(q._categorical, p._categorical, alpha)
    if isinstance(q, Categorical):
        return _categorical(q, p, alpha)
    for kind, middle in MIDDLES.items():
        if isinstance(q, kind):
            law, outside = middle(q, p, alpha)
            value = (alpha * kl(law, q) + (1.0 - alpha) * kl(law, p)) / (1.0 - alpha)
            return value.masked_fill(outside, math.inf)
    raise UnregisteredPairError(
        f"the Rényi divergence of {type(q).__name__} has no closed form here, expected one of "
        f"{', '.join(kind.__name__ for kind in KINDS)}"
    )
