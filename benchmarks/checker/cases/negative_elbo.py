"""Whole VAE losses: (recon, x, mean, spread) to one number.

The facts of a case: ``likelihood`` in its tags says which decoder it is right for.
"""

import math
from functools import partial
from types import SimpleNamespace

import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import nn

from benchmarks.checker._case import Cases

elbo = Cases("negative_elbo")
CASES = [elbo]
HALF_LOG2PI = 0.5 * math.log(2 * math.pi)


def kl_rows(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


# --- right -----------------------------------------------------------------------------------------


@elbo.right(tags=["bernoulli"])
def pytorch_example(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


@elbo.right(tags=["bernoulli"])
def mean_over_batch(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x, reduction="none").sum(-1)
    return (bce + kl_rows(mu, logvar)).mean()


@elbo.right(tags=["bernoulli", "hard-coded"])
def pytorch_example_784(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x.view(-1, 784), x.view(-1, 784), reduction="sum")
    return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


@elbo.right(notes=["overall-scale"], tags=["bernoulli", "hard-coded"])
def old_example_everything_over_784(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x.view(-1, 784), x.view(-1, 784))
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld / (x.size(0) * 784)


@elbo.right(notes=["overall-scale"], tags=["bernoulli"])
def both_per_pixel(recon, x, mu, logvar):
    pixels = x[0].numel()
    return F.binary_cross_entropy(recon, x) + kl_rows(mu, logvar).mean() / pixels


@elbo.right(notes=["overall-scale"], tags=["bernoulli"])
def everything_halved(recon, x, mu, logvar):
    return 0.5 * (F.binary_cross_entropy(recon, x, reduction="sum") + kl_rows(mu, logvar).sum()) / len(x)


@elbo.right(tags=["bernoulli", "logits"])
def logits_decoder(logits, x, mu, logvar):
    rec = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    return torch.mean(rec + kl_rows(mu, logvar))


@elbo.right(notes=["constant-dropped"], tags=["gaussian"])
def half_mse_sum(recon, x, mu, logvar):
    return 0.5 * F.mse_loss(recon, x, reduction="sum") + kl_rows(mu, logvar).sum()


@elbo.right(notes=["decoder-variance"], tags=["gaussian"])
def mse_sum(recon, x, mu, logvar):
    return (((recon - x) ** 2).sum(1) + kl_rows(mu, logvar)).mean()


@elbo.right(notes=["decoder-variance"], tags=["gaussian"])
def fixed_sigma(recon, x, mu, logvar):
    nll = -td.Normal(recon, 0.1).log_prob(x).sum(-1)
    return (nll + kl_rows(mu, logvar)).mean()


@elbo.right(tags=["gaussian"], spread="std")
def distributions_throughout(recon, x, loc, scale):
    likelihood = td.Independent(td.Normal(recon, torch.ones_like(recon)), 1)
    q = td.Independent(td.Normal(loc, scale), 1)
    p = td.Independent(td.Normal(torch.zeros_like(loc), torch.ones_like(scale)), 1)
    return -(likelihood.log_prob(x) - td.kl_divergence(q, p)).mean()


@elbo.right(tags=["laplace"])
def l1_sum(recon, x, mu, logvar):
    return ((recon - x).abs().sum(-1) + kl_rows(mu, logvar)).mean()


@elbo.right(notes=["maximised"], tags=["bernoulli"])
def returns_the_elbo(recon, x, mu, logvar):
    log_likelihood = -F.binary_cross_entropy(recon, x, reduction="none").sum(1)
    return (log_likelihood - kl_rows(mu, logvar)).mean()


@elbo.right(notes=["maximised"], tags=["gaussian"])
def returns_the_gaussian_elbo(recon, x, mu, logvar):
    return (td.Normal(recon, 1.0).log_prob(x).sum(1) - kl_rows(mu, logvar)).sum()


@elbo.right(notes=["argument-order"], order=(1, 0, 3, 2), tags=["bernoulli"])
def target_first_and_log_variance_first(x, x_hat, logvar, mu):
    return F.binary_cross_entropy(x_hat, x, reduction="sum") + kl_rows(mu, logvar).sum()


@elbo.right(notes=["argument-order"], order=(2, 3, 0, 1), tags=["bernoulli"])
def latents_first(mu, logvar, recon, x):
    return (kl_rows(mu, logvar) + F.binary_cross_entropy(recon, x, reduction="none").sum(1)).mean()


@elbo.right(tags=["bernoulli"])
def tuple_of_parts(recon, x, mu, logvar):
    rec = F.binary_cross_entropy(recon, x, reduction="sum") / x.shape[0]
    kl = kl_rows(mu, logvar).mean()
    return rec + kl, rec, kl


class VanillaLoss(nn.Module):
    def forward(self, recons, input, mu, log_var):
        recons_loss = F.mse_loss(recons, input, reduction="none").flatten(1).sum(1).mean() / 2
        kld_loss = torch.mean(-0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp(), dim=1), dim=0)
        return {"loss": recons_loss + kld_loss, "recons": recons_loss.detach(), "kld": -kld_loss.detach()}


elbo.right("module_dict", notes=["constant-dropped"], tags=["gaussian"])(VanillaLoss())


@elbo.right(tags=["bernoulli"])
def namespace_with_loss(recon, x, mu, logvar):
    loss = (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl_rows(mu, logvar)).mean()
    return SimpleNamespace(loss=loss, latents=mu)


@elbo.right(tags=["bernoulli"])
def beta_one_by_default(recon, x, mu, logvar, beta=1.0):
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + beta * kl_rows(mu, logvar)).mean()


