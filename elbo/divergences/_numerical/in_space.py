"""KL of continuous laws of one to three coordinates, by adaptive product rules in coordinates that suit q.

With q = Σ πₖ qₖ (one part, but for mixtures), each part in its own coordinates,

    KL = Σ πₖ ∫ qₖ Φ(log p/q)      where p has no mass but where q has some, and p is resolved where q is;
    KL = Σ πₖ ∫ qₖ log q/p         always, but near equality it cancels.

Both are integrated at once; what is returned is the one with the smaller bound.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from elbo._errors import InputValueError
from elbo.divergences._laws import dtype_of
from elbo.divergences._numerical.coordinates import dimension_of
from elbo.divergences._numerical.integrands import NOISE, missing
from elbo.divergences._numerical.parts import EDGES, LOG_RATIO, REACH, ROUNDED_F, ROUNDED_LOG, F, P, Q, Rule, parts_of
from elbo.divergences._numerical.tails import geometric
from elbo.exact._boxes import Totals, adapt
from elbo.exact.quadrature import EPS, Integral

Array = NDArray[Any]
MAX_DIMENSION = 3
MOST_MISSING = 1e-3  # of a density: near the edge of a support its coordinates have few digits
MOST = {1: 50_000, 2: 50_000, 3: 6_000}  # boxes
STEP, MAX_NODES = 0.5, 1 << 22
ENOUGH = {1: 0.0, 2: 1e-9, 3: 1e-6}
"""The relative error with which the finest lattice is accepted, as boxes would cost more than they gain."""
FALLING = 0.1
"""A lattice is given up if halving its step leaves more than this share of its error."""
MASS_TOLERANCE = {True: 1e-8, False: 1e-10}  # of a density alone; with others


def check_dimension(q: Any) -> None:
    """Refuse what has more coordinates than a product rule can cover."""
    dimension = dimension_of(q)
    if dimension > MAX_DIMENSION:
        raise InputValueError(
            f"q has {dimension} continuous coordinates, more than the {MAX_DIMENSION} that a product rule can cover. "
            "What works: q and p that are both Independent(law, n) with univariate laws, whose KL is the sum over the "
            "coordinates; elbo.kl for registered pairs (elbo.kl_pairs()); or the mean of q.log_prob(x) − p.log_prob(x) "
            "over draws x = q.sample((n,)), with its standard error"
        )


@dataclass
class Sums:
    """Integrals of one part with their errors, ``[6]``, with what lies beyond REACH."""

    value: Array
    error: Array


def _integrated(rule: Rule, relative: float, *, near: bool = False, alone: bool = False) -> Sums:
    """One part. ``near``: let f decide where to look closer, and not q log p/q; ``alone``: the density alone."""

    def allowed(value: Array) -> Array:
        limits = np.full(value.shape, np.inf)
        limits[Q] = MASS_TOLERANCE[alone]
        if near:
            limits[P] = MASS_TOLERANCE[alone]
            limits[F] = max(relative * value[F], value[ROUNDED_F])
        elif not alone:
            limits[LOG_RATIO] = max(relative * abs(value[LOG_RATIO]), value[ROUNDED_LOG])
        return limits

    ranges = rule.ranges()
    if np.abs(ranges).max() < REACH:
        found = _on_lattice(rule, ranges, allowed)
        if found is not None:
            return found
    lower, upper = rule.roots(ranges)
    count = len(lower)
    totals = adapt(
        rule,
        lower,
        upper,
        lambda present: np.repeat(allowed(present.sum(1))[:, None] / count, count, axis=1),
        driven=4,
        most=MOST[rule.dimension],
    )
    rests = [_beyond(totals, c, np.maximum(-lower, upper).max(1)) for c in range(4)]
    value, error = totals.value.sum(1), totals.change.sum(1)
    error[:4] += [rest.value + rest.error_bound for rest in rests]
    return Sums(value, error + EPS * count * np.abs(value))


def _on_lattice(rule: Rule, ranges: Array, allowed: Callable[[Array], Array]) -> Sums | None:
    """The trapezoid rule in t, which converges like exp(−c / step) for smooth densities; None if it does not."""
    step, before = STEP, np.full(6, np.inf)
    last = None
    while np.prod((ranges[:, 1] - ranges[:, 0]) / step) <= MAX_NODES:
        value, change, beyond = rule.lattice(ranges, step)
        # the change is the error of the coarser lattices; that of this one is smaller, by a power above one
        size = np.abs(value)
        size[LOG_RATIO] += value[Q]
        share = change / np.maximum(size, 1e-300)
        error = size * np.where(share < 1e-4, share**1.25, share) + 8.0 * EPS * size + beyond
        limits = allowed(value)
        if (error[:4] <= limits[:4]).all():
            return Sums(value, error)
        enough = np.maximum(limits, ENOUGH[rule.dimension] * size)
        last = Sums(value, error) if (error[:4] <= enough[:4]).all() else None
        driven = np.isfinite(limits)
        if (change[driven] > FALLING * before[driven]).any():
            return None
        step, before = step / 2.0, change
    return last


def _beyond(totals: Totals, c: int, reach: Array) -> Integral:
    """What lies beyond the last box, by shells."""
    if reach.max() < REACH:
        return Integral(0.0, 0.0)
    shells = [(reach > a) & (reach <= b) for a, b in pairwise(EDGES[4:])]  # equally wide
    sums = np.array([np.abs(totals.value[c, shell]).sum() for shell in shells])
    what = ("∫ q Φ(log p/q)", "∫ q", "∫ p", "∫ q log p/q")[c]
    return geometric(sums, float(np.abs(totals.value[c]).sum()), what, lambda: False, 1e-10)


def in_space(q: Any, p: Any, relative: float) -> Integral:
    """KL of two laws with the same event shape and at most three coordinates."""
    check_dimension(q)
    mass_p = _mass(p, q)
    rules = [Rule(part, q, p) for part in parts_of(q)]
    plain = _total(rules, [_integrated(rule, relative) for rule in rules], q, p)
    if plain[1].value == math.inf:
        return plain[1]
    best = min(plain, key=lambda found: found.error_bound)
    if best.error_bound > 10.0 * relative * abs(best.value):
        near = _total(rules, [_integrated(rule, relative, near=True) for rule in rules], q, p)
        best = min(*plain, *near, key=lambda found: found.error_bound)
    farthest = min(1.0, max(rule.farthest for rule in rules))
    off = missing("p", mass_p, dtype_of(p), farthest, MOST_MISSING)
    return Integral(best.value, float(best.error_bound + off))


def _mass(p: Any, q: Any) -> Integral:
    total = Integral(0.0, 0.0)
    for part in parts_of(p):
        sums = _integrated(Rule(part, p, p), 1.0, alone=True)
        total += Integral(part.weight * sums.value[Q], part.weight * sums.error[Q])
    return total


def _total(rules: list[Rule], found: list[Sums], q: Any, p: Any) -> tuple[Integral, Integral]:
    """KL by ∫ q Φ(log p/q) and by ∫ q log q/p."""
    weights = np.array([rule.part.weight for rule in rules])
    value = weights @ np.stack([sums.value for sums in found])
    error = weights @ np.stack([sums.error for sums in found])
    rounded = float(value[ROUNDED_LOG])  # not less than Σ q times the error of log q
    farthest = max(rule.farthest for rule in rules)
    off = missing("q", Integral(value[Q], error[Q] + rounded), dtype_of(q), farthest, MOST_MISSING)
    if not rules[0].coordinates.plain:  # what is lost at an edge may be as little as rounding, and cost more
        off += NOISE * EPS * farthest
    if any(rule.vanishes for rule in rules) or not np.isfinite(error[LOG_RATIO]):
        return Integral(math.inf, 0.0), Integral(math.inf, 0.0)
    plain = Integral(-float(value[LOG_RATIO]), float(error[LOG_RATIO]) + rounded + off)
    # mass of p that the boxes of q did not show belongs to ∫ p − q
    missed = max(0.0, abs(float(value[P]) - 1.0) - rounded - 64.0 * float(torch.finfo(dtype_of(p)).eps))
    return Integral(float(value[F]), float(error[F] + value[ROUNDED_F]) + off + missed), plain
