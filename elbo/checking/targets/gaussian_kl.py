"""KL[N(mean, diag) ‖ N(0, I)] as a function of (mean, spread)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elbo.checking import _sizes
from elbo.checking._block import scale
from elbo.checking._case import Case, evidence
from elbo.checking._fit import close, number
from elbo.checking._kl_block import (
    fit_block,
    formula_of,
    judge_floor,
    judge_range,
    judge_slips,
    judge_spread,
    kl_block,
    neutral,
    spread_of,
)
from elbo.checking._noisy import settle_noise
from elbo.checking._numerics import check_edges, check_gradients, check_single
from elbo.checking._reductions import batch_word, judge_constant_factor, judge_reduction, output_axes
from elbo.checking._search import smallest
from elbo.checking._terms import predicted
from elbo.checking._tiles import judge_tiles
from elbo.checking.targets import Target

ROLES = {"mean": "BD", "spread": "BD"}
RIGHT = "½(μ² + σ² − log σ² − 1), summed over the latent dimensions"


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
    sizes, free = settle_noise(case, sizes, lambda s: [case.uniform(s.shape("BD"), 0.3, 2.2) for _ in range(2)])
    if case.undecided:
        return
    out = subject.value(*[case.uniform(sizes.shape("BD"), 0.3, 2.2) for _ in range(2)])
    axes_right = output_axes(case, out, sizes, "BD") if free else True
    case.adopted.setdefault("output", "scalar")
    fitted = fit_block(case, kl_block(), sizes)
    if fitted is None:
        unexplained(case, sizes)
        return
    scale(case, fitted)
    order = fitted.term.order
    case.adopted["arguments"] = ", ".join(("mean", "spread")[order.index(i)] for i in range(2))
    if order != (0, 1):
        case.find("argument-order", "the spread comes first and the mean second")
    floor = not fitted.term.slips and judge_floor(case, fitted)
    judge_slips(case, fitted, RIGHT)
    judge_spread(case, fitted, subject.names[order[1]])
    inner = ("D",) if len(sizes.latent) == 1 else ("C", "H", "W")
    k = judge_reduction(case, fitted, inner, "kl-averaged-over-latent", "D")
    judge_sign(case, k)
    if not (floor and case.has("capacity")):
        judge_constant_factor(case, fitted, k, "kl-averaged-over-latent", "KL")
    case.adopted["reduction"] = (
        f"sum over latent, {batch_word(fitted.term.weight_exponent('B'), str(case.adopted['output']))}"
    )
    case.computes = (
        f"{number(k) + ' × ' if not close(k, 1.0) else ''}Σ "
        f"{formula_of(fitted.term, fitted.term.fit.intercept / max(out_count(fitted), 1))}"
    )
    if not floor:
        if fitted.quality != "loose":
            judge_constant(case, fitted)
        judge_range(case, fitted, fitted.term.fit.intercept)
        single_points(case, fitted, sizes)
    judge_noise(case)
    if not axes_right:
        return
    if case.wrong:
        counterexample(case, fitted, sizes)
    elif len(sizes.latent) == 1 and not base:
        maps(case, fitted)


def out_count(fitted: object) -> int:
    """Number of coordinates at the base size."""
    sizes = fitted.sizes  # type: ignore[attr-defined]
    return int(sizes.B * sizes.D)


def judge_sign(case: Case, k: float) -> None:
    """A negative KL is a mistake, unless maximising was announced."""
    case.adopted["sign"] = "KL" if k > 0 else "−KL"
    if k < 0:
        if case.options.maximise:
            case.find("maximised", "returns −KL, to be maximised")
        else:
            case.find(
                "sign-flipped",
                "returns −KL: the whole term has the wrong sign",
                evidence={"yours": k, "expected": 1.0, "where": "weight of the KL"},
                fix="negate it, or pass maximise=True if it is maximised",
            )


def judge_constant(case: Case, fitted: object) -> None:
    """The constant −½ a dimension: a KL is zero at q = p."""
    term, sizes = fitted.term, fitted.sizes  # type: ignore[attr-defined]
    count = sizes.B * sizes.D
    wanted = term.weight * term.form.constant * count
    found = term.fit.intercept
    if term.slips or abs(found - wanted) <= 1e-3 * abs(wanted):
        return
    if abs(found) < 1e-9 * abs(wanted):
        case.find(
            "constant-dropped",
            f"the constant −½ a dimension is missing: the value at q = p is {number(-wanted / term.weight)} and not 0",
            evidence=evidence(0.0, wanted / term.weight, f"constant at (B, D) = ({sizes.B}, {sizes.D})"),
        )
        case.maybe("constant-dropped", "constant-wrong")
        return
    case.find(
        "constant-wrong",
        f"the additive constant is {number(found / (term.weight * count))} a dimension instead of −½: the "
        "value at q = p is "
        f"{number((found - wanted) / term.weight)} and not 0",
        evidence=evidence(found / term.weight, wanted / term.weight, f"constant at (B, D) = ({sizes.B}, {sizes.D})"),
        fix="0.5 * (mean**2 + log_var.exp() - 1 - log_var), with the 1 inside the sum over dimensions",
    )


def single_points(case: Case, fitted: object, sizes: _sizes.Sizes) -> None:
    """Gradients, float32 and edges."""
    term = fitted.term  # type: ignore[attr-defined]
    spread = spread_of(fitted)  # type: ignore[arg-type]
    shape = sizes.shape("BD")

    def back(mean: Tensor, s: Tensor) -> list[Tensor]:
        roles = [mean, s]
        return [roles[term.order.index(i)] for i in range(2)]

    s = case.uniform(shape, 0.4, 2.0) if spread.positive else case.two_sided(shape)
    point = back(case.two_sided(shape), s)
    names = [("mean", "spread")[term.order.index(i)] for i in range(2)]
    check_gradients(case, point, lambda ts: predicted(term, ts), names)
    level = neutral(fitted)  # type: ignore[arg-type]
    check_single(
        case,
        [
            ("ordinary means and spreads", point),
            ("means near 10", back(10 + case.normal(shape), s)),
            (
                "a posterior near the prior (mean 0.1, σ 1.05)",
                back(torch.full(shape, 0.1), torch.full(shape, level + 0.1)),
            ),
        ],
    )
    zeros = torch.zeros(shape)
    edges: list[tuple[str, Sequence[Tensor], float]] = [
        (
            f"mean = 0, {spread.symbol} = {value:g}",
            back(zeros, torch.full(shape, value)),
            0.5 * sizes.B * sizes.D * size,
        )
        for value, size in (
            [(1.0, 0.0), (1e-3, 13.8 if spread.name == "std" else 6.9)]
            if spread.positive
            else [(0.0, 0.0), (-20.0, 19.0 if spread.name == "log-variance" else 39.0)]
        )
    ]
    if not fitted.term.form.code:  # type: ignore[attr-defined]
        check_edges(case, edges)


def counterexample(case: Case, fitted: object, sizes: _sizes.Sizes) -> None:
    """The smallest input on which the value is not the KL."""
    term = fitted.term  # type: ignore[attr-defined]
    asked = case.options.spread
    from elbo.checking._spreads import BY_KEYWORD

    spread = BY_KEYWORD[asked] if asked else spread_of(fitted)  # type: ignore[arg-type]
    a = term.weight_exponent("B")

    def expected(roles: Sequence[Tensor]) -> float:
        mean, s = roles
        total = 0.5 * (mean**2 + spread.variance(s) - spread.log_variance(s) - 1).sum()
        return float(total) * (1.0 if a == 0 else 1 / mean.shape[0])

    def yours(roles: Sequence[Tensor]) -> float:
        return case.subject.total(*[roles[term.order.index(i)] for i in range(2)])

    smallest(case, ROLES, {"spread": spread.positive}, sizes, yours, expected)


def judge_noise(case: Case) -> None:
    """Right in expectation only; or biased, if something else is wrong with the expectation."""
    if case.noisy and not case.wrong:
        case.find(
            "unbiased-estimate",
            "right in expectation over its own noise (exact, by quadrature nodes), not for each draw",
        )
    elif case.noisy:
        case.maybe(*[f.code for f in case.found if f.kind == "mistake"], "biased-estimator")


def unexplained(case: Case, sizes: _sizes.Sizes) -> None:
    """No formula of the dictionary fits: say where the value differs."""
    mean, s = case.uniform(sizes.shape("BD"), 0.3, 2.2), case.uniform(sizes.shape("BD"), 0.3, 2.2)
    yours = case.subject.total(mean, s)
    wanted = float(0.5 * (mean**2 + s.exp() - s - 1).sum())
    if yours != yours:
        case.find(
            "not-finite",
            "the value is NaN at ordinary inputs",
            evidence=evidence(yours, wanted, "mean, spread in (0.3, 2.2)"),
        )
        return
    if case.noisy:
        case.find(
            "biased-estimator",
            f"the exact expectation over its noise is {yours:.6g} where the KL is {wanted:.6g}: bias "
            f"{yours - wanted:+.6g}",
            evidence=evidence(yours, wanted, f"mean = {mean.tolist()}, spread = {s.tolist()}"),
        )
        return
    if own_parametrisation(case, sizes):
        return
    case.find(
        "algebra-slip",
        "the value is no sum over coordinates of a KL-like formula of (mean, spread) in any parametrisation",
        evidence=evidence(yours, wanted, "one random input, spread read as log-variance, summed"),
    )
    case.maybe("algebra-slip", "wrong-axis")
    judge_tiles(case, [mean, s], ["BD", "BD"])


def own_parametrisation(case: Case, sizes: _sizes.Sizes) -> bool:
    """½μ² + g(s) with g ≥ 0 and g = 0 somewhere is the KL for *some* width σ(s): that cannot be refuted from here."""
    shape = sizes.shape("BD")
    zero = torch.zeros(shape, dtype=torch.float64)
    s = case.normal(shape)
    means = [case.normal(shape) for _ in range(4)]
    rest = case.subject.total(zero, s)
    ratios = [(case.subject.total(m, s) - rest) / float(0.5 * (m**2).sum()) for m in means]
    w = ratios[0]
    if not all(close(r, w, 1e-6) for r in ratios) or not any(close(w, unit) for unit in (1.0, 1 / sizes.B)):
        return False
    grid = torch.linspace(-4.0, 4.0, 161, dtype=torch.float64)
    g = torch.tensor([case.subject.total(zero, zero + float(v)) for v in grid], dtype=torch.float64) / (
        w * zero.numel()
    )
    low = int(g.argmin())
    touches = bool(g.min() > -1e-9) and float(g.min()) < 1e-3 and 0 < low < 160
    if touches:
        case.undecided = (
            "the mean enters as ½μ², and the spread in no usual parametrisation: exact if the width σ(s) is the "
            "one for which ½(σ² − log σ² − 1) is the value at mean 0 "
            f"(σ = 1 near s = {float(grid[low]):.3g}); compare it with your sampler"
        )
        case.maybe("algebra-slip", "spread-misread")
    return touches


def maps(case: Case, fitted: object) -> None:
    """The same function on a (B, C, H, W) latent: another reduction there is said, not judged."""
    term = fitted.term  # type: ignore[attr-defined]
    sizes = _sizes.MAPS
    mean, s = case.normal(sizes.shape("BD")), case.uniform(sizes.shape("BD"), 0.3, 2.2)
    roles = [mean, s]
    value = case.attempt(*[roles[term.order.index(i)] for i in range(2)])
    if value is None:
        case.not_seen("a (B, C, H, W) latent: the function raises there, or its noise has no exact expectation")
        return
    spread = spread_of(fitted)  # type: ignore[arg-type]
    total = float(0.5 * (mean**2 + spread.variance(s) - spread.log_variance(s) - 1).sum())
    wanted = total * (1.0 if term.weight_exponent("B") == 0 else 1 / sizes.B)
    if not close(float(value.sum()), wanted, 1e-3) and not case.found_any("free-bits", "capacity", "unit-bits"):
        case.not_seen(
            f"for a (B, C, H, W) latent the value is {number(float(value.sum()) / wanted)} times the KL (an "
            "axis is averaged); "
            "pass shapes={'D': (3, 2, 5)} to judge it as such"
        )


TARGETS = {"gaussian_kl": Target("gaussian_kl", "KL[N(mean, diag) ‖ N(0, I)]", ROLES, judge)}
