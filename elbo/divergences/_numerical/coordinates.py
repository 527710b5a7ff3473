"""Coordinates in which a vector law is spread out evenly: x = T(centre + L sinh t), t in R^d.

T maps R^d onto the support, coordinate by coordinate, or onto the simplex by shares x ∝ (e^v, 1), of which each is
known to its last digits, also near the edge. In t a power of the distance decays like an exponential.
"""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution, LowRankMultivariateNormal, MultivariateNormal, biject_to, constraints

from elbo._errors import InputTypeError
from elbo.divergences._numerical.places import drawn, known
from elbo.exact._coordinates import log_slope
from elbo.exact._space import Space
from elbo.exact.quadrature import EPS

Array = NDArray[Any]
DRAWS = 1000
LEAST_ROOT = 0.1  # the least eigenvalue of a correlation matrix that is not strong
CLIP = 4.0  # spreads, beyond which a draw counts no more for the shape
TO_DEVIATION = 1.4826  # median absolute deviation to standard deviation, for a normal law


class Shares:
    """v -> softmax(v, 0) and its log |det ∂x/∂v| = Σ log xᵢ (of all d + 1)."""

    def __call__(self, v: Tensor) -> Tensor:
        return torch.softmax(torch.cat([v, torch.zeros_like(v[..., :1])], -1), -1)

    def inv(self, x: Tensor) -> Tensor:
        return torch.log(x[..., :-1]) - torch.log(x[..., -1:])

    def log_volume(self, v: Tensor, x: Tensor) -> Tensor:
        return torch.log_softmax(torch.cat([v, torch.zeros_like(v[..., :1])], -1), -1).sum(-1)


class Elementwise:
    """The bijection of ``biject_to``, on events with their dimensions flattened."""

    def __init__(self, support: Any, shape: torch.Size) -> None:
        try:
            self.transform = biject_to(support)
            self.shape = torch.Size(self.transform.inverse_shape(shape))  # of v, before it is flattened
            self.dimension = self.shape.numel()
        except NotImplementedError as missing:
            raise InputTypeError(f"the support {support} has no known map from the unconstrained numbers") from missing

    def __call__(self, v: Tensor) -> Tensor:
        x: Tensor = self.transform(v.reshape(*v.shape[:-1], *self.shape))
        return x

    def inv(self, x: Tensor) -> Tensor:
        v: Tensor = self.transform.inv(x)
        return v.reshape(*v.shape[: v.ndim - len(self.shape)], -1)

    def log_volume(self, v: Tensor, x: Tensor) -> Tensor:
        slope = log_slope(self.transform, v.reshape(*v.shape[:-1], *self.shape), x)
        return slope.reshape(*v.shape[:-1], -1).sum(-1)


def bare(support: Any) -> Any:
    """A constraint without the wrapper that mixtures put around it."""
    return support.base_constraint if type(support).__name__ == "MixtureSameFamilyConstraint" else support


def dimension_of(law: Any) -> int:
    """How many coordinates a law has: one less than its elements on the simplex."""
    support = bare(law.support)
    if support == constraints.simplex:
        return int(law.event_shape.numel()) - 1
    return Elementwise(support, law.event_shape).dimension


