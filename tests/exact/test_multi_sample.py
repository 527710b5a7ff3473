"""L_K against references, against enumeration, against tensor quadrature, and where q is awkward."""

import doctest
import importlib
import tracemalloc
from math import erfc, gamma, log, sqrt

import numpy as np
import pytest
import torch
from torch.distributions import Beta, Categorical, Gamma, Independent, MultivariateNormal, Normal, Uniform, Weibull

from elbo import exact, problems
from elbo._errors import InputTypeError, InputValueError
from elbo.exact.enumeration import iwae_by_enumeration

D = torch.float64


def T(value):
    return torch.tensor(value, dtype=D)


def trapezoid_normal(reach=27.0, step=0.02):
    e = np.arange(-reach, reach + step / 2, step)
    law = np.exp(-(e**2) / 2)
    return e, law / law.sum()


def bound_of(i, k):
    """The bound for one case of the reference file."""
    name = i["problem"]
    if name == "Z3_table":
        q = T(i["q"])
        return exact.iwae_bound(problems.Table(T(i["joint"])), torch.tensor(0), Categorical(q / q.sum()), k)
    if name == "Z1_linear_gaussian":
        problem, x = problems.LinearGaussian(i["a"], i["c"], i["r"]), T(i["x"])
        return exact.iwae_bound(problem, x, Normal(T(i["q_mean"]), T(i["q_variance"]).sqrt()), k)
    if name == "Z4_beta_binomial":
        problem, x = problems.BetaBinomial(i["prior_a"], i["prior_b"], i["n"]), T(float(i["x"]))
        return exact.iwae_bound(problem, x, Beta(T(i["q_a"]), T(i["q_b"])), k)
    if name.startswith("Z5_gamma_poisson"):
        problem, x = problems.GammaPoisson(i["prior_concentration"], i["prior_rate"]), T(float(i["x"]))
        q = (
            Weibull(T(i["q_scale"]), T(i["q_concentration"]))
            if name.endswith("weibull_q")
            else Gamma(T(i["q_concentration"]), T(i["q_rate"]))
        )
        return exact.iwae_bound(problem, x, q, k)
    assert name == "Z15_lognormal_weights"
    e, law = trapezoid_normal()
    return exact.iwae_from_weights(-i["s2"] / 2 + sqrt(i["s2"]) * e, law, k)


@pytest.mark.parametrize("case", range(31))
def test_reference_values_lie_within_the_bound(golden, case):
    c = golden("iwae")["cases"][case]
    found = bound_of(c["inputs"], c["inputs"]["K"])
    value, gap = (T([float(v) for v in c["expected"][key]]) for key in ("L", "gap"))
    # the references are good to 5e-15 in L and to some 1e-17 in the gap
    assert ((found.value - value).abs() <= found.error_bound + 5e-15).all()
    assert ((found.gap - gap).abs() <= found.gap_error + 5e-15 * gap.clamp(max=1.0) + 5e-17).all()
    assert (found.error_bound <= 1e-12 * torch.clamp(value.abs() + gap, min=1e-2)).all()


@pytest.mark.parametrize("k", [2, 3, 10, 50])
def test_transform_agrees_with_enumeration(k):
    for seed in range(4):
        g = torch.Generator().manual_seed(seed)
        joint, q = (torch.rand(3, generator=g, dtype=D) for _ in range(2))
        log_w = (joint * 0.3 / q * q.sum()).log()
        found = exact.iwae_from_weights(log_w, q / q.sum(), k)
        truth = iwae_by_enumeration(log_w.numpy(), (q / q.sum()).numpy(), k)
        assert abs(found.value.item() - truth.value) <= found.error_bound.item() + truth.error_bound


@pytest.mark.parametrize(
    "problem, k, per_axis, tolerance",
    [
        (problems.SquareDecoder(0.8), 2, 1601, 1e-12),
        (problems.LinearGaussian(0.9), 2, 801, 1e-12),
        (problems.LinearGaussian(0.9), 3, 141, 4e-13),
    ],
)
def test_transform_agrees_with_tensor_quadrature(problem, k, per_axis, tolerance):
    x, q = T(1.1), Normal(T(0.6), T(0.7))
    e = torch.linspace(-9.0, 9.0, per_axis, dtype=D)
    law = torch.exp(-0.5 * e**2)
    law = law / law.sum()
    log_w = problem.log_weight(x, q.loc + q.scale * e, q)
    grids = torch.meshgrid(*[log_w] * k, indexing="ij")
    weight = torch.ones((), dtype=D)
    for _ in range(k):
        weight = weight[..., None] * law
    direct = (weight * (torch.logsumexp(torch.stack(grids), 0) - log(k))).sum()
    assert abs(exact.iwae_bound(problem, x, q, k).value - direct) <= tolerance


