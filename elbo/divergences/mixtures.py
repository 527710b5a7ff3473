"""Mixtures: there is no closed form, so here are two approximations and a pair of bounds, each called what it is.

With f = Σ πₐ fₐ and g = Σ ω_b g_b, and for an expectation of log g under f,

    Σ πₐ (log Σ ω_b e^{−KL(fₐ ‖ g_b)} − H(fₐ))  ≤  E_f log g  ≤  Σ πₐ log Σ ω_b ∫ fₐ g_b

(left: Jensen under a variational weight; right: Jensen inside the logarithm). Differences of the two give bounds on
KL; the difference of the two left sides is the variational approximation of Hershey and Olsen, that of the two right
sides their product approximation, and neither of these is a bound.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily, MultivariateNormal, Normal

from elbo._errors import Error, InputTypeError
from elbo.divergences._diagnosis import blame, shape_error
from elbo.divergences._domain import holds_nan
from elbo.divergences._elementwise import transformed
from elbo.divergences._registry import _check_kinds, kl

HALF_LOG_2PI = 0.9189385332046727


class MixtureBounds(NamedTuple):
    """Numbers between which KL[q ‖ p] lies."""

    lower: Tensor
    upper: Tensor


def _expand(law: Distribution, axis: int) -> Distribution:
    """The components of a mixture along the last batch dimension (axis −1) or the one before (axis −2)."""
    if isinstance(law, Normal):
        return Normal(law.loc.unsqueeze(axis), law.scale.unsqueeze(axis), validate_args=False)
    if isinstance(law, MultivariateNormal):
        return MultivariateNormal(
            law.loc.unsqueeze(axis - 1), scale_tril=law.scale_tril.unsqueeze(axis - 2), validate_args=False
        )
    if isinstance(law, Independent) and isinstance(law.base_dist, Normal) and law.reinterpreted_batch_ndims == 1:
        base = law.base_dist
        spread = Normal(base.loc.unsqueeze(axis - 1), base.scale.unsqueeze(axis - 1), validate_args=False)
        return Independent(spread, 1, validate_args=False)
    raise InputTypeError(
        f"the components are {law}, expected Normal, Independent(Normal, 1) or MultivariateNormal: "
        "only for Gaussians is the integral of a product of densities known here"
    )


def _log_overlap(f: Distribution, g: Distribution) -> Any:
    """log ∫ f g for two Gaussians: the density of their difference at zero."""
    if isinstance(f, Normal) and isinstance(g, Normal):
        variance = f.scale.square() + g.scale.square()
        return -HALF_LOG_2PI - 0.5 * (torch.log(variance) + (f.loc - g.loc).square() / variance)
    if isinstance(f, Independent) and isinstance(g, Independent):
        return _log_overlap(f.base_dist, g.base_dist).sum(-1)
    if isinstance(f, MultivariateNormal) and isinstance(g, MultivariateNormal):
        total = f.covariance_matrix + g.covariance_matrix
        return MultivariateNormal(torch.zeros_like(f.loc - g.loc), total, validate_args=False).log_prob(f.loc - g.loc)
    raise InputTypeError(f"{type(f).__name__} and {type(g).__name__} components, expected the same type in q and p")


def _weights(law: Any) -> tuple[Tensor, Tensor]:
    """The weights and their logarithms, −∞ for a weight of 0, which torch's logits of probabilities are not."""
    weights, logits = law.mixture_distribution.probs, law.mixture_distribution.logits
    return weights, torch.where(weights == 0.0, -math.inf, logits)


