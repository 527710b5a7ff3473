"""The true value lies within the bound, on integrals whose answers are known."""

import doctest
from math import cos, erf, exp, inf, log, pi, sin, sqrt

import numpy as np
import pytest
from scipy.special import gamma

from elbo._errors import InputTypeError, InputValueError
from elbo.exact import enumeration, quadrature, tensor
from elbo.exact.quadrature import (
    Integral,
    IntegrationError,
    gauss_hermite,
    gauss_legendre,
    integrate,
    piecewise_legendre,
    trapezoid,
)
from elbo.exact.tensor import integrate_box, normal_expectation, tensor_rule

KNOWN = [
    ("polynomial", lambda t: t**7 - t, 0.0, 2.0, (), 30.0),
    ("gaussian", lambda t: exp(-t * t), -inf, inf, (), sqrt(pi)),
    ("half a gaussian", lambda t: exp(-t * t / 2), 0.0, inf, (), sqrt(pi / 2)),
    ("entropy", lambda t: -t * log(t) if t else 0.0, 0.0, 1.0, (), 0.25),
    ("logarithm", lambda t: log(t), 0.0, 1.0, (), -1.0),
    ("root", lambda t: 1 / sqrt(t), 0.0, 1.0, (), 2.0),
    ("kink", abs, -1.0, 2.0, (0.0,), 2.5),
    ("unnamed kink", lambda t: abs(t - 0.3), 0.0, 1.0, (), 0.29),
    ("jump", lambda t: float(t > 0.3), 0.0, 1.0, (0.3,), 0.7),
    ("cauchy", lambda t: 1 / (1 + t * t), -inf, inf, (), pi),
    ("runge", lambda t: 1 / (1 + 25 * t * t), -1.0, 1.0, (), 2 * np.arctan(5.0) / 5),
    ("left tail", exp, -inf, 0.0, (), 1.0),
    ("gamma", lambda t: t**3.3 * exp(-t), 0.0, inf, (), gamma(4.3)),
    ("oscillating", lambda t: cos(40 * t) * exp(-t), 0.0, inf, (), 1 / 1601),
    ("odd, zero", sin, -1.0, 1.0, (), 0.0),
    ("narrow peak, named", lambda t: exp(-((t - 40) ** 2) / 2e-4), -inf, inf, (39.9, 40.0, 40.1), sqrt(2e-4 * pi)),
    ("far peak, named", lambda t: exp(-((t - 1e4) ** 2) / 2), -inf, inf, (9990.0, 1e4, 10010.0), sqrt(2 * pi)),
]


@pytest.mark.parametrize("name, f, lower, upper, points, truth", KNOWN, ids=[k[0] for k in KNOWN])
def test_the_truth_lies_within_the_bound(name, f, lower, upper, points, truth):
    got = integrate(f, lower, upper, points=points)
    assert got.contains(truth), (name, got, truth)
    assert got.error_bound <= 1e-6 * max(1.0, abs(truth)), "a bound so wide says nothing"


def test_smooth_integrands_reach_twelve_digits():
    for name, f, lower, upper, points, _ in KNOWN[:3] + KNOWN[12:13]:
        got = integrate(f, lower, upper, points=points)
        assert got.error_bound <= 1e-12 * max(1.0, abs(got.value)), (name, got)


def test_a_divergent_integral_is_refused():
    with pytest.raises(IntegrationError):
        integrate(lambda t: 1 / t, 0.0, 1.0)
    with pytest.raises(IntegrationError, match="integrand is"):
        integrate(lambda t: inf, 0.0, 1.0)


def test_a_tolerance_that_is_not_met_is_an_error_that_says_what_to_do():
    with pytest.raises(IntegrationError, match="points="):
        integrate(lambda t: abs(t - 0.3) ** 0.1, 0.0, 1.0, tolerance=1e-15)


@pytest.mark.parametrize(
    "lower, upper, points", [(1.0, 1.0, ()), (2.0, 1.0, ()), (0.0, float("nan"), ()), (0.0, 1.0, (2.0,))]
)
def test_ranges_that_are_none_are_refused(lower, upper, points):
    with pytest.raises(InputValueError, match=r"range|points"):
        integrate(sin, lower, upper, points=points)


