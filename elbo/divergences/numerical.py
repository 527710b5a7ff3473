"""KL by quadrature or summation, with an error bound, for laws that have no formula."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.distributions import Distribution, Independent

from elbo._errors import InputTypeError, InputValueError
from elbo.divergences._laws import widened

if TYPE_CHECKING:
    from elbo.exact.quadrature import Integral


def kl_by_quadrature(q: Distribution, p: Distribution, *, relative: float = 1e-11) -> "Integral":
    """KL[q ‖ p] in nats for two laws that have no closed form, with a bound on its error.

        ∫ q Φ(log p/q) = ∫ q (p/q − 1 − log p/q),      whose integrand is nowhere negative

    What it does:

    - laws of one variable: adaptive quadrature over the union of the supports, or a sum over the outcomes;
    - both laws ``Independent`` with univariate base laws: the sum over the coordinates, as many as there are;
    - continuous laws of up to three coordinates (vectors, mixtures of them, laws on a simplex of up to four shares, on
      any support that ``biject_to`` maps): product rules in coordinates that suit q; also ∫ q log q/p, if that has the
      smaller bound;
    - discrete laws of vectors (``OneHotCategorical``, ``Multinomial``, ``Independent`` ones, mixtures): a sum over at
      most a million outcomes.

    Args:
        q, p: laws with an empty batch shape and the same event shape, with a ``log_prob`` that takes many points at
            once and a ``support``; float64 parameters for float64 accuracy, unless they are torch's own laws,
            whose parameters are taken to float64. A ``mean`` and ``stddev``, an ``icdf`` or
            a ``sample`` method tell where their mass is; they enter no number of the result.
        relative: relative accuracy that the quadrature aims at.

    Returns:
        ``value`` and ``error_bound``: the truth lies within ``value ± error_bound`` if no feature of the integrand
        escapes all of the rules that are compared (each piece is integrated whole and cut), if beyond the last piece
        towards infinity or a singular end the densities go on like the power of the distance that they have come to,
        and if ``log_prob`` has no errors beyond rounding. That both densities integrate to one is checked, and what
        they miss is part of the bound. ``inf`` and 0 where p vanishes and q does not at a point that was visited, or
        where the integral diverges by the power of its tail; a mass of q that p lacks is met if it is above e^−700 for
        laws of one variable and of outcomes, above about e^−36 in several coordinates.

    Raises:
        InputTypeError: for things that are not distributions, and for laws whose support or outcomes are not known.
        InputValueError: for laws with a batch shape or different event shapes, for too many coordinates or outcomes,
            for a discrete law against a continuous one, and for densities that do not integrate to one.
        IntegrationError: where the tails do not show whether the integral is finite.

    Cost: some hundredths of a second for laws of one variable, up to a quarter of a minute for two or three coordinates
    whose densities are singular.

    Conditions: ``q.log_prob`` and ``p.log_prob`` are those of normalised laws.

    Source: the definition; the chain rule of KL for products.

    Example:
        >>> import torch
        >>> from torch.distributions import Independent, Laplace, MultivariateNormal, Normal
        >>> zero, one = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
        >>> kl_by_quadrature(Laplace(zero[0], one[0]), Normal(zero[0], one[0])).contains(0.2257913526447274)
        True
        >>> kl_by_quadrature(Independent(Laplace(zero, one), 1), MultivariateNormal(zero, torch.diag(one))).contains(
        ...     2 * 0.2257913526447274
        ... )
        True
    """
    for name, law in (("q", q), ("p", p)):
        if not isinstance(law, Distribution):
            raise InputTypeError(f"{name} is a {type(law).__name__}, expected a torch.distributions.Distribution")
        if law.batch_shape:
            raise InputValueError(
                f"{name} has batch shape {tuple(law.batch_shape)}, expected one law: index its parameters, as in "
                "Normal(loc[0], scale[0]), or write Independent(law, "
                f"{len(law.batch_shape)}) for the sum over the batch"
            )
    if q.event_shape != p.event_shape:
        raise InputValueError(
            f"q has event shape {tuple(q.event_shape)} and p has {tuple(p.event_shape)}, expected the same"
        )
    with np.errstate(all="ignore"), torch.no_grad():  # densities may overflow far away, and vanish
        return _dispatched(widened(q), widened(p), relative)


def _dispatched(q: Any, p: Any, relative: float) -> "Integral":
    discrete = _is_discrete(q, "q")
    if discrete != _is_discrete(p, "p"):
        raise InputValueError(
            f"q is {'discrete' if discrete else 'continuous'} and p is not: neither has a density with respect to the "
            "other, so that KL is infinite; write two laws on the same kind of outcomes"
        )
    base_q, base_p = _unwrapped(q), _unwrapped(p)
    if discrete:
        from elbo.divergences._numerical.outcomes import summed

        return summed(base_q, base_p) if _univariate(base_q, base_p) else summed(q, p)
    if _univariate(base_q, base_p):
        from elbo.divergences._numerical.on_line import on_line

        return on_line(base_q, base_p, relative)
    from elbo.divergences._numerical.in_space import in_space

    return in_space(q, p, relative)


def _is_discrete(law: Any, name: str) -> bool:
    try:
        return bool(law.support.is_discrete)
    except NotImplementedError as missing:
        raise InputTypeError(
            f"{name}, a {type(law).__name__}, has no support: set support = torch.distributions.constraints.real (or "
            "what it is) in its class"
        ) from missing


def _unwrapped(law: Any) -> Any:
    """The base law of independent coordinates, or the law itself."""
    while isinstance(law, Independent):
        law = law.base_dist
    return law


def _univariate(q: Any, p: Any) -> bool:
    """Whether both are laws of one variable, or batches of them."""
    return not q.event_shape and not p.event_shape and q.batch_shape == p.batch_shape
