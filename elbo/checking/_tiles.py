"""How a function reduces its inputs when no formula explains it: repeat the inputs along an axis and compare."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elbo.checking._case import Case
from elbo.checking._fit import close


def judge_tiles(case: Case, tensors: Sequence[Tensor], letters: Sequence[str]) -> None:
    """Repeating every datum, or every coordinate, doubles a sum and leaves a mean as it is.

    Args:
        case: where findings go.
        tensors: an ordinary input.
        letters: ``"BP"`` or ``"BD"`` for each.
    """
    once = case.subject.total(*tensors)
    for letter, code in (("P", "reconstruction-averaged"), ("D", "kl-averaged-over-latent")):
        if not all(letter in ls for ls in letters) or any(t.ndim != 2 for t in tensors):
            continue
        twice = case.attempt(*[torch.cat([t, t], dim=1) for t in tensors])
        if twice is not None and close(float(twice.sum()), once, 1e-9) and abs(once) > 1e-12:
            case.find(code, "repeating every coordinate leaves the value as it is: a mean where a sum belongs")
