"""The kernels of uniform and Pareto laws and of one trial: what they are called with, and what they should say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpmath import mp

from elbo.audit._cases import reference
from elbo.divergences import (
    beta_tilted,
    pareto,
    poisson,
    tilted_to_exponential,
    tilted_to_normal,
    uniform,
    uniform_shapes,
)

ENDS = ("left", "right")  # of an interval in (0, 1)


def width(low, high):
    return high - low


@dataclass(frozen=True)
class Across:
    """One kernel: its function, the kinds of its inputs, KL by the definition, and the natural sizes of its inputs."""

    function: Callable[..., Any]
    kinds: tuple[str, ...]
    truth: Callable[..., Any]
    sizes: Callable[..., tuple[Any, ...]]
    meets: bool = True  # whether inputs of the second half may be all but those of the first

    def slopes(self, *x):
        """Numerically, each with the size of the largest in its units; none where KL is infinite."""
        if mp.isinf(self.truth(*x)):
            return [(mp.mpf(0), mp.mpf(0)) for _ in x]
        at = [mp.diff(lambda y, i=i: self.truth(*x[:i], y, *x[i + 1 :]), x[i]) for i in range(len(x))]
        sizes = self.sizes(*x)
        largest = max(abs(slope) * size for slope, size in zip(at, sizes, strict=True))
        return [(slope, largest / size) for slope, size in zip(at, sizes, strict=True)]


def logit(p):
    return mp.log(p / (1 - p))


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def uniforms(l1, h1, l2, h2):
    return mp.log((h2 - l2) / (h1 - l1)) if l2 <= l1 and h1 <= h2 else mp.inf


to_tilted, to_poisson = reference("Uniform", "ContinuousBernoulli"), reference("Bernoulli", "Poisson")
beta_to_tilted = reference("Beta", "ContinuousBernoulli")
tilted_normal, tilted_exponential = (reference("ContinuousBernoulli", p) for p in ("Normal", "Exponential"))
ACROSS = {
    "uniform": Across(
        uniform.uniform_kl, (*ENDS, "below", "above"), uniforms, lambda l1, h1, l2, h2: (h1 - l1,) * 2 + (h2 - l2,) * 2
    ),
    "uniform_exponential": Across(
        uniform.uniform_exponential_kl,
        (*ENDS, "positive"),
        reference("Uniform", "Exponential"),
        lambda low, high, r: (width(low, high), width(low, high), r),
        meets=False,
    ),
    "uniform_normal": Across(
        uniform.uniform_normal_kl,
        (*ENDS, "real", "positive"),
        reference("Uniform", "Normal"),
        lambda low, high, m, s: (width(low, high), width(low, high), s, s),
    ),
    "uniform_pareto": Across(
        uniform.uniform_pareto_kl,
        (*ENDS, "little", "positive"),
        reference("Uniform", "Pareto"),
        lambda low, high, x, alpha: (width(low, high), width(low, high), x, alpha),
    ),
    "uniform_gumbel": Across(
        uniform.uniform_gumbel_kl,
        (*ENDS, "share", "positive"),
        reference("Uniform", "Gumbel"),
        lambda low, high, m, s: (width(low, high), width(low, high), s, s),
    ),
    "uniform_tilted": Across(
        uniform.uniform_tilted_kl,
        (*ENDS, "real"),
        lambda low, high, eta: to_tilted(low, high, logistic(eta)),
        lambda low, high, eta: (width(low, high), width(low, high), 1),
        meets=False,
    ),
    "uniform_tilted_by_probs": Across(
        uniform.uniform_tilted_by_probs,
        (*ENDS, "share"),
        to_tilted,
        lambda low, high, p: (width(low, high), width(low, high), p * (1 - p)),
        meets=False,
    ),
    "beta_nodes": Across(
        beta_tilted.beta_nodes_kl,
        ("moderate", "moderate", "moderate"),
        lambda a, b, r: beta_to_tilted(a, b, logistic(-r)),
        lambda a, b, r: (a, b, r),
        meets=False,
    ),
    "uniform_gamma": Across(
        uniform_shapes.uniform_gamma_kl,
        (*ENDS, "positive", "positive"),
        reference("Uniform", "Gamma"),
        lambda low, high, c, r: (width(low, high), width(low, high), c, r),
    ),
    "uniform_beta": Across(
        uniform_shapes.uniform_beta_kl,
        (*ENDS, "positive", "positive"),
        reference("Uniform", "Beta"),
        lambda low, high, a, b: (width(low, high), width(low, high), a, b),
    ),
    "pareto_exponential": Across(
        pareto.pareto_exponential_kl,
        ("positive", "tail", "positive"),
        reference("Pareto", "Exponential"),
        lambda *x: x,
    ),
    "pareto_gamma": Across(
        pareto.pareto_gamma_kl,
        ("positive", "tail", "positive", "positive"),
        reference("Pareto", "Gamma"),
        lambda *x: x,
    ),
    "pareto_normal": Across(
        pareto.pareto_normal_kl,
        ("positive", "tail", "real", "positive"),
        reference("Pareto", "Normal"),
        lambda x, alpha, m, s: (x, alpha, s, s),
    ),
    "bernoulli_poisson_by_probs": Across(
        poisson.bernoulli_poisson_by_probs,
        ("share", "positive"),
        lambda q, rate: to_poisson(logit(q), rate),
        lambda q, rate: (q, rate),
    ),
    "bernoulli_poisson_by_logits": Across(
        poisson.bernoulli_poisson_by_logits,
        ("real", "positive"),
        to_poisson,
        lambda x, rate: (1, rate),
        meets=False,
    ),
    "tilted_normal": Across(
        tilted_to_normal.tilted_normal_kl,
        ("real", "real", "positive"),
        lambda eta, m, s: tilted_normal(logistic(eta), m, s),
        lambda eta, m, s: (1, s, s),
        meets=False,
    ),
    "tilted_normal_by_probs": Across(
        tilted_to_normal.tilted_normal_by_probs,
        ("share", "real", "positive"),
        tilted_normal,
        lambda p, m, s: (p * (1 - p), s, s),
        meets=False,
    ),
    "tilted_exponential": Across(
        tilted_to_exponential.tilted_exponential_kl,
        ("real", "positive"),
        lambda eta, r: tilted_exponential(logistic(eta), r),
        lambda eta, r: (1, r),
        meets=False,
    ),
    "tilted_exponential_by_probs": Across(
        tilted_to_exponential.tilted_exponential_by_probs,
        ("share", "positive"),
        tilted_exponential,
        lambda p, r: (p * (1 - p), r),
        meets=False,
    ),
}
