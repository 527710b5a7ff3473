"""Biased gradients for a Bernoulli q that differentiate f in between 0 and 1: straight-through, Gumbel-softmax."""

from math import isfinite
from typing import Any

import torch
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError
from elbo.gradients._estimator import Estimator, Gradient, Parameters, unvalidated
from elbo.gradients._families import BernoulliVector
from elbo.noise import NoiseLaw, Uniform


class _Relaxed(Estimator):
    biased = True

    def _check(self, parameters: Parameters) -> BernoulliVector:
        if not isinstance(parameters.family, BernoulliVector):
            raise InputTypeError(f"{type(self).__name__} is for Bernoulli q (or Independent Bernoulli)")
        if any(name.startswith("model.") for name in parameters):
            raise InputValueError(f"{type(self).__name__} is for the parameters of q; use ScoreFunction for the model")
        return parameters.family

    def _slope(self, problem: Any, parameters: Parameters, z: Tensor) -> Tensor:
        """∂f/∂z with q held fixed, where f is extended from {0, 1} to the line by its own formula."""

        def cost(point: Tensor) -> Tensor:
            return parameters.log_weight(problem, point)

        with unvalidated():
            slope: Tensor = torch.func.grad(cost)(z)
        return slope


class StraightThrough(_Relaxed):
    """θ (1 - θ) f'(b), b ~ Bernoulli(θ): the derivative as if b were its mean; biased.

    Unbiased only where E f'(b) = f(1) - f(0): for a linear f, and for a quadratic one at θ = ½.

    Source: Bengio, Léonard, Courville 2013, arXiv:1308.3432.

    >>> import torch
    >>> from elbo import certify
    >>> from elbo.gradients import Expectation
    >>> q = torch.distributions.Bernoulli(logits=torch.tensor(0.3, dtype=torch.float64))
    >>> round(certify(StraightThrough(), Expectation(lambda z: (z - 0.45) ** 2), None, q).bias["logits"].item(), 9)
    0.036396184
    """

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        return self._check(parameters).noise(parameters, ())

    def __call__(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        theta = torch.sigmoid(parameters["logits"])
        return {"logits": theta * (1.0 - theta) * self._slope(problem, parameters, noise)}

    def __repr__(self) -> str:
        return "StraightThrough()"


class GumbelSoftmax(_Relaxed):
    """f'(y) y (1 - y) / τ, y = σ((φ + log u - log(1 - u)) / τ): the binary Concrete relaxation.

    Its bias is τ θ (1 - θ) (2θ - 1) ∫₀¹ f'(y) logit(y) dy + O(τ²) for a smooth f, and its variance O(1/τ).

    Args:
        temperature: τ > 0.
        hard: evaluate f' at [y > ½] instead of y (straight-through Gumbel-softmax).

    Source: Maddison, Mnih, Teh 2017, arXiv:1611.00712; Jang, Gu, Poole 2017, arXiv:1611.01144.

    >>> import torch
    >>> from elbo import certify
    >>> from elbo.gradients import Expectation
    >>> q = torch.distributions.Bernoulli(logits=torch.tensor(0.3, dtype=torch.float64))
    >>> found = certify(GumbelSoftmax(0.5), Expectation(lambda z: (z - 0.45) ** 2), None, q)
    >>> round(found.bias["logits"].item(), 9), round(found.variance["logits"].item(), 9)
    (0.00743837, 0.013965472)
    """

    def __init__(self, temperature: float, hard: bool = False) -> None:
        if not (isfinite(temperature) and temperature > 0):
            raise InputValueError(f"temperature is {temperature}; write a positive number, such as 0.5")
        self.temperature, self.hard = float(temperature), hard

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        return Uniform(self._check(parameters).event_shape)

    def breakpoints(self, problem: Any, parameters: Parameters) -> list[list[float]]:
        """Where y crosses ½ (a jump if hard), and steps in its logit between which it changes slowly."""
        logits = parameters["logits"].detach().double().reshape(-1)
        # the pieces multiply: fewer of them where there are several coordinates
        end, step = (36.0, 2.0) if len(logits) == 1 else (24.0, 4.0)
        steps = self.temperature * torch.arange(-end, end + 1.0, step, dtype=torch.float64)
        found = []
        for logit in logits:
            u = torch.sigmoid(steps - logit)
            found.append(sorted({float(v) for v in u if 1e-16 < v < 1.0 - 1e-15}))
        return found

    def __call__(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        y = torch.sigmoid((parameters["logits"] + torch.logit(noise)) / self.temperature)
        point = (y > 0.5).to(y) if self.hard else y
        return {"logits": self._slope(problem, parameters, point) * y * (1.0 - y) / self.temperature}

    def __repr__(self) -> str:
        return f"GumbelSoftmax({self.temperature:g}, hard={self.hard})"
