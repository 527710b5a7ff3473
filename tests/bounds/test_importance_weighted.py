"""Multi-sample bounds: identities sample by sample, and expectations by enumeration."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elbo import bounds, exact
from elbo import strategies as es
from elbo._errors import InputValueError

D = torch.float64
JOINT, Q = torch.tensor([0.18, 0.05, 0.12], dtype=D), torch.tensor([0.3, 0.3, 0.4], dtype=D)
LOG_W = (JOINT / Q).log()
log_weights = st.integers(2, 6).flatmap(es.log_weights)


def enumerated(k):
    index = torch.tensor(list(product(range(3), repeat=k)))
    return LOG_W[index], Q[index].prod(-1)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_expectation_of_iwae_is_the_exact_bound(k):
    draws, weights = enumerated(k)
    assert abs(weights @ bounds.iwae(draws) - exact.iwae_from_weights(LOG_W, Q, k).value) < 1e-13


@pytest.mark.parametrize("k, order", [(2, 1), (4, 1), (4, 2), (5, 3)])
def test_expectation_of_the_jackknife_is_the_exact_one(k, order):
    draws, weights = enumerated(k)
    c = exact.jackknife_weights(k, order)
    truth = sum(c[j] * exact.iwae_from_weights(LOG_W, Q, k - j).value for j in range(order + 1))
    assert abs(weights @ bounds.jackknife(draws, order) - truth) < 1e-11


@given(log_weights, st.floats(-3, 3))
def test_renyi_falls_with_alpha_and_lies_between_the_extremes(log_w, alpha):
    value = bounds.renyi(log_w, alpha)
    assert log_w.min() - 1e-11 <= value <= log_w.max() + 1e-11
    assert bounds.renyi(log_w, alpha + 0.5) <= value + 1e-10


@given(log_weights)
def test_the_family_meets_where_it_should(log_w):
    assert abs(bounds.renyi(log_w, 0.0) - bounds.iwae(log_w)) <= 1e-12 * (1 + log_w.abs().max())
    assert torch.equal(bounds.renyi(log_w, 1.0), bounds.elbo(log_w))
    assert torch.equal(bounds.cubo(log_w, 2.0), bounds.renyi(log_w, -1.0))
    assert torch.equal(bounds.jackknife(log_w, 0), bounds.iwae(log_w))
    assert abs(bounds.negative_iwae(log_w) + bounds.iwae(log_w)) == 0


@given(st.integers(2, 5).flatmap(lambda k: es.log_weights(k, (3,), dead=True)))
def test_the_bounds_are_ordered_sample_by_sample(log_w):
    """ELBO ≤ mean of L̂ over all subsets of K - 1 ≤ L̂_K ≤ the largest weight, by Jensen, for any weights at all."""
    k = log_w.shape[-1]
    elbo, whole = bounds.elbo(log_w), bounds.iwae(log_w)
    without = torch.stack([bounds.iwae(torch.cat([log_w[:, :i], log_w[:, i + 1 :]], -1)) for i in range(k)])
    slack = 1e-11
    assert (elbo <= without.mean(0) + slack).all()
    assert (without.mean(0) <= whole + slack).all()
    assert (whole <= log_w.amax(-1) + slack).all()


@given(log_weights, st.floats(-100, 100))
def test_a_constant_shifts_every_bound(log_w, c):
    for bound in (bounds.elbo, bounds.iwae, lambda v: bounds.renyi(v, 0.5), bounds.cubo):
        assert abs(bound(log_w + c) - bound(log_w) - c) <= 1e-11 * (1 + abs(c))


def test_effective_sample_size_is_between_one_and_k():
    assert abs(bounds.effective_sample_size(torch.zeros(2, 7, dtype=D)) - 7).max() < 1e-12
    assert abs(bounds.effective_sample_size(torch.tensor([0.0, -800.0])) - 1) < 1e-12


def test_float32_keeps_up_at_large_log_weights():
    log_w = torch.tensor([1000.0, 1000.25], dtype=D)
    got = bounds.iwae(log_w.float())
    assert got.dtype == torch.float32
    # the spacing of float32 at 1000 nats
    assert abs(got.double() - bounds.iwae(log_w)) <= 6.2e-5


def test_jackknife_orders_are_checked():
    with pytest.raises(InputValueError, match="order is 4 with 4 samples"):
        bounds.jackknife(torch.zeros(4), 4)
    with pytest.raises(InputValueError, match="subsets"):
        bounds.jackknife(torch.zeros(400), 3)
    with pytest.raises(InputValueError, match="CUBO has order"):
        bounds.cubo(torch.zeros(4), 0.5)
    with pytest.raises(InputValueError, match="alpha is NaN"):
        bounds.renyi(torch.zeros(4), float("nan"))
