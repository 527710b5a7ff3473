"""Derivations as pages: MyST for the site, LaTeX for print, JSON for programs. What is not proved is not printed."""

import importlib
import json
import pkgutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from derivations.language import Derivation
from derivations.pages._check import PagesError, check, rule_uses
from derivations.pages._content import Content, NotProved, content
from derivations.pages.errata import NotRefuted, errata_page
from derivations.witnesses import Report, judge

__all__ = [
    "Content", "NotProved", "NotRefuted", "PagesError", "check", "content", "contents", "json_document",
    "latex_document", "site", "write",
]  # fmt: skip

Judge = Callable[[Derivation], Report]
remembered: Judge = partial(judge, cached=True)


def contents(derivations: Sequence[Derivation], ask: Judge = remembered) -> list[Content]:
    """The content of each page; raises :class:`NotProved` or :class:`PagesError` rather than leave anything out."""
    check(derivations)
    return [content(ask(d)) for d in derivations]


def site(derivations: Sequence[Derivation], ask: Judge = remembered) -> dict[str, str]:
    """Name and text of every page in ``docs/derivations``."""
    from derivations.pages import myst

    every = contents(derivations, ask)
    pages = {f"{c['slug']}.md": myst.page(c) for c in every}
    pages["rules.md"] = myst.rules_page(rule_uses(derivations))
    pages["index.md"] = myst.index_page(_by_subject(every))
    pages["errata.md"] = errata_page()
    return pages


def _by_subject(every: Sequence[Content]) -> dict[str, list[Content]]:
    """Pages grouped by the file of the catalogue, under the first paragraph of its docstring."""
    package = importlib.import_module("derivations.catalogue")
    by_slug = {c["slug"]: c for c in every}
    groups: dict[str, list[Content]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        title = " ".join((module.__doc__ or info.name).partition("\n\n")[0].split()).rstrip(".")
        groups[title] = [by_slug.pop(d.slug) for d in module.DERIVATIONS if d.slug in by_slug]
    if by_slug:
        groups["Others"] = list(by_slug.values())
    return {title: group for title, group in groups.items() if group}


def latex_document(derivations: Sequence[Derivation], ask: Judge = remembered) -> str:
    """One LaTeX document."""
    from derivations.pages import latex

    return latex.document(contents(derivations, ask))


def json_document(derivations: Sequence[Derivation], ask: Judge = remembered) -> str:
    """Everything that the pages show, for programs."""
    return json.dumps(contents(derivations, ask), ensure_ascii=False, indent=1) + "\n"


def write(folder: Path, pages: dict[str, str]) -> list[str]:
    """Write the pages, remove those that are no longer made, and return the names of what changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
            changed.append(old.name)
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
            changed.append(name)
    return sorted(changed)
