"""Functions that should be −log p(x given recon)."""

import math

import pytest
import torch
import torch.distributions as td
import torch.nn.functional as F

import elbo

HALF = 0.5 * math.log(2 * math.pi)


def bce(r, x):
    return F.binary_cross_entropy(r, x, reduction="none")


CASES = [
    ("bernoulli_nll", lambda r, x: bce(r, x).sum(), set(), set()),
    ("bernoulli_nll", lambda r, x: F.binary_cross_entropy_with_logits(r, x, reduction="sum") / len(x), set(), set()),
    ("bernoulli_nll", lambda r, x: -td.Bernoulli(r).log_prob(x).sum(-1), set(), set()),
    ("bernoulli_nll", lambda x, r: bce(r, x).sum(), set(), {"argument-order"}),
    ("bernoulli_nll", lambda r, x: -(x * (r + 1e-6).log() + (1 - x) * (1 - r + 1e-6).log()).sum(), set(), set()),
    ("bernoulli_nll", lambda r, x: -bce(r, x).sum(), set(), {"maximised"}),
    ("bernoulli_nll", lambda r, x: bce(r.clamp(1e-3, 1 - 1e-3), x).sum(), set(), {"clamped"}),
    ("bernoulli_nll", F.binary_cross_entropy, {"reconstruction-averaged"}, set()),
    ("bernoulli_nll", lambda r, x: -(x * r.log() + (1 - x) * (1 - r).log()).sum(), {"not-finite"}, set()),
    ("bernoulli_nll", lambda r, x: -(x * (r + 1e-8).log()).sum(), {"algebra-slip"}, set()),
    ("bernoulli_nll", lambda r, x: F.mse_loss(r, x, reduction="sum"), {"algebra-slip"}, None),
    ("gaussian_nll", lambda r, x: -td.Normal(r, 1.0).log_prob(x).sum(1).mean(), set(), set()),
    ("gaussian_nll", lambda r, x: -td.Normal(r, 0.1).log_prob(x).sum(1).mean(), set(), {"decoder-variance"}),
    ("gaussian_nll", lambda r, x: 0.5 * ((x - r) ** 2).sum(), set(), {"constant-dropped"}),
    ("gaussian_nll", lambda r, x: ((x - r) ** 2).sum(), set(), {"constant-dropped", "decoder-variance"}),
    ("gaussian_nll", F.mse_loss, {"reconstruction-averaged"}, {"constant-dropped", "decoder-variance"}),
    ("gaussian_nll", lambda r, x: (0.5 * (x - r) ** 2 + 2 * HALF).sum(), {"constant-wrong"}, set()),
    ("gaussian_nll", lambda r, x, v: F.gaussian_nll_loss(r, x, v, full=True, reduction="sum"), set(), set()),
    ("gaussian_nll", lambda r, x, s: (0.5 * (x - r) ** 2 / s.exp() + 0.5 * s + HALF).sum(1).mean(), set(), set()),
    ("gaussian_nll", lambda r, x, s: (0.5 * (x - r) ** 2 / s.exp() + s + HALF).sum(), {"spread-misread"}, set()),
    ("gaussian_nll", lambda r, x: 0.5 * (x**2 - 2 * x * r + r**2).sum(), {"catastrophic-cancellation"}, None),
    ("laplace_nll", lambda r, x: -td.Laplace(r, 1.0).log_prob(x).sum(), set(), set()),
    ("laplace_nll", lambda r, x, s: ((x - r).abs() / s.exp() + s + math.log(2)).sum(), set(), set()),
    ("laplace_nll", F.l1_loss, {"reconstruction-averaged"}, {"constant-dropped"}),
]


@pytest.mark.parametrize(("target", "function", "mistakes", "notes"), CASES)
def test_verdict_and_codes(target, function, mistakes, notes):
    report = elbo.check(function, target)
    assert {m.code for m in report.mistakes} == mistakes, report
    if notes is not None:
        assert {n.code for n in report.notes} - {"not-normalised"} == notes, report
    assert report.verdict == ("wrong" if mistakes else "correct")


def test_images_summed_over_every_axis_but_the_batch_pass():
    def images(r, x):
        assert x.dim() == 4
        return bce(r, x).sum((1, 2, 3)).mean()

    assert elbo.check(images, "bernoulli_nll").verdict == "correct"


def test_images_averaged_over_space_are_named():
    def space(r, x):
        assert x.dim() == 4
        return bce(r, x).sum(1).mean()

    assert [m.code for m in elbo.check(space, "bernoulli_nll").mistakes] == ["wrong-axis"]


def test_the_default_reduction_of_binary_cross_entropy_says_what_it_does_to_a_loss():
    report = elbo.check(F.binary_cross_entropy, "bernoulli_nll")
    assert "β = P" in report.mistakes[0].effect
    assert report.counterexample is not None
    assert torch.as_tensor(report.counterexample.inputs["x"]).shape[-1] == 2
