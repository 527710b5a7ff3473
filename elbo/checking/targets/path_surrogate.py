"""A scalar whose gradient estimates +∇ of the ELBO or of L_K, judged exactly, by quadrature over the noise."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from elbo.checking._case import Case
from elbo.checking._catalogue import match
from elbo.checking._fit import close, number
from elbo.checking.targets import Target

ROLES = {"log_joint": "", "mean": "D", "log_std": "D", "noise": "BD"}
RIGHT = "∇ mean_k [log_joint(z_k) − log q(z_k)] or ∇ log mean_k exp(…), z_k = mean + e^{log_std} ε_k"
FIX = (
    "z = mean + log_std.exp() * noise; log_w = log_joint(z) - log_q(z); log_w.mean()  (or logsumexp(log_w, 0) - log K)"
)


def log_joint(z: Tensor) -> Tensor:
    """A smooth log joint density that is not Gaussian."""
    return (-0.8 * (z - 0.6) ** 2 + 0.3 * torch.cos(z)).sum(-1)


@dataclass
class Recorder:
    """The log joint, which remembers where it was evaluated."""

    seen: list[Tensor] = field(default_factory=list)

    def __call__(self, z: Tensor) -> Tensor:
        self.seen.append(z)
        return log_joint(z)


def log_q(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(z; mean, e^{2 log_std}), summed."""
    return (-0.5 * ((z - mean) * torch.exp(-log_std)) ** 2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def log_weights(mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
    """log w of each row of noise (further axes in front stay)."""
    z = mean + log_std.exp() * noise
    return log_joint(z) - log_q(z, mean, log_std)


def grid(rows: int, d: int, order: int) -> tuple[Tensor, Tensor]:
    """All noises (points, rows, d) of the tensor rule, and their weights."""
    x, w = np.polynomial.hermite_e.hermegauss(order)
    w = w / w.sum()
    points = torch.tensor(list(itertools.product(x, repeat=rows * d)), dtype=torch.float64).reshape(-1, rows, d)
    weights = torch.tensor([math.prod(c) for c in itertools.product(w, repeat=rows * d)], dtype=torch.float64)
    return points, weights


def exact(bound: Callable[[Tensor], Tensor], point: Sequence[Tensor], rows: int, order: int = 40) -> Tensor:
    """∇ E bound(log w), stacked over (mean, log_std)."""
    mean, log_std = (t.clone().requires_grad_() for t in point)
    noise, weights = grid(rows, mean.numel(), order)
    value = (weights * bound(log_weights(mean, log_std, noise))).sum()
    return torch.stack(torch.autograd.grad(value, [mean, log_std]))


def elbo_of(log_w: Tensor) -> Tensor:
    """Mean over the rows."""
    return log_w.mean(-1)


def iwae_of(log_w: Tensor) -> Tensor:
    """Log mean exp over the rows."""
    return torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1])


def gradient(case: Case, point: Sequence[Tensor], noise: Tensor, joint: object = log_joint) -> Tensor:
    """The function's gradient for one noise, stacked over (mean, log_std)."""
    leaves = [t.clone().requires_grad_() for t in point]
    out = case.subject.tensor(joint, *leaves, noise).sum()  # type: ignore[arg-type]
    if not out.requires_grad:
        return torch.zeros(2, point[0].numel(), dtype=torch.float64)
    found = torch.autograd.grad(out, leaves, allow_unused=True)
    return torch.stack([torch.zeros_like(t) if g is None else g for g, t in zip(found, point, strict=True)])


def mean_gradient(case: Case, point: Sequence[Tensor], rows: int, order: int) -> Tensor:
    """Its exact mean over the noise."""
    noise, weights = grid(rows, point[0].numel(), order)
    total = torch.zeros(2, point[0].numel(), dtype=torch.float64)
    for e, w in zip(noise, weights, strict=True):
        total = total + w * gradient(case, point, e)
    return total


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    one = (torch.tensor([0.3], dtype=torch.float64), torch.tensor([-0.35], dtype=torch.float64))
    two = (torch.tensor([0.3, -0.2], dtype=torch.float64), torch.tensor([-0.35, -0.5], dtype=torch.float64))
    _sampler(case, two)
    case.adopted["expectation"] = "exact, by Gauss–Hermite nodes in place of the noise"
    yours = mean_gradient(case, one, 2, 14)
    answers = {"ELBO": exact(elbo_of, one, 2), "L_K": exact(iwae_of, one, 2)}
    wide, wide_exact = mean_gradient(case, two, 1, 12), exact(elbo_of, two, 1, 24)
    for sign in (1.0, -1.0):
        for name, answer in answers.items():
            if _same(sign * yours, answer) and _same(sign * wide, wide_exact):
                case.adopted["gradient of"] = name if name == "ELBO" else "L_K, the importance-weighted bound"
                case.computes = f"a gradient whose mean is {'' if sign > 0 else '−'}∇{name}"
                if sign < 0:
                    case.find(
                        "sign-flipped",
                        f"the mean gradient is −∇{name}: the loss and not the bound",
                        evidence={
                            "yours": yours,
                            "expected": answer,
                            "where": "mean gradient on (mean, log_std), K = 2",
                        },
                        fix="negate it, or minimise it",
                    )
                return
    _weights(case, two)
    if case.wrong:
        return
    factor = _factor(yours, answers["ELBO"]) or _factor(yours, answers["L_K"])
    if factor is not None and factor > 0 and _factor(wide, wide_exact) is not None:
        case.find("overall-scale", f"the mean gradient is {number(factor)} times the right one")
        return
    nearest = min(answers, key=lambda name: float((yours - answers[name]).abs().max()))
    where, a, b = "K = 2, D = 1", yours, answers[nearest]
    if _same(a, b):
        where, a, b = "K = 1, D = 2", wide, wide_exact
    case.find(
        "biased-estimator",
        f"the mean gradient on (mean, log_std) is {_list(a)} where ∇{nearest} is {_list(b)}: bias "
        f"{_list(a - b)} at {where}, by quadrature",
        evidence={"yours": a, "expected": b, "where": where},
        fix=FIX,
    )


