"""Which parameter each term of the VQ loss moves, by finite differences and by autograd."""

from math import log

import pytest
import torch

from elbo import bounds
from elbo._errors import InputValueError

D = torch.float64


def test_commitment_moves_the_encoder_and_the_rest_the_codebook():
    z = torch.tensor([[1.5, -0.5], [0.2, 0.1]], dtype=D, requires_grad=True)
    codebook = torch.tensor([[1.0, -1.0], [0.0, 0.0], [9.0, 9.0]], dtype=D, requires_grad=True)
    code, index = bounds.quantise(z, codebook)
    assert index.tolist() == [0, 1]
    gradients = torch.autograd.grad(bounds.negative_vq(z, code, 0.25).sum(), (z, codebook))
    assert torch.allclose(gradients[0], 0.25 * 2 * (z - code), atol=1e-15)
    assert torch.allclose(gradients[1][:2], 2 * (code - z), atol=1e-15)
    assert gradients[1][2].tolist() == [0.0, 0.0]


def test_straight_through_copies_the_gradient_of_the_decoder():
    z = torch.tensor([1.5, -0.5], dtype=D, requires_grad=True)
    code, _ = bounds.quantise(z, torch.tensor([[1.0, -1.0]], dtype=D))
    fed = bounds.straight_through(z, code)
    assert torch.equal(fed, code)
    (gradient,) = torch.autograd.grad((fed * torch.tensor([3.3, -2.35], dtype=D)).sum(), z)
    assert gradient.tolist() == [3.3, -2.35]


def test_after_the_patch_the_codebook_would_get_nothing():
    codebook = torch.tensor([[1.0, -1.0]], dtype=D, requires_grad=True)
    z = torch.tensor([1.5, -0.5], dtype=D, requires_grad=True)
    patched = bounds.straight_through(z, bounds.quantise(z, codebook)[0])
    _, moved = torch.autograd.grad(bounds.negative_vq(z, patched), (z, codebook), allow_unused=True)
    assert moved is None


def test_the_loss_names_agree_and_the_divergence_is_constant():
    assert bounds.vq_loss is bounds.negative_vq
    assert bounds.quantised_kl(8) == log(8)
    assert bounds.perplexity(torch.zeros(5, dtype=torch.int64), 4).item() == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: bounds.quantise(torch.zeros(3), torch.zeros(2, 2)), r"\[codes, latent\]"),
        (lambda: bounds.negative_vq(torch.zeros(3), torch.zeros(2)), "must agree"),
        (lambda: bounds.negative_vq(torch.zeros(3), torch.zeros(3), -1.0), "commitment is -1"),
        (lambda: bounds.quantise(torch.tensor([torch.nan]), torch.zeros(2, 1)), "encoded is nan"),
        (lambda: bounds.quantised_kl(0), "at least one"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(InputValueError, match=says):
        call()
