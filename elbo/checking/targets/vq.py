"""Codebook and commitment loss of (z_e, e): every variant has the same value, so the gradients decide."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elbo.checking._case import Case, evidence
from elbo.checking._fit import close, exponent, number
from elbo.checking._guard import FunctionError
from elbo.checking._search import smallest
from elbo.checking._sizes import FLAT
from elbo.checking.targets import Target

ROLES = {"z_e": "BD", "e": "BD"}
RIGHT = "‖sg(z_e) − e‖² + β‖z_e − sg(e)‖², both reduced alike"
FIX = "F.mse_loss(e, z_e.detach()) + beta * F.mse_loss(z_e, e.detach())"


@dataclass
class Pull:
    """Value and gradients as multiples of ‖z−e‖² and 2(z−e): the value's weight, and the pull on each argument."""

    value: float
    encoder: float
    codebook: float
    norm: str = "squared"


def pull(case: Case, z: Tensor, e: Tensor, gradients: Sequence[Tensor | None], value: float) -> Pull | None:
    """The three numbers, for the squared norm or for a norm that is not squared."""
    d = z - e
    for norm, direction, total in (
        ("squared", 2 * d, (d**2).sum()),
        ("absolute", d.sign(), d.abs().sum()),
        ("not squared", d / d.norm(dim=-1, keepdim=True), d.norm(dim=-1).sum()),
    ):
        ratios = []
        for g, sign in zip(gradients, (1.0, -1.0), strict=True):
            g = torch.zeros_like(z) if g is None else g
            ratio = float((g * sign * direction).sum() / (direction * direction).sum())
            if not torch.allclose(g, ratio * sign * direction, rtol=1e-5, atol=1e-9):
                break
            ratios.append(ratio)
        if len(ratios) == 2:
            return Pull(value / float(total), ratios[0], ratios[1], norm)
    return None


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    subject = case.subject
    pulls: list[Pull] = []
    shapes = ((2, 3), (4, 3), (2, 6))
    for shape in shapes:
        z, e = case.normal(shape), case.normal(shape)
        try:
            value, gradients = subject.total(z, e), subject.gradients(z, e)
        except FunctionError:
            if not pulls:
                raise
            case.not_seen("the function insists on one size")
            break
        found = pull(case, z, e, gradients, value)
        if found is None:
            _other_norm(case, z, e, value)
            return
        pulls.append(found)
    case.adopted["arguments"] = "z_e, e"
    judge_pulls(case, pulls)
    if case.wrong:
        base = pulls[0]

        def expected(ts: Sequence[Tensor]) -> float:
            scale = abs(base.codebook) or 1.0
            return float(((ts[0] - ts[1]) ** 2).sum()) * scale * (1.0 + abs(base.encoder) / scale)

        if case.has("wrong-norm"):
            smallest(case, ROLES, {}, FLAT, lambda ts: subject.total(*ts), expected)


def judge_pulls(case: Case, pulls: Sequence[Pull]) -> None:
    """Findings from value and gradients at several sizes (B, D), the first with B = 2, D = 3."""
    base = pulls[0]
    if base.norm != "squared":
        case.find("wrong-norm", f"the distance is the {base.norm} norm, not the squared Euclidean one", fix=FIX)
    b, d = (2, 3)
    exponents = []
    for part in ("encoder", "codebook"):
        first = getattr(base, part)
        row: list[float | None] = []
        for other in pulls[1:3]:
            then = getattr(other, part)
            row.append(0.0 if abs(first) < 1e-12 and abs(then) < 1e-12 else exponent(first, then))
        exponents.append(row)
    v, u = base.encoder, base.codebook
    if abs(v) > 1e-12 and abs(u) > 1e-12 and exponents[0] != exponents[1]:
        names = [f"{', '.join(f'{a}^{e}' for a, e in zip('BD', row, strict=False))}" for row in exponents]
        case.find(
            "vq-reduction",
            f"the commitment loss scales with the sizes as {names[0]} and the codebook loss as {names[1]}: "
            "they are reduced differently",
            evidence={"yours": names[0], "expected": names[1], "where": "gradients at (B, D) = (2, 3), (4, 3), (2, 6)"},
        )
    scale_v, scale_u = _unit(exponents[0], b, d), _unit(exponents[1] if abs(u) > 1e-12 else exponents[0], b, d)
    adds_up = close(base.value, v + u, 1e-5)
    v, u = v / scale_v, u / scale_u
    case.adopted["gradient coefficients (encoder, codebook)"] = f"({number(v)}, {number(u)})"
    case.computes = (
        f"pulls the encoder with {number(v)} and the codebook with {number(u)} times 2(z_e − e), in units of "
        "the reduction"
    )
    _coefficients(case, v, u, adds_up)


