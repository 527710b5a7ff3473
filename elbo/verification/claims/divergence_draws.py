"""KL is the mean of log q(x) − log p(x) over draws x of q: every pair of laws with a density, by the sequential test.

The test needs the variance of log q − log p, which is known without the formula of the divergence: by quadrature or
summation for laws on the line, in closed form for those of exponential families in several dimensions.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from elbo.evidence import Verdict
from elbo.verification import Claim, Context, Outcome
from elbo.verification.claims.divergences import EXAMPLES, make

DRAWS = 40_000
GROUPS = 2


def claims() -> Iterator[Claim]:
    """The univariate pairs in two groups, and those in several dimensions."""
    for group in range(GROUPS):
        pairs = EXAMPLES[group::GROUPS]
        yield Claim(
            f"divergences.draws.{group + 1}",
            f"the mean of log q − log p over draws of q is KL[q ‖ p], {len(pairs)} pairs of univariate laws",
            "draws",
            partial(_univariate, group=group),
            stochastic=True,
        )
    yield Claim(
        "divergences.draws.several_dimensions",
        f"the mean of log q − log p over draws of q is KL[q ‖ p], {len(SEVERAL)} pairs of laws in several dimensions",
        "draws",
        _several,
        stochastic=True,
    )


def _judged(context: Context, cases: list[tuple[str, Any, Any, float]]) -> Outcome:
    """Each case: its name, q, p and the variance of log q − log p."""
    import torch

    from elbo.divergences import kl
    from elbo.evidence import mean_test

    rejected, widest = [], 0.0
    for number, (name, q, p, variance) in enumerate(cases):
        # torch's laws draw from the global generator: it is lent, and given back as it was
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.set_state(context.generator("draws", number).get_state())
            x = q.sample((DRAWS,))
            ratio = q.log_prob(x) - p.log_prob(x)
        found = mean_test(ratio.numpy(), kl(q, p).item(), variance, context.alpha / len(cases))
        widest = max(widest, found.smallest_visible_shift / math.sqrt(variance))
        if found.rejected:
            rejected.append(name)
    detail = f"{DRAWS} draws each, which show shifts of {widest:.2g} standard deviations; rejected: "
    verdict = Verdict.REFUTED if rejected else Verdict.CONFIRMED
    return Outcome(verdict, alpha=context.alpha, detail=detail + (", ".join(rejected) or "none"))


def _univariate(context: Context, group: int) -> Outcome:
    cases = []
    for q, a, p, b in EXAMPLES[group::GROUPS]:
        laws = make(q, a), make(p, b)
        cases.append((f"{q} ‖ {p}", *laws, _second_moment(*laws)))
    return _judged(context, cases)


def _second_moment(q: Any, p: Any) -> float:
    """A bound on E_q (log q − log p)², and so on the variance."""
    import numpy as np

    from elbo.divergences._numerical.density import Density
    from elbo.divergences._numerical.line import Line, columns
    from elbo.divergences._numerical.outcomes import outcomes
    from elbo.exact._boxes import nodes_in

    if getattr(q.support, "is_discrete", False):
        listed = outcomes(q, "q")[0]
        log_q, log_p = (Density(law)(listed)[0].numpy() for law in (q, p))
        log_weight = np.zeros_like(log_q)
    else:
        lines = Line(q), Line(p)
        (column,) = columns(*lines)
        x, log_weight = nodes_in(column.lower[:, None], column.upper[:, None], 16)
        log_q, log_p = (line.log_density(x.reshape(-1, 1))[0].reshape(log_weight.shape) for line in lines)
    met = log_q > -700.0
    square = np.exp((log_q + log_weight)[met]) * (log_q - log_p)[met] ** 2
    return float(square.sum()) * 1.001 + 1e-9


def _dirichlet() -> tuple[Any, Any, float]:
    """log q − log p is Δ · log x, and Cov(log xᵢ, log xⱼ) = ψ₁(αᵢ) δᵢⱼ − ψ₁(α₀)."""
    import torch
    from scipy.special import polygamma
    from torch.distributions import Dirichlet

    a, b = (torch.tensor(v, dtype=torch.float64) for v in ([0.8, 2.3, 4.1], [1.9, 1.4, 3.3]))
    change = (a - b).numpy()
    variance = (change**2 * polygamma(1, a.numpy())).sum() - change.sum() ** 2 * polygamma(1, a.sum().item())
    return Dirichlet(a), Dirichlet(b), float(variance) * (1 + 1e-9)


def _gaussians(make_q: Callable[..., Any], make_p: Callable[..., Any]) -> tuple[Any, Any, float]:
    """log q − log p is quadratic: with A = S₁^½ S₂⁻¹ S₁^½ − 1 and g = S₁^½ S₂⁻¹ (m₁ − m₂) its variance is
    ½ tr A² + |g|²."""
    import torch

    mean_q, mean_p = (torch.tensor(v, dtype=torch.float64) for v in ([0.3, -0.2, 0.5], [-0.1, 0.4, 0.2]))
    factor_q, factor_p = (
        torch.tensor(v, dtype=torch.float64).unsqueeze(1) for v in ([0.4, -0.3, 0.6], [0.2, 0.5, -0.4])
    )
    diagonal_q, diagonal_p = (torch.tensor(v, dtype=torch.float64) for v in ([0.7, 1.1, 0.9], [1.2, 0.8, 1.0]))
    q, p = make_q(mean_q, factor_q, diagonal_q), make_p(mean_p, factor_p, diagonal_p)
    dense = [getattr(law, "covariance_matrix", None) for law in (q, p)]
    s1, s2 = (torch.diag(law.variance) if matrix is None else matrix for law, matrix in zip((q, p), dense, strict=True))
    root = torch.linalg.cholesky(s1)
    whitened = root.mT @ torch.linalg.solve(s2, root) - torch.eye(3, dtype=torch.float64)
    gradient = root.mT @ torch.linalg.solve(s2, mean_q - mean_p)
    return q, p, float(0.5 * (whitened**2).sum() + gradient @ gradient) * (1 + 1e-9)


def _full(mean: Any, factor: Any, diagonal: Any) -> Any:
    import torch

    return torch.distributions.MultivariateNormal(mean, factor @ factor.mT + torch.diag(diagonal))


def _low_rank(mean: Any, factor: Any, diagonal: Any) -> Any:
    import torch

    return torch.distributions.LowRankMultivariateNormal(mean, factor, diagonal)


def _diagonal(mean: Any, factor: Any, diagonal: Any) -> Any:
    import torch

    return torch.distributions.Independent(torch.distributions.Normal(mean, diagonal.sqrt()), 1)


def _categorical(kind: str) -> tuple[Any, Any, float]:
    import torch

    q, p = (torch.tensor(v, dtype=torch.float64) for v in ([0.1, 0.6, 0.3], [0.4, 0.35, 0.25]))
    ratio = (q / p).log()
    law = getattr(torch.distributions, kind)
    return law(q), law(p), float((q * (ratio - (q * ratio).sum()) ** 2).sum()) * (1 + 1e-9)


def _sphere(kind: str, concentration: float) -> tuple[Any, Any, float]:
    """Against the uniform law on the sphere in three dimensions, whose height t = μ·x is uniform on [−1, 1]."""
    import torch
    from scipy.integrate import quad

    from elbo import distributions

    mean = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    q = getattr(distributions, kind)(mean, torch.tensor(concentration, dtype=torch.float64))
    power = kind == "PowerSpherical"
    weight = (lambda t: concentration * math.log1p(t)) if power else (lambda t: concentration * t)
    moments = [quad(lambda t, n=n: math.exp(weight(t)) * weight(t) ** n, -1, 1)[0] for n in range(3)]
    variance = moments[2] / moments[0] - (moments[1] / moments[0]) ** 2
    return q, distributions.HypersphericalUniform(3, dtype=torch.float64), variance * (1 + 1e-6)


SEVERAL: tuple[tuple[str, Callable[[], tuple[Any, Any, float]]], ...] = (
    ("Dirichlet", _dirichlet),
    ("full ‖ full", partial(_gaussians, _full, _full)),
    ("full ‖ low rank", partial(_gaussians, _full, _low_rank)),
    ("low rank ‖ full", partial(_gaussians, _low_rank, _full)),
    ("low rank ‖ low rank", partial(_gaussians, _low_rank, _low_rank)),
    ("diagonal ‖ full", partial(_gaussians, _diagonal, _full)),
    ("diagonal ‖ low rank", partial(_gaussians, _diagonal, _low_rank)),
    ("diagonal ‖ diagonal", partial(_gaussians, _diagonal, _diagonal)),
    ("Categorical", partial(_categorical, "Categorical")),
    ("OneHotCategorical", partial(_categorical, "OneHotCategorical")),
    ("von Mises-Fisher ‖ uniform", partial(_sphere, "VonMisesFisher", 2.5)),
    ("power spherical ‖ uniform", partial(_sphere, "PowerSpherical", 2.5)),
)


def _several(context: Context) -> Outcome:
    return _judged(context, [(name, *laws()) for name, laws in SEVERAL])
