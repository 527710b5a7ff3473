"""One part of a law in its coordinates: what is integrated over boxes or summed over lattices, and where."""

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Independent, MixtureSameFamily, Normal

from elbo.divergences._laws import dtype_of
from elbo.divergences._numerical.coordinates import Coordinates, kinks
from elbo.divergences._numerical.density import Density
from elbo.divergences._numerical.integrands import Integrands, rounding, vanishing
from elbo.exact._boxes import nodes_in

Array = NDArray[Any]
ORDER = {1: 16, 2: 10, 3: 8}
CHUNK = 1 << 17  # points
DEPTH = {1: 50.0, 2: 50.0, 3: 36.0}
"""The boxes reach down to e^-DEPTH of the largest density."""
EDGES = (0.0, 1.0, 2.0, 3.0, *np.arange(4.0, 44.0, 4.0).tolist())
REACH = EDGES[-1]
F, Q, P, LOG_RATIO, ROUNDED_F, ROUNDED_LOG = range(6)


@dataclass
class Part:
    """πₖ and qₖ: a component of a mixture, or the whole law."""

    weight: float
    law: Any
    index: int | None

    def __post_init__(self) -> None:
        self.density = Density(self.law)

    def log_density(self, x: Tensor) -> Tensor:
        if self.index is None:
            return self.density(x)[0]
        return self.density(x.unsqueeze(1))[0][:, self.index]


def parts_of(law: Any) -> list[Part]:
    """The components of a mixture that have any weight."""
    if not isinstance(law, MixtureSameFamily):
        return [Part(1.0, law, None)]
    weights = law.mixture_distribution.probs.double().tolist()
    return [Part(w, law.component_distribution, k) for k, w in enumerate(weights) if w > 0.0]


def _has_axes(law: Any) -> bool:
    return isinstance(law, Independent) and not isinstance(law.base_dist, Normal)


