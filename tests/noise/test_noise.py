"""Laws of noise: nodes integrate, draws have the law, enumeration is complete."""

import doctest
from math import factorial, gamma

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import elbo.noise
from elbo import Error
from elbo.evidence import dkw_draws, dkw_test
from elbo.noise import Finite, Maxwell, Product, Rayleigh, StandardNormal, Uniform


def double_factorial(k: int) -> int:
    return 1 if k <= 0 else k * double_factorial(k - 2)


@given(st.integers(1, 20), st.data())
def test_gauss_hermite_integrates_polynomials_up_to_its_degree(order: int, data) -> None:
    k = data.draw(st.integers(0, 2 * order - 1))
    points, weights = StandardNormal().nodes(order)
    exact = 0 if k % 2 else double_factorial(k - 1)
    scale = float(weights @ points.abs() ** k)
    assert float(weights @ points**k) == pytest.approx(exact, abs=1e-12 * max(scale, 1))


@given(st.integers(1, 20), st.data())
def test_gauss_legendre_integrates_polynomials_up_to_its_degree(order: int, data) -> None:
    k = data.draw(st.integers(0, 2 * order - 1))
    points, weights = Uniform().nodes(order)
    assert float(weights @ points**k) == pytest.approx(1 / (k + 1), abs=1e-13)


def test_a_rule_of_too_low_an_order_is_wrong() -> None:
    """Control: the degree of exactness is what it is said to be, not more."""
    points, weights = StandardNormal().nodes(3)
    assert float(weights @ points**6) != pytest.approx(15, abs=1)


@pytest.mark.parametrize("order", [350, 384, 1000])
def test_high_orders_neither_warn_nor_lose_their_moments(order: int) -> None:
    """NumPy's Gauss-Hermite weights overflow from order 370 or so on; warnings are errors here."""
    points, weights = StandardNormal().nodes(order)
    assert len(points) == order
    assert bool(torch.isfinite(weights).all())
    assert float(weights.sum()) == pytest.approx(1, abs=1e-13)
    for k in range(0, 21, 2):
        assert float(weights @ points**k) == pytest.approx(double_factorial(k - 1), rel=1e-11)
        assert abs(float(weights @ points ** (k + 1))) <= 1e-11 * double_factorial(k + 1)
    # not a polynomial: E cos(10 Z) = e^-50 is lost in rounding, E cos Z is not
    assert float(weights @ torch.cos(points)) == pytest.approx(np.exp(-0.5), abs=1e-13)


@pytest.mark.parametrize("order", [1, 2, 5, 12, 40, 100])
def test_maxwell_and_rayleigh_rules_are_exact_up_to_their_degree(order: int) -> None:
    m, maxwell = Maxwell().nodes(order)
    w, rayleigh = Rayleigh().nodes(order)
    assert float(w.min()) > 0
    for k in range(min(2 * order, 30)):
        assert float(maxwell @ m**k) == pytest.approx(0 if k % 2 else double_factorial(k + 1), abs=1e-9 * gamma(k + 2))
        assert float(rayleigh @ w**k) == pytest.approx(2 ** (k / 2) * gamma(k / 2 + 1), rel=1e-11)


def test_a_maxwell_number_times_a_uniform_one_is_normal() -> None:
    (m, u), weights = Product(Maxwell(), Uniform()).nodes(12)
    for k in range(12):
        assert float(weights @ (m * u) ** k) == pytest.approx(0 if k % 2 else double_factorial(k - 1), abs=1e-8)


def test_product_rules_integrate_products() -> None:
    points, weights = StandardNormal((2, 2)).nodes(3)
    assert points.shape == (81, 2, 2)
    assert float(weights @ (points[:, 0, 0] ** 2 * points[:, 1, 1] ** 4)) == pytest.approx(3)
    (e, (u, b)), w = Product(StandardNormal(), Product(Uniform(), Finite([0.0, 1.0], [0.25, 0.75]))).nodes(5)
    assert float(w.sum()) == pytest.approx(1)
    assert float(w @ (e**4 * u**3 * b)) == pytest.approx(3 / 4 * 0.75)


