"""Normal laws to Laplace laws, by the mean distance.

    KL[N(m₁, s²) ‖ Laplace(m₂, b)] = (ρ − 1 − log ρ) + ρ g(t) + log(2/π) + ½,
        ρ = s √(2/π)/b,   t = (m₁ − m₂)/s,   g(t) = e^(−t²/2) − 1 + t √(π/2) erf(t/√2)

g is what E|x − m₂| grows by with the distance, relative to its smallest value s √(2/π). No term is negative.
"""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Laplace, Normal

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._registry import TEXTBOOK, register

ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)
Slopes = tuple[Array | None, ...]


@register(
    Normal,
    Laplace,
    formula="−½ log 2πe s² + log 2b + (s √(2/π) e^(−m²/2s²) + m erf(m/(s√2)))/b, m = m₁ − m₂",
    accuracy=8,
    source=TEXTBOOK,
)
def _normal_laplace(q: Normal, p: Laplace) -> Tensor:
    return normal_laplace_kl(q.loc, q.scale, p.loc, p.scale)


def _laplace_distance(m1: Array, s: Array, m2: Array, b: Array) -> Array:
    ratio, t = s / b * ROOT_2_OVER_PI, (m1 - m2) / s
    growth = xp.expm1(-0.5 * t * t) + t * xp.erf(t * math.sqrt(0.5)) / ROOT_2_OVER_PI
    return (ratio - 1.0) - xp.log(ratio) + ratio * growth + (math.log(2.0 / math.pi) + 0.5)


def _laplace_distance_slopes(m1: Array, s: Array, m2: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    t = (m1 - m2) / s
    mean, density = xp.erf(t * math.sqrt(0.5)), ROOT_2_OVER_PI * xp.exp(-0.5 * t * t)
    distance = (density + t * mean) * s  # E|x − m₂|
    return mean / b, (density * s / b - 1.0) / s, -mean / b, (1.0 - distance / b) / b


normal_laplace_kl = elementwise(_laplace_distance, _laplace_distance_slopes, "normal_laplace_kl", nonnegative=(1, 3))
