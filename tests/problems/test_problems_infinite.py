"""What is infinite is said to be, on both sides of its condition, and never a finite number from a sum."""

import pytest
import torch
from torch.distributions import (
    Beta,
    Categorical,
    Dirichlet,
    Gamma,
    Independent,
    MultivariateNormal,
    Normal,
    Uniform,
    Weibull,
)

from elbo import problems as P

INF = torch.inf
ULP = 1e-12


def t(value):
    return torch.tensor(value, dtype=torch.float64)


def normal(mean, variance):
    return Normal(t(mean), t(variance).sqrt())


def test_gaussian_chi2_is_finite_iff_the_variance_exceeds_half_the_posteriors():
    problem, x = P.LinearGaussian(1.0, 0.0, 1.0), t(1.0)  # posterior variance ½
    for variance, finite in ((0.25 - ULP, False), (0.25, False), (0.25 + 1e-3, True), (2.0, True)):
        q = normal(0.5, variance)
        assert torch.isfinite(problem.chi2(x, q)) == finite
        assert torch.isfinite(problem.cubo(x, q)) == finite
        assert problem.weight_moment(x, q, 2.0).isfinite() == finite
        assert problem.elbo(x, q).isfinite()


def test_gaussian_tail_index():
    problem, x = P.LinearGaussian(1.0, 0.0, 1.0), t(1.0)
    assert problem.tail_index(x, normal(0.5, 0.2)).item() == pytest.approx(0.5 / 0.3)
    assert problem.tail_index(x, normal(0.1, 0.6)).item() == INF
    order = problem.tail_index(x, normal(0.5, 0.2)).item()
    assert problem.log_moment(x, normal(0.5, 0.2), order - 1e-3) < INF
    assert problem.log_moment(x, normal(0.5, 0.2), order + 1e-9) == INF


def test_renyi_of_a_large_alpha_is_minus_infinity_where_quadrature_gives_minus_46():
    problem, x, q = P.LinearGaussian(1.0, 0.0, 1.0), t(1.0), normal(0.0, 1.0)
    assert problem.renyi(x, q, 2.0) == -INF
    assert problem.renyi(x, q, 1.9) > -INF


def test_full_covariance_needs_every_direction():
    problem = P.FactorAnalysis([[1.0, 0.0], [0.0, 1.0]], 0.0, [1.0, 1.0])  # posterior covariance I/2
    x = t([0.3, 0.1])
    wide = MultivariateNormal(t([0.1, 0.1]), t([[0.9, 0.3], [0.3, 0.9]]))  # eigenvalues 0.6 and 1.2
    narrow = MultivariateNormal(t([0.1, 0.1]), t([[0.7, 0.5], [0.5, 0.7]]))  # 0.2 and 1.2
    assert problem.chi2(x, wide) < INF
    assert problem.chi2(x, narrow) == INF
    assert problem.tail_index(x, narrow).item() == pytest.approx(0.5 / 0.3)


def test_gamma_conditions():
    problem, x = P.GammaPoisson(2.0, 1.5), torch.tensor(3)  # posterior Gamma(5, 2.5)
    for a, b, finite in (
        (9.9, 4.9, True),
        (10.1, 4.9, False),
        (9.9, 5.1, False),
        (10.0, 4.0, False),
        (3.0, 5.0, False),
    ):
        assert torch.isfinite(problem.chi2(x, Gamma(t(a), t(b)))) == finite


def test_beta_and_dirichlet_conditions():
    problem, x = P.BetaBinomial(1.5, 2.5, 12), torch.tensor(4)  # posterior Beta(5.5, 10.5)
    for a, b, finite in ((10.9, 20.9, True), (11.1, 20.0, False), (10.0, 21.1, False)):
        assert torch.isfinite(problem.chi2(x, Beta(t(a), t(b)))) == finite
    problem, x = P.DirichletMultinomial([1.0, 1.0, 1.0], 3), torch.tensor([1, 2, 0])  # posterior (2, 3, 1)
    for alpha, finite in (([3.9, 5.9, 1.9], True), ([3.9, 5.9, 2.1], False), ([4.1, 5.0, 1.0], False)):
        assert torch.isfinite(problem.chi2(x, Dirichlet(t(alpha)))) == finite


@pytest.mark.parametrize(
    "k, l, order, finite",
    [
        (0.8, 1.0, 2.0, True),  # heavier than the target at infinity
        (1.2, 1.0, 2.0, False),
        (1.2, 1.0, -0.5, True),  # 5 (-½) + 1.2 (3/2) < 0 fails at zero, see below
        (1.0, 1.0, 2.0, True),
        (1.0, 0.1, 2.0, False),
        (0.8, 1.0, -0.1, False),
    ],
)
def test_weibull_conditions(k, l, order, finite):  # noqa: E741
    problem, x = P.GammaPoisson(2.0, 1.5), torch.tensor(0 if order == -0.5 else 3)
    if order == -0.5:
        problem = P.GammaPoisson(0.5, 1.5)  # posterior Gamma(½, 2.5): ½ (-½) + 1.2 (3/2) > 0
    q = Weibull(t(l), t(k))
    assert torch.isfinite(problem.log_moment(x, q, order)) == finite


def test_quadratic_decoder_tames_every_tail_but_has_no_negative_moments():
    problem, x = P.SquareDecoder(0.5), t(1.0)
    for variance in (0.01, 0.3, 1.0, 4.0):
        assert problem.chi2(x, normal(0.9, variance)).isfinite() or variance == 0.01
        assert problem.log_moment(x, normal(0.9, variance), 2.0) < INF
        assert problem.renyi(x, normal(0.9, variance), 1.5) == -INF


