"""How many variables an evaluation integrates at the same time."""

from derivations.language import functionals as f
from derivations.language import terms as t
from derivations.language.free import walk
from derivations.language.model import Model
from derivations.witnesses.families import Families
from derivations.witnesses.verdict import NotApplicable


def depth(term: t.Term, model: Model) -> int:
    """The deepest nesting of expectations, with the variables that derived densities sum out."""
    return _depth(term, Families(model))


def _depth(term: t.Term, families: Families) -> int:
    match term:
        case t.Density():
            return _hidden(term, families)
        case f.E(density, body):
            return len(density.variables) + max(_hidden(density, families), _depth(body, families))
        case f.KL() | f.Entropy() | f.CrossEntropy() | f.MutualInformation() | f.TotalCorrelation():
            return _depth(term.expanded, families)
    inside = [
        x for x in walk(term) if x is not term and isinstance(x, t.Density | f.E | f.KL | f.Entropy | f.CrossEntropy)
    ]
    return max((_depth(x, families) for x in inside), default=0)


def _hidden(d: t.Density, families: Families) -> int:
    original, _ = families.original(d)
    shape = (original.name, set(original.variables), set(original.given))
    if any((p.name, set(p.variables), set(p.given)) == shape for p in families.primitives.values()):
        return 0
    try:
        origin = families.origin(original)
    except NotApplicable:
        return 0
    return len(origin.summed) + (len(original.variables) if origin.divide else 0)
