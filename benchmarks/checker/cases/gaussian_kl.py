"""KL from a diagonal Gaussian to N(0, I), as people write it."""

import math
from dataclasses import dataclass
from functools import partial

import torch
import torch.distributions as td
from torch import Tensor, nn

from benchmarks.checker._case import Cases, Truth

kl = Cases("gaussian_kl")
CASES = [kl]

# --- right -----------------------------------------------------------------------------------------


@kl.right()
def textbook_mean_over_batch(mu, logvar):
    return torch.mean(-0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1), dim=0)


@kl.right()
def pytorch_example_sum(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


@kl.right()
def one_value_per_sample(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


@kl.right()
def not_reduced(mu, logvar):
    return 0.5 * (mu.square() + torch.exp(logvar) - logvar - 1.0)


@kl.right(notes=["argument-order"], order=(1, 0))
def log_variance_first(logvar, mu):
    return (0.5 * (logvar.exp() + mu**2 - 1 - logvar)).sum(dim=1).mean()


@kl.right(spread="std")
def by_standard_deviation(mu, sigma):
    return torch.sum(0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma), dim=-1).mean()


@kl.right(spread="variance")
def by_variance(mu, var):
    return 0.5 * torch.sum(mu**2 + var - torch.log(var) - 1, dim=-1)


@kl.right(spread="log_std")
def by_log_std(mu, log_sigma):
    return torch.sum(-log_sigma + 0.5 * (torch.exp(2 * log_sigma) + mu**2) - 0.5, dim=1).mean()


@kl.right(keywords={"spread": "log_std"}, spread="log_std")
def by_log_std_declared(m, s):
    return (0.5 * (m * m + (2 * s).exp() - 1) - s).sum()


@kl.right(notes=["name-contradicts-maths"], spread="std")
def called_logvar_used_as_std(mu, logvar):
    return 0.5 * torch.sum(mu**2 + logvar**2 - 1 - 2 * torch.log(logvar), dim=1).mean()


@kl.right(notes=["name-contradicts-maths"], spread="log_std")
def called_logvar_used_as_log_std(mu, logvar):
    std = torch.exp(logvar)
    return (0.5 * (mu.pow(2) + std.pow(2) - 1) - std.log()).sum(1).mean(0)


@kl.right()
def registered_kl(mu, logvar):
    q = td.Normal(mu, torch.exp(0.5 * logvar))
    p = td.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return td.kl_divergence(q, p).sum(dim=-1).mean()


@kl.right(spread="std")
def independent_normals(loc, scale):
    q = td.Independent(td.Normal(loc, scale), 1)
    p = td.Independent(td.Normal(torch.zeros_like(loc), torch.ones_like(scale)), 1)
    return td.kl_divergence(q, p)


@kl.right(spread="std")
def multivariate_normal(loc, scale):
    q = td.MultivariateNormal(loc, scale_tril=torch.diag_embed(scale))
    p = td.MultivariateNormal(torch.zeros_like(loc), torch.eye(loc.shape[-1], dtype=loc.dtype))
    return td.kl_divergence(q, p).mean()


class KLDivergence(nn.Module):
    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, mu, log_var):
        value = -0.5 * (1 + log_var - mu**2 - log_var.exp()).flatten(1).sum(1)
        return {"loss": value.mean() if self.reduction == "mean" else value.sum(), "kl": value}


kl.right("module_returning_dict")(KLDivergence())
kl.right("module_returning_dict_sum")(KLDivergence("sum"))


def weighted(mu, logvar, weight):
    return weight * 0.5 * (mu.pow(2) + logvar.exp() - logvar - 1).sum(-1).mean()


kl.right("partial_weight_one")(partial(weighted, weight=1.0))
kl.right("lambda_einsum")(
    lambda m, lv: 0.5 * (torch.einsum("bd,bd->b", m, m) + torch.einsum("bd->b", torch.expm1(lv) - lv)).mean()
)


class Losses:
    def kl(self, mu, logvar):
        return 0.5 * torch.sum(torch.expm1(logvar) - logvar + mu * mu, -1).mean()


