"""The Gaussian KL in sixty digits, at the points where floating-point forms fail."""

import torch
from torch import Tensor

from elbo._errors import InputValueError

_SIZES = [10.0**-k for k in range(8)]
NEAR: tuple[Tensor, Tensor] = (
    torch.tensor([m * s for s in _SIZES for m in (0.0, 1.0, -0.3)], dtype=torch.float64),
    torch.tensor([v * s for s in _SIZES for v in (1.0, -0.7, 0.4)], dtype=torch.float64),
)
"""Means and log-variances at distances 1 to 1e-7 from the standard normal law."""


def spread_of(kind: str, log_variance: Tensor) -> Tensor:
    """A log-variance in another parametrisation."""
    forms = {
        "log_variance": log_variance,
        "variance": log_variance.exp(),
        "std": (0.5 * log_variance).exp(),
        "log_std": 0.5 * log_variance,
    }
    if kind not in forms:
        raise InputValueError(f"spread is {kind!r}; expected one of {', '.join(forms)}")
    return forms[kind]


def exact_gaussian_kl(mean: float, spread: float, kind: str) -> float:
    """½ (μ² + σ² − 1 − log σ²) for exactly these numbers."""
    from mpmath import exp, log, mp, mpf

    with mp.workdps(60):
        m, s = mpf(mean), mpf(spread)
        log_variance = {"log_variance": s, "log_std": 2 * s}.get(kind)
        if log_variance is None:
            log_variance = 2 * log(s) if kind == "std" else log(s)
        return float((m * m + exp(log_variance) - 1 - log_variance) / 2)
