"""log ∫ p(x, z) dz over two or three coordinates: whiten by the moments of the posterior, then a product lattice."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import biject_to

from elbo._errors import Error, InputTypeError, InputValueError
from elbo.exact._coordinates import Array, grid_of, joint_density, log_slope, log_sum, rows_of
from elbo.exact._laws import DEPTH, MAX_DIMENSION
from elbo.exact.quadrature import EPS, IntegrationError

MAX_NODES = {2: 1 << 19, 3: 1 << 22}
CHUNK = 1 << 17
"""How many values of log p(x, z) are computed at once."""
SEARCH = 16
"""Half the number of nodes of an axis of the search, which are half a deviation apart."""

Values = Callable[[Array], Array]
"""Whitened points ``[n, d]`` -> log p(x, .) as a density there, ``[b, n]``."""


def free_dimension(latent: Any) -> int:
    """The number of unconstrained coordinates of z: one less than its elements on a simplex."""
    try:
        return torch.Size(biject_to(latent.support).inverse_shape(latent.event_shape)).numel()
    except NotImplementedError as missing:
        raise InputTypeError(
            f"the support {latent.support} of z has no known map from the unconstrained numbers; use "
            "problem.log_evidence(x)"
        ) from missing


class Space:
    """z = T(mean + L e): the coordinates e in which the posterior of every x of the batch has moments near 0 and I."""

    def __init__(self, problem: Any, x: Any) -> None:
        self.problem, self.x, self.latent = problem, x, problem.latent
        self.transform = biject_to(self.latent.support)
        self.shape = self.transform.inverse_shape(self.latent.event_shape)
        self.dimension = torch.Size(self.shape).numel()
        start, width = self._start()
        self.batch = joint_density(problem, x, self.transform(start)).shape
        flat = start.reshape(*start.shape[: start.ndim - len(self.shape)], self.dimension)
        self.mean = flat.expand(*self.batch, self.dimension).clone()
        self.factor = torch.diag_embed(width.reshape(flat.shape).expand_as(self.mean)).clone()

    def _start(self) -> tuple[Tensor, Tensor]:
        """Centre and width of the first search, in unconstrained coordinates: those of the prior, or 0 and 1."""
        zero = torch.zeros(self.shape, dtype=torch.float64)
        try:
            prior = self.problem.prior
            mean, deviation = prior.mean.double(), prior.stddev.double()
        except (Error, NotImplementedError, AttributeError):
            return zero, torch.ones_like(zero)
        if mean.shape[mean.ndim - len(self.latent.event_shape) :] != self.latent.event_shape:
            return zero, torch.ones_like(zero)
        centre = self.transform.inv(mean)
        plain = centre.shape == mean.shape and bool((centre == mean).all())
        width = deviation if plain else torch.ones_like(centre)
        usable = torch.isfinite(centre) & torch.isfinite(width) & (width > 0)
        return torch.where(usable, centre, 0.0), torch.where(usable, width, 1.0)

    def __call__(self, e: Array) -> Array:
        size = max(1, CHUNK // max(1, self.batch.numel()))
        return np.concatenate([self._part(e[i : i + size]) for i in range(0, len(e), size)], axis=1)

    def _part(self, e: Array) -> Array:
        lattice = torch.from_numpy(np.ascontiguousarray(e)).reshape(len(e), *[1] * len(self.batch), self.dimension)
        v = self.mean + torch.einsum("...ij,...j->...i", self.factor, lattice)
        v = v.reshape(len(e), *self.batch, *self.shape)
        z = self.transform(v)
        slope = log_slope(self.transform, v, z)
        # a map that acts on each coordinate alone gives a slope for each
        slope = slope.reshape(*v.shape[: 1 + len(self.batch)], -1).sum(-1)
        volume = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return rows_of(joint_density(self.problem, self.x, z) + slope + volume, (len(e), *self.batch))

    def whiten(self) -> None:
        """Move to the mean and covariance of the posterior, by lattices that zoom in on it.

        Where a lattice is too coarse for p(z|x), the moments of its root of a high order stand in: that is wider.
        """
        line = 0.5 * np.arange(-SEARCH, SEARCH + 1)
        e = grid_of([line] * self.dimension)
        for _ in range(200):
            values = self(e)
            values = np.where(np.isnan(values), -np.inf, values)
            values = values - values.max(1, keepdims=True)
            if not np.isfinite(values.max(1)).all():
                raise IntegrationError("p(x, z) is 0 wherever it was looked for, around the prior; is x possible?")
            power = _tempered(values, 3.0**self.dimension)
            weights = np.exp(power[:, None] * np.where(np.isfinite(values), values, -1e300))
            weights /= weights.sum(1, keepdims=True)
            mean = weights @ e
            second = np.einsum("bn,ni,nj->bij", weights, e, e) - mean[:, :, None] * mean[:, None, :]
            # a lattice cannot tell a spread below its step
            second += 1e-4 * np.eye(self.dimension)
            # the posterior lies beyond the edge: go there with longer steps, instead of narrowing on the edge
            second[np.abs(mean).max(1) > 0.4 * SEARCH] = 2.0 * np.eye(self.dimension)
            roots = np.linalg.eigvalsh(second)
            self._move(mean, np.linalg.cholesky(second))
            if (power == 1.0).all() and np.abs(mean).max() < 0.5 and roots.min() > 0.5 and roots.max() < 2.0:
                return
        raise IntegrationError(
            "the search for the posterior does not settle: p(x, z) may have no finite integral or variance in z, or "
            "several narrow and distant peaks; use problem.log_evidence(x)"
        )

    def _move(self, mean: Array, factor: Array) -> None:
        shift = torch.from_numpy(mean).reshape(self.mean.shape)
        self.mean = self.mean + torch.einsum("...ij,...j->...i", self.factor, shift)
        self.factor = self.factor @ torch.from_numpy(factor).reshape(self.factor.shape)

    def rounding(self) -> Array:
        """A bound on the average change of log p(x, z) by the rounding of v = mean + L e, ``[b]``."""
        inverse = torch.linalg.inv(self.factor).abs()
        size = self.mean.abs() + 3.0 * self.factor.abs().sum(-1)
        lost = 2.0 * EPS * torch.einsum("...ij,...j->...", inverse, size)
        return lost.reshape(-1).numpy(force=True)


def evidence_in_space(problem: Any, x: Any, tolerance: float) -> tuple[Array, Array, torch.Size]:
    """log p(x) and its error bound, ``[b]``, with the batch shape that b stands for."""
    dimension = free_dimension(problem.latent)
    if dimension > MAX_DIMENSION:
        raise InputValueError(
            f"z has {dimension} continuous dimensions, more than the {MAX_DIMENSION} that a lattice can cover. What "
            "works: problem.log_evidence(x) where it is closed, a model with coordinates integrated out analytically, "
            "exact.iwae_from_weights with nodes of your own (a radial or factorised law of the weight), or draws "
            "judged by elbo.evidence"
        )
    space = Space(problem, x)
    space.whiten()
    step, depth = 0.5, min(DEPTH, 16.0 - np.log(tolerance))
    while True:
        axes = _axes(space, step, depth)
        sizes = [len(axis) for axis in axes]
        n = int(np.prod(sizes))
        if n > MAX_NODES[dimension]:
            raise IntegrationError(
                f"a lattice of {' x '.join(map(str, sizes))} nodes is needed, more than {MAX_NODES[dimension]}: log "
                "p(x, z) has structure much finer than its spread, or heavy tails; use problem.log_evidence(x), or a "
                "larger tolerance"
            )
        values = space(grid_of(axes))
        if np.isnan(values).any() or np.isposinf(values).any():
            raise InputValueError("log p(x, z) is NaN or infinite at a z inside the support; check log_joint")
        terms = (values + dimension * np.log(step)).reshape(-1, *sizes)
        fine = log_sum(terms.reshape(len(terms), -1))
        rounding = space.rounding() + 8 * EPS * (1.0 + np.abs(fine))
        error = _node_error(terms, fine) + _cut(terms, fine) + rounding
        allowed = tolerance * np.maximum(1.0, np.abs(fine))
        if (error <= allowed).all():
            return fine, error, space.batch
        if (rounding > allowed).any():
            raise IntegrationError(
                f"rounding alone may change log p(x) by {rounding.max():.2g}, as z is far from 0 by the measure of its "
                "posterior; write a larger tolerance, or use problem.log_evidence(x)"
            )
        step /= 2.0


def _tempered(values: Array, least: float) -> Array:
    """The largest power up to 1 of exp(values) that leaves an effective number of ``least`` nodes, for each row."""

    def count(power: Array) -> Array:
        w = np.exp(power[:, None] * np.where(np.isfinite(values), values, -1e300))
        return np.asarray(w.sum(1) ** 2 / (w**2).sum(1))

    low, high = np.full(len(values), 1e-12), np.ones(len(values))
    enough = count(high) >= least
    for _ in range(40):
        middle = np.sqrt(low * high)
        good = count(middle) >= least
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    return np.where(enough, 1.0, low)


def _axes(space: Space, step: float, depth: float) -> list[Array]:
    """For each coordinate the nodes where the largest log p(x, .) over the others is within ``depth`` of its top."""
    ends = np.full((space.dimension, 2), [-10.0, 10.0])
    search = max(step, 0.5)
    for _ in range(12):
        axes = [np.arange(np.floor(a / search), np.ceil(b / search) + 1) * search for a, b in ends]
        if np.prod([len(a) for a in axes]) > MAX_NODES[space.dimension]:
            raise IntegrationError(
                "log p(x, z) falls off too slowly to be covered by a lattice (heavy tails); use problem.log_evidence(x)"
            )
        values = space(grid_of(axes)).reshape(-1, *[len(a) for a in axes])
        values = np.where(np.isnan(values), -np.inf, values)
        near = (values > values.max(axis=tuple(range(1, values.ndim)), keepdims=True) - depth).any(0)
        grown = False
        for i, axis in enumerate(axes):
            inside = np.flatnonzero(near.any(axis=tuple(j for j in range(space.dimension) if j != i)))
            first, last = int(inside[0]), int(inside[-1])
            reach = ends[i, 1] - ends[i, 0]
            grown |= first == 0 or last == len(axis) - 1
            ends[i, 0] = ends[i, 0] - 0.5 * reach if first == 0 else axis[first - 1]
            ends[i, 1] = ends[i, 1] + 0.5 * reach if last == len(axis) - 1 else axis[last + 1]
        if not grown:
            # whole numbers of steps, and an even number of them: every sublattice sees the same range
            return [np.arange(2 * np.floor(a / step / 2), 2 * np.ceil(b / step / 2) + 1) * step for a, b in ends]
    raise IntegrationError("log p(x, z) does not fall off where it was searched; is it a density in z?")


def _node_error(terms: Array, fine: Array) -> Array:
    """The largest change by keeping every second node of each axis, over all ways to do so, as in ``multi_sample``."""
    d = terms.ndim - 1
    change = np.zeros_like(fine)
    for starts in product((0, 1), repeat=d):
        part = terms[(slice(None), *(slice(s, None, 2) for s in starts))]
        coarse = log_sum(part.reshape(len(part), -1)) + d * np.log(2.0)
        change = np.maximum(change, np.abs(coarse - fine))
    return np.where(change < 1e-4, change**1.25, change)


def _cut(terms: Array, fine: Array) -> Array:
    """What may lie beyond the lattice, relative: the sums over its faces, as often as an axis is long."""
    total = np.zeros_like(fine)
    for axis in range(1, terms.ndim):
        for end in (0, -1):
            face = np.take(terms, end, axis=axis).reshape(len(terms), -1)
            total += np.exp(log_sum(face) - fine) * terms.shape[axis]
    return total
