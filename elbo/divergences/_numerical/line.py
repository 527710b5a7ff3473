"""Univariate laws, each a column: their log densities at points, and where to cut the line for their integrals."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from elbo.divergences._numerical.density import Density
from elbo.divergences._numerical.integrands import vanishing
from elbo.divergences._numerical.places import intervals, places

Array = NDArray[Any]
DEPTH = 90.0
"""A piece that holds less than e^-DEPTH is left out."""
OVERFLOW = -1e10
"""A log density below this that turns to −∞ has overflowed."""
ROUNDING = {torch.float64: 2e-12, torch.float32: 2e-5}
"""Of the ratio of two integrals of a density, whose logarithm may be a few hundred."""
SIZES = 1e-100, 1e100
"""At other distances a log density of −∞ is taken for one that has failed."""
LEAST_STEPS = 9  # to the next end of a support, where an end is approached
ENOUGH = -18.0
"""The logarithm of a mass that makes more than any float of a log density that has overflowed."""
NEAR, FAR = 3, 6
"""Around a centre the line is cut at distances of 2^-NEAR to 2^FAR times the spread."""


class Line:
    """A batch of univariate laws, flattened."""

    def __init__(self, law: Any) -> None:
        self.density = Density(law)
        self.dtype, self.batch, self.terms = self.density.dtype, law.batch_shape, self.density.terms
        self.count = self.batch.numel()
        self.places = [(c.reshape(-1), s.reshape(-1)) for c, s in places(law)]
        self.intervals = [(low.reshape(-1), high.reshape(-1)) for low, high in intervals(law)]

    def log_density(self, x: Array) -> tuple[Array, Array]:
        """Log densities at ``[rows, count]``, −∞ where there is none, and whether that lies in the support."""
        values, inside = self.density(torch.from_numpy(x).reshape(-1, *self.batch))
        return values.reshape(x.shape).numpy(), inside.reshape(x.shape).numpy()


@dataclass
class Limit:
    """A point that pieces approach: an end of a support from one side (its ``side``), or infinity.

    Attributes:
        at: the end, or ±inf.
        base: where distances are counted from: the end, or the middle of the laws.
        side: +1 for points above ``base``, −1 for those below.
        steps: distances that double.
    """

    at: float
    base: float
    side: float
    steps: Array

    @property
    def finite(self) -> bool:
        return math.isfinite(self.at)

    def points(self) -> Array:
        return self.base + self.side * self.steps

    def run(self, x: Array, ends: Array) -> Array:
        """The numbers of the points from the limit on, up to the next end of a support."""
        distance = self.side * (x - self.base)
        if not self.finite:
            found = np.flatnonzero(distance >= self.steps[0])
            found = found[::-1] if self.side > 0 else found
        else:
            found = np.flatnonzero((distance > 0.0) & (distance <= self.steps[-1]))
            found = found if self.side > 0 else found[::-1]
        at_end = np.flatnonzero(np.isin(x[found], ends))
        return found[: at_end[0] + 1] if len(at_end) else found


@dataclass
class Approach:
    """What there is at distances from a limit that double, where more may lie beyond.

    Attributes:
        groups: pieces from the first number to before the second, in the order towards the limit.
        limit: what they approach.
        last: the distance of the last point.
    """

    groups: list[tuple[int, int]]
    limit: Limit
    last: float

    def sums(self, pieces: Array) -> Array:
        """The integrals ``[c, pieces]`` by groups, ``[c, groups]``."""
        return np.stack([pieces[:, start:stop].sum(1) for start, stop in self.groups], axis=1)

    def noise(self, dtype: torch.dtype) -> float:
        """The rounding error of the ratio of two groups: distances from an end are rounded as what they lead to is."""
        return ROUNDING[dtype] + float(torch.finfo(dtype).eps) * (
            abs(self.limit.at) / self.last if self.limit.finite else 0.0
        )

    def grows(self, q: Line, p: Line, index: int) -> bool:
        """Whether q |log p/q|, at infinity, or its product with the distance, at an end, grows towards the limit, and
        does not grow more slowly than before."""
        if self.limit.finite:
            steps = self.last * np.array([1.0, 1.01, 2.0, 2.02])
        else:
            steps = self.last * np.array([1.0, 0.99, 0.5, 0.495])
        x = np.full((4, q.count), math.nan)
        x[:, index] = self.limit.base + self.limit.side * steps
        log_q, log_p = (line.log_density(x)[0][:, index] for line in (q, p))
        size = log_q + np.log(np.abs(log_p - log_q)) + (np.log(steps) if self.limit.finite else 0.0)
        here, before = (float(size[k] - size[k + 1]) for k in (0, 2))
        if not self.limit.finite:
            before *= 2.0  # as the step is half as long
        return here > 0.0 and here >= before * (1.0 - 1e-3)


@dataclass
class Column:
    """Where one line is cut: the ends of its pieces, its approaches, and whether q holds something where the log
    density of p has overflowed."""

    lower: Array
    upper: Array
    approaches: list[Approach]
    vanishes: bool


class Cuts:
    """The points at which the line of one column may be cut, before it is known where there is anything."""

    def __init__(self, q: Line, p: Line, index: int) -> None:
        self.limits: list[Limit] = []
        info = torch.finfo(torch.float32 if torch.float32 in (q.dtype, p.dtype) else torch.float64)
        supports = [(float(low[index]), float(high[index])) for line in (q, p) for low, high in line.intervals]
        low, high = min(low for low, _ in supports), max(high for _, high in supports)
        self.ends = np.unique([e for pair in supports for e in pair if math.isfinite(e)])
        found = [(float(c[index]), float(s[index])) for line in (q, p) for c, s in line.places]
        centres = [(c, s) for c, s in found if not math.isnan(c)]
        points = [c + sign * s * 2.0**k for c, s in centres for k in range(-NEAR, FAR + 1) for sign in (-1, 1)]
        points += [c for c, _ in centres]
        middle = float(np.median(points if points else [*self.ends, 0.0]))
        spreads = [max(s, info.tiny) for _, s in centres] or [8.0 * info.tiny]
        away = [abs(c - e) for c, _ in centres for e in self.ends]
        reach = min(2.0**FAR * (max(spreads + away) if centres else 1.0), info.max / 8.0)
        for e in self.ends:
            # nearer to an end than this, distances from it have few digits
            floor = max(abs(e) * 2.0 ** (-27 if info.bits == 64 else -12), 8.0 * info.tiny)
            for side in (1.0, -1.0):
                room = min((side * (other - e) for other in self.ends if side * (other - e) > 0.0), default=math.inf)
                if floor * 2.0**LEAST_STEPS <= room:
                    self.limits.append(Limit(e, e, side, _doubling(floor, reach)))
        far = _doubling(min(spreads), info.max / 8.0)
        self.limits += [Limit(end, middle, side, far) for end, side in ((low, -1.0), (high, 1.0)) if math.isinf(end)]
        candidates = np.concatenate([points, self.ends, *(limit.points() for limit in self.limits)])
        kept = np.unique(candidates[(candidates >= low) & (candidates <= high)])
        self.least = 64.0 * info.eps  # of a distance, relative
        crowded = np.append(False, np.diff(kept) <= self.least * np.abs(kept[1:]))
        for limit in self.limits:
            if limit.finite:
                apart = limit.side * (kept - limit.at)
                crowded |= (apart > 0.0) & (apart < limit.steps[0] * (1.0 - 1e-6))
        self.points = np.asarray(kept[~crowded | np.isin(kept, self.ends)])


def _doubling(first: float, last: float) -> Array:
    return np.ldexp(first, np.arange(1 + max(0, math.floor(math.log2(last) - math.log2(first)))))


def columns(q: Line, p: Line) -> list[Column]:
    """Where each column is cut, without the pieces that hold nothing."""
    cuts = [Cuts(q, p, index) for index in range(q.count)]
    most = max(len(cut.points) for cut in cuts)
    x = np.stack([np.append(cut.points, np.full(most - len(cut.points), cut.points[-1])) for cut in cuts], axis=1)
    (log_q, in_q), (log_p, in_p) = q.log_density(x), p.log_density(x)
    return [
        _trimmed(cut, *(a[: len(cut.points), index] for a in (log_q, log_p, in_q, in_p)))
        for index, cut in enumerate(cuts)
    ]


def _trimmed(cut: Cuts, log_q: Array, log_p: Array, in_q: Array, in_p: Array) -> Column:
    """The pieces between the points, but for those near a limit that hold less than e^-DEPTH."""
    x = cut.points
    kept = np.ones(len(x) - 1, dtype=bool)
    unfinished, vanishes = [], _outside(cut, log_q, log_p, in_p)
    for limit in cut.limits:
        run = limit.run(x, cut.ends)
        if not len(run):
            continue
        distance = np.abs(x[run] - limit.base)
        with np.errstate(divide="ignore"):
            held = (log_p[run] == -math.inf) & in_p[run] & (log_q[run] + np.log(distance) > ENOUGH)
            held &= (distance > SIZES[0]) & (distance < SIZES[1])
        vanishes |= bool(held[:-1].any())
        first, more = _quiet(log_q[run], log_p[run], in_q[run], in_p[run], distance)
        marked = np.flatnonzero(np.isin(x[run], limit.points()))
        if more:  # the last piece is one of those whose distances double
            first = int(min(marked[marked >= first], default=first))
        kept[np.minimum(run[:-1], run[1:])[:first]] = False
        if limit.finite:
            kept[run[0] - 1 if limit.side > 0 else run[0]] = False
        if more:
            unfinished.append((limit, run[marked[marked >= first]][::-1]))
    number = np.append(0, np.cumsum(kept))
    approaches = []
    for limit, marks in unfinished:
        groups = [(int(number[min(a, b)]), int(number[max(a, b)])) for a, b in pairwise(marks)]
        if len(marks):
            last = float(np.abs(x[marks[-1]] - limit.base))
            approaches.append(Approach([g for g in groups if g[0] < g[1]], limit, last))
    return Column(x[:-1][kept], x[1:][kept], [a for a in approaches if a.groups], vanishes)


def _outside(cut: Cuts, log_q: Array, log_p: Array, in_p: Array) -> bool:
    """Whether q has any mass, however little, between points that are not in the support of p."""
    x = cut.points
    apart = np.abs(x[:, None] - cut.ends).min(1, initial=math.inf) > cut.least * np.abs(x)
    log_width = np.log(np.diff(x, append=math.inf))
    return bool((vanishing(log_q, log_p, in_p, np.minimum(log_width, 0.0)) & ~in_p & apart).any())


def _quiet(log_q: Array, log_p: Array, in_q: Array, in_p: Array, distance: Array) -> tuple[int, bool]:
    """How many pieces at the beginning of a run hold nothing, and whether what lies before it may matter.

    The run starts at a limit. A log density falls through all the numbers before it is −∞, unless it has overflowed or
    fails for arguments so large or so small: beyond such a point, if there may still be something, nothing is known.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log_distance = np.log(distance)
        cost = np.where(np.isinf(log_q) | np.isinf(log_p), 0.0, np.log1p(np.abs(log_p - log_q)))
        size_p = log_p + log_distance
    lost = int(np.argmin(np.append((log_p == -math.inf) & in_p, False)))  # points next to the limit
    if 0 < lost < len(log_p) - 1 and (log_p[lost] < OVERFLOW or not SIZES[0] < distance[lost] < SIZES[1]):
        # log |log p| has grown by that much, and grows twice as fast if it is linear in the distance
        grown = cost[lost] + 2.0 * (cost[lost] - cost[lost + 1])
        if log_q[lost - 1] + grown + log_distance[lost - 1] > -DEPTH:
            return lost, True
    size_q = log_q + cost + log_distance
    loud = np.flatnonzero(np.maximum(size_q, size_p) > -DEPTH)
    if not len(loud):
        return len(distance) - 1, False
    first = int(loud[0])
    if first == 0:
        return 0, True
    failed = any(
        bool(inside[first - 1]) and values[first - 1] == -math.inf and size[first] > 30.0 - DEPTH
        for values, size, inside in ((log_q, size_q, in_q), (log_p, size_p, in_p))
    )
    return first - 1 + failed, failed