class Coordinates:
    """Those of one component of a law (``index`` into the last batch dimension), or of the whole.

    ``axes``: along the axes of x, if correlation is not too strong for that: for other laws that have kinks there.
    """

    def __init__(self, law: Any, index: int | None = None, *, axes: bool = False) -> None:
        self.law, self.index = law, index
        support = bare(law.support)
        self.plain = support in (constraints.real, constraints.real_vector) or (
            getattr(support, "base_constraint", None) == constraints.real
        )
        self.transform: Any = Shares() if support == constraints.simplex else Elementwise(support, law.event_shape)
        self.centre, self.factor = self._moments()
        if axes and self.plain:
            spread = self.factor.norm(dim=-1)
            if torch.linalg.eigvalsh(self.factor @ self.factor.mT / spread / spread[:, None])[0] > LEAST_ROOT:
                self.factor = torch.diag(spread)

    def _one(self, tensor: Tensor) -> Tensor:
        """What belongs to this component, of a tensor that starts with the components."""
        return tensor if self.index is None else tensor[self.index]

    def _moments(self) -> tuple[Tensor, Tensor]:
        law = self.law
        if isinstance(law, MultivariateNormal | LowRankMultivariateNormal):
            return self._one(law.loc).double(), self._one(law.scale_tril).double()
        mean, deviation = known(lambda: law.mean), known(lambda: law.stddev)
        if self.plain and isinstance(law, torch.distributions.Independent) and mean is not None:
            mean, deviation = (self._one(x).double().reshape(-1) for x in (mean, deviation))
            if bool((torch.isfinite(mean) & torch.isfinite(deviation) & (deviation > 0)).all()):
                return mean, torch.diag(deviation)
        draws = drawn(law, DRAWS)
        if draws is None:
            return self._searched()
        v = self.transform.inv((draws if self.index is None else draws[:, self.index]).double())
        v = v[torch.isfinite(v).all(-1)]
        centre = v.median(0).values
        spread = TO_DEVIATION * (v - centre).abs().median(0).values
        spread = torch.where(spread > 0, spread, 1.0)
        rows = ((v - centre) / spread).clamp(-CLIP, CLIP)
        covariance = rows.mT @ rows / len(rows) + 1e-9 * torch.eye(len(spread), dtype=v.dtype)
        return centre, spread[:, None] * torch.linalg.cholesky(covariance)

    def _searched(self) -> tuple[Tensor, Tensor]:
        """By the search for a posterior, which asks for nothing but a density."""
        if self.index is not None or isinstance(self.transform, Shares):
            raise InputTypeError(f"{type(self.law).__name__} has no sample method, which tells where its mass is")
        latent = SimpleNamespace(support=self.law.support, event_shape=self.law.event_shape)
        problem = SimpleNamespace(latent=latent, prior=self.law, log_joint=lambda x, z: self.law.log_prob(z))
        space = Space(problem, None)
        space.whiten()
        return space.mean, space.factor

    @property
    def aligned(self) -> bool:
        """Whether every coordinate of t moves one coordinate of v alone."""
        return bool((self.factor == torch.diag(self.factor.diagonal())).all())

    def __call__(self, t: Array) -> tuple[Tensor, Array, Array]:
        """Points ``[n, d]`` -> x ``[n, *event]``, log |det ∂x/∂t|, and what rounding of v does to log densities."""
        e = np.sinh(t)
        v = self.centre + torch.from_numpy(e) @ self.factor.mT
        x = self.transform(v)
        volume = 0.5 * np.log1p(e * e) @ np.ones(len(self.centre)) + float(torch.log(self.factor.diagonal()).sum())
        if not self.plain:
            volume = volume + self.transform.log_volume(v, x).numpy()
        # v is rounded by its own size, and a spread across a narrow ridge may be much smaller
        inverse, size = torch.linalg.inv(self.factor).abs(), np.minimum(np.abs(e), 10.0)
        rounded = (inverse @ self.centre.abs()).numpy() + size @ (inverse @ self.factor.abs()).mT.numpy()
        return x, volume, EPS * ((1.0 + size) * rounded).sum(-1)


def kinks(coordinates: Coordinates, other: Distribution) -> list[list[float]]:
    """Where the other law may have a kink along each axis of t: at its mean, if the axes are those of x."""
    mean = known(lambda: other.mean)
    if not (coordinates.plain and coordinates.aligned) or mean is None or mean.numel() != len(coordinates.centre):
        return [[] for _ in coordinates.centre]
    t = torch.asinh((mean.double().reshape(-1) - coordinates.centre) / coordinates.factor.diagonal())
    return [[value] if math.isfinite(value) else [] for value in t.tolist()]
