"""Seeds derived from a root and a path of names, so that no two checks share a stream and none depends on order."""

from hashlib import blake2b

import numpy as np
import torch


def seed(root: int, *path: str | int) -> int:
    """A 64-bit seed for ``path`` under ``root``.

    The path is hashed (BLAKE2b) into the entropy of a :class:`numpy.random.SeedSequence`, so equal paths give equal
    seeds on every platform, and different paths give independent streams.

    Args:
        root: the seed of the whole run; any non-negative integer.
        path: names and numbers, for example the id of a test and the number of the example.

    >>> seed(0, "test", 1) == seed(0, "test", 1), seed(0, "test", 1) == seed(0, "test", 2)
    (True, False)
    """
    if root < 0:
        raise ValueError(f"root is {root}; seeds are non-negative integers")
    words = [int.from_bytes(blake2b(repr(part).encode(), digest_size=8).digest(), "big") for part in path]
    return int(np.random.SeedSequence([root, len(words), *words]).generate_state(1, np.uint64)[0])


def generator(root: int, *path: str | int) -> torch.Generator:
    """A CPU ``torch.Generator`` with the seed of ``path`` under ``root``; the global generator is not touched.

    >>> torch.rand(1, generator=generator(0, "a")).item() == torch.rand(1, generator=generator(0, "a")).item()
    True
    """
    return torch.Generator().manual_seed(seed(root, *path))
