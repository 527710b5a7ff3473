"""What a report is worth, given the truth."""

import contextlib
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.checker._case import Case, Truth


@dataclass(frozen=True)
class Result:
    """One case, one seed."""

    case: Case
    seed: int
    verdict: str
    mistakes: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()
    candidates: frozenset[str] = frozenset()
    seconds: float = 0.0
    error: str = ""
    text: str = field(default="", repr=False)

    @property
    def truth(self) -> Truth:
        """The reading of the truth that fits best: the first, unless another gives the verdict that was given."""
        readings = (self.case.truth, *self.case.also)
        return next((t for t in readings if t.verdict == self.verdict), readings[0])

    @property
    def verdict_right(self) -> bool:
        return self.verdict == self.truth.verdict

    @property
    def false_alarm(self) -> bool:
        return self.case.right and self.verdict == "wrong" and not self.verdict_right

    @property
    def missed(self) -> bool:
        return not self.case.right and self.verdict != "wrong" and not self.verdict_right

    def _holds(self, codes: frozenset[str]) -> bool:
        return all(set(group.split("|")) & codes for group in self.truth.mistakes)

    @property
    def named(self) -> bool:
        """Every mistake is named."""
        return self.verdict_right and self._holds(self.mistakes)

    @property
    def among_candidates(self) -> bool:
        return self.verdict_right and not self.named and self._holds(self.mistakes | self.candidates)

    @property
    def spurious(self) -> frozenset[str]:
        """Codes that the truth does not have."""
        true = {code for group in self.truth.mistakes for code in group.split("|")}
        return self.mistakes - true

    @property
    def group_reported(self) -> bool:
        return self.truth.candidates <= self.candidates | self.mistakes | self.notes

    @property
    def notes_missing(self) -> frozenset[str]:
        return self.truth.notes - self.notes

    def complaint(self) -> str:
        """What is short of the truth, or nothing."""
        truth = self.truth
        if self.error:
            return f"raised {self.error}"
        if not self.verdict_right:
            return f"verdict {self.verdict} {sorted(self.mistakes)}, expected {truth.verdict} {sorted(truth.mistakes)}"
        if truth.verdict == "wrong" and not self.named:
            where = "only among the candidates" if self.among_candidates else "not named"
            return (
                f"named {sorted(self.mistakes)}, expected {sorted(truth.mistakes)}: {where} {sorted(self.candidates)}"
            )
        if not self.group_reported:
            return f"candidates {sorted(self.candidates)}, expected {sorted(truth.candidates)}"
        if self.notes_missing:
            return f"notes {sorted(self.notes)}, expected also {sorted(self.notes_missing)}"
        if truth.verdict == "wrong" and self.spurious:
            return f"named also {sorted(self.spurious)} beside {sorted(truth.mistakes)}"
        return ""


def run(case: Case, seed: int = 0) -> Result:
    """Ask the checker about one case."""
    import elbo

    start = time.perf_counter()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            report = elbo.check(case.function, case.target, seed=seed, **case.keywords)
    except Exception as error:
        seconds = time.perf_counter() - start
        return Result(case, seed, "error", seconds=seconds, error=f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - start
    codes = [frozenset(finding.code for finding in findings) for findings in (report.mistakes, report.notes)]
    return Result(case, seed, report.verdict, *codes, frozenset(report.candidates), seconds, text=str(report))


def table(results: Iterable[Result]) -> dict[str, tuple[int, int]]:
    """The confusion table: what, how many, out of how many."""
    results = list(results)
    right = [r for r in results if r.case.right]
    wrong = [r for r in results if not r.case.right]
    groups = [r for r in results if r.truth.candidates]
    single = [r for r in wrong if len(r.case.truth.mistakes) == 1]
    double = [r for r in wrong if len(r.case.truth.mistakes) > 1]
    return {
        "right flagged (false alarms)": (sum(r.false_alarm for r in right), len(right)),
        "right left undecided": (sum(r.verdict == "undecided" and not r.verdict_right for r in right), len(right)),
        "right with every note": (sum(r.verdict_right and not r.notes_missing for r in right), len(right)),
        "wrong missed": (sum(r.missed for r in wrong), len(wrong)),
        "wrong flagged": (sum(r.verdict_right for r in wrong), len(wrong)),
        "code named": (sum(r.named for r in wrong), len(wrong)),
        "  one mistake": (sum(r.named for r in single), len(single)),
        "  two mistakes": (sum(r.named for r in double), len(double)),
        "named or among candidates": (sum(r.named or r.among_candidates for r in wrong), len(wrong)),
        "named with a code too many": (sum(r.named and bool(r.spurious) for r in wrong), len(wrong)),
        "indistinguishable reported": (sum(r.group_reported for r in groups), len(groups)),
        "raised an error": (sum(bool(r.error) for r in results), len(results)),
    }
