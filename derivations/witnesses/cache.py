"""Findings kept on disk, under a key of everything that they depend on: the derivation, the language, the witnesses,
the seed.

The folder is ``$ELBO_CACHE``, else ``$XDG_CACHE_HOME/elbo``, else ``~/.cache/elbo``; ``ELBO_CACHE=off`` keeps nothing.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from derivations.language.derivation import Derivation
from derivations.witnesses.verdict import Finding, Judgement


def folder() -> Path | None:
    """Where findings are kept; None if they are not."""
    chosen = os.environ.get("ELBO_CACHE", "")
    if chosen == "off":
        return None
    if chosen:
        return Path(chosen) / "derivations"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "elbo" / "derivations"


def fingerprint(*things: Any) -> str:
    """A hash of the content of ``things``: values, and the code of functions, never addresses."""
    digest = hashlib.sha256()
    for piece in _pieces([_whole(x) if isinstance(x, Derivation) else x for x in things]):
        digest.update(piece.encode())
        digest.update(b"\0")
    return digest.hexdigest()


_WHOLE: dict[int, tuple[Derivation, str]] = {}


def _whole(derivation: Derivation) -> str:
    """The hash of a derivation, made once for each object (which is kept, so that no other gets its address)."""
    if id(derivation) not in _WHOLE:
        digest = hashlib.sha256()
        for piece in _pieces(derivation):
            digest.update(piece.encode())
            digest.update(b"\0")
        _WHOLE[id(derivation)] = derivation, digest.hexdigest()
    return _WHOLE[id(derivation)][1]


def _pieces(x: Any) -> Any:
    yield type(x).__name__
    if is_dataclass(x) and not isinstance(x, type):
        for field in fields(x):
            yield field.name
            yield from _pieces(getattr(x, field.name))
    elif isinstance(x, Mapping):
        for key, value in x.items():
            yield from _pieces(key)
            yield from _pieces(value)
    elif isinstance(x, tuple | list):
        for item in x:
            yield from _pieces(item)
    elif isinstance(x, FunctionType):
        yield from _pieces(x.__code__)
        yield from _pieces(tuple(cell.cell_contents for cell in x.__closure__ or ()))
        yield from _pieces(x.__defaults__ or ())
    elif isinstance(x, CodeType):
        yield x.co_code.hex()
        yield from _pieces(x.co_consts)
        yield from _pieces(x.co_names)
    else:
        yield repr(x)


@lru_cache(maxsize=1)
def tools() -> str:
    """A hash of what judges: the sources of the language and the witnesses, and the versions of what they use."""
    root = Path(__file__).resolve().parent.parent
    files = sorted([*(root / "language").glob("*.py"), *(root / "witnesses").glob("*.py")])
    versions = [version(name) for name in ("sympy", "torch")]
    return fingerprint([f.name for f in files], [f.read_text() for f in files], versions, list(sys.version_info[:2]))


def load(key: str) -> dict[str, Any] | None:
    """What is kept under ``key``; a file that cannot be read counts as none."""
    where = folder()
    if where is None:
        return None
    try:
        content: dict[str, Any] = json.loads((where / f"{key}.json").read_text())
    except (OSError, ValueError):
        return None
    return content


def save(key: str, content: dict[str, Any]) -> None:
    """Keep ``content``, in one move, so that no reader sees half a file; a folder that cannot be written is no
    error.
    """
    where = folder()
    if where is None:
        return
    with suppress(OSError):
        where.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=where, suffix=".part", delete=False) as part:
            json.dump(content, part)
        Path(part.name).replace(where / f"{key}.json")


def to_json(judgement: Judgement | None) -> Any:
    """A judgement as JSON."""
    if judgement is None:
        return None
    j = judgement
    return [j.witness, j.finding.value, j.detail, j.residual, j.bound, j.alpha]


def from_json(content: Any) -> Judgement | None:
    """Back from JSON."""
    if content is None:
        return None
    witness, finding, detail, residual, bound, alpha = content
    return Judgement(witness, Finding(finding), detail, residual, bound, alpha)