def test_k_of_one_is_the_elbo_and_large_k_follows_the_law_of_the_bias():
    problem, x, q = problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.0), T(1.0))
    found = exact.iwae_bound(problem, x, q, [1, 1000, 10**6, 10**8])
    assert abs(found.value[0] - problem.elbo(x, q)) <= found.error_bound[0]
    chi2 = problem.chi2(x, q)
    third = problem.weight_moment(x, q, 3.0) - 3 * (1 + chi2) + 2
    for k, gap in zip([1000, 10**6], found.gap[1:3], strict=True):
        two_terms = chi2 / (2 * k) - (third / 3 - 0.75 * chi2**2) / k**2
        # the remainder is O(K^-3), with a coefficient near 0.1 here
        assert abs((gap - two_terms) * k**3 - 0.1) < 0.02 + 1e-13 * k**2
    assert abs(found.gap[3] * 1e8 - chi2 / 2) < 1e-8


def test_equality_iff_the_weights_are_constant():
    problem, x = problems.LinearGaussian(T(1.3), 0.2, 0.7), T(-0.4)
    found = exact.iwae_bound(problem, x, problem.posterior(x), [1, 7, 10**5])
    assert (found.gap.abs() < 1e-25).all()
    # 1e-6 away from the posterior the gap is about 1e-12 / (2 v), to many digits of it
    q = Normal(problem.posterior(x).loc + 1e-6, problem.posterior(x).scale)
    near = exact.iwae_bound(problem, x, q, 1)
    assert abs(near.gap / problem.gap(x, q) - 1) < 1e-7


@pytest.mark.parametrize("s2, k, ratio", [(0.2, 10**5, 0.930), (0.3, 10**7, 0.992), (0.4, 10**3, 1.007)])
def test_infinite_variance_has_its_own_law(s2, k, ratio):
    """B-06: for a tail index a in (1, 2) the gap is about Γ(2-a)Γ(a)/(a-1) K P(w̄ > K)."""
    target = problems.IsotropicGaussian(1)
    q = Independent(Normal(torch.zeros(1, dtype=D), T([sqrt(s2)])), 1)
    found = exact.iwae_bound(target, None, q, k)
    a = 1 / (1 - s2)
    tail = erfc(sqrt(2 * a * log(k / sqrt(s2))) / sqrt(2))
    predicted = gamma(2 - a) * gamma(a) / (a - 1) * k * tail
    assert found.gap.item() / predicted == pytest.approx(ratio, abs=2e-3)


def test_log_normal_weights_need_exponentially_many_draws():
    """B-09: with s² = 100 the law χ²/(2K) says 1e43 where the gap is 14.66."""
    e, law = trapezoid_normal()
    gaps = exact.iwae_from_weights(-50 + 10 * e, law, [1, 10, 100, 10**4, 10**6]).gap
    assert gaps.tolist() == pytest.approx([50, 36.78, 29.30, 20.31, 14.66], abs=6e-3)
    benign = exact.iwae_from_weights(-0.5 + e, law, [100, 10**4, 10**5]).gap
    assert [g * k for g, k in zip(benign.tolist(), [100, 10**4, 10**5], strict=True)] == pytest.approx(
        [0.83812, 0.85890, 0.85912], abs=6e-6
    )


