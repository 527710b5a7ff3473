"""Properties of the exact values on random problems drawn from ``elbo.strategies``, slack 1e-11."""

from math import exp

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from elbo import exact
from elbo import problems as P
from elbo import strategies as es

SLACK = 1e-11
tables = st.integers(2, 6).flatmap(lambda n: st.tuples(es.probability_tables(n), es.probability_tables(n)))
with_zeros = st.integers(2, 6).flatmap(
    lambda n: st.tuples(es.probability_tables(n, zeros=True), es.probability_tables(n))
)


def table(drawn):
    posterior, law = drawn
    joint = 0.5 * posterior
    return (joint / law).log(), law, joint.sum().log()


@given(tables, st.integers(1, 50))
def test_the_bounds_are_ordered(drawn, k):
    log_w, law, evidence = table(drawn)
    found = exact.iwae_from_weights(log_w, law, [1, k, k + 1, 10**6]).value
    elbo = law @ log_w
    assert abs(found[0] - elbo) <= SLACK
    assert (found.diff() >= -SLACK).all()
    assert (found <= evidence + SLACK).all()
    posterior = law * torch.exp(log_w - evidence)
    assert posterior @ log_w >= evidence - SLACK


@given(tables)
def test_the_gap_is_the_divergence_from_the_posterior(drawn):
    log_w, law, evidence = table(drawn)
    posterior = law * torch.exp(log_w - evidence)
    divergence = (law * (law.log() - posterior.log())).sum()
    assert abs(exact.iwae_from_weights(log_w, law, 1).gap - divergence) <= SLACK


@given(tables, st.integers(1, 40))
def test_equality_holds_iff_the_weights_are_constant(drawn, k):
    log_w, law, evidence = table(drawn)
    same = exact.iwae_from_weights(torch.full_like(log_w, float(evidence)), law, k)
    # above s = e² the two terms of the integrand are subtracted: an ulp of e^(-K e²)
    assert abs(same.gap) <= 1e-21
    assert abs(same.value - evidence) <= SLACK
    assume(float(log_w.max() - log_w.min()) > 1e-3 and float(law.min()) > 1e-3)
    assert exact.iwae_from_weights(log_w, law, k).gap > 0


@given(tables)
def test_the_bias_follows_chi_squared_where_k_is_large_enough(drawn):
    log_w, law, evidence = table(drawn)
    w = torch.exp(log_w - evidence)
    chi2 = float(law @ (w - 1) ** 2)
    third = float(law @ (w - 1) ** 3)
    fourth = float(law @ (w - 1) ** 4)
    # the remainder is of order (μ₄ + ...)/K³: ask only where K is far above χ² and the largest weight
    assume(chi2 > 1e-6 and chi2 < 20 and float(w.max()) < 100)
    k = 10**6
    gap = float(exact.iwae_from_weights(log_w, law, k).gap)
    two_terms = chi2 / (2 * k) - (third / 3 - 0.75 * chi2**2) / k**2
    remainder = (fourth + 10 * abs(third) * (1 + chi2) + 10 * chi2**3 + chi2 * 10) / k**3
    assert abs(gap - two_terms) <= remainder + 1e-12 * gap


@given(tables, st.integers(1, 30), st.floats(-20, 20))
def test_scale_and_order_of_the_states_do_not_matter(drawn, k, shift):
    log_w, law, _ = table(drawn)
    found = exact.iwae_from_weights(log_w, law, k)
    moved = exact.iwae_from_weights(log_w.flip(0) + shift, law.flip(0), k)
    assert abs(moved.value - found.value - shift) <= moved.error_bound + found.error_bound
    # a state split in two is the same law
    split = exact.iwae_from_weights(torch.cat([log_w, log_w[:1]]), torch.cat([law[:1] / 2, law[1:], law[:1] / 2]), k)
    assert abs(split.value - found.value) <= split.error_bound + found.error_bound


@given(tables, st.floats(-2.0, 0.9), st.integers(1, 30))
def test_the_renyi_family_rises_with_k_below_its_limit(drawn, alpha, k):
    log_w, law, _ = table(drawn)
    power = 1 - alpha
    value = exact.iwae_from_weights(power * log_w, law, [1, k, k + 1])
    bounds = value.value / power
    assert (bounds.diff() >= -SLACK).all()
    assert bounds[-1] <= torch.logsumexp(power * log_w + law.log(), 0) / power + SLACK


