"""Divergences with e to a computed exponent: where its terms are hundreds or cancel, and near the best match."""

import math

import mpmath as mp
import numpy as np
import pytest
import torch
import torch.distributions as D
from scipy.special import digamma, gammaln, polygamma
from test_against_other_families import over_the_domain

from elbo.audit import _cases as audit_cases
from elbo.audit._families import FAMILIES, tensors
from elbo.divergences import _compiled, kl

EPS = {dtype: torch.finfo(dtype).eps for dtype in (torch.float64, torch.float32)}
PAIRS = [
    ("Gumbel", "Gumbel"),
    ("Weibull", "Weibull"),
    ("Weibull", "Gamma"),
    ("LogNormal", "Gamma"),
    ("Normal", "Gumbel"),
    ("Exponential", "Gumbel"),
    ("Gamma", "Gumbel"),
    ("Exponential", "Gamma"),
    ("Laplace", "Normal"),
    ("Gumbel", "Normal"),
    ("Exponential", "Normal"),
]
DIFFERENT = [pair for pair in PAIRS if pair[0] != "Exponential"]


@pytest.fixture(params=["compiled", "formula"])
def way(request, monkeypatch):
    """By the compiled kernels, and by the formulas that stand in where there is no compiler."""
    if request.param == "formula":
        monkeypatch.setattr(_compiled.Kernel, "value", lambda *_: False)
        monkeypatch.setattr(_compiled.Kernel, "products", lambda *_: False)


def law(name, *parameters):
    return getattr(D, name)(*parameters, validate_args=False)


def truth(q, p, *parameters):
    """From the parameters in the order of the constructors."""
    with mp.workdps(80):
        given = [mp.mpf(float(x)) for x in parameters]
        split = len(FAMILIES[q].parameters)
        sides = [reordered(q, given[:split]), reordered(p, given[split:])]
        return audit_cases.reference(q, p)(*sides[0], *sides[1])


def reordered(name, given):
    """As the audit has them: the Weibull law's as (scale, concentration) too."""
    names = list(getattr(D, name).arg_constraints) if name != "LogNormal" else ["loc", "scale"]
    order = {"Weibull": ["scale", "concentration"], "Gamma": ["concentration", "rate"]}.get(name, names)
    by_name = dict(zip(order, given, strict=True))
    return [by_name[x.name] for x in FAMILIES[name].parameters]


def slope(function, given, place, size):
    """The derivative by the parameter at that place, whose natural size is given."""
    step = size * mp.mpf(10) ** -30
    above, below = ([*given[:place], given[place] + x, *given[place + 1 :]] for x in (step, -step))
    return (function(*above) - function(*below)) / (2 * step)


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_values_and_gradients_keep_their_digits_over_the_whole_domain(q, p, dtype, way):
    """8 ulps, and 1 of float32; gradients 16 and 1 of the largest component, each times the size of its parameter."""
    cases = [case for case in over_the_domain(q, p, 60) if 1e-30 < case.reference < 1e30]
    leaves = [tensors(FAMILIES[n], [getattr(case, s) for case in cases], dtype) for n, s in ((q, "q"), (p, "p"))]
    flat = [x.requires_grad_() for side in leaves for x in side.values()]
    value = kl(FAMILIES[q].make(leaves[0]), FAMILIES[p].make(leaves[1]))
    slopes = torch.autograd.grad(value.sum(), flat)
    function, (allowed, allowed_slope) = audit_cases.reference(q, p), (8, 16) if dtype is torch.float64 else (1, 1)
    kinds = [x.kind for name in (q, p) for x in FAMILIES[name].parameters]
    for i in range(len(cases)):
        with mp.workdps(100):
            given = [mp.mpf(x[i].item()) for x in flat]
            want = function(*given)
            if want < 1e-30:  # the same after rounding to float32
                continue
            assert abs(value[i].item() - want) <= allowed * EPS[dtype] * want, given
            if i % 3 or want > 1e20:
                continue
            sizes = [x if kind == "positive" else mp.mpf(1) for x, kind in zip(given, kinds, strict=True)]
            true = [slope(function, given, place, size) for place, size in enumerate(sizes)]
            largest = max(abs(s * x) for s, x in zip(true, sizes, strict=True))
            for got, s, x in zip(slopes, true, sizes, strict=True):
                assert abs(got[i].item() - s) * x <= allowed_slope * EPS[dtype] * largest, given


