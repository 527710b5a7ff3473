"""Functions of two Gaussians, and densities, sampled KLs and draws of one."""

import math

import pytest
import torch
import torch.distributions as td

import elbo

LOG_2PI = math.log(2 * math.pi)


def pair(mq, lq, mp, lp):
    return 0.5 * (lp - lq + (lq - lp).exp() + (mq - mp) ** 2 * (-lp).exp() - 1)


def normal_pair(mq, sq, mp, sp):
    return td.kl_divergence(td.Normal(mq, sq), td.Normal(mp, sp))


def density(z, mean, log_var):
    return -0.5 * (LOG_2PI + log_var + (z - mean) ** 2 / log_var.exp())


def prior(z):
    return -0.5 * (LOG_2PI + z**2)


def balanced(mq, lq, mp, lp):
    held = pair(mq.detach(), lq.detach(), mp, lp).sum()
    return 0.8 * held + 0.2 * pair(mq, lq, mp.detach(), lp.detach()).sum()


CASES = [
    ("gaussian_kl_pair", lambda mq, lq, mp, lp: pair(mq, lq, mp, lp).sum(1).mean(), set(), set()),
    ("gaussian_kl_pair", lambda mq, sq, mp, sp: normal_pair(mq, sq, mp, sp).sum(), set(), set()),
    ("gaussian_kl_pair", lambda mq, mp, lq, lp: pair(mq, lq, mp, lp).sum(), set(), {"argument-order"}),
    ("gaussian_kl_pair", lambda m_p, l_p, m_q, l_q: pair(m_q, l_q, m_p, l_p).sum(), set(), {"argument-order"}),
    ("gaussian_kl_pair", balanced, set(), {"gradient-split"}),
    ("gaussian_kl_pair", lambda mq, lq, mp, lp: pair(mp, lp, mq, lq).sum(), {"reverse-kl"}, set()),
    ("gaussian_kl_pair", lambda mq, lq, mp, lp: pair(mq, lq, mp, lp).mean(), {"kl-averaged-over-latent"}, set()),
    (
        "gaussian_kl_pair",
        lambda mq, lq, mp, lp: 0.5 * (lp - lq + (lq - lp).exp() + (mq - mp) ** 2 - 1).sum(),
        {"algebra-slip"},
        set(),
    ),
    ("gaussian_log_prob", lambda z, m, lv: density(z, m, lv).sum(1), set(), set()),
    ("gaussian_log_prob", lambda z, m, sd: td.Normal(m, sd).log_prob(z).sum(-1).mean(), set(), set()),
    ("gaussian_log_prob", lambda z, m, lv: (density(z, m, lv) + LOG_2PI / 2).sum(), set(), {"constant-dropped"}),
    ("gaussian_log_prob", lambda z, m, lv: (density(z, m, lv) - LOG_2PI / 2).sum(), {"constant-wrong"}, set()),
    ("gaussian_log_prob", lambda z, m, lv: -density(z, m, lv).sum(), {"sign-flipped"}, set()),
    ("gaussian_kl_sample", lambda z, m, lv: (density(z, m, lv) - prior(z)).sum(1).mean(), set(), {"unbiased-estimate"}),
    (
        "gaussian_kl_sample",
        lambda z, m, lv: (-0.5 * (1 + LOG_2PI + lv) - prior(z)).sum(1).mean(),
        set(),
        {"unbiased-estimate"},
    ),
    (
        "gaussian_kl_sample",
        lambda z, m, lv: (torch.expm1(r := (prior(z) - density(z, m, lv)).sum(-1)) - r).mean(),
        set(),
        {"unbiased-estimate"},
    ),
    ("gaussian_kl_sample", lambda z, m, lv: (prior(z) - density(z, m, lv)).sum(), {"sign-flipped"}, set()),
    (
        "gaussian_kl_sample",
        lambda z, m, lv: 0.5 * ((prior(z) - density(z, m, lv)).sum(1) ** 2).mean(),
        {"biased-estimator"},
        set(),
    ),
    ("gaussian_sample", lambda mu, logvar: mu + (logvar / 2).exp() * torch.randn_like(mu), set(), set()),
    ("gaussian_sample", lambda mu, sigma: td.Normal(mu, sigma).rsample(), set(), set()),
    ("gaussian_sample", lambda mu, logvar: mu + logvar.exp() * torch.randn_like(mu), set(), {"name-contradicts-maths"}),
    ("gaussian_sample", lambda mu, sigma: td.Normal(mu, sigma).sample(), {"stop-gradient-misplaced"}, set()),
    ("gaussian_sample", lambda mu, logvar: mu + (logvar / 2).exp() * torch.rand_like(mu), {"noise-scale"}, set()),
    ("gaussian_sample", lambda mu, logvar: mu + (logvar / 2).exp() * torch.randn(1), {"noise-scale"}, set()),
    (
        "gaussian_sample",
        lambda mu, logvar: mu + 0.1 * (logvar / 2).exp() * torch.randn_like(mu),
        {"noise-scale"},
        set(),
    ),
]


@pytest.mark.parametrize(("target", "function", "mistakes", "notes"), CASES)
def test_verdict_and_codes(target, function, mistakes, notes):
    report = elbo.check(function, target)
    assert {m.code for m in report.mistakes} == mistakes, report
    assert {n.code for n in report.notes} == notes, report
    assert report.verdict == ("wrong" if mistakes else "correct")


def test_a_sampler_is_wrong_only_for_a_stated_spread():
    def forgot_the_half(mu, s):
        return mu + s.exp() * torch.randn_like(mu)

    assert elbo.check(forgot_the_half, "gaussian_sample", spread="log_std").verdict == "correct"
    wrong = elbo.check(forgot_the_half, "gaussian_sample", spread="log_variance")
    assert [m.code for m in wrong.mistakes] == ["sampler-spread-misread"]


def test_noise_that_torch_does_not_draw_is_left_undecided():
    import numpy as np

    random = np.random.default_rng(0)
    report = elbo.check(
        lambda mu, logvar: mu + (logvar / 2).exp() * torch.tensor(random.normal(size=mu.shape)), "gaussian_sample"
    )
    assert report.verdict == "undecided"
    assert any("randn_like" in text for text in report.unseen)
