"""−L_K = −mean_b log (1/K) Σ_k w_bk from the log weights (B, K)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from elbo.bounds import iwae
from elbo.checking._case import Case, evidence
from elbo.checking._catalogue import Match, match
from elbo.checking._fit import close, number
from elbo.checking._guard import FunctionError
from elbo.checking._numerics import check_single
from elbo.checking._search import smallest
from elbo.checking.targets import Target

ROLES = {"log_w": "BD"}
RIGHT = "−(logsumexp_k log w_bk − log K), summed or averaged over the batch"
SIZES = ((3, 4), (6, 4), (3, 8))


def formulas(log_w: Tensor, axis: int) -> dict[str, Tensor]:
    """Every value that people compute, as something to be maximised; ``axis`` holds the samples."""
    other = 1 - axis

    def bound(weights: Tensor, dim: int) -> Tensor:
        return torch.logsumexp(weights, dim).sum()

    def surrogate(weights: Tensor, dim: int, sign: float) -> Tensor:
        return (torch.softmax(sign * weights, dim) * weights).sum()

    return {
        "bound": bound(log_w, axis),
        "mean": log_w.sum(),
        "surrogate": surrogate(log_w, axis, 1.0),
        "negated surrogate": surrogate(log_w, axis, -1.0),
        "negated bound": -bound(-log_w, axis),
        "bound over the batch": bound(log_w, other),
        "surrogate over the batch": surrogate(log_w, other, 1.0),
        "bound over everything": torch.logsumexp(log_w.flatten(), 0),
        "bound of the sum over the batch": torch.logsumexp(log_w.sum(other), 0),
        "bound of the mean over the batch": torch.logsumexp(log_w.mean(other), 0),
    }


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    subject = case.subject
    axis = 1 if case.options.sample_axis in (None, 1, -1) else 0
    case.adopted["sample axis"] = axis

    def at(b: int, k: int) -> Tensor:
        shape = (b, k) if axis == 1 else (k, b)
        return case.normal(shape, 1.5) - 3.0

    found: dict[tuple[int, int], Match] = {}
    tail: list[Match] = []
    for b, k in SIZES:
        points = [at(b, k) for _ in range(8)]
        try:
            values = [subject.total(p) for p in points]
        except FunctionError:
            if (b, k) == SIZES[0]:
                raise
            case.not_seen("the function insists on one size, so that batch and samples were not varied")
            continue
        columns: dict[str, list[float]] = {}
        for p in points:
            for name, value in formulas(p, axis).items():
                columns.setdefault(name, []).append(float(value))
        matches = match(values, columns)
        if (b, k) == SIZES[0]:
            tail = matches
        same = [m for m in matches if tail and m.name == tail[0].name]
        if same:
            found[b, k] = same[0]
    if SIZES[0] not in found:
        unexplained(case, at(3, 4))
        return
    first = found[SIZES[0]]
    case.computes = f"{number(first.factor)} × {first.name}" + (
        f" + {number(first.offset)}" if abs(first.offset) > 1e-7 else ""
    )
    name = first.name
    judge_name(case, name)
    factor = judge_factor(case, found)
    judge_gradient(case, at(3, 4), axis, name, first.factor)
    if "bound" in name:
        judge_constant(case, found, axis)
    numerics(case, at, axis)
    case.not_seen("how the log weights were made: an analytic KL inside them cannot be seen from here")
    if case.wrong:
        reference = "bound" if not case.has("surrogate-value") else "surrogate"

        def expected(tensors: object) -> float:
            w = tensors[0]  # type: ignore[index]
            count = w.shape[1 - axis]
            total = iwae(w, axis).sum() if reference == "bound" else formulas(w, axis)["surrogate"]
            return float(total) * -1.0 * (1 / count if factor == -1 else 1.0)

        from elbo.checking._sizes import FLAT

        smallest(case, ROLES, {}, FLAT, lambda ts: subject.total(ts[0]), expected)


def judge_name(case: Case, name: str) -> None:
    """What the recognised formula means."""
    say: dict[str, tuple[str, str]] = {
        "mean": (
            "average-outside-log",
            "computes the mean of the log weights, the ELBO, and not the log of their mean",
        ),
        "negated surrogate": (
            "weights-negated",
            "the weights are softmax(−log w): the worst sample gets the largest weight",
        ),
        "negated bound": ("weights-negated", "computes −log mean exp(−log w): the weights are inverted"),
        "bound over the batch": ("wrong-sample-axis", "the log-mean-exp runs over the batch axis"),
        "surrogate over the batch": ("wrong-sample-axis", "the weights are normalised over the batch axis"),
        "bound over everything": ("wrong-sample-axis", "the log-mean-exp runs over samples and batch together"),
        "bound of the sum over the batch": (
            "weights-multiplied-over-batch",
            "log weights are summed over the batch first",
        ),
        "bound of the mean over the batch": (
            "weights-multiplied-over-batch",
            "log weights are averaged over the batch first",
        ),
    }
    if name in say:
        code, text = say[name]
        case.find(code, text, evidence={"where": "values at random log weights, exact to 1e-8"})


def judge_factor(case: Case, found: dict[tuple[int, int], Match]) -> int:
    """Sign, reduction over the batch, and what is left."""
    base = found[SIZES[0]]
    sign = 1 if base.factor > 0 else -1
    case.adopted["sign"] = "maximised" if sign > 0 else "minimised"
    if sign > 0:
        if case.options.maximise is False:
            case.find("sign-flipped", "returns +L_K, and maximise=False says that it is minimised")
        elif not case.wrong:
            case.find("maximised", "returns +L_K, to be maximised")
    elif case.options.maximise:
        case.find("sign-flipped", "returns −L_K, and maximise=True says that it is maximised")
    batch = 0
    size = abs(base.factor)
    if SIZES[1] in found:
        ratio = abs(found[SIZES[1]].factor) / size
        batch = -1 if close(ratio, 0.5) else 0 if close(ratio, 1.0) else 9
    if batch == -1:
        size *= SIZES[0][0]
    case.adopted["reduction"] = {0: "sum over the batch", -1: "mean over the batch"}.get(
        batch, "another power of the batch"
    )
    per_sample = 1.0
    if SIZES[2] in found and base.name in ("mean",):
        per_sample = float(SIZES[0][1])
    if base.name.endswith("over the batch") and SIZES[2] in found:
        case.adopted["reduction"] = "over the samples"
        return batch
    if not close(size * per_sample, 1.0) and not case.wrong:
        case.find("overall-scale", f"one factor {number(size)} stands on the bound")
    return batch


def judge_gradient(case: Case, log_w: Tensor, axis: int, name: str, factor: float) -> None:
    """Against the gradient of the value and, for a surrogate, that of the bound."""
    try:
        found = case.subject.gradients(log_w)[0]
    except FunctionError as error:
        case.not_seen(f"gradients: backward failed ({error})")
        return
    if found is None:
        case.not_seen("gradients: the function returns a value without a graph")
        return

    def gradient(of: Callable[[Tensor], Tensor]) -> Tensor:
        leaf = log_w.clone().requires_grad_()
        return torch.autograd.grad(of(leaf), leaf)[0] * factor

    own = gradient(lambda w: formulas(w, axis)[name])
    if "surrogate" not in name:
        if not torch.allclose(found, own, rtol=1e-5, atol=1e-8):
            ratio = float((found * own).sum() / (own * own).sum())
            if float(found.abs().max()) > 1e-12 and torch.allclose(found, ratio * own, rtol=1e-5, atol=1e-8):
                case.find("gradient-split", f"the gradient is {number(ratio)} times that of the value")
            else:
                case.find("stop-gradient-misplaced", "the gradient is not that of the value: a part is detached")
        return
    dim = 1 - axis if "batch" in name else axis
    sign = -1.0 if "negated" in name else 1.0
    detached = torch.softmax(sign * log_w, dim) * factor
    if torch.allclose(found, detached, rtol=1e-5, atol=1e-8):
        if name == "surrogate":
            case.find(
                "surrogate-value",
                "the value is Σ w̄ log w, not the bound; with the weights detached the gradient is exactly that of L_K",
            )
        return
    if torch.allclose(found, own, rtol=1e-5, atol=1e-8):
        case.find(
            "weights-not-detached",
            "computes Σ w̄ log w with gradient through the normalised weights w̄: it is not the gradient of L_K",
            evidence=evidence(
                float(found.flatten()[0]), float(detached.flatten()[0]), "gradient of the first log weight"
            ),
        )
        return
    case.find("algebra-slip", "the gradient is neither that of the value nor that of L_K")


def judge_constant(case: Case, found: dict[tuple[int, int], Match], axis: int) -> None:
    """The constant log K."""
    base = found[SIZES[0]]
    b, k = SIZES[0]
    per = base.offset / base.factor
    # how many log-sum-exps the formula has: one a datum, one a sample, or one in all
    name = base.name
    terms, inside = (b, k)
    if name.startswith("bound over the batch"):
        terms, inside = k, b
    elif name == "bound over everything":
        terms, inside = 1, b * k
    elif name.startswith("bound of"):
        terms = 1
    if name == "negated bound":
        per = -per
    each = per / terms
    if abs(each + math.log(inside)) < 1e-6:
        return
    if abs(each) < 1e-6:
        case.find(
            "log-k-missing",
            f"log K is not subtracted: at equal weights the value is off by log {inside} = "
            f"{math.log(inside):.4g} a datum",
            evidence=evidence(each, -math.log(inside), f"constant a datum at K = {inside}"),
        )
        return
    case.find(
        "constant-wrong",
        f"the constant a datum is {number(each)} instead of −log K = {-math.log(inside):.6g}",
        evidence=evidence(each, -math.log(inside), f"(B, K) = ({b}, {k})"),
        fix="torch.logsumexp(log_w, dim=1) - math.log(log_w.shape[1])",
    )
    case.maybe("constant-wrong", "log-k-missing")


def numerics(case: Case, at: Callable[[int, int], Tensor], axis: int) -> None:
    """Log weights of an image model are near −1000: nothing may underflow."""
    base = at(3, 4)
    if case.wrong:
        return
    for shift in (-1000.0, 1000.0):
        value = case.attempt(base + shift)
        if value is not None and not bool(torch.isfinite(value).all()):
            exact = -float(iwae(base + shift, axis).mean())
            case.find(
                "not-finite",
                f"returns {float(value.sum())} at log weights near {shift:g}, as a likelihood of images has",
                evidence=evidence(float(value.sum()), exact, f"log w near {shift:g}"),
                fix="-(torch.logsumexp(log_w, dim=1) - math.log(K)).mean()",
            )
            return
    check_single(case, [("ordinary log weights", [base]), ("log weights near −1000", [base - 1000.0])])


def unexplained(case: Case, log_w: Tensor) -> None:
    """None of the formulas."""
    yours = case.subject.total(log_w)
    if not math.isfinite(yours):
        case.find("not-finite", evidence=evidence(yours, -float(iwae(log_w, 1).mean()), "log weights near −3"))
        return
    case.find(
        "algebra-slip",
        "the value is no importance-weighted bound, mean of log weights or surrogate of (B, K)",
        evidence=evidence(yours, -float(iwae(log_w, 1).mean()), "one random input"),
        fix="-(torch.logsumexp(log_w, dim=1) - math.log(K)).mean()",
    )


TARGETS = {"iwae": Target("iwae", "−L_K from log weights", ROLES, judge)}
