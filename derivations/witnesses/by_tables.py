"""The witness of finite tables: identities are decided, inequalities are tried on many tables."""

from derivations.language.derivation import Derivation
from derivations.language.free import every
from derivations.language.model import Definition
from derivations.language.terms import Density, Log
from derivations.witnesses.statement import Statement
from derivations.witnesses.tables import Tables
from derivations.witnesses.timelimit import time_limit
from derivations.witnesses.verdict import Finding, Judgement, NotApplicable, OutOfTime

SECONDS = 20.0


class ByTables:
    """All discrete models of the stated sizes at once."""

    name = "tables"

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self._tables: Tables | None = None

    @property
    def tables(self) -> Tables:
        """The symbolic tables, made when first needed."""
        if self._tables is None:
            d = self.derivation
            about = [
                d.start,
                *(s.expression for s in d.steps),
                *(t for w in d.wrong for t in (w.left, w.expression) if t is not None),
            ]
            self._tables = Tables(d.model, about, d.sizes)
        return self._tables

    def ask(self, statement: Statement) -> Judgement:
        """Decide an identity; try an inequality."""
        special = self._special(statement)
        if special:
            return Judgement(self.name, Finding.NOT_APPLICABLE, f"{special!r} is true of particular laws only")
        try:
            with time_limit(SECONDS):
                if statement.relation != "=":
                    return self._try(statement)
                holds, where = self.tables.decide(statement.left, statement.right)
        except NotApplicable as reason:
            return Judgement(self.name, Finding.NOT_APPLICABLE, str(reason))
        except OutOfTime:
            return Judgement(self.name, Finding.UNKNOWN, f"not decided within {SECONDS:.0f} s")
        sizes = self.tables.describe(every(statement.left) | every(statement.right))
        if holds is None:
            return Judgement(self.name, Finding.UNKNOWN, "what is left rests on products of logarithms of primes")
        if holds:
            return Judgement(self.name, Finding.CONFIRMED, f"holds for all tables ({sizes})", 0.0, 0.0)
        return Judgement(self.name, Finding.REFUTED, f"fails{' at ' + where if where else ''} ({sizes})")

    def _special(self, statement: Statement) -> str | None:
        """A definition about particular laws on which the statement rests."""
        by = statement.by
        if by is None:  # the derivation as a whole
            by = tuple(name for step in self.derivation.steps for name in step.by)
        for name in by:
            definition = self.derivation.model.definition(name)
            if definition is not None and definition.of_instances:
                return name
        return None

    def _try(self, statement: Statement) -> Judgement:
        from derivations.witnesses.trial import try_inequality

        return try_inequality(self.derivation, statement)

    def axiom(self, definition: Definition) -> Judgement:
        """Whether a definition agrees with the primitives; a density that only the definition gives must be
        normalised.
        """
        left = definition.left
        if definition.of_instances:
            return Judgement(self.name, Finding.NOT_APPLICABLE, "true of particular laws only")
        if not isinstance(left, Density):
            return self.ask(Statement(left, "=", definition.right, ()))
        try:
            with time_limit(SECONDS):
                if self.tables.families.defines(left):
                    ok = self.tables.normalised(left)
                    return Judgement(
                        self.name,
                        Finding.CONFIRMED if ok else Finding.REFUTED,
                        f"{left} {'sums' if ok else 'does not sum'} to one",
                    )
        except NotApplicable as reason:
            return Judgement(self.name, Finding.NOT_APPLICABLE, str(reason))
        except OutOfTime:
            return Judgement(self.name, Finding.UNKNOWN, f"not decided within {SECONDS:.0f} s")
        return self.ask(Statement(Log(left), "=", Log(definition.right), ()))
