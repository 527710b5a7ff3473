"""Sums, quotients and logarithms to twice the digits, against mpmath."""

import numpy as np
import pytest
import torch
from mpmath import mp, mpf

from elbo.divergences import _double_double as double

mp.dps = 60
RNG = np.random.default_rng(0)
ANY = 10.0 ** RNG.uniform(-300, 300, 400)
NEAR_1 = 1.0 + 10.0 ** RNG.uniform(-15, -0.5, 400) * RNG.choice([-1, 1], 400)
EDGES = np.array([0.5**0.5, 2.0**0.5, np.nextafter(0.5**0.5, 0), np.nextafter(2.0**0.5, 2), 1.0, 2.0, 0.5, 45.5 / 64])


def exact(pair, i):
    return mpf(float(pair[0][i])) + mpf(float(pair[1][i]))


def test_sums_products_and_quotients_keep_what_they_lose():
    x, y = RNG.normal(size=300) * 10.0 ** RNG.uniform(-8, 8, 300), 10.0 ** RNG.uniform(-8, 8, 300)
    low = 1e-17 * x
    for i in range(300):
        a, b, c = mpf(x[i]), mpf(y[i]), mpf(low[i])
        assert exact(double.plus(x, y), i) == a + b
        assert exact(double.times(x, y), i) == a * b
        assert abs(exact(double.over(x, y, low), i) * b - (a + c)) <= mpf(2) ** -100 * abs(a)


@pytest.mark.parametrize("x", [ANY, NEAR_1, EDGES], ids=["any", "near 1", "edges"])
@pytest.mark.parametrize("with_low", [False, True])
def test_the_logarithm_is_good_to_73_bits(x, with_low):
    low = x * RNG.uniform(-1, 1, x.size) * 2.0**-53 * with_low
    pair = double.log(x, low)
    for i in range(x.size):
        want = mp.log(mpf(x[i]) + mpf(low[i]))
        error = abs(exact(pair, i) - want)
        assert error <= mpf(2) ** -72 * max(1, abs(want) * 2**-20)
        if not with_low and abs(want) < 0.01:  # then relative to the logarithm itself
            assert error <= mpf(2) ** -64 * abs(want)
        assert abs(pair[1][i]) <= 2.0**-53 * abs(pair[0][i]) or want == 0


def test_the_logarithm_is_exact_at_1_and_itself_where_there_are_no_digits():
    x = np.array([1.0, 0.0, np.inf, np.nan, 5e-324])
    with np.errstate(all="ignore"):
        value, low = double.log(x, 0.0 * np.ones(5))
    np.testing.assert_array_equal(value[:4], [0.0, -np.inf, np.inf, np.nan])
    assert value[4] == pytest.approx(np.log(5e-324), rel=1e-15)
    assert low[:4].tolist() == [0.0] * 4


def test_what_has_overflown_has_lost_nothing():
    huge, one = np.array([1e200, np.inf]), np.array([1e200, 1.0])
    with np.errstate(all="ignore"):
        for value, low in (double.times(huge, one), double.over(huge, one * 1e-200), double.plus(huge, huge)):
            assert value[1] == np.inf
            assert np.isfinite(low).all()


def test_tensors_and_vmap_give_the_same_digits():
    x = np.concatenate([ANY, NEAR_1, EDGES])
    low = x * 2.0**-55
    want = double.log(x, low)
    for function in (double.log, torch.func.vmap(double.log)):
        for got, part in zip(function(torch.from_numpy(x), torch.from_numpy(low)), want, strict=True):
            np.testing.assert_array_equal(got.numpy(), part)
