"""The function under check, brought to one form: tensors in, one float tensor out, with gradients."""

import copy
import functools
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError
from elbo.checking._guard import Guard

Reader = Callable[[Any], Any]


def name_of(function: Any) -> str:
    """How messages call the function."""
    if isinstance(function, functools.partial):
        return f"partial({name_of(function.func)})"
    return getattr(function, "__qualname__", None) or type(function).__name__


class Subject:
    """Somebody else's function of tensors.

    Args:
        function: a callable.
        count: how many positional tensors the target passes.
        guard: where its calls run.
        optional: how many of the last tensors may be missing from its signature.
    """

    def __init__(
        self, function: Any, count: int, guard: Guard, *, optional: int = 0, dtype: torch.dtype = torch.float64
    ):
        if not callable(function):
            raise InputTypeError(
                f"function is {function!r} ({type(function).__name__}), which cannot be called; pass the "
                "function itself"
            )
        if inspect.isclass(function):
            raise InputTypeError(
                f"function is the class {function.__name__}; pass an instance or one of its methods, "
                f"for example {function.__name__}().forward"
            )
        self.name = name_of(function)
        self.guard = guard
        self.dtype = dtype
        self.read: Reader | None = None
        self.reading = ""
        self.noise: Any = None
        self._function = _in_double(function) if dtype == torch.float64 else function
        self._original = function
        self.names, self.extras, self._by_keyword = _signature(function, self.name, count, optional)
        self.count = len(self.names)
        self.masks = [
            name
            for name, default in self.extras.items()
            if "mask" in name.lower() and (default is None or default is inspect.Parameter.empty)
        ]
        self.settings: dict[str, Any] = {}

    def raw(self, *tensors: Tensor, **settings: Any) -> Any:
        """Whatever the function returns for clones of ``tensors``."""
        given = {**{name: torch.ones_like(tensors[0]) for name in self.masks}, **self.settings, **settings}
        before = [_copy(t) for t in tensors] if self.guard.calls < 3 else None
        arguments = [_copy(t) for t in tensors]
        if self._by_keyword:
            call = functools.partial(self._function, **dict(zip(self.names, arguments, strict=True)), **given)
        else:
            positional = [
                given.get(name, 1.0) for name, default in self.extras.items() if default is inspect.Parameter.empty
            ]
            keywords = {k: v for k, v in given.items() if self.extras.get(k) is not inspect.Parameter.empty}
            call = functools.partial(self._function, *arguments, *positional, **keywords)
        out = self.guard.run(call)
        if before is not None and any(not _same(a, b) for a, b in zip(arguments, before, strict=True)):
            self.guard.see("it changes its arguments in place; it was given copies")
        return out

    def tensor(self, *tensors: Tensor, **settings: Any) -> Tensor:
        """The part of the output that is judged, attached to the graph."""
        if self.noise is not None:
            rule, self.noise = self.noise, None
            try:
                exact: Tensor = rule.expectation(lambda: self._read(self.raw(*tensors, **settings)))
            finally:
                self.noise = rule
            return exact
        return self._read(self.raw(*tensors, **settings))

    def value(self, *tensors: Tensor, **settings: Any) -> Tensor:
        """The part of the output that is judged, detached, in float64."""
        return self.tensor(*tensors, **settings).detach().to(torch.float64)

    def total(self, *tensors: Tensor, **settings: Any) -> float:
        """The sum over every entry of the output."""
        return float(self.value(*tensors, **settings).sum())

    def gradients(self, *tensors: Tensor, **settings: Any) -> list[Tensor | None]:
        """Gradients of the summed output by autograd; ``None`` where an argument is not in the graph."""
        given = [t.detach().clone().requires_grad_() if isinstance(t, Tensor) else t for t in tensors]
        leaves = [t for t in given if isinstance(t, Tensor)]
        out = self.tensor(*given, **settings).sum()
        if not out.requires_grad:
            return [None] * len(leaves)
        return list(torch.autograd.grad(out, leaves, allow_unused=True))

    def in_single(self) -> "Subject":
        """The same function on float32 tensors."""
        other = copy.copy(self)
        other._function, other.dtype = self._original, torch.float32
        return other

    def _read(self, out: Any) -> Tensor:
        if self.read is None:
            self.read, self.reading = default_reading(out, self.name)
        return as_tensor(self.read(out), self.name)


def default_reading(out: Any, name: str) -> tuple[Reader, str]:
    """Which part of an output is judged, and how the report calls it."""
    if isinstance(out, Mapping):
        if "loss" in out:
            return (lambda o: o["loss"]), "entry 'loss' of the dict"
        keys = [key for key, value in out.items() if isinstance(value, Tensor)]
        if not keys:
            raise InputTypeError(
                f"{name} returned a dict without a tensor (keys {list(out)}); return the loss under 'loss'"
            )
        return (lambda o: o[keys[0]]), f"entry {keys[0]!r} of the dict"
    if hasattr(out, "loss") and not isinstance(out, Tensor):
        return (lambda o: o.loss), "attribute .loss"
    if isinstance(out, list | tuple):
        if not out:
            raise InputTypeError(f"{name} returned an empty {type(out).__name__}; return the loss")
        return (lambda o: o[0]), f"element 0 of the {type(out).__name__}"
    return (lambda o: o), _shape_words(out)


