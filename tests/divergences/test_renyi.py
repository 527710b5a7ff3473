"""Rényi divergences against 90 digits: near equality, far apart, at the edge of the infinite region, certain laws."""

import math

import mpmath as mp
import numpy as np
import pytest
import torch
import torch.distributions as D

from elbo._errors import InputTypeError, InputValueError
from elbo.divergences import renyi

ORDERS = (0.1, 0.3, 0.5, 0.9, 0.99, 1.01, 1.5, 2.0, 3.0, 10.0)
DTYPES = [torch.float64, torch.float32]
DPS = 90


def gaussian(q, p, alpha):
    (m1, s1), (m2, s2), c = q, p, 1 - alpha
    v = alpha * s2**2 + c * s1**2
    if v <= 0:
        return mp.inf
    return alpha * (m1 - m2) ** 2 / (2 * v) + (mp.log(v) - 2 * c * mp.log(s1) - 2 * alpha * mp.log(s2)) / (2 * c)


def exponential_family(natural, normaliser, outside=lambda t: False):
    """From the log-partition function of natural parameters."""

    def value(q, p, alpha):
        a, b, c = natural(*q), natural(*p), 1 - alpha
        middle = [alpha * x + c * y for x, y in zip(a, b, strict=True)]
        if any(outside(t) for t in middle):
            return mp.inf
        return (alpha * normaliser(*a) + c * normaliser(*b) - normaliser(*middle)) / c

    def edge(q, p, alpha):
        """How much larger than the natural parameters of the law in between the terms are that they are sums of."""
        pairs = zip(natural(*q), natural(*p), strict=True)
        return max(max(abs(alpha * x), abs((1 - alpha) * y)) / abs(alpha * x + (1 - alpha) * y) for x, y in pairs)

    value.edge = edge
    return value


def discrete(q, p, alpha):
    total = [sum(x) for x in (q, p)]
    return mp.log(sum((x / total[0]) ** alpha * (y / total[1]) ** (1 - alpha) for x, y in zip(q, p, strict=True))) / (
        alpha - 1
    )


def logits(q, p, alpha):
    return discrete(*([mp.exp(x) for x in side] for side in (q, p)), alpha)


def negative(t):
    return t <= 0


POSITIVE, UNIT, REAL, WIDE = (1e-3, 1e3), (0.0, 1.0), (-8.0, 8.0), (-40.0, 40.0)
FAMILIES = {  # how to make the law, where its parameters are, the truth, ulps allowed at order 1
    "normal": (D.Normal, (REAL, POSITIVE), gaussian, 10),
    "poisson": (D.Poisson, (POSITIVE,), exponential_family(lambda r: (mp.log(r),), mp.exp), 8),
    "exponential": (D.Exponential, (POSITIVE,), exponential_family(lambda r: (r,), lambda t: -mp.log(t), negative), 8),
    "gamma": (
        D.Gamma, (POSITIVE, POSITIVE),
        exponential_family(lambda a, b: (a, b), lambda a, b: mp.loggamma(a) - a * mp.log(b), negative), 8,
    ),
    "geometric": (
        D.Geometric, (UNIT,),
        exponential_family(lambda r: (mp.log1p(-r),), lambda t: -mp.log(-mp.expm1(t)), lambda t: t >= 0), 8,
    ),
    "bernoulli": (D.Bernoulli, (UNIT,), lambda q, p, a: discrete((q[0], 1 - q[0]), (p[0], 1 - p[0]), a), 8),
    "geometric of logits": (
        lambda x: D.Geometric(logits=x), (WIDE,),
        exponential_family(lambda x: (-mp.log1p(mp.exp(x)),), lambda t: -mp.log(-mp.expm1(t)), lambda t: t >= 0), 8,
    ),
    "negative binomial of logits": (
        lambda x: D.NegativeBinomial(5, logits=x), (WIDE,),
        exponential_family(
            lambda x: (-mp.log1p(mp.exp(-x)),), lambda t: -5 * mp.log(-mp.expm1(t)), lambda t: t >= 0
        ), 8,
    ),
    "bernoulli of logits": (
        lambda x: D.Bernoulli(logits=x), (REAL,), lambda q, p, a: logits((q[0], mp.mpf(0)), (p[0], mp.mpf(0)), a), 8,
    ),
    "categorical": (lambda *x: D.Categorical(torch.stack(x, -1)), (UNIT, UNIT, UNIT), discrete, 8),
}  # fmt: skip


def number(domain, rng):
    low, high = domain
    return rng.uniform(low, high) if low <= 0 else math.exp(rng.uniform(math.log(low), math.log(high)))