kl.right("bound_method")(Losses().kl)


@dataclass
class Output:
    loss: Tensor
    logits: Tensor


@kl.right()
def object_with_loss(mu, logvar):
    terms = 0.5 * (mu**2 + logvar.exp() - logvar - 1)
    return Output(terms.sum() / mu.size(0), terms)


@kl.right()
def feature_map_latent(mu, logvar):
    assert mu.dim() == 4
    return 0.5 * torch.sum(mu.pow(2) + logvar.exp() - 1.0 - logvar, dim=[1, 2, 3]).mean()


@kl.right()
def flattened_view(mu, logvar):
    mu, logvar = mu.view(mu.size(0), -1), logvar.view(mu.size(0), -1)
    return (-0.5 * (1 + logvar - mu.pow(2) - logvar.exp())).sum(1).mean()


# the contract allows dropped constants, and says of a KL that its value is the contract
@kl.right(notes=["constant-dropped"], also=(Truth("wrong", frozenset({"constant-wrong"})),))
def without_the_minus_one(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar).sum(-1).mean()


@kl.right(notes=["free-bits"], tags=["not affine"])
def free_bits_per_dimension(mu, logvar):
    per_dimension = (0.5 * (mu**2 + logvar.exp() - logvar - 1)).mean(0)
    return torch.clamp(per_dimension, min=0.25).sum()


@kl.right(notes=["free-bits"], tags=["not affine"])
def free_bits_per_element(mu, logvar):
    return torch.maximum(0.5 * (mu**2 + logvar.exp() - logvar - 1), torch.tensor(0.5, dtype=mu.dtype)).sum(1).mean()


@kl.right(notes=["capacity"], tags=["not affine"])
def capacity_target(mu, logvar):
    total = (0.5 * (mu**2 + logvar.exp() - logvar - 1)).sum(1).mean()
    return (total - 2.0).abs()


@kl.right(notes=["unit-bits"])
def in_bits(mu, logvar):
    return (0.5 * (mu**2 + logvar.exp() - logvar - 1)).sum(1).mean() / math.log(2)


@kl.right(notes=["clamped"])
def clamped_log_variance(mu, logvar):
    logvar = torch.clamp(logvar, -30.0, 20.0)
    return 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar, dim=[1]).mean()


@kl.right(notes=["unbiased-estimate"], tags=["noise"])
def one_sample_estimate(mu, logvar):
    std = torch.exp(0.5 * logvar)
    z = mu + std * torch.randn_like(std)
    log_q = td.Normal(mu, std).log_prob(z)
    log_p = td.Normal(0.0, 1.0).log_prob(z)
    return (log_q - log_p).sum(1).mean()


@kl.right(notes=["unbiased-estimate"], tags=["noise"], spread="std")
def rsample_estimate(loc, scale):
    q = td.Normal(loc, scale)
    z = q.rsample()
    return (q.log_prob(z) - td.Normal(torch.zeros_like(loc), 1.0).log_prob(z)).sum(-1).mean()


@kl.right(tags=["hard-coded"])
def twenty_latents_in_a_view(mu, logvar):
    mu, logvar = mu.view(-1, 20), logvar.view(-1, 20)
    return 0.5 * (mu.pow(2) + logvar.exp() - logvar - 1).sum(1).mean()


@kl.right()
def prints_and_mutates(mu, logvar):
    print("kl", tuple(mu.shape))
    total = mu**2
    total += logvar.exp()
    total -= logvar + 1
    total *= 0.5
    return total.sum(1).mean(), mu, logvar


@kl.right(spread="variance")
def log_det_of_diagonal(mu, var):
    d = mu.shape[1]
    trace, quadratic = var.sum(1), (mu * mu).sum(1)
    return 0.5 * (trace + quadratic - d - torch.logdet(torch.diag_embed(var))).mean()


# --- wrong -----------------------------------------------------------------------------------------


@kl.wrong("effective-beta")
def half_forgotten(mu, logvar):
    return torch.mean(-torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1))


