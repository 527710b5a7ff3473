"""Laws made of laws: independent coordinates, and the same transformation of two laws."""

from typing import Any

import torch
from torch.distributions import ExponentialFamily, HalfCauchy, Independent, TransformedDistribution, constraints

from elbo._errors import InputTypeError
from elbo.divergences._registry import UnregisteredPairError, kl, register, unregistered


def _sum_last(value: Any, dimensions: int) -> Any:
    return value.sum(dim=tuple(range(-dimensions, 0))) if dimensions else value


@register(
    Independent,
    Independent,
    formula="the sum of the coordinates' KL",
    conditions="the same number of reinterpreted dimensions, or base laws with the same event shape",
    accuracy=float("inf"),
    note="that of the base laws: the terms are non-negative, so the sum loses nothing",
    source="the chain rule of KL for products",
)
def _independent(q: Any, p: Any) -> Any:
    if q.reinterpreted_batch_ndims != p.reinterpreted_batch_ndims:
        raise InputTypeError(
            f"q reinterprets {q.reinterpreted_batch_ndims} batch dimensions and p {p.reinterpreted_batch_ndims}, "
            "expected the same: write the base laws with the same event shape"
        )
    return _sum_last(kl(q.base_dist, p.base_dist), q.reinterpreted_batch_ndims)


NARROW = (constraints.greater_than, constraints.greater_than_eq, constraints.interval, constraints.half_open_interval)


def _one(constraint: Any) -> Any:
    """What is asked of one coordinate."""
    while isinstance(constraint, constraints.independent):
        constraint = constraint.base_constraint
    return constraint


@register(
    TransformedDistribution,
    TransformedDistribution,
    formula="KL of the base laws, summed over the dimensions that the transform makes part of the event",
    conditions="equal transforms; each is a bijection",
    accuracy=float("inf"),
    note="that of the base laws",
    source="KL is invariant under bijections",
)
def _transformed(q: Any, p: Any) -> Any:
    if q.transforms != p.transforms:
        raise UnregisteredPairError(
            f"q is transformed by {q.transforms} and p by {p.transforms}, expected equal transforms: "
            "write elbo.divergences.kl_by_quadrature(q, p) for laws of up to three coordinates, or give the law a type "
            "of its own"
        )
    domain = q.transforms[0].domain if q.transforms else None
    if isinstance(_one(domain), NARROW) and _one(q.base_dist.support) is constraints.real:
        raise InputTypeError(
            f"q and p are transformed by {q.transforms}, which takes {domain}, and their base laws are on the whole "
            "line: such a law has no density, expected base laws within the domain of the transform"
        )
    folded = [transform for transform in q.transforms if not transform.bijective]
    if folded:
        raise UnregisteredPairError(
            f"KL[{type(q).__name__} ‖ {type(p).__name__}]: the laws are transformed by {folded}, which maps several "
            "numbers to one, expected bijections: KL of the base laws may exceed theirs; write "
            f"elbo.divergences.kl_by_quadrature(q, p) for laws of up to three coordinates, or register a formula of "
            f"your own: @elbo.register({type(q).__name__}, {type(p).__name__})"
        )
    value = kl(q.base_dist, p.base_dist)
    return _sum_last(value, len(q.event_shape) - len(q.base_dist.event_shape))


@register(
    HalfCauchy,
    HalfCauchy,
    formula="log[(s₁ + s₂)² / (4 s₁ s₂)]",
    accuracy=8,
    source="as Cauchy ‖ Cauchy: |x| loses only the sign of x, which is as likely either way in both laws",
)
def _half_cauchy(q: HalfCauchy, p: HalfCauchy) -> Any:
    return kl(q.base_dist, p.base_dist)


@register(
    ExponentialFamily,
    ExponentialFamily,
    formula="A(η₂) − A(η₁) − ∇A(η₁)ᵀ(η₂ − η₁)",
    conditions="q and p are of one type, which defines _natural_params and _log_normalizer",
    accuracy=float("inf"),
    note="the remainder of a Taylor expansion, computed as it stands: it loses about ε/δ² at a relative distance δ; "
    "for families of users and Wishart laws, the other families of torch have forms of their own",
    source="Nielsen and Nock 2010, Entropies and cross-entropies of exponential families",
)
def _exponential_family(q: Any, p: Any) -> Any:
    if type(q) is not type(p):
        raise unregistered(type(q), type(p))
    natural = q._natural_params
    # a transform of torch.func, as it works within others and leaves no graph where no parameter asks for one
    slope = torch.func.grad(lambda *x: q._log_normalizer(*x).sum(), argnums=tuple(range(len(natural))))
    value = p._log_normalizer(*p._natural_params) - q._log_normalizer(*natural)
    for mine, theirs, by_mine in zip(natural, p._natural_params, slope(*natural), strict=True):
        value = value - _sum_last((theirs - mine) * by_mine, mine.ndim - len(q.batch_shape))
    return value
