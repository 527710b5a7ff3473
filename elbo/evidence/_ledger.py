"""One budget of false alarms for a whole run, and who has spent it."""

from math import pi

from elbo._errors import InputValueError
from elbo.evidence._draws import check_alpha


class Ledger:
    """A run rejects something true with probability at most ``alpha``, however many checks it makes.

    >>> ledger = Ledger(1e-6)
    >>> share = ledger.split(4)
    >>> ledger.spend(share, "the score function is unbiased")
    2.5e-07
    >>> ledger.left
    7.5e-07
    """

    def __init__(self, alpha: float = 1e-6) -> None:
        self.alpha = check_alpha(alpha)
        self.entries: list[tuple[str, float]] = []

    @property
    def spent(self) -> float:
        """What has been spent so far."""
        return sum(share for _, share in self.entries)

    @property
    def left(self) -> float:
        """What may still be spent."""
        return self.alpha - self.spent

    def spend(self, alpha: float, what: str) -> float:
        """Enter ``alpha`` under ``what`` and return it; an entry that would exceed the budget raises."""
        if check_alpha(alpha) > self.left * (1 + 1e-12):
            raise InputValueError(
                f"{what!r} asks for alpha = {alpha:.3g}, but {self.left:.3g} of {self.alpha:.3g} is left"
            )
        self.entries.append((what, alpha))
        return alpha

    def split(self, checks: int) -> float:
        """The equal share of each of ``checks`` checks; inside Hypothesis' ``@given`` that is ``max_examples``."""
        if checks < 1:
            raise InputValueError(f"checks is {checks}; split over at least one")
        return self.alpha / checks

    def series(self, k: int) -> float:
        """The share of check k = 1, 2, ... of a loop without end: ``6 alpha / (pi^2 k^2)``, which sums to alpha."""
        if k < 1:
            raise InputValueError(f"k is {k}; count the checks from 1")
        return 6 * self.alpha / (pi**2 * k**2)