def _terms(q: Any, p: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The two left sides without the entropies, the two right sides, and Σ πₐ H(fₐ)."""
    for name, law in (("q", q), ("p", p)):
        if not isinstance(law, MixtureSameFamily):
            raise InputTypeError(f"{name} is a {type(law).__name__}, expected a MixtureSameFamily")
    _check_kinds(q, p)
    wrong = shape_error(q, p)
    if wrong is not None:
        raise wrong
    f, g = q.component_distribution, p.component_distribution
    rows, own, other = _expand(f, -1), _expand(f, -2), _expand(g, -2)
    weights, log_pi = _weights(q)
    _, log_omega = _weights(p)

    def mean(values: Tensor) -> Tensor:
        # a component of weight 0 counts for nothing, also where it is infinitely far from every other
        lost = (weights == 0.0) & (values.amax(-1) == -math.inf)
        values = torch.where(lost.unsqueeze(-1), 0.0, values)
        return (weights * torch.logsumexp(values, -1)).sum(-1)

    log_pi, log_omega = log_pi.unsqueeze(-2), log_omega.unsqueeze(-2)
    terms = (
        mean(log_pi - kl(rows, own)),
        mean(log_omega - kl(rows, other)),
        mean(log_pi + _log_overlap(rows, own)),
        mean(log_omega + _log_overlap(rows, other)),
        (weights * f.entropy()).sum(-1),
    )
    if not transformed() and any(holds_nan(term) for term in terms):
        raise blame(q, p) or Error("the bounds of a mixture gave NaN for parameters in their domain: please report it")
    return terms


def mixture_kl_variational(q: MixtureSameFamily, p: MixtureSameFamily) -> Tensor:
    """The variational *approximation* (not a bound) of KL between two mixtures of Gaussians, in nats.

        Σ πₐ log [Σ π_c e^{−KL(fₐ ‖ f_c)} / Σ ω_b e^{−KL(fₐ ‖ g_b)}]

    Args:
        q, p: mixtures of Normal, Independent(Normal, 1) or MultivariateNormal components of one event shape.

    Returns:
        one value for each element of the batch shape; exact for one component each, zero for equal mixtures.

    Raises:
        InputTypeError: for other laws, for components of two types, for mixed dtypes or devices of weights and
            components.
        InputValueError: for event or batch shapes that do not fit, and for weights or parameters that are NaN or
            outside their domain; it names them.

    Conditions: the error has no sign and no bound; ``mixture_kl_bounds`` gives numbers that enclose the truth.

    Source: Hershey and Olsen 2007, Approximating the Kullback-Leibler divergence between Gaussian mixture models.

    Example:
        >>> from torch.distributions import Categorical, MixtureSameFamily, Normal
        >>> one = Categorical(torch.ones(1))
        >>> q = MixtureSameFamily(one, Normal(torch.zeros(1), torch.ones(1)))
        >>> p = MixtureSameFamily(one, Normal(torch.ones(1), torch.ones(1)))
        >>> mixture_kl_variational(q, p)
        tensor(0.5000)
    """
    own, other, _, _, _ = _terms(q, p)
    return own - other


def mixture_kl_product(q: MixtureSameFamily, p: MixtureSameFamily) -> Tensor:
    """The product-of-Gaussians *approximation* (not a bound) of KL between two mixtures of Gaussians, in nats.

        Σ πₐ log [Σ π_c ∫ fₐ f_c / Σ ω_b ∫ fₐ g_b]

    Args:
        q, p: mixtures of Normal, Independent(Normal, 1) or MultivariateNormal components of one event shape.

    Returns:
        one value for each element of the batch shape; zero for equal mixtures, and *not* exact for one component each.

    Raises:
        InputTypeError: for other laws, for components of two types, for mixed dtypes or devices of weights and
            components.
        InputValueError: for event or batch shapes that do not fit, and for weights or parameters that are NaN or
            outside their domain; it names them.

    Conditions: the error has no sign and no bound; ``mixture_kl_bounds`` gives numbers that enclose the truth.

    Source: Hershey and Olsen 2007, section 5.

    Example:
        >>> from torch.distributions import Categorical, MixtureSameFamily, Normal
        >>> one = Categorical(torch.ones(1))
        >>> q = MixtureSameFamily(one, Normal(torch.zeros(1), torch.ones(1)))
        >>> mixture_kl_product(q, q)
        tensor(0.)
    """
    _, _, own, other, _ = _terms(q, p)
    return own - other


def mixture_kl_bounds(q: MixtureSameFamily, p: MixtureSameFamily) -> MixtureBounds:
    """Numbers between which KL between two mixtures of Gaussians lies, in nats.

        [Σ πₐ log Σ π_c e^{−KL(fₐ ‖ f_c)} − Σ πₐ H(fₐ)] − Σ πₐ log Σ ω_b ∫ fₐ g_b
            ≤ KL[q ‖ p] ≤ Σ πₐ log Σ π_c ∫ fₐ f_c − [Σ πₐ log Σ ω_b e^{−KL(fₐ ‖ g_b)} − Σ πₐ H(fₐ)]

    Args:
        q, p: mixtures of Normal, Independent(Normal, 1) or MultivariateNormal components of one event shape.

    Returns:
        ``lower`` (at least 0) and ``upper``, one value each for each element of the batch shape.

    Raises:
        InputTypeError: for other laws, for components of two types, for mixed dtypes or devices of weights and
            components.
        InputValueError: for event or batch shapes that do not fit, and for weights or parameters that are NaN or
            outside their domain; it names them.

    Conditions: none. With equal numbers of components the upper bound is at most KL of weights and components taken
    in order.

    Source: Durrieu, Thiran and Kelly 2012, Lower and upper bounds for approximation of the Kullback-Leibler divergence
    between Gaussian mixture models.

    Example:
        >>> from torch.distributions import Categorical, MixtureSameFamily, Normal
        >>> one = Categorical(torch.ones(1))
        >>> q = MixtureSameFamily(one, Normal(torch.zeros(1), torch.ones(1)))
        >>> p = MixtureSameFamily(one, Normal(torch.ones(1), torch.ones(1)))
        >>> lower, upper = mixture_kl_bounds(q, p)
        >>> bool(lower <= 0.5 <= upper)
        True
    """
    own_low, other_low, own_high, other_high, entropy = _terms(q, p)
    lower = ((own_low - entropy) - other_high).clamp(min=0.0)
    upper = own_high - (other_low - entropy)
    if q.mixture_distribution.logits.shape[-1] == p.mixture_distribution.logits.shape[-1]:
        weights = q.mixture_distribution.probs
        parts = kl(q.component_distribution, p.component_distribution)
        parts = torch.where((weights == 0.0) & (parts == math.inf), 0.0, parts)
        ordered = kl(q.mixture_distribution, p.mixture_distribution) + (weights * parts).sum(-1)
        upper = torch.minimum(upper, ordered)
    return MixtureBounds(lower, upper)
