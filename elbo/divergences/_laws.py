"""The same law with its parameters in float64."""

import copy
import inspect
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily


def dtype_of(law: Any) -> torch.dtype:
    """That of the parameters of a law."""
    for value in vars(law).values():
        if isinstance(value, Tensor) and value.is_floating_point():
            return value.dtype
        if isinstance(value, Distribution):
            return dtype_of(value)
    return torch.float64


ONE_OF = ({"probs", "logits"}, {"scale_tril", "covariance_matrix", "precision_matrix"})  # ways to say the same


def widened(law: Any) -> Any:
    """A law of torch made again from its parameters in float64, where it is one of torch's own; others as they are."""
    if dtype_of(law) is not torch.float32 or not type(law).__module__.startswith("torch.distributions"):
        return law
    if isinstance(law, MixtureSameFamily):
        weights, components = widened(law.mixture_distribution), widened(law.component_distribution)
        return MixtureSameFamily(weights, components, validate_args=False)
    if isinstance(law, Independent):
        return Independent(widened(law.base_dist), law.reinterpreted_batch_ndims, validate_args=False)
    given = vars(getattr(law, "_categorical", law))
    names = set(inspect.signature(type(law)).parameters) - {"validate_args"}
    for ways in ONE_OF:
        names -= ways - {next((name for name in given if name in ways), None)}  # torch stores the others when asked for
    if not names <= set(law.arg_constraints):  # it is made from more than its parameters
        return law
    return type(law)(**{name: getattr(law, name).double() for name in names}, validate_args=False)


def in_double(law: Any) -> Any:
    """``widened``, or a copy whose tensors are in float64, with what it has computed from them."""
    wide = widened(law)
    if wide is not law:
        return wide
    twin = copy.copy(law)
    for name, value in vars(law).items():
        if isinstance(value, Tensor | Distribution):
            setattr(twin, name, value.double() if isinstance(value, Tensor) else in_double(value))
    return twin
