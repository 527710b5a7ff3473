"""Weights that span hundreds to millions of nats, against the sum over all K-tuples of states.

e^-745 is the smallest float64: beyond it the weights themselves are zero and only their logarithms know the order.
"""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elbo import exact
from elbo import strategies as es
from elbo.exact.ratio import ratio_moments

levels = st.lists(st.sampled_from([0.0, 1.0, 30.0, 700.0, 745.0, 760.0, 5e3, 9e3, 1e5, 1e7]), min_size=2, max_size=4)
weights = st.tuples(levels, st.floats(0.0, 5.0)).map(lambda d: [-v - i * d[1] for i, v in enumerate(d[0])])
laws = weights.flatmap(lambda lw: st.tuples(st.just(lw), es.probability_tables(len(lw))))
two_states = ([0.0, -5000.0], torch.tensor([0.5, 0.5], dtype=torch.float64))


def tuples(lw, law, k):
    """Every K-tuple of states: log weights ``[K, n^K]``, their probabilities, and the states' numbers."""
    index = np.array(list(product(range(len(lw)), repeat=k))).T
    return np.asarray(lw)[index], np.prod(np.asarray(law)[index], axis=0), index


@settings(deadline=None)
@example(two_states, 2)
@example(([0.0, -1e5, -1e5 - 3, -2e7], torch.tensor([0.2, 0.3, 0.3, 0.2], dtype=torch.float64)), 3)
@given(laws, st.integers(1, 4))
def test_bounds_of_wide_weights(drawn, k):
    lw, law = drawn
    log_w, p, _ = tuples(lw, law, k)
    truth = p @ (np.logaddexp.reduce(log_w) - np.log(k))
    found = exact.iwae_from_weights(torch.tensor(lw, dtype=torch.float64), law, k)
    span = max(lw) - min(lw)
    assert abs(float(found.value) - truth) <= float(found.error_bound) + 1e-13 + 4e-16 * span
    # the bound promises eleven digits of the deepest log weight
    assert float(found.error_bound) <= 1e-11 * (1.0 - min(lw))


@settings(deadline=None)
@example(two_states, 2, 1)
@given(laws, st.integers(2, 4), st.sampled_from([1, 2]))
def test_ratios_of_wide_weights(drawn, k, power):
    lw, law = drawn
    values = np.linspace(1.0, -2.0, len(lw))
    log_w, p, index = tuples(lw, law, k)
    w = np.exp(log_w - log_w.max(0))
    ratio = ((w / w.sum(0)) ** power * values[index]).sum(0)
    mean = p @ ratio
    variance = p @ (ratio - mean) ** 2
    found = ratio_moments(lw, law, values, k, power)
    assert abs(found.mean[0] - mean) <= found.mean_error[0] + 1e-15
    assert abs(found.covariance[0, 0] - variance) <= found.covariance_error[0, 0] + 1e-15


@pytest.mark.parametrize("depth", [1e3, 1e6, 1e9, 1e12])
def test_two_states_far_apart_have_a_closed_form(depth):
    """All K draws miss the good state with probability 2^-K, and lose the depth."""
    law = torch.tensor([0.5, 0.5], dtype=torch.float64)
    found = exact.iwae_from_weights(torch.tensor([0.0, -depth], dtype=torch.float64), law, 2)
    truth = -depth / 4 - np.log(2.0) / 2
    assert abs(float(found.value) - truth) <= float(found.error_bound) + 1e-16 * depth
    assert float(found.error_bound) < 1e-12 * depth
