"""KL[q ‖ p] of two diagonal Gaussians as a function of (q_mean, q_spread, p_mean, p_spread), interleaved or grouped."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elbo.checking import _sizes
from elbo.checking._block import Block, fit_block, positive, scale
from elbo.checking._case import Case, evidence
from elbo.checking._extend import extend_with
from elbo.checking._fit import close, number
from elbo.checking._gaussian_forms import pair_forms
from elbo.checking._kl_block import formula_of, judge_slips, judge_spread, spread_of
from elbo.checking._noisy import settle_noise
from elbo.checking._numerics import check_edges, check_gradients, check_single
from elbo.checking._reductions import batch_word, judge_constant_factor, judge_reduction, output_axes
from elbo.checking._search import smallest
from elbo.checking._spreads import BY_KEYWORD
from elbo.checking._terms import Atom, predicted
from elbo.checking.targets import Target
from elbo.checking.targets.gaussian_kl import judge_constant, judge_noise, judge_sign

ROLES = {"q_mean": "BD", "q_spread": "BD", "p_mean": "BD", "p_spread": "BD"}
NAMES = tuple(ROLES)
RIGHT = "½(log σ_p² − log σ_q² + σ_q²/σ_p² + (μ_q−μ_p)²/σ_p² − 1), summed over the latent dimensions"
Q_FIRST = [(0, 1, 2, 3), (0, 2, 1, 3), (1, 0, 3, 2), (2, 0, 3, 1)]
P_FIRST = [(2, 3, 0, 1), (1, 3, 0, 2), (3, 2, 1, 0), (3, 1, 2, 0)]
"""Position of (q_mean, q_spread, p_mean, p_spread): interleaved, grouped, and each with the spread before the mean."""


def wrong_atoms() -> list[Atom]:
    """What people write by mistake, for log-variances."""
    return [
        Atom("(μ_q−μ_p)²", lambda a, s, b, t: (a - b) ** 2 + 0 * s),
        Atom("(μ_q−μ_p)²/σ_p²", lambda a, s, b, t: (a - b) ** 2 / t.exp()),
        Atom("(μ_q−μ_p)²/σ_q²", lambda a, s, b, t: (a - b) ** 2 / s.exp()),
        Atom("(μ_q−μ_p)²/σ_p", lambda a, s, b, t: (a - b) ** 2 / (t / 2).exp()),
        Atom("(μ_q−μ_p)²/σ_p⁴", lambda a, s, b, t: (a - b) ** 2 / (2 * t).exp()),
        Atom("|μ_q−μ_p|/σ_p²", lambda a, s, b, t: (a - b).abs() / t.exp()),
        Atom("σ_q²/σ_p²", lambda a, s, b, t: (s - t).exp()),
        Atom("σ_p²/σ_q²", lambda a, s, b, t: (t - s).exp()),
        Atom("σ_q/σ_p", lambda a, s, b, t: ((s - t) / 2).exp()),
        Atom("σ_q²", lambda a, s, b, t: s.exp()),
        Atom("1/σ_p²", lambda a, s, b, t: (-t).exp()),
        Atom("μ_q²/σ_p²", lambda a, s, b, t: a**2 / t.exp()),
        Atom("log σ_q²", lambda a, s, b, t: s * 1.0),
        Atom("log σ_p²", lambda a, s, b, t: t * 1.0),
    ]


def wrong_atoms_positive() -> list[Atom]:
    """The same for variances and standard deviations."""
    return [
        Atom("(μ_q−μ_p)²", lambda a, s, b, t: (a - b) ** 2),
        Atom("(μ_q−μ_p)²/s_p", lambda a, s, b, t: (a - b) ** 2 / t),
        Atom("(μ_q−μ_p)²/s_p²", lambda a, s, b, t: (a - b) ** 2 / t**2),
        Atom("(μ_q−μ_p)²/s_q", lambda a, s, b, t: (a - b) ** 2 / s),
        Atom("s_q/s_p", lambda a, s, b, t: s / t),
        Atom("s_q²/s_p²", lambda a, s, b, t: s**2 / t**2),
        Atom("s_q²/s_p", lambda a, s, b, t: s**2 / t),
        Atom("s_p/s_q", lambda a, s, b, t: t / s),
        Atom("log s_q", lambda a, s, b, t: s.log()),
        Atom("log s_p", lambda a, s, b, t: t.log()),
        Atom("s_q²", lambda a, s, b, t: s**2),
    ]


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    subject = case.subject
    base = _sizes.given(case.options.shapes, ROLES)

    def draw(s: _sizes.Sizes) -> list[Tensor]:
        return [case.uniform(s.shape("BD"), 0.3, 2.2) for _ in range(4)]

    sizes = _sizes.find(lambda s: subject.raw(*draw(s)), "BD", base[0] if base else None)
    sizes, free = settle_noise(case, sizes, draw)
    if case.undecided:
        return
    axes_right = not free or output_axes(case, subject.value(*draw(sizes)), sizes, "BD")
    block = Block("KL", (0, 1, 2, 3), "BD", pair_forms(), (positive,), extend_with(wrong_atoms), [*Q_FIRST, *P_FIRST])
    fitted = fit_block(case, block, sizes)
    if fitted is None or (fitted.term.slips and fitted.quality == "exact" and len(fitted.term.slips) > 1):
        block.extend = extend_with(wrong_atoms_positive)
        fitted = fit_block(case, block, sizes) or fitted
    if fitted is None:
        yours, wanted = subject.total(*(ts := draw(sizes))), 0.0
        a, s, b, t = ts
        wanted = float(0.5 * (t - s + (s - t).exp() + (a - b) ** 2 / t.exp() - 1).sum())
        case.find(
            "biased-estimator" if case.noisy else "algebra-slip",
            evidence=evidence(yours, wanted, "one random input, log-variances, summed"),
        )
        return
    case.adopted.setdefault("output", "scalar")
    if free:
        scale(case, fitted)
    term = fitted.term
    order = term.order
    case.adopted["arguments"] = ", ".join(NAMES[order.index(i)] for i in range(4))
    if order in P_FIRST:
        judge_direction(case, fitted.term.order)
    if order not in (Q_FIRST[0], P_FIRST[0]):
        case.find("argument-order", f"the arguments are read as {case.adopted['arguments']}")
    judge_slips(case, fitted, RIGHT)
    judge_spread(case, fitted, subject.names[order[1]])
    inner = ("D",) if len(sizes.latent) == 1 else ("C", "H", "W")
    k = judge_reduction(case, fitted, inner, "kl-averaged-over-latent", "D")
    judge_sign(case, k)
    judge_constant_factor(case, fitted, k, "kl-averaged-over-latent", "KL")
    case.adopted["reduction"] = f"sum over latent, {batch_word(term.weight_exponent('B'), str(case.adopted['output']))}"
    case.computes = (
        f"{number(k) + ' × ' if not close(k, 1.0) else ''}Σ "
        f"{formula_of(term, term.fit.intercept / (sizes.B * sizes.D))}"
    )
    if fitted.quality != "loose":
        judge_constant(case, fitted)
    spread = spread_of(fitted)

    def back(roles: Sequence[Tensor]) -> list[Tensor]:
        return [roles[order.index(i)] for i in range(4)]

    shape = sizes.shape("BD")
    width = [case.uniform(shape, 0.4, 2.0) if spread.positive else case.normal(shape) for _ in range(2)]
    point = back([case.normal(shape), width[0], case.normal(shape), width[1]])
    check_gradients(case, point, lambda ts: predicted(term, ts), [NAMES[order.index(i)] for i in range(4)])
    check_single(case, [("ordinary means and spreads", point)])
    if not spread.positive:
        low = torch.full(shape, -20.0)
        check_edges(
            case,
            [
                (
                    "equal distributions with log-spread −20",
                    back([torch.zeros(shape), low, torch.zeros(shape), low]),
                    0.0,
                )
            ],
        )
    judge_noise(case)
    if case.wrong and axes_right:
        asked = BY_KEYWORD[case.options.spread] if case.options.spread else spread

        def expected(roles: Sequence[Tensor]) -> float:
            a, s, b, t = roles
            vq, vp = asked.variance(s), asked.variance(t)
            total = 0.5 * (asked.log_variance(t) - asked.log_variance(s) + vq / vp + (a - b) ** 2 / vp - 1).sum()
            return float(total) * (1.0 if term.weight_exponent("B") == 0 else 1 / a.shape[0])

        positions = Q_FIRST[P_FIRST.index(order)] if order in P_FIRST and case.has("reverse-kl") else order
        smallest(
            case, ROLES, {"q_spread": asked.positive, "p_spread": asked.positive}, sizes,
            lambda roles: subject.total(*[roles[positions.index(i)] for i in range(4)]), expected,
        )  # fmt: skip


def judge_direction(case: Case, order: tuple[int, ...]) -> None:
    """KL of the later arguments to the earlier ones: another order if the names say so, else the reverse KL."""
    names = case.subject.names
    p_like = sum(_is_p(names[i]) for i in (order[2], order[3]))
    q_like = sum(_is_q(names[i]) for i in (order[0], order[1]))
    opposite = sum(_is_q(names[i]) for i in (order[2], order[3])) + sum(_is_p(names[i]) for i in (order[0], order[1]))
    if p_like + q_like > 0 and not opposite:
        case.find("argument-order", "p comes first and q second; with these roles the value is KL[q ‖ p]")
        case.maybe("argument-order", "reverse-kl")
        return
    case.find(
        "reverse-kl",
        "computes KL[p ‖ q], if the first distribution is q: the roles of the two are exchanged",
        evidence={"yours": "KL[second ‖ first]", "expected": "KL[first ‖ second]", "where": "the fitted formula"},
        fix="exchange the two distributions in the call, or name the parameters p_..., q_... if p comes first",
    )
    case.maybe("reverse-kl", "argument-order")


def _is_p(name: str) -> bool:
    words = name.lower().split("_")
    return (
        any(w in ("p", "prior", "target") for w in words) or name.lower().startswith("prior") or words[-1].endswith("p")
    )


def _is_q(name: str) -> bool:
    words = name.lower().split("_")
    return (
        any(w in ("q", "post", "posterior", "approx") for w in words)
        or name.lower().startswith("post")
        or words[-1].endswith("q")
    )


TARGETS = {"gaussian_kl_pair": Target("gaussian_kl_pair", "KL[q ‖ p], two diagonal Gaussians", ROLES, judge)}
