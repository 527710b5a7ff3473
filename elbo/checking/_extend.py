"""Formulas outside the forms of a block: choose few of many atoms, then name the nearest right form."""

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from elbo.checking._block import Block, Others, sample
from elbo.checking._case import Case
from elbo.checking._fit import least_squares, sparse
from elbo.checking._gaussian_forms import SAME, log_type_atoms, positive_type_atoms
from elbo.checking._guard import FunctionError
from elbo.checking._sizes import Sizes
from elbo.checking._terms import EXACT, Atom, Form, Measured, TermFit, orders_of


def extend_kl(case: Case, block: Block, sizes: Sizes, others: Others) -> TermFit | None:
    """A KL-like formula outside the forms: choose few of many atoms, then name the nearest right form."""
    for order in ((0, 1), (1, 0)):
        for is_log, atoms, names in (
            (True, log_type_atoms(), ("log-variance", "log-std")),
            (False, positive_type_atoms(), ("variance", "std")),
        ):

            def draw(c: Case, i: int, shape: Sequence[int], is_log: bool = is_log, mean_at: int = order[0]) -> Tensor:
                return c.normal(shape, 1.3) if is_log or i == mean_at else c.uniform(shape, 0.3, 2.2)

            try:
                measured = sample(case, block, sizes, others, draw, len(atoms) + 14)
            except FunctionError:
                continue
            features = measured.features(atoms, order)
            if not (np.isfinite(measured.values).all() and np.isfinite(features).all()):
                continue
            result = sparse(features, measured.values)
            if result is not None and len(result[0]) <= 7:
                return _nearest(measured, order, [atoms[k] for k in result[0]], atoms, names)
    return None


def _nearest(
    measured: Measured, order: tuple[int, ...], found: list[Atom], all_atoms: list[Atom], names: Sequence[str]
) -> TermFit:
    by_text = {a.text: a for a in all_atoms}
    best: TermFit | None = None
    for name in names:
        own = ["μ²", SAME[name, "σ²"], SAME[name, "log σ²"]]
        extra = [a for a in found if a.text not in own]
        right = (0.5, 0.5, {"log-variance": -0.5, "log-std": -1.0, "variance": -0.5, "std": -1.0}[name])
        half = right[2] / -0.5
        atoms = (by_text["μ²"], Atom("σ²", by_text[own[1]].of), Atom("log σ²", _times(half, by_text[own[2]])))
        form = Form({"spread": name}, (*atoms, *extra), (0.5, 0.5, -0.5, *[0.0] * len(extra)), -0.5)
        fit = least_squares(measured.features(form.atoms, order), measured.values)
        term = TermFit(order, form, fit)
        if best is None or len(term.slips) < len(best.slips):
            best = term
    assert best is not None
    return best


def _times(factor: float, atom: Atom) -> Callable[..., Tensor]:
    return lambda *roles: factor * atom.of(*roles)


def extend_with(atoms: Callable[[], list[Atom]]) -> Callable[[Case, Block, Sizes, Others], TermFit | None]:
    """An extension that adds the given atoms to each of the block's forms."""

    def extend(case: Case, block: Block, sizes: Sizes, others: Others) -> TermFit | None:
        pool = atoms()
        for draw in block.draws:
            try:
                measured = sample(case, block, sizes, others, draw, len(pool) + 16)
            except FunctionError:
                continue
            if not np.isfinite(measured.values).all():
                continue
            best: TermFit | None = None
            for order in block.orders or orders_of(len(block.positions)):
                features = measured.features(pool, order)
                result = sparse(features, measured.values) if np.isfinite(features).all() else None
                if result is None or len(result[0]) > 5:
                    continue
                found = [pool[k] for k in result[0]]
                for form in block.forms:
                    own = {a.text for a in form.atoms}
                    extra = tuple(a for a in found if a.text not in own)
                    wide = Form(form.adopted, (*form.atoms, *extra), (*form.right, *[0.0] * len(extra)), form.constant)
                    full = measured.features(wide.atoms, order)
                    if np.linalg.matrix_rank(full - full.mean(0), tol=1e-9 * np.abs(full).max()) < full.shape[1]:
                        continue
                    term = TermFit(order, wide, least_squares(full, measured.values))
                    share = np.abs(term.fit.coefficients[: len(own)]) * np.ptp(full[:, : len(own)], axis=0)
                    if share.max() < 1e-6 * np.ptp(measured.values):
                        continue
                    if term.fit.residual < EXACT and (best is None or len(term.slips) < len(best.slips)):
                        best = term
            if best is not None:
                return best
        return None

    return extend
