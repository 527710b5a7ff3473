"""VIMCO, sums over sets of states, measure-valued and relaxed gradients against reference values."""

import doctest
import importlib

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from elbo import exact, problems
from elbo._errors import InputTypeError, InputValueError
from elbo.exact import certify
from elbo.gradients import (
    Expectation,
    GumbelSoftmax,
    MeasureValued,
    ScoreFunction,
    StraightThrough,
    TopK,
    UnorderedSet,
    Vimco,
)

D = torch.float64


def T(value):
    return torch.tensor(value, dtype=D)


def cases(golden, file, kind):
    return [(c["inputs"], c["expected"]) for c in golden(file)["cases"] if c["inputs"]["kind"] == kind]


def near(got, truth, relative=1e-12, absolute=1e-15):
    return abs(float(got) - float(truth)) <= relative * abs(float(truth)) + absolute


def table_cost(costs):
    return Expectation(lambda z: torch.gather(T(costs), 0, z.long().reshape(-1)).reshape(z.shape))


@pytest.mark.parametrize("case", range(7))
def test_vimco_agrees_with_the_reference(golden, case):
    i, e = cases(golden, "gradients_discrete", "vimco")[case]
    problem, q, x = problems.Table(T(i["joint"])), Categorical(logits=T(i["logits"])), torch.tensor(0)
    bound = exact.iwae_bound(problem, x, q, i["K"])
    assert abs(float(bound.value) - float(e["bound"])) <= float(bound.error_bound) + 4e-16
    for baseline, variance in e["variance"].items():
        found = certify(Vimco(i["K"], baseline), problem, x, q)
        assert found.unbiased
        for j, truth in enumerate(e["gradient"]):
            assert near(found.mean["logits"][j], truth)
            assert near(found.variance["logits"][j], variance["per_coordinate"][j])
        assert near(found.covariance.trace(), variance["trace"])


@pytest.mark.parametrize("case", range(7))
def test_unordered_sets_agree_with_the_reference(golden, case):
    i, e = cases(golden, "gradients_discrete", "unordered_set")[case]
    problem, q = table_cost(i["costs"]), Categorical(logits=T(i["logits"]))
    plain = UnorderedSet(i["k"], baseline=False)
    traces = {"unordered_set_gradient_trace": plain}
    if i["k"] > 1:
        traces["unordered_set_gradient_baseline_trace"] = UnorderedSet(i["k"])
    assert set(traces) <= set(e["variance"])
    for name, estimator in traces.items():
        found = certify(estimator, problem, None, q)
        assert found.largest_bias < 1e-13
        for got, truth in zip(found.mean["logits"], e["gradient"], strict=True):
            assert near(got, truth)
        assert near(found.covariance.trace(), e["variance"][name]), name
    mean, variance = moments_of_value(plain, problem, q)
    assert near(mean, e["value"])
    assert near(variance, e["variance"]["unordered_set_value"])


@pytest.mark.parametrize("case", range(6))
def test_top_k_agrees_with_the_reference(golden, case):
    i, e = cases(golden, "gradients_discrete", "top_k")[case]
    problem, q = table_cost(i["costs"]), Categorical(logits=T(i["logits"]))
    for estimator, name in ((TopK(i["k"]), "top_k_gradient_trace"), (ScoreFunction(), "plain_gradient_trace")):
        found = certify(estimator, problem, None, q)
        assert found.largest_bias < 1e-13
        for got, truth in zip(found.mean["logits"], e["gradient"], strict=True):
            assert near(got, truth)
        assert near(found.covariance.trace(), e["variance"][name]), name
    mean, variance = moments_of_value(TopK(i["k"]), problem, q)
    assert near(mean, e["value"])
    assert near(variance, e["variance"]["top_k_value"])
    assert variance <= float(e["tail_mass"]) * float(e["variance"]["plain_value"])


def moments_of_value(estimator, problem, q):
    parameters = estimator.parameters(problem, None, q)
    sets, probabilities = estimator.noise(problem, parameters).enumerate()
    values = torch.stack([estimator.value(problem, parameters, s) for s in sets])
    mean = probabilities @ values
    return mean, probabilities @ (values - mean) ** 2


COSTS = {
    "quadratic": lambda k: lambda z: (z - k) ** 2,
    "exponential": lambda k: lambda z: torch.exp(-k * z * z),
    "cosine": lambda k: lambda z: torch.cos(k * z),
}


