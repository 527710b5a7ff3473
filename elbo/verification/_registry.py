"""Find every claim: each module of :mod:`elbo.verification.claims` contributes what its ``claims()`` yields."""

import importlib
import pkgutil
from collections import Counter

from elbo.verification import claims as _claims
from elbo.verification._claim import Claim


def collect(pattern: str = "") -> list[Claim]:
    """All claims whose name contains ``pattern`` (or matches it, where it has ``*``), in the order of their files."""
    from fnmatch import fnmatchcase

    wanted = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    found: list[Claim] = []
    for info in sorted(pkgutil.iter_modules(_claims.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{_claims.__name__}.{info.name}")
        found.extend(module.claims())
    twice = [name for name, n in Counter(claim.name for claim in found).items() if n > 1]
    if twice:
        raise ValueError(f"two claims share a name: {', '.join(twice)}; names must be unique")
    return [claim for claim in found if fnmatchcase(claim.name, wanted)]
