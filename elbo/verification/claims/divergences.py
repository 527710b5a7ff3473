"""What is asserted about divergences, ours and those of torch."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from elbo.verification import Claim, Context, Outcome

# pairs of laws on the line or the integers, with parameters at which their integrals are easy
EXAMPLES: tuple[tuple[str, tuple[float, ...], str, tuple[float, ...]], ...] = (
    ("Normal", (0.3, 1.2), "Normal", (-0.4, 0.8)), ("LogNormal", (0.1, 0.5), "LogNormal", (0.3, 0.7)),
    ("HalfNormal", (0.7,), "HalfNormal", (1.3,)), ("Laplace", (0.3, 1.2), "Laplace", (-0.4, 0.8)),
    ("Cauchy", (0.3, 1.2), "Cauchy", (-0.4, 0.8)), ("Gumbel", (0.3, 0.9), "Gumbel", (-0.4, 1.1)),
    ("Exponential", (1.7,), "Exponential", (0.6,)), ("Gamma", (2.3, 1.2), "Gamma", (3.1, 0.8)),
    ("InverseGamma", (3.3, 1.2), "InverseGamma", (2.1, 1.8)), ("Beta", (2.3, 1.7), "Beta", (1.4, 3.2)),
    ("Weibull", (1.3, 1.7), "Weibull", (0.9, 1.2)), ("Weibull", (1.3, 1.7), "Gamma", (2.2, 1.1)),
    ("LogNormal", (0.1, 0.5), "Gamma", (2.2, 1.1)), ("Kumaraswamy", (1.4, 2.2), "Beta", (1.3, 1.8)),
    ("Pareto", (1.5, 4.0), "Pareto", (1.2, 3.0)), ("Uniform", (0.2, 0.8), "Uniform", (0.1, 1.4)),
    ("ContinuousBernoulli", (0.3,), "ContinuousBernoulli", (0.8,)), ("Bernoulli", (0.3,), "Bernoulli", (0.8,)),
    ("Geometric", (0.3,), "Geometric", (0.6,)), ("Poisson", (2.3,), "Poisson", (1.1,)),
    ("Binomial", (7, 0.3), "Binomial", (7, 0.6)), ("NegativeBinomial", (3, 0.3), "NegativeBinomial", (3, 0.5)),
    ("Bernoulli", (0.3,), "Poisson", (0.8,)), ("Exponential", (1.7,), "Gamma", (2.2, 1.1)),
    ("Gamma", (2.3, 1.2), "Exponential", (0.6,)), ("Beta", (2.3, 1.7), "Uniform", (-0.5, 1.5)),
    ("Beta", (2.3, 1.7), "Exponential", (0.6,)), ("Beta", (2.3, 1.7), "Gamma", (2.2, 1.1)),
    ("Beta", (2.3, 1.7), "Normal", (0.3, 0.4)), ("Beta", (2.3, 1.7), "ContinuousBernoulli", (0.8,)),
    ("ContinuousBernoulli", (0.3,), "Uniform", (-0.5, 1.5)), ("ContinuousBernoulli", (0.3,), "Exponential", (0.6,)),
    ("ContinuousBernoulli", (0.3,), "Normal", (0.3, 0.4)), ("Exponential", (1.7,), "Normal", (0.3, 0.9)),
    ("Exponential", (1.7,), "Gumbel", (0.3, 0.9)), ("Gamma", (2.3, 1.2), "Gumbel", (0.3, 0.9)),
    ("Gamma", (2.3, 1.2), "Normal", (1.3, 0.9)), ("Gumbel", (0.3, 0.9), "Normal", (0.3, 1.4)),
    ("Laplace", (0.3, 1.2), "Normal", (-0.4, 0.8)), ("Normal", (0.3, 0.8), "Gumbel", (-0.4, 1.1)),
    ("Normal", (0.3, 1.2), "Laplace", (-0.4, 0.8)), ("Pareto", (1.5, 4.0), "Exponential", (0.6,)),
    ("Pareto", (1.5, 4.0), "Gamma", (2.2, 1.1)), ("Pareto", (1.5, 6.0), "Normal", (1.3, 0.9)),
    ("Uniform", (0.2, 0.8), "Beta", (1.4, 3.2)), ("Uniform", (0.0, 1.0), "Beta", (1.4, 3.2)),
    ("Uniform", (0.2, 0.8), "ContinuousBernoulli", (0.8,)), ("Uniform", (0.2, 0.8), "Exponential", (0.6,)),
    ("Uniform", (0.0, 0.8), "Gamma", (2.2, 1.1)), ("Uniform", (0.2, 0.8), "Gumbel", (-0.4, 1.1)),
    ("Uniform", (0.2, 0.8), "Normal", (-0.4, 0.8)), ("Uniform", (1.2, 1.8), "Pareto", (1.1, 2.0)),
)  # fmt: skip
PARTS = 4


def claims() -> Iterator[Claim]:
    """Closed forms against definitions and against 60 digits; torch's own against both."""
    for part in range(PARTS):
        pairs = EXAMPLES[part::PARTS]
        yield Claim(
            f"divergences.closed_forms.{part + 1}",
            f"KL in closed form = ∫ q (p/q − 1 − log p/q), {len(pairs)} pairs of univariate laws",
            "quadrature",
            partial(_closed_forms, part=part),
        )
    for dtype in ("float64", "float32"):
        yield Claim(
            f"divergences.gaussian.{dtype}",
            "½[Φ(y) + m²] is KL[N(m, e^y) ‖ N(0, 1)] to 2 ulps, |m|, |y| from 1e-8 to 20, gradients too",
            "reference",
            partial(_gaussian, dtype=dtype),
            source="Kingma and Welling 2014, arXiv 1312.6114, appendix B",
        )
    for name in ("Exponential", "Gamma", "Beta", "Poisson", "Laplace", "Cauchy", "Bernoulli"):
        yield Claim(
            f"divergences.near_equality.{name.lower()}",
            f"KL between {name} laws at relative distances of 1e-1 to 1e-8 keeps all but its last digits",
            "reference",
            partial(_near, name=name),
            source="Nielsen and Garcia 2009, arXiv 0911.4863; Gil, Alajaji and Linder 2013, Information Sciences 249",
        )
    yield Claim(
        "divergences.fisher_integral",
        "KL = ∫₀¹ (1 − t) Δᵀ F(η_q + t Δ) Δ dt for exponential families",
        "quadrature",
        _fisher,
        source="Nielsen and Garcia 2009, arXiv 0911.4863",
    )
    yield Claim(
        "divergences.stick_breaking", "KL between Dirichlet laws = Σ KL between the Beta laws of stick-breaking",
        "reference", _stick_breaking, source="Sethuraman 1994, Statistica Sinica 4; the chain rule of KL",
    )  # fmt: skip
    yield Claim(
        "divergences.infinite",
        "KL = ∞ for the 33 pairs whose supports do not fit",
        "reference",
        _infinite,
        source="the definition",
    )
    yield Claim(
        "divergences.renyi",
        "D_α(N ‖ N) = log ∫ q^α p^(1−α)/(α − 1), and is ∞ where that diverges",
        "quadrature",
        _renyi,
    )
    yield Claim(
        "divergences.mixtures", "lower bound ≤ KL of two mixtures by quadrature ≤ upper bound", "quadrature", _mixtures,
        source="Durrieu, Thiran and Kelly 2012",
    )  # fmt: skip
    yield Claim(
        "divergences.torch.normal",
        "near equality torch's Normal KL loses digits (ε/δ²) that elbo's keeps",
        "reference",
        _torch_normal,
        source="derived in elbo.divergences.gaussian",
    )
    yield Claim(
        "divergences.torch.multivariate_normal",
        "near equality torch's MultivariateNormal KL loses digits that elbo's keeps",
        "reference",
        _torch_multivariate,
        source="derived in elbo.divergences._cholesky",
    )
    yield Claim(
        "divergences.torch.kl_div",
        "F.kl_div(log p, q) is KL[q ‖ p], and its mean divides by the entries, not by the batch",
        "reference",
        _torch_kl_div,
        source="documentation of torch.nn.functional.kl_div",
    )


