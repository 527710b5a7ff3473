"""KL[Cat(q) ‖ uniform over K] for N variables, of probabilities, log-probabilities or logits (B, N, K)."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from elbo.checking._case import Case, evidence
from elbo.checking._categorical_forms import READINGS, Fit, Reading, fit_categorical, simplex
from elbo.checking._fit import close, exponent, number
from elbo.checking._guard import FunctionError
from elbo.checking._numerics import check_edges
from elbo.checking._search import smallest
from elbo.checking._sizes import Sizes
from elbo.checking._subject import Subject
from elbo.checking.targets import Target

ROLES = {"q": "BD"}
RIGHT = "Σ_n Σ_k q_nk (log q_nk + log K)"
BASE = Sizes(B=2, latent=(3, 5))
VARIED = (("B", Sizes(B=4, latent=(3, 5))), ("N", Sizes(B=2, latent=(6, 5))), ("K", Sizes(B=2, latent=(3, 10))))


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    subject = case.subject
    out = subject.value(simplex(case, BASE))
    _output(case, out)
    fits: dict[str, Fit] = {}
    for name, sizes in (("base", BASE), *VARIED):
        try:
            fit = fit_categorical(case, sizes, fits["base"].reading if fits else None)
        except FunctionError:
            if name == "base":
                raise
            case.not_seen(f"the function insists on its own {name}, which was not varied")
            continue
        if fit is None:
            if name == "base":
                _unexplained(case)
                return
            case.not_seen(f"the formula at another {name}")
            continue
        fits[name] = fit
    base = fits["base"]
    case.adopted["argument"] = base.reading.name
    if "over" in base.reading.name:
        axis = "variables" if base.reading.axis == -2 else "batch"
        case.find(
            "wrong-axis",
            f"the softmax runs over the {axis} axis and not over the K categories",
            fix="logits.log_softmax(dim=-1)",
        )
    main = "a" if abs(base.a) > 1e-9 else "b"
    case.computes = (
        f"{number(base.a)}·Σ q log q + {number(base.b)}·Σ (log q)/K + {number(base.c)}·Σ q² + {number(base.constant)}"
    )
    exponents = {n: exponent(getattr(base, main), getattr(f, main)) for n, f in fits.items() if n != "base"}
    weight = _reduction(case, base, main, exponents)
    if main == "b":
        _reverse(case, weight)
    elif max(abs(base.b), abs(base.c)) > 1e-6 * abs(base.a):
        case.find(
            "algebra-slip", f"computes {case.computes} instead of {RIGHT}", fix="(q * (q.log() + math.log(K))).sum(-1)"
        )
    else:
        _sign_and_weight(case, weight)
        _constant(case, base, main)
    _edges(case, base.reading)
    if case.wrong:
        _counterexample(case, base, exponents)


def _output(case: Case, out: Tensor) -> None:
    shape = tuple(out.shape)
    b, (n, k) = BASE.B, BASE.latent
    if shape not in ((), (1,), (b,), (b, 1), (b, n), (b, n, k)):
        case.find("wrong-axis", f"the output has shape {shape} for probabilities of shape {(b, n, k)}")
    case.adopted["output"] = str(shape) if shape else "scalar"


def _reduction(case: Case, base: Fit, main: str, exponents: dict[str, float | None]) -> float:
    weight = float(getattr(base, main))
    sizes = {"B": BASE.B, "N": BASE.latent[0], "K": BASE.latent[1]}
    for axis, e in exponents.items():
        if e:
            weight /= float(sizes[axis]) ** e
    b, n, k = exponents.get("B", 0.0), exponents.get("N", 0.0), exponents.get("K", 0.0)
    case.adopted["reduction"] = {0.0: "sum over batch", -1.0: "mean over batch"}.get(9.0 if b is None else b, "?")
    if n == -1 and k == -1:
        case.find(
            "kl-averaged-over-latent",
            "the mean runs over the variables and the categories: the KL is divided by N·K",
            evidence={"yours": "1/(NK)", "expected": 1.0, "where": f"N = {sizes['N']}, K = {sizes['K']}"},
            effect="equals a β-VAE with β = 1/(NK)",
        )
        case.maybe("kl-averaged-over-latent", "kl-div-misuse")
    elif n == -1:
        case.find(
            "wrong-axis",
            "the KL is averaged over the N variables instead of summed",
            effect="equals a β-VAE with β = 1/N",
        )
        case.maybe("wrong-axis", "kl-averaged-over-latent")
    elif k == -1:
        case.find(
            "wrong-axis",
            "the KL is averaged over the K categories instead of summed",
            effect="equals a β-VAE with β = 1/K",
        )
    elif n or k:
        case.find("wrong-axis", f"the weight changes with the sizes as N^{n}, K^{k}")
    if b not in (0.0, -1.0):
        case.find("batch-reduction-mismatch", f"the weight scales as B^{b} with the batch size")
    return weight


def _reverse(case: Case, weight: float) -> None:
    case.find(
        "reverse-kl",
        "computes KL[uniform ‖ q] = −log K − (1/K) Σ log q, the other direction",
        evidence={"yours": f"{number(weight)}·Σ (log q)/K", "expected": "Σ q log q", "where": "the fitted formula"},
        fix="(q * (q.log() + math.log(K))).sum(-1); F.kl_div(log_p, q) is KL[q ‖ p]: log p first",
    )
    case.maybe("reverse-kl", "kl-div-misuse")


def _sign_and_weight(case: Case, weight: float) -> None:
    if weight < 0:
        case.find("sign-flipped", "returns −KL", evidence=evidence(weight, 1.0, "weight of Σ q log q"))
    size = abs(weight)
    if close(size, 1 / math.log(2), 1e-7):
        case.find("unit-bits", "the KL is in bits")
    elif not close(size, 1.0):
        case.find(
            "effective-beta",
            f"the KL has the constant weight {number(size)}",
            effect=f"equals a β-VAE with β = {number(size)}",
            evidence=evidence(size, 1.0, "weight of Σ q log q, the same at every size"),
        )


def _constant(case: Case, base: Fit, main: str) -> None:
    n, k = BASE.latent
    count = float(BASE.B * n) if base.reading.axis != -2 else float(BASE.B * k)
    each = base.constant / (base.a * count)
    numbers = evidence(each, math.log(k), f"constant for each variable at K = {k}, N = {n}")
    if "over" in base.reading.name or close(each, math.log(k), 1e-6):
        return
    if abs(each) < 1e-9:
        case.find(
            "constant-dropped",
            f"log K = {math.log(k):.4g} for each variable is missing: the negative entropy",
            evidence=numbers,
        )
        return
    if close(each, -1 / k, 1e-6):
        case.find(
            "prior-not-logged",
            f"computes Σ q (log q − 1/K): the prior's probability 1/K = {1 / k:g} stands where log(1/K) = "
            f"{-math.log(k):.4g} belongs",
            evidence=numbers,
        )
        case.maybe("prior-not-logged", "kl-div-misuse")
        return
    hint = f" (the number of variables N = {n})" if close(each, math.log(n), 1e-6) else ""
    case.find(
        "constant-wrong",
        f"the constant for each variable is {number(each)} = log {math.exp(each):.4g}{hint} instead of log K "
        f"= {math.log(k):.4g}",
        evidence=numbers,
        fix="(q * (q.log() + math.log(q.shape[-1]))).sum(-1)",
    )


def _edges(case: Case, reading: Reading) -> None:
    if case.wrong or "over" in reading.name:
        return
    hot = torch.zeros(BASE.shape("BD"))
    hot[..., 0] = 1.0
    exact = BASE.B * BASE.latent[0] * math.log(BASE.latent[1])
    if reading.name == "probabilities":
        check_edges(
            case,
            [("a one-hot q", [hot], exact)],
            fix="torch.special.xlogy(q, q), or work with log_softmax of the logits",
        )
    elif reading.name == "logits":
        check_edges(case, [("logits of 80 and −80", [160 * hot - 80], exact)], fix="logits.log_softmax(-1)")


def _unexplained(case: Case) -> None:
    values = [case.subject.total(simplex(case, BASE)) for _ in range(4)]
    if np.ptp(values) < 1e-10 * max(np.abs(values).max(), 1.0):
        case.find(
            "kl-div-misuse",
            "the value does not depend on the probabilities: it is linear in q, as F.kl_div(q, p) with q not logged",
            evidence={"yours": values[:2], "expected": "different values", "where": "two random q"},
            fix="F.kl_div(log_p, q, reduction='none').sum(dim=-1)",
        )
        case.maybe("kl-div-misuse", "reverse-kl")
        return
    case.find(
        "algebra-slip",
        "the value is no KL between q and the uniform law in either direction",
        fix="(q * (q.log() + math.log(K))).sum(-1)",
    )
    case.maybe("algebra-slip", "kl-div-misuse")


def _counterexample(case: Case, base: Fit, exponents: dict[str, float | None]) -> None:
    subject: Subject = case.subject
    reading = base.reading if "over" not in base.reading.name else READINGS[1]

    def argument(t: Tensor) -> Tensor:
        weights = t.abs() + 1.0
        q = weights / weights.sum(-1, keepdim=True)
        return q if reading.name == "probabilities" else q.log()

    def expected(ts: Sequence[Tensor]) -> float:
        log_q = reading.log_q(argument(ts[0]))
        total = (log_q.exp() * (log_q + math.log(log_q.shape[-1]))).sum()
        return float(total) * (1.0 if exponents.get("B") == 0 else 1 / ts[0].shape[0])

    smallest(case, ROLES, {}, replace(BASE, B=1, latent=(2, 3)), lambda ts: subject.total(argument(ts[0])), expected)
    if case.counterexample is not None:
        given = torch.as_tensor(case.counterexample.inputs["q"])
        case.counterexample = replace(case.counterexample, inputs={"q": argument(given)})


TARGETS = {"categorical_kl": Target("categorical_kl", "KL[Cat(q) ‖ uniform over K]", ROLES, judge)}
