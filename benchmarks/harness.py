"""How a benchmark is written and timed.

A machine is noisy, so ours and the peer's are timed in turns within one run, and what is reported is the ratio of the
medians. A file of this folder takes part by having a function ``benchmarks()`` that yields :class:`Benchmark` objects.
"""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, both medians in seconds, and the ratio that is aimed at.

    ``target`` is the largest allowed ``ours / peer``; with no peer it is the largest allowed time in seconds. ``unit``
    is what ours and peer are in, ``s`` or ``B``.
    """

    what: str
    ours: float
    peer: float | None = None
    target: float | None = None
    note: str = ""
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """ours / peer."""
        return None if self.peer is None else self.ours / self.peer

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        measured = self.ours if self.ratio is None else self.ratio
        return measured <= self.target


@dataclass(frozen=True)
class Benchmark:
    """A named group of rows, measured when it is run."""

    name: str
    peer: str
    run: Callable[[], list[Row]]


def side_by_side(
    ours: Callable[[], object], peer: Callable[[], object], *, repeats: int = 15, seconds: float = 1.0
) -> tuple[float, float]:
    """Medians of the two times, measured in turns after a warm-up; each measurement repeats a fast call."""
    calls = [_calls(f, seconds / (2 * repeats)) for f in (ours, peer)]
    times: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    for _ in range(repeats):
        for f, n, found in zip((ours, peer), calls, times, strict=True):
            found.append(_time(f, n))
    return statistics.median(times[0]), statistics.median(times[1])


def median_time(f: Callable[[], object], *, repeats: int = 15, seconds: float = 1.0) -> float:
    """Median time of one call after a warm-up."""
    n = _calls(f, seconds / repeats)
    return statistics.median(_time(f, n) for _ in range(repeats))


def _time(f: Callable[[], object], n: int) -> float:
    started = time.perf_counter()
    for _ in range(n):
        f()
    return (time.perf_counter() - started) / n


def _calls(f: Callable[[], object], seconds: float) -> int:
    f()
    return max(1, round(seconds / max(_time(f, 1), 1e-7)))
