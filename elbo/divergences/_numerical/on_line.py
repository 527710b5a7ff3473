"""KL of univariate continuous laws by adaptive quadrature over the union of their supports, many laws at once.

The line is cut at the ends of supports, where the laws have their mass, and at distances that double away from both
(and towards infinity), so that a power of the distance, as densities have it at a singular end and in a heavy tail, is
as easy as a polynomial. What lies beyond the last piece follows from the ratio of the pieces before it, which also
tells whether the integral exists.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from elbo.divergences._numerical.integrands import Integrands, missing, rounding, vanishing
from elbo.divergences._numerical.line import SIZES, Column, Line, columns
from elbo.divergences._numerical.tails import beyond
from elbo.exact._boxes import Totals, adapt, nodes_in
from elbo.exact.quadrature import EPS, Integral

Array = NDArray[Any]
ORDER = 16
MOST = 100_000  # pieces a column
CHUNK = 1 << 19  # points that a law is evaluated at in one go
MASS_TOLERANCE = 1e-10  # to which the integrals of the densities are worked out


class Rule:
    """The integrals of f, q, p and of the rounding error of f over pieces of columns."""

    def __init__(self, q: Line, p: Line, column: Array) -> None:
        self.q, self.p, self.column = q, p, column
        self.eps = max(float(torch.finfo(line.dtype).eps) for line in (q, p))
        self.dtype = torch.float32 if torch.float32 in (q.dtype, p.dtype) else torch.float64
        self.vanishes = np.zeros(q.count, dtype=bool)
        self.farthest = np.zeros(q.count)  # the largest |log p/q| where q is not negligible

    def __call__(self, lower: Array, upper: Array, root: Array) -> Array:
        x, log_weight = (a.reshape(len(root), ORDER) for a in nodes_in(lower, upper, ORDER))
        x = torch.from_numpy(x).to(self.dtype).double().numpy()
        column = self.column[root]
        log_q, log_p, in_p = self._densities(x, column)
        # where pieces are narrow, a node may be rounded to the end of a support
        gone = vanishing(log_q, log_p, in_p, log_weight) & (x > lower) & (x < upper)
        gone &= ~in_p | ((np.abs(x) > SIZES[0]) & (np.abs(x) < SIZES[1]))
        np.logical_or.at(self.vanishes, column, gone.any(1))
        moved = 0.5 * self.eps * np.abs(x)
        errors = [
            rounding(values, line.terms, self.eps) + moved * _slope(values, x)
            for line, values in ((self.q, log_q), (self.p, log_p))
        ]
        found = Integrands(log_q, log_p, log_weight, *errors)
        far = np.where(log_q + log_weight > -32.0, np.abs(found.y), 0.0)
        np.maximum.at(self.farthest, column, far.max(1))
        return np.stack([part.sum(1) for part in found.parts])

    def _densities(self, x: Array, column: Array) -> tuple[Array, Array, Array]:
        """At ``[n, m]``, and what lies in the support of p.

        Laws take a matrix with a column for each: the pieces are dealt out to the columns.
        """
        order = np.argsort(column, kind="stable")
        counts = np.bincount(column, minlength=self.q.count)
        place = np.empty(len(column), dtype=int)
        place[order] = np.arange(len(column)) - np.repeat(np.cumsum(counts) - counts, counts)
        log_q, log_p, in_p = np.empty_like(x), np.empty_like(x), np.empty(x.shape, dtype=bool)
        step = max(1, CHUNK // (self.q.count * x.shape[1]))
        for start in range(0, int(counts.max()), step):
            chosen = np.flatnonzero((place >= start) & (place < start + step))
            rows = place[chosen] - start
            points = np.full((int(rows.max()) + 1, x.shape[1], self.q.count), math.nan)
            points[rows, :, column[chosen]] = x[chosen]
            found = [line.log_density(points.reshape(-1, self.q.count)) for line in (self.q, self.p)]
            for values, out in ((found[0][0], log_q), (found[1][0], log_p), (found[1][1], in_p)):
                out[chosen] = values.reshape(points.shape)[rows, :, column[chosen]]
        return log_q, log_p, in_p


def _slope(log_density: Array, x: Array) -> Array:
    """How steep a log density is about each node."""
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.abs(np.diff(log_density, axis=1) / np.diff(x, axis=1))
    steps = np.where(np.isfinite(steps), steps, 0.0)
    return np.asarray(np.maximum(np.pad(steps, ((0, 0), (1, 0))), np.pad(steps, ((0, 0), (0, 1)))))


def on_line(law_q: Any, law_p: Any, relative: float) -> Integral:
    """The sum over the batch of KL[q ‖ p]."""
    q, p = Line(law_q), Line(law_p)
    found = columns(q, p)
    if any(column.vanishes for column in found):
        return Integral(math.inf, 0.0)
    column = np.repeat(np.arange(len(found)), [len(c.lower) for c in found])
    lower, upper = (np.concatenate([getattr(c, end) for c in found])[:, None] for end in ("lower", "upper"))
    rule = Rule(q, p, column)
    sizes = np.bincount(column, minlength=len(found))

    def allowed(present: Array) -> Array:
        totals = np.stack([np.bincount(column, row, len(found)) for row in present])
        share = np.stack([relative * totals[0], *[np.full(len(found), MASS_TOLERANCE)] * 2]) / np.maximum(sizes, 1)
        limits = np.full_like(present, np.inf)
        limits[:3] = share[:, column]
        limits[0] = np.maximum(limits[0], present[4])
        return limits

    totals = adapt(rule, lower, upper, allowed, driven=3, most=MOST * len(found))
    if rule.vanishes.any():
        return Integral(math.inf, 0.0)
    starts = np.cumsum(sizes) - sizes
    total = Integral(0.0, 0.0)
    for index, part in enumerate(found):
        rows = slice(int(starts[index]), int(starts[index] + sizes[index]))
        total += _finished(part, Totals(totals.value[:, rows], totals.change[:, rows]), rule, index)
        if total.value == math.inf:
            return Integral(math.inf, 0.0)
    return total


def _finished(column: Column, totals: Totals, rule: Rule, index: int) -> Integral:
    """One column with what lies beyond its pieces, if both densities integrate to one."""
    sums = []
    for c in range(3):
        values = totals.value[c]
        error = float(totals.change[c].sum()) + EPS * len(values) * float(values.sum())
        sums.append(Integral(float(values.sum()), error))
    for approach in column.approaches:
        grows = partial(approach.grows, rule.q, rule.p, index)
        rests = beyond(approach.sums(totals.value[:4]), sums[0].value, grows, approach.noise(rule.dtype))
        sums = [part + rest for part, rest in zip(sums, rests, strict=True)]
    farthest = float(rule.farthest[index])
    off = missing("q", sums[1], rule.q.dtype, farthest) + missing("p", sums[2], rule.p.dtype, min(1.0, farthest))
    if sums[0].value == math.inf:
        return sums[0]
    return Integral(sums[0].value, sums[0].error_bound + float(totals.value[4].sum()) + off)
