"""The command line. Everything is loaded by the command that needs it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from elbo._version import __version__

app = typer.Typer(
    name="elbo",
    help="Verified mathematics and estimators of variational inference with latent variables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(show: bool) -> None:
    if show:
        print(f"elbo {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Verified mathematics and estimators of variational inference with latent variables."""


@app.command()
def verify(
    only: Annotated[
        str, typer.Option(metavar="PATTERN", help="Claims whose name contains this (or matches it, with *).")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Root of all seeds.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write report.json and report.html here.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the claims and stop.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes; 0 stays in this one. Default: one a core.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No table, only what is not confirmed, and the totals.")
    ] = False,
) -> None:
    """Run everything that the library asserts, with its witnesses.

    Exit status 0 if every claim is confirmed, 1 if one is refuted, unknown or vacuous, 2 if nothing matches.
    """
    from elbo.verification import collect
    from elbo.verification._terminal import verify as run

    claims = collect(only)
    if not claims:
        print(f"no claim matches {only!r}; `elbo verify --list` shows their names", file=sys.stderr)
        raise typer.Exit(2)
    if list_:
        for claim in claims:
            print(f"{claim.name}  [{claim.witness}]  {claim.statement}")
        print(f"{len(claims)} claims")
        return
    if not run(claims, seed=seed, workers=workers, out=out, quiet=quiet).confirmed:
        raise typer.Exit(1)


@app.command()
def check(
    functions: Annotated[
        list[str],
        typer.Argument(metavar="FUNCTION...", help="path/to/file.py:function or package.module:Class.method."),
    ],
    against: Annotated[
        str, typer.Option(metavar="TARGET", help="What it should compute, such as gaussian_kl or negative_elbo.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the reports as one page.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Check again whenever a file is saved.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    spread: Annotated[str | None, typer.Option(help="log_variance, variance, std or log_std.")] = None,
    maximise: Annotated[bool | None, typer.Option("--maximise/--minimise", help="The sign of the function.")] = None,
    sample_axis: Annotated[int | None, typer.Option(help="The axis of importance samples.")] = None,
    n_data: Annotated[int | None, typer.Option(min=1, help="The size of the data set.")] = None,
    ema: Annotated[bool | None, typer.Option("--ema/--no-ema", help="The codebook is a moving average.")] = None,
    expected: Annotated[
        list[str] | None, typer.Option(metavar="CODE=REASON", help="A deviation that is meant.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Root of all random inputs.")] = 0,
) -> None:
    """Does a loss compute what it should, and if not, what does it compute instead?

    THE FILE IS IMPORTED AND ITS FUNCTION IS CALLED: it runs as code, with your permissions.

    Exit status 0 correct, 1 wrong, 2 could not run, 3 undecided.
    """
    from elbo.checking._command import check_command

    status = check_command(
        functions,
        against,
        as_json=json,
        html=html,
        watch=watch,
        debug=debug,
        spread=spread,
        maximise=maximise,
        sample_axis=sample_axis,
        n_data=n_data,
        ema=ema,
        seed=seed,
        expected=expected or (),
    )
    raise typer.Exit(status)


@app.command()
def audit(
    target: Annotated[
        str, typer.Argument(help="torch.distributions, elbo, package.module:function or file.py:function.")
    ] = "torch.distributions",
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JSON; - prints it.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as one page, with plots.")] = None,
    only: Annotated[str, typer.Option(metavar="PATTERN", help="Pairs such as 'Beta ‖ Gamma', in either case.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the totals.")] = False,
    times: Annotated[int, typer.Option(metavar="N", help="Try N times as many parameters.")] = 1,
    beside: Annotated[
        str,
        typer.Option(metavar="TARGET", help="Print the worst errors beside those of another target."),
    ] = "",
) -> None:
    """Judge a registry of KL divergences against 60-digit values: near equality, far, and at the edges.

    A function kl(q, p) of your own is imported and runs as code. Exit status 0 if every pair is right, 1 if one is not,
    2 if none was judged or an argument is wrong.
    """
    from elbo.audit._command import audit_command

    raise typer.Exit(audit_command(target, json, html, only, quiet, times, beside))


def main() -> None:
    """The console script."""
    app()
