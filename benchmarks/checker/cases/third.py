"""A third set: what is hard on a checker rather than on a reader.

Validation inside the function, fixed sizes, values without gradients, noise from elsewhere, detached arguments.
"""

import math

import numpy as np
import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import nn

from benchmarks.checker._case import Cases, Truth

kl = Cases("gaussian_kl")
pair = Cases("gaussian_kl_pair")
draw = Cases("gaussian_sample")
bernoulli = Cases("bernoulli_nll")
gaussian = Cases("gaussian_nll")
elbo = Cases("negative_elbo")
iwae = Cases("iwae")
vq = Cases("vq")
categorical = Cases("categorical_kl")
CASES = [kl, pair, draw, bernoulli, gaussian, elbo, iwae, vq, categorical]


def rows(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).flatten(1).sum(1)


@kl.right("third_without_gradient", tags=["no gradient"])
@torch.no_grad()
def without_gradient(mu, logvar):
    return rows(mu, logvar).mean()


@kl.right(tags=["no gradient"])
def third_python_number(mu, logvar):
    return rows(mu, logvar).mean().item()


@kl.right(tags=["noise"])
def third_ten_draws(mu, logvar):
    std = torch.exp(0.5 * logvar)
    q, p = td.Normal(mu, std), td.Normal(0.0, 1.0)
    z = q.rsample((10,))
    return (q.log_prob(z) - p.log_prob(z)).sum(-1).mean()


@kl.right(tags=["noise"])
def third_antithetic(mu, logvar):
    std = torch.exp(0.5 * logvar)
    q, p, eps = td.Normal(mu, std), td.Normal(0.0, 1.0), torch.randn_like(std)
    estimates = [q.log_prob(z) - p.log_prob(z) for z in (mu + std * eps, mu - std * eps)]
    return (0.5 * sum(estimates)).sum(-1).mean()


# one draw of the KL, but always the same draw: right over seeds, and never right in one process
@kl.right(tags=["noise"], also=(Truth("wrong", frozenset({"biased-estimator|algebra-slip"})), Truth("undecided")))
def third_seeded_inside(mu, logvar):
    torch.manual_seed(0)
    std = torch.exp(0.5 * logvar)
    z = mu + std * torch.randn(mu.shape, dtype=mu.dtype)
    return (td.Normal(mu, std).log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)).sum(-1).mean()


@kl.right(tags=["noise"], also=(Truth("undecided"),))
def third_noise_of_numpy(mu, logvar):
    std = torch.exp(0.5 * logvar)
    z = mu + std * torch.from_numpy(np.random.randn(*mu.shape)).to(mu)
    return (td.Normal(mu, std).log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)).sum(-1).mean()


@kl.right()
def third_validated_scale(mu, logvar):
    q = td.Normal(mu, torch.exp(0.5 * logvar), validate_args=True)
    return td.kl_divergence(q, td.Normal(torch.zeros_like(mu), 1.0, validate_args=True)).sum(-1)


@kl.right()
def third_masked_by_where(mu, logvar):
    small = logvar.abs() < 1e-3
    curved = torch.where(small, logvar**2 / 2 + logvar**3 / 6, torch.expm1(logvar) - logvar)
    return 0.5 * (mu**2 + curved).sum(1).mean()


@kl.wrong("stop-gradient-misplaced", tags=["gradient"])
def third_mean_detached(mu, logvar):
    return 0.5 * (mu.detach() ** 2 + logvar.exp() - 1 - logvar).sum(1).mean()


@kl.wrong("stop-gradient-misplaced", tags=["gradient"])
def third_variance_detached(mu, logvar):
    return 0.5 * (mu**2 + logvar.detach().exp() - 1 - logvar).sum(1).mean()


@kl.wrong("kl-averaged-over-latent", tags=["no gradient"])
def third_python_number_mean(mu, logvar):
    return float((0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean())


@pair.right(spread="std")
def third_validated_pair(mq, sq, mp, sp):
    q = td.Independent(td.Normal(mq, sq, validate_args=True), 1, validate_args=True)
    return td.kl_divergence(q, td.Independent(td.Normal(mp, sp, validate_args=True), 1)).mean()


@pair.wrong("stop-gradient-misplaced", also=(Truth("correct", notes=frozenset({"gradient-split"})),), tags=["gradient"])
def third_prior_detached(mq, lq, mp, lp):
    mp, lp = mp.detach(), lp.detach()
    return 0.5 * (lp - lq - 1 + (lq - lp).exp() + (mq - mp) ** 2 * (-lp).exp()).sum(1).mean()


@draw.right(tags=["own"])
def third_generator_inside(mu, logvar):
    generator = torch.Generator().manual_seed(int(1e6 * float(mu.abs().sum())) % 2**31)
    return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, dtype=mu.dtype, generator=generator)


