"""Laws of noise: draw them, or replace them by nodes and weights.

An estimator is a function of parameters and noise, and it says which law its noise has. The same estimator is then
sampled (:meth:`NoiseLaw.draw`), or its mean and covariance are computed without sampling (:meth:`NoiseLaw.nodes`,
:meth:`NoiseLaw.enumerate`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError

MAX_NODES = 2_000_000
"""How many nodes a rule may have. Above it, :meth:`NoiseLaw.nodes` raises and names what would fit."""

Nodes = tuple[Any, Tensor]


class NoiseLaw(ABC):
    """A law of noise whose draws have shape ``event_shape``."""

    event_shape: torch.Size

    @abstractmethod
    def draw(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> Any:
        """Independent draws of shape ``(*sample_shape, *event_shape)`` from an explicit generator."""

    @abstractmethod
    def nodes(self, order: int) -> Nodes:
        """Points of shape ``(n, *event_shape)`` and weights of shape ``(n,)`` that replace the law, in float64.

        ``sum_i w_i f(z_i)`` is ``E f(z)``: exact for polynomials of degree up to ``2 order - 1`` in each coordinate of
        a continuous law, and exact for every f for a finite law, whatever the order. The weights sum to one.

        Raises:
            InputValueError: if the product rule would have more than ``MAX_NODES`` nodes.
        """

    def enumerate(self) -> Nodes:
        """Every value with its probability; only finite laws have it."""
        raise InputTypeError(f"{self} has no finite set of values; use nodes(order)")


class StandardNormal(NoiseLaw):
    """Independent N(0, 1) in each entry; nodes are those of Gauss-Hermite.

    >>> points, weights = StandardNormal().nodes(3)
    >>> round(float(weights @ points**4), 12)
    3.0
    """

    def __init__(self, event_shape: Sequence[int] = ()) -> None:
        self.event_shape = _shape(event_shape)

    def draw(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        return torch.randn(*sample_shape, *self.event_shape, generator=generator, dtype=dtype, device=generator.device)

    def nodes(self, order: int) -> Nodes:
        points, weights = _gauss_hermite(order)
        return _power(torch.from_numpy(points), torch.from_numpy(weights), self.event_shape)

    def __repr__(self) -> str:
        return f"StandardNormal({tuple(self.event_shape)})"


class Maxwell(NoiseLaw):
    """The double-sided Maxwell law in each entry: density m² exp(-m²/2) / √(2π) on the line.

    Times an independent uniform number it is standard normal. Nodes are those of Gauss-Hermite.

    >>> points, weights = Maxwell().nodes(4)
    >>> round(float(weights @ points**2), 12)
    3.0
    """

    def __init__(self, event_shape: Sequence[int] = ()) -> None:
        self.event_shape = _shape(event_shape)

    def draw(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        # the length of three normals has the density on the half line, and the sign of a fourth is independent of it
        shape = (4, *sample_shape, *self.event_shape)
        e = torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)
        return torch.copysign(e[:3].square().sum(0).sqrt(), e[3])

    def nodes(self, order: int) -> Nodes:
        # one node more: the density has two degrees above the normal one
        points, weights = _gauss_hermite(_order(order) + 1)
        keep = points != 0.0
        points, weights = points[keep], (weights * points**2)[keep]
        return _power(torch.from_numpy(points), torch.from_numpy(weights / weights.sum()), self.event_shape)

    def __repr__(self) -> str:
        return f"Maxwell({tuple(self.event_shape)})"


class Rayleigh(NoiseLaw):
    """The Rayleigh law in each entry: density w exp(-w²/2) on w > 0; nodes are those of its own Gauss rule.

    >>> points, weights = Rayleigh().nodes(4)
    >>> round(float(weights @ points**2), 12)
    2.0
    """

    def __init__(self, event_shape: Sequence[int] = ()) -> None:
        self.event_shape = _shape(event_shape)

    def draw(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        shape = (2, *sample_shape, *self.event_shape)
        e = torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)
        return e.square().sum(0).sqrt()

    def nodes(self, order: int) -> Nodes:
        points, weights = _gauss_rayleigh(_order(order))
        return _power(torch.from_numpy(points), torch.from_numpy(weights), self.event_shape)

    def __repr__(self) -> str:
        return f"Rayleigh({tuple(self.event_shape)})"


class Uniform(NoiseLaw):
    """Independent uniform numbers on the open interval (0, 1); nodes are those of Gauss-Legendre.

    >>> points, weights = Uniform().nodes(2)
    >>> round(float(weights @ points**3), 12)
    0.25
    """

    def __init__(self, event_shape: Sequence[int] = ()) -> None:
        self.event_shape = _shape(event_shape)

    def draw(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        u = torch.rand(*sample_shape, *self.event_shape, generator=generator, dtype=dtype, device=generator.device)
        # torch.rand can return 0, where a logit or a quantile is infinite; the law there is the cell [0, eps)
        return torch.where(u == 0, torch.finfo(dtype).eps / 4, u)

    def nodes(self, order: int) -> Nodes:
        points, weights = np.polynomial.legendre.leggauss(_order(order))
        return _power(torch.from_numpy((points + 1) / 2), torch.from_numpy(weights / weights.sum()), self.event_shape)

    def __repr__(self) -> str:
        return f"Uniform({tuple(self.event_shape)})"


class Finite(NoiseLaw):
    """A finite set of values with probabilities, repeated independently over ``repeat``.

    Args:
        points: the values, shape ``(n, *value_shape)``.
        probabilities: shape ``(n,)``, nonnegative, summing to one up to rounding.
        repeat: draw an independent value for each entry of this shape; ``event_shape`` is ``(*repeat, *value_shape)``.

    >>> coin = Finite([0.0, 1.0], [0.75, 0.25], repeat=(2,))
    >>> points, probabilities = coin.enumerate()
    >>> tuple(points.shape), round(float(probabilities @ points.sum(-1)), 12)
    ((4, 2), 0.5)
    """

    def __init__(self, points: Any, probabilities: Any, repeat: Sequence[int] = ()) -> None:
        self.points = torch.as_tensor(points, dtype=torch.float64)
        self.probabilities = torch.as_tensor(probabilities, dtype=torch.float64)
        if self.points.ndim == 0 or self.probabilities.shape != self.points.shape[:1]:
            raise InputValueError(
                f"points have shape {tuple(self.points.shape)} and probabilities {tuple(self.probabilities.shape)}; "
                "pass one probability for each entry of the first axis of points"
            )
        total = float(self.probabilities.sum())
        if not bool((self.probabilities >= 0).all()) or not abs(total - 1) <= 1e-12 * len(self.probabilities):
            raise InputValueError(
                f"probabilities are {self.probabilities.tolist()}, sum {total}; they must be >= 0 and sum to 1"
            )
        self.repeat = _shape(repeat)
        self.event_shape = torch.Size((*self.repeat, *self.points.shape[1:]))

    def draw(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        lead = (*sample_shape, *self.repeat)
        n = prod(lead)
        shape = (*lead, *self.points.shape[1:])
        if n == 0:
            return torch.empty(shape, dtype=dtype, device=generator.device)
        weights = self.probabilities.to(generator.device)
        index = torch.multinomial(weights, n, replacement=True, generator=generator)
        return self.points.to(generator.device, dtype)[index].reshape(shape)

    def nodes(self, order: int) -> Nodes:
        return self.enumerate()

    def enumerate(self) -> Nodes:
        return _power(self.points, self.probabilities, self.repeat)

    def __repr__(self) -> str:
        return f"Finite({len(self.points)} values, repeat={tuple(self.repeat)})"


class Product(NoiseLaw):
    """Independent laws side by side; draws and points are tuples with one entry a factor.

    >>> (e, u), weights = Product(StandardNormal(), Uniform()).nodes(4)
    >>> round(float(weights @ (e**2 * u)), 12)
    0.5
    """

    def __init__(self, *laws: NoiseLaw) -> None:
        if not laws:
            raise InputValueError("Product needs at least one law, such as Product(StandardNormal((2,)), Uniform())")
        self.laws = laws
        self.event_shape = torch.Size((sum(prod(law.event_shape) for law in laws),))

    def draw(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> tuple[Any, ...]:
        return tuple(law.draw(sample_shape, generator=generator, dtype=dtype) for law in self.laws)

    def nodes(self, order: int) -> Nodes:
        return self._combine([law.nodes(order) for law in self.laws])

    def enumerate(self) -> Nodes:
        return self._combine([law.enumerate() for law in self.laws])

    def _combine(self, rules: list[Nodes]) -> Nodes:
        sizes = [len(weights) for _, weights in rules]
        _check_size(prod(sizes), f"{self} has rules of {' x '.join(map(str, sizes))} nodes")
        grid = torch.meshgrid(*[torch.arange(n) for n in sizes], indexing="ij")
        index = [g.reshape(-1) for g in grid]
        weights = torch.stack([w[i] for (_, w), i in zip(rules, index, strict=True)]).prod(0)
        points = tuple(_take(p, i) for (p, _), i in zip(rules, index, strict=True))
        return points, weights

    def __repr__(self) -> str:
        return f"Product({', '.join(map(repr, self.laws))})"


def _gauss_hermite(order: int) -> tuple[Any, Any]:
    # SciPy's, as NumPy's weights overflow from order 370 or so on; imported here, as it costs more than all the rest
    from scipy.special import roots_hermitenorm

    points, weights = roots_hermitenorm(_order(order))
    return points, weights / weights.sum()


def _gauss_rayleigh(order: int) -> tuple[Any, Any]:
    """Nodes and weights from the three-term recurrence, by the procedure of Stieltjes on a fine Gauss-Legendre rule."""
    from scipy.linalg import eigh_tridiagonal

    # beyond w = 13 + 2 √order the largest polynomial that is integrated, w^(2 order) e^(-w²/2), has nothing left
    end = 13.0 + 2.0 * order**0.5
    w, mass = np.polynomial.legendre.leggauss(4 * order + 120)
    w = 0.5 * end * (w + 1.0)
    mass = mass * w * np.exp(-0.5 * w * w)
    mass = mass / mass.sum()
    diagonal, squares = np.empty(order), np.empty(order)
    before, now, square = np.zeros_like(w), np.ones_like(w), 0.0
    for j in range(order):
        diagonal[j] = mass @ (w * now * now)
        after = (w - diagonal[j]) * now - square**0.5 * before
        square = float(mass @ (after * after))
        squares[j] = square
        before, now = now, after / square**0.5
    points, vectors = eigh_tridiagonal(diagonal, np.sqrt(squares[:-1]))
    weights = vectors[0] ** 2
    return points, weights / weights.sum()


def _take(points: Any, index: Tensor) -> Any:
    return tuple(_take(p, index) for p in points) if isinstance(points, tuple) else points[index]


def _power(points: Tensor, weights: Tensor, repeat: torch.Size) -> Nodes:
    """The product rule for independent copies over ``repeat``."""
    n, copies = len(weights), prod(repeat)
    _check_size(n**copies, f"{n} nodes in each of {copies} coordinates")
    index = torch.cartesian_prod(*[torch.arange(n)] * copies).reshape(n**copies, copies)
    return points[index].reshape(n**copies, *repeat, *points.shape[1:]), weights[index].prod(-1)


def _check_size(n: int, what: str) -> None:
    if n > MAX_NODES:
        raise InputValueError(
            f"{what}: {n} nodes together, more than {MAX_NODES}. Lower the order or the number of noise coordinates, "
            "or sample with draw()"
        )


def _shape(shape: Sequence[int]) -> torch.Size:
    if isinstance(shape, int):
        raise InputTypeError(f"a shape is a tuple: write ({shape},) instead of {shape}")
    return torch.Size(shape)


def _order(order: int) -> int:
    if order < 1:
        raise InputValueError(f"order is {order}; a rule has at least one node in each coordinate")
    return order
