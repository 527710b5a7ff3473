"""The page "How VAE losses go wrong", written from the table of codes when the documentation is built."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from elbo.checking.codes import CODES, Code

_FAMILIES = {
    "notes": (
        "Notes: the function is right",
        "These are conventions and designs. The verdict stays `correct`; the report says what a reader of the numbers "
        "should know.",
    ),
    "reductions": (
        "Reductions",
        "A sum that became a mean is a weight that nobody chose. It shows only when shapes vary.",
    ),
    "weights": ("Weights", "A constant on one term moves the balance of rate and distortion."),
    "parametrisation": (
        "Parametrisation",
        "The spread is handed over as log σ², σ², σ or log σ, and read as another of them.",
    ),
    "algebra": ("Algebra", "A term is missing, doubled, or has the wrong sign."),
    "importance weighting": ("Importance weighting", "The average belongs inside the logarithm, over the samples."),
    "total correlation": ("Total correlation", "The weights of a minibatch decide what the estimate converges to."),
    "vector quantisation": (
        "Vector quantisation",
        "All variants have the same value: what differs is which argument each part moves.",
    ),
    "discrete": (
        "Discrete latents",
        "The prior enters as log p, and `F.kl_div` takes its arguments the other way round.",
    ),
    "moments": ("Moments", "Matching distributions by kernels: what is divided by what."),
    "estimators": ("Estimators", "An estimate is right when its expectation is, and its gradient's expectation too."),
    "numerics": ("Numerics", "Right on paper and not in float32."),
}


def write(folder: Path | str) -> Path:
    """Write ``how-vae-losses-go-wrong.md`` into ``folder`` and return its path.

    Args:
        folder: made if it is missing.

    Returns:
        The path of the page.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(folder).read_text().splitlines()[0]
    '# How VAE losses go wrong'
    """
    path = Path(folder) / "how-vae-losses-go-wrong.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(path.parent.parent)) + "\n", encoding="utf-8")
    return path


def _lines(docs: Path) -> Iterator[str]:
    yield "# How VAE losses go wrong"
    yield ""
    yield (
        "Every finding that `elbo check` can report, from the table that the reports themselves are written from: what "
        "it says, how it is recognised from the outside, what the model trains instead, and the line to write."
    )
    mistakes = [code for code in CODES.values() if code.kind == "mistake"]
    notes = [code for code in CODES.values() if code.kind == "note"]
    yield from _contents(mistakes, notes)
    for family, codes in groupby(sorted(mistakes + notes, key=_place), key=lambda code: code.family):
        title, words = _FAMILIES.get(family, (family.capitalize(), ""))
        yield from ("", f"## {title}")
        if words:
            yield from ("", words)
        for code in codes:
            yield from _entry(code, docs)


def _place(code: Code) -> tuple[int, int]:
    families = [*(name for name in _FAMILIES if name != "notes"), "notes"]
    place = families.index(code.family) if code.family in families else len(families) - 2
    return place, list(CODES).index(code.name)


def _contents(mistakes: list[Code], notes: list[Code]) -> Iterator[str]:
    yield from ("", "| code | family | what the model trains instead |", "|---|---|---|")
    for code in mistakes:
        yield f"| [`{code.name}`](#{code.name}) | {code.family} | {_cell(code.effect)} |"
    yield from ("", f"And {len(notes)} notes on functions that are right: ")
    yield ", ".join(f"[`{code.name}`](#{code.name})" for code in notes) + "."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _entry(code: Code, docs: Path) -> Iterator[str]:
    yield from ("", f"({code.name})=", f"### `{code.name}`", "", code.definition, "")
    yield from ("Fingerprint", f": {code.fingerprint}", "", "Effect", f": {code.effect}", "")
    if code.kind == "mistake" and not _is_code(code.fix):
        yield from ("Write", f": {code.fix[:1].upper()}{code.fix[1:]}.", "")
    elif code.kind == "mistake":
        yield from ("Write", "", "```python", code.fix, "```", "")
    if code.page and _exists(docs, code.page):
        yield f"The right formula is derived in [](../derivations/{code.page}.md)."


def _exists(docs: Path, page: str) -> bool:
    return (docs / "derivations" / f"{page}.md").is_file()


def _is_code(fix: str) -> bool:
    """Whether the fix is a line of Python rather than a sentence."""
    try:
        compile(fix, "<fix>", "exec")
    except SyntaxError:
        return False
    return "(" in fix or "=" in fix or "+" in fix
