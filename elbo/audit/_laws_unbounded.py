"""Laws on the line and on half of it, in mpmath."""

import mpmath as mp

from elbo.audit._law import Law, Number, Statistic, Terms


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
