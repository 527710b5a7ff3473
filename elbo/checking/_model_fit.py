"""What a model's loss is made of: its reconstruction term and its KL, by linear fits over batches with known noise.

On a batch with noise ε, z is what the decoder is given, and

    loss = a · NLL(x, decode(z)) + b · KL + c

holds exactly for one likelihood and one reading of the spread, if the loss is made of these. Which, and the weights,
come from a least-squares fit over more batches than unknowns: where the residual is rounding, it is no approximation.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from elbo.checking._model_noise import HeldNoise, drawn
from elbo.checking._model_parts import Parts, capture, scalars

READINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "log_variance": lambda s: s,
    "log_std": lambda s: 2 * s,
    "variance": lambda s: s.log(),
    "std": lambda s: 2 * s.log(),
    "softplus": lambda s: 2 * F.softplus(s).log(),
}
"""log σ² of each reading of a spread; ``softplus`` is σ = log(1 + e^s)."""
EXACT = 1e-6


@dataclass(frozen=True)
class Batch:
    """One batch, its noise, and what the model made of it."""

    x: Tensor
    z: Tensor
    mean: Tensor
    spread: Tensor
    recon: tuple[Tensor, ...]
    values: dict[str, float]


@dataclass(frozen=True)
class Terms:
    """A scalar of the model as a combination of the two terms."""

    likelihood: str
    reading: str
    estimate: str
    reconstruction: float
    kl: float
    constant: float
    residual: float

    @property
    def beta(self) -> float:
        """The weight of the KL against the reconstruction."""
        return self.kl / self.reconstruction if self.reconstruction else math.inf


def observe(parts: Parts, loss: Callable[[Tensor], Any], x: Tensor, generator: torch.Generator) -> Batch | None:
    """Run the loss once on ``x`` with drawn noise; ``None`` where nothing was decoded."""
    if parts.encode is None or parts.decode is None:
        return None
    with torch.no_grad(), HeldNoise(drawn(generator)):
        with capture(parts) as seen:
            found = scalars(loss(x))
        mean, spread = parts.encode(x)
        z = next((z for z in seen if z.shape == mean.shape), None)
        if z is None or not found:
            return None
        recon = parts.decode(z)
    values = {name: float(value.sum()) for name, value in found.items()}
    return Batch(x, z, mean, spread, recon, values)


def likelihoods(batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """−log p(x | z) of each datum, without constants, for every decoder that the outputs allow."""
    r, x = batch.recon[0], batch.x
    unit = bool((x >= 0).all() and (x <= 1).all())
    if unit and bool((r > 0).all() and (r < 1).all()):
        yield "bernoulli", F.binary_cross_entropy(r, x, reduction="none").flatten(1).sum(1)
    if unit:
        yield "bernoulli_logits", F.binary_cross_entropy_with_logits(r, x, reduction="none").flatten(1).sum(1)
    yield "gaussian", 0.5 * ((x - r) ** 2).flatten(1).sum(1)
    yield "laplace", (x - r).abs().flatten(1).sum(1)
    if len(batch.recon) > 1:
        s = batch.recon[1]
        yield "gaussian with a learned variance", (0.5 * (x - r) ** 2 * (-s).exp() + 0.5 * s).flatten(1).sum(1)
        yield "gaussian with a learned std", (0.5 * (x - r) ** 2 * (-2 * s).exp() + s).flatten(1).sum(1)


def divergences(batch: Batch) -> Iterator[tuple[str, str, Tensor]]:
    """(reading, closed form or one draw, KL of each datum)."""
    positive = bool((batch.spread > 0).all())
    for name, read in READINGS.items():
        if name in ("variance", "std") and not positive:
            continue
        yield name, "closed form", kl_elements(batch.mean, batch.spread, name).flatten(1).sum(1)
        log_var = read(batch.spread)
        ratio = 0.5 * (batch.z**2 - (batch.z - batch.mean) ** 2 * (-log_var).exp() - log_var)
        yield name, "one draw", ratio.flatten(1).sum(1)


def kl_elements(mean: Tensor, spread: Tensor, reading: str) -> Tensor:
    """KL[N(mean, σ²) ‖ N(0, 1)] of every latent dimension."""
    log_var = READINGS[reading](spread)
    return 0.5 * (mean**2 + torch.expm1(log_var) - log_var)


def fit(batches: Sequence[Batch], name: str, first: Terms | None = None) -> Terms | None:
    """``name`` as a combination of the terms, or ``None`` if it is made of something else.

    ``first`` holds the likelihood and the reading that another scalar was found to have.
    """
    target = np.array([batch.values[name] for batch in batches])
    if not np.all(np.isfinite(target)):
        return None
    found: list[Terms] = []
    rows = [dict(likelihoods(b)) for b in batches]
    kls = [{(r, e): v for r, e, v in divergences(b)} for b in batches]
    for likelihood in set.intersection(*(set(row) for row in rows)):
        for reading, estimate in set.intersection(*(set(k) for k in kls)):
            if first is not None and (likelihood, reading) != (first.likelihood, first.reading):
                continue
            design = np.array(
                [
                    [float(row[likelihood].sum()), float(k[reading, estimate].sum()), 1.0]
                    for row, k in zip(rows, kls, strict=True)
                ]
            )
            terms = _solved(design, target, likelihood, reading, estimate)
            if terms is not None:
                found.append(terms)
    exact = [t for t in found if t.residual < EXACT]
    order = list(READINGS)
    # a term of no weight fits every reading of it: the usual one is kept
    return min(exact, key=lambda t: (round(math.log10(t.residual + 1e-16) / 3), order.index(t.reading)), default=None)


def _solved(
    design: npt.NDArray[Any], target: npt.NDArray[Any], likelihood: str, reading: str, estimate: str
) -> Terms | None:
    scale = np.abs(design).max(axis=0)
    if not np.all(np.isfinite(scale)) or np.any(scale == 0):
        return None
    solution, *_ = np.linalg.lstsq(design / scale, target, rcond=None)
    spread = float(np.abs(target - target.mean()).max()) or 1.0
    residual = float(np.abs(design / scale @ solution - target).max()) / spread
    a, b, c = (float(v) for v in solution / scale)
    return Terms(likelihood, reading, estimate, a, b, c, residual)
