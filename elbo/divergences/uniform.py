"""Uniform laws against laws whose mean energy is elementary, with w = h − l and m = (l + h)/2.

    KL[U(l, h) ‖ U(l₂, h₂)]    = log((h₂ − l₂)/w)
    KL[U(l, h) ‖ Exp(r)]       = r m − log(r w)
    KL[U(l, h) ‖ N(μ, s²)]     = ½ (w²/(12 s²) + z²) − log(w/(s √(2π))),      z = (m − μ)/s
    KL[U(l, h) ‖ Pareto(x, α)] = α {log(l/x) + (E log x − log l)} − (log h − E log x) − log(α w/h)
    KL[U(l, h) ‖ Gumbel(μ, s)] = z − log t + e^{−(l − μ)/s} (1 − e^−t)/t,      t = w/s
    KL[U(l, h) ‖ CB(η)]        = N(η) − η (m − ½) − log w,      N(η) = log((2/η) sinh(η/2))

None of them vanishes but the first and, on (0, 1), the last. What loses digits is the distance of two locations, and
the exponent of the Gumbel law: both are computed with what their rounding loses. Near the best Gumbel law, where the
mean e^u of the exponential is about one, the terms are Φ(u) + 1 + N(t) − log t, u = N(t) − z, Φ(u) = e^u − 1 − u.
"""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.distributions import ContinuousBernoulli, Exponential, Gumbel, Normal, Pareto, Uniform

from elbo.divergences import _array as xp
from elbo.divergences import _tilting
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import log_quotient, log_ratio, phi_series, relative_entropy
from elbo.divergences._products import over, rounding_error, sum_error, times
from elbo.divergences._registry import TEXTBOOK, register
from elbo.divergences._support import constant, infinite
from elbo.divergences._tilted_moments import mean_excess
from elbo.divergences.bernoulli import given
from elbo.divergences.continuous_bernoulli import SOURCE as TILTED_SOURCE
from elbo.divergences.continuous_bernoulli import logit_of

Slopes = tuple[Array | None, ...]
ENDS = 0, 1  # which inputs are l and h
E = math.e, 5.318237706605891e-17
ROOT_2PI = math.sqrt(2.0 * math.pi), 1.040455071400101e-16


def _uniform(l1: Array, h1: Array, l2: Array, h2: Array) -> Array:
    value = log_quotient(h2 - l2, h1 - l1, (h2 - h1) + (l1 - l2))
    return infinite((l2 > l1) | (h1 > h2), value)


def _uniform_slopes(l1: Array, h1: Array, l2: Array, h2: Array, needs: Sequence[bool]) -> Slopes:
    q, p = 1.0 / (h1 - l1), 1.0 / (h2 - l2)
    return constant((l2 > l1) | (h1 > h2), q, -q, -p, p)


uniform_kl = elementwise(
    _uniform, _uniform_slopes, "uniform_kl", double=True, compiled="uniform", increasing=(ENDS, (2, 3))
)


def _exponential(low: Array, high: Array, r: Array) -> Array:
    return infinite(low < 0.0, r * (0.5 * (high + low)) - xp.log(r * (high - low)))


def _exponential_slopes(low: Array, high: Array, r: Array, needs: Sequence[bool]) -> Slopes:
    width, half = high - low, 0.5 * r
    return constant(low < 0.0, half + 1.0 / width, half - 1.0 / width, 0.5 * (high + low) - 1.0 / r)


uniform_exponential_kl = elementwise(
    _exponential,
    _exponential_slopes,
    "uniform_exponential_kl",
    double=True,
    compiled="uniform_exponential",
    nonnegative=(2,),
    increasing=(ENDS,),
)


def _distance(low: Array, high: Array, loc: Array, scale: Array) -> Array:
    """(m − μ)/s to the last digits."""
    total = low + high
    twice = total - 2.0 * loc
    lost = sum_error(low, high, total) + sum_error(total, -2.0 * loc, twice)
    return 0.5 * (twice + lost) / scale


def _normal(low: Array, high: Array, loc: Array, scale: Array) -> Array:
    width, gap = (high - low) / scale, _distance(low, high, loc, scale)
    scaled, lost = over((width, 0.0), ROOT_2PI)
    return 0.5 * (width * width / 12.0 + gap * gap) - (xp.log(scaled) + lost)


def _normal_slopes(low: Array, high: Array, loc: Array, scale: Array, needs: Sequence[bool]) -> Slopes:
    width, gap = (high - low) / scale, _distance(low, high, loc, scale)
    spread = 1.0 / width - width / 12.0
    return (
        (0.5 * gap + spread) / scale,
        (0.5 * gap - spread) / scale,
        -gap / scale,
        (width * spread - gap * gap) / scale,
    )


