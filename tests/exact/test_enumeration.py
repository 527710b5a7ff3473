"""Finite sums against closed forms."""

from math import comb, inf, log

import numpy as np
import pytest

from elbo._errors import InputTypeError, InputValueError
from elbo.exact.enumeration import (
    compositions,
    expectation,
    iwae_by_enumeration,
    multinomial,
    probabilities,
    product_outcomes,
)


@pytest.mark.parametrize("total, parts", [(0, 1), (3, 2), (5, 4), (12, 3)])
def test_compositions_are_all_and_distinct(total, parts):
    found = list(compositions(total, parts))
    assert len(found) == len(set(found)) == comb(total + parts - 1, parts - 1)
    assert all(sum(c) == total for c in found)


@pytest.mark.parametrize("draws", [1, 4, 20, 21, 60])
def test_multinomial_counts_have_the_multinomial_moments(draws):
    p = np.array([0.2, 0.5, 0.3])
    counts, weights = multinomial(draws, p)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(weights @ counts, draws * p, rtol=1e-12)
    covariance = np.einsum("m,mi,mj->ij", weights, counts, counts) - draws**2 * np.outer(p, p)
    np.testing.assert_allclose(covariance, draws * (np.diag(p) - np.outer(p, p)), atol=1e-10 * draws)


def test_products_list_every_outcome_once():
    index, weights = product_outcomes([0.25, 0.75], [1.0], [0.5, 0.2, 0.3])
    assert len({tuple(row) for row in index}) == 6
    assert weights.sum() == pytest.approx(1.0, abs=1e-15)
    assert expectation(lambda i: i[:, 0] * i[:, 2], index, weights).contains(0.75 * 0.8)


def test_outcomes_of_probability_zero_are_not_evaluated():
    index, weights = product_outcomes([0.0, 1.0])
    assert expectation(lambda i: np.log(i[:, 0]), index, weights).value == 0.0


@pytest.mark.parametrize(
    "k, truth", [(1, -1.172364649629), (2, -1.113372152312), (3, -1.092092475610), (50, -1.052266495478)]
)
def test_the_table_of_three_states(k, truth):
    log_w = np.log([0.18, 0.05, 0.12]) - np.log([0.3, 0.3, 0.4])
    got = iwae_by_enumeration(log_w, [0.3, 0.3, 0.4], k)
    assert abs(got.value - truth) <= 5e-13 + got.error_bound


def test_a_state_without_weight():
    assert iwae_by_enumeration([0.0, -inf], [0.5, 0.5], 2).value == -inf
    assert iwae_by_enumeration([log(2.0), -inf], [1.0, 0.0], 3).value == pytest.approx(log(2.0), abs=1e-15)


def test_laws_are_checked():
    with pytest.raises(InputValueError, match="sum to 1"):
        probabilities([0.5, 0.6])
    with pytest.raises(InputTypeError, match="one number"):
        probabilities([[0.5, 0.5]])
    with pytest.raises(InputValueError, match=r"exact\.iwae_bound"):
        multinomial(10**4, [0.25] * 4)
