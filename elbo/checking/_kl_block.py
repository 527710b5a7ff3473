"""The KL to N(0, I) as a term, alone or inside a loss: its slips, free bits, capacity, clamps and the spread's name."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from elbo.checking._block import Block, Fitted, Others, evaluator, fit_block, nothing_else, positive
from elbo.checking._case import Case, evidence
from elbo.checking._extend import extend_kl
from elbo.checking._fit import close, formula, number
from elbo.checking._gaussian_forms import kl_forms
from elbo.checking._spreads import BY_KEYWORD, BY_NAME, Spread, promised
from elbo.checking._terms import TermFit, predicted

__all__ = [
    "fit_block",
    "formula_of",
    "judge_floor",
    "judge_range",
    "judge_slips",
    "judge_spread",
    "kl_block",
    "neutral",
    "spread_of",
]

NEUTRAL = {"log-variance": 0.0, "log-std": 0.0, "variance": 1.0, "std": 1.0}


def far_first(case: Case, position: int, shape: Sequence[int]) -> Tensor:
    """Means far from zero (first argument): every KL is far above free bits and capacities."""
    return case.uniform(shape, 14.0, 20.0) if position == 0 else case.uniform(shape, 0.3, 2.2)


def far_second(case: Case, position: int, shape: Sequence[int]) -> Tensor:
    """The same for the other argument order."""
    return far_first(case, 1 - position, shape)


def kl_block(positions: tuple[int, ...] = (0, 1), name: str = "KL") -> Block:
    """The term KL[N(mean, diag) ‖ N(0, I)] of (mean, spread)."""
    draws = (positive, far_first, far_second)
    return Block(name, positions, "BD", kl_forms(), draws, extend_kl, far=lambda order: draws[1 + order[0]])


def spread_of(fitted: Fitted) -> Spread:
    """The parametrisation under which the term was read."""
    return BY_NAME[fitted.term.form.adopted["spread"]]


def neutral(fitted: Fitted) -> float:
    """The spread argument at σ = 1."""
    return NEUTRAL.get(fitted.term.form.adopted["spread"], 0.5413248546129181)


def judge_spread(case: Case, fitted: Fitted, parameter: str) -> None:
    """Compare the adopted parametrisation with the option and with the parameter's name."""
    adopted = spread_of(fitted)
    case.adopted["spread"] = adopted.name
    asked = BY_KEYWORD[case.options.spread] if case.options.spread else None
    if asked is not None and asked is not adopted:
        case.find(
            "spread-misread",
            f"the second argument is {asked.name} (spread={asked.keyword!r}), and the formula is exact for "
            f"{adopted.name}",
            evidence={
                "yours": adopted.name,
                "expected": asked.name,
                "where": "the parametrisation for which the value is exact",
            },
        )
        return
    if asked is None:
        case.not_seen(f"the sampler: the value is exact if the spread argument is {adopted.symbol}")
    named = promised(parameter)
    if asked is None and named is not None and named is not adopted:
        case.find(
            "name-contradicts-maths",
            f"the argument {parameter!r} promises {named.name}; the formula is exact if it is "
            f"{adopted.symbol} ({adopted.name})",
            evidence={"yours": named.name, "expected": adopted.name, "where": f"parameter {parameter!r}"},
        )
        case.maybe("spread-misread")


def judge_slips(case: Case, fitted: Fitted, right: str) -> None:
    """Findings about the atoms whose coefficient is off."""
    term = fitted.term
    if term.form.code:
        case.find(
            term.form.code,
            f"computes {formula_of(term)}, the KL with the two distributions exchanged, instead of {right}",
            evidence={"where": "coefficients of the fitted formula"},
        )
    slips = term.slips
    if not slips:
        return
    w = term.weight
    names = [term.form.atoms[k].text for k in slips]
    ratio = {term.form.atoms[k].text: term.ratios[k] / w for k in slips if term.form.right[k]}
    extra = [term.form.atoms[k].text for k in slips if not term.form.right[k]]
    numbers = {
        "yours": {t.text: float(c / w) for t, c in zip(term.form.atoms, term.fit.coefficients, strict=True)},
        "expected": {t.text: r for t, r in zip(term.form.atoms, term.form.right, strict=True)},
        "where": "coefficients of the fitted formula",
    }
    text = f"computes {formula_of(term)} instead of {right}: "
    if len(slips) == 1 and not extra and close(ratio[names[0]], -1.0):
        case.find("sign-flipped", f"{text}the term {names[0]} has the wrong sign", evidence=numbers)
        case.maybe("sign-flipped", "algebra-slip")
    elif not extra and names == ["log σ²"] and (close(ratio["log σ²"], 2.0) or close(ratio["log σ²"], 0.5)):
        case.find(
            "spread-misread",
            f"{text}the terms σ² and log σ² read the spread in two different parametrisations",
            evidence=numbers,
        )
        case.maybe("spread-misread", "algebra-slip")
    elif (
        extra and set(extra) <= {"e^s", "e^{2s}", "e^{s/2}", "s", "s²", "√s", "s⁴"} and close(ratio.get("σ²", 1.0), 0.0)
    ):
        case.find("spread-misread", f"{text}{' and '.join(extra)} stands where σ² belongs", evidence=numbers)
        case.maybe("spread-misread", "algebra-slip")
    else:
        case.find(
            "algebra-slip",
            f"{text}look at {', '.join(names)}",
            evidence=numbers,
            fix=f"0.5 * (mean**2 + var - 1 - log_var), that is {right}",
        )
        if any(close(r, -1.0) for r in ratio.values()):
            case.maybe("algebra-slip", "sign-flipped")


