"""Random torch distributions of every family, over wide ranges, alone, in pairs and in nearly equal pairs."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch import distributions as D

from elbo._errors import InputTypeError, InputValueError
from elbo.strategies._numbers import Range, check_range, check_shape, check_size, real_tensors

# What the free coordinates of each parameter become: a real number, exp of one (positive), its logistic function
# (between 0 and 1), logits, a vector, a Cholesky factor.
FAMILIES: dict[type[D.Distribution], dict[str, str]] = {
    D.Normal: {"loc": "real", "scale": "positive"},
    D.LogNormal: {"loc": "real", "scale": "positive"},
    D.HalfNormal: {"scale": "positive"},
    D.Laplace: {"loc": "real", "scale": "positive"},
    D.Cauchy: {"loc": "real", "scale": "positive"},
    D.Gumbel: {"loc": "real", "scale": "positive"},
    D.StudentT: {"df": "positive", "loc": "real", "scale": "positive"},
    D.Uniform: {"low": "real", "high": "above low"},
    D.Exponential: {"rate": "positive"},
    D.Gamma: {"concentration": "positive", "rate": "positive"},
    D.InverseGamma: {"concentration": "positive", "rate": "positive"},
    D.Chi2: {"df": "positive"},
    D.Weibull: {"scale": "positive", "concentration": "positive"},
    D.Pareto: {"scale": "positive", "alpha": "positive"},
    D.Beta: {"concentration1": "positive", "concentration0": "positive"},
    D.Kumaraswamy: {"concentration1": "positive", "concentration0": "positive"},
    D.Poisson: {"rate": "positive"},
    D.Geometric: {"probs": "unit"},
    D.Bernoulli: {"logits": "real"},
    D.ContinuousBernoulli: {"probs": "unit"},
    D.Dirichlet: {"concentration": "positive vector"},
    D.Categorical: {"logits": "vector"},
    D.OneHotCategorical: {"logits": "vector"},
    D.MultivariateNormal: {"loc": "vector", "scale_tril": "cholesky"},
}


def families() -> tuple[type[D.Distribution], ...]:
    """The torch families that :func:`distributions` draws from.

    >>> torch.distributions.Gamma in families()
    True
    """
    return tuple(FAMILIES)


def distributions(
    family: type[D.Distribution],
    batch_shape: Sequence[int] = (),
    *,
    size: int = 3,
    real_between: Range = (-8.0, 8.0),
    log_between: Range = (-3.0, 3.0),
    dtype: torch.dtype = torch.float64,
) -> st.SearchStrategy[Any]:
    """Random distributions of one family.

    Args:
        family: a class of :func:`families`.
        batch_shape: of the distribution.
        size: entries of the vectors of Dirichlet, Categorical and MultivariateNormal; at least 2.
        real_between: range of locations and logits; a probability is the logistic function of such a number.
        log_between: range of the logarithm of scales, rates and concentrations.
        dtype: of the parameters.

    Raises:
        InputTypeError: for a family that is not listed.
        InputValueError: for a range or a size that leaves one example only.
    """
    ranges = _Ranges(real_between, log_between, check_size("size", size, 2, "with one entry the law is a constant"))
    check_shape(batch_shape)
    kinds = _kinds(family)
    raw = [ranges.coordinates(kind, batch_shape) for kind in kinds.values()]
    return st.tuples(*raw).map(lambda values: _build(family, kinds, values, dtype))


def pairs(family: type[D.Distribution], batch_shape: Sequence[int] = (), **options: Any) -> st.SearchStrategy[Any]:
    """Two independent laws of one family and shape, as a tuple; the options are those of :func:`distributions`."""
    one = distributions(family, batch_shape, **options)
    return st.tuples(one, one)


def near_equal_pairs(
    family: type[D.Distribution],
    batch_shape: Sequence[int] = (),
    *,
    log10_distance: Range = (-8.0, -1.0),
    size: int = 3,
    real_between: Range = (-8.0, 8.0),
    log_between: Range = (-3.0, 3.0),
    dtype: torch.dtype = torch.float64,
) -> st.SearchStrategy[Any]:
    """Two laws whose parameters differ by about 10^-8 to 10^-1 (locations and logits absolutely, scales relatively).

    They always differ: the first free coordinate moves by at least a third of the distance.

    Args:
        family: a class of :func:`families`.
        batch_shape: of both.
        log10_distance: range of the decimal logarithm of the distance, at most 0.
        size: as for :func:`distributions`, as are ``real_between``, ``log_between`` and ``dtype``.
    """
    low, high = check_range("log10_distance", log10_distance)
    least = torch.log10(torch.tensor(100 * torch.finfo(dtype).eps, dtype=torch.float64)).item()
    if high > 0 or low < least:
        raise InputValueError(
            f"log10_distance is {log10_distance}; for {dtype} write a range within ({least:.1f}, 0): below it the "
            "parameters round to the same number, above it they are not close"
        )
    ranges = _Ranges(real_between, log_between, check_size("size", size, 2, "with one entry the law is a constant"))
    check_shape(batch_shape)
    kinds = _kinds(family)
    raw = [ranges.coordinates(kind, batch_shape) for kind in kinds.values()]
    moves = [_Ranges((-1.0, 1.0), (-1.0, 1.0), size).coordinates(kind, batch_shape) for kind in kinds.values()]

    def build(drawn: tuple[tuple[Tensor, ...], tuple[Tensor, ...], float]) -> tuple[Any, Any]:
        values, steps, exponent = drawn
        first = steps[0].clone()
        flat = first.reshape(-1)
        flat[0] = flat[0] + 1 / 3 if flat[0] >= 0 else flat[0] - 1 / 3
        distance = 10.0**exponent
        moved = [value + distance * step for value, step in zip(values, (first, *steps[1:]), strict=True)]
        return _build(family, kinds, values, dtype), _build(family, kinds, moved, dtype)

    return st.tuples(st.tuples(*raw), st.tuples(*moves), st.floats(low, high)).map(build)


class _Ranges:
    """Free coordinates for each kind of parameter."""

    def __init__(self, real: Range, log: Range, size: int) -> None:
        self.real, self.log, self.size = check_range("real_between", real), check_range("log_between", log), size

    def coordinates(self, kind: str, batch_shape: Sequence[int]) -> st.SearchStrategy[Tensor]:
        if kind == "cholesky":
            shape = (*batch_shape, self.size, self.size)
            return real_tensors(shape, between=(max(self.log[0], -1.0), min(self.log[1], 1.0)))
        between = self.log if kind in ("positive", "positive vector", "above low") else self.real
        return real_tensors((*batch_shape, self.size) if "vector" in kind else batch_shape, between=between)


def _kinds(family: type[D.Distribution]) -> dict[str, str]:
    if family not in FAMILIES:
        known = ", ".join(sorted(known.__name__ for known in FAMILIES))
        raise InputTypeError(f"family is {getattr(family, '__name__', family)!r}; write one of {known}")
    return FAMILIES[family]


def _build(family: Callable[..., Any], kinds: dict[str, str], values: Sequence[Tensor], dtype: torch.dtype) -> Any:
    made: dict[str, Tensor] = {}
    for (name, kind), value in zip(kinds.items(), values, strict=True):
        if kind == "above low":
            made[name] = (made["low"].double() + value.exp()).to(dtype)
        elif kind == "unit":
            made[name] = torch.sigmoid(value).to(dtype)
        elif kind == "cholesky":
            diagonal = torch.diagonal(value, dim1=-2, dim2=-1).exp()
            made[name] = (torch.tril(value, -1) + torch.diag_embed(diagonal)).to(dtype)
        else:
            made[name] = (value.exp() if "positive" in kind else value).to(dtype)
    return family(**made, validate_args=True)
