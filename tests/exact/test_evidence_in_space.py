"""log p(x) over two and three latent coordinates: closed forms, and models that have none."""

from math import exp, log, pi

import mpmath
import pytest
import torch
from scipy.integrate import dblquad, nquad
from scipy.special import expit
from torch.distributions import Independent, Normal, constraints

from elbo import exact, problems
from elbo._errors import InputValueError
from elbo.problems._problem import Latent

D = torch.float64


def T(value):
    return torch.tensor(value, dtype=D)


WEIGHT = T([[1.0, 0.3, -0.7], [0.2, 0.8, 0.4], [0.5, -0.4, 1.1], [-1.3, 0.6, 0.2]])
X = T([1.2, -0.7, 2.1, 0.4])
CLOSED = [
    ("probabilistic PCA", problems.ProbabilisticPCA(WEIGHT[:, :2], 0.3, T(0.5)), X),
    (
        "probabilistic PCA, a batch",
        problems.ProbabilisticPCA(WEIGHT[:, :2], 0.0, T(0.5)),
        torch.stack([X, -4 * X, 0 * X]),
    ),
    ("factor analysis", problems.FactorAnalysis(WEIGHT[:, :2], 0.3, T([0.1, 0.5, 2.0, 0.01])), X),
    ("three factors", problems.FactorAnalysis(WEIGHT, 0.0, T([0.1, 0.5, 2.0, 0.3])), X),
    ("more factors than data", problems.FactorAnalysis(WEIGHT[:1], 0.0, T([0.05])), X[:1]),
    ("two levels", problems.HierarchicalGaussian(1.3, 0.2, 0.7, 0.4), T(1.2)),
    ("two levels, far from the prior", problems.HierarchicalGaussian(1.3, 0.2, 0.7, 0.4), T([-30.0, 0.1])),
    ("correlated target", problems.CorrelatedGaussian(0.99), None),
    ("shares of three kinds", problems.DirichletMultinomial(T([1.5, 2.0, 0.7]), 5), T([1.0, 3.0, 1.0])),
]


@pytest.mark.parametrize("problem, x", [c[1:] for c in CLOSED], ids=[c[0] for c in CLOSED])
def test_the_closed_answer_lies_within_the_bound(problem, x):
    found, truth = exact.log_evidence(problem, x), problem.log_evidence(x)
    assert found.value.shape == truth.shape
    # the closed form has some ulps of its own
    assert ((found.value - truth).abs() <= found.error_bound + 8e-16 * (1 + truth.abs())).all()
    assert (found.error_bound <= 1e-12 * (1 + truth.abs())).all()


def gaussian_evidence(weight, noise, x):
    """log N(x; 0, W Wᵀ + noise I) in 50 digits."""
    with mpmath.workdps(50):
        w, datum = mpmath.matrix(weight.tolist()), mpmath.matrix(x.tolist())
        covariance = w * w.T + mpmath.eye(len(x)) * mpmath.mpf(noise)
        square = (datum.T * mpmath.lu_solve(covariance, datum))[0]
        return -(square + len(x) * mpmath.log(2 * mpmath.pi) + mpmath.log(mpmath.det(covariance))) / 2


def test_a_posterior_much_narrower_than_the_prior_is_found():
    weight, noise = 100 * WEIGHT[:, :2], 1e-4
    x = weight @ T([0.3, -1.0]) + T([0.01, -0.02, 0.005, 0.01])
    found = exact.log_evidence(problems.ProbabilisticPCA(weight, 0.0, T(noise)), x, tolerance=1e-10)
    assert abs(gaussian_evidence(weight, noise, x) - float(found.value)) <= float(found.error_bound)
    far = 100 * X  # hardly a point of the plane that W spans: log p(x) is -2.7e8
    closed = problems.ProbabilisticPCA(weight, 0.0, T(noise)).log_evidence(far)
    truth = gaussian_evidence(weight, noise, far)
    assert abs(truth - float(closed)) <= 1e-14 * abs(truth)
    with pytest.raises(exact.IntegrationError, match="rounding alone"):
        exact.log_evidence(problems.ProbabilisticPCA(weight, 0.0, T(noise)), x, tolerance=1e-13)


