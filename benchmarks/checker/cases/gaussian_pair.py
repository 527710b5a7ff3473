"""KL between two diagonal Gaussians, the same from one sample, the log-density, and the reparameterised draw."""

import math
from functools import partial

import torch
import torch.distributions as td
from torch import nn

from benchmarks.checker._case import Cases, Truth

pair = Cases("gaussian_kl_pair")
sampled = Cases("gaussian_kl_sample")
log_prob = Cases("gaussian_log_prob")
draw = Cases("gaussian_sample")
CASES = [pair, sampled, log_prob, draw]
LOG2PI = math.log(2 * math.pi)

# --- KL[q ‖ p], right ------------------------------------------------------------------------------


@pair.right()
def interleaved(mu_q, lv_q, mu_p, lv_p):
    terms = lv_p - lv_q - 1 + (lv_q.exp() + (mu_q - mu_p) ** 2) / lv_p.exp()
    return 0.5 * terms.sum(-1).mean()


@pair.right(order=(0, 2, 1, 3))
def grouped(mu_q, mu_p, lv_q, lv_p):
    return (0.5 * (lv_p - lv_q - 1 + (lv_q - lv_p).exp() + (mu_q - mu_p).pow(2) * (-lv_p).exp())).sum()


@pair.right(spread="std")
def registered(mq, sq, mp, sp):
    return td.kl_divergence(td.Normal(mq, sq), td.Normal(mp, sp)).sum(-1)


@pair.right(spread="std")
def independent(mq, sq, mp, sp):
    return td.kl_divergence(td.Independent(td.Normal(mq, sq), 1), td.Independent(td.Normal(mp, sp), 1)).mean()


@pair.right(spread="variance")
def by_variances(m1, v1, m2, v2):
    return 0.5 * torch.sum(torch.log(v2) - torch.log(v1) + v1 / v2 + (m1 - m2) ** 2 / v2 - 1, dim=1).mean()


@pair.right(spread="log_std")
def by_log_stds(m1, s1, m2, s2):
    return torch.sum(s2 - s1 + (torch.exp(2 * s1) + (m1 - m2) ** 2) / (2 * torch.exp(2 * s2)) - 0.5, -1)


class TwoGaussians(nn.Module):
    def forward(self, post_mean, post_logvar, prior_mean, prior_logvar):
        precision = torch.exp(-prior_logvar)
        kl = 0.5 * (prior_logvar - post_logvar + precision * (post_logvar.exp() + (post_mean - prior_mean) ** 2) - 1)
        return kl.sum(1).mean(), kl


pair.right("module_tuple")(TwoGaussians())


@pair.right(notes=["gradient-split"])
def balanced(mq, lq, mp, lp):
    def kl(m1, l1, m2, l2):
        return 0.5 * (l2 - l1 - 1 + (l1 - l2).exp() + (m1 - m2) ** 2 * (-l2).exp()).sum(1).mean()

    return 0.8 * kl(mq.detach(), lq.detach(), mp, lp) + 0.2 * kl(mq, lq, mp.detach(), lp.detach())


@pair.right(notes=["unbiased-estimate"], tags=["noise"], spread="std")
def estimated_from_a_draw(mq, sq, mp, sp):
    q, p = td.Normal(mq, sq), td.Normal(mp, sp)
    z = q.rsample()
    return (q.log_prob(z) - p.log_prob(z)).sum(1).mean()


@pair.right(notes=["constant-dropped"], also=(Truth("wrong", frozenset({"constant-wrong"})),))
def without_dimension(mq, lq, mp, lp):
    return (0.5 * (lp - lq + (lq - lp).exp() + (mq - mp) ** 2 * (-lp).exp())).sum(1).mean()


# --- KL[q ‖ p], wrong ------------------------------------------------------------------------------


@pair.wrong("effective-beta")
def pair_half_missing(mq, lq, mp, lp):
    return (lp - lq - 1 + (lq.exp() + (mq - mp) ** 2) / lp.exp()).sum(-1).mean()


@pair.wrong("kl-averaged-over-latent")
def pair_mean(mq, lq, mp, lp):
    return torch.mean(0.5 * (lp - lq - 1 + (lq.exp() + (mq - mp) ** 2) / lp.exp()))


@pair.wrong("kl-averaged-over-latent", spread="std")
def pair_registered_mean(mq, sq, mp, sp):
    return td.kl_divergence(td.Normal(mq, sq), td.Normal(mp, sp)).mean()


