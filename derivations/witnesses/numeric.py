"""Terms as numbers: expectations are weighted sums over the nodes that a space gives to each variable.

The same evaluator serves quadrature (nodes and Lebesgue weights), finite tables with random entries (all values,
weight one) and empirical measures (draws, weight 1/n). A bound variable gets a new leading axis; derivatives are
exact (forward mode).
"""

from collections.abc import Callable
from functools import reduce
from typing import Any, Protocol

import torch
from torch import Tensor

from derivations.language import functionals as f
from derivations.language import matrices as m
from derivations.language import terms as t
from derivations.language.model import Model
from derivations.witnesses import columns
from derivations.witnesses.families import Families
from derivations.witnesses.generic import generic_matrix
from derivations.witnesses.place import Bound, Place, Value
from derivations.witnesses.verdict import NotApplicable

KEPT_AXES = 2  # densities on this many axes are kept for the next time


class Space(Protocol):
    """A concrete model: nodes for variables, log densities of primitives, values of functions and parameters."""

    dimension: int

    def nodes(self, v: t.Variable) -> tuple[Value, Tensor]:
        """Nodes and weights (one axis)."""
        ...

    def log_primitive(self, d: t.Density, place: Place, numeric: "Numeric") -> Tensor | None:
        """Log density of a primitive; None if this is none."""
        ...

    def variable(self, v: t.Variable, place: Place) -> Value:
        """The number that a variable stands for."""
        ...

    def parameter(self, p: t.Parameter) -> Value:
        """Value of a parameter (any shape that its use asks for)."""
        ...

    def function(self, x: t.Function, place: Place, numeric: "Numeric") -> Tensor:
        """Value of an arbitrary function."""
        ...


