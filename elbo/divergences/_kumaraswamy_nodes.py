"""Nodes for expectations under a Kumaraswamy law of any parameters, fit for beta laws beside it.

With y = x^a = 1/(1 + e^−t), Kumaraswamy(a, b) has in t the density b y (1 − y)^b, and Beta(c, d) one that is as
x^c (1 − x)^(d−1) (1 − y), x = y^(1/a). Both rise exponentially and fall exponentially, and in between they change
within steps of about one, at t = −log b, 0, log 1/a and log c/a. In

    t = τ + e^(τ−R) − e^(L−τ)

whose steps grow beyond these places, all this is analytic for |Im τ| < π/2, and the trapezoidal rule of step h is off
by about e^(−π²/h). Where a is small, a beta law of large d changes at x = 1/d, within steps of one in log x but of
1/log d in t: there log x/(1 − x) takes the place of t. The nodes of an element span what its laws take, and are
constants to derivatives.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._kernels import EXPONENTIAL, lambda_of
from elbo.divergences._products import rounding_error
from elbo.divergences._tilting import NORMALISER

FEW, MANY = 192, 320  # nodes for one law, and for two
REACH = 60.0  # what is left out weighs e^−60, and log p/q, of which it may decide, is not more than 1e8
GRID = 1024.0  # τ is a multiple of 1/GRID, so that no node is moved by rounding
MARGIN = 1.5  # from the outermost change to where the steps begin to grow
LOG_2, LOG_2_HIGH, LOG_2_LOW = 0.6931471805599453, 6.93147180369123816490e-01, 1.90821492927058770002e-10
ALIKE = 0.4  # |log a| for which (1 − x)/(1 − y) is taken from a − 1
TINY = 1e-290


class Nodes(NamedTuple):
    """Along a new first dimension, where y = x^a; k is about log b/log 2 where that is positive, and else zero."""

    step: Array  # dt
    unit: Array  # 2^−k
    log_y: Array
    lost: Array  # log y less its rounded value
    scaled: Array  # log y + k log 2, without the rounding of that sum
    tail: Array  # −log(1 − y)
    rate: Array  # −y/(1 − y) log y, one at y = 1
    rate_gap: Array  # one less that
    log_slope: Array  # log of −log y/(1 − y)


class Span(NamedTuple):
    """From where to where τ goes, and L and R."""

    first: Array
    last: Array
    left: Array
    right: Array


def _where_tail_is(s: Array) -> Array:
    """t with log(1 + e^t) = s."""
    return xp.where(s > 30.0, s, xp.log(xp.expm1(xp.where(s > 30.0, 30.0, s))))


def _span(left: Array, right: Array, low: Array, high: Array) -> Span:
    """What reaches from t = ``low`` to ``high``, steps growing beyond ``left`` and ``right``."""
    right = xp.rint(right * GRID) / GRID
    left = xp.rint(left * GRID) / GRID
    beyond, short = high - right, left - low
    last = right + xp.where(beyond > 0.0, xp.log1p(xp.where(beyond > 0.0, beyond, 0.0)), beyond)
    first = left - xp.log1p(short)
    return Span(xp.floor(first * GRID) / GRID, last, left, right)


def fixed(x: Array) -> Array:
    return x.detach() if isinstance(x, Tensor) else x


def _numbers(x: Array, count: int) -> Array:
    """0, 1, ... along a new first dimension."""
    if isinstance(x, Tensor):
        return torch.arange(count, dtype=x.dtype, device=x.device).reshape(-1, *[1] * x.ndim)
    return np.arange(float(count)).reshape(-1, *[1] * x.ndim)


def _places(span: Span, count: int) -> tuple[Array, Array]:
    """t and dt."""
    h = -xp.floor((span.first - span.last) * (GRID / (count - 1.0))) / GRID
    tau = span.first + h * _numbers(h, count)
    rise, fall = xp.exp(tau - span.right), xp.exp(span.left - tau)
    return tau + rise - fall, h * (1.0 + rise + fall)


def nodes_of_one(a: Array, b: Array) -> Nodes:
    """Nodes for what Kumaraswamy(a, b) weighs."""
    a, b = fixed(a), fixed(b)
    k = _power(b)
    change = xp.where(a < 1.0, -xp.log(a), 0.0)
    shift = k * LOG_2
    span = _span(-MARGIN + 0.0 * a, change + shift + MARGIN, -REACH + 0.0 * a, _where_tail_is(REACH / b) + shift)
    return _nodes(*_places(span, FEW), k)


def nodes_of_two(a: Array, b: Array, c: Array, d: Array) -> Nodes:
    """Nodes for what Kumaraswamy(a, b) weighs and what Beta(c, d) weighs."""
    a, b, c, d = (fixed(x) for x in (a, b, c, d))
    k = _power(b)
    shift = k * LOG_2
    change = xp.maximum(xp.where(a < 1.0, -xp.log(a), 0.0), xp.log(c / a))
    low = xp.where(c < a, -REACH * (a / c), -REACH)
    high = xp.maximum(_where_tail_is(REACH / b), change + _where_tail_is(REACH / d))
    high = xp.maximum(high, 14.0 - xp.log(b)) + shift
    by_x = (a < 0.2) & (d > 4.0) & (b > 0.1)
    right_end = xp.maximum(_where_tail_is(REACH / b) + xp.log(a), _where_tail_is(REACH / d))
    span = _span(
        xp.where(by_x, -xp.log(d), 0.0) - MARGIN,
        xp.where(by_x, 0.0, change + shift) + MARGIN,
        xp.where(by_x, low / a, low),
        xp.where(by_x, xp.maximum(right_end, MARGIN + 0.0 * a), high),
    )
    places, steps = _places(span, MANY)
    by_y = _nodes(places, steps, k)
    if not isinstance(a, Tensor) and not by_x.any():
        return by_y
    return Nodes(*(xp.where(by_x, x, y) for x, y in zip(_nodes_by_x(places, steps, k, a), by_y, strict=True)))


def _power(b: Array) -> Array:
    return xp.rint(xp.where(b > 1.0, xp.log(b) / LOG_2, 0.0 * b))


def _nodes(u: Array, step: Array, k: Array) -> Nodes:
    """Nodes at t = u − k log 2."""
    rough = u - k * LOG_2_HIGH
    t = rough - k * LOG_2_LOW
    positive = t > 0.0
    e = xp.where(positive, xp.exp(-abs(t)), xp.exp(xp.where(positive, 0.0, u)) * xp.exp2(-k))  # e^−|t|
    log_sum = xp.log1p(e)
    log_y = xp.where(positive, 0.0, t) - log_sum
    less = u - rough
    lost = (u - (rough + less)) + (less - k * LOG_2_HIGH)
    lost = lost + ((rough - t) - k * LOG_2_LOW) + ((t - log_y) - log_sum)
    rate_gap = xp.where(positive, lambda_of(e) / xp.where(e > 0.0, e, 1.0), 1.0 + e * log_y)
    return Nodes(
        step=step,
        unit=xp.exp2(-k),
        log_y=log_y,
        lost=xp.where(positive, 0.0, lost),
        scaled=xp.where(positive, k * LOG_2, u) - log_sum,
        tail=xp.where(positive, t, 0.0) + log_sum,
        rate=xp.where(positive, 1.0 - rate_gap, -e * log_y),
        rate_gap=rate_gap,
        log_slope=xp.where(positive, xp.log1p(e - rate_gap * (1.0 + e)), xp.log(-log_y) + log_sum),
    )


def _nodes_by_x(u: Array, step: Array, k: Array, a: Array) -> Nodes:
    """Nodes at log x/(1 − x) = u."""
    e = xp.exp(-abs(u))
    size = xp.where(u < 0.0, -u, 0.0) + xp.log1p(e)  # −log x
    log_y = -a * size
    rest = -xp.expm1(log_y)
    high = log_y > -0.7
    tail = -xp.where(high, xp.log(xp.where(high, rest, 1.0)), xp.log1p(-xp.where(high, 0.0, xp.exp(log_y))))
    rate = xp.exp(log_y) * (-log_y / rest)
    return Nodes(
        step=step * (a / rest) * (xp.where(u < 0.0, 1.0, e) / (1.0 + e)),
        unit=xp.exp2(-k),
        log_y=log_y,
        lost=rounding_error(-a, size, log_y),
        scaled=log_y + k * LOG_2,
        tail=tail,
        rate=rate,
        rate_gap=1.0 - rate,
        log_slope=xp.log(-log_y) + tail,
    )


class Points(NamedTuple):
    """What there is at the nodes."""

    weight: Array  # of q
    log_x: Array
    lost: Array  # log x less its rounded value
    x: Array
    rest: Array  # 1 − x
    reciprocal: Array  # 1/(1 − x), or one where that overflows
    log_rest: Array
    quotient: Array  # log (1 − x)/(1 − y), and log a more if ``at_end``
    at_end: Array  # whether most of q is where (1 − x)/(1 − y) is about 1/a
    alike: Array  # whether a is about 1


def _excess(z: Array) -> Array:
    """(e^z − 1)/z − 1."""
    small = abs(z) < 1.0
    inner, outer = xp.where(small, z, 0.0), xp.where(small, 1.0, z)
    return xp.where(small, inner * xp.polynomial(inner, EXPONENTIAL[0]), (xp.expm1(outer) - outer) / outer)


def points(at: Nodes, a: Array, b: Array) -> Points:
    """Of Kumaraswamy(a, b) at its nodes."""
    log_x, log_a = at.log_y / a, xp.log(a)
    x, rest = xp.exp(log_x), -xp.expm1(log_x)
    at_end = xp.where(b < 0.5, (a > 1.5) | (b * log_a > -1.0), (a > 1.5) & (xp.log(b) < 0.3 * a))
    late, late_size = log_x > -1.0, xp.where(log_x > -1.0, -log_x, 0.0)
    square = late_size * late_size
    near_one = at.log_slope + (square * xp.polynomial(square, NORMALISER) - 0.5 * late_size)  # log a(1 − x)/(1 − y)
    log_early = xp.log1p(-xp.where(late, 0.0, x))
    there = late & (rest > TINY)
    log_late = xp.where(there, xp.log(xp.where(there, rest, 1.0)), (near_one - log_a) - at.tail)
    constant = xp.where(at_end, log_a, 0.0)
    quotient = xp.where(late, near_one + (constant - log_a), (log_early + at.tail) + constant)
    alike, less = abs(log_a) < ALIKE, a - 1.0
    bend = _excess(xp.where(log_x > -40.0, -log_x, 40.0) * less)
    change = xp.where(at_end, less * (at.rate_gap - at.rate * bend), -less / a * (at.rate * (1.0 + bend)))
    product = log_x * a
    return Points(
        weight=b * xp.exp(at.log_y - b * at.tail) * at.step,
        log_x=log_x,
        lost=fixed((at.lost + ((at.log_y - product) - rounding_error(log_x, a, product))) / a),
        x=x,
        rest=rest,
        reciprocal=1.0 / xp.where(rest > TINY, rest, 1.0),
        log_rest=xp.where(late, log_late, log_early),
        quotient=xp.where(alike, xp.log1p(xp.where(alike, change, 0.0)), quotient),
        at_end=at_end,
        alike=alike,
    )


def total(x: Array) -> Array:
    """Over the nodes, by halves: rounding adds up like the logarithm of their number."""
    while x.shape[0] % 2 == 0:
        half = x.shape[0] // 2
        x = x[:half] + x[half:]
    return x.sum(0)