@pytest.mark.parametrize("case", range(27))
def test_measure_valued_variances_agree_with_the_reference(golden, case):
    """The pair of the mean sees W alone and that of the deviation M and U: one and two dimensions of noise."""
    i, e = cases(golden, "gradients_continuous", "cost_function")[case]
    problem, q, estimator = Expectation(COSTS[i["cost"]](i["k"])), Normal(T(i["mu"]), T(i["s"])), MeasureValued()
    parameters = estimator.parameters(problem, None, q)
    # W = exp(t - e^-t): the trapezoid rule in t converges exponentially
    t = torch.linspace(-4.5, 3.0, 601, dtype=D)
    w = torch.exp(t - torch.exp(-t))
    mass = w * w * torch.exp(-0.5 * w * w) * (1.0 + torch.exp(-t)) * (t[1] - t[0])
    one = torch.ones_like(w)
    by_mean = estimator.draws(problem, parameters, (w, one, 0.5 * one))["mean"]
    m = torch.linspace(-13.0, 13.0, 417, dtype=D)
    u, share = np.polynomial.legendre.leggauss(60)
    grid = torch.cartesian_prod(m, torch.from_numpy((u + 1) / 2))
    normal = m * m * torch.exp(-0.5 * m * m) / np.sqrt(2 * np.pi) * (m[1] - m[0])
    weights = torch.outer(normal, torch.from_numpy(share / 2)).reshape(-1)
    by_std = estimator.draws(problem, parameters, (torch.ones(len(grid), dtype=D), grid[:, 0], grid[:, 1]))["log_std"]
    for name, law, values in (("mu", mass, by_mean), ("s", weights, by_std / i["s"])):
        assert abs(float(law.sum()) - 1) < 1e-13
        mean = law @ values
        assert near(mean, e["gradient"][name], 1e-11, 1e-14)
        assert near(law @ (values - mean) ** 2, e["variance"][f"measure_valued_{name}"], 1e-11, 1e-14)


@pytest.mark.parametrize("case", range(12))
def test_measure_valued_gradients_of_one_bernoulli_have_no_variance(golden, case):
    i, e = cases(golden, "gradients_discrete", "bernoulli")[case]
    cost = table_cost([i["f0"], i["f1"]])
    found = certify(MeasureValued(), cost, None, Bernoulli(logits=T(i["logit"])))
    assert near(found.mean["logits"], e["gradient"])
    assert float(e["variance"]["measure_valued"]) == 0.0
    assert float(found.variance["logits"]) < 1e-31


RELAXED = {
    "quadratic": lambda t: lambda b: (b - t) ** 2,
    "cubic": lambda t: lambda b: b**3 + t * b,
    "exponential": lambda t: lambda b: torch.exp(t * b),
    "linear": lambda t: lambda b: t * b,
}


@pytest.mark.parametrize("case", range(8))
def test_relaxations_agree_with_the_reference(golden, case):
    i, e = cases(golden, "gradients_discrete", "relaxed")[case]
    problem, q = Expectation(RELAXED[i["cost"]](i["t"])), Bernoulli(logits=T(i["logit"]))
    through = certify(StraightThrough(), problem, None, q)
    assert near(through.truth["logits"], e["gradient"])
    assert near(through.mean["logits"], e["straight_through"]["expectation"])
    assert near(through.bias["logits"], e["straight_through"]["bias"], absolute=1e-15)
    assert near(through.variance["logits"], e["straight_through"]["variance"])
    for hard, name in ((False, "gumbel_softmax"), (True, "st_gumbel")):
        for j, tau in enumerate(i["tau"]):
            found = certify(GumbelSoftmax(tau, hard), problem, None, q)
            assert near(found.mean["logits"], e[name]["expectation"][j], 1e-11), (name, tau)
            assert near(found.bias["logits"], e[name]["bias"][j], 1e-9, 1e-12), (name, tau)
            assert near(found.variance["logits"], e[name]["variance"][j], 1e-10), (name, tau)
    # the limits are reached in proportion to τ; g'' of the logistic density is at most 1/8, and ∫ logit² = π²/3
    small = certify(GumbelSoftmax(1e-4), problem, None, q)
    points = torch.linspace(0.0, 1.0, 101, dtype=D)
    steepest = float(torch.func.vmap(torch.func.grad(problem.cost))(points).abs().max())
    room = 1e-4 / 16 * np.pi**2 / 3 * steepest + small.mean_error / 1e-4
    if "bias_over_tau_limit" in e:
        assert abs(float(small.bias["logits"]) / 1e-4 - float(e["bias_over_tau_limit"])) <= room
    assert float(small.variance["logits"]) * 1e-4 == pytest.approx(float(e["variance_times_tau_limit"]), rel=2e-3)
    assert float(certify(GumbelSoftmax(1e-4, True), problem, None, q).mean["logits"]) == pytest.approx(
        float(e["st_gumbel_limit"]), rel=1e-3
    )


def test_straight_through_is_unbiased_for_linear_costs_and_for_quadratic_ones_at_one_half():
    for cost, logit, fair in (("linear", 0.8, True), ("quadratic", 0.0, True), ("quadratic", 0.1, False)):
        q = Bernoulli(logits=T(logit))
        assert certify(StraightThrough(), Expectation(RELAXED[cost](0.45)), None, q).unbiased == fair


