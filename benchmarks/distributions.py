"""Laws on the sphere and the audit: what exactness costs beside the usual forms."""

from collections.abc import Iterator

import torch

from benchmarks.harness import Benchmark, Row, median_time, side_by_side


def benchmarks() -> Iterator[Benchmark]:
    yield Benchmark("sphere divergences", "SciPy's Bessel functions in the usual closed form", _divergences)
    yield Benchmark("sphere draws", "torch's Beta.rsample with its approximate gradient", _draws)
    yield Benchmark("audit", "none", _audit)


def _divergences() -> list[Row]:
    import numpy as np
    from scipy.special import gammaln, ive

    from elbo.divergences import vmf_kl

    def usual(kappa: torch.Tensor, m: int) -> object:
        k, nu = kappa.numpy(), m / 2 - 1
        with np.errstate(all="ignore"):
            scaled = ive(nu, k)
            log_normaliser = np.log(scaled) + k + gammaln(nu + 1) - nu * np.log(k / 2)
            return k * ive(nu + 1, k) / scaled - log_normaliser

    rows = []
    for n, m in ((1_000, 3), (1_000, 16), (1_000, 512), (100_000, 16)):
        kappa = torch.linspace(0.1, 100, n, dtype=torch.float64)
        ours, peer = side_by_side(lambda k=kappa, m=m: vmf_kl(k, m), lambda k=kappa, m=m: usual(k, m), repeats=5)
        note = "the peer loses eps/κ² near κ = 0" + (", and is NaN at this m for small κ" if m > 256 else "")
        rows.append(Row(f"KL vMF to uniform, m = {m}, {n} values", ours, peer, note=note))
    return rows


def _draws() -> list[Row]:
    from torch.distributions import Beta

    from elbo.distributions import PowerSpherical, VonMisesFisher

    rows = []
    for cls in (PowerSpherical, VonMisesFisher):
        for m in (3, 16):
            mean = torch.zeros(m, dtype=torch.float64)
            mean[0] = 1
            kappa = torch.full((10_000,), 5.0, dtype=torch.float64, requires_grad=True)
            half = torch.full((10_000,), (m - 1) / 2, dtype=torch.float64)

            def ours(cls=cls, mean=mean, kappa=kappa) -> None:
                cls(mean, kappa).rsample().sum().backward()

            def peer(kappa=kappa, half=half) -> None:
                Beta(half + kappa, half).rsample().sum().backward()

            rows.append(Row(f"{cls.__name__} draws and gradient, m = {m}, 10000", *side_by_side(ours, peer, repeats=5)))
    return rows


def _audit() -> list[Row]:
    from elbo.audit import audit

    return [Row("elbo audit torch.distributions", median_time(audit, repeats=1), target=60.0)]
