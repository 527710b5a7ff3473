"""The witness that integrates: each side on a grid, with a bound on its error, and the difference must lie within
the bounds.
"""

from fractions import Fraction

import torch

from derivations.language.derivation import Derivation, Instance, Law
from derivations.language.free import variables
from derivations.language.functionals import E
from derivations.language.model import Definition
from derivations.language.terms import Density, Log, Number, Term, Variable
from derivations.witnesses.depth import depth
from derivations.witnesses.families import Families
from derivations.witnesses.magnitude import rounding
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.spaces import InstanceSpace
from derivations.witnesses.statement import Statement
from derivations.witnesses.verdict import Finding, Judgement, NotApplicable
from elbo.exact.quadrature import Integral

POINTS = 4  # values of the free variables at which a definition is tried
USELESS = 1e-6  # a bound that is wider than this, relative to what is integrated, decides nothing

# (points, standard deviations to either side) of the coarse and the fine grid, by the number of variables integrated
# together
GRIDS = {
    0: ((120, 8.0), (200, 9.5)),
    1: ((120, 8.0), (200, 9.5)),
    2: ((120, 8.0), (200, 9.5)),
    3: ((44, 6.0), (64, 7.0)),
}


class ByQuadrature:
    """Trapezoidal rule on the whole line, which converges faster than any power for analytic integrands (Trefethen &
    Weideman, SIAM Review 56 (2014), theorem 5.1): the difference between a coarse and a finer, wider grid bounds the
    error of the finer one.
    """

    name = "quadrature"

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self._known: dict[tuple[str, int | None, Term, frozenset[Variable]], Integral] = {}
        self._carried: dict[str, str] = {}
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
        return self._ask(statement, 1)

    def _ask(self, statement: Statement, points: int) -> Judgement:
        if not self.derivation.instances:
            return Judgement(self.name, Finding.NOT_APPLICABLE, "the derivation has no continuous instance")
        found = [self._on(instance, statement, points) for instance in self.derivation.instances]
        for finding in (Finding.REFUTED, Finding.UNKNOWN):
            for judgement in found:
                if judgement.finding is finding:
                    return judgement
        applicable = [j for j in found if j.finding is Finding.CONFIRMED]
        return max(applicable, key=lambda j: j.bound or 0.0) if applicable else found[0]

    def axiom(self, definition: Definition) -> Judgement:
        """Whether a definition holds in the instances, at several values of its free variables."""
        left, right = definition.left, definition.right
        density = isinstance(left, Density)
        if density and Families(self.derivation.model).defines(left):  # type: ignore[arg-type]
            one = E(left, 1) if isinstance(left, Density) else left
            return self.ask(Statement(one, "=", Number(Fraction(1)), ()))
        statement = Statement(Log(left), "=", Log(right), ()) if density else Statement(left, "=", right, ())
        return self._ask(statement, POINTS)

    def _on(self, instance: Instance, statement: Statement, points: int) -> Judgement:
        worst = Judgement(self.name, Finding.CONFIRMED, bound=-1.0)
        for k in range(points):
            judgement = self._at(instance, statement, None if points == 1 else k)
            if not judgement.confirmed:
                return judgement
            worst = max(worst, judgement, key=lambda j: j.bound or 0.0)
        return worst

    def _at(self, instance: Instance, statement: Statement, k: int | None) -> Judgement:
        try:
            uncarried = self._uncarried(instance)
            if uncarried:
                return Judgement(self.name, Finding.UNKNOWN, f"{instance.name}: {uncarried}")
            free = variables(statement.left) | variables(statement.right)
            left, right = (self._side(instance, term, free, k) for term in (statement.left, statement.right))
        except NotApplicable as reason:
            return Judgement(self.name, Finding.NOT_APPLICABLE, str(reason))
        bound = left.error_bound + right.error_bound
        difference = left.value - right.value
        gap = {"=": abs(difference), ">=": -difference, "<=": difference}[statement.relation]
        numbers = f"{instance.name}: {left.value:.12g} {statement.relation} {right.value:.12g}"
        if not torch.isfinite(torch.tensor([gap, bound])).all():
            return Judgement(self.name, Finding.UNKNOWN, f"{numbers}: not finite")
        if gap > bound:
            return Judgement(self.name, Finding.REFUTED, f"{numbers} fails", max(gap, 0.0), bound)
        if bound > USELESS * (1 + abs(left.value)):
            return Judgement(
                self.name, Finding.UNKNOWN, f"{numbers}: the error bound {bound:.1e} is too wide to decide", gap, bound
            )
        return Judgement(self.name, Finding.CONFIRMED, numbers, max(gap, 0.0), bound)

    def _uncarried(self, instance: Instance) -> str:
        """A law of the instance that its grid does not carry, or that is not normalised; empty if there is none."""
        if instance.name not in self._carried:
            model, found = self.derivation.model, ""
            numeric = Numeric(model, InstanceSpace(instance, model.copies, *GRIDS[1][1]))
            for d, law in instance.laws.items():
                if isinstance(law, Law):
                    space = InstanceSpace(instance, model.copies)
                    place = next(iter(space.scattered(d.given, 1)))
                    mass = float(numeric.value(E(d, 1), place).detach())
                    if not abs(mass - 1) <= USELESS:
                        found = f"the law of {d} has mass {mass:.6g} on its interval; it must be 1"
            self._carried[instance.name] = found
        return self._carried[instance.name]

    def _side(self, instance: Instance, term: Term, free: frozenset[Variable], k: int | None) -> Integral:
        """One side, its error bound included; the sides of neighbouring steps are integrated once."""
        key = (instance.name, k, term, free)
        if key not in self._known:
            model = self.derivation.model
            grids = GRIDS.get(depth(term, model))
            if grids is None:
                raise NotApplicable("more than three variables would be integrated together")
            space = InstanceSpace(instance, model.copies)  # the same values whatever the grid
            place = next(iter(space.places(free))) if k is None else list(space.scattered(free, POINTS))[k]
            coarse, fine = (self.numeric(instance, *grid) for grid in grids)
            rough, value = (float(numeric.value(term, place).detach()) for numeric in (coarse, fine))
            self._known[key] = Integral(value, abs(value - rough) + rounding(fine, term, place))
        return self._known[key]
