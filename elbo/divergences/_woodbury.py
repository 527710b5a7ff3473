"""KL of Gaussian vectors with a low-rank law on one side, at the cost of the rank: no d × d matrix is decomposed.

With Σ = D + W Wᵀ, C = I + Wᵀ D⁻¹ W = L Lᵀ and X = L⁻¹ Wᵀ D⁻¹,

    Σ⁻¹ = D⁻¹ − Xᵀ X,      det Σ = det C · det D,

so that KL is ½ Σ Λ(D₁/D₂ − 1) and a few traces. These cancel where the laws nearly agree, for which two laws of low
rank have a second form, and where W is much larger than the root of D. The forms are rungs of ``_by_forms``.
"""

from typing import Any

import torch
from torch import Tensor

from elbo.divergences._by_forms import Form, Rows, Slopes, largest, steady
from elbo.divergences._kernels import itakura_saito, log_remainder
from elbo.divergences._low_rank import low_rank_solution, low_rank_square

Value = tuple[Tensor, Tensor, tuple[Tensor, ...]]


def capacitance(diagonal: Tensor, low_rank: Tensor) -> Any:
    """L, from D and W."""
    inner = (low_rank / diagonal.unsqueeze(-1)).mT @ low_rank
    torch.diagonal(inner, dim1=-2, dim2=-1).add_(1.0)
    return torch.linalg.cholesky(inner)


def doubled(rows: Rows, *factors: tuple[int, int, int]) -> list[Tensor]:
    """The inputs in float64; ``factors`` are the places of D, W and L, which is made again."""
    wide = [x.double() for x in rows]
    for diagonal, low_rank, factor in factors:
        wide[factor] = capacitance(wide[diagonal], wide[low_rank])
    return wide


def _squares(x: Tensor) -> Any:
    return x.square().sum((-2, -1))


def _log_det(factor: Tensor) -> Any:
    """log det C from its Cholesky factor."""
    return 2.0 * torch.diagonal(factor, dim1=-2, dim2=-1).log().sum(-1)


def _whitened(factor: Tensor, low_rank: Tensor, diagonal: Tensor) -> Any:
    """X = L⁻¹ Wᵀ D⁻¹."""
    return torch.linalg.solve_triangular(factor, (low_rank / diagonal.unsqueeze(-1)).mT, upper=False)


def _solved(x: Tensor, diagonal: Tensor, columns: Tensor) -> Any:
    """Σ⁻¹ M."""
    return _less(columns / diagonal.unsqueeze(-1), x.mT, x @ columns)


def _less(matrix: Tensor, a: Tensor, b: Tensor) -> Any:
    """M − A B in one pass."""
    flat = (x.unsqueeze(0).flatten(0, -3) for x in (matrix, a, b))
    return torch.baddbmm(*flat, alpha=-1.0).reshape(matrix.shape)


def _row_squares(matrix: Tensor) -> Any:
    return torch.linalg.vector_norm(matrix, dim=-1).square()  # five times faster than squaring first


def _own(factor: Tensor, x: Tensor) -> Any:
    """Σ⁻¹ W = D⁻¹ W C⁻¹."""
    return torch.linalg.solve_triangular(factor.mT, x, upper=True).mT


def _columns(matrix: Tensor, gap: Tensor) -> Any:
    return torch.cat([matrix, gap.unsqueeze(-1)], -1)


# both laws of low rank: gap, D₁, W₁, L₁, D₂, W₂, L₂


def _low_low(gap: Tensor, d1: Tensor, w1: Tensor, l1: Tensor, d2: Tensor, w2: Tensor, l2: Tensor) -> Value:
    x = _whitened(l2, w2, d2)
    square, k, c = _least_squares(_columns(w1, gap), d2, w2, l2, x)
    spread, less = itakura_saito(d1, d2).sum(-1) + square, (x.square() @ d1.unsqueeze(-1)).sum((-2, -1))
    log1, log2 = _log_det(l1), _log_det(l2)
    return 0.5 * (spread - less + (log2 - log1)), 0.5 * (spread + less + log1 + log2), (x, k, c)


