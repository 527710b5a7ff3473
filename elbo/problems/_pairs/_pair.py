"""Everything that two laws on one space say about importance weights: q proposes, p is the target."""

from abc import ABC, abstractmethod

from torch import Tensor


class Pair(ABC):
    """A proposal q and a target p; values in nats, one for each element of the broadcast batch shape."""

    @abstractmethod
    def kl(self) -> Tensor:
        """KL(q ‖ p)."""

    @abstractmethod
    def reverse_kl(self) -> Tensor:
        """KL(p ‖ q)."""

    @abstractmethod
    def log_power(self, order: float) -> Tensor:
        """log ∫ p^order q^(1-order), ``inf`` where it diverges; (order - 1) times the Rényi divergence of p from q."""

    @abstractmethod
    def interval(self) -> tuple[Tensor, Tensor]:
        """The ends of the orders at which :meth:`log_power` is finite."""

    @abstractmethod
    def variance(self) -> Tensor:
        """Var_q log(p / q)."""
