"""A second set, written after the checker had been worked on with the first: other disguises of the same mistakes.

The first run over these cases is the fair one.
"""

import collections
import math
from functools import partial

import numpy as np
import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import nn

from benchmarks.checker._case import Cases, Truth

kl = Cases("gaussian_kl")
pair = Cases("gaussian_kl_pair")
sampled = Cases("gaussian_kl_sample")
log_prob = Cases("gaussian_log_prob")
draw = Cases("gaussian_sample")
categorical = Cases("categorical_kl")
bernoulli = Cases("bernoulli_nll")
gaussian = Cases("gaussian_nll")
laplace = Cases("laplace_nll")
elbo = Cases("negative_elbo")
iwae = Cases("iwae")
vq = Cases("vq")
quantise = Cases("vq_quantize")
tc = Cases("total_correlation")
mmd = Cases("mmd")
score = Cases("score_surrogate")
path = Cases("path_surrogate")
CASES = [
    *(kl, pair, sampled, log_prob, draw, categorical, bernoulli, gaussian, laplace, elbo),
    *(iwae, vq, quantise, tc, mmd, score, path),
]

# --- gaussian_kl -----------------------------------------------------------------------------------


@kl.right()
def second_pieces(mu, logvar):
    squares = (torch.exp(logvar) + mu**2).sum(-1)
    return (0.5 * squares - 0.5 * logvar.sum(-1) - 0.5 * mu.shape[-1]).mean()


@kl.right()
def second_python_loop(mu, logvar):
    total = 0.0
    for m, lv in zip(mu, logvar, strict=True):
        total = total + 0.5 * (m.dot(m) + lv.exp().sum() - lv.sum() - len(m))
    return total / len(mu)


@kl.right()
def second_vmap(mu, logvar):
    def one(m, lv):
        return -0.5 * torch.sum(1 + lv - m**2 - torch.exp(lv))

    return torch.func.vmap(one)(mu, logvar).mean()


@kl.right(tags=["keywords"])
def second_keywords_only(*, mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()


@kl.right()
def second_extra_options(mu, logvar, reduction="mean", **unused):
    each = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)
    return each.mean() if reduction == "mean" else each.sum()


@kl.right()
def second_list(mu, logvar):
    return [0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()]


Answer = collections.namedtuple("Answer", ["loss", "per_dimension"])


@kl.right()
def second_named_tuple(mu, logvar):
    each = 0.5 * (mu**2 + logvar.exp() - logvar - 1)
    return Answer(each.sum() / len(mu), each.mean(0))


