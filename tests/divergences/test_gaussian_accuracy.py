"""Gaussian KL and its gradients against 60 digits, to two units of the machine epsilon, from equal to far."""

import math

import pytest
import torch
from built_kernels import REASON, buildable
from mpmath import mp, mpf

from elbo.divergences import _compiled, gaussian, kl
from elbo.divergences._registry import find
from elbo.evidence import generator

mp.dps = 60
FORMS = {"log_variance": gaussian.by_log_variance, "variance": gaussian.by_variance, "std": gaussian.by_std}


@pytest.fixture(params=["compiled", "formula"])
def way(request, monkeypatch):
    """By the compiled kernels, and by the formulas that stand in where there is no compiler."""
    if request.param == "formula":
        monkeypatch.setattr(_compiled.Kernel, "value", lambda *_: False)
        monkeypatch.setattr(_compiled.Kernel, "products", lambda *_: False)
    elif not buildable():
        pytest.skip(REASON)
    else:
        assert _compiled.kernel("normal_by_std") is not None


def sample(kind: str, count: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Half of the pairs at relative distances of 1 to 1e-8, a third of the spreads at ratios of 0.2 to 2.7."""
    source = generator(2, "gaussian", kind, str(dtype))

    def u() -> torch.Tensor:
        return torch.rand(count, generator=source, dtype=torch.float64)

    sign = torch.where(u() < 0.5, 1.0, -1.0)
    distance, near = sign * 10 ** (-8 * u()), u() < 0.5
    m1 = (2 * u() - 1) * 10 ** (4 * u() - 2)
    m2 = torch.where(near, m1 * (1 + distance), (2 * u() - 1) * 10 ** (4 * u() - 2))
    m2 = torch.where(u() < 0.2, m1, m2)
    if kind == "log_variance":
        a = 40 * u() - 20
        b = torch.where(near, a + distance, 40 * u() - 20)
    else:
        a = 10 ** (6 * u() - 3)
        b = torch.where(near, a * (1 + distance).clamp(min=1e-3), 10 ** (6 * u() - 3))
        b = torch.where(u() < 0.3, a * (0.2 + 2.5 * u()), b)
    return [x.to(dtype) for x in (m1, a, m2, b)]


def truth(kind: str, m1: mpf, a: mpf, m2: mpf, b: mpf) -> tuple[mpf, list[tuple[mpf, mpf]]]:
    """KL, and each derivative with the sum of the sizes of its terms."""
    d = m1 - m2
    if kind == "log_variance":
        mean, spread, squares = d * mp.exp(-b), mp.expm1(a - b) / 2, d * d * mp.exp(-b)
        value, slopes = (mp.expm1(a - b) - (a - b) + squares) / 2, (spread, -spread, squares / 2)
    elif kind == "variance":
        mean, spread, squares = d / b, (a - b) / (2 * b), d * d / b
        value, slopes = (a / b - 1 - mp.log(a / b) + squares) / 2, (spread / a, -spread / b, squares / (2 * b))
    else:
        mean, spread, squares = d / b**2, (a - b) * (a + b) / b**2, d * d / b**2
        value, slopes = ((a / b) ** 2 - 1 - 2 * mp.log(a / b) + squares) / 2, (spread / a, -spread / b, squares / b)
    by_q, by_p, gap = slopes
    return value, [(mean, abs(mean)), (by_q, abs(by_q)), (-mean, abs(mean)), (by_p - gap, abs(by_p) + gap)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("kind", FORMS)
def test_values_and_gradients_to_two_ulps(kind, dtype, way):
    eps = torch.finfo(dtype).eps
    inputs = [x.requires_grad_() for x in sample(kind, 700, dtype)]
    value = FORMS[kind](*inputs)
    slopes = torch.autograd.grad(value.sum(), inputs)
    columns = [x.tolist() for x in (*inputs, value, *slopes)]
    worst, worst_slope = 0.0, 0.0
    for row in zip(*columns, strict=True):
        want, derivatives = truth(kind, *map(mpf, row[:4]))
        assert row[4] >= 0
        if want == 0:
            assert row[4] == 0
            continue
        worst = max(worst, float(abs(mpf(row[4]) - want) / want) / eps)
        for got, (slope, size) in zip(row[5:], derivatives, strict=True):
            # the two terms of the last may cancel; float32 is computed in float64, and does not feel it
            scale = abs(slope) if dtype is torch.float32 else size
            if scale > 0:
                worst_slope = max(worst_slope, float(abs(mpf(got) - slope) / scale) / eps)
    assert worst <= 2
    assert worst_slope <= 2


def test_the_class_of_the_pair_says_so():
    assert find(torch.distributions.Normal, torch.distributions.Normal).accuracy == 2


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_the_whole_range_of_float64(scale, way):
    s1, s2 = (
        torch.tensor([2.0, 1.0, 1.0 + 1e-9], dtype=torch.float64) * scale,
        torch.ones(3, dtype=torch.float64) * scale,
    )
    zero = torch.zeros(3, dtype=torch.float64)
    value = kl(torch.distributions.Normal(zero, s1), torch.distributions.Normal(zero, s2))
    for got, a, b in zip(value.tolist(), s1.tolist(), s2.tolist(), strict=True):
        ratio = mpf(a) / mpf(b)
        want = (ratio**2 - 1) / 2 - mp.log(ratio)
        assert abs(mpf(got) - want) <= 2 * want * torch.finfo(torch.float64).eps


def test_overflow_is_infinite_and_not_nan(way):
    far = torch.tensor([1e300, -1e300, 1e308, 1.0], dtype=torch.float64)
    narrow = torch.tensor([1e-300, 1.0, 1e-5, 1e-310], dtype=torch.float64)
    one, zero = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    normal = torch.distributions.Normal
    assert kl(normal(far, one), normal(zero, narrow)).eq(math.inf).all()


@pytest.mark.parametrize("a, b", [(1e-200, 1e200), (1e-310, 1e300), (5e-324, 1e308), (1.0, 1e308), (1e-300, 1e5)])
def test_a_ratio_that_underflows_leaves_its_logarithm(a, b, way):
    zero = torch.zeros(1, dtype=torch.float64)
    q, p = torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64)
    ratio = mpf(a) / mpf(b)
    for form, want in (
        (gaussian.by_variance, (ratio - 1 - mp.log(ratio)) / 2),
        (gaussian.by_std, (ratio**2 - 1) / 2 - mp.log(ratio)),
    ):
        assert abs(mpf(form(zero, q, zero, p).item()) - want) <= 2 * want * torch.finfo(torch.float64).eps


def test_the_gradient_by_log_variances_is_infinite_where_the_value_is(way):
    leaves = [torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (0.1, 800.0, 0.2, 0.3)]
    value = gaussian.by_log_variance(*leaves)
    slopes = torch.autograd.grad(value.sum(), leaves)
    assert value.item() == slopes[1].item() == -slopes[3].item() == math.inf