def test_jackknife_has_the_order_it_claims_and_is_no_bound():
    """B-05: bias O(K^-(m+1)), and above log p(x) for odd orders here."""
    problem, x, q = problems.Table(T([0.18, 0.05, 0.12])), torch.tensor(0), Categorical(T([0.3, 0.3, 0.4]))
    for order in (0, 1, 2):
        a, b = (exact.jackknife(problem, x, q, k, order).gap.abs().item() for k in (256, 512))
        assert log(a / b) / log(2) == pytest.approx(order + 1, abs=0.06)
    z1, one = problems.LinearGaussian(T(1.0)), T(1.0)
    above = exact.jackknife(z1, one, Normal(T(0.0), one), 8, 1)
    assert above.value > z1.log_evidence(one)
    assert -above.gap.item() == pytest.approx(2.6e-3, abs=5e-5)
    assert sum(exact.jackknife_weights(9, 3)) == pytest.approx(1.0, abs=1e-10)


def test_rising_to_the_renyi_bound():
    """F-02, F-03: the K-sample Rényi objective starts at the ELBO and rises to L_α."""
    problem, x, q = problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.0), T(1.0))
    found = exact.vr_iwae_bound(problem, x, q, 0.5, [1, 2, 8, 64, 1000]).value
    assert found.tolist() == pytest.approx([-1.91894, -1.75536, -1.67787, -1.66014, -1.65789], abs=6e-6)
    assert (found.diff() > 0).all()
    assert found[-1] < problem.renyi(x, q, 0.5)
    cubo = exact.cubo_bound(problem, x, q, 2.0, [1, 5, 50]).value
    assert cubo.tolist() == pytest.approx([-1.91894, -1.40820, -1.36409], abs=6e-6)
    assert (
        torch.equal(exact.vr_iwae_bound(problem, x, q, 1.0, [1, 9]).value, problem.elbo(x, q) + torch.zeros(2))
        or (exact.vr_iwae_bound(problem, x, q, 1.0, [1, 9]).value - problem.elbo(x, q)).abs().max() < 1e-14
    )


def test_a_batch_is_its_rows_and_memory_is_bounded():
    problem = problems.LinearGaussian(T(1.0))
    x, m = torch.linspace(-3, 3, 200, dtype=D), torch.linspace(-1, 1, 200, dtype=D)
    s = torch.linspace(0.5, 1.5, 200, dtype=D)
    tracemalloc.start()
    together = exact.iwae_bound(problem, x, Normal(m, s), [2, 10**7])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert together.value.shape == (200, 2)
    for i in (0, 77, 199):
        alone = exact.iwae_bound(problem, x[i], Normal(m[i], s[i]), [2, 10**7])
        assert ((together.value[i] - alone.value).abs() <= together.error_bound[i] + alone.error_bound).all()
    # nodes of the batch and a dozen chunks of 1 MiB, whatever K
    assert peak < 60e6


def test_two_and_three_dimensions():
    weight = T([[1.0, 0.3], [0.2, 0.8], [0.5, -0.4]])
    problem = problems.ProbabilisticPCA(weight, 0.0, T(0.6))
    x = T([0.5, -0.2, 0.9])
    posterior = problem.posterior(x)
    q = MultivariateNormal(posterior.loc + 0.1, covariance_matrix=posterior.covariance_matrix * 1.2)
    found = exact.iwae_bound(problem, x, q, [1, 10], tolerance=1e-9)
    assert abs(found.value[0] - problem.elbo(x, q)) <= found.error_bound[0]
    assert found.value[0] < found.value[1] < problem.log_evidence(x)
    wide = problems.IsotropicGaussian(10)
    q = Independent(Normal(torch.zeros(10, dtype=D), torch.ones(10, dtype=D)), 1)
    with pytest.raises(InputValueError, match=r"10 dimensions.*What works"):
        exact.iwae_bound(wide, None, q, 2)


def test_ten_dimensions_by_a_radial_rule():
    """Z11: the weight depends on |z|² ~ χ²_10 alone."""
    d, v = 10, 1.3
    u = np.linspace(-6.0, 4.6, 4001)
    r2 = np.exp(u)
    law = np.exp(0.5 * d * u - 0.5 * r2)
    log_w = 0.5 * d * log(v) - 0.5 * (v - 1) * r2
    found = exact.iwae_from_weights(log_w, law / law.sum(), [1, 10, 100])
    assert found.value.tolist() == pytest.approx([-0.18818, -0.016071, -0.001577], abs=6e-6)


