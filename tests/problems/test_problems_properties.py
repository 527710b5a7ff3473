"""Inequalities and identities on random problems, on exact values."""

import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from torch.distributions import Beta, Categorical, Gamma, Normal

import elbo
from elbo import problems as P
from elbo import strategies as es

KINDS = pytest.mark.parametrize("kind", es.problem_kinds(), ids=lambda k: k.__name__)
RUN = settings(max_examples=8, deadline=None, derandomize=True)
SLACK = 1e-11


def holds_for(kind, check):
    RUN(given(es.problems(kind))(check))()


def size(*values):
    """The largest finite magnitude, in units of which rounding is measured; at least 1."""
    return max([1.0] + [abs(v.item()) for v in values if torch.isfinite(v)])


@KINDS
def test_elbo_log_evidence_eubo_are_in_this_order_and_the_gap_is_their_distance(kind):
    def check(case):
        problem, x, q = case
        log_p, elbo, gap, eubo = problem.log_evidence(x), problem.elbo(x, q), problem.gap(x, q), problem.eubo(x, q)
        slack = SLACK * size(log_p, elbo, eubo)
        assert elbo <= log_p + slack
        assert log_p <= eubo + slack
        assert gap >= -slack
        if torch.isfinite(elbo):
            assert abs(elbo + gap - log_p) <= slack
        else:
            assert gap == torch.inf

    holds_for(kind, check)


@KINDS
def test_kl_to_q_is_at_most_log_one_plus_chi2(kind):
    def check(case):
        problem, x, q = case
        log_p, eubo, cubo = problem.log_evidence(x), problem.eubo(x, q), problem.cubo(x, q)
        assume(torch.isfinite(eubo))
        # log(1 + χ²) = 2 (CUBO - log p); not through χ², which may overflow
        assert eubo - log_p <= 2 * (cubo - log_p) + SLACK * size(log_p, cubo)
        chi2 = problem.chi2(x, q)
        if torch.isfinite(chi2) and torch.isfinite(cubo):
            assert abs(torch.log1p(chi2) - 2 * (cubo - log_p)) <= SLACK * size(log_p, cubo)

    holds_for(kind, check)


@KINDS
def test_renyi_bounds_fall_with_alpha_from_above_log_p_to_below(kind):
    def check(case):
        problem, x, q = case
        alphas = (-1.0, 0.0, 0.4, 1.0, 1.5)
        values = [problem.renyi(x, q, a) for a in alphas]
        slack = 10 * SLACK * size(*values)
        for earlier, later in itertools.pairwise(values):
            assert later <= earlier + slack
        assert values[1] <= problem.log_evidence(x) + slack
        assert abs(values[3] - problem.elbo(x, q)) <= slack or values[3] == problem.elbo(x, q)

    holds_for(kind, check)


@KINDS
def test_moments_are_finite_inside_the_interval_infinite_outside_and_log_convex(kind):
    def check(case):
        problem, x, q = case
        lower, upper = (end.item() for end in problem.moment_interval(x, q))
        assert lower <= 0
        assert upper >= 1
        assert problem.tail_index(x, q).item() == upper
        for order in (-0.7, 0.25, 1.4, 2.5):
            value = problem.log_moment(x, q, order).item()
            inside = lower < order < upper
            assert (value < torch.inf) == inside, (order, lower, upper, value)
        left, middle, right = (problem.log_moment(x, q, s) for s in (0.2, 0.5, 0.8))
        assert middle <= 0.5 * (left + right) + SLACK * size(left, right)

    holds_for(kind, check)


@KINDS
def test_a_variance_of_log_weights_is_not_negative(kind):
    holds_for(kind, lambda case: _assert(case.problem.variance_log_weight(case.x, case.q) >= 0))


def _assert(condition):
    assert condition


PERFECT = [
    k for k in es.problem_kinds() if issubclass(k, (P.ConjugateProblem, P.Table, P.GaussianMixture, P.VectorQuantised))
]


@pytest.mark.parametrize("kind", PERFECT, ids=lambda k: k.__name__)
def test_bounds_meet_at_the_posterior_where_the_weights_are_constant(kind):
    def check(case):
        problem, x, _ = case
        q, log_p = problem.posterior(x), problem.log_evidence(x)
        for value in (problem.elbo(x, q), problem.eubo(x, q), problem.cubo(x, q), problem.renyi(x, q, 0.5)):
            assert abs(value - log_p) <= SLACK * size(log_p)
        assert problem.gap(x, q) <= 1e-13
        assert problem.chi2(x, q) <= 1e-13
        assert problem.variance_log_weight(x, q) <= 1e-13

    holds_for(kind, check)


