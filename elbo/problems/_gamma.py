"""What every model with a Gamma prior on a rate has in common."""

from abc import abstractmethod

import torch
from torch import Tensor
from torch.distributions import Distribution, Gamma, Weibull, constraints

from elbo._errors import InputTypeError
from elbo.problems._conjugate import ConjugateProblem
from elbo.problems._kernels import digamma
from elbo.problems._pairs._weibull import EULER
from elbo.problems._problem import Latent


class GammaProblem(ConjugateProblem):
    """z ~ Gamma(A, B), B a rate, and log p(x | z) = h(x) + s(x) log z - t(x) z: then z | x ~ Gamma(A + s, B + t)."""

    proposals = "a Gamma or a Weibull"
    concentration: Tensor
    rate: Tensor

    @property
    def latent(self) -> Latent:
        return Latent(torch.Size(), constraints.positive)

    @property
    def prior(self) -> Gamma:
        return Gamma(*torch.broadcast_tensors(self.concentration, self.rate))

    @abstractmethod
    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """h(x), s(x) and t(x)."""

    def posterior(self, x: Tensor) -> Gamma:
        _, s, t = self.statistics(self.check_observation(x))
        return Gamma(*torch.broadcast_tensors(self.concentration + s, self.rate + t))

    def log_evidence(self, x: Tensor) -> Tensor:
        h, s, t = self.statistics(self.check_observation(x))
        a, b = self.concentration, self.rate
        return h + torch.lgamma(a + s) - torch.lgamma(a) + a * (b / (b + t)).log() - s * (b + t).log()

    def expected_log_likelihood(self, x: Tensor, q: Distribution) -> Tensor:
        h, s, t = self.statistics(self.check_observation(x))
        if isinstance(q, Gamma):
            mean_log, mean = digamma(q.concentration) - q.rate.log(), q.concentration / q.rate
        elif isinstance(q, Weibull):
            mean_log = q.scale.log() - EULER / q.concentration
            mean = q.scale * torch.exp(torch.lgamma(1 + 1 / q.concentration))
        else:
            raise InputTypeError(
                f"q is {type(q).__name__}; {type(self).__name__} has closed forms for {self.proposals}"
            )
        return h + s * mean_log - t * mean
