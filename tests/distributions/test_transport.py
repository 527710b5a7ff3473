"""The gradient of draws: exact for every draw, hence unbiased, judged by quadrature and never by sampling."""

import mpmath as mp
import numpy as np
import pytest
import torch

from elbo.distributions import PowerSpherical, VonMisesFisher
from elbo.distributions._sphere import turn_towards
from elbo.distributions._transport import (
    attach,
    draw_power_spherical,
    draw_von_mises_fisher,
    invert_in_three_dimensions,
    power_spherical_slope,
    von_mises_fisher_slope,
)
from elbo.evidence import dkw_test

SLOPES = {"von Mises-Fisher": von_mises_fisher_slope, "power spherical": power_spherical_slope}
STATISTICS = {"von Mises-Fisher": np.tanh, "power spherical": lambda u: -np.logaddexp(0, -2 * u)}
FUNCTIONS = {
    "w": (lambda w: w, lambda w: np.ones_like(w)),
    "w³": (lambda w: w**3, lambda w: 3 * w**2),
    "cos 3w": (lambda w: np.cos(3 * w), lambda w: -3 * np.sin(3 * w)),
}


def cosines(kappa: float, m: int, law: str) -> tuple[np.ndarray, np.ndarray]:
    """Nodes u = artanh μᵀx and their probabilities, by the trapezoidal rule (analytic, exponential tails)."""
    u = np.linspace(-42, 42, 3361)
    log_density = -(m - 1) * np.log(np.cosh(u)) + kappa * STATISTICS[law](u)
    mass = np.exp(log_density - log_density.max())
    return u, mass / mass.sum()


@pytest.mark.parametrize("law", SLOPES)
@pytest.mark.parametrize(
    "m,kappa", [(2, 0.0), (2, 3.0), (3, 2.0), (4, 1e-6), (5, 2.0), (5, 40.0), (10, 10.0), (64, 30.0)]
)
def test_expected_gradient_is_the_gradient_of_the_expectation(law, m, kappa):
    nodes, probability = cosines(kappa, m, law)
    w, statistic = np.tanh(nodes), STATISTICS[law](nodes)
    u = torch.tensor(nodes).reshape(-1, 1)
    slope = SLOPES[law](u, torch.full_like(u, kappa), m).squeeze(-1).numpy() / np.cosh(nodes) ** 2  # dw/dκ
    for name, (f, derivative) in FUNCTIONS.items():
        got = (probability * derivative(w) * slope).sum()
        centred = statistic - (probability * statistic).sum()
        want = (probability * f(w) * centred).sum()  # d/dκ E f(w) is the covariance with the statistic
        assert got == pytest.approx(want, rel=1e-11, abs=1e-13), name


def reference_slope(law: str, u: float, kappa: float, m: int) -> mp.mpf:
    u, k, a = mp.mpf(u), mp.mpf(kappa), m - 1
    if law == "von Mises-Fisher":
        mean = mp.besseli(mp.mpf(m) / 2, k) / mp.besseli(mp.mpf(m) / 2 - 1, k)
        statistic, log_density = mp.tanh, lambda x: -a * mp.log(mp.cosh(x)) + k * mp.tanh(x)
    else:
        mean = mp.digamma(mp.mpf(a) / 2 + k) - mp.digamma(a + k)
        statistic = lambda x: -mp.log1p(mp.exp(-2 * x))  # noqa: E731
        log_density = lambda x: (mp.mpf(a) / 2 + k) * statistic(x) + mp.mpf(a) / 2 * statistic(-x)  # noqa: E731
    sign = 1 if statistic(u) >= mean else -1
    scale = 1 / (abs(mp.diff(log_density, u)) + mp.sqrt(a))
    edges = [scale * x for x in (0, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 512)]
    return mp.quad(
        lambda v: sign * (statistic(u + sign * v) - mean) * mp.exp(log_density(u + sign * v) - log_density(u)), edges
    )


@pytest.mark.parametrize("law", SLOPES)
@pytest.mark.parametrize("m", [2, 3, 5, 1024])
def test_slope_of_each_draw_agrees_with_mpmath_at_every_scale(law, m, rng):
    draw = draw_von_mises_fisher if law == "von Mises-Fisher" else draw_power_spherical
    with mp.workdps(30):
        for kappa in (1e-6, 0.5, 30.0, 1e6):
            k = torch.full((2, 1), kappa, dtype=torch.float64)
            u = draw(k, m, rng)
            got = SLOPES[law](u, k, m)
            for i in range(2):
                want = reference_slope(law, u[i].item(), kappa, m)
                assert abs(got[i].item() / want - 1) < 1e-12, (kappa, u[i].item())


