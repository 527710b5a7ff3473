"""Recognise a value among named formulas, up to one factor and one constant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from elbo.checking._fit import Array


@dataclass(frozen=True)
class Match:
    """``values ≈ factor · formula + offset``."""

    name: str
    factor: float
    offset: float
    residual: float


def match(values: Sequence[float], formulas: Mapping[str, Sequence[float]], tolerance: float = 1e-8) -> list[Match]:
    """Every formula that explains the values, in the order given; those without an offset first."""
    y: Array = np.asarray(values, dtype=np.float64)
    found = []
    for rank, (name, column) in enumerate(formulas.items()):
        x: Array = np.asarray(column, dtype=np.float64)
        if not (np.isfinite(x).all() and np.isfinite(y).all()) or np.ptp(x) == 0:
            continue
        slope, offset = np.polyfit(x - x.mean(), y, 1)
        offset = offset - slope * x.mean()
        residual = float(np.abs(slope * x + offset - y).max() / max(np.ptp(y), 1e-300))
        if residual <= tolerance and abs(slope) > 1e-12:
            found.append(
                (abs(offset) > 1e-7 * np.abs(y).max(), rank, Match(name, float(slope), float(offset), residual))
            )
    return [m for _, _, m in sorted(found, key=lambda item: item[:2])]
