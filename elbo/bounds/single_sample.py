"""The evidence lower bound in its three usual forms, and the objectives that only reweigh its terms."""

from jaxtyping import Float
from torch import Tensor

from elbo._errors import InputValueError
from elbo.bounds._inputs import check_axis, check_number, check_tensor


def elbo(log_weights: Float[Tensor, "..."], sample_axis: int = -1) -> Float[Tensor, "..."]:
    """The ELBO from log weights: (1/M) Σ_m log w_m, log w = log p(x, z) - log q(z).

    Unbiased for E_q log w ≤ log p(x), whatever the number of samples.

    Args:
        log_weights: log w in nats for z ~ q, samples on ``sample_axis``; ``-inf`` where p(x, z) = 0.
        sample_axis: the axis of the samples.

    Returns:
        one value for each entry of the other axes.

    Raises:
        InputTypeError, InputValueError: for integers, NaN, ``+inf``, or an axis that is not there.

    Source: Kingma and Welling 2014, arXiv:1312.6114 (the estimator there called SGVB-A).

    >>> import torch
    >>> elbo(torch.tensor([[0.0, -2.0], [-1.0, -1.0]])).tolist()
    [-1.0, -1.0]
    """
    log_weights = check_tensor("log_weights", log_weights)
    return log_weights.mean(check_axis("log_weights", log_weights, sample_axis))


def elbo_analytic_kl(
    log_likelihood: Float[Tensor, "..."], kl: Float[Tensor, "..."], sample_axis: int | None = None
) -> Float[Tensor, "..."]:
    """The ELBO with the divergence in closed form: E_q log p(x|z) - KL[q ‖ p(z)].

    Args:
        log_likelihood: log p(x|z) in nats, summed over the coordinates of x.
        kl: KL[q(z|x) ‖ p(z)] in nats, summed over the coordinates of z, of the shape that is left without samples.
        sample_axis: the axis of ``log_likelihood`` that holds samples, to be averaged; ``None`` if there is none.

    Its variance is not always below that of the form with log weights: at q = p(z|x) that one is constant and this
    one is not.

    >>> import torch
    >>> elbo_analytic_kl(torch.tensor([-1.0, -3.0]), torch.tensor(0.5), sample_axis=0).item()
    -2.5
    """
    log_likelihood = check_tensor("log_likelihood", log_likelihood)
    kl = check_tensor("kl", kl, finite=True)
    if sample_axis is not None:
        log_likelihood = log_likelihood.mean(check_axis("log_likelihood", log_likelihood, sample_axis))
    _same_shape(log_likelihood, kl, "kl")
    return log_likelihood - kl


def elbo_entropy(
    log_joint: Float[Tensor, "..."], entropy: Float[Tensor, "..."], sample_axis: int | None = None
) -> Float[Tensor, "..."]:
    """The ELBO with the entropy in closed form: E_q log p(x, z) + H[q].

    Args:
        log_joint: log p(x, z) in nats.
        entropy: H[q] in nats (differential for a continuous z, then possibly negative).
        sample_axis: the axis of ``log_joint`` that holds samples, to be averaged; ``None`` if there is none.

    >>> import torch
    >>> elbo_entropy(torch.tensor([-2.0, -4.0]), torch.tensor(1.0), sample_axis=0).item()
    -2.0
    """
    log_joint = check_tensor("log_joint", log_joint)
    entropy = check_tensor("entropy", entropy, finite=True)
    if sample_axis is not None:
        log_joint = log_joint.mean(check_axis("log_joint", log_joint, sample_axis))
    _same_shape(log_joint, entropy, "entropy")
    return log_joint + entropy


def negative_elbo(
    log_likelihood: Float[Tensor, "..."], kl: Float[Tensor, "..."], sample_axis: int | None = None
) -> Float[Tensor, "..."]:
    """-ELBO = KL[q ‖ p(z)] - E_q log p(x|z): the loss of a variational autoencoder, one value a datum.

    Arguments as in :func:`elbo_analytic_kl`; the mean or sum over the batch is the caller's.

    >>> import torch
    >>> negative_elbo(torch.tensor([-3.0]), torch.tensor([0.5])).tolist()
    [3.5]
    """
    return -elbo_analytic_kl(log_likelihood, kl, sample_axis)


def beta_objective(
    log_likelihood: Float[Tensor, "..."], kl: Float[Tensor, "..."], beta: float, sample_axis: int | None = None
) -> Float[Tensor, "..."]:
    """E_q log p(x|z) - β KL[q ‖ p(z)]: a lower bound on log p(x) if β ≥ 1 (it is below the ELBO), no bound if β < 1.

    Args:
        log_likelihood, kl, sample_axis: as in :func:`elbo_analytic_kl`.
        beta: β ≥ 0.

    Source: Higgins et al. 2017.

    >>> import torch
    >>> beta_objective(torch.tensor([-3.0]), torch.tensor([0.5]), beta=4.0).tolist()
    [-5.0]
    """
    beta = check_number("beta", beta, 0.0, "at least 0; 1 is the ELBO")
    return elbo_analytic_kl(log_likelihood, beta * check_tensor("kl", kl, finite=True), sample_axis)


def free_bits(
    log_likelihood: Float[Tensor, "..."],
    kl: Float[Tensor, "... latent"],
    minimum: float,
    sample_axis: int | None = None,
) -> Float[Tensor, "..."]:
    """E_q log p(x|z) - Σ_j max(λ, KL_j): still a lower bound on log p(x), with no gradient from a KL_j below λ.

    Args:
        log_likelihood, sample_axis: as in :func:`elbo_analytic_kl`.
        kl: the divergence of each latent coordinate (or group of them) in nats, on the last axis.
        minimum: λ ≥ 0, in nats a coordinate.

    Source: Kingma et al. 2016, arXiv:1606.04934.

    >>> import torch
    >>> round(free_bits(torch.tensor(-3.0), torch.tensor([0.1, 0.8]), minimum=0.5).item(), 6)
    -4.3
    """
    minimum = check_number("minimum", minimum, 0.0, "at least 0, in nats a coordinate")
    kl = check_tensor("kl", kl, finite=True)
    if kl.ndim == 0:
        raise InputValueError("kl is one number; free bits need KL_j for each latent coordinate on the last axis")
    return elbo_analytic_kl(log_likelihood, kl.clamp(min=minimum).sum(-1), sample_axis)


def _same_shape(values: Tensor, other: Tensor, name: str) -> None:
    if other.shape != values.shape and other.ndim:
        raise InputValueError(
            f"{name} has shape {tuple(other.shape)} and the expectation {tuple(values.shape)}; both need one value a "
            "datum: sum over the coordinates of x and z first, and name the sample_axis"
        )
