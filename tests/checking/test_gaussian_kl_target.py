"""What the checker says of functions of (mean, spread) that should be KL[N(mean, diag) ‖ N(0, I)]."""

import math
from functools import partial

import pytest
import torch
import torch.distributions as td
from torch.nn.functional import softplus

import elbo


def kl(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var)


RIGHT = {
    "sum over everything": (lambda mu, logvar: -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()), set()),
    "mean over the batch": (lambda mu, logvar: kl(mu, logvar).sum(1).mean(), set()),
    "one value a datum": (lambda mu, logvar: kl(mu, logvar).sum(1), set()),
    "elementwise": (kl, set()),
    "of distributions": (lambda mu, sigma: td.kl_divergence(td.Normal(mu, sigma), td.Normal(0.0, 1.0)).sum(-1), set()),
    "of variances": (lambda mu, var: 0.5 * (mu**2 + var - 1 - var.log()).sum(), set()),
    "of log-stds": (lambda mu, log_std: kl(mu, 2 * log_std).sum(1).mean(), set()),
    "through a softplus": (
        lambda mu, raw: (0.5 * (mu**2 + softplus(raw) ** 2 - 1) - softplus(raw).log()).sum(1).mean(),
        set(),
    ),
    "with a small stabiliser": (lambda mu, sd: (0.5 * (mu**2 + sd**2 - 1) - torch.log(sd + 1e-6)).sum(1).mean(), set()),
    "spread first": (lambda s, m: kl(m, s).sum(1).mean(), {"argument-order"}),
    "free bits": (lambda mu, logvar: kl(mu, logvar).mean(0).clamp(min=0.5).sum(), {"free-bits"}),
    "capacity": (lambda mu, logvar: 50 * (kl(mu, logvar).sum(1).mean() - 3.0).abs(), {"capacity"}),
    "in bits": (lambda mu, logvar: kl(mu, logvar).sum(1).mean() / math.log(2), {"unit-bits"}),
    "clamped": (lambda mu, logvar: kl(mu, logvar.clamp(-10, 10)).sum(1).mean(), {"clamped"}),
    "misnamed": (lambda mu, log_var: kl(mu, 2 * log_var).sum(1).mean(), {"name-contradicts-maths"}),
    "without −1": (lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - logvar).sum(1).mean(), {"constant-dropped"}),
    "one sample": (
        lambda mu, logvar: (
            td.Normal(mu, (0.5 * logvar).exp()).log_prob(z := mu + (0.5 * logvar).exp() * torch.randn_like(mu))
            - td.Normal(0.0, 1.0).log_prob(z)
        ).sum(),
        {"unbiased-estimate"},
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_functions_pass_with_their_notes(name):
    function, notes = RIGHT[name]
    report = elbo.check(function, "gaussian_kl")
    assert report.verdict == "correct", report
    assert {note.code for note in report.notes} == notes


WRONG = {
    "mean over the latent": (lambda mu, logvar: kl(mu, logvar).mean(), {"kl-averaged-over-latent"}),
    "½ missing": (lambda mu, logvar: 2 * kl(mu, logvar).sum(), {"effective-beta"}),
    "sign of log σ²": (lambda mu, logvar: -0.5 * (1 - logvar - mu**2 - logvar.exp()).sum(), {"sign-flipped"}),
    "negative": (lambda mu, logvar: -kl(mu, logvar).sum(), {"sign-flipped"}),
    "reverse": (lambda mu, lv: 0.5 * (lv - 1 + (1 + mu**2) * torch.exp(-lv)).sum(), {"reverse-kl"}),
    "2 log σ² with σ²": (lambda mu, lv: -0.5 * (1 + 2 * lv - mu**2 - lv.exp()).sum(), {"spread-misread"}),
    "σ for σ²": (lambda mu, lv: -0.5 * (1 + lv - mu**2 - (0.5 * lv).exp()).sum(), {"spread-misread"}),
    "log σ squared": (lambda mu, sd: -0.5 * (1 + sd.log() ** 2 - mu**2 - sd**2).sum(), {"algebra-slip"}),
    "μ for μ²": (lambda mu, lv: -0.5 * (1 + lv - mu - lv.exp()).sum(), {"algebra-slip"}),
    "|μ| for μ²": (lambda mu, lv: -0.5 * (1 + lv - mu.abs() - lv.exp()).sum(), {"algebra-slip"}),
    "1 once": (lambda mu, lv: -0.5 * (1 + (lv - mu**2 - lv.exp()).sum()), {"constant-wrong"}),
    "batch summed away": (lambda mu, lv: kl(mu, lv).sum(0), {"wrong-axis"}),
    "mean detached": (lambda mu, lv: kl(mu.detach(), lv).sum(), {"stop-gradient-misplaced"}),
    "mean and ½": (lambda mu, lv: 2 * kl(mu, lv).mean(), {"kl-averaged-over-latent", "effective-beta"}),
    "mean and reverse": (
        lambda mu, lv: 0.5 * (lv - 1 + (1 + mu**2) * torch.exp(-lv)).mean(),
        {"kl-averaged-over-latent", "reverse-kl"},
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_named_with_a_counterexample(name):
    function, codes = WRONG[name]
    report = elbo.check(function, "gaussian_kl")
    assert report.verdict == "wrong"
    assert {mistake.code for mistake in report.mistakes} == codes, report
    if not codes & {"wrong-axis", "stop-gradient-misplaced"}:
        example = report.counterexample
        assert example is not None
        assert abs(example.yours - example.expected) > 1e-6


def test_the_counterexample_is_small_and_true():
    def half_missing(mu, logvar):
        return 2 * kl(mu, logvar).sum()

    example = elbo.check(half_missing, "gaussian_kl").counterexample
    assert example.inputs["mean"].numel() == 1
    inputs = [torch.as_tensor(example.inputs[name]) for name in ("mean", "spread")]
    assert half_missing(*inputs).item() == pytest.approx(example.yours)
    assert kl(*inputs).sum().item() == pytest.approx(example.expected)


@pytest.mark.parametrize("spread", ["log_variance", "variance", "std", "log_std"])
def test_a_stated_spread_decides(spread):
    right = {
        "log_variance": lambda m, s: kl(m, s).sum(),
        "variance": lambda m, s: kl(m, s.log()).sum(),
        "std": lambda m, s: kl(m, 2 * s.log()).sum(),
        "log_std": lambda m, s: kl(m, 2 * s).sum(),
    }
    for given, function in right.items():
        report = elbo.check(function, "gaussian_kl", spread=spread)
        assert report.verdict == ("correct" if given == spread else "wrong")
        assert [m.code for m in report.mistakes] == ([] if given == spread else ["spread-misread"])


def test_the_mean_over_a_hard_coded_size_lists_what_it_could_be():
    def mean_of_twenty(mu, logvar):
        return kl(mu.view(-1, 20), logvar.view(-1, 20)).mean()

    report = elbo.check(mean_of_twenty, "gaussian_kl")
    assert report.verdict == "wrong"
    assert {"effective-beta", "kl-averaged-over-latent"} <= set(report.candidates)
    assert any("not varied" in text for text in report.unseen)


def test_a_right_function_of_a_hard_coded_size_passes():
    report = elbo.check(lambda mu, logvar: kl(mu.view(-1, 20), logvar.view(-1, 20)).sum(1).mean(), "gaussian_kl")
    assert report.verdict == "correct", report


def test_a_spatial_latent_is_judged_where_it_is_the_only_form():
    def over_channels_only(mu, logvar):
        assert mu.dim() == 4
        return kl(mu, logvar).sum(1).mean()

    assert [m.code for m in elbo.check(over_channels_only, "gaussian_kl").mistakes] == ["wrong-axis"]
    report = elbo.check(lambda mu, logvar: kl(mu, logvar).sum((1, 2, 3)).mean(), "gaussian_kl")
    assert report.verdict == "correct", report


def test_a_biased_estimate_is_told_with_its_bias():
    def squared_log_ratio(mu, logvar):
        q = td.Normal(mu, (0.5 * logvar).exp())
        z = q.rsample()
        return 0.5 * ((td.Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(1) ** 2).mean()

    report = elbo.check(squared_log_ratio, "gaussian_kl")
    (mistake,) = report.mistakes
    assert mistake.code == "biased-estimator"
    assert abs(mistake.evidence["yours"] - mistake.evidence["expected"]) > 1e-3


def test_a_bound_keyword_of_a_partial_is_not_varied():
    report = elbo.check(partial(lambda mu, logvar, beta: beta * kl(mu, logvar).sum(), beta=0.25), "gaussian_kl")
    assert [m.code for m in report.mistakes] == ["effective-beta"]


def test_a_parametrisation_of_its_own_is_left_undecided():
    def bounded(mu, raw):
        return kl(mu, 10 * torch.tanh(raw / 10)).sum(1).mean()

    report = elbo.check(bounded, "gaussian_kl")
    assert report.verdict == "undecided"
    assert "algebra-slip" in report.candidates
    assert any("compare it with your sampler" in text for text in report.unseen)


def test_noise_from_a_generator_seeded_in_every_call_is_found():
    def seeded(mu, logvar):
        noise = torch.randn(mu.shape, dtype=mu.dtype, generator=torch.Generator().manual_seed(0))
        z = mu + (0.5 * logvar).exp() * noise
        return 0.5 * (z**2 - (z - mu) ** 2 / logvar.exp() - logvar).sum(1).mean()

    report = elbo.check(seeded, "gaussian_kl")
    assert report.verdict == "correct", report
    assert "unbiased-estimate" in {n.code for n in report.notes}
