"""Weibull and log-normal laws to gamma ones.

    KL[Weibull(k, l) ‖ Γ(a, b)] = a Φ(r) + B(1 → a) + a {log Γ(ν) + γ (ν − 1)} + (a − 1) log ν,   ν = 1/k
    KL[LogNormal(m, s) ‖ Γ(a, b)] = a Φ(r) + ½ Λ(a s² − 1) + μ(a)

with r = log(b E X / a), B the Bregman divergence of log Γ(a) − a log a + a, and μ Stirling's remainder. Braces are ≥
0.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Gamma, LogNormal, Weibull

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import entropy_term, exp_remainder, itakura_saito, log_quotient, phi
from elbo.divergences._log_gamma import PSI_2
from elbo.divergences._registry import register
from elbo.divergences._stirling import bregman, slope_difference, stirling_remainder
from elbo.divergences.location_scale import logarithm

Slopes = tuple[Array | None, ...]
EULER = 0.5772156649015329


def _product_less_one(x: Array, y: Array) -> Array:
    """x y − 1 with the digits that the product loses (Dekker's exact product)."""
    product = x * y
    split = 134217729.0
    xh = x * split - (x * split - x)
    yh = y * split - (y * split - y)
    xl, yl = x - xh, y - yh
    low = ((xh * yh - product) + xh * yl + xl * yh) + xl * yl
    return (product - 1.0) + low


def _parts(k: Array, length: Array, a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """ν − 1, r, log ν and the brace."""
    nu, n = 1.0 / k, (1.0 - k) / k
    one = 1.0 + 0.0 * nu
    log_gamma = PSI_2 * n + bregman(one + one, 1.0 + nu, n) + entropy_term(1.0 + nu, one + one, -n)
    scaled = _product_less_one(b, length)
    log_scale = xp.where(abs(scaled) < 0.5, xp.log1p(scaled), xp.log(b * length))
    r = log_scale + log_gamma - log_quotient(a, one, a - 1.0)
    log_nu = xp.where(abs(n) < 0.5, xp.log1p(n), -xp.log(k))
    return n, r, log_nu, bregman(one, nu, n) + entropy_term(nu, one, -n)


def _weibull_gamma(k: Array, length: Array, a: Array, b: Array) -> Array:
    _, r, log_nu, brace = _parts(k, length, a, b)
    return a * phi(r) + bregman(1.0 + 0.0 * a, a, a - 1.0) + a * brace + (a - 1.0) * log_nu


def _weibull_gamma_slopes(k: Array, length: Array, a: Array, b: Array, needs: Sequence[bool]) -> Slopes:
    one = 1.0 + 0.0 * k * a
    if isinstance(k, Tensor):  # a graph may be recorded: written with functions that autograd knows
        nu, n = 1.0 / k, (1.0 - k) / k
        r = torch.log(b * length) + torch.lgamma(1.0 + nu) - torch.log(a)
        log_nu = -torch.log(k)
        brace = torch.lgamma(nu) + EULER * n
    else:
        n, r, log_nu, brace = _parts(k, length, a, b)
        nu = 1.0 / k
    growth = xp.expm1(r)
    psi = slope_difference(one, nu, n) + log_nu  # ψ(ν) + γ
    psi_next = PSI_2 + slope_difference(one + one, 1.0 + nu, n) + xp.log1p(0.5 * n)  # ψ(1 + ν)
    by_nu = a * growth * psi_next + a * psi + (a - 1.0) * k
    by_a = slope_difference(one, a, a - 1.0) + brace + log_nu - r
    return -by_nu * nu * nu, a * growth / length, by_a, a * growth / b


weibull_gamma_kl = elementwise(_weibull_gamma, _weibull_gamma_slopes, "weibull_gamma_kl", double=True, width=4)


@register(
    Weibull,
    Gamma,
    formula="γ a/k − a log l + log k + b l Γ(1 + 1/k) − γ − 1 − a log b + log Γ(a)",
    accuracy=math.inf,
    note="64 for 0.1 ≤ k ≤ 10, |log(b l)| ≤ 10, a ≤ 10: near k = a = 1 two terms of either sign cancel up to 16-fold",
    source="Zhang, Chen, Guo and Zhou 2018, arXiv 1803.01328",
)
def _weibull_to_gamma(q: Weibull, p: Gamma) -> Tensor:
    return weibull_gamma_kl(q.concentration, q.scale, p.concentration, p.rate)


@register(
    LogNormal,
    Gamma,
    formula="−log s − ½ log 2πe − a m + b e^(m + s²/2) − a log b + log Γ(a)",
    accuracy=math.inf,
    note="32 for |m + s²/2 + log(b/a)| ≤ 10; beyond that its size in ulps, as of any e^y",
    source="derived in elbo.divergences.to_gamma from the moments of the log-normal law",
)
def _lognormal_to_gamma(q: LogNormal, p: Gamma) -> Tensor:
    base, a = q.base_dist, p.concentration
    square = base.scale * base.scale
    r = base.loc + 0.5 * square + logarithm(p.rate, a)
    return a * exp_remainder(r) + 0.5 * itakura_saito(a * square, torch.ones_like(a)) + stirling_remainder(a)
