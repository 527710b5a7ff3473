"""Integrals in a few dimensions by product rules, with an error bound."""

from collections.abc import Callable, Sequence
from math import inf

import numpy as np

from elbo._errors import InputValueError
from elbo.exact.quadrature import EPS, Array, Integral, IntegrationError, check_order, gauss_hermite, gauss_legendre

MAX_POINTS = 2_000_000
"""How many points a product rule may have."""


def tensor_rule(*rules: tuple[Array, Array]) -> tuple[Array, Array]:
    """The product of one-dimensional rules: points ``[n, d]`` and weights ``[n]``.

    Raises:
        InputValueError: if it would have more than ``MAX_POINTS`` points.

    >>> points, weights = tensor_rule(gauss_hermite(3), gauss_legendre(2))
    >>> points.shape, round(float(weights @ (points[:, 0] ** 2 * points[:, 1])), 12)
    ((6, 2), 0.5)
    """
    sizes = [len(weights) for _, weights in rules]
    n = 1
    for size in sizes:
        n *= size
    if n > MAX_POINTS:
        raise InputValueError(
            f"a product rule of {' x '.join(map(str, sizes))} has {n} points, more than {MAX_POINTS}; lower "
            "the orders, integrate coordinates out analytically, or use a model with a radial or conjugate answer"
        )
    grids = np.meshgrid(*[nodes for nodes, _ in rules], indexing="ij")
    weight = np.ones(1)
    for _, weights in rules:
        weight = np.multiply.outer(weight, weights)
    return np.stack([grid.reshape(-1) for grid in grids], axis=-1), weight.reshape(-1)


def integrate_box(
    f: Callable[[Array], Array],
    lower: Sequence[float],
    upper: Sequence[float],
    *,
    order: int = 8,
    tolerance: float = 1e-11,
) -> Integral:
    """∫ f over a finite box in a few dimensions, by Gauss-Legendre product rules of doubling order.

    Args:
        f: maps points ``[n, d]`` to values ``[n]``; smooth inside the box.
        lower: d left ends, finite.
        upper: d right ends, finite.
        order: first order.
        tolerance: largest bound, relative to the integral of ``abs(f)``.

    Returns:
        the value and a bound: the largest difference from the rules of half the order and of one order less, plus
        rounding.

    Raises:
        IntegrationError: if ``MAX_POINTS`` points do not reach the tolerance.

    >>> import numpy
    >>> box = integrate_box(lambda p: numpy.cos(p[:, 0] + p[:, 1]), [0, 0], [1, 1])
    >>> box.contains(2 * numpy.cos(1) - numpy.cos(2) - 1)
    True
    """
    ends = list(zip(lower, upper, strict=True))
    return _doubled(f, lambda n: tensor_rule(*[gauss_legendre(n, a, b) for a, b in ends]), len(ends), order, tolerance)


def normal_expectation(
    f: Callable[[Array], Array], dimension: int = 1, *, order: int = 16, tolerance: float = 1e-11
) -> Integral:
    """E f(Z) for Z ~ N(0, I) in a few dimensions, by Gauss-Hermite product rules of doubling order.

    Args:
        f: maps points ``[n, dimension]`` to values ``[n]``; smooth, and growing slower than exp(z²/4).
        dimension: number of coordinates.
        order: first order.
        tolerance: largest bound, relative to E |f|.

    Raises:
        IntegrationError: if ``MAX_POINTS`` points do not reach the tolerance (f is not smooth between the nodes).

    >>> import math, numpy
    >>> normal_expectation(lambda z: numpy.cos(z[:, 0]) * z[:, 1] ** 2, 2).contains(math.exp(-0.5))
    True
    """
    if dimension < 1:
        raise InputValueError(f"dimension is {dimension}; write at least 1")
    return _doubled(f, lambda n: tensor_rule(*[gauss_hermite(n)] * dimension), dimension, order, tolerance)


def _doubled(
    f: Callable[[Array], Array],
    rule: Callable[[int], tuple[Array, Array]],
    dimension: int,
    order: int,
    tolerance: float,
) -> Integral:
    def apply(n: int) -> tuple[float, float]:
        points, weights = rule(n)
        values = np.asarray(f(points), dtype=np.float64)
        if values.shape != weights.shape:
            raise InputValueError(f"f returns shape {values.shape} for {len(weights)} points; return one value a point")
        if not np.isfinite(values[weights > 0]).all():
            raise IntegrationError("the integrand is not finite at a node")
        terms = np.where(weights > 0, weights * values, 0.0)
        return float(terms.sum()), float(np.abs(terms).sum())

    coarse, n, bound = inf, check_order(order), inf
    while (n + 1) ** dimension <= MAX_POINTS and n <= 512:
        # the rule of order n + 1 has the other parity: two even rules can agree on a step that lies between their nodes
        other, (fine, size) = apply(n)[0], apply(n + 1)
        bound = max(abs(fine - coarse), abs(fine - other)) + 64 * EPS * size
        if bound <= tolerance * size or (size == 0.0 and coarse == 0.0):
            return Integral(fine, bound)
        coarse, n = fine, 2 * n
    raise IntegrationError(
        f"product rules of {n // 2} nodes in each of {dimension} dimensions leave an error bound of {bound:.2g}, above "
        f"tolerance={tolerance:.2g}; cut the range where f is not smooth, or integrate some coordinates analytically"
    )
