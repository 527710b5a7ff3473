"""The reconstruction term, alone or inside a loss: slips, constants, decoder variance, edges."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from elbo.checking._block import Block, Fitted, binary_and_unit, unit, unit_and_binary
from elbo.checking._case import Case, evidence
from elbo.checking._extend import extend_with
from elbo.checking._fit import close, number
from elbo.checking._guard import FunctionError
from elbo.checking._kl_block import formula_of
from elbo.checking._likelihood_forms import BERNOULLI, GAUSSIAN, LAPLACE, wrong_atoms
from elbo.checking._numerics import check_edges
from elbo.checking._terms import Form

FORMS = {"bernoulli_nll": BERNOULLI, "gaussian_nll": GAUSSIAN, "laplace_nll": LAPLACE}
ANY = [*BERNOULLI, *GAUSSIAN, *LAPLACE]


def nll_block(forms: Sequence[Form], positions: tuple[int, ...] = (0, 1)) -> Block:
    """The term −log p(x given recon) of (recon, x)."""
    return Block(
        "reconstruction term",
        positions,
        "BP",
        forms,
        (unit, unit_and_binary, binary_and_unit),
        extend_with(wrong_atoms),
    )


def family(fitted: Fitted) -> str:
    """``"Bernoulli"``, ``"Gaussian"`` or ``"Laplace"``."""
    return fitted.term.form.adopted["likelihood"].split(",")[0]


def judge_nll_slips(case: Case, fitted: Fitted) -> None:
    """Findings about the atoms whose coefficient is off."""
    term = fitted.term
    if not term.slips:
        return
    right = " + ".join(
        f"{number(r)}·{a.text}" if not close(r, 1.0) else a.text
        for a, r in zip(term.form.atoms, term.form.right, strict=True)
        if r
    )
    names = [term.form.atoms[k].text for k in term.slips]
    ratios = [term.ratios[k] / (term.weight or 1.0) for k in term.slips]
    text = f"computes {formula_of(term)} instead of {right}: look at {', '.join(names)}"
    numbers = {
        "yours": {a.text: float(c) for a, c in zip(term.form.atoms, term.fit.coefficients, strict=True)},
        "expected": {a.text: r for a, r in zip(term.form.atoms, term.form.right, strict=True)},
        "where": "coefficients of the fitted formula",
    }
    fix = f"write {right} for each pixel"
    if len(ratios) == 1 and close(ratios[0], -1.0):
        case.find("sign-flipped", text, evidence=numbers, fix=fix)
        case.maybe("sign-flipped", "algebra-slip")
    elif (
        fitted.term.form.adopted.get("spread") and names == ["log σ²"] and any(close(ratios[0], c) for c in (2.0, 0.5))
    ):
        case.find("spread-misread", text, evidence=numbers, fix=fix)
        case.maybe("spread-misread", "algebra-slip")
    else:
        case.find("algebra-slip", text, evidence=numbers, fix=fix)


def judge_distance(case: Case, fitted: Fitted, value: Callable[[float], float]) -> None:
    """A squared error grows fourfold when the distance doubles, far out too; a Huber loss does not.

    Args:
        case: where findings go.
        fitted: the term, fitted on data in (0, 1).
        value: the function's total when every pixel is at that distance from its reconstruction.
    """
    if family(fitted) != "Gaussian" or "sigmoid" in fitted.term.form.adopted["likelihood"] or case.has("algebra-slip"):
        return
    try:
        none, near, far, farther = (value(d) for d in (0.0, 0.5, 20.0, 40.0))
    except FunctionError:
        return
    if close(farther - far, 4800 * (near - none), 1e-2) or not close(farther - far, 0.5 * (farther - none), 0.1):
        return
    case.find(
        "algebra-slip",
        "the value is squared error near the data and grows linearly far from them: a Huber (smooth L1) loss, which is "
        "no Gaussian log-likelihood",
        evidence=evidence((farther - none) / (far - none), 4.0, "growth from |x−r| = 20 to 40"),
        fix="0.5 * (x - recon) ** 2",
    )
    case.maybe("algebra-slip", "wrong-norm")


def bernoulli_edges(case: Case, fitted: Fitted, shape: Sequence[int], rest: Sequence[Tensor] = ()) -> None:
    """Saturated probabilities and large logits, where the data agree."""
    order = fitted.term.order
    logits = "logit" in fitted.term.form.adopted["likelihood"]

    def at(r: float, x: float) -> list[Tensor]:
        roles = [torch.full(tuple(shape), r), torch.full(tuple(shape), x)]
        return [*[roles[order.index(i)] for i in range(2)], *rest]

    points = [(120.0, 1.0), (-120.0, 0.0), (120.0, 0.0)] if logits else [(1.0, 1.0), (0.0, 0.0)]
    count = 1
    for n in shape:
        count *= n
    edges = [
        (f"recon = {r:g}, x = {x:g}", at(r, x), abs(r) * count if logits and (r > 0) != (x > 0) else 0.0)
        for r, x in points
    ]
    if not fitted.term.slips:
        check_edges(case, edges, fix="F.binary_cross_entropy_with_logits(logits, x, reduction='none')")
    if not logits and not rest and not fitted.term.slips:
        _probability_range(case, fitted, at, count)
    if logits and not case.has("not-finite") and not rest:
        low, high = case.attempt(*at(60.0, 0.0)), case.attempt(*at(120.0, 0.0))
        if low is not None and high is not None and close(float(low.sum()), float(high.sum()), 1e-9):
            case.find(
                "clamped",
                "the logits are clamped: beyond some size the value does not change any more",
                evidence=evidence(float(high.sum()), 120.0, "recon = 120, x = 0"),
            )


def _probability_range(case: Case, fitted: Fitted, at: Callable[[float, float], list[Tensor]], count: int) -> None:
    """Walk a probability towards zero where x = 1: flat before −log r is a clamp."""
    weight = fitted.term.weight * count
    rest = fitted.term.fit.intercept
    for r in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        here, further = (case.attempt(*[t.to(torch.float64) for t in at(v, 1.0)]) for v in (r, r / 100))
        if here is None or further is None:
            return
        if close(float(here.sum()), float(further.sum()), 1e-9):
            case.find(
                "clamped",
                f"the probability is clamped: below {r:g} the value does not change any more",
                evidence=evidence(float(here.sum() - rest) / weight, -math.log(r), f"recon = {r:g}, x = 1"),
            )
            return
