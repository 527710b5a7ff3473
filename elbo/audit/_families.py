"""How to make each kind of law, and how to draw its parameters: ordinary, extreme, and a given distance from others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributions
from torch.distributions import Distribution

Array = Any  # of NumPy, float64
Values = dict[str, Array]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a constructor: its kind says which numbers it takes, ``shape`` is one element's."""

    name: str
    kind: str
    shape: tuple[int, ...] = ()

    @property
    def differentiable(self) -> bool:
        """Whether a gradient towards it is compared (not along a constraint, not towards a count)."""
        return self.kind not in ("count", "direction")


@dataclass(frozen=True)
class Family:
    """A type of law: its parameters and how to make a batch of it."""

    name: str
    parameters: tuple[Parameter, ...]
    make: Callable[[Mapping[str, Tensor]], Distribution]


def _gauss(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(size=shape)


def ordinary(parameter: Parameter, rng: np.random.Generator) -> Array:
    """A value as one meets it."""
    z = _gauss(rng, parameter.shape)
    match parameter.kind:
        case "positive":
            return np.exp(z)
        case "unit":
            return 1 / (1 + np.exp(-1.5 * z))
        case "count":
            return np.full(parameter.shape, 7.0)
        case "tril":
            return np.tril(z / 2, -1) + np.diag(np.exp(np.diag(z) / 2))
        case "direction":
            return z / np.sqrt((z * z).sum())
    return 2 * z


def extreme(parameter: Parameter, rng: np.random.Generator) -> Array:
    """A value of any magnitude from 1e-6 to 1e6."""
    exponent = rng.uniform(-6, 6, parameter.shape)
    match parameter.kind:
        case "positive":
            return 10**exponent
        case "unit":
            small = 10 ** -rng.uniform(0.5, 6, parameter.shape)
            return np.where(exponent > 0, small, 1 - small)
        case "logit" | "logits":
            return rng.uniform(-30, 30, parameter.shape)
        case "count":
            return np.full(parameter.shape, 1000.0)
        case "tril":
            lower = np.tril(_gauss(rng, parameter.shape), -1)
            return (lower + np.eye(parameter.shape[0])) * 10 ** rng.uniform(-3, 3)
        case "direction":
            return ordinary(parameter, rng)
    return np.sign(exponent) * 10 ** np.abs(exponent / 2)


def moved(parameter: Parameter, value: Array, distance: float, rng: np.random.Generator) -> Array:
    """A value at about this distance, relative to what is natural for its kind."""
    step = distance * rng.uniform(0.3, 1, parameter.shape) * rng.choice([-1.0, 1.0], parameter.shape)
    match parameter.kind:
        case "positive" | "tril":
            return value * (1 + step)
        case "unit":
            return value * (1 + step * (1 - value))
        case "count":
            return value
        case "direction":
            other = value + step
            return other / np.sqrt((other * other).sum())
    return value + step


def _simple(cls: str, **kinds: str) -> Family:
    """A law of torch whose parameters are scalars, by keyword."""
    parameters = tuple(Parameter(name, kind) for name, kind in kinds.items())
    return Family(cls, parameters, lambda values: getattr(distributions, cls)(**values, validate_args=False))


def _vector(cls: str, *parameters: Parameter) -> Family:
    return Family(cls, parameters, lambda values: getattr(distributions, cls)(**values, validate_args=False))


def _independent(values: Mapping[str, Tensor]) -> Distribution:
    return distributions.Independent(distributions.Normal(values["loc"], values["scale"], validate_args=False), 1)


def _transformed(values: Mapping[str, Tensor]) -> Distribution:
    base = distributions.Normal(values["loc"], values["scale"], validate_args=False)
    transforms: list[distributions.Transform] = [
        distributions.transforms.ExpTransform(),
        distributions.transforms.AffineTransform(1.0, 2.0),
    ]
    return distributions.TransformedDistribution(base, transforms, validate_args=False)


def _sphere(cls: str) -> Callable[[Mapping[str, Tensor]], Distribution]:
    def make(values: Mapping[str, Tensor]) -> Distribution:
        import elbo.distributions

        law: Distribution = getattr(elbo.distributions, cls)(**values, validate_args=False)
        return law

    return make


def _uniform_on_sphere(values: Mapping[str, Tensor]) -> Distribution:
    from elbo.distributions import HypersphericalUniform

    some = values["mean_direction"]
    return HypersphericalUniform(some.shape[-1], batch_shape=some.shape[:-1], dtype=some.dtype)


SPHERE = (Parameter("mean_direction", "direction", (4,)), Parameter("concentration", "positive"))

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        _simple("Bernoulli", logits="logit"),
        _simple("Beta", concentration1="positive", concentration0="positive"),
        _simple("Binomial", total_count="count", logits="logit"),
        _vector("Categorical", Parameter("logits", "logits", (4,))),
        _simple("Cauchy", loc="real", scale="positive"),
        _simple("ContinuousBernoulli", probs="unit"),
        _vector("Dirichlet", Parameter("concentration", "positive", (3,))),
        _simple("Exponential", rate="positive"),
        _simple("Gamma", concentration="positive", rate="positive"),
        _simple("Geometric", probs="unit"),
        _simple("Gumbel", loc="real", scale="positive"),
        _simple("HalfCauchy", scale="positive"),
        _simple("HalfNormal", scale="positive"),
        Family("HypersphericalUniform", (), _uniform_on_sphere),
        Family("Independent", (Parameter("loc", "real", (3,)), Parameter("scale", "positive", (3,))), _independent),
        _simple("InverseGamma", concentration="positive", rate="positive"),
        _simple("Kumaraswamy", concentration1="positive", concentration0="positive"),
        _simple("Laplace", loc="real", scale="positive"),
        _simple("LogNormal", loc="real", scale="positive"),
        _vector(
            "LowRankMultivariateNormal",
            Parameter("loc", "real", (3,)),
            Parameter("cov_factor", "real", (3, 1)),
            Parameter("cov_diag", "positive", (3,)),
        ),
        _vector("MultivariateNormal", Parameter("loc", "real", (3,)), Parameter("scale_tril", "tril", (3, 3))),
        _simple("NegativeBinomial", total_count="count", logits="logit"),
        _simple("Normal", loc="real", scale="positive"),
        _vector("OneHotCategorical", Parameter("logits", "logits", (4,))),
        _simple("Pareto", scale="positive", alpha="positive"),
        _simple("Poisson", rate="positive"),
        Family("PowerSpherical", SPHERE, _sphere("PowerSpherical")),
        Family("TransformedDistribution", (Parameter("loc", "real"), Parameter("scale", "positive")), _transformed),
        _simple("Uniform", low="low", high="high"),
        _simple("VonMises", loc="real", concentration="positive"),
        Family("VonMisesFisher", SPHERE, _sphere("VonMisesFisher")),
        _simple("Weibull", scale="positive", concentration="positive"),
    )
}


def tensors(family: Family, cases: list[Values], dtype: torch.dtype) -> dict[str, Tensor]:
    """The parameters of many cases as one batch."""
    return {p.name: torch.tensor(np.stack([case[p.name] for case in cases]), dtype=dtype) for p in family.parameters}
