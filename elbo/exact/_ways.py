"""The ways to a certificate: enumeration of the noise, quadrature nodes in its place, or the transform of a ratio."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elbo._errors import Error, InputTypeError, InputValueError
from elbo.exact.quadrature import EPS, piecewise_legendre
from elbo.exact.ratio import ratio_moments, squeezed
from elbo.exact.tensor import tensor_rule
from elbo.noise import Finite, NoiseLaw, Product, StandardNormal, Uniform

NODE_LIMIT = 60_000
"""Most noise nodes at which an estimator is evaluated; above it another way is looked for."""
CHUNK = 4096


class DoesNotApply(Exception):
    """This way cannot certify this estimator; the message says why."""


Found = tuple[Any, Any, float, float, dict[str, Tensor], str]
"""Mean ``[p]``, covariance, their error bounds, one gradient as a template for shapes, and how it was obtained."""


def by_enumeration(estimator: Any, problem: Any, parameters: Any, law: NoiseLaw, tolerance: float) -> Found:
    size = _outcomes(law)
    if size > 20 * NODE_LIMIT:
        raise DoesNotApply(f"its noise has {size} outcomes, more than {20 * NODE_LIMIT} to enumerate")
    points, weights = law.enumerate()
    values, template = _evaluate(estimator, problem, parameters, points, len(weights))
    mean, covariance, scale = _moments(values, weights.numpy(force=True))
    error = 32 * EPS * scale
    return mean, covariance, error, error * scale, template, f"enumeration of {len(weights)} outcomes"


def by_nodes(estimator: Any, problem: Any, parameters: Any, law: NoiseLaw, tolerance: float) -> Found:
    dimension = sum(factor.event_shape.numel() for factor in _factors(law) if not isinstance(factor, Finite))
    breaks = estimator.breakpoints(problem, parameters) if hasattr(estimator, "breakpoints") else None
    before = None
    order, change, size = (4 if breaks else 12), float("inf"), 0
    while True:
        try:
            points, weights = _piecewise(law, breaks, order) if breaks else _nodes(law, order, dimension)
        except InputValueError as too_many:
            reason = f"{dimension} noise coordinates at order {order} need too many nodes ({too_many})"
            if before is not None:
                reason += f"; {size} nodes leave an error of {change:.2g}"
            raise DoesNotApply(reason) from too_many
        size = len(weights)
        values, template = _evaluate(estimator, problem, parameters, points, size)
        mean, covariance, scale = _moments(values, weights)
        if before is not None:
            mean_change = float(np.abs(mean - before[0]).max(initial=0.0))
            covariance_change = float(np.abs(covariance - before[1]).max(initial=0.0))
            change = max(mean_change, covariance_change / max(scale, 1.0))
            if change <= tolerance * (1.0 + scale):
                rounding = 64 * EPS * (1.0 + scale)
                how = f"{size} nodes, order {order} in each of {dimension} coordinates"
                errors = (mean_change + rounding, covariance_change + rounding * scale)
                return mean, covariance, *errors, template, how
        before, order = (mean, covariance), 2 * order


def by_lattice(estimator: Any, problem: Any, parameters: Any, law: NoiseLaw, tolerance: float) -> Found:
    """A trapezoid rule over one or two normals, for estimates too rough for Gauss-Hermite."""
    dimension = law.event_shape.numel()
    if not isinstance(law, StandardNormal) or dimension > 2:
        raise DoesNotApply(f"a lattice takes one or two normal coordinates, and its noise is {law}")
    points, fine, coarse = _normal_lattice(dimension, law.event_shape)
    keep = fine > 0
    values, template = _evaluate(estimator, problem, parameters, points[torch.from_numpy(keep)], int(keep.sum()))
    mean, covariance, scale = _moments(values, fine[keep])
    other_mean, other_covariance, _ = _moments(values, coarse[keep])
    # halving the step raises the error of the rule to a power of at least 1.41 (see multi_sample)
    mean_error = float(squeezed(mean - other_mean, np.full_like(mean, scale)).max()) + 64 * EPS * scale
    size = np.full_like(covariance, scale**2)
    covariance_error = float(squeezed(covariance - other_covariance, size).max()) + 64 * EPS * scale**2
    if not max(mean_error, covariance_error / max(scale, 1.0)) <= tolerance * (1.0 + scale):
        raise DoesNotApply(f"a lattice of {len(values)} nodes leaves an error bound of {mean_error:.2g}")
    return mean, covariance, mean_error, covariance_error, template, f"trapezoid rule of {len(values)} nodes"


def by_transform(estimator: Any, problem: Any, parameters: Any, law: NoiseLaw, tolerance: float) -> Found:
    if not hasattr(estimator, "ratio"):
        raise DoesNotApply("it has no ratio() to go through the transform")
    single = estimator.single_noise(problem, parameters)
    if is_finite(single):
        points, probabilities = single.enumerate()
        fine = coarse = probabilities.numpy(force=True)
    else:
        dimension = single.event_shape.numel()
        if dimension > 2 or not isinstance(single, StandardNormal):
            raise DoesNotApply(f"one draw has {dimension} noise coordinates; the transform takes at most 2 normal ones")
        points, fine, coarse = _normal_lattice(dimension, single.event_shape)
    try:
        found = estimator.ratio(problem, parameters, points)
    except Error as no:
        raise DoesNotApply(str(no)) from no
    template = {name: value[0] for name, value in found.values.items()}
    columns = np.concatenate([_flat(value) for value in found.values.values()], axis=1)
    log_weights = found.log_weights.detach().double().numpy(force=True)
    with np.errstate(divide="ignore"):
        # far nodes that the law hardly has, where the square of the weight is no number
        keep = fine > 0
    moments = ratio_moments(
        log_weights[keep],
        fine[keep],
        columns[keep],
        found.samples,
        found.power,
        None if fine is coarse else coarse[keep],
    )
    how = f"transform over {int(keep.sum())} nodes of one draw, K = {found.samples}"
    errors = float(moments.mean_error.max()), float(moments.covariance_error.max())
    scale = 1.0 + float(np.abs(moments.mean).max()) + float(np.abs(moments.covariance).max()) ** 0.5
    if not max(errors) <= tolerance * scale:
        raise DoesNotApply(f"the transform leaves an error bound of {max(errors):.2g}; the weights are too wide for it")
    return moments.mean, moments.covariance, *errors, template, how


def _evaluate(estimator: Any, problem: Any, parameters: Any, points: Any, n: int) -> tuple[Any, dict[str, Tensor]]:
    """The gradients at all nodes, ``[n, p]``."""
    rows, template = [], None
    for start in range(0, n, CHUNK):
        part = _slice(points, start, min(start + CHUNK, n))
        if hasattr(estimator, "draws"):
            gradients = estimator.draws(problem, parameters, part)
        else:
            each = [estimator(problem, parameters, _index(part, i)) for i in range(min(CHUNK, n - start))]
            gradients = {name: torch.stack([torch.as_tensor(g[name]) for g in each]) for name in each[0]}
        if not isinstance(gradients, Mapping) or not gradients:
            raise InputTypeError(
                f"{estimator!r} returned {type(gradients).__name__}; return a dict, one tensor a parameter"
            )
        template = {name: value[0].detach() for name, value in gradients.items()}
        rows.append(np.concatenate([_flat(value) for value in gradients.values()], axis=1))
    assert template is not None
    values = np.concatenate(rows)
    if not np.isfinite(values).all():
        raise InputValueError(
            f"{estimator!r} is not finite at noise node {int(np.argwhere(~np.isfinite(values))[0, 0])}"
        )
    return values, template


def _moments(values: Any, weights: Any) -> tuple[Any, Any, float]:
    weights = np.asarray(weights, dtype=np.float64)
    mean = weights @ values
    centred = values - mean
    covariance = (weights[:, None] * centred).T @ centred
    scale = float(np.sqrt(weights @ values**2).max(initial=0.0))
    return mean, covariance, scale


def _nodes(law: NoiseLaw, order: int, dimension: int) -> tuple[Any, Any]:
    # an estimate that needs more nodes than this is too rough for Gauss-Hermite: the lattice is the better rule
    if order > 200 or order ** max(dimension, 1) > NODE_LIMIT * 4:
        raise InputValueError(f"{order}^{dimension}")
    points, weights = law.nodes(order)
    if len(weights) > NODE_LIMIT * 4:
        raise InputValueError(f"{len(weights)}")
    return points, weights.numpy(force=True)


def _piecewise(law: NoiseLaw, breaks: list[list[float]], order: int) -> tuple[Any, Any]:
    if not isinstance(law, Uniform) or len(breaks) != law.event_shape.numel():
        raise InputValueError("breakpoints need one list for each coordinate of uniform noise")
    rules = [piecewise_legendre([0.0, *inner, 1.0], order) for inner in breaks]
    if np.prod([len(w) for _, w in rules]) > NODE_LIMIT * 4:
        raise InputValueError(f"{np.prod([len(w) for _, w in rules])}")
    points, weights = tensor_rule(*rules)
    return torch.from_numpy(points).reshape(len(weights), *law.event_shape), weights


def _normal_lattice(dimension: int, shape: torch.Size) -> tuple[Tensor, Any, Any]:
    """A trapezoid rule for one or two standard normals, wide enough for posteriors some times wider than q."""
    step, reach = (0.03, 24.0) if dimension == 1 else (0.12, 11.0)
    line = np.arange(-reach, reach + step / 2, step)
    density = np.exp(-0.5 * line**2)
    points, fine = tensor_rule(*[(line, density / density.sum())] * dimension)
    half = np.where(np.arange(len(line)) % 2 == (len(line) // 2) % 2, density, 0.0)
    _, coarse = tensor_rule(*[(line, half / half.sum())] * dimension)
    return torch.from_numpy(points).reshape(len(fine), *shape), fine, coarse


def _factors(law: NoiseLaw) -> tuple[NoiseLaw, ...]:
    return sum((_factors(f) for f in law.laws), ()) if isinstance(law, Product) else (law,)


def is_finite(law: NoiseLaw) -> bool:
    return all(isinstance(factor, Finite) for factor in _factors(law))


def _outcomes(law: NoiseLaw) -> int:
    total = 1
    for factor in _factors(law):
        assert isinstance(factor, Finite)
        total *= len(factor.probabilities) ** factor.repeat.numel()
    return total


def _flat(value: Tensor) -> Any:
    return value.detach().double().reshape(len(value), -1).numpy(force=True)


def _slice(points: Any, start: int, stop: int) -> Any:
    return tuple(_slice(p, start, stop) for p in points) if isinstance(points, tuple) else points[start:stop]


def _index(points: Any, i: int) -> Any:
    return tuple(_index(p, i) for p in points) if isinstance(points, tuple) else points[i]
