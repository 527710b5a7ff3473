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
    Binomial,
    Categorical,
    Distribution,
    Independent,
    LogNormal,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    Poisson,
)

from elbo._errors import Error, InputTypeError, InputValueError
from elbo.divergences import _alpha_terms
from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences._array import Array
from elbo.divergences._by_logits import by_logits
from elbo.divergences._cholesky import from_factors, whitened_square
from elbo.divergences._diagnosis import attempt, blame, parameters
from elbo.divergences._domain import holds_nan
from elbo.divergences._elementwise import elementwise, transformed
from elbo.divergences._kernels import itakura_saito_of, lambda_of, log_quotient
from elbo.divergences._laws import in_double
from elbo.divergences._laws_between import MIDDLES, blend, through
from elbo.divergences._registry import UnregisteredPairError, _check_kinds, kl
from elbo.divergences.bernoulli import given, logits_of, same_count, times_count
from elbo.divergences.categorical import by_logits as categorical_by_logits
from elbo.divergences.categorical import logits_of as categorical_logits_of
from elbo.divergences.categorical import same_outcomes
from elbo.divergences.multivariate_gaussian import made_from

Slopes = tuple[Array | None, ...]


def _gaussian(alpha: float) -> Callable[..., Tensor]:
    """½ [Λ(u) − Λ(c u)/c] + α Δ²/(2 s₂² w), c = 1 − α, u = s₁²/s₂² − 1, w = 1 + c u; inf if w ≤ 0."""
    c = 1.0 - alpha
    c_low = (1.0 - c) - alpha  # what c has lost

    def mixed(s1: Array, s2: Array) -> Array:
        """w = α + c s₁²/s₂², to the last digits near the edge of the infinite region, where it vanishes."""
        ratio, low = double.over(s1, s2)
        square, lost = double.times(ratio, ratio)
        lost = lost + 2.0 * ratio * low
        part, rest = double.times(square, c + 0.0 * square)
        total, error = double.plus(part, alpha + 0.0 * part)
        return total + (error + (rest + c * lost + c_low * square))

    def value(m1: Array, s1: Array, m2: Array, s2: Array) -> Array:
        w = mixed(s1, s2)
        log_ratio = 2.0 * log_quotient(s1, s2, s1 - s2)
        if alpha > 0.5:
            u, ratio = (s1 - s2) / s2 * ((s1 + s2) / s2), s1 / s2
            step, rise = c * u, w
            near = itakura_saito_of(u, ratio * ratio) - itakura_saito_of(step, rise) / c
        else:
            u, ratio = (s2 - s1) / s1 * ((s2 + s1) / s1), s2 / s1
            step = alpha * u
            rise = 1.0 + step
            near = (alpha * itakura_saito_of(u, ratio * ratio) - lambda_of(step)) / c
        growth = xp.where(abs(step) < 0.5, xp.log1p(step), xp.log(rise)) / c
        far = growth - log_ratio if alpha > 0.5 else growth + alpha / c * log_ratio
        spread = xp.where(abs(u) < 1.0, near, far)
        distance = (m1 - m2) / s2
        total = 0.5 * (spread + alpha * (distance / w) * distance)
        return xp.where(w > 0.0, total, math.inf + 0.0 * w)

    def slopes(m1: Array, s1: Array, m2: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
        w = mixed(s1, s2)
        distance = (m1 - m2) / s2
        mean = alpha * distance / w / s2
        excess = (s1 - s2) / s2 * ((s1 + s2) / s2) / w
        square, ratio = distance / w * distance / w, s1 / s2
        by_q = alpha * (excess / s1 - c * ratio * square / s2)
        by_p = -alpha * (excess + alpha * square) / s2
        # an infinite value does not change
        return tuple(xp.where(w > 0.0, slope, 0.0 * w) for slope in (mean, by_q, -mean, by_p))

    return elementwise(value, slopes, "gaussian_renyi", nonnegative=(1, 3))


def _vectors(q: MultivariateNormal, p: MultivariateNormal, alpha: float) -> Any:
    """KL₀[Σ₁ ‖ Σ₂] − KL₀[Σ ‖ Σ₂]/c + ½ α Δᵀ Σ⁻¹ Δ, Σ = Σ₂ + c (Σ₁ − Σ₂), where KL₀ is that of equal means."""
    if alpha < 0.5:
        return alpha / (1.0 - alpha) * _vectors(p, q, 1.0 - alpha)
    c = 1.0 - alpha
    l1, l2, gap = q.scale_tril, p.scale_tril, q.loc - p.loc
    if made_from(q) == made_from(p) == "scale_tril":
        step = l1 - l2
        known, difference = None, step @ l1.mT + l2 @ step.mT
    else:
        known = difference = q.covariance_matrix - p.covariance_matrix
    factor, failed = torch.linalg.cholesky_ex(p.covariance_matrix + c * difference)
    finite = failed == 0
    factor = torch.where(finite[..., None, None], factor, l2)
    nothing = torch.zeros_like(gap[..., 0])
    whole = from_factors(l1, l2, known, nothing)
    near = whole - from_factors(factor, l2, c * difference, nothing) / c
    d1, d2, d = (torch.diagonal(x, dim1=-2, dim2=-1) for x in (l1, l2, factor))
    far = torch.log(d / d2).sum(-1) / c - torch.log(d1 / d2).sum(-1)
    square = whitened_square(gap, factor)
    value = torch.where(whole < 1.0, near, far) + 0.5 * alpha * square
    return torch.where(finite, value, torch.full_like(value, math.inf))


def _from_logits(divergence: Callable[..., Tensor], a: Tensor, b: Tensor, alpha: float) -> Tensor:
    middle = blend(alpha, a, b)
    return (alpha * divergence(middle, a) + (1.0 - alpha) * divergence(middle, b)) / (1.0 - alpha)


def _bernoulli(q: Any, p: Any, alpha: float) -> Tensor:
    by_probs = _alpha_terms.bernoulli(alpha)
    if given(q) == given(p) == "probs":
        return by_probs(q.probs, p.probs)
    a, b = logits_of(q), logits_of(p)
    certain = torch.isinf(a) | torch.isinf(b)
    smooth = _from_logits(by_logits, _finite(a), _finite(b), alpha)
    if not transformed() and not bool(certain.any()):
        return smooth
    return torch.where(certain, by_probs(torch.sigmoid(a), torch.sigmoid(b)), smooth)


def _finite(logits: Tensor) -> Tensor:
    return torch.where(torch.isinf(logits), torch.zeros_like(logits), logits)


def _categorical(q: Categorical, p: Categorical, alpha: float) -> Tensor:
    same_outcomes(q, p)
    by_weights = _alpha_terms.categorical(alpha)
    if given(q) == given(p) == "probs":
        return by_weights(q.probs, p.probs)
    a, b = categorical_logits_of(q), categorical_logits_of(p)
    certain = (torch.isinf(a) | torch.isinf(b)).any(-1)
    smooth = _from_logits(categorical_by_logits, _finite(a), _finite(b), alpha)
    return (
        smooth
        if not transformed() and not certain.any()
        else torch.where(certain, by_weights(q.probs, p.probs), smooth)
    )


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

    Conditions: the relative error is some ulps for Gaussian, Poisson, Bernoulli and categorical laws, and in float32
    for all (of vectors it is so many times the condition number of p's Cholesky factor); for other laws, in float64,
    about 2 α times that of KL, and more near the edge of the infinite region.

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
    _check_types(q, p)
    if q.event_shape != p.event_shape:
        raise InputValueError(
            f"q has event shape {tuple(q.event_shape)} and p {tuple(p.event_shape)}, expected the same"
        )
    _check_kinds(q, p)
    try:
        result = attempt(q, p, lambda: _rounded_once(q, p, float(alpha)))
    except InputValueError as error:
        cause = blame(q, p)
        if cause is None and str(error).startswith(("q.", "p.")):  # a law in between was blamed
            cause = Error(f"D_{alpha} gave NaN for parameters in their domain, please report it with q and p")
        raise cause or error from error
    if not transformed() and holds_nan(result):
        raise blame(q, p) or Error(f"D_{alpha} gave NaN for parameters in their domain, please report it with q and p")
    return result


KINDS = (
    Normal,
    LogNormal,
    MultivariateNormal,
    Bernoulli,
    Binomial,
    Categorical,
    OneHotCategorical,
    Poisson,
    Independent,
    *MIDDLES,
)


def _check_types(q: Any, p: Any) -> None:
    """That both are of one type, down to the laws inside."""
    if type(q) is not type(p) or not isinstance(q, KINDS):
        raise UnregisteredPairError(
            f"the Rényi divergence of {type(q).__name__} and {type(p).__name__} has no closed form here, expected laws "
            f"of one type among {', '.join(kind.__name__ for kind in KINDS)}"
        )
    if type(q) is Independent:
        if q.reinterpreted_batch_ndims != p.reinterpreted_batch_ndims:
            raise InputValueError(
                f"q reinterprets {q.reinterpreted_batch_ndims} batch dimensions and p {p.reinterpreted_batch_ndims}, "
                "expected the same"
            )
        _check_types(q.base_dist, p.base_dist)


def _rounded_once(q: Distribution, p: Distribution, alpha: float) -> Tensor:
    """In float64 where the parameters are float32, whose law in between would be rounded."""
    if next(parameters(q))[1].dtype is not torch.float32:
        return _dispatch(q, p, alpha)
    return _dispatch(in_double(q), in_double(p), alpha).float()


def _dispatch(q: Any, p: Any, alpha: float) -> Tensor:
    if isinstance(q, Independent):
        value = _dispatch(q.base_dist, p.base_dist, alpha)
        return value.sum(tuple(range(-q.reinterpreted_batch_ndims, 0))) if q.reinterpreted_batch_ndims else value
    if isinstance(q, LogNormal):
        return _dispatch(q.base_dist, p.base_dist, alpha)
    if isinstance(q, Normal):
        return _gaussian(alpha)(q.loc, q.scale, p.loc, p.scale)
    if isinstance(q, MultivariateNormal):
        of_vectors: Tensor = _vectors(q, p, alpha)
        return of_vectors
    if isinstance(q, Poisson):
        return _alpha_terms.poisson(alpha)(q.rate, p.rate)
    if isinstance(q, Bernoulli):
        return _bernoulli(q, p, alpha)
    if isinstance(q, Binomial):
        same_count(q, p)
        return times_count(q.total_count, _bernoulli(q, p, alpha))
    if isinstance(q, OneHotCategorical):
        return _categorical(q._categorical, p._categorical, alpha)
    if isinstance(q, Categorical):
        return _categorical(q, p, alpha)
    middle = next(middle for kind, middle in MIDDLES.items() if isinstance(q, kind))
    return through(middle(q, p, alpha), q, p, alpha)