def _sampler(case: Case, point: Sequence[Tensor]) -> None:
    """Where the log joint is evaluated shows the sampler."""
    noise = case.normal((3, 2))
    recorder = Recorder()
    mean, log_std = (t.clone().requires_grad_() for t in point)
    case.subject.raw(recorder, mean, log_std, noise)  # type: ignore[arg-type]
    seen = [z for z in recorder.seen if tuple(z.shape[-1:]) == (2,) and z.numel() == noise.numel()]
    if not seen:
        case.not_seen("the sampler: log_joint was not evaluated at K samples")
        return
    z = seen[0].detach().reshape(noise.shape)
    sigma = (z - point[0]) / noise
    wanted = point[1].exp()
    if torch.allclose(sigma, wanted.expand_as(sigma), rtol=1e-6):
        return
    ratio = sigma / wanted
    numbers = {"yours": sigma[0], "expected": wanted, "where": "standard deviation of the samples"}
    if torch.allclose(ratio, ratio[0, 0].expand_as(ratio), rtol=1e-6):
        case.find("noise-scale", f"the noise is scaled by {number(float(ratio[0, 0]))}", evidence=numbers, fix=FIX)
    elif torch.allclose(sigma, sigma[0].expand_as(sigma), rtol=1e-6):
        case.find(
            "sampler-spread-misread",
            "the samples are mean + σ·ε with σ not e^{log_std}"
            + ("; σ = e^{log_std/2}" if torch.allclose(sigma[0], (0.5 * point[1]).exp(), rtol=1e-6) else ""),
            evidence=numbers,
            fix=FIX,
        )
    else:
        case.find("biased-estimator", "the samples are not mean + σ·ε", evidence=numbers, fix=FIX)


def _weights(case: Case, point: Sequence[Tensor]) -> None:
    """Recognise surrogates by value, and whether their weights carry a gradient."""
    noises = [case.normal((4, 2)) for _ in range(7)]
    values = [case.subject.total(log_joint, *point, e) for e in noises]  # type: ignore[arg-type]
    forms: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "surrogate": lambda w, z: (torch.softmax(w, 0) * w).sum(),
        "negated surrogate": lambda w, z: (torch.softmax(-w, 0) * w).sum(),
        "squared surrogate": lambda w, z: (torch.softmax(w, 0) ** 2 * w).sum(),
        "bound of the joint": lambda w, z: torch.logsumexp(log_joint(z), 0),
    }
    columns = {}
    for name, form in forms.items():
        columns[name] = [float(form(log_weights(point[0], point[1], e), point[0] + point[1].exp() * e)) for e in noises]
    found = match(values, columns)
    if not found:
        return
    name = found[0].name
    if name == "bound of the joint":
        case.find(
            "analytic-kl-in-weights",
            "the weights hold log_joint and an analytic entropy, not log_joint(z) − log q(z) at the sample",
            evidence={"where": "values at random noise, exact to 1e-8"},
        )
        case.maybe("analytic-kl-in-weights", "biased-estimator")
        return
    if name == "negated surrogate":
        case.find("weights-negated", "the weights are softmax(−log w)", evidence={"where": "values at random noise"})
    leaves = [t.clone().requires_grad_() for t in point]
    attached = forms[name](log_weights(leaves[0], leaves[1], noises[0]), noises[0])
    own = torch.stack(torch.autograd.grad(attached, leaves)) * found[0].factor
    if _same(gradient(case, point, noises[0]), own):
        case.find(
            "weights-not-detached",
            "computes Σ w̄ log w with gradient through the normalised weights w̄",
            evidence={"yours": own, "where": "gradient at one random noise"},
        )


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-5, atol=1e-6)


def _factor(a: Tensor, b: Tensor) -> float | None:
    ratio = float((a * b).sum() / (b * b).sum())
    return ratio if _same(a, ratio * b) and not close(ratio, 0.0) else None


def _list(t: Tensor) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in t.flatten().tolist()) + ")"


TARGETS = {
    "path_surrogate": Target("path_surrogate", "a scalar whose gradient estimates +∇ELBO or +∇L_K", ROLES, judge)
}
