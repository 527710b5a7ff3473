"""The witness that only knows the rules: abstract densities, nothing evaluated."""

from derivations.language.derivation import Derivation
from derivations.language.proof import prove
from derivations.language.rules import RULES
from derivations.witnesses.statement import Statement
from derivations.witnesses.verdict import Finding, Judgement


class ByRules:
    """Normal forms under the cited rules (all rules, and the definitions of the derivation, for a statement that
    cites none).
    """

    name = "rules"

    def __init__(self, derivation: Derivation) -> None:
        self.model = derivation.model
        self.derivation = derivation
        names = [name for step in derivation.steps for name in step.by if name not in RULES]
        self.cited = tuple(dict.fromkeys(names))

    def ask(self, statement: Statement) -> Judgement:
        """Confirmed if the statement follows; refuted if it does not."""
        by = statement.by if statement.by is not None else (*RULES, *self.cited)
        proof = prove(statement.left, statement.relation, statement.right, self.model, by)
        if proof.holds or (statement.by is None and statement.relation != "=" and self._by_the_chain(statement)):
            return Judgement(self.name, Finding.CONFIRMED, f"follows by {', '.join(by)}" if statement.by else "follows")
        return Judgement(self.name, Finding.REFUTED, f"does not follow; there remains {proof.residue}")

    def _by_the_chain(self, statement: Statement) -> bool:
        """Whether an inequality follows from some expression of the derivation, with the divergences left as they
        are.
        """
        d = self.derivation
        if statement.left != d.start or d.relation not in ("=", statement.relation):
            return False
        by = [r for r in (*RULES, *self.cited) if not r.startswith("definition of")]
        return any(
            prove(e, statement.relation, statement.right, self.model, by).holds
            for e in (d.start, *(step.expression for step in d.steps))
        )
