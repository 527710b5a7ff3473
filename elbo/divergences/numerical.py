"""KL by quadrature or summation, with an error bound, for laws that have no formula."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.distributions import Distribution, constraints

from elbo._errors import InputTypeError, InputValueError

if TYPE_CHECKING:
    from elbo.exact.quadrature import Integral

MAX_OUTCOMES = 1_000_000
TAIL = 1e-18


def kl_by_quadrature(q: Distribution, p: Distribution, *, relative: float = 1e-11) -> "Integral":
    """KL[q ‖ p] in nats for two laws on the line or on the integers, with a bound on its error.

        ∫ q Φ(log p/q) = ∫ q (p/q − 1 − log p/q),      whose integrand is nowhere negative

    Args:
        q, p: univariate laws with empty batch and event shapes and a ``log_prob``; float64 parameters for float64
        accuracy.
        relative: relative accuracy that the quadrature aims at.

    Returns:
        ``value`` and ``error_bound`` as ``elbo.exact.quadrature`` gives them (the bound assumes that no feature of the
        integrand escapes both of its rules); ``inf`` and 0 where p vanishes and q does not at a point that was visited.

    Raises:
        InputTypeError: for things that are not distributions.
        InputValueError: for laws with a batch or an event shape, and for integer laws with more than a million outcomes
            of probability above 1e-18.

    Conditions: ``q.log_prob`` and ``p.log_prob`` are those of normalised laws.

    Source: the definition.

    Example:
        >>> from torch.distributions import Normal, Laplace
        >>> zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        >>> kl_by_quadrature(Laplace(zero, one), Normal(zero, one)).contains(0.2257913526447274)
        True
    """
    for name, law in (("q", q), ("p", p)):
        if not isinstance(law, Distribution):
            raise InputTypeError(f"{name} is a {type(law).__name__}, expected a torch.distributions.Distribution")
        if law.batch_shape or law.event_shape:
            raise InputValueError(
                f"{name} has batch shape {tuple(law.batch_shape)} and event shape {tuple(law.event_shape)}, "
                "expected one law of one variable: index the parameters first"
            )
    if getattr(q.support, "is_discrete", False):
        return _summed(q, p)
    return _integrated(q, p, relative)


def _log_prob(law: Any, x: torch.Tensor) -> torch.Tensor:
    """log probability in float64, −∞ outside the support (where torch may give anything)."""
    with torch.no_grad():
        inside = law.support.check(x)
        safe = torch.where(inside, x, x[inside][0]) if bool(inside.any()) else None
        values = torch.full_like(x, -math.inf) if safe is None else law.log_prob(safe)
        return torch.where(inside, values, -math.inf).double()


def _density_of(law: Any) -> Callable[[float], float]:
    """log density at a float; −inf outside the support."""
    dtype = next((v.dtype for v in vars(law).values() if isinstance(v, torch.Tensor)), torch.float64)
    lower, upper = _ends(law)

    def density(x: float) -> float:
        return float(law.log_prob(torch.tensor(x, dtype=dtype))) if lower <= x <= upper else -math.inf

    return density


def _integrated(q: Distribution, p: Distribution, relative: float) -> "Integral":
    from elbo.exact.quadrature import Integral, integrate

    lower, upper = _ends(q)
    density_q, density_p = _density_of(q), _density_of(p)
    vanishing = False

    def integrand(x: float) -> float:
        nonlocal vanishing
        log_q = density_q(x)
        if log_q == -math.inf:
            density = density_p(x)
            return math.exp(density) if density < math.inf else 0.0
        log_p = density_p(x)
        if log_p == -math.inf:
            vanishing = vanishing or log_q > -700
            return 0.0
        y = log_p - log_q
        if abs(y) < 0.5:
            return math.exp(log_q) * _phi(y)
        return math.exp(log_p) - math.exp(log_q) * (1.0 + y)

    p_lower, p_upper = _ends(p)
    # the mass of p outside the support of q belongs to ∫ p − q, so the range is the union of the supports
    low, high = min(lower, p_lower), max(upper, p_upper)
    points = sorted({x for x in (lower, upper, p_lower, p_upper, *_centres(q), *_centres(p)) if low < x < high})
    with torch.no_grad():
        result = integrate(integrand, low, high, points=tuple(points), relative=relative)
    return Integral(math.inf, 0.0) if vanishing else result


def _phi(y: float) -> float:
    total, term = 0.0, 0.5 * y * y
    for k in range(3, 24):
        total += term
        term *= y / k
    return total


def _ends(law: Distribution) -> tuple[float, float]:
    support = law.support
    lower = float(getattr(support, "lower_bound", -math.inf))
    upper = float(getattr(support, "upper_bound", math.inf))
    return lower, upper


def _centres(law: Distribution) -> list[float]:
    """Where the mass is, as far as the moments tell."""
    try:
        centre, spread = float(law.mean), float(law.stddev)
    except NotImplementedError:
        return []
    if not math.isfinite(centre):
        loc = getattr(law, "loc", None)
        return [] if loc is None else [float(loc)]
    if not math.isfinite(spread):
        return [centre]
    return [centre, centre - 4 * spread, centre + 4 * spread]


def _summed(q: Distribution, p: Distribution) -> "Integral":
    from elbo.exact.quadrature import Integral

    if q.has_enumerate_support:
        outcomes = q.enumerate_support()
    elif q.support in (constraints.nonnegative_integer, constraints.positive_integer):
        outcomes = torch.arange(_reach(q), dtype=torch.float64)
    else:
        raise InputValueError(f"the support of q is {q.support}, expected a finite set or the integers from 0")
    outcomes = outcomes.to(
        next(v.dtype for v in vars(p).values() if isinstance(v, torch.Tensor) and v.is_floating_point())
    )
    log_q, log_p = _log_prob(q, outcomes), _log_prob(p, outcomes)
    mass = log_q > -math.inf
    if bool((log_p[mass] == -math.inf).any()):
        return Integral(math.inf, 0.0)
    y = (log_p - log_q)[mass]
    weights = torch.exp(log_q[mass])
    terms = torch.where(y.abs() < 0.5, weights * (torch.expm1(y) - y), torch.exp(log_p[mass]) - weights * (1.0 + y))
    # the terms hold p − q, so what p has elsewhere belongs to the sum
    value = float(terms.sum()) + max(0.0, 1.0 - float(torch.exp(log_p[mass]).sum()))
    rest = max(0.0, 1.0 - float(weights.sum()))
    return Integral(value, 1e-14 * float(terms.abs().sum() + (weights * y.abs()).sum()) + 1e3 * rest + 1e-15)


def _reach(law: Distribution) -> int:
    """How many outcomes carry all but ``TAIL`` of the mass, by the moments and the decay of the last terms."""
    centre, spread = float(law.mean), float(law.stddev)
    count = int(centre + 12 * spread) + 64
    while count < MAX_OUTCOMES:
        if float(_log_prob(law, torch.tensor([float(count)], dtype=torch.float64))) < math.log(TAIL):
            return count
        count *= 2
    raise InputValueError(f"q has more than {MAX_OUTCOMES} outcomes of probability above {TAIL}, too many to sum over")
