"""Gamma, Beta and Dirichlet against their own kind: exponential families in mean-free form."""

from abc import abstractmethod
from functools import reduce

import torch
from torch import Tensor
from torch.distributions import Beta, Dirichlet, Gamma, kl_divergence

from elbo.problems._pairs._pair import Pair


class ExponentialFamilyPair(Pair):
    """log ∫ p^s q^(1-s) = A(η_q + s (η_p - η_q)) - s A(η_p) - (1-s) A(η_q), A the log partition function.

    Finite iff the point η_q + s (η_p - η_q) lies in the natural domain, here: every one of ``positive(η)`` is positive.
    """

    natural_q: tuple[Tensor, ...]
    natural_p: tuple[Tensor, ...]

    @abstractmethod
    def log_partition(self, *natural: Tensor) -> Tensor:
        """A(η)."""

    @abstractmethod
    def fisher(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        """directionᵀ ∇²A(η) direction."""

    def log_power(self, order: float) -> Tensor:
        s = order
        point = tuple(a + s * (b - a) for a, b in zip(self.natural_q, self.natural_p, strict=True))
        inside = reduce(torch.logical_and, [self._all(c > 0) for c in point])
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


class GammaPair(ExponentialFamilyPair):
    """Gamma(a, b) with rate b: A = lnΓ(a) - a log b."""

    def __init__(self, q: Gamma, p: Gamma) -> None:
        self.q, self.p = q, p
        self.natural_q, self.natural_p = (q.concentration, q.rate), (p.concentration, p.rate)

    def kl(self) -> Tensor:
        return kl_divergence(self.q, self.p)

    def reverse_kl(self) -> Tensor:
        return kl_divergence(self.p, self.q)

    def log_partition(self, *natural: Tensor) -> Tensor:
        a, b = natural
        return torch.lgamma(a) - a * torch.log(b)

    def fisher(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (a, b), (da, db) = natural, direction
        return torch.polygamma(1, a) * da * da - 2 * da * db / b + a * (db / b) ** 2


class BetaPair(ExponentialFamilyPair):
    """Beta(a, b): A = ln B(a, b)."""

    def __init__(self, q: Beta, p: Beta) -> None:
        self.q, self.p = q, p
        self.natural_q, self.natural_p = (q.concentration1, q.concentration0), (p.concentration1, p.concentration0)

    def kl(self) -> Tensor:
        return kl_divergence(self.q, self.p)

    def reverse_kl(self) -> Tensor:
        return kl_divergence(self.p, self.q)

    def log_partition(self, *natural: Tensor) -> Tensor:
        a, b = natural
        return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)

    def fisher(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (a, b), (da, db) = natural, direction
        return (
            torch.polygamma(1, a) * da * da
            + torch.polygamma(1, b) * db * db
            - torch.polygamma(1, a + b) * (da + db) ** 2
        )


class DirichletPair(ExponentialFamilyPair):
    """Dirichlet(α): A = Σ lnΓ(α_i) - lnΓ(Σ α_i)."""

    def __init__(self, q: Dirichlet, p: Dirichlet) -> None:
        self.q, self.p = q, p
        self.natural_q, self.natural_p = (q.concentration,), (p.concentration,)

    def kl(self) -> Tensor:
        return kl_divergence(self.q, self.p)

    def reverse_kl(self) -> Tensor:
        return kl_divergence(self.p, self.q)

    def log_partition(self, *natural: Tensor) -> Tensor:
        (alpha,) = natural
        return torch.lgamma(alpha).sum(-1) - torch.lgamma(alpha.sum(-1))

    def fisher(self, natural: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
        (alpha,), (d,) = natural, direction
        return (torch.polygamma(1, alpha) * d * d).sum(-1) - torch.polygamma(1, alpha.sum(-1)) * d.sum(-1) ** 2

    def _all(self, value: Tensor) -> Tensor:
        return value.all(-1)

    def _reduce(self, value: Tensor, how: object) -> Tensor:
        return how(value, -1)  # type: ignore[operator, no-any-return]
