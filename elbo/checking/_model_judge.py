"""From the weights of a model's terms, and from how it samples, to findings."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from elbo.checking._model_fit import READINGS, Batch, Terms, fit
from elbo.checking._model_noise import HeldNoise, constant
from elbo.checking._model_parts import Parts, capture, scalars
from elbo.checking._model_report import DEFINITIONS, ModelFinding

_NEAR = 1e-4


@dataclass
class Findings:
    """What was found so far."""

    mistakes: list[ModelFinding] = field(default_factory=list)
    notes: list[ModelFinding] = field(default_factory=list)

    def mistake(self, code: str, message: str = "", fix: str = "", **evidence: Any) -> None:
        """The model is wrong in this way."""
        self.mistakes.append(_finding(code, message, evidence, fix))

    def note(self, code: str, message: str = "", **evidence: Any) -> None:
        """Something to know about a model that is right."""
        self.notes.append(_finding(code, message, evidence, ""))


def _finding(code: str, message: str, evidence: Mapping[str, Any], fix: str) -> ModelFinding:
    return ModelFinding(code, message or DEFINITIONS[code], dict(evidence), fix)


def judge_terms(terms: tuple[Terms, Terms], sizes: tuple[int, int], x: Tensor, findings: Findings, batch: Batch) -> str:
    """Compare the weights with those of the negative ELBO; what the loss computes, in words."""
    a, reduced_a = reduction(terms[0].reconstruction, terms[1].reconstruction, sizes)
    b, reduced_b = reduction(terms[0].kl, terms[1].kl, sizes)
    pixels, latent = x[0].numel(), batch.mean[0].numel()
    likelihood = terms[0].likelihood
    if terms[0].estimate == "one draw":
        findings.note("unbiased-estimate", "The KL is estimated from the draw: right in expectation.")
    if a < 0 and b < 0:
        findings.note("maximised")
        a, b = -a, -b
    if reduced_a != reduced_b and abs(b) > 1e-9 * abs(a):
        findings.mistake(
            "batch-reduction-mismatch",
            f"The reconstruction term is a {reduced_a} over the batch and the KL a {reduced_b}: the weight of the KL "
            "changes with the batch size.",
            "loss = (nll_per_datum + kl_per_datum).mean()",
        )
    words = f"{a:.6g} · (−log p(x|z), {likelihood}) + {b:.6g} · KL ({terms[0].reading}, {terms[0].estimate})"
    words += f", {reduced_a} over the batch"
    if a * b < 0:
        findings.mistake("sign-flipped", "Reconstruction term and KL have opposite signs.", "loss = nll + kl")
        return words
    _judge_ratio(b / a if a else float("inf"), a, pixels, latent, likelihood, findings)
    return words


def _judge_ratio(beta: float, a: float, pixels: int, latent: int, likelihood: str, findings: Findings) -> None:
    scales = [1.0, 0.5] if likelihood in ("gaussian", "laplace") else [1.0]

    def near(value: float) -> bool:
        return any(abs(beta / (value * s) - 1) < _NEAR for s in scales)

    if abs(beta - 1) < _NEAR:
        if abs(a - 1) > _NEAR:
            findings.note("overall-scale", f"The factor {a:.6g} stands on the whole loss.", factor=a)
    elif near(1.0):
        findings.note("decoder-variance", f"Exact for a {likelihood} decoder of scale² {beta:.6g}.", variance=beta)
    elif near(pixels) or near(pixels / latent):
        findings.mistake(
            "reconstruction-averaged",
            f"The KL has {beta:.6g} times the weight of the reconstruction term, and there are {pixels} pixels: the "
            f"reconstruction is a mean over them; equals a β-VAE with β = {beta:.6g}.",
            "nll = loss_fn(recon, x, reduction='none').flatten(1).sum(dim=1).mean()",
            beta=beta,
            candidates=["reconstruction-averaged", "effective-beta"],
        )
        if near(pixels / latent):
            _kl_averaged(beta, latent, findings)
    elif near(1 / latent):
        _kl_averaged(beta, latent, findings)
    else:
        also = f", or a {likelihood} decoder of scale² {beta:.6g}" if len(scales) > 1 and beta > 0 else ""
        findings.mistake(
            "effective-beta",
            f"The KL has {beta:.6g} times the weight of the reconstruction term: a β-VAE with that β{also}.",
            "give both terms the weight one, or make β a named argument",
            beta=beta,
        )


def _kl_averaged(beta: float, latent: int, findings: Findings) -> None:
    findings.mistake(
        "kl-averaged-over-latent",
        f"The KL has {beta:.6g} times the weight of the reconstruction term, and there are {latent} latent dimensions: "
        "the KL is a mean over them.",
        "kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1).mean()",
        beta=beta,
        candidates=["kl-averaged-over-latent", "effective-beta"],
    )


def reduction(first: float, second: float, sizes: tuple[int, int]) -> tuple[float, str]:
    """(weight of one datum in a sum or in a mean, which of them)."""
    as_sum, as_mean = abs(first - second), abs(first * sizes[0] - second * sizes[1]) / sizes[0]
    return (first, "sum") if as_sum <= as_mean else (first * sizes[0], "mean")


def judge_sampler(
    parts: Parts, call: Callable[[Tensor], Any] | None, x: Tensor, terms: Terms | None, findings: Findings
) -> str:
    """Which spread the sampler reads, in training and in evaluation; compared with what the KL reads."""
    assert parts.encode is not None
    run = call or parts.model
    with torch.no_grad():
        mean, spread = parts.encode(x)
        draws = [_latent(parts, run, x, value, mean) for value in (0.0, 1.0, 2.0)]
        if any(z is None for z in draws):
            return ""
        z0, z1, z2 = (z for z in draws if z is not None)
        sigma = z1 - z0
        reading = _reading_of(sigma, spread)
    if float(sigma.abs().max()) == 0:
        findings.mistake("sampler-draws-nothing", fix="z = mean + std * torch.randn_like(std)")
        return ""
    parts.how["sampler"] = f"z = mean + σ ε, σ from the spread as {reading or 'nothing known'}"
    linear = torch.allclose(z2 - z0, 2 * sigma, atol=1e-9) and torch.allclose(z0, mean, atol=1e-9)
    known = terms.reading if terms is not None else None
    if not linear or (not reading and known is None):
        findings.mistake("noise-scale", "The draws are not mean + σ ε with σ a reading of the spread.")
    elif known is not None and reading != known:
        ratio = sigma / (0.5 * READINGS[known](spread)).exp()
        if float(ratio.max() - ratio.min()) < 1e-6 * float(ratio.abs().max()):
            findings.mistake(
                "noise-scale", f"The noise is scaled by {float(ratio.mean()):.6g}.", "z = mean + std * eps"
            )
        else:
            findings.mistake(
                "sampler-spread-misread",
                f"The sampler reads the spread as {reading or 'something else'} and the KL as {known}: the draws come "
                "from another posterior than the one that is charged for.",
                _FIXES.get(known, ""),
            )
    _judge_evaluation(parts, run, x, sigma, findings)
    return reading


_FIXES = {
    "log_variance": "std = torch.exp(0.5 * log_var)",
    "log_std": "std = torch.exp(log_std)",
    "variance": "std = var.sqrt()",
    "std": "z = mean + std * eps",
}


def _reading_of(sigma: Tensor, spread: Tensor) -> str:
    for name, read in READINGS.items():
        if name in ("variance", "std") and not bool((spread > 0).all()):
            continue
        if torch.allclose(sigma, (0.5 * read(spread)).exp(), rtol=1e-7, atol=1e-12):
            return name
    return ""


def _judge_evaluation(parts: Parts, run: Callable[[Tensor], Any], x: Tensor, sigma: Tensor, findings: Findings) -> None:
    value = _value(run, x)
    parts.model.eval()
    try:
        with torch.no_grad():
            z0, z1 = (_latent(parts, run, x, value, sigma) for value in (0.0, 1.0))
        still = _value(run, x)
    finally:
        parts.model.train()
    if z0 is None or z1 is None:
        return
    if float((z1 - z0).abs().max()) == 0:
        findings.note(
            "evaluation-changes-objective",
            "In evaluation mode z is the mean and no noise is drawn: the number is not an ELBO, and it is too good. "
            "Draw in both modes, and decode the mean only to look at reconstructions.",
        )
    elif value is not None and still is not None and abs(value - still) > 1e-9 * max(1.0, abs(value)):
        findings.note(
            "evaluation-changes-objective",
            f"With the same noise the loss is {value:.6g} in training and {still:.6g} in evaluation mode "
            f"({_responsible(parts)}).",
            training=value,
            evaluation=still,
        )


def _responsible(parts: Parts) -> str:
    norms = [name for name, m in parts.model.named_modules() if "BatchNorm" in type(m).__name__]
    return f"batch statistics: {', '.join(norms[:4])}" if norms else "it depends on self.training"


def _latent(parts: Parts, run: Callable[[Tensor], Any], x: Tensor, value: float, like: Tensor) -> Tensor | None:
    with HeldNoise(constant(value)), capture(parts) as seen, contextlib.suppress(NotImplementedError):
        run(x)
    return next((z for z in seen if z.shape == like.shape), None)


def _value(run: Callable[[Tensor], Any], x: Tensor) -> float | None:
    with torch.no_grad(), HeldNoise(constant(0.5)):
        found = scalars(run(x))
    return float(next(iter(found.values())).sum()) if found else None


def judge_reported(batches: Sequence[Batch], terms: Terms, findings: Findings) -> None:
    """What stands beside the loss under the name of an ELBO is the trained objective, and a KL is one."""
    names = list(batches[0].values)
    for name in names[1:]:
        lower = name.lower()
        if not any(word in lower for word in ("elbo", "kl", "loss", "bound")):
            continue
        own = fit(batches, name, terms)
        if own is None:
            continue
        size = abs(terms.reconstruction) + abs(terms.kl)
        has_reconstruction = abs(own.reconstruction) > 1e-6 * size
        has_kl = abs(own.kl) > 1e-6 * size
        if "elbo" in lower or "bound" in lower:
            same = has_reconstruction and abs(own.beta / terms.beta - 1) < _NEAR if terms.beta else not has_kl
            if not same:
                findings.mistake(
                    "reported-differs-from-trained",
                    f"{name!r} has the weights {own.reconstruction:.6g} and {own.kl:.6g} on reconstruction and KL, the "
                    f"loss has {terms.reconstruction:.6g} and {terms.kl:.6g}: what is reported is not what is trained.",
                    "report the objective that is trained, or say that it is another",
                )
        elif "kl" in lower and has_reconstruction:
            findings.mistake("reported-differs-from-trained", f"{name!r} has a reconstruction term in it.")