@kl.wrong("effective-beta", spread="std")
def half_forgotten_by_std(mu, sigma):
    return (mu**2 + sigma**2 - 2 * sigma.log() - 1).sum(-1)


@kl.wrong("effective-beta")
def half_taken_twice(mu, logvar):
    value = -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1)
    return 0.5 * value.mean()


kl.wrong("effective-beta", name="weight_of_four_bound")(partial(weighted, weight=4.0))


class SmallWeight(nn.Module):
    kld_weight = 0.00025

    def forward(self, mu, log_var):
        return self.kld_weight * torch.mean(-0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp(), dim=1), dim=0)


kl.wrong("effective-beta", name="module_small_weight")(SmallWeight())


@kl.wrong("kl-averaged-over-latent")
def mean_over_everything(mu, logvar):
    return -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


@kl.wrong("kl-averaged-over-latent", spread="std")
def registered_kl_mean(mu, std):
    return td.kl_divergence(td.Normal(mu, std), td.Normal(0.0, 1.0)).mean()


@kl.wrong("kl-averaged-over-latent")
def divided_by_numel(mu, logvar):
    return {"loss": 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum() / mu.numel()}


@kl.wrong("kl-averaged-over-latent")
def mean_over_latent_per_sample(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean(-1)


@kl.wrong("kl-averaged-over-latent|wrong-axis")
def sum_over_batch_mean_over_latent(mu, logvar):
    return (-0.5 * (1 + logvar - mu**2 - logvar.exp())).sum(0).mean()


@kl.wrong("kl-averaged-over-latent")
def divided_by_latent_size(mu, logvar):
    batch, latent = mu.shape
    return 0.5 * torch.sum(mu.pow(2) + logvar.exp() - logvar - 1) / batch / latent


@kl.wrong("wrong-axis")
def feature_map_mean_over_space(mu, logvar):
    assert mu.dim() == 4
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).sum(dim=1).mean(dim=(1, 2)).mean()


@kl.wrong("wrong-axis")
def feature_map_mean_over_channels(mu, logvar):
    assert mu.dim() == 4
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean(dim=1).sum(dim=(1, 2)).mean()


@kl.wrong("spread-misread", keywords={"spread": "log_variance"})
def log_variance_taken_for_log_std(mu, logvar):
    return (0.5 * (mu**2 + torch.exp(2 * logvar) - 1) - logvar).sum(1).mean()


@kl.wrong("spread-misread", keywords={"spread": "log_variance"})
def exponential_taken_for_std(mu, logvar):
    return td.kl_divergence(td.Normal(mu, logvar.exp()), td.Normal(0.0, 1.0)).sum(-1).mean()


@kl.wrong("spread-misread", keywords={"spread": "variance"}, spread="variance")
def variance_taken_for_std(mu, var):
    return td.kl_divergence(td.Normal(mu, var), td.Normal(0.0, 1.0)).sum(1)


@kl.wrong("spread-misread", keywords={"spread": "std"}, spread="std")
def std_taken_for_variance(mu, std):
    return 0.5 * (mu**2 + std - torch.log(std) - 1).sum(-1).mean()


@kl.wrong("spread-misread", keywords={"spread": "log_std"}, spread="log_std")
def log_std_taken_for_log_variance(mu, log_std):
    return -0.5 * torch.sum(1 + log_std - mu.pow(2) - log_std.exp(), dim=-1).mean()


@kl.wrong("reverse-kl")
def prior_to_posterior(mu, logvar):
    return 0.5 * (torch.exp(-logvar) * (1 + mu**2) + logvar - 1).sum(1).mean()


@kl.wrong("reverse-kl", spread="std")
def registered_kl_swapped(mu, std):
    q, p = td.Normal(mu, std), td.Normal(torch.zeros_like(mu), torch.ones_like(std))
    return td.kl_divergence(p, q).sum(dim=1).mean()


@kl.wrong("algebra-slip|sign-flipped")
def log_variance_added(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() + logvar - 1).sum(1).mean()