@given(with_zeros, st.integers(1, 50))
def test_states_without_mass_leave_the_order(drawn, k):
    """Where p(x, z) = 0 < q(z) the ELBO is -inf and so are all L_K: K draws may all miss."""
    log_w, law, evidence = table(drawn)
    found = exact.iwae_from_weights(log_w, law, [1, k, k + 1])
    assert (found.value <= evidence + SLACK).all()
    if bool(torch.isinf(log_w).any()):
        assert torch.isneginf(found.value).all()
    else:
        assert (found.value.diff() >= -SLACK).all()


def check_order(case, ks):
    problem, x, q = case
    elbo, evidence, eubo = problem.elbo(x, q), problem.log_evidence(x), problem.eubo(x, q)
    # farther from the posterior K = 2 feels log weights of more than the 8800 nats that the lattice covers
    assume(float(problem.gap(x, q)) < 8)
    found = exact.iwae_bound(problem, x, q, ks, tolerance=1e-9)
    assert ks[0] == 1
    assert abs(found.value[0] - elbo) <= found.error_bound[0] + SLACK * (1 + found.gap[0])
    assert abs(found.gap[0] - problem.gap(x, q)) <= found.error_bound[0] + SLACK * (1 + found.gap[0])
    assert (found.value.diff() >= -SLACK - 2 * found.error_bound[1:]).all()
    assert (found.value <= evidence + SLACK + found.error_bound).all()
    assert eubo >= evidence - SLACK


@settings(max_examples=25)
@given(es.linear_gaussians(log_variance_ratio=(-1.0, 1.5)))
def test_linear_gaussians_are_ordered_too(case):
    check_order(case, [1, 2, 3, 16, 10**5])


@settings(max_examples=15)
@given(es.linear_gaussians(finite_variance=True))
def test_the_bias_of_a_linear_gaussian_follows_chi_squared(case):
    problem, x, q = case
    w2, w3, w4 = (float(problem.log_moment(x, q, s) - s * problem.log_evidence(x)) for s in (2.0, 3.0, 4.0))
    # the remainder is of order (μ₄ + ...)/K³: ask only where four moments exist and K is far above them
    assume(w4 < 12.0 and w2 > 1e-6)
    m2, m3, m4 = exp(w2), exp(w3), exp(w4)
    chi2, third, fourth = m2 - 1, m3 - 3 * m2 + 2, m4 - 4 * m3 + 6 * m2 - 3
    k = 10**6
    found = exact.iwae_bound(problem, x, q, k, tolerance=1e-11)
    two_terms = chi2 / (2 * k) - (third / 3 - 0.75 * chi2**2) / k**2
    remainder = (fourth + 10 * abs(third) * (1 + chi2) + 10 * chi2**3 + chi2 * 10) / k**3
    assert abs(float(found.gap) - two_terms) <= remainder + float(found.error_bound)


FINITE = [P.GaussianMixture, P.BernoulliLatents, P.VectorQuantised]
LINES = [P.GammaPoisson, P.ExponentialExponential, P.SquareDecoder, P.LogisticDecoder]


@pytest.mark.parametrize("kind", FINITE + LINES, ids=lambda kind: kind.__name__)
def test_every_kind_of_problem_is_ordered(kind):
    @settings(max_examples=8)
    @given(es.problems(kind))
    def check(case):
        check_order(case, [1, 2, 3, 64])

    check()


@given(tables)
def test_the_divergence_gap_obeys_data_processing(drawn):
    """Merging two states of z cannot widen the gap of the ELBO."""
    log_w, law, _ = table(drawn)
    joint = law * log_w.exp()
    merged_law = torch.cat([law[:1] + law[1:2], law[2:]])
    merged_joint = torch.cat([joint[:1] + joint[1:2], joint[2:]])
    merged = exact.iwae_from_weights((merged_joint / merged_law).log(), merged_law, 1)
    assert merged.gap <= exact.iwae_from_weights(log_w, law, 1).gap + SLACK


@given(st.integers(2, 3).flatmap(lambda n: st.tuples(es.probability_tables(n, 2), es.probability_tables(n, 2))))
def test_the_gap_obeys_the_chain_rule(drawn):
    """For z = (a, b) the gap is that of the law of a, plus the mean gap of the law of b given a."""
    joint, law = drawn

    def gap(p, q):
        return exact.iwae_from_weights((p / q).log(), q, 1).gap

    marginal_p, marginal_q = joint.sum(1), law.sum(1)
    inner = sum(marginal_q[a] * gap(joint[a] / marginal_p[a], law[a] / marginal_q[a]) for a in range(len(marginal_q)))
    whole = gap(joint.reshape(-1), law.reshape(-1))
    assert abs(whole - gap(marginal_p, marginal_q) - inner) <= SLACK
