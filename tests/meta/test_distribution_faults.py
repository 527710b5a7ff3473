"""The checks of the laws on the sphere reject what is known to be wrong, and accept what is right."""

import mpmath as mp
import numpy as np
import pytest
import torch

from elbo.distributions._transport import draw_von_mises_fisher, gamma, von_mises_fisher_slope
from elbo.evidence import dkw_test, generator


def expected_slope(m: int, kappa: float, slope) -> tuple[float, float]:
    """E dw/dκ over the law of w, and the truth A'(κ): the check of unbiasedness."""
    u = torch.linspace(-42, 42, 3361, dtype=torch.float64).reshape(-1, 1)
    log_density = -(m - 1) * torch.log(torch.cosh(u)) + kappa * torch.tanh(u)
    probability = torch.softmax(log_density, 0)
    w = torch.tanh(u)
    got = (probability * slope(u, torch.full_like(u, kappa), m) * (1 - w**2)).sum()
    mean = (probability * w).sum()
    return got.item(), (probability * (w - mean) ** 2).sum().item()


def naive_slope(u: torch.Tensor, kappa: torch.Tensor, m: int) -> torch.Tensor:
    """The usual gradient: through Wood's proposal u = ½ log((1-z)/z) - ½ log b, with the acceptance forgotten."""
    k = kappa.clone().requires_grad_()
    b = (m - 1) / (2 * k + torch.sqrt(4 * k**2 + (m - 1) ** 2))
    return torch.autograd.grad((-0.5 * b.log()).sum(), k)[0]


@pytest.mark.parametrize("m,kappa,naive", [(3, 2.0, 0.12015), (5, 2.0, 0.12767), (10, 10.0, 0.02600)])
def test_gradient_that_forgets_the_acceptance_is_found_biased(m, kappa, naive):
    got, want = expected_slope(m, kappa, naive_slope)
    assert got == pytest.approx(naive, abs=5e-6)  # what the published code gives
    assert abs(got / want - 1) > 0.07
    got, want = expected_slope(m, kappa, von_mises_fisher_slope)
    assert abs(got / want - 1) < 1e-12


@pytest.mark.parametrize(
    "fault",
    [
        lambda u, k, m: -von_mises_fisher_slope(u, k, m),
        lambda u, k, m: von_mises_fisher_slope(u, k * 1.001, m),
        lambda u, k, m: von_mises_fisher_slope(u, k, m + 1),
        lambda u, k, m: von_mises_fisher_slope(u, k, m) * (1 - torch.tanh(u) ** 2),  # the Jacobian twice
    ],
)
def test_wrong_slopes_are_rejected(fault):
    got, want = expected_slope(5, 2.0, fault)
    assert abs(got / want - 1) > 1e-5


def cosine_test(u: torch.Tensor, m: int, kappa: float, alpha: float) -> bool:
    grid = np.linspace(-6, 12, 20_001)
    log_density = -(m - 1) * np.log(np.cosh(grid)) + kappa * np.tanh(grid)
    cdf = np.cumsum(np.exp(log_density - log_density.max()))
    return dkw_test(u, lambda t: np.interp(t, grid, cdf / cdf[-1]), alpha).rejected


def test_samplers_with_a_fault_are_rejected_and_the_right_one_is_not():
    m, kappa, n = 5, 2.0, 60_000
    k = torch.full((n,), kappa, dtype=torch.float64)

    def rng():
        return generator(0, "sphere samplers")

    half = torch.full_like(k, (m - 1) / 2)
    b = (m - 1) / (2 * k + torch.hypot(2 * k, torch.tensor(m - 1.0).double()))
    proposal = 0.5 * (gamma(half, rng()).log() - gamma(half, generator(0, "other")).log() - b.log())
    assert not cosine_test(draw_von_mises_fisher(k, m, rng()), m, kappa, 1e-9)
    assert cosine_test(proposal, m, kappa, 1e-9), "no rejection step"
    assert cosine_test(draw_von_mises_fisher(k, m + 1, rng()), m, kappa, 1e-9), "wrong dimension"
    assert cosine_test(draw_von_mises_fisher(1.1 * k, m, rng()), m, kappa, 1e-9), "concentration 10 % off"


def test_false_alarm_rate_of_the_sampler_test_is_below_its_alpha():
    k = torch.full((500,), 2.0, dtype=torch.float64)
    alarms = sum(cosine_test(draw_von_mises_fisher(k, 5, generator(0, "alarms", i)), 5, 2.0, 0.01) for i in range(300))
    # 300 runs at alpha 0.01: P(more than 12) < 1e-5 by the binomial law
    assert alarms <= 12


def test_the_usual_closed_form_fails_the_accuracy_test_where_the_claim_says():
    from scipy.special import gammaln, ive

    def usual(kappa: float, m: int) -> float:
        nu = m / 2 - 1
        ratio = ive(nu + 1, kappa) / ive(nu, kappa)
        log_normaliser = np.log(ive(nu, kappa)) + kappa + gammaln(nu + 1) - nu * np.log(kappa / 2)
        return kappa * ratio - log_normaliser

    with mp.workdps(60):
        for kappa in (1e-5, 1e-7):
            exact = mp.mpf(kappa) ** 2 / 6
            assert abs(usual(kappa, 3) / exact - 1) > 1e-6
    with np.errstate(all="ignore"):
        assert np.isnan(usual(2.0, 1024))
