"""Minibatch weightings of the aggregated posterior, by enumeration of the batches and quadrature over z."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from elbo import bounds
from elbo._errors import InputValueError
from elbo.exact import tensor_rule

D = torch.float64


def expectations(means, stds, batch_size, weighting):
    """E log q̂, E q̂/q and E TC-hat over n, the other data of the batch, and z ~ q(z|n)."""
    means, stds = torch.tensor(means, dtype=D), torch.tensor(stds, dtype=D)
    n, d = means.shape
    # the trapezoid rule: Gauss-Hermite suffers from the poles of log q(z) near the real line
    line = np.linspace(-9, 9, 361 if d == 1 else 181)
    rule = (line, np.exp(-(line**2) / 2) * (line[1] - line[0]) / np.sqrt(2 * np.pi))
    e, w = (torch.from_numpy(a) for a in tensor_rule(*[rule] * d))
    log_q = expected_ratio = correlation = 0.0
    orders = list(permutations(range(n), batch_size))
    for order in orders:
        z = means[order[0]] + stds[order[0]] * e
        every = Normal(means, stds).log_prob(z[:, None, :])
        chosen = every[:, list(order), :]
        truth = torch.logsumexp(every.sum(-1), 1) - np.log(n)
        # the draws belong to the first datum of the batch: its row of the weights is wanted, at every node
        if weighting == "mss":
            log_w = bounds.stratified_log_weights(batch_size, n)[0]
            joint = torch.logsumexp(chosen.sum(-1) + log_w, 1)
            marginals = torch.logsumexp(chosen + log_w[:, None], 1)
        else:
            # every row of the batch has the same weights, so that the nodes can be the batch, a few at a time
            joint = torch.logsumexp(chosen.sum(-1), 1) - np.log(n * batch_size)
            marginals = torch.logsumexp(chosen, 1) - np.log(n * batch_size)
            middle = slice(len(w) // 2, len(w) // 2 + batch_size)
            few = bounds.aggregate_log_density(chosen[middle], n, "mws")
            assert torch.allclose(few[0], joint[middle], rtol=0, atol=1e-14)
            assert torch.allclose(few[1], marginals[middle], rtol=0, atol=1e-14)
        log_q = log_q + w @ joint / len(orders)
        expected_ratio = expected_ratio + w @ torch.exp(joint - truth) / len(orders)
        correlation = correlation + w @ (joint - marginals.sum(-1)) / len(orders)
    return float(log_q), float(expected_ratio), float(correlation)


@pytest.mark.parametrize("case", range(6))
def test_expectations_agree_with_the_reference(golden, case):
    cases = [c for c in golden("aggregates")["cases"] if c["inputs"]["kind"] == "aggregate"]
    inputs, expected = cases[case]["inputs"], cases[case]["expected"]
    for m, truth in expected["mws"].items():
        log_q, _, correlation = expectations(inputs["means"], inputs["stds"], int(m), "mws")
        assert log_q == pytest.approx(truth["expected_log_q"], abs=1e-10)
        assert correlation == pytest.approx(truth["total_correlation"], abs=1e-10)
    for m, truth in expected["mss"].items():
        log_q, ratio, correlation = expectations(inputs["means"], inputs["stds"], int(m) + 1, "mss")
        assert log_q == pytest.approx(truth["expected_log_q"], abs=1e-10)
        assert ratio == pytest.approx(1.0, abs=1e-10)
        assert correlation == pytest.approx(truth["total_correlation"], abs=1e-10)


def test_mws_is_low_by_log_n_at_full_batch():
    log_q = Normal(torch.tensor([[0.0], [1.0], [3.0]], dtype=D), 1.0).log_prob(torch.randn(3, 1, 1, dtype=D))
    exact, _ = bounds.aggregate_log_density(log_q, 3, "exact")
    mws, _ = bounds.aggregate_log_density(log_q, 3, "mws")
    assert torch.allclose(mws, exact - np.log(3), rtol=0, atol=1e-14)


@pytest.mark.parametrize("batch, size", [(2, 2), (2, 9), (5, 5), (5, 60)])
def test_stratified_weights_sum_to_one(batch, size):
    total = bounds.stratified_log_weights(batch, size).exp().sum(1)
    assert torch.allclose(total, torch.ones(batch, dtype=D), rtol=0, atol=1e-14)


def test_estimates_cancel_at_unit_factors():
    log_q = torch.randn(4, 4, 2, dtype=D)
    fit, log_prior = torch.randn(4, dtype=D), torch.randn(4, 2, dtype=D)
    own = torch.diagonal(log_q.sum(-1))
    for weighting in ("mws", "mss"):
        value = bounds.beta_tcvae(fit, log_prior, log_q, 50, beta=1.0, weighting=weighting)
        assert torch.allclose(value, fit + log_prior.sum(-1) - own, rtol=0, atol=1e-12)


def test_exact_information_is_below_log_n():
    means = torch.tensor([[-9.0], [0.0], [9.0]], dtype=D)
    log_q = Normal(means, 1.0).log_prob(means[:, None, :])
    information = bounds.index_code_information(log_q, 3, "exact")
    assert (information <= np.log(3) + 1e-14).all()
    assert information.mean() > np.log(3) - 1e-6


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: bounds.total_correlation(torch.zeros(2, 2), 4), "sample, batch, latent"),
        (lambda: bounds.total_correlation(torch.zeros(3, 2, 1), 4), "one sample a datum"),
        (lambda: bounds.total_correlation(torch.zeros(2, 2, 1), 1), "dataset_size >= batch"),
        (lambda: bounds.total_correlation(torch.zeros(2, 2, 1), 4, "exact"), "needs them all"),
        (lambda: bounds.total_correlation(torch.zeros(2, 2, 1), 4, "none"), "'exact', 'mws' or 'mss'"),
        (lambda: bounds.stratified_log_weights(1, 5), "at least 2"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(InputValueError, match=says):
        call()
