"""A reparameterised draw from N(mean, diag) of (mean, spread), noise drawn inside."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from elbo.checking import _sizes
from elbo.checking._case import Case, evidence
from elbo.checking._fit import close, number
from elbo.checking._intercept import Draw, Intercept, record
from elbo.checking._spreads import ALL, BY_KEYWORD, Spread, promised
from elbo.checking.targets import Target

ROLES = {"mean": "BD", "spread": "BD"}
RIGHT = "mean + σ·ε with ε ~ N(0, 1) independent for every coordinate"
FIX = "mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)"


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    subject = case.subject
    base = _sizes.given(case.options.shapes, ROLES)
    sizes = _sizes.find(
        lambda s: subject.raw(case.uniform(s.shape("BD"), 0.3, 2.2), case.uniform(s.shape("BD"), 0.3, 2.2)),
        "BD",
        base[0] if base else None,
    )
    shape = sizes.shape("BD")
    a, b = case.uniform(shape, 0.3, 2.2), case.uniform(shape, 0.3, 2.2)
    draws = record(lambda: subject.raw(a, b))
    if not draws:
        _without_noise(case, a, b)
        return
    kinds = {d.kind for d in draws}
    if not kinds <= {"normal", "uniform"}:
        case.undecided = f"it draws noise of kinds {', '.join(sorted(kinds))}, which cannot be replaced"
        return
    zero = _run(case, a, b, lambda d: torch.zeros(math.prod(d.shape)))
    if tuple(zero.shape[-len(shape) :]) != shape:
        case.find("wrong-axis", f"a draw has shape {tuple(zero.shape)} for a mean of shape {shape}")
        return
    if kinds == {"uniform"}:
        half = _run(case, a, b, lambda d: torch.full((math.prod(d.shape),), 0.5))
        case.find(
            "noise-scale",
            "the noise is uniform and not standard normal"
            + ("" if torch.allclose(half, a) or torch.allclose(half, b) else "; its mean is not zero"),
            evidence=evidence(1 / 12, 1.0, "variance of the noise before scaling"),
            fix=FIX,
        )
        return
    order = _order(case, a, b, zero)
    if order is None:
        case.find(
            "algebra-slip",
            "without noise the draw is not the mean",
            evidence=evidence(
                float(zero.flatten()[0]), float(a.flatten()[0]), "first coordinate with the noise set to zero"
            ),
            fix=FIX,
        )
        return
    case.adopted["arguments"] = "mean, spread" if order == 0 else "spread, mean"
    if order == 1:
        case.find("argument-order", "the spread comes first and the mean second")
    _judge_noise(case, a, b, zero, draws)
    _judge_spread(case, (a, b), order, zero)
    if not case.wrong:
        _judge_gradient(case, (a, b), order)


def _run(case: Case, a: Tensor, b: Tensor, noise: Callable[[Draw], Tensor]) -> Tensor:
    with Intercept(lambda i, d: noise(d).to(torch.float64)):
        return case.subject.tensor(a, b).detach()


def _order(case: Case, a: Tensor, b: Tensor, zero: Tensor) -> int | None:
    if torch.allclose(zero, a.expand_as(zero), rtol=1e-6, atol=1e-9):
        return 0
    if torch.allclose(zero, b.expand_as(zero), rtol=1e-6, atol=1e-9):
        return 1
    return None


def _judge_noise(case: Case, a: Tensor, b: Tensor, zero: Tensor, draws: list[Draw]) -> None:
    """Each coordinate must have its own noise, and enter linearly."""
    one = _run(case, a, b, lambda d: torch.ones(math.prod(d.shape))) - zero
    two = _run(case, a, b, lambda d: torch.full((math.prod(d.shape),), 2.0)) - zero
    minus = _run(case, a, b, lambda d: -torch.ones(math.prod(d.shape))) - zero
    if not (torch.allclose(two, 2 * one, rtol=1e-6, atol=1e-9) and torch.allclose(minus, -one, rtol=1e-6, atol=1e-9)):
        case.find("noise-scale", "the draw is not linear in the standard normal noise", fix=FIX)
    size = sum(math.prod(d.shape) for d in draws)
    if size < zero.numel():
        case.find(
            "noise-scale",
            f"{size} random numbers are shared by {zero.numel()} coordinates: they are not independent",
            evidence=evidence(float(size), float(zero.numel()), "random numbers drawn"),
            fix=FIX,
        )


def _judge_spread(case: Case, tensors: tuple[Tensor, Tensor], order: int, zero: Tensor) -> None:
    """The standard deviation as a function of the spread argument."""
    a, b = tensors
    s = tensors[1 - order]
    sigma = (_run(case, a, b, lambda d: torch.ones(math.prod(d.shape))) - zero).abs()
    found: tuple[Spread, float] | None = None
    for p in ALL:
        ratio = sigma / torch.exp(0.5 * p.log_variance(s))
        if torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-4):
            found = (p, float(ratio.flatten()[0]))
            break
    else:
        for text, root in (
            ("√s", s.sqrt()),
            ("s^¼", s**0.25),
            ("e^{s/4}", torch.exp(s / 4)),
            ("e^{2s}", torch.exp(2 * s)),
            ("s²", s**2),
        ):
            if torch.allclose(sigma, root, rtol=1e-6):
                _misread(case, f"the standard deviation is {text}, for no usual parametrisation", text)
                return
        if float(sigma.std()) < 1e-9:
            case.find(
                "noise-scale",
                "the noise is not scaled by the spread: the standard deviation is "
                f"{number(float(sigma.flatten()[0]))} everywhere",
                fix=FIX,
            )
            case.maybe("noise-scale", "sampler-spread-misread")
            return
        case.find("algebra-slip", "the standard deviation is no function of the spread in any parametrisation", fix=FIX)
        return
    spread, factor = found
    case.adopted["spread"] = spread.name
    case.computes = (
        f"mean + {'' if close(factor, 1.0) else number(factor) + '·'}σ·ε, where the second argument is {spread.symbol}"
    )
    if not close(factor, 1.0, 1e-3):
        case.find(
            "noise-scale",
            f"the noise has the standard deviation {number(factor)} and not 1",
            evidence=evidence(factor, 1.0, "standard deviation of the draw over σ"),
            fix=FIX,
        )
    asked = BY_KEYWORD.get(case.options.spread or "")
    if asked is not None:
        if asked is not spread:
            _misread(
                case,
                f"the sampler is exact for {spread.name}, and spread={asked.keyword!r} says {asked.name}",
                spread.name,
            )
        return
    named = promised(case.subject.names[1 - order])
    if named is not None and named is not spread:
        case.find(
            "name-contradicts-maths",
            f"the argument {case.subject.names[1 - order]!r} promises {named.name}; the draw is exact if it "
            f"is {spread.symbol}",
        )
        case.maybe("sampler-spread-misread")
    case.not_seen(f"the KL that goes with this sampler: it is exact if the spread argument is {spread.symbol}")


def _misread(case: Case, text: str, yours: str) -> None:
    asked = case.options.spread or "one of " + ", ".join(BY_KEYWORD)
    case.find(
        "sampler-spread-misread",
        text,
        evidence={"yours": yours, "expected": asked, "where": "standard deviation of the draw"},
        fix=FIX,
    )


def _judge_gradient(case: Case, tensors: tuple[Tensor, Tensor], order: int) -> None:
    """∂z/∂mean = 1 and ∂z/∂spread = σ'ε: a draw that cuts the graph is not reparameterised."""
    with Intercept(lambda i, d: torch.ones(math.prod(d.shape), dtype=torch.float64)):
        gradients = case.subject.gradients(*tensors)
    for name, place in (("mean", order), ("spread", 1 - order)):
        g = gradients[place]
        if g is None or float(g.abs().max()) < 1e-12:
            case.find(
                "stop-gradient-misplaced",
                f"no gradient reaches the {name} through the draw: it is not reparameterised (sample() "
                "instead of rsample()?)",
                fix=FIX,
            )


def _without_noise(case: Case, a: Tensor, b: Tensor) -> None:
    first, again = case.subject.value(a, b), case.subject.value(a, b)
    if torch.equal(first, again):
        case.find(
            "noise-scale",
            "two calls give the same draw: there is no noise",
            evidence=evidence(0.0, 1.0, "standard deviation of the noise"),
            fix=FIX,
        )
        return
    case.undecided = (
        "the noise is not drawn through torch, so that it cannot be replaced; draw it with torch.randn_like(mean)"
    )


TARGETS = {"gaussian_sample": Target("gaussian_sample", "a reparameterised draw", ROLES, judge)}
