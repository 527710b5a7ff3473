"""Functions of the concentration κ of the power spherical law on the unit sphere of R^m, to a few ulps at every scale.

With z = (1 + μᵀx)/2, which is Beta(α, β) with α = (m-1)/2 + κ and β = (m-1)/2,

    F(κ) = log E z^κ = log B(α, β) - log B(β, β) <= 0 under the uniform law,    F'(κ) = E log z,    F'' = var log z,

and KL to the uniform law is κF' - F, which is ``log1p E[e^d - 1 - d]`` with d = -κ(log z - E log z) near κ = 0 and,
far from it, ``-β log(1 - (κ/(κ+2β))²)`` plus a bounded correction. Source: De Cao & Aziz 2020 (arXiv 2006.04437).
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elbo.distributions._line import Grid, exp_minus_1_minus, expect, grid, in_chunks, tilted_excess
from elbo.distributions._resultant import cumulant_of


class _Peak(NamedTuple):
    """The law of log z at concentration κ about the peak z* = α/(α+β) in log-odds; ``[batch, ...]``."""

    z: Tensor
    complement: Tensor
    probability: Tensor
    mass: Tensor
    log_ratio: Tensor  # log z - log z* at the nodes


def _peak(kappa: Tensor, m: int, nodes: Grid) -> _Peak:
    beta = (m - 1) / 2
    total = kappa + 2 * beta
    z, complement = (kappa + beta) / total, beta / total
    y = 2 * nodes.v  # log-odds
    excess = complement * exp_minus_1_minus(-y * z) + z * exp_minus_1_minus(y * complement)
    probability, mass = expect(-total * torch.log1p(excess), nodes.log_weight)
    return _Peak(z, complement, probability, mass.unsqueeze(-1), -torch.log1p(complement * torch.expm1(-y)))


def _shift(law: _Peak) -> Tensor:
    """E log z - log z*."""
    return (law.probability * law.log_ratio).sum(-1, keepdim=True)


def _log_moment(kappa: Tensor, m: int, order: int) -> Tensor:
    nodes = grid(m, kappa.device)
    law = _peak(kappa, m, nodes)
    if order == 1:
        return torch.log1p(-law.complement) + _shift(law)
    if order >= 2:
        return cumulant_of(law.probability, law.log_ratio - _shift(law), order)
    uniform = _peak(torch.zeros_like(kappa[:1]), m, nodes)
    beta = (m - 1) / 2
    saddle = (kappa + beta) * torch.log1p(-law.complement) + beta * torch.log(2 * law.complement) + beta * math.log(2)
    tilt = (kappa / (kappa + 2 * beta)).clamp(max=0.5)  # the same without cancellation while κ < 2β
    flat = kappa * (torch.atanh(tilt) - math.log(2)) + (kappa / 2 + beta) * torch.log1p(-tilt * tilt)
    saddle = torch.where(kappa < 2 * beta, flat, saddle)
    # near κ = 0 as a tilt of the uniform law, whose terms κ E log z + log1p E[...] do not cancel
    is_near = kappa * kappa <= beta
    log_z = uniform.log_ratio - math.log(2)
    mean = (uniform.probability * log_z).sum(-1, keepdim=True)
    tilt = torch.where(is_near, kappa, 0.0) * (log_z - mean)
    near = kappa * mean + torch.log1p(tilted_excess(uniform.probability, tilt).unsqueeze(-1))
    return torch.where(is_near, near, saddle + torch.log(law.mass / uniform.mass))


def _divergence(kappa: Tensor, m: int) -> Tensor:
    nodes = grid(m, kappa.device)
    law, uniform = _peak(kappa, m, nodes), _peak(torch.zeros_like(kappa[:1]), m, nodes)
    centred = law.log_ratio - _shift(law)
    spread = (law.probability * centred * centred).sum(-1, keepdim=True).sqrt()
    is_near = (kappa * spread <= 1) & (kappa <= (m - 1) / 2)
    tilt = -torch.where(is_near, kappa, 0.0) * centred
    near = torch.log1p(tilted_excess(law.probability, tilt).unsqueeze(-1))
    square = (law.z - law.complement) ** 2
    spread_out = 4 * law.z * law.complement  # 1 - square
    saddle = (m - 1) / 2 * torch.where(square < 0.5, -torch.log1p(-square), -torch.log(spread_out))
    return torch.where(is_near, near, saddle + kappa * _shift(law) - torch.log(law.mass / uniform.mass))


class _LogMoment(torch.autograd.Function):
    """F and its derivatives; each is the derivative of the one before."""

    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, m: int, order: int) -> Tensor:
        return in_chunks(lambda k: _log_moment(k, m, order), kappa).to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        kappa, ctx.m, ctx.order = inputs
        ctx.save_for_backward(kappa)
        ctx.save_for_forward(kappa)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (kappa,) = ctx.saved_tensors
        return gradient * _LogMoment.apply(kappa, ctx.m, ctx.order + 1), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *rest: None) -> Tensor:
        return _LogMoment.backward(ctx, tangent)[0]


class _Divergence(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, m: int) -> Tensor:
        return in_chunks(lambda k: _divergence(k, m), kappa).to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        kappa, ctx.m = inputs
        ctx.save_for_backward(kappa)
        ctx.save_for_forward(kappa)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kappa,) = ctx.saved_tensors
        return gradient * kappa * _LogMoment.apply(kappa, ctx.m, 2), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *rest: None) -> Tensor:
        return _Divergence.backward(ctx, tangent)[0]


def log_moment(concentration: Tensor, dimension: int, order: int = 0) -> Tensor:
    """F(κ) = log E z^κ under the uniform law, z = (1 + μᵀx)/2, or its derivative of the given order; differentiable."""
    return _LogMoment.apply(concentration, dimension, order)  # type: ignore[no-any-return]


def divergence_from_uniform(concentration: Tensor, dimension: int) -> Tensor:
    """κF'(κ) - F(κ): KL from the power spherical law to the uniform one, in nats; differentiable."""
    return _Divergence.apply(concentration, dimension)  # type: ignore[no-any-return]
