"""The laws on the sphere as torch.distributions objects."""

import doctest

import mpmath as mp
import numpy as np
import pytest
import torch

import elbo.distributions
from elbo._errors import Error, InputTypeError, InputValueError
from elbo.distributions import (
    HypersphericalUniform,
    PowerSpherical,
    VonMisesFisher,
    _hyperspherical_uniform,
    _power_spherical,
    _von_mises_fisher,
    unit_vector,
)
from elbo.evidence import dkw_test

LAWS = (VonMisesFisher, PowerSpherical)
EPS = 2.0**-52


@pytest.fixture(autouse=True)
def validation():
    """As torch starts: Dynamo turns the validation of arguments off for the process, in whatever test ran before."""
    before = torch.distributions.Distribution._validate_args
    torch.distributions.Distribution.set_default_validate_args(True)
    yield
    torch.distributions.Distribution.set_default_validate_args(before)


def direction(m: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    v = torch.arange(1.0, m + 1, dtype=torch.float64) * (-1.0) ** torch.arange(m)
    return (v / v.norm()).to(dtype)


def reference_log_prob(cls: type, kappa: float, m: int, half: float) -> mp.mpf:
    """log density where 1 - μᵀx = ``half``."""
    k, nu, w = mp.mpf(kappa), mp.mpf(m) / 2 - 1, 1 - mp.mpf(half)
    if cls is VonMisesFisher:
        return nu * mp.log(k) - mp.mpf(m) / 2 * mp.log(2 * mp.pi) - mp.log(mp.besseli(nu, k)) + k * w
    b = mp.mpf(m - 1) / 2
    a = b + k
    log_n = (a + b) * mp.log(2) + b * mp.log(mp.pi) + mp.loggamma(a) - mp.loggamma(a + b)
    return k * mp.log1p(w) - log_n


def reference_entropy(cls: type, kappa: float, m: int) -> mp.mpf:
    k, nu = mp.mpf(kappa), mp.mpf(m) / 2 - 1
    if cls is VonMisesFisher:
        return -reference_log_prob(cls, kappa, m, 1) - k * mp.besseli(nu + 1, k) / mp.besseli(nu, k)
    b = mp.mpf(m - 1) / 2
    return -reference_log_prob(cls, kappa, m, 1) - k * (mp.log(2) + mp.digamma(b + k) - mp.digamma(2 * b + k))


@pytest.mark.parametrize("cls", LAWS)
@pytest.mark.parametrize("m", [2, 3, 5, 64, 1024])
@pytest.mark.parametrize("kappa", [1e-6, 0.3, 5.0, 200.0, 1e6])
def test_log_prob_and_entropy_agree_with_mpmath(cls, m, kappa):
    mu = torch.zeros(m, dtype=torch.float64)
    mu[0] = 1
    law = cls(mu, kappa)
    with mp.workdps(50):
        for sine in (0.0, 1e-3, 0.5, 1.0):
            x = torch.zeros(m, dtype=torch.float64)
            x[0], x[1] = (1 - sine**2) ** 0.5, sine
            half = ((1 - mp.mpf(x[0].item())) ** 2 + mp.mpf(x[1].item()) ** 2) / 2  # 1 - μᵀx on the sphere
            want = reference_log_prob(cls, kappa, m, half)
            # the parts: the log area, the normaliser and κ(1 - μᵀx), each rounded a few times
            size = abs(want) + m * float(np.log(m + kappa)) + kappa * float(half)
            assert abs(law.log_prob(x).item() - want) <= 8 * EPS * size, (sine, law.log_prob(x).item(), want)
        entropy = reference_entropy(cls, kappa, m)
        assert abs(law.entropy().item() - entropy) <= 8 * EPS * (abs(entropy) + m * float(np.log(m + kappa)))


@pytest.mark.parametrize("cls", LAWS)
@pytest.mark.parametrize("m", [2, 3, 6])
def test_density_integrates_to_one_and_gives_mean_and_variance(cls, m):
    """Gauss-Legendre over the angle, with the area of the sphere across."""
    x, weight = np.polynomial.legendre.leggauss(400)
    angle = torch.tensor(np.pi / 2 * (x + 1))
    mu = torch.zeros(m, dtype=torch.float64)
    mu[0] = 1
    points = torch.zeros(400, m, dtype=torch.float64)
    points[:, 0], points[:, 1] = angle.cos(), angle.sin()
    across = 2 * np.pi ** ((m - 1) / 2) / float(mp.gamma(mp.mpf(m - 1) / 2))
    area = torch.tensor(weight * np.pi / 2) * across * angle.sin() ** (m - 2)
    law = cls(mu, 2.5)
    mass = area * law.log_prob(points).exp()
    tolerance = 1e-9 if cls is PowerSpherical else 1e-13  # (1 + cos)^2.5 has a kink at the pole
    assert mass.sum().item() == pytest.approx(1, rel=tolerance)
    assert (mass * points[:, 0]).sum().item() == pytest.approx(law.mean[0].item(), rel=tolerance)
    assert (mass * (points[:, 0] - law.mean[0]) ** 2).sum().item() == pytest.approx(
        law.variance[0].item(), rel=tolerance
    )
    assert (mass * points[:, 1] ** 2).sum().item() / (m - 1) == pytest.approx(law.variance[1].item(), rel=tolerance)
    assert -(mass * law.log_prob(points)).sum().item() == pytest.approx(law.entropy().item(), rel=tolerance)


@pytest.mark.parametrize("cls", LAWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_dtypes_and_expansion(cls, dtype):
    law = cls(direction(4, dtype).expand(3, 4), torch.tensor([[0.0], [1.0]], dtype=dtype))
    assert law.batch_shape == (2, 3)
    assert law.event_shape == (4,)
    x = law.rsample((5,))
    assert x.shape == (5, 2, 3, 4)
    assert x.dtype == dtype
    assert unit_vector.check(x).all()
    for value in (law.log_prob(x), law.entropy(), law.mean, law.variance, law.stddev, law.mode):
        assert value.dtype == dtype
        assert torch.isfinite(value).all()
    assert law.log_prob(x).shape == (5, 2, 3)
    assert law.entropy().shape == (2, 3)
    assert law.mean.shape == (2, 3, 4)
    wide = law.expand((7, 2, 3))
    assert type(wide) is cls
    assert wide.sample().shape == (7, 2, 3, 4)
    assert torch.equal(wide.entropy()[0], law.entropy())


@pytest.mark.parametrize("cls", LAWS)
def test_float32_agrees_with_float64_to_its_own_precision(cls):
    kappa = torch.tensor([1e-6, 1e-2, 1.0, 1e3, 1e6])
    mu = direction(5, torch.float32)
    x = direction(5, torch.float32).roll(1)
    narrow, wide = cls(mu, kappa), cls(mu.double() / mu.double().norm(), kappa.double())
    eps = torch.finfo(torch.float32).eps
    assert torch.allclose(narrow.entropy().double(), wide.entropy(), rtol=2 * eps, atol=0)
    assert torch.allclose(narrow.mean.double(), wide.mean, rtol=4 * eps, atol=0)
    distance = kappa.double() * (x.double() - mu.double()).square().sum() / 2
    error = (narrow.log_prob(x).double() - wide.log_prob(x.double() / x.double().norm())).abs()
    assert (error <= 8 * eps * (distance + 20)).all()


@pytest.mark.parametrize("cls", LAWS)
@pytest.mark.parametrize("m", [2, 3, 5])
def test_draws_have_the_stated_law_along_and_across_the_mean(cls, m, rng):
    mu = direction(m)
    law = cls(mu, 1.7)
    x = law.sample((20_000,), generator=rng)
    grid = np.linspace(0, np.pi, 20_001)
    statistic = np.cos(grid) if cls is VonMisesFisher else np.log1p(np.maximum(np.cos(grid), -1 + 1e-15))
    density = np.sin(grid) ** (m - 2) * np.exp(1.7 * statistic)
    cdf = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    angle = torch.acos((x @ mu).clamp(-1, 1))
    assert not dkw_test(angle, lambda t: np.interp(t, grid, cdf / cdf[-1]), alpha=1e-9).rejected
    other = torch.zeros(m, dtype=torch.float64)
    other[0], other[1] = mu[1], -mu[0]
    across = x - (x @ mu).unsqueeze(-1) * mu
    sine = (across / across.norm(dim=-1, keepdim=True)) @ (other / other.norm())
    if m == 2:
        assert abs(sine.sign().mean().item()) < (np.log(2 / 1e-9) * 2 / 20_000) ** 0.5  # Hoeffding
    else:
        density = np.sin(grid) ** (m - 3)
        cdf = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
        uniform = torch.acos(sine.clamp(-1, 1))
        assert not dkw_test(uniform, lambda t: np.interp(t, grid, cdf / cdf[-1]), alpha=1e-9).rejected


def test_uniform_law_is_the_law_of_concentration_zero(rng):
    for m in (2, 3, 10, 1024):
        law = HypersphericalUniform(m, dtype=torch.float64)
        x = law.sample((3,), generator=rng)
        assert unit_vector.check(x).all()
        for cls in LAWS:
            zero = cls(direction(m), 0.0)
            assert torch.equal(zero.log_prob(x), law.log_prob(x))
            assert torch.equal(zero.entropy(), law.entropy())
    wide = HypersphericalUniform(3).expand((2, 4))
    assert wide.sample((5,)).shape == (5, 2, 4, 3)
    assert wide.mean.shape == wide.variance.shape == (2, 4, 3)
    assert wide.entropy().shape == (2, 4)
    assert wide.log_prob(wide.sample()).shape == (2, 4)


@pytest.mark.parametrize("cls", LAWS)
def test_global_generator_and_given_generator(cls):
    law = cls(direction(5), 3.0)
    before = torch.get_rng_state()
    first = law.sample((4,), generator=torch.Generator().manual_seed(3))
    assert torch.equal(first, law.sample((4,), generator=torch.Generator().manual_seed(3)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("cls", LAWS)
def test_second_derivative_through_a_draw_is_refused(cls):
    kappa = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    x = cls(direction(4), kappa).rsample()
    (slope,) = torch.autograd.grad(x[0] ** 2, kappa, create_graph=True)
    with pytest.raises(Error, match="second derivative"):
        slope.backward()


@pytest.mark.parametrize("cls", LAWS)
@pytest.mark.parametrize(
    "make,error,words",
    [
        (lambda cls: cls(torch.tensor([1, 0]), 1.0), InputTypeError, "floating-point"),
        (lambda cls: cls(torch.tensor([1.0]), 1.0), InputValueError, "m >= 2"),
        (lambda cls: cls(torch.tensor([1.0, 1.0]), 1.0), InputValueError, "normalize"),
        (lambda cls: cls(direction(3), -1.0), InputValueError, "-1.0"),
        (lambda cls: cls(direction(3), float("nan")), InputValueError, "nan"),
        (lambda cls: cls(direction(3), float("inf")), InputValueError, "inf"),
        (lambda cls: cls(direction(3), torch.tensor(1.0)), InputTypeError, r"\.to\(mean_direction\)"),
        (lambda cls: cls(direction(3).expand(2, 3), torch.ones(5).double()), InputValueError, "broadcast"),
        (lambda cls: cls(direction(3), 1.0).log_prob(torch.ones(3).double()), InputValueError, "normalize"),
        (lambda cls: cls(direction(3), 1.0).log_prob(direction(4)), InputValueError, "shape"),
        (lambda cls: cls(direction(3), 1.0).log_prob([1.0, 0.0, 0.0]), InputTypeError, "tensor"),
        (lambda cls: HypersphericalUniform(1), InputValueError, "at least 2"),
        (lambda cls: HypersphericalUniform(2.5), InputTypeError, "int"),
        (lambda cls: HypersphericalUniform(3, dtype=torch.int64), InputTypeError, "float64"),
    ],
)
def test_bad_input_is_refused_by_name(cls, make, error, words):
    with pytest.raises(error, match=words):
        make(cls)


@pytest.mark.parametrize("module", [_von_mises_fisher, _power_spherical, _hyperspherical_uniform])
def test_examples_in_docstrings_are_true(module):
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0
    assert set(elbo.distributions.__all__) >= {"VonMisesFisher"}