def make(name: str, parameters: tuple[float, ...]) -> Any:
    """One law of torch in float64."""
    import torch

    kind = getattr(torch.distributions, name)
    if name in ("Binomial", "NegativeBinomial"):
        return kind(parameters[0], torch.tensor(parameters[1], dtype=torch.float64), validate_args=False)
    return kind(*(torch.tensor(x, dtype=torch.float64) for x in parameters), validate_args=False)


def _closed_forms(context: Context, part: int) -> Outcome:
    from elbo.divergences import kl, kl_by_quadrature

    worst, where = 0.0, ""
    for q, a, p, b in EXAMPLES[part::PARTS]:
        laws = make(q, a), make(p, b)
        integral = kl_by_quadrature(*laws, relative=1e-8)
        share = abs(kl(*laws).item() - integral.value) / (integral.error_bound + 1e-11)
        if not share <= worst:
            worst, where = share, f"{q} ‖ {p}"
    return Outcome.within(worst, 1.0, f"largest share of the integral's error bound + 1e-11: {where}")


def _ulps(got: float, want: Any, dtype: Any) -> float:
    import torch
    from mpmath import mpf

    if want == 0:
        return 0.0 if got == 0 else float("inf")
    return float(abs(mpf(got) - want) / abs(want)) / float(torch.finfo(dtype).eps)