@elbo.right(tags=["bernoulli"])
def one_per_sample(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl_rows(mu, logvar)


@elbo.right(notes=["unit-bits"], tags=["bernoulli"])
def in_bits(recon, x, mu, logvar):
    nats = F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl_rows(mu, logvar)
    return nats.mean() / math.log(2)


@elbo.right(notes=["free-bits"], tags=["bernoulli", "not affine"])
def free_bits(recon, x, mu, logvar):
    rec = F.binary_cross_entropy(recon, x, reduction="sum") / len(x)
    per_dimension = 0.5 * (mu**2 + logvar.exp() - logvar - 1).mean(0)
    return rec + per_dimension.clamp(min=0.3).sum()


@elbo.right(notes=["capacity"], tags=["bernoulli", "not affine"])
def capacity(recon, x, mu, logvar):
    rec = F.binary_cross_entropy(recon, x, reduction="sum") / len(x)
    return rec + torch.abs(kl_rows(mu, logvar).mean() - 3.0)


@elbo.right(notes=["clamped"], tags=["bernoulli"])
def clamped_log_variance(recon, x, mu, logvar):
    logvar = logvar.clamp(-8.0, 8.0)
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl_rows(mu, logvar)).mean()


@elbo.right(notes=["unbiased-estimate"], tags=["bernoulli", "noise"])
def sampled_kl(recon, x, mu, logvar):
    q = td.Normal(mu, torch.exp(0.5 * logvar))
    z = q.rsample()
    kl = (q.log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)).sum(1)
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl).mean()


@elbo.right(notes=["name-contradicts-maths"], spread="log_std", tags=["bernoulli"])
def log_std_called_logvar(recon, x, mu, logvar):
    kl = torch.sum(0.5 * (mu**2 + (2 * logvar).exp() - 1) - logvar, 1)
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl).mean()


@elbo.right(tags=["bernoulli"])
def images(recon, x, mu, logvar):
    b, _, _, _ = x.shape
    return F.binary_cross_entropy(recon, x, reduction="sum").div(b) + kl_rows(mu, logvar).sum().div(b)


