"""Every mistake that the checker can name, planted once: it must be found, and by its own name."""

import math

import pytest
import torch
import torch.distributions as td
import torch.nn.functional as F

import elbo
from elbo.bounds import index_code_information, stratified_log_weights
from elbo.checking import MISTAKES


def kl(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var)


def bce(recon, x):
    return F.binary_cross_entropy(recon, x, reduction="none")


def each(z, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var[None] + (z[:, None] - mean[None]) ** 2 * (-log_var[None]).exp())


def tc(log_q, log_w):
    joint = (log_q.sum(-1) + log_w).logsumexp(1)
    return (joint - (log_q + log_w[..., None]).logsumexp(1).sum(1)).mean()


def column_weights(z, m, s, n):
    b = len(z)
    w = torch.full((b, b), 1 / (b - 1), dtype=z.dtype)
    w[:, 0], w[:, 1] = 1 / n, (n - b + 1) / (n * (b - 1))
    return tc(each(z, m, s), w.log())


def counted(z, m, s, n):
    log_q = each(z, m, s) + stratified_log_weights(len(z), n).to(z)[..., None]
    return tc(log_q, torch.zeros(len(z), len(z), dtype=z.dtype))


def gram(x, y, h):
    return torch.exp(-((x[:, None] - y[None]) ** 2).sum(-1) / (2 * h * h))


def images(recon, x):
    assert x.dim() == 4
    return bce(recon, x).sum(1).mean()


def log_weights(f, m, s, e):
    z = m + s.exp() * e
    return f(z) - td.Normal(m, s.exp()).log_prob(z).sum(-1)


def relaxed(logits, b):
    return b + logits.sigmoid() - logits.sigmoid().detach()


def log_p(logits, b):
    return td.Bernoulli(logits=logits).log_prob(b).sum(-1)


