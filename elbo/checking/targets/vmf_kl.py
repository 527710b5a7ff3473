"""KL[vMF(κ) ‖ uniform on the sphere in R^m] of (κ, m)."""

import math
from typing import Any

import numpy as np
import torch

from elbo.checking._case import Case, evidence
from elbo.checking._fit import close, least_squares, number
from elbo.checking._guard import FunctionError
from elbo.checking._numerics import check_edges
from elbo.checking.targets import Target
from elbo.divergences.sphere import vmf_kl

ROLES = {"kappa": "B", "m": ""}
RIGHT = "κ A_m(κ) + log C_m(κ) + log|S^{m−1}|, A_m = I_{m/2}/I_{m/2−1}"
DIMENSIONS = (3, 5, 8)
FIX = "elbo.divergences.sphere.vmf_kl(kappa, m)"


def log_area(m: int) -> float:
    """log of the area of the unit sphere in R^m."""
    return math.log(2) + 0.5 * m * math.log(math.pi) - math.lgamma(m / 2)


def mean_length(kappa: torch.Tensor, m: int) -> np.ndarray:
    """A_m(κ), by the derivative-free ratio of scaled Bessel functions."""
    from scipy.special import ive

    k = kappa.numpy()
    return np.asarray(ive(m / 2, k) / ive(m / 2 - 1, k))


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    subject: Any = case.subject
    kappa = torch.linspace(0.4, 9.0, 9, dtype=torch.float64)
    slips: list[tuple[float, float, float, int]] = []
    for m in DIMENSIONS:
        try:
            values = np.array([subject.total(k[None], m) for k in kappa])
        except FunctionError:
            if m == DIMENSIONS[0]:
                raise
            case.not_seen(f"dimension m = {m}: the function raises there")
            continue
        exact = vmf_kl(kappa, m).numpy()
        pull = kappa.numpy() * mean_length(kappa, m)
        columns = np.stack([pull, exact - pull - log_area(m)], axis=1)
        fit = least_squares(columns, values)
        if not fit.residual < 1e-6:
            worst = int(np.argmax(np.abs(values - exact)))
            case.find(
                "algebra-slip",
                "the value is no combination of κ A_m(κ) and log C_m(κ): look at the ratio of Bessel "
                "functions and their orders",
                evidence=evidence(float(values[worst]), float(exact[worst]), f"κ = {float(kappa[worst]):g}, m = {m}"),
                fix=FIX,
            )
            return
        slips.append((float(fit.coefficients[0]), float(fit.coefficients[1]), float(fit.intercept), m))
    a, b, c, m = slips[0]
    case.computes = f"{number(a)}·κA + {number(b)}·log C + {number(c)} at m = {m}"
    numbers = {"yours": [a, b, c], "expected": [1.0, 1.0, log_area(m)], "where": f"κA, log C, constant at m = {m}"}
    if not close(a, b, 1e-5):
        flipped = close(a, -b, 1e-5)
        case.find("sign-flipped" if flipped else "algebra-slip", f"computes {case.computes}", evidence=numbers, fix=FIX)
        case.maybe(*(("sign-flipped", "algebra-slip") if flipped else ()))
        return
    if a < 0:
        case.find("sign-flipped", "returns −KL", evidence=numbers, fix=FIX)
    if close(abs(a), 1 / math.log(2), 1e-6):
        case.find("unit-bits", "the KL is in bits")
    elif not close(abs(a), 1.0, 1e-5):
        case.find("effective-beta", f"the KL has the constant weight {number(abs(a))}", evidence=numbers, fix=FIX)
    _constants(case, slips)
    _reduction(case)
    if not case.wrong:
        kappa = torch.tensor([100.0], dtype=torch.float64)
        point: Any = [kappa, 5]
        check_edges(case, [("κ = 100, m = 5", point, float(vmf_kl(kappa, 5).sum()))], fix=FIX)


def _constants(case: Case, slips: list[tuple[float, float, float, int]]) -> None:
    each = [(c / a, m) for a, _, c, m in slips]
    if all(abs(c - log_area(m)) < 1e-5 for c, m in each):
        return
    c, m = each[0]
    numbers = evidence(c, log_area(m), f"constant at m = {m}")
    if all(abs(c) < 1e-6 for c, _ in each):
        case.find(
            "constant-dropped",
            f"log|S^(m−1)| is missing ({log_area(m):.4g} at m = {m}): the negative entropy",
            evidence=numbers,
        )
        return
    case.find(
        "constant-wrong", f"the constant is {number(c)} at m = {m} instead of log|S^(m−1)|", evidence=numbers, fix=FIX
    )


def _reduction(case: Case) -> None:
    one = case.subject.total(torch.full((2,), 1.5, dtype=torch.float64), 3)  # type: ignore[arg-type]
    two = case.subject.total(torch.full((4,), 1.5, dtype=torch.float64), 3)  # type: ignore[arg-type]
    case.adopted["reduction"] = "sum over batch, or one value per datum" if close(two, 2 * one) else "mean over batch"


TARGETS = {"vmf_kl": Target("vmf_kl", "KL[vMF(κ) ‖ uniform]", ROLES, judge)}
