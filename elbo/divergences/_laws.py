"""The same law with its parameters in float64."""

import copy
from typing import Any

from torch import Tensor
from torch.distributions import Distribution


def in_double(law: Distribution) -> Any:
    """A copy of ``law`` in float64, made without a constructor, which would decompose and validate again."""
    twin = copy.copy(law)
    for name, value in vars(law).items():
        if isinstance(value, Tensor | Distribution):
            setattr(twin, name, value.double() if isinstance(value, Tensor) else in_double(value))
    return twin
