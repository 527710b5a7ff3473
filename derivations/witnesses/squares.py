"""Integrals of exponentials of quadratic polynomials, by completing the square, in exact arithmetic."""

from fractions import Fraction
from typing import Any

from derivations.witnesses.rationals import Field, LogSum, Ratio
from derivations.witnesses.verdict import NotApplicable


class Squares:
    """Polynomials over a field of symbols, taken apart in one symbol at a time."""

    field: Field

    def symbol(self, name: str) -> LogSum:
        """A symbol as a value."""
        return LogSum.ratio(Ratio(self.field, self.field.symbol[name]))

    def number(self, value: Fraction | int) -> LogSum:
        """A constant."""
        return LogSum.ratio(self.field.constant(Fraction(value)))

    def log_two_pi(self, n: int) -> LogSum:
        """n log 2π."""
        return self.number(n) * (self.symbol("par_pi") * self.number(2)).log()

    def integrated(self, log_f: LogSum, name: str) -> LogSum:
        """log of the integral of exp(quadratic) over the symbol ``name``, by completing the square."""
        precision, linear, rest = self.quadratic(log_f, name)
        half = self.number(Fraction(1, 2))
        return rest + half * (linear * linear / precision) + half * (self.log_two_pi(1) - precision.log())

    def quadratic(self, log_f: LogSum, name: str) -> tuple[LogSum, LogSum, LogSum]:
        """(A, B, C) of −A v²/2 + B v + C."""
        parts = self.by_power(log_f, name)
        if max(parts, default=0) > 2 or 2 not in parts:
            raise NotApplicable("a density that is not Gaussian")
        zero = LogSum(self.field, {})
        return parts[2] * self.number(-2), parts.get(1, zero), parts.get(0, zero)

    def by_power(self, value: LogSum, name: str) -> dict[int, LogSum]:
        """The coefficients of a polynomial in one symbol."""
        generator = self.field.symbol[name]
        index = self.field.ring.gens.index(generator)
        out: dict[int, LogSum] = {}
        for monomial, ratio in value.terms.items():
            involved = [i for i, _ in monomial] + list(ratio.powers)
            if any(self.field.bases[i].degree(generator) > 0 for i in involved):
                ratio = _expanded(ratio, generator)
                if any(
                    self.field.bases[i].degree(generator) > 0 for i in [i for i, _ in monomial] + list(ratio.powers)
                ):
                    raise NotApplicable("something that is not a polynomial in the random variable")
            split: dict[int, Any] = {}
            for exponents, c in ratio.numerator.terms():
                k = exponents[index]
                reduced = tuple(0 if i == index else e for i, e in enumerate(exponents))
                split.setdefault(k, {})[reduced] = c
            for k, terms in split.items():
                piece = LogSum(
                    self.field,
                    {monomial: Ratio(self.field, self.field.ring.from_dict(terms), ratio.powers, ratio.divisor)},
                )
                out[k] = out[k] + piece if k in out else piece
        return {k: v for k, v in out.items() if v.terms}


def _expanded(ratio: Ratio, generator: Any) -> Ratio:
    """Positive powers of bases that contain the generator, multiplied out."""
    numerator, powers = ratio.numerator, {}
    for i, k in ratio.powers.items():
        base = ratio.field.bases[i]
        if k > 0 and base.degree(generator) > 0:
            numerator = numerator * base**k
        else:
            powers[i] = k
    return Ratio(ratio.field, numerator, powers, ratio.divisor)