def _gaussian(context: Context, dtype: str) -> Outcome:
    import torch
    from mpmath import expm1, mpf, workdps

    from elbo.divergences import gaussian_kl

    kind = getattr(torch, dtype)
    draws = torch.rand(4, 200, generator=context.generator(), dtype=torch.float64)
    sizes = (10 ** (draws[:2] * 9.3 - 8) * torch.sign(draws[2:] - 0.5)).to(kind)
    mean, log_variance = (row.clone().requires_grad_() for row in sizes)
    value = gaussian_kl(mean, log_variance=log_variance)
    value.sum().backward()
    worst = 0.0
    with workdps(60):
        columns = zip(mean.tolist(), log_variance.tolist(), value.tolist(), log_variance.grad.tolist(), strict=True)
        for m, y, got, slope in columns:
            m, y = mpf(m), mpf(y)
            worst = max(worst, _ulps(got, (expm1(y) - y + m * m) / 2, kind), _ulps(slope, expm1(y) / 2, kind))
    return Outcome.within(worst, 2.0, "ulps, the worst of 200 values and slopes")


def _near(context: Context, name: str) -> Outcome:
    import torch
    from mpmath import workdps

    from elbo.divergences import kl

    count = {"Exponential": 1, "Poisson": 1, "Bernoulli": 1}.get(name, 2)
    worst, torch_worst = 0.0, 0.0
    with workdps(60):
        for k in range(1, 9):
            u = torch.rand(count, 2, generator=context.generator(k), dtype=torch.float64)
            a = (0.1 + 0.8 * u[:, 0]) * (1.0 if name == "Bernoulli" else 5.0)
            b = a * (1 + 10.0**-k * (u[:, 1] - 0.5))
            laws = [getattr(torch.distributions, name)(*side, validate_args=False) for side in (a, b)]
            want = CLOSED_FORMS[name](a.tolist(), b.tolist())
            worst = max(worst, _ulps(kl(*laws).item(), want, torch.float64))
            torch_worst = max(torch_worst, _ulps(torch.distributions.kl_divergence(*laws).item(), want, torch.float64))
    return Outcome.within(worst, 16.0, f"ulps; torch.distributions.kl_divergence: {torch_worst:.1g} ulps")


def _bernoulli_form(a: list[float], b: list[float]) -> Any:
    from mpmath import log, mpf

    q, p = mpf(a[0]), mpf(b[0])
    return q * log(q / p) + (1 - q) * log((1 - q) / (1 - p))


def _exponential_form(a: list[float], b: list[float]) -> Any:
    from mpmath import log, mpf

    q, p = mpf(a[0]), mpf(b[0])
    return log(q / p) + p / q - 1


def _poisson_form(a: list[float], b: list[float]) -> Any:
    from mpmath import log, mpf

    q, p = mpf(a[0]), mpf(b[0])
    return q * log(q / p) - q + p


