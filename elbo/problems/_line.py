"""Integrals over one latent coordinate, batched and differentiable, and the problems that need them."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from elbo._errors import Error, InputTypeError
from elbo.problems._problem import Problem, log_prob

Density = Callable[[Tensor], Tensor]

EPS = torch.finfo(torch.float64).eps
DROP = 90.0
"""Where the log integrand lies this far below its maximum it is left out: a relative 1e-39, times a polynomial."""


class LineRule:
    """Nodes and weights for integrals ∫ exp(log_f(z)) g(z) dz over the real line or (0, ∞).

    z = T(t) with T the identity or exp, t = c + a sinh(u), and the trapezoid rule in u: its
    error falls exponentially in the number of nodes for an analytic integrand. The range is where log_f is within
    ``DROP`` of its largest value, found on a coarse grid around ``centre``; nodes are doubled until the rule agrees
    with that of every other node to ``tolerance``, and it refuses (``Error``) rather than return an integral that has
    not converged.

    Args:
        log_f: maps nodes ``[n, *batch]`` to log integrand values of the same shape; smooth inside the support.
        support: a torch constraint: ``real``, ``positive`` or ``nonnegative``.
        centre: roughly where the integrand lies, in z, any batch shape.
        width: roughly how wide it is there, in t.
    """

    def __init__(
        self, log_f: Density, support: constraints.Constraint, centre: Tensor, width: Tensor, tolerance: float = 1e-11
    ) -> None:
        self.transform = _transform(support)
        with torch.no_grad():
            middle, width = torch.broadcast_tensors(
                _inverse(support, centre.detach().double()), width.detach().double()
            )
            low, high = self._range(log_f, middle, width)
            size = 256
            while True:
                self.nodes, self.log_weights = self._grid(middle, width, low, high, size)
                values = log_f(self.nodes) + self.log_weights
                fine = torch.logsumexp(values, 0)
                coarse = torch.logsumexp(values[::2], 0) + math.log(2.0)
                if bool(((fine - coarse).abs() <= tolerance).all()):
                    break
                size *= 2
                if size > 1 << 15:
                    worst = (fine - coarse).abs().max().item()
                    raise Error(
                        f"{size // 2} nodes leave {worst:.1g} of the integral undecided; the integrand is too rough"
                    )

    def log_integral(self, log_f: Density) -> Tensor:
        """log ∫ exp(log_f)."""
        return torch.logsumexp(log_f(self.nodes) + self.log_weights, 0)

    def mean(self, log_f: Density, g: Density) -> Tensor:
        """∫ exp(log_f) g / ∫ exp(log_f)."""
        weights = torch.softmax(log_f(self.nodes) + self.log_weights, 0)
        return (weights * g(self.nodes)).sum(0)

    def _range(self, log_f: Density, middle: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        u = torch.linspace(-12.0, 12.0, 2401, dtype=torch.float64)
        shape = (-1, *[1] * middle.ndim)
        grid = u.reshape(shape)
        z, log_jacobian = self.transform(middle + width * torch.sinh(grid))
        values = log_f(z) + log_jacobian + torch.log(torch.cosh(grid))
        values = torch.where(values.isnan(), torch.full_like(values, -torch.inf), values)
        inside = values > values.amax(0) - DROP
        place = torch.arange(len(u)).reshape(-1, *[1] * (values.ndim - 1))
        first = torch.where(inside, place, len(u)).amin(0)
        last = torch.where(inside, place, -1).amax(0)
        if bool((first == 0).any() | (last == len(u) - 1).any()) or not bool(values.amax(0).isfinite().all()):
            raise Error("the integrand does not die out inside the range that is searched, or is not finite there")
        return u[first - 1], u[last + 1]

    def _grid(self, middle: Tensor, width: Tensor, low: Tensor, high: Tensor, size: int) -> tuple[Tensor, Tensor]:
        low, high = low.expand(torch.broadcast_shapes(low.shape, middle.shape)), high
        step = (high - low) / size
        u = low + step * torch.arange(size + 1, dtype=torch.float64).reshape(-1, *[1] * low.ndim)
        z, log_jacobian = self.transform(middle + width * torch.sinh(u))
        return z, log_jacobian + torch.log(torch.cosh(u)) + torch.log(width) + torch.log(step)


def _transform(support: constraints.Constraint) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """t -> (z, log dz/dt)."""
    if support is constraints.real:
        return lambda t: (t, torch.zeros_like(t))
    if support in (constraints.positive, constraints.nonnegative):
        return lambda t: (torch.exp(t.clamp(-700.0, 700.0)), t)
    raise InputTypeError(f"no rule for the support {support}; write constraints.real or constraints.positive")


def _inverse(support: constraints.Constraint, z: Tensor) -> Tensor:
    if support is constraints.real:
        return z
    return z.log()


class LineProblem(Problem):
    """One real latent without a conjugate posterior: the trapezoid rule of :class:`LineRule` for whatever is not
    closed.

    They run in float64 and hold to about 1e-13 relative, or raise; whether a moment exists is decided first, by
    :meth:`moment_interval`.
    """

    def check_observation(self, x: Any) -> Any:
        # the rules run in float64, and some of torch's densities round to the dtype of x
        return super().check_observation(x).double()

    def log_evidence(self, x: Tensor) -> Tensor:
        x = self.check_observation(x)
        return self._posterior_rule(x).log_integral(lambda z: self._log_joint(x, z))

    def elbo(self, x: Tensor, q: Distribution) -> Tensor:
        x = self.check_observation(x)
        return self._q_rule(x, q).mean(lambda z: self._log_q(q, z), lambda z: self._log_weight(x, z, q))

    def gap(self, x: Tensor, q: Distribution) -> Tensor:
        return self.log_evidence(x) - self.elbo(x, q)

    def eubo(self, x: Tensor, q: Distribution) -> Tensor:
        x = self.check_observation(x)
        return self._posterior_rule(x, q).mean(lambda z: self._log_joint(x, z), lambda z: self._log_weight(x, z, q))

    def posterior_mean(self, x: Tensor, g: Density = lambda z: z) -> Tensor:
        """E[g(z) | x] for a smooth g; the posterior mean by default."""
        x = self.check_observation(x)
        return self._posterior_rule(x).mean(lambda z: self._log_joint(x, z), lambda z: g(self._point(z)))

    def log_moment(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        x = self.check_observation(x)
        finite = self.moment_exists(x, q, order)
        # an order that surely exists stands in where the wanted one does not, so that no rule meets a divergent
        # integral
        s = torch.where(finite, torch.full_like(finite, order, dtype=torch.float64), 0.5)

        def log_f(z: Tensor) -> Tensor:
            return s * self._log_joint(x, z) + (1 - s) * self._log_q(q, z)

        centre, width = self._scale(x, q)
        value = LineRule(log_f, self._line, centre, width).log_integral(log_f)
        return torch.where(finite, value, torch.full_like(value, torch.inf))

    def moment_exists(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        """Whether E_q w^order is finite; between orders 0 and 1 it always is."""
        lower, upper = self.moment_interval(x, q)
        room = 8 * EPS * max(1.0, abs(order))  # nearer to an end than rounding tells apart counts as at the end
        return ((lower + room < order) & (order < upper - room)) | torch.full_like(
            lower, 0 <= order <= 1, dtype=torch.bool
        )

    def variance_log_weight(self, x: Tensor, q: Distribution) -> Tensor:
        x = self.check_observation(x)
        rule, mean = self._q_rule(x, q), self.elbo(x, q)
        return rule.mean(lambda z: self._log_q(q, z), lambda z: (self._log_weight(x, z, q) - mean) ** 2)

    # The integration variable is z itself, unless a subclass takes another one (densities then carry its Jacobian).

    @property
    def _line(self) -> constraints.Constraint:
        return self.latent.support

    def _log_joint(self, x: Tensor, node: Tensor) -> Tensor:
        return self.log_joint(x, node)

    def _log_q(self, q: Distribution, node: Tensor) -> Tensor:
        return log_prob(q, node)

    def _log_weight(self, x: Tensor, node: Tensor, q: Distribution) -> Tensor:
        return self._log_joint(x, node) - self._log_q(q, node)

    def _point(self, node: Tensor) -> Tensor:
        return node

    @abstractmethod
    def _scale(self, x: Tensor, q: Distribution | None) -> tuple[Tensor, Tensor]:
        """A place and a width, in the coordinate of the rule, near which both q and the posterior have their mass."""

    def _posterior_rule(self, x: Tensor, q: Distribution | None = None) -> LineRule:
        centre, width = self._scale(x, None)
        batch = torch.broadcast_shapes(centre.shape, () if q is None else q.batch_shape)
        return LineRule(lambda z: self._log_joint(x, z), self._line, centre.expand(batch), width)

    def _q_rule(self, x: Tensor, q: Distribution) -> LineRule:
        centre, width = self._scale(x, q)
        return LineRule(lambda z: self._log_q(q, z), self._line, centre, width)
