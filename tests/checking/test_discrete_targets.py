"""KL from categorical and von Mises-Fisher posteriors to their uniform priors."""

import math

import pytest
import torch
import torch.distributions as td
import torch.nn.functional as F

import elbo
from elbo.divergences.sphere import vmf_kl


def forward(q):
    return torch.special.xlogy(q, q * q.shape[-1])


def of_logits(t):
    log_q = t.log_softmax(-1)
    return (log_q.exp() * (log_q + math.log(t.shape[-1]))).sum(-1)


def uniform(t):
    return torch.full_like(t, 1 / t.shape[-1])


CASES = [
    ("probabilities", lambda q: forward(q).sum((1, 2)).mean(), set(), set()),
    ("logits", lambda t: of_logits(t).sum(1), set(), set()),
    ("log-probabilities", lambda t: (t.exp() * (t + math.log(t.shape[-1]))).sum((1, 2)).mean(), set(), set()),
    (
        "torch's registry",
        lambda t: td.kl_divergence(td.Categorical(logits=t), td.Categorical(logits=0 * t)).sum(1).mean(),
        set(),
        set(),
    ),
    ("kl_div(log p, q)", lambda q: F.kl_div(uniform(q).log(), q, reduction="batchmean"), set(), set()),
    ("entropy", lambda q: torch.special.xlogy(q, q).sum((1, 2)).mean(), set(), {"constant-dropped"}),
    ("prior not logged", lambda q: (q * ((q + 1e-20).log() - 1 / q.shape[-1])).sum(), {"prior-not-logged"}, set()),
    ("kl_div of q", lambda q: F.kl_div(q, uniform(q), reduction="batchmean"), {"kl-div-misuse"}, set()),
    ("kl_div(log q, p)", lambda t: F.kl_div(t, uniform(t), reduction="batchmean"), {"kl-div-misuse"}, set()),
    ("reverse", lambda q: -(q.log() + math.log(q.shape[-1])).mean(-1).sum(), {"reverse-kl"}, set()),
    ("over variables", lambda t: of_logits(t.transpose(1, 2)).sum(1).mean(), {"wrong-axis"}, None),
    ("mean over variables", lambda q: forward(q).sum(-1).mean(), {"wrong-axis"}, set()),
    ("mean over everything", lambda q: forward(q).mean(), {"kl-averaged-over-latent"}, set()),
    ("twice", lambda q: 2 * forward(q).sum(), {"effective-beta"}, set()),
    ("zero times log zero", lambda q: (q * (q * q.shape[-1]).log()).sum(), {"not-finite"}, set()),
]


@pytest.mark.parametrize(("function", "mistakes", "notes"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_categorical_kl(function, mistakes, notes):
    report = elbo.check(function, "categorical_kl")
    assert {m.code for m in report.mistakes} == mistakes, report
    if notes is not None:
        assert {n.code for n in report.notes} == notes


def vmf(kappa, m):
    return vmf_kl(kappa, int(m))


VMF = [
    (vmf, set(), set()),
    (lambda kappa, m: vmf(kappa, m).mean(), set(), set()),
    (lambda kappa, m: 2 * vmf(kappa, m), {"effective-beta"}, set()),
    (lambda kappa, m: -vmf(kappa, m), {"sign-flipped"}, set()),
    (lambda kappa, m: vmf(kappa, m) + 0.3, {"constant-wrong"}, set()),
    (lambda kappa, m: kappa**2 / (2 * m), {"algebra-slip"}, set()),
    (
        lambda kappa, m: vmf(kappa, m) - math.log(2) - 0.5 * m * math.log(math.pi) + math.lgamma(m / 2),
        set(),
        {"constant-dropped"},
    ),
]


@pytest.mark.parametrize(("function", "mistakes", "notes"), VMF)
def test_vmf_kl(function, mistakes, notes):
    report = elbo.check(function, "vmf_kl")
    assert {m.code for m in report.mistakes} == mistakes, report
    assert {n.code for n in report.notes} == notes
