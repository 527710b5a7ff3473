"""KL between Gaussian vectors from the Cholesky factors of their covariances, with derivatives by hand.

    KL[N(m₁, L₁L₁ᵀ) ‖ N(m₂, L₂L₂ᵀ)] = Σ Λ(Rᵢᵢ) + ½ ‖R‖² + ½ ‖L₂⁻¹ (m₁ − m₂)‖²,      R = L₂⁻¹ (L₁ − L₂)

The textbook form tr(Σ₂⁻¹Σ₁) − d − log det(Σ₂⁻¹Σ₁) loses every digit near equality. Here I + R = L₂⁻¹L₁ is lower
triangular, so that its determinant is that of its diagonal, and only the difference of the factors enters: every term
is non-negative, and there are no eigenvalues whose derivatives could be singular.

A law that was given by its covariance has a factor with the rounding of a Cholesky decomposition. Near equality R is
then corrected once, from R + Rᵀ + R Rᵀ = L₂⁻¹ (Σ₁ − Σ₂) L₂⁻ᵀ, whose right side is made from the difference of the
covariances.
"""

from typing import Any

import torch
from torch import Tensor

from elbo.divergences._elementwise import transformed
from elbo.divergences._kernels import itakura_saito, log_remainder

NEAR = 0.1  # the largest entry of L₂⁻¹ (Σ₁ − Σ₂) L₂⁻ᵀ where R is corrected


def _correction(r: Tensor, l2: Tensor, difference: Tensor) -> Tensor:
    """What R lacks, to first order, where the two covariances are close; 0 elsewhere."""
    half = torch.linalg.solve_triangular(l2, difference, upper=False)
    e = torch.linalg.solve_triangular(l2, half.mT, upper=False)
    rest = e - (r + r.mT + r @ r.mT)
    step = torch.tril(rest) - 0.5 * torch.diag_embed(torch.diagonal(rest, dim1=-2, dim2=-1))
    return torch.where((_largest(e) < NEAR)[..., None, None], step, torch.zeros_like(step))


def _largest(matrix: Tensor) -> Any:
    """The size of the largest entry."""
    return matrix.flatten(-2).abs().amax(-1)


def _spread(r: Tensor, l1: Tensor, l2: Tensor) -> Any:
    """Σ Λ(Rᵢᵢ) + ½ ‖R‖²."""
    diagonal = torch.diagonal(r, dim1=-2, dim2=-1)
    ratio = torch.diagonal(l1, dim1=-2, dim2=-1), torch.diagonal(l2, dim1=-2, dim2=-1)
    # where L₁ is much the smaller, 1 + R has lost its digits and the ratio of the diagonals has not
    known = diagonal > -0.5
    if not transformed() and not known.is_meta and bool(known.all()):
        spread = log_remainder(diagonal)
    else:
        spread = torch.where(known, log_remainder(diagonal.clamp(min=-0.5)), itakura_saito(*ratio))
    return spread.sum(-1) + 0.5 * r.square().sum((-2, -1))


def from_factors(l1: Tensor, l2: Tensor, difference: Tensor | None, square: Tensor) -> Any:
    """KL from Cholesky factors, the difference of the covariances where it is known better than they are, and the
    squared distance of the means."""
    l1, l2 = l1.tril(), l2.tril()  # what is above the diagonal is no parameter
    r = torch.linalg.solve_triangular(l2, l1 - l2, upper=False)
    if difference is not None:
        r = r + _correction(r.detach(), l2.detach(), difference.detach())
    return _spread(r, l1, l2) + 0.5 * square


def whitened_square(gap: Tensor, factor: Tensor) -> Any:
    """‖L⁻¹ (m₁ − m₂)‖²."""
    return torch.linalg.solve_triangular(factor, gap.unsqueeze(-1), upper=False).square().sum((-2, -1))


def solved(l1: Tensor, l2: Tensor, gap: Tensor, c1: Tensor | None, c2: Tensor | None) -> tuple[Any, Any]:
    """KL, and [R, w] with w = L₂⁻¹ (m₁ − m₂), of one batch shape."""
    columns = l1.new_empty((*gap.shape, gap.shape[-1] + 1))
    torch.sub(l1, l2, out=columns[..., :-1])
    columns[..., -1] = gap
    columns = torch.linalg.solve_triangular(l2, columns, upper=False)
    diagonals = torch.diagonal(l1, dim1=-2, dim2=-1), torch.diagonal(l2, dim1=-2, dim2=-1)
    r, spread = columns[..., :-1], itakura_saito(*diagonals).sum(-1)
    if c1 is not None and c2 is not None:
        near = torch.diagonal(r, dim1=-2, dim2=-1).abs().amax(-1) < NEAR
        if bool(near.any()) and bool(near.logical_and_(_largest(r) < NEAR).any()):
            r[near] += _correction(r[near], l2[near], c1[near] - c2[near])
            spread[near] = log_remainder(torch.diagonal(r, dim1=-2, dim2=-1)[near]).sum(-1)
    return spread + 0.5 * columns.square().sum((-2, -1)), columns


class FromFactors(torch.autograd.Function):
    """KL from Cholesky factors and the difference of the means, of one batch shape: one triangular system forth, one
    back.

    With A = I + R = L₂⁻¹L₁, w = L₂⁻¹ (m₁ − m₂) and G = A − diag(1/Aᵢᵢ) the derivatives are L₂⁻ᵀG by L₁, L₂⁻ᵀw by the
    means and −L₂⁻ᵀ (G Aᵀ + w wᵀ) by L₂, lower triangles of them.
    """

    @staticmethod
    def forward(ctx: Any, l1: Tensor, l2: Tensor, gap: Tensor, c1: Tensor | None, c2: Tensor | None) -> Any:
        value, columns = solved(l1, l2, gap, c1, c2)
        ctx.save_for_backward(l1, l2, gap, c1, c2, columns)
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        l1, l2, gap, c1, c2, columns = ctx.saved_tensors
        if torch.is_grad_enabled():  # derivatives of derivatives: of the same value, operation by operation
            value = from_factors(l1, l2, None if c1 is None else c1 - c2, whitened_square(gap, l2))
            return *torch.autograd.grad(value, (l1, l2, gap), grad, create_graph=True), None, None
        d1, d2 = torch.diagonal(l1, dim1=-2, dim2=-1), torch.diagonal(l2, dim1=-2, dim2=-1)
        ratio = d1 / d2  # Aᵢᵢ, where 1 + Rᵢᵢ cancels
        turned, known = columns.clone(), columns.clone()  # [G, w] and [A, w]
        diagonal = torch.diagonal(turned[..., :-1], dim1=-2, dim2=-1)
        diagonal += diagonal / ratio
        torch.diagonal(known[..., :-1], dim1=-2, dim2=-1).copy_(ratio)
        turned = torch.linalg.solve_triangular(l2.mT, turned * grad[..., None, None], upper=True)
        return turned[..., :-1].tril(), -(turned @ known.mT).tril(), turned[..., -1], None, None
