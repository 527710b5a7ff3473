"""Kinks and near ties: the probes lie on both sides of them by construction, so that twenty seeds agree."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import elbo

SEEDS = range(20)


def terms(mean: Tensor, s: Tensor) -> Tensor:
    return 0.5 * (mean**2 + s.exp() - s - 1)


def squares(recon: Tensor, x: Tensor) -> Tensor:
    return 0.5 * F.mse_loss(recon, x, reduction="sum") / len(x)


def free_bits_a_dimension(mean, logvar):
    return terms(mean, logvar).mean(0).clamp(min=0.25).sum()


def free_bits_a_datum(mean, logvar):
    return terms(mean, logvar).sum(1).clamp(min=5.0).mean()


def free_bits_averaged(mean, logvar):
    return terms(mean, logvar).mean(0).clamp(min=1.0).mean()


def small_capacity(mean, logvar):
    return (terms(mean, logvar).sum(1).mean() - 0.05).abs()


def middle_capacity(mean, logvar):
    return (terms(mean, logvar).sum(1).mean() - 5.0).abs()


def large_capacity(mean, logvar):
    return (terms(mean, logvar).sum(1).mean() - 25.0).abs()


def narrow_clamp(mean, logvar):
    return terms(mean, logvar.clamp(-2.0, 3.0)).sum(1).mean()


def absolute_mean(mean, logvar):
    return 0.5 * (mean.abs() + logvar.exp() - logvar - 1).sum(1).mean()


def detached_mean(mean, logvar):
    return terms(mean.detach(), logvar).sum(1).mean()


def loss_with_capacity(recon, x, mean, logvar):
    return F.binary_cross_entropy(recon, x, reduction="sum") / len(x) + (terms(mean, logvar).sum(1).mean() - 3.0).abs()


def loss_with_large_capacity(recon, x, mean, logvar):
    return squares(recon, x) + (terms(mean, logvar).sum(1).mean() - 25.0).abs()


def loss_with_free_bits(recon, x, mean, logvar):
    return squares(recon, x) + terms(mean, logvar).mean(0).clamp(min=1.0).sum()


def loss_with_mismatched_capacity(recon, x, mean, logvar):
    return len(x) * squares(recon, x) + (terms(mean, logvar).sum(1).mean() - 5.0).abs()


def loss_with_absolute_mean(recon, x, mean, logvar):
    return F.l1_loss(recon, x, reduction="sum") / len(x) + absolute_mean(mean, logvar)


def quantiser(distances: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def quantise(z, codebook):
        e = codebook[distances(z.reshape(-1, z.shape[-1]), codebook).argmin(1)].view(z.shape)
        return z + (e - z).detach(), F.mse_loss(e, z.detach()) + 0.25 * F.mse_loss(e.detach(), z)

    return quantise


QUANTISERS = {
    "right": lambda z, e: (z**2).sum(1, keepdim=True) + (e**2).sum(1) - 2 * z @ e.T,
    "right, without ‖z‖²": lambda z, e: (e**2).sum(1) - 2 * z @ e.T,
    "cross term once": lambda z, e: (z**2).sum(1, keepdim=True) + (e**2).sum(1) - z @ e.T,
    "cross term added": lambda z, e: (z**2).sum(1, keepdim=True) + (e**2).sum(1) + 2 * z @ e.T,
    "norms of the codes missing": lambda z, e: -2 * z @ e.T,
    "absolute sum": lambda z, e: torch.cdist(z, e, p=1.0),
    "largest entry": lambda z, e: torch.cdist(z, e, p=float("inf")),
    "angle": lambda z, e: -F.normalize(z, dim=1) @ F.normalize(e, dim=1).T,
}

CASES = [
    ("gaussian_kl", free_bits_a_dimension, [], "free-bits"),
    ("gaussian_kl", free_bits_a_datum, [], "free-bits"),
    ("gaussian_kl", free_bits_averaged, ["kl-averaged-over-latent"], "free-bits"),
    ("gaussian_kl", small_capacity, [], "capacity"),
    ("gaussian_kl", middle_capacity, [], "capacity"),
    ("gaussian_kl", large_capacity, [], "capacity"),
    ("gaussian_kl", narrow_clamp, [], "clamped"),
    ("gaussian_kl", absolute_mean, ["algebra-slip"], ""),
    ("gaussian_kl", detached_mean, ["stop-gradient-misplaced"], ""),
    ("negative_elbo", loss_with_capacity, [], "capacity"),
    ("negative_elbo", loss_with_large_capacity, [], "capacity"),
    ("negative_elbo", loss_with_free_bits, [], "free-bits"),
    ("negative_elbo", loss_with_mismatched_capacity, ["batch-reduction-mismatch"], "capacity"),
    ("negative_elbo", loss_with_absolute_mean, ["algebra-slip"], ""),
]


@pytest.mark.parametrize(("target", "function", "mistakes", "note"), CASES, ids=lambda v: getattr(v, "__name__", None))
def test_kinks_are_read_alike_under_every_seed(target, function, mistakes, note):
    for seed in SEEDS:
        report = elbo.check(function, target, seed=seed)
        assert [f.code for f in report.mistakes] == mistakes, (seed, str(report))
        assert not note or note in [f.code for f in report.notes], (seed, str(report))


@pytest.mark.parametrize("name", QUANTISERS)
def test_the_choice_of_the_code_is_judged_alike_under_every_seed(name):
    expected = [] if name.startswith("right") else ["wrong-norm"]
    for seed in SEEDS:
        report = elbo.check(quantiser(QUANTISERS[name]), "vq_quantize", seed=seed)
        assert [f.code for f in report.mistakes] == expected, (seed, str(report))
