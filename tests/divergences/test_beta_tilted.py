"""Beta laws against continuous Bernoulli ones: values and slopes over the domain, and where the laws lean alike."""

import mpmath as mp
import numpy as np
import pytest
import torch
from torch.distributions import Beta, ContinuousBernoulli

from elbo.divergences import beta_tilted, kl

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def truth(a, b, eta):
    """By the definition, for η < 0, where e^η is small; the laws mirrored otherwise."""
    if eta > 0:
        return truth(b, a, -eta)
    n = a + b
    entropy = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(n)
    entropy += (n - 2) * mp.psi(0, n) - (a - 1) * mp.psi(0, a) - (b - 1) * mp.psi(0, b)
    return (mp.log(mp.expm1(eta) / eta) if eta else mp.mpf(0)) - eta * a / n - entropy


def by_probs(a, b, p):
    return truth(a, b, mp.log(p / (1 - p)))


def best(a, b):
    """The η of the law with the same mean, which is the nearest one."""
    mean, low, high = a / (a + b), -1e8, 1e8
    for _ in range(200):
        eta = (low + high) / 2
        at = 0.5 + eta / 12 if abs(eta) < 1e-3 else 0.5 + 0.5 / np.tanh(eta / 2) - 1 / eta
        low, high = (eta, high) if at < mean else (low, eta)
    return low


def wide(rng):
    return (*10 ** rng.uniform(-6, 6, 2), rng.choice([-1, 1]) * 10 ** rng.uniform(-6, 6))


def ordinary(rng):
    return (*np.exp(rng.normal(size=2)), 3 * rng.normal())


def alike(rng):
    a, b = 10 ** rng.uniform(-1, 1.5, 2)
    return a, b, best(a, b) * (1 + rng.choice([-1, 1]) * 10 ** rng.uniform(-6, 0))


def nearly_uniform(rng):
    a, b, eta = rng.choice([-1, 1], 3) * 10 ** rng.uniform(-8, -0.3, 3)
    return 1 + a, 1 + b, eta


def nearly_exponential(rng):
    b = 10 ** rng.uniform(0, 6)
    a = 1 + rng.choice([-1, 0, 1]) * 10 ** rng.uniform(-6, -0.3)
    return a, b, best(a, b) * (1 + rng.choice([-1, 1]) * 10 ** rng.uniform(-6, -0.3))


def drawn(draw, count, seed=1):
    rng = np.random.default_rng(seed)
    cases = [tuple(map(float, draw(rng))) for _ in range(count)]
    return [(b, a, -eta) if i % 2 else (a, b, eta) for i, (a, b, eta) in enumerate(cases)]


def law_pair(a, b, eta):
    return Beta(a, b, validate_args=False), ContinuousBernoulli(logits=eta, validate_args=False)


def compared(cases, dtype, reference, function, natural):
    """The largest errors of the values and of the derivatives, in ulps of the largest of those times ``natural``."""
    leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in zip(*cases, strict=True)]
    values = function(*leaves)
    slopes = torch.autograd.grad(values.sum(), leaves)
    eps, rows = torch.finfo(dtype).eps, [x.tolist() for x in (*leaves, values, *slopes)]
    error = slope_error = (0.0, None)
    with mp.workdps(60):
        for i, row in enumerate(zip(*rows, strict=True)):
            given = [mp.mpf(x) for x in row[:3]]
            want = reference(*given)
            error = max(error, (float(abs(row[3] - want) / want) / eps, row), key=lambda x: x[0])
            if i % 4:
                continue
            true = [mp.diff(reference, given, tuple(int(j == k) for j in range(3))) for k in range(3)]
            scaled = [t * s for t, s in zip(true, natural(*given), strict=True)]
            off = max(abs(g * s - t) for g, s, t in zip(row[4:], natural(*given), scaled, strict=True))
            found = float(off / max(map(abs, scaled))) / eps
            slope_error = max(slope_error, (found, row), key=lambda x: x[0])
    return error, slope_error


@DTYPES
@pytest.mark.parametrize("draw", [wide, ordinary, alike, nearly_uniform, nearly_exponential], ids=lambda f: f.__name__)
def test_values_and_slopes_over_the_whole_domain(draw, dtype):
    error, slope_error = compared(
        drawn(draw, 160), dtype, truth, lambda *x: kl(*law_pair(*x)), lambda a, b, eta: (a, b, max(1, abs(eta)))
    )
    # float32 is computed in float64 to ten digits
    assert error[0] <= (8 if dtype is torch.float64 else 0.51), error
    # 27 measured in five thousand of those that lean alike, whose slopes all but vanish
    allowed = 32 if draw is alike else 8
    assert slope_error[0] <= (allowed if dtype is torch.float64 else 0.51), slope_error


