"""Multivariate Gaussian laws: full covariance, low rank plus diagonal, diagonal, and any two of them.

    KL[N(m₁, L₁L₁ᵀ) ‖ N(m₂, L₂L₂ᵀ)] = Σ Λ(Rᵢᵢ) + ½ ‖R‖² + ½ ‖L₂⁻¹ (m₁ − m₂)‖²,      R = L₂⁻¹ (L₁ − L₂)

The textbook form tr(Σ₂⁻¹Σ₁) − d − log det(Σ₂⁻¹Σ₁) loses every digit near equality. Here I + R = L₂⁻¹L₁ is lower
triangular, so that its determinant is that of its diagonal, and only the difference of the factors enters: every term
is non-negative, and there are no eigenvalues whose derivatives could be singular.

A law that was given by its covariance has a factor with the rounding of a Cholesky decomposition. Near equality R is
then corrected once, from R + Rᵀ + R Rᵀ = L₂⁻¹ (Σ₁ − Σ₂) L₂⁻ᵀ, whose right side is made from the difference of the
covariances.
"""

import copy
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, LowRankMultivariateNormal, MultivariateNormal, Normal

from elbo._errors import InputTypeError
from elbo.divergences._elementwise import transformed
from elbo.divergences._kernels import itakura_saito, log_remainder
from elbo.divergences._registry import register

SOURCE = "any textbook; the triangular form is derived in elbo.divergences.multivariate_gaussian"


def _correction(r: Tensor, l2: Tensor, difference: Tensor) -> Tensor:
    """What R lacks, to first order, where the two covariances are close; 0 elsewhere."""
    half = torch.linalg.solve_triangular(l2, difference, upper=False)
    e = torch.linalg.solve_triangular(l2, half.mT, upper=False)
    rest = e - (r + r.mT + r @ r.mT)
    step = torch.tril(rest) - 0.5 * torch.diag_embed(torch.diagonal(rest, dim1=-2, dim2=-1))
    return torch.where(e.abs().amax((-2, -1), keepdim=True) < 0.1, step, torch.zeros_like(step))


def from_factors(l1: Tensor, l2: Tensor, difference: Tensor | None, square: Tensor) -> Any:
    """KL of equal means from Cholesky factors, and the difference of the covariances where it is known better than they
    are."""
    r = torch.linalg.solve_triangular(l2, l1 - l2, upper=False)
    if difference is not None:
        r = r + _correction(r.detach(), l2.detach(), difference.detach())
    diagonal = torch.diagonal(r, dim1=-2, dim2=-1)
    ratio = torch.diagonal(l1, dim1=-2, dim2=-1), torch.diagonal(l2, dim1=-2, dim2=-1)
    # where L₁ is much the smaller, 1 + R has lost its digits and the ratio of the diagonals has not
    spread = torch.where(diagonal > -0.5, log_remainder(diagonal.clamp(min=-0.5)), itakura_saito(*ratio))
    return spread.sum(-1) + 0.5 * (r.square().sum((-2, -1)) + square)


def _square(gap: Tensor, factor: Tensor) -> Any:
    """‖L⁻¹ (m₁ − m₂)‖²."""
    return torch.linalg.solve_triangular(factor, gap.unsqueeze(-1), upper=False).square().sum((-2, -1))


