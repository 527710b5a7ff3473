"""What the functions of bare tensors ask of them, and how their values are summed over event dimensions."""

import torch
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError
from elbo.divergences._domain import holds_nan
from elbo.divergences._elementwise import transformed


def check_tensor(name: str, value: object) -> None:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = f"a tensor of {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise InputTypeError(
            f"{name} is {kind}, expected a floating-point tensor: write torch.as_tensor({name}, dtype=torch.float64)"
        )


def finish(result: Tensor, event_dims: int, **inputs: Tensor) -> Tensor:
    if not transformed() and holds_nan(result):
        for name, value in inputs.items():
            bad = value.detach()[~torch.isfinite(value.detach())]
            if bad.numel():
                raise InputValueError(f"{name} holds {bad[0].item()!r}, expected finite numbers")
    if event_dims == 0:
        return result
    if not 0 <= event_dims <= result.ndim:
        raise InputValueError(
            f"event_dims is {event_dims}, expected 0 to {result.ndim} for values of shape {tuple(result.shape)}"
        )
    return result.sum(dim=tuple(range(-event_dims, 0)))


def check_together(**inputs: Tensor) -> None:
    kinds = {(value.dtype, value.device) for value in inputs.values()}
    if len(kinds) > 1:
        got = ", ".join(f"{name}: {value.dtype} on {value.device}" for name, value in inputs.items())
        raise InputTypeError(f"{got}; expected one dtype and one device: write .to(...) on one of them")
    try:
        torch.broadcast_shapes(*(value.shape for value in inputs.values()))
    except RuntimeError:
        got = ", ".join(f"{name}: {tuple(value.shape)}" for name, value in inputs.items())
        raise InputValueError(f"the shapes are {got}, expected shapes that broadcast") from None
