"""Replace the noise that a function draws, below autograd: by nodes whose weighted mean is its exact expectation.

A :class:`torch.utils._python_dispatch.TorchDispatchMode` sees every draw of torch's random API, of the samplers of
``torch.distributions`` and of dropout. For a function that is a sum over noise coordinates (every one-sample KL is),
setting all coordinates to the same node at once gives the exact expectation from a handful of calls; whether it is such
a sum is tested on random splits of the coordinates. Otherwise the full tensor grid is used where it is small.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from elbo.checking._fit import Array
from elbo.checking._guard import FunctionError

aten = torch.ops.aten
_NORMAL = (aten.randn, aten.randn_like, aten.normal_, aten.normal, aten.normal_functional)
_UNIFORM = (aten.rand, aten.rand_like, aten.uniform_, aten.uniform)
_COIN = (aten.bernoulli, aten.bernoulli_, aten.native_dropout)
_OTHER = (
    aten.multinomial, aten.exponential_, aten.cauchy_, aten.geometric_, aten.log_normal_, aten.random_, aten.randint,
    aten.randint_like, aten.randperm, aten.poisson, aten._standard_gamma, aten._sample_dirichlet, aten.binomial,
)  # fmt: skip


class NotExactError(FunctionError):
    """The expectation over the noise is not available without sampling."""


@dataclass
class Draw:
    """One draw that the function made."""

    kind: str
    shape: tuple[int, ...]


class Intercept(TorchDispatchMode):
    """Record the draws; give ``supply(index, draw)`` in their place where it is not None."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Otherwise torch imports its compiler at the first call, which takes a second."""
        return False

    def __init__(self, supply: Callable[[int, Draw], Tensor | None] | None = None) -> None:
        super().__init__()
        self.supply = supply
        self.draws: list[Draw] = []
        self.odds = 1.0
        """Probability of the coins that were supplied."""

    def _value(self, kind: str, like: Tensor) -> Tensor | None:
        draw = Draw(kind, tuple(like.shape))
        self.draws.append(draw)
        value = self.supply(len(self.draws) - 1, draw) if self.supply else None
        return None if value is None else value.to(like.dtype).reshape(like.shape)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        if packet in _NORMAL:
            return self._normal(func, packet, args, kwargs)
        if packet in _UNIFORM:
            out = func(*args, **kwargs)
            value = self._value("uniform", out)
            if value is None:
                return out
            if packet is aten.uniform_ or packet is aten.uniform:
                low = args[1] if len(args) > 1 else kwargs.get("from", 0.0)
                high = args[2] if len(args) > 2 else kwargs.get("to", 1.0)
                value = low + (high - low) * value
                return args[0].copy_(value) if packet is aten.uniform_ else value
            return value
        if packet in _COIN:
            return self._coin(func, packet, args, kwargs)
        if packet in _OTHER:
            out = func(*args, **kwargs)
            self.draws.append(Draw("other", tuple(out.shape) if isinstance(out, Tensor) else ()))
            return out
        return func(*args, **kwargs)

    def _normal(self, func: Any, packet: Any, args: Any, kwargs: Any) -> Any:
        out = func(*args, **kwargs)
        value = self._value("normal", out)
        if value is None:
            return out
        if packet is aten.normal_:
            mean = args[1] if len(args) > 1 else kwargs.get("mean", 0.0)
            std = args[2] if len(args) > 2 else kwargs.get("std", 1.0)
            return args[0].copy_(mean + std * value)
        if packet in (aten.normal, aten.normal_functional):
            return args[0] + args[1] * value
        return value

    def _coin(self, func: Any, packet: Any, args: Any, kwargs: Any) -> Any:
        out = func(*args, **kwargs)
        first = out[0] if isinstance(out, tuple) else out
        if packet is aten.native_dropout:
            if len(args) > 2 and args[2] is False:
                return out
            chance: Any = 1.0 - float(args[1])
        else:
            chance = args[1] if len(args) > 1 else kwargs.get("p", 0.5 if packet is aten.bernoulli_ else args[0])
        self.draws.append(Draw("coin", tuple(first.shape)))
        draw = self.draws[-1]
        chance = torch.as_tensor(chance, dtype=torch.float64).expand(first.shape).clone()
        value = self.supply(len(self.draws) - 1, draw) if self.supply else None
        if value is None:
            return out
        value = value.to(first.dtype).reshape(first.shape)
        self.odds *= float(torch.where(value > 0.5, chance, 1.0 - chance).prod())
        if packet is aten.bernoulli_:
            return args[0].copy_(value)
        if packet is aten.native_dropout:
            keep = 1.0 - float(args[1])
            return args[0] * value / keep, value.to(torch.bool)
        return value


def record(call: Callable[[], Any]) -> list[Draw]:
    """The draws that ``call`` makes."""
    with Intercept() as mode:
        call()
    draws: list[Draw] = mode.draws
    return draws


