"""Vectors and matrices, as far as Gaussian laws need them; rules see them as opaque, the numeric witnesses compute
them.

``Named`` gives a matrix expression its own symbol; the scalar terms built from matrices (`Trace`, `LogDet`,
`Quadratic`, `Dimension`) are ordinary terms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from derivations.language.terms import Parameter, Term, Variable


class MatrixTerm:
    """Base of all matrix-valued expressions."""

    def __add__(self, other: "MatrixTerm") -> "MatrixTerm":
        return MatrixSum(self, other, 1)

    def __sub__(self, other: "MatrixTerm") -> "MatrixTerm":
        return MatrixSum(self, other, -1)

    def __matmul__(self, other: "MatrixTerm") -> "MatrixTerm":
        return MatrixProduct(self, other)

    @property
    def T(self) -> "MatrixTerm":
        """Transpose."""
        return Transpose(self)

    def children(self) -> tuple[Any, ...]:
        """The matrices and symbols that it is made of."""
        raise NotImplementedError

    def show(self, tex: bool) -> str:
        """Text or LaTeX."""
        raise NotImplementedError


def _symbol(x: Any, tex: bool) -> str:
    return (x.latex or x.name) if tex else str(x.name)


@dataclass(frozen=True)
class Vector(MatrixTerm):
    """A column: a random variable or a parameter that ranges over R^d."""

    symbol: Variable | Parameter

    def children(self) -> tuple[Any, ...]:
        return (self.symbol,)

    def show(self, tex: bool) -> str:
        return _symbol(self.symbol, tex)


@dataclass(frozen=True)
class Lower(MatrixTerm):
    """A lower triangular matrix with positive diagonal: a Cholesky factor, free of constraints otherwise."""

    symbol: Parameter

    def children(self) -> tuple[Any, ...]:
        return (self.symbol,)

    def show(self, tex: bool) -> str:
        return _symbol(self.symbol, tex)


@dataclass(frozen=True)
class Diagonal(MatrixTerm):
    """A diagonal matrix with positive entries."""

    symbol: Parameter

    def children(self) -> tuple[Any, ...]:
        return (self.symbol,)

    def show(self, tex: bool) -> str:
        return _symbol(self.symbol, tex)


@dataclass(frozen=True)
class Square(MatrixTerm):
    """Any square matrix."""

    symbol: Parameter

    def children(self) -> tuple[Any, ...]:
        return (self.symbol,)

    def show(self, tex: bool) -> str:
        return _symbol(self.symbol, tex)


@dataclass(frozen=True)
class Identity(MatrixTerm):
    """The identity of R^d."""

    def children(self) -> tuple[Any, ...]:
        return ()

    def show(self, tex: bool) -> str:
        return "I"


@dataclass(frozen=True)
class Zero(MatrixTerm):
    """The zero column."""

    def children(self) -> tuple[Any, ...]:
        return ()

    def show(self, tex: bool) -> str:
        return "0"


@dataclass(frozen=True)
class Named(MatrixTerm):
    """``meaning``, printed as ``name`` (LaTeX ``latex``)."""

    name: str
    meaning: MatrixTerm
    latex: str = ""

    def children(self) -> tuple[Any, ...]:
        return (self.meaning,)

    def show(self, tex: bool) -> str:
        return (self.latex or self.name) if tex else self.name


@dataclass(frozen=True)
class MatrixSum(MatrixTerm):
    """first + sign · second."""

    first: MatrixTerm
    second: MatrixTerm
    sign: int

    def children(self) -> tuple[Any, ...]:
        return (self.first, self.second)

    def show(self, tex: bool) -> str:
        return f"{self.first.show(tex)} {'+' if self.sign > 0 else '-'} {_factor(self.second, tex)}"


@dataclass(frozen=True)
class MatrixProduct(MatrixTerm):
    """first · second."""

    first: MatrixTerm
    second: MatrixTerm

    def children(self) -> tuple[Any, ...]:
        return (self.first, self.second)

    def show(self, tex: bool) -> str:
        return f"{_factor(self.first, tex)} {_factor(self.second, tex)}"


@dataclass(frozen=True)
class Transpose(MatrixTerm):
    """The transpose."""

    of: MatrixTerm

    def children(self) -> tuple[Any, ...]:
        return (self.of,)

    def show(self, tex: bool) -> str:
        return rf"{_factor(self.of, tex)}^{{\top}}" if tex else f"{_factor(self.of, tex)}^T"


@dataclass(frozen=True)
class Inverse(MatrixTerm):
    """The inverse of an invertible matrix."""

    of: MatrixTerm

    def children(self) -> tuple[Any, ...]:
        return (self.of,)

    def show(self, tex: bool) -> str:
        return f"{_factor(self.of, tex)}^{{-1}}"


def _factor(x: MatrixTerm, tex: bool) -> str:
    inner = x.show(tex)
    if isinstance(x, MatrixSum):
        return rf"\left({inner}\right)" if tex else f"({inner})"
    return inner


class MatrixScalar(Term):
    """Base of the scalar terms that are made of matrices."""

    def children(self) -> tuple[Any, ...]:
        """The matrices that it is made of."""
        raise NotImplementedError

    def show(self, tex: bool) -> str:
        """Text or LaTeX."""
        raise NotImplementedError


@dataclass(frozen=True)
class Dimension(MatrixScalar):
    """d, the number of coordinates."""

    def children(self) -> tuple[Any, ...]:
        return ()

    def show(self, tex: bool) -> str:
        return "d"


@dataclass(frozen=True)
class Trace(MatrixScalar):
    """tr A."""

    of: MatrixTerm

    def children(self) -> tuple[Any, ...]:
        return (self.of,)

    def show(self, tex: bool) -> str:
        inner = self.of.show(tex)
        return rf"\operatorname{{tr}}\left({inner}\right)" if tex else f"tr({inner})"


@dataclass(frozen=True)
class LogDet(MatrixScalar):
    """log det A of a symmetric positive definite (or positive triangular) A."""

    of: MatrixTerm

    def children(self) -> tuple[Any, ...]:
        return (self.of,)

    def show(self, tex: bool) -> str:
        inner = self.of.show(tex)
        return rf"\log\det {inner}" if tex else f"log det {inner}"


@dataclass(frozen=True)
class Quadratic(MatrixScalar):
    """vᵀ A v for a column v; ``matrix=None`` is the identity: ‖v‖²."""

    vector: MatrixTerm
    matrix: MatrixTerm | None = None

    def children(self) -> tuple[Any, ...]:
        return (self.vector,) if self.matrix is None else (self.vector, self.matrix)

    def show(self, tex: bool) -> str:
        v = self.vector.show(tex)
        if self.matrix is None:
            return rf"\left\|{v}\right\|^{{2}}" if tex else f"|{v}|^2"
        bracket = _factor(self.vector, tex)
        return (
            rf"{bracket}^{{\top}} {_factor(self.matrix, tex)} {bracket}"
            if tex
            else f"{bracket}^T {_factor(self.matrix, tex)} {bracket}"
        )


@dataclass(frozen=True)
class Coordinates(MatrixScalar):
    """Σ_j f(entries j of the vectors or diagonals): ``function`` works on SymPy symbols, floats, arrays and tensors
    alike.

    ``function(log, *entries)`` returns the summand; ``show_text`` and ``show_latex`` are how the whole sum is printed.
    """

    of: tuple[MatrixTerm, ...]
    function: Callable[..., Any]
    show_text: str
    show_latex: str

    def children(self) -> tuple[Any, ...]:
        return self.of

    def show(self, tex: bool) -> str:
        return self.show_latex if tex else self.show_text
