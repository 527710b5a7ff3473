"""What is true of every divergence, whatever its formula."""

import math

import pytest
import torch
import torch.distributions as D
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elbo.divergences import (
    bernoulli_kl,
    categorical_kl,
    kl,
    kl_by_quadrature,
    mixture_kl_bounds,
    mixture_kl_product,
    mixture_kl_variational,
    renyi,
)
from elbo.verification.claims.divergences import EXAMPLES, make

F64 = torch.float64
logits = st.lists(st.floats(-8, 8), min_size=4, max_size=4).map(lambda x: torch.tensor(x, dtype=F64))
positive = st.floats(-3, 3).map(lambda x: torch.tensor(math.exp(x), dtype=F64))
real = st.floats(-5, 5).map(lambda x: torch.tensor(x, dtype=F64))
few = settings(max_examples=40)

FAMILIES = {
    "normal": (D.Normal, real, positive), "laplace": (D.Laplace, real, positive), "cauchy": (D.Cauchy, real, positive),
    "gumbel": (D.Gumbel, real, positive), "gamma": (D.Gamma, positive, positive), "beta": (D.Beta, positive, positive),
    "weibull": (D.Weibull, positive, positive), "exponential": (D.Exponential, positive),
    "poisson": (D.Poisson, positive),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_divergences_are_positive_and_vanish_only_at_equality(family):
    kind, *parts = FAMILIES[family]

    @few
    @given(st.tuples(*parts), st.tuples(*parts))
    def check(a, b):
        value = kl(kind(*a), kind(*b)).item()
        assert value >= 0
        far = any(abs(x - y) > 1e-12 * (abs(x) + abs(y)) for x, y in zip(a, b, strict=True))
        assert value > 0 or not far
        assert kl(kind(*a), kind(*a)).item() == 0

    check()


@few
@given(logits, logits)
@example(torch.tensor([0.0, 0.0, 0.0, -math.inf], dtype=F64), torch.zeros(4, dtype=F64))
@example(torch.zeros(4, dtype=F64), torch.tensor([1e-8, 0.0, 0.0, 0.0], dtype=F64))
def test_coarsening_loses_and_pinsker_bounds(a, b):
    fine = categorical_kl(a, b).item()
    merged = [torch.stack((x[:2].logsumexp(0), x[2:].logsumexp(0))) for x in (a, b)]
    assert categorical_kl(*merged).item() <= fine + 1e-12
    variation = 0.5 * (a.softmax(0) - b.softmax(0)).abs().sum().item()
    assert variation <= math.sqrt(fine / 2) + 1e-12
    shift = categorical_kl(a + 3.0, b - 40.0).item()
    assert shift == pytest.approx(fine, rel=1e-6, abs=1e-13)


@few
@given(real, real)
def test_two_outcomes_are_a_bernoulli(a, b):
    zero = torch.zeros((), dtype=F64)
    both = categorical_kl(torch.stack((a, zero)), torch.stack((b, zero))).item()
    assert both == pytest.approx(bernoulli_kl(a, b).item(), rel=1e-13, abs=1e-300)
    assert bernoulli_kl(a, b).item() == pytest.approx(bernoulli_kl(-a, -b).item(), rel=1e-13, abs=1e-300)


@few
@given(real, positive, real, positive, positive)
def test_scale_does_not_matter(m, s, n, t, c):
    for kind in (D.Normal, D.Laplace, D.Cauchy):
        value = kl(kind(m, s), kind(n, t)).item()
        assert kl(kind(c * m, c * s), kind(c * n, c * t)).item() == pytest.approx(value, rel=1e-11, abs=1e-14)
    rates = [kl(D.Gamma(s, t * x), D.Gamma(t, s * x)).item() for x in (1.0, c)]
    assert rates[1] == pytest.approx(rates[0], rel=1e-11, abs=1e-14)
    inverse = kl(D.InverseGamma(s, t), D.InverseGamma(t, s)).item()
    assert inverse == kl(D.Gamma(s, t), D.Gamma(t, s)).item()
    # −log of a Weibull law is a Gumbel law, and log of a log-normal one is normal
    gumbels = [D.Gumbel(-torch.log(x), 1 / y) for x, y in ((s, t), (t, s))]
    assert kl(D.Weibull(s, t), D.Weibull(t, s)).item() == pytest.approx(kl(*gumbels).item(), rel=1e-9, abs=1e-14)
    assert kl(D.LogNormal(m, s), D.LogNormal(n, t)).item() == kl(D.Normal(m, s), D.Normal(n, t)).item()


@pytest.mark.parametrize("q, a, p, b", EXAMPLES[::3], ids=str)
def test_closed_forms_are_the_integral(q, a, p, b):
    laws = make(q, a), make(p, b)
    integral = kl_by_quadrature(*laws, relative=1e-8)
    assert abs(kl(*laws).item() - integral.value) <= integral.error_bound + 1e-11


def test_quadrature_says_when_support_is_missing():
    assert kl_by_quadrature(make("Normal", (0.0, 1.0)), make("Exponential", (1.0,))).value == math.inf
    assert kl_by_quadrature(make("Binomial", (3, 0.5)), make("Bernoulli", (0.5,))).value == math.inf
    unregistered = kl_by_quadrature(make("Laplace", (0.0, 1.0)), make("Cauchy", (0.0, 1.0)))
    assert 0 < unregistered.value < 1
    with pytest.raises(ValueError, match="batch shape"):
        kl_by_quadrature(D.Normal(torch.zeros(2), torch.ones(2)), make("Normal", (0.0, 1.0)))


RENYI = [("Normal", (0.3, 1.0), (-0.4, 1.2)), ("Exponential", (1.7,), (0.9,)), ("Gamma", (2.3, 1.2), (2.0, 0.9)),
         ("Beta", (2.3, 1.7), (2.0, 1.4)), ("Poisson", (2.3,), (1.1,)), ("Bernoulli", (0.3,), (0.6,)),
         ("Geometric", (0.5,), (0.4,)), ("InverseGamma", (3.3, 1.2), (3.0, 1.0)),
         ("NegativeBinomial", (3, 0.3), (3, 0.5))]  # fmt: skip


@pytest.mark.parametrize("name, a, b", RENYI, ids=str)
def test_renyi_increases_with_the_order_and_passes_through_kl(name, a, b):
    q, p = make(name, a), make(name, b)
    orders = [1e-3, 0.3, 0.999999, 1.0, 1.000001, 1.5, 2.0]
    values = [renyi(q, p, order).item() for order in orders]
    assert values == sorted(values)
    assert values[3] == kl(q, p).item()
    assert values[2] == pytest.approx(values[3], rel=1e-4)
    skew = renyi(p, q, 0.3).item() * 0.7
    assert renyi(q, p, 0.7).item() * 0.3 == pytest.approx(skew, rel=1e-12)
    assert renyi(q, q, 0.5).item() == pytest.approx(0, abs=1e-15)


def test_renyi_is_the_integral_and_infinite_where_that_diverges():
    x = torch.arange(200, dtype=F64)
    for name, a, b in (("Poisson", (2.3,), (1.1,)), ("Geometric", (0.5,), (0.4,))):
        q, p = make(name, a), make(name, b)
        for order in (0.3, 2.0):
            truth = torch.logsumexp(order * q.log_prob(x) + (1 - order) * p.log_prob(x), 0) / (order - 1)
            assert renyi(q, p, order).item() == pytest.approx(truth.item(), rel=1e-12)
    assert renyi(make("Exponential", (1.0,)), make("Exponential", (2.0,)), 2.0).item() == math.inf
    assert renyi(make("Geometric", (0.1,)), make("Geometric", (0.9,)), 2.0).item() == math.inf
    assert renyi(make("Gamma", (1.0, 1.0)), make("Gamma", (1.0, 5.0)), 2.0).item() == math.inf
    full = [D.MultivariateNormal(torch.zeros(2, dtype=F64), s * torch.eye(2, dtype=F64)) for s in (1.2, 1.0)]
    flat = [
        D.Independent(D.Normal(torch.zeros(2, dtype=F64), math.sqrt(s) * torch.ones(2, dtype=F64)), 1)
        for s in (1.2, 1.0)
    ]
    assert renyi(*full, 2.0).item() == pytest.approx(renyi(*flat, 2.0).item(), rel=1e-12)
    assert renyi(full[0], full[1], 20.0).item() == math.inf
    sure = [D.Categorical(torch.tensor(w, dtype=F64)) for w in ([1.0, 0.0], [0.5, 0.5])]
    assert renyi(*sure, 0.5).item() == pytest.approx(math.log(2))
    assert renyi(sure[1], sure[0], 2.0).item() == math.inf
    for order, error in ((0.0, ValueError), (-1.0, ValueError), (math.inf, ValueError), ("2", TypeError)):
        with pytest.raises(error, match="alpha"):
            renyi(*sure, order)


def test_mixture_bounds_enclose_and_approximations_are_exact_where_they_should_be():
    def mixture(weights, means, scales):
        tensors = (torch.tensor(x, dtype=F64) for x in (means, scales))
        return D.MixtureSameFamily(D.Categorical(torch.tensor(weights, dtype=F64)), D.Normal(*tensors))

    q, p = mixture([0.3, 0.7], [-1.5, 1.5], [0.6, 0.9]), mixture([0.2, 0.3, 0.5], [-2.0, 0.0, 1.0], [1.0, 0.5, 2.0])
    lower, upper = mixture_kl_bounds(q, p)
    truth = kl_by_quadrature(q, p).value
    assert 0 <= lower.item() <= truth <= upper.item()
    assert mixture_kl_variational(q, q).item() == mixture_kl_product(q, q).item() == 0
    one, other = mixture([1.0], [0.3], [0.7]), mixture([1.0], [0.1], [1.1])
    assert mixture_kl_variational(one, other).item() == pytest.approx(
        kl(make("Normal", (0.3, 0.7)), make("Normal", (0.1, 1.1))).item()
    )
    vectors = [
        D.MixtureSameFamily(
            D.Categorical(torch.ones(2, dtype=F64)),
            D.MultivariateNormal(shift + torch.zeros(2, 3, dtype=F64), torch.eye(3, dtype=F64).repeat(2, 1, 1)),
        )
        for shift in (0.0, 0.5)
    ]
    lower, upper = mixture_kl_bounds(*vectors)
    assert lower.item() <= 0.375 + 1e-12 <= upper.item() + 2e-12
    with pytest.raises(TypeError, match="MixtureSameFamily"):
        mixture_kl_bounds(q, make("Normal", (0.0, 1.0)))


@pytest.mark.parametrize("form", ["probs", "logits"])
@pytest.mark.parametrize("count", [2, 3])
def test_a_component_of_weight_zero_counts_for_nothing(form, count):
    """Also where it is infinitely far from every component of the other mixture."""

    def mixture(weights, loc):
        weights = torch.tensor(weights, dtype=F64)
        weights = weights if form == "probs" else weights.log()
        return D.MixtureSameFamily(D.Categorical(**{form: weights}), D.Normal(loc, torch.ones_like(loc)))

    far, bare = (torch.tensor(x, dtype=F64, requires_grad=True) for x in ([1e200, 1.0], [1.0]))
    other = mixture([1 / count] * count, torch.arange(count, dtype=F64))
    with_it, without = mixture([0.0, 1.0], far), mixture([1.0], bare)

    def lower(q, p):
        return mixture_kl_bounds(q, p).lower

    for function in (lower, mixture_kl_product, mixture_kl_variational):
        for found, want in (
            (function(with_it, other), function(without, other)),
            (function(other, with_it), function(other, without)),
        ):
            torch.testing.assert_close(found, want, rtol=1e-14, atol=1e-15)
            slope, expected = torch.autograd.grad(found, far)[0], torch.autograd.grad(want, bare)[0]
            torch.testing.assert_close(slope[1:], expected, rtol=1e-13, atol=1e-15)
            assert slope[0] == 0
    # with as many components that of components in order is a bound, too
    upper, bound = (mixture_kl_bounds(law, other).upper for law in (with_it, without))
    assert upper <= bound if count == 2 else abs(upper - bound) <= 1e-14
    assert torch.isfinite(torch.autograd.grad(upper, far)[0]).all()
