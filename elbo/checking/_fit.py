"""Read a formula off values: coefficients of known atoms, exponents over sizes, and the names of familiar numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """Least squares of values on atoms, with an intercept last.

    ``residual`` is the largest misfit as a share of the values' spread.
    """

    coefficients: Array
    intercept: float
    residual: float


def least_squares(features: Array, values: Array) -> Fit:
    """``values ≈ features @ coefficients + intercept``, columns scaled first."""
    full = np.column_stack([features, np.ones(len(values))])
    scale = np.abs(full).max(axis=0)
    scale[scale == 0] = 1.0
    solution, *_ = np.linalg.lstsq(full / scale, values, rcond=1e-13)
    misfit = np.abs(full / scale @ solution - values).max()
    spread = max(float(values.max() - values.min()), 1e-12 * float(np.abs(values).max()), 1e-300)
    solution = solution / scale
    return Fit(solution[:-1], float(solution[-1]), float(misfit / spread))


def sparse(features: Array, values: Array, tolerance: float = 1e-8) -> tuple[list[int], Fit] | None:
    """The smallest set of columns (by backward elimination) that explains ``values`` within ``tolerance``."""
    kept = list(range(features.shape[1]))
    if np.ptp(values) <= 1e-13 * np.abs(values).max():
        return None
    fit = least_squares(features, values)
    if not fit.residual <= tolerance:
        return None
    span = np.abs(features - features.mean(axis=0)).max(axis=0)
    while len(kept) > 1:
        order = np.argsort(np.abs(fit.coefficients) * span[kept])
        for position in order:
            fewer = [k for i, k in enumerate(kept) if i != position]
            again = least_squares(features[:, fewer], values)
            if again.residual <= tolerance:
                kept, fit = fewer, again
                break
        else:
            break
    return kept, fit


def exponent(base: float, changed: float, factor: float = 2.0) -> float | None:
    """e with ``changed = base · factor**e``, rounded to a half where it is one; None if it is no such power."""
    if base == 0 or changed == 0 or (base < 0) != (changed < 0):
        return None
    e = math.log(changed / base) / math.log(factor)
    near = round(2 * e) / 2
    return near if abs(e - near) < 2e-3 else None


NAMED = {
    math.log(2): "log 2",
    1 / math.log(2): "1/log 2",
    math.pi: "π",
    2 * math.pi: "2π",
    math.log(2 * math.pi): "log 2π",
    math.log(2 * math.pi) / 2: "½ log 2π",
    math.sqrt(2): "√2",
}


def number(value: float) -> str:
    """``value`` as a person would write it: ½, 3/4, 1/784, log 2π, or six digits."""
    if value == 0:
        return "0"
    sign = "−" if value < 0 else ""
    size = abs(value)
    if abs(size - 0.5) < 1e-6:
        return sign + "½"
    for known, text in NAMED.items():
        if abs(size / known - 1) < 1e-6:
            return sign + text
    nearest = round(size)
    if nearest and abs(size / nearest - 1) < 1e-6:
        return f"{sign}{nearest}"
    inverse = round(1 / size)
    if inverse and abs(size * inverse - 1) < 1e-6 and inverse < 10**6:
        return f"{sign}1/{inverse}"
    fraction = Fraction(size).limit_denominator(12)
    if fraction and abs(size / float(fraction) - 1) < 1e-6:
        return f"{sign}{fraction.numerator}/{fraction.denominator}"
    return f"{sign}{size:.6g}"


def formula(coefficients: Sequence[float], texts: Sequence[str], constant: float = 0.0) -> str:
    """``½·μ² + ½·σ² − ½·log σ² − ½`` from coefficients and the texts of their atoms."""
    parts = []
    for c, text in [*zip(coefficients, texts, strict=True), (constant, "")]:
        if abs(c) < 1e-9:
            continue
        size = number(abs(c))
        body = size if not text else text if size == "1" else f"{size}·{text}"
        parts.append(("− " if c < 0 else "+ ") + body)
    return " ".join(parts).removeprefix("+ ").replace("− ", "−", 1 if parts and parts[0].startswith("−") else 0) or "0"


def close(a: float, b: float, relative: float = 2e-3) -> bool:
    """Whether two fitted numbers are the same."""
    return abs(a - b) <= relative * max(abs(a), abs(b), 1e-9)
