"""KL and Rényi divergences in closed form, accurate to the last digits, dispatched on ``torch.distributions`` types."""

from elbo.divergences import across as _across  # noqa: F401
from elbo.divergences import continuous_bernoulli as _continuous_bernoulli  # noqa: F401
from elbo.divergences import gamma as _gamma  # noqa: F401  (the families register themselves)
from elbo.divergences import infinite as _infinite  # noqa: F401
from elbo.divergences import location_scale as _location_scale  # noqa: F401
from elbo.divergences import multivariate_gaussian as _multivariate_gaussian  # noqa: F401
from elbo.divergences import structure as _structure  # noqa: F401
from elbo.divergences import weibull as _weibull  # noqa: F401
from elbo.divergences._kernels import exp_remainder, log_remainder
from elbo.divergences._registry import Pair, UnregisteredPairError, kl, kl_pairs, register, unregister
from elbo.divergences.bernoulli import bernoulli_kl
from elbo.divergences.categorical import categorical_kl
from elbo.divergences.gaussian import gaussian_kl, gaussian_kl_pair

__all__ = [
    "Pair",
    "UnregisteredPairError",
    "bernoulli_kl",
    "categorical_kl",
    "exp_remainder",
    "gaussian_kl",
    "gaussian_kl_pair",
    "kl",
    "kl_pairs",
    "log_remainder",
    "register",
    "unregister",
]