@DTYPES
def test_laws_from_probabilities(dtype):
    rng = np.random.default_rng(2)
    cases = [
        (*np.exp(rng.normal(size=2)), p if i % 2 else 1 / (1 + p))
        for i, p in enumerate(10 ** rng.uniform(-6, -0.3, 80))
    ]
    error, slope_error = compared(
        cases,
        dtype,
        by_probs,
        lambda a, b, p: kl(Beta(a, b), ContinuousBernoulli(p)),
        lambda a, b, p: (a, b, p * (1 - p)),
    )
    # the logits of float32 probabilities, in float32, left 3 ulps
    assert error[0] <= (8 if dtype is torch.float64 else 0.51), error
    assert slope_error[0] <= (8 if dtype is torch.float64 else 0.51), slope_error


@pytest.mark.parametrize(
    "given",
    [  # with the ulps that were measured, of a sum of terms larger than the result or on the way from there
        (3.1372996365962442, 0.8193868742898666, 4.648243882424819),  # 19
        (1.0141002125534788, 3.6044447117651566, -4.248419194446244),  # 12
        (0.9383697509765625, 1.287302851676941, -2.777848),
        (1.0, 1.0, -0.0664),
        (1.0000012, 0.9999991, 3e-6),
        (1.0, 812.0, -813.0),
        (17887.62610181841, 1.0, 17887.937259980634),
        (7.083755367886245, 6.093989800801352, 1.4378),
    ],
)
def test_where_digits_were_lost(given):
    cases = [given, (given[1], given[0], -given[2])]
    for case in cases:
        with mp.workdps(60):
            want = truth(*map(mp.mpf, case))
            got = kl(*law_pair(*torch.tensor(case, dtype=torch.float64))).item()
            assert abs(got - want) <= 8 * torch.finfo(torch.float64).eps * want


@DTYPES
def test_the_mirrored_laws_are_as_far_apart_to_the_last_bit(dtype):
    cases = [case for draw in (wide, ordinary, alike, nearly_uniform) for case in drawn(draw, 40)]
    a, b, eta = (torch.tensor(x, dtype=dtype, requires_grad=True) for x in zip(*cases, strict=True))
    there, back = kl(*law_pair(a, b, eta)), kl(*law_pair(b, a, -eta))
    assert torch.equal(there, back)
    slopes = torch.autograd.grad(there.sum(), (a, b, eta)), torch.autograd.grad(back.sum(), (a, b, eta))
    for one, other in zip(*slopes, strict=True):
        assert torch.equal(one, other)


def test_zero_with_all_its_derivatives_between_uniform_laws():
    a, b, eta = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (1.0, 1.0, 0.0))
    value = kl(*law_pair(a, b, eta))
    assert value.item() == 0
    assert [x.item() for x in torch.autograd.grad(value, (a, b, eta))] == [0, 0, 0]


def test_the_three_forms_agree_where_they_hold():
    rng = np.random.default_rng(3)
    a, b = np.exp(rng.uniform(-0.7, 2, (2, 300)))
    r = rng.uniform(1.0, 9.0, 300)
    terms, nodes = beta_tilted._terms(a, b, r)[0], beta_tilted._over_nodes(a, b, r, slopes=True)
    np.testing.assert_allclose(nodes[0], terms, rtol=1e-12, atol=1e-13)
    flat = r < beta_tilted.STEEP
    assert flat.any()
    for form, where in ((beta_tilted._flat_slopes, flat), (beta_tilted._steep_slopes, ~flat)):
        for x, y in zip(form(a[where], b[where], r[where]), nodes[1:], strict=True):
            np.testing.assert_allclose(x, y[where], rtol=1e-11, atol=1e-12)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # by torch itself, in jvp
@pytest.mark.parametrize("function", [beta_tilted.beta_tilted_kl, beta_tilted.beta_tilted_by_probs])
def test_derivatives_of_every_kind(function):
    given = [0.7, 1.3, 3.0, 2.0, 14.0], [1.1, 2.4, 1.2, 2.0, 0.3], [0.6, 0.02, 0.9, 0.97, 0.3]
    leaves = [torch.tensor(x, dtype=torch.float64) for x in given]
    if function is beta_tilted.beta_tilted_kl:
        leaves[2] = torch.tensor([0.4, -3.9, 2.2, 6.0, -30.0], dtype=torch.float64)
    leaves = [x.requires_grad_() for x in leaves]
    assert torch.autograd.gradcheck(function, leaves, rtol=1e-6, atol=1e-9)
    assert torch.autograd.gradgradcheck(function, leaves, rtol=1e-6, atol=1e-8)
    bare = [leaf.detach() for leaf in leaves]
    torch.testing.assert_close(torch.func.vmap(function)(*bare), function(*bare), rtol=1e-12, atol=0)
    twice = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(function, argnums=2), argnums=0))(*bare)
    forward = torch.func.vmap(torch.func.jacfwd(torch.func.jacrev(function, argnums=2), argnums=0))(*bare)
    torch.testing.assert_close(twice, forward, rtol=1e-10, atol=1e-12)
