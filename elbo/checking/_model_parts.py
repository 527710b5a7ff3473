"""Find the encoder, the decoder and the loss of a model by what they accept and return."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from elbo.checking._model_noise import HeldNoise, constant

ENCODERS = ("encode", "encoder", "inference", "recognition")
DECODERS = ("decode", "decoder", "generator", "generative")
LOSSES = ("loss", "loss_function", "compute_loss", "negative_elbo", "nelbo", "training_step", "elbo", "forward")


@dataclass
class Parts:
    """A model taken apart. ``how`` says in words where each part was found."""

    model: nn.Module
    encode: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    decode: Callable[[Tensor], tuple[Tensor, ...]] | None = None
    how: dict[str, str] = field(default_factory=dict)
    captured: list[Tensor] = field(default_factory=list)


def take_apart(model: nn.Module, x: Tensor) -> Parts:
    """Encoder and decoder of ``model``, by name first and by shape."""
    parts = Parts(model)
    for name, function in _callables(model, ENCODERS):
        read = _posterior_reader(function, x)
        if read is not None:
            parts.encode, words = read
            parts.how["encoder"] = f"{name}: {words}"
            break
    else:
        read = _posterior_reader(model, x)
        if read is not None:
            parts.encode, words = read
            parts.how["encoder"] = f"forward: {words}"
    if parts.encode is None:
        return parts
    with torch.no_grad():
        z = parts.encode(x)[0]
    for name, function in _callables(model, DECODERS):
        decode = _decoder(function, z, x)
        if decode is not None:
            parts.decode = decode
            parts.how["decoder"] = f"{name}: a latent of shape {tuple(z.shape[1:])} to {tuple(x.shape[1:])}"
            break
    return parts


@contextlib.contextmanager
def capture(parts: Parts) -> Iterator[list[Tensor]]:
    """Inside it, whatever is decoded is recorded."""
    seen: list[Tensor] = []
    handles, patched = [], []

    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            seen.append(args[0])

    for name, function in _callables(parts.model, DECODERS):
        if isinstance(function, nn.Module):
            handles.append(function.register_forward_pre_hook(hook))
        elif hasattr(parts.model, name):
            patched.append(name)
            setattr(parts.model, name, _recorded(function, seen))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
        for name in patched:
            delattr(parts.model, name)


def _recorded(function: Callable[..., Any], seen: list[Tensor]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        if given and isinstance(given[0], Tensor):
            seen.append(given[0])
        return function(*args, **kwargs)

    return call


def find_loss(
    parts: Parts, x: Tensor, loss: Callable[..., Any] | None
) -> tuple[Callable[[Tensor], Any] | None, str]:
    """(function of a batch that gives what the model calls its loss, where it was found)."""
    model = parts.model
    if loss is not None:
        for call, words in _ways(model, loss, x):
            if scalars(_quietly(call, x)):
                return call, f"the loss argument, called as {words}"
        return None, "the loss argument accepts none of (model, x), (x), or what forward returns"
    for name in LOSSES:
        method = getattr(model, name, None)
        if callable(method) and not isinstance(method, nn.Module):
            for call, words in _ways(model, method, x):
                if scalars(_quietly(call, x)):
                    return call, f"{name}, called as {words}"
    return None, "none found; pass loss=lambda model, x: ..."


def scalars(out: Any) -> dict[str, Tensor]:
    """The scalar tensors in what a loss returned, the loss itself first."""
    found: dict[str, Tensor] = {}
    if isinstance(out, dict):
        items = sorted(out.items(), key=lambda item: item[0] != "loss")
        found = {str(k): v for k, v in items if _is_scalar(v)}
    elif isinstance(out, tuple | list):
        found = {f"[{i}]": v for i, v in enumerate(out) if _is_scalar(v)} if out and _is_scalar(out[0]) else {}
    elif _is_scalar(getattr(out, "loss", None)):
        found = {"loss": out.loss, **{k: v for k, v in vars(out).items() if k != "loss" and _is_scalar(v)}}
    elif _is_scalar(out):
        found = {"loss": out}
    return found


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.numel() == 1


def _ways(
    model: nn.Module, function: Callable[..., Any], x: Tensor
) -> Iterator[tuple[Callable[[Tensor], Any], str]]:
    yield (lambda batch: function(model, batch)), "(model, x)"
    yield (lambda batch: function(batch)), "(x)"
    if function == getattr(model, "forward", None):
        return
    yield (lambda batch: function(*_as_list(model(batch)))), "(*forward(x))"
    yield (lambda batch: function(*_with_data(model(batch), batch))), "(recon, x, mean, spread)"
    yield (lambda batch: function(*_with_data(model(batch), batch)[::-1])), "(spread, mean, x, recon)"
    yield (lambda batch: function(batch, *_as_list(model(batch)))), "(x, *forward(x))"
    yield (lambda batch: function((batch, None), 0)), "((x, None), 0)"
    yield (lambda batch: function(batch, 0)), "(x, 0)"


def _as_list(out: Any) -> list[Any]:
    if isinstance(out, dict):
        return list(out.values())
    return list(out) if isinstance(out, tuple | list) else [out]


def _with_data(out: Any, x: Tensor) -> list[Any]:
    first, *rest = _as_list(out)
    return [first, x, *rest]


def _quietly(function: Callable[..., Any], *args: Any) -> Any:
    """What the function returns, or nothing where it does not accept the arguments."""
    with contextlib.suppress(Exception), torch.no_grad():
        return function(*args)
    return None


def _callables(model: nn.Module, names: Sequence[str]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """By name, then every submodule."""
    seen = set()
    for name in names:
        function = getattr(model, name, None)
        if callable(function):
            seen.add(id(function))
            yield name, function
    for name, child in model.named_children():
        if id(child) not in seen:
            yield name, child


def _posterior_reader(
    function: Callable[..., Any], x: Tensor
) -> tuple[Callable[[Tensor], tuple[Tensor, Tensor]], str] | None:
    """How to read mean and spread from what ``function(x)`` returns: two tensors that hold still, of one shape."""
    for prepare, word in ((lambda t: t, ""), (lambda t: t.flatten(1), "of the flattened data, ")):
        with HeldNoise(constant(0.0)):
            still = _tensors(_quietly(function, prepare(x)))
        with HeldNoise(constant(1.0)):
            moved = _tensors(_quietly(function, prepare(x)))
        if not still or len(still) != len(moved):
            continue
        fixed = [i for i, (a, b) in enumerate(zip(still, moved, strict=True)) if _same(a, b) and len(a) == len(x)]
        for first, second in zip(fixed, fixed[1:], strict=False):
            a, b = still[first], still[second]
            if a.shape == b.shape and a.shape != x.shape and a.dim() > 1 and not torch.equal(a, b):
                return _pair(function, prepare, first, second), f"{word}outputs {first + 1} and {second + 1}"
        if len(still) == 1 and fixed and still[0].dim() > 1 and still[0].shape[1] % 2 == 0 and still[0].shape != x.shape:
            return _halves(function, prepare), f"{word}the halves of its output"
    return None


def _pair(function: Any, prepare: Any, first: int, second: int) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        out = _tensors(function(prepare(x)))
        return out[first], out[second]

    return encode


def _halves(function: Any, prepare: Any) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = _tensors(function(prepare(x)))[0].chunk(2, dim=1)
        return mean, spread

    return encode


def _tensors(out: Any) -> list[Tensor]:
    if isinstance(out, torch.distributions.Independent):
        out = out.base_dist
    if isinstance(out, torch.distributions.Normal):
        return [out.loc, out.scale]
    if isinstance(out, Tensor):
        return [out]
    if isinstance(out, dict):
        out = list(out.values())
    if isinstance(out, tuple | list):
        return [t for value in out for t in _tensors(value)]
    return []


def _decoder(function: Any, z: Tensor, x: Tensor) -> Callable[[Tensor], tuple[Tensor, ...]] | None:
    out = _reconstructions(_quietly(function, z), x)
    if not out:
        return None
    return lambda latent: tuple(_reconstructions(function(latent), x[: len(latent)]))


def _reconstructions(out: Any, x: Tensor) -> list[Tensor]:
    """The outputs that have the size of the data, in the data's shape."""
    if isinstance(out, torch.distributions.Independent):
        out = out.base_dist
    if isinstance(out, torch.distributions.Bernoulli):
        out = out.logits
    if isinstance(out, torch.distributions.Distribution):
        out = out.mean
    found = [t for t in _tensors(out) if t.numel() == x.numel() and len(t) == len(x)]
    return [t.reshape(x.shape) for t in found[:2]]


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a, b))
