"""Expectations under the empirical measure of draws: each density is drawn once and then used wherever it occurs."""

from collections.abc import Callable

import torch
from torch import Tensor

from derivations.language import terms as t
from derivations.language.model import Model
from derivations.language.normal import canonical_density
from derivations.witnesses.numeric import Numeric, Space
from derivations.witnesses.place import Bound, Place
from derivations.witnesses.sampling import sample


class Empirical(Numeric):
    """Numeric, with draws in the place of nodes."""

    def __init__(self, model: Model, space: Space, number: int, seed: int) -> None:
        super().__init__(model, space)
        self.exact, self.number, self.seed = Numeric(model, space), number, seed
        self._draws: dict[object, tuple[object, ...]] = {}

    def expectation(self, q: t.Density, body: Callable[[Place], Tensor], place: Place) -> Tensor:
        """The mean of ``body`` over the draws."""
        q = canonical_density(q)
        tag = (q, tuple((v, place.values[v].tag) for v in q.given))
        depth = place.depth + 1
        if tag not in self._draws:
            from elbo.evidence import generator

            given = [_squeezed(place.values[v].value) for v in q.given]
            shape = (self.number, *(torch.broadcast_shapes(*(g.shape for g in given)) if given else ()))
            compact = place.bind({v: Bound(g, place.values[v].tag) for v, g in zip(q.given, given, strict=True)})
            self._draws[tag] = sample(self.exact, q, compact, shape, generator(self.seed, str(q), len(self._draws)))
        inner = place.bind(
            {v: Bound(_spread(x, depth), (tag, v)) for v, x in zip(q.variables, self._draws[tag], strict=True)}, 1
        )
        value = body(inner)
        return value.mean(0) if value.ndim == depth else value


def _squeezed(x: Tensor) -> Tensor:
    """Without the leading axes that hold one value only; those of other variables stay."""
    while x.ndim and x.shape[0] == 1:
        x = x[0]
    return x


def _spread(x: object, depth: int) -> object:
    if isinstance(x, tuple):
        return tuple(_spread(c, depth) for c in x)
    assert isinstance(x, Tensor)
    return x.reshape(x.shape[0], *[1] * (depth - x.ndim), *x.shape[1:])
