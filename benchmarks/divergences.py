"""``elbo.kl`` beside ``torch.distributions.kl_divergence``: forward and backward, both dtypes, small and large."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.distributions as D
from torch import Tensor

import elbo
from benchmarks.harness import Benchmark, Row

Laws = Callable[..., tuple[list[Tensor], Callable[[], tuple[D.Distribution, D.Distribution]]]]


def _make(
    q: Callable[..., D.Distribution], p: Callable[..., D.Distribution], *kinds: str, split: int, last: int = 0
) -> Laws:
    """A function of (size, dtype, generator) that gives leaves and a function that builds the two laws from them."""

    def make(size: int, dtype: torch.dtype, generator: torch.Generator) -> object:
        shape = (size // last, last) if last else (size,)
        leaves = []
        for kind in kinds:
            u = torch.rand(shape, generator=generator, dtype=dtype)
            leaves.append(
                {"real": 4 * u - 2, "positive": 0.2 + 3 * u, "unit": 0.05 + 0.9 * u, "high": 3 + u, "tail": 2.2 + u}[
                    kind
                ]
            )
        for leaf in leaves:
            leaf.requires_grad_()
        return leaves, lambda: (q(*leaves[:split], validate_args=False), p(*leaves[split:], validate_args=False))

    return make  # type: ignore[return-value]


def _logits(kind: type[D.Distribution]) -> Callable[..., D.Distribution]:
    return lambda logits, **options: kind(logits=logits, **options)


def _probs(kind: type[D.Distribution], **fixed: float) -> Callable[..., D.Distribution]:
    return lambda probs, **options: kind(probs=probs, **fixed, **options)


def _own(
    name: str, kind: Callable[..., D.Distribution], *parameters: str, target: float = 1.3, last: int = 0
) -> tuple[str, Laws, float]:
    return name, _make(kind, kind, *parameters, *parameters, split=len(parameters), last=last), target


CASES: list[tuple[str, Laws, float]] = [
    _own("Normal", D.Normal, "real", "positive", target=1.0),
    _own("Bernoulli logits", _logits(D.Bernoulli), "real", target=1.0),
    _own("Bernoulli probs", _probs(D.Bernoulli), "unit", target=1.0),
    _own("Categorical logits, 10 outcomes", _logits(D.Categorical), "real", target=1.0, last=10),
    _own("Categorical probs, 10 outcomes", _probs(D.Categorical), "unit", target=1.0, last=10),
    _own("Poisson", D.Poisson, "positive"),
    _own("Geometric", _probs(D.Geometric), "unit"),
    _own("Binomial", _probs(D.Binomial, total_count=10), "unit"),
    _own("Exponential", D.Exponential, "positive"),
    _own("Gamma", D.Gamma, "positive", "positive"),
    _own("Beta", D.Beta, "positive", "positive"),
    _own("Dirichlet, 10 outcomes", D.Dirichlet, "positive", last=10),
    _own("Laplace", D.Laplace, "real", "positive"),
    _own("Cauchy", D.Cauchy, "real", "positive"),
    _own("Gumbel", D.Gumbel, "real", "high"),
    _own("HalfNormal", D.HalfNormal, "positive"),
    _own("Pareto", D.Pareto, "positive", "positive"),
    _own("ContinuousBernoulli", _logits(D.ContinuousBernoulli), "real"),
    ("Exponential, Gamma", _make(D.Exponential, D.Gamma, "positive", "positive", "positive", split=1), 1.3),
    ("Normal, Laplace", _make(D.Normal, D.Laplace, "real", "positive", "real", "positive", split=2), 1.3),
    ("Normal, Gumbel", _make(D.Normal, D.Gumbel, "real", "positive", "real", "positive", split=2), 1.3),
    ("Gamma, Normal", _make(D.Gamma, D.Normal, "positive", "positive", "real", "positive", split=2), 1.3),
    ("Beta, Normal", _make(D.Beta, D.Normal, "positive", "positive", "real", "positive", split=2), 1.3),
    ("Pareto, Gamma", _make(D.Pareto, D.Gamma, "positive", "tail", "positive", "positive", split=2), 1.3),
    ("Uniform, Normal", _make(D.Uniform, D.Normal, "unit", "high", "real", "positive", split=2), 1.3),
    ("Uniform, Gamma", _make(D.Uniform, D.Gamma, "unit", "high", "positive", "positive", split=2), 1.3),
]


def _once(
    divergence: Callable[..., Tensor], leaves: list[Tensor], laws: Callable[[], tuple[D.Distribution, D.Distribution]]
) -> None:
    value = divergence(*laws())
    torch.autograd.grad(value, leaves, torch.ones_like(value), allow_unused=True)


def _time(make: Laws, size: int, dtype: torch.dtype) -> tuple[float, float]:
    """Medians of interleaved blocks of calls, construction of the laws included on both sides."""
    generator = torch.Generator().manual_seed(0)
    leaves, laws = make(size, dtype, generator)
    calls, blocks = (20, 15) if size < 100_000 else (1, 5)
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    gc.disable()
    try:
        for block in range(blocks + 1):
            for name, divergence in (("ours", elbo.kl), ("peer", D.kl_divergence)):
                start = time.perf_counter()
                for _ in range(calls):
                    _once(divergence, leaves, laws)
                if block:
                    times[name].append((time.perf_counter() - start) / calls)
    finally:
        gc.enable()
    return statistics.median(times["ours"]), statistics.median(times["peer"])


def _rows(make: Laws, target: float) -> list[Row]:
    rows = []
    for dtype in (torch.float64, torch.float32):
        for size in (1_000, 1_000_000):
            ours, peer = _time(make, size, dtype)
            rows.append(Row(f"{size:.0e} elements, {str(dtype).removeprefix('torch.')}", ours, peer, target))
    return rows


def benchmarks() -> Iterator[Benchmark]:
    for name, make, target in CASES:
        yield Benchmark(f"divergences: {name}", "torch", lambda make=make, target=target: _rows(make, target))  # type: ignore[misc]
