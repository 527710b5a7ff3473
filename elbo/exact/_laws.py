"""The law of the importance weight w = p(x, z)/q(z), z ~ q, as nodes and probabilities.

A finite z is enumerated. A continuous z of one to three dimensions is put on a lattice in unconstrained coordinates,
standardised by q, wide enough for q and for the posterior; every second node gives the coarse law that tells the error.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Categorical, Distribution, biject_to

from elbo._errors import InputTypeError, InputValueError
from elbo.exact._coordinates import (
    Evaluate,
    grid_of,
    in_space,
    log_sum,
    on_line,
    rounding_of_z,
    rows_of,
    scalar_support,
)
from elbo.exact.quadrature import IntegrationError

Array = NDArray[Any]
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
    log_joint = rows_of(problem.log_joint(x, z), shape)
    log_q_rows = rows_of(log_q, shape)
    law = np.exp(log_q_rows)
    total = law.sum(1, keepdims=True)
    if not (np.abs(total - 1.0) <= 1e-9).all():
        raise InputValueError(f"q sums to {total.reshape(-1)[:3].tolist()} over the states of z; it must sum to one")
    law = law / total
    with np.errstate(invalid="ignore", divide="ignore"):
        log_w = np.where(law > 0, log_joint - log_q_rows + np.log(total), 0.0)
    log_mean = log_sum(np.where(law > 0, log_joint, -np.inf))
    _warn_missed(log_sum(log_joint) - log_mean, 1e-12)
    return Law(log_w, law, law, log_mean, z, batch, np.zeros_like(law))


def _lattice(problem: Any, x: Any, q: Distribution, batch: torch.Size, per_deviation: int, order: float) -> Law:
    line = problem.latent.dimension == 1
    evaluate = on_line(problem, x, q, batch) if line else in_space(problem, x, q, batch)
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
    grid = grid_of(axes)
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
    log_mean = log_sum(log_joint) + cell
    _check_support(problem, x, q, log_mean)
    if line:
        rounding = rounding_of_z(rows_of(z.reshape(len(z), *batch), (n, *batch)), [log_q, log_joint])
    else:
        rounding = np.zeros_like(fine)
    fine, coarse = fine / fine.sum(1, keepdims=True), coarse / coarse.sum(1, keepdims=True)
    return Law(log_w, fine, coarse, log_mean, z, batch, rounding)


def _ends(evaluate: Evaluate, dimension: int, order: float) -> list[tuple[float, float]]:
    """Where the densities, maximised over the other coordinates and the batch, come within ``DEPTH`` of their tops."""
    found = []
    for axis in range(dimension):
        step, reach = (0.25 if dimension == 1 else 0.5), 12.0
        while True:
            e = np.arange(-reach, reach + step / 2, step)
            others = np.zeros(1) if dimension == 1 else np.arange(-min(reach, 12.0), min(reach, 12.0) + 0.75, 1.5)
            grid = grid_of([e if a == axis else others for a in range(dimension)])
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
    whole = biject_to(scalar_support(problem.latent.support)) if problem.latent.dimension == 1 else None
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
