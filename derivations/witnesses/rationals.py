"""Exact arithmetic of the table witness: rational functions times monomials in logarithms of irreducible polynomials.

The logarithms of distinct irreducible polynomials are algebraically independent over the rational functions, and the
logarithms of distinct primes are linearly independent over them; so a value is zero iff every coefficient is zero.
(Two logarithms of primes multiplied with each other are beyond this; they are reported, never guessed about.)
"""

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Any

from derivations.language.normal import factors as prime_factors
from derivations.witnesses.verdict import NotApplicable

LogMonomial = tuple[tuple[int, int], ...]


class Field:
    """The ring of the symbols of some tables, its irreducible polynomials numbered as they turn up."""

    def __init__(self, point: Mapping[str, Fraction]) -> None:
        """``point`` names the symbols and gives one admissible value of each (there signs are looked up)."""
        from sympy import ZZ
        from sympy.polys.rings import ring

        point = dict(point) or {"unused": Fraction(1)}
        self.names = list(point)
        self._point = list(point.values())
        self.ring, *generators = ring(self.names, ZZ)
        self.symbol = dict(zip(self.names, generators, strict=True))
        self.bases: list[Any] = []
        self._signs: dict[int, int] = {}
        self._index: dict[Any, int] = {}
        self._factored: dict[Any, tuple[Fraction, tuple[tuple[int, int], ...]]] = {}
        self.one = self.ring.one
        self.zero = self.ring.zero

    def base(self, p: Any) -> int:
        """Number of an irreducible polynomial (or prime)."""
        if p not in self._index:
            self._index[p] = len(self.bases)
            self.bases.append(p)
        return self._index[p]

    def is_prime_number(self, i: int) -> bool:
        """Whether base ``i`` is a number rather than a polynomial."""
        return bool(self.bases[i].is_ground)

    def factor(self, p: Any) -> tuple[Fraction, tuple[tuple[int, int], ...]]:
        """Content and irreducible factors, each with leading coefficients as SymPy normalises them."""
        if p not in self._factored:
            if p.is_ground:
                self._factored[p] = (Fraction(int(p.LC)) if p else Fraction(0), ())
            else:
                c, found = p.factor_list()
                self._factored[p] = (Fraction(int(c)), tuple((self.base(g), k) for g, k in found))
        return self._factored[p]

    def sign(self, i: int) -> int:
        """Sign of base ``i`` at the point (irreducible polynomials of positive quantities do not change it)."""
        if i not in self._signs:
            value = Fraction(0)
            for exponents, c in self.bases[i].terms():
                term = Fraction(int(c))
                for x, k in zip(self._point, exponents, strict=True):
                    if k:
                        term *= x**k
                value += term
            self._signs[i] = -1 if value < 0 else 1
        return self._signs[i]

    def integer(self, value: int) -> Any:
        """A constant polynomial."""
        return self.ring.ground_new(value)

    def constant(self, value: Fraction | int) -> "Ratio":
        """A rational number."""
        value = Fraction(value)
        return Ratio(self, self.integer(value.numerator), None, value.denominator)


