"""What is integrated for KL[q ‖ p], and the check that both densities integrate to one.

f = q Φ(log p/q) = p − q − q log p/q ≥ 0
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from elbo._errors import InputValueError
from elbo.divergences._kernels import phi_series
from elbo.exact.quadrature import Integral

Array = NDArray[Any]
MASS, NOISE = 1e5, 64.0
"""How far from one a density may integrate, in machine epsilons of its dtype; and how much of that may be rounding."""
KNOWN = 1e-2  # an error of a mass that excuses a value far from one
RESOLVED = 1e-8
"""A mass whose error is larger than this is not known, and what is not known of it counts as missing."""
LEAST = -700.0  # log of a mass: what is smaller is 0
HOLDS = -40.0


class Integrands:
    """f, q, p, q log p/q and a bound on the rounding error of f, each times its weight.

    Args:
        log_q, log_p: log densities, −∞ where they are zero.
        log_weight: logarithms of the weights.
        error_q, error_p: absolute errors of the log densities.
    """

    def __init__(self, log_q: Array, log_p: Array, log_weight: Array, error_q: Array, error_p: Array) -> None:
        q, p = np.exp(log_q + log_weight), np.exp(log_p + log_weight)
        with np.errstate(invalid="ignore", over="ignore"):
            self.y = y = np.where(np.isinf(log_q) | np.isinf(log_p), 0.0, log_p - log_q)
            f = np.where(np.abs(y) < 0.5, q * phi_series(np.clip(y, -0.5, 0.5)), p - q * (1.0 + y))
            f = np.where(np.isinf(log_q), p, np.where(np.isinf(log_p), 0.0, f))
            error = np.abs(p - q) * error_p + q * np.abs(y) * error_q
        self.parts = f, q, p, q * y, np.where(q > 0.0, error, p * error_p)


def rounding(log_density: Array, terms: float, eps: float) -> Array:
    """A bound on the rounding error of a log density, and of ``terms`` that cancel in it."""
    return eps * (4.0 + terms + np.where(np.isfinite(log_density), np.abs(log_density), 0.0))


def missing(name: str, mass: Integral, dtype: torch.dtype, farthest: float, most: float = 1e-6) -> float:
    """What KL may lack because a density does not integrate to one.

    Args:
        name: "q" or "p".
        mass: the integral of the density.
        dtype: that of its parameters.
        farthest: the largest ``|log p/q|`` that was met: a mass that is not found costs 1 + ``farthest``.
        most: how much may be missing before it is an error.

    Raises:
        InputValueError: where that is too much.
    """
    off, eps = abs(mass.value - 1.0), float(torch.finfo(dtype).eps)
    if not (math.isfinite(off) and off <= max(most, MASS * eps) + 10.0 * min(mass.error_bound, KNOWN)):
        raise InputValueError(
            f"exp({name}.log_prob) integrates to {mass.value:.6g}, expected 1: its log_prob is not normalised, or part "
            f"of {name} is so narrow or so far away that it was not found (a mean and a stddev, an icdf or a sample "
            "method say where it is)"
        )
    unknown = mass.error_bound if mass.error_bound > RESOLVED else 0.0
    rounded = NOISE * eps
    return (max(0.0, off - mass.error_bound - rounded) + unknown) * (1.0 + farthest)


def vanishing(log_q: Array, log_p: Array, in_p: Array, log_weight: Array) -> Array:
    """Where p is zero and q is not: outside the support of p; within it, a log density may fail where q holds nothing
    (at arguments that are too small or too large)."""
    mass = log_q + log_weight
    return np.asarray((log_p == -math.inf) & (mass > np.where(in_p, HOLDS, LEAST)))