@pair.wrong("reverse-kl")
def pair_reversed(mu_q, lv_q, mu_p, lv_p):
    return 0.5 * (lv_q - lv_p - 1 + (lv_p.exp() + (mu_q - mu_p) ** 2) / lv_q.exp()).sum(-1).mean()


@pair.wrong("reverse-kl", spread="std")
def pair_registered_reversed(mq, sq, mp, sp):
    return {"loss": td.kl_divergence(td.Normal(mp, sp), td.Normal(mq, sq)).sum(1).mean()}


@pair.wrong("algebra-slip")
def difference_over_posterior_variance(mq, lq, mp, lp):
    return 0.5 * (lp - lq - 1 + (lq - lp).exp() + (mq - mp) ** 2 / lq.exp()).sum(1).mean()


@pair.wrong("algebra-slip|sign-flipped")
def log_ratio_flipped(mq, lq, mp, lp):
    return 0.5 * (lq - lp - 1 + (lq - lp).exp() + (mq - mp) ** 2 * (-lp).exp()).sum(1).mean()


@pair.wrong("algebra-slip")
def log_ratio_missing(mq, lq, mp, lp):
    return 0.5 * ((lq - lp).exp() + (mq - mp) ** 2 * (-lp).exp() - 1).sum(1).mean()


@pair.wrong("algebra-slip")
def difference_not_squared(mq, lq, mp, lp):
    return 0.5 * (lp - lq - 1 + (lq - lp).exp() + (mq - mp).abs() * (-lp).exp()).sum(1)


@pair.wrong("algebra-slip|sign-flipped")
def means_added(mq, lq, mp, lp):
    return 0.5 * (lp - lq - 1 + (lq - lp).exp() + (mq + mp) ** 2 * (-lp).exp()).sum(1).mean()


@pair.wrong("spread-misread", keywords={"spread": "log_variance"})
def pair_log_variance_as_log_std(mq, lq, mp, lp):
    return td.kl_divergence(td.Normal(mq, lq.exp()), td.Normal(mp, lp.exp())).sum(-1).mean()


@pair.wrong("spread-misread", keywords={"spread": "variance"}, spread="variance")
def pair_variance_as_std(mq, vq, mp, vp):
    return td.kl_divergence(td.Normal(mq, vq), td.Normal(mp, vp)).sum(-1)


@pair.wrong("spread-misread|algebra-slip", spread="std")
def pair_squares_forgotten(mq, sq, mp, sp):
    return (torch.log(sp / sq) + (sq + (mq - mp) ** 2) / (2 * sp) - 0.5).sum(-1).mean()


@pair.wrong("kl-averaged-over-latent", "reverse-kl", spread="std")
def pair_mean_reversed(mq, sq, mp, sp):
    return torch.mean(td.kl_divergence(td.Normal(mp, sp), td.Normal(mq, sq)))


@pair.wrong("effective-beta", "kl-averaged-over-latent")
def pair_mean_half_missing(mq, lq, mp, lp):
    return (lp - lq - 1 + (lq - lp).exp() + (mq - mp) ** 2 * (-lp).exp()).mean()


# --- KL from one sample ----------------------------------------------------------------------------


@sampled.right()
def log_q_minus_log_p(z, mu, logvar):
    log_q = -0.5 * (LOG2PI + logvar + (z - mu) ** 2 / logvar.exp())
    log_p = -0.5 * (LOG2PI + z**2)
    return (log_q - log_p).sum(1).mean()


@sampled.right(spread="std")
def sampled_distributions(z, loc, scale):
    return (td.Normal(loc, scale).log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)).sum(-1)


@sampled.right()
def constants_cancelled(z, mu, logvar):
    return 0.5 * torch.sum(z**2 - (z - mu) ** 2 * torch.exp(-logvar) - logvar, dim=1).mean()


@sampled.right()
def analytic_entropy(z, mu, logvar):
    entropy = 0.5 * (1 + LOG2PI + logvar)
    return (-entropy + 0.5 * (LOG2PI + z**2)).sum(-1).mean()


@sampled.right(spread="std")
def nonnegative_ratio_estimate(z, mu, std):
    log_r = (td.Normal(0.0, 1.0).log_prob(z) - td.Normal(mu, std).log_prob(z)).sum(-1)
    return (torch.expm1(log_r) - log_r).mean()


@sampled.right(notes=["argument-order"], order=(1, 2, 0), also=(Truth("correct"),))
def sample_last(mu, logvar, z):
    return (0.5 * (z**2 - (z - mu) ** 2 / logvar.exp() - logvar)).sum()


@sampled.wrong("sign-flipped")
def log_p_minus_log_q(z, mu, logvar):
    log_q = -0.5 * (logvar + (z - mu) ** 2 / logvar.exp())
    return (-0.5 * z**2 - log_q).sum(1).mean()


