"""The law of the importance weight w = p(x, z)/q(z), z ~ q, as nodes and probabilities.

A finite z is enumerated. A continuous z of one to three dimensions is put on a lattice in unconstrained coordinates,
standardised by q, wide enough for q and for the posterior; every second node gives the coarse law that tells the error.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Categorical, Distribution, biject_to
from torch.distributions.transforms import ComposeTransform, SigmoidTransform

from elbo._errors import InputTypeError, InputValueError
from elbo.exact.quadrature import EPS, IntegrationError

Array = NDArray[Any]
Evaluate = Callable[[Array], tuple[Array, Array, Tensor]]
"""Lattice points e ``[n, d]`` -> log q and log p(x, .) as densities in e, ``[b, n]``, and z ``[n, *batch, *event]``."""
DEPTH = 48.0
"""The lattice reaches down to e^-48 of the largest density."""
REACH = 400.0
"""How far from its centre the lattice may reach, in standard deviations of q."""
MAX_DIMENSION = 3
MAX_LATTICE = {1: 1 << 17, 2: 1 << 18, 3: 1 << 20}


class SupportWarning(UserWarning):
    """q misses part of the posterior: bounds converge to log P(x, z in supp q) instead of log p(x)."""


@dataclass(frozen=True)
class Law:
    """Nodes of the weight, ``[b, n]`` in NumPy float64, with the batch shape that b stands for."""

    log_weights: Array
    fine: Array
    """Probabilities of the nodes."""
    coarse: Array
    """Those of the rule with every second node; the same as ``fine`` for a finite z."""
    log_mean: Array
    """log E w, ``[b]``, with the nodes whose probability underflows."""
    points: Tensor
    """z at the nodes, ``[n, *batch, *event]``."""
    batch_shape: torch.Size
    rounding: Array
    """What the rounding of z does to the densities at each node, ``[b, n]``: it matters at the edge of a support."""

    def rounding_under(self, log_shares: Array) -> Array:
        """The same averaged with the shares exp(log_shares), ``[b]``."""
        return np.asarray((np.exp(np.minimum(log_shares, 0.0)) * self.rounding).sum(1))


def law_of_weight(problem: Any, x: Any, q: Distribution, per_deviation: int = 20, order: float = 1.0) -> Law:
    """The law of w with about ``per_deviation`` nodes a standard deviation of q in each coordinate.

    The lattice covers q, p(x, .) and q w^order.

    Raises:
        InputValueError: if z has more than ``MAX_DIMENSION`` continuous dimensions, or shapes do not fit.
        IntegrationError: if the lattice would need too many nodes.
    """
    if not isinstance(q, Distribution):
        raise InputTypeError(f"q is a {type(q).__name__}; write a torch.distributions object, such as Normal(0.0, 1.0)")
    with torch.no_grad():
        x = problem.check_observation(x)
        latent = problem.latent
        if q.event_shape != latent.event_shape:
            raise InputValueError(
                f"q has event_shape {tuple(q.event_shape)} and one z of {type(problem).__name__} has "
                f"{tuple(latent.event_shape)}; wrap q in torch.distributions.Independent, or unwrap it"
            )
        data_shape = torch.Size() if x is None else x.shape[: x.ndim - problem.observation.event_dim]
        batch = torch.broadcast_shapes(data_shape, q.batch_shape)
        if latent.states is not None:
            return _enumerated(problem, x, q, batch)
        if latent.dimension > MAX_DIMENSION:
            raise InputValueError(
                f"z has {latent.dimension} dimensions, more than the {MAX_DIMENSION} that a lattice can cover. What "
                "works: the closed forms of the problem (elbo, gap, log_moment), exact.iwae_from_weights with nodes of "
                "your own (a radial or factorised law of the weight), or draws judged by elbo.evidence"
            )
        return _lattice(problem, x, q, batch, per_deviation, order)


def _enumerated(problem: Any, x: Any, q: Distribution, batch: torch.Size) -> Law:
    states = problem.latent.states
    event = problem.latent.event_shape
    z = states.reshape(len(states), *[1] * len(batch), *event).expand(len(states), *batch, *event)
    # the log-probabilities of torch's Categorical are finite where its probabilities are zero
    log_q = q.probs.log().movedim(-1, 0) if isinstance(q, Categorical) else q.log_prob(z)
    if len(log_q) != len(states):
        raise InputValueError(f"q has {len(log_q)} states and z of {type(problem).__name__} has {len(states)}")
    shape = (len(states), *batch)
    log_joint = _rows(problem.log_joint(x, z), shape)
    log_q_rows = _rows(log_q, shape)
    law = np.exp(log_q_rows)
    total = law.sum(1, keepdims=True)
    if not (np.abs(total - 1.0) <= 1e-9).all():
        raise InputValueError(f"q sums to {total.reshape(-1)[:3].tolist()} over the states of z; it must sum to one")
    law = law / total
    with np.errstate(invalid="ignore", divide="ignore"):
        log_w = np.where(law > 0, log_joint - log_q_rows + np.log(total), 0.0)
    log_mean = _log_sum(np.where(law > 0, log_joint, -np.inf))
    _warn_missed(_log_sum(log_joint) - log_mean, 1e-12)
    return Law(log_w, law, law, log_mean, z, batch, np.zeros_like(law))


def _lattice(problem: Any, x: Any, q: Distribution, batch: torch.Size, per_deviation: int, order: float) -> Law:
    line = problem.latent.dimension == 1
    evaluate = _line(problem, x, q, batch) if line else _space(problem, x, q, batch)
    dimension = problem.latent.dimension
    ends = _ends(evaluate, dimension, order)
    step = 1.0 / per_deviation
    axes = []
    for low, high in ends:
        half = int(np.ceil((high - low) / step / 2))
        axes.append(0.5 * (low + high) + step * np.arange(-half, half + 1))
    n = int(np.prod([len(axis) for axis in axes]))
    if n > MAX_LATTICE[dimension]:
        raise IntegrationError(
            f"a lattice of {n} nodes is needed, more than {MAX_LATTICE[dimension]}: the posterior is far from q or "
            "much narrower. Choose a q nearer to the posterior, or give nodes of your own to exact.iwae_from_weights"
        )
    grid = _grid(axes)
    middle = [len(axis) // 2 for axis in axes]
    even = np.ones(n, dtype=bool)
    for index, centre in zip(np.indices([len(a) for a in axes]).reshape(dimension, -1), middle, strict=True):
        even &= (index - centre) % 2 == 0
    log_q, log_joint, z = evaluate(grid)
    cell = dimension * np.log(step)
    fine = np.exp(log_q + cell)
    with np.errstate(invalid="ignore"):
        log_w = np.where(fine > 0, log_joint - log_q, 0.0)
    if np.isnan(log_w).any() or np.isposinf(log_w).any():
        raise InputValueError("log p(x, z) is NaN or infinite at a z inside the support; check log_joint")
    coarse = np.where(even[None], fine, 0.0)
    log_mean = _log_sum(log_joint) + cell
    _check_support(problem, x, q, log_mean)
    if line:
        rounding = rounding_of_z(_rows(z.reshape(len(z), *batch), (n, *batch)), [log_q, log_joint])
    else:
        rounding = np.zeros_like(fine)
    fine, coarse = fine / fine.sum(1, keepdims=True), coarse / coarse.sum(1, keepdims=True)
    return Law(log_w, fine, coarse, log_mean, z, batch, rounding)


def rounding_of_z(z: Array, log_densities: list[Array]) -> Array:
    """By how much the rounding of z may change the densities at each node, relative, ``[b, n]``.

    An ulp of z, as a share of the step to the next node, times the change of the log densities in one step; where z
    cannot move any more these changes add up, as the density stays while it should go on changing.
    """
    width = np.abs(np.diff(z, axis=1, append=z[:, -1:]))
    ulps = np.minimum(1.0, EPS * np.abs(z) / np.maximum(width, np.finfo(float).tiny))
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


def _line(problem: Any, x: Any, q: Distribution, batch: torch.Size) -> Evaluate:
    """v = centre + scale e, z = T(v) with T from the line onto the support of q."""
    try:
        transform = biject_to(_scalar(q.support))
    except NotImplementedError as missing:
        raise InputTypeError(f"the support {q.support} of q has no known map from the line; use another q") from missing
    event = problem.latent.event_shape
    mean, deviation = _location(q)
    mean, deviation = (t.reshape(q.batch_shape).expand(batch) for t in (mean, deviation))
    centre = transform.inv(mean)
    scale = deviation * torch.exp(-_log_slope(transform, centre, mean))

    def evaluate(e: Array) -> tuple[Array, Array, Tensor]:
        lattice = torch.from_numpy(np.ascontiguousarray(e[:, 0])).reshape(-1, *[1] * len(batch))
        v = centre + scale * lattice
        z = transform(v)
        jacobian = _log_slope(transform, v, z) + torch.log(scale)
        z = z.reshape(*z.shape, *event)
        shape = (len(e), *batch)
        log_q, log_joint = q.log_prob(z) + jacobian, _joint(problem, x, z) + jacobian
        return _rows(log_q, shape), _rows(log_joint, shape), z

    return evaluate


def _scalar(support: Any) -> Any:
    """The constraint on the one coordinate of a z of shape () or (1,)."""
    return getattr(support, "base_constraint", support)


def _log_slope(transform: Any, v: Tensor, z: Tensor) -> Tensor:
    """log dz/dv; torch's own for the logistic function is wrong by up to e^-20, as its softplus turns linear there."""
    if isinstance(transform, ComposeTransform):
        total = torch.zeros_like(v)
        for part in transform.parts:
            after = part(v)
            total, v = total + _log_slope(part, v, after), after
        return total
    if isinstance(transform, SigmoidTransform):
        return -v.abs() - 2.0 * torch.log1p(torch.exp(-v.abs()))
    slope: Tensor = transform.log_abs_det_jacobian(v, z)
    return slope


