"""Functions of the concentration κ of the von Mises-Fisher law on the unit sphere of R^m, to a few ulps at every scale.

With w = μᵀx and ν = m/2 - 1, under the uniform law,

    G(κ) = log E e^(κw) = log 0F1(; m/2; κ²/4) = log[Γ(m/2) (2/κ)^ν I_ν(κ)],    A(κ) = G'(κ) = I_(ν+1)(κ) / I_ν(κ),

A is the mean resultant length and G'' the variance of w. The usual forms lose eps/κ² for small κ, are NaN where I_ν
underflows (m = 1024) and lose eps·κ for large κ; these do not: near a known point everything is an expectation of
positive terms, far from it the saddle point carries the size and a sum of positive terms the rest (see ``_line``).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from elbo.distributions._line import Grid, expect, grid, in_chunks, minus_log1p, tilted_excess


class _Peak(NamedTuple):
    """The law of w at concentration κ about its peak t in u = artanh w, where κ(1-t²) = (m-1)t; ``[batch, ...]``."""

    t: Tensor  # peak
    complement: Tensor  # 1 - t
    slack: Tensor  # 1 - t²
    probability: Tensor  # of the nodes
    mass: Tensor  # ∫ density / density at the peak
    shift: Tensor  # w - t at the nodes, divided by 1 - t²


def _peak(kappa: Tensor, m: int, nodes: Grid) -> _Peak:
    a = m - 1
    root = torch.hypot(2 * kappa, kappa.new_tensor(float(a)))
    t = 2 * kappa / (a + root)
    complement = (a + a / ((root + 2 * kappa) / a)) / (a + root)
    one_plus_s = complement + t * nodes.one_plus_tanh  # 1 + t tanh v
    s = t * nodes.tanh
    share = s / one_plus_s
    if a > 8:  # rounding of order eps a^(1/2) would be felt
        log_density = -a * (minus_log1p(-share, 1 / one_plus_s) + nodes.log_cosh)
    else:
        log_ratio = torch.where(s > -0.5, torch.log1p(s), torch.log(one_plus_s))
        log_density = (share - log_ratio - nodes.log_cosh) * a
    probability, mass = expect(log_density, nodes.log_weight)
    return _Peak(t, complement, complement * (1 + t), probability, mass.unsqueeze(-1), nodes.tanh / one_plus_s)


def _mean_shift(law: _Peak) -> Tensor:
    """E[w] - t."""
    return law.slack * (law.probability * law.shift).sum(-1, keepdim=True)


def _centred(law: _Peak) -> Tensor:
    """w - E[w] at the nodes."""
    return law.slack * (law.shift - (law.probability * law.shift).sum(-1, keepdim=True))


def _is_small(kappa: Tensor, m: int) -> Tensor:
    """Where the law is still near the uniform one: κ sd(w) <= 1."""
    return kappa * kappa <= m


def _log_mgf(kappa: Tensor, m: int) -> Tensor:
    nodes = grid(m, kappa.device)
    uniform, law = _peak(torch.zeros_like(kappa[:1]), m, nodes), _peak(kappa, m, nodes)
    near = torch.where(_is_small(kappa, m), kappa, 0.0)
    small = torch.log1p((uniform.probability * 2 * torch.sinh(near * nodes.tanh / 2) ** 2).sum(-1, keepdim=True))
    ratio = law.t / law.slack * law.t
    saddle = (m - 1) / 2 * (minus_log1p(ratio, 1 / law.slack) + ratio)
    return torch.where(_is_small(kappa, m), small, saddle - torch.log(uniform.mass / law.mass))


def _mean(kappa: Tensor, m: int) -> Tensor:
    nodes = grid(m, kappa.device)
    uniform, law = _peak(torch.zeros_like(kappa[:1]), m, nodes), _peak(kappa, m, nodes)
    tilt = torch.where(_is_small(kappa, m), kappa, 0.0) * nodes.tanh
    odd = (uniform.probability * nodes.tanh * torch.sinh(tilt)).sum(-1, keepdim=True)
    even = (uniform.probability * torch.cosh(tilt)).sum(-1, keepdim=True)
    return torch.where(_is_small(kappa, m), odd / even, law.t + _mean_shift(law))


def _central_cumulant(kappa: Tensor, m: int, order: int) -> Tensor:
    """Cumulant of order 2 or more, from central moments: κ_n = μ_n - Σ_k C(n-1, k-1) κ_k μ_(n-k)."""
    law = _peak(kappa, m, grid(m, kappa.device))
    return cumulant_of(law.probability, _centred(law), order)


def cumulant_of(probability: Tensor, centred: Tensor, order: int) -> Tensor:
    """The cumulant of a centred variable on nodes, ``[batch, 1]``."""
    moments = [(probability * centred**n).sum(-1, keepdim=True) for n in range(order + 1)]
    cumulants: dict[int, Tensor] = {}
    for n in range(2, order + 1):
        value, binomial = moments[n], float(n - 1)  # C(n-1, k-1) at k = 2
        for k in range(2, n - 1):
            value = value - binomial * cumulants[k] * moments[n - k]
            binomial = binomial * (n - k) / k
        cumulants[n] = value
    return cumulants[order]


def _gap(kappa: Tensor, m: int) -> Tensor:
    """κ - G(κ)."""
    nodes = grid(m, kappa.device)
    uniform, law = _peak(torch.zeros_like(kappa[:1]), m, nodes), _peak(kappa, m, nodes)
    log_slack = torch.where(law.t < 0.5, torch.log1p(-law.t * law.t), torch.log(law.slack))
    saddle = (m - 1) * (law.t / (1 + law.t) - 0.5 * log_slack)
    far = saddle + torch.log(uniform.mass / law.mass)
    return torch.where(_is_small(kappa, m), kappa - _log_mgf(kappa, m), far)


def _gap_slope(kappa: Tensor, m: int) -> Tensor:
    """1 - A(κ)."""
    law = _peak(kappa, m, grid(m, kappa.device))
    return torch.where(_is_small(kappa, m), 1 - _mean(kappa, m), law.complement - _mean_shift(law))


def _peak_move(q: _Peak, p: _Peak, step: Tensor, k2: Tensor, a: int) -> Tensor:
    """t2 - t1, from the difference of the two equations κ t² + a t = κ."""
    return step * q.slack / (a + k2 * (q.t + p.t))


def _is_near(q: _Peak, p: _Peak, step: Tensor, move: Tensor, centred: Tensor, spreads: float, slacks: float) -> Tensor:
    """Whether the law at κ2 lies well inside the nodes of the law at κ1: by its spread in w, and by its place in u."""
    spread = (q.probability * centred * centred).sum(-1, keepdim=True).sqrt()
    return (step.abs() * spread <= spreads) & (move.abs() <= slacks * torch.minimum(q.slack, p.slack))


def _bregman(k1: Tensor, k2: Tensor, m: int) -> Tensor:
    """G(κ2) - G(κ1) - A(κ1)(κ2 - κ1), never as a difference of large numbers.

    Near: log1p E1[e^d - 1 - d] with d = (κ2-κ1)(w - A1). Far: the same divergence of the saddle point's value, which is
    (a/2)[x - log1p(x) + (t2-t1)²/(1-t2²)] with 1+x = (1-t1²)/(1-t2²), and of the logarithm of the mass about it.
    """
    nodes = grid(m, k1.device)
    q, p = _peak(k1, m, nodes), _peak(k2, m, nodes)
    step = k2 - k1
    centred = _centred(q)
    a = m - 1
    move = _peak_move(q, p, step, k2, a)
    is_near = _is_near(q, p, step, move, centred, 2.0, 0.85)
    near = torch.log1p(tilted_excess(q.probability, torch.where(is_near, step, 0.0) * centred).unsqueeze(-1))
    x = move * (q.t + p.t) / p.slack
    saddle = a / 2 * (minus_log1p(x, q.slack / p.slack) + move * move / p.slack)
    return torch.where(is_near, near, saddle - torch.log(q.mass / p.mass) - _mean_shift(q) * step)


def _mean_difference(k1: Tensor, k2: Tensor, m: int) -> Tensor:
    """A(κ2) - A(κ1); near equality as E1[(w-A1) expm1(d)] / E1[e^d], whose terms all have the sign of κ2 - κ1."""
    nodes = grid(m, k1.device)
    q, p = _peak(k1, m, nodes), _peak(k2, m, nodes)
    step = k2 - k1
    centred = _centred(q)
    move = _peak_move(q, p, step, k2, m - 1)
    is_near = _is_near(q, p, step, move, centred, 1.0, 0.5)
    d = torch.where(is_near, step, 0.0) * centred
    # e^d overflows only where the probability is zero to any precision
    tilted = torch.where(d < 1, q.probability * torch.expm1(d.clamp(max=1)), torch.exp(torch.log(q.probability) + d))
    tilted = torch.where(d < 1, tilted, tilted - q.probability)
    near = (centred * tilted).sum(-1, keepdim=True) / (1 + tilted_excess(q.probability, d).unsqueeze(-1))
    return torch.where(is_near, near, move + (_mean_shift(p) - _mean_shift(q)))


def along(slopes: tuple[Tensor, Tensor], t1: Tensor | None, t2: Tensor | None) -> Tensor:
    """The derivative along a direction, of which a part that is None is zero."""
    terms = [slope * t for slope, t in zip(slopes, (t1, t2), strict=True) if t is not None]
    return sum(terms[1:], start=terms[0])


class _Cumulant(torch.autograd.Function):
    """G and its derivatives; each is the derivative of the one before."""

    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, m: int, order: int) -> Tensor:
        if order == 0:
            value = in_chunks(lambda k: _log_mgf(k, m), kappa)
        elif order == 1:
            value = in_chunks(lambda k: _mean(k, m), kappa)
        else:
            value = in_chunks(lambda k: _central_cumulant(k, m, order), kappa)
        return value.to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        kappa, ctx.m, ctx.order = inputs
        ctx.save_for_backward(kappa)
        ctx.save_for_forward(kappa)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (kappa,) = ctx.saved_tensors
        return gradient * _Cumulant.apply(kappa, ctx.m, ctx.order + 1), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *rest: None) -> Tensor:
        return _Cumulant.backward(ctx, tangent)[0]


class _Gap(torch.autograd.Function):
    """κ - G(κ) (order 0) and its derivative 1 - A(κ) (order 1)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, m: int, order: int) -> Tensor:
        return in_chunks(lambda k: _gap_slope(k, m) if order else _gap(k, m), kappa).to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        kappa, ctx.m, ctx.order = inputs
        ctx.save_for_backward(kappa)
        ctx.save_for_forward(kappa)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (kappa,) = ctx.saved_tensors
        slope = -_Cumulant.apply(kappa, ctx.m, 2) if ctx.order else _Gap.apply(kappa, ctx.m, 1)
        return gradient * slope, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *rest: None) -> Tensor:
        return _Gap.backward(ctx, tangent)[0]


