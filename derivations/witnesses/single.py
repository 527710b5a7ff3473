"""One independent draw for each expectation, many times in parallel; and the standard deviation of the result,
computed.
"""

from functools import reduce

import torch
from torch import Tensor

from derivations.language import functionals as f
from derivations.language import terms as t
from derivations.language.free import walk
from derivations.language.model import Model
from derivations.witnesses.numeric import Numeric, Space
from derivations.witnesses.place import Bound, Place
from derivations.witnesses.sampling import sample
from derivations.witnesses.verdict import NotApplicable


class SingleDraws:
    """Unbiased draws of a term that is built from expectations by sums and products."""

    def __init__(self, model: Model, space: Space, exact: Numeric, generator: torch.Generator) -> None:
        self.model, self.space, self.exact, self.generator = model, space, exact, generator

    def draw(self, term: t.Term, place: Place, number: int) -> Tensor:
        """``number`` independent draws whose mean is ``term``."""
        return self._draw(term, place, number).expand(number)

    def _draw(self, term: t.Term, place: Place, number: int) -> Tensor:
        match term:
            case t.Sum(terms):
                return reduce(lambda a, b: a + b, (self._draw(x, place, number) for x in terms))
            case t.Product(factors):
                return reduce(lambda a, b: a * b, (self._draw(x, place, number) for x in factors))
            case t.Power(base, exponent) if random(base) and exponent.denominator == 1 and exponent > 0:
                return reduce(lambda a, b: a * b, (self._draw(base, place, number) for _ in range(int(exponent))))
            case f.E(density, body):
                values = sample(self.exact, density, place, (number,), self.generator)
                bound = {v: Bound(x, ("draw", v)) for v, x in zip(density.variables, values, strict=True)}
                return self._draw(body, Place({**place.values, **bound}, 1), number)
            case f.KL() | f.Entropy() | f.CrossEntropy() | f.MutualInformation() | f.TotalCorrelation():
                return self._draw(term.expanded, place, number)
        if random(term):
            raise NotApplicable(f"{type(term).__name__.lower()} of an expectation has no unbiased draws")
        return self.exact.value(term, place)

    def deviation(self, term: t.Term, place: Place) -> Tensor:
        """An upper bound on the standard deviation of a draw: of a sum the sum, of the rest the root of the second
        moment.
        """
        match term:
            case t.Sum(terms):
                return reduce(lambda a, b: a + b, (self.deviation(x, place) for x in terms))
            case f.KL() | f.Entropy() | f.CrossEntropy() | f.MutualInformation() | f.TotalCorrelation():
                return self.deviation(term.expanded, place)
        if not random(term):
            return torch.zeros((), dtype=torch.float64)
        return torch.sqrt(self.second(term, place))

    def second(self, term: t.Term, place: Place) -> Tensor:
        """An upper bound on the second moment of a draw of ``term``."""
        match term:
            case t.Sum(terms):
                return reduce(lambda a, b: a + b, (torch.sqrt(self.second(x, place)) for x in terms)) ** 2
            case t.Product(factors):
                return reduce(lambda a, b: a * b, (self.second(x, place) for x in factors))
            case t.Power(base, exponent) if random(base) and exponent.denominator == 1 and exponent > 0:
                return self.second(base, place) ** int(exponent)
            case f.E(density, body):
                return self.exact.expectation(density, lambda inner: self.second(body, inner), place)
            case f.KL() | f.Entropy() | f.CrossEntropy() | f.MutualInformation() | f.TotalCorrelation():
                return self.second(term.expanded, place)
        if random(term):
            raise NotApplicable(f"{type(term).__name__.lower()} of an expectation has no unbiased draws")
        return self.exact.value(term, place) ** 2


def random(term: t.Term) -> bool:
    """Whether drawing enters."""
    kinds = f.E | f.KL | f.Entropy | f.CrossEntropy | f.MutualInformation | f.TotalCorrelation
    return any(isinstance(x, kinds) for x in walk(term))
