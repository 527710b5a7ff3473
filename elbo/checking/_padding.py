"""A loss that takes a mask: positions that the mask excludes must not count, neither in the sum nor in the divisor."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elbo.checking._case import Case, evidence
from elbo.checking._fit import close
from elbo.checking._guard import FunctionError


def judge_padding(case: Case, tensors: Sequence[Tensor], masked: Sequence[int]) -> None:
    """Mask the last positions of the data: the value must be that of the data without them.

    Args:
        case: where findings go.
        tensors: an ordinary input, the data (batch, position).
        masked: which of the tensors have the masked positions.
    """
    subject = case.subject
    if not subject.masks or any(tensors[i].ndim != 2 for i in masked):
        return
    keep = tensors[masked[0]].shape[1] - 2
    mask = torch.ones_like(tensors[masked[0]])
    mask[:, keep:] = 0.0
    short = [t[:, :keep] if i in masked else t for i, t in enumerate(tensors)]
    moved = [torch.cat([t[:, :keep], t[:, keep:] * 0.5 + 0.2], 1) if i in masked else t for i, t in enumerate(tensors)]
    name = subject.masks[0]
    case.adopted["mask"] = f"{name}: one where a position counts"
    try:
        with_mask = subject.total(*tensors, **{name: mask})
        after = subject.total(*moved, **{name: mask})
        without = subject.total(*short, **{name: torch.ones_like(short[masked[0]])})
    except FunctionError as error:
        case.not_seen(f"masked positions: {error}")
        return
    if close(with_mask, after, 1e-9) and close(with_mask, without, 1e-6):
        return
    counted = (
        "values at masked positions change the result"
        if not close(with_mask, after, 1e-9)
        else "the divisor counts them"
    )
    case.find(
        "padding-counted",
        f"positions that {name} excludes are counted: {counted}",
        evidence=evidence(with_mask, without, "the last two positions masked, against the data without them"),
    )
