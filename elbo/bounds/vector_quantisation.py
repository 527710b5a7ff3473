"""The loss of a VQ-VAE: nearest codes, their gradient, and the two squared distances."""

from math import log

import torch
from jaxtyping import Float, Int
from torch import Tensor

from elbo._errors import InputValueError
from elbo.bounds._inputs import check_number, check_tensor


def quantise(
    encoded: Float[Tensor, "... latent"], codebook: Float[Tensor, "codes latent"]
) -> tuple[Float[Tensor, "... latent"], Int[Tensor, "..."]]:
    """The code nearest to each encoded vector, and its index; the gradient goes to the codebook only.

    >>> import torch
    >>> quantise(torch.tensor([0.9]), torch.tensor([[0.0], [1.0]]))
    (tensor([1.]), tensor(1))
    """
    encoded, codebook = check_tensor("encoded", encoded, finite=True), check_tensor("codebook", codebook, finite=True)
    if codebook.ndim != 2 or encoded.ndim == 0 or encoded.shape[-1] != codebook.shape[-1]:
        raise InputValueError(
            f"encoded has shape {tuple(encoded.shape)} and codebook {tuple(codebook.shape)}; write [..., latent] and "
            "[codes, latent]"
        )
    distance = (encoded.detach()[..., None, :] - codebook.detach()).square().sum(-1)
    index = distance.argmin(-1)
    return codebook[index], index


def straight_through(
    encoded: Float[Tensor, "... latent"], quantised: Float[Tensor, "... latent"]
) -> Float[Tensor, "... latent"]:
    """The value of ``quantised`` with the gradient of ``encoded``: what a decoder is fed.

    >>> import torch
    >>> z = torch.tensor([0.9], requires_grad=True)
    >>> straight_through(z, torch.tensor([1.0])).backward(); z.grad
    tensor([1.])
    """
    return quantised.detach() + (encoded - encoded.detach())


def negative_vq(
    encoded: Float[Tensor, "... latent"], quantised: Float[Tensor, "... latent"], commitment: float = 0.25
) -> Float[Tensor, "..."]:
    """‖sg[z_e] - e‖² + β ‖z_e - sg[e]‖², summed over the latent axis: the first moves the code, the second the encoder.

    Args:
        encoded: z_e, what the encoder gives.
        quantised: e, its code as :func:`quantise` gives it, *before* :func:`straight_through` (after it the codebook
            gets no gradient).
        commitment: β ≥ 0, on the term that moves the encoder.

    Returns:
        one value a vector. Code that calls ``mse_loss`` has the mean over all entries instead.

    Source: van den Oord et al. 2017, arXiv:1711.00937.

    >>> import torch
    >>> negative_vq(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 2.0]), commitment=0.5).item()
    1.5
    """
    encoded, quantised = (
        check_tensor("encoded", encoded, finite=True),
        check_tensor("quantised", quantised, finite=True),
    )
    if encoded.shape != quantised.shape or encoded.ndim == 0:
        raise InputValueError(
            f"encoded has shape {tuple(encoded.shape)} and quantised {tuple(quantised.shape)}; they must agree"
        )
    beta = check_number("commitment", commitment, 0.0, "at least 0, such as commitment=0.25")
    codebook_term = (encoded.detach() - quantised).square().sum(-1)
    return codebook_term + beta * (encoded - quantised.detach()).square().sum(-1)


vq_loss = negative_vq
"""The name in the papers; the same function as :func:`negative_vq`."""


def quantised_kl(codes: int) -> float:
    """KL[q ‖ p] of a one-hot q from the uniform prior over the codes: log K, a constant of training.

    >>> round(quantised_kl(512), 6)
    6.238325
    """
    if codes < 1:
        raise InputValueError(f"codes is {codes}; a codebook has at least one")
    return log(codes)


def perplexity(index: Int[Tensor, "..."], codes: int) -> Float[Tensor, ""]:
    """exp of the entropy of how often the codes are used, from 1 to ``codes``.

    >>> import torch
    >>> round(perplexity(torch.tensor([0, 1, 1, 0]), 8).item(), 6)
    2.0
    """
    share = torch.bincount(index.reshape(-1), minlength=codes).double() / index.numel()
    return torch.exp(torch.special.entr(share).sum())
