"""Beta and Dirichlet laws of which one concentration dwarfs the others: values and derivatives to the last digits."""

import mpmath as mp
import numpy as np
import pytest
import torch
from torch.distributions import Beta, Dirichlet

from elbo.divergences import _compiled, _rowwise, kl
from elbo.divergences.gamma import _dirichlet, _dirichlet_slopes, beta_kl

EPS = torch.finfo(torch.float64).eps
LOST = [  # with the ulps of values and of derivatives that were lost where B(t₁ → t₂) was taken from B(a₁ → a₂)
    ((0.3810548300126994, 3.719912650108369e-05), (249229.80769891513, 1.0683110178261026e-06)),  # 4e3
    ((3.0964663880270762e-06, 0.0600105977660363), (0.00017059476122742052, 18113.167889190296)),
    ((25885.468322713965, 1.933589488479379e-05), (0.4347723398022387, 1.137446819953868e-05)),
    ((1.0147072072426326e-06, 2220.771927407906), (1.0147072072426326e-06, 2221.9663984418808)),  # 7e5, 8e5
    ((160828.6863054059, 1.4845539624322674e-06), (157220.98405141418, 1.4845539624322674e-06)),  # 6e5
    ((1.738698543713865e-06, 20.822021663315617), (1.738698543713865e-06, 29.35179725833688)),  # 4e5 of a derivative
    ((10431.22306562488, 1.2025511963812594e-06), (68033.04000484564, 1.2025512321187456e-06)),  # 3e5 of a derivative
    ((0.509191088555778, 1.0013277300246955e-06), (0.5091909198109172, 1.0013277300246955e-06)),  # 3e5 of a derivative
    # digits of a single term of the integral, and where it converges slowly
    ((0.027386990958986505, 20.100099633010252), (1.0097433246462411e-06, 1.0106477443647341e-05)),
    ((0.2900759725132551, 0.03397886892851892), (0.2907113225903252, 0.03397886892851892)),
    ((0.8655152166009089, 0.19192444712083664), (0.38523553155012935, 0.19192444712083664)),
    # on the borders between the forms
    ((1.3584699164713993e-05, 6.658997348596204e-05), (1.3584704876797087e-05, 5.205691196675911e-05)),
    ((1.713033718845901e-05, 4.168534331262864e-06), (1.1774842713179298e-05, 4.171164182989018e-06)),
    ((0.06101990388252205, 0.009352210354175232), (0.21636228586717937, 0.009352210440290415)),
    ((6.856445600234849e-05, 1.999185522385703e-05), (2.565344224767843e-05, 1.99918551904186e-05)),
    ((434933.68717694137, 0.14708232614092254), (1000000.0, 0.1470823263658725)),
]
LOST_OF_THREE = [  # sums of the others lose the digits of their difference
    ((0.005098873233005593, 0.2066997042596366, 3.903618607875941e-05),
     (0.005098873233005593, 0.20669970557627765, 3.9036185960768645e-05)),
    ((1.0012333924715617e-05, 5.4232732683025455, 0.22591044141360997),
     (1.0012333935328516e-05, 5.4232732683025455, 0.22591044141360997)),
    ((0.0830734965697476, 0.3, 0.3), (0.0830734965697476, 4.015120253046086e-06, 0.3)),  # two are largest
    ((1.1999515418034487e-06, 0.07099786723608217, 0.021729142936775976),
     (1.1999961217777234e-06, 0.04415806823973701, 0.021729142936775976)),
]  # fmt: skip


def truth(q, p):
    """The divergence and its derivatives by both."""
    q, p = ([mp.mpf(x) for x in side] for side in (q, p))
    n, m = mp.fsum(q), mp.fsum(p)
    gaps = [y - x for x, y in zip(q, p, strict=True)]
    lean = [mp.digamma(x) - mp.digamma(n) for x in q]
    value = mp.loggamma(n) - mp.loggamma(m) - mp.fsum(map(mp.loggamma, q)) + mp.fsum(map(mp.loggamma, p))
    value -= mp.fsum(d * s for d, s in zip(gaps, lean, strict=True))
    by_q = [(m - n) * mp.psi(1, n) - d * mp.psi(1, x) for d, x in zip(gaps, q, strict=True)]
    return value, [*by_q, *(mp.digamma(y) - mp.digamma(m) - s for y, s in zip(p, lean, strict=True))]


def by_beta(q, p):
    return kl(Beta(*q.unbind(-1)), Beta(*p.unbind(-1)))


def by_dirichlet(q, p):
    return kl(Dirichlet(q), Dirichlet(p))


def in_python(q, p):
    return _rowwise.rowwise(_dirichlet, _dirichlet_slopes, "formula", double=True)(q, p)


