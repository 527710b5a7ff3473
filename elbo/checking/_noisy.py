"""A function that draws its own noise: give it the exact expectation, or say that there is none."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from elbo.checking._case import Case
from elbo.checking._guard import FunctionError
from elbo.checking._intercept import Draw, Expectation, Intercept, NotExactError, exact_rule, record
from elbo.checking._sizes import Sizes

TINY = Sizes(B=1, latent=(1,), data=(1,))


def _irrelevant(case: Case, tensors: Sequence[Tensor]) -> bool:
    """Whether the value is the same for two very different noises."""

    def at(level: float) -> Tensor:
        def supply(index: int, draw: Draw) -> Tensor | None:
            if draw.kind == "coin":  # all faces down, or all up
                return torch.full((math.prod(draw.shape),), float(level > 0.4), dtype=torch.float64)
            if draw.kind not in ("normal", "uniform"):
                return None
            return torch.linspace(level / 2, level, math.prod(draw.shape) or 1, dtype=torch.float64)

        with Intercept(supply):
            return case.subject.value(*tensors)

    return torch.equal(at(0.2), at(0.9)) and torch.equal(at(0.1), at(0.5))


def settle_noise(case: Case, sizes: Sizes, draw: Callable[[Sizes], Sequence[Tensor]]) -> tuple[Sizes, bool]:
    """Replace the noise by an exact rule; returns the sizes at which the rule holds, and whether sizes may vary.

    Where no rule is exact the case becomes undecided.
    """
    subject = case.subject
    tensors = draw(sizes)
    state = torch.get_rng_state()
    first, again = subject.value(*tensors), subject.value(*tensors)
    same = first.shape == again.shape and torch.equal(torch.nan_to_num(first), torch.nan_to_num(again))
    if same and torch.equal(state, torch.get_rng_state()) and not case.look_for_noise:
        # without interception, whose first use loads a good part of torch; noise from a generator that is seeded anew
        # in every call is looked for only if no formula explains the value
        case.suspect = lambda: bool(record(lambda: subject.raw(*tensors)))
        return sizes, True
    draws = record(lambda: subject.raw(*tensors))
    if not draws:
        if not same:
            case.noisy = "hidden"
            case.undecided = (
                "two calls with the same tensors differ, and the noise is not drawn through torch: it "
                "cannot be replaced; "
                "draw it with torch, or pass it as an argument"
            )
        return sizes, True
    if _irrelevant(case, tensors):
        subject.guard.see("it draws noise that does not change the value")
        return sizes, True
    case.noisy = "drawn"
    kinds = ", ".join(f"{d.kind}{list(d.shape)}" for d in draws[:4])
    how = "all their faces and by quadrature nodes" if any(d.kind == "coin" for d in draws) else "quadrature nodes"
    subject.guard.see(f"it draws noise ({kinds}); the draws were replaced by {how}")
    for at, free in ((sizes, True), (TINY, False)):
        inputs = draw(at)
        try:
            draws = record(lambda inputs=inputs: subject.raw(*inputs))  # type: ignore[misc]
            subject.noise = exact_rule(lambda inputs=inputs: subject.tensor(*inputs).sum(), draws)  # type: ignore[misc]
        except NotExactError as error:
            subject.noise, reason = None, str(error)
            continue
        except FunctionError as error:
            subject.noise, reason = None, str(error)
            continue
        if free and subject.noise.tensor:
            continue  # a grid that just fits here would not fit where an axis is longer
        if not free:
            subject.noise = Expectation(draws, tensor=True)
        return at, free
    case.undecided = f"the expectation over its noise is not known exactly: {reason}"
    return sizes, True
