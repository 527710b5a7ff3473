"""Negative log-likelihoods of a reconstruction: Bernoulli, Gaussian, Laplace."""

import math
from functools import partial

import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import nn

from benchmarks.checker._case import Cases, Truth

bernoulli = Cases("bernoulli_nll")
gaussian = Cases("gaussian_nll")
laplace = Cases("laplace_nll")
CASES = [bernoulli, gaussian, laplace]

# --- Bernoulli, right: `spread` says whether recon is probs or logits ------------------------------


@bernoulli.right(spread="probs")
def bce_sum_over_batch(recon, x):
    return F.binary_cross_entropy(recon, x, reduction="sum") / x.size(0)


@bernoulli.right(spread="probs")
def bce_per_sample(recon, x):
    return F.binary_cross_entropy(recon, x, reduction="none").flatten(1).sum(-1)


@bernoulli.right(spread="logits")
def bce_with_logits(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


@bernoulli.right(spread="logits")
def softplus_form(logits, x):
    return (F.softplus(logits) - x * logits).sum(-1).mean()


@bernoulli.right(spread="probs")
def by_hand_with_eps(y, t):
    eps = 1e-12
    return -torch.sum(t * torch.log(y + eps) + (1 - t) * torch.log(1 - y + eps), dim=1).mean()


@bernoulli.right(spread="probs")
def bernoulli_log_prob(probs, x):
    return -td.Bernoulli(probs=probs, validate_args=False).log_prob(x).sum(-1)


@bernoulli.right(spread="logits")
def independent_bernoulli(logits, x):
    return -td.Independent(td.Bernoulli(logits=logits, validate_args=False), 1).log_prob(x).mean()


@bernoulli.right(notes=["argument-order"], order=(1, 0), spread="probs")
def target_first(x, recon):
    return F.binary_cross_entropy(recon, x, reduction="none").sum(1).mean()


@bernoulli.right(notes=["clamped"], spread="probs")
def bce_clamped(recon, x):
    p = recon.clamp(1e-3, 1 - 1e-3)
    return -(x * p.log() + (1 - x) * (1 - p).log()).sum(-1).mean()


@bernoulli.right(notes=["maximised"], spread="probs", also=(Truth("wrong", frozenset({"sign-flipped"})),))
def bernoulli_log_likelihood(recon, x):
    return -F.binary_cross_entropy(recon, x, reduction="none").sum(1).mean()


@bernoulli.right(spread="probs")
def bce_of_images(recon, x):
    assert x.dim() == 4
    return F.binary_cross_entropy(recon, x, reduction="none").sum(dim=(1, 2, 3)).mean()


bernoulli.right("module_bce_sum", spread="probs")(nn.BCELoss(reduction="sum"))
bernoulli.right("module_bce_logits_sum", spread="logits")(nn.BCEWithLogitsLoss(reduction="sum"))
bernoulli.right("partial_bce_sum", spread="probs")(partial(F.binary_cross_entropy, reduction="sum"))


@bernoulli.right(spread="probs", tags=["hard-coded"])
def bce_784(recon, x):
    return F.binary_cross_entropy(recon.view(-1, 784), x.view(-1, 784), reduction="sum") / x.shape[0]


# --- Bernoulli, wrong ------------------------------------------------------------------------------


bernoulli.wrong("reconstruction-averaged", name="module_bce_default", spread="probs")(nn.BCELoss())
bernoulli.wrong("reconstruction-averaged", name="module_bce_logits_default", spread="logits")(nn.BCEWithLogitsLoss())


@bernoulli.wrong("reconstruction-averaged", spread="probs")
def bce_default(recon, x):
    return F.binary_cross_entropy(recon, x)


@bernoulli.wrong("reconstruction-averaged", spread="probs")
def bce_mean_over_pixels(recon, x):
    return F.binary_cross_entropy(recon, x, reduction="none").mean(dim=1)


@bernoulli.wrong("reconstruction-averaged", spread="logits")
def bce_mean_of_sum(logits, x):
    loss = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return {"loss": loss.sum(0).mean()}


@bernoulli.wrong("reconstruction-averaged|wrong-axis", spread="probs")
def image_mean_over_space(recon, x):
    assert x.dim() == 4
    return F.binary_cross_entropy(recon, x, reduction="none").sum(1).mean()


@bernoulli.wrong("algebra-slip", spread="probs")
def only_the_ones(recon, x):
    return -(x * torch.log(recon + 1e-12)).sum(1).mean()


@bernoulli.wrong("algebra-slip|sign-flipped", spread="probs")
def second_term_subtracted(recon, x):
    return -(x * torch.log(recon + 1e-12) - (1 - x) * torch.log(1 - recon + 1e-12)).sum(1).mean()


@bernoulli.wrong("algebra-slip", spread="probs")
def sigmoid_twice(recon, x):
    return F.binary_cross_entropy(torch.sigmoid(torch.sigmoid(recon)), x, reduction="sum") / len(x)


@bernoulli.wrong("effective-beta", spread="probs")
def twice_the_bce(recon, x):
    return 2 * F.binary_cross_entropy(recon, x, reduction="sum") / len(x)


@bernoulli.wrong("algebra-slip|effective-beta", spread="logits")
def positive_weight(logits, x):
    weight = torch.tensor(3.0, dtype=logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, x, pos_weight=weight, reduction="sum") / len(x)


@bernoulli.wrong("algebra-slip", spread="probs")
def squared_error_instead(recon, x):
    return 0.5 * ((recon.sigmoid() - x) ** 2).sum(1).mean()


@bernoulli.wrong("reconstruction-averaged", "algebra-slip", spread="probs")
def only_the_ones_mean(recon, x):
    return -(x * torch.log(recon + 1e-12)).mean()


@bernoulli.wrong(
    "reconstruction-averaged",
    candidates=["reconstruction-averaged", "effective-beta"],
    spread="probs",
    tags=["hard-coded"],
)
def bce_784_mean(recon, x):
    return F.binary_cross_entropy(recon.view(-1, 784), x.view(-1, 784))


# --- Gaussian, right -------------------------------------------------------------------------------


@gaussian.right(notes=["constant-dropped"])
def half_squared_error(recon, x):
    return 0.5 * F.mse_loss(recon, x, reduction="sum") / x.size(0)


@gaussian.right(notes=["decoder-variance"])
def squared_error(recon, x):
    return ((recon - x) ** 2).sum(1).mean()


@gaussian.right()
def normal_log_prob(recon, x):
    return -td.Normal(recon, 1.0).log_prob(x).sum(-1).mean()


@gaussian.right(notes=["decoder-variance"])
def normal_of_a_tenth(recon, x):
    return -td.Normal(recon, 0.1).log_prob(x).sum(-1)


@gaussian.right()
def gaussian_nll_loss_full(recon, x):
    return F.gaussian_nll_loss(recon, x, torch.ones_like(x), full=True, reduction="sum")


@gaussian.right(notes=["constant-dropped"])
def gaussian_nll_loss_short(recon, x):
    return F.gaussian_nll_loss(recon, x, torch.ones_like(x), reduction="none").sum(-1)


@gaussian.right(tags=["log-scale"])
def learned_log_sigma(recon, x, log_sigma):
    return (0.5 * ((x - recon) * torch.exp(-log_sigma)) ** 2 + log_sigma + 0.5 * math.log(2 * math.pi)).sum(-1).mean()


@gaussian.right(notes=["constant-dropped"], tags=["log-scale"])
def learned_log_sigma_short(recon, x, log_sigma):
    return torch.sum(0.5 * torch.pow((x - recon) / log_sigma.exp(), 2) + log_sigma)


@gaussian.right(tags=["log-scale", "log-variance"])
def learned_log_variance(recon, x, log_var):
    return -td.Normal(recon, torch.exp(0.5 * log_var)).log_prob(x).sum(1)


gaussian.right("module_mse_sum", notes=["decoder-variance"])(nn.MSELoss(reduction="sum"))


@gaussian.right(notes=["maximised"], also=(Truth("wrong", frozenset({"sign-flipped"})),))
def gaussian_log_likelihood(recon, x):
    return td.Independent(td.Normal(recon, torch.ones_like(recon)), 1).log_prob(x).mean()


@gaussian.right(notes=["constant-dropped"])
def image_squared_error(recon, x):
    assert x.dim() == 4
    return 0.5 * (recon - x).pow(2).sum([1, 2, 3]).mean()


@gaussian.right(notes=["constant-dropped"])
def einsum_error(recon, x):
    return 0.5 * torch.einsum("bp,bp->b", recon - x, recon - x)


# --- Gaussian, wrong -------------------------------------------------------------------------------


gaussian.wrong("reconstruction-averaged", name="module_mse_default")(nn.MSELoss())


@gaussian.wrong("reconstruction-averaged")
def half_mse_default(recon, x):
    return 0.5 * F.mse_loss(recon, x)


@gaussian.wrong("reconstruction-averaged")
def normal_log_prob_mean(recon, x):
    return -td.Normal(recon, 1.0).log_prob(x).mean()


@gaussian.wrong("reconstruction-averaged")
def mean_over_pixels_sum_over_batch(recon, x):
    return {"loss": (0.5 * (recon - x) ** 2).mean(-1).sum()}


@gaussian.wrong("algebra-slip|wrong-norm")
def norm_not_squared(recon, x):
    return torch.linalg.vector_norm(recon - x, dim=-1).mean()


@gaussian.wrong("algebra-slip|wrong-norm")
def absolute_error(recon, x):
    return F.l1_loss(recon, x, reduction="sum") / len(x)


@gaussian.wrong("algebra-slip", tags=["log-scale"])
def log_scale_term_missing(recon, x, log_sigma):
    return (0.5 * ((x - recon) / log_sigma.exp()) ** 2).sum(-1).mean()


@gaussian.wrong("algebra-slip|spread-misread", tags=["log-scale"])
def std_where_variance_belongs(recon, x, log_sigma):
    return ((x - recon) ** 2 / (2 * log_sigma.exp()) + log_sigma + 0.5 * math.log(2 * math.pi)).sum(-1).mean()


@gaussian.wrong("algebra-slip|sign-flipped", tags=["log-scale"])
def log_scale_subtracted(recon, x, log_sigma):
    return (0.5 * ((x - recon) / log_sigma.exp()) ** 2 - log_sigma).sum(-1).mean()


@gaussian.wrong("reconstruction-averaged", tags=["log-scale"])
def learned_log_sigma_mean(recon, x, log_sigma):
    return (0.5 * ((x - recon) * torch.exp(-log_sigma)) ** 2 + log_sigma + 0.5 * math.log(2 * math.pi)).mean()


@gaussian.wrong("algebra-slip", "reconstruction-averaged", tags=["log-scale"])
def log_scale_term_missing_mean(recon, x, log_sigma):
    return (0.5 * ((x - recon) / log_sigma.exp()) ** 2).mean()


# --- Laplace ---------------------------------------------------------------------------------------


@laplace.right(notes=["constant-dropped"])
def l1_sum(recon, x):
    return F.l1_loss(recon, x, reduction="sum") / x.size(0)


@laplace.right()
def laplace_log_prob(recon, x):
    return -td.Laplace(recon, torch.ones_like(recon)).log_prob(x).sum(-1)


@laplace.right(notes=["decoder-variance"])
def laplace_half_scale(recon, x):
    return -td.Laplace(recon, 0.5).log_prob(x).sum(-1).mean()


@laplace.right(tags=["log-scale"])
def laplace_learned_scale(recon, x, log_b):
    return ((x - recon).abs() * torch.exp(-log_b) + log_b + math.log(2)).sum(1).mean()


laplace.wrong("reconstruction-averaged", name="module_l1_default")(nn.L1Loss())


@laplace.wrong("reconstruction-averaged")
def laplace_mean(recon, x):
    return (math.log(2) + (recon - x).abs()).mean()


@laplace.wrong("algebra-slip|wrong-norm")
def squared_for_laplace(recon, x):
    return ((recon - x) ** 2).sum(1).mean()


@laplace.wrong("algebra-slip|wrong-norm")
def huber(recon, x):
    return F.smooth_l1_loss(recon, x, reduction="none").sum(1).mean()


@laplace.wrong("algebra-slip", tags=["log-scale"])
def laplace_scale_term_missing(recon, x, log_b):
    return ((x - recon).abs() / log_b.exp()).sum(1).mean()


@laplace.wrong("algebra-slip|wrong-norm", "reconstruction-averaged")
def huber_mean(recon, x):
    return F.smooth_l1_loss(recon, x)
