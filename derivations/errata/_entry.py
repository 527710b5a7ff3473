"""A statement of the sources that does not hold as written, with a counterexample that is evaluated."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Relation = Literal["=", "<=", ">="]


class Kind(Enum):
    """How far a statement is from a true one."""

    ERROR = "mathematical error"
    CONDITION = "missing condition"
    NOTATION = "notation or wording"


@dataclass(frozen=True)
class Comparison:
    """``found`` stands in ``relation`` to ``asserted``, and their difference is known up to ``error_bound``.

    A comparison is decided either way only where the difference exceeds what the arithmetic could have done:
    a relation holds if it is not missed by more than the bound.
    """

    quantity: str
    found: float
    relation: Relation
    asserted: float
    error_bound: float = 1e-12

    def __post_init__(self) -> None:
        if not (self.error_bound >= 0 and math.isfinite(self.error_bound)):
            raise ValueError(
                f"error_bound of {self.quantity!r} is {self.error_bound}; it must be finite and not negative"
            )
        if math.isnan(self.found) or math.isnan(self.asserted):
            raise ValueError(f"{self.quantity!r} compares {self.found} with {self.asserted}; NaN decides nothing")

    @property
    def excess(self) -> float:
        """By how much the relation is missed (0 where it holds in exact arithmetic)."""
        difference = 0.0 if self.found == self.asserted else self.found - self.asserted
        if self.relation == "=":
            return abs(difference)
        return max(0.0, difference if self.relation == "<=" else -difference)

    @property
    def holds(self) -> bool:
        """Whether the relation stands, up to the error bound."""
        return self.excess <= self.error_bound


@dataclass(frozen=True)
class Evaluation:
    """The numbers of a counterexample: what the statement asserts and violates, and what the correct one asserts."""

    violates: tuple[Comparison, ...]
    confirms: tuple[Comparison, ...] = ()

    @property
    def refutes(self) -> bool:
        """Whether every assertion of the wrong statement fails and every one of the correct statement holds."""
        return bool(self.violates) and not any(c.holds for c in self.violates) and all(c.holds for c in self.confirms)


@dataclass(frozen=True)
class Place:
    """A line of one of the five sources."""

    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}"


@dataclass(frozen=True)
class Refuted:
    """An erratum.

    Args:
        label: ``"E1"`` to ``"E48"``.
        places: where the statement stands.
        kind: how far it is from a true one.
        title: the wrong statement in one plain line (for terminals).
        said: the statement as meant, in our words, with formulas in dollars.
        correct: what holds instead.
        counterexample: computes the numbers that refute it; absent for a mere remark on wording.
        source: where the correct statement is proved or discussed.
    """

    label: str
    places: tuple[Place, ...]
    kind: Kind
    title: str
    said: str
    correct: str
    counterexample: Callable[[], Evaluation] | None = None
    source: str = ""

    @property
    def number(self) -> int:
        """The number in the label, by which errata are ordered."""
        return int(self.label[1:])

    def evaluate(self) -> Evaluation:
        """Run the counterexample."""
        if self.counterexample is None:
            raise ValueError(f"{self.label} is a remark on wording; it has no counterexample to evaluate")
        return self.counterexample()


def refuted(
    label: str,
    *places: tuple[str, int],
    kind: Kind,
    title: str,
    said: str,
    correct: str,
    source: str = "",
) -> Callable[[Callable[[], Evaluation]], Refuted]:
    """Decorate the function that evaluates the counterexample; the name then stands for the erratum."""

    def entry(counterexample: Callable[[], Evaluation]) -> Refuted:
        where = tuple(Place(*place) for place in places)
        return Refuted(label, where, kind, title, said, correct, counterexample, source)

    return entry


def evaluation(violates: Iterable[Comparison] | Comparison, *confirms: Comparison) -> Evaluation:
    """One or more violated assertions of the wrong statement, then those of the correct one."""
    wrong = (violates,) if isinstance(violates, Comparison) else tuple(violates)
    return Evaluation(wrong, confirms)