@sampled.wrong("biased-estimator")
def half_squared_log_ratio(z, mu, logvar):
    log_r = (0.5 * (logvar + (z - mu) ** 2 / logvar.exp()) - 0.5 * z**2).sum(-1)
    return 0.5 * (log_r**2).mean()


@sampled.wrong("algebra-slip")
def log_determinant_missing(z, mu, logvar):
    return (0.5 * z**2 - 0.5 * (z - mu) ** 2 / logvar.exp()).sum(1).mean()


@sampled.wrong("algebra-slip|spread-misread")
def log_determinant_not_halved(z, mu, logvar):
    return (0.5 * z**2 - 0.5 * (z - mu) ** 2 / logvar.exp() - logvar).sum(1).mean()


@sampled.wrong("kl-averaged-over-latent", spread="std")
def sampled_mean(z, mu, std):
    return (td.Normal(mu, std).log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)).mean()


@sampled.wrong("effective-beta")
def sampled_half_missing(z, mu, logvar):
    return (z**2 - (z - mu) ** 2 * torch.exp(-logvar) - logvar).sum(1).mean()


@sampled.wrong("spread-misread", keywords={"spread": "log_variance"})
def sampled_log_variance_as_log_std(z, mu, logvar):
    return (td.Normal(mu, logvar.exp()).log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)).sum(-1).mean()


@sampled.wrong("algebra-slip|spread-misread")
def divided_by_std(z, mu, logvar):
    return 0.5 * (z**2 - (z - mu) ** 2 / torch.exp(0.5 * logvar) - logvar).sum(1).mean()


@sampled.wrong("effective-beta", "kl-averaged-over-latent")
def sampled_mean_half_missing(z, mu, logvar):
    return (z**2 - (z - mu) ** 2 * torch.exp(-logvar) - logvar).mean()


# --- log-density -----------------------------------------------------------------------------------


@log_prob.right()
def density_by_hand(z, mu, logvar):
    return -0.5 * (LOG2PI + logvar + (z - mu) ** 2 / torch.exp(logvar)).sum(-1)


@log_prob.right(spread="std")
def density_distributions(x, loc, scale):
    return td.Normal(loc, scale).log_prob(x).sum(-1).mean()


@log_prob.right(spread="std")
def density_elementwise(x, mean, sd):
    return -torch.log(sd) - 0.5 * LOG2PI - (x - mean) ** 2 / (2 * sd**2)


@log_prob.right(spread="variance")
def density_multivariate(x, mean, var):
    return td.MultivariateNormal(mean, covariance_matrix=torch.diag_embed(var)).log_prob(x)


@log_prob.right(spread="log_std")
def density_log_std(x, mean, log_std):
    eps = (x - mean) * torch.exp(-log_std)
    return (-0.5 * eps**2 - log_std - 0.5 * LOG2PI).sum()


@log_prob.right(notes=["argument-order"], order=(1, 2, 0), also=(Truth("correct"),))
def density_sample_last(mu, logvar, z):
    return -0.5 * torch.sum(logvar + (z - mu).pow(2) * (-logvar).exp() + LOG2PI, 1)


@log_prob.right(notes=["constant-dropped"], also=(Truth("wrong", frozenset({"constant-wrong"})),))
def density_without_two_pi(z, mu, logvar):
    return -0.5 * (logvar + (z - mu) ** 2 / logvar.exp()).sum(1)


@log_prob.wrong("algebra-slip")
def density_half_missing(z, mu, logvar):
    return (-0.5 * LOG2PI - 0.5 * logvar - (z - mu) ** 2 / logvar.exp()).sum(-1)


@log_prob.wrong("algebra-slip|spread-misread")
def density_divided_by_std(z, mu, logvar):
    std = torch.exp(0.5 * logvar)
    return (-0.5 * LOG2PI - torch.log(std) - 0.5 * (z - mu) ** 2 / std).sum(-1)


@log_prob.wrong("algebra-slip")
def density_no_log_determinant(z, mu, logvar):
    return (-0.5 * LOG2PI - 0.5 * (z - mu) ** 2 / logvar.exp()).sum(-1)


@log_prob.wrong("algebra-slip|sign-flipped")
def density_log_determinant_flipped(z, mu, logvar):
    return (-0.5 * LOG2PI + 0.5 * logvar - 0.5 * (z - mu) ** 2 / logvar.exp()).sum(-1)


