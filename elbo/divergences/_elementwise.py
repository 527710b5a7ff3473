"""Elementwise functions with derivatives written by hand: differentiable to any order, blockwise, batched by vmap.

Autograd would differentiate a formula operation by operation and keep every intermediate: slow, large, and near
equality wrong, because the derivative of a cancelling sum cancels again. Here a function is its value and its partial
derivatives, each written so that it keeps its digits. On the CPU, without a graph to build, both are evaluated by
NumPy a block at a time: the intermediates stay in the processor's cache and cost no memory worth the name.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from elbo.divergences._array import Array
from elbo.divergences._compiled import kernel
from elbo.divergences._domain import DTYPES, SMALL, within_domain
from elbo.divergences._threads import for_each

Value = Callable[..., Array]
Partials = Callable[..., Sequence[Array | None]]

BLOCK = 131_072  # bytes of one array: a handful of intermediates fit into a second-level cache of 1 MB
PIECE = 1 << 20  # bytes of one array that a thread takes at a time, a multiple of BLOCK


def transformed() -> bool:
    """Whether ``torch.func`` or ``torch.compile`` is tracing us (then values cannot be looked at)."""
    return torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None


def _in_numpy(tensor: Tensor) -> bool:
    return tensor.is_cpu and tensor.dtype in DTYPES and not transformed()


def _blocks(arrays: Sequence[Array], shape: tuple[int, ...], bytes_each: int) -> Iterator[list[Array]]:
    """Views of ``arrays``, broadcast to ``shape`` and cut alike into pieces of about ``bytes_each`` bytes."""
    size, block = int(np.prod(shape)), bytes_each // arrays[0].itemsize
    if all(array.size == 1 or (array.shape == shape and array.flags.c_contiguous) for array in arrays):
        flat = [array.reshape(-1) for array in arrays]
        for start in range(0, size, block):
            yield [array if array.size == 1 else array[start : start + block] for array in flat]
        return
    full = [np.broadcast_to(array, shape) if array.shape != shape else array for array in arrays]
    axis = max(range(len(shape)), key=shape.__getitem__)
    rows = max(1, block * shape[axis] // max(size, 1))
    before: tuple[slice, ...] = (slice(None),) * axis
    for start in range(0, shape[axis], rows):
        yield [array[(*before, slice(start, start + rows))] for array in full]


def aligned(in_dims: Sequence[int | None], inputs: Sequence[Tensor]) -> list[Tensor]:
    """What vmap hands over, with the mapped dimension first and ones put in so that the others broadcast as before."""
    rank = max(tensor.ndim - (dim is not None) for tensor, dim in zip(inputs, in_dims, strict=True))
    result = []
    for tensor, dim in zip(inputs, in_dims, strict=True):
        if dim is not None:
            front = tensor.movedim(dim, 0)
            tensor = front.reshape(front.shape[0], *[1] * (rank - front.ndim + 1), *front.shape[1:])
        result.append(tensor)
    return result


def _cast(x: Array, dtype: Any) -> Array:
    return x.to(dtype) if isinstance(x, Tensor) else x.astype(dtype, copy=False)


def _doubled(inputs: Sequence[Array]) -> list[Array]:
    return [_cast(x, torch.float64 if isinstance(x, Tensor) else np.float64) for x in inputs]


def _in_double(value: Value) -> Value:
    return lambda *inputs: _cast(value(*_doubled(inputs)), inputs[0].dtype)


def _partials_in_double(partials: Partials) -> Partials:
    def rounded(*inputs: Array, needs: Sequence[bool]) -> list[Array | None]:
        slopes = partials(*_doubled(inputs), needs=needs)
        return [None if slope is None else _cast(slope, inputs[0].dtype) for slope in slopes]

    return rounded


def _by_dtype(wide: Callable[..., Any], narrow: Callable[..., Any]) -> Callable[..., Any]:
    def function(x: Array, *more: Array, **options: Any) -> Any:
        return (narrow if x.dtype in (torch.float32, np.float32) else wide)(x, *more, **options)

    return function


def elementwise(
    value: Value,
    partials: Partials,
    name: str,
    *,
    double: bool = False,
    single: tuple[Value, Partials] | None = None,
    width: int = 1,
    compiled: str | None = None,
    nonnegative: Sequence[int] = (),
    unit: Sequence[int] = (),
    increasing: Sequence[tuple[int, int]] = (),
) -> Callable[..., Tensor]:
    """The function ``value`` of broadcasting arrays, whose derivatives are ``partials``.

    Args:
        value: ``value(*inputs) -> output``, elementwise on tensors or NumPy arrays of at least one dimension. It is
            never differentiated, so anything goes.
        partials: ``partials(*inputs, needs=...)`` gives for each input the partial derivative (``None`` where it
            vanishes, or where ``needs`` says that it is not asked for). It must be differentiable itself, by torch or
            by other functions made here, for derivatives of higher order.
        name: what autograd graphs and tracebacks show.
        double: compute in float64 and round once at the end; for formulas whose special functions cost so much that
            the conversion is nothing.
        single: what stands for ``value`` and ``partials`` where the inputs are float32; it is computed in float64 and
            rounded once, and may be simpler: sixteen digits are not needed.
        width: how many times larger than the inputs the intermediates are (blocks are made smaller by that).
        compiled: the name of the kernel that does the same in one pass, where it was compiled.
        nonnegative: which inputs must not be negative: the value is NaN where one is, whatever the formula says.
        unit: which inputs must lie in [0, 1].
        increasing: pairs of inputs of which the first must not exceed the second.

    Returns:
        a function of tensors (recorded by autograd) or of NumPy arrays (the bare value).
    """
    if double:
        value, partials = _in_double(value), _partials_in_double(partials)
    if single is not None:
        value, partials = (
            _by_dtype(value, _in_double(single[0])),
            _by_dtype(partials, _partials_in_double(single[1])),
        )
    value = within_domain(value, nonnegative, unit, increasing)
    widened = double or single is not None
    fused = None if compiled is None else kernel(compiled)

    def block_bytes(itemsize: int) -> int:
        return BLOCK // width * itemsize // 8 if widened else BLOCK // width

    def forward(*inputs: Tensor) -> Tensor:
        if not _in_numpy(inputs[0]):
            shape = torch.broadcast_shapes(*(tensor.shape for tensor in inputs))
            result: Tensor = value(*inputs)
            return result if result.shape == shape else result.expand(shape).clone()
        return on_cpu(inputs)

    def on_cpu(inputs: Sequence[Tensor]) -> Tensor:
        first = inputs[0]
        if fused is not None and first.numel() <= SMALL:
            shape = first.shape
            for tensor in inputs:
                if tensor.shape != shape and (tensor.numel() != 1 or tensor.ndim > first.ndim):
                    break
            else:
                result = torch.empty_like(first)
                if fused.value(inputs, result, value):
                    return result
        arrays = [tensor.detach().numpy() for tensor in inputs]
        return in_numpy(arrays, common_of(arrays), first)

    def common_of(arrays: list[Any]) -> Any:
        """What has the shape of the result."""
        shape = arrays[0].shape
        return arrays[0] if all(array.shape == shape for array in arrays) else np.broadcast(*arrays)

    def in_numpy(arrays: list[Any], common: Any, like: Tensor) -> Tensor:
        if common.ndim == 0:
            rows = [array.reshape(1) for array in arrays]
            return in_numpy(rows, rows[0], like).reshape(())
        if common.size == 0:  # NumPy has no smallest of nothing
            return like.new_empty(common.shape)
        if common.size <= SMALL and fused is None:
            with np.errstate(all="ignore"):
                result = value(*arrays)
            if result.shape != common.shape:
                result = np.broadcast_to(result, common.shape).copy()
            return torch.from_numpy(result)
        out = like.new_empty(common.shape)
        if common.size <= SMALL and fused is not None and fused.value(arrays, out.numpy(), value):
            return out

        def fill(pieces: list[Array]) -> None:
            if fused is not None and fused.value(pieces[:-1], pieces[-1], value):
                return
            with np.errstate(all="ignore"):
                for blocks in _blocks(pieces, pieces[-1].shape, block_bytes(out.element_size())):
                    blocks[-1][...] = value(*blocks[:-1])

        if common.size <= SMALL:
            fill([*arrays, out.numpy()])
        else:
            for_each(_blocks([*arrays, out.numpy()], common.shape, PIECE), fill)
        return out

    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    def eager(ctx: Any, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*inputs)
        ctx.slopes = None
        first = inputs[0]
        if not first.is_cpu or first.dtype not in DTYPES:
            return forward(*inputs)
        if fused is not None:
            return on_cpu(inputs)
        arrays = [tensor.detach().numpy() for tensor in inputs]
        common = common_of(arrays)
        if common.ndim > 0 and 0 < common.size <= SMALL:  # the slopes are cheapest now, and small
            with np.errstate(all="ignore"):
                ctx.slopes = partials(*arrays, needs=ctx.needs_input_grad)
        return in_numpy(arrays, common, first)

    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, needs = ctx.saved_tensors, ctx.needs_input_grad
        if torch.is_grad_enabled() or not _in_numpy(grad) or torch._C._functorch.is_batchedtensor(grad):
            slopes = partials(*inputs, needs=needs)
            products = [None if s is None or not need else s * grad for s, need in zip(slopes, needs, strict=True)]
        else:
            products = products_in_numpy(getattr(ctx, "slopes", None), inputs, grad, needs)
        return tuple(
            [
                product if product is None or product.shape == tensor.shape else product.sum_to_size(tensor.shape)
                for product, tensor in zip(products, inputs, strict=True)
            ]
        )

    def products_in_numpy(
        slopes: Sequence[Any] | None, inputs: Sequence[Tensor], grad: Tensor, needs: Sequence[bool]
    ) -> list[Tensor | None]:
        if slopes is not None:
            g = grad.numpy()
            with np.errstate(all="ignore"):
                return [
                    torch.from_numpy(s * g) if need and s is not None else None
                    for s, need in zip(slopes, needs, strict=True)
                ]
        products = [torch.empty_like(grad, memory_format=torch.contiguous_format) if need else None for need in needs]
        if grad.numel() == 0:
            return products
        if fused is not None and grad.numel() <= SMALL and fused.products(inputs, grad, products, partials):
            return products
        if grad.ndim == 0:
            rows = [tensor.reshape(1) for tensor in inputs]
            return [
                product if product is None else product.reshape(())
                for product in products_in_numpy(None, rows, grad.reshape(1), needs)
            ]
        arrays, g = [tensor.detach().numpy() for tensor in inputs], grad.numpy()
        outs = [None if product is None else product.numpy() for product in products]
        targets = [out for out in outs if out is not None]

        def fill(pieces: list[Array]) -> None:
            following = iter(pieces[len(arrays) + 1 :])
            some = [next(following) if need else None for need in needs]
            if fused is not None and fused.products(pieces[: len(arrays)], pieces[len(arrays)], some, partials):
                return
            with np.errstate(all="ignore"):
                for blocks in _blocks(pieces, pieces[-1].shape, block_bytes(g.itemsize)):
                    slopes = partials(*blocks[: len(arrays)], needs=needs)
                    wanted = (slope for slope, need in zip(slopes, needs, strict=True) if need)
                    for slope, out in zip(wanted, blocks[len(arrays) + 1 :], strict=True):
                        np.multiply(0.0 if slope is None else slope, blocks[len(arrays)], out=out)

        if g.size <= SMALL:
            fill([*arrays, g, *targets])
        else:
            for_each(_blocks([*arrays, g, *targets], g.shape, PIECE), fill)
        return products

    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        inputs = ctx.saved_tensors
        slopes = partials(*inputs, needs=tuple(tangent is not None for tangent in tangents))
        terms = [s * t for s, t in zip(slopes, tangents, strict=True) if s is not None and t is not None]
        total = sum(terms[1:], start=terms[0]) if terms else torch.zeros_like(inputs[0])
        return total.expand(torch.broadcast_shapes(*(tensor.shape for tensor in inputs)))

    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        return apply(*aligned(in_dims, inputs)), 0

    def function_with(**methods: Callable[..., Any]) -> Any:
        return type(name, (torch.autograd.Function,), {key: staticmethod(method) for key, method in methods.items()})

    # three faces of one function: torch.func needs setup_context, which costs 10 µs; torch.compile refuses jvp and vmap
    plain = function_with(forward=eager, backward=backward)
    traced = function_with(forward=forward, setup_context=setup_context, backward=backward)
    function = function_with(forward=forward, setup_context=setup_context, backward=backward, jvp=jvp, vmap=vmap)

    def bare(*arrays: Array) -> Array:
        if fused is None or arrays[0].dtype not in (np.float64, np.float32):
            return value(*arrays)
        shape = arrays[0].shape if len(arrays) == 1 else np.broadcast(*arrays).shape
        out = np.empty(shape, arrays[0].dtype)
        return out if fused.value(arrays, out, value) else value(*arrays)

    def apply(*inputs: Array) -> Array:
        if not isinstance(inputs[0], Tensor):
            return bare(*inputs)
        if torch.compiler.is_compiling():
            # where no gradient is wanted, torch.compile would call forward with a context before its inputs
            wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
            return traced.apply(*inputs) if wanted else forward(*inputs)
        if transformed() or forward_ad._current_level >= 0:
            return function.apply(*inputs)
        if torch.is_grad_enabled():
            return plain.apply(*inputs)
        return forward(*inputs)

    apply.__name__ = apply.__qualname__ = name
    return apply
