"""Pairs whose supports differ, so that KL[q ‖ p] = ∞ whatever the parameters."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    ContinuousBernoulli,
    Exponential,
    Gamma,
    Gumbel,
    Laplace,
    Normal,
    Pareto,
    Poisson,
    Uniform,
)

from elbo.divergences._diagnosis import blame
from elbo.divergences._domain import holds_nan
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


def _infinite(q: Any, p: Any) -> Tensor:
    tensors = [
        value
        for law in (q, p)
        for name, value in (law._dirichlet if isinstance(law, Beta) else law).__dict__.items()
        if isinstance(value, Tensor) and name != "_param"  # the same tensor as another one
    ]
    if not transformed() and any(map(holds_nan, tensors)):
        error = blame(q, p)
        if error is not None:
            raise error
    shape = q._batch_shape
    if shape != p._batch_shape:
        shape = torch.broadcast_shapes(shape, p._batch_shape)
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
            checked=True,
        )(_infinite)
