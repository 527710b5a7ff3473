"""The exponential law against gamma laws that are nearly it, and far from it, beside mpmath."""

import pytest
import torch
import torch.distributions as D
from mpmath import mp, mpf

from elbo.divergences import kl

mp.dps = 60


def divergence(b1: mpf, c: mpf, b2: mpf) -> mpf:
    """KL of an exponential law of rate b1 from the gamma law of shape c and rate b2."""
    t = b2 / b1
    return t - 1 - c * mp.log(t) + mp.loggamma(c) + (c - 1) * mp.euler


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("distance", [3.0, 0.3, 1e-2, 1e-3, 1e-6])
def test_gamma_laws_near_the_exponential_keep_their_digits(dtype, distance, rng):
    def draw() -> torch.Tensor:
        return (torch.rand(40, generator=rng, dtype=torch.float64) * 2 - 1) * distance

    rate = 0.1 + 10 * torch.rand(40, generator=rng, dtype=torch.float64)
    shape = torch.cat([draw()[:30].exp(), torch.ones(10, dtype=torch.float64)])
    leaves = [x.to(dtype).requires_grad_() for x in (rate, shape, rate * draw().exp())]
    value = kl(D.Exponential(leaves[0]), D.Gamma(*leaves[1:]))
    value.sum().backward()
    eps = torch.finfo(dtype).eps
    rows = zip(*(x.tolist() for x in leaves), *(x.grad.tolist() for x in leaves), value.tolist(), strict=True)
    for row in rows:
        b1, c, b2 = (mpf(v) for v in row[:3])
        t, truth = b2 / b1, divergence(b1, c, b2)
        assert abs(mpf(row[6]) - truth) <= 8 * eps * truth
        slopes = (-(t - c) / b1, mp.digamma(c) + mp.euler - mp.log(t), (t - c) / b2)
        largest = max(abs(s * x) for s, x in zip(slopes, (b1, c, b2), strict=True))
        for s, x, got in zip(slopes, (b1, c, b2), row[3:6], strict=True):
            assert abs(mpf(got) - s) <= 8 * eps * max(abs(s), largest / x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_exponential_is_a_gamma_law_and_large_shapes_stay_finite(dtype):
    rate = torch.tensor([0.3, 1.0, 7.0], dtype=dtype)
    assert kl(D.Exponential(rate), D.Gamma(torch.ones_like(rate), rate)).tolist() == [0.0] * 3
    other = 1e6 * rate
    far = kl(D.Exponential(rate), D.Gamma(torch.full_like(rate, 1e6), other))
    for b1, b2, value in zip(*(x.tolist() for x in (rate, other, far)), strict=True):
        truth = divergence(mpf(b1), mpf(10**6), mpf(b2))
        assert abs(mpf(value) - truth) <= 8 * torch.finfo(dtype).eps * truth


def test_exponential_and_gamma_laws_differentiate_twice():
    rate, shape, other = (
        torch.tensor(x, dtype=torch.float64, requires_grad=True)
        for x in ([1.0, 0.3, 2.0, 1.0], [1.0, 0.2, 5.0, 1.3], [1.1, 2.0, 3.0, 1.3])
    )

    def divergence(rate, shape, other):
        return kl(D.Exponential(rate, validate_args=False), D.Gamma(shape, other, validate_args=False))

    assert torch.autograd.gradcheck(divergence, (rate, shape, other))
    assert torch.autograd.gradgradcheck(divergence, (rate, shape, other))
    rows = [x.detach() for x in (rate, shape, other)]
    torch.testing.assert_close(torch.func.vmap(divergence)(*rows), divergence(*rows), rtol=1e-13, atol=0.0)
