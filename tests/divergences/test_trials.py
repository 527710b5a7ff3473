"""Coins and waiting times at the ends: no trial at all, logits beyond e^709, probabilities beside logits."""

import math

import mpmath as mp
import pytest
import torch
import torch.distributions as D

from elbo.divergences import kl

F64 = torch.float64


def number(x, **options):
    return torch.tensor(x, dtype=F64, **options)


def waiting(a, b):
    """KL of the number of failures before a success of probability σ(a) and σ(b)."""
    q, p = 1 / (1 + mp.exp(-a)), 1 / (1 + mp.exp(-b))
    return mp.log(q / p) + (1 - q) / q * mp.log((1 - q) / (1 - p))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(
    ("a", "b"), [(-599.0, -601.5), (-720.0, -720.5), (-750.0, -751.0), (-9000.0, -9000.25), (-5.0, 900.0),
                 (-620.0, -30.0), (-720.0, -60.0), (-620.0, -600.0), (700.0, 701.0)],
)  # fmt: skip
def test_waiting_times_of_any_logits(a, b, dtype):
    """Beyond 709 infinity came out, or NaN."""
    leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (a, b)]
    value = kl(*(D.Geometric(logits=x) for x in leaves))
    other = kl(*(D.NegativeBinomial(1, logits=-x) for x in leaves))
    slopes = torch.autograd.grad(value, leaves)
    with mp.workdps(8000):
        want = waiting(mp.mpf(a), mp.mpf(b))
        h = mp.mpf(10) ** -20
        wanted = [
            (waiting(mp.mpf(a) + h, mp.mpf(b)) - waiting(mp.mpf(a) - h, mp.mpf(b))) / (2 * h),
            (waiting(mp.mpf(a), mp.mpf(b) + h) - waiting(mp.mpf(a), mp.mpf(b) - h)) / (2 * h),
        ]
    if want > torch.finfo(dtype).max:
        assert value.item() == other.item() == math.inf
        return
    eps, tiny = torch.finfo(dtype).eps, torch.finfo(dtype).tiny
    assert abs(mp.mpf(value.item()) - want) <= 8 * eps * want + tiny
    assert abs(mp.mpf(other.item()) - want) <= 8 * eps * want + tiny
    for slope, wish in zip(slopes, wanted, strict=True):
        assert abs(mp.mpf(slope.item()) - wish) <= 8 * eps * max(map(abs, wanted)) + tiny


def test_no_trial_tells_nothing_apart():
    sure, coin = number([0.0, 0.0]), number([0.3, 0.3])
    counts = number([0.0, 2.0])
    assert kl(D.Binomial(counts, coin), D.Binomial(counts, sure)).tolist() == [0.0, math.inf]
    assert kl(D.NegativeBinomial(counts, coin), D.NegativeBinomial(counts, sure)).tolist() == [0.0, math.inf]

    def trials(n, q, p):
        return kl(D.Binomial(n, q, validate_args=False), D.Binomial(n, p, validate_args=False))

    assert torch.func.vmap(trials)(counts, coin, sure).tolist() == [0.0, math.inf]


@pytest.mark.parametrize("x", [-800.0, -40.0, 0.3, 40.0, 800.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_probabilities_beside_logits(x, dtype):
    """A probability of which nothing is left in rounding is not one of zero: the value is finite."""
    steep, half = torch.tensor(x, dtype=dtype), torch.tensor(0.5, dtype=dtype)
    for make in (
        D.Bernoulli,
        D.Geometric,
        lambda p=None, logits=None: D.Binomial(7, p, logits=logits),
        lambda p=None, logits=None: D.NegativeBinomial(7, p, logits=logits),
    ):
        assert kl(make(half), make(logits=steep)) == kl(make(logits=0 * steep), make(logits=steep))
        assert kl(make(logits=steep), make(half)) == kl(make(logits=steep), make(logits=0 * steep))
    both = torch.stack([0 * steep, steep])
    for make in (D.Categorical, D.OneHotCategorical):
        expected = kl(make(logits=0 * both), make(logits=both))
        torch.testing.assert_close(kl(make(torch.full_like(both, 0.5)), make(logits=both)), expected, rtol=1e-6, atol=0)
        assert expected < math.inf


def test_probabilities_of_zero_and_one_beside_logits():
    one, zero, x = number(1.0), number(0.0), number(0.7)
    assert kl(D.Bernoulli(one), D.Bernoulli(logits=x)).item() == pytest.approx(math.log1p(math.exp(-0.7)), rel=1e-15)
    assert kl(D.Bernoulli(zero), D.Bernoulli(logits=x)).item() == pytest.approx(math.log1p(math.exp(0.7)), rel=1e-15)
    assert kl(D.Bernoulli(logits=x), D.Bernoulli(one)).item() == math.inf
    assert kl(D.Categorical(number([0.0, 1.0])), D.Categorical(logits=number([0.0, 0.0]))).item() == math.log(2)
    assert kl(D.Categorical(logits=number([0.0, 0.0])), D.Categorical(number([0.0, 1.0]))).item() == math.inf


@pytest.mark.parametrize(
    ("q", "p", "want"),
    [
        (lambda: D.Uniform(number(0.0), number(1.0)), lambda: D.Gumbel(number(1e10), number(1e-10)), math.inf),
        (lambda: D.Uniform(number(0.0), number(1.0)), lambda: D.Gumbel(number(1e11), number(1e-12)), math.inf),
        (lambda: D.Bernoulli(logits=number(-300.0)), lambda: D.Poisson(number(1e200)), 1e200),
        (lambda: D.Bernoulli(number(1e-30)), lambda: D.Poisson(number(1e300)), 1e300),
        (lambda: D.Poisson(number(1e-30)), lambda: D.Poisson(number(1e300)), 1e300),
    ],
)
def test_what_overflows_is_never_negative(q, p, want):
    """−∞ came out."""
    assert kl(q(), p()).item() == pytest.approx(want, rel=1e-15)
