"""Blocks of an array, shared out over as many threads as torch uses: NumPy releases the interpreter as it computes."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="elbo")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads, and would wait for them for ever
    os.register_at_fork(after_in_child=_pool.cache_clear)


def for_each(blocks: Iterable[Any], work: Callable[[Any], None]) -> None:
    """``work(block)`` for every block, in ``torch.get_num_threads()`` threads; the first error is raised here."""
    every = list(blocks)
    threads = max(1, min(torch.get_num_threads(), len(every)))

    def some(first: int) -> None:
        with np.errstate(all="ignore"):  # a setting of the thread
            for block in every[first::threads]:
                work(block)

    others = [_pool(torch.get_num_threads()).submit(some, first) for first in range(1, threads)]
    some(0)
    for other in others:
        other.result()
