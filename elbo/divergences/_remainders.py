"""Stirling's remainder and its first two derivatives, together, as the divergences between families need them.

    μ(x) = log Γ(x) − (x − ½) log x + x − ½ log 2π > 0,      μ' < 0,      μ'' > 0

Entropies of gamma and beta laws are large sums of log Γ and ψ, whose leading terms cancel against the logarithm of a
variance. Written with μ, what cancels is gone. Below 4 each is that at x + 4 and four terms of one sign, from

    λ(x) = μ(x) − μ(x + 1) = (x + ½) log(1 + 1/x) − 1 = artanh(s)/s − 1,      s = 1/(2x + 1)
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._kernels import ARTANH_WIDE, WIDE
from elbo.divergences._stirling import SHIFT, STIRLING, _steps

SLOPES = tuple((2 * k + 1) * c for k, c in enumerate(STIRLING))
CURVATURES = tuple((2 * k + 2) * c for k, c in enumerate(SLOPES))


def stacked(*arrays: Array) -> Any:
    """The arrays, broadcast, along a new first dimension."""
    if isinstance(arrays[0], Tensor):
        return torch.stack(torch.broadcast_tensors(*arrays))
    return np.stack(np.broadcast_arrays(*arrays))


def _series(square: Array) -> Array:
    """artanh(s)/s − 1 for s² ≤ 0.2."""
    return square * (-0.5 * xp.polynomial(square, ARTANH_WIDE))


def remainder_and_slope(x: Array) -> tuple[Array, Array]:
    """μ(x) and μ'(x)."""
    small = x < SHIFT
    u = 1.0 / xp.where(small, x + SHIFT, x)
    z = u * u
    value, slope = u * xp.polynomial(z, STIRLING), -z * xp.polynomial(z, SLOPES)
    s = 1.0 / (2.0 * x + 1.0)
    half = s / (1.0 + 2.0 * s * xp.sqrt(x * (x + 1.0)))  # artanh s = 2 artanh half
    square = half * half
    near = square + (1.0 + square) * _series(square)
    first = xp.where(square <= WIDE, near, (x + 0.5) * xp.log1p(1.0 / x) - 1.0)
    k = x + _steps(x)[1:]
    t = 1.0 / (2.0 * k + 1.0)
    rest = _series(t * t)
    steps = first + rest.sum(0)
    slopes = 2.0 * (s * (first - 0.25 / (x * (x + 1.0))) + (t * (rest - 0.25 / (k * (k + 1.0)))).sum(0))
    return xp.where(small, value + steps, value), xp.where(small, slope + slopes, slope)


def remainder_curvature(x: Array) -> Array:
    """μ''(x)."""
    small = x < SHIFT
    u = 1.0 / xp.where(small, x + SHIFT, x)
    z = u * u
    k = x + _steps(x)
    square = (k + 1.0) * k
    return z * u * xp.polynomial(z, CURVATURES) + xp.where(small, (0.5 / (square * square)).sum(0), 0.0 * x)


def rises_beyond_4(x: Array, d: Array) -> tuple[Array, Array]:
    """μ(x + d) − μ(x) and μ'(x + d) − μ'(x) for x ≥ 4, from divided differences of Stirling's series."""
    u, w = 1.0 / x, 1.0 / (x + d)
    z, y = u * u, w * w
    results = []
    for table in (STIRLING, SLOPES):
        value: Any = table[-1]
        divided: Any = 0.0
        for c in table[-2::-1]:  # of P(z): P(z), and P[z, y]
            divided = divided * y + value
            value = value * z + c
        results.append((value, divided))
    (value, divided), (slope, slope_divided) = results
    step, both = -d * u * w, u + w
    # u M(u²) and −u² N(u²), of which y P(y) − z P(z) = (y − z)(P(z) + y P[z, y])
    return step * (value + w * both * divided), -step * both * (slope + y * slope_divided)
