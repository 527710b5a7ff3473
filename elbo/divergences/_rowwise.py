"""Functions of rows (the last dimension), as ``_elementwise`` has them for single elements."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from elbo.divergences._array import Array
from elbo.divergences._domain import within_domain
from elbo.divergences._elementwise import (
    BLOCK,
    Partials,
    Value,
    _in_double,
    _in_numpy,
    _partials_in_double,
    aligned,
    transformed,
)
from elbo.divergences._threads import for_each

try:
    from elbo.divergences import _native_rows
except ImportError:  # not compiled, or a processor without fused multiply-add: the formulas in Python stand in
    _native_rows = None  # type: ignore[assignment]

PIECE = 131_072  # numbers that a thread takes at a time


def rowwise(
    value: Value,
    partials: Partials,
    name: str,
    *,
    double: bool = False,
    width: int = 4,
    compiled: str | None = None,
    nonnegative: Sequence[int] = (),
) -> Callable[..., Tensor]:
    """The function ``value`` of the rows of broadcasting arrays, whose derivatives are ``partials``.

    Args:
        value: ``value(*inputs) -> output`` with each row reduced to size 1: rows are the last dimension of tensors, and
            the first of NumPy arrays.
        partials: ``partials(*inputs, needs=...)``: for each input the derivatives by the entries of its row.
        name: what autograd graphs and tracebacks show.
        double: compute in float64 and round once at the end.
        width: how many times larger than the inputs the intermediates are (blocks are made smaller by that).
        compiled: the name of the kernel that does the same for short rows of two inputs, where it was compiled.
        nonnegative: which inputs must have no negative entry: the value is NaN where one has.

    Returns:
        a function of tensors of at least one dimension, of one size in the last; it gives the batch shape.
    """
    if double:
        value, partials = _in_double(value), _partials_in_double(partials)
    value = within_domain(value, nonnegative, rows=True)

    number = None if compiled is None or _native_rows is None else _native_rows.KERNELS[compiled]

    def by_kernel(call: Callable[..., bool], arrays: Sequence[Array], others: Sequence[Array | None]) -> bool:
        """Whether the kernel has done all rows; False if there is none for them."""
        count, size = arrays[0].shape
        if number is None or not 0 < size <= _native_rows.MOST:
            return False
        step = max(1, PIECE // size)
        if count <= step:
            return call(number, size, *arrays, *others)
        done: list[bool] = []

        def work(start: int) -> None:
            piece = slice(start, start + step)
            done.append(call(number, size, *(None if x is None else x[piece] for x in (*arrays, *others))))

        for_each(range(0, count, step), work)
        return all(done)

    def rows(inputs: Sequence[Tensor]) -> tuple[list[Array], torch.Size]:
        shape = inputs[0].shape
        if any(tensor.shape != shape for tensor in inputs):
            shape = torch.broadcast_shapes(*(tensor.shape for tensor in inputs))
            inputs = [tensor.expand(shape) for tensor in inputs]
        full = (tensor.detach().numpy() for tensor in inputs)
        return [np.ascontiguousarray(array.reshape(-1, shape[-1])) for array in full], shape

    def columns(arrays: Sequence[Array], piece: slice) -> list[Array]:
        # rows become columns: NumPy adds up long arrays much faster than many short ones
        return [np.ascontiguousarray(array[piece].T) for array in arrays]

    def pieces(arrays: Sequence[Array]) -> list[slice]:
        count, size = arrays[0].shape
        step = max(1, BLOCK // (width * arrays[0].itemsize * max(size, 1)))
        return [slice(start, start + step) for start in range(0, count, step)]

    def left_by_kernel(arrays: Sequence[Array], done: Array | None) -> Sequence[Any]:
        """The rows where a kernel has left NaN, or all of them in pieces if there was none."""
        if done is None or number is None or arrays[0].shape[1] > _native_rows.MOST:
            return pieces(arrays)
        return [np.flatnonzero(np.isnan(done[:, 0]))]

    def forward(*inputs: Tensor) -> Tensor:
        if not _in_numpy(inputs[0]):
            return value(*inputs).squeeze(-1)  # type: ignore[no-any-return]
        arrays, shape = rows(inputs)
        out = inputs[0].new_empty(shape[:-1])
        flat = out.numpy().reshape(-1, 1)
        if number is not None and by_kernel(_native_rows.value, arrays, [flat]):
            return out
        with np.errstate(all="ignore"):
            for piece in left_by_kernel(arrays, flat):
                flat[piece] = value(*columns(arrays, piece)).T
        return out

    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    def eager(ctx: Any, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*inputs)
        return forward(*inputs)

    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, needs = ctx.saved_tensors, ctx.needs_input_grad
        if torch.is_grad_enabled() or not _in_numpy(grad) or torch._C._functorch.is_batchedtensor(grad):
            slopes = partials(*inputs, needs=needs)
            products = [
                s * grad.unsqueeze(-1) if need and s is not None else None
                for s, need in zip(slopes, needs, strict=True)
            ]
        else:
            arrays, shape = rows(inputs)
            products = [grad.new_empty(shape) if need else None for need in needs]
            g = grad.detach().contiguous().numpy().reshape(-1, 1)
            targets = [None if product is None else product.numpy().reshape(-1, shape[-1]) for product in products]
            if number is None or not by_kernel(_native_rows.products, arrays, [g, *targets]):
                first = next(target for target in targets if target is not None)
                with np.errstate(all="ignore"):
                    for piece in left_by_kernel(arrays, first):
                        slopes = partials(*columns(arrays, piece), needs=needs)
                        for slope, target in zip(slopes, targets, strict=True):
                            if target is not None:
                                target[piece] = (0.0 if slope is None else slope.T) * g[piece]
        return tuple(
            [
                product if product is None or product.shape == tensor.shape else product.sum_to_size(tensor.shape)
                for product, tensor in zip(products, inputs, strict=True)
            ]
        )

    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        inputs = ctx.saved_tensors
        slopes = partials(*inputs, needs=tuple(tangent is not None for tangent in tangents))
        terms = [(s * t).sum(-1) for s, t in zip(slopes, tangents, strict=True) if s is not None and t is not None]
        total: Tensor = sum(terms[1:], start=terms[0])
        return total

    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        return apply(*aligned(in_dims, inputs)), 0

    def function_with(**methods: Callable[..., Any]) -> Any:
        return type(name, (torch.autograd.Function,), {key: staticmethod(method) for key, method in methods.items()})

    plain = function_with(forward=eager, backward=backward)
    traced = function_with(forward=forward, setup_context=setup_context, backward=backward)
    function = function_with(forward=forward, setup_context=setup_context, backward=backward, jvp=jvp, vmap=vmap)

    def apply(*inputs: Array) -> Any:
        if torch.compiler.is_compiling():
            # where no gradient is wanted, torch.compile would call forward with a context before its inputs
            wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
            return traced.apply(*inputs) if wanted else forward(*inputs)
        if transformed() or forward_ad._current_level >= 0:
            return function.apply(*inputs)
        return plain.apply(*inputs)

    apply.__name__ = apply.__qualname__ = name
    return apply
