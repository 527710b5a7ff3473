"""Continuous Bernoulli laws against normal and exponential ones of nearly their moments, where KL has a small slope."""

import functools

import numpy as np
import pytest
import torch
import torch.distributions as D
from mpmath import mp, mpf

from elbo.divergences import _compiled, kl
from elbo.divergences.tilted_to_exponential import tilted_exponential_by_probs, tilted_exponential_kl
from elbo.divergences.tilted_to_normal import tilted_normal_by_probs, tilted_normal_kl

COUNT = 150
WAYS = pytest.mark.parametrize("compiled", [True, False], ids=["kernel", "formula"])
FUNCTIONS = {
    ("Normal", "logits"): tilted_normal_kl,
    ("Normal", "probs"): tilted_normal_by_probs,
    ("Exponential", "logits"): tilted_exponential_kl,
    ("Exponential", "probs"): tilted_exponential_by_probs,
}


def mean(eta):
    return 1 + 1 / mp.expm1(eta) - 1 / eta if eta else mpf(0.5)


def variance(eta):
    return 1 / eta**2 - mp.exp(eta) / mp.expm1(eta) ** 2 if eta else mpf(1) / 12


def third(eta):
    return mp.exp(eta) * (mp.exp(eta) + 1) / mp.expm1(eta) ** 3 - 2 / eta**3 if eta else mpf(0)


def to_unit(eta):
    return eta * mean(eta) - mp.log(mp.expm1(eta) / eta) if eta else mpf(0)


def to_normal(eta, m, s):
    """KL and its derivatives by η, m and s."""
    gap, v = mean(eta) - m, variance(eta)
    value = to_unit(eta) + mp.log(2 * mp.pi * s**2) / 2 + (v + gap**2) / (2 * s**2)
    by_eta = eta * v + (third(eta) / 2 + gap * v) / s**2
    return value, [by_eta, -gap / s**2, 1 / s - (v + gap**2) / s**3]


def to_exponential(eta, r):
    value = to_unit(eta) - mp.log(r) + r * mean(eta)
    return value, [(eta + r) * variance(eta), mean(eta) - 1 / r]


def draw(family, given, near, dtype, rng):
    """The parameter of the law as the dtype holds it, η, and those of the other law."""
    deepest = 15 if dtype == torch.float64 else 6
    narrow = np.float64 if dtype == torch.float64 else np.float32
    if given == "logits":
        x = narrow(rng.choice([-1, 1]) * 10 ** rng.uniform(-6, 2 if near or family == "Exponential" else 6))
        eta = mpf(float(x))
    else:
        share = rng.choice(
            [10 ** rng.uniform(-deepest, -0.3), 0.5 + rng.choice([-1, 1]) * 10 ** rng.uniform(-6, -0.31)]
        )
        x = narrow(1 - share if rng.random() < 0.3 else share)
        eta = mp.log(mpf(float(x)) / (1 - mpf(float(x))))
    away = 10 ** rng.uniform(-8, -0.3, 2) * rng.choice([-1, 1], 2)
    if family == "Normal":
        m, s = mean(eta), mp.sqrt(variance(eta))
        other = (
            [m + away[0] * s, s * (1 + away[1])]
            if near
            else [rng.normal() * 10 ** rng.uniform(-6, 6), 10 ** rng.uniform(-6, 6)]
        )
    else:
        rate = -eta if eta < -1 and rng.random() < 0.5 else 1 / mean(eta)
        other = [rate * (1 + away[0])] if near else [10 ** rng.uniform(-6, 6)]
    return float(x), eta, [float(narrow(float(y))) for y in other]


