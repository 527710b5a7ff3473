"""Normal forms under a set of rules: two terms are equal by the rules iff their normal forms coincide.

Only the cited rules are used; plain arithmetic (sums and products of numbers) is always allowed.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from derivations.language import functionals as f
from derivations.language import matrices as m
from derivations.language import terms as t
from derivations.language.conditions import Condition
from derivations.language.expectations import Expectations
from derivations.language.free import Symbol, free
from derivations.language.model import Definition, Model
from derivations.language.polynomial import (
    Exponential,
    Logarithm,
    Mean,
    Poly,
    Put,
    Slope,
    Stopped,
    SumAtom,
    atom_free,
)
from derivations.language.rules import RULES
from elbo._errors import InputValueError


class Normaliser(Expectations):
    """Canonical forms under ``rules`` (names of rules and of definitions of the model)."""

    def __init__(self, model: Model, rules: Iterable[str]) -> None:
        self.model = model
        self.rules = frozenset(rules)
        self.conditions: dict[Condition, None] = {}
        self.densities: dict[t.Density, t.Term] = {}
        self.lemmas: dict[t.Term, tuple[Fraction, t.Term]] = {}
        self._memo: dict[t.Term, Poly] = {}
        cited = []
        for name in sorted(self.rules):
            definition = model.definition(name)
            if definition is None and name not in RULES:
                known = sorted([*RULES, *(d.name for d in model.definitions)])
                raise InputValueError(f"rule {name!r} is not known; write one of: {', '.join(known)}")
            if definition is not None:
                cited.append(definition)
        for d in cited:
            if isinstance(d.left, t.Density):
                self.densities[canonical_density(d.left)] = d.right
        for d in cited:
            if not isinstance(d.left, t.Density):
                self._learn(d)
        self._memo.clear()

    def _learn(self, definition: Definition) -> None:
        """Use a definition whose left side the other cited rules see as one thing; where they see further, it says
        nothing new.
        """
        poly = self(definition.left)
        if len(poly.terms) == 1:
            ((monomial, c),) = poly.terms.items()
            if len(monomial) == 1:
                ((atom, k),) = monomial
                if k == 1:
                    self.lemmas[atom] = (c, definition.right)

    def assume(self, kind: str, *about: Any) -> None:
        """Record a side condition."""
        self.conditions.setdefault(Condition(kind, tuple(a.to_term() if isinstance(a, Poly) else a for a in about)))

    def __call__(self, term: t.Term) -> Poly:
        if term not in self._memo:
            self._memo[term] = self._normal(term)
        return self._memo[term]

    def _normal(self, term: t.Term) -> Poly:
        match term:
            case t.Number(value):
                return Poly.constant(value)
            case t.Sum(terms):
                out = Poly({})
                for part in terms:
                    out = out + self(part)
                return out
            case t.Product(factors):
                out = Poly.constant(1)
                for part in factors:
                    out = out * self(part)
                return out
            case t.Power(base, exponent):
                return self(base).power(exponent)
            case t.Log(argument):
                return self.logarithm(self(argument))
            case t.Exp(argument):
                return self.exponential(self(argument))
            case t.Density():
                d = canonical_density(term)
                return self(self.densities[d]) if d in self.densities else self.atom(d)
            case f.E(density, body):
                return self.expectation(canonical_density(density), self(body))
            case f.KL(q, p):
                if "definition of KL" in self.rules:
                    self.assume("absolutely continuous", q, p)
                    return self(term.expanded)
                return self.atom(f.KL(canonical_density(q), _product(p)))
            case f.Entropy() | f.CrossEntropy():
                if "definition of entropy" in self.rules:
                    return self(term.expanded)
                return self.atom(term)
            case f.MutualInformation() | f.TotalCorrelation():
                return self(term.expanded) if "definition of mutual information" in self.rules else self.atom(term)
            case f.Derivative(body, by):
                return self.derivative(self(body), by)
            case f.At(body, variable, value):
                return self.put(self(body), variable, self(value))
            case f.StopGradient(body):
                return self.atom(Stopped(self(body)))
            case t.Function(name, arguments, latex, positive):
                return self.atom(
                    t.Function(name, *(self(a).to_term() for a in arguments), latex=latex, positive=positive)
                )
            case t.Variable() | t.Parameter() | m.MatrixScalar():
                return self.atom(term)
        raise InputValueError(f"{type(term).__name__} cannot stand in a derivation")

    def atom(self, a: t.Term) -> Poly:
        """An atom, or what a cited lemma says that it is."""
        if a in self.lemmas:
            factor, right = self.lemmas[a]
            return self(right).scaled(1 / factor)
        return Poly.atom(a)

    def logarithm(self, argument: Poly) -> Poly:
        """log of a canonical argument."""
        if argument == Poly.constant(1):
            return Poly({})
        if "log of a product" not in self.rules:
            return self.atom(Logarithm(argument))
        content, monomial, rest = argument.primitive()
        if content < 0:
            return self.atom(Logarithm(argument))
        out = Poly({})
        for prime, k in factors(content):
            out = out + self.atom(Logarithm(Poly.constant(prime))).scaled(Fraction(k))
        if rest is not None:
            out = out + self.atom(Logarithm(rest))
        for a, k in monomial:
            match a:
                case SumAtom(inner):
                    piece = self.atom(Logarithm(inner))
                case Exponential(inner):
                    piece = inner
                case t.Number(value):
                    piece = self.logarithm(Poly.constant(value))
                case _:
                    piece = self.atom(Logarithm(Poly.atom(a)))
            out = out + piece.scaled(k)
        return out

    def exponential(self, argument: Poly) -> Poly:
        """exp of a canonical argument; exp(log a) = a, exp(a + b) = exp(a) exp(b) under the rule for logarithms."""
        if not argument:
            return Poly.constant(1)
        if "log of a product" not in self.rules:
            return self.atom(Exponential(argument))
        out = Poly.constant(1)
        for monomial, c in argument.terms.items():
            piece = Poly({monomial: Fraction(1)})
            a = piece.single_atom()
            out = out * (a.argument.power(c) if isinstance(a, Logarithm) else Poly.atom(Exponential(piece), c))
        return out

    def derivative(self, body: Poly, by: Symbol) -> Poly:
        """Derivative of a canonical body."""
        if by not in body.free():
            return Poly({})
        if "derivative" not in self.rules:
            return self.atom(Slope(body, by))
        out = Poly({})
        for monomial, c in body.terms.items():
            for a, k in monomial:
                if by not in atom_free(a):
                    continue
                rest = Poly({frozenset((b, e) for b, e in monomial if b != a): c * k})
                out = out + rest * Poly.atom(a).power(k - 1) * self._slope(a, by)
        return out

    def _slope(self, a: t.Term, by: Symbol) -> Poly:
        match a:
            case _ if a == by:
                return Poly.constant(1)
            case t.Density():
                return Poly.atom(a) * self.atom(Slope(self.logarithm(Poly.atom(a)), by))
            case Logarithm(argument):
                if isinstance(argument.single_atom(), t.Density):
                    return self.atom(Slope(Poly.atom(a), by))
                return self.derivative(argument, by) * argument.power(Fraction(-1))
            case SumAtom(inner):
                return self.derivative(inner, by)
            case Exponential(inner):
                return Poly.atom(a) * self.derivative(inner, by)
            case Stopped(_) if "stop-gradient" in self.rules:
                return Poly({})
            case Mean(density, inner) if "differentiation under the integral" in self.rules:
                slope = self.derivative(inner, by)
                if by in free(density):
                    slope = slope + inner * self.atom(Slope(self.logarithm(Poly.atom(density)), by))
                self.assume("domination", density, by)
                return self.expectation(density, slope)
            case Put(inner, variable, value):
                through = self.put(self.derivative(inner, variable), variable, value) * self.derivative(value, by)
                return through + self.put(self.derivative(inner, by) if by != variable else Poly({}), variable, value)
        return self.atom(Slope(Poly.atom(a), by))

    def put(self, body: Poly, variable: t.Variable, value: Poly) -> Poly:
        """``body`` at ``variable = value``; substitution goes into sums, products and functions."""
        out = Poly({})
        for monomial, c in body.terms.items():
            piece = Poly.constant(c)
            for a, k in monomial:
                piece = piece * (
                    self._put_atom(a, variable, value).power(k) if variable in atom_free(a) else Poly.atom(a, k)
                )
            out = out + piece
        return out

    def _put_atom(self, a: t.Term, variable: t.Variable, value: Poly) -> Poly:
        match a:
            case _ if a == variable:
                return value
            case SumAtom(inner):
                return self.put(inner, variable, value)
            case Exponential(inner):
                return self.exponential(self.put(inner, variable, value))
            case Logarithm(inner) if inner.single_atom() is None or not isinstance(inner.single_atom(), t.Density):
                return self.logarithm(self.put(inner, variable, value))
            case Stopped(inner):
                return self.atom(Stopped(self.put(inner, variable, value)))
        return self.atom(Put(Poly.atom(a), variable, value))

    def unstopped(self, poly: Poly) -> Poly:
        """``poly`` with sg[f] = f, which holds outside derivatives."""
        if "stop-gradient" not in self.rules:
            return poly
        out = Poly({})
        for monomial, c in poly.terms.items():
            piece = Poly.constant(c)
            for a, k in monomial:
                match a:
                    case Stopped(inner):
                        piece = piece * self.unstopped(inner).power(k)
                    case Mean(density, inner):
                        piece = piece * self.expectation(density, self.unstopped(inner)).power(k)
                    case _:
                        piece = piece * Poly.atom(a, k)
            out = out + piece
        return out


def canonical_density(d: t.Density) -> t.Density:
    """The same density with its variables in a fixed order."""
    by_name = lambda v: v.name  # noqa: E731
    return t.Density(d.name, sorted(d.variables, key=by_name), sorted(d.given, key=by_name), d.parameters, d.latex)


def _product(p: t.Term) -> t.Term:
    parts = sorted((canonical_density(d) for d in f.densities_of(p)), key=str)
    return parts[0] if len(parts) == 1 else t.Product(tuple(parts))


def factors(value: Fraction) -> Iterable[tuple[int, int]]:
    """(prime, exponent) of a positive rational number; large numbers are left whole."""
    for number, sign in ((value.numerator, 1), (value.denominator, -1)):
        n, p = number, 2
        while p * p <= n and p < 10_000:
            k = 0
            while n % p == 0:
                n, k = n // p, k + 1
            if k:
                yield p, sign * k
            p += 1
        if n > 1:
            yield n, sign
