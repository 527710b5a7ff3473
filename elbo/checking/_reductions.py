"""Judge how a term is reduced over batch, latent and data, and the constant that no size explains."""

import math
from collections.abc import Sequence

from torch import Tensor

from elbo._errors import InputValueError
from elbo.checking._block import AXES, Fitted
from elbo.checking._case import Case
from elbo.checking._fit import close, number
from elbo.checking._sizes import Sizes

LN2 = math.log(2)


def output_axes(case: Case, out: Tensor, sizes: Sizes, letters: str) -> bool:
    """Say which output was read; False where the axes that are left over cannot be right."""
    full = sizes.shape(letters)
    shape = tuple(out.shape)
    flat = math.prod(full[1:])
    if shape in ((), (1,)) or math.prod(shape) == 1:
        left = "scalar"
    elif shape in ((sizes.B,), (sizes.B, 1), (1, sizes.B)) or (shape[0] == sizes.B and math.prod(shape) == sizes.B):
        left = "one value per datum"
    elif shape == full or shape == (sizes.B, flat):
        left = "elementwise"
    else:
        left = f"shape {shape} of inputs {full}"
    case.adopted["output"] = (
        f"{case.subject.reading} ({left})"
        if "element" in case.subject.reading
        or "entry" in case.subject.reading
        or "attribute" in case.subject.reading
        or "sum" in case.subject.reading
        else left
    )
    if not left.startswith("shape"):
        return True
    wanted = f"a scalar, ({sizes.B},) or {full}"
    known = {1, *full, flat, sizes.B * flat}
    if any(n not in known for n in shape):
        raise InputValueError(
            f"{case.subject.name} returned a tensor of shape {shape} for inputs of shape {full}; expected {wanted}: "
            "return the loss"
        )
    kept = "the batch was summed and another axis is left" if shape[0] != sizes.B else "the axes do not line up"
    case.find(
        "wrong-axis",
        f"the output has shape {shape} for inputs of shape {full}: {kept}; expected {wanted}",
        evidence={"yours": str(shape), "expected": wanted, "where": f"inputs of shape {full}"},
    )
    return False


def batch_word(e: float | None, left: str) -> str:
    """How the batch is reduced."""
    if "one value" in left or "elementwise" in left:
        return "one value per datum"
    return {0.0: "sum over batch", -1.0: "mean over batch"}.get(e if e is not None else 9.0, f"batch^{e}")


def judge_reduction(case: Case, fitted: Fitted, inner: Sequence[str], averaged: str, symbol: str) -> float:
    """Findings about the exponents of one term on its own; returns the constant that is left.

    Args:
        case: where findings go.
        fitted: the term with its exponents.
        inner: the axes that must be summed: ("D",) or ("C", "H", "W"); ("P",) or ("c", "h", "w").
        averaged: the code for a mean over all of them.
        symbol: how the message calls their product.
    """
    term = fitted.term
    batch = term.weight_exponent("B")
    exponents = {axis: term.weight_exponent(axis) for axis in inner if axis in fitted.varied}
    name = fitted.block.name
    if all(e == -1 for e in exponents.values()) and exponents:
        n = fitted.sizes.D if symbol == "D" else fitted.sizes.P
        case.find(
            averaged,
            f"computes ({fitted.text})/{symbol}, the mean over the "
            f"{AXES[inner[0]] if len(inner) == 1 else 'coordinates'} "
            f"instead of the sum; the weight is {1 / n:.4g} at {symbol} = {n}, 0.05 at {symbol} = 20",
            effect=(f"equals a β-VAE with β = 1/{symbol}" if symbol == "D" else f"equals a β-VAE with β = {symbol}"),
            evidence={
                "yours": term.weight,
                "expected": 1.0 if batch == 0 else 1 / fitted.sizes.B,
                "where": f"weight of the {name} at {symbol} = {n}",
            },
        )
    elif any(e == -1 for e in exponents.values()):
        axes = " and ".join(AXES[a] for a, e in exponents.items() if e == -1)
        case.find("wrong-axis", f"the {name} is averaged over {axes} instead of summed")
    elif any(e != 0 for e in exponents.values()):
        odd = ", ".join(f"{a}^{e if e is not None else '?'}" for a, e in exponents.items() if e != 0)
        case.find("wrong-axis", f"the weight of the {name} changes with its size as {odd}; it must not")
    if batch not in (0.0, -1.0) and "B" in fitted.varied:
        case.find(
            "batch-reduction-mismatch",
            f"the weight of the {name} scales as B^{batch if batch is not None else '?'} with the batch size B; "
            "a sum over the batch has B^0, a mean B^−1",
        )
    if fitted.fixed:
        case.not_seen(
            "the function insists on its own size of "
            + ", ".join(f"{AXES[a]} ({a})" for a in fitted.fixed)
            + ", which was not varied"
        )
    return fitted.constant([a for a in ("B", *inner) if a in fitted.varied])


def judge_constant_factor(case: Case, fitted: Fitted, k: float, averaged: str, what: str) -> None:
    """Findings about a constant weight on a function of one term."""
    size = abs(k)
    if close(size, 1.0):
        return
    if close(size, 1 / LN2, 1e-7):
        case.find("unit-bits", f"the {what} is in bits: {number(size)} times the value in nats")
        case.maybe("effective-beta")
        return
    explained = same_number(fitted, size)
    for code in explained:
        case.maybe(code)
    if averaged in explained:
        case.find(
            averaged, f"the {what} is multiplied by {number(size)}, which is one over the size that could not be varied"
        )
        case.maybe("effective-beta")
        return
    case.find(
        "effective-beta",
        f"computes {number(size)} × ({fitted.text}): the {what} has the constant weight {number(size)}"
        + _reading_of(size),
        effect=f"equals a β-VAE with β = {number(size)}",
        evidence={"yours": size, "expected": 1.0, "where": f"weight of the {what}, the same at every size"},
    )
    if abs(size - 1 / LN2) < 2e-3:
        case.maybe("effective-beta", "unit-bits")


def same_number(fitted: Fitted, size: float) -> list[str]:
    """Codes that would give this number at the sizes which could not be varied."""
    codes = []
    if any(a in fitted.fixed for a in "DCHW") and close(size, 1 / fitted.sizes.D):
        codes.append("kl-averaged-over-latent")
    if any(a in fitted.fixed for a in "Pchw") and (
        close(size, 1 / fitted.sizes.P) or close(size, float(fitted.sizes.P))
    ):
        codes.append("reconstruction-averaged")
    if "B" in fitted.fixed and (close(size, 1 / fitted.sizes.B) or close(size, float(fitted.sizes.B))):
        codes.append("batch-reduction-mismatch")
    return codes


def _reading_of(size: float) -> str:
    if close(size, 2.0):
        return " (a missing ½, or β = 2)"
    if close(size, 0.5):
        return " (a spurious ½, or β = ½)"
    return ""
