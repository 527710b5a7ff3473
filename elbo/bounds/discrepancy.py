"""Maximum mean discrepancy with a Gaussian kernel, the regulariser of the InfoVAE and of Wasserstein autoencoders."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from elbo._errors import InputValueError
from elbo.bounds._inputs import check_number, check_tensor


def mmd(
    x: Float[Tensor, "samples_x latent"],
    y: Float[Tensor, "samples_y latent"],
    bandwidth: float = 1.0,
    estimator: Literal["unbiased", "biased"] = "unbiased",
) -> Float[Tensor, ""]:
    """An estimate of MMD² = E k(X, X') + E k(Y, Y') - 2 E k(X, Y), k(a, b) = exp(-‖a - b‖² / (2 h²)).

    Args:
        x: independent draws of X, at least two for the unbiased estimate.
        y: independent draws of Y.
        bandwidth: h > 0, in units of x.
        estimator: "unbiased" leaves out the diagonal (a U-statistic: it may be negative); "biased" keeps it (a
            V-statistic: nonnegative, too large by (1/n)(2 - E k(X, X') - E k(Y, Y')) for n draws of each).

    Source: Gretton et al. 2012; Zhao et al. 2017, arXiv:1706.02262.

    >>> import torch
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> mmd(x, x, estimator="biased").item()
    0.0
    """
    x, y = check_tensor("x", x, finite=True), check_tensor("y", y, finite=True)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise InputValueError(f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; write [samples, latent] for both")
    if estimator not in ("unbiased", "biased"):
        raise InputValueError(f"estimator is {estimator!r}; write 'unbiased' or 'biased'")
    least = 2 if estimator == "unbiased" else 1
    if min(len(x), len(y)) < least:
        raise InputValueError(f"x has {len(x)} and y {len(y)} draws; the {estimator} estimate needs at least {least}")
    h = _bandwidth(bandwidth)
    within = _mean_kernel(x, x, h, estimator) + _mean_kernel(y, y, h, estimator)
    return within - 2.0 * _kernel(x, y, h).mean()


def mmd_diagonal_gaussians(
    mean_x: Float[Tensor, "... latent"],
    variance_x: Float[Tensor, "... latent"],
    mean_y: Float[Tensor, "... latent"],
    variance_y: Float[Tensor, "... latent"],
    bandwidth: float = 1.0,
) -> Float[Tensor, "..."]:
    """MMD² between two diagonal Gaussians in closed form, for the kernel of :func:`mmd`.

    >>> import torch
    >>> args = [torch.tensor([v]).double() for v in (0.3, 1.44, -0.5, 0.49)]
    >>> round(mmd_diagonal_gaussians(*args).item(), 8)
    0.17081639
    """
    h2 = _bandwidth(bandwidth) ** 2
    for name, variance in (("variance_x", variance_x), ("variance_y", variance_y)):
        if not bool((check_tensor(name, variance, finite=True) >= 0).all()):
            raise InputValueError(f"{name} has a negative entry; write variances >= 0")

    def mean_kernel(difference: Tensor, variance: Tensor) -> Tensor:
        total = h2 + variance
        return (torch.sqrt(h2 / total) * torch.exp(-0.5 * difference.square() / total)).prod(-1)

    none = torch.zeros_like(mean_x - mean_y)
    within = mean_kernel(none, 2 * variance_x) + mean_kernel(none, 2 * variance_y)
    return within - 2.0 * mean_kernel(mean_x - mean_y, variance_x + variance_y)


def _kernel(x: Tensor, y: Tensor, h: float) -> Tensor:
    # squared distances from differences: the expansion x² + y² - 2xy loses the digits of near points
    return torch.exp(-(x[:, None, :] - y[None, :, :]).square().sum(-1) / (2.0 * h * h))


def _mean_kernel(x: Tensor, y: Tensor, h: float, estimator: str) -> Tensor:
    values = _kernel(x, y, h)
    if estimator == "biased":
        return values.mean()
    n = len(x)
    return (values.sum() - values.diagonal().sum()) / (n * (n - 1))


def _bandwidth(value: float) -> float:
    h = check_number("bandwidth", value, 0.0, "positive, in units of x")
    if h == 0.0:
        raise InputValueError("bandwidth is 0; write a positive number, in units of x")
    return h