class Ratio:
    """``numerator / divisor * product of bases to integer powers``; powers of bases cancel, the numerator is expanded.

    The numerator has integer coefficients and the divisor is a positive integer.
    """

    __slots__ = ("divisor", "field", "numerator", "powers")

    def __init__(self, field: Field, numerator: Any, powers: Mapping[int, int] | None = None, divisor: int = 1) -> None:
        self.field, self.numerator, self.divisor = field, numerator, divisor
        self.powers = {i: k for i, k in (powers or {}).items() if k} if numerator else {}

    def __bool__(self) -> bool:
        return bool(self.numerator)

    def __mul__(self, other: "Ratio") -> "Ratio":
        powers = dict(self.powers)
        for i, k in other.powers.items():
            powers[i] = powers.get(i, 0) + k
        return Ratio(self.field, self.numerator * other.numerator, powers, self.divisor * other.divisor)

    def __add__(self, other: "Ratio") -> "Ratio":
        if not self:
            return other
        if not other:
            return self
        common = {i: min(self.powers.get(i, 0), other.powers.get(i, 0)) for i in {*self.powers, *other.powers}}
        divisor = lcm(self.divisor, other.divisor)
        return Ratio(self.field, self._over(common, divisor) + other._over(common, divisor), common, divisor)

    def _over(self, common: Mapping[int, int], divisor: int) -> Any:
        out = self.numerator
        for i, low in common.items():
            k = self.powers.get(i, 0) - low
            if k:
                out = out * self.field.bases[i] ** k
        return out if divisor == self.divisor else out * (divisor // self.divisor)

    def factored(self) -> tuple[Fraction, dict[int, int]]:
        """(constant, powers of irreducible bases)."""
        c, found = self.field.factor(self.numerator)
        powers = dict(self.powers)
        for i, k in found:
            powers[i] = powers.get(i, 0) + k
        return c / self.divisor, {i: k for i, k in powers.items() if k}

    def reduced(self) -> "Ratio":
        """The same with a constant numerator."""
        c, powers = self.factored()
        return Ratio(self.field, self.field.integer(c.numerator), powers, c.denominator)

    def inverse(self) -> "Ratio":
        """The reciprocal."""
        if not self:
            raise NotApplicable("something that is zero on every table is divided by")
        c, powers = self.factored()
        c = 1 / c
        return Ratio(self.field, self.field.integer(c.numerator), {i: -k for i, k in powers.items()}, c.denominator)

    def derivative(self, dot: Mapping[Any, Any]) -> "Ratio":
        """Derivative along the tangent ``dot`` (generator to polynomial)."""
        out = Ratio(self.field, _along(self.numerator, dot), self.powers, self.divisor)
        for i, k in self.powers.items():
            powers = {**self.powers, i: k - 1}
            slope = _along(self.field.bases[i], dot)
            if slope:
                out = out + Ratio(self.field, self.numerator * slope * k, powers, self.divisor)
        return out


def _along(p: Any, dot: Mapping[Any, Any]) -> Any:
    out = p.ring.zero
    for generator, tangent in dot.items():
        slope = p.diff(generator)
        if slope:
            out = out + slope * tangent
    return out


class LogSum:
    """A sum of ratios times monomials in logarithms."""

    __slots__ = ("field", "terms")

    def __init__(self, field: Field, terms: Mapping[LogMonomial, Ratio]) -> None:
        self.field, self.terms = field, {m: r for m, r in terms.items() if r}

    @classmethod
    def ratio(cls, r: Ratio) -> "LogSum":
        """No logarithm."""
        return cls(r.field, {(): r})

    def __add__(self, other: Any) -> "LogSum":
        other = self._of(other)
        out = dict(self.terms)
        for m, r in other.terms.items():
            out[m] = out[m] + r if m in out else r
        return LogSum(self.field, out)

    def __mul__(self, other: Any) -> "LogSum":
        other = self._of(other)
        out: dict[LogMonomial, Ratio] = {}
        for m1, r1 in self.terms.items():
            for m2, r2 in other.terms.items():
                powers = dict(m1)
                for i, k in m2:
                    powers[i] = powers.get(i, 0) + k
                m, r = tuple(sorted(powers.items())), r1 * r2
                out[m] = out[m] + r if m in out else r
        return LogSum(self.field, out)

    def _of(self, other: Any) -> "LogSum":
        if isinstance(other, LogSum):
            return other
        return LogSum.ratio(self.field.constant(Fraction(other)))

    def __sub__(self, other: Any) -> "LogSum":
        return self + self._of(-1) * self._of(other)

    def __rsub__(self, other: Any) -> "LogSum":
        return self._of(other) - self

    __radd__ = __add__

    def __rmul__(self, other: Any) -> "LogSum":
        return self._of(other) * self

    def __neg__(self) -> "LogSum":
        return self._of(-1) * self

    def __truediv__(self, other: Any) -> "LogSum":
        return self * LogSum.ratio(self._of(other).rational("the reciprocal").inverse())

    def __rtruediv__(self, other: Any) -> "LogSum":
        return self._of(other) / self

    def rational(self, what: str) -> Ratio:
        """This without logarithms; refuses otherwise."""
        if any(self.terms.keys() - {()}):
            raise NotApplicable(f"{what} of a logarithm is beyond exact tables")
        return self.terms.get((), Ratio(self.field, self.field.zero))

    def log(self) -> "LogSum":
        """Logarithm of a positive ratio."""
        value = self.rational("the logarithm")
        if not value:
            raise NotApplicable("the logarithm of something that is zero on every table")
        c, powers = value.factored()
        for i, k in powers.items():
            c = c * self.field.sign(i) ** (k % 2)  # SymPy normalises leading coefficients: log|base| below
        if c < 0:
            raise NotApplicable("the logarithm of something negative")
        one = self.field.one
        terms: dict[LogMonomial, Ratio] = {}
        for p, k in prime_factors(c):
            terms[((self.field.base(self.field.integer(p)), 1),)] = Ratio(self.field, one * k)
        for i, k in powers.items():
            terms[((i, 1),)] = Ratio(self.field, one * k)
        return LogSum(self.field, terms)

    def derivative(self, dot: Mapping[Any, Any]) -> "LogSum":
        """Derivative along a tangent."""
        out = LogSum(self.field, {})
        for m, r in self.terms.items():
            out = out + LogSum(self.field, {m: r.derivative(dot)})
            for i, k in m:
                slope = Ratio(self.field, _along(self.field.bases[i], dot) * k, {i: -1})
                powers = dict(m)
                powers[i] -= 1
                rest = tuple(sorted((j, e) for j, e in powers.items() if e))
                out = out + LogSum(self.field, {rest: r * slope})
        return out

    def undecided(self) -> bool:
        """Whether what is left rests on products of logarithms of primes alone."""
        return bool(self.terms) and all(sum(k for i, k in m if self.field.is_prime_number(i)) > 1 for m in self.terms)
