"""KL from a categorical posterior to the uniform one, and from von Mises-Fisher to the uniform law on the sphere."""

import math
import warnings

import numpy as np
import torch
import torch.distributions as td
import torch.nn.functional as F
from scipy import special
from torch import nn

from benchmarks.checker._case import Cases, Truth

categorical = Cases("categorical_kl")
vmf = Cases("vmf_kl")
CASES = [categorical, vmf]

# --- categorical, right: `spread` says what the argument is: probs, log_probs or logits ------------


@categorical.right(spread="probs")
def from_probabilities(q):
    k = q.shape[-1]
    return torch.sum(q * (torch.log(q + 1e-20) + math.log(k)), dim=(-2, -1)).mean()


@categorical.right(spread="log_probs")
def from_log_probabilities(log_q):
    return (log_q.exp() * (log_q + math.log(log_q.size(-1)))).sum(-1).sum(-1)


@categorical.right(spread="logits")
def from_logits(logits):
    log_q = F.log_softmax(logits, dim=-1)
    log_uniform = -math.log(logits.shape[-1])
    return torch.sum(log_q.exp() * (log_q - log_uniform), dim=[1, 2]).mean(dim=0)


@categorical.right(spread="logits")
def categorical_registered(logits):
    q = td.Categorical(logits=logits)
    p = td.Categorical(logits=torch.zeros_like(logits))
    return td.kl_divergence(q, p).sum(1).mean()


@categorical.right(spread="logits")
def kl_div_with_target_q(logits):
    log_uniform = torch.full_like(logits, -math.log(logits.size(-1)))
    return F.kl_div(log_uniform, F.softmax(logits, -1), reduction="batchmean")


@categorical.right(spread="log_probs")
def kl_div_log_target(log_q):
    log_uniform = torch.full_like(log_q, 1.0 / log_q.size(-1)).log()
    return F.kl_div(log_uniform, log_q, reduction="none", log_target=True).sum((1, 2))


@categorical.right(spread="probs", notes=["constant-dropped"])
def negative_entropy(probs):
    return torch.special.xlogy(probs, probs).sum(-1).sum(-1).mean()


@categorical.right(spread="logits")
def log_size_minus_entropy(logits):
    entropy = td.Categorical(logits=logits).entropy()
    return (math.log(logits.shape[-1]) - entropy).sum()


@categorical.right(spread="probs")
def einsum_of_probabilities(p):
    return torch.einsum("bnk,bnk->b", p, torch.log(p * p.shape[2] + 1e-20))


class GumbelKL(nn.Module):
    def __init__(self):
        super().__init__()
        self.eps = 1e-10

    def forward(self, logits):
        q = logits.softmax(dim=-1)
        h1 = q * torch.log(q + self.eps)
        h2 = q * math.log(1.0 / q.size(-1))
        return {"loss": torch.sum(h1 - h2, dim=(1, 2)).mean(), "codes": q.argmax(-1)}


categorical.right("gumbel_module", spread="logits")(GumbelKL())

# --- categorical, wrong ----------------------------------------------------------------------------


@categorical.wrong("prior-not-logged", spread="probs")
def prior_as_probability(q):
    return torch.sum(q * (torch.log(q + 1e-20) - 1.0 / q.shape[-1]), dim=(1, 2)).mean()


@categorical.wrong("prior-not-logged", spread="logits")
def prior_as_probability_logits(logits):
    log_q = logits.log_softmax(-1)
    prior = torch.full_like(log_q, 1 / logits.shape[-1])
    return (log_q.exp() * (log_q - prior)).sum(-1).sum(-1)


@categorical.wrong("prior-not-logged|kl-div-misuse", spread="probs")
def kl_div_prior_not_logged(q):
    return F.kl_div(torch.full_like(q, 1 / q.size(-1)), q, reduction="sum") / q.size(0)


