"""What a witness can say of a statement. Only one of the four is a pass."""

from enum import Enum


class Verdict(Enum):
    """The four answers.

    ``CONFIRMED``: the statement holds, as far as this witness can see and within the bound it states.
    ``REFUTED``: it does not hold.
    ``UNKNOWN``: the witness could not decide (it raised, ran out of time, is out of its reach). Counts as a failure.
    ``VACUOUS``: nothing satisfies the conditions, so that nothing was checked. Counts as a failure.
    """

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNKNOWN = "unknown"
    VACUOUS = "vacuous"

    def __bool__(self) -> bool:
        return self is Verdict.CONFIRMED

    def __str__(self) -> str:
        return self.value
