"""The losses and the model of ``examples/``: what the checker says about them is what they are."""

import importlib.util
from pathlib import Path

import pytest
import torch

import elbo
from benchmarks.checker._case import Case, Truth
from benchmarks.checker._inputs import roles
from elbo.checking._model import check_model

FOLDER = Path(__file__).resolve().parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


losses = load("losses")
EXPECTED = {
    "vae_loss": ("negative_elbo", set()),
    "averaged_loss": ("negative_elbo", {"reconstruction-averaged"}),
    "mse_loss": ("negative_elbo", set()),
    "two_means_loss": ("negative_elbo", {"reconstruction-averaged", "kl-averaged-over-latent"}),
    "kl_without_half": ("gaussian_kl", {"effective-beta"}),
    "kl_by_sigma": ("gaussian_kl", set()),
    "kl_prior_first": ("gaussian_kl_pair", {"reverse-kl"}),
    "iwae_loss": ("iwae", set()),
    "iwae_average": ("iwae", {"average-outside-log"}),
    "vq_loss": ("vq", set()),
    "vq_loss_legacy": ("vq", {"beta-on-codebook"}),
    "reinforce_loss": ("score_surrogate", set()),
    "VAELoss": ("negative_elbo", {"beta-ignored"}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_loss_is_judged_for_what_it_is(name):
    target, codes = EXPECTED[name]
    function = getattr(losses, name)
    report = elbo.check(function() if isinstance(function, type) else function, target)
    assert {mistake.code for mistake in report.mistakes} == codes, str(report)
    assert report.verdict == ("wrong" if codes else "correct")


def test_every_loss_of_the_file_is_listed():
    own = {name for name, value in vars(losses).items() if getattr(value, "__module__", "") == losses.__name__}
    assert own == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_loss_runs_on_ordinary_tensors(name):
    target, _ = EXPECTED[name]
    function = getattr(losses, name)
    function = function() if isinstance(function, type) else function
    case = Case(name, target, function, Truth("correct"), tags=frozenset({"bernoulli"}))
    out = function(*roles(case, torch.Generator().manual_seed(0)))
    assert torch.isfinite(out["loss"] if isinstance(out, dict) else out).all()


digits = load("digits")


@pytest.fixture(scope="module")
def x():
    pytest.importorskip("sklearn")
    return digits.digits()


class TestDigits:
    def test_they_are_real_images(self, x):
        assert x.shape == (1797, 64)
        assert set(x.unique().tolist()) == {0.0, 1.0}

    def test_training_lowers_the_negative_elbo_of_held_out_digits(self, x):
        torch.manual_seed(0)
        model = digits.VAE()
        before = check_model(model, x[1500:], samples=4).negative_elbo
        digits.train(model, x[:1500], steps=250)
        report = check_model(model, x[1500:], samples=4)
        assert report.verdict == "correct", str(report)
        after = report.negative_elbo
        assert after.mean + 5 * (after.over_data + before.over_data) < before.mean
        assert abs(report.difference.mean) < 1e-9
        assert len(report.latent.active) >= 3
