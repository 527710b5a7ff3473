"""Functions of rows (the last dimension), as ``_elementwise`` has them for single elements."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from elbo.divergences._array import Array
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


def rowwise(
    value: Value, partials: Partials, name: str, *, double: bool = False, width: int = 4
) -> Callable[..., Tensor]:
    """The function ``value`` of the rows of broadcasting arrays, whose derivatives are ``partials``.

    Args:
        value: ``value(*inputs) -> output`` with each row reduced to size 1: rows are the last dimension of tensors, and
            the first of NumPy arrays.
        partials: ``partials(*inputs, needs=...)``: for each input the derivatives by the entries of its row.
        name: what autograd graphs and tracebacks show.
        double: compute in float64 and round once at the end.
        width: how many times larger than the inputs the intermediates are (blocks are made smaller by that).

    Returns:
        a function of tensors of at least one dimension, of one size in the last; it gives the batch shape.
    """
    if double:
        value, partials = _in_double(value), _partials_in_double(partials)

    def rows(inputs: Sequence[Tensor]) -> tuple[list[Array], torch.Size]:
        shape = torch.broadcast_shapes(*(tensor.shape for tensor in inputs))
        full = (tensor.detach().expand(shape).numpy() for tensor in inputs)
        return [array.reshape(-1, shape[-1]) for array in full], shape

    def columns(arrays: Sequence[Array], piece: slice) -> list[Array]:
        # rows become columns: NumPy adds up long arrays much faster than many short ones
        return [np.ascontiguousarray(array[piece].T) for array in arrays]

    def pieces(arrays: Sequence[Array]) -> list[slice]:
        count, size = arrays[0].shape
        step = max(1, BLOCK // (width * arrays[0].itemsize * max(size, 1)))
        return [slice(start, start + step) for start in range(0, count, step)]

    def forward(*inputs: Tensor) -> Tensor:
        if not _in_numpy(inputs[0]):
            return value(*inputs).squeeze(-1)  # type: ignore[no-any-return]
        arrays, shape = rows(inputs)
        out = inputs[0].new_empty(shape[:-1])
        flat = out.numpy().reshape(-1, 1)
        with np.errstate(all="ignore"):
            for piece in pieces(arrays):
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
            with np.errstate(all="ignore"):
                for piece in pieces(arrays):
                    slopes = partials(*columns(arrays, piece), needs=needs)
                    for slope, product in zip(slopes, products, strict=True):
                        if product is not None:
                            target = product.numpy().reshape(-1, shape[-1])[piece]
                            np.multiply(0.0 if slope is None else slope.T, g[piece], out=target)
        return tuple([None if p is None else p.sum_to_size(x.shape) for p, x in zip(products, inputs, strict=True)])

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
            return traced.apply(*inputs)
        if transformed() or forward_ad._current_level >= 0:
            return function.apply(*inputs)
        return plain.apply(*inputs)

    apply.__name__ = apply.__qualname__ = name
    return apply
