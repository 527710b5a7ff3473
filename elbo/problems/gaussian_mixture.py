"""A finite mixture of Gaussians: the latent variable of EM."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, MultivariateNormal, constraints

from elbo._errors import InputValueError
from elbo.problems._finite import FiniteProblem
from elbo.problems._kernels import safe_log
from elbo.problems._problem import Latent, log_prob, parameter


class GaussianMixture(FiniteProblem):
    """z ~ Categorical(π), x | z ~ N(μ_z, Σ_z).

    Args:
        probs: π, ``[K]``, sum 1.
        means: μ, ``[K, D]``.
        covariances: Σ, ``[K, D, D]``.

    >>> problem = GaussianMixture([0.5, 0.5], [[-2.0], [2.0]], [[[1.0]], [[1.0]]])
    >>> x = torch.tensor([0.0]).double()
    >>> problem.gap(x, problem.posterior(x)).item()          # the E-step closes the gap
    0.0
    """

    formula = "z ~ Categorical(π), x | z ~ N(μ_z, Σ_z)"
    known = "everything by enumeration of the components; one EM step, which cannot lower Σ log p(x)"
    conditions = "finite for q positive; the likelihood is unbounded as Σ_z -> 0"
    source = "Dempster, Laird and Rubin 1977; Neal and Hinton 1998"

    def __init__(self, probs: Any, means: Any, covariances: Any) -> None:
        self.probs = parameter("probs", probs, constraints.simplex)
        self.means = parameter("means", means)
        self.covariances = parameter("covariances", covariances, constraints.positive_definite)
        k = self.probs.shape[-1]
        d = self.means.shape[-1]
        if self.means.shape != (k, d) or self.covariances.shape != (k, d, d):
            raise InputValueError(
                f"means have shape {tuple(self.means.shape)} and covariances {tuple(self.covariances.shape)}; for {k} "
                f"components write [{k}, D] and [{k}, D, D]"
            )

    @property
    def latent(self) -> Latent:
        k = len(self.probs)
        return Latent(torch.Size(), constraints.integer_interval(0, k - 1), torch.arange(k, device=self.probs.device))

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.real_vector

    @property
    def prior(self) -> Categorical:
        return Categorical(self.probs)

    def likelihood(self, z: Tensor) -> MultivariateNormal:
        return MultivariateNormal(self.means[z.long()], self.covariances[z.long()])

    def posterior(self, x: Tensor) -> Categorical:
        return Categorical(self.log_posterior_table(x).exp())

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        return safe_log(self.probs)[z.long()] + log_prob(self.likelihood(z), self.check_observation(x))

    def em_step(self, x: Tensor) -> "GaussianMixture":
        """One step of expectation maximisation on the data x ``[n, D]``."""
        x = self.check_observation(x)
        responsibility = self.log_posterior_table(x).exp()  # [n, K]
        size = responsibility.sum(0)
        means = (responsibility.mT @ x) / size[:, None]
        centred = x[:, None, :] - means
        covariances = torch.einsum("nk,nki,nkj->kij", responsibility, centred, centred) / size[:, None, None]
        return GaussianMixture(size / size.sum(), means, covariances)
