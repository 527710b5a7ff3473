"""Multi-sample bounds without sampling: L_K = E log (1/K) Σ w_k for any K, and what is built from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from elbo._errors import InputTypeError, InputValueError
from elbo.exact._laws import Law, law_of_weight
from elbo.exact._transform import gaps, log_mean_weight
from elbo.exact.quadrature import EPS, IntegrationError

Array = NDArray[Any]
MAX_K = 10**8


@dataclass(frozen=True)
class MultiSample:
    """A multi-sample bound, in nats, float64, of shape ``[*batch]``, or ``[*batch, m]`` for m values of K."""

    value: Float64[Tensor, "*shape"]
    """The bound."""
    error_bound: Float64[Tensor, "*shape"]
    """Bound on the absolute error of ``value``: from the nodes, the transform and rounding."""
    gap: Float64[Tensor, "*shape"]
    """log E w minus the bound, accurate to many digits also where it is tiny."""
    gap_error: Float64[Tensor, "*shape"]
    """Bound on the absolute error of ``gap``."""
    log_mean: Float64[Tensor, "*batch"]
    """log E_q w, that is log p(x) if q covers the posterior; ``[*batch]``."""


def iwae_bound(
    problem: Any, x: Any, q: Distribution, k: int | Sequence[int] | Int[Tensor, " m"], *, tolerance: float = 1e-12
) -> MultiSample:
    """L_K = E log (1/K) Σ_k p(x, z_k)/q(z_k), z_k ~ q independent: the importance weighted bound, exact for any K.

    The cost does not depend on K, and temporary memory is bounded by ``_transform.CHUNK`` numbers and the nodes. Each
    node set is halved to tell its error, and refined until the error bound is below ``tolerance`` (relative to
    \\|L_K\\| + gap).

    Args:
        problem: a model with ``log_joint(x, z)`` and ``latent``, such as those of :mod:`elbo.problems`.
        x: observations, ``[*batch, *event of x]``; ``None`` for a problem without data.
        q: proposal with the event shape of z, batched over x.
        k: one K, or several; from 1 to 10^8.
        tolerance: accuracy to reach.

    Returns:
        the bound, its error bound, and the gap to log p(x).

    Raises:
        InputValueError: if K < 1, if x is outside its support, or if z has too many dimensions.
        IntegrationError: if the tolerance is not reached.

    Warns:
        SupportWarning: if q misses posterior mass; the limit for K → ∞ is then log P(x, z in supp q).

    Source: Burda, Grosse, Salakhutdinov 2016, arXiv:1509.00519; the transform is described in ``exact/_transform.py``.

    >>> from torch.distributions import Normal
    >>> from elbo.problems import LinearGaussian
    >>> one = torch.tensor(1.0, dtype=torch.float64)
    >>> [round(v, 12) for v in iwae_bound(LinearGaussian(one), one, Normal(0 * one, one), [1, 10, 1000]).value.tolist()]
    [-1.918938533205, -1.5349415923, -1.515694293335]
    """
    return _refined(problem, x, q, 1.0, k, tolerance)


def iwae_from_weights(log_weights: Any, probabilities: Any, k: int | Sequence[int] | Int[Tensor, " m"]) -> MultiSample:
    """L_K for a weight that takes the values exp(log_weights) with the given probabilities.

    The nodes may come from any rule: enumeration, a radial rule for an isotropic model, a product. The error bound
    covers the transform and rounding, not the rule that the nodes came from.

    Args:
        log_weights: log w, ``[*batch, n]``, ``-inf`` where w is zero.
        probabilities: their probabilities, ``[n]`` or ``[*batch, n]``, summing to one.
        k: one K, or several; from 1 to 10^8.

    >>> import math
    >>> iwae_from_weights([math.log(0.5), math.log(1.5)], [0.5, 0.5], 2).value.item() < 0.0
    True
    """
    law, ks = _given(log_weights, probabilities), _check_k(k)
    return _bound(law, ks, 1.0, k)


def vr_iwae_bound(
    problem: Any,
    x: Any,
    q: Distribution,
    alpha: float,
    k: int | Sequence[int] | Int[Tensor, " m"],
    *,
    tolerance: float = 1e-12,
) -> MultiSample:
    """L_{K,α} = (1/(1-α)) E log (1/K) Σ w^{1-α}: the ELBO at K = 1, the Rényi bound for K → ∞, L_K at α = 0.

    For α < 0 this is the K-sample CUBO of order 1 - α: the expectation of a Monte Carlo estimate that starts at the
    ELBO and rises to an upper bound, and is itself no bound.

    Args:
        problem, x, q, k, tolerance: as in :func:`iwae_bound`.
        alpha: order, any real number but 1 (there it is the ELBO).

    Source: Daudel, Benton, Shi, Doucet 2023, arXiv:2210.06226.

    >>> from torch.distributions import Normal
    >>> from elbo.problems import LinearGaussian
    >>> one = torch.tensor(1.0, dtype=torch.float64)
    >>> found = vr_iwae_bound(LinearGaussian(one), one, Normal(0 * one, one), 0.5, [1, 64])
    >>> [round(v, 5) for v in found.value.tolist()]
    [-1.91894, -1.66014]
    """
    if alpha != alpha or alpha in (float("inf"), float("-inf")):
        raise InputValueError(f"alpha is {alpha}; write a finite number, such as alpha=0.5")
    if alpha == 1.0:
        single = _refined(problem, x, q, 1.0, 1, tolerance)
        ks = _check_k(k)
        if isinstance(k, int):
            return single
        wide = [t.unsqueeze(-1).expand(*t.shape, len(ks)) for t in (single.value, single.error_bound, single.gap)]
        return MultiSample(wide[0], wide[1], wide[2], wide[1], single.log_mean)
    return _refined(problem, x, q, 1.0 - alpha, k, tolerance)


def cubo_bound(
    problem: Any,
    x: Any,
    q: Distribution,
    order: float,
    k: int | Sequence[int] | Int[Tensor, " m"],
    *,
    tolerance: float = 1e-12,
) -> MultiSample:
    """(1/n) E log (1/K) Σ w^n: what a K-sample estimate of CUBO_n is in expectation; not a bound for finite K.

    Args:
        problem, x, q, k, tolerance: as in :func:`iwae_bound`.
        order: n >= 1.

    Source: Dieng et al. 2017, arXiv:1611.00328.

    >>> from torch.distributions import Normal
    >>> from elbo.problems import LinearGaussian
    >>> one = torch.tensor(1.0, dtype=torch.float64)
    >>> found = cubo_bound(LinearGaussian(one), one, Normal(0 * one, one), 2.0, [1, 50])
    >>> [round(v, 5) for v in found.value.tolist()]
    [-1.91894, -1.36409]
    """
    if not order >= 1:
        raise InputValueError(f"order is {order}; CUBO has order n >= 1: write order=2.0")
    return _refined(problem, x, q, order, k, tolerance)


def jackknife_weights(k: int, order: int) -> list[float]:
    """The weights c_j of L_{K-j}, j = 0..order, that cancel the bias of L_K up to K^{-order}; they sum to one.

    c_j = (-1)^j (K - j)^m / ((m - j)! j!) (Nowozin 2018, "Debiasing evidence approximations").

    >>> jackknife_weights(8, 1)
    [8.0, -7.0]
    """
    from fractions import Fraction
    from math import factorial

    if not isinstance(order, int) or not 0 <= order < k:
        raise InputValueError(f"order is {order} with K = {k}; write an int from 0 to K - 1")
    return [
        float(Fraction((-1) ** j * (k - j) ** order, factorial(order - j) * factorial(j))) for j in range(order + 1)
    ]


def jackknife(problem: Any, x: Any, q: Distribution, k: int, order: int, *, tolerance: float = 1e-12) -> MultiSample:
    """The expectation of the jackknife (JVI) estimate Σ_j c_j L_{K-j}: bias O(K^{-(order + 1)}), and not a bound.

    Args:
        problem, x, q, tolerance: as in :func:`iwae_bound`.
        k: number of draws K.
        order: m, below K; 0 is L_K.

    Source: Nowozin 2018 (OpenReview HyZoi-WRb).

    >>> from torch.distributions import Normal
    >>> from elbo.problems import LinearGaussian
    >>> one = torch.tensor(1.0, dtype=torch.float64)
    >>> problem, q = LinearGaussian(one), Normal(0 * one, one)
    >>> bool(jackknife(problem, one, q, 8, 1).value > problem.log_evidence(one))   # no bound
    True
    """
    _check_k(k)
    weights = torch.tensor(jackknife_weights(k, order), dtype=torch.float64)
    parts = iwae_bound(problem, x, q, [k - j for j in range(order + 1)], tolerance=tolerance)
    gap = (weights * parts.gap).sum(-1)
    gap_error = (weights.abs() * (parts.gap_error + EPS * parts.gap)).sum(-1)
    error = gap_error + _rounding(parts.log_mean, gap)
    return MultiSample(parts.log_mean - gap, error, gap, gap_error, parts.log_mean)


def _refined(problem: Any, x: Any, q: Distribution, power: float, k: Any, tolerance: float) -> MultiSample:
    ks = _check_k(k)
    density = 10
    while True:
        law = law_of_weight(problem, x, q, density, power)
        bound = _bound(law, ks, power, k)
        scale = bound.value.abs() + bound.gap.abs()
        # below a few 1e-15 it is rounding, which no more nodes would mend
        done = bound.error_bound <= tolerance * torch.clamp(scale, min=1e-2)
        if bool((done | torch.isinf(bound.value)).all()):
            return bound
        if density >= 640:
            worst = float(bound.error_bound.max())
            raise IntegrationError(
                f"{law.log_weights.shape[1]} nodes leave an error bound of {worst:.2g}, above {tolerance=:.2g}: "
                "log p(x, z) is not smooth, or much narrower than q; accept a larger tolerance, or give nodes of "
                "your own to exact.iwae_from_weights"
            )
        density *= 2


def _bound(law: Law, ks: Array, power: float, k: Any) -> MultiSample:
    """(1/power) E log (1/K) Σ w^power."""
    if power == 1.0:
        found = gaps(law.log_weights, law.fine, law.coarse, ks, law.log_mean)
    else:
        found = gaps(power * law.log_weights, law.fine, law.coarse, ks)
    nodes = _node_error(found.gap, found.coarse_gap)
    shape = (*law.batch_shape, len(ks)) if not isinstance(k, int) else law.batch_shape

    def tensor(values: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).reshape(shape)

    log_mean = torch.from_numpy(np.array(found.log_mean)).reshape(law.batch_shape)
    rounding = abs(power) * _rounding_of_nodes(law, power, found.log_mean)[:, None]
    gap, gap_error = tensor(found.gap), tensor(found.error + nodes + rounding)
    top = log_mean if isinstance(k, int) else log_mean[..., None]
    value = (top - gap) / power
    error = (gap_error + _rounding(top, gap)) / abs(power)
    return MultiSample(value, torch.where(torch.isinf(gap), 0.0, error), gap / power, gap_error / abs(power), log_mean)


def _node_error(fine: Array, coarse: Array) -> Array:
    """What halving the nodes changes, to the power 5/4.

    The error of the trapezoid rule falls like exp(-C/step^r). For E log w itself r = 1; for L_K, where e^{-tw(z)} gets
    steeper with t, r is 2/3 if log w is quadratic and 1/2 if it is exponential at the edge (a Gamma or a Weibull z on
    its logarithm), so that halving the step raises the error to the power 2^r >= 1.41. 5/4 leaves room for constants.
    """
    with np.errstate(invalid="ignore"):
        change = np.abs(fine - coarse)
    change = np.where(np.isnan(change), 0.0, change)
    return np.where(change < 1e-4, change**1.25, change)


def _rounding_of_nodes(law: Law, power: float, log_mean: Array) -> Array:
    if not law.rounding.any():
        return np.zeros(len(law.fine))
    with np.errstate(divide="ignore"):
        log_fine = np.log(law.fine)
    with np.errstate(invalid="ignore"):
        weighted = log_fine + power * law.log_weights - log_mean[:, None]
    return law.rounding_under(log_fine) + law.rounding_under(np.where(np.isnan(weighted), -np.inf, weighted))


def _rounding(log_mean: Tensor, gap: Tensor) -> Tensor:
    """Rounding of log E w (a log-sum of terms, each good to a few eps of its size) and of the difference."""
    return 16 * EPS * (1.0 + log_mean.abs() + torch.where(torch.isinf(gap), 0.0, gap.abs()))


def _given(log_weights: Any, probabilities: Any) -> Law:
    lw = np.asarray(torch.as_tensor(log_weights, dtype=torch.float64).numpy(force=True))
    law = np.asarray(torch.as_tensor(probabilities, dtype=torch.float64).numpy(force=True))
    if lw.ndim == 0 or law.ndim == 0 or law.shape[-1] != lw.shape[-1]:
        raise InputValueError(
            f"log_weights have shape {lw.shape} and probabilities {law.shape}; both need the nodes on their last axis"
        )
    shape = np.broadcast_shapes(lw.shape, law.shape)
    lw, law = (np.ascontiguousarray(np.broadcast_to(a, shape).reshape(-1, shape[-1])) for a in (lw, law))
    if np.isnan(lw).any() or np.isposinf(lw).any():
        raise InputValueError("log_weights contain NaN or +inf; write finite numbers, or -inf where the weight is zero")
    if not ((law >= 0).all() and (np.abs(law.sum(1) - 1.0) <= 1e-9).all()):
        raise InputValueError(f"probabilities sum to {law.sum(1)[:3].tolist()}; they must be >= 0 and sum to one")
    law = law / law.sum(1, keepdims=True)
    return Law(lw, law, law, log_mean_weight(lw, law), torch.empty(0), torch.Size(shape[:-1]), np.zeros_like(lw))


def _check_k(k: Any) -> Array:
    values = np.atleast_1d(np.asarray(k.tolist() if isinstance(k, Tensor) else k))
    if values.ndim != 1 or values.size == 0 or not np.issubdtype(values.dtype, np.integer):
        raise InputTypeError(f"k is {k!r}; write an int or a sequence of ints, such as [1, 8, 64]")
    if (values < 1).any() or (values > MAX_K).any():
        raise InputValueError(f"k is {k!r}; the number of draws K must be from 1 to {MAX_K}")
    return values.astype(np.float64)
