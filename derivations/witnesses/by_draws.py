"""The witness that draws: sample by sample where the rules allow it, otherwise a sequential test of the mean.

A step that uses only rules which hold for every measure of mass one must hold for the empirical measure of any
draws, to rounding; one evaluation settles it. Any other identity is tested: one draw for each expectation,
independent, and the mean of the difference must be zero; the variance that the test needs is computed, not estimated.
"""

import math
from functools import cached_property

from derivations.language.derivation import Derivation
from derivations.language.free import variables, walk
from derivations.language.functionals import Derivative
from derivations.language.rules import RULES
from derivations.language.terms import Density
from derivations.witnesses.empirical import Empirical
from derivations.witnesses.magnitude import rounding
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.single import SingleDraws
from derivations.witnesses.spaces import InstanceSpace, TableSpace
from derivations.witnesses.statement import Statement
from derivations.witnesses.verdict import Finding, Judgement, NotApplicable

DRAWS = 200  # of each variable, sample by sample
BUDGET = 16_000  # of the sequential test


class ByDraws:
    """Draws from the first instance; from random finite tables where there is none."""

    name = "draws"

    def __init__(self, derivation: Derivation, seed: int, alpha: float) -> None:
        self.derivation, self.seed, self.alpha = derivation, seed, alpha

    def ask(self, statement: Statement) -> Judgement:
        """Sample by sample if the cited rules allow it, else the sequential test."""
        if statement.relation != "=":
            return Judgement(
                self.name, Finding.NOT_APPLICABLE, "an inequality between expectations need not hold for draws"
            )
        try:
            if self._sample_by_sample(statement):
                return self._pointwise(statement)
            return self._sequential(statement)
        except NotApplicable as reason:
            return Judgement(self.name, Finding.NOT_APPLICABLE, str(reason))

    def _sample_by_sample(self, statement: Statement) -> bool:
        if statement.by is None or any(isinstance(x, Derivative) for x in walk((statement.left, statement.right))):
            return False
        for name in statement.by:
            if name in RULES:
                if not RULES[name].sample_by_sample:
                    return False
                continue
            definition = self.derivation.model.definition(name)
            if definition is None or not isinstance(definition.left, Density):
                return False
        return True

    @cached_property
    def _exact(self) -> Numeric:
        """The evaluator that gives variances."""
        return Numeric(self.derivation.model, self._space())

    def _space(self) -> TableSpace | InstanceSpace:
        model = self.derivation.model
        if self.derivation.instances:
            return InstanceSpace(self.derivation.instances[0], model.copies, points=112, width=7.5)
        return TableSpace(self.derivation, self.seed, 1.0)

    def _pointwise(self, statement: Statement) -> Judgement:
        space = self._space()
        worst, slack, ok = 0.0, 0.0, True
        for place in space.places(variables(statement.left) | variables(statement.right)):
            numeric = Empirical(self.derivation.model, space, DRAWS, self.seed)
            residual = float((numeric.value(statement.left, place) - numeric.value(statement.right, place)).abs())
            allowed = rounding(numeric, statement.left, place) + rounding(numeric, statement.right, place)
            ok = ok and residual <= allowed
            if slack == 0.0 or not residual / allowed <= worst / slack:
                worst, slack = residual, allowed
        return Judgement(
            self.name,
            Finding.CONFIRMED if ok else Finding.REFUTED,
            f"{'holds' if ok else 'fails'} sample by sample, {DRAWS} draws of each variable",
            worst,
            slack,
        )

    def _sequential(self, statement: Statement) -> Judgement:
        from elbo.evidence import generator, mean_test

        space = self._exact.space
        assert isinstance(space, TableSpace | InstanceSpace)
        smallest = 0.0
        places = list(space.places(variables(statement.left) | variables(statement.right)))
        exact = self._exact
        for i, place in enumerate(places):
            single = SingleDraws(
                self.derivation.model, space, exact, generator(self.seed, self.derivation.slug, str(statement), i)
            )
            deviation = float(single.deviation(statement.left, place) + single.deviation(statement.right, place))
            draws = single.draw(statement.left, place, BUDGET) - single.draw(statement.right, place, BUDGET)
            if not (math.isfinite(deviation) and bool(draws.isfinite().all())):
                return Judgement(self.name, Finding.UNKNOWN, "draws, or their variance, are not finite")
            alpha = self.alpha / len(places)
            if deviation == 0:  # nothing random on either side
                slack = rounding(exact, statement.left, place) + rounding(exact, statement.right, place)
                worst = float(draws.abs().max())
                if worst > slack:
                    return Judgement(self.name, Finding.REFUTED, "fails without any randomness", worst, slack)
                continue
            test = mean_test(draws, 0.0, deviation**2, alpha)
            if test.rejected:
                return Judgement(
                    self.name,
                    Finding.REFUTED,
                    f"the means differ (seen after {test.stopped_at} draws)",
                    alpha=self.alpha,
                )
            smallest = max(smallest, test.smallest_visible_shift)
        if statement.by is None:
            return Judgement(self.name, Finding.UNKNOWN, f"no difference above {smallest:.2g} seen", alpha=self.alpha)
        return Judgement(
            self.name,
            Finding.CONFIRMED,
            f"mean difference zero in {BUDGET} draws; a shift of {smallest:.2g} would have been seen",
            bound=smallest,
            alpha=self.alpha,
        )
