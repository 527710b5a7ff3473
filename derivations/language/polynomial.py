"""Canonical polynomials in atoms, with rational coefficients: the arithmetic under the rules.

An atom is a term that the rules in force see no further into. Exponents may be negative or fractional. A sum that is
raised to such a power is kept as an atom (`SumAtom`, content taken out), so that log and reciprocal of sums have one
form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache, reduce
from math import gcd, lcm
from typing import Any

from derivations.language import terms as t
from derivations.language.free import Symbol, free

Monomial = frozenset  # of (atom, exponent)
ONE: Monomial = frozenset()  # type: ignore[type-arg]


class Poly:
    """Sum of coefficient times monomial; immutable, hashable, zero terms removed."""

    def __init__(self, terms: Mapping[Any, Fraction]) -> None:
        self.terms = {m: c for m, c in terms.items() if c}

    @classmethod
    def constant(cls, value: Fraction | int) -> "Poly":
        """The number ``value``."""
        return cls({ONE: Fraction(value)})

    @classmethod
    def atom(cls, a: t.Term, exponent: Fraction | int = 1) -> "Poly":
        """One atom to a power."""
        return cls({frozenset(((a, Fraction(exponent)),)): Fraction(1)})

    @cached_property
    def _hash(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Poly) and self.terms == other.terms

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __add__(self, other: "Poly") -> "Poly":
        out = dict(self.terms)
        for m, c in other.terms.items():
            out[m] = out.get(m, Fraction(0)) + c
        return Poly(out)

    def __sub__(self, other: "Poly") -> "Poly":
        return self + other.scaled(Fraction(-1))

    def scaled(self, c: Fraction) -> "Poly":
        """c times this."""
        return Poly({m: c * k for m, k in self.terms.items()})

    def __mul__(self, other: "Poly") -> "Poly":
        out: dict[Any, Fraction] = {}
        for m1, c1 in self.terms.items():
            for m2, c2 in other.terms.items():
                m, c = _times(m1, m2), c1 * c2
                out[m] = out.get(m, Fraction(0)) + c
        return Poly(out)

    def power(self, exponent: Fraction) -> "Poly":
        """This to a rational power; sums to other powers than 0, 1, 2, 3, 4 become an atom."""
        if exponent.denominator == 1 and 0 <= exponent <= 4:
            return reduce(Poly.__mul__, [self] * int(exponent), Poly.constant(1))
        if not self.terms:
            raise ZeroDivisionError("a term that is zero by the rules in force is divided by")
        content, monomial, rest = self.primitive()
        out = Poly({frozenset((a, k * exponent) for a, k in monomial): Fraction(1)})
        if content != 1:
            if exponent.denominator == 1:
                out = out.scaled(Fraction(content) ** int(exponent))
            else:
                out = out * Poly.atom(t.Number(content), exponent)
        return out if rest is None else out * Poly.atom(SumAtom(rest), exponent)

    def primitive(self) -> tuple[Fraction, Any, "Poly | None"]:
        """(content, common monomial, remaining sum or None if there is but one term)."""
        numerators = reduce(gcd, (abs(c.numerator) for c in self.terms.values()))
        content = Fraction(numerators, reduce(lcm, (c.denominator for c in self.terms.values())))
        if all(c < 0 for c in self.terms.values()):
            content = -content
        common: dict[t.Term, Fraction] = dict(next(iter(self.terms)))
        for m in self.terms:
            powers = dict(m)
            for a in set(common) | set(powers):
                common[a] = min(common.get(a, Fraction(0)), powers.get(a, Fraction(0)))
        monomial = frozenset((a, k) for a, k in common.items() if k)
        if len(self.terms) == 1:
            return content, monomial, None
        inverse = Poly({frozenset((a, -k) for a, k in monomial): 1 / content})
        return content, monomial, self * inverse

    def cleared(self) -> "Poly":
        """This times the denominators that are sums, expanded; zero iff this is zero wherever those sums are not."""
        p = self
        for _ in range(8):
            worst: dict[SumAtom, Fraction] = {}
            for m in p.terms:
                for a, k in m:
                    if isinstance(a, SumAtom):
                        worst[a] = min(worst.get(a, Fraction(0)), k)
            if not worst:
                return p
            out = Poly({})
            for m, c in p.terms.items():
                powers = dict(m)
                factor = Poly({frozenset((a, k) for a, k in m if not isinstance(a, SumAtom)): c})
                for a, low in worst.items():
                    k = powers.get(a, Fraction(0)) - low
                    factor = factor * (a.sum.power(k) if k.denominator == 1 and k <= 4 else Poly.atom(a, k))
                out = out + factor
            if all(low >= 0 for low in worst.values()) and out.terms == p.terms:
                return out
            p = out
        return p

    def free(self) -> frozenset[Symbol]:
        """Free variables and parameters."""
        return frozenset().union(*(atom_free(a) for m in self.terms for a, _ in m)) if self.terms else frozenset()

    def split(self, symbols: frozenset[Symbol]) -> Iterable[tuple["Poly", Any]]:
        """(part free of ``symbols``, the rest as a monomial) of each term."""
        for m, c in self.terms.items():
            rest = frozenset((a, k) for a, k in m if atom_free(a) & symbols)
            yield Poly({m - rest: c}), rest

    def single_atom(self) -> t.Term | None:
        """The atom, if this is one atom to the first power with coefficient 1."""
        if len(self.terms) == 1:
            ((m, c),) = self.terms.items()
            if c == 1 and len(m) == 1:
                ((a, k),) = m
                if k == 1:
                    return a  # type: ignore[no-any-return]
        return None

    def to_term(self) -> t.Term:
        """A term for a person to read, in a fixed order."""
        return self._term

    @cached_property
    def _term(self) -> t.Term:
        if not self.terms:
            return t.Number(Fraction(0))
        pieces = [_monomial_term(m, c) for m, c in self.terms.items()]
        if len(pieces) > 1:
            pieces.sort(key=str)
        return pieces[0] if len(pieces) == 1 else t.Sum(tuple(pieces))


def _times(a: Any, b: Any) -> Any:
    if not a:
        return b
    if not b:
        return a
    out = dict(a)
    for atom, k in b:
        out[atom] = out.get(atom, Fraction(0)) + k
    return frozenset((atom, k) for atom, k in out.items() if k)


@dataclass(frozen=True)
class SumAtom(t.Term):
    """A sum with content 1 and no common monomial, seen as one thing."""

    sum: Poly


@dataclass(frozen=True)
class Mean(t.Term):
    """An expectation whose body is canonical."""

    density: t.Density
    body: Poly


@dataclass(frozen=True)
class Logarithm(t.Term):
    """A logarithm that the rules in force cannot split."""

    argument: Poly


@dataclass(frozen=True)
class Exponential(t.Term):
    """exp of a canonical argument."""

    argument: Poly


@dataclass(frozen=True)
class Slope(t.Term):
    """A derivative that the rules in force cannot carry out."""

    body: Poly
    by: Symbol


@dataclass(frozen=True)
class Put(t.Term):
    """A canonical body at a value of a variable."""

    body: Poly
    variable: t.Variable
    value: Poly


@dataclass(frozen=True)
class Stopped(t.Term):
    """Stop-gradient of a canonical body."""

    body: Poly


@lru_cache(maxsize=100_000)
def atom_free(a: Any) -> frozenset[Symbol]:
    """Free symbols of an atom."""
    match a:
        case Mean(density, body):
            return (body.free() | free(density)) - frozenset(density.variables)
        case SumAtom(body) | Logarithm(body) | Exponential(body) | Stopped(body):
            return body.free()
        case Slope(body, by):
            return body.free() | {by}
        case Put(body, variable, value):
            return (body.free() - {variable}) | value.free()
    return free(a)


def _monomial_term(m: Any, c: Fraction) -> t.Term:
    factors: list[t.Term] = []
    found = [(k < 0, atom_term(a), k) for a, k in m]
    if len(found) > 1:
        found.sort(key=lambda item: (item[0], str(item[1])))
    for _, base, k in found:
        factors.append(base if k == 1 else t.Power(base, k))
    if c != 1 or not factors:
        factors = [t.Number(abs(c)), *factors] if abs(c) != 1 or not factors else factors
        if c < 0:
            factors = [t.Number(Fraction(-1)), *factors]
    return factors[0] if len(factors) == 1 else t.Product(tuple(factors))


def atom_term(a: t.Term) -> t.Term:
    """An atom as an ordinary term."""
    from derivations.language import functionals as f

    match a:
        case Mean(density, body):
            return f.E(density, body.to_term())
        case SumAtom(body):
            return body.to_term()
        case Logarithm(body):
            return t.Log(body.to_term())
        case Exponential(body):
            return t.Exp(body.to_term())
        case Slope(body, by):
            return f.Derivative(body.to_term(), by)
        case Put(body, variable, value):
            return f.At(body.to_term(), variable, value.to_term())
        case Stopped(body):
            return f.StopGradient(body.to_term())
    return a
