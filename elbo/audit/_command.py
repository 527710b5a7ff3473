"""``elbo audit``: the command, to be wired into the command line."""

import sys
from pathlib import Path

from elbo._errors import Error


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
        only: pairs whose name (``"Beta ‖ Gamma"``) contains this, or matches it, with ``*``.
        quiet: no table, only the totals.
        times: how many times the usual number of parameters to try.
        beside: another target, whose worst errors stand beside those of the first in one table.

    Returns:
        the exit status: 0 if every pair is right, 1 if one is not, 2 if there is nothing to judge or the target is
        wrong, 130 if it was interrupted.
    """
    from elbo.audit import audit
    from elbo.audit._render import beside as table_of_both

    try:
        report = audit(target, only=only, times=times, progress=_progress)
        other = audit(beside, only=only, times=times, progress=_progress) if beside else None
    except Error as error:
        print(error, file=sys.stderr)
        return 2
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    if not report.pairs:
        print(f"no pair of {target!r} matches {only!r}; pairs are called like 'Beta ‖ Gamma'", file=sys.stderr)
        return 2
    if json is not None and str(json) != "-":
        json.write_text(report.to_json(), encoding="utf-8")
    if html is not None:
        html.write_text(report.to_html(), encoding="utf-8")
    if json is not None and str(json) == "-":
        print(report.to_json())
    elif quiet:
        print(str(report).rsplit("\n", 1)[1])
    elif other is not None:
        print(table_of_both(report, other))
    else:
        _show(report)
    return 130 if report.interrupted else 0 if report else 1


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
