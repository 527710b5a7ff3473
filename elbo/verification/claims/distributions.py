"""The laws on the sphere: normalisers, unbiased gradients, samplers."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from elbo.verification import Claim, Context, Outcome


def claims() -> Iterator[Claim]:
    """Claims on :mod:`elbo.distributions` and on KL between its laws."""
    yield Claim(
        "distributions.von_mises_fisher.bessel",
        "A(κ) = I_(m/2)(κ)/I_(m/2-1)(κ) and G(κ) = log 0F1(; m/2; κ²/4) to 8 eps for κ from 1e-8 to 1e6, m = 2 to 1024",
        "reference",
        _bessel,
        source="mpmath, 60 digits",
    )
    yield Claim(
        "distributions.power_spherical.gamma",
        "log E z^κ = log B(α, β) - log B(β, β) and KL to the uniform law to 8 eps, κ from 1e-8 to 1e6, m = 2 to 1024",
        "reference",
        _gamma,
        source="mpmath, 60 digits",
    )
    for law in ("von_mises_fisher", "power_spherical"):
        yield Claim(
            f"distributions.{law}.unbiased_gradient",
            "E[f'(w) dw/dκ] = d/dκ E f(w) for the implicit gradient of draws, m = 2, 3, 5, 10, 64",
            "quadrature",
            partial(_unbiased, law),
            source="Figurnov, Mohamed and Mnih 2018, arXiv 1805.08498, eq. 6",
        )
        yield Claim(
            f"distributions.{law}.draws",
            "draws of w = μᵀx have the density (1-w²)^((m-3)/2) times e^(κw) or (1+w)^κ",
            "draws",
            partial(_draws, law),
            stochastic=True,
        )
    yield Claim(
        "divergences.sphere.uniform_as_limit",
        "KL[vMF(μ, κ) ‖ uniform] = κA(κ) - G(κ), by the densities on the circle",
        "quadrature",
        _circle,
        source="Davidson et al. 2018, arXiv 1804.00891",
    )


def _worst(got: list[float], want: list[Any]) -> float:
    import mpmath as mp

    return max(float(abs(mp.mpf(g) - w) / abs(w)) for g, w in zip(got, want, strict=True)) * 2.0**52


def _bessel(context: Context) -> Outcome:
    import mpmath as mp
    import torch

    from elbo.distributions._resultant import log_mgf

    kappas = [10.0**k for k in range(-8, 7)]
    worst = 0.0
    with mp.workdps(60):
        for m in (2, 3, 5, 20, 1024):
            k, nu = torch.tensor(kappas, dtype=torch.float64), mp.mpf(m) / 2 - 1
            i0 = [mp.besseli(nu, x) for x in kappas]
            i1 = [mp.besseli(nu + 1, x) for x in kappas]
            g = [mp.log(i) + mp.loggamma(nu + 1) - nu * mp.log(mp.mpf(x) / 2) for i, x in zip(i0, kappas, strict=True)]
            worst = max(worst, _worst(log_mgf(k, m).tolist(), g))
            ratio = [b / a for a, b in zip(i0, i1, strict=True)]
            worst = max(worst, _worst(log_mgf(k, m, 1).tolist(), ratio))
    return Outcome.within(worst, 8.0, "worst relative error in eps")


def _gamma(context: Context) -> Outcome:
    import mpmath as mp
    import torch

    from elbo.distributions._power import divergence_from_uniform, log_moment

    kappas = [10.0**k for k in range(-8, 7)]
    worst = 0.0
    with mp.workdps(60):
        for m in (2, 3, 5, 20, 1024):
            k, b = torch.tensor(kappas, dtype=torch.float64), mp.mpf(m - 1) / 2
            alphas = [b + mp.mpf(x) for x in kappas]
            f = [mp.loggamma(a) - mp.loggamma(a + b) - mp.loggamma(b) + mp.loggamma(2 * b) for a in alphas]
            slope = [mp.digamma(a) - mp.digamma(a + b) for a in alphas]
            kl = [x * s - v for x, s, v in zip(kappas, slope, f, strict=True)]
            worst = max(worst, _worst(log_moment(k, m).tolist(), f))
            worst = max(worst, _worst(divergence_from_uniform(k, m).tolist(), kl))
    return Outcome.within(worst, 8.0, "worst relative error in eps")


def _unbiased(law: str, context: Context) -> Outcome:
    import torch

    from elbo.distributions import _transport

    slope = getattr(_transport, f"{law}_slope")
    worst = 0.0
    for m, kappa in ((2, 3.0), (3, 2.0), (5, 2.0), (10, 10.0), (64, 30.0)):
        u = torch.linspace(-42, 42, 3361, dtype=torch.float64).unsqueeze(-1)
        w = torch.tanh(u)
        statistic = w if law == "von_mises_fisher" else torch.nn.functional.logsigmoid(2 * u)
        probability = torch.softmax(-(m - 1) * torch.log(torch.cosh(u)) + kappa * statistic, 0)
        found = (probability * torch.cos(w) * slope(u, torch.full_like(u, kappa), m) * (1 - w**2)).sum()
        centred = statistic - (probability * statistic).sum()
        truth = (probability * torch.sin(w) * centred).sum()
        worst = max(worst, float(abs(found / truth - 1)))
    # the trapezoidal sum has 3361 terms and the slope is good to 1e-14 (tests/distributions)
    return Outcome.within(worst, 1e-11, "worst relative error of the expected gradient")


def _draws(law: str, context: Context) -> Outcome:
    import numpy as np
    import torch

    from elbo.distributions import _transport
    from elbo.evidence import Ledger, dkw_test

    draw = getattr(_transport, f"draw_{law}")
    cases = ((2, 0.7), (3, 2.0), (5, 2.0), (64, 50.0))
    share = Ledger(context.alpha).split(len(cases))
    worst = 0.0
    grid = np.linspace(-8, 12, 20_001)
    for m, kappa in cases:
        k = torch.full((50_000,), kappa, dtype=torch.float64)
        u = draw(k, m, context.generator(m))
        statistic = np.tanh(grid) if law == "von_mises_fisher" else -np.logaddexp(0, -2 * grid)
        cdf = np.cumsum(np.exp(-(m - 1) * np.log(np.cosh(grid)) + kappa * (statistic - statistic[-1])))
        test = dkw_test(u.numpy(), partial(np.interp, xp=grid, fp=cdf / cdf[-1]), share)
        worst = max(worst, test.distance / test.threshold)
    outcome = Outcome.within(worst, 1.0, "largest distance of distribution functions over its threshold")
    return Outcome(outcome.verdict, outcome.residual, outcome.bound, context.alpha, outcome.detail)


def _circle(context: Context) -> Outcome:
    import torch

    from elbo.distributions import HypersphericalUniform, VonMisesFisher
    from elbo.divergences import kl  # noqa: F401: registers its pairs

    angle = 2 * torch.pi * torch.arange(600, dtype=torch.float64) / 600
    x = torch.stack([angle.cos(), angle.sin()], -1)
    uniform = HypersphericalUniform(2, dtype=torch.float64)
    worst = 0.0
    for kappa in (0.1, 2.0, 40.0):
        law = VonMisesFisher(torch.tensor([0.6, -0.8], dtype=torch.float64), kappa)
        log_q = law.log_prob(x)
        by_densities = (log_q.exp() * (log_q - uniform.log_prob(x))).sum() * 2 * torch.pi / 600
        worst = max(worst, float(abs(by_densities / kl(law, uniform) - 1)))
    # at κ = 0.1 the sum cancels to 2.5e-3 of its terms
    return Outcome.within(worst, 1e-12, "worst relative difference")
