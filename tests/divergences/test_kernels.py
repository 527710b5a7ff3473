import math

import pytest
import torch
from mpmath import mp, mpf

from elbo.divergences import exp_remainder, log_remainder
from elbo.divergences._kernels import ARTANH, EXPONENTIAL, NEAR, itakura_saito, log_ratio
from elbo.divergences._remainders import remainder_and_slope
from elbo.divergences._stirling import STIRLING, bregman, curvature, slope_difference

mp.dps = 60
# torch's own rules of forward differentiation are loaded through a function that torch deprecates (2.13)
forward_ad = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
DTYPES = [torch.float64, torch.float32]
SIZES = torch.cat(
    [10 ** torch.linspace(-9, 1.5, 300, dtype=torch.float64), torch.linspace(0.2, 3.0, 300, dtype=torch.float64)]
)


def worst(got: torch.Tensor, want: list[mpf]) -> float:
    eps = torch.finfo(got.dtype).eps
    return max(float(abs(mpf(g) - w) / abs(w)) / eps for g, w in zip(got.tolist(), want, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_remainder_keeps_its_digits_everywhere(dtype):
    y = torch.cat([SIZES, -SIZES]).to(dtype)
    assert worst(exp_remainder(y), [mp.expm1(mpf(v)) - mpf(v) for v in y.tolist()]) <= 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_remainder_keeps_its_digits_everywhere(dtype):
    d = torch.cat([SIZES, -SIZES[SIZES < 0.999], SIZES * 1e4]).to(dtype)
    assert worst(log_remainder(d), [mpf(v) - mp.log1p(mpf(v)) for v in d.tolist()]) <= 2.5


def test_the_fitted_series_are_those_functions():
    for k, coefficient in enumerate(EXPONENTIAL[0][:5]):
        assert coefficient == pytest.approx(1 / math.factorial(k + 2), rel=1e-9)
    # the second series is at most an eighth of Λ, so that 2e-7 of it is a fifth of an ulp of float32
    for tables, f, points, coarse in (
        (EXPONENTIAL, lambda y: (mp.expm1(y) - y) / y**2, [mpf(k) / 40 - 1 for k in range(81) if k != 40], 2e-8),
        (
            ARTANH,
            lambda z: -2 * (mp.atanh(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3,
            [mpf(NEAR) * k / 40 for k in range(1, 41)],
            2e-7,
        ),
    ):
        for table, error in zip(tables, (1e-15, coarse), strict=True):
            assert max(abs(mp.polyval([mpf(c) for c in reversed(table)], x) / f(x) - 1) for x in points) < error
    for a in (4, 5, 7.5, 20, 1e3):
        a = mpf(a)
        truth = mp.loggamma(a) - (a - mpf(1) / 2) * mp.log(a) + a - mp.log(2 * mp.pi) / 2
        assert abs(mp.polyval([mpf(c) for c in reversed(STIRLING)], a**-2) / a / truth - 1) < 1e-16


def test_kernels_overflow_to_infinity_and_vanish_at_zero():
    assert exp_remainder(torch.tensor(1e4)).item() == math.inf
    assert log_remainder(torch.tensor(-1.0)).item() == math.inf
    assert exp_remainder(torch.zeros(3)).eq(0).all()
    assert log_remainder(torch.zeros(3)).eq(0).all()
    assert torch.isnan(exp_remainder(torch.tensor(math.nan)))


@forward_ad
@pytest.mark.parametrize("kernel", [exp_remainder, log_remainder])
def test_derivatives_of_every_order(kernel):
    x = torch.tensor([-0.5, -1e-3, 1e-9, 0.2, 1.3, 4.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(kernel, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(kernel, x)
    third = torch.func.vmap(torch.func.grad(torch.func.grad(torch.func.grad(kernel))))(x.detach())
    truth = x.detach().exp() if kernel is exp_remainder else -2 / (1 + x.detach()) ** 3
    torch.testing.assert_close(third, truth, rtol=1e-12, atol=0)


@forward_ad
@pytest.mark.parametrize("kernel", [itakura_saito, log_ratio])
def test_kernels_of_two_arguments_broadcast_and_differentiate(kernel):
    y = torch.tensor([[0.3], [1.0], [1e4]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([0.4, 1.0 + 1e-9], dtype=torch.float64, requires_grad=True)
    assert kernel(y, x).shape == (3, 2)
    assert torch.autograd.gradcheck(kernel, (y, x), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(kernel, (y, x))


def test_blocks_give_what_single_elements_give(rng):
    y = torch.randn(100_003, generator=rng, dtype=torch.float64).mul(3).requires_grad_()
    x = torch.rand(1, generator=rng, dtype=torch.float64) + 0.5
    whole = itakura_saito(y.exp(), x)
    (slope,) = torch.autograd.grad(whole.sum(), y)
    for i in (0, 16_383, 16_384, 100_002):
        one = itakura_saito(y[i].exp(), x[0])
        assert whole[i] == one
        torch.testing.assert_close(slope[i], torch.autograd.grad(one, y)[0][i], rtol=1e-15, atol=0)
    grid = torch.randn(300, 7, 60, generator=rng, dtype=torch.float64).transpose(0, 2)
    torch.testing.assert_close(exp_remainder(grid), exp_remainder(grid.contiguous()), rtol=0, atol=0)
    weight = torch.rand(1, 60, generator=rng, dtype=torch.float64).expand(3000, 60)
    torch.testing.assert_close(log_remainder(weight), log_remainder(weight[:1]).expand(3000, 60), rtol=0, atol=0)


@pytest.mark.parametrize("distance", [1.0, 1e-2, 1e-5, 1e-8])
def test_remainders_of_log_gamma_keep_their_digits(distance, rng):
    def s(a):
        return mp.loggamma(a) - a * mp.log(a) + a

    a = 10 ** (torch.rand(60, generator=rng, dtype=torch.float64) * 10 - 5)
    b = a * (1 + distance * (torch.rand(60, generator=rng, dtype=torch.float64) - 0.4))
    pairs = [(mpf(u), mpf(v)) for u, v in zip(a.tolist(), b.tolist(), strict=True)]
    # 3.2, 2.1, 2.4 and 3.5 ulps are the most in 6000 of these
    assert worst(bregman(a, b, b - a), [s(v) - s(u) - (mp.digamma(u) - mp.log(u)) * (v - u) for u, v in pairs]) <= 4
    assert worst(curvature(a), [mp.psi(1, u) - 1 / u for u, _ in pairs]) <= 4
    slopes = [mp.digamma(v) - mp.log(v) - mp.digamma(u) + mp.log(u) for u, v in pairs]
    assert worst(slope_difference(a, b, b - a), slopes) <= 4
    remainders = [mp.loggamma(u) - (u - mpf(1) / 2) * mp.log(u) + u - mp.log(2 * mp.pi) / 2 for u, _ in pairs]
    assert worst(remainder_and_slope(a)[0], remainders) <= 4
