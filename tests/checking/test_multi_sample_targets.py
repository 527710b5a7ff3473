"""The importance-weighted bound from log weights, and MMD²."""

import math

import pytest
import torch

import elbo


def bound(w, axis=1):
    return torch.logsumexp(w, axis) - math.log(w.shape[axis])


def surrogate(w, weights):
    return -(weights * w).sum(1).mean()


IWAE = [
    ("right", lambda w: -bound(w).mean(), set(), set()),
    ("a value a datum", lambda w: -bound(w), set(), set()),
    ("maximised", lambda w: bound(w).sum(), set(), {"maximised"}),
    ("surrogate", lambda w: surrogate(w, w.softmax(1).detach()), set(), {"surrogate-value"}),
    ("attached weights", lambda w: surrogate(w, w.softmax(1)), {"weights-not-detached"}, set()),
    ("negated weights", lambda w: surrogate(w, (-w).softmax(1).detach()), {"weights-negated"}, set()),
    ("negated, attached", lambda w: surrogate(w, (-w).softmax(1)), {"weights-negated", "weights-not-detached"}, set()),
    ("mean of logs", lambda w: -w.mean(), {"average-outside-log"}, set()),
    ("no log K", lambda w: -torch.logsumexp(w, 1).mean(), {"log-k-missing"}, set()),
    ("+ log K", lambda w: -(torch.logsumexp(w, 1) + math.log(w.shape[1])).mean(), {"constant-wrong"}, set()),
    ("batch axis", lambda w: -bound(w, 0).mean(), {"wrong-sample-axis"}, set()),
    ("batch first", lambda w: -bound(w.sum(0), 0), {"weights-multiplied-over-batch"}, set()),
    ("underflow", lambda w: -w.exp().mean(1).log().mean(), {"not-finite"}, set()),
    ("value detached", lambda w: -bound(w.detach()).mean() - 0.0 * w.sum(), {"stop-gradient-misplaced"}, set()),
]


@pytest.mark.parametrize(("function", "mistakes", "notes"), [c[1:] for c in IWAE], ids=[c[0] for c in IWAE])
def test_iwae(function, mistakes, notes):
    report = elbo.check(function, "iwae")
    assert {m.code for m in report.mistakes} == mistakes, report
    assert {n.code for n in report.notes} == notes


def test_the_sample_axis_can_be_stated():
    def first(w):
        return -bound(w, 0).mean()

    assert elbo.check(first, "iwae", sample_axis=0).verdict == "correct"
    assert elbo.check(first, "iwae").verdict == "wrong"


def gram(x, y, h):
    return torch.exp(-((x[:, None] - y[None]) ** 2).sum(-1) / (2 * h * h))


def inside(k):
    n = len(k)
    return (k.sum() - k.trace()) / (n * (n - 1))


MMD = [
    (lambda x, y, h: inside(gram(x, x, h)) + inside(gram(y, y, h)) - 2 * gram(x, y, h).mean(), set()),
    (lambda x, y, h: gram(x, x, h).mean() + gram(y, y, h).mean() - 2 * gram(x, y, h).mean(), {"mmd-normalisation"}),
    (lambda x, y, h: inside(gram(x, x, h)) + inside(gram(y, y, h)) - gram(x, y, h).mean(), {"mmd-normalisation"}),
    (lambda x, y, h: inside(gram(x, x, h)) + inside(gram(y, y, h)) + 2 * gram(x, y, h).mean(), {"sign-flipped"}),
    (lambda x, y, h: (x.mean(0) - y.mean(0)).pow(2).sum(), {"algebra-slip"}),
]


@pytest.mark.parametrize(("function", "mistakes"), MMD)
def test_mmd(function, mistakes):
    report = elbo.check(function, "mmd")
    assert {m.code for m in report.mistakes} == mistakes, report


def test_another_kernel_is_a_convention_that_is_stated():
    def wide(x, y, h):
        h = h * math.sqrt(0.5)
        return inside(gram(x, x, h)) + inside(gram(y, y, h)) - 2 * gram(x, y, h).mean()

    report = elbo.check(wide, "mmd")
    assert report.verdict == "correct"
    assert report.adopted["kernel"] == "exp(−‖a−b‖²/h²)"
