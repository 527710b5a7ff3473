"""Bounds from several importance weights: IWAE and its Rényi relatives."""

from math import inf, log

import torch
from jaxtyping import Float
from torch import Tensor

from elbo._errors import InputValueError
from elbo.bounds._inputs import check_axis, check_tensor, log_mean_exp
from elbo.bounds.single_sample import elbo


def iwae(log_weights: Float[Tensor, "..."], sample_axis: int = -1) -> Float[Tensor, "..."]:
    """The importance weighted bound log (1/K) Σ_k w_k; in expectation L_K ≤ L_{K+1} ≤ log p(x).

    A single value may exceed log p(x); its expectation does not.

    Args:
        log_weights: log w = log p(x, z) - log q(z) in nats for z ~ q, the K samples on ``sample_axis``; ``-inf`` where
            p(x, z) = 0.
        sample_axis: the axis of the samples.

    Returns:
        one value for each entry of the other axes.

    Raises:
        InputTypeError, InputValueError: for integers, NaN, ``+inf``, or an axis that is not there.

    Source: Burda, Grosse, Salakhutdinov 2016, arXiv:1509.00519.

    >>> import torch
    >>> iwae(torch.tensor([[0.0, 0.0], [1000.0, 1000.0]])).tolist()
    [0.0, 1000.0]
    """
    log_weights = check_tensor("log_weights", log_weights)
    return log_mean_exp(log_weights, check_axis("log_weights", log_weights, sample_axis))


def negative_iwae(log_weights: Float[Tensor, "..."], sample_axis: int = -1) -> Float[Tensor, "..."]:
    """-log (1/K) Σ_k w_k, a loss; arguments as in :func:`iwae`.

    >>> import torch
    >>> negative_iwae(torch.tensor([2.0, 2.0])).item()
    -2.0
    """
    return -iwae(log_weights, sample_axis)


def renyi(log_weights: Float[Tensor, "..."], alpha: float, sample_axis: int = -1) -> Float[Tensor, "..."]:
    """The variational Rényi objective log((1/K) Σ w^{1-α}) / (1-α).

    In expectation it is the ELBO at K = 1; for α < 1 it rises with K to the Rényi bound L_α, which is below log p(x)
    for 0 < α, equal to it at α = 0 (there this is :func:`iwae`), and above it for α < 0. For finite K and α < 0 it is
    no bound.

    Args:
        log_weights, sample_axis: as in :func:`iwae`.
        alpha: α; 1 gives the ELBO, ``-inf`` the largest and ``inf`` the smallest log weight.

    Source: Li and Turner 2016, arXiv:1602.02311; Daudel et al. 2023, arXiv:2210.06226.

    >>> import torch
    >>> log_w = torch.tensor([0.0, 1.0])
    >>> renyi(log_w, 1.0).item(), renyi(log_w, -float("inf")).item()
    (0.5, 1.0)
    """
    log_weights = check_tensor("log_weights", log_weights)
    axis = check_axis("log_weights", log_weights, sample_axis)
    alpha = float(alpha)
    if alpha != alpha:
        raise InputValueError("alpha is NaN; write a number, such as alpha=0.5, or an infinity")
    if alpha == 1.0:
        return elbo(log_weights, sample_axis)
    if abs(alpha) == inf:
        return log_weights.amin(axis) if alpha > 0 else log_weights.amax(axis)
    return log_mean_exp((1.0 - alpha) * log_weights, axis) / (1.0 - alpha)


def cubo(log_weights: Float[Tensor, "..."], order: float = 2.0, sample_axis: int = -1) -> Float[Tensor, "..."]:
    """log((1/K) Σ w^n) / n, an estimate of CUBO_n = (1/n) log E_q w^n ≥ log p(x).

    The estimate is biased low: in expectation it starts at the ELBO for K = 1, so that it is an upper bound only in the
    limit of many samples.

    Args:
        log_weights, sample_axis: as in :func:`iwae`.
        order: n ≥ 1.

    Source: Dieng et al. 2017, arXiv:1611.00328.

    >>> import torch
    >>> round(cubo(torch.tensor([0.0, 0.0])).item(), 6)
    0.0
    """
    if not float(order) >= 1.0:
        raise InputValueError(f"order is {order}; CUBO has order n >= 1: write order=2.0")
    return renyi(log_weights, 1.0 - float(order), sample_axis)


def normalised_weights(log_weights: Float[Tensor, "..."], sample_axis: int = -1) -> Float[Tensor, "..."]:
    """ŵ_k = w_k / Σ_j w_j, of the shape of ``log_weights``; sums to one along ``sample_axis``.

    >>> import torch
    >>> normalised_weights(torch.tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    log_weights = check_tensor("log_weights", log_weights)
    return torch.softmax(log_weights, check_axis("log_weights", log_weights, sample_axis))


def effective_sample_size(log_weights: Float[Tensor, "..."], sample_axis: int = -1) -> Float[Tensor, "..."]:
    """1 / Σ ŵ_k², from 1 to K; divided by K it tends to 1 / (1 + χ²(p(z|x) ‖ q)).

    Source: Kong 1992.

    >>> import torch
    >>> round(effective_sample_size(torch.zeros(5)).item(), 6)
    5.0
    """
    weights = normalised_weights(log_weights, sample_axis)
    return 1.0 / weights.square().sum(sample_axis)


def jackknife(log_weights: Float[Tensor, "... sample"], order: int) -> Float[Tensor, "..."]:
    """The jackknife estimate Σ_j c_j L̂_{K-j} with L̂_{K-j} averaged over all subsets of K - j samples.

    Its bias is O(K^{-(order+1)}). It is not a bound. The number of subsets grows like K^order: meant for order 0 to 3.

    Args:
        log_weights: log w in nats, the K samples on the last axis.
        order: m, from 0 (:func:`iwae`) to K - 1.

    Source: Nowozin 2018 (OpenReview HyZoi-WRb).

    >>> import torch
    >>> jackknife(torch.zeros(4), 1).item()
    0.0
    """
    from itertools import combinations
    from math import comb, factorial

    log_weights = check_tensor("log_weights", log_weights)
    count = log_weights.shape[check_axis("log_weights", log_weights, -1)]
    if not isinstance(order, int) or not 0 <= order < count:
        raise InputValueError(f"order is {order!r} with {count} samples; write an int from 0 to {count - 1}")
    if sum(comb(count, j) for j in range(order + 1)) > 200_000:
        raise InputValueError(f"order {order} with {count} samples needs {comb(count, order)} subsets; lower the order")
    total = torch.zeros_like(log_weights[..., 0])
    for j in range(order + 1):
        weight = (-1) ** j * (count - j) ** order / (factorial(order - j) * factorial(j))
        kept = [[i for i in range(count) if i not in left_out] for left_out in combinations(range(count), j)]
        subsets = log_weights[..., torch.tensor(kept)]
        total = total + weight * (torch.logsumexp(subsets, -1) - log(count - j)).mean(-1)
    return total
