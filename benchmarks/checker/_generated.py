"""Losses put together at random from the choices that people make, with the truth that follows from the choices."""

import functools
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.checker._case import Case, Truth

Elementwise = Callable[[Tensor, Tensor], Tensor]


def generate(count: int, seed: int = 0) -> list[Case]:
    """``count`` cases; the same for the same seed. Choices are conventions or mistakes."""
    chance = random.Random(seed)
    return [(_gaussian_kl if i % 2 else _negative_elbo)(chance, i) for i in range(count)]


def _log_variance(kind: str, s: Tensor) -> Tensor:
    return {"log_variance": lambda: s, "log_std": lambda: 2 * s, "variance": s.log, "std": lambda: 2 * s.log()}[kind]()


def _std(kind: str, s: Tensor) -> Tensor:
    return {"log_variance": (s / 2).exp, "log_std": s.exp, "variance": s.sqrt, "std": lambda: s}[kind]()


def _forms(kind: str) -> dict[str, Elementwise]:
    def by_hand(m: Tensor, s: Tensor) -> Tensor:
        lv = _log_variance(kind, s)
        return 0.5 * (m.pow(2) + lv.exp() - lv - 1)

    def negated(m: Tensor, s: Tensor) -> Tensor:
        lv = _log_variance(kind, s)
        return -0.5 * (1 + lv - m * m - torch.exp(lv))

    def stable(m: Tensor, s: Tensor) -> Tensor:
        lv = _log_variance(kind, s)
        return 0.5 * (torch.expm1(lv) - lv) + 0.5 * m.square()

    def registered(m: Tensor, s: Tensor) -> Tensor:
        return td.kl_divergence(td.Normal(m, _std(kind, s)), td.Normal(torch.zeros_like(m), torch.ones_like(m)))

    def by_sigma(m: Tensor, s: Tensor) -> Tensor:
        std = _std(kind, s)
        return -torch.log(std) + (std**2 + m**2) / 2 - 0.5

    return {f.__name__: f for f in (by_hand, negated, stable, registered, by_sigma)}


def _faults(kind: str) -> dict[str, tuple[Elementwise, str]]:
    def reverse(m: Tensor, s: Tensor) -> Tensor:
        lv = _log_variance(kind, s)
        return 0.5 * ((1 + m**2) * torch.exp(-lv) + lv - 1)

    def log_dropped(m: Tensor, s: Tensor) -> Tensor:
        return 0.5 * (m**2 + _log_variance(kind, s).exp() - 1)

    def log_added(m: Tensor, s: Tensor) -> Tensor:
        lv = _log_variance(kind, s)
        return 0.5 * (m**2 + lv.exp() + lv - 1)

    def absolute(m: Tensor, s: Tensor) -> Tensor:
        lv = _log_variance(kind, s)
        return 0.5 * (m.abs() + lv.exp() - lv - 1)

    def mean_unhalved(m: Tensor, s: Tensor) -> Tensor:
        lv = _log_variance(kind, s)
        return m**2 + 0.5 * (lv.exp() - lv - 1)

    slip = "algebra-slip|sign-flipped"
    return {
        "reverse": (reverse, "reverse-kl"),
        "log dropped": (log_dropped, slip),
        "log added": (log_added, slip),
        "absolute mean": (absolute, slip),
        "mean unhalved": (mean_unhalved, slip),
    }


def _reduced(terms: Tensor, inner: str, outer: str) -> Tensor:
    each = terms.flatten(1)
    each = each.sum(1) if inner == "sum" else each.mean(1)
    return {"sum": each.sum(), "mean": each.mean(), "none": each}[outer]


def _kl_choice(chance: random.Random, kind: str) -> tuple[Elementwise, set[str], list[str]]:
    """An elementwise KL, the mistakes in it, and the words for them."""
    if chance.random() < 0.7:
        name, form = chance.choice(list(_forms(kind).items()))
        return form, set(), [name]
    name, (form, code) = chance.choice(list(_faults(kind).items()))
    return form, {code}, [name]


