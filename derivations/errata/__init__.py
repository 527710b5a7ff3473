"""What the sources get wrong: every statement that fails as written, each refuted by numbers computed here.

A module of this package holds the errata of one topic; a new one is found by itself.

    >>> from derivations.errata import errata
    >>> entry = errata()[0]
    >>> entry.title, entry.evaluate().refutes
    ('the logarithm is convex', True)
"""

import importlib
import pkgutil
from functools import cache

from derivations.errata._entry import Comparison, Evaluation, Kind, Place, Refuted

__all__ = ["Comparison", "Evaluation", "Kind", "Place", "Refuted", "errata", "erratum"]


@cache
def errata() -> tuple[Refuted, ...]:
    """All errata, in the order of their numbers."""
    found: list[Refuted] = []
    for info in pkgutil.iter_modules(__path__):
        if not info.name.startswith("_"):
            module = importlib.import_module(f"{__name__}.{info.name}")
            found += [value for value in vars(module).values() if isinstance(value, Refuted)]
    found.sort(key=lambda entry: entry.number)
    labels = [entry.label for entry in found]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"two errata share a label: {', '.join(twice)}")
    return tuple(found)


def erratum(label: str) -> Refuted:
    """The erratum of that label, ``"E7"``."""
    for entry in errata():
        if entry.label == label:
            return entry
    raise KeyError(f"there is no erratum {label!r}; the labels run from {errata()[0].label} to {errata()[-1].label}")
