"""KL of laws with discrete outcomes: all of them listed, or all but a bounded rest, and summed."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Independent, MixtureSameFamily, Multinomial

from elbo._errors import InputTypeError, InputValueError
from elbo.divergences._numerical.density import Density
from elbo.divergences._numerical.integrands import LEAST, Integrands, missing, rounding
from elbo.exact.enumeration import compositions
from elbo.exact.quadrature import EPS, Integral

Array = NDArray[Any]
MAX_OUTCOMES = 1_000_000
MAX_TERMS = 20_000_000  # of all coordinates together
TAIL = 1e-20
INSTEAD = (
    "write the chain rule (both laws Independent with univariate base laws: any number of coordinates), or the mean of "
    "q.log_prob(x) − p.log_prob(x) over draws x = q.sample((n,)), with its standard error"
)


def outcomes(law: Any, name: str) -> tuple[Tensor, bool]:
    """The outcomes ``[n, *event]`` of every law of a batch, and whether these are all, and not all but a rest.

    Raises:
        InputValueError: if there are more than ``MAX_OUTCOMES`` of probability above ``TAIL``.
        InputTypeError: if the support cannot be listed.
    """
    if isinstance(law, Independent):
        return _product(law, name)
    if isinstance(law, MixtureSameFamily):
        return outcomes(law.component_distribution, name)
    if isinstance(law, Multinomial):
        parts = law.event_shape[0]
        _check(math.comb(law.total_count + parts - 1, parts - 1), name)
        return torch.tensor(list(compositions(law.total_count, parts)), dtype=torch.float64), True
    support = law.support
    low, high = getattr(support, "lower_bound", None), getattr(support, "upper_bound", None)
    if not law.event_shape and low is not None:
        start = int(torch.as_tensor(low).min())
        if high is not None:
            count = int(torch.as_tensor(high).max()) + 1 - start
            _check(count, name)
            return torch.arange(start, start + count, dtype=torch.float64), True
        return torch.arange(start, _reach(law, start, name), dtype=torch.float64), False
    try:
        listed = law.enumerate_support(expand=False)
    except NotImplementedError as missing:
        raise InputTypeError(
            f"the outcomes of {name}, a {type(law).__name__} with support {support}, cannot be listed: give it an "
            f"enumerate_support method, or {INSTEAD}"
        ) from missing
    _check(len(listed), name)
    return listed.reshape(len(listed), *law.event_shape), True


def _product(law: Any, name: str) -> tuple[Tensor, bool]:
    """Every combination of the outcomes of the coordinates."""
    single, whole = outcomes(law.base_dist, name)
    inner = len(law.base_dist.event_shape)
    times = law.event_shape[: len(law.event_shape) - inner].numel()
    _check(len(single) ** times, name, f"{len(single)}^{times}")
    index = torch.cartesian_prod(*[torch.arange(len(single))] * times).reshape(-1, times)
    return single[index].reshape(len(index), *law.event_shape), whole


def _check(count: int, name: str, what: str = "", limit: int = MAX_OUTCOMES) -> None:
    if count > limit:
        raise InputValueError(f"{name} has {what or count} outcomes, more than the {limit} that are listed: {INSTEAD}")


def _reach(law: Any, start: int, name: str) -> int:
    """How many outcomes carry all but about ``TAIL`` of the mass of each law, by how the last terms decay."""
    count = 64
    while count <= MAX_OUTCOMES:
        ends = torch.tensor([start + count - 2.0, start + count - 1.0, start + 2.0 * count])
        last, _ = Density(law)(ends.reshape(-1, *[1] * len(law.batch_shape)))
        if bool(((last[1] < math.log(TAIL)) & (last[1] <= last[0]) & (last[2] <= last[1])).all()):
            return start + count
        count *= 2
    raise InputValueError(
        f"{name} has more than {MAX_OUTCOMES} outcomes of probability above {TAIL}, more than are listed: {INSTEAD}"
    )


def summed(q: Any, p: Any) -> Integral:
    """The sum over the batch of KL[q ‖ p]."""
    listed, whole = outcomes(q, "q")
    try:
        others, whole_p = outcomes(p, "p")
    except (InputTypeError, InputValueError):  # what p has elsewhere is then what is missing to one
        covered = False
    else:
        listed, covered = torch.unique(torch.cat([listed, others]), dim=0), True
        whole = whole and whole_p
    columns = q.batch_shape.numel()
    _check(len(listed) * columns, "q", limit=MAX_TERMS)
    x = listed.reshape(len(listed), *[1] * len(q.batch_shape), *q.event_shape)
    densities = Density(q), Density(p)
    rows = [density(x)[0].reshape(-1, columns).numpy() for density in densities]
    if ((rows[1] == -math.inf) & (rows[0] > LEAST)).any():
        return Integral(math.inf, 0.0)
    total = Integral(0.0, 0.0)
    for column in range(columns):
        total += _one(rows[0][:, column], rows[1][:, column], *densities, whole, covered)
    return total


def _one(log_q: Array, log_p: Array, q: Density, p: Density, whole: bool, covered: bool) -> Integral:
    eps = max(float(torch.finfo(law.dtype).eps) for law in (q, p))
    errors = rounding(log_q, q.terms, eps), rounding(log_p, p.terms, eps)
    terms = Integrands(log_q, log_p, np.zeros_like(log_q), *errors)
    f, mass_q, mass_p, _, error = (float(part.sum()) for part in terms.parts)
    sums = EPS * (8.0 + np.log2(len(log_q)))
    rest = 0.0 if whole else _rest(log_q, log_p) + (_rest(log_p, log_p) if covered else 0.0)
    rounded = float(terms.parts[1] @ errors[0] + terms.parts[2] @ errors[1])
    farthest = float(np.abs(terms.y).max())
    off = missing("q", Integral(mass_q, rounded + rest), q.dtype, farthest)
    if covered:
        off += missing("p", Integral(mass_p, rounded + rest), p.dtype, min(1.0, farthest))
    else:
        f += max(0.0, 1.0 - mass_p)
        off += rounded + 2.0 * EPS
    return Integral(f, float(error + sums * f + rest + off))


def _rest(log_mass: Array, log_other: Array) -> float:
    """What the terms after the last may add, if they go on to fall at least as they did."""
    with np.errstate(invalid="ignore"):
        tail = log_mass[-2:] + np.log1p(np.abs(log_other[-2:] - log_mass[-2:]))
    if not np.isfinite(tail).all():
        return 0.0
    ratio = math.exp(min(0.0, float(tail[1] - tail[0])))
    return math.exp(float(tail[1])) * ratio / (1.0 - ratio) if ratio < 1.0 else math.inf
