"""Fit one term of a function (a block of its arguments) and see how its weight scales with every size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from elbo.checking._case import Case
from elbo.checking._fit import close, exponent, formula, least_squares
from elbo.checking._guard import FunctionError
from elbo.checking._intercept import NotExactError
from elbo.checking._sizes import Sizes
from elbo.checking._terms import LOOSE, Form, Measured, TermFit, measure, orders_of, search

AXES = {
    "B": "batch", "D": "latent", "P": "data", "C": "channels", "H": "height", "W": "width",
    "c": "channels", "h": "height", "w": "width",
}  # fmt: skip

Draw = Callable[[Case, int, Sequence[int]], Tensor]


def positive(case: Case, position: int, shape: Sequence[int]) -> Tensor:
    """Where every reading of a mean and a spread is defined."""
    return case.uniform(shape, 0.3, 2.2)


def unit(case: Case, position: int, shape: Sequence[int]) -> Tensor:
    """Inside (0, 1): a probability, a logit, a mean or a grey value."""
    return case.uniform(shape, 0.08, 0.92)


def unit_and_binary(case: Case, position: int, shape: Sequence[int]) -> Tensor:
    """Reconstructions inside (0, 1) and binary data, for functions that insist on the support."""
    return unit(case, position, shape) if position == 0 else case.binary(shape)


def binary_and_unit(case: Case, position: int, shape: Sequence[int]) -> Tensor:
    """The same with the arguments exchanged."""
    return unit(case, position, shape) if position == 1 else case.binary(shape)


@dataclass
class Block:
    """Some arguments of the function, and the forms that their term may have.

    Args:
        name: how reports call the term.
        positions: which arguments of the function.
        letters: their common shape.
        forms: right (and known wrong) formulas.
        draws: samplers to try, in turn, until the function accepts one.
        extend: finds a formula outside the forms, where none of them fits.
        orders: the orders of the arguments to try; all of them if not given.
        far: given the order of the arguments, a sampler above every kink (free bits, a capacity) of the term.
    """

    name: str
    positions: tuple[int, ...]
    letters: str
    forms: Sequence[Form]
    draws: Sequence[Draw]
    extend: "Callable[[Case, Block, Sizes, Others], TermFit | None] | None" = None
    orders: Sequence[tuple[int, ...]] | None = None
    far: Callable[[tuple[int, ...]], Draw] | None = None


Others = Callable[[Sizes], Mapping[int, Tensor]]
"""The fixed values of the arguments outside the block, at given sizes."""


def nothing_else(sizes: Sizes) -> Mapping[int, Tensor]:
    """For functions of one block."""
    return {}


@dataclass
class Fitted:
    """A block's term as read off the values."""

    block: Block
    term: TermFit
    sizes: Sizes
    draw: Draw
    quality: str
    fixed: list[str] = field(default_factory=list)
    varied: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The elementwise formula with the weight taken out."""
        w = self.term.weight or 1.0
        return formula([float(c) / w for c in self.term.fit.coefficients], [a.text for a in self.term.form.atoms])

    def constant(self, axes: Sequence[str]) -> float:
        """The weight with its powers of the sizes divided out: what no shape explains."""
        w = self.term.weight
        for axis in axes:
            e = self.term.weight_exponent(axis)
            if e:
                w = w / float(self.sizes.extent(axis)) ** e
        return w


def evaluator(case: Case, block: Block, others: Mapping[int, Tensor]) -> Callable[[Sequence[Tensor]], float]:
    """The function's total as a function of the block's arguments."""

    def evaluate(tensors: Sequence[Tensor]) -> float:
        full = dict(others) | dict(zip(block.positions, tensors, strict=True))
        return case.subject.total(*[full[i] for i in range(len(full))])

    return evaluate


def sample(case: Case, block: Block, sizes: Sizes, others: Others, draw: Draw, draws: int) -> Measured:
    """Random inputs of the block and the values there."""
    shapes = [sizes.shape(block.letters)] * len(block.positions)
    evaluate = evaluator(case, block, others(sizes))
    return measure(evaluate, shapes, lambda i, shape: draw(case, i, shape), draws)


def fit_block(case: Case, block: Block, sizes: Sizes, others: Others = nothing_else) -> Fitted | None:
    """The best explanation of the block's term, or None."""
    orders = block.orders or orders_of(len(block.positions))
    most = max(len(form.atoms) for form in block.forms)
    refused: FunctionError | None = None
    seen: list[tuple[Draw, Measured]] = []
    for draw in block.draws:
        try:
            measured = sample(case, block, sizes, others, draw, most + 8)
        except FunctionError as error:
            refused = refused or error
            continue
        if not np.isfinite(measured.values).all():
            continue
        seen.append((draw, measured))
        right = [t for t in search(measured, block.forms, orders) if not t.slips]
        if right:
            return _above_kinks(case, Fitted(block, right[0], sizes, draw, "exact"), others)
    for draw, measured in seen:
        for term in [t for t in search(measured, block.forms, orders, LOOSE) if not t.slips]:
            if _holds_elsewhere(case, block, sizes, others, draw, term):
                return Fitted(block, term, sizes, draw, "loose")
    if not seen:
        if refused is not None:
            raise refused
        return None
    draw, measured = seen[0]
    slipped = search(measured, block.forms, orders)[:1]
    extended = block.extend(case, block, sizes, others) if block.extend else None
    if extended is not None and not (slipped and len(slipped[0].slips) <= len(extended.slips)):
        return Fitted(block, extended, sizes, draw, "extended")
    return Fitted(block, slipped[0], sizes, draw, "exact") if slipped else None


