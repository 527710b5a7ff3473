"""The importance-weighted bound from log weights, and unbiased MMD²."""

import math
from functools import partial

import torch
from torch import nn

from benchmarks.checker._case import Cases

iwae = Cases("iwae")
mmd = Cases("mmd")
CASES = [iwae, mmd]

# --- importance-weighted bound, right --------------------------------------------------------------


@iwae.right()
def log_mean_exp(log_w):
    return -(torch.logsumexp(log_w, dim=1) - math.log(log_w.shape[1])).mean()


@iwae.right()
def by_the_maximum(log_w):
    top = log_w.max(dim=-1, keepdim=True).values
    return -(top.squeeze(-1) + torch.log(torch.mean(torch.exp(log_w - top), dim=-1))).sum()


@iwae.right(notes=["maximised"])
def the_bound_itself(log_w):
    return torch.logsumexp(log_w - math.log(log_w.size(-1)), -1).mean()


@iwae.right()
def bound_per_datum(log_w):
    k = torch.tensor(float(log_w.shape[1]), dtype=log_w.dtype)
    return -(log_w.logsumexp(1) - k.log())


@iwae.right(notes=["surrogate-value"], tags=["surrogate"])
def weights_detached(log_w):
    weights = torch.softmax(log_w, dim=1).detach()
    return -(weights * log_w).sum(1).mean()


@iwae.right(notes=["surrogate-value"], tags=["surrogate"])
def weights_without_grad(log_w):
    with torch.no_grad():
        w = log_w - log_w.max(1, keepdim=True)[0]
        w = w.exp()
        w = w / w.sum(1, keepdim=True)
    return -torch.sum(w * log_w, 1).sum(0)


@iwae.right(keywords={"sample_axis": 0}, tags=["samples first"])
def samples_first(log_w):
    return -(torch.logsumexp(log_w, 0) - math.log(log_w.shape[0])).mean()


class IWAELoss(nn.Module):
    def forward(self, log_w):
        bound = torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])
        return {"loss": -bound.mean(), "ess": torch.softmax(log_w, 1).square().sum(1).reciprocal()}


iwae.right("module_dict")(IWAELoss())


@iwae.right()
def logaddexp_fold(log_w):
    total = log_w[:, 0]
    for k in range(1, log_w.shape[1]):
        total = torch.logaddexp(total, log_w[:, k])
    return (math.log(log_w.shape[1]) - total).mean()


# --- importance-weighted bound, wrong --------------------------------------------------------------


@iwae.wrong("average-outside-log")
def average_of_log_weights(log_w):
    return -log_w.mean()


@iwae.wrong("average-outside-log")
def average_per_datum_summed(log_w):
    return -torch.mean(log_w, 1).sum()


@iwae.wrong("log-k-missing")
def no_log_k(log_w):
    return -torch.logsumexp(log_w, dim=-1).mean()


@iwae.wrong("log-k-missing|constant-wrong|algebra-slip|sign-flipped")
def log_k_added(log_w):
    return -(torch.logsumexp(log_w, dim=1) + math.log(log_w.shape[1])).mean()


@iwae.wrong("weights-negated")
def softmax_of_the_loss(log_w):
    weights = torch.softmax(-log_w, dim=1).detach()
    return -(weights * log_w).sum(1).mean()


@iwae.wrong("weights-negated")
def log_mean_exp_of_the_loss(log_w):
    loss = -log_w
    return (torch.logsumexp(loss, 1) - math.log(loss.shape[1])).mean()


@iwae.wrong("weights-not-detached")
def weights_attached(log_w):
    weights = torch.softmax(log_w, dim=1)
    return -(weights * log_w).sum(1).mean()


@iwae.wrong("weights-not-detached")
def weights_attached_by_hand(log_w):
    w = torch.exp(log_w - log_w.detach().max(dim=1, keepdim=True).values)
    return {"loss": -((w / w.sum(1, keepdim=True)) * log_w).sum(-1).mean()}


@iwae.wrong("wrong-sample-axis")
def over_the_batch(log_w):
    return -(torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[0])).mean()


@iwae.wrong("wrong-sample-axis")
def over_everything(log_w):
    return -(torch.logsumexp(log_w.flatten(), dim=0) - math.log(log_w.numel()))


@iwae.wrong("wrong-sample-axis", tags=["surrogate"])
def weights_over_the_batch(log_w):
    weights = torch.softmax(log_w, dim=0).detach()
    return -(weights * log_w).sum(0).mean()


@iwae.wrong("wrong-sample-axis", keywords={"sample_axis": 0}, tags=["samples first"])
def samples_first_reduced_last(log_w):
    return -(torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1])).mean()


@iwae.wrong("weights-multiplied-over-batch")
def weights_of_the_batch_total(log_w):
    total = log_w.sum(0)
    return -(torch.logsumexp(total, 0) - math.log(log_w.shape[1]))


@iwae.wrong("weights-multiplied-over-batch|average-outside-log|wrong-sample-axis")
def weights_of_the_batch_mean(log_w):
    return -(torch.logsumexp(log_w.mean(0), 0) - math.log(log_w.shape[1]))


