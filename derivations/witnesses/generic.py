"""Values for what an instance leaves open: without special properties, and the same in every run."""

import math
import zlib

from derivations.language import matrices as m
from derivations.witnesses import columns


def generic_number(name: str, positive: bool) -> float:
    """A value without special properties, the same in every run."""
    if name == "pi":
        return math.pi
    u = (zlib.crc32(name.encode()) % 9973 + 0.5) / 9973
    return 0.5 + u if positive else 2 * u - 1


def generic_matrix(symbol: m.MatrixTerm, d: int) -> columns.Grid:
    """A generic value of a vector or matrix parameter."""
    name = symbol.symbol.name  # type: ignore[attr-defined]
    entry = lambda i, j, positive: generic_number(f"{name}{i}{j}", positive)  # noqa: E731
    match symbol:
        case m.Vector():
            return [[entry(i, 0, False)] for i in range(d)]
        case m.Lower():
            return [
                [entry(i, j, True) if i == j else entry(i, j, False) * 0.6 if j < i else 0.0 for j in range(d)]
                for i in range(d)
            ]
        case m.Diagonal():
            return [[entry(i, j, True) if i == j else 0.0 for j in range(d)] for i in range(d)]
    return [[entry(i, j, False) + (1.5 if i == j else 0.0) for j in range(d)] for i in range(d)]