def _above_kinks(case: Case, fitted: Fitted, others: Others) -> Fitted:
    """Read the term far from any kink, if it is right there too.

    Ordinary inputs lie on either side of a free-bits level or of a capacity, and on which is a matter of luck; far out
    there is one side only. Where the coefficients are others there, the far ones are the term's.
    """
    block, near = fitted.block, fitted.term
    if block.far is None or block.far(near.order) is fitted.draw:
        return fitted
    draw = block.far(near.order)
    try:
        measured = sample(case, block, fitted.sizes, others, draw, len(near.form.atoms) + 4)
    except FunctionError:
        return fitted
    if not np.isfinite(measured.values).all():
        return fitted
    found = [t for t in search(measured, [near.form], [near.order]) if not t.slips]
    if not found:
        return fitted
    here, there = ((*t.fit.coefficients, t.fit.intercept) for t in (near, found[0]))
    size = np.abs(near.fit.coefficients).max()
    same = np.abs(np.subtract(here, there)).max() <= 1e-6 * size * measured.count()
    return Fitted(block, near if same else found[0], fitted.sizes, draw, "exact")


def _holds_elsewhere(case: Case, block: Block, sizes: Sizes, others: Others, draw: Draw, term: TermFit) -> bool:
    """A fit within a stabiliser's reach must also hold where it was not made: on other draws, over a wider range."""

    def wider(c: Case, i: int, shape: Sequence[int]) -> Tensor:
        values = draw(c, i, shape)
        binary = bool(((values == 0) | (values == 1)).all())
        return values if binary else values**2 if bool((values < 1).all()) else values * c.uniform(shape, 0.5, 1.6)

    try:
        measured = sample(case, block, sizes, others, wider, 6)
    except FunctionError:
        return True
    wanted = measured.features(term.form.atoms, term.order) @ term.fit.coefficients + term.fit.intercept
    return bool(np.abs(measured.values - wanted).max() <= 4e-3 * (np.ptp(measured.values) + 1e-12))


def scale(case: Case, fitted: Fitted, others: Others = nothing_else) -> None:
    """Fill in how every coefficient scales when one axis grows; axes that the function refuses are ``fixed``."""
    block, term = fitted.block, fitted.term
    for axis, factor, sizes in fitted.sizes.varied():
        if ("D" if axis in "DCHW" else "P" if axis in "Pchw" else "B") not in "".join(case.letters):
            continue
        try:
            measured = sample(case, block, sizes, others, fitted.draw, len(term.form.atoms) + 4)
        except NotExactError as error:
            case.undecided = f"how the {block.name} is reduced over the {AXES[axis]} axis cannot be seen: {error}"
            continue
        except FunctionError:
            fitted.fixed.append(axis)
            continue
        fit = least_squares(measured.features(term.form.atoms, term.order), measured.values)
        if fit.residual > 10 * LOOSE:
            term.exponents[axis] = [None] * len(term.form.atoms)
        else:
            largest = np.abs(term.fit.coefficients).max()
            term.exponents[axis] = [
                0.0 if abs(a) < 1e-9 * largest else exponent(float(a), float(b), factor)
                for a, b in zip(term.fit.coefficients, fit.coefficients, strict=True)
            ]
        fitted.varied.append(axis)
    _prefer_one(fitted)


def _prefer_one(fitted: Fitted) -> None:
    """Where atoms disagree about the weight, take the atom whose weight is one once the reductions are divided out."""
    term = fitted.term
    constant = fitted.constant(fitted.varied)
    if not term.slips or not constant or close(abs(constant), 1.0):
        return
    unit = abs(term.weight / constant)
    if any(right and close(abs(r), unit) for r, right in zip(term.ratios, term.form.right, strict=True)):
        term.plain = (unit,)
