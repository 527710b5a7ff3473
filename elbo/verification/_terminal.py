"""A run in the terminal: a bar while it lasts, a table at its end, one line of totals."""

from collections.abc import Sequence
from pathlib import Path

from elbo.evidence import Verdict
from elbo.verification import _report
from elbo.verification._claim import Claim
from elbo.verification._run import Row, Run, run


def verify(
    claims: Sequence[Claim], *, seed: int = 0, workers: int | None = None, out: Path | None = None, quiet: bool = False
) -> Run:
    """Run ``claims`` with progress, print the table, and write the reports into ``out`` if it is given."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("verifying", total=len(claims))

        def advance(row: Row) -> None:
            progress.update(task, advance=1, description=row.claim.name[:40])
            if not row.outcome.verdict:
                progress.console.print(f"{row.outcome.verdict}: {row.claim.name}: {row.outcome.detail}", markup=False)

        result = run(claims, seed=seed, workers=workers, on_row=advance)
    if not quiet:
        console = Console()
        console = console if console.is_terminal else Console(width=140)
        console.print(table(result))
    if out is not None:
        for path in _report.write(result, out):
            print(f"wrote {path}")
    print(result.totals())
    return result


def _residual(row: Row) -> str:
    residual, bound = _report.number(row.outcome.residual), _report.number(row.outcome.bound)
    if not bound:
        return residual
    return f"{residual} {'≤' if row.outcome.verdict else 'vs'} {bound}"


def table(result: Run) -> "object":
    """The rows as a :class:`rich.table.Table`."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("statement", ratio=1, min_width=20)
    for name in ("witness", "verdict"):
        shown.add_column(name, no_wrap=True)
    for name in ("residual ≤ bound", "alpha", "time"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in result.rows:
        verdict = row.outcome.verdict
        colour = "green" if verdict is Verdict.CONFIRMED else "bold red"
        shown.add_row(
            f"{escape(row.claim.statement)}\n[dim]{escape(row.claim.name)}[/dim]",
            row.claim.witness,
            f"[{colour}]{verdict}[/{colour}]",
            _residual(row),
            _report.number(row.outcome.alpha or None),
            f"{row.seconds:.2f} s",
        )
    return shown
