"""KL and Rényi divergences in closed form, accurate to the last digits, dispatched on ``torch.distributions`` types."""

from elbo.divergences import beta as _beta  # noqa: F401  (the families register themselves)
from elbo.divergences import beta_tilted as _beta_tilted  # noqa: F401
from elbo.divergences import continuous_bernoulli as _continuous_bernoulli  # noqa: F401
from elbo.divergences import exponential as _exponential  # noqa: F401
from elbo.divergences import gamma as _gamma  # noqa: F401
from elbo.divergences import gamma_normal as _gamma_normal  # noqa: F401
from elbo.divergences import infinite as _infinite  # noqa: F401
from elbo.divergences import kumaraswamy as _kumaraswamy  # noqa: F401
from elbo.divergences import location_scale as _location_scale  # noqa: F401
from elbo.divergences import multivariate_gaussian as _multivariate_gaussian  # noqa: F401
from elbo.divergences import pareto as _pareto  # noqa: F401
from elbo.divergences import poisson as _poisson  # noqa: F401
from elbo.divergences import structure as _structure  # noqa: F401
from elbo.divergences import tilted_to_exponential as _tilted_to_exponential  # noqa: F401
from elbo.divergences import tilted_to_normal as _tilted_to_normal  # noqa: F401
from elbo.divergences import to_gamma as _to_gamma  # noqa: F401
from elbo.divergences import to_gumbel as _to_gumbel  # noqa: F401
from elbo.divergences import to_laplace as _to_laplace  # noqa: F401
from elbo.divergences import to_normal as _to_normal  # noqa: F401
from elbo.divergences import uniform as _uniform  # noqa: F401
from elbo.divergences import uniform_shapes as _uniform_shapes  # noqa: F401
from elbo.divergences import weibull as _weibull  # noqa: F401
from elbo.divergences._kernels import exp_remainder, log_remainder
from elbo.divergences._registry import Pair, UnregisteredPairError, kl, kl_pairs, register, unregister
from elbo.divergences._renyi import renyi
from elbo.divergences.bernoulli import bernoulli_kl
from elbo.divergences.categorical import categorical_kl
from elbo.divergences.gaussian import gaussian_kl, gaussian_kl_pair
from elbo.divergences.mixtures import (
    MixtureBounds,
    mixture_kl_bounds,
    mixture_kl_product,
    mixture_kl_variational,
)
from elbo.divergences.numerical import kl_by_quadrature
from elbo.divergences.sphere import vmf_kl

__all__ = [
    "MixtureBounds",
    "Pair",
    "UnregisteredPairError",
    "bernoulli_kl",
    "categorical_kl",
    "exp_remainder",
    "gaussian_kl",
    "gaussian_kl_pair",
    "kl",
    "kl_by_quadrature",
    "kl_pairs",
    "log_remainder",
    "mixture_kl_bounds",
    "mixture_kl_product",
    "mixture_kl_variational",
    "register",
    "renyi",
    "unregister",
    "vmf_kl",
]
