"""Draws from the densities of a concrete model: from their laws where these are normal, otherwise from their values
on the grid.
"""

import torch
from torch import Tensor

from derivations.language import matrices as m
from derivations.language import terms as t
from derivations.language.derivation import Normal
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.place import Bound, Place, Value
from derivations.witnesses.spaces import InstanceSpace
from derivations.witnesses.verdict import NotApplicable


def sample(
    exact: Numeric, d: t.Density, place: Place, shape: tuple[int, ...], generator: torch.Generator
) -> tuple[Value, ...]:
    """One draw for each entry of ``shape``, into which the given values broadcast; a value for each variable of
    ``d``.
    """
    original, names = exact.families.original(d)
    if names:
        place = place.bind({names[v]: place.values[v] for v in names if v in place.values})
    if isinstance(exact.space, InstanceSpace):
        found = exact.space.law(original)
        if found is not None and isinstance(found[1], Normal):
            return (_normal(exact, found[1], place, shape, generator),)
    return _from_grid(exact, original, place, shape, generator)


def _normal(exact: Numeric, law: Normal, place: Place, shape: tuple[int, ...], generator: torch.Generator) -> Value:
    noise = lambda: torch.randn(shape, dtype=torch.float64, generator=generator)  # noqa: E731
    if isinstance(law.mean, m.MatrixTerm):
        assert isinstance(law.scale, m.MatrixTerm)
        mean, scale = exact.matrix(law.mean, place), exact.matrix(law.scale, place)
        eps = [noise() for _ in range(exact.space.dimension)]
        return tuple(mean[i][0] + sum(scale[i][j] * eps[j] for j in range(i + 1)) for i in range(len(eps)))
    assert isinstance(law.scale, t.Term)
    return exact.value(law.mean, place) + exact.value(law.scale, place) * noise()


def _from_grid(
    exact: Numeric, d: t.Density, place: Place, shape: tuple[int, ...], generator: torch.Generator
) -> tuple[Value, ...]:
    """Inverse of the distribution function on the grid; the given values are flattened so that each has its own
    column.
    """
    flat = {}
    for v in d.given:
        value = place.values[v].value
        if isinstance(value, tuple):
            raise NotApplicable("draws given a vector")
        flat[v] = Bound(value.expand(shape).reshape(-1) if value.ndim else value, "flat")
    columns = 1 if all(b.value.ndim == 0 for b in flat.values()) else int(torch.Size(shape).numel())
    inner = Place({**place.values, **flat}, 1 if columns > 1 else 0)
    sizes = []
    for v in d.variables:
        nodes, weights = exact.space.nodes(v)
        inner = exact.bound(v, nodes, inner, ("grid", v))
        sizes.append(len(weights))
    log_mass: Tensor = exact.log_density(d, inner)
    for k, v in enumerate(reversed(d.variables)):
        _, weights = exact.space.nodes(v)
        log_mass = log_mass + torch.log(weights).reshape(-1, *[1] * (inner.depth - k - 1))
    total = int(torch.tensor(sizes).prod())
    mass = torch.exp(log_mass).expand(*reversed(sizes), *([columns] if columns > 1 else [])).reshape(total, columns)
    cumulative = torch.cumsum(mass, 0)
    u = torch.rand(shape, dtype=torch.float64, generator=generator).reshape(-1)
    if columns == 1:
        index = torch.searchsorted(cumulative[:, 0].contiguous(), u * cumulative[-1, 0])
    else:
        index = torch.searchsorted(cumulative.T.contiguous(), (u * cumulative[-1])[:, None])[:, 0]
    index = index.clamp(max=total - 1)
    out: dict[t.Variable, Value] = {}
    for v, n in zip(d.variables, sizes, strict=True):
        nodes, _ = exact.space.nodes(v)
        at = index % n
        index = index // n
        out[v] = tuple(c[at].reshape(shape) for c in nodes) if isinstance(nodes, tuple) else nodes[at].reshape(shape)
    return tuple(out[v] for v in d.variables)