def _space(problem: Any, x: Any, q: Distribution, batch: torch.Size) -> Evaluate:
    """z = mean + L e with L the Cholesky factor of the covariance of a q on all of R^d."""
    if not bool(torch.isfinite(q.mean).all()) or type(q.support).__name__ == "_Simplex":
        raise InputTypeError(f"in several dimensions q must be a Normal or MultivariateNormal, not {type(q).__name__}")
    factor = q.scale_tril if hasattr(q, "scale_tril") else torch.diag_embed(q.stddev)
    mean, log_volume = q.mean, factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def evaluate(e: Array) -> tuple[Array, Array, Tensor]:
        lattice = torch.from_numpy(e).reshape(len(e), *[1] * len(batch), e.shape[1])
        z = (mean + torch.einsum("...ij,...j->...i", factor, lattice)).expand(len(e), *batch, e.shape[1])
        shape = (len(e), *batch)
        return _rows(q.log_prob(z) + log_volume, shape), _rows(_joint(problem, x, z) + log_volume, shape), z

    return evaluate


def _joint(problem: Any, x: Any, z: Tensor) -> Tensor:
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


def _location(q: Distribution) -> tuple[Tensor, Tensor]:
    """Where q lies and how wide it is: mean and deviation, or quartiles where they are not finite."""
    mean, deviation = q.mean.double(), q.stddev.double()
    known = torch.isfinite(mean) & torch.isfinite(deviation) & (deviation > 0)
    if bool(known.all()):
        return mean, deviation
    low, middle, high = (q.icdf(torch.full_like(mean, p)) for p in (0.25, 0.5, 0.75))
    return torch.where(known, mean, middle), torch.where(known, deviation, (high - low) / 1.35)


