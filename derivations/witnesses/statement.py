"""What a witness is asked: a relation between two terms, and, for a step, the rules that it cites."""

from dataclasses import dataclass
from typing import Protocol

from derivations.language.derivation import Relation
from derivations.language.terms import Term
from derivations.witnesses.verdict import Judgement


@dataclass(frozen=True)
class Statement:
    """``left relation right``; ``by`` is what a step cites, None for a statement that may use any rule."""

    left: Term
    relation: Relation
    right: Term
    by: tuple[str, ...] | None = None


class Witness(Protocol):
    """An interpreter of statements about one derivation."""

    name: str

    def ask(self, statement: Statement) -> Judgement:
        """Confirmed, refuted, unknown, or not applicable with the reason."""
        ...