def readings(out: Any, name: str) -> list[tuple[Reader, str]]:
    """Every part of an output that could be meant, the usual one first; the sum of the parts last."""
    first = default_reading(out, name)
    found = [first]
    if isinstance(out, list | tuple):
        n = len(out)
        found += [(functools.partial(_item, key=i), f"element {i} of the {type(out).__name__}") for i in range(1, n)]
        found.append(
            (functools.partial(_sum, keys=range(n)), f"the sum of the {n} elements of the {type(out).__name__}")
        )
    elif isinstance(out, Mapping):
        keys = [key for key, value in out.items() if isinstance(value, Tensor)]
        found += [(functools.partial(_item, key=key), f"entry {key!r} of the dict") for key in keys]
        found.append((functools.partial(_sum, keys=keys), "the sum of the dict's entries"))
    return found


def _item(out: Any, key: Any) -> Any:
    return out[key]


def _sum(out: Any, keys: Sequence[Any]) -> Any:
    return sum(as_tensor(out[key], "the function").sum() for key in keys)


def as_tensor(out: Any, name: str) -> Tensor:
    """``out`` as a real floating tensor, or an error that says what it is."""
    if isinstance(out, bool) or out is None or isinstance(out, str):
        raise InputTypeError(
            f"{name} returned {out!r}; expected a float tensor (is a return statement missing?): write `return loss`"
        )
    if isinstance(out, int | float):
        return torch.tensor(float(out), dtype=torch.float64)
    if not isinstance(out, Tensor):
        if hasattr(out, "__array__"):
            import numpy as np

            return torch.as_tensor(np.asarray(out, dtype=np.float64))
        raise InputTypeError(f"{name} returned a {type(out).__name__}; expected a float tensor: return the loss")
    if out.is_complex():
        raise InputTypeError(
            f"{name} returned a complex tensor ({out.dtype}); a loss is real: return out.real if meant"
        )
    if not out.is_floating_point():
        raise InputTypeError(
            f"{name} returned a tensor of {out.dtype}; a loss needs a float dtype: drop the .long()/.int()"
        )
    return out


def _shape_words(out: Any) -> str:
    if isinstance(out, Tensor) and out.ndim:
        return "a tensor"
    return "a scalar"


def _copy(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.clone() if value.requires_grad else value.detach().clone()


def _same(a: Any, b: Any) -> bool:
    if not isinstance(a, Tensor):
        return True
    return a.shape == b.shape and bool(torch.equal(a.detach(), b.to(a.dtype)))


def _in_double(function: Any) -> Any:
    """Modules are judged in float64, on a copy."""
    if isinstance(function, torch.nn.Module):
        return copy.deepcopy(function).double()
    owner = getattr(function, "__self__", None)
    if isinstance(function, types.MethodType) and isinstance(owner, torch.nn.Module):
        return types.MethodType(function.__func__, copy.deepcopy(owner).double())
    if isinstance(function, functools.partial):
        inner = _in_double(function.func)
        return functools.partial(inner, *function.args, **function.keywords)
    return function


def _bound(function: Any) -> set[str]:
    """Parameters that a partial has already fixed: the user's choice, never varied."""
    names: set[str] = set()
    while isinstance(function, functools.partial):
        names |= set(function.keywords)
        function = function.func
    return names


def _signature(function: Any, name: str, count: int, optional: int) -> tuple[list[str], dict[str, Any], bool]:
    """(names of the tensor arguments, further parameters with their defaults, whether they go by keyword)."""
    anonymous = [f"argument {i + 1}" for i in range(count)]
    target = function.forward if isinstance(function, torch.nn.Module) else function
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return anonymous[: count - optional], {}, False
    bound = _bound(function)
    parameters = [p for p in parameters if p.name not in bound]
    kinds = inspect.Parameter
    positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    if positional and positional[0].name == "self" and not hasattr(function, "__self__"):
        raise InputTypeError(
            f"{name} needs self: it is a method taken from its class; pass a bound method, for example "
            f"Model().{name.split('.')[-1]}"
        )
    keyword_only = [p for p in parameters if p.kind == kinds.KEYWORD_ONLY]
    if any(p.kind == kinds.VAR_POSITIONAL for p in parameters) and len(positional) < count:
        return anonymous[: max(count - optional, len(positional))], {p.name: p.default for p in keyword_only}, False
    required = [p for p in positional if p.default is kinds.empty]
    if not positional and len([p for p in keyword_only if p.default is kinds.empty]) >= count - optional:
        names = [p.name for p in keyword_only if p.default is kinds.empty][:count]
        return names, {p.name: p.default for p in keyword_only if p.name not in names}, True
    if len(positional) < count - optional:
        raise InputValueError(
            f"{name} takes {len(positional)} positional arguments "
            f"({', '.join(p.name for p in positional) or 'none'}), and this "
            f"target passes {count - optional}; wrap it in a lambda that takes them"
        )
    take = min(count, max(len(required), count - optional))
    if take > count - optional and optional and len(required) <= count - optional:
        take = count - optional
    names = [p.name for p in positional[:take]]
    extras = {p.name: p.default for p in positional[take:] + keyword_only}
    return names, extras, False
