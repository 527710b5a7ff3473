"""Gamma, Beta and Dirichlet against their own kind: exponential families in mean-free form."""

from abc import abstractmethod
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor
from torch.distributions import Beta, Dirichlet, Gamma

from elbo.exact.quadrature import gauss_legendre
from elbo.problems._kernels import digamma, trigamma
from elbo.problems._pairs._pair import Pair


class ExponentialFamilyPair(Pair):
    """log ∫ p^s q^(1-s) = A(η_q + s (η_p - η_q)) - s A(η_p) - (1-s) A(η_q), A the log partition function.

    Finite iff the point η_q + s (η_p - η_q) lies in the natural domain; here every coordinate of η is positive there.

    With g(t) = A(η_q + t (η_p - η_q)), KL(q ‖ p) = ∫₀¹ (1-t) g'', KL(p ‖ q) = ∫₀¹ t g'' and the logarithm above is a
    positive combination of integrals of g'' too. Where no coordinate changes by more than half these integrals are what
    is computed (Gauss-Legendre, 20 nodes): the closed forms subtract nearly equal numbers there.
    """

    natural_q: tuple[Tensor, ...]
    natural_p: tuple[Tensor, ...]

    @abstractmethod
    def slope(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        """∇A(η) · direction, the mean of the sufficient statistic along it."""

    @abstractmethod
    def log_partition(self, *natural: Tensor) -> Tensor:
        """A(η)."""

    @abstractmethod
    def fisher(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        """directionᵀ ∇²A(η) direction."""

    def kl(self) -> Tensor:
        far = self._far_kl(self.natural_q, self.natural_p)
        return torch.where(self._near(1.0), self._curvature(0.0, 1.0, lambda t: 1 - t), far)

    def reverse_kl(self) -> Tensor:
        far = self._far_kl(self.natural_p, self.natural_q)
        return torch.where(self._near(1.0), self._curvature(0.0, 1.0, lambda t: t), far)

    def log_power(self, order: float) -> Tensor:
        if order in (0, 1):
            return torch.zeros_like(self.log_partition(*self.natural_q) + self.log_partition(*self.natural_p))
        return torch.where(self._near(order), self._near_log_power(order), self._far_log_power(order))

    def _far_kl(self, q: tuple[Tensor, ...], p: tuple[Tensor, ...]) -> Tensor:
        direction = tuple(b - a for a, b in zip(q, p, strict=True))
        return self.log_partition(*p) - self.log_partition(*q) - self.slope(q, direction)

    def _near_log_power(self, s: float) -> Tensor:
        if s > 1:
            return self._curvature(0.0, 1.0, lambda t: (s - 1) * t) + self._curvature(1.0, s, lambda t: s - t)
        if s < 0:
            return self._curvature(0.0, 1.0, lambda t: -s * (1 - t)) + self._curvature(s, 0.0, lambda t: t - s)
        inner = self._curvature(0.0, s, lambda t: (1 - s) * t) + self._curvature(s, 1.0, lambda t: s * (1 - t))
        return -inner

    def _curvature(self, lower: float, upper: float, kernel: Callable[[Tensor], Tensor]) -> Tensor:
        """∫ kernel(t) g''(t) dt where the path stays near, 0 elsewhere."""
        direction = tuple(b - a for a, b in zip(self.natural_q, self.natural_p, strict=True))
        near = self._near(max(abs(lower), abs(upper)))
        nodes, weights = (torch.as_tensor(v, dtype=direction[0].dtype) for v in gauss_legendre(20, lower, upper))
        column = (-1, *[1] * max(d.ndim for d in direction))
        point = tuple(
            torch.where(self._spread(near, a), a + nodes.reshape(column) * d, torch.ones_like(a + d))
            for a, d in zip(self.natural_q, direction, strict=True)
        )
        bend = self.fisher(point, direction)
        total: Tensor = ((weights * kernel(nodes)).reshape(-1, *[1] * (bend.ndim - 1)) * bend).sum(0)
        return torch.where(near, total, torch.zeros_like(total))

    def _near(self, order: float) -> Tensor:
        """Whether no coordinate changes by more than half on the way from η_q to η_q + order (η_p - η_q)."""
        reach = max(abs(order), 1.0)
        parts = [
            self._all(reach * (b - a).abs() <= 0.5 * a) for a, b in zip(self.natural_q, self.natural_p, strict=True)
        ]
        return reduce(torch.logical_and, parts)

    def _far_log_power(self, s: float) -> Tensor:
        point = tuple(a + s * (b - a) for a, b in zip(self.natural_q, self.natural_p, strict=True))
        # at the very end of the interval rounding would decide: that counts as infinite
        room = 8 * torch.finfo(point[0].dtype).eps * max(1.0, abs(s))
        inside = reduce(
            torch.logical_and,
            [self._all(c > room * (a + b)) for c, a, b in zip(point, self.natural_q, self.natural_p, strict=True)],
        )
        safe = tuple(torch.where(c > 0, c, torch.ones_like(c)) for c in point)
        mixed = s * self.log_partition(*self.natural_p) + (1 - s) * self.log_partition(*self.natural_q)
        value = self.log_partition(*safe) - mixed
        return torch.where(inside, value, torch.full_like(value, torch.inf))

    def interval(self) -> tuple[Tensor, Tensor]:
        lower, upper = [], []
        for q, p in zip(self.natural_q, self.natural_p, strict=True):
            inf = torch.full_like(q + p, torch.inf)
            lower.append(self._reduce(torch.where(p > q, q / (q - p), -inf), torch.amax))
            upper.append(self._reduce(torch.where(p < q, q / (q - p), inf), torch.amin))
        return reduce(torch.maximum, lower), reduce(torch.minimum, upper)

    def variance(self) -> Tensor:
        direction = tuple(b - a for a, b in zip(self.natural_q, self.natural_p, strict=True))
        return self.fisher(self.natural_q, direction)

    def _all(self, value: Tensor) -> Tensor:
        return value

    def _reduce(self, value: Tensor, how: object) -> Tensor:
        return value

    def _spread(self, flag: Tensor, like: Tensor) -> Tensor:
        return flag


class GammaPair(ExponentialFamilyPair):
    """Gamma(a, b) with rate b: A = lnΓ(a) - a log b."""

    def __init__(self, q: Gamma, p: Gamma) -> None:
        self.natural_q, self.natural_p = (q.concentration, q.rate), (p.concentration, p.rate)

    def slope(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (a, b), (da, db) = natural, direction
        return (digamma(a) - torch.log(b)) * da - a / b * db

    def log_partition(self, *natural: Tensor) -> Tensor:
        a, b = natural
        return torch.lgamma(a) - a * torch.log(b)

    def fisher(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (a, b), (da, db) = natural, direction
        return trigamma(a) * da * da - 2 * da * db / b + a * (db / b) ** 2


class BetaPair(ExponentialFamilyPair):
    """Beta(a, b): A = ln B(a, b)."""

    def __init__(self, q: Beta, p: Beta) -> None:
        self.natural_q, self.natural_p = (q.concentration1, q.concentration0), (p.concentration1, p.concentration0)

    def slope(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (a, b), (da, db) = natural, direction
        both = digamma(a + b)
        return (digamma(a) - both) * da + (digamma(b) - both) * db

    def log_partition(self, *natural: Tensor) -> Tensor:
        a, b = natural
        return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)

    def fisher(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (a, b), (da, db) = natural, direction
        return trigamma(a) * da * da + trigamma(b) * db * db - trigamma(a + b) * (da + db) ** 2


class DirichletPair(ExponentialFamilyPair):
    """Dirichlet(α): A = Σ lnΓ(α_i) - lnΓ(Σ α_i)."""

    def __init__(self, q: Dirichlet, p: Dirichlet) -> None:
        self.natural_q, self.natural_p = (q.concentration,), (p.concentration,)

    def slope(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (alpha,), (d,) = natural, direction
        return ((digamma(alpha) - digamma(alpha.sum(-1, keepdim=True))) * d).sum(-1)

    def log_partition(self, *natural: Tensor) -> Tensor:
        (alpha,) = natural
        return torch.lgamma(alpha).sum(-1) - torch.lgamma(alpha.sum(-1))

    def fisher(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (alpha,), (d,) = natural, direction
        return (trigamma(alpha) * d * d).sum(-1) - trigamma(alpha.sum(-1)) * d.sum(-1) ** 2

    def _all(self, value: Tensor) -> Tensor:
        return value.all(-1)

    def _spread(self, flag: Tensor, like: Tensor) -> Tensor:
        return flag[..., None]

    def _reduce(self, value: Tensor, how: object) -> Tensor:
        return how(value, -1)  # type: ignore[operator, no-any-return]
