"""Continuous Bernoulli laws against normal ones, by way of the normal law that has the same mean and variance.

    KL = ½ Λ(d) + ½ g² + E(η),   d = A''(η)/s² − 1,   g = (A'(η) − m)/s,   E(η) = ½ log 2πe A'' + η A' − A

Nothing is negative and E ≥ 0.17, but its slope is small, and near these moments that of KL is no larger: there d and g
are taken with the digits that their terms lose.
"""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.distributions import ContinuousBernoulli, Normal

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences import _tilting
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import square_remainder
from elbo.divergences._registry import register
from elbo.divergences._tilted_moments import fourth, log_odds_pair, tail, tail_pairs, third, variance
from elbo.divergences.bernoulli import given
from elbo.divergences.continuous_bernoulli import SOURCE

Slopes = tuple[Array | None, ...]
TWELFTH, TWELFTH_LOW = 0.08333333333333333, 4.625929269271485e-18
LARGE = 1e150  # beside it one is nothing
SHAPES = 16.0  # the largest η² of the polynomials for E: fits at 60 digits
VARIANCE_REST = (  # (A'' − 1/12)/η² for η² ≤ 9, to the digits of A''
    -0.004166666666666667, 0.00016534391534391517, -5.7870370370355985e-06, 1.8789081288607818e-07,
    -5.812609144378313e-09, 1.7397296636956627e-10, -5.084514619191185e-12, 1.459603153515563e-13,
    -4.1313349086480635e-15, 1.1546752508417474e-16, -3.1703984746114255e-18, 8.332545387661501e-20,
    -1.947601827577498e-21, 3.460986671441079e-23, -3.3225747126108967e-25,
)  # fmt: skip
SHAPE = (
    0.17648520831067258, 0.01666666666666666, -0.0006746031746031214, 2.1604938271462212e-05, -6.17427105319908e-07,
    1.6707351849574183e-08, -4.4061549006557427e-10, 1.1472965234489502e-11, -2.96585146492103e-13,
    7.629222180774937e-15, -1.9529848869107252e-16, 4.952124402045438e-18, -1.223595548201136e-19,
    2.835506100890588e-21, -5.761414105836159e-23, 9.284682316263962e-25, -1.0190403408977612e-26,
    5.560667115677186e-29,
)  # fmt: skip
SHAPE_SLOPE = (  # over η
    0.03333333333333333, -0.002698412698412634, 0.00012962962962924168, -4.939416843251016e-06, 1.6707351907645995e-07,
    -5.287386188913883e-09, 1.6062162349147884e-10, -4.74539002300463e-12, 1.373310065684798e-13,
    -3.9066315242183555e-15, 1.0901090399743849e-16, -2.9411697823677063e-18, 7.395362737898295e-20,
    -1.6213085301744369e-21, 2.804013017481117e-23, -3.2855372223771803e-25, 1.9044478949928978e-27,
)  # fmt: skip


def _shape(eta: Array) -> Array:
    square = eta * eta
    return xp.replaced(xp.polynomial(square, SHAPE), square > SHAPES, _shape_far, eta)


def _shape_far(eta: Array) -> Array:
    """½ log 2πe − 1 at infinity, as for every exponential law."""
    a = abs(eta)
    epsilon, t = tail(a)
    cut = xp.where(epsilon > 0.0, a * epsilon, 0.0) - xp.log1p(-xp.exp(-a))
    return 0.4189385332046727 + (0.5 * xp.log1p(-t) + cut)


def _shape_slope(eta: Array) -> Array:
    square = eta * eta
    return xp.replaced(eta * xp.polynomial(square, SHAPE_SLOPE), square > SHAPES, _shape_slope_far, eta)


def _shape_slope_far(eta: Array) -> Array:
    a = abs(eta)
    epsilon, t = tail(a)
    slope = t * ((0.5 + epsilon) - (2.0 - t) / a) / (1.0 - t)
    return xp.where(eta < 0.0, -slope, slope)


def _lean(eta: Array) -> Array:
    """A'''/(2 A'')."""
    square = eta * eta
    near = 0.5 * third(eta) / variance(eta)
    return xp.replaced(near, square > _tilting.NEAR, _lean_far, eta)


def _lean_far(eta: Array) -> Array:
    a = abs(eta)
    epsilon, t = tail(a)
    lean = ((0.5 + epsilon) * t - 1.0 / a) / (1.0 - t)
    return xp.where(eta < 0.0, -lean, lean)


def _lean_slope(eta: Array, needs: Sequence[bool]) -> Slopes:
    half = lean(eta)
    return (0.5 * fourth(eta) / variance(eta) - 2.0 * half * half,)


lean = elementwise(_lean, _lean_slope, "continuous_bernoulli_lean")
shape_slope = elementwise(
    _shape_slope,
    lambda eta, needs: (variance(eta) + eta * third(eta) + _lean_slope(eta, needs)[0],),
    "continuous_bernoulli_shape_slope",
)


def _gap(eta: Array, low: Array, m: Array, s: Array) -> Array:
    square = eta * eta
    linear, linear_low = double.times(TWELFTH + 0.0 * eta, eta)
    curved = eta * (square * xp.polynomial(square, _tilting.MEAN[1:]))
    half, half_low = double.plus(0.5 + 0.0 * eta, -m)
    total, total_low = double.plus(half, linear)
    lost = (half_low + total_low) + (linear_low + TWELFTH_LOW * eta) + low * _tilting.variance(eta)
    near = ((total + curved) + lost) / s
    return xp.replaced(near, square > _tilting.NEAR, _gap_far, eta, low, m, s)


