"""The compiled kernels say what the formulas say, wherever and however they are called."""

import math

import numpy as np
import pytest
import torch
from built_kernels import needed
from kernels_across import ACROSS
from mpmath import mp

from elbo.divergences import (
    _by_logits,
    _compiled,
    _kernels,
    _stirling,
    bernoulli,
    beta,
    continuous_bernoulli,
    exponential,
    gamma,
    gamma_normal,
    gaussian,
    location_scale,
    to_gamma,
    to_gumbel,
    to_normal,
    weibull,
)
from elbo.divergences._elementwise import PIECE, SMALL
from elbo.evidence import generator

pytestmark = needed(_compiled._native)
LOCATIONS = ("real", "positive", "real", "positive")
FUNCTIONS = {
    "normal_by_std": (gaussian.by_std, LOCATIONS),
    "half_normal": (gaussian.half_by_std, ("positive", "positive")),
    "laplace": (location_scale.laplace_kl, LOCATIONS),
    "cauchy": (location_scale.cauchy_kl, LOCATIONS),
    "pareto": (location_scale.pareto_kl, ("positive",) * 4),
    "relative_entropy": (_kernels.relative_entropy, ("positive", "positive")),
    "itakura_saito": (_kernels.itakura_saito, ("positive", "positive")),
    "bernoulli_by_probs": (bernoulli.by_probs, ("share", "share")),
    "bernoulli_by_logits": (_by_logits.by_logits, ("real", "real")),
    "negative_by_logits": (_by_logits.negative_by_logits, ("real", "real")),
    "geometric_by_logits": (_by_logits.geometric_by_logits, ("real", "real")),
    "geometric": (bernoulli.geometric, ("share", "share")),
    "bregman": (lambda a, b: _stirling.bregman(a, b, (b - a).detach()), ("positive", "positive")),
    "slope_difference": (lambda a, b: _stirling.slope_difference(a, b, (b - a).detach()), ("positive", "positive")),
    "curvature": (_stirling.curvature, ("positive",)),
    "gamma_laws": (gamma.gamma_kl, ("positive",) * 4),
    "gamma_normal": (gamma_normal.gamma_normal_kl, ("positive", "positive", "real", "positive")),
    "beta_gamma": (beta.beta_gamma_kl, ("positive",) * 4),
    "beta_normal": (beta.beta_normal_kl, ("positive", "positive", "real", "positive")),
    "beta_laws": (gamma.beta_kl, ("positive",) * 4),
    "exponential_gamma": (exponential.exponential_gamma_kl, ("positive",) * 3),
    "gumbel_normal": (to_normal.gumbel_normal_kl, LOCATIONS),
    "laplace_normal": (to_normal.laplace_normal_kl, LOCATIONS),
    "exponential_normal": (to_normal.exponential_normal_kl, ("positive", "real", "positive")),
    "normal_gumbel": (to_gumbel.normal_gumbel_kl, ("real", "moderate", "real", "moderate")),
    "exponential_gumbel": (to_gumbel.exponential_gumbel_kl, ("positive", "real", "moderate")),
    "gamma_gumbel": (to_gumbel.gamma_gumbel_kl, ("positive", "positive", "real", "moderate")),
    "lognormal_gamma": (to_gamma.lognormal_gamma_kl, ("moderate",) * 4),
    "gumbel": (weibull.gumbel_kl, ("moderate",) * 4),
    "weibull": (weibull.weibull_kl, ("moderate",) * 4),
    "tilted": (continuous_bernoulli.tilted_kl, ("real", "real")),
    "log_gamma": (_stirling.log_gamma, ("positive",)),
    "digamma": (lambda a: _stirling.digamma(a) + 2.0 / a, ("positive",)),  # without the zero
    **{name: (across.function, across.kinds) for name, across in ACROSS.items()},
}
OF_KIND = {
    "real": lambda x: 3 * x,
    "positive": torch.exp,
    "share": torch.sigmoid,
    "moderate": lambda x: 1.5 + torch.tanh(x),
    "left": lambda x: 0.5 * torch.sigmoid(x),
    "little": lambda x: 0.05 * torch.sigmoid(x),
    "right": lambda x: 0.5 + 0.5 * torch.sigmoid(x),
    "below": lambda x: -torch.exp(x),
    "above": lambda x: 1 + torch.exp(x),
    "tail": lambda x: 2.5 + torch.exp(x),
}
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
NAMES = pytest.mark.parametrize("name", FUNCTIONS)


