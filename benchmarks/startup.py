"""What it costs to begin: importing, checking one function, the main job."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.harness import Benchmark, Row

EXAMPLE = Path(__file__).parent.parent / "examples"


def benchmarks() -> Iterator[Benchmark]:
    yield Benchmark("startup", "import torch", _startup)


def _startup() -> list[Row]:
    torch, both = ([], [])
    for _ in range(7):
        torch.append(_seconds("-c", "import torch"))
        both.append(_seconds("-c", "import torch, elbo"))
    extra = median(both) - median(torch)
    return [
        Row(
            "import elbo, beyond import torch", max(extra, 0.0), target=0.1, note=f"import torch {median(torch):.2f} s"
        ),
        Row("elbo check of one function, with start-up", _check(), target=3.0),
        Row("elbo verify", _seconds("-m", "elbo", "verify", "--quiet"), target=30.0, note="2 worker processes"),
    ]


def _check() -> float:
    target = f"{EXAMPLE / 'losses.py'}:kl_without_half"
    return median(_seconds("-m", "elbo", "check", target, "--against", "gaussian_kl") for _ in range(3))


def _seconds(*arguments: str) -> float:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr.decode())
    return time.perf_counter() - started
