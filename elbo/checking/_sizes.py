"""The sizes at which a function is probed, and what to do when it insists on one of its own."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from elbo._errors import InputValueError
from elbo.checking._guard import FunctionError

USUAL_DATA = (784, 3072, 1024, 4096, 12288, 256, 64, 16384, 2, 1, 10, 100)
USUAL_LATENT = (2, 20, 10, 32, 16, 64, 8, 128, 50, 256, 512, 1, 4, 5, 100)
USUAL_IMAGES = ((1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 32, 32), (1, 64, 64))


@dataclass(frozen=True)
class Sizes:
    """One choice of batch, latent and data size; a latent or datum with three axes is (channel, height, width)."""

    B: int = 2
    latent: tuple[int, ...] = (3,)
    data: tuple[int, ...] = (5,)

    def shape(self, letters: str) -> tuple[int, ...]:
        """The shape for ``"BD"`` or ``"BP"``."""
        parts: list[int] = []
        for letter in letters:
            parts += {"B": (self.B,), "D": self.latent, "P": self.data}[letter]
        return tuple(parts)

    @property
    def D(self) -> int:
        """Number of latent coordinates."""
        return math.prod(self.latent)

    @property
    def P(self) -> int:
        """Number of data coordinates."""
        return math.prod(self.data)

    def doubled(self) -> Iterator[tuple[str, "Sizes"]]:
        """(axis, sizes with that axis doubled): B, then D or (C, S) of the latent, then P or (c, s) of the data."""
        yield "B", replace(self, B=2 * self.B)
        for field, flat, channel, space in (("latent", "D", "C", "S"), ("data", "P", "c", "s")):
            now: tuple[int, ...] = getattr(self, field)
            if len(now) == 1:
                yield flat, replace(self, **{field: (2 * now[0],)})
            else:
                yield channel, replace(self, **{field: (2 * now[0], *now[1:])})
                yield space, replace(self, **{field: (now[0], 2 * now[1], *now[2:])})


FLAT = Sizes()
IMAGE = Sizes(data=(3, 4, 5))
MAPS = Sizes(latent=(3, 2, 5), data=(3, 4, 5))


def find(run: Callable[[Sizes], Any], letters: str, base: Sizes | None = None) -> Sizes:
    """The first sizes at which ``run`` does not raise; what it raised at the usual sizes if there are none."""
    first: FunctionError | None = None
    said: list[int] = []
    layouts = [base] if base else [FLAT, IMAGE, MAPS] if "P" in letters else [FLAT, MAPS]
    for sizes in layouts:
        try:
            run(sizes)
        except FunctionError as error:
            first = first or error
            said += [int(n) for n in re.findall(r"\d+", str(error)) if 1 < int(n) < 200_000]
        else:
            return sizes
    assert first is not None
    if base is None:
        for sizes in _guesses(letters, said):
            try:
                run(sizes)
            except FunctionError:
                continue
            return sizes
    raise first


def _guesses(letters: str, said: Sequence[int]) -> Iterator[Sizes]:
    said = [n for n in dict.fromkeys(said) if n not in (2, 3, 5, 10, 6, 15, 30, 120)]
    if "D" in letters:
        for d in said:
            yield Sizes(latent=(d,))
    if "P" in letters:
        for p in (*said, *(n for n in USUAL_DATA if n not in said)):
            yield Sizes(data=(p,))
        for image in USUAL_IMAGES:
            yield Sizes(data=image)
    if "D" in letters:
        for d in USUAL_LATENT:
            yield Sizes(latent=(d,))
    if "P" in letters and "D" in letters:
        for p in (*said, 784, 3072):
            for d in (*said, 2, 20, 10, 32, 16, 64, 128):
                yield Sizes(latent=(d,), data=(p,))
    for b in (*said, 1, 64, 128, 100, 32, 16):
        yield Sizes(B=b)


def given(shapes: Any, roles: Mapping[str, str]) -> list[Sizes]:
    """Sizes from the ``shapes`` argument: a mapping {B, D, P} or {role: shape}, a (B, D, P) tuple, or a list of these."""
    if shapes is None:
        return []
    if isinstance(shapes, Mapping):
        return [_one(shapes, roles)]
    if isinstance(shapes, Sequence) and shapes and all(isinstance(n, int) for n in shapes):
        return [_one(dict(zip("BDP", shapes, strict=False)), roles)]
    if isinstance(shapes, Sequence) and shapes:
        return [sizes for item in shapes for sizes in given(item, roles)]
    raise InputValueError(
        f"shapes is {shapes!r}; expected for example {{'B': 4, 'D': 20, 'P': 784}}, {{'x': (4, 784), 'mean': (4, 20)}} "
        "or a list of (B, D, P)"
    )


def _one(shapes: Mapping[str, Any], roles: Mapping[str, str]) -> Sizes:
    sizes = Sizes()
    for key, value in shapes.items():
        size = (value,) if isinstance(value, int) else tuple(value)
        if key == "B":
            sizes = replace(sizes, B=size[0])
        elif key in ("D", "P"):
            sizes = replace(sizes, **{"latent" if key == "D" else "data": size})
        elif key in roles:
            field = "latent" if "D" in roles[key] else "data"
            sizes = replace(sizes, B=size[0], **{field: size[1:] or (1,)})
        else:
            raise InputValueError(
                f"shapes has the key {key!r}; expected B, D, P or one of the roles {', '.join(roles)}, each with its size"
            )
    return sizes
