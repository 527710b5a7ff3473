"""Uniform and Pareto laws and one trial against laws of other families: digits over the domain, edges, derivatives."""

import math

import mpmath as mp
import numpy as np
import pytest
import torch
import torch.distributions as D

from elbo._errors import InputValueError
from elbo.audit import _cases as audit_cases
from elbo.audit._families import FAMILIES, tensors
from elbo.audit._judge import _derivative, _slots
from elbo.divergences import _compiled, kl

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
PAIRS = [
    ("Uniform", "Uniform"),
    ("Uniform", "Exponential"),
    ("Uniform", "Normal"),
    ("Uniform", "Pareto"),
    ("Uniform", "Gumbel"),
    ("Uniform", "ContinuousBernoulli"),
    ("Uniform", "Gamma"),
    ("Uniform", "Beta"),
    ("Pareto", "Exponential"),
    ("Pareto", "Gamma"),
    ("Pareto", "Normal"),
    ("Bernoulli", "Poisson"),
]
NAMES = pytest.mark.parametrize(("q", "p"), PAIRS)


def law(name, values, dtype=torch.float64, **options):
    return getattr(D, name)(*(torch.tensor(x, dtype=dtype, **options) for x in values), validate_args=False)


def truth_of(q, p, sides):
    with mp.workdps(120):
        return +audit_cases.reference(q, p)(*(mp.mpf(float(x)) for side in sides for x in side))


def ulps(value, truth, dtype=torch.float64):
    return float(abs(mp.mpf(value) - truth) / truth) / torch.finfo(dtype).eps