@pytest.mark.parametrize(
    ("q", "p", "parameters"),
    [  # and the ulps that were measured
        ("Gumbel", "Gumbel", (6.005000777626431, 1.7679373361271826, -2.751827202935065, 0.002100310625540542)),  # 5e3
        ("Gumbel", "Gumbel", (15494164.30535915, 1271067.9383807972, -1.2280470077583152, 2.3757627407390998)),  # 2e6
        ("Weibull", "Weibull", (0.9787596084630701, 0.5755171469429432, 8796.834606985907, 347.2749545459596)),  # 3e3
        ("Weibull", "Gamma", (0.00011910155428731475, 10.088854026588866, 46.22058932570545, 529737.7630417959)),  # 67
        ("Weibull", "Gamma", (0.035478397860272154, 1567.8476373235142, 1494708.4815506635, 42145600.15565033)),  # 1e8
        ("LogNormal", "Gamma", (-440.9239715872673, 33.43380385203025, 0.12412093531800722, 146953.91851500885)),  # 180
        ("LogNormal", "Gamma", (-4.597985486273528, 0.0010064295609672664, 987259.1906392963, 98019298.0119544)),  # 1e6
        ("Normal", "Gumbel", (139.54521226827595, 28.485637374504616, -0.06970905567778825, 2.3432102238358854)),  # 75
        ("Exponential", "Gumbel", (2894.386210240946, 4.727686074560762, 0.24453689064890932)),  # 12
        ("Gamma", "Gumbel", (4.847089337508977, 33.49988766422125, 0.11474246766746454, 0.05230468553652365)),  # 112
    ],
)
def test_parameters_at_which_digits_were_lost(q, p, parameters, way):
    split, want = len(FAMILIES[q].parameters), truth(q, p, *parameters)
    given = [torch.tensor(x, dtype=torch.float64) for x in parameters]
    assert abs(kl(law(q, *given[:split]), law(p, *given[split:])).item() - want) <= 6 * EPS[torch.float64] * want


def away(rng):
    return rng.choice([-1, 1]) * 10 ** rng.uniform(-7, 0.3)


def best_shape(excess):
    """a with log a − ψ(a) = excess."""
    a = 1 / (2 * excess) if excess < 1 else 1 / excess
    for _ in range(60):
        step = (math.log(a) - digamma(a) - excess) / (1 / a - polygamma(1, a))
        a = a - step if step < a else a / 2
    return a


def near_weibull_gamma(rng):
    k, scale = 10 ** rng.uniform(-1.5, 3.2), 10 ** rng.uniform(-2, 2)
    excess = gammaln(1 + 1 / k) + np.euler_gamma / k if k < 1e3 else math.pi**2 / 12 / k**2
    a = best_shape(excess)
    a *= math.exp(away(rng) / math.sqrt(1 + a))
    return scale, k, a, a * math.exp(away(rng) / math.sqrt(1 + a) - gammaln(1 + 1 / k)) / scale


def near_lognormal_gamma(rng):
    a, m = 10 ** rng.uniform(-3, 6), 4 * rng.normal()
    s = math.exp(away(rng)) / math.sqrt(a)
    return m, s, a, a * math.exp(away(rng) / math.sqrt(1 + a) - m - s * s / 2)


def near_normal_gumbel(rng):
    b, m = 10 ** rng.uniform(-3, 3), 10 * rng.normal()
    s = b * math.exp(away(rng))
    return m, s, m - s * s / b / 2 + away(rng) * b, b


def near_exponential_gumbel(rng):
    r, tau = 10 ** rng.uniform(-3, 3), 1.618 * math.exp(away(rng))
    return r, (math.log1p(tau) + away(rng)) / (r * tau), 1 / (r * tau)


def near_gamma_gumbel(rng):
    a, b = 10 ** rng.uniform(-2, 6), 10 ** rng.uniform(-2, 2)
    tau = (0.5 + math.sqrt(0.25 + a)) / a * math.exp(away(rng) / math.sqrt(1 + a))
    return a, b, (a * math.log1p(tau) + away(rng)) / (b * tau), 1 / (b * tau)


def cancelling_gumbel(rng):
    rho, b2, m2, y = 10 ** rng.uniform(-6, 6), 10 ** rng.uniform(-2, 2), rng.normal(), 10 ** rng.uniform(-7, 2.7)
    return m2 - (y - gammaln(1 + rho)) * b2, rho * b2, m2, b2


def cancelling_weibull(rng):
    rho, k2, l2, y = 10 ** rng.uniform(-6, 3), *(10 ** rng.uniform(-1, 2, 2)), 10 ** rng.uniform(-7, 2.7)
    return l2 * math.exp((y - gammaln(1 + rho)) / k2 * min(1.0, 200 * k2 / abs(y - gammaln(1 + rho)))), k2 / rho, l2, k2


