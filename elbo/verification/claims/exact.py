"""What is asserted about truth without sampling."""

from collections.abc import Iterator
from typing import Any

from elbo.verification import Claim, Context, Outcome


def claims() -> Iterator[Claim]:
    """Quadrature, the transform and what rests on them."""
    yield Claim(
        "exact.quadrature.membership",
        "the true value lies within the error bound, on integrals with known answers",
        "quadrature",
        _membership,
    )
    yield Claim(
        "exact.evidence",
        "log p(x) from log p(x, z), z finite or of 1 to 3 dimensions, agrees with the closed form within its bound",
        "quadrature",
        _evidence,
    )
    yield Claim(
        "exact.renyi",
        "log E_q w^(1-α)/(1-α) by quadrature agrees with the closed form, and is infinite where that is",
        "quadrature",
        _renyi,
        source="Li and Turner 2016, arXiv:1602.02311",
    )
    yield Claim(
        "exact.iwae.enumeration",
        "L_K by the transform = the multinomial sum, random tables, K = 1, 2, 5, 20",
        "enumeration",
        _enumeration,
    )
    yield Claim(
        "exact.iwae.tensor", "L_2 by the transform = ∫∫ log ½(w + w') on a product lattice", "quadrature", _tensor
    )
    yield Claim(
        "exact.iwae.order",
        "ELBO = L_1 ≤ L_K ≤ L_(K+1) ≤ log p(x), random tables, slack 1e-11",
        "transform",
        _order,
        source="Burda et al. 2016, arXiv:1509.00519",
    )
    yield Claim(
        "exact.iwae.bias",
        "log p(x) - L_K = χ²/(2K) - (μ₃/3 - ¾χ⁴)/K² + O(K⁻³)",
        "transform",
        _bias,
        source="Nowozin 2018; Domke and Sheldon 2018, arXiv:1808.09034",
    )
    yield Claim(
        "exact.iwae.infinite_variance",
        "tail index a in (1, 2): log p(x) - L_K ~ Γ(2-a)Γ(a)/(a-1) K P(w > K p(x))",
        "transform",
        _infinite_variance,
    )
    yield Claim(
        "exact.iwae.log_normal",
        "log w ~ N(-50, 100): the gap at K = 10⁶ is 14.66, where χ²/(2K) says 1e37",
        "transform",
        _log_normal,
        source="Daudel et al. 2023, arXiv:2210.06226",
    )
    yield Claim(
        "exact.jackknife",
        "the jackknife of order m has a bias of order K^-(m+1), and is no bound",
        "transform",
        _jackknife,
        source="Nowozin 2018",
    )
    yield Claim(
        "exact.ratio.self_normalised",
        "self-normalised sampling: K bias → -E w̄²(f - E_p f), K variance → E w̄²(f - E_p f)²",
        "transform",
        _self_normalised,
    )


def _double(value: Any) -> Any:
    import torch

    return torch.tensor(value, dtype=torch.float64)


def _z1(mean: float = 0.0, variance: float = 1.0) -> tuple[Any, Any, Any]:
    from torch.distributions import Normal

    from elbo.problems import LinearGaussian

    return LinearGaussian(_double(1.0)), _double(1.0), Normal(_double(mean), _double(variance).sqrt())


def _tables(context: Context, count: int) -> Iterator[tuple[Any, Any]]:
    import torch

    draw = context.generator("tables")
    for i in range(count):
        n = 2 + i % 4
        joint, q = (torch.rand(n, generator=draw, dtype=torch.float64) + 0.02 for _ in range(2))
        q = q / q.sum()
        yield (joint * 0.4 / joint.sum()).log() - q.log(), q


def _membership(context: Context) -> Outcome:
    from math import cos, exp, inf, log, pi, sqrt

    from elbo.exact import integrate

    known: list[tuple[Any, float, float, tuple[float, ...], float]] = [
        (lambda t: exp(-t * t), -inf, inf, (), sqrt(pi)),
        (log, 0.0, 1.0, (), -1.0),
        (lambda t: 1 / sqrt(t), 0.0, 1.0, (), 2.0),
        (abs, -1.0, 2.0, (0.0,), 2.5),
        (lambda t: abs(t - 0.3), 0.0, 1.0, (), 0.29),
        (lambda t: cos(40 * t) * exp(-t), 0.0, inf, (), 1 / 1601),
        (lambda t: exp(-((t - 40) ** 2) / 2e-4), -inf, inf, (39.9, 40.0, 40.1), sqrt(2e-4 * pi)),
    ]
    used = 0.0
    for f, lower, upper, points, truth in known:
        found = integrate(f, lower, upper, points=points)
        used = max(used, abs(found.value - truth) / found.error_bound)
    return Outcome.within(used, 1.0, f"largest share of the bound that was used, {len(known)} integrals")


