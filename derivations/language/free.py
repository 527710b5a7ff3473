"""Which variables and parameters a term depends on, and substitution for variables."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

from derivations.language import functionals as f
from derivations.language import matrices as m
from derivations.language import terms as t

Symbol = t.Variable | t.Parameter


@cache
def free(x: Any) -> frozenset[Symbol]:
    """The variables and parameters that are not bound inside ``x``."""
    match x:
        case t.Variable() | t.Parameter():
            return frozenset((x,))
        case t.Density(_, variables, given, parameters, _):
            return frozenset((*variables, *given, *parameters))
        case f.E(density, body):
            return (free(body) | free(density)) - frozenset(density.variables)
        case f.KL(q, p) | f.CrossEntropy(q, p):
            return (free(q) | free(p)) - frozenset(q.variables)
        case f.Entropy(q) | f.TotalCorrelation(q) | f.MutualInformation(q):
            return free(q) - frozenset(q.variables)
        case f.At(body, variable, value):
            return (free(body) - {variable}) | free(value)
        case m.MatrixTerm() | m.MatrixScalar():
            return frozenset().union(*(free(c) for c in x.children())) if x.children() else frozenset()
        case t.Sum(parts) | t.Product(parts) | t.Function(_, parts):
            return frozenset().union(*(free(c) for c in parts)) if parts else frozenset()
        case t.Power(a, _) | t.Log(a) | t.Exp(a) | f.StopGradient(a):
            return free(a)
        case f.Derivative(a, by):
            return free(a) | {by}
    return frozenset()


def variables(x: Any) -> frozenset[t.Variable]:
    """The free variables."""
    return frozenset(s for s in free(x) if isinstance(s, t.Variable))


def every(x: Any) -> set[t.Variable]:
    """All variables that occur, bound ones too."""
    return {s for s in walk(x) if isinstance(s, t.Variable)}


def walk(x: Any) -> Any:
    """Every term, matrix, density and symbol inside ``x``, itself first."""
    yield x
    if isinstance(x, tuple):
        for item in x:
            yield from walk(item)
    elif is_dataclass(x):
        for field in fields(x):
            value = getattr(x, field.name)
            if isinstance(value, t.Term | m.MatrixTerm | tuple):
                yield from walk(value)


def rename(x: Any, names: Mapping[t.Variable, t.Variable]) -> Any:
    """``x`` with variables renamed, bound ones too."""
    if isinstance(x, t.Variable):
        return names.get(x, x)
    if isinstance(x, tuple):
        return tuple(rename(item, names) for item in x)
    if isinstance(x, t.Density):
        return t.Density(x.name, rename(x.variables, names), rename(x.given, names), x.parameters, x.latex)
    if isinstance(x, t.Function):
        return t.Function(x.name, *rename(x.arguments, names), latex=x.latex, positive=x.positive)
    if isinstance(x, f.E):
        return f.E(rename(x.density, names), rename(x.body, names))
    if isinstance(x, f.MutualInformation):
        return f.MutualInformation(*(rename(v, names) for v in (x.joint, x.first, x.second)))
    if isinstance(x, t.Term | m.MatrixTerm):
        changed = {
            field.name: rename(getattr(x, field.name), names)
            for field in fields(x)  # type: ignore[arg-type]
            if isinstance(getattr(x, field.name), t.Term | m.MatrixTerm | tuple)
        }
        return replace(x, **changed)  # type: ignore[type-var]
    return x