def _gap_far(eta: Array, low: Array, m: Array, s: Array) -> Array:
    """Of the means by their distances from the end where the density is largest."""
    rising = eta > 0.0
    a = abs(eta)
    (epsilon, epsilon_low), (t, _) = tail_pairs(a)
    other, other_low = double.plus(1.0 + 0.0 * m, -m)
    place, place_low = xp.where(rising, other, m), xp.where(rising, other_low, 0.0)
    inverse, inverse_low = double.over(1.0 + 0.0 * a, a)
    total, total_low = double.plus(inverse, -place)
    lost = (total_low - place_low) + (inverse_low - epsilon_low) - xp.where(rising, low, -low) * ((1.0 - t) / a / a)
    gap = ((total - epsilon) + lost) / s
    return xp.where(rising, -gap, gap)


def _spread(eta: Array, low: Array, s: Array) -> Array:
    square = eta * eta
    rest = square * xp.polynomial(square, VARIANCE_REST)
    total, total_low = double.plus(TWELFTH + 0.0 * rest, rest)
    quotient, quotient_low = double.over(total, s, total_low + TWELFTH_LOW + low * third(eta))
    near = ((quotient - s) + quotient_low) / s
    return xp.replaced(near, square > _tilting.NEAR, _spread_far, eta, low, s)


def _spread_far(eta: Array, low: Array, s: Array) -> Array:
    """(1 − T)/(a s)² − 1."""
    a, low = abs(eta), xp.where(eta < 0.0, -low, low)
    (epsilon, _), (t, t_low) = tail_pairs(a)
    t_low = t_low + t * low * (2.0 / a - (1.0 + 2.0 * epsilon))
    product, product_low = double.times(xp.minimum(a, LARGE / s), s)
    square, square_low = double.times(product, product)
    square_low = square_low + 2.0 * product * (product_low + low * s)
    return (((1.0 - square) - t) - (square_low + t_low)) / square


gap: Callable[..., Array] = elementwise(
    _gap,
    lambda eta, low, m, s, needs: (variance(eta) / s, None, -1.0 / s, -gap(eta, low, m, s) / s),
    "continuous_bernoulli_normal_gap",
)
spread: Callable[..., Array] = elementwise(
    _spread,
    lambda eta, low, s, needs: (third(eta) / (s * s), None, -2.0 * (spread(eta, low, s) + 1.0) / s),
    "continuous_bernoulli_normal_spread",
)


def _deviation(eta: Array) -> Array:
    square = eta * eta
    return xp.replaced(xp.sqrt(_tilting.variance(eta)), square > _tilting.NEAR, _deviation_far, eta)


def _deviation_far(eta: Array) -> Array:
    a = abs(eta)
    return xp.sqrt(1.0 - tail(a)[1]) / a


def _value(eta: Array, low: Array, m: Array, s: Array) -> Array:
    g, d = _gap(eta, low, m, s), _spread(eta, low, s)
    return 0.5 * (square_remainder(d, _deviation(eta) / s) + g * g) + _shape(eta)


def _slopes(eta: Array, low: Array, m: Array, s: Array) -> Slopes:
    g, d = gap(eta, low, m, s), spread(eta, low, s)
    rise, v = lean(eta), variance(eta)
    near = shape_slope(eta) + rise * d + g * (v / s)
    return xp.where(abs(d) < 0.5, near, v * (eta + g / s) + rise * (1.0 + d)), -g / s, -(d + g * g) / s


def _by_logits(eta: Array, m: Array, s: Array) -> Array:
    return _value(eta, 0.0 * eta, m, s)


def _logits_slopes(eta: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    return _slopes(eta, 0.0 * eta, m, s)


def _by_probs(p: Array, m: Array, s: Array) -> Array:
    return _value(*log_odds_pair(p), m, s)


def _probs_slopes(p: Array, m: Array, s: Array, needs: Sequence[bool]) -> Slopes:
    by_eta, *others = _slopes(*log_odds_pair(p), m, s)
    return by_eta / (p * (1.0 - p)), *others


tilted_normal_kl = elementwise(
    _by_logits,
    _logits_slopes,
    "continuous_bernoulli_normal_kl",
    double=True,
    width=2,
    compiled="tilted_normal",
    nonnegative=(2,),
)
tilted_normal_by_probs = elementwise(
    _by_probs,
    _probs_slopes,
    "continuous_bernoulli_normal_kl_by_probs",
    double=True,
    width=2,
    compiled="tilted_normal_by_probs",
    nonnegative=(2,),
)


@register(
    ContinuousBernoulli,
    Normal,
    formula="KL to the uniform law + ½ log 2πs² + (Var x + (E x − m)²)/(2 s²)",
    accuracy=8,
    source=SOURCE,
)
def _tilted_normal(q: ContinuousBernoulli, p: Normal) -> Tensor:
    if given(q) == "probs":
        return tilted_normal_by_probs(q.probs, p.loc, p.scale)
    return tilted_normal_kl(q.logits, p.loc, p.scale)
