"""The pairs of laws whose divergences are timed: all that torch has a finite value for, and a few infinite ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributions as D
from torch import Tensor

Law = Callable[..., D.Distribution]
Divergence = Callable[..., Tensor]
EULER = 0.5772156649015329


@dataclass(frozen=True)
class Parameter:
    """A parameter with entries uniform on (low, high), and of event shape ``event``."""

    low: float
    high: float
    event: tuple[int, ...] = ()
    triangular: bool = False  # a lower triangle with entries below the diagonal in (−¼, ¼)

    def draw(self, size: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        count = max(1, size // (self.event[0] if self.event else 1))
        u = torch.rand((count, *self.event), generator=generator, dtype=dtype)
        values = self.low + (self.high - self.low) * u
        if self.triangular:
            values = torch.diag_embed(values.diagonal(dim1=-2, dim2=-1)) + (0.5 * u - 0.25).tril(-1)
        return values.requires_grad_()


REAL = Parameter(-2.0, 2.0)
POSITIVE = Parameter(0.2, 3.2)
MODERATE = Parameter(0.5, 1.5)
UNIT = Parameter(0.05, 0.95)
LEFT, RIGHT = Parameter(0.05, 0.35), Parameter(0.6, 0.95)
HIGH = Parameter(3.0, 4.0)
TAIL = Parameter(2.2, 3.2)
BELOW, ABOVE = Parameter(-1.0, 0.0), Parameter(1.0, 2.0)
OUTCOMES, SHARES, WEIGHTS = Parameter(-2.0, 2.0, (10,)), Parameter(0.05, 0.95, (10,)), Parameter(0.2, 3.2, (10,))
MEAN, VARIANCE = Parameter(-2.0, 2.0, (4,)), Parameter(0.5, 1.5, (4,))
TRIANGLE, FACTOR = Parameter(0.5, 1.5, (4, 4), triangular=True), Parameter(-1.0, 1.0, (4, 2))
LONG_MEAN, LONG_VARIANCE, LONG_FACTOR = (
    Parameter(-2.0, 2.0, (250,)),
    Parameter(0.5, 1.5, (250,)),
    Parameter(-1.0, 1.0, (250, 10)),
)


@dataclass(frozen=True)
class Case:
    """Two laws, each made from some of the parameters, and how much slower than torch's divergence ours may be."""

    name: str
    q: Law
    p: Law
    of_q: tuple[Parameter, ...]
    of_p: tuple[Parameter, ...]
    target: float = 1.3
    peer: Divergence = D.kl_divergence
    elementwise: bool = False  # each value is made from single numbers: its memory is measured
    validated: bool = False  # laws made as by default: for infinite pairs their making is all that torch does

    def make(
        self, size: int, dtype: torch.dtype
    ) -> tuple[list[Tensor], Callable[[], tuple[D.Distribution, D.Distribution]]]:
        """Leaves of about ``size`` numbers each, and a function that builds the two laws from them."""
        generator = torch.Generator().manual_seed(0)
        leaves = [parameter.draw(size, generator, dtype) for parameter in (*self.of_q, *self.of_p)]
        split = len(self.of_q)
        return leaves, lambda: (
            self.q(*leaves[:split], validate_args=self.validated),
            self.p(*leaves[split:], validate_args=self.validated),
        )


def weibull_textbook(q: D.Weibull, p: D.Weibull) -> Tensor:
    """log(k₁/l₁^k₁) − log(k₂/l₂^k₂) + (k₁ − k₂)(log l₁ − γ/k₁) + (l₁/l₂)^k₂ Γ(k₂/k₁ + 1) − 1.

    torch has no divergence of Weibull laws; this is the closed form of Bauckhage (arXiv 1310.3713).
    """
    k1, l1, k2, l2 = q.concentration, q.scale, p.concentration, p.scale
    logs = torch.log(k1) - k1 * torch.log(l1) - torch.log(k2) + k2 * torch.log(l2)
    moment = torch.exp(k2 * torch.log(l1 / l2) + torch.lgamma(k2 / k1 + 1.0))
    return logs + (k1 - k2) * (torch.log(l1) - EULER / k1) + moment - 1.0


def _by(kind: Callable[..., D.Distribution], name: str, **fixed: float) -> Law:
    return lambda value, **options: kind(**{name: value}, **fixed, **options)


def _full(mean: Tensor, factor: Tensor, **options: Any) -> D.Distribution:
    return D.MultivariateNormal(mean, scale_tril=factor, **options)


