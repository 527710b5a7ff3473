"""What a model's latent carries, and the loss beside an ELBO of our own on the same draws."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from elbo.checking._model_fit import READINGS, Batch, Terms, kl_elements, likelihoods, observe
from elbo.checking._model_judge import Findings, reduction
from elbo.checking._model_parts import Parts
from elbo.checking._model_report import Estimate, Latent
from elbo.evidence import generator

ACTIVE = 0.01
"""A dimension is active if the variance of its posterior mean over the data is above this (Burda et al. 2016)."""


def latent_of(parts: Parts, x: Tensor, reading: str, findings: Findings) -> Latent:
    """KL of every dimension and the active ones, in evaluation mode."""
    assert parts.encode is not None
    with _evaluating(parts), torch.no_grad():
        mean, spread = parts.encode(x)
    kl = kl_elements(mean, spread, reading).flatten(1).mean(0)
    variance = mean.flatten(1).var(0)
    active = [i for i, v in enumerate(variance.tolist()) if v > ACTIVE]
    dead = [
        i for i, (k, v) in enumerate(zip(kl.tolist(), variance.tolist(), strict=True)) if k < ACTIVE and v <= ACTIVE
    ]
    if dead:
        shown = ", ".join(map(str, dead[:10])) + (", …" if len(dead) > 10 else "")
        findings.note(
            "collapsed-dimensions",
            f"{len(dead)} of {len(kl)} dimensions have collapsed to the prior (KL below {ACTIVE:g} nats and a "
            f"posterior mean that does not vary): {shown}.",
            dimensions=dead,
        )
    return Latent(tuple(kl.tolist()), tuple(variance.tolist()), tuple(active))


def judge_decoder(parts: Parts, x: Tensor, reading: str, likelihood: str, seed: int, findings: Findings) -> None:
    """Does a datum's own latent reconstruct it better than another's? Paired over the data, with its standard error."""
    assert parts.encode is not None
    assert parts.decode is not None
    source = generator(seed, "check_model", "decoder")
    with _evaluating(parts), torch.no_grad():
        mean, spread = parts.encode(x)
        std = (0.5 * READINGS[reading](spread)).exp()
        z = mean + std * torch.empty_like(std).normal_(generator=source)
        other = z.roll(1, 0)
        own, swapped = (
            dict(likelihoods(Batch(x, latent, mean, spread, parts.decode(latent), {})))[likelihood]
            for latent in (z, other)
        )
    gain = swapped - own
    error = float(gain.std()) / math.sqrt(len(gain))
    if float(gain.mean()) <= 3 * error:
        findings.note(
            "decoder-ignores-latent",
            f"A datum's own latent is worth {float(gain.mean()):.4g} ± {error:.2g} nats against another datum's: the "
            "decoder makes nothing of it.",
            gain=float(gain.mean()),
            standard_error=error,
        )


def estimates(
    parts: Parts,
    call: Callable[[Tensor], Any],
    x: Tensor,
    terms: tuple[Terms, Terms],
    sizes: tuple[int, int],
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """The loss and our own negative ELBO on the same draws, per datum, without the likelihood's constant.

    The loss is divided by the weight of its reconstruction term, which was found at smaller batches.
    """
    source = generator(seed, "check_model", "estimates")
    first = terms[0]
    weight, reduced = reduction(first.reconstruction, terms[1].reconstruction, sizes)
    per_datum = weight * len(x) if reduced == "sum" else weight
    constant = first.constant * (len(x) / sizes[0] if reduced == "sum" else 1.0)
    if not per_datum:
        return {}
    ours, theirs = [], []
    for _ in range(max(2, samples)):
        batch = observe(parts, call, x, source)
        if batch is None:
            return {}
        nll = dict(likelihoods(batch))[first.likelihood]
        ours.append(nll + kl_elements(batch.mean, batch.spread, first.reading).flatten(1).sum(1))
        theirs.append((next(iter(batch.values.values())) - constant) / per_datum)
    rows = torch.stack(ours)
    loss = torch.tensor(theirs, dtype=torch.float64)
    means = rows.mean(1)
    over_data = float(rows.mean(0).std()) / math.sqrt(len(x))
    noise = math.sqrt(len(rows))
    difference = loss - means
    return {
        "loss": Estimate(float(loss.mean()), over_data, float(loss.std()) / noise),
        "negative_elbo": Estimate(float(means.mean()), over_data, float(means.std()) / noise),
        "difference": Estimate(float(difference.mean()), 0.0, float(difference.std()) / noise),
    }


class _evaluating:
    """Evaluation mode for a while."""

    def __init__(self, parts: Parts) -> None:
        self.model = parts.model

    def __enter__(self) -> None:
        self.mode = self.model.training
        self.model.eval()

    def __exit__(self, *error: object) -> None:
        self.model.train(self.mode)
