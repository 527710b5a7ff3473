"""What an audit found: one entry a pair, and the whole."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

STATUSES = ("right", "loses digits", "wrong", "not judged")
TOLERANCE = 32.0  # eps; a closed form of a few operations without cancellation stays below


@dataclass(frozen=True)
class Finding:
    """One case that shows something: the parameters, what came out and what is true (as text, to all digits kept)."""

    what: str
    dtype: str
    kind: str
    q: dict[str, Any]
    p: dict[str, Any]
    got: str
    want: str
    error: float = math.nan
    distance: float | None = None

    def __str__(self) -> str:
        def law(values: dict[str, Any]) -> str:
            return ", ".join(f"{name}={value}" for name, value in values.items())

        where = f"q({law(self.q)}), p({law(self.p)})"
        return f"{self.what} ({self.dtype}, {self.kind}): {where}: got {self.got}, true {self.want}"


@dataclass
class PairReport:
    """What was found about one pair, over both dtypes.

    Attributes:
        q, p: names of the types.
        cases: how many parameters were tried.
        tolerance: the relative error that counts as right, in eps.
        worst: the largest relative error in eps, by dtype; ``ordinary`` the same over ordinary parameters alone.
        near: by dtype, the largest absolute error (over max(1, KL)) where q and p are equal or nearly so.
        digits_lost: by dtype, the most decimal digits lost near equality (log10 of error over eps).
        by_distance: by dtype, the worst relative error at each relative distance between q and p.
        gradient: by dtype, the worst error of a gradient in eps of its largest component.
        worst_case: where the worst error is.
        nan, negative, infinite, finite, raised, gradients: the cases that show NaN, a value below 0, an infinity where
            the truth is finite, a finite value where it is infinite, an exception, a wrong or NaN gradient.
        refused: parameters at the edge of the domain that it says it does not take; no fault.
        note: why the pair was not judged.
    """

    q: str
    p: str
    cases: int = 0
    tolerance: float = TOLERANCE
    worst: dict[str, float] = field(default_factory=dict)
    ordinary: dict[str, float] = field(default_factory=dict)
    near: dict[str, float] = field(default_factory=dict)
    digits_lost: dict[str, float] = field(default_factory=dict)
    by_distance: dict[str, dict[float, float]] = field(default_factory=dict)
    gradient: dict[str, float] = field(default_factory=dict)
    worst_case: Finding | None = None
    nan: list[Finding] = field(default_factory=list)
    negative: list[Finding] = field(default_factory=list)
    infinite: list[Finding] = field(default_factory=list)
    finite: list[Finding] = field(default_factory=list)
    raised: list[Finding] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    gradients: list[Finding] = field(default_factory=list)
    wrong_gradient: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        """``q ‖ p``."""
        return f"{self.q} ‖ {self.p}"

    @property
    def status(self) -> str:
        """``wrong`` where no rounding explains it, ``loses digits`` beyond the tolerance, else ``right``.

        Half of the digits must be there at ordinary parameters (sqrt eps): rounding of a formula that is right as
        mathematics does not cost more than that there, and a wrong sign or a lost factor does. Near equality
        the same holds of the absolute error: terms of order one that cancel leave eps.
        """
        if self.note and not self.cases:
            return "not judged"
        from elbo.audit._judge import EPS

        if self.nan or self.infinite or self.finite or self.raised or self.wrong_gradient:
            return "wrong"
        if any(error * EPS[dtype] > EPS[dtype] ** 0.5 for dtype, error in self.ordinary.items()):
            return "wrong"
        if any(error > EPS[dtype] ** 0.5 for dtype, error in self.near.items()):
            return "wrong"
        lost = any(error > self.tolerance for error in self.worst.values()) or bool(self.negative)
        if lost or any(error > 8 * self.tolerance for error in self.gradient.values()):
            return "loses digits"
        return "right"

    def findings(self) -> list[Finding]:
        """Everything that was found, the worst kinds first, at most one of a kind and dtype."""
        worst_gradients = sorted(self.gradients, key=lambda finding: -finding.error)
        kinds = (self.nan, self.infinite, self.finite, self.raised, self.negative, worst_gradients)
        shown: dict[tuple[str, str], Finding] = {}
        for group in kinds:
            for finding in group:
                shown.setdefault((finding.what, finding.dtype), finding)
        if self.worst_case is not None and self.status != "right":
            shown["worst", self.worst_case.dtype] = self.worst_case
        return list(shown.values())


@dataclass
class AuditReport:
    """What ``audit`` returns: ``pairs``, and which of them are right; false if any is not, or if it was interrupted."""

    target: str
    pairs: list[PairReport]
    seconds: float
    interrupted: bool = False

    def of(self, q: str, p: str) -> PairReport:
        """The entry of one pair."""
        for pair in self.pairs:
            if (pair.q, pair.p) == (q, p):
                return pair
        raise KeyError(f"{q} ‖ {p} was not audited")

    def count(self, status: str) -> int:
        """How many pairs have this status."""
        return sum(pair.status == status for pair in self.pairs)

    def __bool__(self) -> bool:
        return not self.interrupted and all(pair.status in ("right", "not judged") for pair in self.pairs)

    def to_dict(self, beside: "AuditReport | None" = None) -> dict[str, Any]:
        """Plain data; infinities and NaN as strings, so that it is strict JSON. Another report stands in ``beside``."""

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {str(k): plain(v) for k, v in value.items()}
            if isinstance(value, list):
                return [plain(v) for v in value]
            if isinstance(value, float) and not math.isfinite(value):
                return str(value)
            return value

        pairs = [{**plain(asdict(pair)), "status": pair.status} for pair in self.pairs]
        counts = {status: self.count(status) for status in STATUSES}
        whole = {"target": self.target, "seconds": round(self.seconds, 3), "interrupted": self.interrupted}
        found = {**whole, "counts": counts, "pairs": pairs}
        return found if beside is None else {**found, "beside": beside.to_dict()}

    def to_json(self, beside: "AuditReport | None" = None) -> str:
        """The same as text."""
        return json.dumps(self.to_dict(beside), indent=1, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        from elbo.audit._render import text

        return text(self)

    def to_html(self, beside: "AuditReport | None" = None) -> str:
        """A page that needs nothing else: the table, the findings and a plot of the error against the distance.

        With another report, both are on the page, after a table of both.
        """
        from elbo.audit._render import html

        return html(self, beside)
