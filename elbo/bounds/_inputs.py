"""What every bound asks of its arguments."""

import torch
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError


def check_tensor(name: str, value: object, *, finite: bool = False) -> Tensor:
    """``value`` as it is, if it is a floating-point tensor without NaN (and finite, if asked).

    Log weights may be ``-inf`` (a sample where p(x, z) = 0) but not ``+inf``.
    """
    if not isinstance(value, Tensor):
        raise InputTypeError(f"{name} is a {type(value).__name__}; write a torch tensor")
    if not value.is_floating_point():
        raise InputTypeError(f"{name} has dtype {value.dtype}; write {name}.double() or {name}.float()")
    wrong = ~torch.isfinite(value) if finite else torch.isnan(value) | torch.isposinf(value)
    try:
        bad = bool(wrong.any())
    except RuntimeError:  # under torch.func.vmap the values cannot be looked at
        return value
    if bad:
        at = tuple(wrong.nonzero()[0].tolist())
        what = "finite numbers" if finite else "numbers or -inf"
        raise InputValueError(f"{name} is {value[at].item()} at index {at}; it must hold {what}")
    return value


def check_axis(name: str, value: Tensor, axis: int) -> int:
    """``axis`` as a nonnegative number, if ``value`` has it and it is not empty."""
    if not isinstance(axis, int) or not -value.ndim <= axis < value.ndim:
        raise InputValueError(
            f"sample_axis is {axis!r} and {name} has shape {tuple(value.shape)}; name one of its axes"
        )
    if value.shape[axis] == 0:
        raise InputValueError(f"{name} has shape {tuple(value.shape)}: no samples on axis {axis}; give at least one")
    return axis % value.ndim


def check_number(name: str, value: float, lower: float, what: str) -> float:
    """``value`` as a float, if it is at least ``lower``."""
    number = float(value)
    if not lower <= number < float("inf"):
        raise InputValueError(f"{name} is {number}; write a finite number, {what}")
    return number


def log_mean_exp(values: Tensor, axis: int) -> Tensor:
    """log (1/K) Σ exp, without overflow; ``-inf`` if every entry is."""
    from math import log

    return torch.logsumexp(values, axis) - log(values.shape[axis])
