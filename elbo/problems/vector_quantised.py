"""A latent that a codebook makes finite."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, Normal, constraints

from elbo._errors import InputValueError
from elbo.problems._finite import FiniteProblem
from elbo.problems._problem import Latent, log_prob, parameter


class VectorQuantised(FiniteProblem):
    """k uniform on K codes, x | k ~ N(A e_k + b, σ² I): a VQ-VAE with a linear decoder, whose evidence is a sum.

    The one-hot q of a VQ-VAE has KL(q ‖ prior) = log K whatever the code, so that its ELBO is log p(x | k) - log K.

    Args:
        codebook: e, ``[K, d]``.
        weight: A, ``[D, d]``.
        offset: b, ``[D]`` or a number.
        noise_variance: σ² > 0, a number.

    >>> problem = VectorQuantised([[0.0], [1.0], [3.0]], [[1.0]])
    >>> k = problem.quantise(torch.tensor([[0.8], [2.9]]).double())
    >>> k.tolist(), problem.elbo(torch.tensor([[1.0], [3.0]]).double(), problem.one_hot(k)).shape
    ([1, 2], torch.Size([2]))
    """

    formula = "k ~ Uniform{1..K}, x | k ~ N(A e_k + b, σ² I)"
    known = "everything by enumeration of the codebook; a one-hot q has KL = log K"
    conditions = "a one-hot q leaves posterior mass uncovered: EUBO and χ² are infinite"
    source = "van den Oord et al. 2017, arXiv:1711.00937"

    def __init__(self, codebook: Any, weight: Any, offset: Any = 0.0, noise_variance: Any = 1.0) -> None:
        self.codebook, self.weight = parameter("codebook", codebook), parameter("weight", weight)
        self.offset = parameter("offset", offset)
        self.noise_variance = parameter("noise_variance", noise_variance, constraints.positive)
        if self.codebook.ndim != 2 or self.weight.ndim != 2 or self.codebook.shape[1] != self.weight.shape[1]:
            raise InputValueError(
                f"codebook has shape {tuple(self.codebook.shape)} and weight {tuple(self.weight.shape)}; write [K, d] "
                "and [D, d]"
            )

    @property
    def latent(self) -> Latent:
        k = len(self.codebook)
        return Latent(
            torch.Size(), constraints.integer_interval(0, k - 1), torch.arange(k, device=self.codebook.device)
        )

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.real_vector

    @property
    def prior(self) -> Categorical:
        return Categorical(torch.ones_like(self.codebook[:, 0]))

    def likelihood(self, z: Tensor) -> Independent:  # type: ignore[type-arg]
        mean = self.codebook[z.long()] @ self.weight.mT + self.offset
        return Independent(Normal(mean, self.noise_variance.sqrt()), 1)

    def posterior(self, x: Tensor) -> Categorical:
        return Categorical(self.log_posterior_table(x).exp())

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        uniform = torch.log(torch.tensor(1.0 / len(self.codebook), dtype=self.codebook.dtype))
        return uniform + log_prob(self.likelihood(z), self.check_observation(x))

    def quantise(self, encoding: Tensor) -> Tensor:
        """The index of the nearest code to each encoding ``[..., d]``."""
        return torch.cdist(encoding, self.codebook).argmin(-1)

    def one_hot(self, index: Tensor) -> Categorical:
        """q that puts all mass on the code of this index."""
        return Categorical(torch.nn.functional.one_hot(index, len(self.codebook)).to(self.codebook))
