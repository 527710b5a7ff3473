"""How each family of q is written by unconstrained parameters, sampled from noise, and evaluated, in plain tensor code.

Plain, because torch.distributions checks its arguments in ways that ``torch.func.vmap`` cannot follow.
"""

from collections.abc import Mapping
from itertools import product
from math import log, pi
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal

from elbo._errors import InputTypeError, InputValueError
from elbo.noise import Finite, NoiseLaw, StandardNormal

Values = Mapping[str, Tensor]


class Gaussian:
    """N(mean, exp(log_std)²) in each coordinate; z = mean + exp(log_std) ε."""

    discrete = False

    def __init__(self, q: Distribution) -> None:
        self.event_shape = q.event_shape

    def values(self, q: Distribution) -> dict[str, Tensor]:
        return {"mean": q.mean.detach().clone(), "log_std": q.stddev.detach().log()}

    def noise(self, values: Values, samples: tuple[int, ...]) -> NoiseLaw:
        return StandardNormal((*samples, *self.event_shape))

    def sample(self, values: Values, noise: Tensor) -> Tensor:
        return values["mean"] + torch.exp(values["log_std"]) * noise

    def log_prob(self, values: Values, z: Tensor) -> Tensor:
        e = (z - values["mean"]) * torch.exp(-values["log_std"])
        return _sum(-0.5 * (e * e + log(2 * pi)) - values["log_std"], len(self.event_shape))

    def distribution(self, values: Values) -> Distribution:
        return _independent(Normal(values["mean"], torch.exp(values["log_std"])), self.event_shape)


class BernoulliVector:
    """Independent Bernoulli(sigmoid(logits)); the noise is z itself, a finite law that depends on the logits."""

    discrete = True

    def __init__(self, q: Distribution) -> None:
        self.event_shape = q.event_shape

    def values(self, q: Distribution) -> dict[str, Tensor]:
        base: Any = q.base_dist if isinstance(q, Independent) else q
        return {"logits": base.logits.detach().clone()}

    def noise(self, values: Values, samples: tuple[int, ...]) -> NoiseLaw:
        n = self.event_shape.numel()
        if n > 16:
            raise InputValueError(f"q has {n} Bernoulli coordinates; its 2^{n} outcomes are too many to be a law here")
        states = torch.tensor(list(product((0.0, 1.0), repeat=n)), dtype=torch.float64)
        states = states.reshape(-1, *self.event_shape)
        probabilities = torch.exp(self.log_prob({"logits": values["logits"].detach().double()}, states))
        return Finite(states, probabilities / probabilities.sum(), repeat=samples)

    def sample(self, values: Values, noise: Tensor) -> Tensor:
        return noise

    def log_prob(self, values: Values, z: Tensor) -> Tensor:
        logits = values["logits"]
        return _sum(z * logits - torch.nn.functional.softplus(logits, threshold=700.0), len(self.event_shape))

    def distribution(self, values: Values) -> Distribution:
        return _independent(Bernoulli(logits=values["logits"]), self.event_shape)


class CategoricalIndex:
    """Categorical(softmax(logits)); z is the index of the state, and the noise is z itself."""

    discrete = True
    event_shape = torch.Size()

    def values(self, q: Distribution) -> dict[str, Tensor]:
        assert isinstance(q, Categorical)
        return {"logits": q.logits.detach().clone()}

    def noise(self, values: Values, samples: tuple[int, ...]) -> NoiseLaw:
        probabilities = torch.softmax(values["logits"].detach().double(), -1)
        return Finite(torch.arange(len(probabilities)), probabilities, repeat=samples)

    def sample(self, values: Values, noise: Tensor) -> Tensor:
        return noise.long()

    def log_prob(self, values: Values, z: Tensor) -> Tensor:
        # plain indexing by a single index would look at its value
        table = torch.log_softmax(values["logits"], -1)
        return torch.gather(table, -1, z.long().reshape(-1)).reshape(z.shape)

    def distribution(self, values: Values) -> Distribution:
        return Categorical(logits=values["logits"])


Family = Gaussian | BernoulliVector | CategoricalIndex


def family_of(q: Distribution) -> Family:
    """The family of q; raises for those that these estimators do not know, and for a batch of them."""
    if not isinstance(q, Distribution):
        raise InputTypeError(f"q is a {type(q).__name__}; write a torch.distributions object, such as Normal(0.0, 1.0)")
    if q.batch_shape:
        raise InputValueError(
            f"q has batch_shape {tuple(q.batch_shape)}; estimators take one datum: wrap the coordinates of z in "
            "Independent(q, 1), and give one x at a time"
        )
    base = q
    while isinstance(base, Independent):
        base = base.base_dist
    if isinstance(base, Normal):
        return Gaussian(q)
    if isinstance(base, Bernoulli):
        return BernoulliVector(q)
    if isinstance(q, Categorical):
        return CategoricalIndex()
    raise InputTypeError(
        f"q is {type(q).__name__}; these estimators know Normal, Bernoulli (or Independent) and Categorical"
    )


def _independent(base: Distribution, event_shape: torch.Size) -> Distribution:
    return Independent(base, len(event_shape)) if event_shape else base


def _sum(values: Tensor, axes: int) -> Tensor:
    return values.sum(tuple(range(-axes, 0))) if axes else values
