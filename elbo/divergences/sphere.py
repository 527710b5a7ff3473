"""Laws on the unit sphere of R^m.

    KL[vMF(μ₁, κ₁) ‖ vMF(μ₂, κ₂)] = {G(κ₂) - G(κ₁) - A(κ₁)(κ₂ - κ₁)} + A(κ₁) κ₂ (1 - μ₁ᵀμ₂),    G(κ) = log 0F1(; m/2;
    κ²/4)

Both terms are non-negative, and each is computed without cancellation (``elbo.distributions._resultant``); the uniform
law is κ = 0. All is done in float64 and returned in the dtype of the parameters.
"""

from typing import Any

import torch
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError
from elbo.distributions import HypersphericalUniform, PowerSpherical, VonMisesFisher
from elbo.distributions import _power as power
from elbo.distributions._resultant import bregman, divergence_from_uniform, log_mgf, mean_resultant_length
from elbo.distributions._sphere import check_dimension
from elbo.divergences._diagnosis import blame
from elbo.divergences._domain import holds_negative
from elbo.divergences._elementwise import transformed
from elbo.divergences._registry import register

ACCURACY = 8.0
LENGTH = 1e-3  # how far from 1 a mean direction may be
CONDITIONS = "m >= 2, κ >= 0 finite; tested to m = 1024 and κ = 1e6"


def one_minus_cosine(a: Tensor, b: Tensor) -> Tensor:
    """1 - aᵀb / (‖a‖‖b‖) for vectors of any length, which keeps its digits where they are nearly parallel.

    1 - cos = sin² / (1 + cos),    sin = ‖d - a aᵀd/‖a‖²‖ / ‖b‖,    d = b - a
    """
    difference = b - a
    square_a, square_b = (a * a).sum(-1), (b * b).sum(-1)
    across = difference - a * ((a * difference).sum(-1) / square_a).unsqueeze(-1)
    cosine = (a * b).sum(-1) / (square_a * square_b).sqrt()
    acute = cosine >= 0
    near = (across * across).sum(-1) / square_b / torch.where(acute, 1 + cosine, 1.0)
    return torch.where(acute, near, 1 - cosine)


def _check(q: Any, p: Any) -> None:
    """That directions have length one, up to the steps of a finite difference, and concentrations no sign."""
    if transformed():
        return
    for law in (q, p):
        if not isinstance(law, HypersphericalUniform):
            length = torch.linalg.vector_norm(law.mean_direction.detach(), dim=-1)
            unit = length.is_meta or bool(((length - 1.0).abs() <= LENGTH).all())
            if not unit or holds_negative(law.concentration):
                raise blame(q, p) or InputValueError("a mean direction is no unit vector")


def _check_concentration(concentration: Tensor) -> None:
    if not isinstance(concentration, Tensor) or not concentration.is_floating_point():
        kind = concentration.dtype if isinstance(concentration, Tensor) else type(concentration).__name__
        raise InputTypeError(f"concentration is {kind}, expected a floating-point tensor: write torch.tensor(2.0)")
    if not transformed():
        good = torch.isfinite(concentration) & (concentration >= 0)
        if not bool(good.all()):
            raise InputValueError(
                f"concentration holds {concentration[~good][0].item()!r}, expected finite numbers >= 0"
            )


def vmf_kl(concentration: Tensor, dimension: int) -> Tensor:
    """KL from a von Mises-Fisher law to the uniform law on the sphere, in nats.

        KL = κ A(κ) - G(κ),    A(κ) = I_(m/2)(κ) / I_(m/2-1)(κ),    G(κ) = log 0F1(; m/2; κ²/4)

    Args:
        concentration: κ >= 0, any shape, float32 or float64.
        dimension: m, the number of coordinates, at least 2.

    Returns:
        one value for each concentration: κ²/(2m) for small κ, about (m-1)/2 log κ for large; differentiable to any
        order.

    Raises:
        InputTypeError: for integer tensors.
        InputValueError: for negative, infinite or NaN concentrations, or m < 2.

    Source: Davidson et al. 2018 (arXiv 1804.00891), appendix; the form without cancellation is ours.

    Example:
        >>> vmf_kl(torch.tensor([0.0, 1e-7, 50.0], dtype=torch.float64), 1024)
        tensor([0.0000e+00, 4.8828e-18, 1.2164e+00], dtype=torch.float64)
    """
    check_dimension(dimension)
    _check_concentration(concentration)
    return divergence_from_uniform(concentration, dimension)


