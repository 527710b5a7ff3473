"""What the laws on the unit sphere share: area, constraint, checks, and the turn that carries e1 to the mean."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from elbo._errors import InputTypeError, InputValueError


def log_area(dimension: int) -> float:
    """log of the area of the unit sphere of R^m: log 2 + (m/2) log π - log Γ(m/2)."""
    return math.log(2) + dimension / 2 * math.log(math.pi) - math.lgamma(dimension / 2)


class UnitVector(constraints.Constraint):
    """Vectors of length one, up to the rounding of their own entries: ``|‖x‖ - 1| <= (16 + √m) eps``."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        # each entry is rounded by eps/2 of itself, and the length that it was divided by, a sum of m squares, by at
        # most m roundings that behave like √m; 16 leaves room for a rotation or a reflection
        tolerance = (16 + math.sqrt(value.shape[-1])) * torch.finfo(value.dtype).eps
        length: Tensor = torch.linalg.vector_norm(value, dim=-1, dtype=torch.float64)
        return (length - 1).abs() <= tolerance

    def __repr__(self) -> str:  # torch's drops the first letter, for names that begin with an underscore
        return "UnitVector()"


unit_vector = UnitVector()


def check_dimension(dimension: int) -> int:
    """The dimension m of the space around the sphere, at least 2."""
    if isinstance(dimension, bool) or not isinstance(dimension, int):
        raise InputTypeError(
            f"dim is {dimension!r}, expected the number of coordinates as an int: 3 for the sphere in space"
        )
    if dimension < 2:
        raise InputValueError(f"dim is {dimension}, expected at least 2: the sphere of R^2 is the circle")
    return dimension


def check_value(law: Distribution, value: Tensor) -> None:
    """A point of the sphere of floating point, of the law's dimension."""
    m = law.event_shape[0]
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise InputTypeError(
            f"value is {kind}, expected a floating-point tensor of unit vectors: write value.to(torch.float64)"
        )
    if value.dim() < 1 or value.shape[-1] != m:
        raise InputValueError(
            f"value has shape {tuple(value.shape)}, expected [..., {m}]: one unit vector of R^{m} a row"
        )
    if not bool(unit_vector.check(value).all()):
        length = torch.linalg.vector_norm(value, dim=-1).flatten()
        worst = length[(length - 1).abs().nan_to_num(math.inf).argmax()].item()
        raise InputValueError(
            f"value has a row of length {worst!r}, expected 1: write torch.nn.functional.normalize(value, dim=-1)"
        )