@bernoulli.right(spread="logits")
def third_validated_bernoulli(logits, x):
    return -td.Bernoulli(logits=logits, validate_args=True).log_prob(x).flatten(1).sum(1).mean()


@bernoulli.right(spread="probs")
def third_asserts_binary(recon, x):
    assert bool(((x == 0) | (x == 1)).all()), "binarise the data"
    return F.binary_cross_entropy(recon, x, reduction="sum") / len(x)


@bernoulli.wrong("reconstruction-averaged", spread="logits")
def third_validated_bernoulli_mean(logits, x):
    return -td.Bernoulli(logits=logits, validate_args=True).log_prob(x).mean()


@gaussian.right(notes=["constant-dropped"])
def third_no_grad_on_target(recon, x):
    return 0.5 * (recon - x.detach()).square().flatten(1).sum(1).mean()


@elbo.right(tags=["bernoulli"])
def third_validated_model(logits, x, mu, logvar):
    p = td.Independent(td.Bernoulli(probs=logits, validate_args=True), x.dim() - 1, validate_args=True)
    q = td.Independent(td.Normal(mu, torch.exp(0.5 * logvar), validate_args=True), 1)
    prior = td.Independent(td.Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    return -(p.log_prob(x) - td.kl_divergence(q, prior)).mean()


@elbo.right(notes=["overall-scale"], tags=["bernoulli"])
def third_divided_by_a_fixed_batch(recon, x, mu, logvar):
    return (F.binary_cross_entropy(recon, x, reduction="sum") + rows(mu, logvar).sum()) / 64


class Logging(nn.Module):
    """Keeps running numbers, as trainers do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.history = []

    def forward(self, recon, x, mu, logvar):
        self.steps += 1
        rec, kl = (0.5 * (recon - x) ** 2).flatten(1).sum(1).mean(), rows(mu, logvar).mean()
        self.history.append((rec.item(), kl.item()))
        return {"recon": rec, "kl": kl, "loss": rec + kl}


elbo.right("third_logging_module", notes=["constant-dropped"], tags=["gaussian"])(Logging())


@elbo.wrong("stop-gradient-misplaced", tags=["gaussian", "gradient"])
def third_reconstruction_detached(recon, x, mu, logvar):
    return (0.5 * (recon.detach() - x) ** 2).sum(1).mean() + rows(mu, logvar).mean()


@elbo.wrong("effective-beta", tags=["bernoulli"])
def third_kl_over_a_fixed_batch(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x, reduction="none").sum(1).sum() + rows(mu, logvar).sum() / 64


@elbo.wrong("reconstruction-averaged", tags=["bernoulli"])
def third_validated_model_mean(probs, x, mu, logvar):
    nll = -td.Bernoulli(probs=probs, validate_args=True).log_prob(x).flatten(1).mean(1)
    return (nll + rows(mu, logvar)).mean()


@iwae.right()
def third_five_samples_only(log_w):
    assert log_w.dim() == 2
    return -(
        log_w.exp().mean(1).log() if log_w.max() < -1e9 else torch.logsumexp(log_w, 1) - math.log(log_w.size(1))
    ).mean()


@iwae.wrong("stop-gradient-misplaced|weights-not-detached", tags=["gradient"])
def third_everything_detached(log_w):
    bound = torch.logsumexp(log_w.detach(), 1) - math.log(log_w.size(1))
    return -(bound + 0.0 * log_w.sum(1)).mean()


@vq.right()
def third_feature_maps(z_e, e):
    flat_z, flat_e = z_e.reshape(z_e.shape[0], -1), e.reshape(e.shape[0], -1)
    return ((flat_z.detach() - flat_e) ** 2).mean() + 0.25 * ((flat_z - flat_e.detach()) ** 2).mean()


@categorical.right(spread="probs")
def third_validated_categorical(q):
    uniform = td.Categorical(probs=torch.full_like(q, 1 / q.shape[-1]))
    return td.kl_divergence(td.Categorical(probs=q, validate_args=True), uniform).sum(-1).mean()


@categorical.right(spread="probs")
def third_asserts_normalised(q):
    assert torch.allclose(q.sum(-1), torch.ones_like(q.sum(-1)), atol=1e-5)
    return torch.special.xlogy(q, q * q.shape[-1]).sum((1, 2))
