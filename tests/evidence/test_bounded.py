"""Bounded variables: Hoeffding at a fixed number of draws, betting at any."""

import numpy as np
import pytest
from scipy import stats

from elbo import Error
from elbo.evidence import betting_test, hoeffding_test, seed


@pytest.mark.parametrize("test", [hoeffding_test, betting_test])
@pytest.mark.parametrize("p", [0.5, 0.05])
def test_false_alarms_stay_within_alpha(test, p: float) -> None:
    alpha, replicates = 1e-2, 2000
    rng = np.random.default_rng(seed(0, "bounded", test.__name__, repr(p)))
    x = (rng.random((replicates, 300)) < p).astype(float)
    alarms = sum(test(row, p, 0.0, 1.0, alpha).rejected for row in x)
    assert alarms <= stats.binom.ppf(1 - 1e-6, replicates, alpha)


@pytest.mark.parametrize("test", [hoeffding_test, betting_test])
@pytest.mark.parametrize("claimed", [0.4, 0.6])
def test_a_wrong_mean_is_seen(test, claimed: float) -> None:
    x = np.random.default_rng(5).random(4000)
    assert test(x, claimed, 0.0, 1.0, 1e-9).rejected
    assert not test(x, 0.5, 0.0, 1.0, 1e-9).rejected


def test_betting_sees_a_value_that_the_claim_excludes() -> None:
    """Draws that are all 0 agree with a mean of 0, which lies at the end of the interval, and not with 0.1."""
    x = np.zeros(2000)
    assert not betting_test(x, 0.0, 0.0, 1.0, 1e-9).rejected
    assert betting_test(x, 0.1, 0.0, 1.0, 1e-9).rejected


@pytest.mark.parametrize("test", [hoeffding_test, betting_test])
def test_draws_outside_the_interval_are_refused(test) -> None:
    with pytest.raises(Error, match="the bound does not hold"):
        test(np.array([0.5, 1.5]), 0.5, 0.0, 1.0, 1e-6)
    with pytest.raises(Error, match="proper interval"):
        test(np.array([0.5]), 2.0, 0.0, 1.0, 1e-6)
