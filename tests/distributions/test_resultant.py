"""Functions of the concentration against mpmath, over all scales and dimensions."""

import itertools

import mpmath as mp
import numpy as np
import pytest
import torch

from elbo.distributions._power import divergence_from_uniform, log_moment
from elbo.distributions._resultant import _Gap, _MeanDifference, bregman, log_mgf, log_mgf_gap, mean_resultant_length

EPS = 2.0**-52
BOUND = 8  # eps, the accuracy that issue and registry state; the errors are measured at about 6
DIMENSIONS = (2, 3, 4, 5, 6, 7, 10, 33, 128, 1024)


def concentrations(m: int) -> list[float]:
    """Five per decade from 1e-8 to 1e6 at random, and both sides of where the forms change, κ² = m."""
    rng = np.random.default_rng(m)
    decades = np.arange(-8, 6).repeat(2)
    return [*(10.0 ** (decades + rng.random(decades.size))).tolist(), m**0.5 * (1 - 1e-9), m**0.5 * (1 + 1e-9), 1e6]


def log_mgf_reference(kappa: float, m: int) -> mp.mpf:
    k, nu = mp.mpf(kappa), mp.mpf(m) / 2 - 1
    return mp.log(mp.besseli(nu, k)) + mp.loggamma(nu + 1) - nu * mp.log(k / 2) if k else mp.mpf(0)


def mean_reference(kappa: float, m: int) -> mp.mpf:
    k, nu = mp.mpf(kappa), mp.mpf(m) / 2 - 1
    return mp.besseli(nu + 1, k) / mp.besseli(nu, k) if k else mp.mpf(0)


def variance_reference(kappa: float, m: int) -> mp.mpf:
    a = mean_reference(kappa, m)
    return 1 - a * a - (m - 1) * a / mp.mpf(kappa) if kappa else 1 / mp.mpf(m)


def relative_errors(got: torch.Tensor, want: list[mp.mpf]) -> list[float]:
    """In units of eps."""
    return [float(abs(mp.mpf(g) - w) / abs(w)) / EPS for g, w in zip(got.tolist(), want, strict=True)]


def assert_accurate(got: torch.Tensor, want: list[mp.mpf], where: list[object], bound: float = BOUND) -> None:
    errors = relative_errors(got, want)
    bad = [(w, f"{e:.1f} eps") for w, e in zip(where, errors, strict=True) if not e <= bound]
    assert not bad, f"worst {max(errors):.1f} eps; {bad}"


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(60):
        yield


@pytest.mark.parametrize("m", DIMENSIONS)
def test_von_mises_fisher_functions_agree_with_bessel_functions_at_sixty_digits(m):
    kappas = concentrations(m)
    k = torch.tensor(kappas, dtype=torch.float64)
    g = [log_mgf_reference(x, m) for x in kappas]
    a = [mean_reference(x, m) for x in kappas]
    assert_accurate(log_mgf(k, m), g, kappas)
    assert_accurate(mean_resultant_length(k, m), a, kappas)
    assert_accurate(log_mgf(k, m, 2), [variance_reference(x, m) for x in kappas], kappas)
    assert_accurate(log_mgf_gap(k, m), [mp.mpf(x) - v for x, v in zip(kappas, g, strict=True)], kappas)
    assert_accurate(_Gap.apply(k, m, 1), [1 - v for v in a], kappas)
    uniform = [mp.mpf(x) * v - w for x, v, w in zip(kappas, a, g, strict=True)]
    assert_accurate(bregman(k, torch.zeros_like(k), m), uniform, kappas)


@pytest.mark.parametrize("m", [2, 3, 5, 20, 1024])
def test_bregman_divergence_keeps_its_digits_from_equal_to_far(m):
    rng = np.random.default_rng(m)
    steps = [s * 10.0**-e for e in range(9) for s in (1, -0.9)] + [4.0, 99.0, -0.999]
    kappas = (10.0 ** (np.arange(-6, 6, 2) + 2 * rng.random(6))).tolist()
    pairs = [(k, k * (1 + s)) for k, s in itertools.product(kappas, steps)]
    k1, k2 = torch.tensor(pairs, dtype=torch.float64).T
    g1, a1 = {k: log_mgf_reference(k, m) for k in kappas}, {k: mean_reference(k, m) for k in kappas}
    want = [log_mgf_reference(b, m) - g1[a] - a1[a] * (mp.mpf(b) - mp.mpf(a)) for a, b in pairs]
    assert_accurate(bregman(k1, k2, m), want, pairs)
    assert_accurate(_MeanDifference.apply(k1, k2, m), [mean_reference(b, m) - a1[a] for a, b in pairs], pairs)