PLANTED = {
    "kl-averaged-over-latent": ("gaussian_kl", lambda m, s: kl(m, s).mean(), {}),
    "reconstruction-averaged": ("bernoulli_nll", F.binary_cross_entropy, {}),
    "batch-reduction-mismatch": (
        "negative_elbo",
        lambda r, x, m, s: bce(r, x).sum(1).mean() + kl(m, s).sum(),
        {},
    ),
    "wrong-axis": ("bernoulli_nll", images, {}),
    "padding-counted": ("bernoulli_nll", lambda r, x, mask: bce(r, x).sum(1).mean(), {}),
    "effective-beta": ("gaussian_kl", lambda m, s: 2 * kl(m, s).sum(), {}),
    "beta-ignored": ("negative_elbo", lambda r, x, m, s, beta=1.0: bce(r, x).sum() + kl(m, s).sum(), {}),
    "beta-on-reconstruction": (
        "negative_elbo",
        lambda r, x, m, s, beta=1.0: beta * bce(r, x).sum() + kl(m, s).sum(),
        {},
    ),
    "spread-misread": ("gaussian_kl", lambda m, s: kl(m, 2 * s).sum(), {"spread": "log_variance"}),
    "sampler-spread-misread": (
        "gaussian_sample",
        lambda m, s: m + s.exp() * torch.randn_like(m),
        {"spread": "log_variance"},
    ),
    "noise-scale": ("gaussian_sample", lambda m, s: m + (s / 2).exp() * torch.rand_like(m), {}),
    "algebra-slip": ("gaussian_kl", lambda m, s: kl(m.abs().sqrt(), s).sum(), {}),
    "constant-wrong": ("gaussian_log_prob", lambda z, m, s: td.Normal(m, s).log_prob(z).sum() + 0.1 * z.numel(), {}),
    "sign-flipped": ("negative_elbo", lambda r, x, m, s: bce(r, x).sum() - kl(m, s).sum(), {}),
    "reverse-kl": ("gaussian_kl", lambda m, s: 0.5 * (s - 1 + (1 + m**2) * (-s).exp()).sum(), {}),
    "average-outside-log": ("iwae", lambda w: -w.mean(), {}),
    "weights-negated": ("iwae", lambda w: -((-w).softmax(1).detach() * w).sum(1).mean(), {}),
    "weights-not-detached": ("iwae", lambda w: -(w.softmax(1) * w).sum(1).mean(), {}),
    "log-k-missing": ("iwae", lambda w: -w.logsumexp(1).mean(), {}),
    "wrong-sample-axis": ("iwae", lambda w: -(w.logsumexp(0) - math.log(len(w))).mean(), {}),
    "analytic-kl-in-weights": (
        "path_surrogate",
        lambda f, m, s, e: (f(m + s.exp() * e) + s.sum()).logsumexp(0),
        {},
    ),
    "weights-multiplied-over-batch": ("iwae", lambda w: -(w.sum(0).logsumexp(0) - math.log(w.shape[1])), {}),
    "stratified-weights-off-diagonal": ("total_correlation", column_weights, {}),
    "weight-counted-per-dimension": ("total_correlation", counted, {}),
    "minibatch-constant-dropped": (
        "total_correlation",
        lambda z, m, s, n: tc(each(z, m, s), torch.zeros(len(z), len(z), dtype=z.dtype)),
        {},
    ),
    "not-total-correlation": (
        "total_correlation",
        lambda z, m, s, n: index_code_information(each(z, m, s), n).mean(),
        {},
    ),
    "beta-on-codebook": (
        "vq",
        lambda z, e: 0.25 * F.mse_loss(e, z.detach()) + F.mse_loss(z, e.detach()),
        {},
    ),
    "stop-gradient-misplaced": ("vq", lambda z, e: F.mse_loss(e, z) + 0.25 * F.mse_loss(z, e), {}),
    "codebook-loss-missing": ("vq", lambda z, e: 0.25 * F.mse_loss(z, e.detach()), {"ema": False}),
    "vq-reduction": (
        "vq",
        lambda z, e: ((e - z.detach()) ** 2).sum() + 0.25 * F.mse_loss(z, e.detach()),
        {},
    ),
    "wrong-norm": ("vq", lambda z, e: F.l1_loss(e, z.detach()) + 0.25 * F.l1_loss(z, e.detach()), {}),
    "prior-not-logged": ("categorical_kl", lambda q: (q * ((q + 1e-20).log() - 1 / q.shape[-1])).sum(), {}),
    "kl-div-misuse": ("categorical_kl", lambda q: F.kl_div(q, torch.full_like(q, 1 / q.shape[-1])), {}),
    "mmd-normalisation": (
        "mmd",
        lambda x, y, h: gram(x, x, h).mean() + gram(y, y, h).mean() - 2 * gram(x, y, h).mean(),
        {},
    ),
    "biased-estimator": ("score_surrogate", lambda f, logits, b: f(relaxed(logits, b)).mean(), {}),
    "reward-not-detached": (
        "score_surrogate",
        lambda f, logits, b: (f(relaxed(logits, b)) * log_p(logits, b)).mean(),
        {},
    ),
    "not-finite": ("iwae", lambda w: -w.exp().mean(1).log().mean(), {}),
    "catastrophic-cancellation": (
        "gaussian_nll",
        lambda r, x: 0.5 * (x**2 - 2 * x * r + r**2).sum(),
        {},
    ),
}


def test_every_mistake_of_the_table_is_planted():
    assert set(PLANTED) == MISTAKES


@pytest.mark.parametrize("code", sorted(PLANTED))
def test_the_planted_mistake_is_named(code):
    target, function, keywords = PLANTED[code]
    report = elbo.check(function, target, **keywords)
    assert report.verdict == "wrong"
    assert code in {mistake.code for mistake in report.mistakes}, report


@pytest.mark.parametrize("seed", range(5))
def test_verdicts_do_not_depend_on_the_seed(seed):
    for code in (
        "kl-averaged-over-latent",
        "algebra-slip",
        "reconstruction-averaged",
        "vq-reduction",
        "prior-not-logged",
    ):
        target, function, keywords = PLANTED[code]
        assert code in {m.code for m in elbo.check(function, target, seed=seed, **keywords).mistakes}
