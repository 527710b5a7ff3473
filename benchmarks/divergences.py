"""``elbo.kl`` beside ``torch.distributions.kl_divergence``: forward and backward, both dtypes, small and large.

Weibull laws, whose divergence torch does not have, stand beside the closed form of Bauckhage (arXiv 1310.3713) written
in torch. The last benchmark is the memory that a call takes beyond its inputs, value and gradients included.
"""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.distributions as D
from torch import Tensor

import elbo
from benchmarks.harness import Benchmark, Row

Laws = Callable[..., tuple[list[Tensor], Callable[[], tuple[D.Distribution, D.Distribution]]]]
Divergence = Callable[..., Tensor]
EULER = 0.5772156649015329


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
                {
                    "real": 4 * u - 2,
                    "positive": 0.2 + 3 * u,
                    "unit": 0.05 + 0.9 * u,
                    "high": 3 + u,
                    "tail": 2.2 + u,
                    "moderate": 0.5 + u,
                    "left": 0.05 + 0.3 * u,
                    "right": 0.6 + 0.35 * u,
                }[kind]
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


def _gaussians(size: int, dtype: torch.dtype, generator: torch.Generator) -> object:
    """Gaussians in four dimensions, from means and Cholesky factors; ``size`` numbers in the means."""
    leaves = []
    for _ in range(2):
        mean = torch.randn(size // 4, 4, generator=generator, dtype=dtype)
        factor = torch.randn(size // 4, 4, 4, generator=generator, dtype=dtype).tril(-1) / 4
        leaves += [mean, factor + torch.diag_embed(0.5 + torch.rand(size // 4, 4, generator=generator, dtype=dtype))]
    for leaf in leaves:
        leaf.requires_grad_()

    def laws() -> tuple[D.Distribution, D.Distribution]:
        q, p = (D.MultivariateNormal(leaves[i], scale_tril=leaves[i + 1], validate_args=False) for i in (0, 2))
        return q, p

    return leaves, laws


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
    _own("Weibull", D.Weibull, "positive", "moderate"),
    _own("HalfNormal", D.HalfNormal, "positive"),
    _own("Pareto", D.Pareto, "positive", "positive"),
    _own("ContinuousBernoulli", _logits(D.ContinuousBernoulli), "real"),
    ("MultivariateNormal, 4 dimensions", _gaussians, 1.3),  # type: ignore[list-item]
    ("Exponential, Gamma", _make(D.Exponential, D.Gamma, "positive", "positive", "positive", split=1), 1.3),
    ("Normal, Laplace", _make(D.Normal, D.Laplace, "real", "positive", "real", "positive", split=2), 1.3),
    ("Normal, Gumbel", _make(D.Normal, D.Gumbel, "real", "positive", "real", "positive", split=2), 1.3),
    ("Gamma, Normal", _make(D.Gamma, D.Normal, "positive", "positive", "real", "positive", split=2), 1.3),
    ("Beta, Normal", _make(D.Beta, D.Normal, "positive", "positive", "real", "positive", split=2), 1.3),
    ("Pareto, Gamma", _make(D.Pareto, D.Gamma, "positive", "tail", "positive", "positive", split=2), 1.3),
    ("Uniform, Normal", _make(D.Uniform, D.Normal, "unit", "high", "real", "positive", split=2), 1.3),
    ("Uniform, Beta", _make(D.Uniform, D.Beta, "left", "right", "positive", "positive", split=2), 1.3),
    (
        "Uniform, ContinuousBernoulli",
        _make(D.Uniform, _logits(D.ContinuousBernoulli), "left", "right", "real", split=2),
        1.3,
    ),
    (
        "ContinuousBernoulli, Exponential",
        _make(_logits(D.ContinuousBernoulli), D.Exponential, "real", "positive", split=1),
        1.3,
    ),
    ("Beta, Exponential", _make(D.Beta, D.Exponential, "positive", "positive", "positive", split=2), 1.3),
    ("Beta, Gamma", _make(D.Beta, D.Gamma, "positive", "positive", "positive", "positive", split=2), 1.3),
    ("Gamma, Gumbel", _make(D.Gamma, D.Gumbel, "positive", "positive", "real", "high", split=2), 1.3),
    ("Pareto, Normal", _make(D.Pareto, D.Normal, "positive", "tail", "real", "positive", split=2), 1.3),
    ("Uniform, Gamma", _make(D.Uniform, D.Gamma, "unit", "high", "positive", "positive", split=2), 1.3),
]


def weibull_textbook(q: D.Weibull, p: D.Weibull) -> Tensor:
    """log(k₁/l₁^k₁) − log(k₂/l₂^k₂) + (k₁ − k₂)(log l₁ − γ/k₁) + (l₁/l₂)^k₂ Γ(k₂/k₁ + 1) − 1."""
    k1, l1, k2, l2 = q.concentration, q.scale, p.concentration, p.scale
    logs = torch.log(k1) - k1 * torch.log(l1) - torch.log(k2) + k2 * torch.log(l2)
    moment = torch.exp(k2 * torch.log(l1 / l2) + torch.lgamma(k2 / k1 + 1.0))
    return logs + (k1 - k2) * (torch.log(l1) - EULER / k1) + moment - 1.0


PEERS: dict[str, Divergence] = {"Weibull": weibull_textbook}


def _once(
    divergence: Divergence, leaves: list[Tensor], laws: Callable[[], tuple[D.Distribution, D.Distribution]]
) -> None:
    value = divergence(*laws())
    torch.autograd.grad(value, leaves, torch.ones_like(value), allow_unused=True)


def _time(make: Laws, size: int, dtype: torch.dtype, peer: Divergence) -> tuple[float, float]:
    """Medians of interleaved blocks of calls, construction of the laws included on both sides."""
    generator = torch.Generator().manual_seed(0)
    leaves, laws = make(size, dtype, generator)
    calls, blocks = (20, 15) if size < 100_000 else (1, 5)
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    gc.disable()
    try:
        for block in range(blocks + 1):
            for name, divergence in (("ours", elbo.kl), ("peer", peer)):
                start = time.perf_counter()
                for _ in range(calls):
                    _once(divergence, leaves, laws)
                if block:
                    times[name].append((time.perf_counter() - start) / calls)
    finally:
        gc.enable()
    return statistics.median(times["ours"]), statistics.median(times["peer"])


def _rows(name: str, make: Laws, target: float) -> list[Row]:
    rows = []
    peer = PEERS.get(name, D.kl_divergence)
    for dtype in (torch.float64, torch.float32):
        for size in (1_000, 1_000_000):
            ours, theirs = _time(make, size, dtype, peer)
            rows.append(Row(f"{size:.0e} elements, {str(dtype).removeprefix('torch.')}", ours, theirs, target))
    return rows


def _resident(field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (the most since the mark was reset), in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def _extra_memory(divergence: Divergence, make: Laws, size: int) -> tuple[int, int]:
    """The most memory that one call and its backward pass held at a time, and the size of the inputs, in bytes."""
    leaves, laws = make(size, torch.float64, torch.Generator().manual_seed(0))
    q, p = laws()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # else what the allocator kept from before would be used without being seen
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = _resident("VmRSS")
    gradients = torch.autograd.grad(divergence(q, p).sum(), leaves)
    peak = _resident("VmHWM") - before
    del gradients
    return peak, sum(leaf.numel() * leaf.element_size() for leaf in leaves)


MEMORY = (
    "Normal", "Bernoulli logits", "Bernoulli probs", "Poisson", "Geometric", "Exponential", "Gamma", "Beta", "Laplace",
    "Cauchy", "Gumbel", "Weibull", "HalfNormal", "Pareto", "ContinuousBernoulli", "Exponential, Gamma",
)  # fmt: skip
NUMBERS = 5_000_000  # 40 MB each: beyond what the allocator keeps for itself


def _memory() -> list[Row]:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):  # Linux with glibc
        return []
    rows = []
    for name, make, _ in CASES:
        if name not in MEMORY:
            continue
        peer = PEERS.get(name, D.kl_divergence)
        for divergence in (elbo.kl, peer):
            _extra_memory(divergence, make, 1_000)  # what the first call loads
        ours, inputs = _extra_memory(elbo.kl, make, NUMBERS)
        theirs, _ = _extra_memory(peer, make, NUMBERS)
        note = f"torch takes {theirs / inputs:.1f} times the inputs"
        rows.append(Row(name, float(ours), float(inputs), 2.0, note, "B"))
    return rows


def benchmarks() -> Iterator[Benchmark]:
    for name, make, target in CASES:
        yield Benchmark(f"divergences: {name}", "torch", lambda case=(name, make, target): _rows(*case))  # type: ignore[misc]
    yield Benchmark("divergences: memory, value and gradients included", "the inputs", _memory)