@pytest.mark.parametrize("m", DIMENSIONS)
def test_power_spherical_functions_agree_with_gamma_functions_at_sixty_digits(m):
    kappas = concentrations(m)
    k = torch.tensor(kappas, dtype=torch.float64)
    b = mp.mpf(m - 1) / 2
    value, slope, curvature, kl = [], [], [], []
    for x in kappas:
        a = b + mp.mpf(x)
        value.append(mp.loggamma(a) - mp.loggamma(a + b) - mp.loggamma(b) + mp.loggamma(2 * b))
        slope.append(mp.digamma(a) - mp.digamma(a + b))
        curvature.append(mp.psi(1, a) - mp.psi(1, a + b))
        kl.append(mp.mpf(x) * slope[-1] - value[-1])
    assert_accurate(log_moment(k, m), value, kappas)
    assert_accurate(log_moment(k, m, 1), slope, kappas)
    assert_accurate(log_moment(k, m, 2), curvature, kappas)
    assert_accurate(divergence_from_uniform(k, m), kl, kappas)


@pytest.mark.parametrize("m", [2, 3, 8, 1024])
def test_zero_concentration_is_the_uniform_law_exactly(m):
    zero = torch.zeros(3, dtype=torch.float64)
    for value in (log_mgf(zero, m), mean_resultant_length(zero, m), log_mgf_gap(zero, m), bregman(zero, zero, m)):
        assert (value == 0).all()
    assert (divergence_from_uniform(zero, m) == 0).all()
    assert log_mgf(zero, m, 2).sub(1 / m).abs().max() < 4 * EPS / m


@pytest.mark.parametrize("function", [log_mgf, mean_resultant_length, log_mgf_gap, divergence_from_uniform])
def test_derivatives_agree_with_finite_differences(function):
    k = torch.tensor([0.3, 2.0, 7.0, 40.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: function(x, 5), k)
    assert torch.autograd.gradgradcheck(lambda x: function(x, 5), k)


def test_bregman_derivatives_agree_with_finite_differences():
    k1 = torch.tensor([0.3, 2.0, 7.0], dtype=torch.float64, requires_grad=True)
    k2 = torch.tensor([0.5, 2.1, 70.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y: bregman(x, y, 4), (k1, k2))
    assert torch.autograd.gradgradcheck(lambda x, y: bregman(x, y, 4), (k1, k2))


def test_vmap_and_grad_transforms_agree_with_loops():
    k = torch.tensor([0.1, 3.0, 50.0], dtype=torch.float64)
    zero = torch.zeros((), dtype=torch.float64)
    slopes = torch.func.vmap(torch.func.grad(lambda x: bregman(x, zero, 6)))(k)
    assert torch.allclose(slopes, k * log_mgf(k, 6, 2), rtol=4 * EPS, atol=0)


def test_chunks_do_not_change_a_value(monkeypatch):
    k = torch.logspace(-3, 5, 50, dtype=torch.float64).reshape(5, 10)
    whole = log_mgf(k, 7)
    monkeypatch.setattr("elbo.distributions._line._CHUNK", 8)
    assert torch.equal(whole, log_mgf(k, 7))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("function", [divergence_from_uniform, mean_resultant_length])
def test_compiled_functions_agree_with_eager_ones(function):
    """Traced by Dynamo, forward and backward, without a warning of ours."""
    kappa = torch.tensor([0.1, 3.0, 50.0], dtype=torch.float64, requires_grad=True)
    validates = torch.distributions.Distribution._validate_args
    compiled = torch.compile(lambda k: function(k, 6), backend="eager")
    eager, traced = function(kappa, 6), compiled(kappa)
    torch.distributions.Distribution.set_default_validate_args(validates)  # Dynamo turns it off for the process
    assert torch.allclose(eager, traced, rtol=8 * EPS, atol=0)
    slopes = (torch.autograd.grad(value.sum(), kappa)[0] for value in (eager, traced))
    assert torch.allclose(*slopes, rtol=8 * EPS, atol=0)