def test_they_are_unbiased_for_an_elbo_and_its_model():
    table, line = problems.Table(T([0.18, 0.05, 0.12])), problems.LinearGaussian(T(1.0))
    three, zero = Categorical(logits=T([0.1, -0.4, 0.3])), torch.tensor(0)
    for estimator in (TopK(1), TopK(2), UnorderedSet(2), UnorderedSet(3), UnorderedSet(1, baseline=False)):
        assert certify(estimator, table, zero, three).largest_bias < 1e-13, estimator
    q = Normal(T(0.8), T(2 / 3).sqrt())
    assert certify(MeasureValued(), line, T(1.0), q).unbiased
    bits = problems.BernoulliLatents(T([1.0, -0.7]), T([0.2, 0.6]), T(0.8))
    pair = Independent(Bernoulli(logits=T([-1.2, 0.7])), 1)
    assert certify(MeasureValued(), bits, T(0.6), pair).largest_bias < 1e-13
    assert certify(Vimco(2), bits, T(0.6), pair).unbiased
    mixture = problems.GaussianMixture(T([0.3, 0.7]), T([[0.0], [1.0]]), torch.ones(2, 1, 1, dtype=D))
    for estimator in (Vimco(2), TopK(1), UnorderedSet(2)):
        found = certify(estimator, mixture, T([0.4]), Categorical(T([0.5, 0.5])), model=("means",))
        assert found.unbiased, estimator
        assert found.mean["model.means"].abs().max() > 0.1


def test_measure_valued_gradients_in_two_dimensions():
    problem, x = problems.CorrelatedGaussian(0.6), None
    q = Independent(Normal(T([0.3, -0.2]), T([0.7, 1.1])), 1)
    estimator = MeasureValued()
    parameters = estimator.parameters(problem, x, q)
    # log w is a polynomial of degree 2 in each: five nodes of each of the six coordinates are exact
    noise, weights = estimator.noise(problem, parameters).nodes(3)
    mean = {n: torch.tensordot(weights, g, dims=1) for n, g in estimator.draws(problem, parameters, noise).items()}
    truth = certify(ScoreFunction(), problem, x, q).truth
    for name, value in mean.items():
        assert (value - truth[name]).abs().max() < 1e-12


def test_without_its_own_share_vimco_is_biased():
    class WithoutShare(Vimco):
        def surrogate(self, problem, parameters, frozen, noise):
            z = frozen.family.sample(frozen, noise)
            log_weights = frozen.log_weight(problem, z)
            signal = torch.logsumexp(log_weights, -1) - self._baselines(log_weights)
            return (signal * parameters.family.log_prob(parameters, z)).sum()

    problem, q = problems.Table(T([0.18, 0.05, 0.12])), Categorical(logits=T([0.1, -0.4, 0.3]))
    assert not certify(WithoutShare(3), problem, torch.tensor(0), q).unbiased


def test_sets_weighed_like_single_draws_are_biased():
    class Plain(UnorderedSet):
        def _terms(self, parameters, noise):
            states, factors = super()._terms(parameters, noise)
            return states, torch.ones_like(factors)

    class Forgotten(TopK):
        def _terms(self, parameters, noise):
            states, factors = super()._terms(parameters, noise)
            return states, torch.ones_like(factors)

    q = Categorical(logits=T([0.1, -0.4, 0.3, 1.0]))
    cost = table_cost([1.0, -0.5, 2.0, 0.3])
    assert not certify(Plain(2, False), cost, None, q).unbiased
    assert not certify(Forgotten(1), cost, None, q).unbiased


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda q3: Vimco(1), InputValueError, "at least 2"),
        (lambda q3: Vimco(2, "best"), InputValueError, "geometric"),
        (lambda q3: UnorderedSet(1), InputValueError, "at least 2"),
        (lambda q3: UnorderedSet(7), InputValueError, "k <= 6"),
        (lambda q3: GumbelSoftmax(0.0), InputValueError, "positive"),
        (lambda q3: certify(TopK(3), table_cost([1.0, 2.0, 3.0]), None, q3), InputValueError, "k <= 2"),
        (lambda q3: certify(UnorderedSet(4), table_cost([1.0, 2.0, 3.0]), None, q3), InputValueError, "k <= 3"),
        (lambda q3: certify(StraightThrough(), table_cost([1.0]), None, q3), InputTypeError, "Bernoulli"),
        (lambda q3: certify(MeasureValued(), table_cost([1.0]), None, q3), InputTypeError, "Normal or Bernoulli"),
        (lambda q3: certify(TopK(1), table_cost([1.0]), None, Bernoulli(T(0.5))), InputTypeError, "Categorical"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call(Categorical(logits=T([0.1, -0.4, 0.3])))


@pytest.mark.parametrize("name", ["vimco", "rao_blackwellised", "measure_valued", "relaxed"])
def test_examples_of(name):
    assert doctest.testmod(importlib.import_module(f"elbo.gradients.{name}")).failed == 0
