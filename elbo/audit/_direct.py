"""Closed forms in mpmath for pairs that are not sums of expectations of few statistics: discrete, matrix, sphere.

Each function takes the parameters of q and then of p as the constructors of ``torch.distributions`` take them, as
``mpf`` numbers, lists of them, or lists of rows.
"""

from collections.abc import Callable
from typing import Any

import mpmath as mp

Number = Any


def _times_log(x: Number, ratio_of: Number, ratio_to: Number) -> Number:
    """x log(a/b) with 0 log 0 = 0 and infinity where b lacks what x has."""
    if x == 0:
        return mp.mpf(0)
    return mp.inf if ratio_to == 0 else x * mp.log(ratio_of / ratio_to)


def _two(q: Number, q_rest: Number, p: Number, p_rest: Number) -> Number:
    return _times_log(q, q, p) + _times_log(q_rest, q_rest, p_rest)


def _sigmoid(x: Number) -> Number:
    return 1 / (1 + mp.exp(-x))


def bernoulli(a: Number, b: Number) -> Number:
    """In logits."""
    return _two(_sigmoid(a), _sigmoid(-a), _sigmoid(b), _sigmoid(-b))


def bernoulli_poisson(logit: Number, rate: Number) -> Number:
    q = _sigmoid(logit)
    return _two(q, 1 - q, mp.exp(-rate) * rate, mp.exp(-rate)) if rate else (mp.mpf(0) if q == 0 else mp.inf)


def binomial(n: Number, a: Number, m: Number, b: Number) -> Number:
    """In logits; the same number of trials, or more trials than p has."""
    if n > m:
        return mp.inf
    if n != m:
        total = mp.mpf(0)
        q, p = _sigmoid(a), _sigmoid(b)
        for k in range(int(n) + 1):
            mass = mp.binomial(n, k) * q**k * (1 - q) ** (n - k)
            total += mass * mp.log(mass / (mp.binomial(m, k) * p**k * (1 - p) ** (m - k)))
        return total
    return n * bernoulli(a, b)


def categorical(a: list[Number], b: list[Number]) -> Number:
    """In logits."""
    norm_a, norm_b = (mp.log(mp.fsum(mp.exp(x) for x in xs)) for xs in (a, b))
    if any(y == -mp.inf < x for x, y in zip(a, b, strict=True)):
        return mp.inf
    pairs = [(x - norm_a, y - norm_b) for x, y in zip(a, b, strict=True) if x > -mp.inf]
    return mp.fsum(mp.exp(x) * (x - y) for x, y in pairs)


def geometric(q: Number, p: Number) -> Number:
    """In probabilities of success."""
    return _two(q, 1 - q, p, 1 - p) / q


def negative_binomial(n: Number, a: Number, m: Number, b: Number) -> Number:
    """In logits of one more count; the same number n."""
    q, p = _sigmoid(a), _sigmoid(b)
    assert n == m
    return n * (mp.log((1 - q) / (1 - p)) + q / (1 - q) * mp.log(q / p))


def poisson(a: Number, b: Number) -> Number:
    if a == 0:
        return b
    return mp.inf if b == 0 else a * mp.log(a / b) - a + b


def cauchy(m1: Number, s1: Number, m2: Number, s2: Number) -> Number:
    return mp.log(((s1 + s2) ** 2 + (m1 - m2) ** 2) / (4 * s1 * s2))


def dirichlet(a: list[Number], b: list[Number]) -> Number:
    total_a, total_b = mp.fsum(a), mp.fsum(b)
    value = mp.loggamma(total_a) - mp.loggamma(total_b)
    for x, y in zip(a, b, strict=True):
        value += mp.loggamma(y) - mp.loggamma(x) + (x - y) * (mp.digamma(x) - mp.digamma(total_a))
    return value


def von_mises(m1: Number, k1: Number, m2: Number, k2: Number) -> Number:
    ratio = mp.besseli(1, k1) / mp.besseli(0, k1)
    return mp.log(mp.besseli(0, k2) / mp.besseli(0, k1)) + ratio * (k1 - k2 * mp.cos(m1 - m2))


def _gaussian(m1: list[Number], c1: Any, m2: list[Number], c2: Any) -> Number:
    inverse = mp.inverse(c2)
    d = mp.matrix([x - y for x, y in zip(m1, m2, strict=True)])
    product = inverse * c1
    trace = mp.fsum(product[i, i] for i in range(len(m1)))
    return (trace - len(m1) + (d.T * inverse * d)[0] + mp.log(mp.det(c2)) - mp.log(mp.det(c1))) / 2


def _full(tril: list[list[Number]]) -> Any:
    factor = mp.matrix(tril)
    return factor * factor.T


def _low_rank(factor: list[list[Number]], diagonal: list[Number]) -> Any:
    w = mp.matrix(factor)
    return w * w.T + mp.diag(diagonal)


def full_full(m1: Any, l1: Any, m2: Any, l2: Any) -> Number:
    return _gaussian(m1, _full(l1), m2, _full(l2))


def full_low(m1: Any, l1: Any, m2: Any, w2: Any, d2: Any) -> Number:
    return _gaussian(m1, _full(l1), m2, _low_rank(w2, d2))