class Trainer:
    def __init__(self, kl_weight):
        self.kl_weight = kl_weight

    def loss_function(self, recon, x, mu, logvar):
        nll = (0.5 * (x - recon) ** 2 + HALF_LOG2PI).sum(1)
        return torch.mean(nll + self.kl_weight * kl_rows(mu, logvar))


elbo.right("method_weight_one", tags=["gaussian"])(Trainer(1.0).loss_function)

# --- wrong: reductions -----------------------------------------------------------------------------


@elbo.wrong("reconstruction-averaged", "batch-reduction-mismatch", tags=["bernoulli"])
def bce_default_kl_sum(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x) + kl_rows(mu, logvar).sum()


@elbo.wrong("reconstruction-averaged", tags=["bernoulli"])
def bce_default_kl_mean(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x) + kl_rows(mu, logvar).mean()


class MeanMSE(nn.Module):
    def forward(self, recons, input, mu, log_var):
        recons_loss = F.mse_loss(recons, input)
        kld_loss = torch.mean(-0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp(), dim=1), dim=0)
        return {"loss": recons_loss + kld_loss, "Reconstruction_Loss": recons_loss}


elbo.wrong("reconstruction-averaged", name="module_mse_default", tags=["gaussian"])(MeanMSE())


@elbo.wrong("reconstruction-averaged", tags=["gaussian"])
def normal_log_prob_mean(recon, x, mu, logvar):
    return -td.Normal(recon, 1.0).log_prob(x).mean(-1).mean() + kl_rows(mu, logvar).mean()


@elbo.wrong("kl-averaged-over-latent", tags=["bernoulli"])
def bce_sum_kl_mean_of_everything(recon, x, mu, logvar):
    rec = F.binary_cross_entropy(recon, x, reduction="sum") / x.size(0)
    return rec - 0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


@elbo.wrong("kl-averaged-over-latent", tags=["gaussian"], spread="std")
def registered_kl_mean(recon, x, loc, scale):
    nll = -td.Normal(recon, 1.0).log_prob(x).sum(-1).mean()
    return nll + td.kl_divergence(td.Normal(loc, scale), td.Normal(0.0, 1.0)).mean()


@elbo.wrong("reconstruction-averaged", "kl-averaged-over-latent", tags=["bernoulli"])
def mean_and_mean(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x) - 0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


@elbo.wrong("reconstruction-averaged", "kl-averaged-over-latent", tags=["gaussian"])
def mse_mean_and_mean_tuple(recon, x, mu, logvar):
    rec = 0.5 * torch.mean((recon - x) ** 2)
    kl = torch.mean(0.5 * (mu**2 + logvar.exp() - logvar - 1))
    return rec + kl, {"rec": rec, "kl": kl}


@elbo.wrong("batch-reduction-mismatch", tags=["bernoulli"])
def bce_sum_kl_batch_mean(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x, reduction="sum") + kl_rows(mu, logvar).mean()


@elbo.wrong("batch-reduction-mismatch", tags=["gaussian"])
def half_mse_batch_mean_kl_sum(recon, x, mu, logvar):
    return 0.5 * ((recon - x) ** 2).sum(1).mean() + kl_rows(mu, logvar).sum()


@elbo.wrong("batch-reduction-mismatch|kl-averaged-over-latent|wrong-axis", tags=["bernoulli"])
def kl_summed_over_batch_only(recon, x, mu, logvar):
    rec = F.binary_cross_entropy(recon, x, reduction="none").sum(1).mean()
    return rec + (0.5 * (mu**2 + logvar.exp() - logvar - 1)).sum(0).mean()


@elbo.wrong("reconstruction-averaged|wrong-axis", tags=["bernoulli"])
def image_rows_only(recon, x, mu, logvar):
    assert x.dim() == 4
    rec = F.binary_cross_entropy(recon, x, reduction="none").sum(dim=-1).mean()
    return rec + kl_rows(mu, logvar).mean()


