"""log Γ beside its tangent at 2, against mpmath."""

import numpy as np
import pytest
from mpmath import mp, mpf

from elbo.divergences._log_gamma import log_gamma_from_rise, rise, rise_slope

mp.dps = 60
EXCESS = 1 - mp.euler
FAR = np.concatenate([10.0 ** np.linspace(-9, 6, 150), np.linspace(0.05, 6.04, 120)])
CLOSE = np.concatenate([10.0 ** np.linspace(-8, -1, 40), -(10.0 ** np.linspace(-8, -1, 40))])


def worst(got: np.ndarray, want: list[mpf]) -> float:
    return max(float(abs((mpf(float(g)) - w) / w)) for g, w in zip(got, want, strict=True))


@pytest.mark.parametrize(("brief", "bound"), [(False, 1e-15), (True, 1e-9)])
def test_the_rise_of_log_gamma_over_its_tangent_keeps_its_digits(brief, bound):
    for c, r in ((FAR, FAR - 1.0), (1.0 + CLOSE, CLOSE)):
        exact = [mpf(float(v)) for v in (FAR if c is FAR else CLOSE)]
        points = exact if c is FAR else [1 + v for v in exact]
        want = [mp.loggamma(1 + v) - EXCESS * (v - 1) for v in points]
        assert worst(rise(c, r, brief=brief), want) < bound
        slopes = [mp.digamma(1 + v) - EXCESS for v in points]
        assert worst(rise_slope(c, r, brief=brief), slopes) < bound


def test_log_gamma_from_the_rise_is_good_to_the_rounding_of_its_largest_term():
    c, r = FAR, FAR - 1.0
    got = log_gamma_from_rise(c, r, rise(c, r))
    for value, g in zip(c, got, strict=True):
        v = mpf(float(value))
        size = max(v * mp.log(1 + v), EXCESS * abs(v - 1))
        # a logarithm good to an ulp, and three roundings of half an ulp: (½ + ½ + ½ + 1) 2⁻⁵²
        assert abs(mpf(float(g)) - mp.loggamma(1 + v)) <= 2.5 * 2.0**-52 * size


def test_the_order_in_memory_makes_no_difference():
    c = np.linspace(0.1, 4.0, 60).reshape(5, 12)  # some beyond the rational function, less than a quarter
    for function in (rise, rise_slope):
        want = function(c, c - 1.0)
        for view in (np.asfortranarray(c), c.repeat(2, axis=1)[:, ::2]):
            np.testing.assert_allclose(function(view, view - 1.0), want, rtol=1e-15)
