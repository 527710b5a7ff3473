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

    def varied(self) -> Iterator[tuple[str, float, "Sizes"]]:
        """(axis, factor, sizes with that axis larger): B, then D or (C, H, W) of the latent, P or (c, h, w) of data.

        The usual sizes are doubled. A size that the function insists on grows by one, so that ``view(-1, 784)`` cannot
        fold a multiple into the batch.
        """
        yield "B", 2.0, replace(self, B=2 * self.B)
        for flat, axes, now, usual in (
            ("D", "CHW", self.latent, (FLAT.latent, MAPS.latent)),
            ("P", "chw", self.data, (FLAT.data, IMAGE.data)),
        ):
            for i, n in enumerate(now):
                larger = 2 * n if now in usual else n + 1
                changed = (*now[:i], larger, *now[i + 1 :])
                sizes = replace(self, latent=changed) if flat == "D" else replace(self, data=changed)
                yield (flat if len(now) == 1 else axes[i % 3]), larger / n, sizes

    def extent(self, axis: str) -> int:
        """The size of an axis as :meth:`varied` calls it."""
        if axis in "BDP":
            return {"B": self.B, "D": self.D, "P": self.P}[axis]
        return self.latent["CHW".index(axis)] if axis in "CHW" else self.data["chw".index(axis)]


FLAT = Sizes()
IMAGE = Sizes(data=(3, 4, 5))
MAPS = Sizes(latent=(3, 2, 5), data=(3, 4, 5))


def find(run: Callable[[Sizes], Any], letters: str, base: Sizes | None = None, *, usual_only: bool = False) -> Sizes:
    """The first sizes at which ``run`` does not raise; what it raised at the usual sizes if there are none.

    ``usual_only`` stops after the sizes that almost every function accepts.
    """
    first: FunctionError | None = None
    said: list[int] = []

    def works(sizes: Sizes) -> bool:
        nonlocal first
        try:
            run(sizes)
        except FunctionError as error:
            first = first or error
            said.extend(int(n) for n in re.findall(r"\d+", str(error)) if 1 < int(n) < 200_000)
            return False
        return True

    def candidates() -> Iterator[Sizes]:
        if base:
            yield base
            return
        yield FLAT
        yield from () if usual_only else list(_named(letters, said))
        yield from (IMAGE, MAPS) if "P" in letters else (MAPS,)
        yield from () if usual_only else list(_guesses(letters, said))

    for sizes in candidates():
        if works(sizes):
            return sizes
    assert first is not None
    raise first


def _named(letters: str, said: Sequence[int]) -> Iterator[Sizes]:
    """Sizes from the numbers in the first exception (those of the probe itself left out)."""
    own = {2, 3, 5, 6, 10, 15, 30}
    for n in dict.fromkeys(n for n in said if n not in own):
        if "D" in letters:
            yield Sizes(latent=(n,))
        if "P" in letters:
            yield Sizes(data=(n,))


def _guesses(letters: str, said: Sequence[int]) -> Iterator[Sizes]:
    said = [n for n in dict.fromkeys(said) if n not in (2, 3, 5, 10, 6, 15, 30, 120)]
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
    """Sizes from the ``shapes`` argument: a mapping {B, D, P} or {role: shape}, (B, D, P), or a list of these."""
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
            sizes = replace(sizes, latent=size) if key == "D" else replace(sizes, data=size)
        elif key in roles:
            rest = size[1:] or (1,)
            sizes = replace(sizes, B=size[0])
            sizes = replace(sizes, latent=rest) if "D" in roles[key] else replace(sizes, data=rest)
        else:
            raise InputValueError(
                f"shapes has the key {key!r}; expected B, D, P or one of the roles {', '.join(roles)}, each "
                "with its size"
            )
    return sizes
