"""Special functions with all their digits, where torch or the usual formula loses some."""

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


def safe_log(p: Tensor) -> Tensor:
    """log p with -inf and the gradient 0 at p = 0, where 0 · log' would make NaN of a gradient."""
    positive = p > 0
    return torch.where(positive, torch.where(positive, p, torch.ones_like(p)).log(), torch.full_like(p, -torch.inf))


SHIFT = 12
# B_2, B_4, ..., B_16; with arguments above SHIFT the first term left out is below 2e-19
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def digamma(x: Tensor) -> Tensor:
    """ψ(x) for x > 0, written out so that its gradient is exact too: that of torch's digamma is off by 1e-9."""
    y = x + SHIFT
    square = 1 / (y * y)
    series = torch.zeros_like(x)
    for k in range(len(BERNOULLI), 0, -1):
        series = (series + BERNOULLI[k - 1] / (2 * k)) * square
    below = torch.zeros_like(x)
    for i in range(SHIFT - 1, -1, -1):
        below = below + 1 / (x + i)
    return torch.log(y) - 0.5 / y - series - below


def trigamma(x: Tensor) -> Tensor:
    """ψ'(x) for x > 0; torch's polygamma(1, x) has a relative error of up to 4e-9."""
    y = x + SHIFT
    square = 1 / (y * y)
    series = torch.zeros_like(x)
    for b in reversed(BERNOULLI):
        series = (series + b) * square
    below = torch.zeros_like(x)
    for i in range(SHIFT - 1, -1, -1):
        below = below + 1 / (x + i) ** 2
    return (1 + 0.5 / y + series) / y + below
