"""What an estimator of a gradient is: a function of parameters and noise, which says which law its noise has."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from elbo._errors import InputTypeError, InputValueError
from elbo.gradients._families import Family, family_of
from elbo.noise import NoiseLaw

Gradient = dict[str, Tensor]


class Parameters(Mapping[str, Tensor]):
    """The tensors with respect to which gradients are taken, with the datum and the family of q that they belong to.

    A mapping from names to tensors: ``mean`` and ``log_std`` for a Gaussian q, ``logits`` for a discrete one, and
    ``model.<name>`` for tensors of the problem.

    Args:
        x: the datum, or ``None``.
        family: how q is built from its values.
        values: the tensors.
    """

    def __init__(self, x: Any, family: Family, values: Mapping[str, Tensor]) -> None:
        self.x, self.family, self.values_ = x, family, dict(values)

    @classmethod
    def of(cls, problem: Any, x: Any, q: Distribution, model: Sequence[str] = ()) -> "Parameters":
        """The parameters of q at its present values, and those of the problem that ``model`` names."""
        family = family_of(q)
        values = family.values(q)
        for name in model:
            tensor = getattr(problem, name, None)
            if not isinstance(tensor, Tensor):
                have = [n for n, v in vars(problem).items() if isinstance(v, Tensor)]
                raise InputValueError(f"{type(problem).__name__} has no tensor {name!r}; model may name {have}")
            values[f"model.{name}"] = tensor.detach().clone()
        return cls(x, family, values)

    def __getitem__(self, name: str) -> Tensor:
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)

    def replaced(self, values: Mapping[str, Tensor]) -> "Parameters":
        """The same with other tensors under the same names."""
        return Parameters(self.x, self.family, {**self.values_, **values})

    def problem(self, problem: Any) -> Any:
        """``problem`` with its tensors replaced by those of ``model.<name>``."""
        changed = {name[6:]: value for name, value in self.values_.items() if name.startswith("model.")}
        if not changed:
            return problem
        other = copy.copy(problem)
        for name, value in changed.items():
            object.__setattr__(other, name, value)
        return other

    @property
    def q(self) -> Distribution:
        """q at these values, differentiable with respect to them."""
        return self.family.distribution(self.values_)

    def log_weight(self, problem: Any, z: Tensor, frozen: "Parameters | None" = None) -> Tensor:
        """log p(x, z) - log q(z), or the cost of z where the problem is an expectation; log q at ``frozen``, if any."""
        if hasattr(problem, "cost"):
            return torch.as_tensor(problem.cost(z))
        joint: Tensor = self.problem(problem).log_joint(self.x, z)
        other = frozen or self
        return joint - self.family.log_prob(other.values_, z)

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{k}: {tuple(v.shape)}' for k, v in self.values_.items())})"


@dataclass(frozen=True)
class Expectation:
    """A problem that is nothing but E_q cost(z), for estimators of the gradient of an expectation.

    >>> Expectation(lambda z: z**2).cost(torch.tensor(3.0)).item()
    9.0
    """

    cost: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Ratio:
    """R = Σ_i ŵ_i^power values_i over ``samples`` draws: what makes an estimator certifiable by a transform."""

    log_weights: Float[Tensor, " nodes"]
    """log w at the nodes of one draw, ``[n]``."""
    values: Gradient
    """what a draw contributes to each parameter, ``[n, *shape]``."""
    power: int
    samples: int


class Estimator(ABC):
    """An estimator of a gradient.

    ``noise`` says which law the noise has, and calling it maps noise to a gradient, one entry a parameter. Then it can
    be drawn (:meth:`draws`), or certified without sampling (:func:`elbo.certify`). A new one needs these two methods.
    """

    of: str = "elbo"
    """The quantity whose gradient is estimated: "elbo" (E_q log w, or E_q cost) or "iwae" (L_K, K = ``samples``)."""
    biased: bool = False
    """Whether it is known to be biased for ``of``."""
    samples: int = 1

    def parameters(self, problem: Any, x: Any, q: Distribution, model: Sequence[str] = ()) -> Parameters:
        """The parameters that gradients are taken with respect to."""
        return Parameters.of(problem, x, q, model)

    @abstractmethod
    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        """The law of the noise."""

    @abstractmethod
    def __call__(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        """The gradient that this noise gives."""

    def draws(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        """The gradients for a batch of noise (its first axis), in one vectorised call."""

        def one(e: Any) -> Gradient:
            return self(problem, parameters, e)

        with unvalidated():
            return torch.func.vmap(one)(noise)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(samples={self.samples})"


class SurrogateEstimator(Estimator):
    """An estimator that is the gradient of a scalar with respect to its live parameters; ``frozen`` are a second copy.

    What other code writes as ``detach`` is here a use of ``frozen``.
    """

    @abstractmethod
    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        """The scalar whose gradient with respect to ``parameters`` is the estimate."""

    def __call__(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        def scalar(values: Gradient) -> Tensor:
            return self.surrogate(problem, parameters.replaced(values), parameters, noise)

        with unvalidated():
            gradient: Gradient = torch.func.grad(scalar)(parameters.values_)
        return gradient


def single(parameters: Parameters, noise: Any, per_sample: Callable[[Parameters, Any], Tensor]) -> Gradient:
    """The gradient of ``per_sample(live parameters, noise_i)`` for each i of the first axis of the noise."""

    def gradient(e: Any) -> Gradient:
        def scalar(values: Gradient) -> Tensor:
            return per_sample(parameters.replaced(values), e)

        found: Gradient = torch.func.grad(scalar)(parameters.values_)
        return found

    with unvalidated():
        result: Gradient = torch.func.vmap(gradient)(noise)
    return result


@contextmanager
def unvalidated() -> Iterator[None]:
    """torch.distributions without argument checks, which look at values and so cannot run under ``vmap``."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


def check_samples(samples: int, least: int = 1) -> int:
    """``samples`` if it is an int of at least ``least``."""
    if not isinstance(samples, int) or isinstance(samples, bool):
        raise InputTypeError(f"samples is {samples!r}; write an int")
    if samples < least:
        raise InputValueError(f"samples is {samples}; this estimator needs at least {least}")
    return samples