class LearnedWeight(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.log_weight = nn.Parameter(torch.tensor(math.log(weight), dtype=torch.float64))

    def forward(self, mu, logvar):
        return self.log_weight.exp() * (0.5 * (mu**2 + logvar.exp() - logvar - 1)).sum(1).mean()


kl.right("second_learned_weight_one")(LearnedWeight(1.0))
kl.wrong("effective-beta", name="second_learned_weight_three")(LearnedWeight(3.0))


@kl.right()
def second_cross_entropy_minus_entropy(mu, logvar):
    q = td.Normal(mu, torch.exp(logvar / 2))
    cross = 0.5 * (math.log(2 * math.pi) + mu**2 + logvar.exp())
    return (cross - q.entropy()).sum(-1)


@kl.right(spread="std")
def second_log1p_of_variance(mu, std):
    excess = std**2 - 1
    return 0.5 * (mu**2 + excess - torch.log1p(excess)).sum(1).mean()


@kl.right(tags=["numpy"])
def second_numpy(mu, logvar):
    return np.mean(0.5 * np.sum(np.square(mu) + np.exp(logvar) - 1.0 - logvar, axis=-1))


class Annealed:
    def __init__(self, step, warmup=100):
        self.step, self.warmup = step, warmup

    def __call__(self, mu, logvar):
        weight = min(1.0, self.step / self.warmup)
        return weight * 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()


kl.right("second_annealed_done")(Annealed(1000))
kl.wrong("effective-beta", name="second_annealed_half_way")(Annealed(50))


@kl.right()
def second_mean_times_size(mu, logvar):
    return mu.shape[1] * torch.mean(0.5 * (mu**2 + logvar.exp() - logvar - 1))


@kl.right(notes=["free-bits"], tags=["not affine"])
def second_free_bits_total(mu, logvar):
    total = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()
    return F.relu(total - 2.0) + 2.0


@kl.wrong("kl-averaged-over-latent", tags=["numpy"])
def second_numpy_mean(mu, logvar):
    return np.mean(0.5 * (np.square(mu) + np.exp(logvar) - 1.0 - logvar))


@kl.wrong("kl-averaged-over-latent")
def second_vmap_mean(mu, logvar):
    return torch.func.vmap(lambda m, lv: -0.5 * torch.mean(1 + lv - m**2 - torch.exp(lv)))(mu, logvar).sum()


@kl.wrong("algebra-slip")
def second_prior_of_std_half(mu, logvar):
    return td.kl_divergence(td.Normal(mu, torch.exp(0.5 * logvar)), td.Normal(0.0, 0.5)).sum(1).mean()


@kl.wrong("algebra-slip")
def second_mean_cubed(mu, logvar):
    return 0.5 * (mu.pow(3) + logvar.exp() - logvar - 1).sum(1).mean()


@kl.wrong("spread-misread|algebra-slip")
def second_exp_without_half_in_both(mu, logvar):
    sigma = logvar.exp()
    return 0.5 * (mu**2 + sigma**2 - logvar - 1).sum(1).mean()


@kl.wrong("reverse-kl")
def second_cross_entropy_of_the_prior(mu, logvar):
    cross = 0.5 * (logvar + (1 + mu**2) * torch.exp(-logvar) + math.log(2 * math.pi))
    entropy = 0.5 * (1 + math.log(2 * math.pi))
    return (cross - entropy).sum(1).mean()


@kl.wrong("kl-averaged-over-latent", "effective-beta")
def second_averaged_and_doubled(mu, logvar):
    each = mu**2 + logvar.exp() - logvar - 1
    return {"loss": each.mean(dim=-1).mean(), "each": each}


# --- gaussian_kl_pair --------------------------------------------------------------------------------


@pair.right(spread="std")
def second_whitened(mq, sq, mp, sp):
    ratio, shift = sq / sp, (mq - mp) / sp
    return (0.5 * (ratio**2 + shift**2 - 1) - ratio.log()).sum(1).mean()


@pair.right(spread="variance")
def second_multivariate(mq, vq, mp, vp):
    q = td.MultivariateNormal(mq, torch.diag_embed(vq))
    return td.kl_divergence(q, td.MultivariateNormal(mp, torch.diag_embed(vp))).sum()


@pair.right()
def second_cross_entropy(mq, lq, mp, lp):
    cross = 0.5 * (lp + (lq.exp() + (mq - mp) ** 2) * torch.exp(-lp))
    return (cross - 0.5 * (1 + lq)).sum(-1)


@pair.wrong("algebra-slip")
def second_half_missing_on_the_means(mq, lq, mp, lp):
    return (0.5 * (lp - lq - 1 + (lq - lp).exp()) + (mq - mp) ** 2 * torch.exp(-lp)).sum(1).mean()


@pair.wrong("effective-beta")
def second_tenth(mq, lq, mp, lp):
    return 0.05 * (lp - lq - 1 + (lq - lp).exp() + (mq - mp) ** 2 * torch.exp(-lp)).sum(1).mean()


@pair.wrong("algebra-slip")
def second_prior_variance_ignored(mq, lq, mp, lp):
    return 0.5 * (lq.exp() + (mq - mp) ** 2 - 1 - lq + 0 * lp).sum(1).mean()


@pair.wrong("kl-averaged-over-latent", spread="variance")
def second_pair_divided_by_size(mq, vq, mp, vp):
    each = 0.5 * (torch.log(vp / vq) + (vq + (mq - mp) ** 2) / vp - 1)
    return each.sum() / each.numel()


# --- from a sample, densities, draws ---------------------------------------------------------------------


@sampled.right(spread="std")
def second_noise_recovered(z, mean, std):
    eps = (z - mean) / std
    return (-std.log() + 0.5 * (z**2 - eps**2)).sum(1).mean()


@sampled.wrong("spread-misread|algebra-slip", spread="std")
def second_noise_recovered_by_variance(z, mean, std):
    eps = (z - mean) / std**2
    return (-std.log() + 0.5 * (z**2 - eps**2)).sum(1).mean()


@sampled.wrong("algebra-slip|sign-flipped")
def second_determinant_added(z, mean, logvar):
    return 0.5 * (z**2 - (z - mean) ** 2 * torch.exp(-logvar) + logvar).sum(1).mean()


@log_prob.right()
def second_negative_nll(z, mean, logvar):
    return -F.gaussian_nll_loss(mean, z, logvar.exp(), full=True, reduction="none", eps=1e-12).sum(-1)


@log_prob.right(spread="std")
def second_log_of_density(z, mean, std):
    density = torch.exp(-0.5 * ((z - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    return density.log().sum(-1)


@log_prob.wrong("constant-wrong")
def second_log_pi_only(z, mean, logvar):
    return -0.5 * (math.log(math.pi) + logvar + (z - mean) ** 2 * torch.exp(-logvar)).sum(-1)


@log_prob.wrong("algebra-slip|wrong-norm")
def second_absolute_distance(z, mean, logvar):
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mean).abs() * torch.exp(-logvar)).sum(-1)


@draw.right()
def second_multivariate_rsample(mean, logvar):
    return td.MultivariateNormal(mean, torch.diag_embed(logvar.exp())).rsample()


@draw.right(spread="std")
def second_box_of_normals(mean, std):
    return torch.stack([m + s * torch.randn(m.shape, dtype=m.dtype) for m, s in zip(mean, std, strict=True)])


@draw.wrong("noise-scale")
def second_absolute_noise(mean, logvar):
    return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean).abs()


@draw.wrong("sampler-spread-misread", keywords={"spread": "log_variance"})
def second_quarter_in_the_exponent(mean, logvar):
    return mean + torch.exp(0.25 * logvar) * torch.randn_like(mean)


# --- categorical -------------------------------------------------------------------------------------------


@categorical.right(spread="logits")
def second_cross_entropy_form(logits):
    q = logits.softmax(-1)
    entropy = -(q * logits.log_softmax(-1)).sum(-1)
    cross = F.cross_entropy(torch.zeros_like(logits).flatten(0, 1), q.flatten(0, 1), reduction="none")
    return (cross.view(entropy.shape) - entropy).sum(1).mean()


@categorical.right(spread="probs")
def second_rel_entr(q):
    return torch.special.entr(q).neg().sum((1, 2)).add(q.shape[1] * math.log(q.shape[2])).mean()


@categorical.wrong("kl-averaged-over-latent|wrong-axis", spread="logits")
def second_registered_mean(logits):
    uniform = td.Categorical(logits=torch.zeros_like(logits))
    return td.kl_divergence(td.Categorical(logits=logits), uniform).mean()


@categorical.wrong("effective-beta", spread="probs")
def second_in_bits_doubled(q):
    return 0.3 * torch.special.xlogy(q, q * q.shape[-1]).sum((1, 2)).mean()


@categorical.wrong("sign-flipped", spread="logits", also=(Truth("correct", notes=frozenset({"maximised"})),))
def second_negated(logits):
    uniform = td.Categorical(logits=torch.zeros_like(logits))
    return -td.kl_divergence(td.Categorical(logits=logits), uniform).sum(1).mean()


# --- likelihoods -------------------------------------------------------------------------------------------


@bernoulli.right(spread="probs")
def second_default_times_pixels(recon, x):
    return F.binary_cross_entropy(recon, x) * x[0].numel()


@bernoulli.right(spread="logits")
def second_log_sigmoids(logits, x):
    return -(x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).flatten(1).sum(1).mean()


@bernoulli.wrong("reconstruction-averaged", spread="logits")
def second_log_sigmoids_mean(logits, x):
    return -torch.mean(x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits))


