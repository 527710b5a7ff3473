"""``elbo.kl`` beside ``torch.distributions.kl_divergence``: forward alone, and backward too; both dtypes; two sizes.

The last benchmark is the memory that a call takes beyond its inputs, value and gradients included.
"""

import ctypes
import gc
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch

import elbo
from benchmarks.divergence_cases import CASES, Case, Divergence
from benchmarks.harness import Benchmark, Row


def _once(divergence: Divergence, leaves: list[torch.Tensor], laws: object, backward: bool) -> None:
    if not backward:
        with torch.no_grad():
            divergence(*laws())  # type: ignore[operator]
        return
    value = divergence(*laws())  # type: ignore[operator]
    if value.requires_grad:
        torch.autograd.grad(value, leaves, torch.ones_like(value), allow_unused=True)


def time_case(case: Case, size: int, dtype: torch.dtype, *, backward: bool) -> tuple[float, float]:
    """Medians of interleaved blocks of calls, construction of the laws included on both sides."""
    leaves, laws = case.make(size, dtype)
    calls, blocks = (20, 15) if size < 100_000 else (1, 7)
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    gc.disable()
    try:
        for block in range(blocks + 1):
            for name, divergence in (("ours", elbo.kl), ("peer", case.peer)):
                start = time.perf_counter()
                for _ in range(calls):
                    _once(divergence, leaves, laws, backward)
                if block:
                    times[name].append((time.perf_counter() - start) / calls)
    finally:
        gc.enable()
    return statistics.median(times["ours"]), statistics.median(times["peer"])


def _rows(case: Case) -> list[Row]:
    rows = []
    for backward in (True, False):
        for dtype in (torch.float64, torch.float32):
            for size in (1_000, 1_000_000):
                ours, theirs = time_case(case, size, dtype, backward=backward)
                what = f"{'forward and backward' if backward else 'forward'}, {size:.0e}, {str(dtype)[6:]}"
                rows.append(Row(what, ours, theirs, case.target))
    return rows


def _resident(field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (the most since the mark was reset), in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def _extra_memory(divergence: Divergence, case: Case, size: int) -> tuple[int, int]:
    """The most memory that one call and its backward pass held at a time, and the size of the inputs, in bytes."""
    leaves, laws = case.make(size, torch.float64)
    q, p = laws()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # else what the allocator kept from before would be used without being seen
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = _resident("VmRSS")
    value = divergence(q, p).sum()
    gradients = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else ()
    peak = _resident("VmHWM") - before
    del gradients
    return peak, sum(leaf.numel() * leaf.element_size() for leaf in leaves)


NUMBERS = 5_000_000  # 40 MB each: beyond what the allocator keeps for itself


def _memory() -> list[Row]:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):  # Linux with glibc
        return []
    rows = []
    for case in CASES:
        if not case.elementwise:
            continue
        for divergence in (elbo.kl, case.peer):
            _extra_memory(divergence, case, 1_000)  # what the first call loads
        ours, inputs = _extra_memory(elbo.kl, case, NUMBERS)
        theirs, _ = _extra_memory(case.peer, case, NUMBERS)
        note = f"torch takes {theirs / inputs:.1f} times the inputs"
        rows.append(Row(case.name, float(ours), float(inputs), 2.0, note, "B"))
    return rows


def benchmarks() -> Iterator[Benchmark]:
    for case in CASES:
        yield Benchmark(f"divergences: {case.name}", "torch", lambda case=case: _rows(case))  # type: ignore[misc]
    yield Benchmark("divergences: memory, value and gradients included", "the inputs", _memory)