def _ends(evaluate: Evaluate, dimension: int, order: float) -> list[tuple[float, float]]:
    """Where the densities, maximised over the other coordinates and the batch, come within ``DEPTH`` of their tops."""
    found = []
    for axis in range(dimension):
        step, reach = (0.25 if dimension == 1 else 0.5), 12.0
        while True:
            e = np.arange(-reach, reach + step / 2, step)
            others = np.zeros(1) if dimension == 1 else np.arange(-min(reach, 12.0), min(reach, 12.0) + 0.75, 1.5)
            grid = _grid([e if a == axis else others for a in range(dimension)])
            near = np.zeros(len(e), dtype=bool)
            log_q, log_joint, _ = evaluate(grid)
            densities = [log_q, log_joint]
            if order not in (0.0, 1.0):
                with np.errstate(invalid="ignore"):
                    densities.append(order * log_joint + (1.0 - order) * log_q)
            for log_density in densities:
                shape = [len(e) if a == axis else len(others) for a in range(dimension)]
                profile = log_density.reshape(-1, *shape)
                profile = np.where(np.isnan(profile), -np.inf, profile)
                profile = profile.max(axis=tuple(a + 1 for a in range(dimension) if a != axis))
                top = profile.max(1, keepdims=True)
                near |= ((profile > top - DEPTH) & np.isfinite(top)).any(0)
            inside = np.flatnonzero(near)
            first, last = int(inside[0]), int(inside[-1])
            if (first > 0 and last < len(e) - 1) or reach >= REACH:
                break
            reach *= 2.0
            step = min(2 * step, 1.0)
        found.append((float(e[max(first - 1, 0)]), float(e[min(last + 1, len(e) - 1)])))
    return found


def _check_support(problem: Any, x: Any, q: Distribution, log_mean: Array) -> None:
    """Warn if some z of the model lies outside supp q and carries posterior mass."""
    whole = biject_to(_scalar(problem.latent.support)) if problem.latent.dimension == 1 else None
    if whole is None:
        return
    z = whole(torch.linspace(-30.0, 30.0, 241, dtype=torch.float64))
    inside: Any = q.support
    if bool(inside.check(z.reshape(-1, *[1] * len(q.batch_shape), *problem.latent.event_shape)).all()):
        return
    evidence = torch.as_tensor(problem.log_evidence(x)).double()
    _warn_missed(np.broadcast_to(evidence.numpy(force=True), evidence.shape).reshape(-1) - log_mean, 1e-10)


def _warn_missed(loss: Array, tolerance: float) -> None:
    """``loss`` is log p(x) - log P(x, z in supp q)."""
    worst = float(np.max(loss))
    if worst > tolerance:
        warnings.warn(
            f"q misses posterior mass: P(z in supp q | x) = {np.exp(-worst):.6g}. For K -> inf the bound converges to "
            f"log P(x, z in supp q), which is log p(x) - {worst:.6g}; give q positive density wherever p(x, z) > 0",
            SupportWarning,
            stacklevel=5,
        )


def _grid(axes: list[Array]) -> Array:
    return np.stack([g.reshape(-1) for g in np.meshgrid(*axes, indexing="ij")], axis=-1)


def _rows(values: Tensor, shape: tuple[int, ...]) -> Array:
    """``[n, *batch]`` to ``[b, n]`` in NumPy float64."""
    return np.ascontiguousarray(values.double().expand(shape).reshape(shape[0], -1).T.numpy(force=True))


def _log_sum(terms: Array) -> Array:
    top = terms.max(1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(terms - top).sum(1)) + top[:, 0])
