"""Draws of the cosine w = μᵀx with exact derivatives in the concentration.

A draw is kept as ``u = artanh w``. Implicit reparameterisation of its law gives, with statistic s (w for von
Mises-Fisher, log z for power spherical) and density p of u,

    du/dκ = -∂F/∂κ / p(u) = ∫_u^∞ (s(u') - E s) p(u') du' / p(u) = -∫_-∞^u (s(u') - E s) p(u') du' / p(u),

however u was drawn, so that the gradient through a rejection sampler is unbiased too (the usual one differentiates the
proposal and forgets the acceptance: 13 % off at m = 5, κ = 2). The side is chosen on which s - E s keeps one sign;
then the integrand is positive and a double-exponential rule gives it to rounding.
Source: Figurnov, Mohamed & Mnih 2018 (arXiv 1805.08498), eq. 6; the sampler is Wood 1994 after Ulrich 1984.
"""

from typing import Any

import torch
from torch import Tensor

from elbo._errors import Error
from elbo.distributions._line import in_chunks
from elbo.distributions._power import _log_moment
from elbo.distributions._resultant import _gap_slope, _mean


def _half_line(device: torch.device) -> tuple[Tensor, Tensor]:
    """Nodes and weights of ``∫_0^∞ f(v) dv`` for f of unit scale: v = exp(x - e^-x), equidistant x."""
    x = torch.linspace(-4.0, 7.0, 201, dtype=torch.float64, device=device)
    v = torch.exp(x - torch.exp(-x))
    return v, v * (1 + torch.exp(-x)) * (11.0 / 200)


def _integrate(slope: Tensor, curvature: float | Tensor, integrand: Any) -> Tensor:
    """``∫_0^∞ integrand(v) dv`` where its logarithm has about this slope and curvature at 0."""
    scale = 1 / (slope.abs() + curvature**0.5)
    v, weight = _half_line(slope.device)
    area: Tensor = (integrand(scale * v) * weight).sum(-1, keepdim=True)
    return scale * area


def _growth(p: Tensor, rest: Tensor, v: Tensor) -> Tensor:
    """How much log p grows, p = (1 + tanh u)/2, when u grows by v; ``rest`` is 1 - p, to all its digits."""
    change = rest * torch.expm1(-2 * v)
    return -torch.where(change > -0.5, torch.log1p(change), torch.log(p + rest * torch.exp(-2 * v)))


def von_mises_fisher_slope(u: Tensor, kappa: Tensor, m: int) -> Tensor:
    """du/dκ at a draw u of the von Mises-Fisher law; columns ``[batch, 1]``."""
    a = m - 1
    above, below = torch.sigmoid(2 * u), torch.sigmoid(-2 * u)  # (1+w)/2 and (1-w)/2
    offset = torch.where(
        kappa * kappa <= m, above - below - _mean(kappa, m), _gap_slope(kappa, m) - 2 * below
    )  # w - E w, from the side on which it keeps its digits
    up = offset >= 0
    p, rest = torch.where(up, above, below), torch.where(up, below, above)
    k = torch.where(up, kappa, -kappa)

    def integrand(v: Tensor) -> Tensor:
        gain = -2 * p * rest * torch.expm1(-2 * v) / (p + rest * torch.exp(-2 * v))  # w(u+v) - w(u)
        log_density = k * gain - a * (v - _growth(p, rest, v))
        return (offset.abs() + gain) * torch.exp(log_density)

    return _integrate(-a * (p - rest) + 4 * k * p * rest, a, integrand)


def power_spherical_slope(u: Tensor, kappa: Tensor, m: int) -> Tensor:
    """du/dκ at a draw u of the power spherical law; columns ``[batch, 1]``."""
    beta = (m - 1) / 2
    alpha = beta + kappa
    above, below = torch.sigmoid(2 * u), torch.sigmoid(-2 * u)
    offset = torch.nn.functional.logsigmoid(2 * u) - _log_moment(kappa, m, 1)  # log z - E log z
    up = offset >= 0
    p, rest = torch.where(up, above, below), torch.where(up, below, above)

    def integrand(v: Tensor) -> Tensor:
        gain = _growth(p, rest, v)  # of log p
        loss = -torch.log1p(p * torch.expm1((2 * v).clamp(max=700)))  # of log(1 - p): gain - 2v, without the difference
        log_density = torch.where(up, alpha * gain + beta * loss, alpha * loss + beta * gain)
        return (offset.abs() + torch.where(up, gain, -loss)) * torch.exp(log_density)

    slope = 2 * torch.where(up, alpha * rest - beta * p, beta * rest - alpha * p)
    return _integrate(slope, 4 * (alpha + beta) * above * below + beta, integrand)