@bernoulli.wrong("algebra-slip", spread="logits")
def second_hinge(logits, x):
    return F.relu(1 - (2 * x - 1) * logits).sum(1).mean()


@gaussian.right(notes=["decoder-variance"])
def second_default_times_pixels_gaussian(recon, x):
    return F.mse_loss(recon, x) * x[0].numel()


@gaussian.right()
def second_multivariate_normal(recon, x):
    p = td.MultivariateNormal(recon.flatten(1), torch.eye(recon[0].numel(), dtype=recon.dtype))
    return -p.log_prob(x.flatten(1)).mean()


@gaussian.right(notes=["constant-dropped"], tags=["numpy"])
def second_numpy_squares(recon, x):
    return np.sum(0.5 * np.square(x - recon)) / len(x)


@gaussian.wrong("reconstruction-averaged", tags=["numpy"])
def second_numpy_mean_squares(recon, x):
    return np.mean(np.square(np.asarray(x) - np.asarray(recon)))


@gaussian.wrong("algebra-slip|wrong-norm")
def second_root_mean_square(recon, x):
    return torch.sqrt(((recon - x) ** 2).sum(1) + 1e-12).mean()


@gaussian.wrong("reconstruction-averaged", tags=["log-scale"])
def second_gaussian_nll_loss_default(recon, x, log_sigma):
    return F.gaussian_nll_loss(recon, x, (2 * log_sigma).exp())


