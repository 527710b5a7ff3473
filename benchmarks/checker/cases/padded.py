"""Losses of sequences of different lengths, with a mask: one where a position counts, zero where it is padding."""

import torch
import torch.nn.functional as F

from benchmarks.checker._case import Cases

nll = Cases("bernoulli_nll")
elbo = Cases("negative_elbo")
CASES = [nll, elbo]
TAGS = ["padded", "not affine", "bernoulli"]


def rows(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)


# --- right -----------------------------------------------------------------------------------------


@nll.right(tags=TAGS)
def masked_sum(recon, x, mask):
    return (F.binary_cross_entropy(recon, x, reduction="none") * mask).sum(1).mean()


@nll.right(tags=TAGS)
def masked_by_where(recon, x, pad_mask=None):
    bce = F.binary_cross_entropy(recon, x, reduction="none")
    if pad_mask is not None:
        bce = torch.where(pad_mask > 0, bce, torch.zeros_like(bce))
    return bce.sum()


@elbo.right(tags=TAGS)
def masked_loss(recon, x, mu, logvar, mask):
    bce = (F.binary_cross_entropy(recon, x, reduction="none") * mask).sum(1)
    return (bce + rows(mu, logvar)).mean()


# --- wrong -----------------------------------------------------------------------------------------


@nll.wrong("padding-counted", tags=TAGS)
def mask_forgotten(recon, x, mask):
    return F.binary_cross_entropy(recon, x, reduction="none").sum(1).mean()


@nll.wrong("padding-counted", tags=TAGS)
def target_masked_only(recon, x, mask):
    return F.binary_cross_entropy(recon, x * mask, reduction="none").sum(1).mean()


@elbo.wrong("padding-counted", tags=TAGS)
def mask_on_the_reconstruction_alone(recon, x, mu, logvar, mask):
    """The padded probabilities become zero and still cost log(1 - x) where the target is not masked too."""
    bce = F.binary_cross_entropy(recon * mask, x.clamp(0, 1), reduction="none").clamp(max=50).sum(1)
    return (bce + rows(mu, logvar)).mean()


@elbo.wrong("padding-counted", "kl-averaged-over-latent", tags=TAGS)
def mask_forgotten_and_mean_over_latents(recon, x, mu, logvar, mask):
    bce = F.binary_cross_entropy(recon, x, reduction="none").sum(1)
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).mean(1)
    return (bce + kl).mean()
