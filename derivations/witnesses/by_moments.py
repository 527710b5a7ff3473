"""The witness of Gaussian moments: exact, for all values of the parameters and of the observations of a linear
Gaussian instance.
"""

from derivations.language.derivation import Derivation, Instance
from derivations.language.free import variables
from derivations.language.model import Definition
from derivations.language.terms import Density, Log, Term
from derivations.witnesses.gaussian import Gaussian, Place
from derivations.witnesses.rationals import LogSum
from derivations.witnesses.statement import Statement
from derivations.witnesses.timelimit import time_limit
from derivations.witnesses.verdict import Finding, Judgement, NotApplicable, OutOfTime

SECONDS = 20.0


class ByMoments:
    """Completing squares and taking moments, in exact arithmetic."""

    name = "moments"

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self._made: dict[int, Gaussian] = {}
        self._known: dict[tuple[int, Term], LogSum] = {}

    def _gaussian(self, number: int) -> Gaussian:
        if number not in self._made:
            d = self.derivation
            wrong = [t for w in d.wrong for t in (w.left, w.expression) if t is not None]
            self._made[number] = Gaussian(
                d.model, d.instances[number], [d.start, *(s.expression for s in d.steps), *wrong]
            )
        return self._made[number]

    def _value(self, gaussian: Gaussian, number: int, term: Term) -> LogSum:
        """A term at free variables that are symbols; the sides of neighbouring steps are computed once."""
        if (number, term) not in self._known:
            place: Place = {}
            for v in sorted(variables(term), key=lambda v: v.name):
                place, _ = gaussian.bind(v, place)
            self._known[number, term] = gaussian.value(term, place)
        return self._known[number, term]

    def ask(self, statement: Statement) -> Judgement:
        """Every instance within reach must confirm, and there must be one."""
        if statement.relation != "=":
            return Judgement(self.name, Finding.NOT_APPLICABLE, "an inequality")
        if not self.derivation.instances:
            return Judgement(self.name, Finding.NOT_APPLICABLE, "the derivation has no continuous instance")
        found = [self._on(i, instance, statement) for i, instance in enumerate(self.derivation.instances)]
        for finding in (Finding.REFUTED, Finding.UNKNOWN):
            for judgement in found:
                if judgement.finding is finding:
                    return judgement
        names = [i.name for i, j in zip(self.derivation.instances, found, strict=True) if j.confirmed]
        if not names:
            return found[0]
        return Judgement(self.name, Finding.CONFIRMED, f"for all parameters: {'; '.join(names)}", 0.0, 0.0)

    def axiom(self, definition: Definition) -> Judgement:
        """Whether a definition holds in the instances."""
        left, right = definition.left, definition.right
        if isinstance(left, Density):
            return self.ask(Statement(Log(left), "=", Log(right)))
        return self.ask(Statement(left, "=", right))

    def _on(self, number: int, instance: Instance, statement: Statement) -> Judgement:
        try:
            with time_limit(SECONDS):
                gaussian = self._gaussian(number)
                difference = self._value(gaussian, number, statement.left) - self._value(
                    gaussian, number, statement.right
                )
        except NotApplicable as reason:
            return Judgement(self.name, Finding.NOT_APPLICABLE, str(reason))
        except OutOfTime:
            return Judgement(self.name, Finding.UNKNOWN, f"{instance.name}: not decided within {SECONDS:.0f} s")
        if not difference.terms:
            return Judgement(self.name, Finding.CONFIRMED, f"for all parameters: {instance.name}", 0.0, 0.0)
        if difference.undecided():
            return Judgement(self.name, Finding.UNKNOWN, "what is left rests on products of logarithms of primes")
        return Judgement(self.name, Finding.REFUTED, f"{instance.name}: the two sides differ")
