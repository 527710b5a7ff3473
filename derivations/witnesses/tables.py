"""Finite tables with symbolic probabilities: a complete decision of identities.

Every primitive density becomes a table whose entries are symbols (the last one is one minus the others), every other
density is summed out of its joint, expectations are finite sums. What is left is zero for all tables of that size or
it is not; there is no tolerance and no heuristic.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

from derivations.language import functionals as f
from derivations.language import matrices as m
from derivations.language import terms as t
from derivations.language.free import every, variables, walk
from derivations.language.model import Model
from derivations.language.normal import canonical_density
from derivations.witnesses.families import Families
from derivations.witnesses.rationals import Field, LogSum, Ratio
from derivations.witnesses.verdict import NotApplicable

Place = Mapping[t.Variable, int]


class Tables:
    """Symbolic tables for a model; ``about`` are all terms that will be asked about."""

    def __init__(self, model: Model, about: Iterable[t.Term], sizes: Mapping[t.Variable, int]) -> None:
        self.model, self.families = model, Families(model)
        things = [
            *about,
            *model.primitives,
            *(d.left for d in model.definitions),
            *(d.right for d in model.definitions),
            *model.joints.values(),
        ]
        self.sizes = {v: sizes.get(model.copies.get(v, v), 2) for thing in things for v in every(thing)}
        point: dict[str, Fraction] = {}
        self._derivatives = {
            x.by
            for thing in things
            for x in walk(thing)
            if isinstance(x, f.Derivative) and isinstance(x.by, t.Parameter)
        }
        for d in model.primitives:
            last = _last(self._values(d.variables))
            for given in self._values(d.given):
                for value in self._values(d.variables):
                    if value != last:
                        point[_name(d, value, given)] = Fraction(
                            1, len(list(self._values(d.variables))) + len(point) % 3
                        )
        for thing in things:
            for x in walk(thing):
                if isinstance(x, t.Parameter):
                    point[f"par_{x.name}"] = Fraction(3, 7)
                elif isinstance(x, t.Variable):
                    point |= {f"val_{x.name}_{i}": Fraction(2 + i, 3) for i in range(self.sizes[x])}
                elif isinstance(x, t.Function):
                    for index in self._function_indices(x):
                        point[self._function_name(x, index)] = Fraction(2, 3)
        dots: dict[t.Parameter, dict[str, str]] = {}
        for phi in self._derivatives:
            names = [n for d in model.primitives if phi in d.parameters for n in self._names(d)]
            dots[phi] = {n: f"dot_{phi.name}_{n}" for n in names}
            point |= dict.fromkeys(dots[phi].values(), Fraction(1, 5))
        self.field = Field(point)
        symbol = self.field.symbol
        self._dots = {
            phi: {symbol[n]: symbol[d] for n, d in pairs.items()} | {symbol[f"par_{phi.name}"]: self.field.one}
            for phi, pairs in dots.items()
        }
        self._densities: dict[Any, Ratio] = {}

    def _values(self, over: Iterable[t.Variable]) -> Iterable[tuple[int, ...]]:
        return product(*[range(self.sizes[v]) for v in over])

    def _names(self, d: t.Density) -> Iterable[str]:
        last = _last(self._values(d.variables))
        return [_name(d, v, g) for g in self._values(d.given) for v in self._values(d.variables) if v != last]

    def _function_indices(self, x: t.Function) -> Iterable[tuple[int, ...]]:
        names = [a for a in x.arguments if isinstance(a, t.Variable)]
        return self._values(names)

    def _function_name(self, x: t.Function, index: tuple[int, ...]) -> str:
        return f"fun_{x.name}_{'_'.join(map(str, index))}"

    def places(self, free: Iterable[t.Variable]) -> Iterable[Place]:
        """Every assignment of values to variables."""
        names = sorted(free, key=lambda v: v.name)
        for values in self._values(names):
            yield dict(zip(names, values, strict=True))

    def density(self, d: t.Density, place: Place) -> Ratio:
        """One entry of a table."""
        original, names = self.families.original(d)
        at = {names.get(v, v): place[v] for v in (*d.variables, *d.given)}
        shape = canonical_density(original)
        key = (shape.name, shape.variables, shape.given, tuple(at[v] for v in (*shape.variables, *shape.given)))
        if key not in self._densities:
            self._densities[key] = self._density(original, at).reduced()
        return self._densities[key]

    def _density(self, d: t.Density, place: Place) -> Ratio:
        primitive = self.families.primitives.get(canonical_density(d)) or self._plain(d)
        if primitive is not None:
            value = tuple(place[v] for v in primitive.variables)
            given = tuple(place[v] for v in primitive.given)
            last = _last(self._values(primitive.variables))
            one = Ratio(self.field, self.field.one)
            if value != last:
                return Ratio(self.field, self.field.symbol[_name(primitive, value, given)])
            for other in self._values(primitive.variables):
                if other != last:
                    one = one + Ratio(self.field, -self.field.symbol[_name(primitive, other, given)])
            return one
        origin = self.families.origin(d)
        above = self._sum(origin.joint, origin.summed, place)
        return (
            above * self._sum(origin.joint, (*origin.summed, *d.variables), place).inverse() if origin.divide else above
        )

    def _plain(self, d: t.Density) -> t.Density | None:
        """A primitive of that name, variables and given, whatever its parameters and LaTeX."""
        for p in self.families.primitives.values():
            if p.name == d.name and set(p.variables) == set(d.variables) and set(p.given) == set(d.given):
                return p
        return None

    def _sum(self, body: t.Term, over: tuple[t.Variable, ...], place: Place) -> Ratio:
        out = Ratio(self.field, self.field.zero)
        for values in self._values(over):
            out = out + self.value(body, {**place, **dict(zip(over, values, strict=True))}).rational("a density made")
        return out

    def value(self, term: t.Term, place: Place) -> LogSum:
        """A term at one assignment of its free variables."""
        match term:
            case t.Number(value):
                return LogSum.ratio(self.field.constant(value))
            case t.Sum(terms):
                out = LogSum(self.field, {})
                for part in terms:
                    out = out + self.value(part, place)
                return out
            case t.Product(factors):
                out = LogSum.ratio(Ratio(self.field, self.field.one))
                for part in factors:
                    out = out * self.value(part, place)
                return out
            case t.Power(base, exponent):
                return self._power(self.value(base, place), exponent)
            case t.Log(argument):
                return self.value(argument, place).log()
            case t.Density():
                return LogSum.ratio(self.density(term, place))
            case f.E(density, body):
                out = LogSum(self.field, {})
                for values in self._values(density.variables):
                    inner = {**place, **dict(zip(density.variables, values, strict=True))}
                    out = out + LogSum.ratio(self.density(density, inner)) * self.value(body, inner)
                return out
            case f.KL() | f.Entropy() | f.CrossEntropy() | f.MutualInformation() | f.TotalCorrelation():
                return self.value(term.expanded, place)
            case f.Derivative(body, by) if isinstance(by, t.Parameter):
                if any(isinstance(x, f.StopGradient) for x in walk(body)):
                    raise NotApplicable("stop-gradient inside a derivative has no meaning for tables")
                return self.value(body, place).derivative(self._dots[by])
            case f.StopGradient(body):
                return self.value(body, place)
            case t.Parameter(name):
                return LogSum.ratio(Ratio(self.field, self.field.symbol[f"par_{name}"]))
            case t.Variable(name):
                return LogSum.ratio(Ratio(self.field, self.field.symbol[f"val_{name}_{place[term]}"]))
            case t.Function(_, arguments):
                if any(not isinstance(a, t.Variable | t.Parameter) for a in arguments):
                    raise NotApplicable("a function of something that is not a variable")
                index = tuple(place[a] for a in arguments if isinstance(a, t.Variable))
                return LogSum.ratio(Ratio(self.field, self.field.symbol[self._function_name(term, index)]))
            case m.MatrixScalar():
                raise NotApplicable("vectors and matrices")
        raise NotApplicable(_REASONS.get(type(term).__name__, type(term).__name__))

    def _power(self, value: LogSum, exponent: Fraction) -> LogSum:
        if exponent.denominator != 1:
            raise NotApplicable("a root")
        out = LogSum.ratio(Ratio(self.field, self.field.one))
        factor = value if exponent > 0 else LogSum.ratio(value.rational("the reciprocal").inverse())
        for _ in range(abs(int(exponent))):
            out = out * factor
        return out

    def decide(self, left: t.Term, right: t.Term) -> tuple[bool | None, str]:
        """Whether ``left = right`` for all tables of these sizes (None: beyond the decision), and where it fails
        first.
        """
        for place in self.places(variables(left) | variables(right)):
            difference = self.value(left, place) + self.value(t.Number(Fraction(-1)), place) * self.value(right, place)
            if difference.terms:
                where = ", ".join(f"{v.name} = {i}" for v, i in place.items())
                return (None if difference.undecided() else False), where
        return True, ""

    def normalised(self, d: t.Density) -> bool:
        """Whether a density sums to one over its variables, wherever its given variables are."""
        return all(self._is_one(d, place) for place in self.places(d.given))

    def _is_one(self, d: t.Density, place: Place) -> bool:
        total = self._sum(d, d.variables, place) + Ratio(self.field, -self.field.one)
        return not total

    def describe(self, free: Iterable[t.Variable]) -> str:
        """The sizes, for the report."""
        return " × ".join(f"{self.sizes[v]} values of {v.name}" for v in sorted(free, key=lambda v: v.name))


_REASONS = {"Exp": "an exponential", "At": "a function of continuous noise", "Derivative": "a derivative by a variable"}


def _last(values: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return list(values)[-1]


def _name(d: t.Density, value: tuple[int, ...], given: tuple[int, ...]) -> str:
    over = ".".join(v.name for v in (*d.variables, *d.given))
    return f"{d.name}_{over}_{'_'.join(map(str, value))}_given_{'_'.join(map(str, given))}"
