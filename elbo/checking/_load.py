"""Find the function that a command line names: ``path/to/file.py:function`` or ``package.module:Class.method``."""

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from elbo._errors import Error, InputValueError


class LoadError(Error):
    """A named file, module or function cannot be loaded."""


def load(reference: str) -> Any:
    """The object behind ``FILE:FUNCTION`` or ``MODULE:NAME.NAME``; a method of a class is bound to ``Class()``.

    The file is executed: it runs as code of this process.
    """
    place, separator, path = reference.rpartition(":")
    if not separator or not place or not path:
        raise InputValueError(
            f"{reference!r} names no function; write path/to/file.py:function or package.module:Class.method"
        )
    module = _from_file(Path(place)) if place.endswith(".py") or os.sep in place else _from_name(place)
    return _walk(module, path, place)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = difflib.get_close_matches(
            path.name, [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else [], n=1
        )
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise LoadError(f"there is no file {path}{hint}")
    name = f"_checked_{abs(hash(str(path.resolve())))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        # compiled here and not by the loader, whose cache takes a second save within a second for the first
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        raise LoadError(f"{path} has a syntax error in line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise LoadError(f"{path} raised {type(error).__name__} while it was loaded: {error}") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    return module


def _from_name(name: str) -> ModuleType:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(
                f"there is no module {error.name!r}; write package.module:function, or path/to/file.py:function"
            ) from error
        raise LoadError(f"{name} raised ModuleNotFoundError while it was imported: {error}") from error
    except (Exception, SystemExit) as error:
        raise LoadError(f"{name} raised {type(error).__name__} while it was imported: {error}") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _walk(module: ModuleType, path: str, place: str) -> Any:
    here: Any = module
    parts = path.split(".")
    for i, part in enumerate(parts):
        if not hasattr(here, part):
            names = (
                [n for n, v in vars(here).items() if callable(v) and not n.startswith("_")]
                if hasattr(here, "__dict__")
                else []
            )
            near = difflib.get_close_matches(part, names, n=1)
            hint = (
                f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(names)[:12])}" if names else ""
            )
            raise LoadError(f"{'.'.join([place, *parts[:i]])} has no {part!r}{hint}")
        owner, here = here, getattr(here, part)
        bare = inspect.isclass(owner) and inspect.isfunction(here)
        if bare and not isinstance(inspect.getattr_static(owner, part), staticmethod):
            try:
                here = getattr(owner(), part)
            except TypeError as error:
                raise LoadError(
                    f"{part} is a method of {owner.__name__}, whose constructor needs arguments ({error}); "
                    "write a function that builds it, for example: def loss(*a): return "
                    f"{owner.__name__}(...).{part}(*a)"
                ) from error
    if not callable(here):
        raise LoadError(f"{place}:{path} is a {type(here).__name__} and cannot be called")
    return here
