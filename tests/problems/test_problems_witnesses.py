"""Every number of the catalogue again, from densities written with SciPy and sums or trapezoid rules over z."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import betaln, logsumexp
from scipy.special import expit as sigmoid
from torch.distributions import Weibull

from elbo import problems as P
from elbo.problems import catalogue

N = stats.norm.logpdf


def line(low, high, n=4001):
    """Nodes and log masses of a trapezoid rule for z itself."""
    z = np.linspace(low, high, n)
    return z, np.full(n, np.log(z[1] - z[0]))


def positive(n=6001):
    u, log_h = line(-60.0, 8.0, n)
    return np.exp(u), log_h + u


def unit(n=2001):
    u, log_h = line(-60.0, 30.0, n)
    return 1 / (1 + np.exp(-u)), log_h - np.logaddexp(0, u) - np.logaddexp(0, -u)


def logit_line(n=4001):
    t, log_h = line(-110.0, 110.0, n)
    return t, log_h - np.logaddexp(0, t) - np.logaddexp(0, -t)


def plane(low, high, n=601):
    z, log_h = line(low, high, n)
    return np.array(list(itertools.product(z, z))), np.full(n * n, 2 * log_h[0])


def simplex():
    u, a = unit(601)
    first, second = np.repeat(u, len(u)), np.tile(u, len(u))
    # 1 - u without rounding to 0, through the mirrored node
    rest = np.repeat(1 / (1 + np.exp(np.linspace(-60.0, 30.0, len(u)))), len(u))
    far = np.tile(1 / (1 + np.exp(np.linspace(-60.0, 30.0, len(u)))), len(u))
    log_mass = np.repeat(a, len(u)) + np.tile(a, len(u)) + np.log(rest)
    return np.stack([first, rest * second, rest * far], -1), log_mass


def count(n):
    return np.arange(n), np.zeros(n)


def bits(n):
    return np.array(list(itertools.product((0, 1), repeat=n))), np.zeros(2**n)


def dirichlet(z, alpha):
    from scipy.special import gammaln

    return ((alpha - 1) * np.log(z)).sum(-1) + gammaln(alpha.sum()) - gammaln(alpha).sum()


W_PCA = np.array([[1.0, 0.0], [0.5, 1.0], [0.0, -0.5]])
W_FA, B_FA, PSI = np.array([[1.0, 0.2], [0.4, -0.8], [0.3, 0.5]]), np.array([0.1, 0.0, -0.2]), np.array([0.4, 0.6, 0.9])
W_BITS, PRIOR_BITS, Q_BITS = np.array([0.9, -1.2, 0.5]), np.array([0.5, 0.3, 0.7]), np.array([0.6, 0.3, 0.7])
CODES = np.array([[0.0, 0.0], [1.0, 0.5], [-1.0, 2.0], [3.0, 1.0]]) @ np.array([[1.0, 0.0], [0.5, 1.0]]).T


def pca_joint(z):
    x = np.array([0.8, 0.1, -0.3])
    return N(z).sum(-1) + N(x, z @ W_PCA.T, np.sqrt(0.5)).sum(-1)


def fa_joint(z):
    return N(z).sum(-1) + N(np.array([0.7, -0.4, 0.2]), z @ W_FA.T + B_FA, np.sqrt(PSI)).sum(-1)


def pca_q(z):
    x = np.array([0.8, 0.1, -0.3])
    m = np.eye(2) + W_PCA.T @ W_PCA / 0.5
    return N(z, np.linalg.solve(m, W_PCA.T @ x / 0.5), 1 / np.sqrt(np.diag(m))).sum(-1)


def bernoulli(z, p):
    return stats.bernoulli.logpmf(z, p).sum(-1)


# class -> (nodes and log masses, log p(x, z), log q(z)), for the example of the catalogue
SCRATCH = {
    "LinearGaussian": (line(-12, 14), lambda z: N(z) + N(1.0, z, 1.0), lambda z: N(z, 0.8, np.sqrt(2 / 3))),
    "FactorAnalysis": (plane(-9, 9), fa_joint, lambda z: N(z, [0.4, 0.2], [0.6, 0.7]).sum(-1)),
    "ProbabilisticPCA": (plane(-8, 9), pca_joint, pca_q),
    "HierarchicalGaussian": (
        plane(-11, 11),
        lambda z: N(z[:, 1]) + N(z[:, 0], 0.8 * z[:, 1], np.sqrt(0.5)) + N(0.9, 1.2 * z[:, 0], np.sqrt(0.6)),
        stats.multivariate_normal([0.4, 0.1], [[0.5, 0.2], [0.2, 0.8]]).logpdf,
    ),
    "Table": (count(3), lambda z: np.log([0.18, 0.05, 0.12])[z], lambda z: np.log([0.3, 0.3, 0.4])[z]),
    "GaussianMixture": (
        count(2),
        lambda k: np.log([0.3, 0.7])[k] + N(0.4, np.array([-1.0, 1.5])[k], np.sqrt([0.5, 1.2])[k]),
        lambda k: np.log([0.4, 0.6])[k],
    ),
    "BernoulliLatents": (
        bits(3),
        lambda z: bernoulli(z, PRIOR_BITS) + N(0.4, z @ W_BITS, 0.8),
        lambda z: bernoulli(z, Q_BITS),
    ),
    "VectorQuantised": (
        count(4),
        lambda k: -np.log(4) + N(np.array([0.8, 1.1]), CODES[k]).sum(-1),
        lambda k: np.log([0.2, 0.5, 0.2, 0.1])[k],
    ),
    "BetaBinomial": (
        unit(),
        lambda z: stats.beta.logpdf(z, 1.5, 2.5) + stats.binom.logpmf(4, 12, z),
        lambda z: stats.beta.logpdf(z, 5, 9),
    ),
    "GammaPoisson": (
        positive(),
        lambda z: stats.gamma.logpdf(z, 2.0, scale=1 / 1.5) + stats.poisson.logpmf(3, z),
        lambda z: stats.gamma.logpdf(z, 3.5, scale=1 / 1.9),
    ),
    "GammaPrecision": (
        positive(),
        lambda z: stats.gamma.logpdf(z, 2.0) + N(0.7, 0, 1 / np.sqrt(z)),
        lambda z: stats.gamma.logpdf(z, 2.2, scale=1 / 1.1),
    ),
    "ExponentialExponential": (
        positive(),
        lambda z: np.log(2.0) - 2.0 * z + np.log(z) - 0.6 * z,
        lambda z: stats.gamma.logpdf(z, 1.7, scale=1 / 2.0),
    ),
    "DirichletMultinomial": (
        simplex(),
        lambda z: dirichlet(z, np.array([1.2, 0.7, 2.0])) + np.log(105) + (np.array([4, 1, 2]) * np.log(z)).sum(-1),
        lambda z: dirichlet(z, np.array([4.0, 2.0, 3.5])),
    ),
    "SquareDecoder": (line(-7, 7), lambda z: N(z) + N(1.1, z**2, 0.5), lambda z: N(z, 0.9, 0.4)),
    "PoissonLogNormal": (
        line(-14, 8),
        lambda z: N(z) + 2 * z - np.exp(z) - np.log(2),
        lambda z: N(z, 0.4, 0.75),
    ),
    "LogisticDecoder": (
        line(-13, 15),
        lambda z: N(z) - np.logaddexp(0, -(2 * z - 0.5)),
        lambda z: N(z, 0.6, 0.8),
    ),
    # the nodes are t = logit(u): near u = 1 the number 1 - u has digits only there
    "DiscretisedLogistic": (
        logit_line(),
        lambda t: stats.logistic.logpdf(sigmoid(t), 0.6, 0.2),
        lambda t: -0.6 * np.logaddexp(0, -t) - 0.3 * np.logaddexp(0, t) - betaln(1.6, 1.3),
    ),
    "CorrelatedGaussian": (
        plane(-9, 9),
        stats.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]]).logpdf,
        lambda z: N(z, 0, 0.6).sum(-1),
    ),
    "LogNormalWeights": (line(-14, 15), lambda z: N(z, 1.0, 1.0), N),
}


@pytest.mark.parametrize("name", SCRATCH)
def test_every_number_of_the_example_again_from_the_densities(name):
    problem, x, q = next(e for e in catalogue() if e.name == name).example()
    (z, log_mass), joint, proposal = SCRATCH[name]
    with np.errstate(all="ignore"):
        log_p, log_q = joint(z), proposal(z)
    evidence = logsumexp(log_p + log_mass)
    weight, posterior, q_mass = log_p - log_q, np.exp(log_p + log_mass - evidence), np.exp(log_q + log_mass)
    weight = np.where(np.isfinite(weight), weight, 0.0)  # only at the ends, where both masses are zero
    assert abs(q_mass.sum() - 1) < 1e-12
    elbo = (q_mass * weight).sum()
    want = {
        "log_evidence": (problem.log_evidence(x), evidence),
        "elbo": (problem.elbo(x, q), elbo),
        "gap": (problem.gap(x, q), evidence - elbo),
        "eubo": (problem.eubo(x, q), (posterior * weight).sum()),
        "variance_log_weight": (problem.variance_log_weight(x, q), (q_mass * (weight - elbo) ** 2).sum()),
        "moment 0.5": (problem.log_moment(x, q, 0.5), logsumexp(0.5 * log_p + 0.5 * log_q + log_mass)),
    }
    if problem.tail_index(x, q) > 2:
        second = logsumexp(2 * log_p - log_q + log_mass)
        want["cubo"] = (problem.cubo(x, q), 0.5 * second)
        want["chi2"] = (problem.chi2(x, q), np.expm1(second - 2 * evidence))
        want["weight_moment"] = (problem.weight_moment(x, q, 2.0), np.exp(second - 2 * evidence))
    for what, (got, number) in want.items():
        assert got.item() == pytest.approx(number, rel=1e-11, abs=1e-12), what


def test_each_model_with_a_latent_has_a_witness():
    without = {e.name for e in catalogue() if e.is_problem} - set(SCRATCH)
    assert without == {"IsotropicGaussian", "FiniteAnnealing"}  # a product of lines, and its own file


def test_isotropic_target_is_a_product_of_lines():
    problem, _, q = next(e for e in catalogue() if e.name == "IsotropicGaussian").example()
    z, log_mass = line(-13, 13)
    log_p, log_q = N(z), N(z, 0, np.sqrt(1.3))
    gap = (np.exp(log_q + log_mass) * (log_q - log_p)).sum()
    assert problem.gap(None, q).item() == pytest.approx(10 * gap, rel=1e-12)
    one = logsumexp(2 * log_p - log_q + log_mass)
    assert problem.chi2(None, q).item() == pytest.approx(np.expm1(10 * one), rel=1e-11)


def test_gamma_poisson_with_a_weibull_proposal_again():
    problem, x = P.GammaPoisson(2.0, 1.5), torch.tensor(3)
    q = Weibull(torch.tensor(1.4, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64))
    z, log_mass = positive()
    log_p = stats.gamma.logpdf(z, 2.0, scale=1 / 1.5) + stats.poisson.logpmf(3, z)
    log_q = stats.weibull_min.logpdf(z, 0.8, scale=1.4)
    mass, weight = np.exp(log_q + log_mass), log_p - log_q
    elbo = (mass * weight).sum()
    assert problem.elbo(x, q).item() == pytest.approx(elbo, rel=1e-12)
    assert problem.variance_log_weight(x, q).item() == pytest.approx((mass * (weight - elbo) ** 2).sum(), rel=1e-11)
    assert problem.log_moment(x, q, 2.0).item() == pytest.approx(logsumexp(2 * log_p - log_q + log_mass), rel=1e-12)


@pytest.mark.parametrize("entry", [e for e in catalogue() if e.is_problem], ids=lambda e: e.name)
def test_log_joint_is_prior_times_likelihood_and_evidence_times_posterior(entry):
    problem, x, q = entry.example()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        z = q.sample((5,))
    joint = problem.log_joint(x, z)
    assert joint.shape == (5,)
    try:
        # an integer x would make torch's Poisson and Binomial compute in float32
        split = problem.prior.log_prob(z) + problem.likelihood(z).log_prob(problem.check_observation(x))
    except P.UnknownAnswerError:
        pass
    else:
        assert torch.allclose(joint, split, rtol=0, atol=1e-13)
    try:
        split = problem.log_evidence(x) + problem.posterior(x).log_prob(z)
    except P.UnknownAnswerError:
        pass
    else:
        assert torch.allclose(joint, split, rtol=0, atol=1e-13)
