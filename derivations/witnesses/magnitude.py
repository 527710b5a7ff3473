"""How much rounding an evaluation in double precision can have suffered."""

import torch
from torch import Tensor

from derivations.language import functionals as f
from derivations.language import terms as t
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.place import Place

ROUNDINGS = 256  # nested operations at most between a leaf and the result: each adds at most one ulp of the magnitude


def rounding(numeric: Numeric, term: t.Term, place: Place) -> float:
    """A bound on the rounding error of ``term``: roundings × ε × the sum of what was added, all signs made positive."""
    size = float(magnitude(numeric, term, place).detach())
    return ROUNDINGS * torch.finfo(torch.float64).eps * (1.0 + size)


def magnitude(numeric: Numeric, term: t.Term, place: Place) -> Tensor:
    """``term`` with every addition made an addition of absolute values."""
    match term:
        case t.Sum(terms):
            return torch.stack(torch.broadcast_tensors(*(magnitude(numeric, x, place) for x in terms))).sum(0)
        case t.Product(factors):
            out = torch.ones((), dtype=torch.float64)
            for x in factors:
                out = out * magnitude(numeric, x, place)
            return out
        case t.Log(argument):
            return log_magnitude(numeric, argument, place)
        case f.E(density, body):
            return numeric.expectation(density, lambda inner: magnitude(numeric, body, inner), place)
        case f.KL() | f.Entropy() | f.CrossEntropy() | f.MutualInformation() | f.TotalCorrelation():
            return magnitude(numeric, term.expanded, place)
    return numeric.value(term, place).abs()


def log_magnitude(numeric: Numeric, argument: t.Term, place: Place) -> Tensor:
    """The sum of the absolute logarithms of the factors."""
    if isinstance(argument, t.Product):
        out = torch.zeros((), dtype=torch.float64)
        for x in argument.factors:
            out = out + log_magnitude(numeric, x, place)
        return out
    if isinstance(argument, t.Power):
        return abs(float(argument.exponent)) * log_magnitude(numeric, argument.base, place)
    return numeric.log_value(argument, place).abs() + 1.0
