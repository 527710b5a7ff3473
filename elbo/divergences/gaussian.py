"""Gaussian laws, coordinate by coordinate: KL to N(0, 1) and between two, by whatever says how wide they are.

    KL[N(m₁, v₁) ‖ N(m₂, v₂)] = ½ [Φ(log v₁ − log v₂) + (m₁ − m₂)² / v₂],      Φ(y) = e^y − 1 − y

Each parametrisation has its own form, because converting one into another rounds, and near equality a rounding of the
input is the whole value: Φ for logarithms, Λ for variances, Λ(d) + d²/2 for standard deviations, d = (s₁ − s₂)/s₂.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.distributions import HalfNormal, LogNormal, Normal

from elbo._errors import InputTypeError, InputValueError
from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise, holds_nan, transformed
from elbo.divergences._kernels import growth_of, log_remainder_brief, log_remainder_wide, phi
from elbo.divergences._registry import register

SMALLEST = 1e-290  # of a ratio: below it the quotient loses digits, and then vanishes
Slopes = tuple[Array | None, ...]
SOURCE = "Kingma and Welling 2014, arXiv 1312.6114, appendix B; any textbook"
NOTE = (
    "1.8 measured on 30 000 pairs; in float64 the two terms of the derivative by s₂ may cancel, and keep 2 ulps of "
    "their sizes"
)


def _rounding(x: Array, y: Array, difference: Array) -> Array:
    """What x − y has beyond its rounded value (Knuth's two-sum)."""
    step = difference - x
    return (x - (difference - step)) - (y + step)


def _high(x: Array) -> Array:
    """x less the second half of its digits."""
    if isinstance(x, Tensor):
        scaled = 134217729.0 * x  # Veltkamp
        return scaled - (scaled - x)
    return (x.view(np.int64) & -(2**27)).view(np.float64)


def _divided(n: Array, low: Array, b: Array) -> tuple[Array, Array]:
    """(n + low)/b, and the rounding error of that from the exact product of quotient and divisor (Dekker)."""
    d = n / b
    dh, bh = _high(d), _high(b)
    dl, bl = d - dh, b - bh
    product = d * b
    error = ((dh * bh - product) + dh * bl + dl * bh) + dl * bl
    rest = ((n - product) - error + low) / b
    if isinstance(d, Tensor) or not np.isfinite(rest.sum()):  # the exact product overflows beyond 1e300
        rest = xp.where(abs(rest) < abs(d), rest, 0.0)
    return d, rest


def _unless_infinite(value: Array, largest: Array) -> Array:
    """``value``, or where it has overflowed on the way its ``largest`` term, which may not have."""
    if not isinstance(value, Tensor) and np.isfinite(value.sum()):
        return value
    return xp.where(abs(value) < math.inf, value, largest)


def _unless_extreme(value: Array, ratio: Array, extreme: Callable[[], Array]) -> Array:
    """``value``, or the ``extreme`` form where it or the ratio that it is made of has over- or underflowed."""
    if not isinstance(value, Tensor) and np.isfinite(value.sum()) and ratio.min() >= SMALLEST:
        return value
    return xp.where((abs(value) < math.inf) & (ratio >= SMALLEST), value, extreme())


def _squared(x: Array, y: Array) -> tuple[Array, Array]:
    """x − y, and its square with the rounding of the difference made good."""
    difference = x - y
    return difference, difference * (difference + 2.0 * _rounding(x, y, difference))


def _by_log_variance(m1: Array, y1: Array, m2: Array, y2: Array) -> Array:
    y = y1 - y2
    _, square = _squared(m1, m2)
    return 0.5 * (phi(y, _rounding(y1, y2, y)) + square * xp.exp(-y2))


def _by_log_variance_single(m1: Array, y1: Array, m2: Array, y2: Array) -> Array:
    difference = m1 - m2
    return 0.5 * (phi(y1 - y2) + difference * difference * xp.exp(-y2))


def _log_variance_slopes(m1: Array, y1: Array, m2: Array, y2: Array, needs: Sequence[bool]) -> Slopes:
    difference = m1 - m2
    mean = difference * xp.exp(-y2)
    y = y1 - y2
    spread = 0.5 * growth_of(y, _rounding(y1, y2, y))
    return mean, spread, -mean, -(spread + 0.5 * difference * mean)


def _standard_by_log_variance(m: Array, y: Array) -> Array:
    return 0.5 * (phi(y) + m * m)


def _standard_slopes(m: Array, y: Array, needs: Sequence[bool]) -> Slopes:
    return m, 0.5 * xp.expm1(y)


def _by_variance(m1: Array, v1: Array, m2: Array, v2: Array) -> Array:
    step = v1 - v2
    d, low = _divided(step, _rounding(v1, v2, step), v2)
    difference, square = _squared(m1, m2)
    ratio = v1 / v2
    return _unless_extreme(
        0.5 * (log_remainder_wide(d, low, ratio) + square / v2),
        ratio,
        lambda: 0.5 * (d - (xp.log(v1) - xp.log(v2)) + difference * (difference / v2)),
    )


def _by_variance_single(m1: Array, v1: Array, m2: Array, v2: Array) -> Array:
    difference = m1 - m2
    return 0.5 * (log_remainder_brief(v1 / v2) + difference * difference / v2)


def _variance_slopes(m1: Array, v1: Array, m2: Array, v2: Array, needs: Sequence[bool]) -> Slopes:
    difference = m1 - m2
    mean, excess = difference / v2, (v1 - v2) / v2
    return mean, 0.5 * excess / v1, -mean, -0.5 * (excess + difference * mean) / v2


def _by_std(m1: Array, s1: Array, m2: Array, s2: Array) -> Array:
    step, gap = s1 - s2, m1 - m2
    d, low = _divided(step, _rounding(s1, s2, step), s2)
    t = gap / s2
    # t·gap/s₂ has three roundings, t·t one and another twice; it may overflow where t·t does not
    squares = d * d + _unless_infinite(t * gap / s2, t * t)
    low_t = _rounding(m1, m2, gap) / s2
    ratio = s1 / s2
    return _unless_extreme(
        0.5 * squares + (log_remainder_wide(d, low, ratio, alone=False) + (d * low + t * low_t)),
        ratio,
        lambda: 0.5 * squares + (d - (xp.log(s1) - xp.log(s2))),
    )


def _by_std_single(m1: Array, s1: Array, m2: Array, s2: Array) -> Array:
    inverse = 1.0 / s2
    ratio, t = s1 / s2, (m1 - m2) * inverse  # exactly 1 at equality, which s1 · (1/s2) is not
    square, d = t * t, ratio - 1.0
    value = 0.5 * ((ratio * ratio - 1.0) + square) - xp.log(ratio)
    return xp.replaced(value, abs(d) < 1e-3, _near_single, d, square)


def _near_single(d: Array, square: Array) -> Array:
    """Λ(d) + ½ d² by its series, which has nine digits for |d| < 1e-3, where the closed form has lost them."""
    return d * d * (1.0 + d * (0.25 * d - 1.0 / 3.0)) + 0.5 * square


def _std_slopes_single(m1: Array, s1: Array, m2: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
    inverse = 1.0 / s2
    ratio, t = s1 / s2, (m1 - m2) * inverse
    mean, excess = t * inverse, ratio * ratio - 1.0
    return mean, excess / s1, -mean, (excess + t * t) * -inverse


def _std_slopes(m1: Array, s1: Array, m2: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
    t = (m1 - m2) / s2
    mean = t / s2
    excess = (s1 - s2) / s2 * ((s1 + s2) / s2)
    return mean, excess / s1, -mean, -(excess + t * t) / s2


def _half_by_std(s1: Array, s2: Array) -> Array:
    step = s1 - s2
    d, low = _divided(step, _rounding(s1, s2, step), s2)
    square, ratio = 0.5 * d * d, s1 / s2
    return _unless_extreme(
        square + (log_remainder_wide(d, low, ratio, alone=False) + d * low),
        ratio,
        lambda: square + (d - (xp.log(s1) - xp.log(s2))),
    )


def _half_by_std_single(s1: Array, s2: Array) -> Array:
    ratio = s1 / s2
    d = ratio - 1.0
    return log_remainder_brief(ratio) + 0.5 * d * d


def _half_slopes(s1: Array, s2: Array, needs: Sequence[bool]) -> Slopes:
    excess = (s1 - s2) / s2 * ((s1 + s2) / s2)
    return excess / s1, -excess / s2


by_log_variance = elementwise(
    _by_log_variance,
    _log_variance_slopes,
    "gaussian_kl_by_log_variance",
    single=(_by_log_variance_single, _log_variance_slopes),
)
standard_by_log_variance = elementwise(
    _standard_by_log_variance, _standard_slopes, "gaussian_kl_to_standard_by_log_variance"
)
by_variance = elementwise(
    _by_variance, _variance_slopes, "gaussian_kl_by_variance", single=(_by_variance_single, _variance_slopes)
)
by_std = elementwise(
    _by_std,
    _std_slopes,
    "gaussian_kl_by_std",
    single=(_by_std_single, _std_slopes_single),
    compiled="normal_by_std",
)
half_by_std = elementwise(
    _half_by_std,
    _half_slopes,
    "half_normal_kl",
    single=(_half_by_std_single, _half_slopes),
    compiled="half_normal",
)

SPREADS = ("log_variance", "variance", "std", "log_std")


def _spread(side: str, **given: Tensor | None) -> tuple[str, Tensor]:
    """The one spread that was given, checked; log_std as log_variance (a doubling is exact)."""
    present = [(name, value) for name, value in given.items() if value is not None]
    legal = ", ".join(f"{side}{name}" for name in SPREADS)
    if len(present) != 1:
        got = ", ".join(f"{side}{name}" for name, _ in present) or "none"
        raise InputTypeError(
            f"{got} given as the spread, expected exactly one of {legal}: write gaussian_kl(mean, log_variance=...)"
        )
    name, value = present[0]
    _check_tensor(f"{side}{name}", value)
    if name in ("variance", "std") and not transformed() and value.numel():
        smallest = value.detach().min()
        if not bool(smallest > 0):
            raise InputValueError(
                f"{side}{name} holds {smallest.item()!r}, expected only positive numbers; for its logarithm write "
                f"{side}log_{name}="
            )
    return ("log_variance", 2.0 * value) if name == "log_std" else (name, value)


def _check_tensor(name: str, value: object) -> None:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = f"a tensor of {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise InputTypeError(
            f"{name} is {kind}, expected a floating-point tensor: write torch.as_tensor({name}, dtype=torch.float64)"
        )


def _finish(result: Tensor, event_dims: int, **inputs: Tensor) -> Tensor:
    if not transformed() and holds_nan(result):
        for name, value in inputs.items():
            bad = value.detach()[~torch.isfinite(value.detach())]
            if bad.numel():
                raise InputValueError(f"{name} holds {bad[0].item()!r}, expected finite numbers")
    if event_dims == 0:
        return result
    if not 0 <= event_dims <= result.ndim:
        raise InputValueError(
            f"event_dims is {event_dims}, expected 0 to {result.ndim} for values of shape {tuple(result.shape)}"
        )
    return result.sum(dim=tuple(range(-event_dims, 0)))


def _check_together(**inputs: Tensor) -> None:
    kinds = {(value.dtype, value.device) for value in inputs.values()}
    if len(kinds) > 1:
        got = ", ".join(f"{name}: {value.dtype} on {value.device}" for name, value in inputs.items())
        raise InputTypeError(f"{got}; expected one dtype and one device: write .to(...) on one of them")
    try:
        torch.broadcast_shapes(*(value.shape for value in inputs.values()))
    except RuntimeError:
        got = ", ".join(f"{name}: {tuple(value.shape)}" for name, value in inputs.items())
        raise InputValueError(f"the shapes are {got}, expected shapes that broadcast") from None


def gaussian_kl(
    mean: Tensor,
    *,
    log_variance: Tensor | None = None,
    variance: Tensor | None = None,
    std: Tensor | None = None,
    log_std: Tensor | None = None,
    event_dims: int = 0,
) -> Tensor:
    """KL[N(mean, variance) ‖ N(0, 1)] for each coordinate, in nats.

        ½ (e^y − 1 − y + mean²),  y = log variance

    Args:
        mean: any shape.
        log_variance, variance, std, log_std: exactly one, broadcasting with ``mean``.
        event_dims: how many of the last dimensions to sum over; 0 leaves one value a coordinate.

    Returns:
        the broadcast shape less its last ``event_dims`` dimensions.

    Raises:
        InputTypeError: not exactly one spread, not floating point, mixed dtypes or devices.
        InputValueError: shapes that do not broadcast, a spread that is not positive, NaN.

    Conditions: none; relative error at most 2 ulps in float32 and float64 for every finite input, gradients too.

    Source: Kingma and Welling 2014, arXiv 1312.6114, appendix B, in the form ½ (Φ(y) + mean²).

    Example:
        >>> import torch
        >>> gaussian_kl(torch.tensor([0.0, 1e-4]), log_variance=torch.tensor([1e-4, 0.0]))
        tensor([2.5001e-09, 5.0000e-09])
        >>> gaussian_kl(torch.ones(5, 3), std=torch.ones(5, 3), event_dims=1)
        tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000])
    """
    _check_tensor("mean", mean)
    kind, spread = _spread("", log_variance=log_variance, variance=variance, std=std, log_std=log_std)
    _check_together(mean=mean, **{kind: spread})
    if kind == "log_variance":
        result = standard_by_log_variance(mean, spread)
    else:
        zero, one = mean.new_zeros(()), mean.new_ones(())
        result = (by_variance if kind == "variance" else by_std)(mean, spread, zero, one)
    return _finish(result, event_dims, mean=mean, **{kind: spread})


def gaussian_kl_pair(
    q_mean: Tensor,
    p_mean: Tensor,
    *,
    q_log_variance: Tensor | None = None,
    q_variance: Tensor | None = None,
    q_std: Tensor | None = None,
    q_log_std: Tensor | None = None,
    p_log_variance: Tensor | None = None,
    p_variance: Tensor | None = None,
    p_std: Tensor | None = None,
    p_log_std: Tensor | None = None,
    event_dims: int = 0,
) -> Tensor:
    """KL[N(q_mean, v₁) ‖ N(p_mean, v₂)] for each coordinate, in nats.

        ½ [v₁/v₂ − 1 − log(v₁/v₂) + (q_mean − p_mean)²/v₂]

    Args:
        q_mean, p_mean: any shapes that broadcast.
        q_log_variance, q_variance, q_std, q_log_std: exactly one.
        p_log_variance, p_variance, p_std, p_log_std: exactly one. Where q and p are given in different ways, both are
            converted to variances (or to log-variances if one is a logarithm), and the rounding of the
            conversion is felt
            near equality.
        event_dims: how many of the last dimensions to sum over; 0 leaves one value a coordinate.

    Returns:
        the broadcast shape less its last ``event_dims`` dimensions.

    Raises:
        InputTypeError: not exactly one spread for each, not floating point, mixed dtypes or devices.
        InputValueError: shapes that do not broadcast, a spread that is not positive, NaN.

    Conditions: none; relative error at most 2 ulps for every finite input given in the same way on both sides
    gradients included; in float64 the two terms of the derivative
    by p's spread may cancel, and keep 2 ulps of their sizes.

    Source: any textbook; the forms are derived in this module's docstring.

    Example:
        >>> import torch
        >>> zero, one = torch.zeros(1), torch.ones(1)
        >>> gaussian_kl_pair(one, zero, q_variance=one, p_variance=2 * one)
        tensor([0.3466])
    """
    _check_tensor("q_mean", q_mean)
    _check_tensor("p_mean", p_mean)
    q_kind, q = _spread("q_", log_variance=q_log_variance, variance=q_variance, std=q_std, log_std=q_log_std)
    p_kind, p = _spread("p_", log_variance=p_log_variance, variance=p_variance, std=p_std, log_std=p_log_std)
    inputs = {"q_mean": q_mean, f"q_{q_kind}": q, "p_mean": p_mean, f"p_{p_kind}": p}
    _check_together(**inputs)
    if q_kind != p_kind:
        target = "log_variance" if "log_variance" in (q_kind, p_kind) else "variance"
        q, p = _convert(q, q_kind, target), _convert(p, p_kind, target)
        q_kind = target
    form = {"log_variance": by_log_variance, "variance": by_variance, "std": by_std}[q_kind]
    return _finish(form(q_mean, q, p_mean, p), event_dims, **inputs)


def _convert(spread: Tensor, kind: str, target: str) -> Tensor:
    if kind == target:
        return spread
    if target == "variance":
        return spread * spread
    return torch.log(spread) if kind == "variance" else 2.0 * torch.log(spread)


@register(
    Normal,
    Normal,
    formula="½[(s₁/s₂)² − 1 − log (s₁/s₂)² + (m₁ − m₂)²/s₂²]",
    accuracy=2,
    note=NOTE,
    source=SOURCE,
)
def _normal_normal(q: Normal, p: Normal) -> Tensor:
    return by_std(q.loc, q.scale, p.loc, p.scale)


@register(LogNormal, LogNormal, formula="KL of the normal laws of the logarithms", accuracy=2, note=NOTE, source=SOURCE)
def _lognormal_lognormal(q: LogNormal, p: LogNormal) -> Tensor:
    return by_std(q.base_dist.loc, q.base_dist.scale, p.base_dist.loc, p.base_dist.scale)


@register(HalfNormal, HalfNormal, formula="½[(s₁/s₂)² − 1 − log (s₁/s₂)²]", accuracy=2, source=SOURCE)
def _halfnormal_halfnormal(q: HalfNormal, p: HalfNormal) -> Tensor:
    return half_by_std(q.base_dist.scale, p.base_dist.scale)