def drawn(q, p, count, dtype):
    """Ordinary, extreme and nearly equal parameters, as ``dtype`` holds them."""
    rng, families, narrow = np.random.default_rng(1), (FAMILIES[q], FAMILIES[p]), torch.zeros((), dtype=dtype).numpy()
    found = [*audit_cases._ordinary(*families, rng, count), *audit_cases._extreme(*families, rng, 2 * count)]
    found += audit_cases._near(*families, rng, [10.0**-k for k in range(1, 7)], count // 8)
    for case in found:
        for values in (case.q, case.p):
            for name, x in values.items():
                values[name] = x.astype(narrow.dtype).astype(float)
    found = [c for c in found if all(v["low"] < v["high"] for v in (c.q, c.p) if "low" in v)]
    for case in found:
        case.reference = audit_cases._evaluate(q, p, case, audit_cases.DIGITS)
    return [case for case in found if mp.isfinite(case.reference) and case.reference < 1e30]


@NAMES
@DTYPES
def test_values_and_slopes_keep_their_digits_over_the_whole_domain(q, p, dtype):
    cases, (fq, fp) = drawn(q, p, 80, dtype), (FAMILIES[q], FAMILIES[p])
    assert len(cases) > 80
    leaves = [tensors(f, [getattr(c, side) for c in cases], dtype) for f, side in ((fq, "q"), (fp, "p"))]
    for side in leaves:
        for x in side.values():
            x.requires_grad_()
    values = kl(fq.make(leaves[0]), fp.make(leaves[1]))
    values.sum().backward()
    # float32 is computed in float64: half an ulp is that of the result
    allowed, allowed_slope = (8, 16) if dtype is torch.float64 else (0.51, 0.6)
    flat = [x for side in leaves for x in side.values()]
    for row, case in enumerate(cases):
        grown = max(0.0, float(mp.log(case.reference))) if p == "Gumbel" and case.reference > 1e9 else 0.0
        assert ulps(values[row].item(), case.reference, dtype) <= allowed + grown, case
        if row % 4:
            continue
        slots = _slots(q, p, case)
        with mp.workdps(audit_cases.DIGITS):
            wanted = [_derivative(q, p, case, position, index, scale) for position, _, index, scale in slots]
        size = max(abs(x) * scale for x, (*_, scale) in zip(wanted, slots, strict=True) if mp.isfinite(x))
        for x, (position, name, _, scale) in zip(wanted, slots, strict=True):
            got = flat[position].grad[row].item()
            off = float(abs(mp.mpf(got) - x) * scale / size) / torch.finfo(dtype).eps
            assert off <= allowed_slope + grown or mp.isinf(x), (name, got, x, case)


def around(rng, spread=0.1):
    return np.exp(spread * rng.standard_normal())


def near_gamma(rng):
    c, mean = 10 ** rng.uniform(-0.3, 6), 10 ** rng.uniform(-6, 6)
    half = math.sqrt(3 / c) * mean * around(rng)
    low = max(0.0, mean * (1 + 0.2 * rng.standard_normal() / math.sqrt(c)) - half)
    return (low, low + 2 * half), (c, c / mean)


def near_beta(rng):
    a, b = 10 ** rng.uniform(-0.5, 6, 2) if rng.random() < 0.5 else np.exp(rng.uniform(-1, 1, 2))
    n = a + b
    deviation = math.sqrt(a * b / (n + 1)) / n
    middle = a / n + 0.2 * deviation * rng.standard_normal()
    half = math.sqrt(3) * deviation * around(rng)
    return (max(0.0, middle - half), min(1.0, middle + half)), (a, b)


def near_normal(rng):
    m, s = rng.uniform(-9, 9), 10 ** rng.uniform(-6, 6)
    half = math.sqrt(3) * s * around(rng)
    middle = m + 0.2 * s * rng.standard_normal()
    return (middle - half, middle + half), (m, s)


def near_gumbel(rng):
    m, s = rng.uniform(-9, 9), 10 ** rng.uniform(-3, 6)
    t = 3.83 * around(rng)
    middle = m + s * (math.log(2 * math.sinh(t / 2) / t) + 0.2 * rng.standard_normal())
    return (middle - 0.5 * s * t, middle + 0.5 * s * t), (m, s)


def near_exponential(rng):
    r = 10 ** rng.uniform(-6, 6)
    return (0.0, 2 / r * around(rng)), (r,)


def near_pareto(rng):
    x, alpha = 10 ** rng.uniform(-6, 6), 10 ** rng.uniform(-1, 6)
    return (x, x * (1 + 2 / alpha * around(rng))), (x, alpha)


def near_pareto_normal(rng):
    x, alpha = 10 ** rng.uniform(-6, 6), 2.2 + 10 ** rng.uniform(-1, 6)
    mean = x * alpha / (alpha - 1)
    deviation = mean / math.sqrt(alpha * (alpha - 2))
    return (x, alpha), (mean + 0.2 * deviation * rng.standard_normal(), deviation * around(rng))


def near_pareto_gamma(rng):
    x, c = 10 ** rng.uniform(-6, 6), 10 ** rng.uniform(0, 6)
    alpha = 1 + math.sqrt(c) * around(rng)
    return (x, alpha), (c, c * (alpha - 1) / (x * alpha) * around(rng, 0.2 / math.sqrt(c)))


BEST = [
    ("Uniform", "Gamma", near_gamma, 8),
    ("Uniform", "Beta", near_beta, 8),
    ("Uniform", "Normal", near_normal, 8),
    ("Uniform", "Gumbel", near_gumbel, 8),
    ("Uniform", "Exponential", near_exponential, 8),
    ("Uniform", "Pareto", near_pareto, 8),
    ("Pareto", "Normal", near_pareto_normal, 8),
    ("Pareto", "Gamma", near_pareto_gamma, 8),
]


@pytest.mark.parametrize(("q", "p", "draw", "allowed"), BEST, ids=lambda x: x if isinstance(x, str) else "")
def test_values_keep_their_digits_where_q_is_nearly_the_best_of_its_family(q, p, draw, allowed):
    """There KL is smallest, and all its terms balance."""
    rng, errors = np.random.default_rng(2), []
    for _ in range(400):
        sides = draw(rng)
        truth = truth_of(q, p, sides)
        errors.append((ulps(kl(law(q, sides[0]), law(p, sides[1])).item(), truth), sides, float(truth)))
    assert max(errors)[0] <= allowed, max(errors)


FAILED = [  # with the ulps that were measured
    ("Uniform", "Beta", (0.0222831229904029, 0.023421689918903473), (262.59239099599205, 14573.118908573497)),  # 488
    ("Uniform", "Beta", (0.26989906462323904, 0.4136086525892135), (225443.75134609683, 396363.5393444929)),  # 132
    ("Uniform", "Beta", (0.11924903953432058, 0.8670174096694229), (2.2158734247929086, 2.2196712434913355)),  # 25
    ("Uniform", "Beta", (0.12593369274467595, 0.1270684444149425), (1.0901100702587555e-06, 1.8001184702901913)),
    ("Uniform", "Gamma", (1.0594335712364833, 3.8993435726300842), (7.3264078641389, 2.4904746081875366)),  # 18
    ("Uniform", "Gumbel", (-52.26600871786716, 1202552.0181560589), (-2.722790022983233, 1.5337205522567)),  # 14
    ("Uniform", "Pareto", (51.191435661527855, 1202655.4756004384), (25.59671783076393, 0.0878153955916817)),  # 7
    ("Bernoulli", "Poisson", (-6.388922057083448,), (0.0017895082356223105,)),  # 147
]


@pytest.mark.parametrize(("q", "p", "left", "right"), FAILED)
def test_what_was_lost_before(q, p, left, right):
    laws = D.Bernoulli(logits=torch.tensor(*left, dtype=torch.float64)) if q == "Bernoulli" else law(q, left)
    assert ulps(kl(laws, law(p, right)).item(), truth_of(q, p, (left, right))) <= 8


@pytest.mark.parametrize(
    ("p", "ends", "right"),
    [
        ("Beta", (0.42782275040832224, 0.4278232261897424), (354620.78440315364, 6.345884705698426e-05)),  # 7e5 ulps
        ("Gamma", (213.54902628912794, 213.549027569974), (633171.8879126819, 566.3069250663044)),  # 1e6
        ("Gumbel", (-39.595545822838105, -39.59554499130939), (-0.48888342285198055, 3.027713922415142)),  # 9e4
        ("Pareto", (10.419444338317112, 10.419445169845831), (5.210722169158556, 993823.0482021365)),  # 5e5
    ],
)
def test_slopes_by_the_ends_of_narrow_intervals(p, ends, right):
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in ends]
    slopes = torch.autograd.grad(kl(D.Uniform(*leaves), law(p, right)), leaves)
    with mp.workdps(120):
        reference, other = audit_cases.reference("Uniform", p), [mp.mpf(x) for x in right]
        low, high = map(mp.mpf, ends)
        for slope, truth in zip(
            slopes,
            (mp.diff(lambda x: reference(x, high, *other), low), mp.diff(lambda x: reference(low, x, *other), high)),
            strict=True,
        ):
            assert abs(slope.item() - truth) <= 8 * torch.finfo(torch.float64).eps * abs(truth)