def _diagonal(mean: Tensor, variance: Tensor, **options: Any) -> D.Distribution:
    return D.Independent(D.Normal(mean, variance, **options), 1, **options)


def _scaled(rate: Tensor, **options: Any) -> D.Distribution:
    return D.TransformedDistribution(D.Exponential(rate, **options), [D.AffineTransform(0.0, 2.0)], **options)


def _own(name: str, law: Law, *parameters: Parameter, **options: Any) -> Case:
    return Case(name, law, law, parameters, parameters, **options)


OWN = [
    _own("Normal", D.Normal, REAL, POSITIVE, target=1.0, elementwise=True),
    _own("Bernoulli logits", _by(D.Bernoulli, "logits"), REAL, target=1.0, elementwise=True),
    _own("Bernoulli probs", _by(D.Bernoulli, "probs"), UNIT, target=1.0, elementwise=True),
    _own("Categorical logits, 10 outcomes", _by(D.Categorical, "logits"), OUTCOMES, target=1.0),
    _own("Categorical probs, 10 outcomes", _by(D.Categorical, "probs"), SHARES, target=1.0),
    _own("OneHotCategorical logits, 10 outcomes", _by(D.OneHotCategorical, "logits"), OUTCOMES, target=1.0),
    _own("Poisson", D.Poisson, POSITIVE, elementwise=True),
    _own("Geometric", _by(D.Geometric, "probs"), UNIT, elementwise=True),
    _own("Geometric logits", _by(D.Geometric, "logits"), REAL, elementwise=True),
    _own("Binomial", _by(D.Binomial, "probs", total_count=10), UNIT, elementwise=True),
    _own("Binomial logits", _by(D.Binomial, "logits", total_count=10), REAL, elementwise=True),
    _own("Exponential", D.Exponential, POSITIVE, elementwise=True),
    _own("Gamma", D.Gamma, POSITIVE, POSITIVE, elementwise=True),
    _own("Beta", D.Beta, POSITIVE, POSITIVE, elementwise=True),
    _own("Dirichlet, 10 outcomes", D.Dirichlet, WEIGHTS),
    _own("Laplace", D.Laplace, REAL, POSITIVE, elementwise=True),
    _own("Cauchy", D.Cauchy, REAL, POSITIVE, elementwise=True),
    _own("Gumbel", D.Gumbel, REAL, HIGH, elementwise=True),
    _own("Weibull", D.Weibull, POSITIVE, MODERATE, peer=weibull_textbook, elementwise=True),
    _own("HalfNormal", D.HalfNormal, POSITIVE, elementwise=True),
    Case("Pareto", D.Pareto, D.Pareto, (HIGH, POSITIVE), (TAIL, POSITIVE), elementwise=True),
    _own("ContinuousBernoulli logits", _by(D.ContinuousBernoulli, "logits"), REAL, elementwise=True),
    _own("ContinuousBernoulli probs", _by(D.ContinuousBernoulli, "probs"), UNIT, elementwise=True),
    Case("Uniform", D.Uniform, D.Uniform, (LEFT, RIGHT), (BELOW, ABOVE), elementwise=True),
    _own("LogNormal", D.LogNormal, REAL, POSITIVE, elementwise=True),
    _own("Independent normal, 4 dimensions", _diagonal, MEAN, VARIANCE),
    _own("TransformedDistribution", _scaled, POSITIVE),
    _own("MultivariateNormal, 4 dimensions", _full, MEAN, TRIANGLE),
    _own("LowRankMultivariateNormal, 4 dimensions", D.LowRankMultivariateNormal, MEAN, FACTOR, VARIANCE),
    _own(
        "LowRankMultivariateNormal, 250 dimensions",
        D.LowRankMultivariateNormal,
        LONG_MEAN,
        LONG_FACTOR,
        LONG_VARIANCE,
    ),
]

