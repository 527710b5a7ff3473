"""``elbo.check_model``: is a model trained on the objective that it samples from, and does its latent carry much?"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from elbo._errors import InputTypeError, InputValueError
from elbo.checking._model_fit import Batch, Terms, fit, observe
from elbo.checking._model_judge import Findings, judge_reported, judge_sampler, judge_terms
from elbo.checking._model_latent import estimates, judge_decoder, latent_of
from elbo.checking._model_parts import Parts, find_losses, take_apart
from elbo.checking._model_report import ModelReport
from elbo.evidence import generator

_FITS = 8
_NOT_SEEN = (
    "shapes: a model has one size of data and of latent, so a weight of 1/D, 1/P or a constant of that value look "
    "alike; check the loss function itself with elbo.check, which varies them"
)


def check_model(
    model: nn.Module,
    data: Tensor | Iterable[Any],
    *,
    loss: Callable[..., Any] | None = None,
    samples: int = 64,
    rows: int = 256,
    seed: int = 0,
) -> ModelReport:
    """Judge a whole VAE on real data: its sampler, its loss, its evaluation mode and its latent.

    Encoder, decoder and loss are found by name and by shape, on a copy in float64; the model is left as it was. On
    batches with known noise the loss is taken apart,

        loss = a · (−log p(x | z)) + b · KL[q(z | x) ‖ N(0, I)] + c,

    exactly where it is made of these, and its weights are compared with those of the negative ELBO (a = b).

    Args:
        model: with an encoder that gives a mean and a spread, and a decoder; the report says how they were found.
        data: a tensor (n, ...), or an iterable of batches (a DataLoader; a tuple's first entry is the data).
        loss: ``loss(model, x)``, or a function of what ``forward`` returns, if the model has none or another is meant.
        samples: draws of the noise for the two error bars.
        rows: how much of the data to use; at least 8.
        seed: root of the noise.

    Returns:
        A :class:`ModelReport`: true only if the verdict is ``"correct"``. ``undecided`` where no loss was found, or
        where it is made of other terms than these.

    Raises:
        InputTypeError, InputValueError: not a module; no data, too few rows, data that are not finite.

    Conditions: the prior is N(0, I) and the posterior a diagonal Gaussian.

    Example:
        >>> import torch
        >>> class Tiny(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.encoder, self.decoder = torch.nn.Linear(6, 4), torch.nn.Linear(2, 6)
        ...     def loss(self, x):
        ...         mean, log_var = self.encoder(x).chunk(2, dim=1)
        ...         z = mean + torch.exp(log_var / 2) * torch.randn_like(mean)
        ...         kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
        ...         return (0.5 * (x - self.decoder(z)).square().sum(1) + kl).mean()
        >>> check_model(Tiny(), torch.linspace(-1, 1, 96).reshape(16, 6).sin()).verdict
        'correct'
    """
    if not isinstance(model, nn.Module):
        raise InputTypeError(
            f"model is a {type(model).__name__}, expected a torch.nn.Module instance; for a loss function write "
            "elbo.check(function, 'negative_elbo')"
        )
    x = _rows_of(data, rows)
    work = copy.deepcopy(model).to(torch.float64).eval()
    loss = _rebound(loss, model, work)
    with torch.random.fork_rng(devices=[]):
        parts = take_apart(work, x)
        work.train()
        dropped = _without_dropout(work)
        findings = Findings()
        report = _judged(parts, x, loss, samples, seed, findings)
    if dropped:
        findings.note("dropout", f"Dropout is active while training ({', '.join(dropped)}); it was held off here.")
    undecided = report.pop("undecided")
    verdict = "wrong" if findings.mistakes else "undecided" if undecided else "correct"
    return ModelReport(
        model=type(model).__name__,
        verdict=verdict,  # type: ignore[arg-type]
        found=parts.how,
        mistakes=tuple(findings.mistakes),
        notes=tuple(findings.notes),
        unseen=(*undecided, _NOT_SEEN),
        seed=seed,
        **report,
    )


def _judged(
    parts: Parts, x: Tensor, loss: Callable[..., Any] | None, samples: int, seed: int, findings: Findings
) -> dict[str, Any]:
    if parts.encode is None:
        return {"undecided": ["no encoder: nothing gives two tensors of one shape (mean and spread) for the data"]}
    if parts.decode is None:
        return {"undecided": ["no decoder: nothing maps a latent to the shape of the data"]}
    call, batches, terms = _decomposed(parts, x, loss, seed)
    undecided = []
    if call is None:
        parts.how["loss"] = "none found; pass loss=lambda model, x: ..."
        undecided.append("the loss: none was found that decodes a draw of the latent")
    elif terms is None:
        undecided.append("what the loss computes: it is no combination of a reconstruction term and a KL to N(0, I)")
    sampler = judge_sampler(parts, call, x, terms[0] if terms else None, findings)
    computes = ""
    numbers: dict[str, Any] = {}
    reading = terms[0].reading if terms else sampler
    if terms and call:
        sizes = (len(batches[0][0].x), len(batches[1][0].x))
        computes = judge_terms(terms, sizes, x, findings, batches[0][0])
        judge_reported(batches[0], terms[0], findings)
        numbers = estimates(parts, call, x, terms, sizes, samples, seed)
    if reading:
        numbers["latent"] = latent_of(parts, x, reading, findings)
        judge_decoder(parts, x, reading, terms[0].likelihood if terms else "gaussian", seed, findings)
    return {"computes": computes, "undecided": undecided, **numbers}


def _decomposed(
    parts: Parts, x: Tensor, loss: Callable[..., Any] | None, seed: int
) -> tuple[Callable[[Tensor], Any] | None, list[list[Batch]], tuple[Terms, Terms] | None]:
    """The first way to call the loss under which it is made of the two terms, at two batch sizes."""
    sizes = (max(4, len(x) // 2), max(3, len(x) // 3))
    fallback: Callable[[Tensor], Any] | None = None
    for call, words in find_losses(parts, x, loss):
        source = generator(seed, "check_model", "fit")
        batches: list[list[Batch]] = []
        for size in sizes:
            picks = [torch.randperm(len(x), generator=source)[:size] for _ in range(_FITS)]
            batches.append([b for pick in picks if (b := observe(parts, call, x[pick], source)) is not None])
        if any(len(group) < _FITS for group in batches):
            continue
        name = next(iter(batches[0][0].values))
        first = fit(batches[0], name)
        second = fit(batches[1], name, first) if first else None
        if first and second:
            parts.how["loss"] = words
            return call, batches, (first, second)
        if fallback is None:
            fallback, parts.how["loss"] = call, words
    return fallback, [], None


def _rows_of(data: Any, rows: int) -> Tensor:
    if rows < 8:
        raise InputValueError(f"rows is {rows}; write at least 8, so that the terms can be told apart")
    found: list[Tensor] = []
    for batch in [data] if isinstance(data, Tensor) else data:
        x = batch[0] if isinstance(batch, tuple | list) else batch
        if not isinstance(x, Tensor) or not x.is_floating_point():
            kind = f"a tensor of {x.dtype}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise InputTypeError(f"data holds {kind}, expected a float tensor: write data.float()")
        found.append(x)
        if sum(map(len, found)) >= rows:
            break
    if not found or sum(map(len, found)) < 8:
        raise InputValueError(f"data has {sum(map(len, found))} rows, expected at least 8")
    x = torch.cat(found)[:rows].detach().to(torch.float64)
    if not bool(torch.isfinite(x).all()):
        raise InputValueError(
            f"data holds {int((~torch.isfinite(x)).sum())} values that are not finite; remove those rows"
        )
    return x


def _rebound(loss: Callable[..., Any] | None, model: nn.Module, work: nn.Module) -> Callable[..., Any] | None:
    """A method of the model becomes the method of its copy."""
    if getattr(loss, "__self__", None) is model:
        bound: Callable[..., Any] = getattr(work, loss.__name__)  # type: ignore[union-attr]
        return bound
    return loss


def _without_dropout(model: nn.Module) -> list[str]:
    found = []
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            found.append(f"{name}, p = {module.p:g}")
            module.p = 0.0
    return found