INF, LOG_2, EULER = math.inf, math.log(2), 0.5772156649015329
# the derivative by l is (1 + log p(l) − E log p)/w, that by h the opposite of the same at h
AT_THE_EDGE = [
    (D.Beta, (0.0, 1.0), (1.0, 1.0), 0.0, (1, -1, 0, 0)),
    (D.Beta, (0.0, 1.0), (1.0, 2.0), 1 - LOG_2, (2, INF, -0.5, 0.5)),
    (D.Beta, (0.0, 0.5), (2.0, 1.0), 1 + LOG_2, (-INF, -4, 0.5 + LOG_2, -0.5 - LOG_2)),
    (D.Gamma, (0.0, 1.0), (1.0, 2.0), 1 - LOG_2, (2, 0, 1 - EULER - LOG_2, 0)),
    (D.Gamma, (0.0, 1.0), (2.0, 1.0), 1.5, (-INF, -1.5, 2 - EULER, -1.5)),
    (D.Exponential, (0.0, 1.0), (2.0,), 1 - LOG_2, (2, 0, 0)),
    (D.Pareto, (1.0, 2.0), (1.0, 1.0), 4 * LOG_2 - 2, (4 * LOG_2 - 1, 1 - 2 * LOG_2, -1, 2 * LOG_2 - 2)),
]


