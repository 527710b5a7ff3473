"""Ordinary arguments for a case, and what is read from its answer: for the peers and for the test of the labels."""

import contextlib
import inspect
import io
from typing import Any

import torch
from torch import Tensor

from benchmarks.checker._case import Case

# (batch, latent or pixels): both vary, each on its own
SHAPES = [(3, 4), (5, 4), (3, 7)]


def spread(kind: str, log_variance: Tensor) -> Tensor:
    """The same spread, in another parametrisation."""
    return {
        "log_variance": log_variance,
        "variance": log_variance.exp(),
        "std": (0.5 * log_variance).exp(),
        "log_std": 0.5 * log_variance,
    }[kind]


def roles(case: Case, generator: torch.Generator, shape: tuple[int, int] = SHAPES[0], image: bool = False) -> list[Any]:
    """Arguments in the order of the target's table; ``image`` makes whatever may have four axes have them."""

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    b, d = shape
    hard = "hard-coded" in case.tags
    wide = (b, 2, 3, d) if image else (b, d)
    kind = case.spread
    match case.target:
        case "gaussian_kl" | "gaussian_sample":
            size = (b, 20) if hard else wide
            return [normal(*size), spread(kind, 0.7 * normal(*size))]
        case "gaussian_kl_pair":
            q, p = spread(kind, 0.7 * normal(b, d)), spread(kind, 0.7 * normal(b, d))
            return [normal(b, d), q, normal(b, d), p]
        case "gaussian_kl_sample" | "gaussian_log_prob":
            return [normal(b, d), normal(b, d), spread(kind, 0.7 * normal(b, d))]
        case "categorical_kl":
            logits = normal(b, 3, d)
            return [{"logits": logits, "probs": logits.softmax(-1), "log_probs": logits.log_softmax(-1)}[kind]]
        case "vmf_kl":
            return [0.5 + 4 * torch.rand(b, generator=generator, dtype=torch.float64), d]
        case "bernoulli_nll" | "gaussian_nll" | "laplace_nll" | "negative_elbo":
            size = (b, 784) if hard else wide
            x = torch.rand(size, generator=generator, dtype=torch.float64).round()
            recon = normal(*size)
            if case.target == "bernoulli_nll" or "bernoulli" in case.tags:
                recon = recon if kind == "logits" or "logits" in case.tags else recon.sigmoid()
            else:
                x = normal(*size)
            if case.target == "negative_elbo":
                return [recon, x, normal(b, 5), spread(kind, 0.7 * normal(b, 5))]
            return [recon, x, 0.5 * normal(*size)] if "log-scale" in case.tags else [recon, x]
        case "iwae":
            return [normal(d, b) if "samples first" in case.tags else normal(b, d)]
        case "vq":
            return [normal(b, d), normal(b, d)]
        case "vq_quantize":
            return [normal(b, 3, d), normal(4, d)]
        case "total_correlation":
            return [normal(b, d), normal(b, d), spread(kind, 0.7 * normal(b, d)), 29]
        case "mmd":
            return [normal(b, d), normal(b + 2, d) + 0.3, 1.3]
        case "score_surrogate":
            return [_reward, normal(d), torch.bernoulli(torch.full((b, d), 0.5), generator=generator).double()]
        case "path_surrogate":
            return [_log_joint, normal(d), 0.3 * normal(d), normal(b, d)]
    raise ValueError(f"no inputs for target {case.target!r}")


def _reward(b: Tensor) -> Tensor:
    return ((b - 0.45) ** 2).sum(-1) + 0.7 * b.prod(-1)


def _log_joint(z: Tensor) -> Tensor:
    return (-0.8 * (z - 0.7) ** 2 + 0.3 * torch.cos(z)).sum(-1)


def arguments(case: Case, values: list[Any]) -> list[Any]:
    """The roles in the order in which this function takes them."""
    return [values[i] for i in case.order] if case.order else values


def answer(out: Any) -> Any:
    """The loss in what a function returned: ``["loss"]``, ``.loss``, the first of a tuple, or itself."""
    if isinstance(out, dict):
        return out["loss"]
    if isinstance(out, tuple | list):
        return out[0]
    return getattr(out, "loss", out)


def call(case: Case, values: list[Any]) -> Tensor:
    """The sum of what the function answers to ``values``, given in the order of the target's table."""
    given = arguments(case, values)
    if "numpy" in case.tags:
        given = [v.detach().numpy() if isinstance(v, Tensor) else v for v in given]
    if "keywords" in case.tags:
        names = inspect.signature(case.function).parameters
        return _tensor(answer(case.function(**dict(zip(names, given, strict=True))))).sum()
    return _tensor(answer(case.function(*given))).sum()


def _tensor(out: Any) -> Tensor:
    return torch.tensor(out, dtype=torch.float64) if isinstance(out, float) else torch.as_tensor(out)


def needs_image(case: Case) -> bool:
    """Whether the function refuses two axes."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            call(case, roles(case, torch.Generator().manual_seed(0)))
    except (AssertionError, ValueError):
        return True
    return False
