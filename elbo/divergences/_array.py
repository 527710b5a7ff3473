"""The few functions that formulas need, for NumPy arrays and for tensors alike.

A formula is written once. On the CPU, where no graph is to be recorded, it is fed NumPy arrays: a call costs a third
of what it costs in torch, which is most of the time for a thousand elements. Tensors serve every other case (other
devices, ``torch.func``, ``torch.compile``, derivatives of higher order).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = Any  # numpy.ndarray or torch.Tensor


def _either(in_numpy: Callable[..., Any], in_torch: Callable[..., Tensor]) -> Callable[..., Any]:
    def function(x: Array, *more: Array) -> Array:
        return in_torch(x, *more) if isinstance(x, Tensor) else in_numpy(x, *more)

    return function


exp = _either(np.exp, torch.exp)
expm1 = _either(np.expm1, torch.expm1)
exp2 = _either(np.exp2, torch.exp2)
log = _either(np.log, torch.log)
log2 = _either(np.log2, torch.log2)
log1p = _either(np.log1p, torch.log1p)
sqrt = _either(np.sqrt, torch.sqrt)
maximum = _either(np.maximum, torch.maximum)
minimum = _either(np.minimum, torch.minimum)
where = _either(np.where, torch.where)  # where(mask, a, b)
absolute = _either(np.abs, torch.abs)
rint = _either(np.rint, torch.round)
floor = _either(np.floor, torch.floor)


def erf(x: Array) -> Array:
    """(2/√π) ∫₀ˣ e^−t² dt."""
    return torch.erf(x) if isinstance(x, Tensor) else torch.erf(torch.from_numpy(np.ascontiguousarray(x))).numpy()


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x)."""
    return torch.sigmoid(x) if isinstance(x, Tensor) else 1.0 / (1.0 + np.exp(-x))


def softplus(x: Array) -> Array:
    """log(1 + e^x)."""
    return where(x > 0.0, x, 0.0) + log1p(exp(-absolute(x)))


def row_sum(x: Array) -> Array:
    """The sum over a row, kept as a row of one: the last dimension of tensors, the first of arrays (``_rowwise``)."""
    return x.sum(-1, keepdim=True) if isinstance(x, Tensor) else np.add.reduce(x, 0, keepdims=True)


def row_max(x: Array) -> Array:
    """The largest of a row, kept as a row of one."""
    return x.amax(-1, keepdim=True) if isinstance(x, Tensor) else np.maximum.reduce(x, 0, keepdims=True)


def replaced(x: Array, mask: Array, form: Callable[..., Array], *arrays: Array) -> Array:
    """``x``, or ``form(*arrays)`` where ``mask`` holds; NumPy evaluates it there alone if that is not much."""
    if isinstance(x, Tensor):
        return torch.where(mask, form(*arrays), x)
    if mask.shape != x.shape:
        mask = np.broadcast_to(mask, x.shape)
    places = np.flatnonzero(mask)
    if places.size > x.size // 4:
        return np.where(mask, form(*arrays), x)
    if places.size and x.flags.c_contiguous:
        x.reshape(-1)[places] = form(*(np.broadcast_to(array, x.shape).reshape(-1)[places] for array in arrays))
    elif places.size:  # reshape would give a copy
        x[mask] = form(*(np.broadcast_to(array, x.shape)[mask] for array in arrays))
    return x


def replaced_each(
    xs: tuple[Array, Array], mask: Array, form: Callable[..., tuple[Array, Array]], *arrays: Array
) -> tuple[Array, Array]:
    """``replaced`` for a ``form`` that gives two; all arrays are of one shape."""
    if isinstance(mask, Tensor):
        first, second = form(*arrays)
        return torch.where(mask, first, xs[0]), torch.where(mask, second, xs[1])
    if mask.any():
        for x, new in zip(xs, form(*(array[mask] for array in arrays)), strict=True):
            x[mask] = new
    return xs


def by_parts(mask: Array, first: Callable[..., Array], second: Callable[..., Array], x: Array) -> Array:
    """``first(x)`` where ``mask`` holds and ``second(x)`` elsewhere; NumPy evaluates each only where it is chosen."""
    if isinstance(x, Tensor):
        return torch.where(mask, first(x), second(x))
    result, flat = np.empty(x.shape, x.dtype), x.reshape(-1)  # empty_like may be of another order, and reshape a copy
    for chosen, form in ((mask, first), (~mask, second)):
        places = np.flatnonzero(chosen)
        if places.size:
            result.reshape(-1)[places] = form(flat[places])
    return result


def is_float64(x: Array) -> bool:
    return bool(x.dtype == torch.float64 or x.dtype == np.float64)


def polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """Σ coefficients[k] x^k by Horner's rule."""
    if isinstance(x, Tensor):
        total = x * coefficients[-1]
        for c in coefficients[-2:0:-1]:
            total = (total + c) * x
        return total + coefficients[0]
    add, multiply = np.add, np.multiply
    result = np.asarray(x * coefficients[-1])  # a product of arrays of no dimension is a number
    add(result, coefficients[-2], result)
    for c in coefficients[-3::-1]:
        multiply(result, x, result)
        add(result, c, result)
    return result