class Rule:
    """The integrals over boxes of one part: f, qₖ, its share of p, qₖ log p/q, and two bounds on rounding errors."""

    def __init__(self, part: Part, q: Any, p: Any) -> None:
        self.part, self.p, self.alone = part, p, p is q
        self.log_q, self.log_p = Density(q), Density(p)
        self.coordinates = Coordinates(part.law, part.index, axes=_has_axes(p))
        self.dimension = len(self.coordinates.centre)
        self.order = ORDER[self.dimension]
        self.eps = max(float(torch.finfo(dtype_of(law)).eps) for law in (q, p))
        self.vanishes, self.farthest = False, 0.0

    def densities(self, t: Array) -> tuple[Array, Array, Array, Array, Array]:
        """log qₖ (as a density in t), log q and log p (in x) at points ``[n, d]``; what lies in the support of p; and
        the error by rounding."""
        with torch.no_grad():
            x, volume, moved = self.coordinates(t)
            log_part = self.part.log_density(x).numpy() + volume
            log_q, inside = self.log_q(x)
            log_p, in_p = (log_q, inside) if self.alone else self.log_p(x)
        return log_part, log_q.numpy(), log_p.numpy(), in_p.numpy(), moved

    def __call__(self, lower: Array, upper: Array, root: Array) -> Array:
        size = max(1, CHUNK // self.order**self.dimension)
        parts = []
        for start in range(0, len(lower), size):
            piece = slice(start, start + size)
            parts.append(self.terms(*nodes_in(lower[piece], upper[piece], self.order)).sum(-1))
        return np.concatenate(parts, 1)

    def terms(self, points: Array, log_weight: Array) -> Array:
        """At nodes ``[..., d]``, ``[6, ...]``."""
        found = self.densities(points.reshape(-1, self.dimension))
        log_part, log_q, log_p, in_p, moved = (a.reshape(log_weight.shape) for a in found)
        with np.errstate(invalid="ignore"):
            share = np.where(log_q > -math.inf, log_part - log_q, 0.0)
        self.vanishes |= bool(vanishing(log_part, log_p, in_p, log_weight).any())
        log_weight = np.where(log_q > -math.inf, log_weight + share, -math.inf)
        log_p = np.where(log_q > -math.inf, log_p, -math.inf)
        errors = [
            rounding(values, density.terms, self.eps) + moved
            for density, values in ((self.log_q, log_q), (self.log_p, log_p))
        ]
        terms = Integrands(log_q, log_p, log_weight, *errors)
        met = log_part + log_weight - share > -32.0
        self.farthest = max(self.farthest, float(np.where(met, np.abs(terms.y), 0.0).max()))
        rounded = terms.parts[Q] * (errors[0] * (1.0 + np.abs(terms.y)) + errors[1])
        return np.stack([*terms.parts, rounded])

    def lattice(self, ranges: Array, step: float) -> tuple[Array, Array, Array]:
        """Sums over a lattice, the largest change when every second node of each axis is kept, and what may lie beyond:
        the sums over the faces, as often as an axis is long. ``[6]`` each."""
        axes = [np.linspace(low, high, 1 + round((high - low) / step)) for low, high in ranges]
        shape = [len(axis) for axis in axes]
        grid = np.stack([g.reshape(-1) for g in np.meshgrid(*axes, indexing="ij")], axis=-1)
        weight = np.full(len(grid), self.dimension * math.log(step))
        parts = [self.terms(grid[i : i + CHUNK], weight[i : i + CHUNK]) for i in range(0, len(grid), CHUNK)]
        values = np.concatenate(parts, 1).reshape(-1, *shape)
        total = values.reshape(len(values), -1).sum(1)
        change = np.zeros_like(total)
        for starts in product((0, 1), repeat=self.dimension):
            part = values[(slice(None), *(slice(s, None, 2) for s in starts))]
            change = np.maximum(change, np.abs(2.0**self.dimension * part.reshape(len(values), -1).sum(1) - total))
        beyond = np.zeros_like(total)
        for axis, length in enumerate(shape, 1):
            for end in (0, -1):
                beyond += length * np.abs(np.take(values, end, axis=axis)).reshape(len(values), -1).sum(1)
        return total, change, beyond

    def ranges(self) -> Array:
        """Lower and upper ends along each axis: what is beyond holds less than e^-DEPTH, or lies beyond REACH."""
        found = []
        fine, coarse = np.arange(-REACH, REACH + 0.25, 0.5), np.array([*(-x for x in EDGES[:0:-1]), *EDGES])
        for axis in range(self.dimension):
            lines = [fine if a == axis else coarse for a in range(self.dimension)]
            grid = np.stack([g.reshape(-1) for g in np.meshgrid(*lines, indexing="ij")], axis=-1)
            log_part, log_q, log_p, *_ = self.densities(grid)
            with np.errstate(invalid="ignore"):
                cost = np.where(np.isinf(log_q) | np.isinf(log_p), 0.0, np.log1p(np.abs(log_p - log_q)))
            size = (log_part + cost).reshape([len(line) for line in lines])
            profile = size.max(axis=tuple(a for a in range(self.dimension) if a != axis))
            loud = np.flatnonzero(profile > profile.max() - DEPTH[self.dimension])
            found.append((fine[max(0, int(loud[0]) - 1)], fine[min(len(fine) - 1, int(loud[-1]) + 1)]))
        return np.array(found)

    def roots(self, ranges: Array) -> tuple[Array, Array]:
        """Corners of the boxes to start from."""
        axes = []
        for (low, high), hints in zip(ranges, kinks(self.coordinates, self.p), strict=True):
            cuts = {sign * edge for edge in EDGES for sign in (-1, 1)} | set(hints)
            axes.append(np.array([low, *sorted(x for x in cuts if low < x < high), high]))
        boxes = np.array(list(product(*(range(len(axis) - 1) for axis in axes))))
        corners = [np.stack([axis[i + k] for axis, i in zip(axes, boxes.T, strict=True)], axis=1) for k in (0, 1)]
        return corners[0], corners[1]
