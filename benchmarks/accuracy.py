"""Accuracy of KL[N ‖ N] near equality, against mpmath: ours beside torch's; ``python -m benchmarks.accuracy``.

Columns: ``elbo.kl`` and ``torch.distributions.kl_divergence`` on two ``Normal`` objects; ``gaussian_kl`` by its
log-variance and the textbook line -½ Σ (1 + log σ² - μ² - σ²), both to N(0, 1). "All" digits are lost where the error
exceeds the value.
"""

import math

import mpmath
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

import elbo
from elbo.divergences import gaussian_kl
from elbo.evidence import generator

PAIRS = 2000


def exact(m1: Tensor, s1: Tensor, m2: Tensor, s2: Tensor) -> list[mpmath.mpf]:
    """½ [r² − 1 − 2 log r + t²] of the very numbers that the tensors hold, to 60 digits."""
    with mpmath.workdps(60):
        columns = [[mpmath.mpf(v) for v in t.double().tolist()] for t in (m1, s1, m2, s2)]
        return [
            ((b / d) ** 2 - 1 - 2 * mpmath.log(b / d) + ((a - c) / d) ** 2) / 2
            for a, b, c, d in zip(*columns, strict=True)
        ]


def exact_to_standard(mean: Tensor, log_variance: Tensor) -> list[mpmath.mpf]:
    """½ (e^y − 1 − y + m²), to 60 digits."""
    with mpmath.workdps(60):
        pairs = zip(*([mpmath.mpf(v) for v in t.double().tolist()] for t in (mean, log_variance)), strict=True)
        return [(mpmath.expm1(y) - y + m * m) / 2 for m, y in pairs]


def worst(got: Tensor, truth: list[mpmath.mpf]) -> float:
    """The largest relative error, in machine epsilons of the type of ``got``."""
    eps = torch.finfo(got.dtype).eps
    with mpmath.workdps(60):
        return max(
            float(abs(mpmath.mpf(g) - t) / abs(t)) / eps for g, t in zip(got.double().tolist(), truth, strict=True) if t
        )


def lost(error: float, dtype: torch.dtype) -> str:
    """Decimal digits lost by an error of so many machine epsilons."""
    return "all" if error * torch.finfo(dtype).eps >= 1 else f"{max(0.0, math.log10(error)):.0f}"


def textbook(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The line that is in most VAE code."""
    return -0.5 * (1 + log_variance - mean**2 - log_variance.exp())


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console = console if console.is_terminal else Console(width=130)
    for dtype in (torch.float64, torch.float32):
        name = str(dtype).removeprefix("torch.")
        table = Table(title=f"worst relative error in ε of {name} (digits lost), {PAIRS} pairs", title_justify="left")
        for column in ("distance", "elbo.kl", "torch", "gaussian_kl", "textbook"):
            table.add_column(column, justify="right")
        for k in range(1, 9):
            g = generator(0, "accuracy", name, k)
            distance = 10.0**-k
            noise = torch.randn(4, PAIRS, generator=g, dtype=torch.float64).to(dtype)
            m2, s2 = noise[0], noise[1].exp()
            m1, s1 = m2 + distance * noise[2] * s2, s2 * (1 + distance * noise[3].tanh() / 2)
            truth = exact(m1, s1, m2, s2)
            q, p = Normal(m1, s1), Normal(m2, s2)
            mean, log_variance = distance * noise[2], distance * noise[3]
            standard = exact_to_standard(mean, log_variance)
            errors = [
                worst(elbo.kl(q, p), truth),
                worst(kl_divergence(q, p), truth),
                worst(gaussian_kl(mean, log_variance=log_variance), standard),
                worst(textbook(mean, log_variance), standard),
            ]
            table.add_row(f"1e-{k}", *[f"{e:.2g} ({lost(e, dtype)})" for e in errors])
        console.print(table)


if __name__ == "__main__":
    main()
