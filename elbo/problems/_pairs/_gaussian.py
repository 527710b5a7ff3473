"""Gaussian against Gaussian, through the eigenvalues of the covariance difference in the target's own coordinates."""

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, LowRankMultivariateNormal, MultivariateNormal, Normal

from elbo.problems._kernels import log_excess
from elbo.problems._pairs._pair import Pair


def moments(law: Distribution) -> tuple[Tensor, Tensor, bool, int] | None:
    """(mean, variance or covariance, whether it is diagonal, number of event axes); ``None`` if it is not Gaussian."""
    if isinstance(law, Independent):
        inner = moments(law.base_dist)
        if inner is None or not inner[2]:
            return None
        return inner[0], inner[1], True, inner[3] + law.reinterpreted_batch_ndims
    if isinstance(law, Normal):
        return law.loc, law.scale * law.scale, True, 0
    if isinstance(law, (MultivariateNormal, LowRankMultivariateNormal)):
        return law.loc, law.covariance_matrix, False, 1
    return None


class GaussianPair(Pair):
    """q = N(m, S) and p = N(m_p, S_p), with δ the eigenvalues of S_p^(-1/2) (S - S_p) S_p^(-1/2) and Δ = m - m_p.

    log ∫ p^s q^(1-s) = ½ Σ [Λ(s δ) - s Λ(δ)] - ½ s (1-s) Δᵀ (S_p + s (S - S_p))⁻¹ Δ, Λ(δ) = δ - log(1 + δ), which is
    finite iff 1 + s δ > 0 for every eigenvalue: in one dimension the second moment exists iff v > v_p / 2.
    """

    def __init__(self, q: Distribution, p: Distribution) -> None:
        mq, mp = moments(q), moments(p)
        if mq is None or mp is None:
            raise TypeError("both laws must be Gaussian")
        self.event_ndim = mq[3]
        self.shift = mq[0] - mp[0]
        self.diagonal = mq[2] and mp[2]
        if self.diagonal:
            self.target, self.excess = mp[1], mq[1] - mp[1]
            self.delta = self.excess / self.target
        else:
            self.target = torch.diag_embed(mp[1]) if mp[2] else mp[1]
            self.excess = (torch.diag_embed(mq[1]) if mq[2] else mq[1]) - self.target
            root = torch.linalg.cholesky(self.target)
            half = torch.linalg.solve_triangular(root, self.excess, upper=False)
            white = torch.linalg.solve_triangular(root, half.mT, upper=False)
            self.delta = torch.linalg.eigvalsh(0.5 * (white + white.mT))

    def kl(self) -> Tensor:
        return 0.5 * (self._sum(log_excess(self.delta)) + self._quadratic(0.0))

    def reverse_kl(self) -> Tensor:
        return 0.5 * (self._sum(log_excess(-self.delta / (1 + self.delta))) + self._quadratic(1.0))

    def log_power(self, order: float) -> Tensor:
        # at the very end of the interval rounding would decide: that counts as infinite
        room = 8 * torch.finfo(self.delta.dtype).eps * max(1.0, abs(order))
        s, inside = order, self._all(1 + order * self.delta > room)
        spread = self._sum(log_excess(s * self.delta) - s * log_excess(self.delta))
        value = 0.5 * spread - 0.5 * s * (1 - s) * self._quadratic(s, inside)
        return torch.where(inside, value, torch.full_like(value, torch.inf))

    def interval(self) -> tuple[Tensor, Tensor]:
        low, high = self.delta, self.delta
        for _ in range(self.event_ndim):
            low, high = low.amin(-1), high.amax(-1)
        inf = torch.full_like(low, torch.inf)
        lower = torch.where(high > 0, -1 / torch.where(high > 0, high, torch.ones_like(high)), -inf)
        upper = torch.where(low < 0, -1 / torch.where(low < 0, low, -torch.ones_like(low)), inf)
        return torch.broadcast_tensors(lower, upper, self._quadratic(0.0))[:2]  # type: ignore[no-any-return]

    def variance(self) -> Tensor:
        spread = 0.5 * self._sum(self.delta * self.delta)
        if self.diagonal:
            return spread + self._sum(self.shift * self.shift * (self.target + self.excess) / self.target**2)
        pulled = self._solve(self.target, self.shift)
        leaked: Tensor = torch.einsum("...i,...ij,...j->...", pulled, self.target + self.excess, pulled)
        return spread + leaked

    def _sum(self, value: Tensor) -> Tensor:
        return value.sum(tuple(range(-self.event_ndim, 0))) if self.event_ndim else value

    def _all(self, value: Tensor) -> Tensor:
        for _ in range(self.event_ndim):
            value = value.all(-1)
        return value

    def _solve(self, matrix: Tensor, vector: Tensor) -> Tensor:
        matrix, column = torch.broadcast_tensors(matrix, vector[..., None].expand(*vector.shape, vector.shape[-1]))
        solved: Tensor = torch.linalg.solve(matrix, column[..., :1])[..., 0]
        return solved

    def _quadratic(self, order: float, inside: Tensor | None = None) -> Tensor:
        """Δᵀ (S_p + order (S - S_p))⁻¹ Δ; where not ``inside`` some finite number with a finite gradient."""
        matrix = self.target + order * self.excess
        if self.diagonal:
            if inside is not None:
                every = inside[(..., *[None] * self.event_ndim)]
                matrix = torch.where(every, matrix, torch.ones_like(matrix))
            return self._sum(self.shift * self.shift / matrix)
        if inside is not None:
            matrix = torch.where(inside[..., None, None], matrix, torch.eye(matrix.shape[-1]).to(matrix))
        return (self.shift * self._solve(matrix, self.shift)).sum(-1)