def _least_squares(
    columns: Tensor, diagonal: Tensor, low_rank: Tensor, factor: Tensor, x: Tensor
) -> tuple[Any, Any, Any]:
    """tr Mᵀ Σ⁻¹ M = min_c ‖D^−½ (M − W c)‖² + ‖c‖², in which nothing cancels, Σ⁻¹ M and c = Wᵀ Σ⁻¹ M."""
    c = torch.linalg.solve_triangular(factor.mT, x @ columns, upper=True)
    rest = _less(columns, low_rank, c)
    k = rest / diagonal.unsqueeze(-1)
    return (rest * k).sum((-2, -1)) + _squares(c), k, c


def _refined(k: Tensor, c: Tensor, diagonal: Tensor, low_rank: Tensor, factor: Tensor) -> tuple[Any, Any]:
    """Σ⁻¹ M and c = Wᵀ Σ⁻¹ M with the digits that M − W c has lost where W is large: the two must agree."""
    step = torch.cholesky_solve(low_rank.mT @ k - c, factor)
    return _less(k, low_rank / diagonal.unsqueeze(-1), step), c + step


def _low_low_slopes(
    gap: Tensor, d1: Tensor, w1: Tensor, l1: Tensor, d2: Tensor, w2: Tensor, l2: Tensor, x: Tensor, k: Tensor, c: Tensor
) -> tuple[Slopes, Tensor]:
    x1, (k, c) = _whitened(l1, w1, d1), _refined(k, c, d2, w2, l2)
    taken1, taken2 = x1.square().sum(-2), x.square().sum(-2)
    mixed = (x.mT @ ((x * d1.unsqueeze(-2)) @ x.mT)).mul_(x.mT).sum(-1)  # the diagonal of XᵀX D₁ XᵀX
    squares, step = _row_squares(k), d2 - d1
    by_d1 = 0.5 * ((taken1 - taken2) - step / (d1 * d2))
    by_d2 = 0.5 * (step / d2 / d2 + (2.0 * d1 / d2 - 1.0) * taken2 - (mixed + squares))
    own1, own2 = _own(l1, x1), _own(l2, x)
    turned, coupled = d1.unsqueeze(-1) * own2, k @ c.mT
    by_w2 = own2 - _solved(x, d2, turned) - coupled
    slopes = k[..., -1], by_d1, k[..., :-1] - own1, None, by_d2, by_w2, None
    terms = taken1 * d1, (2.0 * d1 + d2) * taken2, squares * d2, own1, own2, turned / d2.unsqueeze(-1), coupled
    return slopes, steady(slopes, {1: d1, 4: d2}, terms)


def _low_low_near(gap: Tensor, d1: Tensor, w1: Tensor, l1: Tensor, d2: Tensor, w2: Tensor, l2: Tensor) -> Value:
    """The same with every term of second order in the differences. With V = D₂^−½ W, e = D₁/D₂ − 1, f = 1 − D₂/D₁,
    hᵢ = vᵢ C₂⁻¹ vᵢᵀ and the r × r matrix Z = I + V₁ᵀ (1 + e)⁻¹ V₁ − C₂,

        Σ [Λ(e) − e f h₂] + Σ f Δv C₂⁻¹ (v₁ + v₂) + ‖ΔV‖² − ‖L₂⁻¹ V₂ᵀ ΔV‖² − ‖L₂⁻¹ ΔVᵀ‖² + Σ Λ(eig L₂⁻¹ Z L₂⁻ᵀ).
    """
    root = d2.sqrt().unsqueeze(-1)
    w1, w2 = _alike(w1, w2)
    v1, v2, dv = w1 / root, w2 / root, (w1 - w2) / root
    count = v1.shape[-1]
    b1, b2, db = (
        torch.linalg.solve_triangular(_enlarged(l2, count), torch.cat([v1, v2, dv], -2).mT, upper=False)
        .unflatten(-1, (3, -1))
        .unbind(-2)
    )
    e, f = (d1 - d2) / d2, (d1 - d2) / d1
    spread, less = itakura_saito(d1, d2), e * f * b2.square().sum(-2)
    crossed = f * (db * (b1 + b2)).sum(-2)
    moved, known, turned = _squares(dv), _squares(b2 @ dv), _squares(db)
    z = db @ b1.mT + b2 @ db.mT - (b1 * f.unsqueeze(-2)) @ b1.mT
    curved = log_remainder(torch.linalg.eigvalsh(0.5 * (z + z.mT))).sum(-1)
    square = low_rank_square(gap, w2, d2)
    value = (spread - less + crossed).sum(-1) + (moved - known - turned) + curved + square
    size = (spread + less + crossed.abs()).sum(-1) + (moved + known + turned) + curved + square
    return 0.5 * value, torch.where(_near(d1, w1, d2, w2), 0.5 * size, torch.inf), ()