ANALYTIC = [
    ("gaussian", lambda t: np.exp(-t * t), 9.0, sqrt(pi)),
    ("sech", lambda t: 1 / np.cosh(t), 60.0, pi),
    ("cosine", lambda t: np.cos(6 * t) * np.exp(-t * t / 2), 12.0, sqrt(2 * pi) * exp(-18)),
    ("logistic second moment", lambda t: t * t * np.exp(-np.abs(t)) / (1 + np.exp(-np.abs(t))) ** 2, 80.0, pi**2 / 3),
]


@pytest.mark.parametrize("name, f, end, truth", ANALYTIC, ids=[a[0] for a in ANALYTIC])
def test_trapezoid_contains_the_truth_and_is_tight(name, f, end, truth):
    got = trapezoid(f, -end, end)
    assert got.contains(truth)
    assert got.error_bound <= 2e-13 * max(1.0, pi**2)


def test_trapezoid_refuses_a_range_that_cuts_the_tail():
    with pytest.raises(IntegrationError, match="widen the range"):
        trapezoid(lambda t: np.exp(-t * t), -2.0, 2.0, limit=4096)
    with pytest.raises(IntegrationError, match="ends"):
        trapezoid(lambda t: np.ones_like(t), -2.0, 2.0, limit=4096)


def test_trapezoid_refuses_a_jump():
    with pytest.raises(IntegrationError, match="integrate"):
        trapezoid(lambda t: (t > 0.1) * np.exp(-t * t), -9.0, 9.0, limit=1 << 14)


@pytest.mark.parametrize("order", [1, 2, 5, 20, 64])
def test_gauss_rules_are_exact_up_to_their_degree(order):
    z, w = gauss_hermite(order)
    u, v = gauss_legendre(order, -1.0, 2.0)
    for degree in range(min(2 * order, 24)):
        even = gamma((degree + 1) / 2) * 2 ** (degree / 2) / sqrt(pi) if degree % 2 == 0 else 0.0
        scale = float(w @ np.abs(z) ** degree)
        assert abs(float(w @ z**degree) - even) <= 1e-12 * max(scale, 1.0)
        truth = (2.0 ** (degree + 1) - (-1.0) ** (degree + 1)) / (degree + 1)
        assert abs(float(v @ u**degree) - truth) <= 1e-13 * float(v @ np.abs(u) ** degree)


def test_tensor_rules_contain_the_truth():
    box = integrate_box(lambda p: np.exp(p.sum(1)), [0, 0, 0], [1, 1, 1])
    assert box.contains((exp(1) - 1) ** 3)
    assert box.error_bound < 1e-10
    normal = normal_expectation(lambda z: np.cos(z @ np.array([1.0, 2.0])), 2)
    assert normal.contains(exp(-2.5))
    peak = integrate_box(lambda p: np.exp(-200 * ((p - 0.3) ** 2).sum(1)), [0, 0], [1, 1])
    one = sqrt(pi / 800) * (erf(sqrt(200) * 0.7) + erf(sqrt(200) * 0.3))
    assert peak.contains(one * one)


def test_tensor_rules_refuse_what_they_cannot_bound():
    with pytest.raises(IntegrationError, match="smooth"):
        normal_expectation(lambda z: (z[:, 0] > 0.1).astype(float), 1)
    with pytest.raises(InputValueError, match="points"):
        tensor_rule(*[gauss_hermite(10)] * 9)


@pytest.mark.parametrize("order, error", [(0, InputValueError), (2.5, InputTypeError), (True, InputTypeError)])
def test_orders_are_checked(order, error):
    with pytest.raises(error, match="order is"):
        gauss_hermite(order)


def test_integrals_add_with_their_bounds():
    both = Integral(1.0, 1e-3) + Integral(2.0, 1e-4)
    assert both.value == 3.0
    assert both.error_bound >= 1.1e-3


@pytest.mark.parametrize("module", [quadrature, tensor, enumeration], ids=lambda m: m.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def test_pieces_integrate_a_jump_exactly():
    u, w = piecewise_legendre([0.0, 0.3, 0.8, 1.0], 5)
    assert abs(float(w @ np.where(u > 0.3, u**3, -u)) - ((1 - 0.3**4) / 4 - 0.045)) < 1e-15
    with pytest.raises(InputValueError, match="rising"):
        piecewise_legendre([0.0, 0.5, 0.5], 3)