def uniform_direction(shape: Sequence[int], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Uniform draws on the unit sphere (float64): normalised Gaussians; signs where the space is a line."""
    gaussian = torch.randn(tuple(shape), generator=generator, dtype=torch.float64, device=device)
    if shape[-1] == 1:
        return torch.where(gaussian < 0, -1.0, 1.0).to(torch.float64)
    direction: Tensor = gaussian / torch.linalg.vector_norm(gaussian, dim=-1, keepdim=True)
    return direction


def turn_towards(mean: Tensor, along: Tensor, across: Tensor) -> Tensor:
    """``along`` in direction ``mean`` and ``across`` orthogonal to it, by the reflection that carries -e1 or e1 to
    ``mean``.

    Of the two signs the one is taken for which the reflection is smooth near ``mean``: the derivative stays below 2,
    where the usual Householder step 0/0 at mean = e1, and Gram-Schmidt on a Gaussian has infinite variance of the
    gradient at m = 3.
    """
    sign = torch.where(mean[..., :1] < 0, -1.0, 1.0).to(mean.dtype)
    first = torch.zeros_like(mean)
    first[..., :1] = sign
    axis = mean + first
    point = torch.cat([-sign * along.unsqueeze(-1), across], dim=-1)
    length = (axis * axis).sum(-1, keepdim=True)
    return point - 2 * axis * ((axis * point).sum(-1, keepdim=True) / length)


class RotationallySymmetric(Distribution):
    """A law on the unit sphere of R^m that depends on x through μᵀx alone, with concentration κ >= 0."""

    support = unit_vector
    has_rsample = True
    arg_constraints = {"mean_direction": unit_vector, "concentration": constraints.nonnegative}  # noqa: RUF012

    mean_direction: Tensor
    concentration: Tensor

    def __init__(
        self, mean_direction: Tensor, concentration: Tensor | float, validate_args: bool | None = None
    ) -> None:
        if not isinstance(mean_direction, Tensor) or not mean_direction.is_floating_point():
            kind = mean_direction.dtype if isinstance(mean_direction, Tensor) else type(mean_direction).__name__
            raise InputTypeError(f"mean_direction is {kind}, expected a floating-point tensor of unit vectors [..., m]")
        if mean_direction.dim() < 1 or mean_direction.shape[-1] < 2:
            raise InputValueError(
                f"mean_direction has shape {tuple(mean_direction.shape)}, expected [..., m] with m >= 2"
            )
        kappa = concentration
        if not isinstance(kappa, Tensor):
            kappa = torch.as_tensor(kappa, dtype=mean_direction.dtype, device=mean_direction.device)
        if kappa.dtype != mean_direction.dtype or kappa.device != mean_direction.device:
            raise InputTypeError(
                f"concentration is {kappa.dtype} on {kappa.device} and mean_direction is {mean_direction.dtype} on "
                f"{mean_direction.device}, expected the same: write concentration.to(mean_direction)"
            )
        try:
            batch_shape = torch.broadcast_shapes(mean_direction.shape[:-1], kappa.shape)
        except RuntimeError:
            raise InputValueError(
                f"mean_direction has batch shape {tuple(mean_direction.shape[:-1])} and concentration "
                f"{tuple(kappa.shape)}, "
                "expected shapes that broadcast: one concentration a direction"
            ) from None
        self.mean_direction = mean_direction.expand(batch_shape + mean_direction.shape[-1:])
        self.concentration = kappa.expand(batch_shape)
        if validate_args is not False and Distribution._validate_args:
            self._check_parameters()
        super().__init__(batch_shape, mean_direction.shape[-1:], validate_args=False)
        if validate_args is None:
            validate_args = bool(Distribution._validate_args)
        self._validate_args = validate_args

    def _check_parameters(self) -> None:
        good = torch.isfinite(self.concentration) & (self.concentration >= 0)
        if not bool(good.all()):
            raise InputValueError(
                f"concentration holds {self.concentration[~good][0].item()!r}, expected finite numbers >= 0"
            )
        if not bool(unit_vector.check(self.mean_direction).all()):
            length = torch.linalg.vector_norm(self.mean_direction, dim=-1).flatten()
            worst = length[(length - 1).abs().nan_to_num(math.inf).argmax()].item()
            raise InputValueError(
                f"mean_direction has a row of length {worst!r}, expected 1: "
                "write torch.nn.functional.normalize(mean_direction, dim=-1)"
            )

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Self:
        """The same law with a larger batch shape."""
        new: Self = self._get_checked_instance(type(self).__mro__[0], _instance)
        shape = torch.Size(batch_shape)
        new.mean_direction = self.mean_direction.expand(shape + self.event_shape)
        new.concentration = self.concentration.expand(shape)
        Distribution.__init__(new, shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def dimension(self) -> int:
        """The number m of coordinates; the sphere has dimension m - 1."""
        return self.event_shape[0]

    @property
    def mode(self) -> Tensor:
        """The mean direction (any direction, at κ = 0)."""
        return self.mean_direction

    @property
    def mean(self) -> Tensor:
        """E x = E[μᵀx] μ, which is shorter than 1."""
        return self._resultant_length().unsqueeze(-1) * self.mean_direction

    @property
    def variance(self) -> Tensor:
        """The variance of each coordinate: μ_i² var(w) + (1 - μ_i²) E[1 - w²] / (m - 1)."""
        along, across = self._variances()
        square = self.mean_direction**2
        return square * along.unsqueeze(-1) + (1 - square) * across.unsqueeze(-1)

    def sample(self, sample_shape: Any = (), *, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws ``[*sample_shape, *batch_shape, m]``, from torch's generator or the one given."""
        with torch.no_grad():
            return self.rsample(sample_shape, generator=generator)

    def rsample(self, sample_shape: Any = (), *, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws whose gradient towards both parameters is unbiased for every m (implicit reparameterisation)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        kappa = self.concentration.to(torch.float64).expand(shape[:-1])
        with torch.no_grad():
            u = self._draw(kappa, generator)
        u = self._attach(kappa, u)
        across = uniform_direction((*shape[:-1], shape[-1] - 1), generator, kappa.device) / torch.cosh(u).unsqueeze(-1)
        mean = self.mean_direction.to(torch.float64).expand(shape)
        return turn_towards(mean, torch.tanh(u), across).to(self.concentration.dtype)

    @abstractmethod
    def _resultant_length(self) -> Tensor: ...

    @abstractmethod
    def _variances(self) -> tuple[Tensor, Tensor]: ...

    @abstractmethod
    def _draw(self, kappa: Tensor, generator: torch.Generator | None) -> Tensor: ...

    @abstractmethod
    def _attach(self, kappa: Tensor, u: Tensor) -> Tensor: ...

    def _half_square_distance(self, value: Tensor) -> Tensor:
        """1 - μᵀx as ½‖x - μ‖², which keeps its digits for concentrated laws and forgives the rounding of ‖x‖."""
        if self._validate_args:
            check_value(self, value)
        return 0.5 * ((value - self.mean_direction) ** 2).sum(-1)
