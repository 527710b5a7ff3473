"""Total correlation of the aggregated posterior from a minibatch: (z, mean, spread, n_data)."""

import math

import torch
import torch.distributions as td
from torch import nn

from benchmarks.checker._case import Cases, Truth

tc = Cases("total_correlation")
CASES = [tc]


def pairwise(z, mu, logvar):
    """log q(z_i,d | n_j): [i, j, d]."""
    z, mu, logvar = z[:, None], mu[None], logvar[None]
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mu) ** 2 * torch.exp(-logvar))


def stratified_log_weights(batch, n_data):
    """Own sample 1/N; one other (N − M)/(N M); the rest 1/M, where the batch has M + 1."""
    m = batch - 1
    w = torch.full((batch, batch), 1 / m, dtype=torch.float64)
    rows = torch.arange(batch)
    w[rows, rows] = 1 / n_data
    w[rows, (rows + 1) % batch] = (n_data - m) / (n_data * m)
    return w.log()


def log_prior(z):
    return td.Normal(0.0, 1.0).log_prob(z).sum(1)


# --- right -----------------------------------------------------------------------------------------


@tc.right()
def stratified(z, mu, logvar, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    each = pairwise(z, mu, logvar)
    log_joint = torch.logsumexp(each.sum(-1) + log_w, dim=1)
    log_product = torch.logsumexp(each + log_w[..., None], dim=1).sum(-1)
    return (log_joint - log_product).mean()


@tc.right()
def stratified_triple(z, mu, logvar, n_data):
    log_w = stratified_log_weights(z.shape[0], n_data).to(z.dtype)
    each = pairwise(z, mu, logvar)
    log_own = torch.diagonal(each.sum(-1))
    log_joint = torch.logsumexp(each.sum(-1) + log_w, 1)
    log_product = torch.logsumexp(each + log_w.unsqueeze(-1), 1).sum(1)
    mi = (log_own - log_joint).mean()
    return mi, (log_joint - log_product).mean(), (log_product - log_prior(z)).mean()


@tc.right(spread="std")
def stratified_by_std(z, loc, scale, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    each = td.Normal(loc, scale).log_prob(z.unsqueeze(1))
    joint = (each.sum(2) + log_w).logsumexp(1)
    marginals = (each + log_w[:, :, None]).logsumexp(1)
    return joint - marginals.sum(1)


class StratifiedTC(nn.Module):
    def forward(self, z, mu, logvar, n_data):
        w = stratified_log_weights(z.size(0), n_data).to(z)
        each = pairwise(z, mu, logvar)
        value = torch.logsumexp(each.sum(-1) + w, 1) - torch.logsumexp(each + w[..., None], 1).sum(-1)
        return {"loss": value.mean()}


tc.right("module_dict")(StratifiedTC())


@tc.right(also=(Truth("wrong", frozenset({"biased-estimator"})),))
def minibatch_weighted(z, mu, logvar, n_data):
    each = pairwise(z, mu, logvar)
    constant = math.log(len(z) * n_data)
    log_joint = torch.logsumexp(each.sum(-1), 1) - constant
    return (log_joint - (torch.logsumexp(each, 1) - constant).sum(1)).mean()


# --- wrong -----------------------------------------------------------------------------------------


def column_log_weights(batch, n_data):
    m = batch - 1
    w = torch.full((batch, batch), 1 / m, dtype=torch.float64)
    w[:, 0] = 1 / n_data
    w[:, 1] = (n_data - m) / (n_data * m)
    w[m, 0] = (n_data - m) / (n_data * m)
    return w.log()


@tc.wrong("stratified-weights-off-diagonal")
def weights_in_the_first_column(z, mu, logvar, n_data):
    log_w = column_log_weights(len(z), n_data).to(z.dtype)
    each = pairwise(z, mu, logvar)
    log_joint = torch.logsumexp(each.sum(-1) + log_w, dim=1)
    return (log_joint - torch.logsumexp(each + log_w[..., None], dim=1).sum(-1)).mean()


@tc.wrong("stratified-weights-off-diagonal")
def weights_off_diagonal_triple(z, mu, logvar, n_data):
    log_w = column_log_weights(len(z), n_data).to(z.dtype)
    each = pairwise(z, mu, logvar)
    log_joint = torch.logsumexp(each.sum(-1) + log_w, 1)
    log_product = torch.logsumexp(each + log_w[..., None], 1).sum(1)
    log_own = torch.diagonal(each.sum(-1))
    return (log_own - log_joint).mean(), (log_joint - log_product).mean(), (log_product - log_prior(z)).mean()


@tc.wrong("weight-counted-per-dimension")
def weight_in_every_dimension(z, mu, logvar, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    each = pairwise(z, mu, logvar) + log_w[..., None]
    return (torch.logsumexp(each.sum(-1), 1) - torch.logsumexp(each, 1).sum(-1)).mean()


@tc.wrong("weight-counted-per-dimension", spread="std")
def weight_in_every_dimension_triple(z, loc, scale, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    density = td.Normal(loc, scale).log_prob(z.unsqueeze(1))
    weighted = density + log_w[..., None]
    log_joint, log_product = weighted.sum(-1).logsumexp(1), weighted.logsumexp(1).sum(1)
    mi = (density.sum(-1).diagonal() - log_joint).mean()
    return mi, (log_joint - log_product).mean(), (log_product - log_prior(z)).mean()


@tc.wrong("minibatch-constant-dropped")
def no_constant(z, mu, logvar, n_data):
    each = pairwise(z, mu, logvar)
    return (torch.logsumexp(each.sum(-1), 1) - torch.logsumexp(each, 1).sum(1)).mean()


@tc.wrong("minibatch-constant-dropped")
def batch_size_only(z, mu, logvar, n_data):
    each = pairwise(z, mu, logvar)
    m = math.log(len(z))
    return (torch.logsumexp(each.sum(-1), 1) - m - (torch.logsumexp(each, 1) - m).sum(1)).mean()


@tc.wrong("not-total-correlation")
def kl_to_the_prior(z, mu, logvar, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    log_joint = torch.logsumexp(pairwise(z, mu, logvar).sum(-1) + log_w, 1)
    return (log_joint - log_prior(z)).mean()


@tc.wrong("not-total-correlation")
def index_code_information(z, mu, logvar, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    each = pairwise(z, mu, logvar).sum(-1)
    return (torch.diagonal(each) - torch.logsumexp(each + log_w, 1)).mean()


@tc.wrong("not-total-correlation")
def own_posterior_against_its_marginals(z, mu, logvar, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    each = pairwise(z, mu, logvar)
    return (torch.diagonal(each.sum(-1)) - torch.logsumexp(each + log_w[..., None], 1).sum(-1)).mean()


@tc.wrong("not-total-correlation")
def analytic_kl_instead(z, mu, logvar, n_data):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()


@tc.wrong("sign-flipped")
def product_minus_joint(z, mu, logvar, n_data):
    return -stratified(z, mu, logvar, n_data)


@tc.wrong("wrong-axis|wrong-sample-axis|not-total-correlation")
def summed_over_the_samples(z, mu, logvar, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    each = pairwise(z, mu, logvar)
    log_joint = torch.logsumexp(each.sum(-1) + log_w, dim=0)
    return (log_joint - torch.logsumexp(each + log_w[..., None], dim=0).sum(-1)).mean()


@tc.wrong("spread-misread", keywords={"spread": "log_variance"})
def log_variance_as_log_std(z, mu, logvar, n_data):
    log_w = stratified_log_weights(len(z), n_data).to(z.dtype)
    each = td.Normal(mu, logvar.exp()).log_prob(z[:, None])
    return (torch.logsumexp(each.sum(-1) + log_w, 1) - torch.logsumexp(each + log_w[..., None], 1).sum(-1)).mean()


@tc.wrong("average-outside-log|not-total-correlation|algebra-slip")
def average_of_logs(z, mu, logvar, n_data):
    each = pairwise(z, mu, logvar)
    return (each.sum(-1).mean(1) - torch.logsumexp(each - math.log(len(z) * n_data), 1).sum(1)).mean()


@tc.wrong("stratified-weights-off-diagonal", "weight-counted-per-dimension")
def off_diagonal_in_every_dimension(z, mu, logvar, n_data):
    log_w = column_log_weights(len(z), n_data).to(z.dtype)
    each = pairwise(z, mu, logvar) + log_w[..., None]
    return (torch.logsumexp(each.sum(-1), 1) - torch.logsumexp(each, 1).sum(-1)).mean()
