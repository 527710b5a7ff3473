"""Where a univariate law has its mass: the ends of its support, and centres and spreads. Hints, from which no number
of the result is made: they say where to look first."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import MixtureSameFamily, TransformedDistribution, VonMises

from elbo.divergences._laws import dtype_of

Array = NDArray[Any]
QUANTILES = (1e-3, 0.05, 0.25, 0.5, 0.75, 0.95, 1 - 1e-3)
DRAWS = 64
INTERQUARTILE = 1.35  # of a normal law, in deviations


def known(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a law says about itself, or None where it does not implement that."""
    try:
        return function(*arguments)
    except (NotImplementedError, AttributeError):
        return None


def drawn(law: Any, count: int) -> Tensor | None:
    """A few draws, always the same ones, without a trace in the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = known(lambda: law.sample((count,)))
    return found if isinstance(found, Tensor) else None


def intervals(law: Any) -> list[tuple[Array, Array]]:
    """Lower and upper ends of the support in float64, of each component of a mixture: ``[*batch]`` each."""
    if isinstance(law, VonMises):  # torch says that an angle may be any number, which leaves no density
        return _numbers(law, -math.pi, math.pi)
    if isinstance(law, MixtureSameFamily):
        parts = intervals(law.component_distribution)
        return [(low[..., k], high[..., k]) for low, high in parts for k in range(low.shape[-1])]
    # what a transform may give is more than what it gives here; a family of its own knows its support
    if isinstance(law, TransformedDistribution) and type(law).support is TransformedDistribution.support:
        moved = [_pushed(law, low, high) for low, high in intervals(law.base_dist)]
        if all(np.less(low, high).all() for low, high in moved):
            return moved
    support = law.support
    return _numbers(law, getattr(support, "lower_bound", -math.inf), getattr(support, "upper_bound", math.inf))


def _numbers(law: Any, *ends: Any) -> list[tuple[Array, Array]]:
    low, high = (torch.as_tensor(end, dtype=torch.float64).detach().expand(law.batch_shape).numpy() for end in ends)
    return [(low, high)]


def _pushed(law: Any, *ends: Array) -> tuple[Array, Array]:
    """Where the ends of the base law go; a transform with tensors of its own keeps their dtype."""
    moved = [torch.from_numpy(np.array(end)) for end in ends]
    for transform in law.transforms:
        moved = [transform(end).double() for end in moved]
    low, high = (np.broadcast_to(end.detach().numpy(), law.batch_shape) for end in moved)
    return np.minimum(low, high), np.maximum(low, high)


def places(law: Any) -> Iterator[tuple[Array, Array]]:
    """Pairs of a centre and a spread above 0, ``[*batch]`` each, NaN where there is none."""
    for centre, spread in _places(law):
        c, s = (np.broadcast_to(x.detach().double().numpy(), law.batch_shape) for x in (centre, spread))
        good = np.isfinite(c) & np.isfinite(s) & (s > 0)
        yield np.where(good, c, math.nan), np.where(good, s, math.nan)


def _places(law: Any) -> Iterator[tuple[Tensor, Tensor]]:
    mean, deviation = known(lambda: law.mean), known(lambda: law.stddev)
    if mean is not None and deviation is not None:
        yield mean, deviation
    levels = torch.tensor(QUANTILES, dtype=dtype_of(law)).reshape(-1, *[1] * len(law.batch_shape))
    rows = known(law.icdf, levels.expand(-1, *law.batch_shape))
    if rows is None:
        draws = drawn(law, DRAWS)
        rows = None if draws is None else draws.sort(0).values[[int(p * (DRAWS - 1)) for p in QUANTILES]]
    if rows is not None:
        yield rows[3], (rows[4] - rows[2]) / INTERQUARTILE
        yield rows[0], (rows[2] - rows[0]) / 2
        yield rows[-1], (rows[-1] - rows[4]) / 2
    loc, scale = getattr(law, "loc", None), getattr(law, "scale", None)
    if isinstance(loc, Tensor) and isinstance(scale, Tensor):
        yield loc, scale
    if isinstance(law, MixtureSameFamily):
        for centre, spread in _places(law.component_distribution):
            for k in range(centre.shape[-1]):
                yield centre[..., k], spread[..., k]