@DTYPES
@pytest.mark.parametrize(("kind", "ends", "right", "value", "slopes"), AT_THE_EDGE)
def test_intervals_that_begin_or_end_with_the_support(kind, ends, right, value, slopes, dtype):
    leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (*ends, *right)]
    got = kl(D.Uniform(*leaves[:2], validate_args=False), kind(*leaves[2:], validate_args=False))
    eps = torch.finfo(dtype).eps
    found = [x.item() for x in torch.autograd.grad(got, leaves)]
    assert got.item() == pytest.approx(value, rel=4 * eps, abs=0)
    assert found == pytest.approx(slopes, rel=4 * eps, abs=2 * eps)


@DTYPES
@pytest.mark.parametrize("compiled", [True, False])
def test_mass_outside_the_support_is_infinite_and_does_not_change(dtype, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(_compiled.Kernel, "value", lambda *_: False)
        monkeypatch.setattr(_compiled.Kernel, "products", lambda *_: False)
    for kind, ends, right in [
        (D.Uniform, (0.0, 1.0), (0.5, 2.0)),
        (D.Uniform, (0.0, 1.0), (-0.5, 0.5)),
        (D.Exponential, (-1e-30, 1.0), (2.0,)),
        (D.Gamma, (-1.0, 1.0), (2.0, 3.0)),
        (D.Beta, (-1.0, 0.5), (2.0, 3.0)),
        (D.Beta, (0.5, 1.5), (0.5, 0.7)),
        (D.Pareto, (1.0, 2.0), (1.5, 3.0)),
        (D.ContinuousBernoulli, (-1.0, 0.5), (0.3,)),
        (D.ContinuousBernoulli, (0.5, 2.0), (0.3,)),
    ]:
        leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (*ends, *right)]
        value = kl(D.Uniform(*leaves[:2], validate_args=False), kind(*leaves[2:], validate_args=False))
        assert value.item() == math.inf
        assert all(x.item() == 0 for x in torch.autograd.grad(value, leaves))
    for kind, left, right in [
        (D.Exponential, (2.0, 1.0), (2.0,)),
        (D.Gamma, (2.0, 0.5), (2.0, 3.0)),
        (D.Normal, (2.0, 2.0), (2.0, 3.0)),
    ]:
        leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (*left, *right)]
        value = kl(D.Pareto(*leaves[:2], validate_args=False), kind(*leaves[2:], validate_args=False))
        assert value.item() == math.inf
        assert all(x.item() == 0 for x in torch.autograd.grad(value, leaves))


def test_a_parameter_that_is_no_number_is_named():
    for low, high, p, name in [
        (math.nan, 1.0, D.Beta(torch.tensor(2.0), torch.tensor(2.0)), "q.low"),
        (-1.0, math.nan, D.Beta(torch.tensor(2.0), torch.tensor(2.0)), "q.high"),
        (-1.0, 2.0, D.Gamma(torch.tensor(math.nan), torch.tensor(2.0), validate_args=False), "p.concentration"),
        (0.1, 0.2, D.Gumbel(torch.tensor(math.nan), torch.tensor(2.0), validate_args=False), "p.loc"),
    ]:
        with pytest.raises(InputValueError, match=name):
            kl(D.Uniform(torch.tensor(low), torch.tensor(high), validate_args=False), p)


def test_one_trial_at_the_edges():
    for dtype in (torch.float64, torch.float32):
        q = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.3], dtype=dtype)
        rate = torch.tensor([2.0, 0.0, 2.0, 0.0, 0.0], dtype=dtype)
        want = torch.tensor([2.0, 0.0, 2.0 - LOG_2, math.inf, math.inf], dtype=dtype)
        for law_q in (D.Bernoulli(probs=q), D.Bernoulli(logits=torch.logit(q))):
            torch.testing.assert_close(kl(law_q, D.Poisson(rate, validate_args=False)), want, rtol=1e-15, atol=0)