@elbo.wrong(
    "reconstruction-averaged",
    candidates=["reconstruction-averaged", "effective-beta"],
    tags=["bernoulli", "hard-coded"],
)
def bce_784_default(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon.view(-1, 784), x.view(-1, 784)) + kl_rows(mu, logvar).mean()


@elbo.wrong(
    "effective-beta", candidates=["effective-beta", "reconstruction-averaged"], tags=["bernoulli", "hard-coded"]
)
def kl_over_784(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon.view(-1, 784), x.view(-1, 784), reduction="sum")
    return bce + kl_rows(mu, logvar).sum() / 784


# --- wrong: weights --------------------------------------------------------------------------------


@elbo.wrong("effective-beta", tags=["bernoulli"])
def half_forgotten(recon, x, mu, logvar):
    kld = -torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return F.binary_cross_entropy(recon, x, reduction="sum") + kld


elbo.wrong("effective-beta", name="method_weight_four", tags=["gaussian"])(Trainer(4.0).loss_function)
elbo.wrong("effective-beta", name="method_weight_small", tags=["gaussian"])(Trainer(0.00025).loss_function)


def weighted(recon, x, mu, logvar, weight):
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + weight * kl_rows(mu, logvar)).mean()


elbo.wrong("effective-beta", name="partial_weight_tenth", tags=["bernoulli"])(partial(weighted, weight=0.1))
elbo.wrong("effective-beta", name="kl_in_bits_only", tags=["bernoulli"])(partial(weighted, weight=1 / math.log(2)))


@elbo.wrong("effective-beta|batch-reduction-mismatch", tags=["bernoulli"])
def batch_over_data_set(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x, reduction="sum") + len(x) / 60000 * kl_rows(mu, logvar).sum()


@elbo.wrong("beta-ignored", tags=["bernoulli"])
def beta_not_used(recon, x, mu, logvar, beta=4.0):
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl_rows(mu, logvar)).mean()


class BetaForgotten(nn.Module):
    def forward(self, recon, x, mu, logvar, beta=1.0):
        rec = F.mse_loss(recon, x, reduction="sum") / 2 / len(x)
        kl = beta * kl_rows(mu, logvar).mean()
        return {"loss": rec + kl / (beta or 1.0), "kl": kl}


elbo.wrong("beta-ignored", name="module_beta_divided_out", tags=["gaussian"])(BetaForgotten())


@elbo.wrong("beta-on-reconstruction", tags=["bernoulli"])
def beta_times_bce(recon, x, mu, logvar, beta=4.0):
    return (beta * F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl_rows(mu, logvar)).mean()


@elbo.wrong("beta-on-reconstruction", tags=["gaussian"])
def beta_times_mse(recon, x, mu, logvar, kl_weight=0.5):
    return (kl_weight * 0.5 * ((recon - x) ** 2).sum(1) + kl_rows(mu, logvar)).mean()


# --- wrong: signs, algebra, parametrisation --------------------------------------------------------


@elbo.wrong("sign-flipped", tags=["bernoulli"])
def kl_subtracted(recon, x, mu, logvar):
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) - kl_rows(mu, logvar)).mean()


@elbo.wrong("sign-flipped", tags=["bernoulli"])
def minus_lost_in_the_kl(recon, x, mu, logvar):
    kld = 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return F.binary_cross_entropy(recon, x, reduction="sum") + kld


@elbo.wrong("sign-flipped", tags=["gaussian"])
def log_likelihood_added(recon, x, mu, logvar):
    return (td.Normal(recon, 1.0).log_prob(x).sum(1) + kl_rows(mu, logvar)).mean()


@elbo.wrong("algebra-slip", tags=["bernoulli"])
def mean_not_squared(recon, x, mu, logvar):
    kld = -0.5 * torch.sum(1 + logvar - mu - logvar.exp(), 1)
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kld).mean()


