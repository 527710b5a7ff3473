"""log N(z; mean, diag) of (z, mean, spread)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elbo.checking import _sizes
from elbo.checking._block import Block, fit_block, positive, scale
from elbo.checking._case import Case, evidence
from elbo.checking._extend import extend_with
from elbo.checking._fit import close, number
from elbo.checking._gaussian_forms import HALF_LOG_2PI, log_density_forms
from elbo.checking._kl_block import formula_of, judge_slips, judge_spread, spread_of
from elbo.checking._numerics import check_gradients, check_single
from elbo.checking._reductions import batch_word, judge_constant_factor, judge_reduction, output_axes
from elbo.checking._search import smallest
from elbo.checking._spreads import BY_KEYWORD
from elbo.checking._terms import Atom, predicted
from elbo.checking.targets import Target

ROLES = {"z": "BD", "mean": "BD", "spread": "BD"}
NAMES = tuple(ROLES)
RIGHT = "−½(z−μ)²/σ² − ½ log σ² − ½ log 2π, summed over the dimensions"
ORDERS = [(0, 1, 2), (2, 0, 1), (1, 0, 2), (0, 2, 1), (1, 2, 0), (2, 1, 0)]


def wrong_atoms() -> list[Atom]:
    """What people write by mistake."""
    return [
        Atom("(z−μ)²", lambda z, m, s: (z - m) ** 2),
        Atom("(z−μ)²e^{−s}", lambda z, m, s: (z - m) ** 2 * torch.exp(-s)),
        Atom("(z−μ)²e^{−2s}", lambda z, m, s: (z - m) ** 2 * torch.exp(-2 * s)),
        Atom("(z−μ)²e^{−s/2}", lambda z, m, s: (z - m) ** 2 * torch.exp(-s / 2)),
        Atom("|z−μ|e^{−s}", lambda z, m, s: (z - m).abs() * torch.exp(-s)),
        Atom("s", lambda z, m, s: s * 1.0),
        Atom("z²", lambda z, m, s: z**2),
        Atom("log s", lambda z, m, s: s.log()),
        Atom("(z−μ)²/s", lambda z, m, s: (z - m) ** 2 / s),
        Atom("(z−μ)²/s²", lambda z, m, s: (z - m) ** 2 / s**2),
        Atom("(z−μ)²/s⁴", lambda z, m, s: (z - m) ** 2 / s**4),
    ]


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    subject = case.subject
    base = _sizes.given(case.options.shapes, ROLES)

    def draw(s: _sizes.Sizes) -> list[Tensor]:
        return [case.uniform(s.shape("BD"), 0.3, 2.2) for _ in range(3)]

    sizes = _sizes.find(lambda s: subject.raw(*draw(s)), "BD", base[0] if base else None)
    axes_right = output_axes(case, subject.value(*draw(sizes)), sizes, "BD")
    block = Block("log-density", (0, 1, 2), "BD", log_density_forms(), (positive,), extend_with(wrong_atoms), ORDERS)
    fitted = fit_block(case, block, sizes)
    if fitted is None:
        case.find(
            "algebra-slip",
            "the value is no Gaussian log-density of (z, mean, spread) in any parametrisation",
            fix=RIGHT,
        )
        return
    scale(case, fitted)
    term, order = fitted.term, fitted.term.order
    case.adopted["arguments"] = ", ".join(NAMES[order.index(i)] for i in range(3))
    if order not in ((0, 1, 2), (1, 0, 2)):
        case.find("argument-order", f"the arguments are read as {case.adopted['arguments']}")
    judge_slips(case, fitted, RIGHT)
    judge_spread(case, fitted, subject.names[order[2]])
    inner = ("D",) if len(sizes.latent) == 1 else ("C", "H", "W")
    k = judge_reduction(case, fitted, inner, "kl-averaged-over-latent", "D")
    if k < 0:
        case.find("sign-flipped", "returns −log N(z; mean, σ²)", evidence=evidence(k, 1.0, "weight of the term"))
    judge_constant_factor(case, fitted, k, "kl-averaged-over-latent", "log-density")
    case.adopted["reduction"] = (
        f"sum over dimensions, {batch_word(term.weight_exponent('B'), str(case.adopted['output']))}"
    )
    count = sizes.B * sizes.D
    each = term.fit.intercept / (term.weight * count)
    case.computes = f"Σ {formula_of(term, term.fit.intercept / count)}"
    if not term.slips and fitted.quality != "loose" and not close(each, -HALF_LOG_2PI, 1e-4):
        if abs(each) < 1e-9:
            case.find("constant-dropped", "−½ log 2π a dimension is missing; gradients are exact")
        else:
            case.find(
                "constant-wrong",
                f"the constant is {number(each)} a dimension instead of −½ log 2π = −0.918939",
                evidence=evidence(each, -HALF_LOG_2PI, f"(B, D) = ({sizes.B}, {sizes.D})"),
                fix="subtract 0.5 * math.log(2 * math.pi) once for each dimension",
            )
    spread = spread_of(fitted)
    shape = sizes.shape("BD")

    def back(roles: Sequence[Tensor]) -> list[Tensor]:
        return [roles[order.index(i)] for i in range(3)]

    width = case.uniform(shape, 0.4, 2.0) if spread.positive else case.normal(shape)
    point = back([case.normal(shape), case.normal(shape), width])
    check_gradients(case, point, lambda ts: predicted(term, ts), [NAMES[order.index(i)] for i in range(3)])
    check_single(case, [("ordinary values", point)])
    if case.wrong and axes_right:
        asked = BY_KEYWORD[case.options.spread] if case.options.spread else spread

        def expected(roles: Sequence[Tensor]) -> float:
            z, m, s = roles
            total = (-0.5 * (z - m) ** 2 / asked.variance(s) - 0.5 * asked.log_variance(s) - HALF_LOG_2PI).sum()
            return float(total) * (1.0 if term.weight_exponent("B") == 0 else 1 / z.shape[0])

        smallest(case, ROLES, {"spread": asked.positive}, sizes, lambda ts: subject.total(*back(ts)), expected)


TARGETS = {"gaussian_log_prob": Target("gaussian_log_prob", "log N(z; mean, diag)", ROLES, judge)}
