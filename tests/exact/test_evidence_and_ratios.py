"""Log evidence, Rényi bounds, ratio moments and references against closed forms and reference values."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.distributions import Beta, Gamma, Normal

from elbo import exact, problems
from elbo._errors import InputTypeError, InputValueError
from elbo.exact.enumeration import product_outcomes

D = torch.float64


def T(value):
    return torch.tensor(value, dtype=D)


def models():
    """Problems of the reference file whose latent is one number or finite, with x and the expected evidence."""

    def build(i):
        name = i["problem"]
        if name == "Z1_linear_gaussian":
            q = Normal(T(i["q_mean"]), T(i["q_variance"]).sqrt())
            return problems.LinearGaussian(i["a"], i["c"], i["r"]), T(i["x"]), q
        if name == "Z4_beta_binomial":
            q = Beta(T(i["q_a"]), T(i["q_b"]))
            return problems.BetaBinomial(i["prior_a"], i["prior_b"], i["n"]), T(float(i["x"])), q
        if name == "Z5_gamma_poisson":
            q = Gamma(T(i["q_concentration"]), T(i["q_rate"]))
            return problems.GammaPoisson(i["prior_concentration"], i["prior_rate"]), T(float(i["x"])), q
        return None

    return build


def test_log_evidence_and_renyi_agree_with_the_reference(golden):
    build, seen, refused = models(), 0, 0
    for case in golden("evidence")["cases"]:
        built = build(case["inputs"])
        if built is None:
            continue
        problem, x, q = built
        # one Beta posterior reaches an edge of its support where z has no digits left for 1e-12
        found = exact.log_evidence(problem, x, tolerance=1e-10)
        truth = float(case["expected"]["log_evidence"])
        assert abs(float(found.value) - truth) <= float(found.error_bound) + 4e-16 * abs(truth), case["inputs"]
        for alpha, value in case["expected"]["renyi"].items():
            try:
                got = exact.renyi_bound(problem, x, q, float(alpha), tolerance=1e-9)
            except exact.IntegrationError:
                # a moment that barely exists: its integrand is hundreds of standard deviations of q wide
                refused += 1
                continue
            if value in ("inf", "-inf"):
                assert float(got.value) == float(value)
            else:
                assert abs(float(got.value) - float(value)) <= float(got.error_bound) + 4e-15 * (1 + abs(float(value)))
        seen += 1
    assert seen > 15
    assert refused <= 3


def test_log_evidence_of_a_batch_and_of_narrow_posteriors():
    problem, x = problems.LinearGaussian(T(200.0), 0.0, T(1e-4)), torch.linspace(-150, 150, 7, dtype=D)
    found = exact.log_evidence(problem, x)
    assert found.value.shape == (7,)
    assert ((found.value - problem.log_evidence(x)).abs() <= found.error_bound + 1e-13).all()


def test_renyi_falls_with_alpha_through_evidence_and_elbo():
    problem, x, q = problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.0), T(1.0))
    values = [float(exact.renyi_bound(problem, x, q, a).value) for a in (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 3.0)]
    assert all(a > b for a, b in pairwise(values))
    assert values[2] == pytest.approx(float(problem.log_evidence(x)), abs=1e-13)
    assert values[4] == pytest.approx(float(problem.elbo(x, q)), abs=1e-13)
    assert values[-1] == -float("inf")
    with pytest.raises(InputValueError, match="alpha is"):
        exact.renyi_bound(problem, x, q, float("inf"))


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_ratio_moments_agree_with_enumeration(k, power):
    q = np.array([0.3, 0.3, 0.4])
    w = np.array([0.18, 0.05, 0.12]) / q
    g = np.array([[1.0, -0.3], [0.2, 2.0], [-1.5, 0.7]])
    index, weights = product_outcomes(*[q] * k)
    shares = w[index] / w[index].sum(1, keepdims=True)
    values = np.einsum("nk,nkp->np", shares**power, g[index])
    mean = weights @ values
    covariance = (weights[:, None] * (values - mean)).T @ (values - mean)
    found = exact.ratio_moments(np.log(w), q, g, k, power)
    assert (np.abs(found.mean - mean) <= found.mean_error + 1e-15).all()
    assert (np.abs(found.covariance - covariance) <= found.covariance_error + 1e-15).all()


def test_self_normalised_sampling_has_the_known_bias_and_variance():
    """B-07 at K = 1000: K bias -0.159726, K variance 0.44775."""
    problem, x, q = problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.8), T(2 / 3).sqrt())
    e = torch.linspace(-13, 13, 901, dtype=D)
    law = torch.softmax(-0.5 * e**2, 0)
    z = q.loc + q.scale * e
    found = exact.ratio_moments(problem.log_weight(x, z, q).numpy(), law.numpy(), z.numpy(), 1000)
    w = torch.exp(problem.log_weight(x, z, q) - problem.log_evidence(x))
    bias, variance = -(law * w**2 * (z - 0.5)).sum(), (law * w**2 * (z - 0.5) ** 2).sum()
    assert 1000 * (found.mean[0] - 0.5) == pytest.approx(float(bias), rel=2e-3)
    assert 1000 * found.covariance[0, 0] == pytest.approx(float(variance), rel=2e-3)


def test_a_constant_has_no_variance():
    found = exact.ratio_moments([0.0, 1.0, -2.0], [0.2, 0.5, 0.3], [3.0, 3.0, 3.0], 7)
    assert found.mean[0] == pytest.approx(3.0, abs=1e-14)
    assert abs(found.covariance[0, 0]) < 1e-28


@pytest.mark.parametrize(
    "arguments, says",
    [
        (([0.0, 1.0], [0.5, 0.5], [1.0], 2), "write"),
        (([0.0, 1.0], [0.5, 0.5], [1.0, 2.0], 0), "k is 0"),
        (([0.0, 1.0], [0.5, 0.5], [1.0, np.inf], 2), "not finite"),
    ],
)
def test_ratio_arguments_are_checked(arguments, says):
    with pytest.raises(InputValueError, match=says):
        exact.ratio_moments(*arguments)


def test_reference_survives_cancellation_and_refuses_instability():
    tiny = exact.reference(lambda mp, y: mp.expm1(y) - y, 1e-30, digits=30)
    assert float(tiny) == pytest.approx(0.5e-60 * (1 + 1e-30 / 3), rel=4e-16)
    assert exact.reference(lambda mp: mp.pi, digits=3).__str__()[:4] == "3.14"
    decimal = exact.reference(lambda mp, y: y * 10, "0.1", digits=40)
    assert decimal == 1
    with pytest.raises(exact.IntegrationError, match="changes with the precision"):
        exact.reference(lambda mp: mp.eps, digits=10)
    with pytest.raises(InputTypeError, match="function"):
        exact.reference("pi")
    with pytest.raises(InputValueError, match="digits is 0"):
        exact.reference(lambda mp: mp.pi, digits=0)


def test_the_two_ways_to_a_certificate_agree():
    from elbo.exact._ways import by_lattice, by_nodes, by_transform
    from elbo.gradients import Dreg, IwaeGradient

    problem, x, q = problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.8), T(2 / 3).sqrt())
    for estimator in (IwaeGradient(2), Dreg(2)):
        parameters = estimator.parameters(problem, x, q)
        law = estimator.noise(problem, parameters)
        found = [way(estimator, problem, parameters, law, 1e-7) for way in (by_transform, by_nodes, by_lattice)]
        for other in found[1:]:
            assert np.abs(found[0][0] - other[0]).max() <= found[0][2] + other[2]
            assert np.abs(found[0][1] - other[1]).max() <= found[0][3] + other[3]


def test_when_nothing_applies_the_reasons_are_given():
    from elbo.gradients import Rloo

    problem, x, q = problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.0), T(1.0))
    with pytest.raises(exact.CertificationError, match=r"9 noise coordinates.*no ratio.*What works"):
        exact.certify(Rloo(9), problem, x, q)


def test_a_certificate_without_truth_says_so():
    from elbo.gradients import Pathwise

    class Wide(Pathwise):
        of = "something else"

    problem, x, q = problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.0), T(1.0))
    with pytest.raises(InputValueError, match="'elbo' or 'iwae'"):
        exact.certify(Wide(), problem, x, q)