@iwae.wrong("log-k-missing|wrong-sample-axis|constant-wrong")
def log_of_the_batch_size(log_w):
    return -(torch.logsumexp(log_w, 1) - math.log(log_w.shape[0])).mean()


@iwae.wrong("not-finite", tags=["numerics"])
def exponentials_underflow(log_w):
    return -torch.log(torch.exp(log_w).mean(dim=1)).mean()


@iwae.wrong("weights-negated", "weights-not-detached")
def negated_and_attached(log_w):
    weights = torch.softmax(-log_w, dim=1)
    return -(weights * log_w).sum(1).mean()


@iwae.wrong("wrong-sample-axis", "weights-not-detached")
def attached_over_the_batch(log_w):
    weights = torch.softmax(log_w, dim=0)
    return -(weights * log_w).sum(0).mean()


@iwae.wrong("wrong-sample-axis", "log-k-missing")
def over_the_batch_no_log(log_w):
    return -torch.logsumexp(log_w, dim=0).mean()


# --- MMD² ------------------------------------------------------------------------------------------


def gram(x, y, bandwidth):
    return torch.exp(-((x[:, None] - y[None]) ** 2).sum(-1) / (2 * bandwidth**2))


def off_diagonal_mean(k):
    n = k.shape[0]
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))


@mmd.right()
def u_statistic(x, y, bandwidth):
    return (
        off_diagonal_mean(gram(x, x, bandwidth))
        + off_diagonal_mean(gram(y, y, bandwidth))
        - 2 * gram(x, y, bandwidth).mean()
    )


@mmd.right()
def u_statistic_masked(x, y, sigma):
    def kernel(a, b):
        return torch.exp(-0.5 * torch.cdist(a, b).pow(2) / sigma**2)

    n, m = len(x), len(y)
    xx = kernel(x, x)[~torch.eye(n, dtype=torch.bool)].mean()
    yy = kernel(y, y)[~torch.eye(m, dtype=torch.bool)].mean()
    return xx + yy - 2 * kernel(x, y).sum() / (n * m)


@mmd.right()
def u_statistic_inner_products(x, y, bandwidth):
    z = torch.cat([x, y])
    square = (z * z).sum(1)
    k = torch.exp(-(square[:, None] + square[None] - 2 * z @ z.T) / (2 * bandwidth**2))
    n, m = len(x), len(y)
    inside_x = (k[:n, :n].sum() - n) / (n * (n - 1))
    inside_y = (k[n:, n:].sum() - m) / (m * (m - 1))
    return {"loss": inside_x + inside_y - 2 * k[:n, n:].mean()}


@mmd.wrong("biased-estimator|mmd-normalisation")
def v_statistic(x, y, bandwidth):
    return gram(x, x, bandwidth).mean() + gram(y, y, bandwidth).mean() - 2 * gram(x, y, bandwidth).mean()


@mmd.wrong("mmd-normalisation")
def off_diagonal_over_n_squared(x, y, bandwidth):
    kx, ky = gram(x, x, bandwidth), gram(y, y, bandwidth)
    inside = (kx.sum() - kx.trace()) / len(x) ** 2 + (ky.sum() - ky.trace()) / len(y) ** 2
    return inside - 2 * gram(x, y, bandwidth).mean()


@mmd.wrong("mmd-normalisation")
def diagonal_kept_over_n_n_minus_one(x, y, bandwidth):
    n, m = len(x), len(y)
    inside = gram(x, x, bandwidth).sum() / (n * (n - 1)) + gram(y, y, bandwidth).sum() / (m * (m - 1))
    return inside - 2 * gram(x, y, bandwidth).mean()


@mmd.wrong("mmd-normalisation|algebra-slip|effective-beta")
def cross_term_once(x, y, bandwidth):
    inside = off_diagonal_mean(gram(x, x, bandwidth)) + off_diagonal_mean(gram(y, y, bandwidth))
    return inside - gram(x, y, bandwidth).mean()


@mmd.wrong("sign-flipped|algebra-slip|mmd-normalisation")
def cross_term_added(x, y, bandwidth):
    inside = off_diagonal_mean(gram(x, x, bandwidth)) + off_diagonal_mean(gram(y, y, bandwidth))
    return inside + 2 * gram(x, y, bandwidth).mean()


@mmd.wrong("mmd-normalisation")
def cross_term_over_n_squared(x, y, bandwidth):
    inside = off_diagonal_mean(gram(x, x, bandwidth)) + off_diagonal_mean(gram(y, y, bandwidth))
    return inside - 2 * gram(x, y, bandwidth).sum() / len(x) ** 2


@mmd.wrong("algebra-slip|wrong-norm")
def distance_not_squared(x, y, bandwidth):
    def kernel(a, b):
        return torch.exp(-((a[:, None] - b[None]) ** 2).sum(-1).clamp(min=1e-12).sqrt() / bandwidth)

    return off_diagonal_mean(kernel(x, x)) + off_diagonal_mean(kernel(y, y)) - 2 * kernel(x, y).mean()


def scaled(x, y, bandwidth, factor):
    return factor * u_statistic(x, y, bandwidth)


mmd.right("partial_factor_one")(partial(scaled, factor=1.0))
