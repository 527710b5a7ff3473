"""Which witnesses can say anything about a derivation, seen from its terms alone (nothing is evaluated)."""

from derivations.language import functionals as f
from derivations.language import matrices as m
from derivations.language import terms as t
from derivations.language.derivation import Derivation, Normal, Step
from derivations.language.free import walk
from derivations.language.rules import RULES
from derivations.witnesses.verdict import WITNESSES


def reach(derivation: Derivation) -> tuple[str, ...]:
    """The witnesses to which at least one step is open, without those that the author names as silent."""
    return tuple(
        name
        for name in WITNESSES
        if name not in derivation.silent and any(_open(derivation, name, before, s) for before, s in derivation.links())
    )


def _open(derivation: Derivation, name: str, before: t.Term, step: Step) -> bool:
    parts = list(walk((before, step.expression)))
    match name:
        case "rules":
            return True
        case "tables":
            special = any(d.of_instances for d in derivation.model.definitions if d.name in step.by)
            beyond = any(
                isinstance(x, t.Exp | f.At | m.MatrixScalar) or _root(x) or _slope(x) or _stopped(x) for x in parts
            )
            odd = any(
                isinstance(x, t.Function) and not all(isinstance(a, t.Variable | t.Parameter) for a in x.arguments)
                for x in parts
            )
            return not special and not beyond and not odd
        case "moments":
            gaussian = any(
                i.laws and all(isinstance(law, Normal) for law in i.laws.values()) for i in derivation.instances
            )
            beyond = any(isinstance(x, t.Exp) or _root(x) or _stopped(x) for x in parts)
            return gaussian and step.relation == "=" and not beyond and not _bare(before) and not _bare(step.expression)
        case "quadrature":
            return bool(derivation.instances)
    inside = any(isinstance(y, f.E) for x in parts if isinstance(x, t.Log) for y in walk(x.argument))
    return step.relation == "=" and (not inside or all(r in RULES and RULES[r].sample_by_sample for r in step.by))


def _root(x: object) -> bool:
    return isinstance(x, t.Power) and x.exponent.denominator != 1


def _slope(x: object) -> bool:
    return isinstance(x, f.Derivative) and isinstance(x.by, t.Variable)


def _stopped(x: object) -> bool:
    return isinstance(x, f.Derivative) and any(isinstance(y, f.StopGradient) for y in walk(x.body))


def _bare(x: t.Term) -> bool:
    """Whether a density occurs as a number, outside a logarithm."""
    match x:
        case t.Density():
            return True
        case f.E(_, body) | f.Derivative(body, _) | f.StopGradient(body) | f.At(body, _, _) | t.Power(body, _):
            return _bare(body)
        case t.Sum(parts) | t.Product(parts):
            return any(map(_bare, parts))
        case t.Log(argument):
            factors = argument.factors if isinstance(argument, t.Product) else (argument,)
            inner = [y.base if isinstance(y, t.Power) else y for y in factors]
            return any(_bare(y) for y in inner if not isinstance(y, t.Density))
    return False
