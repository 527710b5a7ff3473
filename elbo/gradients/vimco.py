"""Gradients of L_K from the score alone, with baselines from the other draws: VIMCO. For any q, discrete ones first."""

from math import log
from typing import Any, Literal

import torch
from torch import Tensor

from elbo._errors import InputValueError
from elbo.gradients._estimator import Parameters, SurrogateEstimator, check_samples
from elbo.noise import NoiseLaw

VimcoBaseline = Literal["none", "geometric", "arithmetic"]


class Vimco(SurrogateEstimator):
    """Σ_k (L̂ - b_k - ŵ_k) ∇_φ log q(z_k), L̂ = log (1/K) Σ w, for q; Σ ŵ_k ∇_θ log p for the model; unbiased.

    b_k is L̂ with w_k replaced by a mean of the other weights, so that it does not see z_k. The term -ŵ_k, which is
    often left out, is the derivative of L̂ itself with respect to log q(z_k).

    Args:
        samples: K; at least 2 with a baseline.
        baseline: "geometric" or "arithmetic" mean of the others (they agree for K = 2), or "none": b_k = 0.

    Source: Mnih and Rezende 2016, arXiv:1602.06725.

    >>> import torch
    >>> from elbo import certify, problems
    >>> q = torch.distributions.Categorical(logits=torch.tensor([0.1, -0.4, 0.3], dtype=torch.float64))
    >>> problem = problems.Table(torch.tensor([0.18, 0.05, 0.12], dtype=torch.float64))
    >>> certify(Vimco(3), problem, torch.tensor(0), q).unbiased
    True
    """

    of = "iwae"

    def __init__(self, samples: int, baseline: VimcoBaseline = "geometric") -> None:
        if baseline not in ("none", "geometric", "arithmetic"):
            raise InputValueError(f"baseline is {baseline!r}; write 'geometric', 'arithmetic' or 'none'")
        self.samples = check_samples(samples, 1 if baseline == "none" else 2)
        self.baseline = baseline

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        return parameters.family.noise(parameters, (self.samples,))

    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        z = frozen.family.sample(frozen, noise)
        log_weights = frozen.log_weight(problem, z)
        shares = torch.softmax(log_weights, -1)
        signal = torch.logsumexp(log_weights, -1) - log(self.samples) - self._baselines(log_weights) - shares
        total = (signal * parameters.family.log_prob(parameters, z)).sum()
        if any(name.startswith("model.") for name in parameters):
            total = total + (shares * parameters.log_weight(problem, z, frozen=frozen)).sum()
        return total

    def _baselines(self, log_weights: Tensor) -> Tensor:
        if self.baseline == "none":
            return torch.zeros_like(log_weights)
        k = self.samples
        own = torch.eye(k, dtype=torch.bool, device=log_weights.device)
        others = torch.where(own, -torch.inf, log_weights.expand(k, k))
        if self.baseline == "geometric":
            stand_in = torch.where(own, 0.0, log_weights.expand(k, k)).sum(-1) / (k - 1)
        else:
            stand_in = torch.logsumexp(others, -1) - log(k - 1)
        return torch.logsumexp(torch.cat([others, stand_in[:, None]], -1), -1) - log(k)

    def __repr__(self) -> str:
        return f"Vimco(samples={self.samples}, baseline={self.baseline!r})"