@pytest.mark.parametrize("probability", [1e-3, 1e-6, 1e-12])
def test_rare_trials_are_all_but_poisson(probability):
    """KL is about q²/2: 1 − q is rounded, and its entropy was."""
    q = torch.tensor(probability, dtype=torch.float64)
    with mp.workdps(60):
        exact = mp.mpf(probability)
        truth = (1 - exact) * mp.log(1 - exact) + exact
    assert ulps(kl(D.Bernoulli(probs=q), D.Poisson(q)).item(), truth) <= 4


def test_slopes_of_logits_where_success_is_certain():
    x = torch.tensor([-math.inf, math.inf, 15.45445391150124], dtype=torch.float64, requires_grad=True)
    rate = torch.tensor([2.0, 0.5, 0.976239487446257], dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(kl(D.Bernoulli(logits=x), D.Poisson(rate)).sum(), (x, rate))
    assert slopes[0][:2].tolist() == [0, 0]
    assert slopes[1].tolist() == pytest.approx([1, -1, -0.024338616368424455], rel=1e-15)


def away_from_the_edge(q, p, generator):
    def positive(least=0.3, size=1.0):
        return (torch.rand(3, generator=generator, dtype=torch.float64) * size + least).requires_grad_()

    if q == "Bernoulli":
        return [positive(0.1, 0.5), positive()]
    if q == "Pareto":
        return [positive(), positive(2.5), *(positive() for _ in FAMILIES[p].parameters)]
    ends = [positive(0.2, 0.2), positive(0.5, 0.4)]
    if p == "Uniform":
        return [*ends, positive(-1.0), positive(1.0)]
    if p == "Pareto":
        return [*ends, positive(0.05, 0.1), positive()]
    return [*ends, *(positive(0.3, 0.6) for _ in FAMILIES[p].parameters)]


@NAMES
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # by torch itself, in jvp
@pytest.mark.parametrize("size", [1.0, 40.0])
def test_derivatives_of_every_kind(q, p, size):
    leaves = away_from_the_edge(q, p, torch.Generator().manual_seed(0))
    split = 1 if q == "Bernoulli" else 2
    if p in ("Beta", "Gamma"):
        leaves[-2:] = [(size * x.detach()).requires_grad_() for x in leaves[-2:]]

    def value(*x):
        return kl(getattr(D, q)(*x[:split], validate_args=False), getattr(D, p)(*x[split:], validate_args=False))

    assert torch.autograd.gradcheck(value, leaves, rtol=1e-6, atol=1e-9)
    assert torch.autograd.gradgradcheck(value, leaves, rtol=1e-6, atol=1e-8)
    bare = [leaf.detach() for leaf in leaves]
    if p == "ContinuousBernoulli":
        return  # torch looks at the numbers that it makes one from
    torch.testing.assert_close(torch.func.vmap(value)(*bare), value(*bare), rtol=1e-13, atol=0)
    twice = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(value, argnums=1), argnums=1))(*bare)
    forward = torch.func.vmap(torch.func.hessian(value, argnums=1))(*bare)
    torch.testing.assert_close(twice, forward, rtol=1e-10, atol=1e-12)


def test_laws_from_logits_have_derivatives_too():
    x, rate = (torch.tensor(y, dtype=torch.float64, requires_grad=True) for y in ([-3.0, 0.1, 2.0], [0.2, 1.0, 3.0]))
    low, high = (torch.tensor(y, dtype=torch.float64, requires_grad=True) for y in ([0.1, 0.2, 0.3], [0.5, 0.9, 0.7]))
    eta = torch.tensor([-7.0, 0.2, 4.0], dtype=torch.float64, requires_grad=True)
    for function, leaves in (
        (lambda x, rate: kl(D.Bernoulli(logits=x), D.Poisson(rate)), (x, rate)),
        (lambda *y: kl(D.Uniform(*y[:2]), D.ContinuousBernoulli(logits=y[2])), (low, high, eta)),
    ):
        assert torch.autograd.gradcheck(function, leaves)
        assert torch.autograd.gradgradcheck(function, leaves)