def _evidence(context: Context) -> Outcome:
    from elbo.exact import log_evidence
    from elbo.problems import (
        BernoulliLatents,
        BetaBinomial,
        FactorAnalysis,
        GammaPoisson,
        HierarchicalGaussian,
        LinearGaussian,
        SquareDecoder,
    )

    weight = _double([[1.0, 0.3, -0.7], [0.2, 0.8, 0.4], [0.5, -0.4, 1.1]])
    cases = [
        (HierarchicalGaussian(1.3, 0.2, 0.7, 0.4), -6.0),
        (FactorAnalysis(weight[:, :2], 0.0, _double([0.1, 0.5, 0.02])), [1.2, -0.7, 2.1]),
        (FactorAnalysis(weight, 0.0, _double([0.1, 0.5, 2.0])), [1.2, -0.7, 2.1]),
        (LinearGaussian(_double(1.0)), 1.0),
        (LinearGaussian(_double(30.0), 0.0, 0.01), 40.0),
        (GammaPoisson(2.0, 1.5), 3.0),
        (BetaBinomial(0.3, 0.2, 12), 0.0),
        (SquareDecoder(_double(0.5)), 1.3),
        (BernoulliLatents(_double([1.0, -0.7, 0.4]), _double([0.3, 0.6, 0.5]), _double(0.8)), 0.2),
    ]
    used = 0.0
    for problem, x in cases:
        found = log_evidence(problem, _double(x))
        # the closed form (or, for the square decoder, another rule) is good to some ulps itself
        bound = float(found.error_bound) + 1e-14 * (1 + abs(float(found.value)))
        used = max(used, abs(float(found.value - problem.log_evidence(_double(x)))) / bound)
    return Outcome.within(used, 1.0, f"largest share of the bound that was used, {len(cases)} problems")


def _renyi(context: Context) -> Outcome:
    from elbo.exact import renyi_bound

    problem, x, q = _z1()
    worst = 0.0
    for alpha in (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5):
        worst = max(worst, abs(float(renyi_bound(problem, x, q, alpha).value - problem.renyi(x, q, alpha))))
    infinite = float(renyi_bound(problem, x, q, 2.5).value) == -float("inf")
    return Outcome.within(worst if infinite else float("nan"), 1e-12, "and -inf at α = 2.5")


def _enumeration(context: Context) -> Outcome:
    from elbo.exact import iwae_from_weights
    from elbo.exact.enumeration import iwae_by_enumeration

    used = 0.0
    for log_w, q in _tables(context, 8):
        for k in (1, 2, 5, 20):
            found, truth = iwae_from_weights(log_w, q, k), iwae_by_enumeration(log_w.numpy(), q.numpy(), k)
            bound = float(found.error_bound) + truth.error_bound
            used = max(used, abs(float(found.value) - truth.value) / bound)
    return Outcome.within(used, 1.0, "largest share of the two error bounds that was used")


def _tensor(context: Context) -> Outcome:
    from math import log

    import torch
    from torch.distributions import Normal

    from elbo.exact import iwae_bound
    from elbo.problems import SquareDecoder

    problem, x, q = SquareDecoder(_double(0.8)), _double(1.1), Normal(_double(0.6), _double(0.7))
    e = torch.linspace(-9.0, 9.0, 1401, dtype=torch.float64)
    law = torch.softmax(-0.5 * e**2, 0)
    log_w = problem.log_weight(x, q.loc + q.scale * e, q)
    direct = law @ (torch.logaddexp(log_w[:, None], log_w) - log(2)) @ law
    return Outcome.within(abs(float(iwae_bound(problem, x, q, 2).value - direct)), 1e-12, "quadratic decoder, K = 2")


def _order(context: Context) -> Outcome:
    import torch

    from elbo.exact import iwae_from_weights

    ks = [1, 2, 3, 5, 8, 9, 33, 1000, 10**6]
    smallest = float("inf")
    for log_w, q in _tables(context, 24):
        found = iwae_from_weights(log_w, q, ks)
        smallest = min(smallest, float((-found.gap.diff()).min()), float(found.gap.min()))
        elbo = q @ log_w
        if abs(float(found.value[0] - elbo)) > 1e-13 * (1 + abs(float(elbo))):
            return Outcome.holds(False, f"L_1 is {float(found.value[0])}, the ELBO {float(elbo)}")
        assert torch.isfinite(found.value).all()
    return Outcome.within(-smallest, 1e-11, f"smallest increment {smallest:.2g} over 24 tables and K = 1..10⁶")


