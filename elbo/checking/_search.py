"""The smallest counterexample: Hypothesis shrinks sizes and entries. Loaded only when a mistake was found."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from elbo._errors import Error
from elbo.checking._case import Case
from elbo.checking._fit import close
from elbo.checking._guard import TimeLimitError
from elbo.checking._report import Counterexample
from elbo.checking._sizes import FLAT, Sizes

Value = Callable[[Sequence[Tensor]], float]


def smallest(
    case: Case,
    roles: Mapping[str, str],
    positive: Mapping[str, bool],
    sizes: Sizes,
    yours: Value,
    expected: Value,
    unit: Mapping[str, bool] | None = None,
) -> None:
    """Find the smallest input on which the two differ and put it into the case.

    Entries are small halves (in (0, 1) for the roles in ``unit``, above zero for those in ``positive``); sizes shrink
    to 1 where the function lets them.
    """
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import NoSuchExample

    letters = set("".join(roles.values()))
    free = (
        sizes.latent == FLAT.latent
        and sizes.data in (FLAT.data, sizes.data)
        and len(sizes.data) == 1
        and sizes.data == FLAT.data
    )

    @st.composite
    def inputs(draw: Callable[[st.SearchStrategy[int]], int]) -> dict[str, Tensor]:
        small = Sizes(
            draw(st.integers(1, 2)),
            (draw(st.integers(1, 2)),) if "D" in letters else (3,),
            (draw(st.integers(1, 2)),) if "P" in letters else (5,),
        )
        now = small if free else sizes
        tensors = {}
        for role, shape in ((r, now.shape(ls)) for r, ls in roles.items()):
            count = 1
            for n in shape:
                count *= n
            if count > 8:
                entries = [draw(st.integers(0, 3))] * count
            else:
                entries = [draw(st.integers(-3 if role not in (unit or {}) else 0, 3)) for _ in range(count)]
            flat = torch.tensor(entries, dtype=torch.float64)
            if unit and role in unit:
                flat = (flat.abs() + 1) / 5 if unit[role] else (flat > 0).to(torch.float64)
            elif positive.get(role):
                flat = flat.abs() / 2 + 1.0
            tensors[role] = flat.reshape(shape)
        return tensors

    def differs(tensors: dict[str, Tensor]) -> bool:
        values = list(tensors.values())
        try:
            a, b = yours(values), expected(values)
        except TimeLimitError:
            raise
        except Error:
            return False
        return not (close(a, b, 1e-4) or abs(a - b) < 1e-6)

    limit = 150 if case.subject.guard.slowest < 0.02 else 15
    options = settings(
        max_examples=limit, database=None, derandomize=True, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        worst = find(inputs(), differs, settings=options)
    except NoSuchExample:
        return
    values = list(worst.values())
    case.counterexample = Counterexample(dict(worst), yours(values), expected(values))
