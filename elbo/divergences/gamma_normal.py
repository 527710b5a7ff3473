"""Gamma laws to normal ones, by way of the normal law that has the same moments.

    KL[Γ(a, b) ‖ N(m, s²)] = ½ Λ(t − 1) + (a/b − m)²/(2 s²) + J(a),      t = a/(b s)²

Λ(d) = d − log(1 + d). J is the entropy of the normal law with the variance of Γ(a, b), less that of
Γ(a, b) itself; it is about 1/(3a), while both are of the size of log a and their usual forms of the size of a log a.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Gamma, Normal

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import itakura_saito_of
from elbo.divergences._products import rounding_error
from elbo.divergences._registry import TEXTBOOK, register
from elbo.divergences._remainders import gamma_shape, gamma_shape_slope

Slopes = tuple[Array | None, ...]
SOURCE = TEXTBOOK + "; the form without cancellation is derived in elbo.divergences.gamma_normal"
LARGE = 3.0  # of larger shapes: J is so small that the rounding of the moments would be felt near their match


def _excess(a: Array, b: Array, s: Array) -> Array:
    """t − 1 to the last digits."""
    root = b * s
    square = root * root
    lost = rounding_error(root, root, square) + 2.0 * root * rounding_error(b, s, root)
    return ((a - square) - lost) / square


def _gap(a: Array, b: Array, m: Array, s: Array) -> Array:
    """(a/b − m)/s to the last digits."""
    product = m * b
    return ((a - product) - rounding_error(m, b, product)) / (b * s)


def _normal_near(a: Array, b: Array, m: Array, s: Array) -> Array:
    """The part of the moments with care."""
    root, gap = b * s, _gap(a, b, m, s)
    return 0.5 * (itakura_saito_of(_excess(a, b, s), a / (root * root)) + gap * gap)


def _normal(a: Array, b: Array, m: Array, s: Array) -> Array:
    root, gap = b * s, (a / b - m) / s
    t = a / (root * root)
    moments = 0.5 * ((t - 1.0) - xp.log(t) + gap * gap)
    return xp.replaced(moments, a > LARGE, _normal_near, a, b, m, s) + gamma_shape(a)


def _normal_slopes(a: Array, b: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    root, large = b * s, a > LARGE
    d = xp.replaced(a / (root * root) - 1.0, large, _excess, a, b, s)
    gap = xp.replaced((a / b - m) / s, large, _gap, a, b, m, s)
    shift = gap / s
    by_a = 0.5 * d / a + shift / b + gamma_shape_slope(a) if needs[0] else None
    return by_a, -(d + shift * a / b) / b, -shift, -(d + gap * gap) / s


gamma_normal_kl = elementwise(
    _normal, _normal_slopes, "gamma_normal_kl", double=True, width=2, compiled="gamma_normal", nonnegative=(0, 1, 3)
)


@register(
    Gamma,
    Normal,
    formula="(a−1) ψ(a) − log Γ(a) − a + log b + ½ log 2πs² + (a/b² + (a/b − m)²)/(2 s²)",
    accuracy=8,
    source=SOURCE,
)
def _gamma_normal(q: Gamma, p: Normal) -> Tensor:
    return gamma_normal_kl(q.concentration, q.rate, p.loc, p.scale)
