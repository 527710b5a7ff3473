"""−log p(x given recon): Bernoulli, Gaussian and Laplace, with a fixed or a given scale."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from elbo.checking import _sizes
from elbo.checking._block import Block, Fitted, fit_block, positive, scale
from elbo.checking._case import Case, evidence
from elbo.checking._fit import close, number
from elbo.checking._kl_block import formula_of
from elbo.checking._likelihood_forms import gaussian_scaled, laplace_scaled
from elbo.checking._nll_block import ANY, FORMS, bernoulli_edges, family, judge_distance, judge_nll_slips, nll_block
from elbo.checking._numerics import check_gradients, check_single
from elbo.checking._padding import judge_padding
from elbo.checking._reductions import batch_word, judge_constant_factor, judge_reduction, output_axes
from elbo.checking._search import smallest
from elbo.checking._terms import predicted
from elbo.checking._tiles import judge_tiles
from elbo.checking.targets import Target

ROLES = {"recon": "BP", "x": "BP"}
SCALED = {**ROLES, "log_scale": "BP"}
RIGHT = {
    "bernoulli_nll": "−x log r − (1−x) log(1−r), summed over the pixels",
    "gaussian_nll": "(x−r)²/(2σ²) + ½ log σ² + ½ log 2π, summed over the pixels",
    "laplace_nll": "|x−r|/b + log b + log 2, summed over the pixels",
}


def judge_as(name: str) -> Callable[[Case], None]:
    """The judge of one likelihood."""

    def judge(case: Case) -> None:
        _judge(case, name)

    return judge


def _judge(case: Case, name: str) -> None:
    case.contract = RIGHT[name]
    subject = case.subject
    count = subject.count
    base = _sizes.given(case.options.shapes, SCALED)

    def draw(s: _sizes.Sizes) -> list[Tensor]:
        return [
            case.uniform(s.shape("BP"), 0.1, 0.9),
            case.binary(s.shape("BP")),
            *[case.uniform(s.shape("BP"), 0.3, 0.9)] * (count - 2),
        ]

    sizes = _sizes.find(lambda s: subject.raw(*draw(s)), "BP", base[0] if base else None)
    axes_right = output_axes(case, subject.value(*draw(sizes)), sizes, "BP")
    scaled = count == 3
    if scaled:
        forms = gaussian_scaled() if name == "gaussian_nll" else laplace_scaled()
        block = Block("negative log-likelihood", (0, 1, 2), "BP", forms, (positive,))
    else:
        block = nll_block(FORMS[name])
    fitted = fit_block(case, block, sizes)
    if not scaled and (fitted is None or fitted.term.slips):
        other = fit_block(case, nll_block(ANY), sizes)
        if other is not None and not other.term.slips and other.term.form not in FORMS[name]:
            scale(case, other)
            wrong_family(case, other, name)
            case.adopted["reduction"] = batch_word(other.term.weight_exponent("B"), str(case.adopted["output"]))
            judge_reduction(
                case, other, ("P",) if len(sizes.data) == 1 else ("c", "h", "w"), "reconstruction-averaged", "P"
            )
            return
    if fitted is None:
        ts = draw(sizes)
        case.find(
            "algebra-slip",
            "the value is no sum over pixels of this likelihood in any form",
            evidence=evidence(subject.total(*ts), math.nan, "one random input"),
        )
        case.maybe("algebra-slip", "wrong-axis")
        judge_tiles(case, [case.uniform(sizes.shape("BP"), 0.1, 0.9) for _ in range(count)], ["BP"] * count)
        return
    scale(case, fitted)
    term, order = fitted.term, fitted.term.order
    roles = list(SCALED)[:count]
    case.adopted.update(term.form.adopted)
    case.adopted["arguments"] = ", ".join(roles[order.index(i)] for i in range(count))
    if order != tuple(range(count)) and (not name.startswith(("gaussian", "laplace")) or scaled):
        case.find("argument-order", f"the arguments are read as {case.adopted['arguments']}")
    judge_nll_slips(case, fitted)
    inner = ("P",) if len(sizes.data) == 1 else ("c", "h", "w")
    k = judge_reduction(case, fitted, inner, "reconstruction-averaged", "P")
    if k < 0:
        if case.options.maximise is not False:
            case.find("maximised", "returns log p(x given recon), to be maximised")
            case.maybe("maximised", "sign-flipped")
        else:
            case.find(
                "sign-flipped",
                "returns +log p(x given recon): the whole term has the wrong sign",
                evidence={"yours": k, "expected": 1.0, "where": "weight of the term"},
            )
    if name == "bernoulli_nll" or scaled:
        judge_constant_factor(case, fitted, k, "reconstruction-averaged", "negative log-likelihood")
    else:
        judge_scale(case, fitted, k)
    case.adopted["reduction"] = f"sum over data, {batch_word(term.weight_exponent('B'), str(case.adopted['output']))}"
    case.computes = f"{number(k) + ' × ' if not close(k, 1.0) else ''}Σ {formula_of(term)}"
    judge_constant(case, fitted, k)
    judge_padding(case, draw(sizes), range(count))
    if not scaled:
        zero = torch.zeros(sizes.shape("BP"), dtype=torch.float64)
        judge_distance(case, fitted, lambda d: subject.total(*[(zero, zero + d)[order.index(i)] for i in range(2)]))
    points(case, fitted, sizes, name, scaled)
    if case.wrong and axes_right:
        counterexample(case, fitted, sizes, scaled)


def wrong_family(case: Case, other: Fitted, name: str) -> None:
    """Right, for another likelihood."""
    case.computes = f"Σ {formula_of(other.term)}"
    case.find(
        "algebra-slip",
        f"computes {formula_of(other.term)}, the {family(other)} likelihood, instead of {RIGHT[name]}",
        evidence={"yours": family(other), "expected": name.split("_")[0], "where": "the fitted formula"},
    )


def judge_scale(case: Case, fitted: Fitted, k: float) -> None:
    """A fixed weight is a fixed decoder variance."""
    size = abs(k)
    which = "σ²" if family(fitted) == "Gaussian" else "b"
    value = 1 / size
    case.adopted["decoder_variance" if which == "σ²" else "decoder_scale"] = number(value)
    if close(size, 1.0):
        return
    if any(a in fitted.fixed for a in "Pchw") and close(size * 1.0, 1 / fitted.sizes.P):
        case.find(
            "reconstruction-averaged",
            f"the term has the weight 1/{fitted.sizes.P} at the one size that could be probed",
        )
        case.maybe("reconstruction-averaged", "decoder-variance", "effective-beta")
        return
    case.find(
        "decoder-variance",
        f"exact for {which} = {number(value)}, not 1",
        evidence={"yours": size, "expected": 1.0, "where": f"weight of the term; {which} is its inverse"},
    )


def judge_constant(case: Case, fitted: Fitted, k: float) -> None:
    """The normalising constant: right, missing (a note), or wrong."""
    term, sizes = fitted.term, fitted.sizes
    if term.slips or (fitted.quality == "loose" and abs(term.form.constant) < 1e-12):
        return
    count = sizes.B * sizes.P
    exponent = term.weight_exponent("B")
    weight = k * (float(sizes.B) ** exponent if exponent else 1.0)
    per_pixel = term.form.constant
    scale_part = 0.0
    if family(fitted) == "Gaussian" and "spread" not in term.form.adopted:
        scale_part = -0.5 * math.log(abs(k)) if k else 0.0
        rights = {"right": weight / abs(k) * (per_pixel + scale_part) * count, "unit": weight * per_pixel * count}
    elif family(fitted) == "Laplace" and "spread" not in term.form.adopted:
        scale_part = -math.log(abs(k)) if k else 0.0
        rights = {"right": weight / abs(k) * (per_pixel + scale_part) * count, "unit": weight * per_pixel * count}
    else:
        rights = {"right": weight * per_pixel * count}
    found = term.fit.intercept
    reference = max(abs(weight) * count, 1e-9)
    if case.has("reconstruction-averaged") or case.has("wrong-axis"):
        rights |= {f"{key}/averaged": value * term.weight / weight for key, value in rights.items()}
    if any(abs(found - value) < 1e-3 * reference for value in rights.values()):
        case.adopted["constant"] = "included"
        return
    log_scale_only = scale_part * weight / abs(k or 1.0) * count
    if abs(found) < 1e-5 * reference or abs(found - log_scale_only) < 1e-3 * reference:
        case.adopted["constant"] = "dropped"
        if abs(per_pixel) > 1e-12:
            case.find(
                "constant-dropped",
                f"the constant {number(per_pixel)} a pixel is missing; gradients are exact",
                evidence=evidence(found / count, per_pixel, "constant for each pixel"),
            )
        return
    case.find(
        "constant-wrong",
        f"the additive constant is {number(found / (weight * count))} a pixel instead of "
        f"{number(per_pixel + scale_part)}",
        evidence=evidence(found / (weight * count), per_pixel + scale_part, "constant for each pixel"),
        fix=f"add {number(per_pixel)} for each pixel",
    )


def points(case: Case, fitted: Fitted, sizes: _sizes.Sizes, name: str, scaled: bool) -> None:
    """Gradients, float32 and edges."""
    term, order = fitted.term, fitted.term.order
    shape = sizes.shape("BP")
    roles = list(SCALED)[: len(order)]

    def back(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [tensors[order.index(i)] for i in range(len(order))]

    binary = fitted.draw.__name__.count("binary") > 0
    r = case.uniform(shape, 0.1, 0.9)
    x = case.binary(shape) if binary else case.uniform(shape, 0.1, 0.9)
    extra = [case.uniform(shape, 0.4, 0.9)] if scaled else []
    where = back([r, x, *extra])
    names = [roles[order.index(i)] for i in range(len(order))]
    # data carry no gradient in a loss: only what is trained is compared
    trained = [n if n != "x" else "" for n in names]
    check_gradients(case, where, lambda ts: predicted(term, ts), trained)
    ordinary = [("ordinary values", where)]
    if name == "bernoulli_nll":
        bernoulli_edges(case, fitted, shape)
        case.find(
            "not-normalised", "a log-likelihood for binary x only; for grey values between 0 and 1 it is not a density"
        )
    else:
        far = 200.0 + case.normal(shape)
        near = 0.001 * case.normal(shape)
        unit = [torch.ones(shape)] * len(extra)
        ordinary.append(("a reconstruction within 0.001 of the data", back([x + near, x, *unit])))
        ordinary.append(
            (
                "pixel values near 200 and a reconstruction within 0.1",
                back([far + 0.1 * case.normal(shape), far, *unit]),
            )
        )
    check_single(case, ordinary)


def counterexample(case: Case, fitted: Fitted, sizes: _sizes.Sizes, scaled: bool) -> None:
    """The smallest input on which the value is not the negative log-likelihood."""
    term, order = fitted.term, fitted.term.order
    form = term.form
    dropped = case.adopted.get("constant") == "dropped" or case.has("constant-dropped")

    def expected(roles: Sequence[Tensor]) -> float:
        total = sum(float(r) * float(a.of(*roles).sum()) for r, a in zip(form.right, form.atoms, strict=True))
        total += 0.0 if dropped else form.constant * roles[0].numel()
        return total * (1.0 if term.weight_exponent("B") == 0 else 1 / roles[0].shape[0])

    roles = dict(list(SCALED.items())[: len(order)])
    smallest(
        case, roles, {"log_scale": True}, sizes,
        lambda ts: case.subject.total(*[ts[order.index(i)] for i in range(len(order))]), expected,
        unit={"recon": True, "x": False} if family(fitted) == "Bernoulli" else None,
    )  # fmt: skip


TARGETS = {
    "bernoulli_nll": Target("bernoulli_nll", "−log Bernoulli(x given recon)", ROLES, judge_as("bernoulli_nll")),
    "gaussian_nll": Target("gaussian_nll", "−log N(x; recon, σ²)", SCALED, judge_as("gaussian_nll"), optional=1),
    "laplace_nll": Target("laplace_nll", "−log Laplace(x; recon, b)", SCALED, judge_as("laplace_nll"), optional=1),
}