class LogisticRegression:
    """z ~ N(0, I), x_i | z ~ Bernoulli(σ(a_i z)): no closed answer."""

    observation = constraints.independent(constraints.boolean, 1)

    def __init__(self, inputs):
        self.inputs = T(inputs)
        self.latent = Latent(self.inputs.shape[1:], constraints.real_vector)
        self.prior = Independent(Normal(torch.zeros(self.latent.event_shape, dtype=D), 1.0), 1)

    def check_observation(self, x):
        return x

    def log_joint(self, x, z):
        return self.prior.log_prob(z) - torch.nn.functional.softplus((1 - 2 * x) * (z @ self.inputs.T)).sum(-1)


class Banana(LogisticRegression):
    """z₁ ~ N(0, 1), z₂ | z₁ ~ N(z₁², s²), x ~ N(z₁ + z₂, r²): curved, and not symmetric."""

    def __init__(self):
        super().__init__([[0.0, 0.0]])
        self.observation = constraints.real

    def log_joint(self, x, z):
        first, second = z[..., 0], z[..., 1]
        bend = Normal(first**2, 0.6).log_prob(second)
        return Normal(T(0.0), 1.0).log_prob(first) + bend + Normal(first + second, 0.8).log_prob(x)


def test_logistic_regression_against_scipy_in_two_dimensions():
    inputs, x = [[1.0, 0.5], [-0.7, 2.0], [0.3, -1.5]], [1.0, 0.0, 1.0]

    def density(b, a):
        value = exp(-0.5 * (a * a + b * b)) / (2 * pi)
        for (u, v), y in zip(inputs, x, strict=True):
            value *= expit((2 * y - 1) * (u * a + v * b))
        return value

    truth, _ = dblquad(density, -9.5, 9.5, -9.5, 9.5, epsabs=1e-13, epsrel=1e-12)
    found = exact.log_evidence(LogisticRegression(inputs), T(x))
    assert abs(float(found.value) - log(truth)) <= float(found.error_bound) + 2e-12
    assert float(found.error_bound) <= 1e-12


def test_a_curved_posterior_against_scipy():
    def density(b, a):
        terms = a * a + ((b - a * a) / 0.6) ** 2 + ((0.4 - a - b) / 0.8) ** 2
        return exp(-0.5 * terms) / ((2 * pi) ** 1.5 * 0.6 * 0.8)

    truth, _ = dblquad(density, -7.0, 7.0, lambda a: a * a - 5.0, lambda a: a * a + 5.0, epsabs=1e-13, epsrel=1e-12)
    found = exact.log_evidence(Banana(), T(0.4), tolerance=1e-11)
    assert abs(float(found.value) - log(truth)) <= float(found.error_bound) + 1e-11


def test_logistic_regression_in_three_dimensions_against_one_integrated_out():
    """The third input is always zero: its coordinate drops out, and two are left for SciPy."""
    inputs, x = [[1.0, 0.5, 0.0], [-0.7, 2.0, 0.0]], [1.0, 0.0]

    def density(a, b):
        return exp(-0.5 * (a * a + b * b)) / (2 * pi) * expit(a + 0.5 * b) * expit(0.7 * a - 2.0 * b)

    truth, _ = nquad(density, [[-9.0, 9.0], [-9.0, 9.0]], opts={"epsabs": 1e-12, "epsrel": 1e-11})
    found = exact.log_evidence(LogisticRegression(inputs), T(x), tolerance=1e-10)
    assert abs(float(found.value) - log(truth)) <= float(found.error_bound) + 1e-11


def test_four_dimensions_are_refused_with_what_works():
    with pytest.raises(InputValueError, match=r"4 continuous dimensions.*problem\.log_evidence.*iwae_from_weights"):
        exact.log_evidence(problems.ProbabilisticPCA(torch.eye(4, dtype=D), 0.0, T(0.5)), torch.zeros(4, dtype=D))


def test_what_a_lattice_cannot_settle_is_an_error():
    class Step(Banana):
        def log_joint(self, x, z):
            return torch.where(z[..., 0] > 0.1, 0.0, -1.0) - 0.5 * (z**2).sum(-1)

    class Cauchy(Banana):
        def log_joint(self, x, z):
            return -2.0 * torch.log1p((z**2).sum(-1))

    with pytest.raises(exact.IntegrationError, match="nodes"):
        exact.log_evidence(Step(), T(0.0))
    with pytest.raises(exact.IntegrationError, match=r"too slowly|does not settle|nodes|fall off"):
        exact.log_evidence(Cauchy(), T(0.0))
