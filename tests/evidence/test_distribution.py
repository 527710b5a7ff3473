"""Whole distributions: DKW with and without atoms, and the exact permutation test."""

import numpy as np
import pytest
from scipy import stats

from elbo import Error
from elbo.evidence import dkw_draws, dkw_test, permutation_test, seed


@pytest.mark.parametrize("law", [stats.norm(), stats.expon()], ids=["normal", "exponential"])
def test_dkw_false_alarms_stay_within_alpha(law) -> None:
    alpha, replicates = 1e-2, 3000
    rng = np.random.default_rng(seed(0, "dkw", law.dist.name))
    x = law.rvs(size=(replicates, 200), random_state=rng)
    alarms = sum(dkw_test(row, law.cdf, alpha).rejected for row in x)
    assert alarms <= stats.binom.ppf(1 - 1e-6, replicates, alpha)


def test_dkw_sees_a_distance_within_the_stated_number_of_draws() -> None:
    """Planted fault: a normal shifted so that the distribution functions are 0.02 apart."""
    alpha = beta = 1e-9
    n = dkw_draws(0.02, alpha, beta)
    assert n == pytest.approx(107_000, rel=1e-2)
    shift = 2 * stats.norm.ppf(0.5 + 0.01)
    x = np.random.default_rng(seed(0, "dkw power")).standard_normal(n)
    assert dkw_test(x + shift, stats.norm.cdf, alpha).rejected
    assert not dkw_test(x, stats.norm.cdf, alpha).rejected


def test_atoms_need_both_limits() -> None:
    """A fair coin passes with the left limits, is wrongly rejected without, and a biased one is seen."""
    x = (np.random.default_rng(6).random(20_000) < 0.5).astype(float)
    law = stats.bernoulli(0.5)

    def left(t: np.ndarray) -> np.ndarray:
        return law.cdf(t) - law.pmf(t)

    assert not dkw_test(x, law.cdf, 1e-9, cdf_left=left).rejected
    assert dkw_test(x, law.cdf, 1e-9).rejected
    biased = stats.bernoulli(0.55)
    assert dkw_test(x, biased.cdf, 1e-9, cdf_left=lambda t: biased.cdf(t) - biased.pmf(t)).rejected


def test_permutation_false_alarms_stay_within_alpha() -> None:
    alpha, replicates = 0.05, 300
    rng = np.random.default_rng(seed(0, "permutation"))
    alarms = sum(
        permutation_test(rng.exponential(size=8), rng.exponential(size=8), alpha, seed=k, resamples=99).rejected
        for k in range(replicates)
    )
    assert alarms <= stats.binom.ppf(1 - 1e-6, replicates, alpha)


def test_permutation_sees_a_difference_in_spread_alone() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal(150), 4 * rng.standard_normal(150)
    assert permutation_test(a, b, 1e-3, seed=1).rejected
    assert not permutation_test(a, b / 4, 1e-3, seed=1).rejected


def test_a_permutation_test_that_could_not_fail_is_refused() -> None:
    with pytest.raises(Error, match="could not fail"):
        permutation_test([1.0, 2.0], [3.0, 4.0], 1e-3, seed=0)


@pytest.mark.parametrize("cdf", [lambda t: t * np.nan, lambda t: t + 2, lambda t: 0.5])
def test_a_function_that_is_no_distribution_function_is_refused(cdf) -> None:
    with pytest.raises(Error, match="one probability"):
        dkw_test(np.array([0.1, 0.2]), cdf, 1e-6)
