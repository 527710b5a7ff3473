"""Exact expectations under Gaussian laws, for all values of the parameters at once.

Every log density is a quadratic polynomial whose coefficients are rational functions of the parameters (plus
logarithms of these). A variable is integrated out by completing the square, and an expectation takes the moments of
the conditional law, variable by variable; nothing is integrated by a computer algebra system and no root is taken.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any

from derivations.language import functionals as f
from derivations.language import matrices as m
from derivations.language import terms as t
from derivations.language.derivation import Instance, Normal
from derivations.language.free import every, walk
from derivations.language.model import Model
from derivations.language.normal import canonical_density
from derivations.witnesses import columns
from derivations.witnesses.families import Families
from derivations.witnesses.rationals import Field, LogSum
from derivations.witnesses.squares import Squares
from derivations.witnesses.verdict import NotApplicable

DEPTH = 3  # how often a variable may be bound inside itself
Place = Mapping[t.Variable, tuple[LogSum, ...]]


class Gaussian(Squares):
    """A linear Gaussian instance, symbolically; ``about`` are all terms that will be asked about."""

    def __init__(self, model: Model, instance: Instance, about: Iterable[Any]) -> None:
        self.model, self.instance, self.families = model, instance, Families(model)
        self.d = instance.dimension
        self.laws = {canonical_density(d): (d, law) for d, law in instance.laws.items() if isinstance(law, Normal)}
        things = [
            *about,
            *instance.laws,
            *(part for law in instance.laws.values() if isinstance(law, Normal) for part in (law.mean, law.scale)),
            *(x for d in model.definitions for x in (d.left, d.right)),
            *model.joints.values(),
            *(value for _, value in model.reparameterisations.values()),
        ]
        names = {v for thing in things for v in every(thing)}
        functions = [
            x for thing in things for x in walk(thing) if isinstance(x, t.Function) and x.name in instance.functions
        ]
        things += [t.term(instance.functions[x.name](*x.arguments)) for x in functions]
        self.vectors = {x.symbol for thing in things for x in walk(thing) if isinstance(x, m.Vector)} | {
            v for d, law in self.laws.values() if isinstance(law.mean, m.MatrixTerm) for v in d.variables
        }
        point = {"par_pi": Fraction(22, 7)}
        for v in sorted(names | set(model.copies.values()), key=lambda v: v.name):
            for name in self._coordinates(v):
                for level in range(DEPTH):
                    point[f"{name}@{level}"] = Fraction(len(point) % 5 + 1, 3)
        for thing in things:
            for x in walk(thing):
                if isinstance(x, t.Parameter):
                    point.setdefault(f"par_{x.name}", Fraction(len(point) % 7 + 2, 5))
                elif isinstance(x, m.Vector | m.Lower | m.Diagonal | m.Square) and isinstance(x.symbol, t.Parameter):
                    for i in range(self.d):
                        for j in range(self.d):
                            point.setdefault(f"par_{x.symbol.name}_{i}{j}", Fraction(len(point) % 7 + 2, 5))
        self.field = Field(point)

    def _coordinates(self, v: t.Variable) -> list[str]:
        if self.model.copies.get(v, v) in self.vectors or v in self.vectors:
            return [f"val_{v.name}_{i}" for i in range(self.d)]
        return [f"val_{v.name}"]

    def bind(self, v: t.Variable, place: Place) -> tuple[Place, list[str]]:
        """``v`` as fresh symbols, and their names."""
        used = {g for value in place.values() for s in value for g in _symbols(s)}
        for level in range(DEPTH):
            names = [f"{c}@{level}" for c in self._coordinates(v)]
            if not used & set(names):
                return {**place, v: tuple(self.symbol(n) for n in names)}, names
        raise NotApplicable(f"{v.name} is bound more than {DEPTH} times inside itself")

    # -- densities --

    def log_density(self, d: t.Density, place: Place) -> LogSum:
        """log d, a quadratic polynomial in the values of its variables."""
        original, names = self.families.original(d)
        if names:
            place = {**place, **{names[v]: place[v] for v in names}}
        found = self.laws.get(canonical_density(original))
        if found is not None:
            return self._normal(found[0], found[1], place)
        if canonical_density(original) in self.families.primitives:
            raise NotApplicable(f"the law of {d} is not normal")
        origin = self.families.origin(original)
        above = self._integral(origin.joint, origin.summed, place)
        if not origin.divide:
            return above
        return above + self.number(-1) * self._integral(origin.joint, (*origin.summed, *original.variables), place)

    def _normal(self, d: t.Density, law: Normal, place: Place) -> LogSum:
        (v,) = d.variables
        if isinstance(law.mean, m.MatrixTerm):
            assert isinstance(law.scale, m.MatrixTerm)
            mean, scale = self.matrix(law.mean, place), self.matrix(law.scale, place)
            rest: list[LogSum] = []
            for i in range(self.d):
                r = place[v][i] - mean[i][0]
                for j in range(i):
                    r = r - scale[i][j] * rest[j]
                rest.append(r / scale[i][i])
            diagonal: list[LogSum] = [scale[i][i] for i in range(self.d)]
        else:
            assert isinstance(law.scale, t.Term)
            (at,), scale_ = place[v], self.value(law.scale, place)
            rest, diagonal = [(at - self.value(law.mean, place)) / scale_], [scale_]
        squares = reduce(lambda a, b: a + b, (r * r for r in rest))
        logs = reduce(lambda a, b: a + b, (x.log() for x in diagonal))
        return self.number(Fraction(-1, 2)) * (squares + self.log_two_pi(len(rest))) - logs

    def _integral(self, joint: t.Term, over: tuple[t.Variable, ...], place: Place) -> LogSum:
        names: list[str] = []
        for v in over:
            place, more = self.bind(v, place)
            names += more
        value = self._log(joint, place)
        for name in names:
            value = self.integrated(value, name)
        return value

    def expectation(self, q: t.Density, body: t.Term, place: Place) -> LogSum:
        """E_q of a polynomial, one variable after the other."""
        names: list[str] = []
        inner = place
        for v in q.variables:
            inner, more = self.bind(v, inner)
            names += more
        log_q, value = self.log_density(q, inner), self.value(body, inner)
        waiting: list[str] = []  # to be integrated out before the next moment is taken
        for name in names:
            parts = self.by_power(value, name)
            if max(parts, default=0) > 0:
                log_q = reduce(self.integrated, waiting, log_q)
                waiting = []
                precision, linear, _ = self.quadratic(log_q, name)
                mean, variance = linear / precision, self.number(1) / precision
                moments = [self.number(1), mean]
                for k in range(2, max(parts) + 1):  # E v^k = mean E v^(k-1) + (k-1) variance E v^(k-2)
                    moments.append(mean * moments[-1] + self.number(k - 1) * variance * moments[-2])
                value = reduce(lambda a, b: a + b, (c * moments[k] for k, c in parts.items()), LogSum(self.field, {}))
            waiting.append(name)
        for name in waiting:
            self.quadratic(log_q, name)  # not integrated, as nothing depends on it, but it must be Gaussian
        return value

    # -- terms --

    def _log(self, term: t.Term, place: Place) -> LogSum:
        match term:
            case t.Product(factors):
                return reduce(lambda a, b: a + b, (self._log(x, place) for x in factors))
            case t.Power(base, exponent):
                return self.number(exponent) * self._log(base, place)
            case t.Density():
                return self.log_density(term, place)
            case t.Exp(argument):
                return self.value(argument, place)
            case f.At(body, variable, value):
                return self._log(body, {**place, variable: (self.value(value, place),)})
        return self.value(term, place).log()

    def value(self, term: t.Term, place: Place) -> LogSum:
        """A term as a polynomial in the symbols."""
        match term:
            case t.Number(value):
                return self.number(value)
            case t.Sum(terms):
                return reduce(lambda a, b: a + b, (self.value(x, place) for x in terms))
            case t.Product(factors):
                return reduce(lambda a, b: a * b, (self.value(x, place) for x in factors))
            case t.Power(base, exponent):
                return self._power(self.value(base, place), exponent)
            case t.Log(argument):
                return self._log(argument, place)
            case f.E(density, body):
                return self.expectation(density, body, place)
            case f.KL() | f.Entropy() | f.CrossEntropy() | f.MutualInformation() | f.TotalCorrelation():
                return self.value(term.expanded, place)
            case f.Derivative(body, by):
                if any(isinstance(x, f.StopGradient) for x in walk(body)):
                    raise NotApplicable("stop-gradient inside a derivative")
                return self._derivative(body, by, place)
            case f.At(body, variable, value):
                return self.value(body, {**place, variable: (self.value(value, place),)})
            case f.StopGradient(body):
                return self.value(body, place)
            case t.Parameter(name):
                return self.symbol(f"par_{name}")
            case t.Variable():
                if len(place[term]) > 1:
                    raise NotApplicable(f"the vector {term.name} used as a number")
                return place[term][0]
            case t.Function(name, arguments) if name in self.instance.functions:
                return self.value(t.term(self.instance.functions[name](*arguments)), place)
            case m.MatrixScalar():
                return self._matrix_scalar(term, place)
        raise NotApplicable(f"{type(term).__name__.lower()} is not a polynomial")

    def _derivative(self, body: t.Term, by: t.Parameter | t.Variable, place: Place) -> LogSum:
        if isinstance(by, t.Parameter):
            dot = {self.field.symbol[f"par_{by.name}"]: self.field.one}
            return self.value(body, place).derivative(dot)
        inner, (name,) = self.bind(by, place)
        slope = self.value(body, inner).derivative({self.field.symbol[name]: self.field.one})
        if place[by][0].terms == inner[by][0].terms:
            return slope
        at = place[by][0]
        out = LogSum(self.field, {})
        for k, c in self.by_power(slope, name).items():
            out = out + c * self._power(at, Fraction(k))
        return out

    def _power(self, value: LogSum, exponent: Fraction) -> LogSum:
        if exponent.denominator != 1:
            raise NotApplicable("a root")
        factor = value if exponent > 0 else self.number(1) / value
        return reduce(lambda a, b: a * b, [factor] * abs(int(exponent)), self.number(1))

    def matrix(self, x: m.MatrixTerm, place: Place) -> columns.Grid:
        """Entries of a matrix expression."""

        def lookup(symbol: m.MatrixTerm) -> columns.Grid:
            name = symbol.symbol  # type: ignore[attr-defined]
            if isinstance(name, t.Variable):
                return [[c] for c in place[name]]
            entry = lambda i, j: self.symbol(f"par_{name.name}_{i}{j}")  # noqa: E731
            zero = LogSum(self.field, {})
            match symbol:
                case m.Vector():
                    return [[entry(i, 0)] for i in range(self.d)]
                case m.Lower():
                    return [[entry(i, j) if j <= i else zero for j in range(self.d)] for i in range(self.d)]
                case m.Diagonal():
                    return [[entry(i, j) if j == i else zero for j in range(self.d)] for i in range(self.d)]
            return [[entry(i, j) for j in range(self.d)] for i in range(self.d)]

        found = columns.evaluate(x, lookup, self.d)
        return [[self._exact(entry) for entry in row] for row in found]

    def _exact(self, x: Any) -> LogSum:
        return x if isinstance(x, LogSum) else self.number(Fraction(x))

    def _matrix_scalar(self, term: m.MatrixScalar, place: Place) -> LogSum:
        match term:
            case m.Dimension():
                return self.number(self.d)
            case m.Trace(of):
                entries = self.matrix(of, place)
                return self._exact(sum(entries[i][i] for i in range(len(entries))))
            case m.LogDet(of):
                return self._exact(columns.determinant(self.matrix(of, place))).log()
            case m.Quadratic(vector, matrix):
                a = None if matrix is None else self.matrix(matrix, place)
                return self._exact(columns.quadratic(self.matrix(vector, place), a))
            case m.Coordinates(of, function):
                rows = [_entries(self.matrix(x, place)) for x in of]
                terms = (self._exact(function(lambda x: x.log(), *(r[j] for r in rows))) for j in range(self.d))
                return reduce(lambda a, b: a + b, terms)
        raise NotApplicable(type(term).__name__)


def _entries(grid: columns.Grid) -> list[Any]:
    return [row[0] for row in grid] if len(grid[0]) == 1 else [grid[i][i] for i in range(len(grid))]


def _symbols(value: LogSum) -> set[str]:
    """Names of the symbols that occur."""
    found: set[str] = set()
    for monomial, ratio in value.terms.items():
        for p in [ratio.numerator, *(value.field.bases[i] for i in [*ratio.powers, *(j for j, _ in monomial)])]:
            found |= {n for n, g in value.field.symbol.items() if p.degree(g) > 0}
    return found
