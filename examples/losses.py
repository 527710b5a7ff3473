"""Losses as people write them. Check one with, for example,

    elbo check examples/losses.py:vae_loss --against negative_elbo

Some are right and some are wrong; none says which.
"""

import math

import torch
import torch.nn.functional as F


def vae_loss(recon, x, mu, logvar):
    """The loss of a Bernoulli VAE."""
    bce = F.binary_cross_entropy(recon, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def averaged_loss(recon, x, mu, logvar):
    """The same, with the default reduction of the cross-entropy."""
    bce = F.binary_cross_entropy(recon, x)
    kld = torch.mean(-0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1))
    return bce + kld


def mse_loss(recon, x, mu, logvar):
    """A Gaussian decoder, the square without its half, a mean over the batch."""
    recon_loss = ((recon - x) ** 2).sum(dim=1).mean()
    kl_loss = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1).mean()
    return recon_loss + kl_loss


def two_means_loss(recon, x, mu, logvar):
    """Means throughout."""
    return F.mse_loss(recon, x) - 0.5 * torch.mean(1 + logvar - mu**2 - logvar.exp())


def kl_without_half(mu, logvar):
    """A KL whose half got lost."""
    return torch.sum(mu**2 + logvar.exp() - 1 - logvar, dim=1).mean()


def kl_by_sigma(mu, logvar):
    """A KL that takes its second argument for a logarithm of σ."""
    sigma = torch.exp(logvar)
    return (-torch.log(sigma) + 0.5 * (sigma**2 + mu**2) - 0.5).sum(dim=1).mean()


def kl_prior_first(q_mean, q_logvar, p_mean, p_logvar):
    """KL between two Gaussians, the prior's first."""
    ratio = (p_logvar - q_logvar).exp() + (q_mean - p_mean) ** 2 * (-q_logvar).exp()
    return 0.5 * (q_logvar - p_logvar + ratio - 1).sum(dim=1).mean()


def iwae_loss(log_w):
    """The importance-weighted bound, negated; samples along the last axis."""
    return -(torch.logsumexp(log_w, dim=1) - math.log(log_w.shape[1])).mean()


def iwae_average(log_w):
    """An average over samples in the place where people look for one first."""
    return -log_w.mean(dim=1).mean()


def vq_loss(z_e, e):
    """Codebook and commitment."""
    return F.mse_loss(e, z_e.detach()) + 0.25 * F.mse_loss(z_e, e.detach())


def vq_loss_legacy(z_e, e):
    """The same, from an older file."""
    return 0.25 * F.mse_loss(e, z_e.detach()) + F.mse_loss(z_e, e.detach())


def reinforce_loss(f, logits, b):
    """A score-function surrogate; its gradient is to ascend."""
    log_prob = (b * F.logsigmoid(logits) + (1 - b) * F.logsigmoid(-logits)).sum(dim=-1)
    return (f(b).detach() * log_prob).mean()


class VAELoss(torch.nn.Module):
    """A loss with a weight that it never uses."""

    def forward(self, recon, x, mu, logvar, beta=1.0):
        recon_loss = F.mse_loss(recon, x, reduction="none").flatten(1).sum(dim=1).mean() / 2
        kl_loss = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1).mean()
        return {"loss": recon_loss + kl_loss, "recon": recon_loss.detach(), "kl": kl_loss.detach()}
