"""What keeps a set of pages from being built: names that lead nowhere, rules that nobody uses, circles."""

import importlib
from collections.abc import Iterable, Sequence

from derivations.language import RULES, Derivation


class PagesError(Exception):
    """The catalogue cannot be printed as it stands; the message lists every reason."""


def rule_uses(derivations: Iterable[Derivation]) -> dict[str, list[str]]:
    """For each rule the slugs of the derivations that cite it."""
    uses: dict[str, list[str]] = {name: [] for name in RULES}
    for d in derivations:
        for name in dict.fromkeys(name for step in d.steps for name in step.by):
            if name in uses:
                uses[name].append(d.slug)
    return uses


def check(derivations: Sequence[Derivation], *, every_rule_used: bool = True) -> None:
    """Raise :class:`PagesError` with every dangling reference, unused rule, circle and source without a place."""
    problems = [*_references(derivations), *_circles(derivations)]
    if every_rule_used:
        problems += [
            f"rule {name!r} is used by no derivation" for name, slugs in rule_uses(derivations).items() if not slugs
        ]
    if problems:
        raise PagesError("the pages cannot be built:\n" + "\n".join(f"- {p}" for p in problems))


def _references(derivations: Sequence[Derivation]) -> Iterable[str]:
    slugs = [d.slug for d in derivations]
    yield from (f"two derivations share the slug {slug!r}" for slug in sorted(set(slugs)) if slugs.count(slug) > 1)
    for d in derivations:
        defined = {definition.name for definition in d.model.definitions}
        cited = {name for step in d.steps for name in step.by}
        yield from (
            f"{d.slug} depends on {other!r}, which does not exist" for other in d.depends_on if other not in slugs
        )
        yield from (
            f"{d.slug} cites {name!r}, which is neither a rule nor one of its definitions"
            for name in sorted(cited - defined - set(RULES))
        )
        yield from (f"{d.slug}: source {s.work!r} has no locator" for s in d.sources if not s.locator.strip())
        yield from (f"{d.slug} has no source" for _ in range(not d.sources))
        yield from (
            f"{d.slug} implements {name!r}, which does not exist" for name in d.implements if not resolves(name)
        )


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for attribute in parts[cut:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def _circles(derivations: Sequence[Derivation]) -> Iterable[str]:
    needs = {d.slug: set(d.depends_on) for d in derivations}
    while True:
        ready = [slug for slug, others in needs.items() if not others & set(needs)]
        if not ready:
            break
        for slug in ready:
            del needs[slug]
    if needs:
        yield f"derivations depend on each other in a circle: {', '.join(sorted(needs))}"
