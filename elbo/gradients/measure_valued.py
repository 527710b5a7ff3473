"""Measure-valued (weak) derivatives: differences of costs at coupled pairs of points."""

from math import pi, sqrt
from typing import Any

import torch
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError
from elbo.gradients._estimator import Estimator, Gradient, Parameters, unvalidated
from elbo.gradients._families import BernoulliVector, Gaussian
from elbo.noise import Maxwell, NoiseLaw, Product, Rayleigh, Uniform


class MeasureValued(Estimator):
    """∇_φ q written as a difference of two laws, for each parameter of q; unbiased, f need not be differentiable.

    Gaussian: (f(μ + σW) - f(μ - σW)) / (σ √(2π)) for the mean, W Rayleigh; f(μ + σM) - f(μ + σMU) for log σ, M
    double-sided Maxwell and U uniform. Bernoulli: θ (1 - θ) (f(1) - f(0)) for the logit, which has no variance for a
    single coordinate. In several dimensions each coordinate has its pair, the others are drawn from q: 2 or 4
    evaluations of f a coordinate.

    Source: Pflug 1996; Mohamed et al. 2020, arXiv:1906.10652, section 6.

    >>> import torch
    >>> from elbo import certify
    >>> from elbo.gradients import Expectation
    >>> q = torch.distributions.Normal(torch.tensor(1.0, dtype=torch.float64), 1.0)
    >>> found = certify(MeasureValued(), Expectation(lambda z: (z - 3) ** 2), None, q)
    >>> found.unbiased, round(found.variance["mean"].item(), 9), round(found.variance["log_std"].item(), 9)
    (True, 4.371832716, 20.0)
    """

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        if any(name.startswith("model.") for name in parameters):
            raise InputValueError(
                "measure-valued gradients are for the parameters of q; use Pathwise or ScoreFunction for the model"
            )
        family = parameters.family
        if not isinstance(family, Gaussian | BernoulliVector) or len(family.event_shape) > 1:
            raise InputTypeError("MeasureValued is for a Normal or Bernoulli q with an event of at most one axis")
        if isinstance(family, BernoulliVector):
            return family.noise(parameters, ())
        shape = family.event_shape
        return Product(Rayleigh(shape), Maxwell(shape), Uniform(shape))

    def __call__(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        if isinstance(parameters.family, BernoulliVector):
            theta = torch.sigmoid(parameters["logits"])
            difference = _difference(problem, parameters, noise, torch.ones_like(noise), torch.zeros_like(noise))
            return {"logits": theta * (1.0 - theta) * difference}
        w, m, u = noise
        mean, std = parameters["mean"], torch.exp(parameters["log_std"])
        z = mean + std * m * u
        by_mean = _difference(problem, parameters, z, mean + std * w, mean - std * w)
        return {
            "mean": by_mean / (std * sqrt(2.0 * pi)),
            "log_std": _difference(problem, parameters, z, mean + std * m, z),
        }

    def __repr__(self) -> str:
        return "MeasureValued()"


def _difference(problem: Any, parameters: Parameters, z: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """f with coordinate j of z replaced by that of ``above``, minus the same with ``below``, for each j."""
    with unvalidated():
        if z.ndim == 0:
            return parameters.log_weight(problem, above) - parameters.log_weight(problem, below)
        own = torch.eye(len(z), dtype=torch.bool, device=z.device)
        pairs = [torch.where(own, other.expand(len(z), -1), z.expand(len(z), -1)) for other in (above, below)]
        return parameters.log_weight(problem, pairs[0]) - parameters.log_weight(problem, pairs[1])