class _MeanDifference(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(k1: Tensor, k2: Tensor, m: int) -> Tensor:
        return in_chunks(lambda a, b: _mean_difference(a, b, m), k1, k2).to(k1.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        k1, k2, ctx.m = inputs
        ctx.save_for_backward(k1, k2)
        ctx.save_for_forward(k1, k2)

    @staticmethod
    def _slopes(ctx: Any) -> tuple[Tensor, Tensor]:
        k1, k2 = ctx.saved_tensors
        return -_Cumulant.apply(k1, ctx.m, 2), _Cumulant.apply(k2, ctx.m, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        by_q, by_p = _MeanDifference._slopes(ctx)
        return gradient * by_q, gradient * by_p, None

    @staticmethod
    def jvp(ctx: Any, t1: Tensor | None, t2: Tensor | None, *rest: None) -> Tensor:
        return along(_MeanDifference._slopes(ctx), t1, t2)


class _FromUniform(torch.autograd.Function):
    """The divergence from the uniform law, κA(κ) - G(κ)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, m: int) -> Tensor:
        return in_chunks(lambda k: _bregman(k, torch.zeros_like(k[:1]), m), kappa).to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        kappa, ctx.m = inputs
        ctx.save_for_backward(kappa)
        ctx.save_for_forward(kappa)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kappa,) = ctx.saved_tensors
        return gradient * kappa * _Cumulant.apply(kappa, ctx.m, 2), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *rest: None) -> Tensor:
        return _FromUniform.backward(ctx, tangent)[0]


class _Bregman(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(k1: Tensor, k2: Tensor, m: int) -> Tensor:
        return in_chunks(lambda a, b: _bregman(a, b, m), k1, k2).to(k1.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        k1, k2, ctx.m = inputs
        ctx.save_for_backward(k1, k2)
        ctx.save_for_forward(k1, k2)

    @staticmethod
    def _slopes(ctx: Any) -> tuple[Tensor, Tensor]:
        k1, k2 = ctx.saved_tensors
        return (k1 - k2) * _Cumulant.apply(k1, ctx.m, 2), _MeanDifference.apply(k1, k2, ctx.m)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        by_q, by_p = _Bregman._slopes(ctx)
        return gradient * by_q, gradient * by_p, None

    @staticmethod
    def jvp(ctx: Any, t1: Tensor | None, t2: Tensor | None, *rest: None) -> Tensor:
        return along(_Bregman._slopes(ctx), t1, t2)


def log_mgf(concentration: Tensor, dimension: int, order: int = 0) -> Tensor:
    """G(κ) = log 0F1(; m/2; κ²/4), or a derivative of it (1: A, 2: the variance of w); differentiable."""
    return _Cumulant.apply(concentration, dimension, order)  # type: ignore[no-any-return]


def mean_resultant_length(concentration: Tensor, dimension: int) -> Tensor:
    """A(κ) = I_(m/2)(κ) / I_(m/2-1)(κ) = E[μᵀx], differentiable."""
    return log_mgf(concentration, dimension, 1)


def log_mgf_gap(concentration: Tensor, dimension: int) -> Tensor:
    """κ - G(κ) >= 0, which stays of the order (m-1)/2 log κ where G itself grows like κ; differentiable."""
    return _Gap.apply(concentration, dimension, 0)  # type: ignore[no-any-return]


def bregman(concentration_q: Tensor, concentration_p: Tensor, dimension: int) -> Tensor:
    """G(κ_p) - G(κ_q) - A(κ_q)(κ_p - κ_q): the divergence between two laws of one mean direction, differentiable."""
    k1, k2 = torch.broadcast_tensors(concentration_q, concentration_p)
    return _Bregman.apply(k1, k2, dimension)  # type: ignore[no-any-return]


def divergence_from_uniform(concentration: Tensor, dimension: int) -> Tensor:
    """κA(κ) - G(κ): KL from the von Mises-Fisher law to the uniform one, in nats; differentiable."""
    return _FromUniform.apply(concentration, dimension)  # type: ignore[no-any-return]