def _laplace_form(a: list[float], b: list[float]) -> Any:
    from mpmath import exp, log, mpf

    (m, s), (n, t) = (map(mpf, side) for side in (a, b))
    gap = abs(m - n)
    return log(t / s) + gap / t + s / t * exp(-gap / s) - 1


def _cauchy_form(a: list[float], b: list[float]) -> Any:
    from mpmath import log, mpf

    (m, s), (n, t) = (map(mpf, side) for side in (a, b))
    return log(((s + t) ** 2 + (m - n) ** 2) / (4 * s * t))


def _gamma_form(a: list[float], b: list[float]) -> Any:
    from mpmath import digamma, log, loggamma, mpf

    (c, r), (d, s) = (map(mpf, side) for side in (a, b))
    return (c - d) * digamma(c) - loggamma(c) + loggamma(d) + d * log(r / s) + c * (s - r) / r


def _beta_form(a: list[float], b: list[float]) -> Any:
    from mpmath import digamma, loggamma, mpf

    q, p = [mpf(x) for x in a], [mpf(x) for x in b]
    value = loggamma(sum(q)) - loggamma(sum(p))
    for u, v in zip(q, p, strict=True):
        value += loggamma(v) - loggamma(u) + (u - v) * (digamma(u) - digamma(sum(q)))
    return value


CLOSED_FORMS: dict[str, Callable[[list[float], list[float]], Any]] = {
    "Exponential": _exponential_form,
    "Gamma": _gamma_form,
    "Beta": _beta_form,
    "Poisson": _poisson_form,
    "Laplace": _laplace_form,
    "Cauchy": _cauchy_form,
    "Bernoulli": _bernoulli_form,
}


def _fisher(context: Context) -> Outcome:
    """The information of each family is written out here, in its natural parameters."""
    import numpy as np
    import torch
    from scipy.special import polygamma

    from elbo.divergences import categorical_kl, kl

    nodes, weights = np.polynomial.legendre.leggauss(60)
    nodes, weights = (nodes + 1) / 2, weights / 2

    def integral(start: Any, end: Any, information: Callable[[Any], Any]) -> float:
        d = np.asarray(end) - np.asarray(start)
        return float(
            sum(
                w * (1 - t) * d @ information(np.asarray(start) + t * d) @ d
                for t, w in zip(nodes, weights, strict=True)
            )
        )

    def categorical(eta: Any) -> Any:
        q = np.exp(eta - eta.max())
        q /= q.sum()
        return np.diag(q) - np.outer(q, q)

    def gamma(eta: Any) -> Any:
        a, b = eta
        return np.array([[polygamma(1, a), -1 / b], [-1 / b, a / b**2]])

    def dirichlet(eta: Any) -> Any:
        return np.diag(polygamma(1, eta)) - polygamma(1, eta.sum())

    residuals = []
    for start, end in (([0.2, -0.4, 1.0], [0.5, 0.3, -0.2]), ([0.2, -0.4, 1.0], [0.2001, -0.4002, 1.0003])):
        value = categorical_kl(*(torch.tensor(x, dtype=torch.float64) for x in (start, end))).item()
        residuals.append(abs(value / integral(start, end, categorical) - 1))
    for q, p in (((2.3, 1.2), (1.1, 0.8)), ((2.3, 1.2), (2.3001, 1.2002))):
        residuals.append(abs(kl(make("Gamma", q), make("Gamma", p)).item() / integral(q, p, gamma) - 1))
    for a, b in (((2.3, 1.2, 0.7), (1.1, 0.8, 3.0)), ((2.3, 1.2, 0.7), (2.3001, 1.2002, 0.7003))):
        laws = [torch.distributions.Dirichlet(torch.tensor(x, dtype=torch.float64)) for x in (a, b)]
        residuals.append(abs(kl(*laws).item() / integral(a, b, dirichlet) - 1))
    return Outcome.within(max(residuals), 2e-11, "largest relative difference, 60 Gauss-Legendre nodes")


