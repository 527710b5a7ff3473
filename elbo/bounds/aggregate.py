"""Total correlation and its relatives: the aggregated posterior q(z) = (1/N) Σ_n q(z|n), from minibatches."""

from math import log
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError
from elbo.bounds._inputs import check_tensor

Weighting = Literal["exact", "mws", "mss"]


def stratified_log_weights(batch: int, dataset_size: int) -> Float[Tensor, "batch batch"]:
    """log weights of minibatch stratified sampling: row i weighs q(z_i | n_j) over the batch of M + 1 data.

    The own datum has 1/N, one other (the next in the batch) (N - M)/(N M), the rest 1/M each. Then E q̂(z) = q(z)
    exactly, while log q̂ is biased low. The reference code of the method puts these weights into the first columns
    instead of on the diagonal, which makes E q̂/q exceed one.

    Args:
        batch: M + 1, the number of data in the batch, from 2 to N.
        dataset_size: N.

    Source: Chen et al. 2018, arXiv:1802.04942, appendix C.

    >>> stratified_log_weights(3, 5).exp().round(decimals=4).tolist()
    [[0.2, 0.3, 0.5], [0.5, 0.2, 0.3], [0.3, 0.5, 0.2]]
    """
    _check_sizes(batch, dataset_size)
    if batch < 2:
        raise InputValueError(f"batch is {batch}; stratified weights need at least 2 data")
    rest = batch - 1
    weights = torch.full((batch, batch), 1.0 / rest, dtype=torch.float64)
    own = torch.arange(batch)
    weights[own, own] = 1.0 / dataset_size
    weights[own, (own + 1) % batch] = (dataset_size - rest) / (dataset_size * rest)
    return weights.log()


def aggregate_log_density(
    log_q: Float[Tensor, "sample batch latent"], dataset_size: int, weighting: Weighting = "mss"
) -> tuple[Float[Tensor, " sample"], Float[Tensor, "sample latent"]]:
    """Estimates of log q(z_i) and of log q(z_ij) for each coordinate, from log q(z_ij | n_k) for all pairs of a batch.

    Args:
        log_q: log q(z_ij | n_k) in nats: sample i drawn from the encoder of datum i, datum k, coordinate j. For "mws"
            and "mss" samples and batch have one length; for "exact" the batch is the whole data set.
        dataset_size: N.
        weighting: "mws": 1/(N M) for all M (biased low, by log N exactly at M = N); "mss": see
            :func:`stratified_log_weights`; "exact": 1/N for each of the N data.

    Returns:
        log q̂ of the whole vector ``[sample]`` and of each coordinate ``[sample, latent]``.

    >>> import torch
    >>> joint, marginals = aggregate_log_density(torch.zeros(2, 2, 3), 2, "exact")
    >>> joint.tolist(), marginals.shape
    ([0.0, 0.0], torch.Size([2, 3]))
    """
    log_q = check_tensor("log_q", log_q)
    if log_q.ndim != 3:
        raise InputValueError(f"log_q has shape {tuple(log_q.shape)}; write [sample, batch, latent], unsummed")
    samples, batch, _ = log_q.shape
    _check_sizes(batch, dataset_size)
    if weighting not in ("exact", "mws", "mss"):
        raise InputValueError(f"weighting is {weighting!r}; write 'exact', 'mws' or 'mss'")
    if weighting == "exact":
        if batch != dataset_size:
            raise InputValueError(
                f"the batch has {batch} data and dataset_size is {dataset_size}; 'exact' needs them all"
            )
        log_weights = torch.full((1, batch), -log(dataset_size), dtype=torch.float64)
    else:
        if samples != batch:
            raise InputValueError(
                f"log_q has {samples} samples and {batch} data; {weighting!r} needs one sample a datum"
            )
        if weighting == "mws":
            log_weights = torch.full((1, batch), -log(dataset_size * batch), dtype=torch.float64)
        else:
            log_weights = stratified_log_weights(batch, dataset_size)
    log_weights = log_weights.to(log_q)
    joint = torch.logsumexp(log_q.sum(-1) + log_weights, 1)
    return joint, torch.logsumexp(log_q + log_weights[..., None], 1)