def _low_rank_solution(gap: Tensor, factor: Tensor, diagonal: Tensor) -> tuple[Any, Any]:
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
        y, c = _low_rank_solution(gap, factor, diagonal)
        return (diagonal * y * y).sum(-1) + (c * c).sum(-1), y, c

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs, *output[1:])
        ctx.save_for_forward(*output[1:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
        *inputs, y, c = ctx.saved_tensors
        if torch.is_grad_enabled():
            y, c = _low_rank_solution(*inputs)
        slope = grad.unsqueeze(-1) * y
        return 2.0 * slope, -2.0 * slope.unsqueeze(-1) * c.unsqueeze(-2), -slope * y

    @staticmethod
    def jvp(ctx: Any, gap: Tensor, factor: Tensor, diagonal: Tensor) -> tuple[Tensor, None, None]:
        y, c = ctx.saved_tensors
        slope = 2.0 * (gap - (factor @ c.unsqueeze(-1)).squeeze(-1)) - diagonal * y
        return (slope * y).sum(-1), None, None


def _low_rank_square(gap: Tensor, factor: Tensor, diagonal: Tensor) -> Any:
    batch = torch.broadcast_shapes(gap.shape[:-1], factor.shape[:-2], diagonal.shape[:-1])
    inputs = gap.expand(*batch, -1), factor.expand(*batch, -1, -1), diagonal.expand(*batch, -1)
    return _LowRankSquare.apply(*inputs)[0]


def _mean_square(q: Distribution, p: Distribution, factor: Tensor) -> Any:
    gap = _mean(q) - _mean(p)
    if isinstance(p, LowRankMultivariateNormal):
        return _low_rank_square(gap, p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag)
    return _square(gap, factor)


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
    if transformed() or bool((diagonal.reciprocal().amax(-1) > 16.0 * by_diagonal.abs().amax(-1)).any()):
        kept, solved = _without(v, h, solved)
        by_diagonal = torch.where(h < 0.5, by_diagonal, 1.0 / variance - kept / diagonal)
    wide = variance.unsqueeze(-1)
    inner = v.mT @ v
    near = excess.unsqueeze(-1) / wide * factor + torch.cholesky_solve(inner @ v.mT, lower).mT / root
    far = factor / wide - solved / root
    small = torch.diagonal(inner, dim1=-2, dim2=-1).sum(-1) < 1.0
    by_variance = (variance - diagonal - factor.square().sum(-1)) / variance / variance
    return by_diagonal, by_variance, 2.0 * torch.where(small[..., None, None], near, far)


class _LowRankToDiagonal(torch.autograd.Function):
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


def low_rank_to_diagonal(q: LowRankMultivariateNormal, mean: Tensor, scale: Tensor) -> Any:
    """KL[N(m, D + WWᵀ) ‖ N(mean, diag(scale²))] at the cost of the rank, not of the dimension."""
    diagonal, factor = q._unbroadcasted_cov_diag, q._unbroadcasted_cov_factor
    batch = torch.broadcast_shapes(diagonal.shape[:-1], factor.shape[:-2], scale.shape[:-1])
    inputs = diagonal.expand(*batch, -1), (scale * scale).expand(*batch, -1), factor.expand(*batch, -1, -1)
    shape = _LowRankToDiagonal.apply(*inputs)
    return 0.5 * (shape + ((q.loc - mean) / scale).square().sum(-1))


def _factor(law: Distribution) -> Any:
    if isinstance(law, MultivariateNormal):
        return law._unbroadcasted_scale_tril
    if isinstance(law, LowRankMultivariateNormal):
        return _low_rank_factor(law._unbroadcasted_cov_factor, law._unbroadcasted_cov_diag)
    return torch.diag_embed(_normal(law).scale)


def _low_rank_factor(factor: Tensor, diagonal: Tensor) -> Any:
    """L with L Lᵀ = D + W Wᵀ from the QR decomposition of [W, √D]ᵀ, which never squares the ratio of W to √D."""
    batch = torch.broadcast_shapes(factor.shape[:-2], diagonal.shape[:-1])
    rows = torch.diag_embed(diagonal.sqrt())
    rows = torch.cat([factor.mT.expand(*batch, -1, -1), rows.expand(*batch, -1, -1)], -2)
    upper = torch.linalg.qr(rows).R
    return (torch.diagonal(upper, dim1=-2, dim2=-1).sgn().unsqueeze(-1) * upper).mT


def _in_double(law: Distribution) -> Any:
    """The same law with its parameters in float64 (a copy: a constructor would decompose and validate again)."""
    twin = copy.copy(law)
    for name, value in vars(law).items():
        if isinstance(value, Tensor | Distribution):
            setattr(twin, name, value.double() if isinstance(value, Tensor) else _in_double(value))
    return twin


def _normal(law: Distribution) -> Normal:
    base = law.base_dist if isinstance(law, Independent) else None
    if not isinstance(base, Normal) or law.reinterpreted_batch_ndims != 1:  # type: ignore[attr-defined]
        raise InputTypeError(f"{law} is not a Gaussian vector: write Independent(Normal(loc, scale), 1)")
    return base


def _mean(law: Any) -> Tensor:
    mean: Tensor = _normal(law).loc if isinstance(law, Independent) else law.loc
    return mean


def _covariance(law: Distribution) -> Any:
    if isinstance(law, LowRankMultivariateNormal):
        factor = law._unbroadcasted_cov_factor
        return factor @ factor.mT + torch.diag_embed(law._unbroadcasted_cov_diag)
    if isinstance(law, MultivariateNormal):
        given = vars(law).get("covariance_matrix")
        return given if given is not None else law._unbroadcasted_scale_tril @ law._unbroadcasted_scale_tril.mT
    return torch.diag_embed(_normal(law).scale.square())


def _given(law: Distribution) -> str:
    given = (name for name in vars(law) if name in ("scale_tril", "covariance_matrix", "precision_matrix"))
    return next(given, "covariance_matrix" if isinstance(law, LowRankMultivariateNormal) else "scale_tril")


def _difference(q: Distribution, p: Distribution) -> Any:
    """Σ₁ − Σ₂ with the digits that it has, or None where the factors are what was given."""
    if isinstance(q, LowRankMultivariateNormal) and isinstance(p, LowRankMultivariateNormal):
        diagonal = torch.diag_embed(q._unbroadcasted_cov_diag - p._unbroadcasted_cov_diag)
        w, v = q._unbroadcasted_cov_factor, p._unbroadcasted_cov_factor
        if w.shape[-1] == v.shape[-1]:
            product = (w - v) @ (w + v).mT
            return diagonal + 0.5 * (product + product.mT)
        return diagonal + (w @ w.mT - v @ v.mT)
    kinds = {_given(q), _given(p)}
    if kinds <= {"scale_tril"} or "precision_matrix" in kinds:
        return None
    return _covariance(q) - _covariance(p)


def gaussian_vectors(q: Distribution, p: Distribution) -> Any:
    """KL between any two of MultivariateNormal, LowRankMultivariateNormal and Independent(Normal, 1)."""
    single = _mean(q).dtype is torch.float32
    if single and (isinstance(q, LowRankMultivariateNormal) or isinstance(p, LowRankMultivariateNormal)):
        # with W ≫ √D the covariance is singular in float32, although the law is not
        return gaussian_vectors(_in_double(q), _in_double(p)).float()
    if isinstance(q, LowRankMultivariateNormal) and isinstance(p, Independent):
        return low_rank_to_diagonal(q, _mean(p), _normal(p).scale)
    if _given(q) == _given(p) == "precision_matrix":
        # Σ₂⁻¹Σ₁ = P₂P₁⁻¹: the same function of the precisions, exchanged, with the means whitened by p
        c1, c2 = (torch.linalg.cholesky(vars(law)["precision_matrix"]) for law in (q, p))
        difference = vars(p)["precision_matrix"] - vars(q)["precision_matrix"]
        shift = (c2.mT @ (_mean(q) - _mean(p)).unsqueeze(-1)).squeeze(-1)
        return from_factors(c2, c1, difference, shift.square().sum(-1))
    l2 = _factor(p)
    return from_factors(_factor(q), l2, _difference(q, p), _mean_square(q, p, l2))


FORMULA = "½ [tr(Σ₂⁻¹Σ₁) − d − log det(Σ₂⁻¹Σ₁) + (m₁ − m₂)ᵀ Σ₂⁻¹ (m₁ − m₂)]"
NOTE = (
    "8 ulps times the condition number of p's Cholesky factor and the root of the dimension; 8 if p is diagonal; "
    "16 measured for a cov_factor up to 1e6 times the root of cov_diag, far from equality, and 40 near; float64 within "
    "for float32"
)
for _q, _p in (
    (MultivariateNormal, MultivariateNormal),
    (LowRankMultivariateNormal, LowRankMultivariateNormal),
    (LowRankMultivariateNormal, MultivariateNormal),
    (MultivariateNormal, LowRankMultivariateNormal),
    (LowRankMultivariateNormal, Independent),
    (Independent, LowRankMultivariateNormal),
    (MultivariateNormal, Independent),
    (Independent, MultivariateNormal),
):
    _conditions = "Independent must hold Normal(loc, scale) with one event dimension" if Independent in (_q, _p) else ""
    register(_q, _p, formula=FORMULA, conditions=_conditions, accuracy=float("inf"), note=NOTE, source=SOURCE)(
        gaussian_vectors
    )