def errors(function, pairs, dtype=torch.float64):
    """Of values, and of derivatives times the concentrations relative to the largest of those, in ulps."""
    leaves = [torch.tensor(side, dtype=dtype, requires_grad=True) for side in zip(*pairs, strict=True)]
    values = function(*leaves)
    slopes = torch.cat(torch.autograd.grad(values.sum(), leaves), -1).tolist()
    eps, rows = torch.finfo(dtype).eps, zip(*(x.tolist() for x in (*leaves, values)), slopes, strict=True)
    found = []
    with mp.workdps(60):
        for q, p, value, got in rows:
            want, by = truth(q, p)
            scaled = [abs(x * c) for x, c in zip(by, (*q, *p), strict=True)]
            off = max(abs((g - x) * c) for g, x, c in zip(got, by, (*q, *p), strict=True))
            found.append((float(abs(value - want) / want) / eps, float(off / max(scaled)) / eps, q, p))
    return found


@pytest.mark.parametrize("function", [by_beta, by_dirichlet, in_python], ids=lambda f: f.__name__)
@pytest.mark.parametrize("kernel", [True, False])
def test_what_the_dominant_concentration_adds_is_not_rounded_away(function, kernel, monkeypatch):
    if not kernel:
        for method in ("value", "products"):
            monkeypatch.setattr(_compiled.Kernel, method, lambda *_: False)
    for value, slope, q, p in errors(function, LOST):
        assert value <= 8, (value, q, p)
        assert slope <= 8, (slope, q, p)


@pytest.mark.parametrize("function", [by_dirichlet, in_python], ids=lambda f: f.__name__)
def test_sums_of_the_others(function):
    for value, slope, q, p in errors(function, LOST_OF_THREE):
        assert value <= 8, (value, q, p)
        assert slope <= 8, (slope, q, p)


def drawn(size, count):
    """Concentrations of 1e-6 to 1e6, of which some are equal, some nearly so, and some far apart."""
    rng = np.random.default_rng(size)

    def one():
        low, high = [(1e-6, 1e6), (0.05, 50.0), (1e-6, 1.0)][rng.integers(3)]
        return np.exp(rng.uniform(np.log(low), np.log(high)))

    def moved(x):
        kind = rng.integers(5)
        if kind == 4:
            return one()
        near = 1 + rng.choice([-1, 1]) * 10 ** rng.uniform(-9, -0.3)
        return x * (1.0 if kind == 0 else near if kind < 3 else np.exp(rng.uniform(-3, 3)))

    pairs = []
    while len(pairs) < count:
        q = [one() for _ in range(size)]
        p = [moved(x) for x in q]
        if p != q:
            pairs.append((np.clip(q, 1e-6, 1e6).tolist(), np.clip(p, 1e-6, 1e6).tolist()))
    return pairs


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("function", "size"), [(by_beta, 2), (by_dirichlet, 2), (by_dirichlet, 5)])
def test_values_and_derivatives_over_the_whole_domain(function, size, dtype):
    narrow = np.float64 if dtype is torch.float64 else np.float32
    pairs = [pair for pair in drawn(size, 500) if (narrow(pair[0]) != narrow(pair[1])).any()]
    for value, slope, q, p in errors(function, pairs, dtype):
        assert value <= (8 if dtype is torch.float64 else 0.51), (value, q, p)
        assert slope <= (8 if dtype is torch.float64 else 0.51), (slope, q, p)


NARROW = [
    (0.9, 0.1, 1.2, 0.07),
    (0.07, 3.0, 0.09, 2.5),
    (2.0, 0.2, 0.3, 0.15),
    (5.0, 0.01, 5.2, 0.012),
    (0.9, 0.1, 1.2, 0.1),
]


def test_higher_derivatives_of_every_form():
    inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in zip(*NARROW, strict=True)]
    assert torch.autograd.gradcheck(beta_kl, inputs)
    assert torch.autograd.gradgradcheck(beta_kl, inputs)
    q, p = (torch.stack([*inputs[i : i + 2], inputs[i] * 0.03], -1).detach().requires_grad_() for i in (0, 2))
    assert torch.autograd.gradcheck(by_dirichlet, (q, p))
    assert torch.autograd.gradgradcheck(by_dirichlet, (q, p))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # by torch itself, in jvp
def test_batches_and_tangents():
    inputs = [torch.tensor(x, dtype=torch.float64) for x in zip(*NARROW, strict=True)]
    torch.testing.assert_close(torch.func.vmap(beta_kl)(*inputs), beta_kl(*inputs), rtol=16 * EPS, atol=0.0)
    ones = tuple(torch.ones_like(x) for x in inputs)
    _, tangent = torch.func.jvp(beta_kl, tuple(inputs), ones)
    slopes = torch.func.grad(lambda *x: beta_kl(*x).sum(), argnums=(0, 1, 2, 3))(*inputs)
    torch.testing.assert_close(tangent, sum(slopes), rtol=1e-13, atol=1e-15)


def test_a_concentration_that_is_no_number_gives_none():
    nan = torch.tensor(torch.nan, dtype=torch.float64)
    one, tenth = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.1, dtype=torch.float64)
    for given in [(nan, tenth, one, tenth), (one, nan, one, tenth), (one, tenth, nan, tenth), (one, tenth, one, nan)]:
        assert beta_kl(*given).isnan()
