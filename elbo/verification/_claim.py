"""What a claim is: a statement, the witness that judges it, and the outcome of asking."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from elbo.evidence import Verdict, generator

Witness = Literal["rules", "tables", "moments", "quadrature", "enumeration", "transform", "reference", "draws"]
WITNESSES: tuple[Witness, ...] = get_args(Witness)


@dataclass(frozen=True)
class Outcome:
    """What a witness found.

    ``residual`` is the distance from the statement (in the unit that ``detail`` says) and ``bound`` what it must
    not exceed. ``alpha`` is the false-alarm probability that was spent.
    """

    verdict: Verdict
    residual: float | None = None
    bound: float | None = None
    alpha: float = 0.0
    detail: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def within(cls, residual: float, bound: float, detail: str = "", **evidence: Any) -> "Outcome":
        """Confirmed if ``residual <= bound``; a NaN residual is refuted, never passed."""
        verdict = Verdict.CONFIRMED if residual <= bound else Verdict.REFUTED
        return cls(verdict, float(residual), float(bound), detail=detail, evidence=evidence)

    @classmethod
    def holds(cls, condition: bool, detail: str = "", **evidence: Any) -> "Outcome":
        """Confirmed if an exact decision says yes."""
        return cls(Verdict.CONFIRMED if condition else Verdict.REFUTED, detail=detail, evidence=evidence)


@dataclass(frozen=True)
class Context:
    """What a run gives to each check: the root seed and, if it is statistical, its share of the false-alarm budget."""

    seed: int
    name: str
    alpha: float = 0.0

    def generator(self, *path: str | int) -> Any:
        """A ``torch.Generator`` whose seed is derived from (root seed, name of the claim, ``path``)."""
        return generator(self.seed, self.name, *path)


@dataclass(frozen=True)
class Claim:
    """One row of ``elbo verify``.

    Args:
        name: dotted, the package first: ``"divergences.normal_normal.accuracy"``; unique.
        statement: what is asserted, on one line, with its formula.
        witness: which interpreter judges it.
        check: ``check(context) -> Outcome``; a picklable function (module level, or ``functools.partial`` of one).
        stochastic: whether it spends from the false-alarm budget; then ``context.alpha`` is its share.
        source: where the statement comes from.
    """

    name: str
    statement: str
    witness: Witness
    check: Callable[[Context], Outcome]
    stochastic: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        if self.witness not in WITNESSES:
            raise ValueError(f"witness of {self.name!r} is {self.witness!r}; write one of {', '.join(WITNESSES)}")