def natural_sizes(family, side):
    """The change of each parameter that counts as one."""
    if family == "normal":
        return [side[1], side[1]]
    return [mp.mpf(1)] if family.endswith("of logits") else [abs(x) for x in side]


def draws(domains, dtype, count):
    """Parameters of two laws, far apart or near, and an order."""
    rng = np.random.default_rng(0)
    for index in range(count):
        q = [number(domain, rng) for domain in domains]
        near = 10.0 ** rng.uniform(-8 if dtype is torch.float64 else -5, -1)
        moved = zip(q, domains, strict=True)
        p = [x * (1 + rng.choice([-1, 1]) * near) if index % 2 else number(d, rng) for x, d in moved]
        if domains[0] == UNIT:
            p = [min(x, 0.999) for x in p]
        yield q, p, ORDERS[index % len(ORDERS)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_values_and_slopes_keep_their_digits(family, dtype):
    make, domains, truth, ulps = FAMILIES[family]
    limits = torch.finfo(dtype)
    for q, p, alpha in draws(domains, dtype, 120):
        leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (*q, *p)]
        laws = make(*leaves[: len(q)]), make(*leaves[len(q) :])
        value = renyi(*laws, alpha)
        with mp.workdps(DPS):
            if family == "categorical":  # what torch has normalised
                sides = [[mp.mpf(x) for x in law.probs.tolist()] for law in laws]
            else:
                exact = [mp.mpf(leaf.item()) for leaf in leaves]
                sides = [exact[: len(q)], exact[len(q) :]]
            order = mp.mpf(alpha)
            want = truth(*sides, order)
            if want == mp.inf or want > limits.max:
                assert value.item() == math.inf, (q, p, alpha)
                continue
            if want < limits.tiny / limits.eps:
                continue
            cancelled = float(truth.edge(*sides, order)) if hasattr(truth, "edge") and family != "poisson" else 1.0
            allowed = (ulps * max(1, 2 * alpha, cancelled) if dtype is torch.float64 else 1) * limits.eps
            assert abs(mp.mpf(value.item()) - want) <= allowed * want, (q, p, alpha, value.item(), float(want))
            if family == "categorical":
                continue
            slopes = torch.autograd.grad(value, leaves)
            exact = [*sides[0], *sides[1]]
            sizes = [size for side in sides for size in natural_sizes(family, side)]
            wanted = []
            for place, size in enumerate(sizes):
                step = size * mp.mpf(10) ** -25
                moved = [[x + sign * step * (i == place) for i, x in enumerate(exact)] for sign in (1, -1)]
                up, down = (truth(x[: len(q)], x[len(q) :], order) for x in moved)
                wanted.append((up - down) / (2 * mp.mpf(10) ** -25))
            largest = max(abs(x) for x in wanted)
            for slope, size, wish in zip(slopes, sizes, wanted, strict=True):
                assert abs(slope.item() * size - wish) <= allowed * largest, (q, p, alpha, slope.item(), wish / size)


@pytest.mark.parametrize("alpha", [1.01, 1.5, 2.0, 3.0, 10.0])
@pytest.mark.parametrize("gap", [1e-2, 1e-6, 1e-12])
def test_gaussians_at_the_edge_of_the_infinite_region(alpha, gap):
    """Where α s₂² + (1 − α) s₁² all but vanishes: 2e5 ulps were measured."""
    s2 = 0.719
    edge = s2 * math.sqrt(alpha / (alpha - 1))
    for s1 in (edge * (1 - gap), edge * (1 + gap)):
        got = renyi(
            D.Normal(torch.tensor(0.3, dtype=torch.float64), torch.tensor(s1, dtype=torch.float64)),
            D.Normal(torch.tensor(0.2, dtype=torch.float64), torch.tensor(s2, dtype=torch.float64)), alpha,
        ).item()  # fmt: skip
        with mp.workdps(DPS):
            want = gaussian((mp.mpf(0.3), mp.mpf(s1)), (mp.mpf(0.2), mp.mpf(s2)), mp.mpf(alpha))
            assert got == want == mp.inf or abs(mp.mpf(got) - want) <= 8 * 2.0**-52 * want


