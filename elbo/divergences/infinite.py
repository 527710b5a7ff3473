"""Pairs whose supports differ, so that KL[q ‖ p] = ∞ whatever the parameters."""

import math

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    ContinuousBernoulli,
    Distribution,
    Exponential,
    Gamma,
    Gumbel,
    Laplace,
    Normal,
    Pareto,
    Poisson,
    Uniform,
)

from elbo.divergences._elementwise import transformed
from elbo.divergences._registry import register

BOUNDED = (Beta, ContinuousBernoulli, Uniform)
PAIRS = (
    (Beta, (Pareto,)),
    (ContinuousBernoulli, (Pareto,)),
    (Exponential, (*BOUNDED, Pareto)),
    (Gamma, (*BOUNDED, Pareto)),
    (Gumbel, (*BOUNDED, Exponential, Gamma, Pareto)),
    (Laplace, (*BOUNDED, Exponential, Gamma, Pareto)),
    (Normal, (*BOUNDED, Exponential, Gamma, Pareto)),
    (Pareto, BOUNDED),
    (Poisson, (Bernoulli, Binomial)),
)


def _infinite(q: Distribution, p: Distribution) -> Tensor:
    tensors = [value for law in (q, p) for value in vars(law).values() if isinstance(value, Tensor)]
    shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
    if not transformed() and any(math.isnan(tensor.detach().sum().item()) for tensor in tensors):
        return tensors[0].new_full(shape, math.nan)  # kl() then says which parameter it is
    return tensors[0].new_full(shape, math.inf)


for _q, _others in PAIRS:
    for _p in _others:
        register(
            _q,
            _p,
            formula="∞",
            conditions="always: q has mass outside the support of p",
            accuracy=0,
            source="the definition",
        )(_infinite)