@categorical.wrong("kl-div-misuse|reverse-kl", spread="log_probs")
def kl_div_roles_swapped(log_q):
    return F.kl_div(log_q, torch.full_like(log_q, 1 / log_q.size(-1)), reduction="batchmean")


@categorical.wrong("kl-div-misuse", spread="probs")
def kl_div_of_probabilities(q):
    return F.kl_div(q, torch.full_like(q, 1 / q.size(-1)), reduction="batchmean")


@categorical.wrong("kl-div-misuse|kl-averaged-over-latent", spread="logits")
def kl_div_default_mean(logits):
    log_uniform = torch.full_like(logits, -math.log(logits.size(-1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return F.kl_div(log_uniform, logits.softmax(-1))


@categorical.wrong("reverse-kl", spread="logits")
def from_uniform_to_posterior(logits):
    log_q = logits.log_softmax(-1)
    return (-math.log(logits.size(-1)) - log_q).mean(-1).sum(-1).mean()


@categorical.wrong("reverse-kl", spread="logits")
def categorical_registered_swapped(logits):
    q, p = td.Categorical(logits=logits), td.Categorical(logits=torch.zeros_like(logits))
    return td.kl_divergence(p, q).sum(-1)


@categorical.wrong("wrong-axis", spread="logits")
def softmax_over_variables(logits):
    log_q = F.log_softmax(logits, dim=1)
    return (log_q.exp() * (log_q + math.log(logits.shape[-1]))).sum((1, 2)).mean()


@categorical.wrong("wrong-axis|kl-averaged-over-latent", spread="probs")
def mean_over_variables(q):
    return (q * (q.log() + math.log(q.shape[-1]))).sum(-1).mean()


@categorical.wrong("kl-averaged-over-latent", spread="probs")
def mean_over_all(q):
    return torch.mean(q * torch.log(q * q.shape[-1]))


@categorical.wrong("constant-wrong|wrong-axis|algebra-slip", spread="logits")
def log_of_the_wrong_axis(logits):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (log_q + math.log(logits.shape[1]))).sum((1, 2)).mean()


@categorical.wrong("effective-beta", spread="probs")
def twice(q):
    return 2 * (q * torch.log(q * q.shape[-1])).sum((1, 2)).mean()


@categorical.wrong("algebra-slip|sign-flipped|constant-wrong", spread="logits")
def log_size_subtracted(logits):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (log_q - math.log(logits.shape[-1]))).sum((1, 2)).mean()


@categorical.wrong("not-finite", spread="probs", tags=["numerics"])
def zero_times_log_zero(q):
    return (q * torch.log(q) + q * math.log(q.shape[-1])).sum((1, 2)).mean()


@categorical.wrong("prior-not-logged", "kl-averaged-over-latent|wrong-axis", spread="probs")
def prior_as_probability_and_mean(q):
    return (q * (q.log() - 1 / q.shape[-1])).sum(-1).mean()


# --- von Mises-Fisher: functions of (kappa, m) -----------------------------------------------------


def log_bessel(order, kappa):
    """log I_order(kappa), by an integral that autograd can follow."""
    t, w = (torch.as_tensor(a) for a in np.polynomial.legendre.leggauss(160))
    angle = 0.5 * math.pi * (t + 1)
    kappa = torch.as_tensor(kappa).to(torch.float64)[..., None]
    integral = (0.5 * math.pi * w * torch.exp(kappa * (angle.cos() - 1)) * angle.sin() ** (2 * order)).sum(-1)
    scale = order * math.log(0.5) - 0.5 * math.log(math.pi) - math.lgamma(order + 0.5)
    return torch.log(integral) + order * torch.log(kappa[..., 0]) + kappa[..., 0] + scale


def log_sphere(m):
    return math.log(2) + 0.5 * m * math.log(math.pi) - math.lgamma(m / 2)


@vmf.right()
def closed_form(kappa, m):
    m = int(m)
    low, high = log_bessel(m / 2 - 1, kappa), log_bessel(m / 2, kappa)
    log_c = (m / 2 - 1) * torch.log(kappa) - 0.5 * m * math.log(2 * math.pi) - low
    return kappa * torch.exp(high - low) + log_c + log_sphere(m)


@vmf.right(notes=["constant-dropped"])
def negative_entropy_of_vmf(kappa, m):
    m = int(m)
    low, high = log_bessel(m / 2 - 1, kappa), log_bessel(m / 2, kappa)
    return kappa * torch.exp(high - low) + (m / 2 - 1) * torch.log(kappa) - m / 2 * math.log(2 * math.pi) - low


@vmf.right(tags=["no gradient"])
def scipy_bessel(kappa, m):
    k, m = np.asarray(kappa, dtype=float), int(m)
    ratio = special.ive(m / 2, k) / special.ive(m / 2 - 1, k)
    log_c = (m / 2 - 1) * np.log(k) - m / 2 * np.log(2 * np.pi) - np.log(special.ive(m / 2 - 1, k)) - k
    return torch.as_tensor(k * ratio + log_c + np.log(2) + m / 2 * np.log(np.pi) - special.loggamma(m / 2))


@vmf.right()
def by_quadrature_on_the_height(kappa, m):
    t, w = (torch.as_tensor(a) for a in np.polynomial.legendre.leggauss(200))
    angle = 0.5 * math.pi * (t + 1)
    height, measure = angle.cos(), w * angle.sin() ** (int(m) - 2)
    tilt = torch.exp(torch.as_tensor(kappa)[..., None].double() * (height - 1)) * measure
    density = tilt / tilt.sum(-1, keepdim=True)
    return (density * (torch.log(density) - torch.log(measure / measure.sum()))).sum(-1)


@vmf.wrong("algebra-slip")
def bessel_ratio_one_order_up(kappa, m):
    m = int(m)
    low, high = log_bessel(m / 2, kappa), log_bessel(m / 2 + 1, kappa)
    log_c = (m / 2 - 1) * torch.log(kappa) - 0.5 * m * math.log(2 * math.pi) - log_bessel(m / 2 - 1, kappa)
    return kappa * torch.exp(high - low) + log_c + log_sphere(m)


@vmf.wrong("algebra-slip")
def small_kappa_ratio(kappa, m):
    m = int(m)
    log_c = (m / 2 - 1) * torch.log(kappa) - 0.5 * m * math.log(2 * math.pi) - log_bessel(m / 2 - 1, kappa)
    return kappa * kappa / m + log_c + log_sphere(m)


@vmf.wrong("constant-wrong", also=(Truth("correct", notes=frozenset({"constant-dropped"})),))
def area_of_the_next_sphere(kappa, m):
    m = int(m)
    low, high = log_bessel(m / 2 - 1, kappa), log_bessel(m / 2, kappa)
    log_c = (m / 2 - 1) * torch.log(kappa) - 0.5 * m * math.log(2 * math.pi) - low
    return kappa * torch.exp(high - low) + log_c + log_sphere(m + 1)


@vmf.wrong("algebra-slip|sign-flipped")
def log_normaliser_subtracted(kappa, m):
    m = int(m)
    low, high = log_bessel(m / 2 - 1, kappa), log_bessel(m / 2, kappa)
    log_c = (m / 2 - 1) * torch.log(kappa) - 0.5 * m * math.log(2 * math.pi) - low
    return kappa * torch.exp(high - low) - log_c - log_sphere(m)


@vmf.wrong("algebra-slip")
def concentration_forgotten(kappa, m):
    m = int(m)
    low, high = log_bessel(m / 2 - 1, kappa), log_bessel(m / 2, kappa)
    log_c = (m / 2 - 1) * torch.log(kappa) - 0.5 * m * math.log(2 * math.pi) - low
    return torch.exp(high - low) + log_c + log_sphere(m)
