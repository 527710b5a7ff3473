"""Check again on every save: the named files, and the modules of the same folders that they import."""

import importlib
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

INTERVAL = 0.3
"""Seconds between two looks at the files."""


def watch(functions: Sequence[str], once: Callable[[], int]) -> int:
    """Call ``once`` now and after every save until Ctrl-C; returns what it gave last.

    Args:
        functions: the references of the command line, ``FILE:FUNCTION`` or ``MODULE:NAME``.
        once: checks them all and returns an exit status.
    """
    before = set(sys.modules)
    seen: dict[Path, tuple[int, int]] | None = None
    status = 0
    writes = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # a cached module of the same second and size would stand for the saved one
    try:
        while True:
            if seen is None or _saved(functions, before) != seen:
                for name in _loaded(functions, before):
                    del sys.modules[name]
                importlib.invalidate_caches()
                seen = _saved(functions, before)
                status = once()
                # modules that were loaded only now; the named files stay as they were before the check
                seen = {**_saved(functions, before), **seen}
                print("watching; press Ctrl-C to stop", file=sys.stderr, flush=True)
            time.sleep(INTERVAL)
    except KeyboardInterrupt:
        return status
    finally:
        sys.dont_write_bytecode = writes


def _places(functions: Sequence[str]) -> list[str]:
    return [name.rpartition(":")[0] for name in functions]


def _loaded(functions: Sequence[str], before: set[str]) -> dict[str, Path]:
    """The user's own modules, by name: loaded since the start, from the folders of the named files or from here."""
    places = _places(functions)
    roots = {Path(place).resolve().parent for place in places if place.endswith(".py")}
    roots |= {Path.cwd()} if any(not place.endswith(".py") for place in places) else set()
    found = {}
    for name, module in list(sys.modules.items()):
        if name in before or not isinstance(module, ModuleType) or not getattr(module, "__file__", None):
            continue
        path = Path(str(module.__file__)).resolve()
        if any(path.is_relative_to(root) for root in roots) and not any(path.is_relative_to(p) for p in _installed()):
            found[name] = path
    return found


def _installed() -> list[Path]:
    """Where modules lie that nobody edits: the libraries, and this package."""
    paths = sysconfig.get_paths()
    here = Path(__file__).resolve().parents[1]
    return [here, *(Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib"))]


def _saved(functions: Sequence[str], before: set[str]) -> dict[Path, tuple[int, int]]:
    """When each watched file was saved, and its size."""
    named = {Path(place).resolve() for place in _places(functions) if place.endswith(".py")}
    times = {}
    for path in named | set(_loaded(functions, before).values()):
        try:
            stat = os.stat(path)
            times[path] = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            times[path] = (0, 0)
    return times