@pytest.mark.parametrize("kind", PERFECT, ids=lambda k: k.__name__)
def test_bounds_are_strict_where_the_weights_vary(kind):
    def check(case):
        problem, x, q = case
        variance = problem.variance_log_weight(x, q)
        assume(1e-6 < variance < torch.inf)
        assert problem.gap(x, q) > 0
        assert problem.renyi(x, q, 0.5) > problem.renyi(x, q, 1.0)

    holds_for(kind, check)


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8])
def test_gap_keeps_its_digits_near_equality(distance):
    """KL ≈ Var_q log w / 2 for q near the posterior, with a relative correction of the order of the distance."""
    x = torch.tensor(3)
    for problem, moved in (
        (P.GammaPoisson(2.0, 1.5), lambda p: Gamma(p.concentration * (1 + distance), p.rate * (1 - distance))),
        (
            P.BetaBinomial(1.5, 2.5, 12),
            lambda p: Beta(p.concentration1 * (1 + distance), p.concentration0 * (1 + 2 * distance)),
        ),
        (P.LinearGaussian(0.7), lambda p: Normal(p.loc + distance * p.scale, p.scale * (1 - distance))),
    ):
        q = moved(problem.posterior(x))
        gap, variance, chi2 = problem.gap(x, q), problem.variance_log_weight(x, q), problem.chi2(x, q)
        assert (gap / (0.5 * variance) - 1).abs() < 30 * distance + 1e-7
        assert (chi2 / variance - 1).abs() < 30 * distance + 1e-7


@RUN
@given(es.linear_gaussians(2, 3, full=True))
def test_the_best_diagonal_gaussian_beats_other_diagonals_and_leaves_the_stated_gap(case):
    problem, x, _ = case
    best = problem.best_diagonal(x)
    gap = problem.gap(x, best)
    assert abs(gap - problem.best_diagonal_gap()) <= 1e-11 * size(gap)
    for factor in (0.9, 1.1):
        moved = torch.distributions.Independent(Normal(best.mean, best.stddev * factor), 1)
        assert problem.gap(x, moved) > gap


@RUN
@given(es.problems(P.HierarchicalGaussian))
def test_kl_obeys_the_chain_rule(case):
    problem, _, q = case
    top, rest = problem.kl_chain(q)
    total = problem.kl_to_prior(q)
    assert top >= 0
    assert rest >= 0
    assert abs(top + rest - total) <= 1e-11 * size(total)


@RUN
@given(es.probability_tables(2, 3), es.probability_tables(2, 3))
def test_joint_kl_is_minus_the_mean_elbo_minus_the_entropy_of_the_data(data, model):
    problem, marginal = P.Table(model), data.sum(1)
    q = Categorical(data / marginal[:, None])
    joint = (data * (data.log() - model.log())).sum()
    elbo = (marginal * problem.elbo(torch.arange(2), q)).sum()
    assert abs(joint - (-elbo + (marginal * marginal.log()).sum())) <= 1e-12 * size(joint)


def test_expectation_maximisation_never_lowers_the_likelihood():
    generator = torch.Generator().manual_seed(3)
    x = torch.cat(
        [torch.randn(40, 1, generator=generator) - 2, 0.5 * torch.randn(60, 1, generator=generator) + 1]
    ).double()
    problem = P.GaussianMixture([0.5, 0.5], [[-0.5], [0.5]], [[[1.0]], [[1.0]]])
    before = problem.log_evidence(x).sum()
    for _ in range(15):
        assert problem.gap(x, problem.posterior(x)).abs().max() < 1e-13
        problem = problem.em_step(x)
        after = problem.log_evidence(x).sum()
        assert after >= before - 1e-10
        before = after


def test_quantised_latent_has_the_constant_kl_of_the_literature():
    problem = P.VectorQuantised([[0.0], [1.0], [3.0]], [[1.0]], 0.0, 0.5)
    x = torch.tensor([[0.9], [2.6]], dtype=torch.float64)
    index = problem.quantise(x)
    reconstruction = problem.likelihood(index).log_prob(x)
    kl = reconstruction - problem.elbo(x, problem.one_hot(index))
    assert torch.allclose(kl, torch.full_like(kl, 3.0).log(), rtol=1e-14)


CONJUGATE = [k for k in es.problem_kinds() if issubclass(k, P.ConjugateProblem)]


@pytest.mark.parametrize("kind", CONJUGATE, ids=lambda k: k.__name__)
def test_gap_and_eubo_are_the_divergences_of_elbo_kl(kind):
    """Two derivations of one number: the pairs of this package, and the closed forms of ``elbo.divergences``."""

    def check(case):
        problem, x, q = case
        posterior = problem.posterior(x)
        forward, backward = elbo.kl(q, posterior), elbo.kl(posterior, q)
        # Gaussians with a full covariance: rounding grows with the condition number of the posterior
        bound = 1e-10 if posterior.event_shape else 1e-12
        assert abs(problem.gap(x, q) - forward) <= bound * size(forward)
        log_p = problem.log_evidence(x)
        assert abs(problem.eubo(x, q) - log_p - backward) <= bound * size(backward, log_p)

    holds_for(kind, check)