def test_finite_laws_are_enumerated_whatever_the_order() -> None:
    law = Finite([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [0.5, 0.3, 0.2], repeat=(2,))
    points, probabilities = law.enumerate()
    assert points.shape == (9, 2, 2)
    assert len({tuple(p.reshape(-1).tolist()) for p in points}) == 9
    assert float(probabilities.sum()) == pytest.approx(1)
    again, _ = law.nodes(1)
    assert torch.equal(points, again)


@pytest.mark.parametrize(
    "law, cdf",
    [
        (StandardNormal(), stats.norm.cdf),
        (Uniform(), stats.uniform.cdf),
        (Rayleigh(), stats.rayleigh.cdf),
        (Maxwell(), lambda m: 0.5 + 0.5 * np.sign(m) * stats.maxwell.cdf(np.abs(m))),
    ],
    ids=["normal", "uniform", "rayleigh", "maxwell"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_the_law(law, cdf, dtype, rng) -> None:
    n = dkw_draws(0.02, 1e-9, 1e-9)
    x = law.draw((n,), generator=rng, dtype=dtype)
    assert x.dtype is dtype
    assert not dkw_test(x, cdf, 1e-9).rejected
    assert dkw_test(x + 0.1, cdf, 1e-9).rejected


def test_finite_draws_have_the_probabilities(rng) -> None:
    law = Finite([1.0, 2.0, 5.0], [0.2, 0.5, 0.3])
    x = law.draw((dkw_draws(0.02, 1e-9, 1e-9),), generator=rng)
    cumulative = {1.0: 0.2, 2.0: 0.7, 5.0: 1.0}
    right = np.vectorize(cumulative.get, otypes=[float])
    probabilities = {1.0: 0.2, 2.0: 0.5, 5.0: 0.3}
    left = np.vectorize(lambda t: cumulative[t] - probabilities[t], otypes=[float])
    assert not dkw_test(x, right, 1e-9, cdf_left=left).rejected


def test_uniform_draws_never_touch_the_ends() -> None:
    """float32 draws hit 0 about once in 2^24: the law is open, so that logit and quantile functions stay finite."""
    g = torch.Generator().manual_seed(0)
    for _ in range(8):
        u = Uniform().draw((1 << 22,), generator=g, dtype=torch.float32)
        assert float(u.min()) > 0
        assert float(u.max()) < 1


def test_draws_of_a_product_are_a_tuple_with_one_entry_a_factor(rng) -> None:
    law = Product(StandardNormal((3,)), Uniform((2,)))
    e, u = law.draw((7,), generator=rng)
    assert e.shape == (7, 3)
    assert u.shape == (7, 2)


def test_a_seed_determines_the_draws() -> None:
    a, b = (StandardNormal((4,)).draw((2,), generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: StandardNormal((10,)).nodes(20), "Lower the order"),
        (lambda: Product(StandardNormal((4,)), Uniform((4,))).nodes(12), "Lower the order"),
        (lambda: StandardNormal().enumerate(), "no finite set"),
        (lambda: StandardNormal().nodes(0), "at least one node"),
        (lambda: StandardNormal(3), "write"),
        (lambda: Finite([0.0, 1.0], [0.5, 0.6]), "sum to 1"),
        (lambda: Finite([0.0, 1.0], [1.5, -0.5]), "must be >= 0"),
        (lambda: Finite([0.0, 1.0], [1.0]), "one probability"),
        (lambda: Product(), "at least one law"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_write(call, message: str) -> None:
    with pytest.raises(Error, match=message):
        call()


def test_examples_in_the_documentation() -> None:
    assert doctest.testmod(elbo.noise).failed == 0


def test_moments_of_gauss_hermite_against_scipy() -> None:
    """A second witness for the weights: SciPy's own rule."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    ours, w = StandardNormal().nodes(40)
    for k in (2, 8, 20):
        reference = float((weights * points**k).sum() / weights.sum())
        assert float(w @ ours**k) == pytest.approx(reference, rel=1e-12)
        assert reference == pytest.approx(factorial(k) / (2 ** (k // 2) * factorial(k // 2)), rel=1e-10)
