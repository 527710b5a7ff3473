"""Concrete models for the numeric evaluator: finite tables with random entries, and the instances that an author
gives.
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from derivations.language import matrices as m
from derivations.language import terms as t
from derivations.language.derivation import Derivation, Instance, Law, Normal
from derivations.language.free import every, variables
from derivations.language.normal import canonical_density
from derivations.witnesses.generic import generic_matrix, generic_number
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.place import Bound, Place, Value
from derivations.witnesses.verdict import NotApplicable

WIDTH = 9.0  # standard deviations on either side; a normal law has 2e-19 outside


class TableSpace:
    """Tables of the sizes of a derivation with random entries; ``spread`` is the standard deviation of their
    logarithms.
    """

    dimension = 1

    def __init__(self, derivation: Derivation, seed: int, spread: float) -> None:
        self.derivation, self.spread, self.seed = derivation, spread, seed
        self.sizes, self.copies = derivation.sizes, derivation.model.copies
        self._primitives = {canonical_density(d): d for d in derivation.model.primitives}

    def size(self, v: t.Variable) -> int:
        """Number of values."""
        return self.sizes.get(self.copies.get(v, v), 2)

    def nodes(self, v: t.Variable) -> tuple[Value, Tensor]:
        n = self.size(v)
        return torch.arange(n, dtype=torch.float64), torch.ones(n, dtype=torch.float64)

    def _table(self, name: str, shape: Iterable[int]) -> Tensor:
        from elbo.evidence import generator

        return torch.randn(tuple(shape), dtype=torch.float64, generator=generator(self.seed, name)) * self.spread

    def _look_up(self, table: Tensor, over: Iterable[t.Variable], place: Place) -> Tensor:
        index = tuple(place.values[v].value.long() for v in over)
        return table[torch.broadcast_tensors(*index)] if index else table

    def log_primitive(self, d: t.Density, place: Place, numeric: Numeric) -> Tensor | None:
        primitive = self._primitives.get(canonical_density(d))
        if primitive is None:
            return None
        order = (*primitive.variables, *primitive.given)
        table = self._table(f"density {primitive.name} {' '.join(v.name for v in order)}", map(self.size, order))
        axes = tuple(range(len(primitive.variables)))
        return self._look_up(table - torch.logsumexp(table, axes, keepdim=True), order, place)

    def variable(self, v: t.Variable, place: Place) -> Value:
        return self._look_up(self._table(f"variable {self.copies.get(v, v).name}", (self.size(v),)), (v,), place)

    def parameter(self, p: t.Parameter) -> Value:
        return torch.tensor(generic_number(p.name, p.positive), dtype=torch.float64)

    def function(self, x: t.Function, place: Place, numeric: Numeric) -> Tensor:
        over = [a for a in x.arguments if isinstance(a, t.Variable)]
        if len(over) < len(x.arguments):
            raise NotApplicable("a function of something that is not a variable")
        table = self._table(f"function {x.name}", map(self.size, over))
        return self._look_up(torch.exp(table) if x.positive else table, over, place)

    def places(self, free: Iterable[t.Variable]) -> Iterable[Place]:
        """Every assignment of the free variables."""
        names = sorted(free, key=lambda v: v.name)
        for values in product(*[range(self.size(v)) for v in names]):
            yield Place(
                {
                    v: Bound(torch.tensor(float(i), dtype=torch.float64), "free")
                    for v, i in zip(names, values, strict=True)
                }
            )


class InstanceSpace:
    """An instance, with a grid for each variable; ``fineness`` and ``width`` scale it, to see what the grid costs."""

    def __init__(
        self, instance: Instance, model_copies: Mapping[t.Variable, t.Variable], points: int = 160, width: float = WIDTH
    ) -> None:
        self.instance, self.copies, self.width = instance, model_copies, width
        self.dimension = instance.dimension
        self.points = points
        self.laws = {canonical_density(d): (d, law) for d, law in instance.laws.items()}
        self._vectors = {
            x.symbol for law in instance.laws.values() for x in _matrices(law) if isinstance(x, m.Vector)
        } | {
            v
            for d, law in instance.laws.items()
            if isinstance(law, Normal) and isinstance(law.mean, m.MatrixTerm)
            for v in d.variables
        }
        self._grids: dict[t.Variable, tuple[Value, Tensor]] = {}

    def nodes(self, v: t.Variable) -> tuple[Value, Tensor]:
        if v not in self._grids:
            self._grids[v] = self._grid(v)
        return self._grids[v]

    def _grid(self, v: t.Variable) -> tuple[Value, Tensor]:
        original = self.copies.get(v, v)
        if original in self._vectors:
            n = {1: self.points, 2: 72, 3: 36}[self.dimension] * self.points // 160
            sides = [torch.linspace(lo, hi, n, dtype=torch.float64) for lo, hi in self._box(original)]
            nodes: Value = tuple(c.reshape(-1) for c in torch.meshgrid(*sides, indexing="ij"))
            step = math.prod(float(s[1] - s[0]) for s in sides)
            return nodes, torch.full((n**self.dimension,), step, dtype=torch.float64)
        lower, upper = self._range(original)
        if self._bounded(original):
            at, weight = np.polynomial.legendre.leggauss(self.points)
            half = (upper - lower) / 2
            return torch.from_numpy(lower + half * (at + 1)), torch.from_numpy(half * weight)
        nodes = torch.linspace(lower, upper, self.points, dtype=torch.float64)
        weights = torch.full((self.points,), float(nodes[1] - nodes[0]), dtype=torch.float64)
        weights[0] = weights[-1] = weights[0] / 2
        return nodes, weights

    def _bounded(self, v: t.Variable) -> bool:
        """Whether every law of ``v`` lives on an interval, at whose ends it need not vanish.

        Then Gauss-Legendre, as fast for analytic integrands, replaces the trapezoidal rule.
        """
        laws = [law for d, law in self.instance.laws.items() if v in d.variables]
        return bool(laws) and all(isinstance(law, Law) for law in laws)

    def _range(self, v: t.Variable, seen: tuple[t.Variable, ...] = ()) -> tuple[float, float]:
        """An interval that carries every law of ``v``."""
        if v in self.instance.ranges:
            return self.instance.ranges[v]
        ends: list[tuple[float, float]] = []
        for d, law in self.instance.laws.items():
            if v not in d.variables:
                continue
            if isinstance(law, Law):
                ends.append((law.lower, law.upper))
                continue
            if isinstance(law.mean, m.MatrixTerm) or isinstance(law.scale, m.MatrixTerm):
                raise NotApplicable(f"a grid for the vector {v.name}")
            needed = sorted(variables(law.mean) | variables(law.scale), key=lambda u: u.name)
            if v in seen or any(u in seen for u in needed):
                continue
            corners = []
            for u in needed:
                value = self.instance.values.get(u)
                lower, upper = (value, value) if value is not None else self._range(u, (*seen, v))
                corners.append((lower, (lower + upper) / 2, upper))
            for corner in product(*corners):
                place = Place(
                    {
                        u: Bound(torch.tensor(c, dtype=torch.float64), "corner")
                        for u, c in zip(needed, corner, strict=True)
                    }
                )
                numeric = Numeric(_EMPTY, self)
                mean, scale = float(numeric.value(law.mean, place)), float(numeric.value(law.scale, place))
                ends.append((mean - self.width * scale, mean + self.width * scale))
        if not ends:
            raise NotApplicable(f"the instance {self.instance.name!r} gives no law of {v.name}")
        return min(lo for lo, _ in ends), max(hi for _, hi in ends)

    def _box(self, v: t.Variable) -> list[tuple[float, float]]:
        ends: list[list[tuple[float, float]]] = [[] for _ in range(self.dimension)]
        width = self.width - 1.5 if self.dimension > 1 else self.width
        for d, law in self.instance.laws.items():
            if v in d.variables and isinstance(law, Normal):
                assert isinstance(law.mean, m.MatrixTerm)
                assert isinstance(law.scale, m.MatrixTerm)
                numeric = Numeric(_EMPTY, self)
                mean, scale = numeric.matrix(law.mean, Place({})), numeric.matrix(law.scale, Place({}))
                for i in range(self.dimension):
                    sd = math.sqrt(sum(float(x) ** 2 for x in scale[i]))
                    ends[i].append((float(mean[i][0]) - width * sd, float(mean[i][0]) + width * sd))
        return [(min(lo for lo, _ in e), max(hi for _, hi in e)) for e in ends]

    def law(self, d: t.Density) -> tuple[t.Density, Normal | Law] | None:
        """The law of a density, if the instance gives it."""
        return self.laws.get(canonical_density(d))

    def log_primitive(self, d: t.Density, place: Place, numeric: Numeric) -> Tensor | None:
        found = self.law(d)
        if found is None:
            return None
        density, law = found
        if isinstance(law, Law):
            (v,) = density.variables
            at_all: Tensor = place.values[v].value
            inside = place.bind({v: Bound(at_all.clamp(law.lower, law.upper), ("inside", v))})
            beyond = (at_all < law.lower) | (at_all > law.upper)
            value = numeric.value(law.log_density, inside)
            return torch.where(beyond, torch.full_like(value, -math.inf), value) if bool(beyond.any()) else value
        (v,) = density.variables
        if isinstance(law.mean, m.MatrixTerm):
            assert isinstance(law.scale, m.MatrixTerm)
            at = numeric.matrix(m.Vector(v), place)
            mean, scale = numeric.matrix(law.mean, place), numeric.matrix(law.scale, place)
            rest: list[Any] = []
            for i in range(self.dimension):
                r = at[i][0] - mean[i][0]
                for j in range(i):
                    r = r - scale[i][j] * rest[j]
                rest.append(r / scale[i][i])
            log_det = sum(math.log(float(scale[i][i])) for i in range(self.dimension))
            total: Tensor = sum(r * r for r in rest)
            return -0.5 * total - log_det - 0.5 * self.dimension * math.log(2 * math.pi)
        assert isinstance(law.scale, t.Term)
        centre, width = numeric.value(law.mean, place), numeric.value(law.scale, place)
        at_: Tensor = place.values[v].value
        return -0.5 * ((at_ - centre) / width) ** 2 - torch.log(width) - 0.5 * math.log(2 * math.pi)

    def variable(self, v: t.Variable, place: Place) -> Value:
        if v not in place.values:
            raise NotApplicable(f"the instance {self.instance.name!r} gives no value of {v.name}")
        return place.values[v].value

    def parameter(self, p: t.Parameter) -> Value:
        value = self.instance.parameters.get(p)
        return torch.tensor(generic_number(p.name, p.positive) if value is None else float(value), dtype=torch.float64)

    def function(self, x: t.Function, place: Place, numeric: Numeric) -> Tensor:
        if x.name not in self.instance.functions:
            raise NotApplicable(f"the instance {self.instance.name!r} does not say what {x.name} is")
        return numeric.value(t.term(self.instance.functions[x.name](*x.arguments)), place)

    def scattered(self, free: Iterable[t.Variable], number: int) -> Iterable[Place]:
        """Several assignments, spread over the middle of what carries the variables."""
        for k in range(number):
            (place,) = self.places(free)
            values = dict(place.values)
            for v in free:
                if v not in self._vectors:
                    try:
                        lower, upper = self._range(self.copies.get(v, v))
                    except NotApplicable:
                        lower, upper = -1.0, 1.0
                    u = 0.4 + 0.2 * generic_number(f"{v.name} {k}", True) - 0.1
                    values[v] = Bound(torch.tensor(lower + u * (upper - lower), dtype=torch.float64), "free")
            yield Place(values)

    def places(self, free: Iterable[t.Variable]) -> Iterable[Place]:
        """The one assignment of the free variables that the instance gives."""
        values: dict[t.Variable, Bound] = {}
        for v in free:
            if v in self._vectors:
                column = generic_matrix(m.Vector(t.Parameter(v.name)), self.dimension)
                values[v] = Bound(tuple(torch.tensor(float(row[0]), dtype=torch.float64) for row in column), "free")
            else:
                given = self.instance.values.get(v)
                number = generic_number(v.name, False) if given is None else float(given)
                values[v] = Bound(torch.tensor(number, dtype=torch.float64), "free")
        yield Place(values)


def _matrices(law: Any) -> Iterable[Any]:
    from derivations.language.free import walk

    if isinstance(law, Normal):
        for part in (law.mean, law.scale):
            yield from walk(part)


@lru_cache(maxsize=1)
def _empty() -> Any:
    from derivations.language.model import Model

    return Model()


_EMPTY = _empty()

__all__ = ["InstanceSpace", "TableSpace", "every"]
