"""Laplace, Gumbel and exponential laws to normal ones, by way of the normal law that has the same mean and variance.

    KL = ½ Λ(ρ² − 1) + ½ g² + E,      ρ = δ b/s,   g = (l + ε b − m)/s,      Λ(d) = d − log(1 + d)

for a law of location l and scale b whose mean is l + ε b and whose standard deviation is δ b; E is the entropy of the
normal law with these moments, less that of the law itself. The exponential law has l = 0, b = 1/rate and ε = δ = 1.
Near these moments ρ − 1 and g are differences, and are taken with the digits that their terms lose: the gradient
vanishes there.
"""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.distributions import Exponential, Gumbel, Laplace, Normal

from elbo.divergences import _double_double as double
from elbo.divergences._array import Array
from elbo.divergences._double_double import Pair
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import square_remainder
from elbo.divergences._registry import TEXTBOOK, register

Slopes = tuple[Array | None, ...]


def _to_normal(name: str, shift: Pair, deviation: Pair, excess: float) -> Callable[..., Tensor]:
    """KL[law of location l and scale b ‖ N(m, s²)] as a function of l, b, m, s; ε, δ and E are given."""

    def moments(loc: Array, b: Array, m: Array, s: Array) -> Pair:
        """ρ² − 1 and g."""
        root, root_low = double.times(deviation[0] + 0.0 * b, b)
        rise = ((root - s) + (root_low + deviation[1] * b)) / s
        difference, low = double.plus(loc, -m)
        moved, lost = double.times(shift[0] + 0.0 * b, b)
        total, minus_low = double.plus(difference, moved)
        return rise * (rise + 2.0), (total + (minus_low + low + lost + shift[1] * b)) / s

    def value(loc: Array, b: Array, m: Array, s: Array) -> Array:
        d, gap = moments(loc, b, m, s)
        return 0.5 * (square_remainder(d, deviation[0] * b / s) + gap * gap) + excess

    def slopes(loc: Array, b: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
        d, gap = moments(loc, b, m, s)
        mean = gap / s
        return mean, d / b + mean * shift[0], -mean, -(d + gap * gap) / s

    return elementwise(value, slopes, f"{name}_kl", double=True, compiled=name, nonnegative=(1, 3))


laplace_normal_kl = _to_normal(
    "laplace_normal", (0.0, 0.0), (1.4142135623730951, -9.667293313452913e-17), 0.07236494292470008
)
gumbel_normal_kl = _to_normal(
    "gumbel_normal",
    (0.5772156649015329, -4.942915152430645e-18),
    (1.282549830161864, 1.6029947261005143e-17),
    0.09057301953851256,
)


def _exponential_moments(r: Array, m: Array, s: Array) -> tuple[Array, Array, Array]:
    """b, ρ² − 1 and g."""
    b, low = double.over(1.0 + 0.0 * r, r)
    rise = ((b - s) + low) / s
    return b, rise * (rise + 2.0), ((b - m) + low) / s


def _exponential(r: Array, m: Array, s: Array) -> Array:
    b, d, gap = _exponential_moments(r, m, s)
    return 0.5 * (square_remainder(d, b / s) + gap * gap) + 0.4189385332046727  # ½ log 2πe − 1


def _exponential_slopes(r: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    b, d, gap = _exponential_moments(r, m, s)
    mean = gap / s
    return -(d + mean * b) * b, -mean, -(d + gap * gap) / s


exponential_normal_kl = elementwise(
    _exponential,
    _exponential_slopes,
    "exponential_normal_kl",
    double=True,
    compiled="exponential_normal",
    nonnegative=(0, 2),
)


@register(
    Gumbel,
    Normal,
    formula="−log b − γ − 1 + ½ log 2πs² + (π² b²/6 + (m₁ + γ b − m₂)²)/(2 s²)",
    accuracy=8,
    source=TEXTBOOK,
)
def _gumbel_normal(q: Gumbel, p: Normal) -> Tensor:
    return gumbel_normal_kl(q.loc, q.scale, p.loc, p.scale)


@register(
    Laplace,
    Normal,
    formula="−log 2b − 1 + ½ log 2πs² + (2 b² + (m₁ − m₂)²)/(2 s²)",
    accuracy=8,
    source=TEXTBOOK,
)
def _laplace_normal(q: Laplace, p: Normal) -> Tensor:
    return laplace_normal_kl(q.loc, q.scale, p.loc, p.scale)


@register(
    Exponential,
    Normal,
    formula="log r − 1 + ½ log 2πs² + (1/r² + (1/r − m)²)/(2 s²)",
    accuracy=8,
    source=TEXTBOOK,
)
def _exponential_normal(q: Exponential, p: Normal) -> Tensor:
    return exponential_normal_kl(q.rate, p.loc, p.scale)
