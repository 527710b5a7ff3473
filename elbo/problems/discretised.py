"""A density integrated over unit cells (Z16), and the bounds that dequantisation gives on it."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Beta, Distribution, Uniform, constraints

from elbo._errors import InputTypeError
from elbo.problems._line import LineProblem
from elbo.problems._problem import Latent, parameter
from elbo.problems.beta_binomial import log_beta

logsigmoid = torch.nn.functional.logsigmoid


class DiscretisedLogistic(LineProblem):
    """P(x) = ∫₀¹ p(x + u) du for integer x and a logistic density p: the latent is the position u in the cell.

    log P = log σ(b) + log σ(-a) + log(1 - e^(a - b)) with a = (x - loc)/scale and b = (x + 1 - loc)/scale, which keeps
    its digits where σ(b) - σ(a) is 0 in floating point. With q(u) uniform the ELBO is the dequantisation bound of
    Theis et al.; the gap is KL(q ‖ p(u | x)).

    Args:
        loc: location of the logistic density.
        scale: its scale > 0.

    >>> problem = DiscretisedLogistic(-40.0, 1.0)
    >>> round(problem.log_evidence(torch.tensor(1)).item(), 6)     # σ(42) - σ(41) is 0 in float64
    -41.458675
    >>> q = Uniform(torch.tensor(0.0).double(), 1.0)
    >>> bool(problem.elbo(torch.tensor(1), q) < problem.log_evidence(torch.tensor(1)))
    True
    """

    formula = "P(x) = ∫₀¹ p(x + u) du, p logistic; the latent is u"
    known = "log P(x) in closed form; the posterior of u; ELBO, EUBO, χ², Rényi by a converged trapezoid rule"
    conditions = "Uniform q: every moment exists. Beta(α, β): E_q w^s < ∞ iff s + (1-s) α > 0 and s + (1-s) β > 0"
    source = (
        "Theis et al. 2016, arXiv:1511.01844; Ho et al. 2019, arXiv:1902.00275; Salimans et al. 2017, arXiv:1701.05517"
    )

    def __init__(self, loc: Any = 0.0, scale: Any = 1.0) -> None:
        self.loc = parameter("loc", loc)
        self.scale = parameter("scale", scale, constraints.positive)

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size(), constraints.unit_interval)

    @property
    def observation(self) -> constraints.Constraint:
        return INTEGER

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x + u), the density of the continuous law at u = z inside the cell."""
        t = (self.check_observation(x) + z - self.loc) / self.scale
        return logsigmoid(t) + logsigmoid(-t) - self.scale.log()

    def log_evidence(self, x: Tensor) -> Tensor:
        a = (self.check_observation(x) - self.loc) / self.scale
        b = (self.check_observation(x) + 1 - self.loc) / self.scale
        return logsigmoid(b) + logsigmoid(-a) + torch.log(-torch.expm1(-1 / self.scale))

    def moment_interval(self, x: Tensor, q: Distribution) -> tuple[Tensor, Tensor]:
        x = self.check_observation(x)
        shape = torch.broadcast_shapes(x.shape, self.loc.shape, self.scale.shape, q.batch_shape)
        inf = torch.full(shape, torch.inf, dtype=torch.float64)
        if isinstance(q, Uniform):
            return -inf, inf
        a, b = self._beta(q)
        small, large = torch.minimum(a, b).expand(shape).double(), torch.maximum(a, b).expand(shape).double()
        one = torch.ones_like(inf)
        lower = torch.where(small < 1, -small / torch.where(small < 1, 1 - small, one), -inf)
        upper = torch.where(large > 1, large / torch.where(large > 1, large - 1, one), inf)
        return lower, upper

    @property
    def _line(self) -> constraints.Constraint:
        return constraints.real  # t = logit u: next to u = 1 only t tells how much is left of the cell

    def _log_joint(self, x: Tensor, node: Tensor) -> Tensor:
        return self.log_joint(x, torch.sigmoid(node)) + logsigmoid(node) + logsigmoid(-node)

    def _log_q(self, q: Distribution, node: Tensor) -> Tensor:
        if isinstance(q, Uniform):
            return logsigmoid(node) + logsigmoid(-node)
        a, b = self._beta(q)
        return a * logsigmoid(node) + b * logsigmoid(-node) - log_beta(a, b)

    def _point(self, node: Tensor) -> Tensor:
        return torch.sigmoid(node)

    def _beta(self, q: Distribution) -> tuple[Tensor, Tensor]:
        if not isinstance(q, Beta):
            raise InputTypeError(f"q is {type(q).__name__}; write Uniform(0, 1) or a Beta, the laws of u in the cell")
        return q.concentration1, q.concentration0

    def _scale(self, x: Tensor, q: Distribution | None) -> tuple[Tensor, Tensor]:
        if isinstance(q, Uniform) and bool(((q.low != 0) | (q.high != 1)).any()):
            raise InputTypeError(
                f"q is uniform on [{q.low.tolist()}, {q.high.tolist()}]; the cell is [0, 1]: write Uniform(0, 1)"
            )
        shape = torch.broadcast_shapes(
            x.shape, self.loc.shape, self.scale.shape, q.batch_shape if q is not None else ()
        )
        return torch.zeros(shape, dtype=torch.float64), torch.ones(shape, dtype=torch.float64)


class _Integer(constraints.Constraint):
    """Whole numbers, of either sign."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return value % 1 == 0


INTEGER = _Integer()