def _gaussian_kl(chance: random.Random, number: int) -> Case:
    kind = chance.choice(["log_variance", "log_variance", "log_std", "variance", "std"])
    form, codes, words = _kl_choice(chance, kind)
    weight = chance.choice([1.0, 1.0, 1.0, 1.0, 2.0, 0.25, 4.0])
    inner = chance.choice(["sum", "sum", "sum", "mean"])
    outer = chance.choice(["sum", "mean", "none"])
    codes |= {"effective-beta"} if weight != 1 else set()
    codes |= {"kl-averaged-over-latent"} if inner == "mean" else set()
    swapped = chance.random() < 0.2 and not codes
    declared = chance.random() < 0.3

    def loss(mean: Tensor, spread: Tensor) -> Tensor:
        if swapped:
            mean, spread = spread, mean
        return weight * _reduced(form(mean, spread), inner, outer)

    words += [kind, f"{inner} {outer}", f"weight {weight:g}", "swapped" if swapped else ""]
    return _case("gaussian_kl", number, loss, codes, words, chance, kind, swapped, {"spread": kind} if declared else {})


def _negative_elbo(chance: random.Random, number: int) -> Case:
    kind = chance.choice(["log_variance", "log_variance", "log_std", "std"])
    form, codes, words = _kl_choice(chance, kind)
    decoder = chance.choice(["bernoulli", "logits", "gaussian", "laplace"])
    nll = _LIKELIHOODS[decoder]
    inner, outer = chance.choice(["sum", "sum", "sum", "mean"]), chance.choice(["sum", "mean"])
    kl_inner = chance.choice(["sum", "sum", "sum", "mean"])
    kl_outer = outer if chance.random() < 0.8 else {"sum": "mean", "mean": "sum"}[outer]
    weight = chance.choice([1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 0.1, -1.0])
    codes |= {"reconstruction-averaged"} if inner == "mean" else set()
    codes |= {"kl-averaged-over-latent"} if kl_inner == "mean" else set()
    codes |= {"batch-reduction-mismatch"} if kl_outer != outer else set()
    codes |= {"effective-beta"} if abs(weight) != 1 else set()
    codes |= {"sign-flipped"} if weight < 0 else set()
    swapped = chance.random() < 0.2 and not codes

    def loss(recon: Tensor, x: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
        if swapped:
            mean, spread = spread, mean
        return _reduced(nll(recon, x), inner, outer) + weight * _reduced(form(mean, spread), kl_inner, kl_outer)

    words += [decoder, kind, f"{inner} {outer} + {weight:g} {kl_inner} {kl_outer}", "swapped" if swapped else ""]
    tags = {"bernoulli", "logits"} if decoder == "logits" else {decoder}
    return _case("negative_elbo", number, loss, codes, words, chance, kind, swapped, {}, tags)


_LIKELIHOODS: dict[str, Elementwise] = {
    "bernoulli": lambda r, x: F.binary_cross_entropy(r, x, reduction="none"),
    "logits": lambda r, x: F.binary_cross_entropy_with_logits(r, x, reduction="none"),
    "gaussian": lambda r, x: 0.5 * (r - x) ** 2,
    "laplace": lambda r, x: F.l1_loss(r, x, reduction="none"),
}


def _case(
    target: str,
    number: int,
    loss: Callable[..., Any],
    codes: set[str],
    words: list[str],
    chance: random.Random,
    kind: str,
    swapped: bool,
    keywords: dict[str, Any],
    tags: set[str] | None = None,
) -> Case:
    wrapper = chance.choice(list(_WRAPPERS))
    name = f"{target}/generated_{number} ({', '.join(filter(None, [*words, wrapper]))})"
    truth = Truth("wrong" if codes else "correct", frozenset(codes))
    order = None
    if swapped:
        order = (1, 0) if target == "gaussian_kl" else (0, 1, 3, 2)
    return Case(
        name,
        target,
        _WRAPPERS[wrapper](loss),
        truth,
        keywords=keywords,
        order=order,
        spread=kind,
        tags=frozenset(tags or ()),
    )


class _Module(nn.Module):
    def __init__(self, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, *tensors: Tensor) -> Any:
        return self.loss(*tensors)


def _scaled(*tensors: Tensor, loss: Callable[..., Any], scale: float) -> Any:
    return scale * loss(*tensors)


_WRAPPERS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "plain": lambda loss: loss,
    "module": _Module,
    "partial": lambda loss: functools.partial(_scaled, loss=loss, scale=1.0),
    "dict": lambda loss: lambda *t: {"loss": loss(*t), "batch": len(t[0])},
    "tuple": lambda loss: lambda *t: (loss(*t), t[0]),
    "object": lambda loss: lambda *t: SimpleNamespace(loss=loss(*t)),
    "method": lambda loss: _Module(loss).forward,
}
