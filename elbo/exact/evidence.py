"""log p(x) and Rényi bounds by quadrature or enumeration, from ``log_joint`` alone."""

from typing import Any

import numpy as np
import torch
from torch.distributions import Distribution, Exponential, Normal, Uniform

from elbo._errors import Error, InputValueError
from elbo.exact._coordinates import Evaluate, log_sum, on_line, rounding_of_z, rows_of
from elbo.exact._laws import DEPTH, law_of_weight
from elbo.exact._space import evidence_in_space
from elbo.exact.multi_sample import MultiSample, _node_error
from elbo.exact.quadrature import EPS, IntegrationError


def log_evidence(problem: Any, x: Any, *, tolerance: float = 1e-12) -> MultiSample:
    """log p(x) = log ∫ p(x, z) dz for a finite z, or one of up to three dimensions, from ``problem.log_joint`` alone.

    In one dimension the range is found by zooming in on where log p(x, z) is within 48 nats of its maximum (on a grid
    around the prior), then a trapezoid rule in unconstrained coordinates is compared with that of every second node. In
    two and three the coordinates are first whitened by the mean and covariance of the posterior, found by lattices that
    zoom in from the prior; the bound compares the product rule with each of its sublattices of twice the step. A
    peak that lies between the nodes of the first lattice (half a deviation of the prior apart) may be missed.

    Args:
        problem: a model with ``log_joint`` and ``latent``; for three dimensions up to 2^22 values of it are computed.
        x: observations, ``[*batch, *event of x]``.
        tolerance: largest error bound.

    Returns:
        a :class:`MultiSample` with the value and its error bound; the gap is zero.

    Raises:
        InputValueError: for a continuous z of more than three dimensions: use the closed form ``problem.log_evidence``,
            or :func:`elbo.exact.iwae_from_weights`.
        IntegrationError: if the tolerance is not reached.

    >>> from elbo.problems import LinearGaussian
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> found = log_evidence(LinearGaussian(1.0), x)
    >>> abs(found.value - LinearGaussian(1.0).log_evidence(x)).item() <= found.error_bound.item() <= 1e-12
    True
    """
    with torch.no_grad():
        x = problem.check_observation(x)
        batch = torch.Size() if x is None else x.shape[: x.ndim - problem.observation.event_dim]
        latent = problem.latent
        if latent.states is not None:
            z = latent.states.reshape(len(latent.states), *[1] * len(batch), *latent.event_shape)
            rows = problem.log_joint(x, z).double().expand(len(z), *batch).reshape(len(z), -1).T.numpy(force=True)
            return _answer(log_sum(rows), 4 * EPS * (1.0 + np.abs(log_sum(rows))), batch)
        if latent.dimension > 1:
            value, error, shape = evidence_in_space(problem, x, tolerance)
            return _answer(value, error, shape)
        evaluate = on_line(problem, x, _reference(problem, latent), batch)
        low, high = _zoom(evaluate)
        size = 64
        while True:
            e = np.linspace(low, high, 2 * size + 1)
            _, log_joint, z = evaluate(e[:, None])
            values = log_joint + np.log((high - low) / (2 * size))
            fine, coarse = log_sum(values), log_sum(values[:, ::2]) + np.log(2.0)
            lost = rounding_of_z(rows_of(z.reshape(len(e), *batch), (len(e), *batch)), [log_joint])
            lost = (np.exp(values - fine[:, None]) * lost).sum(1)
            error = _node_error(fine, coarse) + 8 * EPS * (1.0 + np.abs(fine)) + np.exp(-DEPTH + 6.0) + lost
            if (error <= tolerance * np.maximum(1.0, np.abs(fine))).all():
                return _answer(fine, error, batch)
            if size >= 1 << 14:
                raise IntegrationError(
                    f"{2 * size} nodes leave an error of {error.max():.2g} (of that {lost.max():.2g} because z has no "
                    "digits left at the edge of its support); use problem.log_evidence(x), or a larger tolerance"
                )
            if batch.numel() > 1 and size >= 1024:
                # the posteriors lie far apart or differ much in width: a lattice for each
                flat = x.expand(*batch, *x.shape[len(batch) :]).reshape(-1, *x.shape[len(batch) :])
                each = [log_evidence(problem, one, tolerance=tolerance) for one in flat]
                values, errors = (np.array([float(getattr(e, f)) for e in each]) for f in ("value", "error_bound"))
                return _answer(values, errors, batch)
            size *= 2


