"""Two functions that keep all digits where both arguments of a divergence nearly agree."""

import torch
from torch import Tensor


def exp_excess(y: Tensor) -> Tensor:
    """e^y - 1 - y ≥ 0 without cancellation."""
    small = torch.where(y.abs() < 1, y, torch.zeros_like(y))
    series = torch.ones_like(y)
    for k in range(20, 2, -1):
        series = 1 + small * series / k
    return torch.where(y.abs() < 1, 0.5 * small * small * series, torch.expm1(y) - y)


def log_excess(d: Tensor) -> Tensor:
    """d - log(1 + d) ≥ 0 without cancellation; ``inf`` at and below d = -1."""
    near = d.abs() < 0.5
    small = torch.where(near, d, torch.zeros_like(d))
    s = small / (2 + small)
    s2, series = s * s, torch.zeros_like(d)
    for k in range(24, 0, -1):
        series = series * s2 + 1 / (2 * k + 1)
    far = torch.where(near | (d <= -1), torch.ones_like(d), d)
    value = torch.where(near, small * s - 2 * s * s2 * series, far - torch.log1p(far))
    return torch.where(d <= -1, torch.full_like(d, torch.inf), value)
