"""Laws on a bounded interval, in mpmath."""

from functools import lru_cache

import mpmath as mp

from elbo.audit._law import Law, Number, Statistic, Terms


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
    """E log(1 - x) by the trapezoidal rule in tau.

    x^a = 1/(1 + e^-t), t = tau + e^(tau - right) - e^(left - tau): the integrand is analytic for |Im tau| < pi/2 and
    falls off like e^-e^|tau|, and the error of a step h is about e^(-pi^2/h).
    """
    with mp.workprec(precision + 40):
        reach = mp.mp.prec * mp.log(2)
        left, right = min(mp.mpf(0), -mp.log(b)), max(mp.mpf(0), -mp.log(a))
        first = left - mp.log(reach + 2)
        last = right + mp.log(reach / b + reach)  # t there is beyond reach/b, where (1 - x^a)^b is below e^-reach
        steps = mp.ceil((last - first) * reach / (mp.pi * mp.pi * mp.mpf(3) / 4))
        step, total = (last - first) / steps, mp.mpf(0)
        for k in range(int(steps) + 1):
            tau = first + k * step
            up, down = mp.exp(tau - right), mp.exp(left - tau)
            t = tau + up - down
            both = mp.log1p(mp.exp(-abs(t)))
            log_y, log_other = min(t, mp.mpf(0)) - both, -max(t, mp.mpf(0)) - both
            log_x = log_y / a
            log_rest = mp.log1p(-mp.exp(log_x)) if log_x < -1 else mp.log(-mp.expm1(log_x))
            total += (1 + up + down) * mp.exp(log_y + b * log_other) * log_rest
        return step * b * total


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
