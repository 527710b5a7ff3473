"""N encoders and an index that is enumerated (Z13): the aggregated posterior and what minibatches make of it."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import constraints

from elbo._errors import InputValueError
from elbo.problems._kernels import log_excess
from elbo.problems._problem import parameter


@dataclass(frozen=True)
class MinibatchEstimate:
    """What an estimator of log q(z) from minibatches gives on average.

    Args:
        expected_log_q: E log q̂(z) over minibatches, own datum and z.
        bias: that minus E log q(z).
        total_correlation: the total correlation computed from the same estimator, joint minus marginals.
        expected_ratio: E q̂(z)/q(z); 1 for an unbiased estimator of the density.
    """

    expected_log_q: Tensor
    bias: Tensor
    total_correlation: Tensor
    expected_ratio: Tensor


class AggregatedPosterior:
    """q(z) = (1/N) Σ_n N(z; μ_n, diag σ_n²) over data n = 1..N, the prior N(0, I).

    Surgery: (1/N) Σ KL(q(z|n) ‖ p) = I(n; z) + KL(q(z) ‖ p); and KL(q(z) ‖ p) = TC(z) + Σ_j KL(q(z_j) ‖ p(z_j)).
    Integrals are trapezoid sums over ±9 standard deviations of each encoder, for one or two dimensions.

    Args:
        means: ``[N, d]``, d = 1 or 2.
        stds: ``[N, d]``, positive.
        nodes: nodes of the rule in each dimension.

    >>> problem = AggregatedPosterior([[-1.0], [1.0]], [[0.5], [0.5]])
    >>> rest = problem.average_kl() - problem.mutual_information() - problem.aggregate_kl()
    >>> abs(rest.item()) < 1e-13
    True
    """

    formula: ClassVar[str] = "q(z) = (1/N) Σ_n N(μ_n, diag σ_n²), prior N(0, I)"
    known: ClassVar[str] = (
        "surgery terms, total correlation, dimension-wise KL; E log q̂, bias and total correlation of MWS and MSS by "
        "enumeration of minibatches"
    )
    conditions: ClassVar[str] = "d ≤ 2; the cost of minibatches grows like the binomial coefficient (N-1 over M-1)"
    source: ClassVar[str] = "Hoffman and Johnson 2016; Chen et al. 2018, arXiv:1802.04942"

    def __init__(self, means: Any, stds: Any, nodes: int | None = None) -> None:
        self.means = parameter("means", means)
        self.stds = parameter("stds", stds, constraints.positive)
        if self.means.ndim != 2 or self.means.shape != self.stds.shape or self.means.shape[1] not in (1, 2):
            raise InputValueError(
                f"means have shape {tuple(self.means.shape)} and stds {tuple(self.stds.shape)}; write both as [N, d] "
                "with d = 1 or 2: in more dimensions a tensor rule is too large, estimate by draws with elbo.bounds"
            )
        self.nodes = nodes or {1: 2001, 2: 241}[self.means.shape[1]]

    def average_kl(self) -> Tensor:
        """(1/N) Σ_n KL(q(z|n) ‖ p), in closed form."""
        excess = log_excess(self.stds**2 - 1)
        return 0.5 * (excess + self.means**2).sum(-1).mean()

    def expected_log_q(self) -> Tensor:
        """E_{q(z)} log q(z), the negative entropy of the aggregate."""
        return self._expect(self._all(), self._uniform())

    def mutual_information(self) -> Tensor:
        """I(n; z) = (1/N) Σ_n E_{q(z|n)} log q(z|n)/q(z), between 0 and log N."""
        entropy = (0.5 * math.log(2 * math.pi * math.e) + self.stds.log()).sum(-1).mean()
        return -entropy - self.expected_log_q()

    def aggregate_kl(self) -> Tensor:
        """KL(q(z) ‖ p)."""
        second = (self.means**2 + self.stds**2).sum(-1).mean()
        log_prior = -0.5 * (second + self.means.shape[1] * math.log(2 * math.pi))
        return self.expected_log_q() - log_prior

    def dimension_kl(self) -> Tensor:
        """KL(q(z_j) ‖ p(z_j)) for each dimension, ``[d]``."""
        terms = []
        for j in range(self.means.shape[1]):
            second = (self.means[:, j] ** 2 + self.stds[:, j] ** 2).mean()
            terms.append(self._expect([j], self._uniform()) + 0.5 * (second + math.log(2 * math.pi)))
        return torch.stack(terms)

    def total_correlation(self) -> Tensor:
        """KL(q(z) ‖ ∏ q(z_j))."""
        return self._correlation(self._uniform())

    def mws(self, batch: int) -> MinibatchEstimate:
        """Minibatch weighted sampling: q̂(z) = (1/NM) Σ_{m in batch} q(z|m), own datum and M - 1 others."""
        self._check("batch", batch, 1, self._size)
        own = 1 / (self._size * batch)
        return self._estimate([(1.0, own, [own] * (batch - 1))])

    def mss(self, batch: int) -> MinibatchEstimate:
        """Minibatch stratified sampling, a batch of M + 1: weights 1/N (own), (N-M)/NM (one other), 1/M (the rest)."""
        own, one, rest = self._mss_weights(batch)
        return self._estimate([(1.0, own, [one] + [rest] * (batch - 1))])

    def mss_in_columns(self, batch: int) -> MinibatchEstimate:
        """The same weights in columns 0 and 1 of the batch matrix instead of on its diagonal, as in released code."""
        own, one, rest = self._mss_weights(batch)
        rows = []
        for i in range(batch + 1):
            weights = [own, one] + [rest] * (batch - 1)
            if i == batch - 1:
                weights[0] = one
            rows.append((1 / (batch + 1), weights[i], weights[:i] + weights[i + 1 :]))
        return self._estimate(rows)

    @property
    def _size(self) -> int:
        return len(self.means)

    def _all(self) -> list[int]:
        return list(range(self.means.shape[1]))

    def _uniform(self) -> "list[tuple[float, float, list[float]]]":
        n = self._size
        return [(1.0, 1 / n, [1 / n] * (n - 1))]

    def _mss_weights(self, batch: int) -> tuple[float, float, float]:
        self._check("batch", batch, 1, self._size - 1)
        n = self._size
        return 1 / n, (n - batch) / (n * batch), 1 / batch

    def _check(self, name: str, value: int, low: int, high: int) -> None:
        if value != int(value) or not low <= value <= high:
            raise InputValueError(
                f"{name} is {value}; with N = {self._size} data write an integer from {low} to {high}"
            )

    def _estimate(self, rows: list[tuple[float, float, list[float]]]) -> MinibatchEstimate:
        expected = self._expect(self._all(), rows)
        ratio = self._expect(self._all(), rows, ratio=True)
        return MinibatchEstimate(expected, expected - self.expected_log_q(), self._correlation(rows), ratio)

    def _correlation(self, rows: list[tuple[float, float, list[float]]]) -> Tensor:
        if self.means.shape[1] == 1:
            return torch.zeros_like(self.means[0, 0])
        marginals = [self._expect([j], rows) for j in self._all()]
        return self._expect(self._all(), rows) - torch.stack(marginals).sum()

    def _expect(self, axes: list[int], rows: list[tuple[float, float, list[float]]], ratio: bool = False) -> Tensor:
        """Mean over own datum, z ~ q(z|own) and minibatches of log q̂(z) (or of q̂/q), q̂ = Σ weight · q(z|m).

        ``rows`` are (probability, weight of the own datum, weights of the others).
        """
        means, stds = self.means[:, axes], self.stds[:, axes]
        e, mass = _gaussian_rule(len(axes), self.nodes if len(axes) == self.means.shape[1] else 2001, means.dtype)
        total = torch.zeros_like(means[0, 0])
        for n in range(self._size):
            z = means[n] + stds[n] * e
            log_own = _normal_log_prob(z, means[n], stds[n])
            relative = torch.stack([
                torch.exp(_normal_log_prob(z, means[m], stds[m]) - log_own) for m in range(self._size) if m != n
            ]) if self._size > 1 else torch.zeros(0, len(e), dtype=means.dtype)  # fmt: skip
            aggregate = (1 + relative.sum(0)) / self._size
            for probability, own, others in rows:
                batches = list(_assignments(self._size - 1, others))
                for coefficients in batches:
                    estimate = own + torch.tensor(coefficients, dtype=means.dtype) @ relative
                    value = estimate / aggregate if ratio else log_own + estimate.log()
                    total = total + probability / len(batches) / self._size * (mass * value).sum()
        return total


def _assignments(size: int, weights: list[float]) -> Iterator[list[float]]:
    """Every way, each equally likely, to give these weights to distinct members of ``range(size)``; zeros elsewhere."""
    groups = list(Counter(weights).items())

    def fill(free: tuple[int, ...], rest: list[tuple[float, int]]) -> Iterator[dict[int, float]]:
        if not rest:
            yield {}
            return
        weight, count = rest[0]
        for chosen in itertools.combinations(free, count):
            for more in fill(tuple(i for i in free if i not in chosen), rest[1:]):
                yield {**dict.fromkeys(chosen, weight), **more}

    for given in fill(tuple(range(size)), groups):
        yield [given.get(i, 0.0) for i in range(size)]


def _gaussian_rule(dimension: int, nodes: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Trapezoid nodes ``[n^d, d]`` over ±9 and their masses under N(0, I)."""
    e = torch.linspace(-9.0, 9.0, nodes, dtype=dtype)
    mass = torch.softmax(-0.5 * e * e, 0)
    if dimension == 1:
        return e[:, None], mass
    return torch.cartesian_prod(e, e), torch.outer(mass, mass).flatten()


def _normal_log_prob(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (-0.5 * ((z - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)
