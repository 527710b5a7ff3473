"""Scalars whose gradient is the point: score-function and path surrogates."""

import math

import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import nn

from benchmarks.checker._case import Cases

score = Cases("score_surrogate")
path = Cases("path_surrogate")
CASES = [score, path]

# --- score function, right: (f, logits, b) ---------------------------------------------------------


@score.right()
def reinforce(f, logits, b):
    log_q = td.Bernoulli(logits=logits).log_prob(b).sum(-1)
    return (f(b).detach() * log_q).mean()


@score.right()
def reinforce_by_cross_entropy(f, logits, b):
    log_q = -F.binary_cross_entropy_with_logits(logits.expand_as(b), b, reduction="none").sum(-1)
    with torch.no_grad():
        reward = f(b)
    return torch.mean(reward * log_q)


@score.right()
def reinforce_constant_baseline(f, logits, b):
    log_q = (b * logits - F.softplus(logits)).sum(-1)
    return ((f(b) - 1.5).detach() * log_q).mean()


@score.right()
def reinforce_baseline_at_zero(f, logits, b):
    log_q = (b * F.logsigmoid(logits) + (1 - b) * F.logsigmoid(-logits)).sum(-1)
    reward = (f(b) - f(torch.zeros_like(b))).detach()
    return (reward * log_q).mean()


@score.right()
def magic_box(f, logits, b):
    log_q = td.Independent(td.Bernoulli(logits=logits), 1).log_prob(b)
    return (torch.exp(log_q - log_q.detach()) * f(b).detach()).mean()


class Reinforce(nn.Module):
    def forward(self, f, logits, b):
        reward = f(b.detach()).detach()
        log_q = td.Bernoulli(probs=torch.sigmoid(logits)).log_prob(b.detach()).sum(-1)
        return {"loss": (reward * log_q).mean(), "reward": reward}


score.right("reinforce_module")(Reinforce())

# --- score function, wrong -------------------------------------------------------------------------


@score.wrong("sign-flipped")
def negated(f, logits, b):
    return -(f(b).detach() * td.Bernoulli(logits=logits).log_prob(b).sum(-1)).mean()


@score.wrong("reward-not-detached")
def reward_of_the_straight_through_sample(f, logits, b):
    probs = torch.sigmoid(logits)
    relaxed = b + probs - probs.detach()
    log_q = td.Bernoulli(logits=logits).log_prob(b).sum(-1)
    return (f(relaxed) * log_q).mean()


@score.wrong("reward-not-detached")
def reward_attached_baseline_by_logits(f, logits, b):
    log_q = td.Bernoulli(logits=logits).log_prob(b).sum(-1)
    reward = f(b) - f(torch.sigmoid(logits).expand_as(b))
    return (reward * log_q).mean()


@score.wrong("biased-estimator")
def straight_through(f, logits, b):
    probs = torch.sigmoid(logits)
    return f(b + probs - probs.detach()).mean()


@score.wrong("biased-estimator")
def mean_field_reward(f, logits, b):
    return f(torch.sigmoid(logits).expand_as(b)).mean()


@score.wrong("biased-estimator|wrong-axis|overall-scale|effective-beta")
def log_probability_averaged(f, logits, b):
    return (f(b).detach() * td.Bernoulli(logits=logits).log_prob(b).mean(-1)).mean()


@score.wrong("biased-estimator")
def log_probability_of_the_ones(f, logits, b):
    return (f(b).detach() * (b * F.logsigmoid(logits)).sum(-1)).mean()


@score.wrong("biased-estimator|algebra-slip")
def probability_instead_of_its_log(f, logits, b):
    return (f(b).detach() * td.Bernoulli(logits=logits).log_prob(b).exp().sum(-1)).mean()


@score.wrong("biased-estimator")
def product_of_means(f, logits, b):
    return f(b).detach().mean() * td.Bernoulli(logits=logits).log_prob(b).sum(-1).mean()


@score.wrong("biased-estimator|spread-misread")
def logits_taken_for_probabilities(f, logits, b):
    return (f(b).detach() * td.Bernoulli(logits=torch.sigmoid(logits)).log_prob(b).sum(-1)).mean()


@score.wrong("sign-flipped", "reward-not-detached")
def negated_and_attached(f, logits, b):
    probs = torch.sigmoid(logits)
    log_q = td.Bernoulli(logits=logits).log_prob(b).sum(-1)
    return -(f(b + probs - probs.detach()) * log_q).mean()


# --- path, right: (log_joint, mean, log_std, noise) ------------------------------------------------


