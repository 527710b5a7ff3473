"""Probability tables, with zeros, and matrices of log importance weights."""

from collections.abc import Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor

from elbo._errors import InputValueError
from elbo.strategies._numbers import Range, check_dtype, check_range, check_shape, check_size, real_tensors


def probability_tables(
    *sizes: int,
    zeros: bool = False,
    logits_between: Range = (-8.0, 8.0),
    dtype: torch.dtype = torch.float64,
) -> st.SearchStrategy[Tensor]:
    """Tables of probabilities with sum 1, one axis a variable.

    Args:
        sizes: numbers of states, at least 2 in all and none below 1; up to 6 each keep examples readable.
        zeros: whether some entries may be exactly 0 (never all, and never a whole row of the first axis).
        logits_between: range of the logits.
        dtype: of the table.

    >>> from hypothesis import given
    >>> @given(probability_tables(2, 3))
    ... def test_mass(table):
    ...     assert abs(table.sum() - 1) < 1e-15
    >>> test_mass()
    """
    count = check_shape(sizes)
    if count < 2:
        raise InputValueError(f"sizes are {sizes}; a law on one state is a constant: write at least two states")
    check_range("logits_between", logits_between)
    check_dtype(dtype)
    rows = sizes[0] if len(sizes) > 1 else 1
    if zeros and count == rows:
        raise InputValueError(f"sizes are {sizes} with zeros=True; each row keeps an entry: write more than one column")
    kept = st.lists(st.booleans(), min_size=count, max_size=count) if zeros else st.just([True] * count)
    keepers = st.lists(st.integers(0, count // rows - 1), min_size=rows, max_size=rows)

    def build(drawn: tuple[Tensor, list[bool], list[int]]) -> Tensor:
        logits, flags, keep = drawn
        mask = torch.tensor(flags).reshape(rows, -1)
        mask[torch.arange(rows), torch.tensor(keep)] = True
        masked = torch.where(mask.flatten(), logits.flatten(), -torch.inf)
        return torch.softmax(masked, 0).reshape(sizes).to(dtype)

    return st.tuples(real_tensors(sizes, between=logits_between), kept, keepers).map(build)


def log_weights(
    samples: int,
    batch_shape: Sequence[int] = (),
    *,
    log_range: float = 60.0,
    dead: bool = False,
    dtype: torch.dtype = torch.float64,
) -> st.SearchStrategy[Tensor]:
    """Matrices ``[*batch_shape, samples]`` of log importance weights, K last.

    Args:
        samples: K, at least 2: with one weight every bound is the ELBO.
        batch_shape: before it.
        log_range: largest difference between two of them, in nats.
        dead: whether some weights may be 0 (log weight -inf), never all of a row.
        dtype: of the matrix.

    >>> from hypothesis import given
    >>> @given(log_weights(3, dead=True))
    ... def test_one_is_alive(log_w):
    ...     assert log_w.logsumexp(-1) > -torch.inf
    >>> test_one_is_alive()
    """
    k = check_size("samples", samples, 2, "with one weight every multi-sample bound is the ELBO")
    if not 0 < log_range < float("inf"):
        raise InputValueError(f"log_range is {log_range}; with equal weights all bounds agree: write a positive number")
    check_shape(batch_shape)
    check_dtype(dtype)
    shape = (*batch_shape, k)
    rows = check_shape(batch_shape)
    flags = st.lists(st.booleans(), min_size=rows * k, max_size=rows * k) if dead else st.just([False] * (rows * k))
    alive = st.lists(st.integers(0, k - 1), min_size=rows, max_size=rows)

    def build(drawn: tuple[Tensor, float, list[bool], list[int]]) -> Tensor:
        spread, level, dying, survivors = drawn
        mask = torch.tensor(dying).reshape(rows, k)
        mask[torch.arange(rows), torch.tensor(survivors)] = False
        values = (level + spread).to(dtype)
        return torch.where(mask.reshape(shape), -torch.inf, values)

    half = log_range / 2
    # a little less than the range, for what rounding of the level adds
    inner = real_tensors(shape, between=(-half * (1 - 1e-5), half * (1 - 1e-5)))
    return st.tuples(inner, st.floats(-50.0, 50.0), flags, alive).map(build)
