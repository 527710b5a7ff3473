"""``elbo check``: load the named functions, check them, print, and say the worst as an exit status."""

import functools
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from elbo._errors import Error
from elbo.checking._report import Report
from elbo.checking._watch import watch as run_again_on_save

CORRECT, WRONG, FAILED, UNDECIDED = 0, 1, 2, 3
_STATUS = {"correct": CORRECT, "wrong": WRONG, "undecided": UNDECIDED}
# what a caller must hear first: it could not run, then wrong, then undecided
_WORST = (FAILED, WRONG, UNDECIDED, CORRECT)


def check_command(
    functions: Sequence[str],
    against: str,
    *,
    as_json: bool = False,
    html: Path | None = None,
    watch: bool = False,
    debug: bool = False,
    spread: str | None = None,
    maximise: bool | None = None,
    sample_axis: int | None = None,
    n_data: int | None = None,
    ema: bool | None = None,
    seed: int = 0,
    expected: Sequence[str] = (),
    out: TextIO | None = None,
) -> int:
    """Check every function and return the exit status: 0 correct, 1 wrong, 2 could not run, 3 undecided.

    Args:
        functions: ``path/to/file.py:function`` or ``package.module:Class.method``. The file runs as code.
        against: the target.
        as_json: print one JSON document instead of text.
        html: also write the reports here as one self-contained page.
        watch: check again whenever one of the files, or a module of their folders that they import, is saved, until
            interrupted.
        debug: show tracebacks.
        spread, maximise, sample_axis, n_data, ema, seed: as for :func:`elbo.check`.
        expected: ``"code=reason"`` for accepted deviations.
        out: where to print; standard output if not given.
    """
    keywords: dict[str, object] = {
        "spread": spread, "maximise": maximise, "sample_axis": sample_axis, "n_data": n_data, "ema": ema, "seed": seed,
    }  # fmt: skip
    stream = out or sys.stdout
    once = functools.partial(_once, functions, against, keywords, expected, as_json, html, debug, stream)
    return run_again_on_save(functions, once) if watch else once()


def _once(
    functions: Sequence[str],
    against: str,
    keywords: dict[str, object],
    expected: Sequence[str],
    as_json: bool,
    html: Path | None,
    debug: bool,
    stream: TextIO,
) -> int:
    statuses, documents, pages = [], [], []
    for name in functions:
        try:
            report = _check(name, against, keywords, expected)
        except Error as error:
            if debug:
                traceback.print_exc()
            statuses.append(FAILED)
            documents.append({"function": name, "target": against, "verdict": None, "error": _said(error)})
            print(f"elbo check: {name}: {_said(error)}", file=sys.stderr)
            continue
        statuses.append(_STATUS[report.verdict])
        documents.append({**report.to_dict(), "function": name})
        pages.append(report._repr_html_())
        if not as_json:
            print(report, file=stream)
            print(file=stream, flush=True)
    if as_json:
        content = documents[0] if len(documents) == 1 else documents
        print(json.dumps(content, indent=2, ensure_ascii=False), file=stream, flush=True)
    if html is not None:
        html.write_text(_page(pages), encoding="utf-8")
    return next(s for s in _WORST if s in statuses) if statuses else FAILED


def _check(name: str, against: str, keywords: dict[str, object], expected: Sequence[str]) -> Report:
    from elbo.checking._api import check, known_target
    from elbo.checking._load import load

    known_target(against)
    accepted = dict(_reason(text) for text in expected)
    return check(load(name), against, expected=accepted, **keywords)  # type: ignore[arg-type]


def _reason(text: str) -> tuple[str, str]:
    code, _, reason = text.partition("=")
    return code.strip(), reason.strip()


def _said(error: Error) -> str:
    return str(error)


def _page(pages: Sequence[str]) -> str:
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse}"
        "td{border:1px solid #8888;padding:.3rem .6rem;vertical-align:top}dt{font-weight:600}dd{margin:0 0 .4rem 1rem}"
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>elbo check</title><style>{style}</style></head><body><h1>elbo "
        f"check</h1>{'<hr>'.join(pages)}</body></html>\n"
    )