class Numeric:
    """The evaluator."""

    def __init__(self, model: Model, space: Space) -> None:
        self.model, self.space, self.families = model, space, Families(model)
        self.shifts: dict[t.Parameter, Tensor] = {}
        self._deriving = False
        self._known: dict[Any, Tensor] = {}

    # -- densities --

    def log_density(self, d: t.Density, place: Place) -> Tensor:
        """log d at a place."""
        key = self._key(d, place)
        if key is None:
            return self._log_density(d, place)
        if key not in self._known:
            self._known[key] = self._log_density(d, place)
        return self._known[key]

    def _key(self, d: t.Density, place: Place) -> Any:
        """What the value depends on, if that is but nodes and numbers (and the array is small enough to be kept)."""
        if self._deriving or self.shifts or place.depth > KEPT_AXES:
            return None
        parts: list[Any] = [d, place.depth]
        for v in (*d.variables, *d.given):
            bound = place.values.get(v)
            if bound is None:
                return None
            if isinstance(bound.tag, tuple) and bound.tag[0] == "node":
                parts.append(bound.tag)
            elif isinstance(bound.value, Tensor) and bound.value.ndim == 0 and not bound.value.requires_grad:
                parts.append(float(bound.value))
            else:
                return None
        return tuple(parts)

    def _log_density(self, d: t.Density, place: Place) -> Tensor:
        unknown = [v.name for v in (*d.variables, *d.given) if v not in place.values]
        if unknown:
            raise NotApplicable(f"{d} where {', '.join(unknown)} has no value")
        original, names = self.families.original(d)
        if names:
            place = place.bind({names[v]: place.values[v] for v in names})
        primitive = self.space.log_primitive(original, place, self)
        if primitive is not None:
            return primitive
        origin = self.families.origin(original)
        above = self.log_sum(origin.joint, origin.summed, place)
        if not origin.divide:
            return above
        return above - self.log_sum(origin.joint, (*origin.summed, *original.variables), place)

    def log_sum(self, joint: t.Term, over: tuple[t.Variable, ...], place: Place) -> Tensor:
        """log of the integral of a joint over some variables."""
        for v in over:
            nodes, weights = self.space.nodes(v)
            place = self.bound(v, nodes, place, ("node", v, place.depth))
        value = self.log_value(joint, place)
        for k, v in enumerate(reversed(over)):
            _, weights = self.space.nodes(v)
            value = _with_axis(value, len(weights), place.depth - k)
            value = torch.logsumexp(value + _leading(torch.log(weights), place.depth - k), 0)
        return value

    def bound(self, v: t.Variable, nodes: Value, place: Place, tag: Any) -> Place:
        """``place`` with ``v`` on a new leading axis."""
        depth = place.depth + 1
        value = tuple(_leading(c, depth) for c in nodes) if isinstance(nodes, tuple) else _leading(nodes, depth)
        return place.bind({v: Bound(value, tag)}, 1)

    # -- terms --

    def log_value(self, term: t.Term, place: Place) -> Tensor:
        """log of a positive term, factor by factor."""
        match term:
            case t.Product(factors):
                return reduce(lambda a, b: a + b, (self.log_value(x, place) for x in factors))
            case t.Power(base, exponent):
                return float(exponent) * self.log_value(base, place)
            case t.Density():
                return self.log_density(term, place)
            case t.Exp(argument):
                return self.value(argument, place)
            case f.StopGradient(body):
                return self.log_value(body, place).detach()
            case f.At(body, variable, value):
                return self.log_value(body, self._at(variable, value, place))
        return torch.log(self.value(term, place))

    def value(self, term: t.Term, place: Place) -> Tensor:
        """A term at a place."""
        match term:
            case t.Number(value):
                return torch.tensor(float(value), dtype=torch.float64)
            case t.Sum(terms):
                return reduce(lambda a, b: a + b, (self.value(x, place) for x in terms))
            case t.Product(factors):
                return reduce(lambda a, b: a * b, (self.value(x, place) for x in factors))
            case t.Power(base, exponent):
                inner = self.value(base, place)
                return inner ** int(exponent) if exponent.denominator == 1 else inner ** float(exponent)
            case t.Log(argument):
                return self.log_value(argument, place)
            case t.Exp(argument):
                return torch.exp(self.value(argument, place))
            case t.Density():
                return torch.exp(self.log_density(term, place))
            case f.E(density, body):
                return self.expectation(density, lambda inner: self.value(body, inner), place)
            case f.KL() | f.Entropy() | f.CrossEntropy() | f.MutualInformation() | f.TotalCorrelation():
                return self.value(term.expanded, place)
            case f.Derivative(body, by):
                return self._derivative(body, by, place)
            case f.At(body, variable, value):
                return self.value(body, self._at(variable, value, place))
            case f.StopGradient(body):
                return self.value(body, place).detach()
            case t.Parameter():
                shifted = self.shifts.get(term)
                return as_tensor(self.space.parameter(term)) if shifted is None else shifted
            case t.Variable():
                if term in place.values and isinstance(place.values[term].value, tuple):
                    raise NotApplicable(f"the vector {term.name} used as a number")
                return as_tensor(self.space.variable(term, place))
            case t.Function():
                return self.space.function(term, place, self)
            case m.MatrixScalar():
                return self._matrix_scalar(term, place)
        raise NotApplicable(type(term).__name__)

    def expectation(self, q: t.Density, body: Callable[[Place], Tensor], place: Place) -> Tensor:
        """E_q of ``body``: the nodes of each variable, weighted by the density."""
        inner = place
        for v in q.variables:
            nodes, _ = self.space.nodes(v)
            inner = self.bound(v, nodes, inner, ("node", v, inner.depth))
        weight = torch.exp(self.log_density(q, inner))
        value = weight * body(inner)
        value = torch.where(weight == 0, torch.zeros_like(value), value)
        for k, v in enumerate(reversed(q.variables)):
            _, weights = self.space.nodes(v)
            depth = inner.depth - k
            value = (_with_axis(value, len(weights), depth) * _leading(weights, depth)).sum(0)
        return value

    def _at(self, variable: t.Variable, value: t.Term, place: Place) -> Place:
        return place.bind({variable: Bound(self.value(value, place), ("at", value, place.depth))})

    def _derivative(self, body: t.Term, by: t.Parameter | t.Variable, place: Place) -> Tensor:
        """Reverse mode; what is derived by gets its own entry for each value of the outer variables."""
        shapes = [
            c.shape for b in place.values.values() for c in (b.value if isinstance(b.value, tuple) else (b.value,))
        ]
        shape = torch.broadcast_shapes(*shapes) if shapes else torch.Size()
        with torch.enable_grad():
            at = self.value(by, place).expand(shape).clone()
            at.requires_grad_(True)
            before, inside = self.shifts, self._deriving
            self._deriving = True
            if isinstance(by, t.Parameter):
                self.shifts = {**self.shifts, by: at}
            else:
                place = place.bind({by: Bound(at, ("moved", by, place.depth))})
            try:
                total = self.value(body, place)
            finally:
                self.shifts, self._deriving = before, inside
            if not total.requires_grad:
                return torch.zeros((), dtype=torch.float64)
            (slope,) = torch.autograd.grad(total.expand(shape).sum(), at, create_graph=inside, allow_unused=True)
        return torch.zeros((), dtype=torch.float64) if slope is None else slope

    # -- matrices --

    def matrix(self, x: m.MatrixTerm, place: Place) -> columns.Grid:
        """Entries of a matrix expression."""
        d = self.space.dimension

        def lookup(symbol: m.MatrixTerm) -> columns.Grid:
            name = symbol.symbol  # type: ignore[attr-defined]
            if isinstance(name, t.Variable):
                value = place.values[name].value
                return [[c] for c in (value if isinstance(value, tuple) else (value,))]
            return generic_matrix(symbol, d)

        return columns.evaluate(x, lookup, d)

    def _matrix_scalar(self, term: m.MatrixScalar, place: Place) -> Tensor:
        tensor = lambda x: torch.as_tensor(x, dtype=torch.float64)  # noqa: E731
        match term:
            case m.Dimension():
                return tensor(float(self.space.dimension))
            case m.Trace(of):
                entries = self.matrix(of, place)
                return tensor(sum(entries[i][i] for i in range(len(entries))))
            case m.LogDet(of):
                return torch.log(tensor(columns.determinant(self.matrix(of, place))))
            case m.Quadratic(vector, matrix):
                return tensor(
                    columns.quadratic(
                        self.matrix(vector, place), None if matrix is None else self.matrix(matrix, place)
                    )
                )
            case m.Coordinates(of, function):
                rows = [columns_of(self.matrix(x, place)) for x in of]
                return tensor(sum(tensor(function(_log, *(r[j] for r in rows))) for j in range(self.space.dimension)))
        raise NotApplicable(type(term).__name__)


def as_tensor(x: Any) -> Tensor:
    """A number as a tensor in double precision."""
    return torch.as_tensor(x, dtype=torch.float64)


def _log(x: Any) -> Tensor:
    return torch.log(torch.as_tensor(x, dtype=torch.float64))


def columns_of(grid: columns.Grid) -> list[Any]:
    """The entries of a column, or the diagonal of a matrix."""
    return [row[0] for row in grid] if len(grid[0]) == 1 else [grid[i][i] for i in range(len(grid))]


def _leading(x: Tensor, depth: int) -> Tensor:
    """One axis, in the place of the leading of ``depth`` axes."""
    return x.reshape(-1, *[1] * (depth - 1))


def _with_axis(x: Tensor, n: int, depth: int) -> Tensor:
    """``x`` with its leading axis made explicit."""
    if x.ndim < depth:
        x = x.reshape(*[1] * (depth - x.ndim), *x.shape)
    return x.expand(n, *x.shape[1:]) if x.shape[0] != n else x
