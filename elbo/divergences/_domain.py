"""Whether numbers are what a formula is for: no NaN, none negative, within [0, 1], or in order."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from elbo.divergences._array import Array
from elbo.divergences._compiled import looks_for_nan
from elbo.divergences._threads import for_each

Value = Callable[..., Array]
DTYPES = (torch.float64, torch.float32)
SMALL = 8_192  # elements: up to here the slopes are computed with the value, and kept
LOOKED_AT = 1 << 22  # bytes that a thread looks through at a time


def holds_nan(tensor: Tensor) -> bool:
    """Whether any element of ``tensor`` is NaN."""
    dtype = tensor.dtype
    if not tensor.is_cpu or dtype not in DTYPES:
        return not tensor.is_meta and bool(torch.isnan(tensor.detach()).any())
    count = tensor.numel()
    if count <= SMALL and looks_for_nan is not None and tensor.is_contiguous():
        return looks_for_nan(tensor.data_ptr(), count, dtype is torch.float32)
    if count and looks_for_nan is not None and not any(tensor.stride()):  # one number, expanded
        return looks_for_nan(tensor.data_ptr(), 1, dtype is torch.float32)
    if looks_for_nan is not None and tensor.is_contiguous():
        single, address = dtype is torch.float32, tensor.data_ptr()
        # torch's threads wait busily after their work, and would keep a processor from the threads of the next blocks
        size, step = tensor.element_size(), LOOKED_AT // tensor.element_size()
        found: list[bool] = []
        for_each(
            range(0, count, step),
            lambda start: found.append(looks_for_nan(address + size * start, min(step, count - start), single)),
        )
        return any(found)
    bare = tensor.detach()
    bare = bare[tuple(slice(1) if step == 0 else slice(None) for step in bare.stride())]  # what is expanded, once
    return bare.numel() > 0 and math.isnan(bare.numpy().min())


def smallest(tensor: Tensor) -> float:
    """The smallest element, ∞ of none, NaN if one is; what is expanded is looked at once."""
    if tensor.numel() == 0:
        return math.inf
    bare = tensor.detach()
    if not bare.is_cpu or bare.dtype not in DTYPES:
        return float(bare.min())
    array = bare.numpy()
    if 0 in array.strides:
        array = array[tuple(slice(1) if step == 0 else slice(None) for step in array.strides)]
    return float(array.min())


def holds_negative(tensor: Tensor) -> bool:
    """Whether any element of ``tensor`` is negative or NaN."""
    return not tensor.is_meta and not smallest(tensor) >= 0.0


def within_domain(
    value: Value,
    nonnegative: Sequence[int],
    unit: Sequence[int] = (),
    increasing: Sequence[tuple[int, int]] = (),
    *,
    rows: bool = False,
) -> Value:
    """``value``, NaN where one of these inputs is negative, or outside [0, 1], or one of a pair exceeds the other.

    A formula made of quotients does not see that both of two scales are negative. The compiled kernels leave such
    elements to the formula in Python, so that in them this costs nothing. Of ``rows`` every entry has to be there.
    """

    places = (*nonnegative, *unit)

    def reduced(x: Array) -> Array:
        if not rows:
            return x
        return x.all(-1, keepdim=True) if isinstance(x, Tensor) else x.all(0, keepdims=True)

    def function(*inputs: Array) -> Array:
        result = value(*inputs)
        for index in places:
            x = inputs[index]
            if isinstance(x, Tensor):
                good = reduced((x >= 0) & (x <= 1) if index in unit else x >= 0)
                result = torch.where(good, result, math.nan)
            elif x.size and not (x.min() >= 0 and (index not in unit or x.max() <= 1)):
                result = np.where(reduced((x >= 0) & (x <= 1) if index in unit else x >= 0), result, math.nan)
        for first, second in increasing:
            bad = inputs[first] > inputs[second]
            if isinstance(bad, Tensor):
                result = torch.where(bad, math.nan, result)
            elif bad.any():
                result = np.where(bad, math.nan, result)
        return result

    return function if places or increasing else value