@pytest.mark.parametrize(
    ("q", "p", "draw"),
    [
        ("Weibull", "Gamma", near_weibull_gamma),
        ("LogNormal", "Gamma", near_lognormal_gamma),
        ("Normal", "Gumbel", near_normal_gumbel),
        ("Exponential", "Gumbel", near_exponential_gumbel),
        ("Gamma", "Gumbel", near_gamma_gumbel),
        ("Gumbel", "Gumbel", cancelling_gumbel),
        ("Weibull", "Weibull", cancelling_weibull),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_values_keep_their_digits_where_the_terms_of_the_exponent_cancel(q, p, draw, way):
    rng, split, bad = np.random.default_rng(3), len(FAMILIES[q].parameters), []
    for _ in range(200):
        parameters = draw(rng)
        want = truth(q, p, *parameters)
        given = [torch.tensor(float(x), dtype=torch.float64) for x in parameters]
        got = kl(law(q, *given[:split]), law(p, *given[split:])).item()
        if want < 1e290 and not abs(got - want) <= 8 * EPS[torch.float64] * want:
            bad.append((float(abs(got - want) / want / EPS[torch.float64]), parameters))
    assert not bad, max(bad)


@pytest.mark.parametrize(("q", "p"), PAIRS)
@pytest.mark.parametrize("size", [1.0, 12.0])
def test_derivatives_are_those_of_the_value(q, p, size):
    generator = torch.Generator().manual_seed(0)
    split, count = len(FAMILIES[q].parameters), sum(len(FAMILIES[name].parameters) for name in (q, p))
    drawn = [torch.rand(3, generator=generator, dtype=torch.float64) * size + 0.3 for _ in range(count)]
    if (q, p) == ("LogNormal", "Gamma"):
        drawn[:2] = [x / size for x in drawn[:2]]

    def value(*x):
        return kl(law(q, *x[:split]), law(p, *x[split:]))

    leaves = [x.requires_grad_() for x in drawn]
    scale = float(value(*leaves).detach().max())
    assert torch.autograd.gradcheck(value, leaves, rtol=1e-5, atol=1e-9 * (1 + scale))
    assert torch.autograd.gradgradcheck(value, leaves, rtol=1e-5, atol=1e-8 * (1 + scale))
    bare = [leaf.detach() for leaf in leaves]
    torch.testing.assert_close(torch.func.vmap(value)(*bare), value(*bare), rtol=1e-13, atol=0)
    forward = torch.func.vmap(torch.func.grad(value))(*bare)
    torch.testing.assert_close(forward, torch.autograd.grad(value(*leaves).sum(), leaves)[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("q", "p"), DIFFERENT)
def test_parameters_of_different_shapes(q, p, way):
    columns, rows = torch.linspace(0.5, 2.0, 30, dtype=torch.float64)[:, None], torch.linspace(0.4, 3.0, 50).double()
    for first, second, third, fourth in ((columns, rows, rows, columns), (rows, rows, columns, columns)):
        got = kl(law(q, first, second), law(p, third, fourth))
        wide = [x.expand(30, 50).contiguous() for x in (first, second, third, fourth)]
        torch.testing.assert_close(got, kl(law(q, *wide[:2]), law(p, *wide[2:])), rtol=1e-14, atol=0)


def test_a_large_power_of_e_times_a_small_shape_is_finite(way):
    scale, k, a, b = 1.4771218532664497e-06, 0.0057730560115825, 0.5000589217651803, 0.8847190465133875
    given = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (scale, k, a, b)]
    value = kl(D.Weibull(*given[:2]), D.Gamma(*given[2:]))
    want = truth("Weibull", "Gamma", scale, k, a, b)  # 1.49e308, and e^r is a half more
    assert abs(value.item() - want) <= 8 * EPS[torch.float64] * want
    assert torch.autograd.grad(value, given[3])[0].isfinite()


@pytest.mark.parametrize(("q", "p"), DIFFERENT)
def test_extreme_parameters_give_no_nan_and_no_negative_value(q, p, way):
    rng = np.random.default_rng(4)
    kinds = [x.kind for name in (q, p) for x in FAMILIES[name].parameters]
    if "Weibull" in (q, p):
        kinds = ["positive"] * 4
    drawn = [
        10 ** rng.uniform(-60, 60, 500) * (1 if kind == "positive" else rng.choice([-1, 1], 500)) for kind in kinds
    ]
    leaves = [torch.tensor(x, requires_grad=True) for x in drawn]
    value = kl(law(q, *leaves[:2]), law(p, *leaves[2:]))
    assert (value >= 0).all()
    for by_one in torch.autograd.grad(value.sum(), leaves):
        assert not by_one[value < math.inf].isnan().any()


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("family", ["Geometric", "NegativeBinomial"])
def test_waiting_times_by_logits(family, dtype, way):
    """Over the range of logits, and where they nearly agree: 42 ulps of a gradient were measured."""
    rng = np.random.default_rng(5)
    a = rng.uniform(-30, 30, 300)
    b = np.where(np.arange(300) % 2, rng.uniform(-30, 30, 300), a + 10 ** rng.uniform(-6, 0, 300))
    leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (a, b)]
    more = {"total_count": 7} if family == "NegativeBinomial" else {}
    value = kl(*(getattr(D, family)(logits=x, **more) for x in leaves))
    slopes = torch.autograd.grad(value.sum(), leaves)
    eps, allowed = EPS[dtype], 8 if dtype is torch.float64 else 2
    with mp.workdps(60):
        for row in zip(*(x.tolist() for x in (*leaves, value, *slopes)), strict=True):
            x, y = map(mp.mpf, row[:2])
            q, p = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(-y))
            trials = 7 / (1 - q) if more else 1 / q
            want = trials * (q * mp.log(q / p) + (1 - q) * mp.log((1 - q) / (1 - p)))
            by_q = 7 * mp.exp(x) * mp.log(q / p) if more else -mp.exp(-x) * mp.log((1 - q) / (1 - p))
            assert abs(row[2] - want) <= allowed * eps * want, row
            for got, true in zip(row[3:], (by_q, trials * (p - q)), strict=True):
                assert abs(got - true) <= allowed * eps * abs(true), row
