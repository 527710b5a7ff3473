"""The smallest discrete gradient problem (Z12)."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Bernoulli

from elbo.problems._problem import parameter


class BernoulliToy:
    """E (b - t)² for b ~ Bernoulli(σ(φ)): the expectation and its gradient are rational in θ = σ(φ).

    E = θ (1 - t)² + (1 - θ) t², gradient θ (1 - θ) (1 - 2t). The score-function estimator of one draw has the mean
    square θ (1-θ)² (1-t)⁴ + (1-θ) θ² t⁴.

    Args:
        target: t, often just below ½, where the gradient is small and the noise is not.

    >>> toy, logits = BernoulliToy(0.49), torch.tensor(0.0).double()
    >>> round(toy.expectation(logits).item(), 6), round(toy.gradient(logits).item(), 6)
    (0.2501, 0.005)
    """

    formula: ClassVar[str] = "E_{b ~ Bernoulli(σ(φ))} (b - t)²"
    known: ClassVar[str] = "the expectation, its gradient, and the variance of the score-function estimator"
    conditions: ClassVar[str] = "none"
    source: ClassVar[str] = "Tucker et al. 2017, arXiv:1703.07370"

    def __init__(self, target: Any = 0.49) -> None:
        self.target = parameter("target", target)

    def cost(self, b: Tensor) -> Tensor:
        """(b - t)²."""
        return (b - self.target) ** 2

    def law(self, logits: Tensor) -> Bernoulli:
        """Bernoulli(σ(φ))."""
        return Bernoulli(logits=logits)

    def expectation(self, logits: Tensor) -> Tensor:
        """E (b - t)²."""
        one, zero = torch.ones_like(logits), torch.zeros_like(logits)
        return torch.sigmoid(logits) * self.cost(one) + torch.sigmoid(-logits) * self.cost(zero)

    def gradient(self, logits: Tensor) -> Tensor:
        """θ (1 - θ) (1 - 2t)."""
        return torch.sigmoid(logits) * torch.sigmoid(-logits) * (1 - 2 * self.target)

    def score_function_variance(self, logits: Tensor) -> Tensor:
        """Variance of (b - t)² (b - θ), the one-draw score-function estimator without a baseline."""
        theta, rest = torch.sigmoid(logits), torch.sigmoid(-logits)
        second = theta * rest**2 * (1 - self.target) ** 4 + rest * theta**2 * self.target**4
        return second - self.gradient(logits) ** 2
