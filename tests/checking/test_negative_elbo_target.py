"""Whole VAE losses of (recon, x, mean, spread)."""

import math
import time
from types import SimpleNamespace

import pytest
import torch
import torch.distributions as td
import torch.nn.functional as F

import elbo


def kl(m, s):
    return 0.5 * (m**2 + s.exp() - 1 - s)


def bce(r, x):
    return F.binary_cross_entropy(r, x, reduction="none")


def both(r, x, m, s):
    return (bce(r, x).sum(1) + kl(m, s).sum(1)).mean()


def on_784(r, x, m, s):
    return F.binary_cross_entropy(r, x.view(-1, 784), reduction="sum") + kl(m, s).sum()


def images(r, x, m, s):
    return bce(r, x).sum((1, 2, 3)).mean() + kl(m, s).sum(1).mean()


RIGHT = {
    "sums": (lambda r, x, m, s: bce(r, x).sum() + kl(m, s).sum(), set()),
    "means over the batch": (both, set()),
    "a tuple": (lambda r, x, m, s: (both(r, x, m, s), bce(r, x).sum(1).mean(), kl(m, s).sum(1).mean()), set()),
    "two parts": (lambda r, x, m, s: (bce(r, x).sum(1).mean(), kl(m, s).sum(1).mean()), set()),
    "a dict": (lambda r, x, m, s: {"kl": kl(m, s).mean(), "loss": both(r, x, m, s)}, set()),
    "an object": (lambda r, x, m, s: SimpleNamespace(loss=both(r, x, m, s)), set()),
    "maximised": (lambda r, x, m, s: -both(r, x, m, s), {"maximised"}),
    "latent first": (lambda m, s, r, x: both(r, x, m, s), {"argument-order"}),
    "x first": (lambda x, r, m, s: both(r, x, m, s), {"argument-order"}),
    "squared error": (
        lambda r, x, m, s: F.mse_loss(r, x, reduction="sum") + kl(m, s).sum(),
        {"decoder-variance", "constant-dropped"},
    ),
    "every ½ missing": (
        lambda r, x, m, s: F.mse_loss(r, x, reduction="sum") + 2 * kl(m, s).sum(),
        {"overall-scale", "constant-dropped"},
    ),
    "per pixel": (lambda r, x, m, s: both(r, x, m, s) / x[0].numel(), {"overall-scale"}),
    "normal density": (lambda r, x, m, s: -td.Normal(r, 1.0).log_prob(x).sum(1).mean() + kl(m, s).sum(1).mean(), set()),
    "bits": (lambda r, x, m, s: both(r, x, m, s) / math.log(2), {"unit-bits"}),
    "a β that is a parameter": (lambda r, x, m, s, beta=4.0: bce(r, x).sum() + beta * kl(m, s).sum(), set()),
    "784 in a view": (on_784, set()),
    "mean times 784": (lambda r, x, m, s: 784 * bce(r, x).mean() + kl(m, s).sum(1).mean(), set()),
    "images": (images, set()),
    "log-std": (lambda r, x, m, log_std: both(r, x, m, 2 * log_std), set()),
    "free bits": (lambda r, x, m, s: bce(r, x).sum(1).mean() + kl(m, s).mean(0).clamp(min=0.4).sum(), {"free-bits"}),
    "capacity": (
        lambda r, x, m, s: bce(r, x).sum(1).mean() + 30 * (kl(m, s).sum(1).mean() - 2).abs(),
        {"capacity"},
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_losses_pass_with_their_notes(name):
    function, notes = RIGHT[name]
    report = elbo.check(function, "negative_elbo")
    assert report.verdict == "correct", report
    assert {note.code for note in report.notes} - {"not-normalised"} == notes


WRONG = {
    "pixels averaged": (
        lambda r, x, m, s: F.binary_cross_entropy(r, x) + kl(m, s).sum(1).mean(),
        {"reconstruction-averaged"},
    ),
    "default mse, summed KL": (
        lambda r, x, m, s: F.mse_loss(r, x) + kl(m, s).sum(),
        {"reconstruction-averaged", "batch-reduction-mismatch"},
    ),
    "both averaged": (
        lambda r, x, m, s: F.binary_cross_entropy(r, x) + kl(m, s).mean(),
        {"reconstruction-averaged", "kl-averaged-over-latent"},
    ),
    "latent averaged": (lambda r, x, m, s: bce(r, x).sum(1).mean() + kl(m, s).mean(), {"kl-averaged-over-latent"}),
    "batch": (lambda r, x, m, s: bce(r, x).sum(1).mean() + kl(m, s).sum(), {"batch-reduction-mismatch"}),
    "β": (lambda r, x, m, s: bce(r, x).sum() + 0.1 * kl(m, s).sum(), {"effective-beta"}),
    "½ missing": (lambda r, x, m, s: bce(r, x).sum() + 2 * kl(m, s).sum(), {"effective-beta"}),
    "KL subtracted": (lambda r, x, m, s: bce(r, x).sum() - kl(m, s).sum(), {"sign-flipped"}),
    "β on the wrong term": (
        lambda r, x, m, s, beta=1.0: beta * bce(r, x).sum() + kl(m, s).sum(),
        {"beta-on-reconstruction"},
    ),
    "β ignored": (lambda r, x, m, s, beta=1.0: bce(r, x).sum() + kl(m, s).sum(), {"beta-ignored"}),
    "KL over pixels": (lambda r, x, m, s: bce(r, x).sum() + kl(m, s).sum() / x[0].numel(), {"effective-beta"}),
    "reverse": (
        lambda r, x, m, s: bce(r, x).sum() + 0.5 * ((1 + m**2) * (-s).exp() + s - 1).sum(),
        {"reverse-kl"},
    ),
    "no KL": (lambda r, x, m, s: bce(r, x).sum() + 0 * kl(m, s).sum(), {"effective-beta"}),
    "KL detached": (lambda r, x, m, s: bce(r, x).sum() + kl(m, s).sum().detach(), {"stop-gradient-misplaced"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_mistake_is_named(name):
    function, codes = WRONG[name]
    report = elbo.check(function, "negative_elbo")
    assert {m.code for m in report.mistakes} == codes, report


def test_at_a_hard_coded_size_the_weight_has_several_readings():
    def over_784(r, x, m, s):
        return F.binary_cross_entropy(r.view(-1, 784), x.view(-1, 784), reduction="sum") + kl(m, s).sum() / 784

    report = elbo.check(over_784, "negative_elbo")
    assert [m.code for m in report.mistakes] == ["effective-beta"]
    assert {"effective-beta", "reconstruction-averaged"} <= set(report.candidates)


def test_maximise_settles_the_sign():
    assert elbo.check(both, "negative_elbo", maximise=False).verdict == "correct"
    report = elbo.check(both, "negative_elbo", maximise=True)
    assert [m.code for m in report.mistakes] == ["sign-flipped"]


def test_an_accepted_deviation_moves_aside():
    def beta_vae(r, x, m, s):
        return bce(r, x).sum() + 4 * kl(m, s).sum()

    report = elbo.check(beta_vae, "negative_elbo", expected={"effective-beta": "β = 4 as in the paper"})
    assert report.verdict == "correct"
    assert [(f.code, f.reason) for f in report.accepted] == [("effective-beta", "β = 4 as in the paper")]


def test_the_adopted_hypothesis_is_stated():
    adopted = elbo.check(both, "negative_elbo").adopted
    assert adopted["arguments"] == "recon, x, mean, spread"
    assert adopted["spread"] == "log-variance"
    assert "mean over batch" in adopted["reduction"]
    assert adopted["sign"] == "minimised"
    torch.manual_seed(0)


def test_a_huber_loss_is_not_a_gaussian_likelihood():
    report = elbo.check(lambda r, x, m, s: F.smooth_l1_loss(r, x, reduction="sum") + kl(m, s).sum(), "negative_elbo")
    assert [m.code for m in report.mistakes] == ["algebra-slip"]
    assert "Huber" in report.mistakes[0].message


def test_masked_positions_must_not_count():
    def masked(r, x, m, s, mask):
        return (bce(r, x) * mask).sum(1).mean() + kl(m, s).sum(1).mean()

    def counted(r, x, m, s, mask):
        return bce(r, x).sum(1).mean() + kl(m, s).sum(1).mean()

    assert elbo.check(masked, "negative_elbo").verdict == "correct"
    assert [m.code for m in elbo.check(counted, "negative_elbo").mistakes] == ["padding-counted"]


def test_noise_that_changes_nothing_is_no_estimate():
    report = elbo.check(lambda r, x, m, s: both(r, x, m, s) + 0 * torch.randn(3).sum(), "negative_elbo")
    assert report.verdict == "correct"
    assert "unbiased-estimate" not in {n.code for n in report.notes}


def test_a_loss_that_insists_on_binary_data_is_judged_quickly():
    def validated(logits, x, mu, logvar):
        nll = -td.Bernoulli(logits=logits, validate_args=True).log_prob(x).flatten(1).sum(1)
        return (nll + kl(mu, logvar).sum(1)).mean()

    begun = time.process_time()
    assert elbo.check(validated, "negative_elbo").verdict == "correct"
    assert time.process_time() - begun < 3
