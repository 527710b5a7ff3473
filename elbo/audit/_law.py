"""Continuous laws in mpmath, for reference values that owe nothing to the library that is judged.

A law knows its support, its entropy, the expectations of a few statistics, and its log density as a sum of coefficients
times statistics. Then KL[q ‖ p] = -H(q) - Σ c_i E_q[s_i], or infinity where the support of q leaves that of p. Every
number is an ``mpf``; the caller sets enough digits that the cancellation near equality does not matter.

A statistic is a tuple: ``("1",)``, ``("x",)``, ``("xx",)``, ``("log",)`` log x, ``("log²",)``, ``("log1-",)`` log(1-x),
``("exp", t)`` e^(tx), ``("pow", k)`` x^k, ``("abs", c)`` |x - c|.
"""

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
