"""The power spherical law."""

import torch
from torch import Tensor

from elbo.distributions import _transport
from elbo.distributions._power import divergence_from_uniform, log_moment
from elbo.distributions._sphere import RotationallySymmetric, log_area


class PowerSpherical(RotationallySymmetric):
    """The law on the unit sphere of R^m with density proportional to (1 + μᵀx)^κ.

        p(x) = (1 + μᵀx)^κ / N,    log N = (α + β) log 2 + β log π + log Γ(α) - log Γ(α + β),
        α = (m-1)/2 + κ,  β = (m-1)/2,

    with respect to the area of the sphere; (1 + μᵀx)/2 is Beta(α, β), and κ = 0 is the uniform law. Everything is
    evaluated in float64 and returned in the dtype of the parameters, to a few ulps of float64 for every m and κ.

    Args:
        mean_direction: μ, unit vectors ``[..., m]`` with m >= 2, float32 or float64.
        concentration: κ >= 0, finite, ``[...]`` broadcast against the batch shape of μ; any scale.
        validate_args: check parameters and values (default: torch's setting).

    Raises:
        InputTypeError: for integer tensors and mixed dtypes.
        InputValueError: for directions that are not of unit length, negative or NaN concentrations, shapes that do not
        fit.

    Conditions: gradients of draws are unbiased in both parameters (implicit reparameterisation of the Beta law by
    quadrature, not torch's approximation, whose gradient is off by 5e-4).

    Source: De Cao & Aziz 2020 (arXiv 2006.04437).

    Example:
        >>> import torch
        >>> law = PowerSpherical(torch.tensor([0.0, 1.0], dtype=torch.float64), 1.5)
        >>> law.mean[1].item()  # κ / (κ + m - 1)
        0.6
        >>> law.entropy().item() < torch.log(torch.tensor(2 * torch.pi)).item()
        True
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """κ log(1 + μᵀx) - log N in nats, with respect to the area of the sphere; -inf opposite to μ if κ > 0."""
        half = torch.clamp(0.5 * self._half_square_distance(value), max=1.0)  # (1 - μᵀx)/2
        log_normaliser = log_moment(self.concentration, self.dimension) + log_area(self.dimension)
        log_kernel: Tensor = torch.special.xlog1py(self.concentration, -half)
        return log_kernel - log_normaliser

    def entropy(self) -> Tensor:
        """log N - κ E log(1 + μᵀx) = log|S| - KL to the uniform law, in nats."""
        return log_area(self.dimension) - divergence_from_uniform(self.concentration, self.dimension)

    def _resultant_length(self) -> Tensor:
        return self.concentration / (self.concentration + (self.dimension - 1))

    def _variances(self) -> tuple[Tensor, Tensor]:
        beta = (self.dimension - 1) / 2
        alpha = beta + self.concentration
        total = alpha + beta
        across = 4 * (alpha / total) * (beta / (total + 1)) / (self.dimension - 1)
        return 4 * (alpha / total) * (beta / total) / (total + 1), across

    def _draw(self, kappa: Tensor, generator: torch.Generator | None) -> Tensor:
        return _transport.draw_power_spherical(kappa, self.dimension, generator)

    def _attach(self, kappa: Tensor, u: Tensor) -> Tensor:
        return _transport.attach(kappa, u, self.dimension, _transport.power_spherical_slope)
