"""Probes at single points: gradients against the fitted formula, float32, and the edges of the domain."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from elbo._errors import Error
from elbo.checking._case import Case, evidence
from elbo.checking._guard import FunctionError, TimeLimitError

Formula = Callable[[Sequence[Tensor]], Tensor]


def check_gradients(case: Case, tensors: Sequence[Tensor], formula: Formula, names: Sequence[str]) -> None:
    """Compare autograd with the gradient of the formula that explains the values; an empty name is not compared."""
    try:
        found = case.subject.gradients(*tensors)
    except FunctionError as error:
        case.not_seen(f"gradients: backward failed ({error})")
        return
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    wanted = torch.autograd.grad(formula(leaves), leaves, allow_unused=True)
    if all(g is None for g in found):
        case.not_seen("gradients: the function returns a value without a graph (a number, or a detached tensor)")
        return
    split: list[str] = []
    for at, (name, g, w) in enumerate(zip(names, found, wanted, strict=True)):
        if not name or w is None or float(w.abs().max()) < 1e-12:
            continue
        g = torch.zeros_like(w) if g is None else g.to(torch.float64)
        if torch.allclose(g, w, rtol=2e-3, atol=1e-4 * float(w.abs().max())):
            continue
        factor = float((g * w).sum() / (w * w).sum())
        if torch.allclose(g, factor * w, rtol=2e-3, atol=1e-4 * float(w.abs().max())) and factor > 1e-9:
            split.append(f"{factor:.4g} on {name}")
            continue
        if _true_to_value(case, tensors, at, g, w):
            if not case.has("clamped"):
                case.find(
                    "algebra-slip",
                    f"the value leaves the formula that holds elsewhere: there its derivative with respect to {name} "
                    "is another",
                    evidence=evidence(
                        float(g.abs().max()), float(w.abs().max()), f"largest entry of the gradient of {name}"
                    ),
                )
            continue
        code = "stop-gradient-misplaced"
        if float(g.abs().max()) < 1e-12:
            text = f"the gradient with respect to {name} is zero although the value depends on it: a detach() too many"
        else:
            text = f"the gradient with respect to {name} is not that of the value: a part of the term is detached"
        case.find(
            code,
            text,
            effect=f"{name} is not trained by this term",
            fix=f"remove the detach() or torch.no_grad() around {name}",
            evidence=evidence(float(g.abs().max()), float(w.abs().max()), f"largest entry of the gradient of {name}"),
        )
    if split:
        case.find("gradient-split", f"the value is exact, and its gradient is weighted: {', '.join(split)}")


def _true_to_value(case: Case, tensors: Sequence[Tensor], at: int, g: Tensor, w: Tensor) -> bool:
    """Whether the value itself moves as autograd says, along the direction in which formula and autograd differ most.

    If it does, nothing is detached; the value is another one at this point (beyond a clamp, past a kink).
    """
    step = 1e-4 * (g - w) / (g - w).norm()
    ahead, behind = (
        case.subject.total(*[t + sign * step if i == at else t for i, t in enumerate(tensors)]) for sign in (1, -1)
    )
    by_value, by_graph, by_formula = (ahead - behind) / 2, float((g * step).sum()), float((w * step).sum())
    return abs(by_value - by_graph) < 0.1 * abs(by_value - by_formula)


def check_single(case: Case, points: Sequence[tuple[str, Sequence[Tensor]]]) -> None:
    """Float32 against float64 at ordinary points; more than 1 % apart is catastrophic cancellation."""
    single = case.subject.in_single()
    for where, tensors in points:
        rounded = [t.to(torch.float32) for t in tensors]
        try:
            low = float(single.value(*rounded).sum())
            high = case.subject.total(*[t.to(torch.float64) for t in rounded])
        except TimeLimitError:
            raise
        except Error:
            continue
        if high != high or abs(high) == float("inf"):
            continue
        if not abs(low - high) <= 0.01 * abs(high) + 1e-30:
            if low != low or abs(low) == float("inf"):
                case.find(
                    "not-finite",
                    f"the float32 value is {low} at {where}, where float64 gives {high:.6g}",
                    evidence=evidence(low, high, where),
                )
                return
            case.find(
                "catastrophic-cancellation",
                f"in float32 the value is {low:.6g} at {where}, in float64 {high:.6g}: "
                f"{abs(low - high) / abs(high):.1%} off",
                evidence=evidence(low, high, where),
            )
            return


def check_edges(case: Case, points: Sequence[tuple[str, Sequence[Tensor], float]], fix: str = "") -> None:
    """Points where the exact value is finite; NaN or infinity there is a mistake."""
    single = case.subject.in_single()
    for where, tensors, expected in points:
        for subject, dtype, word in ((case.subject, torch.float64, "float64"), (single, torch.float32, "float32")):
            try:
                value = subject.value(*[t.to(dtype) if isinstance(t, Tensor) else t for t in tensors])
            except TimeLimitError:
                raise
            except Error:
                continue
            if not bool(torch.isfinite(value).all()):
                case.find(
                    "not-finite",
                    f"returns {float(value.sum())} in {word} at {where}, where the exact value is {expected:.6g}",
                    evidence=evidence(float(value.sum()), expected, where),
                    fix=fix,
                )
                return
