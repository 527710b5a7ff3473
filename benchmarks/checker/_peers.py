"""What people use today, on the same cases: gradcheck, and closeness to the obvious reference at one input."""

import contextlib
import io
import math
import warnings
from typing import Any

import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import Tensor

from benchmarks.checker._case import Case
from benchmarks.checker._inputs import answer, arguments, call, needs_image, roles


def flagged_by_gradcheck(case: Case) -> bool | None:
    """Whether ``torch.autograd.gradcheck`` objects; ``None`` where no argument is differentiable or it draws noise."""
    values = arguments(case, roles(case, torch.Generator().manual_seed(0), (2, 3), needs_image(case)))
    if case.target == "gaussian_sample" or case.tags & {"noise", "hard-coded", "numpy", "keywords"}:
        return None
    leaves = [v.requires_grad_() if isinstance(v, Tensor) and v.is_floating_point() else v for v in values]

    def loss(*given: Any) -> Tensor:
        return torch.as_tensor(answer(case.function(*given))).sum()

    try:
        with _quiet():
            return not torch.autograd.gradcheck(loss, leaves, raise_exception=True)
    except Exception:
        return True


def flagged_by_allclose(case: Case) -> bool | None:
    """Whether the value differs from the obvious reference (a mean over the batch, or a sum) at one input."""
    values = roles(case, torch.Generator().manual_seed(0), image=needs_image(case))
    reference = _obvious(case, values)
    if reference is None:
        return None
    with _quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        value = call(case, values).detach()
    # the tester knows the reduction and forgives it, as far as a sum, a mean over the batch or a value per datum go
    return not any(torch.allclose(value.double(), r) for r in (reference.sum(), reference.mean()))


def _quiet() -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
    stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    return stack


def _std(kind: str, s: Tensor) -> Tensor:
    return {"log_variance": (s / 2).exp(), "variance": s.sqrt(), "std": s, "log_std": s.exp()}[kind]


def _obvious(case: Case, v: list[Any]) -> Tensor | None:
    # the declared parametrisation where the user gave one, otherwise the one that the function means
    kind = case.keywords.get("spread", case.spread)
    match case.target:
        case "gaussian_kl":
            return td.kl_divergence(td.Normal(v[0], _std(kind, v[1])), td.Normal(0.0, 1.0)).flatten(1).sum(1)
        case "gaussian_kl_pair":
            q, p = td.Normal(v[0], _std(kind, v[1])), td.Normal(v[2], _std(kind, v[3]))
            return td.kl_divergence(q, p).sum(1)
        case "gaussian_kl_sample":
            q = td.Normal(v[1], _std(kind, v[2]))
            return (q.log_prob(v[0]) - td.Normal(0.0, 1.0).log_prob(v[0])).sum(1)
        case "gaussian_log_prob":
            return td.Normal(v[1], _std(kind, v[2])).log_prob(v[0]).sum(1)
        case "categorical_kl":
            log_q = v[0].log() if kind == "probs" else v[0]
            q = td.Categorical(logits=log_q)
            return td.kl_divergence(q, td.Categorical(logits=torch.zeros_like(log_q))).sum(1)
        case "bernoulli_nll":
            return _bernoulli(v, kind == "logits")
        case "gaussian_nll" | "laplace_nll":
            law = td.Normal if case.target == "gaussian_nll" else td.Laplace
            return -law(v[0], v[2].exp() if len(v) > 2 else torch.ones_like(v[0])).log_prob(v[1]).flatten(1).sum(1)
        case "negative_elbo":
            kl = td.kl_divergence(td.Normal(v[2], _std(kind, v[3])), td.Normal(0.0, 1.0)).sum(1)
            if "bernoulli" in case.tags:
                return kl + _bernoulli(v, "logits" in case.tags)
            law = td.Normal if "gaussian" in case.tags else td.Laplace
            return kl - law(v[0], torch.ones_like(v[0])).log_prob(v[1]).flatten(1).sum(1)
        case "iwae":
            axis = 0 if "samples first" in case.tags else 1
            return -(torch.logsumexp(v[0], axis) - math.log(v[0].shape[axis]))
        case "vq":
            return 1.25 * F.mse_loss(v[0], v[1])[None]
    return None


def _bernoulli(v: list[Any], logits: bool) -> Tensor:
    loss = F.binary_cross_entropy_with_logits if logits else F.binary_cross_entropy
    return loss(v[0], v[1], reduction="none").flatten(1).sum(1)
