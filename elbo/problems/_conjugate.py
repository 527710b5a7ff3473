"""Problems whose posterior is a law with a name."""

from abc import abstractmethod

from torch import Tensor
from torch.distributions import Distribution

from elbo._errors import InputTypeError
from elbo.problems._pairs import Pair, pair
from elbo.problems._problem import Problem


class ConjugateProblem(Problem):
    """log p(x) and p(z|x) are in closed form, so that everything else is a relation between q and p(z|x).

    The ELBO is written out by its definition, E_q log p(x|z) - KL(q ‖ p(z)), and the gap as KL(q ‖ p(z|x)): that
    they add up to log p(x) is then a check, and the gap keeps its digits near zero.
    """

    proposals: str = "a Gaussian"
    """Which q are answered, in words."""

    @abstractmethod
    def posterior(self, x: Tensor) -> Distribution:
        """p(z | x)."""

    @abstractmethod
    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        """E_q log p(x | z), the (negative) reconstruction term."""

    def elbo(self, x: Tensor, q: Distribution) -> Tensor:
        self.check_observation(x)
        kl = self._pair(q, self.prior).kl()
        return self.expected_log_likelihood(x, q) - kl

    def gap(self, x: Tensor, q: Distribution) -> Tensor:
        return self._pair(q, self.posterior(x)).kl()

    def eubo(self, x: Tensor, q: Distribution) -> Tensor:
        return self.log_evidence(x) + self._pair(q, self.posterior(x)).reverse_kl()

    def log_moment(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        return order * self.log_evidence(x) + self._pair(q, self.posterior(x)).log_power(order)

    def moment_interval(self, x: Tensor, q: Distribution) -> tuple[Tensor, Tensor]:
        return self._pair(q, self.posterior(x)).interval()

    def variance_log_weight(self, x: Tensor, q: Distribution) -> Tensor:
        return self._pair(q, self.posterior(x)).variance()

    def chi2(self, x: Tensor, q: Distribution) -> Tensor:
        # not through log E w², which would subtract log p(x) from itself
        return self._pair(q, self.posterior(x)).log_power(2.0).expm1()

    def weight_moment(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        return self._pair(q, self.posterior(x)).log_power(order).exp()

    def _pair(self, q: Distribution, p: Distribution) -> Pair:
        found = pair(q, p)
        if found is None:
            raise InputTypeError(
                f"q is {type(q).__name__} with event shape {tuple(q.event_shape)}; {type(self).__name__} has "
                f"closed forms for {self.proposals} on event shape {tuple(self.latent.event_shape)}"
            )
        return found
