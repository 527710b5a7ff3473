"""Lattice coordinates: where log q and log p(x, .) are evaluated together, and what the rounding of z costs there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution, biject_to
from torch.distributions.transforms import ComposeTransform, SigmoidTransform

from elbo._errors import InputTypeError
from elbo.exact.quadrature import EPS

Array = NDArray[Any]
Evaluate = Callable[[Array], tuple[Array, Array, Tensor]]
"""Lattice points e ``[n, d]`` -> log q and log p(x, .) as densities in e, ``[b, n]``, and z ``[n, *batch, *event]``."""


def rounding_of_z(z: Array, log_densities: list[Array]) -> Array:
    """By how much the rounding of z may change the densities at each node, relative, ``[b, n]``.

    An ulp of z, as a share of the step to the next node, times the change of the log densities in one step; where z
    cannot move any more these changes add up, as the density stays while it should go on changing.
    """
    width = np.abs(np.diff(z, axis=1, append=z[:, -1:]))
    ulps = np.minimum(1.0, EPS * np.abs(z) / np.maximum(width, np.finfo(float).tiny))
    if z.shape[1] > 1 and ulps[:, :-1].max() < 1e-12:
        # far from any edge; a step changes a log density by less than one
        return ulps * float(len(log_densities)) * (ulps < 1.0)
    sound = ulps < 1e-9
    log_width = np.log(np.where(sound, width, 1.0))
    change = np.zeros_like(z)
    with np.errstate(invalid="ignore"):
        for log_density in log_densities:
            # of the density in z: the Jacobian of the lattice is computed from e and does not suffer
            slope = np.abs(np.diff(log_density - log_width, axis=1, append=0.0))
            change += np.where(np.isfinite(slope), np.minimum(slope, 1.0), 0.0)
    # where z has too few digits left for a difference, the slope of the nearest sound node stands in
    sound[:, :-1] &= sound[:, 1:].copy()
    sound[:, -1] = False
    place = np.arange(z.shape[1])
    before = np.maximum.accumulate(np.where(sound, place, 0), axis=1)
    before = np.maximum(before, np.argmax(sound, axis=1)[:, None])
    change = np.take_along_axis(change, before, axis=1)
    error = ulps * change
    total = np.cumsum(np.where(ulps >= 1.0, change, 0.0), axis=1)
    top = np.nan_to_num(log_densities[0], nan=-np.inf).argmax(1)[:, None]
    error += np.abs(total - np.take_along_axis(total, top, axis=1))
    return np.asarray(np.expm1(np.minimum(error, 30.0)))


def on_line(problem: Any, x: Any, q: Distribution, batch: torch.Size) -> Evaluate:
    """v = centre + scale e, z = T(v) with T from the line onto the support of q."""
    try:
        transform = biject_to(scalar_support(q.support))
    except NotImplementedError as missing:
        raise InputTypeError(f"the support {q.support} of q has no known map from the line; use another q") from missing
    event = problem.latent.event_shape
    mean, deviation = location(q)
    mean, deviation = (t.reshape(q.batch_shape).expand(batch) for t in (mean, deviation))
    centre = transform.inv(mean)
    scale = deviation * torch.exp(-log_slope(transform, centre, mean))

    def evaluate(e: Array) -> tuple[Array, Array, Tensor]:
        lattice = torch.from_numpy(np.ascontiguousarray(e[:, 0])).reshape(-1, *[1] * len(batch))
        v = centre + scale * lattice
        z = transform(v)
        jacobian = log_slope(transform, v, z) + torch.log(scale)
        z = z.reshape(*z.shape, *event)
        shape = (len(e), *batch)
        log_q, log_joint = q.log_prob(z) + jacobian, joint_density(problem, x, z) + jacobian
        return rows_of(log_q, shape), rows_of(log_joint, shape), z

    return evaluate


def scalar_support(support: Any) -> Any:
    """The constraint on the one coordinate of a z of shape () or (1,)."""
    return getattr(support, "base_constraint", support)


def log_slope(transform: Any, v: Tensor, z: Tensor) -> Tensor:
    """log dz/dv; torch's own for the logistic function is wrong by up to e^-20, as its softplus turns linear there."""
    if isinstance(transform, ComposeTransform):
        total = torch.zeros_like(v)
        for part in transform.parts:
            after = part(v)
            total, v = total + log_slope(part, v, after), after
        return total
    if isinstance(transform, SigmoidTransform):
        return -v.abs() - 2.0 * torch.log1p(torch.exp(-v.abs()))
    slope: Tensor = transform.log_abs_det_jacobian(v, z)
    return slope


def in_space(problem: Any, x: Any, q: Distribution, batch: torch.Size) -> Evaluate:
    """z = mean + L e with L the Cholesky factor of the covariance of a q on all of R^d."""
    if not bool(torch.isfinite(q.mean).all()) or type(q.support).__name__ == "_Simplex":
        raise InputTypeError(f"in several dimensions q must be a Normal or MultivariateNormal, not {type(q).__name__}")
    factor = q.scale_tril if hasattr(q, "scale_tril") else torch.diag_embed(q.stddev)
    mean, log_volume = q.mean, factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def evaluate(e: Array) -> tuple[Array, Array, Tensor]:
        lattice = torch.from_numpy(e).reshape(len(e), *[1] * len(batch), e.shape[1])
        z = (mean + torch.einsum("...ij,...j->...i", factor, lattice)).expand(len(e), *batch, e.shape[1])
        shape = (len(e), *batch)
        return rows_of(q.log_prob(z) + log_volume, shape), rows_of(joint_density(problem, x, z) + log_volume, shape), z

    return evaluate


def joint_density(problem: Any, x: Any, z: Tensor) -> Tensor:
    """log p(x, z), minus infinity where z cannot be."""
    inside = problem.latent.support.check(z)
    if bool(inside.all()):
        value: Tensor = problem.log_joint(x, z)
        return value
    event = problem.latent.event_shape
    if not bool(inside.any()):
        return torch.full(inside.shape, -torch.inf, dtype=torch.float64)
    some = z.reshape(-1, *event)[inside.reshape(-1)][0]
    safe = torch.where(inside.reshape(*inside.shape, *[1] * len(event)), z, some)
    return torch.where(inside, problem.log_joint(x, safe), -torch.inf)


def location(q: Distribution) -> tuple[Tensor, Tensor]:
    """Where q lies and how wide it is: mean and deviation, or quartiles where they are not finite."""
    mean, deviation = q.mean.double(), q.stddev.double()
    known = torch.isfinite(mean) & torch.isfinite(deviation) & (deviation > 0)
    if bool(known.all()):
        return mean, deviation
    low, middle, high = (q.icdf(torch.full_like(mean, p)) for p in (0.25, 0.5, 0.75))
    return torch.where(known, mean, middle), torch.where(known, deviation, (high - low) / 1.35)


def grid_of(axes: list[Array]) -> Array:
    return np.stack([g.reshape(-1) for g in np.meshgrid(*axes, indexing="ij")], axis=-1)


def rows_of(values: Tensor, shape: tuple[int, ...]) -> Array:
    """``[n, *batch]`` to ``[b, n]`` in NumPy float64."""
    return np.ascontiguousarray(values.double().expand(shape).reshape(shape[0], -1).T.numpy(force=True))


def log_sum(terms: Array) -> Array:
    top = terms.max(1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(terms - top).sum(1)) + top[:, 0])
