"""The sequential mean test: its false-alarm rate, its power, and what it refuses."""

import numpy as np
import pytest
import torch
from scipy import stats

from elbo import Error
from elbo.evidence import SequentialMean, Verdict, mean_test, required_draws, seed, smallest_visible_shift

REPLICATES = 4000


def replicated_log_e(x: np.ndarray, variance: float, alpha: float) -> int:
    """How many of the columns of x are rejected: each is a test of its own."""
    rejected = 0
    for column in x.T:
        rejected += mean_test(column, 0.0, variance, alpha).rejected
    return rejected


@pytest.mark.parametrize(
    "law",
    [stats.norm(), stats.gamma(2), stats.uniform(), stats.bernoulli(0.02), stats.t(4)],
    ids=["normal", "gamma", "uniform", "rare-bernoulli", "student-4"],
)
def test_false_alarms_stay_within_alpha(law) -> None:
    """Twin: at alpha = 1e-2 the number of false alarms is within a binomial bound that errs once in 1e6."""
    alpha, n, replicates = 1e-2, 200, 1000
    rng = np.random.default_rng(seed(0, "false alarms", str(law.dist.name)))
    x = (law.rvs(size=(n, replicates), random_state=rng) - law.mean()) / law.std()
    assert replicated_log_e(x, 1.0, alpha) <= stats.binom.ppf(1 - 1e-6, replicates, alpha)


def test_false_alarms_on_heavy_importance_weights_where_the_z_test_fails() -> None:
    """w = p/q with q = N(0, 0.55), p = N(0, 1): E w = 1 and a variance that only just exists.

    The z-test with the sample's own variance raises the alarm sixteen times too often here; this one does not.
    """
    alpha, n, replicates, s2 = 1e-3, 500, 3000, 0.55
    rng = np.random.default_rng(seed(0, "heavy"))
    z = np.sqrt(s2) * rng.standard_normal((n, replicates))
    w = np.exp(-(z**2) / 2 + z**2 / (2 * s2)) * np.sqrt(s2)
    second_moment = np.sqrt(s2) / np.sqrt(2 - 1 / s2)
    alarms = replicated_log_e(w - 1, second_moment - 1, alpha)
    studentised = np.abs(w.mean(0) - 1) > stats.norm.isf(alpha / 2) * w.std(0, ddof=1) / np.sqrt(n)
    bound = stats.binom.ppf(1 - 1e-6, replicates, alpha)
    assert alarms <= bound
    assert studentised.sum() > bound


@pytest.mark.parametrize("shift", [0.2, 0.1, -0.1])
def test_a_shift_is_seen_within_the_stated_number_of_draws(shift: float) -> None:
    """Planted fault: the mean is off by ``shift`` standard deviations, on skewed data, at alpha = 1e-9."""
    alpha, n = 1e-9, required_draws(shift, 1.0, 1e-9)
    rng = np.random.default_rng(seed(0, "power", repr(shift)))
    for _ in range(20):
        x = (rng.gamma(2, size=n) - 2) / np.sqrt(2) + shift
        result = mean_test(x, 0.0, 1.0, alpha)
        assert result.rejected
        assert result.stopped_at is not None
        assert result.stopped_at <= n
        assert result.verdict is Verdict.REFUTED


def test_a_zero_shift_is_not_seen() -> None:
    """Control: the same data without the shift."""
    x = (np.random.default_rng(1).gamma(2, size=required_draws(0.1, 1.0, 1e-9)) - 2) / np.sqrt(2)
    assert not mean_test(x, 0.0, 1.0, 1e-9).rejected


def test_a_wrong_variance_bound_is_seen() -> None:
    assert mean_test(3 * np.random.default_rng(2).standard_normal(20_000), 0.0, 1.0, 1e-9).rejected


def test_a_fault_in_one_coordinate_of_a_vector_is_seen() -> None:
    """E-values of coordinates are averaged: opposite faults in two of them cannot cancel."""
    x = np.random.default_rng(3).standard_normal((4000, 4)) + np.array([0.5, -0.5, 0, 0])
    assert mean_test(x, np.zeros(4), np.ones(4), 1e-9).rejected
    assert not mean_test(x.mean(1), 0.0, 0.25, 1e-9).rejected


def test_batches_give_the_same_answer_as_one_piece() -> None:
    x = np.random.default_rng(4).standard_normal(5000) + 0.2
    whole = mean_test(x, 0.0, 1.0, 1e-9)
    pieces = SequentialMean(0.0, 1.0, 1e-9, budget=5000)
    for part in np.split(x, 10):
        pieces.update(part)
    assert pieces.result().stopped_at == whole.stopped_at
    assert pieces.result().log_e == pytest.approx(whole.log_e, rel=1e-12)


def test_smallest_visible_shift_is_the_inverse_of_required_draws() -> None:
    n = required_draws(0.03, 2.0, 1e-6)
    assert smallest_visible_shift(n, 2.0, 1e-6) == pytest.approx(0.03, rel=1e-4)


def test_torch_draws_are_accepted() -> None:
    assert not mean_test(torch.zeros(10, requires_grad=True), 0.0, 1.0, 1e-6).rejected


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.array([0.0, np.nan]), 0.0, 1.0, 1e-6), "NaN or infinite"),
        ((np.zeros(0), 0.0, 1.0, 1e-6), "at least one draw"),
        ((np.zeros(3), 0.0, 0.0, 1e-6), "compare the value"),
        ((np.zeros(3), 0.0, np.inf, 1e-6), "bounded transform"),
        ((np.zeros(3), 0.0, 1.0, 1.0), "strictly between 0 and 1"),
        ((np.zeros((3, 2)), 0.0, 1.0, 1e-6), "shape"),
        ((np.zeros(3), np.nan, 1.0, 1e-6), "must be finite"),
    ],
)
def test_what_would_make_the_test_meaningless_is_refused(arguments, message: str) -> None:
    with pytest.raises(Error, match=message):
        mean_test(*arguments)
