"""The cases, one file a target or family of targets. A file is added here by existing and having ``CASES``."""

import importlib
import pkgutil

from benchmarks.checker._case import Case


def collect(only: str = "") -> list[Case]:
    """All cases whose name contains ``only``, or that expect a code equal to it."""
    found: list[Case] = []
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for cases in module.CASES:
            found.extend(cases)

    def wanted(case: Case) -> bool:
        codes = {code for group in case.truth.mistakes | case.truth.notes for code in group.split("|")}
        return not only or only in case.name or only in codes

    return [case for case in found if wanted(case)]
