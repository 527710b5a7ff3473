"""The uniform law on a sphere."""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.distributions import Distribution

from elbo._errors import InputTypeError
from elbo.distributions._sphere import check_dimension, check_value, log_area, uniform_direction, unit_vector


class HypersphericalUniform(Distribution):
    """The uniform law on the unit sphere of R^m.

        p(x) = 1/|S|,    |S| = 2 π^(m/2) / Γ(m/2)

    Args:
        dim: m, at least 2; the sphere itself has dimension m - 1.
        batch_shape: how many such laws (``expand`` makes more).
        dtype: of draws and of results, float32 or float64 (default: torch's default).
        device: of draws and of results.
        validate_args: check values (default: torch's setting).

    Raises:
        InputTypeError: if ``dim`` is not an int or ``dtype`` not a floating-point one.
        InputValueError: if ``dim`` is below 2.

    Example:
        >>> import torch
        >>> law = HypersphericalUniform(3)
        >>> law.entropy().item()  # log 4π
        2.5310242...
        >>> law.sample((7,)).shape
        torch.Size([7, 3])
    """

    support = unit_vector
    has_rsample = True
    arg_constraints = {}  # noqa: RUF012

    def __init__(
        self,
        dim: int,
        *,
        batch_shape: Sequence[int] = (),
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.dim = check_dimension(dim)
        self.dtype = torch.get_default_dtype() if dtype is None else dtype
        if not self.dtype.is_floating_point:
            raise InputTypeError(f"dtype is {self.dtype}, expected a floating-point one: write torch.float64")
        self.device = torch.empty(0, device=device).device
        super().__init__(torch.Size(batch_shape), torch.Size((dim,)), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Self:
        """The same law with another batch shape."""
        new: Self = self._get_checked_instance(HypersphericalUniform, _instance)
        new.dim, new.dtype, new.device = self.dim, self.dtype, self.device
        Distribution.__init__(new, torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Tensor:
        """Zero."""
        return torch.zeros(self._extended_shape(), dtype=self.dtype, device=self.device)

    @property
    def variance(self) -> Tensor:
        """1/m for each coordinate."""
        return torch.full(self._extended_shape(), 1 / self.dim, dtype=self.dtype, device=self.device)

    def rsample(self, sample_shape: Any = (), *, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws ``[*sample_shape, *batch_shape, m]``; there is no parameter to differentiate."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return uniform_direction(shape, generator, self.device).to(self.dtype)

    def sample(self, sample_shape: Any = (), *, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws ``[*sample_shape, *batch_shape, m]``, from torch's generator or the one given."""
        with torch.no_grad():
            return self.rsample(sample_shape, generator=generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """-log|S| in nats at every point of the sphere."""
        if self._validate_args:
            check_value(self, value)
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return torch.full(shape, -log_area(self.dim), dtype=value.dtype, device=value.device)

    def entropy(self) -> Tensor:
        """log|S| in nats."""
        return torch.full(self.batch_shape, log_area(self.dim), dtype=self.dtype, device=self.device)