ACROSS = [
    Case(
        "LowRankMultivariateNormal, MultivariateNormal",
        D.LowRankMultivariateNormal,
        _full,
        (MEAN, FACTOR, VARIANCE),
        (MEAN, TRIANGLE),
    ),
    Case(
        "MultivariateNormal, LowRankMultivariateNormal",
        _full,
        D.LowRankMultivariateNormal,
        (MEAN, TRIANGLE),
        (MEAN, FACTOR, VARIANCE),
    ),
    Case("Bernoulli, Poisson", _by(D.Bernoulli, "probs"), D.Poisson, (UNIT,), (POSITIVE,), elementwise=True),
    Case("Exponential, Gamma", D.Exponential, D.Gamma, (POSITIVE,), (POSITIVE, POSITIVE), elementwise=True),
    Case("Gamma, Exponential", D.Gamma, D.Exponential, (POSITIVE, POSITIVE), (POSITIVE,), elementwise=True),
    Case("Exponential, Gumbel", D.Exponential, D.Gumbel, (POSITIVE,), (REAL, HIGH), elementwise=True),
    Case("Gamma, Gumbel", D.Gamma, D.Gumbel, (POSITIVE, POSITIVE), (REAL, HIGH), elementwise=True),
    Case("Normal, Gumbel", D.Normal, D.Gumbel, (REAL, POSITIVE), (REAL, POSITIVE), elementwise=True),
    Case("Normal, Laplace", D.Normal, D.Laplace, (REAL, POSITIVE), (REAL, POSITIVE), elementwise=True),
    Case("Uniform, Gamma", D.Uniform, D.Gamma, (UNIT, HIGH), (POSITIVE, POSITIVE), elementwise=True),
    Case("Uniform, Exponential", D.Uniform, D.Exponential, (UNIT, HIGH), (POSITIVE,), elementwise=True),
    Case("Uniform, Gumbel", D.Uniform, D.Gumbel, (UNIT, HIGH), (REAL, POSITIVE), elementwise=True),
    Case("Uniform, Pareto", D.Uniform, D.Pareto, (HIGH, Parameter(4.5, 6.0)), (UNIT, POSITIVE), elementwise=True),
    Case("Uniform, Beta", D.Uniform, D.Beta, (LEFT, RIGHT), (POSITIVE, POSITIVE), elementwise=True),
    Case("Pareto, Exponential", D.Pareto, D.Exponential, (POSITIVE, TAIL), (POSITIVE,), elementwise=True),
    Case("Pareto, Gamma", D.Pareto, D.Gamma, (POSITIVE, TAIL), (POSITIVE, POSITIVE), elementwise=True),
    Case("Beta, Exponential", D.Beta, D.Exponential, (POSITIVE, POSITIVE), (POSITIVE,), elementwise=True),
    Case("Beta, Gamma", D.Beta, D.Gamma, (POSITIVE, POSITIVE), (POSITIVE, POSITIVE), elementwise=True),
    Case("Beta, Uniform", D.Beta, D.Uniform, (POSITIVE, POSITIVE), (BELOW, ABOVE), elementwise=True),
    *(
        Case(f"{name}, Normal", law, D.Normal, parameters, (REAL, POSITIVE), elementwise=True)
        for name, law, parameters in (
            ("Beta", D.Beta, (POSITIVE, POSITIVE)),
            ("ContinuousBernoulli", _by(D.ContinuousBernoulli, "logits"), (REAL,)),
            ("Exponential", D.Exponential, (POSITIVE,)),
            ("Gamma", D.Gamma, (POSITIVE, POSITIVE)),
            ("Gumbel", D.Gumbel, (REAL, POSITIVE)),
            ("Laplace", D.Laplace, (REAL, POSITIVE)),
            ("Pareto", D.Pareto, (POSITIVE, TAIL)),
            ("Uniform", D.Uniform, (UNIT, HIGH)),
        )
    ),
    *(
        Case(
            f"{name}, ContinuousBernoulli",
            law,
            _by(D.ContinuousBernoulli, "logits"),
            parameters,
            (REAL,),
            elementwise=True,
        )
        for name, law, parameters in (("Beta", D.Beta, (POSITIVE, POSITIVE)), ("Uniform", D.Uniform, (LEFT, RIGHT)))
    ),
    *(
        Case(
            f"ContinuousBernoulli, {name}",
            _by(D.ContinuousBernoulli, "logits"),
            law,
            (REAL,),
            parameters,
            elementwise=True,
        )
        for name, law, parameters in (
            ("Exponential", D.Exponential, (POSITIVE,)),
            ("Uniform", D.Uniform, (BELOW, ABOVE)),
        )
    ),
    Case(
        "Normal, Uniform (infinite)",
        D.Normal,
        D.Uniform,
        (REAL, POSITIVE),
        (UNIT, HIGH),
        elementwise=True,
        validated=True,
    ),
    Case(
        "Poisson, Binomial (infinite)",
        D.Poisson,
        _by(D.Binomial, "probs", total_count=10),
        (POSITIVE,),
        (UNIT,),
        elementwise=True,
        validated=True,
    ),
]

CASES = [*OWN, *ACROSS]