@laplace.right(notes=["constant-dropped"])
def second_l1_over_batch(recon, x):
    return torch.linalg.vector_norm((recon - x).flatten(1), ord=1, dim=1).mean()


@laplace.wrong("reconstruction-averaged")
def second_l1_mean(recon, x):
    return (recon - x).abs().mean(-1).sum()


# --- whole losses --------------------------------------------------------------------------------------------


def rows(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


@elbo.right(notes=["decoder-variance"], tags=["gaussian"])
def second_mse_times_pixels(recon, x, mu, logvar):
    return F.mse_loss(recon, x) * x[0].numel() + rows(mu, logvar).mean()


@elbo.right(tags=["bernoulli"])
def second_both_means_rescaled(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x) * x.shape[1]
    return bce + mu.shape[1] * (-0.5 * torch.mean(1 + logvar - mu**2 - logvar.exp()))


@elbo.right(notes=["overall-scale"], tags=["bernoulli"])
def second_everything_per_number(recon, x, mu, logvar):
    return (F.binary_cross_entropy(recon, x, reduction="sum") + rows(mu, logvar).sum()) / x.numel()


@elbo.right(tags=["gaussian"])
def second_gaussian_nll_loss(recon, x, mu, logvar):
    nll = F.gaussian_nll_loss(recon, x, torch.ones_like(x), full=True, reduction="sum")
    return (nll + rows(mu, logvar).sum()) / len(x)


# whether log(0) at a saturated reconstruction is a mistake of the loss or of the encoder's sigmoid is left open
@elbo.right(tags=["numpy", "bernoulli"], also=(Truth("wrong", frozenset({"not-finite"})),))
def second_numpy_loss(recon, x, mu, logvar):
    bce = -np.sum(x * np.log(recon) + (1 - x) * np.log(1 - recon))
    return bce + np.sum(0.5 * (np.square(mu) + np.exp(logvar) - 1 - logvar))


class Config:
    beta = 1.0
    likelihood = "bernoulli"


class ConfiguredLoss(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config

    def forward(self, output, target, mean, log_var):
        bce = F.binary_cross_entropy(output, target, reduction="none").sum(1)
        kl = rows(mean, log_var)
        return Answer((bce + self.config.beta * kl).mean(), kl)


elbo.right("second_configured", tags=["bernoulli"])(ConfiguredLoss(Config))


@elbo.right(notes=["maximised"], tags=["gaussian"])
def second_elbo_tuple(recon, x, mu, logvar):
    log_p = -0.5 * ((x - recon) ** 2 + math.log(2 * math.pi)).sum(1)
    return (log_p - rows(mu, logvar)).mean(), log_p.mean()


@elbo.right(tags=["bernoulli"])
def second_loop_over_data(recon, x, mu, logvar):
    losses = []
    for r, t, m, lv in zip(recon, x, mu, logvar, strict=True):
        losses.append(F.binary_cross_entropy(r, t, reduction="sum") + 0.5 * (m**2 + lv.exp() - 1 - lv).sum())
    return torch.stack(losses).mean()


@elbo.right(notes=["constant-dropped"], tags=["gaussian"])
def second_colour_images(recon, x, mu, logvar):
    _batch, _colours, _height, _width = x.shape
    return 0.5 * F.mse_loss(recon, x, reduction="none").sum((1, 2, 3)).mean() + rows(mu, logvar).mean()


@elbo.wrong("reconstruction-averaged", tags=["gaussian"])
def second_half_mse(recon, x, mu, logvar):
    return 0.5 * torch.mean((recon - x) ** 2) + rows(mu, logvar).mean()


@elbo.wrong("kl-averaged-over-latent", tags=["gaussian"])
def second_kl_elements_mean(recon, x, mu, logvar):
    rec = (0.5 * (recon - x) ** 2).sum(1).mean()
    return rec + (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean()


@elbo.wrong("batch-reduction-mismatch", tags=["bernoulli"])
def second_recon_mean_kl_sum(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x, reduction="none").mean(0).sum() + rows(mu, logvar).sum()


@elbo.wrong("effective-beta", tags=["bernoulli"])
def second_kl_forgotten(recon, x, mu, logvar):
    weight = min(1.0, 0 / 1000)
    return F.binary_cross_entropy(recon, x, reduction="sum") + weight * rows(mu, logvar).sum()


@elbo.wrong("effective-beta", tags=["bernoulli"])
def second_kl_halved_again(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x, reduction="sum") + 0.5 * rows(mu, logvar).sum()


@elbo.wrong("effective-beta", tags=["numpy", "gaussian"])
def second_numpy_beta(recon, x, mu, logvar):
    rec = np.sum(0.5 * np.square(x - recon))
    return rec + 5.0 * np.sum(0.5 * (np.square(mu) + np.exp(logvar) - 1 - logvar))


@elbo.wrong("sign-flipped", tags=["gaussian"])
def second_square_subtracted(recon, x, mu, logvar):
    return rows(mu, logvar).mean() - 0.5 * ((recon - x) ** 2).sum(1).mean()


@elbo.wrong("algebra-slip", tags=["bernoulli"])
def second_log_variance_twice(recon, x, mu, logvar):
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar**2).sum(1)
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + kl).mean()


@elbo.wrong("beta-ignored", tags=["gaussian"])
def second_weight_overwritten(recon, x, mu, logvar, beta=2.0):
    beta = 1.0
    return (0.5 * ((recon - x) ** 2).sum(1) + beta * rows(mu, logvar)).mean()


@elbo.wrong("beta-on-reconstruction", tags=["bernoulli"])
def second_weights_exchanged(recon, x, mu, logvar, beta=3.0):
    kl_term = rows(mu, logvar).mean()
    rec_term = F.binary_cross_entropy(recon, x, reduction="none").sum(1).mean()
    return kl_term + beta * rec_term


@elbo.wrong("kl-averaged-over-latent", "effective-beta", tags=["bernoulli"])
def second_mean_and_tenth(recon, x, mu, logvar):
    kld = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
    return F.binary_cross_entropy(recon, x, reduction="sum") / len(x) + 0.1 * kld


@elbo.wrong("reconstruction-averaged", "sign-flipped", tags=["bernoulli"])
def second_default_and_subtracted(recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x) - rows(mu, logvar).mean()


@elbo.wrong("reconstruction-averaged", "kl-averaged-over-latent", "reverse-kl", tags=["gaussian"], spread="std")
def second_three_mistakes(recon, x, mu, std):
    kl = td.kl_divergence(td.Normal(torch.zeros_like(mu), torch.ones_like(std)), td.Normal(mu, std))
    return F.mse_loss(recon, x) + kl.mean()


# --- weights, codes, moments, surrogates ------------------------------------------------------------------------


@iwae.right()
def second_log_softmax(log_w):
    bound = log_w[:, 0] - torch.log_softmax(log_w, 1)[:, 0] - math.log(log_w.shape[1])
    return -bound.mean()


@iwae.right(notes=["surrogate-value"], tags=["surrogate"])
def second_einsum_surrogate(log_w):
    return -torch.einsum("bk,bk->", F.softmax(log_w, -1).detach(), log_w) / len(log_w)


@iwae.wrong("wrong-sample-axis")
def second_transposed(log_w):
    log_w = log_w.t()
    return -(torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])).mean()


