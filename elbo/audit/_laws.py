"""Continuous laws in mpmath, for reference values that owe nothing to the library that is judged.

A law knows its support, its entropy, the expectations of a few statistics, and its log density as a sum of coefficients
times statistics. Then KL[q ‖ p] = -H(q) - Σ c_i E_q[s_i], or infinity where the support of q leaves that of p. Every
number is an ``mpf``; the caller sets enough digits that the cancellation near equality does not matter.

A statistic is a tuple: ``("1",)``, ``("x",)``, ``("xx",)``, ``("log",)`` log x, ``("log²",)``, ``("log1-",)`` log(1-x),
``("exp", t)`` e^(tx), ``("pow", k)`` x^k, ``("abs", c)`` |x - c|.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import mpmath as mp

Number = Any  # mpf
Statistic = tuple[Any, ...]
Terms = list[tuple[Number, Statistic]]


class Law:
    """A law on an interval; subclasses fill in the four parts."""

    def support(self) -> tuple[Number, Number]:
        """Ends of the smallest closed interval of probability one."""
        raise NotImplementedError

    def entropy(self) -> Number:
        """-E log density."""
        raise NotImplementedError

    def mean(self, statistic: Statistic) -> Number:
        """E of the statistic, ``inf`` where it diverges."""
        raise NotImplementedError(f"{type(self).__name__} does not know E of {statistic}")

    def terms(self) -> Terms:
        """The log density inside the support."""
        raise NotImplementedError


def kl_of_laws(q: Law, p: Law) -> Number:
    """KL[q ‖ p] in nats."""
    (low, high), (p_low, p_high) = q.support(), p.support()
    if low < p_low or high > p_high:
        return mp.inf
    total = -q.entropy()
    for coefficient, statistic in p.terms():
        if coefficient:
            value = mp.mpf(1) if statistic == ("1",) else q.mean(statistic)
            if mp.isinf(value):
                return mp.inf  # of several that diverge, the fastest has the sign that makes KL positive
            total -= coefficient * value
    return total


class Normal(Law):
    """N(m, s²)."""

    def __init__(self, loc: Number, scale: Number) -> None:
        self.m, self.s = loc, scale

    def support(self) -> tuple[Number, Number]:
        return -mp.inf, mp.inf

    def entropy(self) -> Number:
        return mp.log(2 * mp.pi * mp.e * self.s**2) / 2

    def mean(self, statistic: Statistic) -> Number:
        m, s = self.m, self.s
        match statistic:
            case ("x",):
                return m
            case ("xx",):
                return m * m + s * s
            case ("exp", t):
                return mp.exp(t * m + t * t * s * s / 2)
            case ("abs", c):
                d = (m - c) / s
                return s * (mp.sqrt(2 / mp.pi) * mp.exp(-d * d / 2) + d * mp.erf(d / mp.sqrt(2)))
        return super().mean(statistic)

    def terms(self) -> Terms:
        v = self.s**2
        constant = -mp.log(2 * mp.pi * v) / 2 - self.m**2 / (2 * v)
        return [(constant, ("1",)), (self.m / v, ("x",)), (-1 / (2 * v), ("xx",))]


class HalfNormal(Law):
    """|N(0, s²)|."""

    def __init__(self, scale: Number) -> None:
        self.s = scale

    def support(self) -> tuple[Number, Number]:
        return mp.mpf(0), mp.inf

    def entropy(self) -> Number:
        return mp.log(mp.pi * mp.e * self.s**2 / 2) / 2

    def mean(self, statistic: Statistic) -> Number:
        return self.s**2 if statistic == ("xx",) else super().mean(statistic)

    def terms(self) -> Terms:
        return [(mp.log(2 / (mp.pi * self.s**2)) / 2, ("1",)), (-1 / (2 * self.s**2), ("xx",))]


class LogNormal(Law):
    """exp of N(m, s²)."""

    def __init__(self, loc: Number, scale: Number) -> None:
        self.m, self.s = loc, scale

    def support(self) -> tuple[Number, Number]:
        return mp.mpf(0), mp.inf

    def entropy(self) -> Number:
        return self.m + mp.log(2 * mp.pi * mp.e * self.s**2) / 2

    def mean(self, statistic: Statistic) -> Number:
        match statistic:
            case ("log",):
                return self.m
            case ("log²",):
                return self.m**2 + self.s**2
            case ("x",):
                return mp.exp(self.m + self.s**2 / 2)
            case ("pow", k):
                return mp.exp(k * self.m + k * k * self.s**2 / 2)
        return super().mean(statistic)

    def terms(self) -> Terms:
        v = self.s**2
        constant = -mp.log(2 * mp.pi * v) / 2 - self.m**2 / (2 * v)
        return [(constant, ("1",)), (self.m / v - 1, ("log",)), (-1 / (2 * v), ("log²",))]


class Gamma(Law):
    """Gamma(a, rate r)."""

    def __init__(self, concentration: Number, rate: Number) -> None:
        self.a, self.r = concentration, rate

    def support(self) -> tuple[Number, Number]:
        return mp.mpf(0), mp.inf

    def entropy(self) -> Number:
        return self.a - mp.log(self.r) + mp.loggamma(self.a) + (1 - self.a) * mp.digamma(self.a)

    def mean(self, statistic: Statistic) -> Number:
        a, r = self.a, self.r
        match statistic:
            case ("x",):
                return a / r
            case ("xx",):
                return a * (a + 1) / r**2
            case ("log",):
                return mp.digamma(a) - mp.log(r)
            case ("exp", t):
                return (1 - t / r) ** (-a) if t < r else mp.inf
            case ("pow", k):
                return mp.exp(mp.loggamma(a + k) - mp.loggamma(a)) / r**k if a + k > 0 else mp.inf
        return super().mean(statistic)

    def terms(self) -> Terms:
        constant = self.a * mp.log(self.r) - mp.loggamma(self.a)
        return [(constant, ("1",)), (self.a - 1, ("log",)), (-self.r, ("x",))]


class Exponential(Gamma):
    """Gamma(1, r)."""

    def __init__(self, rate: Number) -> None:
        super().__init__(mp.mpf(1), rate)


class Beta(Law):
    """Beta(a, b)."""

    def __init__(self, concentration1: Number, concentration0: Number) -> None:
        self.a, self.b = concentration1, concentration0

    def support(self) -> tuple[Number, Number]:
        return mp.mpf(0), mp.mpf(1)

    def _log_beta(self) -> Number:
        return mp.loggamma(self.a) + mp.loggamma(self.b) - mp.loggamma(self.a + self.b)

    def entropy(self) -> Number:
        a, b = self.a, self.b
        return self._log_beta() - (a - 1) * self.mean(("log",)) - (b - 1) * self.mean(("log1-",))

    def mean(self, statistic: Statistic) -> Number:
        a, b = self.a, self.b
        match statistic:
            case ("x",):
                return a / (a + b)
            case ("xx",):
                return a * (a + 1) / ((a + b) * (a + b + 1))
            case ("log",):
                return mp.digamma(a) - mp.digamma(a + b)
            case ("log1-",):
                return mp.digamma(b) - mp.digamma(a + b)
        return super().mean(statistic)

    def terms(self) -> Terms:
        return [(-self._log_beta(), ("1",)), (self.a - 1, ("log",)), (self.b - 1, ("log1-",))]


@lru_cache(maxsize=512)
def _kumaraswamy_log_rest(a: Number, b: Number, precision: int) -> Number:
    """E log(1 - x) by quadrature: with (1 - x^a)^b = e^-s it is the integral of log(1 - (1 - e^(-s/b))^(1/a)) e^-s."""

    def integrand(s: Number) -> Number:
        log_x = mp.log1p(-mp.exp(-s / b)) / a
        log_rest = mp.log1p(-mp.exp(log_x)) if log_x < -1 else mp.log(-mp.expm1(log_x))
        return log_rest * mp.exp(-s)

    end = mp.mpf(120)
    breaks = {mp.mpf(x) for x in (0, 1, 10)} | {b * x for x in (mp.mpf(1) / 100, 1, 10) if b * x < end} | {end}
    return mp.quad(integrand, sorted(breaks))


class Kumaraswamy(Law):
    """CDF 1 - (1 - x^a)^b."""

    def __init__(self, concentration1: Number, concentration0: Number) -> None:
        self.a, self.b = concentration1, concentration0

    def support(self) -> tuple[Number, Number]:
        return mp.mpf(0), mp.mpf(1)

    def entropy(self) -> Number:
        return -mp.log(self.a * self.b) - (self.a - 1) * self.mean(("log",)) + (self.b - 1) / self.b

    def mean(self, statistic: Statistic) -> Number:
        a, b = self.a, self.b
        match statistic:
            case ("log",):
                return (mp.digamma(1) - mp.digamma(1 + b)) / a
            case ("log1-",):
                return _kumaraswamy_log_rest(a, b, mp.mp.prec)
        return super().mean(statistic)


class Uniform(Law):
    """Uniform on [low, high]."""

    def __init__(self, low: Number, high: Number) -> None:
        self.low, self.high = low, high

    def support(self) -> tuple[Number, Number]:
        return self.low, self.high

    def entropy(self) -> Number:
        return mp.log(self.high - self.low)

    def mean(self, statistic: Statistic) -> Number:
        a, b = self.low, self.high

        def log_mean(low: Number, high: Number) -> Number:
            return (high * mp.log(high) - (low * mp.log(low) if low else 0)) / (high - low) - 1

        match statistic:
            case ("x",):
                return (a + b) / 2
            case ("xx",):
                return (a * a + a * b + b * b) / 3
            case ("log",):
                return log_mean(a, b)
            case ("log1-",):
                return log_mean(1 - b, 1 - a)
            case ("exp", t):
                return (mp.exp(t * b) - mp.exp(t * a)) / (t * (b - a))
        return super().mean(statistic)

    def terms(self) -> Terms:
        return [(-mp.log(self.high - self.low), ("1",))]


class Pareto(Law):
    """Density α s^α x^(-α-1) on x >= s."""

    def __init__(self, scale: Number, alpha: Number) -> None:
        self.s, self.alpha = scale, alpha

    def support(self) -> tuple[Number, Number]:
        return self.s, mp.inf

    def entropy(self) -> Number:
        return mp.log(self.s / self.alpha) + 1 + 1 / self.alpha

    def mean(self, statistic: Statistic) -> Number:
        s, alpha = self.s, self.alpha
        match statistic:
            case ("x",):
                return alpha * s / (alpha - 1) if alpha > 1 else mp.inf
            case ("xx",):
                return alpha * s * s / (alpha - 2) if alpha > 2 else mp.inf
            case ("log",):
                return mp.log(s) + 1 / alpha
        return super().mean(statistic)

    def terms(self) -> Terms:
        return [(mp.log(self.alpha) + self.alpha * mp.log(self.s), ("1",)), (-self.alpha - 1, ("log",))]


class Gumbel(Law):
    """CDF exp(-e^(-(x-m)/b))."""

    def __init__(self, loc: Number, scale: Number) -> None:
        self.m, self.b = loc, scale

    def support(self) -> tuple[Number, Number]:
        return -mp.inf, mp.inf

    def entropy(self) -> Number:
        return mp.log(self.b) + mp.euler + 1

    def mean(self, statistic: Statistic) -> Number:
        m, b = self.m, self.b
        match statistic:
            case ("x",):
                return m + mp.euler * b
            case ("xx",):
                return (m + mp.euler * b) ** 2 + mp.pi**2 * b * b / 6
            case ("exp", t):
                return mp.exp(t * m + mp.loggamma(1 - t * b)) if t * b < 1 else mp.inf
        return super().mean(statistic)

    def terms(self) -> Terms:
        m, b = self.m, self.b
        return [(-mp.log(b) + m / b, ("1",)), (-1 / b, ("x",)), (-mp.exp(m / b), ("exp", -1 / b))]


class Laplace(Law):
    """Density e^(-|x-m|/b) / (2b)."""

    def __init__(self, loc: Number, scale: Number) -> None:
        self.m, self.b = loc, scale

    def support(self) -> tuple[Number, Number]:
        return -mp.inf, mp.inf

    def entropy(self) -> Number:
        return 1 + mp.log(2 * self.b)

    def mean(self, statistic: Statistic) -> Number:
        match statistic:
            case ("x",):
                return self.m
            case ("xx",):
                return self.m**2 + 2 * self.b**2
            case ("abs", c):
                d = abs(self.m - c)
                return d + self.b * mp.exp(-d / self.b)
        return super().mean(statistic)

    def terms(self) -> Terms:
        return [(-mp.log(2 * self.b), ("1",)), (-1 / self.b, ("abs", self.m))]


class ContinuousBernoulli(Law):
    """Density C e^(ηx) on [0, 1], η = log(λ/(1-λ))."""

    def __init__(self, probs: Number) -> None:
        self.eta = mp.log(probs) - mp.log(1 - probs)

    def support(self) -> tuple[Number, Number]:
        return mp.mpf(0), mp.mpf(1)

    def _log_constant(self) -> Number:
        return mp.log(self.eta / mp.expm1(self.eta)) if self.eta else mp.mpf(0)

    def entropy(self) -> Number:
        return -self._log_constant() - self.eta * self.mean(("x",))

    def mean(self, statistic: Statistic) -> Number:
        eta = self.eta
        match statistic:
            case ("x",):
                return 1 + 1 / mp.expm1(eta) - 1 / eta if eta else mp.mpf(1) / 2
            case ("xx",):
                e = mp.exp(eta)
                return (e * (eta * eta - 2 * eta + 2) - 2) / (eta * eta * mp.expm1(eta)) if eta else mp.mpf(1) / 3
        return super().mean(statistic)

    def terms(self) -> Terms:
        return [(self._log_constant(), ("1",)), (self.eta, ("x",))]


class Weibull(Law):
    """CDF 1 - exp(-(x/s)^k)."""

    def __init__(self, scale: Number, concentration: Number) -> None:
        self.s, self.k = scale, concentration

    def support(self) -> tuple[Number, Number]:
        return mp.mpf(0), mp.inf

    def entropy(self) -> Number:
        return mp.euler * (1 - 1 / self.k) + mp.log(self.s / self.k) + 1

    def mean(self, statistic: Statistic) -> Number:
        match statistic:
            case ("log",):
                return mp.log(self.s) - mp.euler / self.k
            case ("x",):
                return self.s * mp.gamma(1 + 1 / self.k)
            case ("pow", j):
                return self.s**j * mp.gamma(1 + j / self.k)
        return super().mean(statistic)

    def terms(self) -> Terms:
        s, k = self.s, self.k
        return [(mp.log(k) - k * mp.log(s), ("1",)), (k - 1, ("log",)), (-(s ** (-k)), ("pow", k))]


LAWS: dict[str, Callable[..., Law]] = {
    law.__name__: law
    for law in (
        Normal,
        HalfNormal,
        LogNormal,
        Gamma,
        Exponential,
        Beta,
        Kumaraswamy,
        Uniform,
        Pareto,
        Gumbel,
        Laplace,
        ContinuousBernoulli,
        Weibull,
    )
}