class _Slope(torch.autograd.Function):
    """du/dκ of a draw; its own derivative is refused, because leaving it out would be silent and wrong."""

    @staticmethod
    def forward(ctx: Any, kappa: Tensor, u: Tensor, m: int, slope: Any) -> Tensor:
        return in_chunks(lambda a, b: slope(a, b, m), u, kappa)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        raise Error(
            "the second derivative through a draw on the sphere is not available; differentiate a draw once, "
            "or use the closed forms (entropy, elbo.kl), which have all derivatives"
        )


class _Draw(torch.autograd.Function):
    """A draw u that is already made, given the derivative that belongs to its law."""

    @staticmethod
    def forward(kappa: Tensor, u: Tensor, m: int, slope: Any) -> Tensor:
        return u.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        kappa, u, ctx.m, ctx.slope = inputs
        ctx.save_for_backward(kappa, u)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        kappa, u = ctx.saved_tensors
        return gradient * _Slope.apply(kappa, u, ctx.m, ctx.slope), None, None, None


def attach(kappa: Tensor, u: Tensor, dimension: int, slope: Any) -> Tensor:
    """``u`` (float64) with gradient ``slope(u, κ, m)`` towards ``kappa`` (float64, of the same shape)."""
    return _Draw.apply(kappa, u, dimension, slope)  # type: ignore[no-any-return]


def gamma(shape: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard gamma draws (float64), as torch.distributions makes them."""
    return torch._standard_gamma(shape, generator=generator)


def draw_power_spherical(kappa: Tensor, m: int, generator: torch.Generator | None) -> Tensor:
    """u = ½ log(z/(1-z)) for z ~ Beta((m-1)/2 + κ, (m-1)/2), from two gamma draws so that no digit of 1 - z is lost."""
    beta = kappa.new_full(kappa.shape, (m - 1) / 2)
    return 0.5 * (gamma(beta + kappa, generator).log() - gamma(beta, generator).log())


def draw_von_mises_fisher(kappa: Tensor, m: int, generator: torch.Generator | None) -> Tensor:
    """u = artanh w for w ~ (1-w²)^((m-3)/2) e^(κw): the inverse CDF at m = 3, Wood's rejection elsewhere."""
    if m == 3:
        return invert_in_three_dimensions(
            torch.rand(kappa.shape, generator=generator, dtype=kappa.dtype, device=kappa.device), kappa
        )
    a = m - 1
    flat = kappa.reshape(-1)
    result = torch.empty_like(flat)
    waiting = torch.arange(flat.numel(), device=flat.device)
    while waiting.numel():
        k = flat[waiting]
        b = a / (2 * k + torch.hypot(2 * k, k.new_tensor(float(a))))
        half = k.new_full(k.shape, a / 2)
        u = 0.5 * (gamma(half, generator).log() - gamma(half, generator).log() - b.log())
        below = torch.sigmoid(-2 * u)  # (1 - w)/2
        x0, x0_rest = (1 - b) / (1 + b), 2 * b / (1 + b)
        # log of the ratio to its largest value, at w = x0: κ(w - x0) + a log((1 - x0 w)/(1 - x0²))
        log_accept = k * (x0_rest - 2 * below) + a * torch.log((x0_rest + 2 * x0 * below) / (x0_rest * (1 + x0)))
        accepted = torch.rand(k.shape, generator=generator, dtype=k.dtype, device=k.device).log() <= log_accept
        result[waiting[accepted]] = u[accepted]
        waiting = waiting[~accepted]
    return result.reshape(kappa.shape)


def invert_in_three_dimensions(uniform: Tensor, kappa: Tensor) -> Tensor:
    """u with F(tanh u) = ``uniform`` for m = 3, where F(w) = (e^(κw) - e^-κ) / (e^κ - e^-κ); differentiable."""
    tail = -torch.expm1(-2 * kappa)
    positive = torch.where(kappa > 0, kappa, 1.0)
    below = torch.where(kappa > 0, -torch.log1p((uniform - 1) * tail) / (2 * positive), 1 - uniform)
    above = torch.where(
        kappa < 1, torch.log1p(uniform * torch.expm1(2 * kappa.clamp(max=1))) / (2 * positive), 1 - below
    )
    above = torch.where(kappa > 0, above, uniform)
    return 0.5 * (above.log() - below.log())
