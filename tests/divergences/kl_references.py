"""Closed forms at 60 digits, as textbooks have them, and parameters over the whole domain, for every pair of laws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributions as D
from mpmath import mp, mpf

Parameters = dict[str, Any]
mp.dps = 60
EULER = +mp.euler


@dataclass(frozen=True)
class Reference:
    """One pair: how to make the laws, the domain of each parameter, KL at 60 digits, and whether a number of
    ulps bounds the error there."""

    name: str
    q: Callable[..., D.Distribution]
    p: Callable[..., D.Distribution]
    domain_q: Mapping[str, str]
    domain_p: Mapping[str, str]
    kl: Callable[[Parameters, Parameters], mpf]
    shared: tuple[str, ...] = ()
    bounded: bool = True
    span: float = 6.0
    exponential: bool = False

    @property
    def same_family(self) -> bool:
        return self.domain_q == self.domain_p


def _number(domain: str, generator: torch.Generator, span: float) -> float:
    u = float(torch.rand((), generator=generator, dtype=torch.float64))
    if domain == "real":
        sign = 1.0 if torch.rand((), generator=generator) < 0.5 else -1.0
        return sign * 10.0 ** (u * (span + 1) - span / 2 - 0.5)
    if domain == "positive":
        return 10.0 ** ((2 * u - 1) * span)
    if domain == "moderate":
        return 10.0 ** (2 * u - 1)
    if domain == "above2":
        return 2.0 + 10.0 ** (3 * u - 1.5)
    if domain == "above1":
        return 1.0 + 10.0 ** (3 * u - 1.5)
    if domain == "unit":
        tail = 0.5 * 10.0 ** (-u * span)
        return tail if torch.rand((), generator=generator) < 0.5 else 1.0 - tail
    if domain == "logit":
        return 80.0 * u - 40.0
    if domain == "count":
        return float(1 + int(40 * u))
    raise ValueError(domain)


def draw(reference: Reference, distance: float | None, generator: torch.Generator) -> tuple[Parameters, Parameters]:
    """Parameters of q and p: unrelated if ``distance`` is None, else p at that relative distance from q."""
    span = min(reference.span, 1.0) if distance is not None and distance > 0.5 else reference.span
    q = {name: _number(domain, generator, span) for name, domain in reference.domain_q.items()}
    if distance is None or not reference.same_family:
        p = {name: _number(domain, generator, span) for name, domain in reference.domain_p.items()}
    else:
        p = {}
        for name, value in q.items():
            step = distance * (2 * float(torch.rand((), generator=generator)) - 1)
            domain = reference.domain_q[name]
            if domain == "unit":
                p[name] = value + step * min(value, 1 - value)
            elif domain == "logit":
                p[name] = value + step
            elif domain in ("above1", "above2"):
                bound = float(domain[-1])
                p[name] = bound + (value - bound) * (1 + step)
            else:
                p[name] = value * (1 + step)
    for name in reference.shared:
        p[name] = q[name]
    return q, p


def rounded(parameters: Parameters, dtype: torch.dtype) -> Parameters:
    return {name: float(torch.tensor(value, dtype=dtype)) for name, value in parameters.items()}


def exact(parameters: Parameters) -> Parameters:
    return {name: mpf(value) for name, value in parameters.items()}


def bernoulli(q: mpf, p: mpf) -> mpf:
    total = mpf(0)
    for a, b in ((q, p), (1 - q, 1 - p)):
        if a > 0:
            if b <= 0:
                return mp.inf
            total += a * mp.log(a / b)
    return total


def sigmoid(x: mpf) -> mpf:
    return 1 / (1 + mp.exp(-x))


def gaussian(q: Parameters, p: Parameters) -> mpf:
    r = (q["scale"] / p["scale"]) ** 2
    return (r - 1 - mp.log(r) + ((q["loc"] - p["loc"]) / p["scale"]) ** 2) / 2


def gamma(q: Parameters, p: Parameters) -> mpf:
    a, b, c, d = q["concentration"], q["rate"], p["concentration"], p["rate"]
    return (a - c) * mp.digamma(a) - mp.loggamma(a) + mp.loggamma(c) + c * mp.log(b / d) + a * (d - b) / b


def beta(q: Parameters, p: Parameters) -> mpf:
    return dirichlet([q["concentration1"], q["concentration0"]], [p["concentration1"], p["concentration0"]])


def dirichlet(q: list[mpf], p: list[mpf]) -> mpf:
    total_q, total_p = sum(q), sum(p)
    value = mp.loggamma(total_q) - mp.loggamma(total_p)
    for a, b in zip(q, p, strict=True):
        value += mp.loggamma(b) - mp.loggamma(a) + (a - b) * (mp.digamma(a) - mp.digamma(total_q))
    return value


GAMMA = {"concentration": "positive", "rate": "positive"}
BETA = {"concentration1": "positive", "concentration0": "positive"}
LOC_SCALE = {"loc": "real", "scale": "positive"}


def _ref(name: str, q: Any, p: Any, dq: Mapping[str, str], dp: Mapping[str, str], kl: Any, **more: Any) -> Reference:
    return Reference(name, q, p, dq, dp, kl, **more)


COUNT_LOGITS = {"total_count": "count", "logits": "logit"}


def negative_binomial_logits(q: Parameters, p: Parameters) -> mpf:
    return q["total_count"] * bernoulli(sigmoid(q["logits"]), sigmoid(p["logits"])) * (1 + mp.exp(q["logits"]))


REFERENCES: list[Reference] = [
    _ref("normal_normal", D.Normal, D.Normal, LOC_SCALE, LOC_SCALE, gaussian),
    _ref("lognormal_lognormal", D.LogNormal, D.LogNormal, LOC_SCALE, LOC_SCALE, gaussian),
    _ref("halfnormal_halfnormal", D.HalfNormal, D.HalfNormal, {"scale": "positive"}, {"scale": "positive"},
         lambda q, p: ((q["scale"] / p["scale"]) ** 2 - 1 - 2 * mp.log(q["scale"] / p["scale"])) / 2),
    _ref("bernoulli_probs", D.Bernoulli, D.Bernoulli, {"probs": "unit"}, {"probs": "unit"},
         lambda q, p: bernoulli(q["probs"], p["probs"])),
    _ref("bernoulli_logits", D.Bernoulli, D.Bernoulli, {"logits": "logit"}, {"logits": "logit"},
         lambda q, p: bernoulli(sigmoid(q["logits"]), sigmoid(p["logits"]))),
    _ref("binomial_probs", D.Binomial, D.Binomial, {"total_count": "count", "probs": "unit"},
         {"total_count": "count", "probs": "unit"}, lambda q, p: q["total_count"] * bernoulli(q["probs"], p["probs"]),
         shared=("total_count",)),
    _ref("geometric_probs", D.Geometric, D.Geometric, {"probs": "unit"}, {"probs": "unit"},
         lambda q, p: bernoulli(q["probs"], p["probs"]) / q["probs"]),
    _ref("geometric_logits", D.Geometric, D.Geometric, {"logits": "logit"}, {"logits": "logit"},
         lambda q, p: bernoulli(sigmoid(q["logits"]), sigmoid(p["logits"])) / sigmoid(q["logits"])),
    _ref("negative_binomial_probs", D.NegativeBinomial, D.NegativeBinomial, {"total_count": "count", "probs": "unit"},
         {"total_count": "count", "probs": "unit"},
         lambda q, p: q["total_count"] * bernoulli(q["probs"], p["probs"]) / (1 - q["probs"]), shared=("total_count",)),
    _ref("negative_binomial_logits", D.NegativeBinomial, D.NegativeBinomial, COUNT_LOGITS, COUNT_LOGITS,
         negative_binomial_logits, shared=("total_count",)),
    _ref("poisson_poisson", D.Poisson, D.Poisson, {"rate": "positive"}, {"rate": "positive"},
         lambda q, p: q["rate"] * mp.log(q["rate"] / p["rate"]) - q["rate"] + p["rate"]),
    _ref("bernoulli_poisson", D.Bernoulli, D.Poisson, {"probs": "unit"}, {"rate": "positive"},
         lambda q, p: bernoulli(q["probs"], mpf(1) / 2) - mp.log(2) - q["probs"] * mp.log(p["rate"]) + p["rate"]),
]  # fmt: skip

REFERENCES += [
    _ref("exponential_exponential", D.Exponential, D.Exponential, {"rate": "positive"}, {"rate": "positive"},
         lambda q, p: mp.log(q["rate"] / p["rate"]) + p["rate"] / q["rate"] - 1),
    _ref("gamma_gamma", D.Gamma, D.Gamma, GAMMA, GAMMA, gamma),
    _ref("inverse_gamma_inverse_gamma", D.InverseGamma, D.InverseGamma, GAMMA, GAMMA, gamma),
    _ref("exponential_gamma", D.Exponential, D.Gamma, {"rate": "positive"}, GAMMA,
         lambda q, p: gamma({"concentration": mpf(1)} | q, p)),
    _ref("gamma_exponential", D.Gamma, D.Exponential, GAMMA, {"rate": "positive"},
         lambda q, p: gamma(q, {"concentration": mpf(1)} | p)),
    _ref("beta_beta", D.Beta, D.Beta, BETA, BETA, beta, span=1.0),
    _ref("beta_beta_wide", D.Beta, D.Beta, BETA, BETA, beta, bounded=False),
]  # fmt: skip


def laplace(q: Parameters, p: Parameters) -> mpf:
    gap, a, b = abs(q["loc"] - p["loc"]), q["scale"], p["scale"]
    return mp.log(b / a) + gap / b + a / b * mp.exp(-gap / a) - 1


def cauchy(q: Parameters, p: Parameters) -> mpf:
    a, b = q["scale"], p["scale"]
    return mp.log(((a + b) ** 2 + (q["loc"] - p["loc"]) ** 2) / (4 * a * b))


def gumbel(q: Parameters, p: Parameters) -> mpf:
    ratio, gap = q["scale"] / p["scale"], (p["loc"] - q["loc"]) / p["scale"]
    return -mp.log(ratio) + EULER * (ratio - 1) + mp.exp(gap + mp.loggamma(ratio + 1)) - 1 - gap


def pareto(q: Parameters, p: Parameters) -> mpf:
    if q["scale"] < p["scale"]:
        return mp.inf
    a, b = q["alpha"], p["alpha"]
    return mp.log(a / b) + b / a - 1 + b * mp.log(q["scale"] / p["scale"])


MODERATE = {"loc": "real", "scale": "moderate"}
PARETO = {"scale": "positive", "alpha": "positive"}
REFERENCES += [
    _ref("laplace_laplace", D.Laplace, D.Laplace, LOC_SCALE, LOC_SCALE, laplace),
    _ref("cauchy_cauchy", D.Cauchy, D.Cauchy, LOC_SCALE, LOC_SCALE, cauchy),
    _ref("gumbel_gumbel", D.Gumbel, D.Gumbel, MODERATE, MODERATE, gumbel, span=1.0, exponential=True),
    _ref("pareto_pareto", D.Pareto, D.Pareto, PARETO, PARETO, pareto),
]  # fmt: skip


def weibull(q: Parameters, p: Parameters) -> mpf:
    k, a, m, b = q["concentration"], q["scale"], p["concentration"], p["scale"]
    value = mp.log(k / m) - k * mp.log(a) + m * mp.log(b) + (k - m) * (mp.log(a) - EULER / k)
    return value + (a / b) ** m * mp.gamma(m / k + 1) - 1


def weibull_gamma(q: Parameters, p: Parameters) -> mpf:
    k, s, a, b = q["concentration"], q["scale"], p["concentration"], p["rate"]
    value = EULER * a / k - a * mp.log(s) + mp.log(k) + b * s * mp.gamma(1 + 1 / k)
    return value - EULER - 1 - a * mp.log(b) + mp.loggamma(a)


def lognormal_gamma(q: Parameters, p: Parameters) -> mpf:
    m, s, a, b = q["loc"], q["scale"], p["concentration"], p["rate"]
    value = -mp.log(s) - mp.log(2 * mp.pi * mp.e) / 2 - a * m + b * mp.exp(m + s * s / 2)
    return value - a * mp.log(b) + mp.loggamma(a)


WEIBULL = {"scale": "moderate", "concentration": "moderate"}
REFERENCES += [
    _ref("weibull_weibull", D.Weibull, D.Weibull, WEIBULL, WEIBULL, weibull, span=1.0, exponential=True),
    _ref("weibull_gamma", D.Weibull, D.Gamma, WEIBULL,
         {"concentration": "moderate", "rate": "moderate"}, weibull_gamma),
    _ref("lognormal_gamma", D.LogNormal, D.Gamma, {"loc": "unit", "scale": "moderate"},
         {"concentration": "positive", "rate": "moderate"}, lognormal_gamma, exponential=True),
]  # fmt: skip


def laws(reference: Reference, q: Parameters, p: Parameters, dtype: torch.dtype, **options: Any) -> Any:
    """The two laws and their parameters as leaves."""
    leaves = [{k: torch.tensor(v, dtype=dtype, requires_grad=True) for k, v in side.items()} for side in (q, p)]
    for side in leaves:
        if "total_count" in side:
            side["total_count"] = side["total_count"].detach()
    return reference.q(**leaves[0], **options), reference.p(**leaves[1], **options), leaves


def slope(reference: Reference, side: int, name: str, q: Parameters, p: Parameters) -> mpf:
    """∂KL by one parameter, by a central difference at 60 digits with steps of 1e-20."""
    values = []
    for sign in (1, -1):
        both = [dict(q), dict(p)]
        step = mpf(10) ** -20 * max(abs(both[side][name]), mpf(10) ** -10)
        both[side][name] += sign * step
        values.append(reference.kl(*both))
    return (values[0] - values[1]) / (2 * step)
