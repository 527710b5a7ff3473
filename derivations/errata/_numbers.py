"""The little arithmetic that the counterexamples share: tables, Gaussian densities, integrals with an error bound."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


def table(*rows: Any) -> Array:
    """A table of probabilities in double precision."""
    return np.asarray(rows if len(rows) > 1 else rows[0], dtype=np.float64)


def kl(q: Array, p: Array) -> float:
    """KL[q ‖ p] of two tables of the same shape, with 0 log 0 = 0 and +inf where q > 0 = p."""
    return float(scipy.special.rel_entr(q, p).sum())


def entropy(p: Array) -> float:
    """Entropy of a table in nats."""
    return float(scipy.special.entr(p).sum())


def log_normal(x: Any, mean: Any, variance: Any) -> Any:
    """log N(x; mean, variance), elementwise."""
    return -0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance)


def kl_to_standard_normal(mean: float, variance: float) -> float:
    """KL[N(mean, variance) ‖ N(0, 1)]."""
    return float(0.5 * (mean**2 + variance - 1 - np.log(variance)))


def normal_nodes(order: int = 60) -> tuple[Array, Array]:
    """Nodes and weights of the standard normal; exact for polynomials of degree below ``2 * order``."""
    points, weights = np.polynomial.hermite_e.hermegauss(order)
    return points, weights / weights.sum()


def integral(f: Callable[[float], float], lower: float, upper: float, **options: Any) -> tuple[float, float]:
    """QUADPACK's value, and ten times its error estimate (with a floor for rounding) as the error bound."""
    settings: dict[str, Any] = {"epsabs": 1e-13, "epsrel": 1e-13, "limit": 400} | options
    value, error = scipy.integrate.quad(f, lower, upper, **settings)[:2]
    return float(value), float(10 * error + 1e-13 * (1 + abs(value)))


def on_grid(
    log_density: Callable[[Array], Array], half_width: float = 12.0, size: int = 4001
) -> tuple[Array, Array, float]:
    """Points, normalised weights and log of the mass of an unnormalised analytic density (trapezoidal rule).

    For a density analytic in a strip and negligible at the ends the rule converges exponentially, far below rounding
    at the sizes used here.
    """
    z = np.linspace(-half_width, half_width, size)
    logs = log_density(z)
    top = float(logs.max())
    weights = np.exp(logs - top)
    mass = float(weights.sum())
    return z, weights / mass, top + float(np.log(mass * (z[1] - z[0])))