def _stick_breaking(context: Context) -> Outcome:
    import torch
    from torch.distributions import Beta, Dirichlet

    from elbo.divergences import kl

    worst = 0.0
    for k, distance in enumerate((1.0, 1e-2, 1e-5)):
        a = torch.rand(20, 5, generator=context.generator(k), dtype=torch.float64) * 5 + 0.2
        b = a * (1 + distance * torch.rand(20, 5, generator=context.generator(k, "p"), dtype=torch.float64))
        rest_a, rest_b = (x.flip(-1).cumsum(-1).flip(-1) for x in (a, b))
        parts = kl(Beta(a[:, :-1], rest_a[:, 1:]), Beta(b[:, :-1], rest_b[:, 1:])).sum(-1)
        worst = max(worst, float((kl(Dirichlet(a), Dirichlet(b)) / parts - 1).abs().max()) * distance)
    return Outcome.within(
        worst, 1e-13, "largest relative difference times the distance (the sums of the rest are rounded)"
    )


def _infinite(context: Context) -> Outcome:
    import math

    from elbo.divergences import kl
    from elbo.divergences.infinite import PAIRS

    laws = {q: (p, a) for q, a, p, _ in EXAMPLES for p, a in ((q, a),)}
    count = 0
    for q, others in PAIRS:
        for p in others:
            sides = [make(kind.__name__, laws[kind.__name__][1]) for kind in (q, p)]
            if kl(*sides).item() != math.inf:
                return Outcome.holds(False, f"{q.__name__} ‖ {p.__name__} is finite")
            count += 1
    return Outcome.holds(count == 33, f"{count} pairs")


def _renyi(context: Context) -> Outcome:
    import math

    from elbo.divergences import renyi
    from elbo.exact.quadrature import integrate

    worst = 0.0
    for alpha, s in ((0.3, 0.8), (0.9, 2.0), (2.0, 1.2), (5.0, 0.7)):
        q, p = make("Normal", (0.3, s)), make("Normal", (-0.4, 1.0))

        def integrand(x: float, alpha: float = alpha, s: float = s) -> float:
            log_q = -0.5 * ((x - 0.3) / s) ** 2 - math.log(s)
            return math.exp(alpha * log_q - (1 - alpha) * 0.5 * (x + 0.4) ** 2) / math.sqrt(2 * math.pi)

        value = math.log(integrate(integrand, -math.inf, math.inf, points=(-0.4, 0.3)).value) / (alpha - 1)
        worst = max(worst, abs(renyi(q, p, alpha).item() / value - 1))
    diverges = renyi(make("Normal", (0.0, 1.5)), make("Normal", (0.0, 1.0)), 2.0).item()
    return Outcome.within(
        worst if diverges == math.inf else math.inf, 1e-11, "largest relative difference; ∞ at σ² = 2.25, α = 2"
    )


def _mixtures(context: Context) -> Outcome:
    import torch
    from torch.distributions import Categorical, MixtureSameFamily, Normal

    from elbo.divergences import kl_by_quadrature, mixture_kl_bounds, mixture_kl_variational

    def mixture(weights: list[float], means: list[float], scales: list[float]) -> Any:
        w, m, s = (torch.tensor(x, dtype=torch.float64) for x in (weights, means, scales))
        return MixtureSameFamily(Categorical(w), Normal(m, s))

    holds, detail = True, ""
    for p in (
        mixture([0.5, 0.5], [-1.0, 2.0], [1.0, 0.7]),
        mixture([0.2, 0.3, 0.5], [-2.0, 0.0, 1.0], [1.0, 0.5, 2.0]),
    ):
        q = mixture([0.3, 0.7], [-1.5, 1.5], [0.6, 0.9])
        lower, upper = mixture_kl_bounds(q, p)
        truth = kl_by_quadrature(q, p)
        holds = holds and lower.item() - truth.error_bound <= truth.value <= upper.item() + truth.error_bound
        middle = mixture_kl_variational(q, p).item()
        detail += f"{lower.item():.3f} ≤ {truth.value:.3f} ≤ {upper.item():.3f} (variational {middle:.3f}) "
    return Outcome.holds(holds, detail.strip())


def _digits_lost(ulps: float) -> float:
    import math

    return math.log10(max(ulps, 1.0))


