"""``elbo audit``: the command behind the command line."""

import os
import sys
from pathlib import Path

from elbo._errors import Error, InputValueError


def audit_command(
    target: str = "torch.distributions",
    json: Path | None = None,
    html: Path | None = None,
    only: str = "",
    quiet: bool = False,
    times: int = 1,
    beside: str = "",
) -> int:
    """Audit a registry, print the table, write the reports that are asked for.

    Args:
        target: ``"torch.distributions"``, ``"elbo"``, ``"package.module:function"`` or ``"file.py:function"``.
        json: where to write the report as JSON; ``-`` prints it instead of the table.
        html: where to write the page.
        only: pairs whose name (``"Beta ‖ Gamma"``) contains this, or matches it, with ``*``, in letters of either case.
        quiet: no table, only the totals, of both targets if there are two.
        times: how many times the usual number of parameters to try.
        beside: another target, whose worst errors stand beside those of the first in one table; it is part of the
            JSON (under ``"beside"``) and of the page, and does not change the exit status.

    Returns:
        the exit status: 0 if every pair of ``target`` that was judged is right, 1 if one is not, 2 if none was judged
        or an argument is wrong (a target, ``times``, a file that cannot be written), 130 if it was interrupted.
    """
    from elbo.audit import audit
    from elbo.audit._audit import resolve
    from elbo.audit._render import beside as table_of_both
    from elbo.audit._render import summary

    printed = json is not None and str(json) == "-"
    files = [path for path in (json, html) if path is not None and not (path is json and printed)]
    try:
        for path in files:
            _check_can_be_written(path)
        if beside:
            resolve(beside)  # before the first takes its minutes
        report = audit(target, only=only, times=times, progress=_progress)
        other = audit(beside, only=only, times=times, progress=_progress) if beside and not report.interrupted else None
    except Error as error:
        print(error, file=sys.stderr)
        return 2
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    interrupted = report.interrupted or (other is not None and other.interrupted)
    if not report.pairs:
        print(_nothing(target, only, interrupted), file=sys.stderr)
        return 130 if interrupted else 2
    try:
        if json is not None and not printed:
            json.write_text(report.to_json(other), encoding="utf-8")
        if html is not None:
            html.write_text(report.to_html(other), encoding="utf-8")
    except OSError as error:
        print(f"writing the report fails with {error}", file=sys.stderr)
        return 2
    if printed:
        print(report.to_json(other))
    elif quiet:
        print("\n".join(summary(side) for side in (report, other) if side is not None))
    elif other is not None:
        print(table_of_both(report, other))
    else:
        _show(report)
    if interrupted:
        return 130
    if report.count("not judged") == len(report.pairs):
        print(f"no pair of {target!r} was judged", file=sys.stderr)
        return 2
    return 0 if report else 1


def _nothing(target: str, only: str, interrupted: bool) -> str:
    """Why there is no pair."""
    if interrupted:
        return "interrupted before a pair was judged"
    if only:
        return f"no pair of {target!r} matches {only!r}; pairs are called like 'Beta ‖ Gamma'"
    return f"{target!r} raises NotImplementedError for every pair that has a reference here"


def _check_can_be_written(path: Path) -> None:
    """Refuse a file that cannot be written before minutes are spent on what it is to hold."""
    folder = path.parent
    if path.is_dir():
        reason = "it is a folder"
    elif not folder.is_dir():
        reason = f"there is no folder {str(folder)!r}"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        reason = "there is no permission"
    else:
        return
    raise InputValueError(f"{str(path)!r} cannot be written: {reason}; expected a file in a folder that exists")


def _progress(name: str) -> None:
    """Which pair is being judged, on a terminal, in a line that the next one overwrites."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{name}")
        sys.stderr.flush()


def _show(report: object) -> None:
    """The table; coloured where the terminal is."""
    if not sys.stdout.isatty():
        print(report)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from elbo.audit import AuditReport
    from elbo.audit._render import COLUMNS, infinite_pairs, row

    assert isinstance(report, AuditReport)
    colours = {"right": "green", "loses digits": "yellow", "wrong": "bold red"}
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if i < 2 else "right", no_wrap=i < 2)
    plain = infinite_pairs(report)
    for pair in report.pairs:
        if pair not in plain and pair.status != "not judged":
            cells = row(pair)
            table.add_row(cells[0], Text(cells[1], style=colours[cells[1]]), *cells[2:])
    console.print(table)
    print(str(report).split("\n\n", 1)[1])
