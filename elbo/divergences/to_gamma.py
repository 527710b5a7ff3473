"""Log-normal and Weibull laws to gamma ones: a times e to an exponent r, and terms that are positive.

    KL[LogNormal(m, s) ‖ Γ(a, b)] = a Φ(r) + ½ Λ(a s² − 1) + μ(a)
    KL[Weibull(k, l) ‖ Γ(a, b)]   = a Φ(r) + R(a, ν),      ν = 1/k

where r = log(b E X / a), Φ(y) = e^y − 1 − y, Λ(d) = d − log(1 + d), μ is Stirling's remainder, and R is what is left at
the best rate. With S(a) = log Γ(a) − a log a + a and D(ν) = log E X − E log X = log Γ(1 + ν) + γ ν it is the sum
log k − 1 − γ + S(a) + a D, whose terms cancel. It is computed as

    ½ Λ(2 a D − 1) + C(ν) + μ(a)                 for k > 7/3,  C = ½ log(4π D/ν²) − ½ − γ
    Λ(a D − 1) + log(D/ν) − γ + T(a)             for k < 3/17, T = log Γ(1 + a) + a − a log a
    B(α → a) + M(ν)                              between,      α the best shape, S'(α) = −D

B the Bregman divergence of S and M ≥ 0 the least of all. C, α and M are rational functions, because their terms cancel.
The exponent r is computed to twice the digits (``_double_double``): its terms may be much larger, and near a match of
a large a even its smallest digits are felt.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Gamma, LogNormal, Weibull

from elbo.divergences import _array as xp
from elbo.divergences import _double_double as double
from elbo.divergences._array import Array
from elbo.divergences._double_double import Pair
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import growth_of, itakura_saito_of, log_ratio, log_remainder_of, phi, square_remainder
from elbo.divergences._log_gamma import PSI_2, Rational, log_gamma_from_rise, quotient, rise, rise_slope
from elbo.divergences._registry import register
from elbo.divergences._remainders import remainder_and_slope
from elbo.divergences._stirling import bregman, slope_difference

Slopes = tuple[Array | None, ...]
EULER, EULER_LOW = 0.5772156649015329, -4.942915152430645e-18


def _scaled_growth(a: Array, r: Array, low: Array) -> Array:
    """a (e^(r + low) − 1), which may be finite where e^r is not."""
    return xp.replaced(a * growth_of(r, low), (r > 700.0) & (r < 1500.0), _scaled_by_halves, a, r, low)


def _scaled_by_halves(a: Array, r: Array, low: Array) -> Array:
    half = xp.exp(0.5 * r)
    return a * half * half * (1.0 + low)


def _scaled_phi(a: Array, r: Array, low: Array) -> Array:
    """a Φ(r + low); where e^r is beyond float64 what it is beside is nothing."""
    return xp.replaced(a * phi(r, low), (r > 700.0) & (r < 1500.0), _scaled_by_halves, a, r, low)


def _log_quotient(x: Array, y: Array, low: Array | float = 0.0) -> Pair:
    """log((x + low)/y), where the quotient is beyond float64 without its low part."""
    ratio = double.over(x, y, low)
    log, log_low = double.log(*ratio)
    normal = (ratio[0] > 1e-290) & (ratio[0] < math.inf)
    return xp.where(normal, log, xp.log(x) - xp.log(y)), xp.where(normal, log_low, 0.0)


def _lognormal_exponent(m: Array, s: Array, a: Array, b: Array) -> Pair:
    square, square_low = double.times(s, s)
    log, log_low = _log_quotient(b, a)
    mean, lost = double.plus(m, 0.5 * square)
    r, minus_low = double.plus(mean, log)
    return double.rounded(r, (lost + minus_low) + (0.5 * square_low + log_low))


def _lognormal_spread(s: Array, a: Array) -> Array:
    """a s² − 1."""
    square, square_low = double.times(s, s)
    product, lost = double.times(a, square)
    return (product - 1.0) + (lost + a * square_low)


def _lognormal(m: Array, s: Array, a: Array, b: Array) -> Array:
    d = _lognormal_spread(s, a)
    rest = 0.5 * square_remainder(d, xp.sqrt(a) * s) + remainder_and_slope(a)[0]
    return xp.where(rest < math.inf, _scaled_phi(a, *_lognormal_exponent(m, s, a, b)) + rest, rest)


def _lognormal_slopes(m: Array, s: Array, a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    d = _lognormal_spread(s, a)
    if isinstance(m, Tensor):  # a graph may be recorded, and the logarithm of pairs has no derivative
        r = m + 0.5 * s * s + log_ratio(b, a)
        mean = a * xp.expm1(r)
    else:
        r, low = _lognormal_exponent(m, s, a, b)
        mean = _scaled_growth(a, r, low)
    by_a = (0.5 * d / a - r) + remainder_and_slope(a)[1] if needs[2] else None
    return mean, (s * mean * s + d) / s, by_a, mean / b


lognormal_gamma_kl = elementwise(
    _lognormal,
    _lognormal_slopes,
    "lognormal_gamma_kl",
    double=True,
    width=2,
    compiled="lognormal_gamma",
    nonnegative=(1, 2, 3),
)


# rational functions interpolated at the Chebyshev nodes at 100 digits: D/ν², D'/ν and C of ν ≤ 3/7 (k ≥ 7/3), off by
# 2e-17, 3e-17 and 1e-17, and of w = (1 − k)/(1 + k) between, M ν/(ν − 1)² and (α ν² − 1)/(ν − 1), by 4e-16 and 3e-16
RISE: Rational = (
    (0.8224670334241132, 1.7301932244247697, 1.2283678678039893, 0.33596900338752256, 0.02854038751611314,
     0.0001843272990774222),
    (1.0, 2.5908380180783364, 2.426721744619444, 0.9905273008929566, 0.16602648329177183, 0.008161805830194041),
)  # fmt: skip
RISE_SLOPE: Rational = (
    (1.6449340668482264, 2.1525229184041628, 0.9157894773875108, 0.14639553500470473, 0.007127167072159623,
     2.2276682714975856e-05),
    (1.0, 2.0393399888612525, 1.3890337620366597, 0.3925968062552868, 0.04436197853791835, 0.0014589056969751273),
)  # fmt: skip
STEEP_LEAST: Rational = (
    (0.09057301953851254, -0.03539252111968884, -0.28802842889908387, -0.2172227331093054, -0.05024045480950573,
     -0.0027199213974918248),
    (1.0, 2.2986440819600573, 1.8408841465790517, 0.603725413875552, 0.07208171648719974, 0.0018548541652853466),
)  # fmt: skip
LEAST: Rational = (
    (0.047193985058898005, -0.03300153934515308, -0.0048380880236604, -0.07260377473467816, 0.007675701103624343,
     0.07285282539638406, -0.004905113764166972, 0.023367938555190735, -0.04458438365480262, 0.007001916565158012,
     -0.000541520260322033, 0.002388810886043099),
    (1.0, -1.49967946576069, 1.6839503261408344, -3.255639776491058, 3.083095221161851, -2.0688110685184298,
     1.9698754164124237, -1.1413762792952735, 0.3513713163049591, -0.16441912944790088, 0.049598577142659014),
)  # fmt: skip
SHAPE: Rational = (
    (0.4494539032695695, -0.5044375853135934, 0.40648573681598765, -1.3440789881416595, 1.0544258714041366,
     -0.36549389143195377, 0.8632645759407004, -0.5256287302982151, -0.012921832831034078, -0.10258233441404035,
     0.07872861207245087, 0.0053651614839760175, -0.0021869589751356646),
    (1.0, -1.1937287079274923, 1.1809178827231643, -3.1389775289778563, 2.5847568537179644, -1.3865919054908626,
     2.0955279824753212, -1.2302305525402675, 0.2293728663729911, -0.27877402846675403, 0.14679621638834017,
     -0.006606110488740011),
)  # fmt: skip
STEEP, FLAT = 7.0 / 3.0, 3.0 / 17.0


def _log_mean_steep(nu: Array, low: Array) -> Pair:
    product, lost = double.times(-EULER + 0.0 * nu, nu)
    value, value_low = double.plus(product, nu * nu * quotient(RISE, nu))
    return value, value_low + (lost - (EULER * low + EULER_LOW * nu))


def _parts(k: Array, length: Array, a: Array, b: Array) -> tuple[Array, Array, Pair]:
    """ν, ν − 1 and r."""
    (nu, nu_low), n = double.over(1.0 + 0.0 * k, k), (1.0 - k) / k
    log_gamma = log_gamma_from_rise(nu, nu_low, n, rise(nu, n))
    log_gamma, low = xp.replaced_each(log_gamma, k > STEEP, _log_mean_steep, nu, nu_low)
    product, lost = double.times(b, length)
    log, log_low = _log_quotient(product, a, lost)
    r, lost = double.plus(log, log_gamma)
    return nu, n, double.rounded(r, lost + (low + log_low))


def _between(a: Array, nu: Array, n: Array) -> Array:
    w = n / (n + 2.0)
    shape, square = quotient(SHAPE, w), nu * nu
    alpha = (1.0 + n * shape) / square
    d = xp.where(abs(n) < 0.5, (a - 1.0) + n * ((nu + 1.0) - shape) / square, a - alpha)
    return bregman(alpha, a, d) + n / nu * n * quotient(LEAST, w)


def _steep(a: Array, nu: Array) -> Array:
    rise = 2.0 * quotient(RISE, nu)
    t = a * rise * nu * nu
    log = xp.where(t > 1e-290, xp.log(t), xp.log(a) + xp.log(rise) + 2.0 * xp.log(nu))  # t may underflow
    spread = log_remainder_of(t - 1.0, (t - 1.0) - log)
    return 0.5 * spread + quotient(STEEP_LEAST, nu) + remainder_and_slope(a)[0]


def _flat(a: Array, nu: Array, n: Array) -> Array:
    excess, r = rise(nu, n) + (n + EULER), a - 1.0
    shape = (PSI_2 * r + rise(a, r)) + (a - a * xp.log(a))
    return itakura_saito_of(a * excess - 1.0, a * excess) + (xp.log(excess / nu) - EULER) + shape


def _weibull(k: Array, length: Array, a: Array, b: Array) -> Array:
    nu, n, r = _parts(k, length, a, b)
    rest = _between(a, nu, n)
    rest = xp.replaced(rest, k > STEEP, _steep, a, nu)
    return _scaled_phi(a, *r) + xp.replaced(rest, k < FLAT, _flat, a, nu, n)


def _weibull_slopes(k: Array, length: Array, a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    if isinstance(k, Tensor):  # a graph may be recorded: written with functions that autograd knows
        return _weibull_slopes_of_tensors(k, length, a, b)
    nu, n, (r, low) = _parts(k, length, a, b)
    steep, alike = k > STEEP, (abs(n) < 0.5) & (abs(a - 1.0) < 0.5)  # as far as both being nearly exponential matters
    mean, turn = _scaled_growth(a, r, low), rise_slope(nu, n)
    # ν D' = ν (ψ(1 + ν) + γ), and a ν D' − 1
    gain = xp.where(steep, nu * nu * quotient(RISE_SLOPE, nu), nu + nu * turn)
    step = xp.where(alike, (a - 1.0) * gain + (n + nu * turn), a * gain - 1.0)
    by_nu = step + mean * (nu * (PSI_2 + turn))  # times ν
    by_a = None
    if needs[2]:
        lift = rise(nu, n) + n  # D − γ
        near = slope_difference(1.0 + 0.0 * a, a, a - 1.0) + lift
        far = (remainder_and_slope(a)[1] - 0.5 / a) + xp.where(steep, nu * nu * quotient(RISE, nu), lift + EULER)
        by_a = xp.where(alike, near, far) - r
    return -by_nu * nu, mean / length, by_a, mean / b


def _weibull_slopes_of_tensors(k: Tensor, length: Tensor, a: Tensor, b: Tensor) -> Slopes:
    nu, n, one = 1.0 / k, (1.0 - k) / k, torch.ones_like(k * a)
    r = torch.log(b * length) + torch.lgamma(1.0 + nu) - torch.log(a)
    growth = torch.expm1(r)
    psi = slope_difference(one, nu, n) - torch.log(k)  # ψ(ν) + γ
    psi_next = PSI_2 + slope_difference(one + one, 1.0 + nu, n) + torch.log1p(0.5 * n)  # ψ(1 + ν)
    by_nu = a * growth * psi_next + a * psi + (a - 1.0) * k
    by_a = slope_difference(one, a, a - 1.0) + (torch.lgamma(1.0 + nu) + EULER * n) - r
    return -by_nu * nu * nu, a * growth / length, by_a, a * growth / b


weibull_gamma_kl = elementwise(
    _weibull, _weibull_slopes, "weibull_gamma_kl", double=True, width=4, nonnegative=range(4)
)


@register(
    LogNormal,
    Gamma,
    formula="−log s − ½ log 2πe − a m + b e^(m + s²/2) − a log b + log Γ(a)",
    accuracy=8,
    source="derived in elbo.divergences.to_gamma from the moments of the log-normal law",
)
def _lognormal_to_gamma(q: LogNormal, p: Gamma) -> Tensor:
    return lognormal_gamma_kl(q.base_dist.loc, q.base_dist.scale, p.concentration, p.rate)


@register(
    Weibull,
    Gamma,
    formula="γ a/k − a log l + log k + b l Γ(1 + 1/k) − γ − 1 − a log b + log Γ(a)",
    accuracy=8,
    source="Zhang, Chen, Guo and Zhou 2018, arXiv 1803.01328",
)
def _weibull_to_gamma(q: Weibull, p: Gamma) -> Tensor:
    return weibull_gamma_kl(q.concentration, q.scale, p.concentration, p.rate)