def _torch_normal(context: Context) -> Outcome:
    import torch
    from mpmath import log, mpf, workdps
    from torch.distributions import Normal

    from elbo.divergences import kl

    worst, lost = 0.0, []
    with workdps(60):
        for k in range(1, 9):
            u = torch.rand(20, 4, generator=context.generator(k), dtype=torch.float64)
            m, s = 2 * u[:, 0] - 1, 0.5 + u[:, 1]
            q, p = Normal(m, s), Normal(m + 10.0**-k * (u[:, 2] - 0.5), s * (1 + 10.0**-k * (u[:, 3] - 0.5)))
            theirs = 0.0
            columns = [
                x.tolist() for x in (q.loc, q.scale, p.loc, p.scale, kl(q, p), torch.distributions.kl_divergence(q, p))
            ]
            for a, b, c, d, ours, other in zip(*columns, strict=True):
                ratio = (mpf(b) / mpf(d)) ** 2
                want = (ratio - 1 - log(ratio) + ((mpf(a) - mpf(c)) / mpf(d)) ** 2) / 2
                worst = max(worst, _ulps(ours, want, torch.float64))
                theirs = max(theirs, _ulps(other, want, torch.float64))
            lost.append(_digits_lost(theirs))
    figures = ", ".join(f"{x:.0f} at 1e-{k}" for k, x in enumerate(lost, 1))
    if max(lost) < 4:
        return Outcome.holds(False, f"torch lost at most {max(lost):.0f} digits: it no longer loses what is said here")
    return Outcome.within(worst, 4.0, f"ulps of elbo's; digits lost by torch: {figures}", digits_lost=lost)


def _torch_multivariate(context: Context) -> Outcome:
    import torch
    from mpmath import det, log, matrix, workdps
    from torch.distributions import MultivariateNormal

    from elbo.divergences import kl

    worst, lost = 0.0, []
    with workdps(50):
        for k in (1, 3, 5, 7):
            a = torch.randn(2, 4, 4, generator=context.generator(k), dtype=torch.float64)
            base = a[0] @ a[0].mT / 4 + torch.eye(4, dtype=torch.float64)
            other = base + 10.0**-k * 0.05 * (a[1] + a[1].mT)
            laws = [MultivariateNormal(torch.zeros(4, dtype=torch.float64), c) for c in (base, other)]
            s1, s2 = (matrix(c.tolist()) for c in (base, other))
            ratio = s2**-1 * s1
            want = (sum(ratio[i, i] for i in range(4)) - 4 - log(det(s1) / det(s2))) / 2
            worst = max(worst, _ulps(kl(*laws).item(), want, torch.float64))
            lost.append((k, _digits_lost(_ulps(torch.distributions.kl_divergence(*laws).item(), want, torch.float64))))
    figures = ", ".join(f"{x:.0f} at 1e-{k}" for k, x in lost)
    if max(x for _, x in lost) < 4:
        return Outcome.holds(False, f"digits lost by torch: {figures}: it no longer loses what is said here")
    return Outcome.within(worst, 64.0, f"ulps of elbo's (8 times the condition); digits lost by torch: {figures}")


def _torch_kl_div(context: Context) -> Outcome:
    import torch
    from torch.nn.functional import kl_div

    from elbo.divergences import kl

    q, p = (torch.rand(3, 5, generator=context.generator(side), dtype=torch.float64) + 0.1 for side in "qp")
    q, p = (x / x.sum(-1, keepdim=True) for x in (q, p))
    laws = [torch.distributions.Categorical(probs=x) for x in (q, p)]
    forward, backward = kl(*laws).sum().item(), kl(*reversed(laws)).sum().item()
    total = kl_div(p.log(), q, reduction="sum").item()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch itself warns that 'mean' is not what the name says
        mean = kl_div(p.log(), q, reduction="mean").item()
    residual = max(
        abs(total - forward),
        abs(mean - forward / 15),
        abs(kl_div(p.log(), q, reduction="batchmean").item() - forward / 3),
    )
    detail = f"sum {total:.6f} = KL[q ‖ p] (KL[p ‖ q] is {backward:.6f}); mean {mean:.6f} = a 15th, not a third"
    return Outcome.within(residual, 1e-14, detail)