@iwae.wrong("average-outside-log")
def second_mean_of_each_row(log_w):
    return -torch.stack([row.mean() for row in log_w]).mean()


@iwae.wrong("log-k-missing", notes=["maximised"], also=(Truth("wrong", frozenset({"log-k-missing"})),))
def second_sum_maximised(log_w):
    return torch.logsumexp(log_w, 1).mean()


@vq.right()
def second_norm_squared(z, q):
    commitment = torch.linalg.vector_norm(z - q.detach(), dim=-1).square()
    return torch.linalg.vector_norm(q - z.detach(), dim=-1).square().mean() + 0.25 * commitment.mean()


@vq.wrong("beta-on-codebook")
def second_weights_in_a_dict(z, q):
    weights = {"commitment": 1.0, "codebook": 0.25}
    parts = {"commitment": F.mse_loss(q.detach(), z), "codebook": F.mse_loss(q, z.detach())}
    return {"loss": sum(weights[k] * v for k, v in parts.items()), **parts}


@vq.wrong("stop-gradient-misplaced")
def second_detached_twice(z, q):
    return F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z.detach(), q.detach())


@vq.wrong("wrong-norm")
def second_cosine(z, q):
    codebook = 1 - F.cosine_similarity(z.detach(), q, dim=-1)
    return codebook.mean() + 0.25 * (1 - F.cosine_similarity(z, q.detach(), dim=-1)).mean()