def log_normal(z, mean, log_std):
    return (-0.5 * ((z - mean) * torch.exp(-log_std)) ** 2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


@path.right(tags=["elbo"])
def total_gradient(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    return (log_joint(z) - log_normal(z, mean, log_std)).mean()


@path.right(tags=["elbo"])
def analytic_entropy(log_joint, mean, log_std, noise):
    z = mean + torch.exp(log_std) * noise
    entropy = (log_std + 0.5 * math.log(2 * math.pi * math.e)).expand_as(z).sum(-1)
    return (log_joint(z) + entropy).mean()


@path.right(tags=["elbo"])
def sticking_the_landing(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    return (log_joint(z) - log_normal(z, mean.detach(), log_std.detach())).mean()


@path.right(tags=["elbo"])
def distributions_total(log_joint, mean, log_std, noise):
    std = log_std.exp()
    z = mean + std * noise
    return torch.mean(log_joint(z) - td.Normal(mean, std).log_prob(z).sum(-1))


@path.right(tags=["iwae"])
def importance_weighted(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    log_w = log_joint(z) - log_normal(z, mean, log_std)
    return torch.logsumexp(log_w, 0) - math.log(len(noise))


@path.right(tags=["iwae"])
def importance_weighted_surrogate(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    log_w = log_joint(z) - log_normal(z, mean, log_std)
    return (torch.softmax(log_w, 0).detach() * log_w).sum(0)


@path.right(tags=["iwae"])
def doubly_reparameterised(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    log_w = log_joint(z) - log_normal(z, mean.detach(), log_std.detach())
    weights = torch.softmax(log_w, 0).detach()
    return (weights**2 * log_w).sum(0)


class PathGradient(nn.Module):
    def forward(self, log_joint, mean, log_std, noise):
        z = torch.addcmul(mean, log_std.exp(), noise)
        frozen = td.Independent(td.Normal(mean.detach(), log_std.detach().exp()), 1)
        return {"loss": (log_joint(z) - frozen.log_prob(z)).mean(), "z": z}


path.right("path_module", tags=["elbo"])(PathGradient())

# --- path, wrong -----------------------------------------------------------------------------------


@path.wrong("sign-flipped")
def loss_instead_of_bound(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    return (log_normal(z, mean, log_std) - log_joint(z)).mean()


@path.wrong("algebra-slip|biased-estimator")
def entropy_forgotten(log_joint, mean, log_std, noise):
    return log_joint(mean + log_std.exp() * noise).mean()


@path.wrong("algebra-slip|biased-estimator")
def entropy_counted_twice(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    return (log_joint(z) - log_normal(z, mean, log_std)).mean() + log_std.sum()


@path.wrong("biased-estimator|stop-gradient-misplaced")
def sample_detached(log_joint, mean, log_std, noise):
    z = (mean + log_std.exp() * noise).detach()
    return (log_joint(z) - log_normal(z, mean, log_std)).mean()


@path.wrong("biased-estimator|stop-gradient-misplaced")
def sample_detached_in_the_entropy(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    return (log_joint(z) - log_normal(z.detach(), mean, log_std)).mean()


@path.wrong("sampler-spread-misread|biased-estimator")
def half_in_the_sampler(log_joint, mean, log_std, noise):
    z = mean + torch.exp(0.5 * log_std) * noise
    return (log_joint(z) - log_normal(z, mean, log_std)).mean()


@path.wrong("noise-scale|biased-estimator")
def noise_of_a_tenth(log_joint, mean, log_std, noise):
    z = mean + 0.1 * log_std.exp() * noise
    return (log_joint(z) - log_normal(z, mean, log_std)).mean()


@path.wrong("weights-not-detached")
def weights_attached(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    log_w = log_joint(z) - log_normal(z, mean, log_std)
    return (torch.softmax(log_w, 0) * log_w).sum(0)


@path.wrong("biased-estimator")
def weights_not_squared(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    log_w = log_joint(z) - log_normal(z, mean.detach(), log_std.detach())
    return (torch.softmax(log_w, 0).detach() * log_w).sum(0)


@path.wrong("biased-estimator")
def weights_squared_with_the_score(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    log_w = log_joint(z) - log_normal(z, mean, log_std)
    return (torch.softmax(log_w, 0).detach() ** 2 * log_w).sum(0)


@path.wrong("weights-negated")
def weights_of_the_loss(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    log_w = log_joint(z) - log_normal(z, mean, log_std)
    return (torch.softmax(-log_w, 0).detach() * log_w).sum(0)


@path.wrong("algebra-slip|biased-estimator|kl-averaged-over-latent")
def entropy_averaged(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    return log_joint(z).mean() - td.Normal(mean, log_std.exp()).log_prob(z).mean()


@path.wrong("analytic-kl-in-weights|biased-estimator|algebra-slip")
def entropy_in_the_weights(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    entropy = (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)
    return torch.logsumexp(log_joint(z) + entropy, 0) - math.log(len(noise))


@path.wrong("weights-negated", "weights-not-detached")
def negated_and_attached_weights(log_joint, mean, log_std, noise):
    z = mean + log_std.exp() * noise
    log_w = log_joint(z) - log_normal(z, mean, log_std)
    return (torch.softmax(-log_w, 0) * log_w).sum(0)
