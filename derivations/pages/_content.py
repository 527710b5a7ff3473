"""What a page says, as plain data: the same for MyST, LaTeX and JSON. An unproved derivation has no content."""

from collections.abc import Iterable, Mapping
from typing import Any

from derivations.language import RULES, Instance, Law, Normal, Step
from derivations.language.matrices import MatrixTerm
from derivations.language.printing import latex, text
from derivations.language.terms import Number, Parameter, Term
from derivations.pages._text import bound, rounded
from derivations.witnesses import Finding, Judgement, Report

Content = dict[str, Any]


class NotProved(Exception):
    """A derivation with an unproved step, an accepted mistake or no instance that meets its conditions."""


def content(report: Report) -> Content:
    """What the page of a derivation shows; raises :class:`NotProved` where a witness is missing or objects."""
    d = report.derivation
    problems = report.problems()
    if problems:
        raise NotProved(f"{d.slug} is not printed: " + "; ".join(problems))
    proof = {step.number: step for step in report.steps}
    conditions = sorted(report.conditions, key=lambda c: (c.kind, str(c)))  # found in the order of sets, which varies
    return {
        "slug": d.slug,
        "title": d.title,
        "statement": d.statement,
        "start": formula(d.start),
        "relation": d.relation,
        "last": formula(d.last),
        "steps": [_step(number, step, proof[number].judgements) for number, step in enumerate(d.steps, 1)],
        "definitions": [
            {
                "name": a.definition.name,
                "left": formula(a.definition.left),
                "right": formula(a.definition.right),
                "source": a.definition.source,
                "witnesses": witnesses(a.judgements),
            }
            for a in report.axioms
        ],
        "conditions": {
            "assumed": [*d.conditions, *(c.latex for c in d.requirements)],
            "collected": [{"text": str(c), "latex": c.latex} for c in conditions],
        },
        "wrong": [
            {
                "left": formula(d.start if w.wrong.left is None else w.wrong.left),
                "relation": w.wrong.relation,
                "expression": formula(w.wrong.expression),
                "why": w.wrong.why,
                "source": w.wrong.source,
                "rejected_by": [j.witness for j in w.judgements if j.refuted],
                "witnesses": witnesses(w.judgements),
            }
            for w in report.wrong
        ],
        "instances": [_instance(i) for i in d.instances],
        "sources": [{"work": s.work, "locator": s.locator} for s in d.sources],
        "implements": list(d.implements),
        "depends_on": list(d.depends_on),
    }


def formula(term: Term | MatrixTerm) -> dict[str, str]:
    """A term in both scripts."""
    if isinstance(term, MatrixTerm):
        return {"text": term.show(False), "latex": term.show(True)}
    return {"text": text(term), "latex": latex(term)}


def _step(number: int, step: Step, judgements: Iterable[Judgement]) -> Content:
    return {
        "number": number,
        "relation": step.relation,
        "expression": formula(step.expression),
        "rules": [{"name": name, "definition": name not in RULES} for name in step.by],
        "note": step.note,
        "witnesses": witnesses(judgements),
    }


def witnesses(judgements: Iterable[Judgement]) -> list[Content]:
    """Who said what. Numbers appear as bounds on them, so that the page is the same on every machine."""
    return [_witness(j) for j in judgements]


def _witness(j: Judgement) -> Content:
    detail = "" if j.witness == "rules" and j.confirmed else rounded(j.detail.replace(" ()", ""))  # rules stand beside
    shown: Content = {"witness": j.witness, "finding": j.finding.value, "detail": detail}
    numeric = (
        j.witness in ("quadrature", "draws") and j.residual is not None and j.finding is not Finding.NOT_APPLICABLE
    )
    if numeric and j.residual is not None:
        if j.confirmed:
            shown["residual"] = bound(j.residual)
        if j.bound is not None:
            shown["bound"] = bound(j.bound)
    return shown


def _instance(instance: Instance) -> Content:
    return {
        "name": instance.name,
        "laws": [{"density": formula(density), "law": _law(law)} for density, law in instance.laws.items()],
        "values": _numbers(instance.values),
        "parameters": _numbers(instance.parameters),
        "dimension": instance.dimension,
    }


def _law(law: Normal | Law) -> dict[str, str]:
    if isinstance(law, Normal):
        mean, scale = formula(law.mean), formula(law.scale)
        if isinstance(law.scale, MatrixTerm):
            factor = scale["latex"] if len(scale["latex"]) == 1 else f"({scale['latex']})"
            return {
                "text": f"N({mean['text']}, ({scale['text']}) ({scale['text']})^T)",
                "latex": rf"\mathcal{{N}}\left({mean['latex']},\ {factor} {factor}^{{\top}}\right)",
            }
        if isinstance(law.scale, Number):
            square = formula(Number(law.scale.value**2))
            return {
                "text": f"N({mean['text']}, {square['text']})",
                "latex": rf"\mathcal{{N}}\left({mean['latex']},\ {square['latex']}\right)",
            }
        simple = isinstance(law.scale, Parameter)
        base = scale["latex"] if simple else rf"\left({scale['latex']}\right)"
        return {
            "text": f"N({mean['text']}, ({scale['text']})^2)",
            "latex": rf"\mathcal{{N}}\left({mean['latex']},\ {base}^{{2}}\right)",
        }
    density = formula(law.log_density)
    return {"text": f"log density {density['text']}", "latex": rf"\log\text{{ density }} {density['latex']}"}


def _numbers(values: Mapping[Any, float]) -> list[dict[str, str]]:
    return [{**formula(symbol), "value": f"{value:.6g}"} for symbol, value in values.items()]