@dataclass
class Expectation:
    """The exact expectation of a function of normal and uniform draws and of coins, which are enumerated.

    Args:
        draws: as recorded; a call that draws otherwise is still served, coordinate by coordinate.
        order: nodes of the rule that moves all coordinates together.
        tensor: use the full tensor grid instead, laid anew over the draws of every call.
    """

    draws: Sequence[Draw]
    order: int = 9
    tensor: bool = False

    def expectation(self, call: Callable[[], Tensor]) -> Tensor:
        """Weighted mean of ``call()`` over the nodes."""
        rules = self._grid(record(call)) if self.tensor else self._together()
        total: Tensor | None = None
        for weight, supply in rules:
            with Intercept(supply) as mode:
                out = call()
            weight *= mode.odds
            if weight == 0.0 and total is not None:
                continue  # coins that never fall so; the value there may be infinite
            part = torch.zeros_like(out) if weight == 0.0 else weight * out
            total = part if total is None else total + part
        assert total is not None
        return total

    def _together(self) -> list[tuple[float, Callable[[int, Draw], Tensor | None]]]:
        z, w = np.polynomial.hermite_e.hermegauss(self.order)
        u, v = np.polynomial.legendre.leggauss(self.order)
        kinds = {draw.kind for draw in self.draws}
        weights = v / 2 if kinds == {"uniform"} else w / w.sum()

        def supplier(q: int) -> Callable[[int, Draw], Tensor | None]:
            def supply(index: int, draw: Draw) -> Tensor | None:
                node = float(z[q]) if draw.kind == "normal" else (float(u[q]) + 1) / 2
                return torch.full((math.prod(draw.shape),), node, dtype=torch.float64)

            return supply

        return [(float(weights[q]), supplier(q)) for q in range(self.order)]

    def _grid(self, draws: Sequence[Draw]) -> list[tuple[float, Callable[[int, Draw], Tensor | None]]]:
        order = _grid_order(draws)
        z, w = np.polynomial.hermite_e.hermegauss(order)
        w = w / w.sum()
        u, v = np.polynomial.legendre.leggauss(order)
        u, v = (u + 1) / 2, v / 2
        sizes = [math.prod(d.shape) for d in draws]
        kinds = [d.kind for d, n in zip(draws, sizes, strict=True) for _ in range(n)]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        rules: list[tuple[float, Callable[[int, Draw], Tensor | None]]] = []
        # the weights of coins come from their probabilities, which only the call shows
        nodes = {"normal": z, "uniform": u, "coin": np.array([0.0, 1.0])}
        shares = {"normal": w, "uniform": v, "coin": np.ones(2)}
        for picks in itertools.product(*(range(len(nodes[k])) for k in kinds)):
            weight = math.prod(float(shares[k][q]) for q, k in zip(picks, kinds, strict=True))
            values = [float(nodes[k][q]) for q, k in zip(picks, kinds, strict=True)]

            def supply(index: int, draw: Draw, values: list[float] = values) -> Tensor | None:
                part = values[int(starts[index]) : int(starts[index + 1])]
                return torch.tensor(part, dtype=torch.float64)

            rules.append((weight, supply))
        return rules


def _is_sum(call: Callable[[], Tensor], draws: Sequence[Draw], splits: int = 8) -> bool:
    """Whether ``call`` is a sum over single coordinates: f(a) + f(b) = f(a and b) + f(neither), for random splits."""
    random = np.random.Generator(np.random.PCG64(0))
    shapes = [math.prod(d.shape) for d in draws]
    if sum(shapes) == 1:
        return True

    def at(values: Sequence[Array], masks: Sequence[Array]) -> Tensor:
        def supply(index: int, draw: Draw) -> Tensor | None:
            value = torch.as_tensor(values[index] * masks[index])
            return value if draw.kind == "normal" else (torch.tanh(value) + 1) / 2

        with Intercept(supply):
            return call().detach().to(torch.float64)

    none = at([np.zeros(n) for n in shapes], [np.zeros(n) for n in shapes])
    for _ in range(splits):
        values = [random.normal(size=n) for n in shapes]
        first = [random.integers(0, 2, n).astype(float) for n in shapes]
        both = at(values, [np.ones(n) for n in shapes])
        parts = at(values, first) + at(values, [1 - m for m in first])
        if float((parts - both - none).abs().max()) > 1e-8 * (
            float(both.abs().max()) + float(none.abs().max()) + 1e-12
        ):
            return False
    return True


def exact_rule(call: Callable[[], Tensor], draws: Sequence[Draw]) -> Expectation:
    """A rule that is exact for ``call``: all coordinates together if it is a sum over them, else a small grid.

    Coins are enumerated: all their faces, weighted with the probabilities that the function gives them.

    Raises:
        NotExactError: neither applies, or draws of a law other than normal, uniform and Bernoulli.
    """
    kinds = {draw.kind for draw in draws}
    if not kinds - {"coin"} <= {"normal"} and not kinds - {"coin"} <= {"uniform"}:
        raise NotExactError(f"it draws noise of kinds {', '.join(sorted(kinds))}, which no exact rule covers")
    if "coin" not in kinds and _is_sum(call, draws):
        low, high = (Expectation(draws, order).expectation(call).detach().to(torch.float64) for order in (9, 13))
        if torch.allclose(low, high, rtol=1e-8, atol=1e-12):
            return Expectation(draws)
    _grid_order(draws)
    return Expectation(draws, tensor=True)


def _grid_order(draws: Sequence[Draw]) -> int:
    """Nodes for each coordinate of a tensor grid of at most 600 points.

    Raises:
        NotExactError: there are too many coordinates.
    """
    coins = sum(math.prod(d.shape) for d in draws if d.kind == "coin")
    count = sum(math.prod(d.shape) for d in draws) - coins
    for order in (24, 10):
        if order**count * 2**coins <= 600:
            return order
    raise NotExactError(
        "its expectation over the noise is not a sum over coordinates, and there are too many for a grid"
        + (f" ({coins} coins to enumerate)" if coins else "")
    )
