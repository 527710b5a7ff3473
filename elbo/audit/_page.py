"""The page "KL divergences, pair by pair", written from the registry and from an audit of torch's and of ours."""

from pathlib import Path

from elbo.audit._audit import OURS, TORCH, audit
from elbo.audit._render import number, plot
from elbo.audit._report import AuditReport, PairReport
from elbo.divergences import Pair, kl_pairs

HEAD = """# KL divergences, pair by pair

What `elbo.kl(q, p)` knows, and how far it can be trusted beside `torch.distributions.kl_divergence`. Errors are the
worst relative errors in units of the machine epsilon, over parameters ordinary, nearly equal, extreme and at the edge
of their domain, against mpmath at 120 digits; "grad" is the worst error of a gradient in units of its largest
component. `elbo audit elbo --beside torch.distributions` prints this table, `--times 100` tries a hundred times as
many parameters. A dash: there is no such pair. This page is generated.

"""
PICTURE = "torch-near-equality.svg"
CAPTION = "torch's own divergences: worst relative error against the relative distance between q and p"


def write(folder: str | Path, *, only: str = "") -> list[Path]:
    """Write ``pairs.md`` and its picture into ``folder`` (made if missing).

    Args:
        folder: where to, usually ``docs/divergences``.
        only: as for :func:`elbo.audit.audit`.

    Returns:
        the files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ours, theirs = audit(OURS, only=only), audit(TORCH, only=only)
    picture, page = folder / PICTURE, folder / "pairs.md"
    picture.write_text(plot(theirs), encoding="utf-8")
    judged = {(pair.q, pair.p) for pair in ours.pairs}
    pairs = [pair for pair in kl_pairs() if (pair.q.__name__, pair.p.__name__) in judged]
    finite = [pair for pair in pairs if pair.formula != "∞"]
    infinite = [_name(pair) for pair in pairs if pair.formula == "∞"]
    parts = [HEAD, *_table(finite, ours, theirs), "", f"![{CAPTION}]({PICTURE})", "", "## Formulas", ""]
    parts += [line for pair in finite for line in _section(pair)]
    if infinite:
        parts += [f"Infinite whatever the parameters, by their supports: {', '.join(infinite)}."]
    page.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return [picture, page]


def _name(pair: Pair) -> str:
    return f"{pair.q.__name__} ‖ {pair.p.__name__}"


def _table(pairs: list[Pair], ours: AuditReport, theirs: AuditReport) -> list[str]:
    errors = "float64 | float32 | grad 64 | grad 32"
    lines = [f"| pair | elbo {errors} | torch {errors} | torch is |", f"|---|{8 * '--:|'}---|"]
    for pair in pairs:
        key = pair.q.__name__, pair.p.__name__
        found = [next((x for x in side.pairs if (x.q, x.p) == key), None) for side in (ours, theirs)]
        verdict = "" if found[1] is None else found[1].status
        lines.append(f"| {_name(pair)} | {' | '.join(x for side in found for x in _errors(side))} | {verdict} |")
    return lines


def _errors(report: PairReport | None) -> list[str]:
    if report is None:
        return ["—"] * 4
    return [number(errors.get(dtype)) for errors in (report.worst, report.gradient) for dtype in ("float64", "float32")]


def _section(pair: Pair) -> list[str]:
    accuracy = "see the note" if pair.accuracy == float("inf") else f"{pair.accuracy:g} ε"
    facts = [("KL", f"`{pair.formula}`"), ("conditions", pair.conditions), ("accuracy", accuracy), ("note", pair.note)]
    facts.append(("source", pair.source))
    return [f"### {_name(pair)}", "", *(f"- {name}: {text}" for name, text in facts if text), ""]