def test_missing_support_warns_and_converges_to_the_covered_mass():
    table, x = problems.Table(T([0.18, 0.05, 0.12])), torch.tensor(0)
    with pytest.warns(exact.SupportWarning, match="P\\(z in supp q"):
        found = exact.iwae_bound(table, x, Categorical(T([0.5, 0.5, 0.0])), [1, 10**7])
    assert found.value[1].item() == pytest.approx(log(0.23), abs=1e-7)
    assert found.value[1] < log(0.23)
    line = problems.LinearGaussian(T(1.0))
    with pytest.warns(exact.SupportWarning, match="supp q"):
        found = exact.iwae_bound(line, T(1.0), Uniform(T(-0.5), T(1.0)), [2, 10**6])
    posterior = line.posterior(T(1.0))
    share = (posterior.cdf(T(1.0)) - posterior.cdf(T(-0.5))).log()
    assert found.value[1].item() == pytest.approx((line.log_evidence(T(1.0)) + share).item(), abs=1e-6)


def test_mass_of_q_where_the_joint_is_zero_gives_minus_infinity():
    found = exact.iwae_from_weights(T([0.0, -torch.inf]), T([0.5, 0.5]), [1, 5, 10**6])
    assert (found.value == -torch.inf).all()


@pytest.mark.parametrize(
    "k, error",
    [
        (0, InputValueError),
        (-3, InputValueError),
        (10**9, InputValueError),
        (2.5, InputTypeError),
        ([], InputTypeError),
    ],
)
def test_k_is_checked(k, error):
    with pytest.raises(error, match="k is"):
        exact.iwae_bound(problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.0), T(1.0)), k)


def test_other_bad_input_is_named():
    z1, one = problems.LinearGaussian(T(1.0)), T(1.0)
    with pytest.raises(InputValueError, match="event_shape"):
        exact.iwae_bound(z1, one, Independent(Normal(torch.zeros(2, dtype=D), 1.0), 1), 2)
    with pytest.raises(InputTypeError, match=r"torch\.distributions"):
        exact.iwae_bound(z1, one, "normal", 2)
    with pytest.raises(InputValueError, match=r"support"):
        exact.iwae_bound(problems.GammaPoisson(2.0, 1.0), T(-1.0), Gamma(one, one), 2)
    with pytest.raises(InputValueError, match="NaN"):
        exact.iwae_from_weights(T([0.0, torch.nan]), T([0.5, 0.5]), 2)
    with pytest.raises(InputValueError, match="sum to"):
        exact.iwae_from_weights(T([0.0, 1.0]), T([0.5, 0.6]), 2)
    with pytest.raises(InputValueError, match="span"):
        exact.iwae_from_weights(torch.arange(0.0, -1e5, -50.0, dtype=D), torch.full((2000,), 5e-4, dtype=D), 2)
    with pytest.raises(InputValueError, match="CUBO has order"):
        exact.cubo_bound(z1, one, Normal(one, one), 0.5, 2)
    with pytest.raises(InputValueError, match="alpha is nan"):
        exact.vr_iwae_bound(z1, one, Normal(one, one), float("nan"), 2)
    with pytest.raises(InputValueError, match="order is 8"):
        exact.jackknife_weights(8, 8)


def test_float32_and_grad_mode_are_left_as_found():
    q = Normal(torch.zeros((), requires_grad=True), torch.ones(()))
    found = exact.iwae_bound(problems.LinearGaussian(torch.tensor(1.0)), torch.tensor(1.0), q, 8, tolerance=1e-5)
    assert found.value.dtype == D
    assert torch.is_grad_enabled()
    assert found.value.item() == pytest.approx(-1.5402336779550134, abs=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "_transform",
        "multi_sample",
        "evidence",
        "ratio",
        "certificate",
        "_ways",
        "_laws",
        "_coordinates",
        "_targets",
        "_reference",
    ],
)
def test_examples_of(name):
    assert doctest.testmod(importlib.import_module(f"elbo.exact.{name}")).failed == 0


def test_the_kernel_keeps_its_digits():
    from elbo.exact._transform import exp_excess

    for y in (1e-12, -1e-9, 0.0099999, 0.0100001, -0.3, 2.0, -40.0, 30.0):
        truth = exact.reference(lambda mp, t: mp.expm1(t) - t, y)
        assert abs(float(exp_excess(np.array([y]))[0] / truth) - 1) < 5e-14, y
