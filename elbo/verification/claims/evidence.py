"""The statistics themselves: false-alarm rates that hold, faults that are found."""

from collections.abc import Iterator

from elbo.verification import Claim, Context, Outcome


def claims() -> Iterator[Claim]:
    """Claims on :mod:`elbo.evidence` and :mod:`elbo.noise`."""
    yield Claim(
        "evidence.mean_test.false_alarms",
        "P(sup_n M_n ≥ 1/α) ≤ α for the mean of importance weights with a known second moment",
        "draws",
        _false_alarms,
        stochastic=True,
        source="Ville's inequality",
    )
    yield Claim(
        "evidence.mean_test.power",
        "a mean off by D standard deviations is rejected within 6 log(2/α) / D² draws",
        "draws",
        _power,
        stochastic=True,
    )
    yield Claim(
        "noise.standard_normal.nodes",
        "Σ_i w_i z_i^k = (k-1)!! for even k ≤ 2n-1, 0 for odd k (Gauss-Hermite)",
        "quadrature",
        _gauss_hermite,
    )
    yield Claim(
        "noise.standard_normal.draws",
        "draws of StandardNormal have the distribution function Φ",
        "draws",
        _normal_draws,
        stochastic=True,
    )


def _false_alarms(context: Context) -> Outcome:
    import numpy as np
    import torch
    from scipy import stats

    from elbo.evidence import mean_test

    level, replicates, s2 = 1e-2, 400, 0.55
    z = s2**0.5 * torch.randn(replicates, 300, generator=context.generator("z"), dtype=torch.float64).numpy()
    w = np.exp(-(z**2) / 2 + z**2 / (2 * s2)) * np.sqrt(s2)
    variance = np.sqrt(s2) / np.sqrt(2 - 1 / s2) - 1
    alarms = sum(mean_test(row, 1.0, variance, level).rejected for row in w)
    bound = stats.binom.isf(context.alpha, replicates, level)
    outcome = Outcome.within(alarms / replicates, bound / replicates, f"{alarms} alarms in {replicates} at α = {level}")
    return Outcome(outcome.verdict, outcome.residual, outcome.bound, context.alpha, outcome.detail)


def _power(context: Context) -> Outcome:
    import torch

    from elbo.evidence import mean_test, required_draws

    shift = 0.1
    n = required_draws(shift, 1.0, context.alpha)
    x = torch.randn(n, generator=context.generator("x"), dtype=torch.float64)
    found, control = mean_test(x + shift, 0.0, 1.0, context.alpha), mean_test(x, 0.0, 1.0, context.alpha)
    outcome = Outcome.holds(found.rejected and not control.rejected, f"rejected after {found.stopped_at} of {n} draws")
    return Outcome(outcome.verdict, found.stopped_at, n, context.alpha, outcome.detail)


def _gauss_hermite(context: Context) -> Outcome:
    import math

    from elbo.noise import StandardNormal

    worst = 0.0
    for order in (1, 2, 5, 10, 30):
        points, weights = StandardNormal().nodes(order)
        for k in range(2 * order):
            exact = 0.0 if k % 2 else math.prod(range(k - 1, 0, -2))
            worst = max(worst, abs(float(weights @ points**k) - exact) / max(1.0, float(weights @ points.abs() ** k)))
    return Outcome.within(worst, 1e-12, "relative to max(1, Σ w |z|^k), all k of n = 1, 2, 5, 10, 30")


def _normal_draws(context: Context) -> Outcome:
    from scipy import stats

    from elbo.evidence import dkw_draws, dkw_test
    from elbo.noise import StandardNormal

    n = dkw_draws(0.02, context.alpha, context.alpha)
    test = dkw_test(StandardNormal().draw((n,), generator=context.generator()), stats.norm.cdf, context.alpha)
    return Outcome(test.verdict, test.distance, test.threshold, context.alpha, f"{n} draws")
