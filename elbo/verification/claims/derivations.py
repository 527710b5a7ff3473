"""The catalogue of derivations: each by each witness, its rules one by one, its wrong variants, and the whole by two
witnesses.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from elbo.evidence import Verdict
from elbo.verification import Claim, Context, Outcome


def claims() -> Iterator[Claim]:
    """For each derivation: a row for each witness in whose reach it lies, and rows for rules, wrong variants and the
    whole.
    """
    from derivations import catalogue
    from derivations.language import text
    from derivations.witnesses.reach import reach

    whole = {d.slug: f"{d.title}: {text(d.start)} {d.relation} {text(d.last)}" for d in catalogue()}
    sources = {d.slug: "; ".join(f"{s.work}, {s.locator}" for s in d.sources) for d in catalogue()}
    for d in catalogue():
        for witness in reach(d):
            yield Claim(
                f"derivations.{d.slug}.{witness}",
                whole[d.slug],
                witness,  # type: ignore[arg-type]
                partial(by_witness, d.slug, witness),
                stochastic=witness == "draws",
                source=sources[d.slug],
            )
    for d in catalogue():  # after all witnesses: with several processes these find everything in the cache
        yield Claim(
            f"derivations.{d.slug}.necessity",
            f"{d.title}: every rule that a step cites is needed",
            "rules",
            partial(necessity, d.slug),
            source=sources[d.slug],
        )
        yield Claim(
            f"derivations.{d.slug}.proved",
            f"{d.title}: each step and definition is confirmed by enough witnesses, and the conditions can be met",
            "rules",
            partial(proved, d.slug),
            source=sources[d.slug],
        )
        if d.wrong:
            yield Claim(
                f"derivations.{d.slug}.wrong",
                f"{d.title}: each of {len(d.wrong)} wrong variants is rejected by two witnesses",
                "rules",
                partial(wrong, d.slug),
                source=sources[d.slug],
            )
    yield Claim(
        "derivations.variational-em-bias.optimum",
        "x = w (z₁ + z₂) + ε, E x² = 5: maximum likelihood has w² = 2, the best factorised ELBO w² = 1.13278; it"
        " trades log p for ELBO",
        "reference",
        biased_optimum,
        source="Turner & Sahani 2011; the gap is that of derivation variational-em-bias",
    )


def by_witness(slug: str, witness: str, context: Context) -> Outcome:
    """What one witness says about the steps and the definitions."""
    from derivations import find
    from derivations.witnesses import Finding, findings
    from derivations.witnesses.findings import ALPHA

    d = find(slug)
    alpha = min(ALPHA, context.alpha) if witness == "draws" else ALPHA
    found = findings(d, witness, context.seed, alpha, cached=True)
    said = [*found.steps, *(j for j in found.axioms if j is not None)]
    confirmed = sum(j.confirmed for j in found.steps)
    refuted = next((j for j in said if j.refuted), None)
    unknown = next((j for j in said if j.finding is Finding.UNKNOWN), None)
    verdict = Verdict.CONFIRMED
    if refuted is not None:
        verdict = Verdict.REFUTED
    elif unknown is not None:
        verdict = Verdict.UNKNOWN
    elif not confirmed:
        verdict = Verdict.VACUOUS
    rules = len({name for step in d.steps for name in step.by})
    rejected = sum(j.refuted for j in found.wrong)
    detail = (
        f"{confirmed} of {len(d.steps)} steps by {rules} rules; {rejected} of {len(d.wrong)} wrong variants rejected"
    )
    if verdict is Verdict.VACUOUS:
        detail = f"no step is within reach ({found.steps[0].detail}); name the witness in silent="
    objection = refuted or unknown
    if objection is not None:
        detail = f"{objection.detail}; {detail}"
    worst: Any = max(
        (j for j in said if j.residual is not None), key=lambda j: _share(j.residual, j.bound), default=None
    )
    return Outcome(
        verdict,
        worst.residual if worst else None,
        worst.bound if worst else None,
        alpha=alpha if witness == "draws" else 0.0,
        detail=detail,
    )


def necessity(slug: str, context: Context) -> Outcome:
    """Drop each cited rule in turn: the step must stop following."""
    from derivations import find
    from derivations.witnesses import findings

    d = find(slug)
    found = findings(d, "rules", cached=True).needless
    unneeded = [f"step {n} does not need {rule!r}" for n, rules in enumerate(found, 1) for rule in rules]
    tried = sum(len(step.by) for step in d.steps)
    return Outcome.holds(not unneeded, "; ".join(unneeded) or f"{tried} citations dropped one by one")


def proved(slug: str, context: Context) -> Outcome:
    """Everything that the report of a derivation asks for."""
    from derivations import find, judge

    d = find(slug)
    report = judge(d, context.seed, cached=True)
    problems = report.problems()
    if report.vacuous:
        return Outcome(Verdict.VACUOUS, detail=report.vacuous)
    least = min(sum(j.confirmed for j in s.judgements) for s in report.steps)
    return Outcome.holds(
        not problems, "; ".join(problems) or f"{len(d.steps)} steps, each confirmed by at least {least} witnesses"
    )


def wrong(slug: str, context: Context) -> Outcome:
    """Who rejects each mistake."""
    from derivations import find, judge

    report = judge(find(slug), context.seed, cached=True)
    counts = [sum(j.refuted for j in w.judgements) for w in report.wrong]
    missed = [str(w.wrong.expression) for w in report.wrong if not w.rejected]
    who = sorted({j.witness for w in report.wrong for j in w.judgements if j.refuted})
    detail = f"not rejected: {'; '.join(missed)}" if missed else f"each by {min(counts)} or more of {', '.join(who)}"
    return Outcome.holds(not missed, detail)


def _share(residual: float | None, bound: float | None) -> float:
    return (residual or 0.0) / bound if bound else float(residual or 0.0)


def biased_optimum(context: Context) -> Outcome:
    """Maximise evidence and evidence minus the derived gap over w²; the bound rises where the likelihood falls."""
    from math import log, pi

    from scipy.optimize import minimize_scalar

    def evidence(u: float) -> float:
        return -log(2 * pi * (2 * u + 1)) / 2 - 5 / (2 * (2 * u + 1))

    def bound(u: float) -> float:
        return evidence(u) - log((u + 1) / (2 * u + 1) ** 0.5)

    likelihood, elbo = (
        float(minimize_scalar(lambda u, f=f: -f(u), bounds=(0.01, 9.0), options={"xatol": 1e-9}, method="bounded").x)
        for f in (evidence, bound)
    )
    trades = bound(elbo) > bound(likelihood) and evidence(elbo) < evidence(likelihood)
    distance = max(abs(likelihood - 2.0), abs(elbo - 1.13278)) if trades else float("nan")
    numbers = f"w² = {likelihood:.5f} against {elbo:.5f}; ELBO {bound(likelihood):.5f} to {bound(elbo):.5f}"
    return Outcome.within(distance, 5.1e-6, f"{numbers}, log p {evidence(likelihood):.5f} to {evidence(elbo):.5f}")
