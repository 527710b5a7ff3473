"""The witnesses, and what they say together: ``judge(derivation)``."""

from collections.abc import Iterable

from derivations.language.derivation import Derivation
from derivations.language.proof import missing, prove
from derivations.witnesses.findings import ALPHA, Findings, findings, witness
from derivations.witnesses.reach import reach
from derivations.witnesses.report import NEEDED, AxiomReport, Report, StepReport, WrongReport, enough
from derivations.witnesses.statement import Statement, Witness
from derivations.witnesses.vacuity import vacuous
from derivations.witnesses.verdict import WITNESSES, Finding, Judgement, NotApplicable

__all__ = [
    "NEEDED",
    "WITNESSES",
    "AxiomReport",
    "Finding",
    "Findings",
    "Judgement",
    "NotApplicable",
    "Report",
    "Statement",
    "StepReport",
    "Witness",
    "WrongReport",
    "enough",
    "findings",
    "judge",
    "witness",
]


def judge(
    derivation: Derivation,
    seed: int = 0,
    only: Iterable[str] = WITNESSES,
    *,
    alpha: float = ALPHA,
    cached: bool = False,
) -> Report:
    """Ask every witness about every step, definition and wrong variant.

    Args:
        derivation: what to judge.
        seed: root of the seeds of the draws.
        only: names of the witnesses to ask.
        alpha: false-alarm probability of all draws of this derivation together.
        cached: whether to take (and keep) findings of the same content from the cache on disk.

    Returns:
        A `Report`; ``report.proved`` says whether all is well and ``report.problems()`` what is not, and what would
        mend it.
    """
    only = tuple(only)
    asked = [findings(derivation, name, seed, alpha, cached) for name in WITNESSES if name in set(only)]
    rules = next((f for f in asked if f.needless), None) or findings(derivation, "rules", seed, alpha, cached)
    steps = tuple(_step(derivation, n, asked, rules.needless[n - 1]) for n in range(1, len(derivation.steps) + 1))
    axioms = tuple(
        AxiomReport(d, tuple(j for f in asked if (j := f.axioms[i]) is not None))
        for i, d in enumerate(derivation.model.definitions)
    )
    wrong = tuple(WrongReport(w, tuple(f.wrong[i] for f in asked)) for i, w in enumerate(derivation.wrong))
    conditions = tuple(dict.fromkeys(c for s in steps for c in s.conditions))
    tables = any(j.witness == "tables" and j.confirmed for s in steps for j in s.judgements)
    tables = tables or ("tables" not in set(only) and "tables" in reach(derivation))
    return Report(derivation, steps, axioms, wrong, vacuous(derivation, conditions, tables))


def _step(derivation: Derivation, number: int, asked: list[Findings], without_need: tuple[str, ...]) -> StepReport:
    before, step = derivation.links()[number - 1]
    model = derivation.model
    judgements = tuple(f.steps[number - 1] for f in asked)
    proof = prove(before, step.relation, step.expression, model, step.by)
    help_ = ""
    if not proof.holds and not any(j.refuted for j in judgements if j.witness != "rules"):
        extra = missing(before, step.relation, step.expression, model, step.by)
        help_ = (
            f"It would follow with {' and '.join(map(repr, extra))} added to by="
            if extra
            else "No one or two further rules would mend it"
        )
    return StepReport(number, judgements, proof.conditions, without_need, help_)
