"""Estimators for Bernoulli q that are driven by one uniform number a coordinate: ARM and DisARM."""

from typing import Any

import torch
from torch import Tensor

from elbo._errors import InputTypeError
from elbo.gradients._estimator import Estimator, Gradient, Parameters, unvalidated
from elbo.gradients._families import BernoulliVector
from elbo.noise import NoiseLaw, Uniform


class _Antithetic(Estimator):
    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        if not isinstance(parameters.family, BernoulliVector):
            raise InputTypeError(f"{type(self).__name__} is for Bernoulli q (or Independent Bernoulli)")
        return Uniform(parameters.family.event_shape)

    def breakpoints(self, problem: Any, parameters: Parameters) -> list[list[float]]:
        """Where the estimate jumps, for each coordinate of the noise."""
        sigma = torch.sigmoid(parameters["logits"].detach().double()).reshape(-1)
        return [sorted({float(s), float(1.0 - s)} - {0.0, 1.0}) for s in sigma]

    def _pair(self, problem: Any, parameters: Parameters, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = parameters["logits"]
        b = (u > torch.sigmoid(-logits)).to(logits)
        other = (u < torch.sigmoid(logits)).to(logits)
        with unvalidated():
            difference = parameters.log_weight(problem, b) - parameters.log_weight(problem, other)
        return b, other, difference


class Arm(_Antithetic):
    """(f(b) - f(b̃)) (u - ½), b = [u > σ(-φ)], b̃ = [u < σ(φ)]: augment, reinforce, merge; unbiased.

    Source: Yin and Zhou 2019, arXiv:1807.11143.

    >>> import torch
    >>> from elbo import certify
    >>> from elbo.gradients import Expectation
    >>> q = torch.distributions.Bernoulli(logits=torch.tensor(0.3, dtype=torch.float64))
    >>> found = certify(Arm(), Expectation(lambda z: (z - 0.45) ** 2), None, q)
    >>> found.unbiased, round(found.variance["logits"].item(), 9)
    (True, 0.000232984)
    """

    def __call__(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        _, _, difference = self._pair(problem, parameters, noise)
        return {"logits": difference * (noise - 0.5)}


class DisArm(_Antithetic):
    """½ (f(b) - f(b̃)) (-1)^b̃ [b ≠ b̃] σ(\\|φ\\|): ARM averaged over u given the pair, hence of lower variance; unbiased.

    Source: Dong, Mnih, Tucker 2020, arXiv:2006.10680; Yin et al. 2020, arXiv:2006.06448.

    >>> import torch
    >>> from elbo import certify
    >>> from elbo.gradients import Expectation
    >>> q = torch.distributions.Bernoulli(logits=torch.tensor(0.3, dtype=torch.float64))
    >>> found = certify(DisArm(), Expectation(lambda z: (z - 0.45) ** 2), None, q)
    >>> found.unbiased, round(found.variance["logits"].item(), 9)
    (True, 0.000104538)
    """

    def __call__(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        b, other, difference = self._pair(problem, parameters, noise)
        logits = parameters["logits"]
        sign = torch.where(b != other, 1.0 - 2.0 * other, 0.0)
        return {"logits": 0.5 * difference * sign * torch.sigmoid(logits.abs())}
