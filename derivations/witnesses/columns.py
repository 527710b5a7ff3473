"""Matrix expressions over any scalars (SymPy expressions, tensors, floats), by the definitions; for the few
dimensions that are used.
"""

from collections.abc import Callable
from typing import Any

from derivations.language import matrices as m

Grid = list[list[Any]]


def evaluate(x: m.MatrixTerm, lookup: Callable[[m.MatrixTerm], Grid], d: int) -> Grid:
    """The entries of a matrix expression; ``lookup`` gives those of the symbols."""
    match x:
        case m.Identity():
            return [[1.0 if i == j else 0.0 for j in range(d)] for i in range(d)]
        case m.Zero():
            return [[0.0] for _ in range(d)]
        case m.Named(_, meaning):
            return evaluate(meaning, lookup, d)
        case m.MatrixSum(first, second, sign):
            a, b = evaluate(first, lookup, d), evaluate(second, lookup, d)
            return [[p + sign * q for p, q in zip(r, s, strict=True)] for r, s in zip(a, b, strict=True)]
        case m.MatrixProduct(first, second):
            return times(evaluate(first, lookup, d), evaluate(second, lookup, d))
        case m.Transpose(of):
            return transpose(evaluate(of, lookup, d))
        case m.Inverse(of):
            return inverse(evaluate(of, lookup, d))
    return lookup(x)


def times(a: Grid, b: Grid) -> Grid:
    """Matrix product."""
    return [[_sum(a[i][k] * b[k][j] for k in range(len(b))) for j in range(len(b[0]))] for i in range(len(a))]


def transpose(a: Grid) -> Grid:
    """Transpose."""
    return [list(row) for row in zip(*a, strict=True)]


def determinant(a: Grid) -> Any:
    """By expansion along the first row."""
    if len(a) == 1:
        return a[0][0]
    return _sum(
        (-1) ** j * a[0][j] * determinant([row[:j] + row[j + 1 :] for row in a[1:]])
        for j in range(len(a))
        if not _zero(a[0][j])
    )


def inverse(a: Grid) -> Grid:
    """By cofactors."""
    n, det = len(a), determinant(a)
    if n == 1:
        return [[1 / a[0][0]]]
    minor = lambda i, j: [r[:j] + r[j + 1 :] for k, r in enumerate(a) if k != i]  # noqa: E731
    return [[(-1) ** (i + j) * determinant(minor(j, i)) / det for j in range(n)] for i in range(n)]


def quadratic(v: Grid, a: Grid | None) -> Any:
    """vᵀ a v."""
    if a is None:
        return _sum(row[0] * row[0] for row in v)
    return _sum(v[i][0] * a[i][j] * v[j][0] for i in range(len(v)) for j in range(len(v)))


def _zero(x: Any) -> bool:
    return isinstance(x, int | float) and x == 0


def _sum(items: Any) -> Any:
    total: Any = 0
    for item in items:
        total = item if isinstance(total, int) and total == 0 else total + item
    return total
