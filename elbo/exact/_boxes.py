"""Many integrals over boxes at once, by product Gauss rules, each box halved along the axis where that changes most."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elbo.exact.quadrature import EPS, gauss_legendre

Array = NDArray[Any]
Rule = Callable[[Array, Array, Array], Array]
"""Corners of boxes, ``[n, d]`` each, and the number of the root that each lies in -> c integrals, ``[c, n]``."""
ROUNDS = 60
SMALL = 0.01
"""A root that holds less than this share of what it may change by is not halved at all."""
STAGNANT = 1e-6
"""A change below this share of the box that no longer falls as the box is halved is rounding."""


@dataclass(frozen=True)
class Totals:
    """The integrals over each root, and by how much they changed as its boxes were last halved, ``[c, roots]``."""

    value: Array
    change: Array


@lru_cache(maxsize=16)
def unit_rule(order: int, dimension: int) -> tuple[Array, Array]:
    """The product Gauss rule on the unit cube: nodes ``[order^d, d]`` and weights ``[order^d]``."""
    nodes, weights = gauss_legendre(order)
    grid = np.stack([g.reshape(-1) for g in np.meshgrid(*[nodes] * dimension, indexing="ij")], axis=-1)
    product = np.ones(1)
    for _ in range(dimension):
        product = np.multiply.outer(product, weights).reshape(-1)
    return grid, product


def nodes_in(lower: Array, upper: Array, order: int) -> tuple[Array, Array]:
    """Nodes ``[n, order^d, d]`` and logarithms of the weights ``[n, order^d]`` of the product rule in each box."""
    grid, weights = unit_rule(order, lower.shape[1])
    width = upper - lower
    points = lower[:, None, :] + width[:, None, :] * grid
    with np.errstate(divide="ignore"):
        return points, np.log(weights) + np.log(width).sum(1)[:, None]


def adapt(
    rule: Rule, lower: Array, upper: Array, allowed: Callable[[Array], Array], *, driven: int, most: int
) -> Totals:
    """The integrals over roots, each cut until halving any of its boxes changes no more than is allowed.

    A box is integrated whole and as two halves along each axis. The halves along the axis that changes most are its
    value, and the sum of the changes over all axes is what the bound is made of. It is not a bound for an integrand
    whose features all these rules overlook.

    Args:
        rule: the integrals of boxes.
        lower, upper: corners of the roots, ``[roots, d]``.
        allowed: the present values of the roots ``[c, roots]`` -> how large the change of a root may be.
        driven: how many of the c integrals, from the first on, have to be that good; the others come along.
        most: how many boxes may be integrated; when they are spent, the boxes that are left are taken as they are.
    """
    count, dimension = lower.shape
    root = np.arange(count)
    whole = rule(lower, upper, root)
    value, change = np.zeros_like(whole), np.zeros_like(whole)
    before, last = np.full_like(whole, np.inf), np.zeros(count, dtype=int)
    spent = count
    small = (np.abs(whole) <= SMALL * allowed(whole))[:driven].all(0)
    value[:, small], change[:, small] = whole[:, small], np.abs(whole[:, small])
    root, lower, upper, whole = root[~small], lower[~small], upper[~small], whole[:, ~small]
    before, last = before[:, ~small], last[~small]
    for turn in range(ROUNDS):
        if not len(root):
            break
        halves = np.stack([np.stack(_halves(rule, lower, upper, root, axis)) for axis in range(dimension)])
        spent += 2 * dimension * len(root)
        changes = np.abs(halves.sum(1) - whole)
        moved = changes.sum(0)
        pending, present = np.zeros_like(value), value.copy()
        for c in range(len(value)):
            pending[c] = np.bincount(root, moved[c], count)
            present[c] += np.bincount(root, whole[c], count)
        limit = np.maximum(allowed(present), 1e-300)[:, root]
        axis = (changes / limit)[:, :driven].max(1).argmax(0)
        many = np.bincount(root, minlength=count)[root]
        settled = (pending[:, root] <= limit) | (moved <= 0.5 * limit / many)
        again = np.take_along_axis(changes, last[None, None], axis=0)[0]  # along the axis that was halved last
        settled |= (again > 0.5 * before) & (moved <= STAGNANT * np.abs(whole))
        done = settled[:driven].all(0) | _narrow(lower, upper, axis)
        if spent >= most or turn == ROUNDS - 1:
            done[:] = True
        each = np.arange(len(root))
        parts = halves[axis, :, :, each]  # [n, 2, c]
        for c in range(len(value)):
            value[c] += np.bincount(root[done], parts[done].sum(1)[:, c], count)
            change[c] += np.bincount(root[done], moved[c][done], count)
        left = ~done
        lower, upper = _cut(lower[left], upper[left], axis[left])
        root = np.tile(root[left], 2)
        whole = np.concatenate([parts[left, 0].T, parts[left, 1].T], axis=1)
        before = np.tile(np.take_along_axis(changes, axis[None, None], axis=0)[0][:, left], 2)
        last = np.tile(axis[left], 2)
    return Totals(value, change)


def _cut(lower: Array, upper: Array, axis: Array) -> tuple[Array, Array]:
    """The two halves of each box along its axis: all the first ones, then all the second."""
    each = np.arange(len(lower))
    middle = 0.5 * (lower[each, axis] + upper[each, axis])
    first, second = upper.copy(), lower.copy()
    first[each, axis] = second[each, axis] = middle
    return np.concatenate([lower, second]), np.concatenate([first, upper])


def _halves(rule: Rule, lower: Array, upper: Array, root: Array, axis: int) -> tuple[Array, Array]:
    low, high = _cut(lower, upper, np.full(len(lower), axis))
    both = rule(low, high, np.tile(root, 2))
    return both[:, : len(lower)], both[:, len(lower) :]


def _narrow(lower: Array, upper: Array, axis: Array) -> Array:
    """Whether a box has no room for the nodes of its halves."""
    each = np.arange(len(lower))
    a, b = lower[each, axis], upper[each, axis]
    return np.asarray(b - a <= 1024 * EPS * np.maximum(np.abs(a), np.abs(b)))