def test_an_infinite_value_does_not_change():
    s1 = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    value = renyi(D.Normal(0 * s1, s1), D.Normal(0 * s1, 0 * s1 + 1.0), 2.0)
    assert value.item() == math.inf
    assert torch.autograd.grad(value, s1)[0].item() == 0.0


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.8, 2.0, 5.0])
@pytest.mark.parametrize(
    ("q", "p"),
    [((0.0, 1.0), (0.3, 0.7)), ((0.3, 0.7), (0.0, 1.0)), ((0.0, 1.0), (0.0, 1.0)), ((1.0, 0.0), (0.0, 1.0)),
     ((0.0, 1.0), (1e-300, 1.0)), ((1e-300, 1.0), (0.5, 0.5)), ((0.5, 0.5), (1e-300, 1.0))],
)  # fmt: skip
def test_certain_and_all_but_certain_outcomes(q, p, alpha):
    with mp.workdps(400):
        both = [(mp.mpf(x), mp.mpf(y)) for x, y in zip(q, p, strict=True)]
        if alpha > 1 and any(y == 0 < x for x, y in both):
            want = mp.inf
        else:
            total = sum(x**alpha * y ** (1 - mp.mpf(alpha)) for x, y in both if x > 0 and y > 0)
            want = mp.log(total) / (mp.mpf(alpha) - 1) if total else mp.inf
    a, b = (torch.tensor(x, dtype=torch.float64) for x in (q, p))
    values = [renyi(D.Categorical(a), D.Categorical(b), alpha)]
    if a[0] + a[1] == 1 and b[0] + b[1] == 1:
        values += [renyi(D.Bernoulli(a[0]), D.Bernoulli(b[0]), alpha)]
    for value in values:
        assert value.item() == pytest.approx(float(want), rel=1e-13, abs=1e-300)


@pytest.mark.parametrize("alpha", [0.3, 0.7, 2.5])
def test_rates_of_zero(alpha):
    zero, two = torch.tensor(0.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    assert renyi(D.Poisson(zero), D.Poisson(two), alpha).item() == pytest.approx(2.0)
    assert renyi(D.Poisson(zero), D.Poisson(zero), alpha).item() == 0.0
    far = renyi(D.Poisson(two), D.Poisson(zero), alpha).item()
    assert far == math.inf if alpha > 1 else far == pytest.approx(2 * alpha / (1 - alpha))


@pytest.mark.parametrize("alpha", [0.3, 0.7, 2.5])
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "categorical"])
def test_derivatives_of_every_kind(family, alpha):
    make, domains, _, _ = FAMILIES[family]
    near = [0.3 if domain == UNIT else 1.1 for domain in domains]
    leaves = [
        torch.tensor([x, 1.2 * x], dtype=torch.float64, requires_grad=True) for x in (*near, *(1.1 * x for x in near))
    ]

    def value(*x):
        half = len(x) // 2
        return renyi(make(*x[:half]), make(*x[half:]), alpha)

    assert torch.autograd.gradcheck(value, leaves)
    assert torch.autograd.gradgradcheck(value, leaves)


def test_categorical_weights_have_derivatives_of_every_kind():
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in ([[0.2, 0.5, 0.4]], [[0.3, 0.3, 0.9]])]
    for alpha in (0.3, 0.7, 2.5):

        def value(q, p, alpha=alpha):
            return renyi(D.Categorical(q), D.Categorical(p), alpha)

        assert torch.autograd.gradcheck(value, leaves)
        assert torch.autograd.gradgradcheck(value, leaves)


def vectors(given, dtype, count):
    """Laws of two to four dimensions, from nearly equal to far, made from covariances or from their factors."""
    rng = np.random.default_rng(1)
    for index in range(count):
        size, gap = int(rng.integers(2, 5)), 10.0 ** rng.uniform(-8 if dtype is torch.float64 else -4, 1)
        a, b = rng.standard_normal((2, size, size))
        covariance = a @ a.T + np.eye(size)
        other = covariance + gap * (b @ b.T)
        sides = []
        for mean, matrix in ((gap * rng.standard_normal(size), other), (np.zeros(size), covariance)):
            matrix = np.linalg.cholesky(matrix) if given == "scale_tril" else matrix
            matrix = {given: torch.tensor(matrix, dtype=dtype)}
            sides.append(D.MultivariateNormal(torch.tensor(mean, dtype=dtype), **matrix))
        yield *sides, ORDERS[index % len(ORDERS)], gap


def of_vectors(q, p, alpha, given):
    matrices = [mp.matrix(getattr(law, given).tolist()) for law in (q, p)]
    s1, s2 = (m * m.T if given == "scale_tril" else m for m in matrices)
    mixed, c = alpha * s2 + (1 - alpha) * s1, 1 - alpha
    try:
        mp.cholesky(mixed)
    except ValueError:
        return mp.inf
    gap = mp.matrix((q.loc - p.loc).tolist())
    logs = mp.log(mp.det(mixed)) - c * mp.log(mp.det(s1)) - alpha * mp.log(mp.det(s2))
    return (alpha * (gap.T * mp.lu_solve(mixed, gap))[0] + logs / c) / 2


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("given", ["scale_tril", "covariance_matrix"])
def test_vectors_keep_their_digits(given, dtype):
    """Near equality 3e7 ulps were measured."""
    finite = 0
    for q, p, alpha, gap in vectors(given, dtype, 60):
        value = renyi(q, p, alpha).item()
        with mp.workdps(DPS):
            want = of_vectors(q, p, mp.mpf(alpha), given)
            if want == mp.inf:
                assert value == math.inf
                continue
            finite += 1
            allowed = 8 * float(torch.linalg.cond(p.scale_tril.double())) * math.sqrt(len(p.loc)) * max(1.0, alpha)
            assert abs(mp.mpf(value) - want) <= allowed * torch.finfo(dtype).eps * want, (
                alpha,
                gap,
                value,
                float(want),
            )
    assert finite > 40


