"""``python -m derivations pages [--format myst|latex|json] [--out PATH]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages; 1 where something is not proved and so nothing is written."""
    parser = argparse.ArgumentParser(
        prog="python -m derivations", description="Derivations in which every step is judged."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    pages = commands.add_parser("pages", help="write the derivations as pages")
    pages.add_argument("--format", choices=("myst", "latex", "json"), default="myst")
    pages.add_argument("--out", type=Path, help="folder (myst) or file; default docs/derivations, or standard output")
    options = parser.parse_args(arguments)
    return _pages(options.format, options.out)


def _pages(form: str, out: Path | None) -> int:
    from derivations.catalogue import catalogue
    from derivations.pages import NotProved, NotRefuted, PagesError, json_document, latex_document, site, write

    try:
        if form == "myst":
            folder = out or Path("docs") / "derivations"
            made = site(catalogue())
            changed = write(folder, made)
            print(f"{len(made)} pages in {folder}, {len(changed)} changed")
            return 0
        text = (latex_document if form == "latex" else json_document)(catalogue())
    except (NotProved, NotRefuted, PagesError) as error:
        print(error, file=sys.stderr)
        return 1
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
        print(f"{out} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