def inputs_of(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> list[torch.Tensor]:
    source = generator(5, "compiled", name, str(dtype))
    drawn = [torch.randn(shape, generator=source, dtype=torch.float64) for _ in FUNCTIONS[name][1]]
    return [OF_KIND[kind](x).to(dtype) for x, kind in zip(drawn, FUNCTIONS[name][1], strict=True)]


def by_formula(function, inputs, gradient):
    """Value and products by the formula alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_compiled.Kernel, "value", lambda *_: False)
        patch.setattr(_compiled.Kernel, "products", lambda *_: False)
        return by_kernel(function, inputs, gradient)


def by_kernel(function, inputs, gradient):
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = function(*leaves)
    return [value.detach(), *torch.autograd.grad(value, leaves, gradient.expand(value.shape))]


def agree(got, want, dtype, name):
    """Values to the class of both, 8 ulps if not more; slopes, whose terms may cancel, to 64 ulps of the largest."""
    eps, class_of_both = torch.finfo(dtype).eps, {"tilted": 32}.get(name, 16)
    for number, (x, y) in enumerate(zip(got, want, strict=True)):
        assert x.dtype == y.dtype == dtype
        assert x.shape == y.shape
        torch.testing.assert_close(
            x, y, rtol=class_of_both * eps, atol=64 * eps * float(y.abs().max()) if number else 0.0
        )


def entropy(x, y):
    return x * mp.log(x / y) - x + y


def binary_entropy(q, p):
    return entropy(q, p) + entropy(1 - q, 1 - p)


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def laplace_slopes(m1, b1, m2, b2):
    """With the sum of the sizes of the terms, which cancel."""
    t, sign = abs(m1 - m2) / b1, mp.sign(m1 - m2)
    mean, spread, rest = sign * (1 - mp.exp(-t)) / b2, (b1 - b2) / (b1 * b2), 1 - (1 + t) * mp.exp(-t)
    by_p, gap = spread * b1 / b2, b1 * (mp.exp(-t) - 1 + t) / b2**2
    return [(mean, abs(mean)), (spread - rest / b2, abs(spread) + rest / b2), (-mean, abs(mean)),
            (-by_p - gap, abs(by_p) + gap)]  # fmt: skip


def itself(*slopes):
    return [(slope, abs(slope)) for slope in slopes]


def cauchy_slopes(m1, s1, m2, s2):
    total, gap = s1 + s2, (m1 - m2) ** 2
    square, spread = total**2 + gap, abs(s1 - s2) * total
    sign = mp.sign(s1 - s2)
    mean = 2 * (m1 - m2) / square
    by_q, by_p = (sign * spread - gap) / square / s1, -(sign * spread + gap) / square / s2
    size = (spread + gap) / square
    return [(mean, abs(mean)), (by_q, size / s1), (-mean, abs(mean)), (by_p, size / s2)]


def log_gamma_rest(a):
    return mp.loggamma(a) - a * mp.log(a) + a


def log_gamma_rest_slope(a):
    return mp.digamma(a) - mp.log(a)


def log_gamma_rest_curvature(a):
    return mp.psi(1, a) - 1 / a


def gamma_kl(a1, b1, a2, b2):
    return (a1 - a2) * mp.digamma(a1) - mp.loggamma(a1) + mp.loggamma(a2) + a2 * mp.log(b1 / b2) + a1 * (b2 / b1 - 1)


def gamma_slopes(a1, b1, a2, b2):
    excess = a1 * b2 / b1 - a2
    by_q = [excess / a1, (a1 - a2) * log_gamma_rest_curvature(a1)]
    by_p = [log_gamma_rest_slope(a2) - log_gamma_rest_slope(a1), mp.log(a1 * b2 / (a2 * b1))]
    return [
        (sum(by_q), sum(map(abs, by_q))),
        (-excess / b1, abs(excess / b1)),
        (by_p[0] - by_p[1], sum(map(abs, by_p))),
        (excess / b2, abs(excess / b2)),
    ]


def log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def beta_kl(a1, b1, a2, b2):
    tilts = (a1 - a2) * mp.digamma(a1) + (b1 - b2) * mp.digamma(b1) + (a2 - a1 + b2 - b1) * mp.digamma(a1 + b1)
    return log_beta(a2, b2) - log_beta(a1, b1) + tilts


def beta_slopes(a1, b1, a2, b2):
    t1, t2 = a1 + b1, a2 + b2
    w, common_q = a1 * b2 - b1 * a2, (t2 - t1) * log_gamma_rest_curvature(t1)
    common_p = log_gamma_rest_slope(t2) - log_gamma_rest_slope(t1)
    slopes = []
    for mine, theirs, sign in ((a1, a2, 1), (b1, b2, -1)):
        slopes.append([sign * w / (t1 * mine), (mine - theirs) * log_gamma_rest_curvature(mine), common_q])
    for mine, theirs in ((a1, a2), (b1, b2)):
        change = log_gamma_rest_slope(theirs) - log_gamma_rest_slope(mine)
        slopes.append([change, -common_p, -mp.log(mine * t2 / (theirs * t1))])
    return [(sum(terms), sum(map(abs, terms))) for terms in slopes]


def tilted_normaliser(x):
    return mp.log(mp.expm1(x) / x)


def tilted_mean(x):
    return -1 / mp.expm1(-x) - 1 / x


def log_gamma_excess(ratio, gap):
    """Φ(y) + log Γ(ρ) + γ (ρ − 1), y = gap + log Γ(1 + ρ), its derivatives by ρ and the gap, and the sizes of terms."""
    log_gamma = mp.loggamma(1 + ratio)
    y = gap + log_gamma
    growth, rise = mp.expm1(y), mp.chop(mp.digamma(ratio) + mp.euler, 1e-40)
    felt = abs(growth) + abs(gap) + abs(log_gamma)  # where they cancel, to a small y
    by_ratio = mp.digamma(1 + ratio) * growth + rise, mp.digamma(1 + ratio) * felt + abs(rise)
    return growth - y + mp.loggamma(ratio) + mp.euler * (ratio - 1), by_ratio, (growth, felt)


def scaled(*pairs):
    """A sum of slopes, each times a factor, and of their sizes."""
    return sum(slope * c for (slope, _), c in pairs), sum(size * abs(c) for (_, size), c in pairs)


def gumbel_slopes(m1, b1, m2, b2):
    ratio, gap = b1 / b2, (m2 - m1) / b2
    _, by_ratio, by_gap = log_gamma_excess(ratio, gap)
    return [scaled((by_gap, -1 / b2)), scaled((by_ratio, 1 / b2)), scaled((by_gap, 1 / b2)),
            scaled((by_ratio, -ratio / b2), (by_gap, -gap / b2))]  # fmt: skip


def weibull_slopes(k1, l1, k2, l2):
    ratio, log = k2 / k1, mp.log(l1 / l2)
    _, by_ratio, by_gap = log_gamma_excess(ratio, k2 * log)
    return [scaled((by_ratio, -ratio / k1)), scaled((by_gap, k2 / l1)), scaled((by_ratio, 1 / k1), (by_gap, log)),
            scaled((by_gap, -k2 / l2))]  # fmt: skip


def exponential_gamma_slopes(b1, c, b2):
    t = b2 / b1
    rate, terms = abs(t - 1) + abs(c - 1), (mp.digamma(c) + mp.euler, -mp.log(t))
    return [((c - t) / b1, rate / b1), (sum(terms), sum(map(abs, terms))), ((t - c) / b2, rate / b2)]


def beta_normal_kl(a, b, m, s):
    n = a + b
    entropy = log_beta(a, b) - (a - 1) * mp.digamma(a) - (b - 1) * mp.digamma(b) + (n - 2) * mp.digamma(n)
    return mp.log(2 * mp.pi * s**2) / 2 + (a * b / (n**2 * (n + 1)) + (a / n - m) ** 2) / (2 * s**2) - entropy


def beta_normal_slopes(a, b, m, s):
    """With the sizes of the terms: those of the moments, of the entropy, and of its leading terms ½/x + ½/x²."""
    n, gap = a + b, a / (a + b) - m
    variance = a * b / (n**2 * (n + 1))
    slopes = []
    for x, turn in ((a, b / n**2), (b, -a / n**2)):
        entropy = (x - 1) * mp.psi(1, x) - (n - 2) * mp.psi(1, n)
        moments = variance * (1 / x - 2 / n - 1 / (n + 1)) / (2 * s**2), gap * turn / s**2
        size = abs((x - 1) * mp.psi(1, x)) + abs((n - 2) * mp.psi(1, n)) + (1 + 1 / x) / (2 * x)
        slopes.append((entropy + sum(moments), size + sum(map(abs, moments)) + variance / (n * s**2)))
    square = (variance + gap**2) / s**3
    return [*slopes, (-gap / s**2, (abs(a / n) + abs(m)) / s**2), (1 / s - square, 1 / s + square)]


def gamma_normal_kl(a, b, m, s):
    entropy = a - mp.log(b) + mp.loggamma(a) + (1 - a) * mp.digamma(a)
    return mp.log(2 * mp.pi * s**2) / 2 + (a / b**2 + (a / b - m) ** 2) / (2 * s**2) - entropy


def gamma_normal_slopes(a, b, m, s):
    """With the sizes of the terms."""
    gap, t, shape = a / b - m, a / (b * s) ** 2, (a - 1) * mp.psi(1, a)
    by_b, square = (t + gap * a / (b * s**2)) / b, (a / b**2 + gap**2) / s**3
    turn = (a / b + abs(m)) / s**2
    return [
        (1 / (2 * b**2 * s**2) + gap / (b * s**2) - 1 + shape, t / a + turn / b + 1 + abs(shape) + 1 / a),
        (1 / b - by_b, 1 / b + (t + turn * a / b) / b),
        (-gap / s**2, turn),
        (1 / s - square, 1 / s + square),
    ]


def to_normal_kl(shift, deviation, entropy):
    """KL of the law of location l and scale b, of entropy log b + ``entropy``, to N(m, s²), and its derivatives."""

    def value(loc, b, m, s):
        gap = loc + shift * b - m
        return mp.log(2 * mp.pi * s**2) / 2 + ((deviation * b) ** 2 + gap**2) / (2 * s**2) - mp.log(b) - entropy

    def slopes(loc, b, m, s):
        gap, size = (loc + shift * b - m) / s**2, (abs(loc) + shift * b + abs(m)) / s**2
        ratio, square = deviation**2 * b / s**2, (deviation * b) ** 2 + gap**2 * s**4
        by_b = ratio - 1 / b + gap * shift, ratio + 1 / b + abs(gap) * shift
        return [(gap, size), by_b, (-gap, size), (1 / s - square / s**3, 1 / s + square / s**3)]

    return value, slopes


def exponential_normal_slopes(r, m, s):
    by_b, by_m, by_s = to_normal_kl(1, 1, 1)[1](mp.mpf(0), 1 / r, m, s)[1:]
    return [(-by_b[0] / r**2, by_b[1] / r**2), by_m, by_s]


def gumbel_moments(u, mean):
    """KL to Gumbel(m, s) is the mean of z + e^−z, z = (x − m)/s, plus log s less the entropy of x."""
    return mp.exp(u) + mean


def normal_gumbel_kl(m1, s, m2, b):
    u = (m2 - m1) / b + (s / b) ** 2 / 2
    return gumbel_moments(u, (m1 - m2) / b) + mp.log(b) - mp.log(2 * mp.pi * mp.e * s**2) / 2


def normal_gumbel_slopes(m1, s, m2, b):
    ratio, gap = s / b, (m2 - m1) / b
    growth = mp.expm1(gap + ratio**2 / 2)
    by_s, by_b = (ratio**2 * growth, ratio**2 - 1), (ratio**2 * growth + gap * growth, ratio**2 - 1)
    terms = abs(ratio**2 * growth) + abs(gap * growth) + abs(ratio**2 - 1)
    return [(-growth / b, abs(growth) / b), (sum(by_s) / s, terms / s), (growth / b, abs(growth) / b),
            (-sum(by_b) / b, terms / b)]  # fmt: skip


def gamma_gumbel_kl(a, b, m, s):
    entropy = a - mp.log(b) + mp.loggamma(a) + (1 - a) * mp.digamma(a)
    return gumbel_moments(m / s - a * mp.log1p(1 / (b * s)), (a / b - m) / s) + mp.log(s) - entropy


def gamma_gumbel_slopes(a, b, m, s):
    """With the sizes of the terms."""
    tau, shift = 1 / (b * s), m / s
    share, log = tau / (1 + tau), mp.log1p(tau)
    growth = mp.expm1(shift - a * log)
    rest, size = 1 - a * tau * share, 1 + a * tau * share
    by_a = [tau - log - 1 / (2 * a), 1 / (2 * a) - 1 - (1 - a) * mp.psi(1, a), -growth * log]
    return [
        (sum(by_a), tau + 1 / a + sum(map(abs, by_a))),
        ((rest + growth * a * share) / b, (size + abs(growth) * a * share) / b),
        (growth / s, abs(growth) / s),
        ((rest + growth * (a * share - shift)) / s, (size + abs(growth) * (a * share + abs(shift))) / s),
    ]


def lognormal_gamma_kl(m, s, a, b):
    entropy = m + mp.log(2 * mp.pi * mp.e * s**2) / 2
    return b * mp.exp(m + s**2 / 2) - (a - 1) * m - a * mp.log(b) + mp.loggamma(a) - entropy


def lognormal_gamma_slopes(m, s, a, b):
    r = m + s**2 / 2 + mp.log(b / a)
    mean, d = a * mp.expm1(r), a * s**2 - 1
    by_a = [d / (2 * a), -r, mp.digamma(a) - mp.log(a) + 1 / (2 * a)]
    return [
        (mean, abs(mean)),
        (s * mean + d / s, s * abs(mean) + abs(d) / s),
        (sum(by_a), sum(map(abs, by_a))),
        (mean / b, abs(mean) / b),
    ]


def negative_by_logits_slopes(a, b):
    return itself(mp.exp(a) * mp.log(logistic(a) / logistic(b)), (logistic(b) - logistic(a)) * (1 + mp.exp(a)))


def beta_gamma_kl(a, b, c, r):
    n = a + b
    entropy = log_beta(a, b) - (a - 1) * mp.digamma(a) - (b - 1) * mp.digamma(b) + (n - 2) * mp.digamma(n)
    return mp.loggamma(c) - c * mp.log(r) - (c - 1) * (mp.digamma(a) - mp.digamma(n)) + r * a / n - entropy


def beta_gamma_slopes(a, b, c, r):
    """With the sizes of the terms."""
    n = a + b
    own = [(a - c) * mp.psi(1, a), (b - 1) * mp.psi(1, b)]
    turns = [r * b / n**2, -r * a / n**2]
    common = ((c - 1) - (n - 2)) * mp.psi(1, n)
    by_c = [mp.digamma(c), -mp.log(r), -mp.digamma(a), mp.digamma(n)]
    slopes = [
        (x + common + y, abs(x) + abs(common) + abs(y) + 1 / z) for x, y, z in zip(own, turns, (a, b), strict=True)
    ]
    return [*slopes, (sum(by_c), sum(map(abs, by_c)) + 1 / c), (a / n - c / r, a / n + c / r)]


TRUE = {
    "half_normal": (
        lambda s1, s2: ((s1 / s2) ** 2 - 1) / 2 - mp.log(s1 / s2),
        lambda s1, s2: itself((s1 / s2) ** 2 / s1 - 1 / s1, (1 - (s1 / s2) ** 2) / s2),
    ),
    "laplace": (
        lambda m1, b1, m2, b2: mp.log(b2 / b1) + abs(m1 - m2) / b2 + b1 / b2 * mp.exp(-abs(m1 - m2) / b1) - 1,
        laplace_slopes,
    ),
    "cauchy": (
        lambda m1, s1, m2, s2: mp.log(((s1 + s2) ** 2 + (m1 - m2) ** 2) / (4 * s1 * s2)),
        cauchy_slopes,
    ),
    "pareto": (
        lambda x1, a1, x2, a2: a2 / a1 - 1 - mp.log(a2 / a1) + a2 * mp.log(x1 / x2) if x1 >= x2 else mp.inf,
        lambda x1, a1, x2, a2: [
            *itself(a2 / x1, 1 / a1 - a2 / a1**2, -a2 / x2),
            (1 / a1 - 1 / a2 + mp.log(x1 / x2), abs(1 / a1 - 1 / a2) + abs(mp.log(x1 / x2))),
        ],
    ),
    "relative_entropy": (entropy, lambda x, y: itself(mp.log(x / y), 1 - x / y)),
    "itakura_saito": (lambda y, x: y / x - 1 - mp.log(y / x), lambda y, x: itself(1 / x - 1 / y, (x - y) / x**2)),
    "bernoulli_by_probs": (
        binary_entropy,
        lambda q, p: itself(mp.log(q / p) - mp.log((1 - q) / (1 - p)), (p - q) / (p * (1 - p))),
    ),
    "bernoulli_by_logits": (
        lambda a, b: binary_entropy(logistic(a), logistic(b)),
        lambda a, b: itself(logistic(a) * logistic(-a) * (a - b), logistic(b) - logistic(a)),
    ),
    "negative_by_logits": (
        lambda a, b: binary_entropy(logistic(a), logistic(b)) * (1 + mp.exp(a)),
        negative_by_logits_slopes,
    ),
    "geometric_by_logits": (
        lambda a, b: binary_entropy(logistic(a), logistic(b)) / logistic(a),
        lambda a, b: [(-slope, size) for slope, size in negative_by_logits_slopes(-a, -b)],
    ),
    "geometric": (
        lambda q, p: binary_entropy(q, p) / q,
        lambda q, p: itself(mp.log((1 - p) / (1 - q)) / q**2, (p - q) / (p * (1 - p)) / q),
    ),
    "bregman": (
        lambda a, b: log_gamma_rest(b) - log_gamma_rest(a) - log_gamma_rest_slope(a) * (b - a),
        lambda a, b: itself((a - b) * log_gamma_rest_curvature(a), log_gamma_rest_slope(b) - log_gamma_rest_slope(a)),
    ),
    "slope_difference": (
        lambda a, b: log_gamma_rest_slope(b) - log_gamma_rest_slope(a),
        lambda a, b: itself(-log_gamma_rest_curvature(a), log_gamma_rest_curvature(b)),
    ),
    "curvature": (log_gamma_rest_curvature, lambda a: itself(mp.psi(2, a) + 1 / a**2)),
    "gamma_laws": (gamma_kl, gamma_slopes),
    "beta_normal": (beta_normal_kl, beta_normal_slopes),
    "gamma_normal": (gamma_normal_kl, gamma_normal_slopes),
    "beta_gamma": (beta_gamma_kl, beta_gamma_slopes),
    "beta_laws": (beta_kl, beta_slopes),
    "exponential_gamma": (
        lambda b1, c, b2: b2 / b1 - 1 - c * mp.log(b2 / b1) + mp.loggamma(c) + (c - 1) * mp.euler,
        exponential_gamma_slopes,
    ),
    "laplace_normal": to_normal_kl(0, mp.sqrt(2), 1 + mp.log(2)),
    "gumbel_normal": to_normal_kl(mp.euler, mp.pi / mp.sqrt(6), 1 + mp.euler),
    "exponential_normal": (
        lambda r, m, s: to_normal_kl(1, 1, 1)[0](mp.mpf(0), 1 / r, m, s),
        exponential_normal_slopes,
    ),
    "normal_gumbel": (normal_gumbel_kl, normal_gumbel_slopes),
    "exponential_gumbel": (
        lambda r, m, s: gamma_gumbel_kl(mp.mpf(1), r, m, s),
        lambda r, m, s: gamma_gumbel_slopes(mp.mpf(1), r, m, s)[1:],
    ),
    "gamma_gumbel": (gamma_gumbel_kl, gamma_gumbel_slopes),
    "lognormal_gamma": (lognormal_gamma_kl, lognormal_gamma_slopes),
    "gumbel": (lambda m1, b1, m2, b2: log_gamma_excess(b1 / b2, (m2 - m1) / b2)[0], gumbel_slopes),
    "tilted": (
        lambda a, b: tilted_normaliser(b) - tilted_normaliser(a) - tilted_mean(a) * (b - a),
        lambda a, b: itself((a - b) * (1 / a**2 - 1 / (4 * mp.sinh(a / 2) ** 2)), tilted_mean(b) - tilted_mean(a)),
    ),
    "log_gamma": (mp.loggamma, lambda a: [(mp.digamma(a), abs(mp.digamma(a)) + 1)]),
    "digamma": (
        lambda a: mp.digamma(a) + 2 / a,
        lambda a: [(mp.psi(1, a) - 2 / a**2, mp.psi(1, a) + 2 / a**2)],
    ),
    "weibull": (lambda k1, l1, k2, l2: log_gamma_excess(k2 / k1, k2 * mp.log(l1 / l2))[0], weibull_slopes),
    **{name: (across.truth, across.slopes) for name, across in ACROSS.items()},
}
# wider than 6: the classes of the pairs, or of what they are made of; torch's ψ₂ is good to ten digits
ALLOWED = {
    "beta_gamma": (8, 6),
    "beta_nodes": (6, 32),  # see test_beta_tilted.py
    "gamma_laws": (16, 8),
    "beta_laws": (8, 8),
    "exponential_gamma": (8, 8),
    "tilted": (16, 6),
    "bregman": (20, 8),
    "slope_difference": (8, 8),
    "curvature": (6, 2e6),
}


@pytest.mark.parametrize("name", TRUE)
@DTYPES
def test_values_and_slopes_to_their_class(name, dtype):
    """Against 50 digits, two thirds of the pairs at relative distances of 1 to 1e-9."""
    value_of, slopes_of = TRUE[name]
    allowed, allowed_slope = ALLOWED.get(name, (6, 6))
    eps, function, count = torch.finfo(dtype).eps, FUNCTIONS[name][0], 600
    inputs = inputs_of(name, (count,), dtype)
    half = len(inputs) // 2
    source = generator(6, "near", name, str(dtype))
    for number in range(half if name not in ACROSS or ACROSS[name].meets else 0):
        distance = 0.5 * 10 ** (-9 * torch.rand(count, generator=source, dtype=torch.float64))
        near = inputs[number].double() * (1 - distance)
        inputs[half + number] = torch.where(torch.arange(count) % 3 > 0, near.to(dtype), inputs[half + number])
    rows = [x.tolist() for x in (*inputs, *by_kernel(function, inputs, torch.ones((), dtype=dtype)))]
    with mp.workdps(50):
        for row in zip(*rows, strict=True):
            given = [mp.mpf(x) for x in row[: len(inputs)]]
            want = value_of(*given)
            assert row[len(inputs)] == want or abs(row[len(inputs)] - want) <= allowed * eps * abs(want), given
            for got, (slope, size) in zip(row[len(inputs) + 1 :], slopes_of(*given), strict=True):
                assert abs(got - slope) <= allowed_slope * eps * size, given


def test_every_kernel_is_used_and_tried_here():
    assert set(_compiled._native.KERNELS) == set(FUNCTIONS) == {*TRUE, "normal_by_std"}  # that one: see its own tests


@NAMES
@DTYPES
@pytest.mark.parametrize("size", [1, 7, 1000, SMALL, SMALL + 1, PIECE // 4 + 3])
def test_any_size(name, dtype, size):
    function, _ = FUNCTIONS[name]
    inputs = inputs_of(name, (size,), dtype)
    gradient = torch.linspace(-1.0, 2.0, size, dtype=dtype)
    agree(by_kernel(function, inputs, gradient), by_formula(function, inputs, gradient), dtype, name)


@NAMES
@DTYPES
@pytest.mark.parametrize("shapes", ["scalar", "rows", "columns", "transposed", "strided"])
def test_any_shape(name, dtype, shapes):
    function, _ = FUNCTIONS[name]
    first, *others = inputs_of(name, (30, 500), dtype)
    last = {
        "scalar": lambda x: x[0, 0],
        "rows": lambda x: x[0],
        "columns": lambda x: x[:, :1],
        "transposed": lambda x: x.T.contiguous().T,
        "strided": lambda x: torch.cat([x, x], 1)[:, ::2],
    }[shapes]
    inputs = [first, *map(last, others)]
    gradient = torch.tensor(0.5, dtype=dtype)
    agree(by_kernel(function, inputs, gradient), by_formula(function, inputs, gradient), dtype, name)
    wide = [x.expand(first.shape) for x in inputs]
    agree(by_kernel(function, wide, gradient), by_formula(function, wide, gradient), dtype, name)


@NAMES
@DTYPES
def test_an_element_beyond_the_range_changes_no_other(name, dtype):
    function, kinds = FUNCTIONS[name]
    inputs = inputs_of(name, (5000,), dtype)
    alone = function(*inputs)
    for number, kind in enumerate(kinds):
        for value in [math.nan, math.inf, 1e-320, *([-1.0, 0.0] if kind == "positive" else [])]:
            changed = [x.clone() for x in inputs]
            changed[number][1234] = value
            others = torch.arange(5000) != 1234
            assert torch.equal(function(*changed)[others], alone[others])


@NAMES
def test_only_the_gradients_asked_for(name):
    function, kinds = FUNCTIONS[name]
    inputs = inputs_of(name, (100,), torch.float64)
    everything = by_kernel(function, inputs, torch.ones(()).double())
    for number in range(len(kinds)):
        leaves = [x.clone().requires_grad_(i == number) for i, x in enumerate(inputs)]
        function(*leaves).sum().backward()
        assert torch.equal(leaves[number].grad, everything[1 + number])


@NAMES
def test_a_fault_in_a_kernel_is_seen(name, monkeypatch):
    """A thousand ulps too many, in one element of a thousand: the comparison above would tell."""
    function, _ = FUNCTIONS[name]
    inputs = inputs_of(name, (1000,), torch.float64)
    true = _compiled.Kernel.value

    def faulty(self, pieces, out, formula):
        done = true(self, pieces, out, formula)
        out[500:501] *= 1 + 1000 * np.finfo(np.float64).eps
        return done

    monkeypatch.setattr(_compiled.Kernel, "value", faulty)
    got = by_kernel(function, inputs, torch.ones(()).double())
    with pytest.raises(AssertionError):
        agree(got, by_formula(function, inputs, torch.ones(()).double()), torch.float64, name)


def test_what_a_kernel_is_given_is_checked():
    number, x = _compiled._native.KERNELS["normal_by_std"], np.ones(3)
    for wrong, error in [
        ((number, x, x, x), ValueError),
        ((number, x, x, x, x, np.ones(2)), ValueError),
        ((number, x, x, x, np.ones(2), x.copy()), ValueError),
        ((number, x, x, x, x.astype(np.float32), x.copy()), TypeError),
        ((number, x, x, x, x, np.ones(3, dtype=np.int64)), TypeError),
        ((number, x, x, x, np.ones(6)[::2], x.copy()), ValueError),
        ((-1, x), ValueError),
        ((len(_compiled._native.KERNELS), x), ValueError),
        ((), ValueError),
    ]:
        with pytest.raises(error):
            _compiled._native.value(*wrong)
    place = x.ctypes.data
    for wrong in [(number, False, 3, 0, *[place] * 4), (number, False, 3, 0, 0, *[place] * 4), (-1, False, 3, 0), ()]:
        with pytest.raises(ValueError):  # noqa: PT011
            _compiled._native.value_at(*wrong)


@DTYPES
@pytest.mark.parametrize(
    "shapes", [((), ()), ((1,), (4,)), ((4,), ()), ((1, 3), (2, 1)), ((0,), (0,)), ((2, 3), (1, 1))]
)
def test_what_is_small_goes_by_addresses(dtype, shapes):
    y, x = (torch.full(shape, 0.3 + number, dtype=dtype).requires_grad_() for number, shape in enumerate(shapes))
    value = _kernels.itakura_saito(y, x)
    want = y / x - 1 - torch.log(y / x)
    torch.testing.assert_close(value, want)
    for got, slope in zip(*(torch.autograd.grad(v.sum(), (y, x)) for v in (value, want)), strict=True):
        torch.testing.assert_close(got, slope)
    expanded = y.detach().expand(5, *y.shape)
    torch.testing.assert_close(_kernels.itakura_saito(expanded, x.detach()), want.detach().expand(5, *want.shape))
    with torch.no_grad():
        assert torch.isnan(_kernels.itakura_saito(-y, x)).all()