uniform_normal_kl = elementwise(
    _normal,
    _normal_slopes,
    "uniform_normal_kl",
    double=True,
    compiled="uniform_normal",
    nonnegative=(3,),
    increasing=(ENDS,),
)


def _support(low: Array, high: Array, x: Array) -> tuple[Array, Array, Array, Array]:
    """Whether l < x, and l, h and w, moved to where they are within the support."""
    outside, width = low < x, high - low
    return outside, xp.where(outside, x, low), xp.where(outside, x + width, high), width


def _pareto(low: Array, high: Array, x: Array, alpha: Array) -> Array:
    outside, low, high, width = _support(low, high, x)
    rise, down = log_ratio(low, x) + relative_entropy(high, low) / width, relative_entropy(low, high) / width
    scaled, lost = times((alpha, 0.0), over((width, 0.0), (high, 0.0)))
    return infinite(outside, alpha * rise - (down + (xp.log(scaled) + lost)))


def _pareto_slopes(low: Array, high: Array, x: Array, alpha: Array, needs: Sequence[bool]) -> Slopes:
    outside, low, high, width = _support(low, high, x)
    up, down = relative_entropy(high, low) / width, relative_entropy(low, high) / width  # of E log x, from either end
    return constant(
        outside,
        ((alpha + 1.0) * up + 1.0) / width,
        ((alpha + 1.0) * down - 1.0) / width,
        -alpha / x,
        log_ratio(low, x) + up - 1.0 / alpha,
    )


uniform_pareto_kl = elementwise(
    _pareto,
    _pareto_slopes,
    "uniform_pareto_kl",
    double=True,
    compiled="uniform_pareto",
    nonnegative=(2, 3),
    increasing=(ENDS,),
)


