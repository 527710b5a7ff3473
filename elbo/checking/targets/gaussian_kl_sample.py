"""A Monte Carlo or hybrid estimate of KL[N(mean, diag) ‖ N(0, I)] from one sample: a function of (z, mean, spread)."""

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from elbo.checking import _sizes
from elbo.checking._block import Block, fit_block, positive, scale
from elbo.checking._case import Case, evidence
from elbo.checking._extend import extend_with
from elbo.checking._fit import close, number
from elbo.checking._kl_block import formula_of, judge_slips, judge_spread
from elbo.checking._reductions import batch_word, judge_constant_factor, judge_reduction, output_axes
from elbo.checking._spreads import ALL, BY_KEYWORD, USUAL, promised
from elbo.checking._terms import Atom, Form
from elbo.checking.targets import Target
from elbo.checking.targets.gaussian_kl import judge_sign
from elbo.checking.targets.log_density import NAMES, ROLES, wrong_atoms
from elbo.divergences import gaussian_kl

RIGHT = "log N(z; μ, σ²) − log N(z; 0, 1), or any function of (z, μ, σ) whose mean over z ~ N(μ, σ²) is the KL"
ORDERS = [(0, 1, 2), (2, 0, 1), (1, 0, 2), (0, 2, 1), (1, 2, 0), (2, 1, 0)]


def forms() -> list[Form]:
    """The sampled and hybrid forms: each term may be replaced by its mean."""
    found = []
    for p in ALL:
        v, lv = p.variance, p.log_variance
        distance = Atom("(z−μ)²/σ²", lambda z, m, s, v=v: (z - m) ** 2 / v(s))
        log_var = Atom("log σ²", lambda z, m, s, lv=lv: lv(s) + 0 * z)
        square = Atom("z²", lambda z, m, s: z**2 + 0 * s)
        mean = Atom("μ²", lambda z, m, s: m**2 + 0 * s)
        variance = Atom("σ²", lambda z, m, s, v=v: v(s) + 0 * z)
        adopted = {"spread": p.name}
        found += [
            Form({**adopted, "estimate": "log q − log p at z"}, (distance, log_var, square), (-0.5, -0.5, 0.5)),
            Form({**adopted, "estimate": "analytic entropy"}, (log_var, square), (-0.5, 0.5), -0.5),
            Form(
                {**adopted, "estimate": "analytic cross-entropy"},
                (distance, log_var, mean, variance),
                (-0.5, -0.5, 0.5, 0.5),
            ),
            Form({**adopted, "estimate": "closed form, z unused"}, (mean, variance, log_var), (0.5, 0.5, -0.5), -0.5),
        ]
    return found


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    subject = case.subject
    base = _sizes.given(case.options.shapes, ROLES)

    def draw(s: _sizes.Sizes) -> list[Tensor]:
        return [case.uniform(s.shape("BD"), 0.3, 2.2) for _ in range(3)]

    sizes = _sizes.find(lambda s: subject.raw(*draw(s)), "BD", base[0] if base else None)
    output_axes(case, subject.value(*draw(sizes)), sizes, "BD")
    fitted = fit_block(
        case, Block("KL", (0, 1, 2), "BD", forms(), (positive,), extend_with(wrong_atoms), ORDERS), sizes
    )
    if fitted is None or (fitted.term.slips and _expectation(case, True)):
        if fitted is None:
            _expectation(case, False)
        return
    scale(case, fitted)
    term, order = fitted.term, fitted.term.order
    case.adopted["arguments"] = ", ".join(NAMES[order.index(i)] for i in range(3))
    case.adopted["estimate"] = term.form.adopted["estimate"]
    if order != (0, 1, 2):
        case.find("argument-order", f"the arguments are read as {case.adopted['arguments']}")
    judge_slips(case, fitted, RIGHT)
    judge_spread(case, fitted, subject.names[order[2]])
    inner = ("D",) if len(sizes.latent) == 1 else ("C", "H", "W")
    k = judge_reduction(case, fitted, inner, "kl-averaged-over-latent", "D")
    judge_sign(case, k)
    judge_constant_factor(case, fitted, k, "kl-averaged-over-latent", "KL")
    case.adopted["reduction"] = f"sum over latent, {batch_word(term.weight_exponent('B'), str(case.adopted['output']))}"
    count = sizes.B * sizes.D
    case.computes = f"Σ {formula_of(term, term.fit.intercept / count)}"
    found, wanted = term.fit.intercept / (term.weight * count), term.form.constant
    if not term.slips and fitted.quality != "loose" and abs(found - wanted) > 1e-4:
        missing = abs(found) < 1e-9
        case.find(
            "constant-dropped" if missing else "constant-wrong",
            f"the constant is {number(found)} a dimension instead of {number(wanted)}",
            evidence=evidence(found, wanted, f"(B, D) = ({sizes.B}, {sizes.D})"),
        )
    if not case.wrong and "unused" not in term.form.adopted["estimate"]:
        case.find(
            "unbiased-estimate", f"right in expectation over z ~ q ({case.adopted['estimate']}), not for each draw"
        )


def _expectation(case: Case, only_right: bool) -> bool:
    """The exact mean over z ~ N(μ, σ²) at B = D = 1, for every reading; True if one of them is the KL."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    asked = BY_KEYWORD.get(case.options.spread or "")
    readings = [asked] if asked else list(USUAL)
    named = [promised(n) for n in case.subject.names]
    readings.sort(key=lambda p: p not in named)
    points = [(0.4, 0.9), (-0.7, 1.2), (1.1, 0.7)]
    first: tuple[float, float, str] | None = None
    for order in permutations(range(3)):
        for p in readings:
            gaps = []
            for m, v in points:
                s = {"log-variance": math.log(v), "log-std": 0.5 * math.log(v), "variance": v, "std": math.sqrt(v)}[
                    p.name
                ]
                mean = sum(
                    w * _at(case, order, m + math.sqrt(v) * float(x), m, s) for x, w in zip(nodes, weights, strict=True)
                )
                exact = float(
                    gaussian_kl(
                        torch.tensor([m], dtype=torch.float64), variance=torch.tensor([v], dtype=torch.float64)
                    ).sum()
                )
                gaps.append((float(mean), exact))
                if not close(float(mean), exact, 1e-6):
                    break
            if first is None:
                first = (*gaps[-1], f"mean = {points[len(gaps) - 1][0]}, σ² = {points[len(gaps) - 1][1]}")
            if all(close(a, b, 1e-6) for a, b in gaps):
                case.adopted["spread"] = p.name
                case.adopted["arguments"] = ", ".join(NAMES[order.index(i)] for i in range(3))
                case.find("unbiased-estimate", "its mean over z ~ q is the KL exactly (quadrature), for one dimension")
                case.not_seen("whether the estimate stays right for more than one dimension at once")
                return True
        if only_right:
            break
    if not only_right and first is not None:
        yours, exact, where = first
        case.find(
            "biased-estimator",
            f"its exact mean over z ~ q is {yours:.6g} where the KL is {exact:.6g}: bias "
            f"{yours - exact:+.6g} at {where}",
            evidence=evidence(yours, exact, where),
            fix="log_q(z) - log_p(z), or the closed form",
        )
    return False


def _at(case: Case, order: Sequence[int], z: float, m: float, s: float) -> float:
    roles = [torch.full((1, 1), value, dtype=torch.float64) for value in (z, m, s)]
    return case.subject.total(*[roles[order.index(i)] for i in range(3)])


TARGETS = {"gaussian_kl_sample": Target("gaussian_kl_sample", "a KL from one sample", ROLES, judge)}
