"""What all witnesses say about a derivation, and whether that is enough."""

from dataclasses import dataclass

from derivations.language.conditions import Condition
from derivations.language.derivation import Derivation, Wrong
from derivations.language.model import Definition
from derivations.witnesses.verdict import Finding, Judgement

NEEDED = 2  # witnesses that must vouch for each step, and reject each wrong variant


@dataclass(frozen=True)
class StepReport:
    """One link: what each witness says, what was assumed, which cited rules it does not need, and help if it fails."""

    number: int
    judgements: tuple[Judgement, ...]
    conditions: tuple[Condition, ...]
    needless: tuple[str, ...]
    help: str = ""

    @property
    def proved(self) -> bool:
        """At least two witnesses confirm, none refutes or gives up, and every cited rule is needed."""
        return enough(self.judgements) and not self.needless


@dataclass(frozen=True)
class AxiomReport:
    """A definition of the model, judged without the rules."""

    definition: Definition
    judgements: tuple[Judgement, ...]

    @property
    def proved(self) -> bool:
        """Some witness confirms, none objects."""
        return any(j.confirmed for j in self.judgements) and not _objections(self.judgements)


@dataclass(frozen=True)
class WrongReport:
    """A mistake, and who rejects it."""

    wrong: Wrong
    judgements: tuple[Judgement, ...]

    @property
    def rejected(self) -> bool:
        """At least two witnesses reject it and none falls for it."""
        return sum(j.refuted for j in self.judgements) >= NEEDED and not any(j.confirmed for j in self.judgements)


@dataclass(frozen=True)
class Report:
    """The verdicts on a whole derivation."""

    derivation: Derivation
    steps: tuple[StepReport, ...]
    axioms: tuple[AxiomReport, ...]
    wrong: tuple[WrongReport, ...]
    vacuous: str = ""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Side conditions of all steps, each once, in the order in which they arise."""
        return tuple(dict.fromkeys((*self.derivation.requirements, *(c for s in self.steps for c in s.conditions))))

    @property
    def proved(self) -> bool:
        """Whether nothing is left to complain about."""
        return not self.problems()

    def problems(self) -> list[str]:
        """Everything that keeps the derivation from being proved, for a person to act on."""
        found = [f"vacuous: {self.vacuous}"] if self.vacuous else []
        links = self.derivation.links()
        for step in self.steps:
            before, link = links[step.number - 1]
            head = f"step {step.number} ({before}  {link.relation}  {link.expression})"
            if not enough(step.judgements):
                said = "; ".join(f"{j.witness}: {j.finding.value}, {j.detail}" for j in step.judgements)
                found.append(
                    f"{head} is not confirmed by {NEEDED} witnesses: {said}.{' ' + step.help if step.help else ''}"
                )
            if step.needless:
                found.append(f"{head} cites {', '.join(map(repr, step.needless))} without need; remove it from by=")
        found += [
            f"definition {d.name!r} is cited by no step and no density rests on it; remove it from the model"
            f" (a shared model: model.only(...))"
            for d in (self.derivation.idle() if all(s.proved for s in self.steps) else ())  # else it may mend a step
        ]
        for axiom in self.axioms:
            if not axiom.proved:
                said = "; ".join(f"{j.witness}: {j.finding.value}, {j.detail}" for j in axiom.judgements)
                found.append(f"definition {axiom.definition.name!r} is not confirmed: {said}")
        for wrong in self.wrong:
            if not wrong.rejected:
                said = "; ".join(f"{j.witness}: {j.finding.value}" for j in wrong.judgements)
                found.append(f"wrong variant {wrong.wrong.expression} is not rejected by {NEEDED} witnesses: {said}")
        return found


def _objections(judgements: tuple[Judgement, ...]) -> bool:
    return any(j.finding in (Finding.REFUTED, Finding.UNKNOWN) for j in judgements)


def enough(judgements: tuple[Judgement, ...]) -> bool:
    """At least two confirm, and none refutes or gives up."""
    return sum(j.confirmed for j in judgements) >= NEEDED and not _objections(judgements)
