"""Integrals over boxes: the truth lies within the change of the last halving, and the roots add up."""

import numpy as np
import pytest
from scipy.special import erf

from elbo.exact._boxes import adapt, nodes_in


def integrated(f, lower, upper, order, relative=1e-10, most=100_000):
    lower, upper = np.array(lower, float), np.array(upper, float)
    calls = []

    def rule(low, high, root):
        calls.append(len(low))
        points, log_weight = nodes_in(low, high, order)
        return (f(points) * np.exp(log_weight)).sum(1)[None]

    found = adapt(rule, lower, upper, lambda present: relative * np.abs(present), driven=1, most=most)
    return found.value[0], found.change[0], sum(calls)


KNOWN = [
    ("polynomial", lambda x: x[..., 0] ** 7, [[0.0]], [[2.0]], 8, 32.0),
    ("gaussian", lambda x: np.exp(-((x * x).sum(-1))), [[-3.0, -3.0]], [[3.0, 3.0]], 10, np.pi * erf(3.0) ** 2),
    ("gaussian in space", lambda x: np.exp(-((x * x).sum(-1))), [[-3.0] * 3], [[3.0] * 3], 8,
     np.pi**1.5 * erf(3.0) ** 3),
    ("kink along an axis", lambda x: np.abs(x[..., 0] - 0.3) * np.cos(x[..., 1]), [[0.0, 0.0]], [[1.0, 1.0]], 10,
     0.29 * np.sin(1.0)),
    ("narrow ridge", lambda x: np.exp(-(((x[..., 0] - 0.31) / 0.01) ** 2)), [[0.0, 0.0]], [[1.0, 1.0]], 10,
     0.01 * np.sqrt(np.pi)),
    ("jump", lambda x: (x[..., 0] > 0.3) * 1.0, [[0.0]], [[1.0]], 16, 0.7),
    ("signed", lambda x: np.sin(x[..., 0]) + 0.1, [[-1.0]], [[1.0]], 16, 0.2),
]  # fmt: skip


@pytest.mark.parametrize("name, f, lower, upper, order, truth", KNOWN, ids=[k[0] for k in KNOWN])
def test_the_truth_lies_within_the_change(name, f, lower, upper, order, truth):
    value, change, _ = integrated(f, lower, upper, order)
    assert abs(value[0] - truth) <= change[0] + 1e-14
    assert change[0] <= 1e-8 * truth


def test_roots_are_told_apart():
    value, change, _ = integrated(lambda x: x[..., 0] ** 2, [[0.0], [1.0], [2.0]], [[1.0], [2.0], [3.0]], 4)
    np.testing.assert_allclose(value, np.array([1.0, 7.0, 19.0]) / 3, rtol=1e-15)
    assert (change <= 1e-14).all()


def test_halving_goes_where_it_pays():
    """A ridge across one axis is not cut along it."""
    _, _, both = integrated(KNOWN[4][1], *KNOWN[4][2:5])
    _, _, line = integrated(KNOWN[4][1], [[0.0]], [[1.0]], 10)
    assert both <= 2.5 * line


def test_what_is_left_when_the_boxes_are_spent_is_in_the_change():
    truth = 2 / 3 * (0.3**1.5 + 0.7**1.5)
    value, change, spent = integrated(lambda x: np.sqrt(np.abs(x[..., 0] - 0.3)), [[0.0]], [[1.0]], 4, 1e-14, most=40)
    assert spent < 100
    assert change[0] > 1e-6
    assert abs(value[0] - truth) <= change[0]


def test_rounding_is_not_halved_for_ever():
    rng = np.random.default_rng(0)
    value, change, spent = integrated(lambda x: 1.0 + 1e-8 * rng.normal(size=x.shape[:-1]), [[0.0]], [[1.0]], 16, 1e-14)
    assert abs(value[0] - 1.0) < 1e-7
    assert change[0] < 1e-6
    assert spent < 1000
