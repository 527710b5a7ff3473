"""Log densities and log probabilities as they should be: −∞ where a law has none, whatever its ``log_prob`` gives there
(an error, NaN, or a number where torch takes a probability of zero for the machine epsilon)."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    Independent,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    Multinomial,
    NegativeBinomial,
    OneHotCategorical,
    Weibull,
    biject_to,
)

from elbo._errors import InputValueError
from elbo.divergences._laws import dtype_of
from elbo.divergences._numerical.places import drawn, intervals, known

SHAPES = ("total_count", "concentration", "concentration0", "concentration1", "df", "df1", "df2")


class Density:
    """The log density of every law of a batch, and where the laws have any.

    A mixture is the sum of its components here: torch asks that each of them has a density wherever one has.
    """

    def __init__(self, law: Any) -> None:
        self.law, self.dtype = law, dtype_of(law)
        self.event = len(law.event_shape)
        self.components: Density | None = None
        self.terms = 0.0
        if isinstance(law, MixtureSameFamily) and type(law).log_prob is MixtureSameFamily.log_prob:
            self.components = Density(law.component_distribution)
            self.log_weights = torch.log(law.mixture_distribution.probs.detach().double())
            self.terms = self.components.terms
        else:
            self.inside = _inside(law, self.dtype)
            self.terms = _largest_terms(law)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """In float64 at ``[n, *batch, *event]`` (what broadcasts to that), and whether it lies in the support."""
        if self.components is not None:
            values, inside = self.components(x.unsqueeze(-1 - self.event))
            return torch.logsumexp(values + self.log_weights, -1), inside.any(-1)
        with torch.no_grad():
            shape = torch.broadcast_shapes(x.shape[: x.ndim - self.event], (1, *self.law.batch_shape))
            at = x.to(self.dtype).expand(*shape, *self.law.event_shape)
            inside = self.law.support.check(at).expand(shape)
            at = torch.where(inside.reshape([*shape, *[1] * self.event]), at, self.inside)
            values = _log_prob(self.law, at).double().expand(shape)
            some = inside & (values < math.inf)
            if self.law.support.is_discrete:
                some = some & ~_impossible(self.law, at)
        return torch.where(some, values, -math.inf), inside


def _log_prob(law: Any, x: Tensor) -> Tensor:
    """``law.log_prob``, but for two families whose own loses digits, or all of them."""
    if type(law) is Weibull:  # −∞ where (x/s)^k is below the smallest number
        k, u = law.concentration, torch.log(x / law.scale)
        weibull: Tensor = torch.log(k / law.scale) + (k - 1.0) * u - torch.exp(k * u)
        return weibull
    if type(law) is LowRankMultivariateNormal:
        return _low_rank(law, x)
    value: Tensor = law.log_prob(x)
    return value


def _low_rank(law: LowRankMultivariateNormal, x: Tensor) -> Tensor:
    """As torch takes one square from another, of which little is left where W Wᵀ ≫ D, but with a sum of squares:
    zᵀ (D + W Wᵀ)⁻¹ z = min_c ‖D^−½ (z − W c)‖² + ‖c‖²."""
    factor, diagonal, lower = law._unbroadcasted_cov_factor, law._unbroadcasted_cov_diag, law._capacitance_tril
    z = (x - law.loc).movedim(0, -1)  # [*batch, d, n]
    wide = diagonal.unsqueeze(-1)
    c = torch.cholesky_solve((factor / wide).mT @ z, lower)
    rest = z - factor @ c
    square = (rest * rest / wide).sum(-2) + (c * c).sum(-2)
    log_det = torch.log(diagonal).sum(-1) + 2.0 * torch.log(lower.diagonal(dim1=-2, dim2=-1)).sum(-1)
    size = z.shape[-2] * math.log(2.0 * math.pi)
    value: Tensor = -0.5 * (square + (log_det + size).unsqueeze(-1))
    return value.movedim(-1, 0)


def _largest_terms(law: Any) -> float:
    """About how large are the terms that cancel in the log density of a law of torch: log Γ of the shapes."""
    base = getattr(law, "base_dist", None)
    inner = 0.0 if base is None else _largest_terms(base) * max(1, law.event_shape.numel())
    names = SHAPES + (("rate",) if law.support.is_discrete else ())
    shapes = [torch.as_tensor(getattr(law, name)).double().abs() for name in names if hasattr(law, name)]
    if hasattr(law, "total_count"):
        shapes.append((law.total_count * law.logits.double()).abs())
    return inner + math.fsum(float((shape * torch.log1p(shape)).max()) for shape in shapes)


def _inside(law: Any, dtype: torch.dtype) -> Tensor:
    """A point of the support of every law of a batch, to be asked for where a point is not."""
    shape = law.batch_shape + law.event_shape
    event = [1] * len(law.event_shape)
    found, missing = torch.zeros(shape, dtype=dtype), torch.ones(law.batch_shape, dtype=torch.bool)
    for candidate in _candidates(law, shape):
        x = candidate.detach().to(dtype).expand(shape)
        good = missing & law.support.check(x)
        found = torch.where(good.reshape([*law.batch_shape, *event]), x, found)
        missing = missing & ~good
        if not bool(missing.any()):
            return found
    raise InputValueError(f"no point of the support {law.support} of {type(law).__name__} was found: is it empty?")


def _candidates(law: Any, shape: torch.Size) -> Iterator[Tensor]:
    yield from known(lambda: [law.mean]) or []
    draws = drawn(law, 4)
    yield from [] if draws is None else draws
    listed = known(lambda: law.enumerate_support())
    yield from [] if listed is None else listed[:1]
    if not law.event_shape and not law.support.is_discrete:
        for low, high in intervals(law):
            for x in (0.5 * low + 0.5 * high, low + 1.0, high - 1.0):
                yield torch.as_tensor(x)
    yield torch.zeros(shape)
    transform = known(lambda: biject_to(law.support))
    if transform is not None:
        yield transform(torch.zeros(transform.inverse_shape(shape)))


def _impossible(law: Any, x: Tensor) -> Tensor:
    """Where an outcome has probability zero because a ``probs`` that was given is 0 or 1."""
    found = torch.zeros(x.shape[: x.ndim - len(law.event_shape)], dtype=torch.bool)
    if isinstance(law, Independent):
        inner = _impossible(law.base_dist, x)
        found = inner.reshape(*inner.shape[: inner.ndim - law.reinterpreted_batch_ndims], -1).any(-1)
    elif isinstance(law, OneHotCategorical):
        found = _impossible(law._categorical, x.argmax(-1))
    elif "probs" in vars(getattr(law, "_categorical", law)):
        probs: Tensor = law.probs
        if isinstance(law, Categorical):
            table = probs.expand(*x.shape, probs.shape[-1])
            found = (table.gather(-1, x.long().unsqueeze(-1)) == 0).squeeze(-1)
        elif isinstance(law, Multinomial):
            found = ((probs == 0) & (x > 0)).any(-1)
        elif isinstance(law, Bernoulli | Binomial):
            most = law.total_count if isinstance(law, Binomial) else 1
            found = ((probs == 0) & (x > 0)) | ((probs == 1) & (x < most))
        elif isinstance(law, Geometric):
            found = (probs == 1) & (x > 0)
        elif isinstance(law, NegativeBinomial):
            found = (probs == 0) & (x > 0)
    return found
