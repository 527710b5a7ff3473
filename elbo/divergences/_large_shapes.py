"""Laws on the half-line against gamma laws of a large shape, whose log Γ and log rate are sums that all but cancel.

    KL[q ‖ Γ(c, r)] = −H(q) + E log x + S(c) + c D + c Λ(e),      D = log E x − E log x ≥ 0,   e = r E x/c − 1

with S(c) = log Γ(c) − c log c + c = ½ log(2π/c) + μ(c), so that nothing is of the size of c log c.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import transformed
from elbo.divergences._kernels import itakura_saito_of, lambda_of
from elbo.divergences._products import product_difference, rounding_error
from elbo.divergences._stirling import STIRLING

HALF_LOG_2PI = 0.9189385332046727
LARGE = 16.0


def corrected(value: Tensor, shape: Tensor, form: Callable[..., Array], *parameters: Tensor) -> Tensor:
    """``value``, moved to that of ``form`` where the shape is large; the derivatives, which keep their digits, stay."""
    if transformed() or value.dtype is not torch.float64 or not value.is_cpu:
        return value
    bare = value.detach().numpy()
    places = np.broadcast_to(shape.detach().numpy() > LARGE, bare.shape) & (bare < math.inf)
    if not places.any():
        return value
    correction = np.zeros_like(bare)
    arrays = [x.detach().numpy() for x in parameters]
    correction[places] = form(
        *((x if x.shape == bare.shape else np.broadcast_to(x, bare.shape))[places] for x in arrays)
    )
    correction[places] -= bare[places]
    return value + torch.from_numpy(correction)


def _remainder(c: Array) -> Array:
    """½ log 2π + μ(c)."""
    u = 1.0 / c
    tail: Array = HALF_LOG_2PI + u * xp.polynomial(u * u, STIRLING[:8])
    return tail


def pareto_gamma(scale: Array, alpha: Array, c: Array, r: Array) -> Array:
    """KL[Pareto(x₀, α) ‖ Γ(c, r)]: −H + E log x = log α − 1 and D = Λ(−1/α)."""
    above, product = alpha - 1.0, scale * r
    lost = rounding_error(scale, r, product) * alpha - c * (alpha - (above + 1.0))
    e = (product_difference(product, alpha, c, above) + lost) / (c * above)
    spread = lambda_of(-1.0 / alpha) + itakura_saito_of(e, product * alpha / (c * above))
    value: Array = xp.log(alpha / xp.sqrt(c)) + (_remainder(c) - 1.0) + c * spread
    return value
