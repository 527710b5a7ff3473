"""The aggregated posterior and mutual information against reference values, identities and counts."""

import math

import pytest
import torch

from elbo import problems as P
from elbo._errors import InputValueError


def cases(golden, kind):
    return [(c["inputs"], c["expected"]) for c in golden("aggregates")["cases"] if c["inputs"]["kind"] == kind]


def test_surgery_terms_to_their_digits(golden):
    for inputs, want in cases(golden, "aggregate"):
        problem = P.AggregatedPosterior(inputs["means"], inputs["stds"])
        for name in ("average_kl", "mutual_information", "aggregate_kl", "total_correlation", "expected_log_q"):
            assert getattr(problem, name)().item() == pytest.approx(want[name], abs=1e-11), name
        assert problem.dimension_kl().tolist() == pytest.approx(want["dimension_kl"], abs=1e-11)


@pytest.mark.parametrize("method, key", [("mws", "mws"), ("mss", "mss"), ("mss_in_columns", "mss_column_weights")])
def test_minibatch_estimates_to_their_digits(golden, method, key):
    for inputs, want in cases(golden, "aggregate"):
        problem = P.AggregatedPosterior(
            inputs["means"], inputs["stds"], nodes=None if len(inputs["means"][0]) == 1 else 161
        )
        for batch, numbers in want[key].items():
            got = getattr(problem, method)(int(batch))
            for name, number in numbers.items():
                assert getattr(got, name).item() == pytest.approx(number, abs=1e-11), (batch, name)


@pytest.fixture(scope="module")
def problem():
    return P.AggregatedPosterior([[-1.0], [0.3], [1.2], [2.5]], [[0.5], [0.7], [0.4], [0.9]])


def test_identities_of_surgery():
    plane = P.AggregatedPosterior([[-1.0, 0.3], [0.8, -0.5]], [[0.5, 0.7], [0.6, 0.4]], nodes=181)
    assert abs((plane.average_kl() - plane.mutual_information() - plane.aggregate_kl()).item()) < 1e-12
    rest = plane.aggregate_kl() - plane.total_correlation() - plane.dimension_kl().sum()
    assert abs(rest.item()) < 1e-12
    assert 0 <= plane.mutual_information() <= math.log(2)


def test_weighted_sampling_is_biased_by_minus_log_n_at_the_full_batch(problem):
    assert problem.mws(4).bias.item() == pytest.approx(-math.log(4), abs=1e-12)


def test_stratified_sampling_is_unbiased_for_the_density_and_released_code_is_not(problem):
    for batch in (1, 2, 3):
        assert problem.mss(batch).expected_ratio.item() == pytest.approx(1, abs=1e-12)
        assert problem.mss(batch).bias <= 1e-12  # Jensen
    assert problem.mss_in_columns(1).expected_ratio.item() > 1.05
    assert problem.mss_in_columns(1).bias > 0


def test_stratified_sampling_against_draws_of_its_own_definition(problem):
    """E q̂/q by enumeration of ordered batches, at a handful of z, weighted by q(z|own)."""
    import itertools

    n, m = 4, 2
    z = torch.linspace(-4, 6, 2001, dtype=torch.float64)[:, None]
    density = torch.exp(torch.distributions.Normal(problem.means[:, 0], problem.stds[:, 0]).log_prob(z))  # [z, n]
    step, total = 10 / 2000, 0.0
    batches = [(own, others) for own in range(n) for others in itertools.permutations(set(range(n)) - {own}, m)]
    for own, others in batches:
        estimate = density[:, own] / n + density[:, others[0]] * (n - m) / (n * m)
        estimate = estimate + density[:, list(others[1:])].sum(1) / m
        total += (density[:, own] * estimate.log()).sum().item() * step / len(batches)
    assert problem.mss(m).expected_log_q.item() == pytest.approx(total, abs=2e-4)  # the grid ends cut a little


def test_gradients_reach_the_encoders():
    means = torch.tensor([[-1.0], [0.5]], dtype=torch.float64, requires_grad=True)
    problem = P.AggregatedPosterior(means, [[0.5], [0.5]])
    (gradient,) = torch.autograd.grad(problem.mutual_information(), means)
    # information grows with the distance of the encoders, and a common shift changes nothing
    assert gradient[0] < 0 < gradient[1]
    assert abs(gradient.sum()) < 1e-12


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: P.AggregatedPosterior([[0.0] * 3], [[1.0] * 3]), "d = 1 or 2"),
        (lambda: P.AggregatedPosterior([[0.0]], [[0.0]]), "stds"),
        (lambda: P.AggregatedPosterior([[0.0], [1.0]], [[1.0], [1.0]]).mws(3), "from 1 to 2"),
        (lambda: P.AggregatedPosterior([[0.0], [1.0]], [[1.0], [1.0]]).mss(2), "from 1 to 1"),
        (lambda: P.BivariateGaussian(1.0), "strictly between"),
        (lambda: P.BivariateGaussian(0.5).infonce(0), "1, 2"),
    ],
)
def test_what_cannot_be_computed_is_refused(make, words):
    with pytest.raises(InputValueError, match=words):
        make()


def test_mutual_information_and_critics_to_their_digits(golden):
    for inputs, want in cases(golden, "mutual_information"):
        problem = P.BivariateGaussian(inputs["rho"])
        assert problem.mutual_information().item() == pytest.approx(float(want["mutual_information"]), rel=1e-14)
        assert problem.log_power(2.0).exp().item() == pytest.approx(float(want["product_second_moment"]), rel=1e-14)
        for critic, numbers in zip(inputs["critics"], want["critics"], strict=True):
            for name in ("dv", "nwj"):
                assert getattr(problem, name)(**critic).item() == pytest.approx(float(numbers[name]), abs=1e-14)


@pytest.mark.parametrize("index", range(5))
def test_infonce_and_plug_in_to_their_digits(golden, index):
    inputs, want = cases(golden, "mutual_information")[index]
    problem = P.BivariateGaussian(inputs["rho"])
    # where the correlation is strong, large K take seconds each
    some = slice(None if abs(inputs["rho"]) < 0.7 else 4)
    for k, number in list(zip(inputs["K"], want["infonce"], strict=True))[some]:
        assert problem.infonce(k).item() == pytest.approx(number, abs=1e-13), k
    for k, number in zip(inputs["K_plug_in"], want["expected_log_mean_exp_plug_in"], strict=True):
        assert problem.plug_in(k).item() == pytest.approx(number, abs=1e-12), k


def test_nwj_is_best_at_the_log_ratio_and_loses_exactly_its_shift():
    problem = P.BivariateGaussian(0.7)
    for shift in (-0.3, 0.0, 0.3):
        loss = problem.mutual_information() - problem.nwj(shift=shift)
        assert loss.item() == pytest.approx(math.expm1(shift) - shift, abs=1e-14)
        assert problem.dv(shift=shift) == problem.dv()
    assert problem.dv(scale=0.8) < problem.dv()


def test_density_ratio_is_the_joint_over_the_product():
    problem = P.BivariateGaussian(-0.6)
    point = torch.tensor([0.7, -1.1], dtype=torch.float64)
    product = torch.distributions.Normal(torch.zeros(2).double(), 1.0).log_prob(point).sum()
    want = problem.joint.log_prob(point) - product
    assert problem.log_ratio(point[0], point[1]).item() == pytest.approx(want.item(), rel=1e-13)