@kl.wrong("algebra-slip|sign-flipped")
def mean_subtracted(mu, logvar):
    return -0.5 * torch.sum(1 + logvar + mu.pow(2) - logvar.exp(), 1).mean()


@kl.wrong("algebra-slip")
def mean_not_squared(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu - logvar.exp(), dim=1).mean()


@kl.wrong("algebra-slip")
def absolute_mean(mu, logvar):
    return 0.5 * (mu.abs() + logvar.exp() - logvar - 1).sum(1)


@kl.wrong("algebra-slip", spread="std")
def square_of_the_log(mu, sigma):
    return 0.5 * torch.sum(mu**2 + sigma**2 - torch.log(sigma) ** 2 - 1, dim=1).mean()


@kl.wrong("algebra-slip|spread-misread")
def half_in_the_exponential(mu, logvar):
    return 0.5 * (mu**2 + torch.exp(0.5 * logvar) - logvar - 1).sum(-1).mean()


@kl.wrong("algebra-slip")
def no_log_term(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1).sum(1).mean()


@kl.wrong("algebra-slip")
def no_variance_term(mu, logvar):
    return (0.5 * (mu.pow(2) - logvar)).sum(-1)


@kl.wrong("algebra-slip")
def half_on_the_mean_only(mu, logvar):
    return (0.5 * mu**2 + logvar.exp() - logvar - 1).sum(1).mean()


@kl.wrong("constant-wrong", also=(Truth("correct", notes=frozenset({"constant-dropped"})),))
def plus_one(mu, logvar):
    return 0.5 * torch.sum(mu**2 + logvar.exp() - logvar + 1, dim=1).mean()


@kl.wrong("sign-flipped", also=(Truth("correct", notes=frozenset({"maximised"})),))
def minus_forgotten(mu, logvar):
    return 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1).mean()


@kl.wrong("catastrophic-cancellation", tags=["numerics"])
def square_expanded_far_away(mu, logvar):
    far = 1000.0
    square = (mu + far) ** 2 - 2 * far * mu - far**2
    return 0.5 * (square + logvar.exp() - logvar - 1).sum(1).mean()


@kl.wrong("not-finite", tags=["numerics"])
def quotient_by_log_variance(mu, logvar):
    slope = (logvar.exp() - 1) / logvar
    return 0.5 * (mu**2 + logvar * (slope - 1)).sum(1).mean()


@kl.wrong("kl-averaged-over-latent", "reverse-kl")
def mean_of_the_reverse(mu, logvar):
    return torch.mean(0.5 * ((1 + mu**2) / logvar.exp() + logvar - 1))


@kl.wrong("kl-averaged-over-latent", "spread-misread", keywords={"spread": "log_variance"})
def mean_and_log_std(mu, logvar):
    sigma = torch.exp(logvar)
    return torch.mean(0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma))


@kl.wrong("effective-beta", "kl-averaged-over-latent")
def mean_without_half(mu, logvar):
    return -torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


@kl.wrong("kl-averaged-over-latent", candidates=["effective-beta", "kl-averaged-over-latent"], tags=["hard-coded"])
def twenty_latents_mean(mu, logvar):
    mu, logvar = mu.view(-1, 20), logvar.view(-1, 20)
    return -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


@kl.wrong("biased-estimator", tags=["noise"])
def squared_log_ratio_estimate(mu, logvar):
    std = torch.exp(0.5 * logvar)
    z = mu + std * torch.randn_like(std)
    log_ratio = (td.Normal(0.0, 1.0).log_prob(z) - td.Normal(mu, std).log_prob(z)).sum(1)
    return (0.5 * log_ratio**2).mean()


@kl.wrong("biased-estimator|noise-scale|algebra-slip", tags=["noise"])
def one_sample_estimate_tenth_of_noise(mu, logvar):
    std = torch.exp(0.5 * logvar)
    z = mu + 0.1 * std * torch.randn_like(std)
    return (td.Normal(mu, std).log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)).sum(1).mean()
