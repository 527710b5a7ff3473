"""A scalar whose gradient estimates +∇ E_b f(b), b ~ Bernoulli(σ(logits)): judged exactly, by enumerating every b."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from elbo.checking._case import Case
from elbo.checking._fit import close, number
from elbo.checking._guard import FunctionError
from elbo.checking.targets import Target

ROLES = {"f": "", "logits": "D", "b": "BD"}
RIGHT = "Σ over rows of sg(f(b)) · log p(b; logits), averaged over the rows: its mean gradient is ∇ E f(b)"
FIX = "(f(b).detach() * log_prob.sum(-1)).mean()"


def reward(b: Tensor) -> Tensor:
    """A reward that is neither linear nor quadratic, for which straight-through would be unbiased."""
    weight = torch.linspace(0.6, 1.4, b.shape[-1], dtype=b.dtype)
    return (weight * (b - 0.45) ** 3).sum(-1) + 0.7 * b.prod(-1) + 0.3 * (b * weight).sum(-1) ** 2


def frozen(b: Tensor) -> Tensor:
    """The same reward, without a gradient."""
    return reward(b.detach()).detach()


def truth(logits: Tensor) -> Tensor:
    """∇ Σ_b p(b) f(b), by enumeration."""
    leaf = logits.clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for states in itertools.product((0.0, 1.0), repeat=logits.numel()):
        b = torch.tensor(states, dtype=torch.float64)
        log_p = -torch.nn.functional.binary_cross_entropy_with_logits(leaf, b, reduction="sum")
        total = total + log_p.exp() * reward(b)
    return torch.autograd.grad(total, leaf)[0]


def expected_gradient(case: Case, f: Callable[[Tensor], Tensor], logits: Tensor, rows: int) -> Tensor:
    """The exact mean of the function's gradient, over every b of ``rows`` rows."""
    d = logits.numel()
    total = torch.zeros(d, dtype=torch.float64)
    p = torch.sigmoid(logits)
    for states in itertools.product((0.0, 1.0), repeat=rows * d):
        b = torch.tensor(states, dtype=torch.float64).reshape(rows, d)
        weight = float((b * p + (1 - b) * (1 - p)).prod())
        g = _gradient(case, f, logits, b)
        total = total + weight * g
    return total


def _gradient(case: Case, f: Any, logits: Tensor, b: Tensor) -> Tensor:
    leaf = logits.clone().requires_grad_()
    out = case.subject.tensor(f, leaf, b).sum()
    if not out.requires_grad:
        return torch.zeros_like(logits)
    (g,) = torch.autograd.grad(out, [leaf], allow_unused=True)
    return torch.zeros_like(logits) if g is None else g.to(torch.float64)


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    logits = torch.tensor([0.4, -0.9, 1.1], dtype=torch.float64)
    exact = truth(logits)
    yours = expected_gradient(case, reward, logits, 1)
    pair = logits[:2]
    try:
        two, exact_two = expected_gradient(case, reward, pair, 2), truth(pair)
    except FunctionError as error:
        case.not_seen(f"two rows at once: {error}")
        two, exact_two = truth(pair), truth(pair)
    case.adopted["expectation"] = "exact, by enumeration of b"
    rows = _factor(two, exact_two)
    if _same(yours, exact) and rows is not None and close(rows, 2.0, 1e-6):
        case.find(
            "overall-scale",
            f"with two rows the gradient is {number(rows)} times the right one: rows are summed, not averaged",
        )
        return
    if _same(yours, exact) and _same(two, exact_two):
        case.find("surrogate-value", "the mean gradient is exact; the value of the surrogate means nothing")
        return
    numbers = {"yours": yours, "expected": exact, "where": "mean gradient at logits (0.4, −0.9, 1.1)"}
    sign = 1.0
    if _same(yours, -exact):
        case.find("sign-flipped", "the mean gradient is −∇E f(b)", evidence=numbers, fix=FIX)
        return
    detached = expected_gradient(case, frozen, logits, 1)
    for sign in (1.0, -1.0) if not _same(yours, exact) else ():
        if _same(sign * detached, exact):
            case.find(
                "reward-not-detached",
                f"with the reward detached the mean gradient is {'' if sign > 0 else 'minus '}the right one: "
                "the extra term "
                f"{_list(yours - detached)} flows through f",
                evidence=numbers,
                fix=FIX,
            )
            if sign < 0:
                case.find("sign-flipped", "the mean gradient of the score term is −∇E f(b)", evidence=numbers, fix=FIX)
            return
    factor = _factor(yours, exact)
    if factor is not None and factor > 0 and not _same(yours, exact) and _factor(two, exact_two) is not None:
        if close(factor, 1 / 3, 1e-6):
            case.find(
                "wrong-axis",
                "the log-probability is averaged over the D coordinates instead of summed: the mean "
                "gradient is ∇E f(b)/D",
                evidence=numbers,
                fix=FIX,
            )
            case.maybe("wrong-axis", "biased-estimator", "overall-scale")
        else:
            case.find("overall-scale", f"the mean gradient is {number(factor)} times ∇E f(b)")
        return
    if _same(yours, exact):
        numbers = {"yours": two, "expected": exact_two, "where": "mean gradient with two rows, logits (0.4, −0.9)"}
        yours, exact = two, exact_two
    case.find(
        "biased-estimator",
        f"the mean gradient is {_list(yours)} where ∇E f(b) is {_list(exact)}: bias {_list(yours - exact)}, "
        "by enumeration",
        evidence=numbers,
        fix=FIX,
    )


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-6, atol=1e-9)


def _factor(a: Tensor, b: Tensor) -> float | None:
    ratio = float((a * b).sum() / (b * b).sum())
    return ratio if _same(a, ratio * b) and abs(ratio) > 1e-9 else None


def _list(t: Tensor) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in t.tolist()) + ")"


TARGETS = {"score_surrogate": Target("score_surrogate", "a scalar whose gradient estimates +∇E f(b)", ROLES, judge)}