@register(
    VonMisesFisher,
    VonMisesFisher,
    formula="G(κ₂) − G(κ₁) + A(κ₁)(κ₁ − κ₂ μ₁ᵀμ₂), G(κ) = log ₀F₁(; m/2; κ²/4), A = G′",
    conditions=CONDITIONS,
    accuracy=ACCURACY,
    source="Mardia and Jupp 2000, §9.3; Diethe 2015, arXiv 1502.07104",
)
def von_mises_fisher(q: VonMisesFisher, p: VonMisesFisher) -> Tensor:
    """KL between two von Mises-Fisher laws."""
    _check(q, p)
    kq, kp = q.concentration.to(torch.float64), p.concentration.to(torch.float64)
    apart = one_minus_cosine(q.mean_direction.to(torch.float64), p.mean_direction.to(torch.float64))
    turned = mean_resultant_length(kq, q.dimension) * kp * apart
    return (bregman(kq, kp, q.dimension) + turned).to(q.concentration.dtype)


@register(
    VonMisesFisher,
    HypersphericalUniform,
    formula="κ A(κ) − G(κ), G(κ) = log ₀F₁(; m/2; κ²/4), A = G′",
    conditions=CONDITIONS,
    accuracy=ACCURACY,
    source="Davidson et al. 2018, arXiv 1804.00891",
)
def von_mises_fisher_uniform(q: VonMisesFisher, p: HypersphericalUniform) -> Tensor:
    """KL from a von Mises-Fisher law to the uniform one."""
    _check(q, p)
    kappa = q.concentration.expand(torch.broadcast_shapes(q.batch_shape, p.batch_shape))
    return divergence_from_uniform(kappa, q.dimension)


@register(
    HypersphericalUniform,
    VonMisesFisher,
    formula="G(κ) = log ₀F₁(; m/2; κ²/4)",
    conditions=CONDITIONS,
    accuracy=ACCURACY,
    source="Mardia and Jupp 2000, §9.3",
)
def uniform_von_mises_fisher(q: HypersphericalUniform, p: VonMisesFisher) -> Tensor:
    """KL from the uniform law to a von Mises-Fisher one."""
    _check(q, p)
    kappa = p.concentration.expand(torch.broadcast_shapes(q.batch_shape, p.batch_shape))
    return log_mgf(kappa, p.dimension)


@register(
    PowerSpherical,
    HypersphericalUniform,
    formula="κ F′(κ) − F(κ), F(κ) = log B(α, β) − log B(β, β), α = (m−1)/2 + κ, β = (m−1)/2",
    conditions=CONDITIONS,
    accuracy=ACCURACY,
    source="De Cao and Aziz 2020, arXiv 2006.04437",
)
def power_spherical_uniform(q: PowerSpherical, p: HypersphericalUniform) -> Tensor:
    """KL from a power spherical law to the uniform one."""
    _check(q, p)
    kappa = q.concentration.expand(torch.broadcast_shapes(q.batch_shape, p.batch_shape))
    return power.divergence_from_uniform(kappa, q.dimension)


@register(
    HypersphericalUniform,
    HypersphericalUniform,
    formula="0",
    conditions="the same sphere",
    accuracy=0.0,
    source="definition",
)
def uniform_uniform(q: HypersphericalUniform, p: HypersphericalUniform) -> Tensor:
    """Zero."""
    shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
    return torch.zeros(shape, dtype=q.dtype, device=q.device)