def _bias(context: Context) -> Outcome:
    from elbo.exact import iwae_bound

    problem, x, q = _z1()
    chi2 = float(problem.chi2(x, q))
    third = float(problem.weight_moment(x, q, 3.0)) - 3 * (1 + chi2) + 2
    worst = 0.0
    for k in (1000, 2000, 4000):
        gap = float(iwae_bound(problem, x, q, k).gap)
        remainder = (gap - chi2 / (2 * k) + (third / 3 - 0.75 * chi2**2) / k**2) * k**3
        worst = max(worst, abs(remainder - 0.1))
    return Outcome.within(worst, 1e-3, "remainder · K³ = 0.100 at K = 1000, 2000, 4000 (K ≫ χ² = 0.364)")


def _infinite_variance(context: Context) -> Outcome:
    from math import erfc, gamma, log, sqrt

    from torch.distributions import Normal

    from elbo.exact import iwae_bound
    from elbo.problems import LinearGaussian

    # a = 0: the posterior is the prior N(0, 1), and log p(x) = log N(x; 0, 1)
    problem, x = LinearGaussian(_double(0.0)), _double(0.0)
    worst = 0.0
    for s2, k, ratio in ((0.2, 10**5, 0.930), (0.3, 10**7, 0.992), (0.4, 10**3, 1.007)):
        a = 1 / (1 - s2)
        tail = erfc(sqrt(2 * a * log(k / sqrt(s2))) / sqrt(2))
        gap = float(iwae_bound(problem, x, Normal(_double(0.0), _double(s2).sqrt()), k).gap)
        worst = max(worst, abs(gap / (gamma(2 - a) * gamma(a) / (a - 1) * k * tail) - ratio))
    return Outcome.within(worst, 2e-3, "ratio to the law at three (variance, K), against its known approach to one")


def _log_normal(context: Context) -> Outcome:
    from elbo.exact import iwae_bound
    from elbo.problems import LogNormalWeights

    problem = LogNormalWeights(_double(100.0))
    gaps = iwae_bound(problem, None, problem.proposal(), [1, 10, 100, 10**4, 10**6]).gap
    known = _double([50.0, 36.78, 29.30, 20.31, 14.66])
    return Outcome.within(float((gaps - known).abs().max()), 6e-3, "known to two decimals")


def _jackknife(context: Context) -> Outcome:
    from math import log

    import torch
    from torch.distributions import Categorical

    from elbo.exact import jackknife
    from elbo.problems import Table

    problem, q = Table(_double([0.18, 0.05, 0.12])), Categorical(_double([0.3, 0.3, 0.4]))
    worst = 0.0
    for order in (0, 1, 2):
        a, b = (abs(float(jackknife(problem, torch.tensor(0), q, k, order).gap)) for k in (256, 512))
        worst = max(worst, abs(log(a / b) / log(2) - (order + 1)))
    line, x, prior = _z1()
    above = float(jackknife(line, x, prior, 8, 1).value - line.log_evidence(x))
    return Outcome.within(
        worst if above > 0 else float("nan"), 0.06, f"slopes; order 1 at K = 8 lies {above:.2g} above"
    )


def _self_normalised(context: Context) -> Outcome:
    import numpy as np

    from elbo.exact import ratio_moments

    problem, x, q = _z1(0.8, 2 / 3)
    e = np.arange(-13.0, 13.02, 0.04)
    law = np.exp(-0.5 * e**2)
    law /= law.sum()
    import torch

    z = q.loc + q.scale * torch.from_numpy(e)
    log_w = (problem.log_weight(x, z, q) - problem.log_evidence(x)).numpy()
    f = z.numpy()
    square, centred = law * np.exp(2 * log_w), f - 0.5
    k = 10**5
    found = ratio_moments(log_w, law, f, k)
    bias = k * (found.mean[0] - 0.5) / -(square @ centred) - 1
    variance = k * found.covariance[0, 0] / (square @ centred**2) - 1
    return Outcome.within(float(max(abs(bias), abs(variance))), 2e-4, "K = 10⁵, f(z) = z; the remainder is O(1/K)")
