"""What the largest of a law's concentrations and their total have in common, taken out of beta and Dirichlet laws.

    E(a, b) = S(a + b) − S(a),      W = E(a₂, b₂) − E(a₁, b₁) − ∂E(a₁, b₁)·(a₂ − a₁, b₂ − b₁) = B(t₁ → t₂) − B(a₁ → a₂)

a is the largest concentration, b the sum of all others, t = a + b, and S and B are those of ``_stirling``. Where b ≪ a,
both B are up to 1/b times as large as W, and as KL, of which −W is a part. W has three forms:

- where b is small next to a in both laws, the integral along b s, 0 < s < 1, of its derivative: with x = a₁ + b₁ s,
  y = a₂ + b₂ s, d = y − x and R = S'(y) − S'(x) − S''(x) d, which has one sign,

      (b₂ − b₁)(S'(y) − S'(x)) + b₁ R if b₁ < b₂,      (b₂ − b₁) S''(x) d + b₂ R otherwise;

- where b is small in q alone, and p is the more spread out, from positive terms and a smaller one,

      −W = B(t₂ → a₂) + b₂ (S'(a₁) − S'(t₂)) + B(a₁ → t₁) + (t₂ − t₁)(S'(t₁) − S'(a₁));

- elsewhere, as it stands.

The difference b₂ − b₁ is an argument: of sums, it may be known better than they are.
"""

from typing import Any

import numpy as np

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._kernels import itakura_saito_of
from elbo.divergences._remainders import SLOPES, remainder_curvature_rise
from elbo.divergences._stirling import SHIFT, _steps, bregman, curvature, slope_difference

# eight nodes settle an integrand whose nearest singularity is three lengths of its interval away
NODES, WEIGHTS = (tuple((0.5 * values).tolist()) for values in np.polynomial.legendre.leggauss(8))


def slope_remainder(a: Array, b: Array, d: Array) -> Array:
    """S'(b) − S'(a) − S''(a) d ≤ 0, from terms of that sign."""
    large = (a >= SHIFT) & (b >= SHIFT)
    lift = xp.where(large, 0.0 * a, SHIFT + 0.0 * a)
    x, y = 1.0 / (a + lift), 1.0 / (b + lift)
    z, w = x * x, y * y
    value: Any = 0.0
    first: Any = 0.0
    divided: Any = 0.0
    second: Any = 0.0
    for c in (*SLOPES[::-1], 0.0):  # of F(z) = −μ'(a): F(z), F'(z), F[z, w] and F[z, z, w]
        second = second * w + first
        divided = divided * w + value
        first = first * z + value
        value = value * z + c
    tail = d * d * z * y * (0.5 + (y + 2.0 * x) * divided + 2.0 * z * (x + y) * second)
    step = _steps(d)
    k, n = a + step, b + step
    share = d / (n * (k + 1.0))
    steps = (d / (k * k) * share + itakura_saito_of(-share, k * (n + 1.0) / (n * (k + 1.0)))).sum(0)
    return -(tail + xp.where(large, 0.0 * d, steps))


def curvature_rise(a: Array, b: Array, d: Array) -> Array:
    """S''(b) − S''(a), from terms of one sign."""
    return remainder_curvature_rise(a, b, d) - 0.5 * d * (a + b) / (a * a * (b * b))


def narrow(a1: Array, b1: Array) -> Array:
    """Where KL may be much smaller than B(a₁ → a₂) and B(t₁ → t₂): b is not covered by the terms that it multiplies."""
    return (3.0 * b1 < a1) & (4.0 * b1 < 1.0)


def both_narrow(a1: Array, b1: Array, a2: Array, b2: Array) -> Array:
    """Where the integrals converge."""
    return narrow(a1, b1) & (2.5 * b2 < a2)


def spread_out(a1: Array, b1: Array, a2: Array, b2: Array) -> Array:
    """Where q has one concentration that dwarfs the others and p has none, all of them smaller than that of q."""
    return narrow(a1, b1) & (2.5 * b2 >= a2) & (a2 + b2 < a1) & (a2 < 0.6 * a1)


def widening(a1: Array, b1: Array, a2: Array, b2: Array, db: Array) -> Array:
    """W where ``both_narrow``."""
    total, da, least = 0.0 * a1, a2 - a1, xp.where(db > 0.0, b1, b2)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        s = 0.5 + node
        x, y, d = a1 + s * b1, a2 + s * b2, da + s * db
        rise = xp.where(db > 0.0, slope_difference(x, y, d), d * curvature(x))
        total = total + weight * (db * rise + least * slope_remainder(x, y, d))
    return total


def widening_far(a1: Array, b1: Array, a2: Array, b2: Array, db: Array) -> Array:
    """W where ``spread_out``."""
    t1, t2 = a1 + b1, a2 + b2
    gains = bregman(t2, a2, -b2) + b2 * slope_difference(t2, a1, a1 - t2) + bregman(a1, t1, b1)
    return -(gains + ((a2 - a1) + db) * slope_difference(a1, t1, b1))


def widening_slope(a1: Array, b1: Array, a2: Array, b2: Array, db: Array) -> Array:
    """∂W/∂a₂ = ∂E/∂a (a₂, b₂) − ∂E/∂a (a₁, b₁) where ``both_narrow``."""
    total, da, least = 0.0 * a1, a2 - a1, xp.where(db > 0.0, b1, b2)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        s = 0.5 + node
        x, y, d = a1 + s * b1, a2 + s * b2, da + s * db
        total = total + weight * (db * curvature(xp.where(db > 0.0, y, x)) + least * curvature_rise(x, y, d))
    return total
