"""D + W Wᵀ without its inverse, and with the digits that the inverse would lose where W ≫ √D."""

from typing import Any

import torch
from torch import Tensor

from elbo.divergences._elementwise import transformed
from elbo.divergences._kernels import itakura_saito, log_remainder


def low_rank_solution(gap: Tensor, factor: Tensor, diagonal: Tensor) -> tuple[Any, Any]:
    """(D + W Wᵀ)⁻¹ x = D⁻¹ (x − W c), and the c that minimises ‖D^−½ (x − W c)‖² + ‖c‖²."""
    x, scaled = gap.unsqueeze(-1), factor / diagonal.unsqueeze(-1)
    inner = factor.mT @ scaled
    inner.diagonal(dim1=-2, dim2=-1).add_(1.0)
    lower = torch.linalg.cholesky(inner)
    c = torch.cholesky_solve(scaled.mT @ x, lower)
    y = (x - factor @ c) / diagonal.unsqueeze(-1)
    step = torch.cholesky_solve(factor.mT @ y - c, lower)  # Wᵀ y = c
    return (y - scaled @ step).squeeze(-1), (c + step).squeeze(-1)


class _LowRankSquare(torch.autograd.Function):
    """xᵀ (D + W Wᵀ)⁻¹ x = min_c ‖D^−½ (x − W c)‖² + ‖c‖²: at the minimum an error of c counts by its square alone.

    With W ≫ √D the law is all but singular, and what a factor of D + W Wᵀ has lost is felt as often as that says.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(gap: Tensor, factor: Tensor, diagonal: Tensor) -> Any:
        y, c = low_rank_solution(gap, factor, diagonal)
        return (diagonal * y * y).sum(-1) + (c * c).sum(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, c = low_rank_solution(*ctx.saved_tensors)  # again, as derivatives of derivatives go through it
        slope = grad.unsqueeze(-1) * y
        return 2.0 * slope, -2.0 * slope.unsqueeze(-1) * c.unsqueeze(-2), -slope * y

    @staticmethod
    def jvp(ctx: Any, gap: Tensor | None, factor: Tensor | None, diagonal: Tensor | None) -> Tensor:
        y, c = low_rank_solution(*ctx.saved_tensors)
        moves = [
            None if gap is None else 2.0 * gap,
            None if factor is None else -2.0 * (factor @ c.unsqueeze(-1)).squeeze(-1),
            None if diagonal is None else -diagonal * y,
        ]
        total: Tensor = (sum(move for move in moves if move is not None) * y).sum(-1)
        return total


def low_rank_square(gap: Tensor, factor: Tensor, diagonal: Tensor) -> Any:
    batch = torch.broadcast_shapes(gap.shape[:-1], factor.shape[:-2], diagonal.shape[:-1])
    inputs = gap.expand(*batch, -1), factor.expand(*batch, -1, -1), diagonal.expand(*batch, -1)
    return _LowRankSquare.apply(*inputs)


def _leverage(v: Tensor) -> tuple[Any, Any]:
    """hᵢ = vᵢ (I + VᵀV)⁻¹ vᵢᵀ for each row of V, and the Cholesky factor of I + VᵀV."""
    eye = torch.eye(v.shape[-1], dtype=v.dtype, device=v.device)
    lower = torch.linalg.cholesky(eye + v.mT @ v)
    return torch.linalg.solve_triangular(lower, v.mT, upper=False).square().sum(-2), lower


def _without(v: Tensor, h: Tensor, solved: Tensor) -> tuple[Any, Any]:
    """1 − hᵢ = 1/(1 + vᵢ Aᵢ⁻¹ vᵢᵀ) and vᵢ A⁻¹ = (1 − hᵢ) vᵢ Aᵢ⁻¹, Aᵢ being A = I + VᵀV without row i, for the rows of
    most leverage, and what is given for the rest.

    It is above ½ for no more than 2r rows, and elsewhere nothing is lost. Each Aᵢ is a sum: nothing is taken away.
    """
    count = min(v.shape[-2], 2 * v.shape[-1])
    top = h.topk(count, -1).indices
    places = top.unsqueeze(-1).expand(*top.shape, v.shape[-1])
    rows = torch.gather(v, -2, places)
    rest = v * torch.ones_like(h).scatter(-1, top, 0.0).unsqueeze(-1)
    eye = torch.eye(v.shape[-1], dtype=v.dtype, device=v.device)
    others = 1.0 - torch.eye(count, dtype=v.dtype, device=v.device)
    products = rows.unsqueeze(-1) * rows.unsqueeze(-2)
    lower = torch.linalg.cholesky(
        (eye + rest.mT @ rest).unsqueeze(-3) + torch.einsum("ij,...jab->...iab", others, products)
    )
    alone = torch.cholesky_solve(rows.unsqueeze(-1), lower).squeeze(-1)
    kept = 1.0 / (1.0 + (rows * alone).sum(-1))
    return (1.0 - h).scatter(-1, top, kept), solved.scatter(-2, places, kept.unsqueeze(-1) * alone)


def _low_rank_slopes(diagonal: Tensor, variance: Tensor, factor: Tensor) -> tuple[Any, Any, Any]:
    root = diagonal.sqrt().unsqueeze(-1)
    v = factor / root
    h, lower = _leverage(v)
    excess = (diagonal - variance) / diagonal
    by_diagonal = torch.where(h < 0.5, excess / variance + h / diagonal, 1.0 / variance - (1.0 - h) / diagonal)
    solved = torch.cholesky_solve(v.mT, lower).mT
    # 1/Dᵢ times the rounding of 1 − hᵢ is felt only where no entry is nearly as large as 1/Dᵢ itself
    if (
        transformed()
        or diagonal.is_meta
        or bool((diagonal.reciprocal().amax(-1) > 16.0 * by_diagonal.abs().amax(-1)).any())
    ):
        kept, solved = _without(v, h, solved)
        by_diagonal = torch.where(h < 0.5, by_diagonal, 1.0 / variance - kept / diagonal)
    wide = variance.unsqueeze(-1)
    inner = v.mT @ v
    near = excess.unsqueeze(-1) / wide * factor + torch.cholesky_solve(inner @ v.mT, lower).mT / root
    far = factor / wide - solved / root
    small = torch.diagonal(inner, dim1=-2, dim2=-1).sum(-1) < 1.0
    by_variance = (variance - diagonal - factor.square().sum(-1)) / variance / variance
    return by_diagonal, by_variance, 2.0 * torch.where(small[..., None, None], near, far)


class LowRankToDiagonal(torch.autograd.Function):
    """Σ Dᵢ/vᵢ − 1 − log Dᵢ/vᵢ + ‖wᵢ‖²/vᵢ − log det(I + WᵀD⁻¹W): twice KL from D + W Wᵀ to diag(v), of equal means.

    Its derivative by Dᵢ is 1/vᵢ − (Σ⁻¹)ᵢᵢ, whose last term is (1 − hᵢ)/Dᵢ: all but nothing of 1/Dᵢ, if W ≫ √D.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(diagonal: Tensor, variance: Tensor, factor: Tensor) -> Any:
        excess = (diagonal - variance) / diagonal
        inner = (factor / diagonal.unsqueeze(-1)).mT @ factor
        # tr C + Σ ‖wᵢ‖² excessᵢ = Σ ‖wᵢ‖²; near equality the remainder tr C − log det(I + C) is wanted whole
        squares, values = factor.square().sum(-1) / variance, torch.linalg.eigvalsh(inner).clamp(min=0.0)
        near = (squares * excess).sum(-1) + log_remainder(values).sum(-1)
        far = squares.sum(-1) - torch.log1p(values).sum(-1)
        low_rank = torch.where(torch.diagonal(inner, dim1=-2, dim2=-1).sum(-1) < 1.0, near, far)
        return itakura_saito(diagonal, variance).sum(-1) + low_rank

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        by_diagonal, by_variance, by_factor = _low_rank_slopes(*ctx.saved_tensors)
        row = grad.unsqueeze(-1)
        return row * by_diagonal, row * by_variance, row.unsqueeze(-1) * by_factor

    @staticmethod
    def jvp(ctx: Any, diagonal: Tensor, variance: Tensor, factor: Tensor) -> Tensor:
        slopes = _low_rank_slopes(*ctx.saved_tensors)
        total: Tensor = (slopes[0] * diagonal + slopes[1] * variance).sum(-1) + (slopes[2] * factor).sum((-2, -1))
        return total
