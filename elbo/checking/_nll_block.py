"""The reconstruction term, alone or inside a loss: slips, constants, decoder variance, edges."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elbo.checking._block import Block, Fitted, binary_and_unit, extend_with, unit, unit_and_binary
from elbo.checking._case import Case, evidence
from elbo.checking._fit import close, number
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
    check_edges(case, edges, fix="F.binary_cross_entropy_with_logits(logits, x, reduction='none')")
    if logits and not case.has("not-finite") and not rest:
        low, high = case.attempt(*at(60.0, 0.0)), case.attempt(*at(120.0, 0.0))
        if low is not None and high is not None and close(float(low.sum()), float(high.sum()), 1e-9):
            case.find(
                "clamped",
                "the logits are clamped: beyond some size the value does not change any more",
                evidence=evidence(float(high.sum()), 120.0, "recon = 120, x = 0"),
            )
