"""Find the encoder, the decoder and the loss of a model by what they accept and return."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
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
    decoder: str = ""


def take_apart(model: nn.Module, x: Tensor) -> Parts:
    """Encoder and decoder of ``model``: two outputs of one shape, by name first, then by forward, then the halves of
    one; the first that some decoder takes.
    """
    named = list(_callables(model, ENCODERS))
    readers = [(name, _pair_reader(function, x)) for name, function in named]
    readers.append(("forward", _pair_reader(model, x)))
    readers += [(name, _halves_reader(function, x)) for name, function in named]
    fallback: Parts | None = None
    for name, read in readers:
        if read is None:
            continue
        parts = Parts(model, encode=read[0], how={"encoder": f"{name}: {read[1]}"})
        with torch.no_grad(), HeldNoise(constant(0.0)):
            z = read[0](x)[0]
        for decoder_name, function in _callables(model, DECODERS):
            decode = _decoder(function, z, x)
            if decode is not None:
                shapes = f"a latent of shape {tuple(z.shape[1:])} to {tuple(x.shape[1:])}"
                parts.decode, parts.decoder = decode, decoder_name
                parts.how["decoder"] = f"{decoder_name}: {shapes}"
                return parts
        if "halves" not in read[1]:
            fallback = fallback or parts
    return fallback or Parts(model)


@contextlib.contextmanager
def capture(parts: Parts) -> Iterator[list[Tensor]]:
    """Inside it, whatever is given to the decoder is recorded."""
    seen: list[Tensor] = []
    handles, patched = [], []

    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            seen.append(args[0])

    for name in dict.fromkeys((*DECODERS, parts.decoder)):
        function = getattr(parts.model, name, None) if name else None
        if isinstance(function, nn.Module):
            handles.append(function.register_forward_pre_hook(hook))
        elif callable(function):
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


def find_losses(
    parts: Parts, x: Tensor, loss: Callable[..., Any] | None
) -> Iterator[tuple[Callable[[Tensor], Any], str]]:
    """Every way to call what may be the model's loss on a batch: (function of a batch, where it was found)."""
    model = parts.model
    if loss is not None:
        ways = [((lambda batch: loss(model, batch)), "(model, x)"), *_ways(model, loss)]
        for call, words in ways:
            if scalars(_quietly(call, x)):
                yield call, f"the loss argument, called as {words}"
        return
    for name in LOSSES:
        method = getattr(model, name, None)
        if callable(method) and not isinstance(method, nn.Module):
            for call, words in _ways(model, method):
                if scalars(_quietly(call, x)):
                    yield call, f"{name}, called as {words}"


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


def _ways(model: nn.Module, function: Callable[..., Any]) -> Iterator[tuple[Callable[[Tensor], Any], str]]:
    yield (lambda batch: function(batch)), "(x)"
    if function == getattr(model, "forward", None):
        return
    yield (lambda batch: function(*_as_list(model(batch)))), "(*forward(x))"
    yield (lambda batch: function(*_with_data(model(batch), batch, 1))), "(recon, x, mean, spread)"
    yield (lambda batch: function(*_with_data(model(batch), batch, 0))), "(x, recon, mean, spread)"
    yield (lambda batch: function((batch, None), 0)), "((x, None), 0)"
    yield (lambda batch: function(batch, 0)), "(x, 0)"


def _as_list(out: Any) -> list[Any]:
    if isinstance(out, dict):
        return list(out.values())
    return list(out) if isinstance(out, tuple | list) else [out]


def _with_data(out: Any, x: Tensor, place: int) -> list[Any]:
    values = _as_list(out)
    values.insert(place, x)
    return values


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


Reader = tuple[Callable[[Tensor], tuple[Tensor, Tensor]], str]


def _pair_reader(function: Callable[..., Any], x: Tensor) -> Reader | None:
    """Mean and spread as two tensors that hold still when the noise moves, and have one shape."""
    for prepare, word in _PREPARATIONS:
        still, fixed = _still_outputs(function, prepare(x), len(x))
        for first, second in pairwise(fixed):
            a, b = still[first], still[second]
            if a.shape == b.shape and a.shape != x.shape and a.dim() > 1 and not torch.equal(a, b):
                return _pair(function, prepare, first, second), f"{word}outputs {first + 1} and {second + 1}"
    return None


def _halves_reader(function: Callable[..., Any], x: Tensor) -> Reader | None:
    """Mean and spread as the two halves of one tensor."""
    for prepare, word in _PREPARATIONS:
        still, fixed = _still_outputs(function, prepare(x), len(x))
        if len(still) == 1 and fixed and still[0].dim() > 1 and still[0].shape[1] % 2 == 0:
            return _halves(function, prepare), f"{word}the halves of its output"
    return None


_PREPARATIONS: tuple[tuple[Callable[[Tensor], Tensor], str], ...] = (
    (lambda t: t, ""),
    (lambda t: t.flatten(1), "of the flattened data, "),
)


def _still_outputs(function: Callable[..., Any], x: Tensor, rows: int) -> tuple[list[Tensor], list[int]]:
    """The outputs, and which of them do not depend on the noise."""
    with HeldNoise(constant(0.0)):
        still = _tensors(_quietly(function, x))
    with HeldNoise(constant(1.0)):
        moved = _tensors(_quietly(function, x))
    if len(still) != len(moved):
        return [], []
    return still, [
        i for i, (a, b) in enumerate(zip(still, moved, strict=True)) if a.dim() and len(a) == rows and _same(a, b)
    ]


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
