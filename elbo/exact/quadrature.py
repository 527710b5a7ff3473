"""Integrals over one variable with an error bound, without sampling.

Values are Python floats or NumPy float64. No rule that looks at an integrand in finitely many places can exclude a
feature between them, so each function says what its bound assumes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elbo._errors import Error, InputTypeError, InputValueError

Array = NDArray[Any]
EPS = float(np.finfo(np.float64).eps)


class IntegrationError(Error, ArithmeticError):
    """The integral does not seem to exist, or its error cannot be brought under the tolerance that was asked for."""


@dataclass(frozen=True)
class Integral:
    """A number and a bound on its absolute error: the true value lies within ``value ± error_bound``."""

    value: float
    error_bound: float

    def contains(self, truth: float) -> bool:
        """Whether ``truth`` lies within the bound; an infinite value contains itself."""
        return bool(truth == self.value or abs(self.value - truth) <= self.error_bound)

    def __add__(self, other: "Integral") -> "Integral":
        return Integral(self.value + other.value, self.error_bound + other.error_bound + EPS * abs(other.value))

    def __float__(self) -> float:
        return self.value


def integrate(
    f: Callable[[float], float],
    lower: float,
    upper: float,
    *,
    points: Sequence[float] = (),
    tolerance: float = inf,
    relative: float = 1e-13,
    limit: int = 400,
) -> Integral:
    """∫ f over [lower, upper] by adaptive Gauss-Kronrod rules (SciPy's QUADPACK), either end possibly infinite.

    The range is cut at ``points`` (kinks, jumps, narrow peaks) and each piece is integrated twice, whole and cut once
    more; the bound is the sum of QUADPACK's own error estimates and of the differences between the two.

    Args:
        f: a function of one float.
        lower: left end, or ``-inf``.
        upper: right end, or ``inf``; above ``lower``.
        points: where to cut, inside the range; name here whatever is much narrower than the range.
        tolerance: largest error bound to accept.
        relative: relative accuracy that the adaptive rule aims at.
        limit: how often a piece may be halved.

    Returns:
        the value and its error bound. The bound holds if f has no feature that both rules overlook.

    Raises:
        InputValueError: if the ends or the points do not describe a range.
        IntegrationError: if f is not finite at a point, if the integral seems to diverge, or if the bound exceeds
            ``tolerance``.

    >>> import math
    >>> integrate(lambda t: math.exp(-t * t), -math.inf, math.inf).contains(math.sqrt(math.pi))
    True
    """
    lower, upper = float(lower), float(upper)
    if isnan(lower) or isnan(upper) or not lower < upper:
        raise InputValueError(f"the range is [{lower}, {upper}]; write ends with lower < upper, infinite if need be")
    inner = sorted(float(p) for p in points)
    if inner and not (lower < inner[0] and inner[-1] < upper and isfinite(inner[0]) and isfinite(inner[-1])):
        raise InputValueError(f"points are {inner}; they must lie inside ({lower}, {upper})")

    def checked(t: float) -> float:
        value = float(f(t))
        if not isfinite(value):
            raise IntegrationError(f"the integrand is {value} at {t}; cut the range at its singularities with points=")
        return value

    edges = [lower, *inner, upper]
    if len(edges) == 2 and lower == -inf and upper == inf:
        edges = [lower, 0.0, upper]
    total = Integral(0.0, 0.0)
    for a, b in pairwise(edges):
        whole = _quadpack(checked, a, b, relative, limit)
        cut = _between(a, b)
        halves = _quadpack(checked, a, cut, relative, limit) + _quadpack(checked, cut, b, relative, limit)
        difference = abs(whole.value - halves.value)
        total += Integral(halves.value, max(whole.error_bound, halves.error_bound) + difference)
    if total.error_bound > tolerance:
        raise IntegrationError(
            f"the error bound is {total.error_bound:.2g}, above tolerance={tolerance:.2g}; cut the range with points= "
            "at kinks and narrow peaks, or accept the larger error"
        )
    return total


def _quadpack(f: Callable[[float], float], a: float, b: float, relative: float, limit: int) -> Integral:
    from scipy.integrate import quad

    value, error, _, *trouble = quad(f, a, b, epsabs=0.0, epsrel=relative, limit=limit, full_output=1)
    if trouble and value != 0.0 and not error <= 1e-3 * abs(value):
        raise IntegrationError(f"∫ over [{a}, {b}] does not converge (value {value:.6g} ± {error:.2g}): {trouble[0]}")
    return Integral(float(value), float(error) * (10.0 if trouble else 1.0) + 4 * EPS * abs(float(value)))


def _between(a: float, b: float) -> float:
    """A point inside (a, b), off the middle so that the second rule meets other nodes."""
    if a == -inf:
        return b - 1.7
    if b == inf:
        return a + 1.7
    return a + 0.4375 * (b - a)


def gauss_hermite(order: int) -> tuple[Array, Array]:
    """Nodes and weights for E f(Z), Z ~ N(0, 1): exact for polynomials of degree up to 2 order - 1; weights sum to one.

    >>> z, w = gauss_hermite(3)
    >>> round(float(w @ z**4), 12)
    3.0
    """
    from scipy.special import roots_hermitenorm

    nodes, weights = roots_hermitenorm(check_order(order))
    return np.asarray(nodes, dtype=np.float64), np.asarray(weights / weights.sum(), dtype=np.float64)


def gauss_legendre(order: int, lower: float = 0.0, upper: float = 1.0) -> tuple[Array, Array]:
    """Nodes and weights for ∫ f over the finite [lower, upper], exact for polynomials of degree up to 2 order - 1.

    >>> u, w = gauss_legendre(2)
    >>> round(float(w @ u**3), 12)
    0.25
    """
    if not (isfinite(lower) and isfinite(upper) and lower < upper):
        raise InputValueError(f"the range is [{lower}, {upper}]; Gauss-Legendre needs a finite one with lower < upper")
    nodes, weights = np.polynomial.legendre.leggauss(check_order(order))
    half = 0.5 * (upper - lower)
    return lower + half * (nodes + 1.0), half * weights


def piecewise_legendre(edges: Sequence[float], order: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on each piece between sorted finite ``edges``, side by side.

    For integrands that jump at known places, such as an estimator driven by a uniform number.

    >>> u, w = piecewise_legendre([0.0, 0.3, 1.0], 4)
    >>> round(float(w @ (u > 0.3)), 12)
    0.7
    """
    if len(edges) < 2 or any(not a < b for a, b in pairwise(edges)):
        raise InputValueError(f"edges are {list(edges)}; write at least two, rising")
    pieces = [gauss_legendre(order, a, b) for a, b in pairwise(edges)]
    return np.concatenate([nodes for nodes, _ in pieces]), np.concatenate([weights for _, weights in pieces])


def trapezoid(
    f: Callable[[Array], Array],
    lower: float,
    upper: float,
    *,
    tolerance: float = 1e-13,
    panels: int = 32,
    limit: int = 1 << 20,
) -> Integral:
    """∫ f over the real line for an analytic f that has died out at ``lower`` and ``upper``, by the trapezoid rule.

    For such integrands the error falls like exp(-c / step). The step is halved until two consecutive rules agree; the
    bound is their whole difference (the error of the coarser one), rounding, and a geometric bound on the two tails.

    Args:
        f: a function of an array of points, returning an array of the same shape.
        lower: where the left tail is negligible.
        upper: where the right tail is negligible.
        tolerance: halve until the bound is at most ``tolerance`` times the integral of ``abs(f)``.
        panels: panels of the first rule.
        limit: most panels.

    Raises:
        IntegrationError: if the tolerance is not reached within ``limit`` panels (a kink, a range cut too short).

    >>> import math, numpy
    >>> trapezoid(lambda t: numpy.exp(-t * t), -8.0, 8.0).contains(math.sqrt(math.pi))
    True
    """
    if not (isfinite(lower) and isfinite(upper) and lower < upper):
        raise InputValueError(f"the range is [{lower}, {upper}]; write finite ends where the integrand has died out")
    step = (upper - lower) / panels
    values = _sampled(f, lower + step * np.arange(panels + 1))
    coarse = inf
    while True:
        fine, size = step * float(values.sum()), step * float(np.abs(values).sum())
        tails = _tail(values[::-1], step) + _tail(values, step)
        # four roundings a term, summed pairwise
        bound = abs(fine - coarse) + tails + EPS * size * (4.0 + np.log2(len(values)))
        if bound <= tolerance * size or size == 0.0:
            return Integral(fine, bound)
        if 2 * (len(values) - 1) > limit:
            raise IntegrationError(
                f"{len(values) - 1} panels leave an error bound of {bound:.2g}, above {tolerance:.2g} of the integral "
                f"of |f| ({tails:.2g} is from the ends); widen the range, or use integrate() with points="
            )
        middle = _sampled(f, lower + step * (np.arange(len(values) - 1) + 0.5))
        merged = np.empty(2 * len(values) - 1)
        merged[::2], merged[1::2] = values, middle
        values, coarse, step = merged, fine, step / 2


def _sampled(f: Callable[[Array], Array], points: Array) -> Array:
    values = np.asarray(f(points), dtype=np.float64)
    if values.shape != points.shape:
        raise InputValueError(f"f maps {points.shape} points to shape {values.shape}; it must return one value a point")
    if not np.isfinite(values).all():
        at = points[~np.isfinite(values)][0]
        raise IntegrationError(f"the integrand is not finite at {at}")
    return values


def _tail(values: Array, step: float) -> float:
    """Bound on the integral beyond the last value, if |f| keeps falling at least as fast as over the last steps."""
    last, before = abs(float(values[-1])), abs(float(values[-3]))
    if last == 0.0:
        return 0.0
    if not last < before:
        return inf
    ratio = (last / before) ** 0.5
    return float(step * last / (1.0 - ratio))


def check_order(order: Any) -> int:
    """``order`` if it is an int of at least one."""
    if not isinstance(order, int | np.integer) or isinstance(order, bool):
        raise InputTypeError(f"order is {order!r}; write an int, at least 1")
    if order < 1:
        raise InputValueError(f"order is {order}; a rule has at least one node")
    return int(order)
