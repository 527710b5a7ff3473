"""Exact bounds and vectorised gradients, beside the loops that they replace."""

import math
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch.distributions import Independent, Normal

from benchmarks.harness import Benchmark, Row, median_time
from elbo import exact
from elbo.evidence import generator
from elbo.gradients import Pathwise
from elbo.problems import FactorAnalysis, LinearGaussian

D = torch.float64
TEN = [1, 2, 3, 5, 8, 10, 50, 100, 1000, 100_000]


def benchmarks() -> Iterator[Benchmark]:
    """L_K, log p(x) and drawn gradients."""
    yield Benchmark("exact.iwae", "scipy.integrate.quad", _bounds)
    yield Benchmark("gradients.draws", "one backward a replicate", _draws)


def _z1() -> tuple[LinearGaussian, torch.Tensor, Normal]:
    one = torch.ones((), dtype=D)
    return LinearGaussian(one), one, Normal(0 * one, one)


def _once(f: Callable[[], object]) -> float:
    started = time.perf_counter()
    f()
    return time.perf_counter() - started


def _bounds() -> list[Row]:
    problem, x, q = _z1()
    ten = median_time(lambda: exact.iwae_bound(problem, x, q, TEN))
    evidence = median_time(lambda: exact.log_evidence(problem, x))

    generator_ = generator(0, "benchmark", "batch")
    batch = torch.randn(1000, generator=generator_, dtype=D) * 1.5
    proposal = Normal(0.5 * batch + 0.2, torch.full((1000,), 0.8, dtype=D))
    ours, peer = [], []
    exact.iwae_bound(problem, batch, proposal, 64)
    for turn in range(5):
        ours.append(_once(lambda: exact.iwae_bound(problem, batch, proposal, 64)))
        # the peer takes long: two of the thousand x a turn, scaled up
        few = [(float(batch[i]), float(proposal.loc[i])) for i in (2 * turn, 2 * turn + 1)]
        peer.append(500 * _once(lambda few=few: [_by_quad(a, m, 0.8, 64) for a, m in few]))
    together, loop = statistics.median(ours), statistics.median(peer)

    # plain Monte Carlo at K = 10: the standard error of log (1/K) Σ w is about √(χ²/K), of n such draws √(χ²/(K n))
    draw = generator(0, "benchmark", "monte carlo")
    n, k = 20_000, 10

    def monte_carlo() -> float:
        z = q.loc + q.scale * torch.randn(n, k, generator=draw, dtype=D)
        return float(torch.logsumexp(problem.log_weight(x, z, q), 1).mean())

    per_draw = median_time(monte_carlo) / n
    needed = float(problem.chi2(x, q)) / k / 1e-12
    return [
        Row("L_K at ten values of K, one x", ten, target=10e-3, note="to 1e-12; target in seconds"),
        Row("log p(x) to 1e-12, one x", evidence, target=1e-3, note="target in seconds"),
        Row("L_64 of 1000 x, against a loop of nested quad", together, loop, target=1 / 50, note="10 of 1000 x timed"),
        Row(
            "L_10 against Monte Carlo to 1e-6",
            ten,
            per_draw * needed,
            note=f"{needed:.1g} draws of K = 10, extrapolated",
        ),
    ]


def _by_quad(x: float, mean: float, std: float, k: int) -> float:
    """L_K of the linear Gaussian by Frullani's integral with SciPy's quad inside quad, as one would write it."""
    from scipy.integrate import quad

    constant = -0.5 * math.log(2 * math.pi)

    def weight(e: float) -> float:
        z = mean + std * e
        log_w = constant - 0.5 * z * z + constant - 0.5 * (x - z) ** 2 - (constant - 0.5 * e * e - math.log(std))
        return math.exp(log_w)

    def phi(t: float) -> float:
        return quad(lambda e: math.exp(-0.5 * e * e - t * weight(e)), -10, 10, epsabs=1e-13, epsrel=1e-11, limit=200)[0]

    scale = 1.0 / math.sqrt(2 * math.pi)

    def integrand(u: float) -> float:
        t = math.exp(u)
        return math.exp(-t) - (scale * phi(t)) ** k

    return -math.log(k) + quad(integrand, -25, 14, epsabs=1e-11, epsrel=1e-10, limit=400)[0]


def _draws() -> list[Row]:
    draw = generator(0, "benchmark", "draws")
    weight = 0.3 * torch.randn(32, 16, generator=draw, dtype=D)
    x = torch.randn(32, generator=draw, dtype=D)
    problem = FactorAnalysis(weight, 0.0, torch.tensor(0.5, dtype=D))
    q = Independent(Normal(0.1 * torch.randn(16, generator=draw, dtype=D), torch.full((16,), 0.7, dtype=D)), 1)
    estimator = Pathwise()
    parameters = estimator.parameters(problem, x, q)
    law = estimator.noise(problem, parameters)
    replicates, few = 20_000, 100
    noise = law.draw((few,), generator=draw)
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}

    def vectorised() -> None:
        estimator.draws(problem, parameters, law.draw((replicates,), generator=draw))

    def loop() -> None:
        for e in noise:
            live = parameters.replaced(leaves)
            live.log_weight(problem, live.family.sample(live, e[0])).backward()
            for leaf in leaves.values():
                leaf.grad = None

    vectorised(), loop()
    ours, peer = [], []
    for _ in range(7):
        ours.append(_once(vectorised) / replicates)
        peer.append(_once(loop) / few)
    floor = median_time(lambda: law.draw((replicates,), generator=draw)) / replicates
    a, b = statistics.median(ours), statistics.median(peer)
    return [
        Row("a gradient, 16 latents and 32 observations", a, b, target=1 / 80, note="noise included, per replicate"),
        Row("its noise alone, the floor", floor, note="per replicate"),
    ]
