"""The ELBO in its three forms agrees with the closed form, exactly, on nodes instead of samples."""

import doctest
import importlib

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from elbo import bounds
from elbo._errors import InputTypeError, InputValueError
from elbo.noise import StandardNormal
from elbo.problems import LinearGaussian

D = torch.float64
X = torch.tensor(0.7, dtype=D)
Q = Normal(torch.tensor(0.4, dtype=D), torch.tensor(0.8, dtype=D))
PROBLEM = LinearGaussian(torch.tensor(1.3, dtype=D), 0.2, 0.5)


def on_nodes():
    e, weights = StandardNormal().nodes(8)
    return Q.loc + Q.scale * e, weights


def test_three_forms_have_the_expectation_of_the_closed_form():
    z, weights = on_nodes()
    log_w = PROBLEM.log_joint(X, z) - Q.log_prob(z)
    # a node as a datum of one sample: the weighted mean over data is the expectation
    forms = {
        "log weights": bounds.elbo(log_w[:, None]),
        "analytic KL": bounds.elbo_analytic_kl(PROBLEM.likelihood(z).log_prob(X), kl_divergence(Q, PROBLEM.prior)),
        "entropy": bounds.elbo_entropy(PROBLEM.log_joint(X, z), Q.entropy()),
        "loss": -bounds.negative_elbo(PROBLEM.likelihood(z).log_prob(X), kl_divergence(Q, PROBLEM.prior)),
    }
    truth = PROBLEM.elbo(X, Q)
    for name, values in forms.items():
        assert abs(weights @ values - truth) < 1e-13, name


def test_analytic_kl_has_the_larger_variance_at_the_posterior():
    q = PROBLEM.posterior(X)
    e, weights = StandardNormal().nodes(8)
    z = q.loc + q.scale * e

    def variance(values):
        return (weights @ values**2 - (weights @ values) ** 2).item()

    assert abs(variance(PROBLEM.log_joint(X, z) - q.log_prob(z))) < 1e-13
    assert variance(bounds.elbo_analytic_kl(PROBLEM.likelihood(z).log_prob(X), torch.zeros((), dtype=D))) > 0.05


@pytest.mark.parametrize("beta, below", [(4.0, True), (1.0, True), (0.2, False)])
def test_beta_objective_is_a_bound_from_one_on(beta, below):
    problem = LinearGaussian(torch.tensor(0.3, dtype=D), 0.0, 0.3)
    x = torch.tensor(3.0, dtype=D)
    q = problem.posterior(x)
    q = Normal(torch.tensor(3.0, dtype=D), q.scale)
    fit, kl = problem.expected_log_likelihood(x, q), kl_divergence(q, problem.prior)
    value = bounds.beta_objective(fit, kl, beta)
    assert value <= problem.elbo(x, q) + 1e-12 or not below
    assert abs(bounds.beta_objective(fit, kl, 1.0) - problem.elbo(x, q)) < 1e-12


def test_beta_below_one_exceeds_the_evidence_somewhere():
    q = PROBLEM.posterior(X)
    fit, kl = PROBLEM.expected_log_likelihood(X, q), kl_divergence(q, PROBLEM.prior)
    assert bounds.beta_objective(fit, kl, 0.2) > PROBLEM.log_evidence(X)


def test_free_bits_stay_below_the_elbo_and_stop_the_gradient():
    kl = torch.tensor([0.1, 0.8], dtype=D, requires_grad=True)
    fit = torch.tensor(-3.0, dtype=D)
    value = bounds.free_bits(fit, kl, 0.5)
    assert value <= bounds.elbo_analytic_kl(fit, kl.sum())
    (gradient,) = torch.autograd.grad(value, kl)
    assert gradient.tolist() == [0.0, -1.0]
    assert torch.equal(bounds.free_bits(fit, kl, 0.0), bounds.elbo_analytic_kl(fit, kl.sum()))


def test_a_sum_over_the_batch_is_left_to_the_caller():
    assert bounds.elbo(torch.zeros(5, 3)).shape == (5,)
    assert bounds.elbo(torch.zeros(3, 5), sample_axis=0).shape == (5,)
    assert bounds.negative_elbo(torch.zeros(7, 5), torch.zeros(5), sample_axis=0).shape == (5,)


def test_a_weight_of_zero_gives_minus_infinity():
    assert bounds.elbo(torch.tensor([0.0, -torch.inf])).item() == -torch.inf


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda: bounds.elbo(torch.tensor([1, 2])), InputTypeError, r"dtype.*double"),
        (lambda: bounds.elbo([1.0]), InputTypeError, "write a torch tensor"),
        (lambda: bounds.elbo(torch.tensor([0.0, torch.nan])), InputValueError, r"nan at index \(1,\)"),
        (lambda: bounds.elbo(torch.tensor([torch.inf])), InputValueError, "inf"),
        (lambda: bounds.elbo(torch.zeros(2), sample_axis=1), InputValueError, "sample_axis is 1"),
        (lambda: bounds.elbo(torch.zeros(2, 0)), InputValueError, "no samples"),
        (lambda: bounds.negative_elbo(torch.zeros(5), torch.zeros(5, 2)), InputValueError, "one value a datum"),
        (lambda: bounds.beta_objective(torch.zeros(1), torch.zeros(1), -1.0), InputValueError, "beta is -1"),
        (lambda: bounds.free_bits(torch.zeros(1), torch.zeros(1, 2), torch.nan), InputValueError, "minimum is nan"),
        (lambda: bounds.free_bits(torch.zeros(()), torch.zeros(()), 0.1), InputValueError, "each latent coordinate"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize(
    "name", ["_inputs", "aggregate", "discrepancy", "importance_weighted", "single_sample", "vector_quantisation"]
)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"elbo.bounds.{name}")).failed == 0
