"""The unbiased estimate of MMD² with a Gaussian kernel, of (x, y, bandwidth)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from elbo.checking._case import Case, evidence
from elbo.checking._fit import close, least_squares, number
from elbo.checking._guard import FunctionError
from elbo.checking.targets import Target

ROLES = {"x": "BD", "y": "BD", "bandwidth": ""}
RIGHT = (
    "Σ_{i≠j} k(x_i, x_j)/(N(N−1)) + Σ_{i≠j} k(y_i, y_j)/(M(M−1)) − 2 Σ_ij k(x_i, y_j)/(NM), k(a, b) = "
    "exp(−‖a−b‖²/(2h²))"
)
KERNELS: dict[str, tuple[Callable[[Tensor, float, int], Tensor], bool]] = {
    "exp(−‖a−b‖²/(2h²))": (lambda s, h, d: torch.exp(-s / (2 * h * h)), True),
    "exp(−‖a−b‖²/h²)": (lambda s, h, d: torch.exp(-s / (h * h)), True),
    "exp(−‖a−b‖²/(2h))": (lambda s, h, d: torch.exp(-s / (2 * h)), True),
    "exp(−‖a−b‖²/h)": (lambda s, h, d: torch.exp(-s / h), True),
    "exp(−h‖a−b‖²)": (lambda s, h, d: torch.exp(-s * h), True),
    "exp(−‖a−b‖²/(2h²D))": (lambda s, h, d: torch.exp(-s / (2 * h * h * d)), True),
    "exp(−‖a−b‖²/(D h²))": (lambda s, h, d: torch.exp(-s / (h * h * d)), True),
    "exp(−‖a−b‖²/(D h))": (lambda s, h, d: torch.exp(-s / (h * d)), True),
    "exp(−‖a−b‖/h)": (lambda s, h, d: torch.exp(-s.clamp(min=0).sqrt() / h), False),
    "exp(−‖a−b‖/(2h²))": (lambda s, h, d: torch.exp(-s.clamp(min=0).sqrt() / (2 * h * h)), False),
}
SHAPES = ((4, 5, 3), (7, 5, 3), (4, 6, 2))


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    h = 1.3
    fits: list[tuple[str, np.ndarray, float]] = []
    kernel = ""
    for n, m, d in SHAPES:
        try:
            fit = _fit(case, n, m, d, h, kernel)
        except FunctionError:
            if not fits:
                raise
            case.not_seen("the function insists on one size, so that N, M and D were not varied")
            break
        if fit is None:
            case.find(
                "algebra-slip",
                "the value is no combination of the kernel sums over (x, x), (y, y) and (x, y), for any kernel tried",
                fix=RIGHT,
            )
            case.maybe("algebra-slip", "wrong-norm")
            return
        kernel = fit[0]
        fits.append(fit)
    case.adopted["kernel"] = kernel
    if not KERNELS[kernel][1]:
        case.find(
            "wrong-norm",
            f"the kernel is {kernel}, of the distance and not of its square",
            fix="torch.exp(-squared_distance / (2 * h**2))",
        )
    wrong = []
    scales = []
    for (_, c, offset), (n, m, _d) in zip(fits, SHAPES, strict=False):
        right = np.array([1 / (n * (n - 1)), 1 / (m * (m - 1)), -2 / (n * m)])
        ratio = c / right
        scales.append(float(np.median(ratio)))
        if not (np.allclose(ratio, ratio[0], rtol=1e-5) and abs(offset) < 1e-8 * np.abs(c).max()):
            wrong.append((c, right, offset, n, m))
    first = fits[0][1]
    case.computes = (
        f"{number(first[0])} Σ_xx + {number(first[1])} Σ_yy + {number(first[2])} Σ_xy + {number(fits[0][2])} "
        "with N = 4, M = 5"
    )
    if wrong:
        c, right, offset, n, m = wrong[0]
        flipped = close(abs(c[2]), abs(right[2])) and c[2] > 0 and close(c[0], right[0]) and close(c[1], right[1])
        text = (
            f"the sums over (x, x), (y, y), (x, y) have the weights {number(c[0])}, {number(c[1])}, "
            f"{number(c[2])} and the constant "
            f"{number(offset)} instead of {number(right[0])}, {number(right[1])}, {number(right[2])} and 0 "
            f"at N = {n}, M = {m}"
        )
        numbers = {
            "yours": [*map(float, c), offset],
            "expected": [*map(float, right), 0.0],
            "where": f"N = {n}, M = {m}",
        }
        case.find("sign-flipped" if flipped else "mmd-normalisation", text, evidence=numbers)
        if not flipped and abs(offset) > 1e-9:
            case.maybe("mmd-normalisation", "biased-estimator")
    elif not close(scales[0], 1.0):
        if scales[0] < 0:
            case.find("sign-flipped", "returns −MMD²", evidence=evidence(scales[0], 1.0, "common factor"))
        elif all(close(s, scales[0]) for s in scales):
            case.find("overall-scale", f"one factor {number(scales[0])} stands on everything")
        else:
            case.find(
                "mmd-normalisation", f"a common factor changes with the sizes: {', '.join(number(s) for s in scales)}"
            )


def _fit(case: Case, n: int, m: int, d: int, h: float, only: str) -> tuple[str, np.ndarray, float] | None:
    points = [(case.normal((n, d)), case.normal((m, d)) + 0.4) for _ in range(9)]
    values = np.array([case.subject.total(x, y, h) for x, y in points])  # type: ignore[arg-type]
    for name, (kernel, _) in KERNELS.items():
        if only and name != only:
            continue
        rows = []
        for x, y in points:
            xx, yy, xy = (kernel(((a[:, None] - b[None]) ** 2).sum(-1), h, d) for a, b in ((x, x), (y, y), (x, y)))
            rows.append([float(xx.sum() - xx.trace()), float(yy.sum() - yy.trace()), float(xy.sum())])
        fit = least_squares(np.array(rows), values)
        if fit.residual < 1e-6:
            return name, fit.coefficients, fit.intercept
    return None


TARGETS = {"mmd": Target("mmd", "unbiased Gaussian-kernel MMD²", ROLES, judge)}
