"""The KL of categorical variables to the uniform law as a formula: what the argument is, and the fit to the values."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elbo.checking._case import Case
from elbo.checking._fit import least_squares
from elbo.checking._sizes import Sizes
from elbo.checking._terms import Atom


@dataclass(frozen=True)
class Reading:
    """What the argument is, and which law the function makes of it."""

    name: str
    axis: int = -1

    def log_q(self, t: Tensor) -> Tensor:
        """log q of the argument."""
        if self.name == "probabilities":
            return torch.log(t)
        return (
            t * 1.0
            if self.name == "log-probabilities"
            else torch.log_softmax(t, self.axis if self.axis == -1 else self.axis + t.ndim - 3)
        )


READINGS = (
    Reading("probabilities"),
    Reading("logits"),
    Reading("log-probabilities"),
    Reading("logits, normalised over the variables", -2),
    Reading("logits, normalised over the batch", -3),
)


def atoms(reading: Reading) -> list[Atom]:
    """q log q (the KL), log q/K (the reverse KL), q (a constant where q is normalised)."""

    def log_q(t: Tensor) -> Tensor:
        # measured tensors have the draws in front: the axes are counted from the right
        return torch.log_softmax(t, reading.axis) if "logits" in reading.name else reading.log_q(t)

    return [
        Atom("q log q", lambda t: log_q(t).exp() * log_q(t)),
        Atom("(log q)/K", lambda t: log_q(t) / t.shape[-1]),
        Atom("q²", lambda t: (2 * log_q(t)).exp()),
    ]


@dataclass
class Fit:
    """The function as a·Σ q log q + b·Σ (log q)/K + c·Σ q² + constant."""

    reading: Reading
    a: float
    b: float
    c: float
    constant: float


def simplex(case: Case, sizes: Sizes) -> Tensor:
    """Random probabilities (B, N, K)."""
    return torch.softmax(case.normal(sizes.shape("BD")), -1)


def fit_categorical(case: Case, sizes: Sizes, only: Reading | None) -> Fit | None:
    """Explain the values at random probabilities (or their logarithms); None where no formula does."""
    draws = [simplex(case, sizes) for _ in range(9)]
    for tensors in (draws, [t.log() for t in draws]):
        values = np.array([case.subject.total(t) for t in tensors])
        if not np.isfinite(values).all():
            continue
        if np.ptp(values) < 1e-10 * max(np.abs(values).max(), 1.0):
            return None
        stack = torch.stack(tensors)
        for reading in READINGS:
            if only is not None and reading != only:
                continue
            if tensors is draws and reading.name == "log-probabilities":
                continue
            if tensors is not draws and reading.name == "logits":
                continue
            rows = np.stack([a.of(stack).flatten(1).sum(1).numpy() for a in atoms(reading)], axis=1)
            if not np.isfinite(rows).all():
                continue
            for columns in ((0,), (1,), (0, 1, 2)):
                fit = least_squares(rows[:, columns], values)
                if fit.residual < 1e-6 and np.abs(fit.coefficients).max() > 1e-12:
                    c = np.zeros(3)
                    c[list(columns)] = fit.coefficients
                    return Fit(reading, float(c[0]), float(c[1]), float(c[2]), fit.intercept)
    return None
