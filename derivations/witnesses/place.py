"""Where a term is evaluated: the values of its variables, each with its origin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from derivations.language import terms as t

Value = Any  # a tensor, or for a vector a tuple of tensors, one a coordinate


@dataclass(frozen=True)
class Bound:
    """Value of a variable, and where it comes from (equal tags: the same array)."""

    value: Value
    tag: Any


@dataclass(frozen=True)
class Place:
    """Values of variables, and the number of axes in use."""

    values: Mapping[t.Variable, Bound]
    depth: int = 0

    def bind(self, more: Mapping[t.Variable, Bound], axes: int = 0) -> "Place":
        """With more values."""
        return Place({**self.values, **more}, self.depth + axes)