def test_implicit_gradient_is_that_of_the_inverse_distribution_function_in_three_dimensions():
    uniform = torch.linspace(0.001, 0.999, 101, dtype=torch.float64)
    for kappa in (0.1, 2.0, 50.0, 1e4):
        k = torch.full_like(uniform, kappa, requires_grad=True)
        u = invert_in_three_dimensions(uniform, k)
        (explicit,) = torch.autograd.grad(u.sum(), k)
        implicit = von_mises_fisher_slope(u.detach().reshape(-1, 1), k.detach().reshape(-1, 1), 3).squeeze(-1)
        assert torch.allclose(explicit, implicit, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("kappa", [0.0, 1e-9, 0.3, 1.0, 40.0, 1e6])
def test_inverse_in_three_dimensions_inverts_the_distribution_function(kappa):
    uniform = torch.linspace(0.01, 0.99, 25, dtype=torch.float64)
    u = invert_in_three_dimensions(uniform, torch.full_like(uniform, kappa))
    with mp.workdps(40):
        for target, x in zip(uniform.tolist(), u.tolist(), strict=True):
            w, k = mp.tanh(mp.mpf(x)), mp.mpf(kappa)
            cdf = mp.expm1(k * (w + 1)) / mp.expm1(2 * k) if kappa else (w + 1) / 2
            assert abs(cdf - target) < 1e-13


@pytest.mark.parametrize("law", ["von Mises-Fisher", "power spherical"])
@pytest.mark.parametrize("m,kappa", [(2, 0.7), (3, 2.0), (5, 2.0), (5, 300.0), (64, 50.0)])
def test_draws_have_the_law_of_the_cosine(law, m, kappa, rng):
    draw = draw_von_mises_fisher if law == "von Mises-Fisher" else draw_power_spherical
    u = draw(torch.full((20_000,), kappa, dtype=torch.float64), m, rng)
    grid = np.linspace(-6, 12, 40_001)
    statistic = np.tanh(grid) if law == "von Mises-Fisher" else -np.log1p(np.exp(-2 * grid))
    log_density = -(m - 1) * np.log(np.cosh(grid)) + kappa * statistic
    density = np.exp(log_density - log_density.max())
    cdf = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    assert not dkw_test(u, lambda t: np.interp(t, grid, cdf / cdf[-1]), alpha=1e-9).rejected


@pytest.mark.parametrize("m", [2, 3, 4])
def test_reflection_carries_the_frame_to_the_mean_and_is_smooth_at_the_poles(m):
    for first in (1.0, -1.0, 0.6):
        mean = torch.zeros(m, dtype=torch.float64)
        mean[0], mean[1] = first, (1 - first**2) ** 0.5
        mean.requires_grad_()
        along, across = torch.tensor(0.8, dtype=torch.float64), torch.zeros(m - 1, dtype=torch.float64)
        across[0] = 0.6
        x = turn_towards(mean, along, across)
        assert x.dot(mean).item() == pytest.approx(0.8, abs=1e-15)
        assert x.norm().item() == pytest.approx(1, abs=1e-15)
        jacobian = torch.autograd.functional.jacobian(lambda v, a=along, b=across: turn_towards(v, a, b), mean)
        assert torch.isfinite(jacobian).all()
        assert torch.linalg.matrix_norm(jacobian, 2) < 3


def test_gradient_in_both_parameters_is_exact_under_quadrature_over_all_noise():
    """E (bᵀx)² on the sphere in space, with the cosine and the angle about the axis replaced by nodes."""
    b = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    raw = torch.tensor([0.5, 0.2, -0.4], dtype=torch.float64, requires_grad=True)
    kappa = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    for law, cls in (("von Mises-Fisher", VonMisesFisher), ("power spherical", PowerSpherical)):
        mean = raw / raw.norm()
        nodes, probability = (torch.tensor(x) for x in cosines(3.0, 3, law))
        u = attach(kappa.expand(len(nodes)), nodes, 3, SLOPES[law]).unsqueeze(-1)
        angle = 2 * torch.pi * torch.arange(5, dtype=torch.float64) / 5  # exact for degree 2
        across = torch.stack([angle.cos(), angle.sin()], -1) / torch.cosh(u).unsqueeze(-1)
        x = turn_towards(mean.expand(len(nodes), 5, 3), torch.tanh(u).expand(-1, 5), across)
        estimate = (probability.unsqueeze(-1) * (x @ b) ** 2).sum() / 5
        q = cls(mean, kappa)
        along, rest = q._variances()
        square = (b @ mean) ** 2
        exact = square * (along + q._resultant_length() ** 2) + (b @ b - square) * rest
        assert estimate.item() == pytest.approx(exact.item(), rel=1e-12)
        got = torch.autograd.grad(estimate, (raw, kappa), retain_graph=True)
        want = torch.autograd.grad(exact, (raw, kappa), retain_graph=True)
        for g, w in zip(got, want, strict=True):
            assert torch.allclose(g, w, rtol=1e-11, atol=1e-12)
