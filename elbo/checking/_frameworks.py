"""Losses written for NumPy, JAX or Keras, as functions of torch tensors.

The adapter is chosen by what the function accepts and returns: torch tensors first, then JAX arrays (where JAX has been
imported; Keras on its JAX backend included), then NumPy arrays. Keras on its torch backend is torch. JAX gradients come
from ``jax.vjp``, so that ``stop_gradient`` is seen; NumPy has none, so that they come from central differences of the
value, and a stop-gradient cannot exist.
"""

import contextlib
import functools
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from elbo._errors import InputTypeError

Framework = Literal["torch", "jax", "numpy"]
_FOREIGN = frozenset({"numpy", "jax", "keras", "scipy", "jaxlib", "autograd"})
_STEP = 1e-3
# f'(x) ≈ Σ c f(x + a h) / h: fourth order, so that at h = 1e-3 truncation and rounding are both near 1e-12
_STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))


def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as a function of torch tensors, with gradients.

    What mentions no other framework is returned as it is. Anything else comes back as a :class:`Foreign`, which decides
    at its first call.
    """
    if isinstance(function, torch.nn.Module | Foreign) or not _mentions_another(function):
        return function
    return Foreign(function)


class Foreign:
    """A function of some framework's arrays, called with torch tensors.

    ``framework`` is known after the first call; ``gradients`` says where its gradients come from.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.framework: Framework | None = None

    @property
    def gradients(self) -> str:
        """``"autograd"``, ``"jax.vjp"`` or ``"differences"``; empty before the first call."""
        return {"torch": "autograd", "jax": "jax.vjp", "numpy": "differences", None: ""}[self.framework]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.framework is None:
            self.framework = self._decide(args, kwargs)
        if self.framework == "torch":
            with _keras_in_double(args):
                return self.function(*args, **kwargs)
        if any(callable(value) and not isinstance(value, Tensor) for value in args):
            raise InputTypeError(
                f"this target passes a torch function, which a {self.framework} function cannot differentiate; "
                "write the surrogate in torch"
            )
        call = functools.partial(_Call, self.function, args, kwargs)
        run = call(_jax_values if self.framework == "jax" else _numpy_values)
        tensors = [value for value in args if isinstance(value, Tensor)]
        leaves = _Bridge.apply(run, *tensors)
        return run.rebuild(leaves if isinstance(leaves, tuple) else (leaves,))

    def _decide(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Framework:
        """The first framework whose arrays the function accepts and gives back."""
        first: Exception | None = None
        leaves = [_leaf(value) for value in args]
        try:
            with _keras_in_double(args):
                answer = _flatten(self.function(*leaves, **kwargs))[0]
            if any(isinstance(value, Tensor) for value in answer):
                return "torch"
        except Exception as error:
            first = error
        out: list[Any] | None = None
        with contextlib.suppress(Exception):
            out = _flatten(self.function(*[_to_numpy(value) for value in args], **kwargs))[0]
        if "jax" in sys.modules:
            import jax

            if out is None:  # what JAX arrays have and NumPy's have not, such as .at
                with contextlib.suppress(Exception), _jax_precision(args):
                    out = _flatten(self.function(*[_to_jax(value) for value in args], **kwargs))[0]
            if any(isinstance(value, jax.Array) for value in out or ()):
                return "jax"
        if not out and first is not None:
            raise first
        return "numpy"


class _Call:
    """One call: where the values come from, and how the answer is put together again."""

    def __init__(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], values: Any) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.values = values
        self.rebuild: Callable[[Sequence[Tensor]], Any] = tuple

    def with_tensors(self, tensors: Sequence[Any]) -> list[Any]:
        """All arguments, the tensors among them replaced."""
        given = iter(tensors)
        return [next(given) if isinstance(value, Tensor) else value for value in self.args]