def test_log_normal_rate_at_and_around_its_condition():
    problem = P.PoissonLogNormal()
    assert problem.chi2(torch.tensor(3), normal(0.4, 0.51)) < INF
    assert problem.chi2(torch.tensor(3), normal(0.4, 0.49)) == INF
    # at v = ½ the left tail is exp((2x - 2m) z), which dies out iff x > m
    half = Normal(t(0.4), t(0.5).sqrt())
    assert problem.chi2(torch.tensor(3), half) < INF
    assert problem.chi2(torch.tensor(0), half) == INF
    assert problem.renyi(torch.tensor(3), normal(0.4, 2.0), 1.2) == -INF


def test_logistic_decoder_at_its_condition():
    problem = P.LogisticDecoder(2.0)
    quarter = Normal(t(-0.2), t(0.5))  # v = ¼: the end of the interval is order 4/3
    assert problem.tail_index(t(1.0), quarter).item() == pytest.approx(4 / 3)
    assert problem.chi2(t(1.0), quarter) == INF
    assert problem.log_moment(t(1.0), normal(0.1, 0.6), 2.0) < INF


def test_logistic_decoder_at_the_very_end_of_the_interval():
    problem = P.LogisticDecoder(2.0)
    std = t(0.5).sqrt()
    # exponent at order 2 and v = ½: 2 log σ(2z) - 2 m z; it dies out at ∞ iff m > 0 and at -∞ iff 4 - 2m > 0
    assert problem.log_moment(t(1.0), Normal(t(0.5), std), 2.0) < INF
    assert problem.log_moment(t(1.0), Normal(t(-0.5), std), 2.0) == INF
    assert problem.log_moment(t(1.0), Normal(t(2.5), std), 2.0) == INF


def test_dequantisation_conditions():
    problem, x = P.DiscretisedLogistic(0.0, 0.5), torch.tensor(0)
    assert problem.chi2(x, Uniform(t(0.0), t(1.0))) < INF
    assert problem.chi2(x, Beta(t(1.9), t(1.0))) < INF
    assert problem.chi2(x, Beta(t(2.0), t(1.0))) == INF
    assert problem.log_moment(x, Beta(t(0.5), t(1.0)), -1.0) == INF
    assert problem.log_moment(x, Beta(t(0.6), t(1.0)), -1.0) < INF


def test_tables_with_holes():
    problem, x = P.Table([0.2, 0.3, 0.0]), torch.tensor(0)
    uncovered = Categorical(t([1.0, 0.0, 0.0]))
    assert problem.elbo(x, uncovered).item() == pytest.approx(t(0.2).log().item())
    assert problem.eubo(x, uncovered) == problem.chi2(x, uncovered) == problem.cubo(x, uncovered) == INF
    # the mass that q covers is all that importance sampling ever sees
    assert problem.renyi(x, uncovered, 0.0).item() == pytest.approx(t(0.5).log().item())
    assert problem.log_moment(x, uncovered, 1 - 1e-12).item() == pytest.approx(t(0.2).log().item())
    wasted = Categorical(t([0.4, 0.4, 0.2]))
    assert problem.elbo(x, wasted) == -INF
    assert problem.gap(x, wasted) == problem.variance_log_weight(x, wasted) == INF
    assert problem.chi2(x, wasted) < INF
    assert problem.log_moment(x, wasted, -0.1) == INF
    assert problem.moment_interval(x, wasted)[0] == 0


def test_annealed_chi2_is_finite_and_the_one_hot_proposal_of_a_codebook_is_not():
    problem = P.VectorQuantised([[0.0], [1.0]], [[1.0]])
    assert problem.chi2(t([0.2]), problem.one_hot(torch.tensor(0))) == INF


def test_isotropic_moments_explode_with_the_dimension_and_then_diverge():
    assert P.IsotropicGaussian(1).chi2(None, P.IsotropicGaussian(1).proposal(0.5)) == INF
    big = P.IsotropicGaussian(50)
    q = big.proposal(0.6)
    assert torch.log1p(big.chi2(None, q)).item() == pytest.approx(50 * (t(0.6).log() - 0.5 * t(0.2).log()).item())
    assert big.tail_index(None, q).item() == pytest.approx(2.5)


def test_mutual_information_powers():
    problem = P.BivariateGaussian(0.5)
    assert problem.log_power(2.999) < INF
    assert problem.log_power(3.0) == INF
    assert problem.log_power(-1.0) == INF
    assert problem.log_power(-0.999) < INF


def test_infinity_is_per_datum():
    problem = P.LinearGaussian(1.0, 0.0, 1.0)
    q = Normal(t([0.5, 0.5]), t([0.2, 0.9]).sqrt())
    chi2 = problem.chi2(t([1.0, 1.0]), q)
    assert chi2[0] == INF
    assert chi2[1] < INF
    line = P.PoissonLogNormal()
    chi2 = line.chi2(torch.tensor([3, 3]), Normal(t([0.4, 0.4]), t([0.3, 0.9]).sqrt()))
    assert chi2[0] == INF
    assert chi2[1] < INF
    product = Independent(Normal(t([0.0, 0.0]), t([1.0, 1.0])), 1)
    assert P.CorrelatedGaussian(0.5).chi2(None, product) < INF
