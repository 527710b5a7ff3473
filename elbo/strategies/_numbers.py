"""Tensors of real, positive and correlation numbers; all of them shrink towards 0, or 1 for positive ones."""

from collections.abc import Sequence
from math import prod

import torch
from hypothesis import strategies as st
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError

Range = tuple[float, float]


def real_tensors(
    shape: Sequence[int] = (), *, between: Range = (-8.0, 8.0), dtype: torch.dtype = torch.float64
) -> st.SearchStrategy[Tensor]:
    """Tensors of this shape with entries in a range.

    Args:
        shape: sizes, none of them 0.
        between: smallest and largest value, finite and different.
        dtype: a floating-point dtype.

    >>> from hypothesis import given
    >>> @given(real_tensors((2,), between=(-1.0, 1.0)))
    ... def test_range(x):
    ...     assert x.abs().max() <= 1
    >>> test_range()
    """
    low, high = check_range("between", between)
    size = check_shape(shape)
    check_dtype(dtype)
    numbers = st.lists(st.floats(low, high), min_size=size, max_size=size)

    def build(values: list[float]) -> Tensor:
        # rounding to a narrower dtype must not leave the range
        return torch.tensor(values, dtype=torch.float64).to(dtype).clamp(low, high).reshape(tuple(shape))

    return numbers.map(build)


def positive_tensors(
    shape: Sequence[int] = (), *, log_between: Range = (-3.0, 3.0), dtype: torch.dtype = torch.float64
) -> st.SearchStrategy[Tensor]:
    """Tensors of positive numbers, uniform-like in the logarithm: exp of :func:`real_tensors`.

    Args:
        shape: sizes, none of them 0.
        log_between: smallest and largest natural logarithm.
        dtype: a floating-point dtype.
    """
    low, high = check_range("log_between", log_between)
    if high > 700 or low < -700:
        raise InputValueError(f"log_between is {log_between}; exp of it overflows: write logarithms within (-700, 700)")
    return real_tensors(shape, between=(low, high), dtype=dtype).map(torch.exp)


def correlations(largest: float = 0.98) -> st.SearchStrategy[float]:
    """Correlation coefficients in [-largest, largest].

    Args:
        largest: above 0 and below 1.
    """
    if not 0 < largest < 1:
        raise InputValueError(f"largest is {largest}; write a number between 0 and 1, such as 0.98")
    return st.floats(-largest, largest)


def check_range(name: str, value: Range) -> Range:
    """The two ends, if there is anything between them."""
    low, high = (float(end) for end in value)
    if not (-float("inf") < low < high < float("inf")):
        raise InputValueError(f"{name} is {value}; with no two different finite ends every example would be the same")
    return low, high


def check_shape(shape: Sequence[int]) -> int:
    """Number of entries, if there are any."""
    if any(int(n) != n or n < 1 for n in shape):
        raise InputValueError(f"shape is {tuple(shape)}; a property of an empty tensor is vacuous: write sizes >= 1")
    return prod(int(n) for n in shape)


def check_size(name: str, value: int, least: int, why: str) -> int:
    """The size, if it is a whole number that leaves something to test."""
    if int(value) != value or value < least:
        raise InputValueError(f"{name} is {value}; {why}: write an integer >= {least}")
    return int(value)


def check_dtype(dtype: torch.dtype) -> None:
    """Refuses dtypes that cannot hold a real number."""
    if not dtype.is_floating_point:
        raise InputTypeError(f"dtype is {dtype}; write torch.float64 or torch.float32")