def low_full(m1: Any, w1: Any, d1: Any, m2: Any, l2: Any) -> Number:
    return _gaussian(m1, _low_rank(w1, d1), m2, _full(l2))


def low_low(m1: Any, w1: Any, d1: Any, m2: Any, w2: Any, d2: Any) -> Number:
    return _gaussian(m1, _low_rank(w1, d1), m2, _low_rank(w2, d2))


def _diagonal(scale: list[Number]) -> Any:
    return mp.diag([s * s for s in scale])


def independent_normal(m1: Any, s1: Any, m2: Any, s2: Any) -> Number:
    """A sum over the event."""
    return mp.fsum(
        mp.log(t / s) + (s * s + (m - n) ** 2) / (2 * t * t) - mp.mpf(1) / 2
        for m, s, n, t in zip(m1, s1, m2, s2, strict=True)
    )


def _sphere_log_mgf(k: Number, m: int) -> tuple[Number, Number]:
    """log 0F1(; m/2; κ²/4) and its derivative."""
    nu = mp.mpf(m) / 2 - 1
    if k == 0:
        return mp.mpf(0), mp.mpf(0)
    scaled = mp.besseli(nu, k)
    return mp.log(scaled) + mp.loggamma(nu + 1) - nu * mp.log(k / 2), mp.besseli(nu + 1, k) / scaled


def von_mises_fisher(mu1: Any, k1: Number, mu2: Any, k2: Number) -> Number:
    (g1, a1), (g2, _) = _sphere_log_mgf(k1, len(mu1)), _sphere_log_mgf(k2, len(mu1))
    norms = mp.sqrt(mp.fsum(x * x for x in mu1) * mp.fsum(y * y for y in mu2))
    cosine = mp.fsum(x * y for x, y in zip(mu1, mu2, strict=True)) / norms
    return g2 - g1 + a1 * (k1 - k2 * cosine)


def von_mises_fisher_uniform(mu: Any, k: Number) -> Number:
    g, a = _sphere_log_mgf(k, len(mu))
    return k * a - g


def uniform_von_mises_fisher(mu: Any, k: Number) -> Number:
    return _sphere_log_mgf(k, len(mu))[0]


def power_spherical_uniform(mu: Any, k: Number) -> Number:
    b = mp.mpf(len(mu) - 1) / 2
    a = b + k
    log_moment = mp.loggamma(a) - mp.loggamma(a + b) - mp.loggamma(b) + mp.loggamma(2 * b)
    return k * (mp.digamma(a) - mp.digamma(a + b)) - log_moment


def inverse_gamma(a1: Number, r1: Number, a2: Number, r2: Number) -> Number:
    """As for the reciprocals."""
    return (a1 - a2) * mp.digamma(a1) - mp.loggamma(a1) + mp.loggamma(a2) + a2 * mp.log(r1 / r2) + a1 * (r2 - r1) / r1


DIRECT: dict[tuple[str, str], Callable[..., Number]] = {
    ("Bernoulli", "Bernoulli"): bernoulli,
    ("Bernoulli", "Poisson"): bernoulli_poisson,
    ("Binomial", "Binomial"): binomial,
    ("Categorical", "Categorical"): categorical,
    ("OneHotCategorical", "OneHotCategorical"): categorical,
    ("Geometric", "Geometric"): geometric,
    ("NegativeBinomial", "NegativeBinomial"): negative_binomial,
    ("Poisson", "Poisson"): poisson,
    ("Cauchy", "Cauchy"): cauchy,
    ("HalfCauchy", "HalfCauchy"): lambda s, t: cauchy(mp.mpf(0), s, mp.mpf(0), t),
    ("Dirichlet", "Dirichlet"): dirichlet,
    ("InverseGamma", "InverseGamma"): inverse_gamma,
    ("VonMises", "VonMises"): von_mises,
    ("MultivariateNormal", "MultivariateNormal"): full_full,
    ("MultivariateNormal", "LowRankMultivariateNormal"): full_low,
    ("LowRankMultivariateNormal", "MultivariateNormal"): low_full,
    ("LowRankMultivariateNormal", "LowRankMultivariateNormal"): low_low,
    ("Independent", "Independent"): independent_normal,
    ("Independent", "MultivariateNormal"): lambda m, s, n, t: _gaussian(m, _diagonal(s), n, _full(t)),
    ("MultivariateNormal", "Independent"): lambda m, t, n, s: _gaussian(m, _full(t), n, _diagonal(s)),
    ("Independent", "LowRankMultivariateNormal"): lambda m, s, n, w, d: _gaussian(m, _diagonal(s), n, _low_rank(w, d)),
    ("LowRankMultivariateNormal", "Independent"): lambda m, w, d, n, s: _gaussian(m, _low_rank(w, d), n, _diagonal(s)),
    ("VonMisesFisher", "VonMisesFisher"): von_mises_fisher,
    ("VonMisesFisher", "HypersphericalUniform"): von_mises_fisher_uniform,
    ("HypersphericalUniform", "VonMisesFisher"): uniform_von_mises_fisher,
    ("PowerSpherical", "HypersphericalUniform"): power_spherical_uniform,
    ("Poisson", "Binomial"): lambda *_: mp.inf,
    ("Poisson", "Bernoulli"): lambda *_: mp.inf,
}
