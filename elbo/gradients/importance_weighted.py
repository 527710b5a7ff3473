"""Gradients of the importance weighted bound L_K: the total gradient, DReG, and two that are biased for it."""

from abc import abstractmethod
from typing import Any

from torch import Tensor

from elbo._errors import InputTypeError
from elbo.bounds import iwae, normalised_weights
from elbo.gradients._estimator import Parameters, Ratio, SurrogateEstimator, check_samples, single, unvalidated
from elbo.gradients.pathwise import reparameterised_noise
from elbo.noise import NoiseLaw


class _MultiSample(SurrogateEstimator):
    of = "iwae"
    power = 1

    def __init__(self, samples: int) -> None:
        self.samples = check_samples(samples)

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        return reparameterised_noise(self, parameters)

    def single_noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        """The law of the noise of one of the draws."""
        return parameters.family.noise(parameters, ())

    def ratio(self, problem: Any, parameters: Parameters, noise: Any) -> Ratio:
        """The estimator as Σ_i ŵ_i^m g_i, with log w and g at the given noise of one draw."""
        values = single(parameters, noise, lambda live, e: self._term(problem, live, parameters, e))
        with unvalidated():
            log_weights = parameters.log_weight(problem, parameters.family.sample(parameters, noise))
        return Ratio(log_weights, values, self.power, self.samples)

    @abstractmethod
    def _term(self, problem: Any, live: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        """What a draw contributes: its gradient, times ŵ^power."""


class IwaeGradient(_MultiSample):
    """∇ log (1/K) Σ_i w_i = Σ ŵ_i ∇ log w_i, the total derivative through the samples; unbiased for ∇ L_K.

    Its signal-to-noise ratio with respect to q falls like K^{-1/2}, with respect to the model it rises like K^{1/2}.

    Args:
        samples: K.

    Source: Burda et al. 2016, arXiv:1509.00519; Rainforth et al. 2018, arXiv:1802.04537.

    >>> import torch
    >>> from elbo import certify, problems
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> q = torch.distributions.Normal(0 * x, x)
    >>> certify(IwaeGradient(8), problems.LinearGaussian(1.0), x, q).unbiased
    True
    """

    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        return iwae(parameters.log_weight(problem, parameters.family.sample(parameters, noise)))

    def _term(self, problem: Any, live: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        return live.log_weight(problem, live.family.sample(live, noise))


class Dreg(_MultiSample):
    """Doubly reparameterised: Σ ŵ_i² (∂ log w_i/∂z_i) (∂z_i/∂φ) for q, Σ ŵ_i ∇_θ log p for the model; unbiased.

    Its signal-to-noise ratio with respect to q rises like K^{1/2}.

    Args:
        samples: K.

    Source: Tucker et al. 2019, arXiv:1810.04152.

    >>> import torch
    >>> from elbo import certify, problems
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> q = torch.distributions.Normal(0 * x, x)
    >>> certify(Dreg(8), problems.LinearGaussian(1.0), x, q).unbiased
    True
    """

    power = 2

    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        z_frozen = frozen.family.sample(frozen, noise)
        weights = normalised_weights(frozen.log_weight(problem, z_frozen))
        encoder = frozen.replaced({n: v for n, v in parameters.items() if not n.startswith("model.")})
        path = encoder.log_weight(problem, encoder.family.sample(encoder, noise), frozen=frozen)
        total = (weights.square() * path).sum()
        if any(name.startswith("model.") for name in parameters):
            total = total + (weights * parameters.log_weight(problem, z_frozen, frozen=frozen)).sum()
        return total

    def ratio(self, problem: Any, parameters: Parameters, noise: Any) -> Ratio:
        if any(name.startswith("model.") for name in parameters):
            raise InputTypeError(
                "DReG weighs the gradients of q by ŵ² and those of the model by ŵ, and the transform takes one power: "
                "certify Dreg for q alone, and IwaeGradient for the model (there the two are the same)"
            )
        return super().ratio(problem, parameters, noise)

    def _term(self, problem: Any, live: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        return live.log_weight(problem, live.family.sample(live, noise), frozen=frozen)


class StickingTheLandingIwae(_MultiSample):
    """Σ ŵ_i (∂ log w_i/∂z_i) (∂z_i/∂φ): biased for ∇ L_K when K > 1; for K → ∞ it follows -∇KL(p(z|x) ‖ q).

    Args:
        samples: K.

    Source: the bias is noted in Tucker et al. 2019, arXiv:1810.04152.

    >>> import torch
    >>> from elbo import certify, problems
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> q = torch.distributions.Normal(0 * x, x)
    >>> certify(StickingTheLandingIwae(8), problems.LinearGaussian(1.0), x, q).unbiased
    False
    """

    biased = True

    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        weights = normalised_weights(frozen.log_weight(problem, frozen.family.sample(frozen, noise)))
        path = parameters.log_weight(problem, parameters.family.sample(parameters, noise), frozen=frozen)
        return (weights * path).sum()

    def _term(self, problem: Any, live: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        return live.log_weight(problem, live.family.sample(live, noise), frozen=frozen)


class WakePhi(_MultiSample):
    """Σ ŵ_i ∇_φ log q(z_i), the wake-phase update of reweighted wake-sleep: no gradient of L_K.

    Args:
        samples: K.

    Source: Bornschein and Bengio 2015, arXiv:1406.2751.

    >>> import torch
    >>> from elbo import certify, problems
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> q = torch.distributions.Normal(0 * x, x)
    >>> certify(WakePhi(8), problems.LinearGaussian(1.0), x, q).unbiased
    False
    """

    biased = True

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        return parameters.family.noise(parameters, (self.samples,))

    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        z = frozen.family.sample(frozen, noise)
        weights = normalised_weights(frozen.log_weight(problem, z))
        return (weights * parameters.family.log_prob(parameters, z)).sum()

    def _term(self, problem: Any, live: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        return live.family.log_prob(live, frozen.family.sample(frozen, noise))