def _near(d1: Tensor, w1: Tensor, d2: Tensor, w2: Tensor) -> Any:
    """Where every D is within half of the other, and W₁ − W₂ is at most half as large as W₂."""
    return ((d1 - d2).abs() < 0.5 * d2).all(-1) & (largest(w1 - w2, 2) <= 0.5 * largest(w2, 2))


def _alike(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """With as many columns, of zeros where one lacks them."""
    count = max(a.shape[-1], b.shape[-1], 1)
    one, other = (torch.nn.functional.pad(x, (0, count - x.shape[-1])) for x in (a, b))
    return one, other


def _enlarged(factor: Tensor, count: int) -> Tensor:
    """The factor of C where W has been given columns of zeros: ones are added to its diagonal."""
    missing = count - factor.shape[-1]
    if not missing:
        return factor
    larger = torch.nn.functional.pad(factor, (0, missing, 0, missing))
    torch.diagonal(larger, dim1=-2, dim2=-1)[..., -missing:] = 1.0
    return larger


def _low_low_near_slopes(
    gap: Tensor, d1: Tensor, w1: Tensor, l1: Tensor, d2: Tensor, w2: Tensor, l2: Tensor
) -> tuple[Slopes, Tensor]:
    """Σ₂⁻¹ − Σ₁⁻¹ = Σ₁⁻¹ (Σ₁ − Σ₂) Σ₂⁻¹, and Σ₁ − Σ₂ = ΔD + ΔW W₂ᵀ + W₁ ΔWᵀ."""
    count1, count2 = w1.shape[-1], w2.shape[-1]
    x1, x2 = _whitened(l1, w1, d1), _whitened(l2, w2, d2)
    own1, own2 = _alike(_own(l1, x1), _own(l2, x2))
    w1, w2 = _alike(w1, w2)
    dw, dd = w1 - w2, d1 - d2
    moved1, moved2 = _solved(x1, d1, dw), _solved(x2, d2, dw)
    taken1, taken2 = x1.square().sum(-2), x2.square().sum(-2)
    by_gap, _ = low_rank_solution(gap, w2, d2)
    terms: list[Tensor] = []

    def between(x: Tensor, d: Tensor, taken: Tensor, moved: Tensor, first: Tensor, product: Tensor) -> tuple[Any, Any]:
        """The diagonal of Σₐ⁻¹ (Σ₁ − Σ₂) Σ₂⁻¹ and its product with W, from Σₐ⁻¹ ΔW, Σₐ⁻¹ W₁ and Σ₂⁻¹ W."""
        middle = (x * dd.unsqueeze(-2)) @ x2.mT
        rest = ((x.mT @ middle) * x2.mT).sum(-1) + (moved * own2 + first * moved2).sum(-1)
        lost, whole = dd * (taken / d2 + taken2 / d), _solved(x, d, dd.unsqueeze(-1) * product)
        inner, outer = w2.mT @ product, first @ (dw.mT @ product)
        wide = d.unsqueeze(-1)
        terms.extend((lost * d, dd.unsqueeze(-1) * product / wide, dw / wide @ inner, outer, dw * own2))
        return dd / (d * d2) - lost + rest, whole + moved @ inner + outer

    by_d1, by_w1 = between(x1, d1, taken1, moved1, own1, own2 + moved2)
    by_d2, by_w2 = between(x2, d2, taken2, moved2, own2 + moved2, own2)
    by_d2 = -(by_d2 + by_gap.square())
    by_w2 = -(by_w2 + by_gap.unsqueeze(-1) * (gap.unsqueeze(-2) @ own2))
    slopes = by_gap, 0.5 * by_d1, by_w1[..., :count1], None, 0.5 * by_d2, by_w2[..., :count2], None
    return slopes, _near(d1, w1, d2, w2) & steady(slopes, {1: d1, 4: d2}, terms)


# q of low rank, p from a Cholesky factor: gap, D₁, W₁, L₁, T₂, and what the dense form knows of Σ₂


def _low_full(gap: Tensor, d1: Tensor, w1: Tensor, l1: Tensor, t2: Tensor, known: Tensor) -> Value:
    size = gap.shape[-1]
    columns = t2.new_zeros((*gap.shape, size + w1.shape[-1] + 1))
    torch.diagonal(columns[..., :size], dim1=-2, dim2=-1).copy_(d1.sqrt())
    columns[..., size:-1] = w1
    columns[..., -1] = gap
    solved = torch.linalg.solve_triangular(t2, columns, upper=False)
    square = torch.diagonal(t2, dim1=-2, dim2=-1).square()
    own, log1 = (d1 / square).sum(-1), _log_det(l1)
    spread = itakura_saito(d1, square).sum(-1) + (_squares(solved) - own)
    return 0.5 * (spread - log1), 0.5 * (spread + log1 + own), (solved,)


def _low_full_slopes(
    gap: Tensor, d1: Tensor, w1: Tensor, l1: Tensor, t2: Tensor, known: Tensor, solved: Tensor
) -> tuple[Slopes, Tensor]:
    size = gap.shape[-1]
    x1 = _whitened(l1, w1, d1)
    taken1 = x1.square().sum(-2)
    turned = torch.linalg.solve_triangular(t2.mT, solved, upper=True)
    diagonal = torch.diagonal(t2, dim1=-2, dim2=-1)
    own = solved[..., :size].square().sum(-2)  # D₁ times the diagonal of Σ₂⁻¹
    by_d1 = 0.5 * ((own - 1.0) / d1 + taken1)
    by_t2 = -(turned @ solved.mT).tril()
    torch.diagonal(by_t2, dim1=-2, dim2=-1).add_(diagonal.reciprocal())
    kept1 = _own(l1, x1)
    slopes = turned[..., -1], by_d1, turned[..., size:-1] - kept1, None, by_t2, None
    return slopes, steady(slopes, {1: d1}, (taken1 * d1, kept1))


# q from a Cholesky factor, p of low rank: gap, T₁, D₂, W₂, L₂, and what the dense form knows of Σ₁


def _full_low(gap: Tensor, t1: Tensor, d2: Tensor, w2: Tensor, l2: Tensor, known: Tensor) -> Value:
    x = _whitened(l2, w2, d2)
    inner = _columns(x @ t1, (x @ gap.unsqueeze(-1)).squeeze(-1))
    squares = t1.square()
    own = torch.diagonal(squares, dim1=-2, dim2=-1)
    spread = itakura_saito(own, d2)
    own.copy_(gap.square())  # where the diagonal was
    spread = (spread + squares.sum(-1) / d2).sum(-1) + _log_det(l2)
    less = _squares(inner)
    return 0.5 * (spread - less), 0.5 * (spread + less), (x, inner)


def _full_low_slopes(
    gap: Tensor, t1: Tensor, d2: Tensor, w2: Tensor, l2: Tensor, known: Tensor, x: Tensor, inner: Tensor
) -> tuple[Slopes, Tensor]:
    own, taken = _own(l2, x), x.square().sum(-2)
    c = torch.linalg.solve_triangular(l2.mT, inner, upper=True)
    k = _less(_columns(t1, gap), w2, c).div_(d2.unsqueeze(-1))
    k, c = _refined(k, c, d2, w2, l2)  # Σ₂⁻¹ [T₁, m₁ − m₂]
    by_t1 = k[..., :-1].tril()
    torch.diagonal(by_t1, dim1=-2, dim2=-1).sub_(torch.diagonal(t1, dim1=-2, dim2=-1).reciprocal())
    squares, coupled = _row_squares(k), k @ c.mT
    by_d2 = 0.5 * (d2.reciprocal() - taken - squares)
    slopes = k[..., -1], by_t1, by_d2, own - coupled, None, None
    return slopes, steady(slopes, {2: d2}, (taken * d2, squares * d2, own, coupled))


LOW_LOW = (Form(_low_low, _low_low_slopes), Form(_low_low_near, _low_low_near_slopes))
LOW_FULL = (Form(_low_full, _low_full_slopes),)
FULL_LOW = (Form(_full_low, _full_low_slopes),)
