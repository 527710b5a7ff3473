"""What a proposal and a known target law say about the importance weights between them."""

from torch.distributions import Beta, Dirichlet, Distribution, Gamma, Weibull

from elbo.problems._pairs._exponential import BetaPair, DirichletPair, GammaPair
from elbo.problems._pairs._gaussian import GaussianPair, moments
from elbo.problems._pairs._pair import Pair
from elbo.problems._pairs._weibull import WeibullGammaPair

__all__ = ["Pair", "moments", "pair"]


def pair(q: Distribution, p: Distribution) -> Pair | None:
    """The pair of these two laws, ``None`` where there is no closed form."""
    if isinstance(q, Gamma) and isinstance(p, Gamma):
        return GammaPair(q, p)
    if isinstance(q, Weibull) and isinstance(p, Gamma):
        return WeibullGammaPair(q, p)
    if isinstance(q, Beta) and isinstance(p, Beta):
        return BetaPair(q, p)
    if isinstance(q, Dirichlet) and isinstance(p, Dirichlet):
        return DirichletPair(q, p)
    if moments(q) is not None and moments(p) is not None and q.event_shape == p.event_shape:
        return GaussianPair(q, p)
    return None
