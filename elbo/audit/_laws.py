"""The continuous laws that the audit has references for, by the names of their types."""

from collections.abc import Callable

from elbo.audit._law import Law, kl_of_laws
from elbo.audit._laws_bounded import Beta, ContinuousBernoulli, Kumaraswamy, Uniform
from elbo.audit._laws_unbounded import (
    Exponential,
    Gamma,
    Gumbel,
    HalfNormal,
    Laplace,
    LogNormal,
    Normal,
    Pareto,
    Weibull,
)

__all__ = ["LAWS", "kl_of_laws"]

LAWS: dict[str, Callable[..., Law]] = {
    law.__name__: law
    for law in (
        Normal,
        HalfNormal,
        LogNormal,
        Gamma,
        Exponential,
        Beta,
        Kumaraswamy,
        Uniform,
        Pareto,
        Gumbel,
        Laplace,
        ContinuousBernoulli,
        Weibull,
    )
}