@elbo.wrong("algebra-slip|sign-flipped", tags=["bernoulli"])
def log_variance_added(recon, x, mu, logvar):
    kld = 0.5 * torch.sum(logvar - 1 + mu.pow(2) + logvar.exp(), 1)
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kld).mean()


@elbo.wrong("algebra-slip", tags=["gaussian"], spread="std")
def square_of_the_log(recon, x, mu, sigma):
    kld = 0.5 * torch.sum(mu**2 + sigma**2 - torch.log(sigma) ** 2 - 1, 1)
    return (0.5 * ((recon - x) ** 2).sum(1) + kld).mean()


@elbo.wrong("algebra-slip", tags=["bernoulli"])
def one_sided_bce(recon, x, mu, logvar):
    return (-(x * torch.log(recon + 1e-12)).sum(1) + kl_rows(mu, logvar)).mean()


@elbo.wrong("reverse-kl", tags=["bernoulli"], spread="std")
def reversed_kl(recon, x, mu, std):
    q, p = td.Normal(mu, std), td.Normal(torch.zeros_like(mu), torch.ones_like(std))
    return F.binary_cross_entropy(recon, x, reduction="sum") + td.kl_divergence(p, q).sum()


@elbo.wrong("spread-misread", keywords={"spread": "log_variance"}, tags=["bernoulli"])
def log_std_formula(recon, x, mu, logvar):
    kl = torch.sum(0.5 * (mu**2 + (2 * logvar).exp() - 1) - logvar, 1)
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl).mean()


@elbo.wrong("spread-misread", keywords={"spread": "variance"}, tags=["gaussian"], spread="variance")
def variance_as_std(recon, x, mu, var):
    nll = -td.Normal(recon, 1.0).log_prob(x).sum(-1)
    return (nll + td.kl_divergence(td.Normal(mu, var), td.Normal(0.0, 1.0)).sum(-1)).mean()


@elbo.wrong("biased-estimator", tags=["bernoulli", "noise"])
def squared_log_ratio(recon, x, mu, logvar):
    q = td.Normal(mu, torch.exp(0.5 * logvar))
    z = q.rsample()
    log_ratio = (td.Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(1)
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + 0.5 * log_ratio**2).mean()


# --- wrong: two mistakes ---------------------------------------------------------------------------


@elbo.wrong("reconstruction-averaged", "effective-beta", tags=["bernoulli"])
def bce_default_half_forgotten(recon, x, mu, logvar):
    kld = -torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1).mean()
    return F.binary_cross_entropy(recon, x) + kld


@elbo.wrong("reconstruction-averaged", "reverse-kl", tags=["gaussian"], spread="std")
def mse_default_reversed_kl(recon, x, mu, std):
    q, p = td.Normal(mu, std), td.Normal(torch.zeros_like(mu), torch.ones_like(std))
    return F.mse_loss(recon, x) + td.kl_divergence(p, q).sum(1).mean()


@elbo.wrong("kl-averaged-over-latent", "sign-flipped", tags=["bernoulli"])
def kl_mean_subtracted(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x, reduction="sum") / len(x)
    return bce + 0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


@elbo.wrong("kl-averaged-over-latent", "spread-misread", keywords={"spread": "log_variance"}, tags=["bernoulli"])
def kl_mean_log_std(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x, reduction="sum") / len(x)
    return bce + torch.mean(0.5 * (mu**2 + (2 * logvar).exp() - 1) - logvar)


@elbo.wrong("reconstruction-averaged", "algebra-slip", tags=["bernoulli"])
def bce_default_mean_not_squared(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x) - 0.5 * torch.sum(1 + logvar - mu - logvar.exp(), 1).mean()


@elbo.wrong("batch-reduction-mismatch", "reverse-kl", tags=["bernoulli"])
def batch_mismatch_reversed(recon, x, mu, logvar):
    kl = 0.5 * (torch.exp(-logvar) * (1 + mu**2) + logvar - 1)
    return F.binary_cross_entropy(recon, x, reduction="sum") + kl.sum(1).mean()
