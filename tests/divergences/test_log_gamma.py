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


@pytest.mark.parametrize("share", [0.0, 0.3, -0.5])
def test_log_gamma_to_be_exponentiated_is_good_to_20_more_bits_where_it_is_large(share):
    c, r = FAR, FAR - 1.0
    low = share * np.spacing(c)
    got = log_gamma_from_rise(c, low, r, rise(c, r))
    for value, more, head, tail in zip(c, low, *got, strict=True):
        v = mpf(float(value)) + mpf(float(more))
        error = abs(mpf(float(head)) + mpf(float(tail)) - mp.loggamma(1 + v))
        # beyond 3 the logarithm has 73 bits after the point, and Stirling's remainder is rounded; below, the value is,
        # and ``low`` is left out, times ψ(4) = 1.26 at most
        assert error <= ((1 + v) * 2.0**-72 + 2.0**-54 if value > 3.0 else 2.5 * 2.0**-52 + 1.26 * abs(more))


def test_the_order_in_memory_makes_no_difference():
    c = np.linspace(0.1, 4.0, 60).reshape(5, 12)  # some beyond the rational function, less than a quarter
    for function in (rise, rise_slope):
        want = function(c, c - 1.0)
        for view in (np.asfortranarray(c), c.repeat(2, axis=1)[:, ::2]):
            np.testing.assert_allclose(function(view, view - 1.0), want, rtol=1e-15)
