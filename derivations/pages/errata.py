"""The page "What the sources get wrong": every erratum with the numbers that refute it."""

from collections.abc import Iterator

from derivations.bibliography import DOCUMENTS
from derivations.errata import Comparison, Kind, Refuted, errata
from derivations.pages._text import bound, escape, number, sentence, table

_PLURAL = {
    Kind.ERROR: "mathematical errors",
    Kind.CONDITION: "missing conditions",
    Kind.NOTATION: "of notation or wording",
}


class NotRefuted(Exception):
    """A counterexample does not refute what it should; there is nothing to print."""


def errata_page() -> str:
    """The page, as MyST; raises :class:`NotRefuted` rather than print an erratum whose counterexample fails."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    entries = errata()
    evaluated = sum(entry.counterexample is not None for entry in entries)
    yield "<!-- written by `python -m derivations pages`; edit derivations/errata instead -->"
    yield "# What the sources get wrong"
    yield ""
    yield (
        "The five documents that this project started from contain statements that are wrong or lack a condition. "
        "Each is given here as meant (in our words), with the correct statement and a counterexample whose numbers are "
        "**computed** when this page is written, and again by every run of `elbo verify --only errata`."
    )
    yield ""
    yield (
        f"{len(entries)} entries, of which {evaluated} are evaluated and {len(entries) - evaluated} are remarks on "
        "wording with nothing to compute (they are no checks): "
        + ", ".join(f"{sum(e.kind is kind for e in entries)} {_PLURAL[kind]}" for kind in Kind)
        + "."
    )
    yield ""
    yield from table(
        ("", "document", "by", "on"),
        ((d.key, escape(d.title), escape(d.description), escape(d.contents)) for d in DOCUMENTS.values()),
    )
    for entry in entries:
        yield ""
        yield from _entry(entry)


def _entry(entry: Refuted) -> Iterator[str]:
    yield f"(erratum-{entry.label})="
    yield f"## {entry.label}. {escape(sentence(entry.title))}"
    yield ""
    yield f"*{sentence(entry.kind.value)}* · " + "; ".join(map(str, entry.places))
    yield ""
    yield f"**As meant.** {entry.said}"
    yield ""
    yield f"**Correct.** {entry.correct}"
    yield ""
    if entry.counterexample is None:
        yield "*A remark: there is nothing to evaluate.*"
    else:
        found = entry.evaluate()
        if not found.refutes:
            raise NotRefuted(f"{entry.label} ({entry.title}): the counterexample does not refute it: {found}")
        yield from table(
            ("computed", "found", "relation", "verdict"),
            [_row(c, "violated") for c in found.violates] + [_row(c, "holds") for c in found.confirms],
        )
    if entry.source:
        yield ""
        yield f"See {escape(entry.source)}."


def _row(c: Comparison, verdict: str) -> tuple[str, str, str, str]:
    sign = {"=": "=", "<=": "≤", ">=": "≥"}[c.relation]
    exact = max(c.error_bound, 1e-12)
    shown = f"{sign} {number(c.asserted, exact)}"
    return escape(c.quantity), number(c.found, exact), shown, f"{verdict} (error {bound(c.error_bound)})"