def test_vectors_have_derivatives_of_every_kind_where_eigenvalues_are_equal():
    factor = torch.eye(2, dtype=torch.float64).expand(2, 2, 2)
    means = torch.tensor([[0.1, 0.3], [0.0, 0.0]], dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    leaves = [means[0], 1.1 * factor, means[1], factor]
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    for alpha in (0.3, 0.7, 2.5):

        def value(m1, l1, m2, l2, alpha=alpha):
            laws = [D.MultivariateNormal(m, scale_tril=x.tril(), validate_args=False) for m, x in ((m1, l1), (m2, l2))]
            return renyi(*laws, alpha)

        assert torch.autograd.gradcheck(value, leaves)
        assert torch.autograd.gradgradcheck(value, leaves)


@pytest.mark.parametrize(
    ("q", "p"),
    [
        (D.Normal, D.Laplace),
        (D.Normal, D.LogNormal),
        (lambda a, b: D.Independent(D.Normal(a, b), 1), lambda a, b: D.Independent(D.Normal(a, b), 0)),
        (lambda a, b: D.Bernoulli(b), lambda a, b: D.Geometric(b)),
    ],
)
def test_independent_laws_of_other_types_are_refused(q, p):
    """The value of two normal laws came out."""
    a, b = torch.zeros(2, 2), torch.full((2, 2), 0.5)
    with pytest.raises((InputTypeError, InputValueError)):
        renyi(D.Independent(q(a, b), 1), D.Independent(p(a, b), 1), 2.0)


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_waiting_for_what_is_certain(alpha):
    one, half = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    assert renyi(D.Geometric(one), D.Geometric(half), alpha).item() == pytest.approx(math.log(2))
    assert renyi(D.Geometric(one), D.Geometric(one), alpha).item() == 0.0
    never = D.NegativeBinomial(5, 0 * one)
    assert renyi(never, never, alpha).item() == 0.0
    assert renyi(never, D.NegativeBinomial(5, half), alpha).item() == pytest.approx(5 * math.log(2))
    assert renyi(D.Binomial(0, half), D.Binomial(0, 0 * one), alpha).item() == 0.0


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_laws_made_from_probabilities_beside_such_from_logits(alpha):
    """torch's logits of 0 and probabilities of 40 are not what the law was made from."""
    x, half = torch.tensor(80.0, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    for make in (D.Bernoulli, D.Geometric, lambda p=None, logits=None: D.NegativeBinomial(3, p, logits=logits)):
        zero, steep = make(logits=0.0 * x), make(logits=x)
        assert renyi(make(half), steep, alpha) == renyi(zero, steep, alpha)
        assert renyi(steep, make(half), alpha) == renyi(steep, zero, alpha)


def test_what_else_was_asked_of_a_law_changes_nothing():
    """A factor that torch has computed, and stores, was taken for what the law was made from."""
    found = 0
    for q, p, alpha, gap in vectors("covariance_matrix", torch.float64, 60):
        if gap > 1e-4:
            continue
        found += 1
        allowed = 8 * float(torch.linalg.cond(p.scale_tril)) * math.sqrt(len(p.loc)) * max(1.0, alpha)
        assert q.scale_tril.shape == p.scale_tril.shape
        with mp.workdps(DPS):
            want = of_vectors(q, p, mp.mpf(alpha), "covariance_matrix")
            error = abs(mp.mpf(renyi(q, p, alpha).item()) - want) / want * 2**52
        assert error <= allowed, (alpha, gap)
    assert found > 10


def test_compiled_in_single_precision():
    q, p = torch.tensor([0.3, 1.2]), torch.tensor([0.4, 1.1])
    for make in (D.Exponential, D.Poisson, lambda x: D.Gamma(x, x), lambda x: D.Normal(x, x)):

        def value(q, p, make=make):
            return renyi(make(q), make(p), 0.5)

        torch._dynamo.reset()
        torch.testing.assert_close(torch.compile(value, backend="eager")(q, p), value(q, p), rtol=1e-6, atol=0)
        torch.testing.assert_close(torch.func.vmap(value)(q, p), value(q, p), rtol=1e-6, atol=0)
