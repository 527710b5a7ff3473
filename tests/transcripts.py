"""The transcripts of the documentation: run them, compare, and write them anew.

    python tests/transcripts.py README.md docs/how-to/check-*.md      rewrite what the commands print

A transcript is a fenced block of a page, ``python`` with ``>>>`` lines, or ``console`` with ``$ elbo ...`` lines. The
blocks of one page share their names; a block that begins with ``# file: NAME`` is that file. The README is replayed in
the root of the repository, every other page in an empty folder.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(python|console)\n(.*?)^```$", flags=re.M | re.S)


def replayed(page: str, folder: Path | None = None) -> str:
    """The page with every transcript as it comes out now, in ``folder`` or in an empty one."""
    names: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(folder or empty):
        return FENCE.sub(lambda match: f"```{match[1]}\n{_block(match[1], match[2], names)}```", page)


def _block(language: str, text: str, names: dict[str, object]) -> str:
    if language == "console":
        return "".join(f"$ {command}\n{_shell(command)}" for command in _commands(text))
    first = re.match(r"# file: (\S+)\n", text)
    if first:
        Path(first[1]).write_text(text[first.end() :])
        return text
    if ">>>" not in text:
        return text
    return "".join(_session(text, names))


def _session(text: str, names: dict[str, object]) -> Iterator[str]:
    for example in doctest.DocTestParser().get_examples(text):
        lines = example.source.splitlines()
        yield f">>> {lines[0]}\n" + "".join(f"... {line}".rstrip() + "\n" for line in lines[1:])
        yield _python(example.source, names)


def _python(source: str, names: dict[str, object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(source, "<transcript>", "single"), names)
        except Exception as error:
            kind = type(error)
            place = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
            print(f"Traceback (most recent call last):\n    ...\n{place}{kind.__qualname__}: {error}")
    return out.getvalue()


def _commands(text: str) -> list[str]:
    return [line[2:] for line in text.splitlines() if line.startswith("$ ")]


def _shell(command: str) -> str:
    """``elbo ...`` in this process; ``echo $?`` gives the exit status of the command before."""
    if command == "echo $?":
        return f"{_shell.status}\n"  # type: ignore[attr-defined]
    if command.startswith("cat "):
        return Path(command[4:]).read_text()
    from typer.testing import CliRunner

    from elbo.cli import app

    words = shlex.split(command)
    assert words[0] == "elbo", f"a transcript runs elbo, not {words[0]}"
    result = CliRunner(env={**os.environ, "NO_COLOR": "1", "COLUMNS": "110"}).invoke(app, words[1:])
    _shell.status = result.exit_code  # type: ignore[attr-defined]
    return result.output


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        before = path.read_text(encoding="utf-8")
        after = replayed(before, ROOT if path.name == "README.md" else None)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path}: rewritten")