def formula_of(term: TermFit, constant: float = 0.0) -> str:
    """The elementwise formula, with the weight taken out."""
    w = term.weight or 1.0
    return formula([float(c) / w for c in term.fit.coefficients], [a.text for a in term.form.atoms], constant / w)


def judge_floor(case: Case, fitted: Fitted, others: Others = nothing_else) -> bool:
    """Where the value at q = p is not the formula's: free bits, or a capacity. False if it is neither."""
    given = others(fitted.sizes)
    evaluate = evaluator(case, fitted.block, given)
    shape = fitted.sizes.shape(fitted.block.letters)
    level = neutral(fitted)

    def at(mean: float) -> float:
        roles = [torch.full(shape, mean, dtype=torch.float64), torch.full(shape, level, dtype=torch.float64)]
        back = [roles[fitted.term.order.index(i)] for i in range(2)]
        return evaluate(back)

    far = at(17.0) - evaluate_formula(fitted, 17.0, level)
    w = abs(fitted.term.weight)
    if abs(at(0.0) - far - evaluate_formula(fitted, 0.0, level)) < 1e-6 * w:
        return False
    floor = at(0.0) - far - evaluate_formula(fitted, 0.0, level)
    near, mid = at(0.01), at(0.3)
    if close(near, at(0.0), 1e-12) and floor / w > 1e-6:
        case.find(
            "free-bits",
            f"the KL does not fall below {number(floor / w)} nats (summed as the function sums); above it "
            "the value is exact",
            evidence={"yours": floor / w, "expected": 0.0, "where": "mean = 0, σ = 1"},
        )
        return True
    if min(near, mid) < at(0.0):
        count = fitted.sizes.B if fitted.term.weight_exponent("B") == 0 else 1
        case.find(
            "capacity",
            "the KL is pulled to a capacity: the value falls until KL = C and rises after it, with the "
            f"factor γ = {number(w)}",
            evidence={"yours": at(0.0) / count, "expected": 0.0, "where": "mean = 0, σ = 1 (γ·C)"},
        )
        return True
    return False


def evaluate_formula(fitted: Fitted, mean: float, level: float) -> float:
    """The fitted atoms (without intercept) with every coordinate at the same point."""
    shape = fitted.sizes.shape(fitted.block.letters)
    roles = [torch.full(shape, mean, dtype=torch.float64), torch.full(shape, level, dtype=torch.float64)]
    back = [roles[fitted.term.order.index(i)] for i in range(2)]
    return float(predicted(fitted.term, back))


def judge_range(case: Case, fitted: Fitted, intercept: float, others: Others = nothing_else) -> None:
    """Walk the spread outwards until the value leaves the formula; flat from there on is a clamp."""
    spread = spread_of(fitted)
    given: Mapping[int, Tensor] = others(fitted.sizes)
    evaluate = evaluator(case, fitted.block, given)
    shape = fitted.sizes.shape(fitted.block.letters)
    mean = case.normal(shape)

    def both(s: float) -> tuple[float, float]:
        roles = [mean, torch.full(shape, s, dtype=torch.float64)]
        back = [roles[fitted.term.order.index(i)] for i in range(2)]
        return evaluate(back), float(predicted(fitted.term, back, intercept))

    ranges = (
        [(1e-2, 1e-4, 1e-6, 1e-8, 1e-10), (5.0, 20.0, 100.0, 1e3)]
        if spread.positive
        else [
            tuple(-float(s) for s in (1, 2, 3, 5, 7, 9, 11, 16, 21, 31, 41)),
            (3.0, 5.0, 7.0, 9.0, 11.0, 16.0, 21.0, 31.0, 41.0),
        ]
    )
    for side in ranges:
        inside = neutral(fitted)
        for s in side:
            yours, wanted = both(s)
            if close(yours, wanted, 5e-3) or abs(yours - wanted) < 1e-6 * abs(fitted.term.weight):
                inside = s
                continue
            further = both(side[-1])[0] if s != side[-1] else both(s * 2 if not spread.positive else s * s)[0]
            if close(further, yours, 1e-6) and np.isfinite(yours):
                case.find(
                    "clamped",
                    f"beyond {spread.symbol} = {inside:g} … {s:g} the value does not change any more: the "
                    "argument is clamped",
                    evidence=evidence(yours, wanted, f"{spread.symbol} = {s:g}"),
                )
            elif np.isfinite(yours) and (1e-3 <= s <= 20 if spread.positive else abs(s) <= 8):
                case.find(
                    "algebra-slip",
                    f"the value follows {formula_of(fitted.term)} near σ = 1 and leaves it at {spread.symbol} = {s:g}",
                    evidence=evidence(yours, wanted, f"{spread.symbol} = {s:g}"),
                )
            break