class _Bridge(torch.autograd.Function):
    """Leaves the torch graph, calls, and comes back with the other framework's vector-Jacobian product."""

    @staticmethod
    def forward(ctx: Any, run: _Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The values of the floating leaves of the answer."""
        leaves, ctx.pull = run.values(run, tensors)
        ctx.like = tensors
        return tuple(leaves)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """One gradient for each tensor."""
        pulled = ctx.pull(gradients)
        return (None, *(torch.as_tensor(np.array(g)).to(t) for g, t in zip(pulled, ctx.like, strict=True)))


def _numpy_values(run: _Call, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Any]:
    arrays = [np.array(t.detach().numpy(), copy=True) for t in tensors]

    def at(values: Sequence[Any]) -> list[Any]:
        leaves, run.rebuild = _flatten(run.function(*run.with_tensors([v.copy() for v in values]), **run.kwargs))
        return [np.asarray(leaf, dtype=np.float64) for leaf in leaves]

    def pull(gradients: Sequence[Tensor]) -> list[Any]:
        weights = [g.detach().numpy().astype(np.float64) for g in gradients]
        found = []
        for k, array in enumerate(arrays):
            slope = np.zeros(array.shape)
            for index in np.ndindex(array.shape):
                for steps, coefficient in _STENCIL:
                    moved = [a.astype(np.float64) for a in arrays]
                    moved[k][index] += steps * _STEP
                    total = sum(float((w * v).sum()) for w, v in zip(weights, at(moved), strict=True))
                    slope[index] += coefficient * total / _STEP
            found.append(slope)
        return found

    dtype = tensors[0].dtype if tensors else torch.float64
    return [torch.as_tensor(leaf).to(dtype) for leaf in at(arrays)], pull


def _jax_values(run: _Call, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Any]:
    import jax
    import jax.numpy as jnp

    def at(*values: Any) -> list[Any]:
        leaves, run.rebuild = _flatten(run.function(*run.with_tensors(values), **run.kwargs))
        return [jnp.asarray(leaf) for leaf in leaves]

    with _jax_precision(tensors):
        out, vjp = jax.vjp(at, *[_to_jax(t) for t in tensors])

    def pull(gradients: Sequence[Tensor]) -> Any:
        with _jax_precision(tensors):
            return vjp([jnp.asarray(g.detach().numpy(), dtype=o.dtype) for g, o in zip(gradients, out, strict=True)])

    return [torch.as_tensor(np.array(leaf)) for leaf in out], pull


def _flatten(out: Any) -> tuple[list[Any], Callable[[Sequence[Tensor]], Any]]:
    """The floating leaves of an answer, and what puts others in their place."""
    if isinstance(out, dict):
        keys = [key for key, value in out.items() if _is_float(value)]
        return [out[key] for key in keys], lambda leaves: {**out, **dict(zip(keys, leaves, strict=True))}
    if isinstance(out, tuple | list):
        places = [i for i, value in enumerate(out) if _is_float(value)]

        def rebuild(leaves: Sequence[Tensor]) -> tuple[Any, ...]:
            new = dict(zip(places, leaves, strict=True))
            return tuple(new.get(i, value) for i, value in enumerate(out))

        return [out[i] for i in places], rebuild
    if not _is_float(out) and hasattr(out, "loss"):
        return [out.loss], lambda leaves: types.SimpleNamespace(loss=leaves[0])
    return ([out], lambda leaves: leaves[0]) if _is_float(out) else ([], lambda _: out)


def _is_float(value: Any) -> bool:
    if isinstance(value, float):
        return True
    if isinstance(value, Tensor):
        return value.is_floating_point()
    dtype = getattr(value, "dtype", None)
    return dtype is not None and "float" in str(dtype)


def _leaf(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().clone().requires_grad_()
    return value


def _to_numpy(value: Any) -> Any:
    return np.array(value.detach().numpy(), copy=True) if isinstance(value, Tensor) else value


def _to_jax(value: Any) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(value.detach().numpy()) if isinstance(value, Tensor) else value


def _double(values: Sequence[Any]) -> bool:
    return any(isinstance(value, Tensor) and value.dtype == torch.float64 for value in values)


@contextlib.contextmanager
def _jax_precision(values: Sequence[Any]) -> Iterator[None]:
    """JAX rounds float64 to float32 unless told not to."""
    import jax

    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", _double(values) or before)
    try:
        with _keras_in_double(values):
            yield
    finally:
        jax.config.update("jax_enable_x64", before)


@contextlib.contextmanager
def _keras_in_double(values: Sequence[Any]) -> Iterator[None]:
    """Keras casts to its own default precision, and rounds means to float32 even then: raise both for float64 input."""
    keras = sys.modules.get("keras")
    if keras is None or not _double(values) or not hasattr(keras, "config"):
        yield
        return
    narrowing = getattr(sys.modules.get("keras.src.backend.common.dtypes"), "BIT64_TO_BIT32_DTYPE", {})
    floatx, rule = keras.config.floatx(), narrowing.get("float64")
    keras.config.set_floatx("float64")
    narrowing["float64"] = "float64"
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        if rule is not None:
            narrowing["float64"] = rule


def _mentions_another(function: Any, depth: int = 3, seen: set[int] | None = None) -> bool:
    """Whether the function, or one of the user's functions that it calls, names a module of another framework."""
    seen = set() if seen is None else seen
    if depth < 0 or id(function) in seen:
        return False
    seen.add(id(function))
    if isinstance(function, functools.partial):
        return _mentions_another(function.func, depth, seen)
    code, scope = _code_of(function)
    if _root(type(function).__module__) in _FOREIGN:
        return True
    if code is None:
        return any(_root(getattr(kind, "__module__", None)) in _FOREIGN for kind in (function, type(function)))
    for name in _names(code):
        value = scope.get(name)
        module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if _root(module) in _FOREIGN:
            return True
        if isinstance(value, types.FunctionType) and _mentions_another(value, depth - 1, seen):
            return True
    return False


def _code_of(function: Any) -> tuple[types.CodeType | None, dict[str, Any]]:
    if isinstance(function, types.MethodType):
        function = function.__func__
    elif not isinstance(function, types.FunctionType):
        function = vars(type(function)).get("__call__")
    if not isinstance(function, types.FunctionType):
        return None, {}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return function.__code__, {**function.__globals__, **{name: _content(cell) for name, cell in cells}}


def _content(cell: Any) -> Any:
    with contextlib.suppress(ValueError):
        return cell.cell_contents
    return None


def _names(code: types.CodeType) -> set[str]:
    """Names that the code uses; what it imports inside itself included."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return {*code.co_names, *code.co_freevars}.union(*inner)


def _root(module: str | None) -> str:
    return (module or "").split(".")[0]