@quantise.right()
def second_argmin_by_hand(z, codebook):
    index = ((z[:, :, None] - codebook) ** 2).sum(-1).argmin(-1)
    q = F.one_hot(index, len(codebook)).to(z) @ codebook
    loss = ((q - z.detach()) ** 2).mean() + 0.1 * ((q.detach() - z) ** 2).mean()
    return z + (q - z).detach(), index, loss


@quantise.wrong("beta-on-codebook")
def second_quantiser_legacy(z, codebook):
    q = codebook[((z[:, :, None] - codebook) ** 2).sum(-1).argmin(-1)]
    loss = 0.1 * ((q - z.detach()) ** 2).mean() + ((q.detach() - z) ** 2).mean()
    return {"quantized": z + (q - z).detach(), "loss": loss}


@mmd.right()
def second_loops(x, y, bandwidth):
    def k(a, b):
        return torch.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2))

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@mmd.wrong("mmd-normalisation|biased-estimator")
def second_triangle_counted_once(x, y, bandwidth):
    def gram(a, b):
        return torch.exp(-torch.cdist(a, b).square() / (2 * bandwidth**2))

    n, m = len(x), len(y)
    xx, yy = gram(x, x).triu(1).sum() / (n * (n - 1)), gram(y, y).triu(1).sum() / (m * (m - 1))
    return xx + yy - 2 * gram(x, y).mean()


@score.right()
def second_difference_of_rewards(f, logits, b):
    probs = torch.sigmoid(logits)
    log_q = (torch.special.xlogy(b, probs) + torch.special.xlog1py(1 - b, -probs)).sum(-1)
    baseline = f(torch.ones_like(b)).detach()
    return ((f(b).detach() - baseline) * log_q).mean()


@score.wrong("sign-flipped")
def second_cross_entropy_sign(f, logits, b):
    nll = F.binary_cross_entropy_with_logits(logits.expand_as(b), b, reduction="none").sum(-1)
    return (f(b).detach() * nll).mean()


@score.wrong("biased-estimator")
def second_first_coordinate_only(f, logits, b):
    log_q = td.Bernoulli(logits=logits).log_prob(b)
    return (f(b).detach() * log_q[..., 0]).mean()


@path.right(tags=["iwae"])
def second_log_mean_exp(log_joint, mean, log_std, noise):
    q = td.Independent(td.Normal(mean, log_std.exp()), 1)
    z = mean + noise * log_std.exp()
    log_w = log_joint(z) - q.log_prob(z)
    top = log_w.max().detach()
    return top + torch.log(torch.exp(log_w - top).mean())


@path.wrong("biased-estimator|algebra-slip|sign-flipped")
def second_entropy_subtracted(log_joint, mean, log_std, noise):
    z = mean + noise * log_std.exp()
    return log_joint(z).mean() - log_std.sum()


def tc_rows(z, mu, logvar, weights):
    each = td.Normal(mu, torch.exp(0.5 * logvar)).log_prob(z[:, None])
    return torch.logsumexp(each.sum(-1) + weights, 1) - torch.logsumexp(each + weights[..., None], 1).sum(-1)


def stratified(batch, n_data, like):
    m = batch - 1
    w = torch.full((batch, batch), -math.log(m), dtype=like.dtype)
    for i in range(batch):
        w[i, i] = -math.log(n_data)
        w[i, (i + 1) % batch] = math.log((n_data - m) / (n_data * m))
    return w


@tc.right()
def second_stratified_sum(z, mu, logvar, n_data):
    return tc_rows(z, mu, logvar, stratified(len(z), n_data, z)).sum()


@tc.wrong("minibatch-constant-dropped")
def second_no_weights(z, mu, logvar, n_data):
    return tc_rows(z, mu, logvar, torch.zeros(len(z), len(z), dtype=z.dtype)).mean()


@tc.wrong("sign-flipped")
def second_negative_tc(z, mu, logvar, n_data):
    return -tc_rows(z, mu, logvar, stratified(len(z), n_data, z)).mean()


kl.right("second_partial_extra")(partial(second_extra_options, reduction="sum"))
