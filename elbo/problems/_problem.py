"""What a latent-variable model with known answers offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from elbo._errors import Error, InputTypeError, InputValueError


class UnknownAnswerError(Error, NotImplementedError):
    """A quantity of this problem (or of this problem with this q) has no answer here that could be trusted."""


@dataclass(frozen=True)
class Latent:
    """What a quadrature or an enumeration has to know of z.

    Args:
        event_shape: shape of one z; its number of elements is the ``dimension``.
        support: where z lives, a ``torch.distributions`` constraint on one z.
        states: for a finite latent every z there is, ``[n, *event_shape]``, in the order of enumeration; else ``None``.
    """

    event_shape: torch.Size
    support: constraints.Constraint
    states: Tensor | None = None

    @property
    def dimension(self) -> int:
        """Number of elements of one z."""
        return self.event_shape.numel()

    @property
    def discrete(self) -> bool:
        """Whether expectations are sums over ``states`` rather than integrals."""
        return self.states is not None


class Problem(ABC):
    """A model p(x, z) of which log p(x) and its bounds are known without sampling.

    With w(z) = p(x, z) / q(z), everything here is in nats, one value per x of the batch, and differentiable with
    respect to the parameters of the model and of q wherever it is finite. Parameters broadcast against the batch of x
    as in ``torch.distributions``. A moment that does not exist is returned as ``inf`` from its analytic condition.

    A subclass says at least ``latent``, ``observation``, ``log_joint``, ``log_evidence``, ``elbo``, ``gap``, ``eubo``,
    ``log_moment``, ``moment_interval`` and ``variance_log_weight``; most get the last six from
    :class:`~elbo.problems._conjugate.ConjugateProblem` (the posterior is a known law),
    :class:`~elbo.problems._finite.FiniteProblem` (z is enumerated) or
    :class:`~elbo.problems._line.LineProblem` (z is one number, quadrature).
    """

    formula: ClassVar[str]
    """The model on one line."""
    known: ClassVar[str]
    """What is exact, and by which means."""
    conditions: ClassVar[str] = ""
    """When the moments of the weights exist."""
    source: ClassVar[str] = ""

    @property
    @abstractmethod
    def latent(self) -> Latent:
        """Shape and support of z."""

    @property
    @abstractmethod
    def observation(self) -> constraints.Constraint | None:
        """Where x lives; ``None`` for a target without data, whose x is ``None``."""

    @property
    def prior(self) -> Distribution:
        """p(z)."""
        raise UnknownAnswerError(f"{type(self).__name__} is given by its joint density; use log_joint(x, z)")

    def likelihood(self, z: Tensor) -> Distribution:
        """p(x | z), batched over z."""
        raise UnknownAnswerError(f"{type(self).__name__} is given by its joint density; use log_joint(x, z)")

    def posterior(self, x: Tensor) -> Distribution:
        """p(z | x), where it is a law with a name."""
        raise UnknownAnswerError(
            f"the posterior of {type(self).__name__} is no named law; use log_joint(x, z) - log_evidence(x)"
        )

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x, z), broadcast over sample and batch shapes of x and z."""
        x = self.check_observation(x)
        return log_prob(self.prior, z) + log_prob(self.likelihood(z), x)

    @abstractmethod
    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) = log ∫ p(x, z) dz."""

    @abstractmethod
    def elbo(self, x: Tensor, q: Distribution) -> Tensor:
        """E_q log w = log p(x) - KL(q ‖ p(z|x))."""

    @abstractmethod
    def gap(self, x: Tensor, q: Distribution) -> Tensor:
        """log p(x) - ELBO = KL(q ‖ p(z|x)), accurate also where it is tiny."""

    @abstractmethod
    def eubo(self, x: Tensor, q: Distribution) -> Tensor:
        """E_{p(z|x)} log w = log p(x) + KL(p(z|x) ‖ q), an upper bound."""

    @abstractmethod
    def log_moment(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        """log ∫ p(x, z)^order q(z)^(1-order) dz, that is log E_q w^order; ``inf`` where it diverges.

        For orders above 1 posterior mass outside the support of q makes it ``inf``, as the divergence says (the plain
        expectation over draws from q would silently leave that mass out).
        """

    @abstractmethod
    def moment_interval(self, x: Tensor, q: Distribution) -> tuple[Tensor, Tensor]:
        """The ends of the interval of orders for which :meth:`log_moment` is finite (it holds all between them)."""

    @abstractmethod
    def variance_log_weight(self, x: Tensor, q: Distribution) -> Tensor:
        """Var_q log w, the variance of the one-sample ELBO."""

    # What follows from the above, for every problem.

    def log_weight(self, x: Tensor, z: Tensor, q: Distribution) -> Tensor:
        """log w(z) = log p(x, z) - log q(z)."""
        return self.log_joint(x, z) - log_prob(q, z)

    def tail_index(self, x: Tensor, q: Distribution) -> Tensor:
        """sup{a : E_q w^a < ∞}; the weights have a variance if it exceeds 2, ``inf`` if all moments exist."""
        return self.moment_interval(x, q)[1]

    def weight_moment(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        """E_q (w / p(x))^order; 1 at orders 0 and 1 if q covers the posterior."""
        return torch.exp(self.log_moment(x, q, order) - order * self.log_evidence(x))

    def chi2(self, x: Tensor, q: Distribution) -> Tensor:
        """χ²(p(z|x) ‖ q) = Var_q w / p(x)²; ``inf`` where the variance is infinite.

        A finite value may be too large for its dtype and overflow; :meth:`log_moment` tells the two apart.
        """
        return torch.expm1(self.log_moment(x, q, 2.0) - 2.0 * self.log_evidence(x))

    def cubo(self, x: Tensor, q: Distribution, order: float = 2.0) -> Tensor:
        """(1/n) log E_q w^n for n ≥ 1, an upper bound on log p(x) (Dieng et al. 2017, arXiv:1611.00328)."""
        if not order >= 1:
            raise InputValueError(f"order is {order}; CUBO is an upper bound for order >= 1: write order=2.0")
        return self.log_moment(x, q, order) / order

    def renyi(self, x: Tensor, q: Distribution, alpha: float) -> Tensor:
        """log E_q w^(1-α) / (1-α); the ELBO at α = 1, log p(x) at 0 (Li and Turner 2016, arXiv:1602.02311)."""
        if alpha != alpha:
            raise InputValueError("alpha is NaN; write a real number, such as alpha=0.5")
        return self.elbo(x, q) if alpha == 1 else self.log_moment(x, q, 1.0 - alpha) / (1.0 - alpha)

    @property
    def _dtype(self) -> torch.dtype:
        """What counts and plain numbers become: the dtype of the parameters that are more than a number."""
        tensors = [value for value in vars(self).values() if isinstance(value, Tensor) and value.ndim]
        return tensors[0].dtype if tensors else torch.float64

    def check_observation(self, x: Any) -> Any:
        """x as a tensor; raises ``InputValueError`` outside the support, ``InputTypeError`` if it is no observation."""
        support, name = self.observation, type(self).__name__
        if support is None:
            if x is not None:
                raise InputTypeError(f"{name} has no data: write x=None")
            return None
        if x is None:
            raise InputTypeError(f"{name} needs an observation x, a tensor in {support}")
        if not isinstance(x, Tensor) or not x.is_floating_point():
            x = torch.as_tensor(x).to(self._dtype)
        if x.ndim < support.event_dim:
            raise InputValueError(f"x has shape {tuple(x.shape)}; {name} needs at least {support.event_dim} axes")
        ok = support.check(x)
        if not bool(ok.all()):
            bad = x[~ok].flatten()[: 1 if support.event_dim == 0 else 8].tolist()
            raise InputValueError(f"x has the value {bad}, outside the support of {name}: {support}; write only such x")
        return x


def log_prob(law: Distribution, value: Tensor) -> Tensor:
    """``law.log_prob(value)``, which torch leaves untyped."""
    result: Tensor = law.log_prob(value)
    return result


def parameter(name: str, value: Any, support: constraints.Constraint = constraints.real) -> Tensor:
    """A model parameter as a floating-point tensor (numbers become float64), checked against where it may lie."""
    tensor: Tensor = value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64)
    if not tensor.is_floating_point():
        raise InputTypeError(f"{name} has dtype {tensor.dtype}; write {name}.double()")
    if not bool(tensor.isfinite().all() & support.check(tensor).all()):
        raise InputValueError(f"{name} is {tensor.tolist()}; it must be finite and in {support}")
    return tensor
