"""The compiled kernels, where the package was built with a C compiler; ``native/`` holds their source.

A kernel does in one pass over memory what NumPy does in forty, so that the compensated formulas cost less than torch's
plain ones. It stands for a formula in Python on contiguous arrays of float64 or float32, and only there.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from elbo.divergences._array import Array

try:
    from elbo.divergences import _native
except ImportError:  # not compiled, or a processor without fused multiply-add: the formulas in Python stand in
    _native = None  # type: ignore[assignment]


looks_for_nan = None if _native is None else _native.holds_nan  # (address, count, single)
# their derivatives have no kernel
VALUES_ALONE = set() if _native is None else {_native.KERNELS[name] for name in ("curvature", "beta_nodes")}


class Kernel:
    """The compiled form of one elementwise function: its value, and its derivatives times a gradient."""

    def __init__(self, number: int) -> None:
        self._number = number

    def value(self, inputs: Sequence[Array], out: Array, formula: Callable[..., Array]) -> bool:
        """Fill ``out``; the ``formula`` does the few elements beyond the kernel's range. False if ``out`` has gaps.

        Of tensors the kernel gets the addresses: for a thousand elements, arrays and their buffers cost more than it.
        """
        if isinstance(out, Tensor):
            if self._at(_native.value_at, inputs, (out,)):
                return True
            inputs, out = [x.detach().numpy() for x in inputs], out.numpy()
        if not out.flags.c_contiguous:
            return False
        arrays = [_alike(x, out) for x in inputs]
        if not _native.value(self._number, *arrays, out):
            places = np.isnan(out)
            with np.errstate(all="ignore"):
                out[places] = formula(*(np.broadcast_to(x, out.shape)[places] for x in inputs))
        return True

    def products(
        self,
        inputs: Sequence[Array],
        gradient: Array,
        outs: Sequence[Array | None],
        partials: Callable[..., Sequence[Array | None]],
    ) -> bool:
        """Fill those ``outs`` that are arrays with the derivative by that input times ``gradient``."""
        if self._number in VALUES_ALONE:
            return False
        if isinstance(gradient, Tensor):
            if self._at(_native.products_at, (*inputs, gradient), outs):
                return True
            inputs, gradient = [x.detach().numpy() for x in inputs], gradient.numpy()
            outs = [None if out is None else out.numpy() for out in outs]
        wanted = [out for out in outs if out is not None]
        if not all(out.flags.c_contiguous for out in wanted):
            return False
        first = wanted[0]
        if not _native.products(self._number, *(_alike(x, first) for x in (*inputs, gradient)), *outs):
            places = np.isnan(first)
            g, *pieces = (np.broadcast_to(x, first.shape)[places] for x in (gradient, *inputs))
            with np.errstate(all="ignore"):
                slopes = partials(*pieces, needs=[out is not None for out in outs])
                for slope, out in zip(slopes, outs, strict=True):
                    if out is not None:
                        out[places] = 0.0 if slope is None else slope * g
        return True

    def _at(self, call: Callable[..., bool], reads: Sequence[Tensor], outs: Sequence[Tensor | None]) -> bool:
        """Whether the kernel could be called with addresses, and vouches for every element."""
        size, dtype = 0, reads[0].dtype
        alone, addresses, places = 0, [], []  # one number for all: as bits
        for out in outs:
            if out is None:
                places.append(0)
                continue
            if not out.is_contiguous():
                return False
            size = out.numel()
            places.append(out.data_ptr())
        for place, tensor in enumerate(reads):
            if tensor.dtype is not dtype or tensor.is_neg():
                return False
            if tensor.numel() != size or not tensor.is_contiguous():
                if tensor.numel() != 1 and any(tensor.stride()):
                    return False
                alone |= 1 << place
            addresses.append(tensor.data_ptr())
        return size == 0 or call(self._number, dtype is torch.float32, size, alone, *addresses, *places)


def kernel(name: str) -> Kernel | None:
    """The kernel of that name, if there is one here."""
    return None if _native is None else Kernel(_native.KERNELS[name])


def _alike(x: Array, out: Array) -> Array:
    """``x`` as a kernel takes it: contiguous and of the shape of ``out``, or a single number that stands for all."""
    if x.shape == out.shape and x.flags.c_contiguous:
        return x
    if x.size == 1 or (x.size and not any(x.strides)):
        return np.array(x[(0,) * x.ndim], ndmin=1)
    return np.ascontiguousarray(np.broadcast_to(x, out.shape))