def total_correlation(
    log_q: Float[Tensor, "sample batch latent"], dataset_size: int, weighting: Weighting = "mss"
) -> Float[Tensor, " sample"]:
    """log q̂(z_i) - Σ_j log q̂(z_ij), whose expectation estimates TC = KL[q(z) ‖ Π_j q(z_j)], one value a sample.

    Exact in expectation with "exact". With "mws" it is biased by (latent - 1) log N at full batch, and neither
    minibatch weighting is a bound.

    Args and raises: as in :func:`aggregate_log_density`.

    Source: Chen et al. 2018, arXiv:1802.04942.

    >>> import torch
    >>> total_correlation(torch.randn(4, 4, 1), 10).abs().max().item() == 0.0   # one coordinate has none
    True
    """
    joint, marginals = aggregate_log_density(log_q, dataset_size, weighting)
    return joint - marginals.sum(-1)


def index_code_information(
    log_q: Float[Tensor, "sample batch latent"], dataset_size: int, weighting: Weighting = "mss"
) -> Float[Tensor, " sample"]:
    """log q(z_i | n_i) - log q̂(z_i), whose expectation estimates the mutual information I(z; n) ≤ log N.

    Sample i must be drawn from the encoder of datum i.

    >>> import torch
    >>> far = torch.tensor([[[0.0], [-80.0]], [[-80.0], [0.0]]])   # two encoders that do not overlap: log 2 nats
    >>> [round(v, 6) for v in index_code_information(far, 2, "exact").tolist()]
    [0.693147, 0.693147]
    """
    joint, _ = aggregate_log_density(log_q, dataset_size, weighting)
    own = torch.diagonal(log_q.sum(-1), dim1=0, dim2=1)
    if own.shape != joint.shape:
        raise InputValueError(f"log_q has shape {tuple(log_q.shape)}; sample i belongs to datum i, so the two agree")
    return own - joint


def beta_tcvae(
    log_likelihood: Float[Tensor, " sample"],
    log_prior: Float[Tensor, "sample latent"],
    log_q: Float[Tensor, "sample batch latent"],
    dataset_size: int,
    *,
    beta: float,
    alpha: float = 1.0,
    gamma: float = 1.0,
    weighting: Weighting = "mss",
) -> Float[Tensor, " sample"]:
    """log p(x|z) - α I - β TC - γ Σ_j KL_j with I, TC and the KL_j of the aggregated posterior estimated in the batch.

    With α = β = γ = 1 the estimates cancel and it is log p(x|z) + log p(z) - log q(z|x), whatever the weighting.

    Source: Chen et al. 2018, arXiv:1802.04942.

    >>> import torch
    >>> fit, log_prior, log_q = torch.zeros(3), torch.zeros(3, 2), torch.zeros(3, 3, 2)
    >>> beta_tcvae(fit, log_prior, log_q, 10, beta=1.0).abs().max().item() < 1e-6
    True
    """
    joint, marginals = aggregate_log_density(log_q, dataset_size, weighting)
    information = torch.diagonal(log_q.sum(-1), dim1=0, dim2=1) - joint
    correlation = joint - marginals.sum(-1)
    dimension_kl = (marginals - check_tensor("log_prior", log_prior)).sum(-1)
    log_likelihood = check_tensor("log_likelihood", log_likelihood)
    return log_likelihood - alpha * information - beta * correlation - gamma * dimension_kl


def _check_sizes(batch: int, dataset_size: int) -> None:
    if isinstance(dataset_size, bool) or not isinstance(dataset_size, int):
        raise InputTypeError(f"dataset_size is {dataset_size!r}; write an int, the number of data N")
    if not 1 <= batch <= dataset_size:
        raise InputValueError(
            f"the batch has {batch} data and dataset_size is {dataset_size}; write dataset_size >= batch"
        )
