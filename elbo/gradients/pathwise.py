"""Pathwise (reparameterisation) gradients of the ELBO, and sticking the landing."""

from typing import Any

import torch
from torch import Tensor

from elbo._errors import InputTypeError
from elbo.gradients._estimator import Parameters, Ratio, SurrogateEstimator, check_samples, single
from elbo.noise import NoiseLaw


class _Mean(SurrogateEstimator):
    """The mean of independent draws, hence a ratio with constant weights."""

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        return reparameterised_noise(self, parameters)

    def single_noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        """The law of the noise of one of the draws."""
        return parameters.family.noise(parameters, ())

    def ratio(self, problem: Any, parameters: Parameters, noise: Any) -> Ratio:
        """The estimator as Σ_i g_i / K, with g at the given noise of one draw."""
        values = single(parameters, noise, lambda live, e: self.surrogate(problem, live, parameters, e[None]))
        return Ratio(torch.zeros(len(noise), dtype=torch.float64), values, 1, self.samples)


class Pathwise(_Mean):
    """∇ (1/K) Σ f(z(φ, ε_i)), f = log w (or the cost): the total derivative through the sample; unbiased.

    Not always of lower variance than the score function: for the cost cos(k z) it is not once k² s² exceeds about 1.

    Args:
        samples: K.
        analytic_kl: write log w as log p(x|z) - KL[q ‖ p(z)] with the divergence in closed form (a Normal prior).

    Source: Kingma and Welling 2014, arXiv:1312.6114; Rezende et al. 2014, arXiv:1401.4082.

    >>> import torch
    >>> from elbo import certify, problems
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> q = torch.distributions.Normal(0 * x, x)
    >>> certify(Pathwise(), problems.LinearGaussian(1.0), x, q).unbiased
    True
    """

    def __init__(self, samples: int = 1, analytic_kl: bool = False) -> None:
        self.samples, self.analytic_kl = check_samples(samples), analytic_kl

    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        z = parameters.family.sample(parameters, noise)
        if not self.analytic_kl:
            return parameters.log_weight(problem, z).mean()
        model = parameters.problem(problem)
        likelihood: Tensor = model.likelihood(z).log_prob(parameters.x)
        return likelihood.mean() - _gaussian_kl(parameters, model.prior)

    def __repr__(self) -> str:
        return f"Pathwise(samples={self.samples}, analytic_kl={self.analytic_kl})"


class StickingTheLanding(_Mean):
    """The pathwise gradient without the score of q: log q is evaluated at frozen parameters.

    Unbiased, and of zero variance where q is the posterior; of larger variance than :class:`Pathwise` for a q that is
    too narrow (in one Gaussian dimension, for a variance below half that of the posterior).

    Args:
        samples: K.

    Source: Roeder, Wu, Duvenaud 2017, arXiv:1703.09194.

    >>> import torch
    >>> from elbo import certify, problems
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> q = torch.distributions.Normal(0 * x, x)
    >>> certify(StickingTheLanding(), problems.LinearGaussian(1.0), x, q).unbiased
    True
    """

    def __init__(self, samples: int = 1) -> None:
        self.samples = check_samples(samples)

    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        z = parameters.family.sample(parameters, noise)
        return parameters.log_weight(problem, z, frozen=frozen).mean()


def reparameterised_noise(estimator: Any, parameters: Parameters) -> NoiseLaw:
    """The noise of ``samples`` reparameterised draws; raises for a discrete q."""
    if parameters.family.discrete:
        raise InputTypeError(
            f"{type(estimator).__name__} differentiates through z, and this q is discrete; use ScoreFunction, Rloo or "
            "DisArm"
        )
    return parameters.family.noise(parameters, (estimator.samples,))


def _gaussian_kl(parameters: Parameters, prior: Any) -> Tensor:
    mean, log_std = parameters["mean"], parameters["log_std"]
    ratio = torch.exp(log_std) / prior.stddev
    shift = (mean - prior.mean) / prior.stddev
    divergence: Tensor = (0.5 * (ratio * ratio + shift * shift - 1.0) - torch.log(ratio)).sum()
    return divergence