def _unit(row: Sequence[float | None], b: int, d: int) -> float:
    """The weight that the reduction gives: 1, 1/B, 1/(BD), ..."""
    size = 1.0
    for e, n in zip(row, (b, d), strict=False):
        size *= float(n) ** (e or 0.0)
    return size


def _coefficients(case: Case, v: float, u: float, adds_up: bool) -> None:
    numbers = {"yours": [v, u], "expected": ["β", 1.0], "where": "coefficients of 2(z_e − e) on (z_e, e)"}
    if abs(u) < 1e-12:
        if v < 0:
            case.find(
                "codebook-loss-missing",
                "the codebook loss is computed on the straight-through output: the encoder is pushed away "
                f"with {number(v)} "
                "and the codebook gets nothing",
                evidence=numbers,
            )
            case.find(
                "stop-gradient-misplaced", "the codebook loss acts on z_e and not on e", evidence=numbers, fix=FIX
            )
        elif case.options.ema:
            case.find("ema-codebook", f"commitment loss alone, β = {number(v)}: right with a moving-average codebook")
        else:
            case.find(
                "codebook-loss-missing",
                f"the codebook gets no gradient: only the commitment loss with β = {number(v)} is there",
                evidence=numbers,
                fix=FIX + "  (or pass ema=True if a moving average updates the codebook)",
            )
            if case.options.ema is None:
                case.maybe("codebook-loss-missing", "ema-codebook")
        return
    if v < 0 or u < 0:
        case.find(
            "sign-flipped",
            f"the coefficients on (z_e, e) are ({number(v)}, {number(u)}): one pushes apart",
            evidence=numbers,
        )
        return
    if abs(v) < 1e-12:
        case.find(
            "stop-gradient-misplaced",
            "the encoder gets no gradient: the commitment loss is detached from z_e",
            evidence=numbers,
            fix=FIX,
        )
        return
    if not adds_up:
        case.find(
            "stop-gradient-misplaced",
            f"the gradients ({number(v)}, {number(u)}) on (z_e, e) do not add up to the weight of the value: "
            "a term without detach() moves both arguments",
            evidence=numbers,
            fix=FIX,
        )
        return
    case.adopted["β"] = number(v / u)
    if close(v, 1.0, 1e-6) and u < 1.0 and not close(u, 1.0, 1e-6):
        case.find(
            "beta-on-codebook",
            f"β = {number(u)} stands on the codebook loss and 1 on the commitment: coefficients "
            f"({number(v)}, {number(u)}) "
            f"instead of ({number(u)}, 1)",
            evidence=evidence(v, u, "coefficient on the encoder"),
            fix=FIX,
        )
    elif not close(u, 1.0, 1e-6):
        if v > u:
            case.find(
                "beta-on-codebook",
                f"the codebook is pulled less than the encoder: ({number(v)}, {number(u)})",
                evidence=numbers,
            )
        else:
            case.find("overall-scale", f"one factor {number(u)} stands on both terms; β = {number(v / u)}")


def _other_norm(case: Case, z: Tensor, e: Tensor, value: float) -> None:
    d = z - e
    squared = float((d**2).sum())
    near = [case.subject.total(z, z + t * (e - z)) for t in (0.5, 1.0)]
    power = exponent(near[0], near[1]) if near[0] and near[1] else None
    if power == 2.0:
        case.find("stop-gradient-misplaced", "the gradients are no multiples of z_e − e", fix=FIX)
        return
    case.find(
        "wrong-norm",
        f"halving the distance divides the value by {number(near[1] / near[0])} and not by 4: it is not the "
        "squared distance",
        evidence=evidence(value, squared, "value and Σ(z_e − e)² at a random input"),
        fix=FIX,
    )
    _swapped_anyway(case, z, e)


def _swapped_anyway(case: Case, z: Tensor, e: Tensor) -> None:
    """Whatever the norm: the encoder pulled more than the codebook is β on the wrong side."""
    g = case.subject.gradients(z, e)
    if g[0] is None or g[1] is None:
        return
    v, u = float(g[0].norm()), float(g[1].norm())
    if u > 0 and v > u * 1.001:
        case.find("beta-on-codebook", f"the encoder's gradient is {number(v / u)} times that of the codebook")


TARGETS = {"vq": Target("vq", "codebook + commitment loss", ROLES, judge)}
