"""Laws on a line with one peak, integrated by the trapezoidal rule: positive sums only, so that no digit is lost.

Both laws of a cosine ``w`` on the sphere, w ~ (1-w²)^((m-3)/2) e^(κw) (von Mises-Fisher) and w ~ (1-w²)^((m-3)/2)
(1+w)^κ (power spherical), become analytic with exponential tails in ``u = artanh w``. Written relative to the peak,
the logarithm of their density is minus a sum of positive terms, and it is of order one whatever m and κ are. One fixed
grid ``u = peak + v``, ``v = c sinh y`` with equidistant y, then integrates it to rounding for every concentration.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

_CHUNK = 2048  # concentrations at a time: 2048 x 129 float64 numbers are 2.1 MB, which stays in the cache
_RULES = {2: (257, 4.5), 3: (193, 4.0), 5: (161, 3.5), math.inf: (129, 3.0)}  # dimension up to: nodes, reach in y


class Grid(NamedTuple):
    """Displacements ``v`` from the peak with what depends on them alone (all of shape ``[node]``, float64)."""

    v: Tensor
    tanh: Tensor
    one_plus_tanh: Tensor
    log_cosh: Tensor
    log_weight: Tensor


def grid(dimension: int, device: torch.device) -> Grid:
    """The nodes for a dimension, kept once made; a compiler traces how they are made."""
    return _make_grid(dimension, device) if torch.compiler.is_compiling() else _kept_grid(dimension, device)


def _make_grid(dimension: int, device: torch.device) -> Grid:
    """Nodes for the sphere of R^dimension: to ``(m-1) log cosh v = 45`` on each side, where the density is below 1e-19.

    The rules were chosen against mpmath, one step of 32 nodes above the first where A, 1 - A and A' show rounding
    alone for every κ; ``tests/distributions/test_resultant.py`` holds them there.
    """
    nodes, reach = next(rule for up_to, rule in _RULES.items() if dimension <= up_to)
    end = 45.0 / (dimension - 1)
    # acosh(e^end), without cancellation where end is small
    v_end = math.log1p(math.expm1(end) + math.sqrt(math.expm1(2 * end)))
    scale = v_end / math.sinh(reach)
    with torch.no_grad():
        y = torch.linspace(-reach, reach, nodes, dtype=torch.float64, device=device)
        v = scale * torch.sinh(y)
        return Grid(
            v,
            torch.tanh(v),
            2 * torch.sigmoid(2 * v),
            0.5 * torch.log1p(torch.sinh(v) ** 2),
            torch.log(scale * (2 * reach / (nodes - 1)) * torch.cosh(y)),
        )


_kept_grid = lru_cache(maxsize=256)(_make_grid)


def exp_minus_1_minus(x: Tensor) -> Tensor:
    """``e^x - 1 - x`` to a few ulps, also where x is small."""
    small = torch.where(x.abs() < 1, x, 0.0)
    square = small * small
    series = torch.full_like(x, 1 / math.factorial(19))
    for k in range(17, 2, -2):
        series = series * square + 1 / math.factorial(k)
    near = 2 * torch.sinh(small / 2) ** 2 + small * square * series  # cosh - 1, and sinh less its argument
    return torch.where(x.abs() < 1, near, torch.expm1(x) - x)


def minus_log1p(x: Tensor, one_plus: Tensor) -> Tensor:
    """``x - log(1+x) >= 0`` to a few ulps; ``one_plus`` is 1+x, known better than x where x is near -1."""
    small = torch.where(x.abs() < 0.5, x, 0.0)
    s = small / (2 + small)
    square = s * s
    series = torch.zeros_like(x)
    for k in range(17, 0, -1):
        series = series * square + 1 / (2 * k + 1)
    return torch.where(x.abs() < 0.5, small * s - 2 * s * square * series, x - torch.log(one_plus))


def expect(log_density: Tensor, log_weight: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of the nodes ``[batch, node]`` and the mass ``[batch]`` relative to the peak."""
    terms = torch.exp(log_density + log_weight)
    mass = terms.sum(-1)
    return terms / mass.unsqueeze(-1), mass


def tilted_excess(probability: Tensor, x: Tensor) -> Tensor:
    """``E[e^x - 1 - x]`` where e^x may overflow at nodes of probability zero."""
    low = probability * exp_minus_1_minus(x.clamp(max=1.0))
    high = torch.exp(torch.log(probability) + x) - probability * (1 + x)
    return torch.where(x < 1, low, high).sum(-1)


def in_chunks(function: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
    """``function`` of broadcast arguments as flat float64 columns ``[batch, 1]``, a few thousand at a time."""
    arguments = torch.broadcast_tensors(*arguments)
    flat = [argument.to(torch.float64).reshape(-1, 1) for argument in arguments]
    if flat[0].shape[0] <= _CHUNK:
        result = function(*flat)
    else:
        columns = zip(*(column.split(_CHUNK) for column in flat), strict=True)
        result = torch.cat([function(*column) for column in columns])
    return result.reshape(arguments[0].shape)
