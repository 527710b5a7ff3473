"""What a witness says about one statement."""

from dataclasses import dataclass
from enum import Enum


class Finding(Enum):
    """Confirmed and refuted are decisions; the others are not, and never count as a pass."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"


WITNESSES = ("rules", "tables", "moments", "quadrature", "draws")


@dataclass(frozen=True)
class Judgement:
    """One witness on one statement.

    ``residual`` is the distance from equality (or how far an inequality is violated), ``bound`` what it may not
    exceed; ``alpha`` the false-alarm probability that was spent.
    """

    witness: str
    finding: Finding
    detail: str = ""
    residual: float | None = None
    bound: float | None = None
    alpha: float = 0.0

    @property
    def confirmed(self) -> bool:
        """Whether the witness vouches for the statement."""
        return self.finding is Finding.CONFIRMED

    @property
    def refuted(self) -> bool:
        """Whether the witness rejects it."""
        return self.finding is Finding.REFUTED


class NotApplicable(Exception):
    """The statement is outside the reach of a witness; the message is the reason."""


class OutOfTime(BaseException):
    """A symbolic computation took longer than it may; not an ``Exception``, so that no library swallows it."""