def renyi_bound(problem: Any, x: Any, q: Distribution, alpha: float, *, tolerance: float = 1e-11) -> MultiSample:
    """L_α = log E_q w^{1-α} / (1-α) by quadrature or enumeration: the ELBO at α = 1, log p(x) at α = 0, CUBO for α < 0.

    An order at which the moment does not exist gives ±inf where the problem can say so (``moment_interval``), never the
    finite number that a finite rule would return.

    Args:
        problem, x, q: as in :func:`elbo.exact.iwae_bound`.
        alpha: order, a finite number.
        tolerance: largest error bound, relative to 1 + \\|L_α\\|.

    Source: Li and Turner 2016, arXiv:1602.02311.

    >>> from torch.distributions import Normal
    >>> from elbo.problems import LinearGaussian
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> round(renyi_bound(LinearGaussian(1.0), x, Normal(0 * x, x), 0.5).value.item(), 9)
    -1.657736975
    """
    if alpha != alpha or abs(alpha) == float("inf"):
        raise InputValueError(f"alpha is {alpha}; write a finite number, such as alpha=0.5")
    if alpha == 1.0:
        from elbo.exact.multi_sample import iwae_bound

        return iwae_bound(problem, x, q, 1, tolerance=tolerance)
    order = 1.0 - alpha
    exists = np.ones(1, dtype=bool)
    if hasattr(problem, "moment_interval"):
        with torch.no_grad():
            try:
                lower, upper = (t.double().numpy(force=True).reshape(-1) for t in problem.moment_interval(x, q))
                exists = ((lower < order) & (order < upper)) | (0 <= order <= 1)
            except Error:
                # the problem has no condition for this q: the rule has to show by itself that it converges
                exists = np.ones(1, dtype=bool)
    density = 20
    while True:
        law = law_of_weight(problem, x, q, density, order)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = order * law.log_weights + np.log(law.fine)
            coarse_terms = order * law.log_weights + np.log(law.coarse)
        terms, coarse_terms = (np.where(np.isnan(t), -np.inf, t) for t in (terms, coarse_terms))
        fine, coarse = log_sum(terms), log_sum(coarse_terms)
        # a maximum at an end of the lattice: the moment lies beyond it
        edge = np.maximum(terms[:, 0], terms[:, -1]) > fine - 30.0 if problem.latent.states is None else False
        rounding = law.rounding_under(terms - fine[:, None]) * (abs(order) + abs(1.0 - order))
        error = _node_error(fine, coarse) + 8 * EPS * (1.0 + np.abs(fine)) + rounding
        good = (error <= tolerance * abs(order) * (1.0 + np.abs(fine / order))) & ~np.asarray(edge)
        if (good | ~exists).all():
            value = np.where(exists, fine, np.inf) / order
            return _answer(value, np.where(exists, error, 0.0) / abs(order), law.batch_shape)
        if density >= 320 or bool((np.asarray(edge) & exists).any()):
            raise IntegrationError(
                f"E w^{order:g} is not settled by {terms.shape[1]} nodes (error bound {error.max():.2g}): it may be "
                "infinite, or lie where q has no mass; use problem.log_moment, whose condition is analytic"
            )
        density *= 2


def _answer(value: Any, error: Any, batch: torch.Size) -> MultiSample:
    v, e = (torch.from_numpy(np.array(a, dtype=np.float64)).reshape(batch) for a in (value, error))
    return MultiSample(v, e, torch.zeros_like(v), torch.zeros_like(v), v)


def _reference(problem: Any, latent: Any) -> Distribution:
    """A law on the support of z to start the search from: the prior, or a standard one."""
    try:
        prior: Distribution = problem.prior
    except Error:
        one = torch.ones(latent.event_shape, dtype=torch.float64)
        name = str(latent.support)
        if "GreaterThan" in name:
            return Exponential(one)
        return Uniform(0 * one, one) if "Interval" in name else Normal(0 * one, one)
    if prior.event_shape == latent.event_shape and bool(torch.isfinite(prior.stddev).all()):
        return prior
    raise InputValueError(f"the prior {prior} has no finite spread to search around; use problem.log_evidence(x)")


def _zoom(evaluate: Evaluate) -> tuple[float, float]:
    """The range in e where log p(x, .) is within ``DEPTH`` of its maximum, for any x of the batch."""
    low, high = -40.0, 40.0
    for _ in range(60):
        e = np.linspace(low, high, 161)
        values = evaluate(e[:, None])[1]
        values = np.where(np.isnan(values), -np.inf, values)
        near = (values > values.max(1, keepdims=True) - DEPTH).any(0)
        first, last = int(near.argmax()), len(e) - 1 - int(near[::-1].argmax())
        if first == 0 or last == len(e) - 1:
            low, high = low - (high - low) * (first == 0), high + (high - low) * (last == len(e) - 1)
            if high - low > 1e5:
                raise IntegrationError("log p(x, z) does not fall off where it was searched; is it a density in z?")
            continue
        low, high = float(e[first - 1]), float(e[last + 1])
        if last - first >= 24:
            break
    return low, high