def _exponent(low: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    """(l − μ)/s, and what its rounding has lost."""
    gap = low - loc
    exponent = gap / scale
    product = exponent * scale
    lost = ((gap - product) - rounding_error(exponent, scale, product)) + sum_error(low, -loc, gap)
    return exponent, lost / scale


def _mean_decay(exponent: Array, lost: Array, share: Array) -> Array:
    """The mean of e^−(x − μ)/s; of an exponent whose rounding is beyond one only the sign counts."""
    return xp.exp(-exponent) * (1.0 - xp.where(abs(lost) < 1.0, lost, 0.0)) * share


def _gumbel(low: Array, high: Array, loc: Array, scale: Array) -> Array:
    t, gap = (high - low) / scale, _distance(low, high, loc, scale)
    square, fall, (turns, left) = t * t, -xp.expm1(-t), over((t, 0.0), E)
    log = xp.log(turns) + left  # log t − 1, of which two are all that is large in N(t) − log t
    near = square * xp.polynomial(square, _tilting.NORMALISER)
    wide = (0.5 * t - 1.0) + xp.log(fall)
    u = xp.where(square <= _tilting.NEAR, near, wide - log) - gap  # the mean of e^−(x − μ)/s is e^u
    exponent, lost = _exponent(low, loc, scale)
    far = (gap - 1.0) - log + _mean_decay(exponent, lost, fall / t)
    least = xp.where(square <= _tilting.NEAR, near - log, wide - 2.0 * log)
    return xp.where(abs(u) <= 1.0, phi_series(u) + least, far)


def _gumbel_slopes(low: Array, high: Array, loc: Array, scale: Array, needs: Sequence[bool]) -> Slopes:
    t, (exponent, lost) = (high - low) / scale, _exponent(low, loc, scale)
    gap, tilt = _distance(low, high, loc, scale), mean_excess(t)
    mean = _mean_decay(exponent, lost, -xp.expm1(-t) / t)
    rest, turn = 0.5 * (1.0 - mean), 1.0 / t - mean * tilt
    # of a wide interval all that counts is near its bottom
    lever = xp.where(t < 2.0, gap - t * tilt, exponent + (1.0 - t / xp.expm1(t)))
    return (rest + turn) / scale, (rest - turn) / scale, -2.0 * rest / scale, ((1.0 - gap) + mean * lever) / scale


uniform_gumbel_kl = elementwise(
    _gumbel,
    _gumbel_slopes,
    "uniform_gumbel_kl",
    double=True,
    compiled="uniform_gumbel",
    nonnegative=(3,),
    increasing=(ENDS,),
)


def _tilted(low: Array, high: Array, eta: Array) -> Array:
    outside, square = (low < 0.0) | (high > 1.0), eta * eta
    near = square * xp.polynomial(square, _tilting.NORMALISER) - 0.5 * eta * ((high - 1.0) + low)
    value = near - log_width(low, high)
    steep = square + 0.0 * (low + high) > _tilting.NEAR
    return infinite(outside, xp.replaced(value, steep, _tilted_far, low, high, eta))


def log_width(low: Array, high: Array) -> Array:
    """log w, of a width that may be all but one."""
    missing = (1.0 - high) + low
    return xp.where(missing < 0.5, xp.log1p(-missing), xp.log(high - low))


def _tilted_far(low: Array, high: Array, eta: Array) -> Array:
    """As to the exponential law of rate |η| that begins at the end where the density is largest, cut off at one."""
    size = abs(eta)
    return size * _from_peak(low, high, eta) - xp.log(size * (high - low) / -xp.expm1(-size))


def _from_peak(low: Array, high: Array, eta: Array) -> Array:
    return 0.5 * xp.where(eta < 0.0, low + high, (1.0 - low) + (1.0 - high))


def _lead_far(low: Array, high: Array, eta: Array) -> Array:
    """A'(η) − m, by the distances of both from the end where the density is largest."""
    size = xp.maximum(abs(eta), 1.0 + 0.0 * eta)
    lead = _from_peak(low, high, eta) - (1.0 / size - 1.0 / xp.expm1(size))
    return xp.where(eta < 0.0, -lead, lead)


def _tilted_slopes(low: Array, high: Array, eta: Array, needs: Sequence[bool]) -> Slopes:
    width, half = high - low, 0.5 * eta
    lead = mean_excess(eta) - 0.5 * ((high - 1.0) + low)
    steep = eta * eta + 0.0 * (low + high) > _tilting.NEAR
    by_eta = xp.replaced(lead, steep, _lead_far, low, high, eta)
    return constant((low < 0.0) | (high > 1.0), 1.0 / width - half, -1.0 / width - half, by_eta)


def _tilted_by_probs(low: Array, high: Array, p: Array) -> Array:
    return _tilted(low, high, logit_of(p))


def _probs_slopes(low: Array, high: Array, p: Array, needs: Sequence[bool]) -> Slopes:
    by_low, by_high, by_eta = _tilted_slopes(low, high, logit_of(p), needs)
    return by_low, by_high, by_eta / (p * (1.0 - p))


uniform_tilted_kl = elementwise(
    _tilted,
    _tilted_slopes,
    "uniform_continuous_bernoulli_kl",
    double=True,
    compiled="uniform_tilted",
    increasing=(ENDS,),
)
uniform_tilted_by_probs = elementwise(
    _tilted_by_probs,
    _probs_slopes,
    "uniform_continuous_bernoulli_kl_by_probs",
    double=True,
    compiled="uniform_tilted_by_probs",
    increasing=(ENDS,),
)


@register(
    Uniform,
    Uniform,
    formula="log((h₂ − l₂)/(h₁ − l₁))",
    conditions="inf unless l₂ ≤ l₁ and h₁ ≤ h₂",
    accuracy=8,
    source="any textbook",
)
def _uniform_uniform(q: Uniform, p: Uniform) -> Tensor:
    return uniform_kl(q.low, q.high, p.low, p.high)


@register(
    Uniform,
    Exponential,
    formula="r (h + l)/2 − log(r (h − l))",
    conditions="inf if l < 0",
    accuracy=8,
    source=TEXTBOOK,
)
def _uniform_exponential(q: Uniform, p: Exponential) -> Tensor:
    return uniform_exponential_kl(q.low, q.high, p.rate)


@register(
    Uniform,
    Normal,
    formula="½ log 2πs² − log(h − l) + ((h − l)²/12 + (mid − m)²)/(2 s²)",
    accuracy=8,
    source=TEXTBOOK,
)
def _uniform_normal(q: Uniform, p: Normal) -> Tensor:
    return uniform_normal_kl(q.low, q.high, p.loc, p.scale)


@register(
    Uniform,
    Pareto,
    formula="(α + 1) E log x − log(h − l) − log α − α log x₀",
    conditions="inf if l < x₀",
    accuracy=8,
    source=TEXTBOOK,
)
def _uniform_pareto(q: Uniform, p: Pareto) -> Tensor:
    return uniform_pareto_kl(q.low, q.high, p.scale, p.alpha)


@register(
    Uniform,
    Gumbel,
    formula="log(s/(h − l)) + (mid − m)/s + E e^(−(x − m)/s)",
    accuracy=8,
    source=TEXTBOOK,
)
def _uniform_gumbel(q: Uniform, p: Gumbel) -> Tensor:
    return uniform_gumbel_kl(q.low, q.high, p.loc, p.scale)


@register(
    Uniform,
    ContinuousBernoulli,
    formula="−log(h − l) + A(η) − η (h + l)/2",
    conditions="inf unless 0 ≤ l and h ≤ 1",
    accuracy=8,
    source=TILTED_SOURCE,
)
def _uniform_tilted(q: Uniform, p: ContinuousBernoulli) -> Tensor:
    if given(p) == "probs":
        return uniform_tilted_by_probs(q.low, q.high, p.probs)
    return uniform_tilted_kl(q.low, q.high, p.logits)
