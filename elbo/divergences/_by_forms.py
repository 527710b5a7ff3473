"""A function of rows, each by the cheapest of several forms that keeps its digits there.

A form says of its value how large the terms are that it is a sum of, and of its derivatives likewise. Where less than
a twelfth of the terms is left, the next form does those rows, and at last the dense one, which is slow, never cancels,
and is what is differentiated twice. Rows of float32 are done once more in float64 instead, from the first form on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

LEFT = 1 / 12  # the least share of its terms that a sum is to keep
Rows = Sequence[Tensor]
Slopes = tuple[Tensor | None, ...]  # by every input; none by what is made from the others


@dataclass(frozen=True)
class Form:
    """One way to compute each row.

    Attributes:
        value: ``value(*rows)`` gives the value, the size of its terms, and what the derivatives are made from.
        slopes: ``slopes(*rows, *kept)`` gives the derivatives by every input, which the caller may write to, and in
            which rows they keep their digits.
    """

    value: Callable[..., tuple[Tensor, Tensor, tuple[Tensor, ...]]]
    slopes: Callable[..., tuple[Slopes, Tensor]]


@dataclass(frozen=True)
class Ladder:
    """The forms of a function.

    Attributes:
        forms: from the cheapest.
        dense: the last, by operations that autograd differentiates.
        ranks: how many dimensions each input has beyond those of the batch.
        doubled: the inputs in float64.
    """

    forms: tuple[Form, ...]
    dense: Callable[..., Tensor]
    ranks: tuple[int, ...]
    doubled: Callable[[Rows], list[Tensor]]

    def below(self) -> "Ladder":
        """Without the first form."""
        return replace(self, forms=self.forms[1:])


def largest(x: Tensor, dimensions: int) -> Any:
    """The size of the largest entry of each row's last ``dimensions``."""
    return x.flatten(-dimensions).abs().amax(-1)


def steady(slopes: Slopes, scales: dict[int, Tensor], terms: Sequence[Tensor]) -> Tensor:
    """Whether the largest derivative keeps its share of the largest ``terms`` that any of them is a sum of.

    Those in ``scales`` are counted as changes for a relative change of the parameter, and so are their ``terms``.
    """
    first = next(x for x in slopes if x is not None)
    batch = first.ndim - 1  # the first is a vector
    if not first.numel():
        return torch.ones(first.shape[:-1], dtype=torch.bool, device=first.device)
    given = [(i, x) for i, x in enumerate(slopes) if x is not None and x.numel()]
    found = torch.stack([largest(x * scales[i] if i in scales else x, x.ndim - batch) for i, x in given])
    lost = torch.stack([largest(x, x.ndim - batch) for x in terms if x.numel()])
    return found.amax(0) >= LEFT * lost.amax(0)


def _value(ladder: Ladder, rows: Rows) -> Tensor:
    if not ladder.forms:
        return ladder.dense(*rows)
    value, size, _ = ladder.forms[0].value(*rows)
    return _mended_value(value, size, ladder, rows)


def _mended_value(value: Tensor, size: Tensor, ladder: Ladder, rows: Rows) -> Tensor:
    good = value >= LEFT * size
    if not bool(good.all()):
        bad = ~good
        some = [x[bad] for x in rows]
        if value.dtype is torch.float32:
            value[bad] = _value(ladder, ladder.doubled(some)).float()
        else:
            value[bad] = _value(ladder.below(), some)
    return value


def _slopes(ladder: Ladder, rows: Rows) -> Slopes:
    if not ladder.forms:
        with torch.enable_grad():
            leaves = [x.detach().requires_grad_() for x in rows]
            found: Slopes = torch.autograd.grad(ladder.dense(*leaves).sum(), leaves, allow_unused=True)
        return found
    _, _, kept = ladder.forms[0].value(*rows)
    slopes, good = ladder.forms[0].slopes(*rows, *kept)
    return _mended_slopes(slopes, good, ladder, rows)


def _mended_slopes(slopes: Slopes, good: Tensor, ladder: Ladder, rows: Rows) -> Slopes:
    if bool(good.all()):
        return slopes
    bad = ~good
    some = [x[bad] for x in rows]
    single = rows[0].dtype is torch.float32
    better = _slopes(ladder, ladder.doubled(some)) if single else _slopes(ladder.below(), some)
    return tuple(_mended(slope, bad, other) for slope, other in zip(slopes, better, strict=True))


def _mended(slope: Tensor | None, bad: Tensor, better: Tensor | None) -> Tensor | None:
    if slope is None or better is None:
        return None
    slope = slope.contiguous()
    slope[bad] = better.to(slope.dtype)
    return slope


class _ByForms(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ladder: Ladder, *rows: Tensor) -> Tensor:
        value, size, kept = ladder.forms[0].value(*rows)
        ctx.ladder, ctx.count = ladder, len(rows)
        ctx.save_for_backward(*rows, *kept)
        return _mended_value(value, size, ladder, rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, kept = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        needs = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():  # derivatives of derivatives
            wanted = [x for x, need in zip(rows, needs, strict=True) if need]
            found = iter(torch.autograd.grad(ctx.ladder.dense(*rows), wanted, grad, create_graph=True))
            return None, *(next(found) if need else None for need in needs)
        slopes, good = ctx.ladder.forms[0].slopes(*rows, *kept)
        slopes = _mended_slopes(slopes, good, ctx.ladder, rows)
        return None, *(_times(slope, grad) if need else None for slope, need in zip(slopes, needs, strict=True))


def _times(slope: Tensor | None, grad: Tensor) -> Tensor | None:
    return None if slope is None else slope.mul_(grad.reshape(*grad.shape, *[1] * (slope.ndim - grad.ndim)))


def by_forms(ladder: Ladder, *rows: Tensor) -> Tensor:
    """The function that ``ladder`` computes, of rows whose batch shapes broadcast."""
    shapes = [x.shape[: x.ndim - rank] for x, rank in zip(rows, ladder.ranks, strict=True)]
    if any(shape != shapes[0] for shape in shapes):
        batch = torch.broadcast_shapes(*shapes)
        rows = tuple(x.expand(*batch, *x.shape[x.ndim - rank :]) for x, rank in zip(rows, ladder.ranks, strict=True))
    if not torch.is_grad_enabled():
        return _value(ladder, rows)
    result: Tensor = _ByForms.apply(ladder, *rows)
    return result
