"""The witness that only knows the rules: abstract densities, nothing evaluated."""

from derivations.language.derivation import Derivation
from derivations.language.proof import prove
from derivations.language.rules import RULES
from derivations.witnesses.statement import Statement
from derivations.witnesses.verdict import Finding, Judgement


class ByRules:
    """Normal forms under the cited rules (all rules, and the definitions of the derivation, for a statement that cites none)."""

    name = "rules"

    def __init__(self, derivation: Derivation) -> None:
        self.model = derivation.model
        names = [name for step in derivation.steps for name in step.by if name not in RULES]
        self.cited = tuple(dict.fromkeys(names))

    def ask(self, statement: Statement) -> Judgement:
        """Confirmed if the statement follows; refuted if it does not."""
        by = statement.by if statement.by is not None else (*RULES, *self.cited)
        try:
            proof = prove(statement.left, statement.relation, statement.right, self.model, by)
        except RecursionError:
            return Judgement(self.name, Finding.UNKNOWN, "the definitions run in a circle")
        if proof.holds:
            return Judgement(self.name, Finding.CONFIRMED, f"follows by {', '.join(by)}" if statement.by else "follows")
        return Judgement(self.name, Finding.REFUTED, f"does not follow; there remains {proof.residue}")
