"""The witness that integrates: each side on a grid, with a bound on its error, and the difference must lie within the bounds."""

import torch

from derivations.language.derivation import Derivation, Instance
from derivations.language.free import variables
from derivations.witnesses.depth import depth
from derivations.witnesses.magnitude import rounding
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.spaces import InstanceSpace
from derivations.witnesses.statement import Statement
from derivations.witnesses.verdict import Finding, Judgement, NotApplicable

USELESS = 1e-6  # a bound that is wider than this, relative to what is integrated, decides nothing

# (points, standard deviations to either side) of the coarse and the fine grid, by the number of variables integrated together
GRIDS = {
    0: ((120, 8.0), (200, 9.5)),
    1: ((120, 8.0), (200, 9.5)),
    2: ((120, 8.0), (200, 9.5)),
    3: ((56, 6.5), (84, 7.5)),
}


class ByQuadrature:
    """Trapezoidal rule on the whole line, which converges faster than any power for analytic integrands (Trefethen & Weideman,
    SIAM Review 56 (2014), theorem 5.1): the difference between a coarse and a finer, wider grid bounds the error of the finer one.
    """

    name = "quadrature"

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self._numerics: dict[tuple[str, int, float], Numeric] = {}

    def numeric(self, instance: Instance, points: int, width: float) -> Numeric:
        """The evaluator on one grid."""
        key = (instance.name, points, width)
        if key not in self._numerics:
            model = self.derivation.model
            self._numerics[key] = Numeric(model, InstanceSpace(instance, model.copies, points, width))
        return self._numerics[key]

    def ask(self, statement: Statement) -> Judgement:
        """Every instance must confirm; one that refutes is enough."""
        if not self.derivation.instances:
            return Judgement(self.name, Finding.NOT_APPLICABLE, "the derivation has no continuous instance")
        found = [self._on(instance, statement) for instance in self.derivation.instances]
        for finding in (Finding.REFUTED, Finding.UNKNOWN):
            for judgement in found:
                if judgement.finding is finding:
                    return judgement
        applicable = [j for j in found if j.finding is Finding.CONFIRMED]
        return max(applicable, key=lambda j: j.bound or 0.0) if applicable else found[0]

    def _on(self, instance: Instance, statement: Statement) -> Judgement:
        try:
            grids = GRIDS.get(
                max(depth(statement.left, self.derivation.model), depth(statement.right, self.derivation.model))
            )
            if grids is None:
                raise NotApplicable("more than three variables would be integrated together")
            (left1, right1, _), (left2, right2, slack) = (self._sides(instance, statement, *grid) for grid in grids)
        except NotApplicable as reason:
            return Judgement(self.name, Finding.NOT_APPLICABLE, str(reason))
        bound = abs(left1 - left2) + abs(right1 - right2) + slack
        gap = {"=": abs(left2 - right2), ">=": right2 - left2, "<=": left2 - right2}[statement.relation]
        numbers = f"{instance.name}: {left2:.12g} {statement.relation} {right2:.12g}"
        if not torch.isfinite(torch.tensor([gap, bound])).all():
            return Judgement(self.name, Finding.UNKNOWN, f"{numbers}: not finite")
        if gap > bound:
            return Judgement(self.name, Finding.REFUTED, f"{numbers} fails", max(gap, 0.0), bound)
        if bound > USELESS * (1 + abs(left2)):
            return Judgement(
                self.name, Finding.UNKNOWN, f"{numbers}: the error bound {bound:.1e} is too wide to decide", gap, bound
            )
        return Judgement(self.name, Finding.CONFIRMED, numbers, max(gap, 0.0), bound)

    def _sides(self, instance: Instance, statement: Statement, points: int, width: float) -> tuple[float, float, float]:
        numeric = self.numeric(instance, points, width)
        free = variables(statement.left) | variables(statement.right)
        (place,) = numeric.space.places(free)  # type: ignore[attr-defined]
        left, right = numeric.value(statement.left, place), numeric.value(statement.right, place)
        return float(left), float(right), rounding(numeric, statement, place)
