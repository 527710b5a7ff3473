"""Hold the noise of a model still: every normal draw of torch's random API comes from one source."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Source = Callable[[Tensor], Tensor]


class HeldNoise(TorchFunctionMode):
    """Inside it, ``torch.randn``, ``randn_like``, ``normal``, ``Tensor.normal_`` and what is built on them take their
    draws from ``source``, which is given a tensor of the shape that is wanted. ``draws`` counts them.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.draws = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Let the call give the shape, and put the draws in."""
        kwargs = kwargs or {}
        if func in (torch.randn, torch.randn_like):
            return self._drawn(func(*args, **kwargs))
        if func is Tensor.normal_:
            mean, std = _location(args[1:], kwargs)
            with torch.no_grad():
                return args[0].copy_(mean + std * self._drawn(torch.empty_like(args[0])))
        if func is torch.normal:
            out = func(*args, **kwargs)
            mean, std = _location(args, kwargs)
            return mean + std * self._drawn(torch.empty_like(out))
        return func(*args, **kwargs)

    def _drawn(self, like: Tensor) -> Tensor:
        self.draws += like.numel()
        return self.source(like).to(like)


def _location(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    given = [*args[:2], *[None] * (2 - len(args[:2]))]
    mean = kwargs.get("mean", given[0])
    std = kwargs.get("std", given[1])
    return 0.0 if mean is None else mean, 1.0 if std is None else std


def constant(value: float) -> Source:
    """Every draw is ``value``."""
    return lambda like: torch.full_like(like, value)


def drawn(generator: torch.Generator) -> Source:
    """Standard normal draws of one's own generator."""
    return lambda like: torch.empty(like.shape, dtype=like.dtype).normal_(generator=generator)
