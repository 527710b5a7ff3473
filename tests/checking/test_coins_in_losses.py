"""Losses with dropout and other coins: judged by enumeration, reductions included."""

import pytest
import torch
import torch.nn.functional as F

import elbo


def terms(mean, s):
    return 0.5 * (mean**2 + s.exp() - s - 1)


def dropout_of_the_terms(mean, logvar):
    return F.dropout(terms(mean, logvar), 0.5).sum(1).mean()


def dropout_of_the_mean(mean, logvar):
    return terms(F.dropout(mean, 0.5), logvar).sum(1).mean()


def dropout_and_an_average(mean, logvar):
    return F.dropout(terms(mean, logvar), 0.5).mean()


def one_coin_for_all(mean, logvar):
    return 2 * torch.bernoulli(torch.tensor(0.5, dtype=mean.dtype)) * terms(mean, logvar).sum(1).mean()


def random_signs(mean, logvar):
    z = mean + (2 * torch.bernoulli(torch.full_like(mean, 0.5)) - 1) * torch.exp(0.5 * logvar)
    return 0.5 * (z**2 - logvar - 1).sum(1).mean()


def dropout_without_effect(mean, logvar):
    return terms(mean, logvar).sum(1).mean() + 0 * F.dropout(mean, 0.5).sum()


def loss_with_dropout(recon, x, mean, logvar):
    return F.mse_loss(recon, x, reduction="sum") / len(x) / 2 + dropout_of_the_terms(mean, logvar)


def loss_with_dropout_and_an_average(recon, x, mean, logvar):
    return F.mse_loss(recon, x, reduction="sum") / len(x) / 2 + dropout_and_an_average(mean, logvar)


CASES = [
    ("gaussian_kl", dropout_of_the_terms, []),
    ("gaussian_kl", dropout_of_the_mean, ["algebra-slip"]),
    ("gaussian_kl", dropout_and_an_average, ["kl-averaged-over-latent"]),
    ("gaussian_kl", one_coin_for_all, []),
    ("gaussian_kl", random_signs, []),
    ("gaussian_kl", dropout_without_effect, []),
    ("negative_elbo", loss_with_dropout, []),
    ("negative_elbo", loss_with_dropout_and_an_average, ["kl-averaged-over-latent"]),
]


@pytest.mark.parametrize(("target", "function", "mistakes"), CASES, ids=lambda v: getattr(v, "__name__", None))
def test_coins_are_enumerated(target, function, mistakes):
    for seed in range(3):
        report = elbo.check(function, target, seed=seed)
        assert report.verdict == ("wrong" if mistakes else "correct"), str(report)
        assert [f.code for f in report.mistakes] == mistakes, str(report)


def test_noise_that_cannot_be_replaced_stays_undecided():
    def many_categories(mean, logvar):
        picked = torch.multinomial(torch.ones(len(mean)), 1)
        return terms(mean, logvar)[picked].sum()

    report = elbo.check(many_categories, "gaussian_kl")
    assert report.verdict == "undecided"
