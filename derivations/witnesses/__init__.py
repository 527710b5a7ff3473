"""The witnesses, and what they say together: ``judge(derivation)``."""

from collections.abc import Iterable

from derivations.language.derivation import Derivation
from derivations.language.proof import missing, needless, prove
from derivations.witnesses.by_moments import ByMoments
from derivations.witnesses.by_rules import ByRules
from derivations.witnesses.by_tables import ByTables
from derivations.witnesses.report import NEEDED, AxiomReport, Report, StepReport, WrongReport, enough
from derivations.witnesses.statement import Statement, Witness
from derivations.witnesses.verdict import WITNESSES, Finding, Judgement, NotApplicable

__all__ = [
    "NEEDED",
    "WITNESSES",
    "AxiomReport",
    "Finding",
    "Judgement",
    "NotApplicable",
    "Report",
    "Statement",
    "StepReport",
    "WrongReport",
    "judge",
    "witnesses_for",
]


def witnesses_for(derivation: Derivation, seed: int = 0, alpha: float = 1e-9) -> tuple[Witness, ...]:
    """The witnesses, ready to be asked about ``derivation``."""
    from derivations.witnesses.by_draws import ByDraws
    from derivations.witnesses.by_quadrature import ByQuadrature

    return (
        ByRules(derivation),
        ByTables(derivation),
        ByMoments(derivation),
        ByQuadrature(derivation),
        ByDraws(derivation, seed, alpha),
    )


def judge(derivation: Derivation, seed: int = 0, only: Iterable[str] = WITNESSES) -> Report:
    """Ask every witness about every step, definition and wrong variant.

    Args:
        derivation: what to judge.
        seed: root of the seeds of the draws.
        only: names of the witnesses to ask.

    Returns:
        A `Report`; ``report.proved`` says whether all is well and ``report.problems()`` what is not, and what would mend it.
    """
    asked = [w for w in witnesses_for(derivation, seed) if w.name in set(only)]
    return Report(
        derivation,
        tuple(_step(derivation, n, asked) for n in range(1, len(derivation.steps) + 1)),
        tuple(_axiom(derivation, i, asked) for i in range(len(derivation.model.definitions))),
        tuple(_wrong(derivation, i, asked) for i in range(len(derivation.wrong))),
    )


def _step(derivation: Derivation, number: int, asked: list[Witness]) -> StepReport:
    before, step = derivation.links()[number - 1]
    model = derivation.model
    statement = Statement(before, step.relation, step.expression, step.by)
    judgements = tuple(w.ask(statement) for w in asked)
    proof = prove(before, step.relation, step.expression, model, step.by)
    help_ = ""
    if not proof.holds and not any(j.refuted for j in judgements if j.witness != "rules"):
        extra = missing(before, step.relation, step.expression, model, step.by)
        help_ = (
            f"It would follow with {' and '.join(map(repr, extra))} added to by="
            if extra
            else "No one or two further rules would mend it"
        )
    unused = needless(before, step.relation, step.expression, model, step.by) if proof.holds else ()
    return StepReport(number, judgements, proof.conditions, unused, help_)


def _axiom(derivation: Derivation, index: int, asked: list[Witness]) -> AxiomReport:
    definition = derivation.model.definitions[index]
    return AxiomReport(definition, tuple(w.axiom(definition) for w in asked if hasattr(w, "axiom")))


def _wrong(derivation: Derivation, index: int, asked: list[Witness]) -> WrongReport:
    wrong = derivation.wrong[index]
    left = derivation.start if wrong.left is None else wrong.left
    statement = Statement(left, wrong.relation, wrong.expression)
    return WrongReport(wrong, tuple(w.ask(statement) for w in asked))
