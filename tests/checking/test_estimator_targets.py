"""Total correlation from a minibatch, and scalars whose gradient is the point."""

import math

import pytest
import torch
import torch.distributions as td

import elbo
from elbo.bounds import aggregate_log_density, index_code_information, total_correlation


def each(z, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var[None] + (z[:, None] - mean[None]) ** 2 * (-log_var[None]).exp())


def unweighted(z, m, s, n):
    e = each(z, m, s)
    return (e.sum(-1).logsumexp(1) - e.logsumexp(1).sum(1)).mean()


def triple(z, m, s, n):
    e = each(z, m, s)
    joint, marginals = aggregate_log_density(e, n)
    prior = td.Normal(0.0, 1.0).log_prob(z).sum(1)
    return (
        index_code_information(e, n).mean(),
        (joint - marginals.sum(1)).mean(),
        (marginals.sum(1) - prior).mean(),
    )


def column(z, m, s, n):
    b = len(z)
    w = torch.full((b, b), 1 / (b - 1), dtype=z.dtype)
    w[:, 0], w[:, 1], w[b - 1, 0] = 1 / n, (n - b + 1) / (n * (b - 1)), (n - b + 1) / (n * (b - 1))
    e = each(z, m, s)
    return ((e.sum(-1) + w.log()).logsumexp(1) - (e + w.log()[..., None]).logsumexp(1).sum(1)).mean()


def counted(z, m, s, n):
    from elbo.bounds import stratified_log_weights

    e = each(z, m, s) + stratified_log_weights(len(z), n).to(z)[..., None]
    return (e.sum(-1).logsumexp(1) - e.logsumexp(1).sum(1)).mean()


TC = [
    (lambda z, m, s, n: total_correlation(each(z, m, s), n).mean(), set()),
    (lambda z, m, s, n: total_correlation(each(z, m, 2 * s.log()), n), set()),
    (lambda z, m, s, n: total_correlation(each(z, m, s), n, "mws").mean(), set()),
    (triple, set()),
    (unweighted, {"minibatch-constant-dropped"}),
    (column, {"stratified-weights-off-diagonal"}),
    (counted, {"weight-counted-per-dimension"}),
    (lambda z, m, s, n: index_code_information(each(z, m, s), n).mean(), {"not-total-correlation"}),
    (lambda z, m, s, n: -total_correlation(each(z, m, s), n).mean(), {"sign-flipped"}),
]


@pytest.mark.parametrize(("function", "mistakes"), TC)
def test_total_correlation(function, mistakes):
    report = elbo.check(function, "total_correlation")
    assert {m.code for m in report.mistakes} == mistakes, report


def log_p(logits, b):
    return td.Bernoulli(logits=logits).log_prob(b).sum(-1)


def relaxed(logits, b):
    p = torch.sigmoid(logits)
    return b + p - p.detach()


SCORE = [
    (lambda f, t, b: (f(b).detach() * log_p(t, b)).mean(), set()),
    (lambda f, t, b: ((f(b) - 1.5).detach() * log_p(t, b)).mean(), set()),
    (lambda f, t, b: (f(b).detach() * log_p(t, b)).sum(), set()),
    (lambda f, t, b: -(f(b).detach() * log_p(t, b)).mean(), {"sign-flipped"}),
    (lambda f, t, b: (f(relaxed(t, b)) * log_p(t, b)).mean(), {"reward-not-detached"}),
    (lambda f, t, b: f(relaxed(t, b)).mean(), {"biased-estimator"}),
    (lambda f, t, b: f(b).detach().mean() * log_p(t, b).mean(), {"biased-estimator"}),
]


@pytest.mark.parametrize(("function", "mistakes"), SCORE)
def test_score_surrogate(function, mistakes):
    report = elbo.check(function, "score_surrogate")
    assert {m.code for m in report.mistakes} == mistakes, report


def log_q(z, m, s):
    return td.Normal(m, s.exp()).log_prob(z).sum(-1)


def elbo_surrogate(f, m, s, e):
    z = m + s.exp() * e
    return (f(z) - log_q(z, m, s)).mean()


def sticking(f, m, s, e):
    z = m + s.exp() * e
    return (f(z) - log_q(z, m.detach(), s.detach())).mean()


def weights(f, m, s, e):
    z = m + s.exp() * e
    return f(z) - log_q(z, m, s)


def dreg(f, m, s, e):
    z = m + s.exp() * e
    w = f(z) - log_q(z, m.detach(), s.detach())
    return (w.softmax(0).detach() ** 2 * w).sum()


PATH = [
    (elbo_surrogate, "ELBO", set()),
    (sticking, "ELBO", set()),
    (lambda f, m, s, e: weights(f, m, s, e).logsumexp(0), "L_K", set()),
    (dreg, "L_K", set()),
    (lambda f, m, s, e: -elbo_surrogate(f, m, s, e), "", {"sign-flipped"}),
    (lambda f, m, s, e: f(m + s.exp() * e).mean(), "", {"biased-estimator"}),
    (lambda f, m, s, e: ((w := weights(f, m, s, e)).softmax(0) * w).sum(), "", {"weights-not-detached"}),
    (lambda f, m, s, e: ((w := weights(f, m, s, e)).neg().softmax(0).detach() * w).sum(), "", {"weights-negated"}),
    (lambda f, m, s, e: elbo_surrogate(f, m, s, 0.1 * e), "", {"noise-scale"}),
    (
        lambda f, m, s, e: (f(z := m + (0.5 * s).exp() * e) - log_q(z, m, s)).mean(),
        "",
        {"sampler-spread-misread"},
    ),
    (lambda f, m, s, e: (f(m + s.exp() * e) + s.sum()).logsumexp(0), "", {"analytic-kl-in-weights"}),
]


@pytest.mark.parametrize(("function", "gradient_of", "mistakes"), PATH)
def test_path_surrogate(function, gradient_of, mistakes):
    report = elbo.check(function, "path_surrogate")
    assert {m.code for m in report.mistakes} - ({"biased-estimator"} if mistakes else set()) == mistakes - (
        {"biased-estimator"} if mistakes else set()
    ), report
    assert report.verdict == ("wrong" if mistakes else "correct")
    if gradient_of:
        assert report.adopted["gradient of"].startswith(gradient_of)
