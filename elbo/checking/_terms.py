"""A term is a sum over coordinates of a fixed elementwise formula; a form is one way of writing it right.

The engine reads the coefficients of a term's atoms off the function's values. Which of the arguments plays which role,
in which parametrisation, is decided by which form explains the values; names play no part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from elbo.checking._fit import Array, Fit, close, least_squares

EXACT = 1e-7
LOOSE = 4e-4
"""A residual up to which a fit counts as right up to a small stabiliser (an ε inside a logarithm, float32 inside)."""


@dataclass(frozen=True)
class Atom:
    """One elementwise expression, with the text that reports show."""

    text: str
    of: Callable[..., Tensor]


@dataclass(frozen=True)
class Form:
    """A formula Σ right_k · atom_k + constant (a coordinate), under one reading of the arguments.

    Args:
        adopted: what it means, for the report ({"spread": "log-variance"}).
        atoms: its expressions.
        right: their coefficients.
        constant: what each coordinate adds.
        code: if not empty, the mistake that this form is even when every coefficient is right.
        binary: needs x in {0, 1}.
    """

    adopted: Mapping[str, str]
    atoms: tuple[Atom, ...]
    right: tuple[float, ...]
    constant: float = 0.0
    code: str = ""


@dataclass
class Measured:
    """Values of the function at random inputs: ``inputs[position]`` has the draws along its first axis."""

    inputs: list[Tensor]
    values: Array

    def features(self, atoms: Sequence[Atom], order: Sequence[int]) -> Array:
        """Each atom summed over the coordinates, one row a draw."""
        roles = [self.inputs[i] for i in order]
        return np.stack([atom.of(*roles).flatten(1).sum(1).numpy() for atom in atoms], axis=1)

    def count(self, position: int = 0) -> int:
        """Number of coordinates of one input."""
        return self.inputs[position][0].numel()


def measure(
    evaluate: Callable[[Sequence[Tensor]], float],
    shapes: Sequence[tuple[int, ...]],
    draw: Callable[[int, tuple[int, ...]], Tensor],
    draws: int,
) -> Measured:
    """Evaluate at ``draws`` random inputs; ``draw(position, shape)`` gives each."""
    inputs = [draw(i, (draws, *shape)) for i, shape in enumerate(shapes)]
    values = np.array([evaluate([t[m] for t in inputs]) for m in range(draws)])
    return Measured(inputs, values)


@dataclass
class TermFit:
    """A form fitted to a term: which argument plays which role, the coefficients, and how they scale."""

    order: tuple[int, ...]
    form: Form
    fit: Fit
    exponents: dict[str, list[float | None]] = field(default_factory=dict)
    plain: tuple[float, ...] = ()

    @property
    def ratios(self) -> list[float]:
        """Coefficients over the right ones."""
        return [float(c / r) if r else float(c) for c, r in zip(self.fit.coefficients, self.form.right, strict=True)]

    @property
    def weight(self) -> float:
        """The factor on the term: the ratio on which most atoms agree; where they differ, one of ``plain``."""
        expected = [r for r, right in zip(self.ratios, self.form.right, strict=True) if right]
        plain = [r for r in expected if any(close(abs(r), p) for p in self.plain)]
        expected = plain or expected
        largest = max(abs(r) for r in expected)
        votes = [sum(close(r, other) for other in expected) if abs(r) > 1e-9 * largest else 0 for r in expected]
        return expected[int(np.argmax(votes))]

    @property
    def slips(self) -> list[int]:
        """Atoms whose coefficient is not the weight times the right one."""
        scale = abs(self.weight) or 1.0
        return [
            k
            for k, (r, right) in enumerate(zip(self.ratios, self.form.right, strict=True))
            if (right and abs(r - self.weight) > 2e-3 * scale) or (not right and abs(r) > 2e-3 * scale)
        ]

    def weight_exponent(self, axis: str) -> float | None:
        """How the weight scales along an axis."""
        per_atom = self.exponents.get(axis)
        if per_atom is None:
            return 0.0
        good = [e for k, e in enumerate(per_atom) if k not in self.slips and self.form.right[k]]
        return good[0] if good else per_atom[0]


def orders_of(count: int) -> list[tuple[int, ...]]:
    """Every assignment of arguments to roles, the usual one first."""
    return list(permutations(range(count)))


def search(
    measured: Measured, forms: Sequence[Form], orders: Sequence[tuple[int, ...]], tolerance: float = EXACT
) -> list[TermFit]:
    """Every (order, form) that explains the values, the one with the fewest slips first."""
    found: list[tuple[int, TermFit]] = []
    if np.ptp(measured.values) <= 1e-13 * np.abs(measured.values).max():
        return []
    for rank, (order, form) in enumerate((o, f) for o in orders for f in forms):
        features = measured.features(form.atoms, order)
        if not np.isfinite(features).all():
            continue
        fit = least_squares(features, measured.values)
        if fit.residual <= tolerance and np.abs(fit.coefficients).max() > 1e-12:
            found.append((rank, TermFit(order, form, fit)))
    found.sort(key=lambda item: (len(item[1].slips), bool(item[1].form.code), item[1].weight < 0, item[0]))
    return [item for _, item in found]


def predicted(term: TermFit, tensors: Sequence[Tensor], intercept: float = 0.0) -> Tensor:
    """The value of the fitted formula, differentiable."""
    roles = [tensors[i] for i in term.order]
    total = torch.zeros((), dtype=torch.float64) + intercept
    for c, atom in zip(term.fit.coefficients, term.form.atoms, strict=True):
        total = total + float(c) * atom.of(*roles).sum()
    return total