@log_prob.wrong("algebra-slip|spread-misread")
def density_log_variance_not_halved(z, mu, logvar):
    return (-0.5 * LOG2PI - logvar - 0.5 * (z - mu) ** 2 * torch.exp(-logvar)).sum(-1)


@log_prob.wrong("constant-wrong")
def density_constant_not_halved(z, mu, logvar):
    return (-LOG2PI - 0.5 * logvar - 0.5 * (z - mu) ** 2 * torch.exp(-logvar)).sum(-1)


@log_prob.wrong("constant-wrong")
def density_constant_once(z, mu, logvar):
    return -0.5 * LOG2PI - 0.5 * (logvar + (z - mu) ** 2 * torch.exp(-logvar)).sum(-1)


@log_prob.wrong("constant-wrong")
def density_constant_positive(z, mu, logvar):
    return (0.5 * LOG2PI - 0.5 * logvar - 0.5 * (z - mu) ** 2 * torch.exp(-logvar)).sum(-1)


@log_prob.wrong("spread-misread", keywords={"spread": "variance"}, spread="variance")
def density_variance_as_std(z, mu, var):
    return td.Normal(mu, var).log_prob(z).sum(-1)


@log_prob.wrong("spread-misread", keywords={"spread": "log_variance"})
def density_log_variance_as_log_std(z, mu, logvar):
    return td.Normal(mu, torch.exp(logvar)).log_prob(z).sum(-1)


# --- draws -----------------------------------------------------------------------------------------


@draw.right()
def reparameterize(mu, logvar):
    std = torch.exp(0.5 * logvar)
    eps = torch.randn_like(std)
    return mu + eps * std


@draw.right(spread="std")
def rsample(loc, scale):
    return td.Normal(loc, scale).rsample()


@draw.right(spread="variance")
def root_of_variance(mean, var):
    return mean + var.sqrt() * torch.randn(mean.shape, dtype=mean.dtype)


@draw.right(spread="log_std", keywords={"spread": "log_std"})
def exponential_of_log_std(mean, log_std):
    return torch.addcmul(mean, log_std.exp(), torch.empty_like(mean).normal_())


@draw.right(spread="std")
def torch_normal_noise(mean, std):
    return torch.normal(torch.zeros_like(mean), torch.ones_like(mean)) * std + mean


@draw.right(notes=["argument-order"], order=(1, 0))
def spread_first(logvar, mu):
    return mu + (logvar / 2).exp() * torch.randn_like(mu)


@draw.right(notes=["name-contradicts-maths"], spread="log_std")
def named_logvar_used_as_log_std(mu, logvar):
    return mu + logvar.exp() * torch.randn_like(mu)


class Sampler(nn.Module):
    def forward(self, mu, log_var):
        noise = td.Normal(torch.zeros_like(mu), torch.ones_like(mu)).sample()
        return mu + noise * (0.5 * log_var).exp()


draw.right("sampler_module")(Sampler())


@draw.wrong("sampler-spread-misread", keywords={"spread": "log_variance"})
def forgot_the_half(mu, logvar):
    return mu + torch.exp(logvar) * torch.randn_like(mu)


@draw.wrong("sampler-spread-misread", keywords={"spread": "variance"}, spread="variance")
def variance_times_noise(mu, var):
    return mu + var * torch.randn_like(mu)


@draw.wrong("sampler-spread-misread", keywords={"spread": "std"}, spread="std")
def root_of_std(mu, std):
    return mu + std.sqrt() * torch.randn_like(std)


@draw.wrong("sampler-spread-misread", keywords={"spread": "log_variance"})
def rsample_of_log_variance(mu, logvar):
    return td.Normal(mu, logvar.exp()).rsample()


def scaled_noise(mu, logvar, scale):
    return mu + scale * torch.exp(0.5 * logvar) * torch.randn_like(mu)


draw.wrong("noise-scale", name="noise_of_a_tenth")(partial(scaled_noise, scale=0.1))


@draw.wrong("noise-scale")
def uniform_noise(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.rand_like(mu)


@draw.wrong("noise-scale")
def centred_uniform_noise(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * (2 * torch.rand(mu.shape, dtype=mu.dtype) - 1)


@draw.wrong("noise-scale|sampler-spread-misread")
def unit_noise(mu, logvar):
    return mu + torch.randn_like(logvar)


@draw.wrong("algebra-slip|noise-scale")
def mean_halved(mu, logvar):
    return 0.5 * mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


@draw.wrong("noise-scale", "sampler-spread-misread", keywords={"spread": "log_variance"})
def tenth_of_noise_and_no_half(mu, logvar):
    return mu + 0.1 * torch.exp(logvar) * torch.randn_like(mu)