@WAYS
@pytest.mark.parametrize("near", [True, False], ids=["matched", "anywhere"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("family", "given"), FUNCTIONS, ids=lambda x: x)
def test_values_and_slopes_keep_their_digits(family, given, dtype, near, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(_compiled.Kernel, "value", lambda *_: False)
        monkeypatch.setattr(_compiled.Kernel, "products", lambda *_: False)
    rng, eps = np.random.default_rng(3), torch.finfo(dtype).eps
    allowed = 8 if dtype == torch.float64 else 1
    with mp.workdps(200):
        cases = [draw(family, given, near, dtype, rng) for _ in range(COUNT)]
        columns = zip(*([x, *other] for x, _, other in cases), strict=True)
        leaves = [torch.tensor(column, dtype=dtype, requires_grad=True) for column in columns]
        law = D.ContinuousBernoulli(**{given: leaves[0]}, validate_args=False)
        values = kl(law, getattr(D, family)(*leaves[1:], validate_args=False))
        slopes = torch.autograd.grad(values.sum(), leaves)
        for row, (x, eta, other) in enumerate(cases):
            if given == "probs" and law.probs[row].item() != x:
                continue  # torch keeps probabilities from 0 and 1
            value, by = (to_normal if family == "Normal" else to_exponential)(eta, *map(mpf, other))
            scale = mpf(x) * (1 - mpf(x)) if given == "probs" else 1
            sizes = [scale, other[-1], other[-1]][: len(by)]
            by[0] /= scale
            assert abs(mpf(values[row].item()) - value) <= allowed * eps * value, (x, other)
            largest = max(abs(slope) * size for slope, size in zip(by, sizes, strict=True))
            for got, slope, size in zip(slopes, by, sizes, strict=True):
                assert abs(mpf(got[row].item()) - slope) * size <= allowed * eps * largest, (x, other)


def parameters(family, given):
    eta = torch.tensor([-20.0, -4.0, -1.6, -1.0, 0.0, 0.3, 2.9, 3.1, 4.1, 15.0], dtype=torch.float64)
    first = eta if given == "logits" else torch.sigmoid(eta[1:-1])
    generator = torch.Generator().manual_seed(0)
    rest = [
        0.2 + torch.rand(len(first), generator=generator, dtype=torch.float64) for _ in range(1 + (family == "Normal"))
    ]
    return [x.requires_grad_() for x in (first, *rest)]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # by torch itself, in jvp
@pytest.mark.parametrize(("family", "given"), FUNCTIONS, ids=lambda x: x)
def test_derivatives_of_every_kind(family, given):
    function, leaves = FUNCTIONS[family, given], parameters(family, given)
    assert torch.autograd.gradcheck(function, leaves, rtol=1e-5, atol=1e-8)
    assert torch.autograd.gradgradcheck(function, leaves, rtol=1e-5, atol=1e-7)
    bare = [x.detach() for x in leaves]
    torch.testing.assert_close(torch.func.vmap(function)(*bare), function(*bare), rtol=1e-13, atol=0)
    slopes = torch.autograd.grad(function(*leaves).sum(), leaves)
    for number, slope in enumerate(slopes):
        forward = torch.func.vmap(torch.func.jacfwd(function, argnums=number))(*bare)
        torch.testing.assert_close(forward, slope, rtol=1e-12, atol=1e-14)
        twice = torch.func.vmap(torch.func.hessian(function, argnums=number))(*bare)
        backward = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(function, argnums=number), argnums=number))(
            *bare
        )
        torch.testing.assert_close(twice, backward, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("family", "given"), FUNCTIONS, ids=lambda x: x)
def test_third_derivatives_are_numbers(family, given):
    function, leaves = FUNCTIONS[family, given], [x.detach() for x in parameters(family, given)]
    thrice = functools.reduce(lambda f, _: torch.func.grad(f), range(3), function)
    assert torch.isfinite(torch.func.vmap(thrice)(*leaves)).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("eta", [1e12, -1e12, 1e30, -1e30])
def test_all_but_a_point_at_an_end(eta, dtype):
    law = D.ContinuousBernoulli(logits=torch.tensor(eta, dtype=dtype), validate_args=False)
    m, s, r = torch.tensor([0.3, 0.4, 2.0], dtype=dtype)
    place, log = float(eta > 0), torch.tensor(abs(eta)).log().item() - 1
    normal, exponential = kl(law, D.Normal(m, s)), kl(law, D.Exponential(r))
    want = log - D.Normal(0.3, 0.4).log_prob(torch.tensor(place)).item()
    assert normal.item() == pytest.approx(want, rel=1e-6)
    assert exponential.item() == pytest.approx(log - D.Exponential(2.0).log_prob(torch.tensor(place)).item(), rel=1e-6)
