"""Every problem against reference values of 25 digits."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Beta, Categorical, Dirichlet, Gamma, Independent, Normal, Weibull

from elbo import problems as P


def t(value):
    return torch.tensor(value, dtype=torch.float64)


def normal(i):
    q = Normal(t(i["q_mean"]), t(i["q_variance"]).sqrt())
    return Independent(q, 1) if q.batch_shape else q


def gamma(i):
    return Gamma(t(i["q_concentration"]), t(i["q_rate"]))


def target(problem, q):
    return problem, None, q


BUILD = {
    "Z1_linear_gaussian": lambda i: (P.LinearGaussian(i["a"], i["c"], i["r"]), t(i["x"]), normal(i)),
    "Z2_probabilistic_pca": lambda i: (P.ProbabilisticPCA(i["W"], i["b"], i["noise_variance"]), t(i["x"]), normal(i)),
    "Z3_table": lambda i: (P.Table(i["joint"]), torch.tensor(0), Categorical(t(i["q"]))),
    "Z4_beta_binomial": lambda i: (
        P.BetaBinomial(i["prior_a"], i["prior_b"], i["n"]), torch.tensor(i["x"]), Beta(t(i["q_a"]), t(i["q_b"]))
    ),
    "Z5_gamma_poisson": lambda i: (
        P.GammaPoisson(i["prior_concentration"], i["prior_rate"]), torch.tensor(i["x"]), gamma(i)
    ),
    "Z5_gamma_poisson_weibull_q": lambda i: (
        P.GammaPoisson(i["prior_concentration"], i["prior_rate"]),
        torch.tensor(i["x"]),
        Weibull(t(i["q_scale"]), t(i["q_concentration"])),
    ),
    "Z6_gamma_precision": lambda i: (P.GammaPrecision(i["prior_concentration"], i["prior_rate"]), t(i["x"]), gamma(i)),
    "Z7_exponential_exponential": lambda i: (P.ExponentialExponential(i["prior_rate"]), t(i["x"]), gamma(i)),
    "Z7_dirichlet_multinomial": lambda i: (
        P.DirichletMultinomial(i["prior_concentration"], sum(i["x"])),
        torch.tensor(i["x"]),
        Dirichlet(t(i["q_concentration"])),
    ),
    "Z8_bernoulli_linear_gaussian": lambda i: (
        P.BernoulliLatents(i["W"], i["prior_probs"], i["noise_std"]),
        t(i["x"]),
        Independent(Bernoulli(t(i["q_probs"])), 1),
    ),
    "Z9_square_decoder": lambda i: (P.SquareDecoder(i["noise_std"]), t(i["x"]), normal(i)),
    "Z9_poisson_lognormal": lambda i: (P.PoissonLogNormal(), torch.tensor(i["x"]), normal(i)),
    "Z10_correlated_gaussian": lambda i: target(P.CorrelatedGaussian(i["rho"]), normal(i)),
    "Z11_isotropic_gaussian": lambda i: (
        (lambda p: target(p, p.proposal(i["q_variance"])))(P.IsotropicGaussian(i["dimension"]))
    ),
    "Z15_lognormal_weights": lambda i: (lambda p: target(p, p.proposal()))(P.LogNormalWeights(i["s2"])),
}  # fmt: skip


def cases(golden, name):
    return [(c["inputs"], c["expected"]) for c in golden("evidence")["cases"] if c["inputs"]["problem"] == name]


def compare(what, got, want, size=1.0):
    """Relative 1e-13, and 8 ulp of the largest number that was added up on the way."""
    got, want = float(got.detach() if isinstance(got, torch.Tensor) else got), float(want)
    if math.isinf(want) or math.isinf(got):
        assert got == want, f"{what}: {got} instead of {want}"
    else:
        bound = 1e-13 * abs(want) + 8 * 2.3e-16 * size
        assert abs(got - want) <= bound, f"{what}: {got!r} instead of {want!r}, off by {got - want:.1e} > {bound:.1e}"


@pytest.mark.parametrize("name", BUILD)
def test_values_agree_to_their_digits(golden, name):
    found = cases(golden, name)
    assert len(found) >= 6
    for inputs, expected in found:
        problem, x, q = BUILD[name](inputs)
        size = max(1.0, abs(float(expected["log_evidence"])), abs(float(expected["elbo"])))
        compare("log_evidence", problem.log_evidence(x), expected["log_evidence"], size)
        for what in ("elbo", "eubo"):
            compare(what, getattr(problem, what)(x, q), expected[what], size)
        # without a log p(x) that is subtracted: the gap of a perfect q is zero to 1e-30, not to 1e-16
        closed = isinstance(problem, P.ConjugateProblem)
        for what in ("gap", "chi2"):
            small = closed and abs(float(expected[what])) < 1e-20
            compare(what, getattr(problem, what)(x, q), expected[what], 1e-15 if small else size)
        compare("cubo", problem.cubo(x, q), expected["cubo_2"], size)
        for alpha, value in expected["renyi"].items():
            compare(f"renyi {alpha}", problem.renyi(x, q, float(alpha)), value, size)
        if "variance_log_weight" in expected:
            compare("variance", problem.variance_log_weight(x, q), expected["variance_log_weight"])


@pytest.mark.parametrize("name", ["Z1_linear_gaussian", "Z2_probabilistic_pca", "Z10_correlated_gaussian"])
def test_gaussian_posteriors(golden, name):
    for inputs, expected in cases(golden, name):
        problem, x, _ = BUILD[name](inputs)
        posterior, want = problem.posterior(x), expected["posterior"]
        for got, number in zip(posterior.mean.flatten(), _flat(want["mean"]), strict=True):
            compare("mean", got, number)
        spread = posterior.covariance_matrix if posterior.event_shape else posterior.variance
        for got, number in zip(spread.flatten(), _flat(want.get("covariance", want.get("variance"))), strict=True):
            compare("spread", got, number)


def test_linear_gaussian_parts_and_gradients(golden):
    for inputs, expected in cases(golden, "Z1_linear_gaussian"):
        problem, x, _ = BUILD["Z1_linear_gaussian"](inputs)
        mean, variance = t(inputs["q_mean"]).requires_grad_(), t(inputs["q_variance"]).requires_grad_()
        q = Normal(mean, variance.sqrt())
        compare("reconstruction", problem.expected_log_likelihood(x, q), expected["reconstruction"])
        size = abs(float(expected["reconstruction"])) + 1
        compare("KL", problem.expected_log_likelihood(x, q) - problem.elbo(x, q), expected["kl_to_prior"], size)
        gradient = torch.autograd.grad(problem.elbo(x, q), [mean, variance])
        for got, key in zip(gradient, ("mean", "variance"), strict=True):
            compare(f"gradient {key}", got, expected["elbo_gradient"][key], size=10.0)


def test_probabilistic_pca_best_diagonal(golden):
    for inputs, expected in cases(golden, "Z2_probabilistic_pca"):
        problem, x, _ = BUILD["Z2_probabilistic_pca"](inputs)
        compare("closed", problem.best_diagonal_gap(), expected["best_diagonal_gap"])
        compare("as a gap", problem.gap(x, problem.best_diagonal(x)), expected["best_diagonal_gap"])


def test_correlated_gaussian_mean_field(golden):
    for inputs, expected in cases(golden, "Z10_correlated_gaussian"):
        problem, _, _ = BUILD["Z10_correlated_gaussian"](inputs)
        q = problem.mean_field()
        compare("variance", q.variance[0], expected["mean_field"]["variance"])
        compare("gap", problem.gap(None, q), expected["mean_field"]["gap"])


@pytest.mark.parametrize(
    "name", ["Z4_beta_binomial", "Z5_gamma_poisson", "Z6_gamma_precision", "Z7_exponential_exponential"]
)
def test_conjugate_posteriors(golden, name):
    for inputs, expected in cases(golden, name):
        problem, x, _ = BUILD[name](inputs)
        posterior = problem.posterior(x)
        for key in ("mean", "variance"):
            compare(key, getattr(posterior, key), expected["posterior"][key])


def test_posterior_of_many_bits(golden):
    for inputs, expected in cases(golden, "Z8_bernoulli_linear_gaussian"):
        problem, x, _ = BUILD["Z8_bernoulli_linear_gaussian"](inputs)
        for got, want in zip(problem.marginals(x), expected["posterior"]["marginals"], strict=True):
            compare("marginal", got, want)


def test_posterior_of_the_quadratic_decoder(golden):
    for inputs, expected in cases(golden, "Z9_square_decoder"):
        problem, x, _ = BUILD["Z9_square_decoder"](inputs)
        want = expected["posterior"]
        compare("second moment", problem.posterior_mean(x, lambda z: z**2), want["variance"])
        compare("fourth moment", problem.posterior_mean(x, lambda z: z**4), want["fourth_moment"])
        modes = sorted(set(problem.modes(x).tolist()))
        for got, number in zip(modes, [float(m) for m in want["modes"]], strict=True):
            compare("mode", got, number)


def test_posterior_of_the_log_normal_rate(golden):
    for inputs, expected in cases(golden, "Z9_poisson_lognormal"):
        problem, x, _ = BUILD["Z9_poisson_lognormal"](inputs)
        mean = problem.posterior_mean(x)
        compare("mean", mean, expected["posterior"]["mean"])
        compare(
            "variance",
            problem.posterior_mean(x, lambda z, mean=mean: (z - mean) ** 2),
            expected["posterior"]["variance"],
        )


def _flat(value):
    return [y for v in value for y in _flat(v)] if isinstance(value, list) else [float(value)]
